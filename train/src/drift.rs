//! Whether a site's images still look like those a checkpoint was calibrated on.
//!
//! Scores and simple features are compared with the quantiles in the card, mixed to the site's
//! modalities: by the Kolmogorov–Smirnov distance, and by the population stability index over tenths
//! of the reference, which practice reads as stable below 0.1 and as another population from 0.25.

use std::fmt::Write;
use std::path::Path;

use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use veraray_model::Checkpoint;

use crate::TrainError;
use crate::calibrate::{Reference, feature_names};
use crate::local::Local;
use crate::metrics::{percentiles, rate_above};
use crate::progress::Progress;

/// Fewest images that are compared.
const LEAST: usize = 30;

/// Bins of the stability index.
const BINS: usize = 10;

/// Replicates behind an interval; each sorts the site's values once.
const REPLICATES: usize = 400;

/// From here on practice calls a shift moderate, and another population.
const LEVELS: [f64; 2] = [0.1, 0.25];

/// P-value below which a distance is taken for real.
const DOUBT: f64 = 0.01;

/// How one quantity has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// `logit`, or a feature.
    pub name: String,
    /// Largest distance between the two distribution functions, with its 95 % bootstrap interval.
    pub distance: [f64; 3],
    /// P-value of no difference (Kolmogorov–Smirnov, asymptotic).
    pub p_value: f64,
    /// Population stability index with its 95 % bootstrap interval.
    pub stability_index: [f64; 3],
    /// What the index comes to by chance alone, with these numbers of images.
    pub by_chance: f64,
    /// Median of the site and of the reference.
    pub median: [f64; 2],
    /// What to make of it.
    pub level: Level,
}

/// How far something has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not beyond chance, or too little to matter.
    Stable,
    /// Worth a look.
    Moderate,
    /// The card's thresholds and rates cannot be relied on.
    Severe,
}

/// A site against the calibration set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Drift {
    /// The checkpoint's file and its SHA-256.
    pub checkpoint: [String; 2],
    /// Images of the site and of the reference.
    pub images: [usize; 2],
    /// Modalities of the site that the calibration set does not hold.
    pub unknown_modalities: Vec<String>,
    /// Logits first, then the features.
    pub shifts: Vec<Shift>,
    /// Declared rate, and the share of the site's images flagged at its threshold.
    pub flagged: Vec<[f64; 2]>,
    /// The worst level.
    pub level: Level,
    /// Files that could not be judged, and why.
    pub skipped: Vec<(String, String)>,
}

/// Compares the images below a folder, or those of a manifest, with the card of the checkpoint at
/// `path`.
///
/// # Errors
/// [`TrainError`] when something cannot be read, the card keeps no calibration set, or there are too
/// few images.
pub fn drift(
    path: &Path,
    images: &Path,
    device: &Device,
    limit: usize,
    progress: &Progress,
) -> Result<Drift, TrainError> {
    let checkpoint = Checkpoint::load(path, device)?;
    let set = checkpoint.card.calibration_set.as_ref().ok_or_else(|| {
        TrainError::Data(format!(
            "{}: the card keeps no calibration set to compare with; run calibrate with labelled images \
             first",
            path.display()
        ))
    })?;
    let local = Local::score(&checkpoint, images, device, limit, progress)?;
    let count = local.images.len();
    if count < LEAST {
        return Err(TrainError::Data(format!(
            "{}: {count} images can be judged; at least {LEAST} are needed to tell drift from chance",
            images.display()
        )));
    }
    let modalities = local.modalities();
    let empty = || TrainError::Data(format!("{}: the calibration set is empty", path.display()));
    let logits: Vec<f64> = local.images.iter().map(|image| image.logit).collect();
    let reference = Reference::mixed(set, &modalities, |d| &d.logits).ok_or_else(empty)?;
    let mut shifts = vec![shift("logit", &logits, &reference)];
    for (index, name) in feature_names().into_iter().enumerate() {
        let values: Vec<f64> = local.images.iter().map(|i| i.features[index]).collect();
        // An older card may not keep every feature.
        let Some(reference) = Reference::mixed(set, &modalities, |d| {
            d.features.get(name).map_or(&[], Vec::as_slice)
        }) else {
            continue;
        };
        shifts.push(shift(name, &values, &reference));
    }
    let mut unknown: Vec<String> = modalities
        .into_iter()
        .filter(|modality| !modality.is_empty() && !set.authentic.contains_key(modality))
        .collect();
    unknown.sort();
    unknown.dedup();
    let calibration = &checkpoint.card.calibration;
    let scores: Vec<f64> = logits.iter().map(|z| calibration.score(*z)).collect();
    Ok(Drift {
        checkpoint: [path.display().to_string(), checkpoint.sha256.clone()],
        images: [count, reference.images],
        unknown_modalities: unknown,
        level: shifts
            .iter()
            .map(|s| s.level)
            .max()
            .unwrap_or(Level::Stable),
        shifts,
        flagged: calibration
            .operating_points
            .iter()
            .map(|point| {
                [
                    point.false_positive_rate,
                    rate_above(&scores, point.threshold),
                ]
            })
            .collect(),
        skipped: local.skipped,
    })
}

fn shift(name: &str, values: &[f64], reference: &Reference) -> Shift {
    let edges: Vec<f64> = (1..BINS)
        .map(|bin| reference.quantile(bin as f64 / BINS as f64))
        .collect();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut rng = StdRng::seed_from_u64(1);
    let draws: Vec<[f64; 2]> = (0..REPLICATES)
        .map(|_| {
            let mut draw: Vec<f64> = (0..sorted.len())
                .map(|_| sorted[rng.random_range(0..sorted.len())])
                .collect();
            draw.sort_by(f64::total_cmp);
            [
                distance(&draw, reference),
                stability(&draw, reference, &edges),
            ]
        })
        .collect();
    let estimate = [
        distance(&sorted, reference),
        stability(&sorted, reference, &edges),
    ];
    let interval = |which: usize| {
        let column = draws.iter().map(|draw| draw[which]).collect();
        percentiles(estimate[which], column).unwrap_or([estimate[which]; 3])
    };
    let (n, m) = (sorted.len() as f64, reference.images as f64);
    let p_value = kolmogorov(estimate[0] * (n * m / (n + m)).sqrt());
    // The index of two samples of one population is about chi-square over the numbers of images.
    let by_chance = (BINS - 1) as f64 * (1.0 / n + 1.0 / m);
    let beyond = estimate[1] - by_chance;
    let level = if p_value >= DOUBT || beyond < LEVELS[0] {
        Level::Stable
    } else if beyond < LEVELS[1] {
        Level::Moderate
    } else {
        Level::Severe
    };
    Shift {
        name: name.to_owned(),
        distance: interval(0),
        p_value,
        stability_index: interval(1),
        by_chance,
        median: [sorted[sorted.len() / 2], reference.quantile(0.5)],
        level,
    }
}

/// Kolmogorov–Smirnov distance of ascending values.
fn distance(sorted: &[f64], reference: &Reference) -> f64 {
    let count = sorted.len() as f64;
    let mut largest = 0.0f64;
    let mut start = 0;
    for block in sorted.chunk_by(|a, b| a == b) {
        let expected = reference.cumulative(block[0]);
        // The reference is a step function of few steps; just below a value it may be lower.
        let below = reference.below(block[0]);
        let end = start + block.len();
        largest = largest
            .max((end as f64 / count - expected).abs())
            .max((start as f64 / count - below).abs());
        start = end;
    }
    largest
}

/// Population stability index of ascending values over bins that end at `edges`.
fn stability(sorted: &[f64], reference: &Reference, edges: &[f64]) -> f64 {
    let floor = 0.5 / sorted.len() as f64;
    let (mut index, mut before, mut expected_before) = (0.0, 0, 0.0);
    for bin in 0..=edges.len() {
        let (end, expected_end) = match edges.get(bin) {
            Some(edge) => (
                sorted.partition_point(|v| v <= edge),
                reference.cumulative(*edge),
            ),
            None => (sorted.len(), 1.0),
        };
        let found = ((end - before) as f64 / sorted.len() as f64).max(floor);
        let expected = (expected_end - expected_before).max(0.0);
        // Ties can leave a bin of the reference empty.
        if expected > 1e-9 {
            index += (found - expected) * (found / expected).ln();
        }
        (before, expected_before) = (end, expected_end);
    }
    index
}

/// Probability that Kolmogorov's statistic exceeds `x` (Kolmogorov, 1933; the series converges fast).
fn kolmogorov(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let terms = (1..=100).map(|k| {
        let k = f64::from(k);
        let sign = if k % 2.0 == 1.0 { 1.0 } else { -1.0 };
        sign * (-2.0 * k * k * x * x).exp()
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

impl Drift {
    /// The comparison as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "{} images against {} of the calibration set.\n\n\
             | quantity | median here | calibration | KS distance | p | stability index | by chance | |\n\
             |---|---|---|---|---|---|---|---|\n",
            self.images[0], self.images[1]
        );
        for s in &self.shifts {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {:.3} | {:.3} | {:.3} ({:.3}–{:.3}) | {:.4} | {:.3} ({:.3}–{:.3}) | {:.3} | {} |",
                s.name,
                s.median[0],
                s.median[1],
                s.distance[0],
                s.distance[1],
                s.distance[2],
                s.p_value,
                s.stability_index[0],
                s.stability_index[1],
                s.stability_index[2],
                s.by_chance,
                s.level.word(),
            );
        }
        for [rate, flagged] in &self.flagged {
            let _ = writeln!(
                text,
                "\nAt the threshold declared for {:.1} % false alarms, {:.1} % of these images are flagged.",
                100.0 * rate,
                100.0 * flagged
            );
        }
        if !self.unknown_modalities.is_empty() {
            let _ = writeln!(
                text,
                "\nNot in the calibration set: {}; compared with all of it.",
                self.unknown_modalities.join(", ")
            );
        }
        let _ = writeln!(text, "\n{}", self.advice());
        text
    }

    /// What to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.level {
            Level::Stable => "No drift beyond what these numbers allow to see.",
            Level::Moderate => {
                "The images have moved: look at a sample, and recalibrate when they are authentic."
            }
            Level::Severe => {
                "Other images than the calibration's: its thresholds and rates cannot be relied on \
                 here. Recalibrate, with labels if they can be had."
            }
        }
    }
}

impl Level {
    /// The level as a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Moderate => "moderate",
            Self::Severe => "severe",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use veraray_model::CalibrationSet;

    use super::*;
    use crate::calibrate::reference::distribution;

    fn draws(count: usize, centre: f64, seed: u64) -> Vec<f64> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..count)
            .map(|_| centre + (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)
            .collect()
    }

    fn reference(images: usize) -> Reference {
        let rows: Vec<(f64, [f64; 5])> = draws(images, 0.0, 1)
            .into_iter()
            .map(|z| (z, [0.0; 5]))
            .collect();
        let set = CalibrationSet {
            authentic: BTreeMap::from([("ct".to_owned(), distribution(&rows))]),
            ..CalibrationSet::default()
        };
        Reference::mixed(&set, &[], |d| &d.logits).unwrap()
    }

    #[test]
    fn chance_is_not_drift_and_a_shift_is() {
        let reference = reference(300);
        let alarms = (10..40)
            .filter(|&seed| shift("z", &draws(200, 0.0, seed), &reference).level != Level::Stable)
            .count();
        assert!(alarms <= 1, "{alarms} of 30");
        let moved = shift("z", &draws(200, 1.0, 50), &reference);
        assert_eq!(moved.level, Level::Severe);
        assert!(moved.p_value < 1e-6 && moved.stability_index[1] > 0.25);
        // Two normal distributions one deviation apart: 2Φ(1/2) - 1.
        assert!((moved.distance[0] - 0.383).abs() < 0.08);
    }

    #[test]
    fn the_tail_of_kolmogorov_is_the_tabulated_one() {
        assert!((kolmogorov(1.358) - 0.05).abs() < 5e-4);
        assert!((kolmogorov(1.628) - 0.01).abs() < 2e-4);
        assert_eq!(kolmogorov(0.0), 1.0);
    }
}
