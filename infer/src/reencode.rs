//! Changes to a picture that change nothing for whoever reads it: what happens to it on its way.
//!
//! All are deterministic, so that a verdict does not depend on a draw. `veraray explain` shows the
//! score after each of several; `veraray scan --stability` asks whether a verdict holds.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use veraray_datasets::GrayImage;
use veraray_model::lanczos3;

/// One change, with its name for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reencoding {
    pub(crate) name: &'static str,
    change: fn(&GrayImage) -> Option<GrayImage>,
}

impl Reencoding {
    pub(crate) const fn new(
        name: &'static str,
        change: fn(&GrayImage) -> Option<GrayImage>,
    ) -> Self {
        Self { name, change }
    }

    /// The changed picture; `None` where the change cannot be made.
    pub(crate) fn apply(&self, image: &GrayImage) -> Option<GrayImage> {
        (self.change)(image)
    }
}

/// What a verdict should survive: archives store as JPEG, viewers zoom by a hair, convert between bit
/// depths and keep a window that is not quite the same. The first is the one that flips most.
pub(crate) const HARMLESS: [Reencoding; 4] = [
    Reencoding::new("saving as JPEG at quality 90", |image| jpeg(image, 90)),
    Reencoding::new("shrinking by half a percent", |image| {
        smaller(image, [199, 200])
    }),
    Reencoding::new("a dither of one grey level in 256", |image| {
        Some(dithered(image))
    }),
    Reencoding::new("a window 2 % wider", |image| {
        Some(mapped(image, |grey| 0.5 + (grey - 0.5) / 1.02))
    }),
];

/// The picture with every grey passed through `map`, which keeps `[0, 1]`.
pub(crate) fn mapped(image: &GrayImage, map: impl Fn(f32) -> f32) -> GrayImage {
    GrayImage {
        pixels: image.pixels.iter().map(|&grey| map(grey)).collect(),
        ..*image
    }
}

/// Left and right exchanged.
pub(crate) fn mirrored(image: &GrayImage) -> GrayImage {
    GrayImage {
        pixels: image
            .pixels
            .chunks_exact(image.columns)
            .flat_map(|line| line.iter().rev().copied())
            .collect(),
        ..*image
    }
}

/// Reduced to a share of both sides, rounded up.
pub(crate) fn smaller(image: &GrayImage, [part, whole]: [usize; 2]) -> Option<GrayImage> {
    let reduce = |side: usize| (side * part).div_ceil(whole);
    let (rows, columns) = (reduce(image.rows), reduce(image.columns));
    if (rows, columns) == (image.rows, image.columns) {
        return None;
    }
    Some(GrayImage {
        rows,
        columns,
        pixels: lanczos3(&image.pixels, [image.rows, image.columns], [rows, columns]),
    })
}

/// Up or down by a level of 256, or left, each for a third of the pixels, by a hash of their place.
fn dithered(image: &GrayImage) -> GrayImage {
    let mut place = 0_u32;
    GrayImage {
        pixels: image
            .pixels
            .iter()
            .map(|&grey| {
                // Knuth's multiplicative hash, its high bits.
                let hash = place.wrapping_mul(2_654_435_761);
                place = place.wrapping_add(1);
                let step = ((hash ^ hash >> 15).wrapping_mul(0x2C1B_3C6D) >> 16) % 3;
                (grey + (step as f32 - 1.0) / 255.0).clamp(0.0, 1.0)
            })
            .collect(),
        ..*image
    }
}

/// Stored as eight-bit JPEG and read back; `None` where JPEG cannot hold it.
pub(crate) fn jpeg(image: &GrayImage, quality: u8) -> Option<GrayImage> {
    let bytes: Vec<u8> = image
        .pixels
        .iter()
        .map(|pixel| (pixel * 255.0).round() as u8)
        .collect();
    let (rows, columns) = (
        u32::try_from(image.rows).ok()?,
        u32::try_from(image.columns).ok()?,
    );
    let mut encoded = Vec::new();
    // A side above 65,535 is more than JPEG holds.
    JpegEncoder::new_with_quality(&mut encoded, quality)
        .encode(&bytes, columns, rows, ExtendedColorType::L8)
        .ok()?;
    let decoded = image::load(Cursor::new(encoded), ImageFormat::Jpeg).ok()?;
    Some(GrayImage {
        pixels: decoded
            .to_luma8()
            .into_raw()
            .iter()
            .map(|&byte| f32::from(byte) / 255.0)
            .collect(),
        ..*image
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> GrayImage {
        GrayImage {
            rows: 64,
            columns: 96,
            pixels: (0..64 * 96)
                .map(|index| 0.5 + 0.4 * ((index % 96) as f32 / 15.0).sin())
                .collect(),
        }
    }

    #[test]
    fn changes_keep_what_is_shown() {
        let image = picture();
        let again = mirrored(&mirrored(&image));
        assert_eq!(again, image);
        let coded = jpeg(&image, 95).unwrap();
        let worst = coded
            .pixels
            .iter()
            .zip(&image.pixels)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.03 && coded != image, "{worst}");
        let small = smaller(&image, [9, 10]).unwrap();
        assert_eq!((small.rows, small.columns), (58, 87));
    }

    #[test]
    fn harmless_ones_are_small_act_and_repeat() {
        let image = picture();
        for change in HARMLESS {
            // Too small to lose half a percent.
            if change.name.contains("shrinking") {
                assert_eq!(change.apply(&image), None);
                continue;
            }
            let changed = change.apply(&image).unwrap();
            let worst = changed
                .pixels
                .iter()
                .zip(&image.pixels)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst > 0.003 && worst < 0.04, "{}: {worst}", change.name);
            assert_eq!(change.apply(&image), Some(changed));
        }
        let dithered = dithered(&image);
        let shift = |index: usize| ((dithered.pixels[index] - image.pixels[index]) * 255.0).round();
        for step in [-1.0, 0.0, 1.0] {
            let share = (0..64 * 96).filter(|&index| shift(index) == step).count();
            assert!((1800..2300).contains(&share), "{step}: {share}");
        }
    }
}
