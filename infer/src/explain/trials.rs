//! Whether a score holds when the image is changed in ways that change nothing for a reader.

use serde::Serialize;
use veraray_datasets::GrayImage;
use veraray_model::InputSpec;

use crate::explain::filter::blurred;
use crate::forward::Forward;
use crate::judge::Rules;
use crate::reencode::{Reencoding, jpeg, mapped, mirrored, smaller};

/// The score after one change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) logit: f64,
    pub(crate) score: f64,
    /// Whether it reaches the threshold.
    pub(crate) flagged: bool,
}

const CHANGES: [Reencoding; 7] = [
    Reencoding::new("as it is", |image| Some(image.clone())),
    Reencoding::new("mirrored", |image| Some(mirrored(image))),
    Reencoding::new("JPEG, quality 95", |image| jpeg(image, 95)),
    Reencoding::new("JPEG, quality 75", |image| jpeg(image, 75)),
    Reencoding::new("10 % smaller", |image| smaller(image, [9, 10])),
    Reencoding::new("slightly blurred (0.6 pixels)", |image| {
        Some(GrayImage {
            pixels: blurred(&image.pixels, [image.rows, image.columns], 0.6),
            ..*image
        })
    }),
    Reencoding::new("brighter (gamma 0.9)", |image| {
        Some(mapped(image, |grey| grey.powf(0.9)))
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
    for change in CHANGES {
        let Some(changed) = change.apply(image) else {
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
                name: change.name.to_owned(),
                logit,
                score,
                flagged: score >= rules.operating.threshold,
            });
        }
    }
    trials
}
