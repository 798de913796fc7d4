//! PNG chunks (PNG, third edition).

use veraray_datasets::inflate_zlib;

use super::catalogue::{PNG_BROKEN, PNG_PROFILE, PNG_TEXT};
use super::{Found, c2pa, quote, tiff, trailing, xmp};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Most chunks that are looked at; pixel data alone come in thousands.
const MOST_CHUNKS: usize = 100_000;
/// Most text chunks that are read.
const MOST_TEXTS: usize = 64;
/// Longest text after inflating.
const LONGEST: u64 = 1 << 20;

pub(super) fn headers(bytes: &[u8], found: &mut Found) {
    let mut at = SIGNATURE.len();
    let (mut texts, mut ended, mut checked) = (0, false, 0_usize);
    for _ in 0..MOST_CHUNKS {
        let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
            break;
        };
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = [head[4], head[5], head[6], head[7]];
        let body = at
            .checked_add(8 + length)
            .and_then(|end| bytes.get(at + 8..end));
        let crc = bytes
            .get(at + 8 + length..)
            .and_then(|rest| rest.first_chunk::<4>());
        let (Some(body), Some(&crc)) = (body, crc) else {
            break;
        };
        // Pixel chunks have a checksum of their own inside; hashing metadata costs little.
        if &kind != b"IDAT" && checked < 8 << 20 {
            checked += length;
            if crc32(&[&kind, body]) != u32::from_be_bytes(crc) {
                let name = quote(&String::from_utf8_lossy(&kind));
                found.push(PNG_BROKEN.note(format!("the checksum of chunk {name} is wrong")));
            }
        }
        if matches!(&kind, b"tEXt" | b"zTXt" | b"iTXt") && texts < MOST_TEXTS {
            texts += 1;
            text(kind, body, found);
        }
        match &kind {
            b"eXIf" => {
                found.push(PNG_PROFILE.note("an EXIF chunk"));
                tiff::exif(body, found);
            }
            b"iCCP" => {
                let name = body.split(|&b| b == 0).next().unwrap_or_default();
                let name = quote(&String::from_utf8_lossy(name));
                found.push(PNG_PROFILE.note(format!("a colour profile, {name}")));
            }
            b"tIME" => found.push(PNG_PROFILE.note("a time stamp")),
            b"caBX" => c2pa::manifest(body, found),
            _ => {}
        }
        at += 12 + length;
        if &kind == b"IEND" {
            ended = true;
            break;
        }
    }
    if ended {
        trailing(bytes.get(at..).unwrap_or_default(), found);
    } else {
        found.push(PNG_BROKEN.note("the file ends before its IEND chunk"));
    }
}

/// A text chunk: keyword, and text that may be compressed.
fn text(kind: [u8; 4], body: &[u8], found: &mut Found) {
    let mut parts = body.splitn(2, |&b| b == 0);
    let keyword = parts.next().unwrap_or_default();
    let rest = parts.next().unwrap_or_default();
    let value = match &kind {
        b"tEXt" => Some(rest.to_vec()),
        b"zTXt" => rest.get(1..).and_then(|data| inflate_zlib(data, LONGEST)),
        _ => international(rest),
    };
    let keyword = String::from_utf8_lossy(keyword.get(..79).unwrap_or(keyword)).into_owned();
    let Some(value) = value else {
        found.push(PNG_BROKEN.note(format!("the text of {} cannot be read", quote(&keyword))));
        return;
    };
    let value = String::from_utf8_lossy(value.get(..1 << 20).unwrap_or(&value)).into_owned();
    if keyword == "XML:com.adobe.xmp" {
        xmp::packet(&value, found);
        return;
    }
    if let Some(program) = generator(&keyword, &value) {
        found.push(super::catalogue::IMAGE_GENERATOR.note(format!(
            "text chunk “{}” of {program}: {}",
            quote(&keyword),
            quote(&value)
        )));
    } else if keyword == "Software" {
        tiff::software("Software", &value, found);
    } else {
        found.push(PNG_TEXT.note(format!("{}: {}", quote(&keyword), quote(&value))));
    }
}

/// Keyword flags and tags stand before the text of an iTXt chunk.
fn international(rest: &[u8]) -> Option<Vec<u8>> {
    let (&[compressed, _], rest) = rest.split_first_chunk::<2>()?;
    let mut parts = rest.splitn(3, |&b| b == 0);
    let text = parts.nth(2)?;
    match compressed {
        0 => Some(text.to_vec()),
        _ => inflate_zlib(text, LONGEST),
    }
}

/// The image generator that writes such a text chunk.
fn generator(keyword: &str, value: &str) -> Option<&'static str> {
    let key = keyword.to_ascii_lowercase();
    let has = |part: &str| value.contains(part);
    match key.as_str() {
        "parameters" if has("Steps:") || has("Sampler:") || has("Seed:") => {
            Some("Stable Diffusion web UI")
        }
        "prompt" | "workflow" if value.trim_start().starts_with('{') => Some("ComfyUI"),
        "sd-metadata" | "dream" | "invokeai_metadata" | "invokeai_graph" => Some("InvokeAI"),
        "generation_data" | "fooocus_scheme" | "sui_image_params" => Some("a diffusion front end"),
        "source" | "title" | "software" if has("NovelAI") || has("Stable Diffusion") => {
            Some("NovelAI")
        }
        "comment" if has("\"prompt\"") && has("\"seed\"") => Some("a diffusion front end"),
        _ => super::quote::generator(value),
    }
}

/// CRC of PNG, Annex D.
fn crc32(parts: &[&[u8]]) -> u32 {
    let table = |mut n: u32| {
        for _ in 0..8 {
            n = if n & 1 == 1 {
                0xedb8_8320 ^ (n >> 1)
            } else {
                n >> 1
            };
        }
        n
    };
    let table: Vec<u32> = (0..256).map(table).collect();
    let mut crc = u32::MAX;
    for &byte in parts.iter().copied().flatten() {
        crc = table[((crc ^ u32::from(byte)) & 0xff) as usize] ^ (crc >> 8);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_every_empty_end_chunk() {
        assert_eq!(crc32(&[b"IEND"]), 0xae42_6082);
    }

    #[test]
    fn front_ends_are_told_by_their_keywords() {
        let parameters = "a chest x-ray\nSteps: 20, Sampler: Euler a, Seed: 1";
        assert_eq!(
            generator("parameters", parameters),
            Some("Stable Diffusion web UI")
        );
        assert_eq!(generator("prompt", "{\"3\":{}}"), Some("ComfyUI"));
        assert_eq!(generator("parameters", "kVp 120"), None);
        assert_eq!(generator("Title", "Thorax pa"), None);
    }
}
