//! Text from files, made fit for a sentence.

/// Longest quotation, in characters.
const LONGEST: usize = 120;

/// Control characters become spaces, long texts are cut.
pub(crate) fn quote(text: &str) -> String {
    let mut clean = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == LONGEST {
            clean.push('…');
            break;
        }
        let fit = match character {
            c if c.is_control() || is_bidi(c) => ' ',
            c => c,
        };
        clean.push(fit);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Characters that turn the direction of a line and so disguise it.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Words that a scanner does not write about its own image. Lower case, whole words.
const GENERATORS: [&str; 24] = [
    "gan",
    "cyclegan",
    "stylegan",
    "pix2pix",
    "diffusion",
    "ddpm",
    "txt2img",
    "img2img",
    "inpaint",
    "inpainting",
    "inpainted",
    "deepfake",
    "comfyui",
    "invokeai",
    "novelai",
    "midjourney",
    "dall-e",
    "dalle",
    "firefly",
    "roentgen-v2",
    "ai-generated",
    "medigan",
    "ct-gan",
    "maisi",
];

/// The first word in `text` that names image generation.
pub(super) fn generator(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    // Diffusion-weighted imaging is a sequence, not a generator.
    let mri = ["weighted", "dwi", "adc", "tensor", "trace", "b0", "bval"];
    let words = || lower.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    let is_dwi = words().any(|w| mri.iter().any(|m| w.starts_with(m)));
    // The word alone also names legitimate methods: synthetic MR, synthetic 2D mammograms.
    let phrases = [
        "synthetic image",
        "synthetic data",
        "synthetically generated",
    ];
    if let Some(phrase) = phrases.into_iter().find(|p| lower.contains(p)) {
        return Some(phrase);
    }
    GENERATORS.into_iter().find(|&name| {
        let found = words().any(|word| word == name || (name == "dalle" && word == "dall"));
        found && !(name == "diffusion" && is_dwi)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_safe_and_short() {
        assert_eq!(quote(" a\u{1b}[31m\nb\u{202e} "), "a [31m b");
        assert_eq!(quote(&"x".repeat(500)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn generators_are_whole_words() {
        assert_eq!(generator("made by CycleGAN v2"), Some("cyclegan"));
        assert_eq!(generator("Stable Diffusion 1.5"), Some("diffusion"));
        assert_eq!(generator("AX DIFFUSION WEIGHTED"), None);
        assert_eq!(generator("organ, GANTRY, Morgan"), None);
    }
}
