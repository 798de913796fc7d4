//! Whether a score holds when the image is changed in ways that change nothing for a reader.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use serde::Serialize;
use veraray_datasets::GrayImage;
use veraray_model::{InputSpec, lanczos3};

use crate::explain::filter::blurred;
use crate::forward::Forward;
use crate::judge::Rules;

/// The score after one change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) logit: f64,
    pub(crate) score: f64,
    /// Whether it reaches the threshold.
    pub(crate) flagged: bool,
}

type Change = (&'static str, fn(&GrayImage) -> Option<GrayImage>);

const CHANGES: [Change; 7] = [
    ("as it is", |image| Some(image.clone())),
    ("mirrored", |image| Some(mirrored(image))),
    ("JPEG, quality 95", |image| jpeg(image, 95)),
    ("JPEG, quality 75", |image| jpeg(image, 75)),
    ("10 % smaller", smaller),
    ("slightly blurred (0.6 pixels)", |image| {
        Some(GrayImage {
            pixels: blurred(&image.pixels, [image.rows, image.columns], 0.6),
            ..image.clone()
        })
    }),
    ("brighter (gamma 0.9)", |image| {
        Some(GrayImage {
            pixels: image.pixels.iter().map(|pixel| pixel.powf(0.9)).collect(),
            ..image.clone()
        })
    }),
];

/// Scores a frame after every change that leaves it suitable.
pub(crate) fn run(
    image: &GrayImage,
    spec: &InputSpec,
    rules: &Rules,
    forward: &mut dyn Forward,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, change) in CHANGES {
        let Some(changed) = change(image) else {
            continue;
        };
        let Ok(tiles) = spec.tiles(&changed.pixels, changed.rows, changed.columns) else {
            continue;
        };
        let Ok(scores) = forward.forward(tiles) else {
            continue;
        };
        let logits = scores.iter().map(|score| f64::from(score.logit));
        let Some(logit) = rules.pooling.pool(logits) else {
            continue;
        };
        let score = rules.calibration.score(logit);
        if score.is_finite() {
            trials.push(Trial {
                name: name.to_owned(),
                logit,
                score,
                flagged: score >= rules.operating.threshold,
            });
        }
    }
    trials
}

fn mirrored(image: &GrayImage) -> GrayImage {
    GrayImage {
        pixels: image
            .pixels
            .chunks_exact(image.columns)
            .flat_map(|line| line.iter().rev().copied())
            .collect(),
        ..image.clone()
    }
}

fn smaller(image: &GrayImage) -> Option<GrayImage> {
    let reduce = |side: usize| (side * 9).div_ceil(10);
    let (rows, columns) = (reduce(image.rows), reduce(image.columns));
    Some(GrayImage {
        rows,
        columns,
        pixels: lanczos3(&image.pixels, [image.rows, image.columns], [rows, columns]),
    })
}

fn jpeg(image: &GrayImage, quality: u8) -> Option<GrayImage> {
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
        ..image.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_keep_what_is_shown() {
        let image = GrayImage {
            rows: 64,
            columns: 96,
            pixels: (0..64 * 96)
                .map(|index| 0.5 + 0.4 * ((index % 96) as f32 / 15.0).sin())
                .collect(),
        };
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
        let small = smaller(&image).unwrap();
        assert_eq!((small.rows, small.columns), (58, 87));
    }
}
