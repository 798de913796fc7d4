//! How well scores mean what they say.

use serde::{Deserialize, Serialize};

use super::{Ranked, Scored};

/// Bins of the calibration error.
const BINS: usize = 10;

/// Scores are kept this far from 0 and 1 before a logarithm is taken.
const FLOOR: f64 = 1e-7;

/// One bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Mean score of the images in it.
    pub score: f64,
    /// Share of manipulated images among them, both classes weighing the same in all.
    pub manipulated: f64,
    /// Number of images.
    pub images: usize,
}

/// Expected calibration error over ten equal bins (Guo et al., ICML 2017), of `(score, label)`;
/// every image weighs the same.
#[must_use]
pub fn expected_calibration_error(scored: &[(f64, bool)]) -> f64 {
    let mut bins = [(0usize, 0.0f64, 0.0f64); BINS];
    for (score, label) in scored {
        let bin = &mut bins[bin(*score)];
        bin.0 += 1;
        bin.1 += score;
        bin.2 += f64::from(u8::from(*label));
    }
    let gap = bins
        .iter()
        .map(|(_, scores, labels)| (scores - labels).abs());
    gap.sum::<f64>() / scored.len().max(1) as f64
}

/// The bars of a reliability diagram, empty bins left out.
#[must_use]
pub fn reliability(authentic: &[Scored], manipulated: &[Scored]) -> Vec<Bin> {
    // Weight, weighted score and weight of the manipulated, and the count.
    let mut bins = [(0.0f64, 0.0f64, 0.0f64, 0usize); BINS];
    for (class, label) in [(authentic, 0.0), (manipulated, 1.0)] {
        let weight = 0.5 / class.len().max(1) as f64;
        for image in class {
            let bin = &mut bins[bin(image.score)];
            bin.0 += weight;
            bin.1 += weight * image.score;
            bin.2 += weight * label;
            bin.3 += 1;
        }
    }
    bins.into_iter()
        .filter(|bin| bin.3 > 0)
        .map(|(weight, score, label, images)| Bin {
            score: score / weight,
            manipulated: label / weight,
            images,
        })
        .collect()
}

fn bin(score: f64) -> usize {
    ((score * BINS as f64) as usize).min(BINS - 1)
}

/// Terms of the probability metrics, taken once per image.
pub(super) struct Balanced {
    /// Square error, log loss and bin of every image, in the order of the ranking.
    terms: Vec<(f64, f64, usize)>,
}

impl Balanced {
    pub(super) fn new(ranked: &Ranked) -> Self {
        let term = |score: f64, manipulated: bool| {
            let right = if manipulated { score } else { 1.0 - score };
            let loss = -right.clamp(FLOOR, 1.0).ln();
            ((1.0 - right).powi(2), loss, bin(score))
        };
        Self {
            terms: ranked
                .images()
                .iter()
                .map(|image| term(image.score, image.manipulated))
                .collect(),
        }
    }

    /// Brier score, calibration error and log loss, both classes weighing the same.
    pub(super) fn figures(
        &self,
        ranked: &Ranked,
        weights: &[u32],
        [authentic, manipulated]: [f64; 2],
    ) -> [f64; 3] {
        let (mut brier, mut likelihood) = (0.0, 0.0);
        let mut gaps = [0.0; BINS];
        for (image, (square, loss, bin)) in ranked.images().iter().zip(&self.terms) {
            let multiplicity = f64::from(weights[image.group as usize]);
            let (total, label) = if image.manipulated {
                (manipulated, 1.0)
            } else {
                (authentic, 0.0)
            };
            let weight = 0.5 * multiplicity / total;
            brier += weight * square;
            likelihood += weight * loss;
            gaps[*bin] += weight * (image.score - label);
        }
        let calibration_error: f64 = gaps.iter().map(|gap| gap.abs()).sum();
        [brier, calibration_error, likelihood]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_error_of_a_calibrated_and_a_wrong_score() {
        let calibrated: Vec<(f64, bool)> = (0..100).map(|i| (0.25, i % 4 == 0)).collect();
        assert!(expected_calibration_error(&calibrated) < 1e-9);
        let wrong: Vec<(f64, bool)> = (0..100).map(|_| (0.95, false)).collect();
        assert!((expected_calibration_error(&wrong) - 0.95).abs() < 1e-9);
    }

    #[test]
    fn bars_do_not_depend_on_how_many_images_a_class_has() {
        let scored = |scores: &[f64], copies: usize| -> Vec<Scored> {
            scores
                .iter()
                .flat_map(|score| {
                    std::iter::repeat_n(
                        Scored {
                            score: *score,
                            group: String::new(),
                        },
                        copies,
                    )
                })
                .collect()
        };
        let few = reliability(&scored(&[0.15, 0.85], 1), &scored(&[0.15, 0.85, 0.85], 1));
        let many = reliability(&scored(&[0.15, 0.85], 50), &scored(&[0.15, 0.85, 0.85], 1));
        assert_eq!(few.len(), 2);
        for (a, b) in few.iter().zip(&many) {
            assert!((a.manipulated - b.manipulated).abs() < 1e-12);
        }
        // Half of the reals and a third of the fakes lie in the lower bar.
        assert!((few[0].manipulated - (1.0 / 3.0) / (1.0 / 3.0 + 0.5)).abs() < 1e-12);
    }
}
