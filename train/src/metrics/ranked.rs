//! Scores sorted once; every ranking metric is one pass over them.

use super::{Groups, Scored};

/// Images of both classes by descending score.
#[derive(Debug, Clone)]
pub struct Ranked {
    images: Vec<Image>,
    groups: Groups,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    pub(super) score: f64,
    pub(super) manipulated: bool,
    pub(super) group: u32,
}

/// A point of the ROC curve: what a threshold at a score lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Weight of the authentic images at and above the score.
    pub(super) false_positives: f64,
    /// Weight of the manipulated images at and above the score.
    pub(super) true_positives: f64,
}

impl Ranked {
    /// `None` when a class is empty or a score is not a number.
    #[must_use]
    pub fn new(authentic: &[Scored], manipulated: &[Scored]) -> Option<Self> {
        if authentic.is_empty() || manipulated.is_empty() {
            return None;
        }
        let both = || {
            let authentic = authentic.iter().map(|image| (image, false));
            authentic.chain(manipulated.iter().map(|image| (image, true)))
        };
        if both().any(|(image, _)| image.score.is_nan()) {
            return None;
        }
        let (groups, of) = Groups::new(both().map(|(image, class)| (image.group.as_str(), class)));
        let mut images: Vec<Image> = both()
            .zip(of)
            .map(|((image, manipulated), group)| Image {
                score: image.score,
                manipulated,
                group,
            })
            .collect();
        images.sort_by(|a, b| b.score.total_cmp(&a.score));
        Some(Self { images, groups })
    }

    /// The groups that a bootstrap draws.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(super) fn images(&self) -> &[Image] {
        &self.images
    }

    /// Weights of the two classes; `None` when one is empty in this draw.
    pub(super) fn totals(&self, weights: &[u32]) -> Option<[f64; 2]> {
        let mut totals = [0.0; 2];
        for image in &self.images {
            totals[usize::from(image.manipulated)] += f64::from(weights[image.group as usize]);
        }
        totals.iter().all(|total| *total > 0.0).then_some(totals)
    }

    /// Calls `visit` after every block of equal scores with the sums so far and those of the block.
    pub(super) fn walk(&self, weights: &[u32], mut visit: impl FnMut(f64, Step, Step)) {
        let mut sums = Step {
            false_positives: 0.0,
            true_positives: 0.0,
        };
        // Equality, not order: -0.0 and 0.0 are one score.
        for block in self.images.chunk_by(|a, b| a.score == b.score) {
            let before = sums;
            for image in block {
                let weight = f64::from(weights[image.group as usize]);
                if image.manipulated {
                    sums.true_positives += weight;
                } else {
                    sums.false_positives += weight;
                }
            }
            let within = Step {
                false_positives: sums.false_positives - before.false_positives,
                true_positives: sums.true_positives - before.true_positives,
            };
            visit(block[0].score, sums, within);
        }
    }

    /// Area under the ROC curve, ties counting half (Hanley & McNeil, 1982).
    #[must_use]
    pub fn auroc(&self, weights: &[u32]) -> Option<f64> {
        let [authentic, manipulated] = self.totals(weights)?;
        let mut area = 0.0;
        self.walk(weights, |_, sums, block| {
            area += block.false_positives * (sums.true_positives - 0.5 * block.true_positives);
        });
        Some(area / (authentic * manipulated))
    }

    /// The ROC curve: `(false-positive rate, true-positive rate)` from (0, 0) to (1, 1), without
    /// points on the line between their neighbours.
    #[must_use]
    pub fn roc(&self) -> Vec<[f64; 2]> {
        let weights = self.groups.once();
        let Some([authentic, manipulated]) = self.totals(&weights) else {
            return Vec::new();
        };
        let mut points: Vec<[f64; 2]> = vec![[0.0, 0.0]];
        self.walk(&weights, |_, sums, _| {
            let point = [
                sums.false_positives / authentic,
                sums.true_positives / manipulated,
            ];
            if let [.., a, b] = points.as_slice()
                && ((a[0] == b[0] && b[0] == point[0]) || (a[1] == b[1] && b[1] == point[1]))
            {
                points.pop();
            }
            points.push(point);
        });
        points
    }
}

/// Area under the ROC curve: the probability that a manipulated image scores above an authentic
/// one, ties counting half (Hanley & McNeil, 1982). `None` when a class is empty.
#[must_use]
pub fn auroc(authentic: &[f64], manipulated: &[f64]) -> Option<f64> {
    let scored = |scores: &[f64]| -> Vec<Scored> {
        scores
            .iter()
            .map(|&score| Scored {
                score,
                group: String::new(),
            })
            .collect()
    };
    let ranked = Ranked::new(&scored(authentic), &scored(manipulated))?;
    ranked.auroc(&ranked.groups.once())
}

/// Share of `scores` at or above `threshold`.
#[must_use]
pub fn rate_above(scores: &[f64], threshold: f64) -> f64 {
    let above = scores.iter().filter(|s| **s >= threshold).count();
    above as f64 / scores.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auroc_of_known_cases() {
        assert_eq!(auroc(&[0.1, 0.2], &[0.3, 0.4]), Some(1.0));
        assert_eq!(auroc(&[0.3, 0.4], &[0.1, 0.2]), Some(0.0));
        assert_eq!(auroc(&[0.5, 0.5], &[0.5]), Some(0.5));
        assert_eq!(auroc(&[0.1, 0.6], &[0.5, 0.7]), Some(0.75));
        assert_eq!(auroc(&[0.0], &[-0.0]), Some(0.5));
        assert_eq!(auroc(&[], &[0.5]), None);
        assert_eq!(auroc(&[f64::NAN], &[0.5]), None);
    }

    #[test]
    fn weights_count_groups_as_often_as_drawn() {
        let scored = |list: &[(f64, &str)]| -> Vec<Scored> {
            list.iter()
                .map(|(score, group)| Scored {
                    score: *score,
                    group: (*group).into(),
                })
                .collect()
        };
        let authentic = scored(&[(0.1, "a"), (0.9, "b")]);
        let manipulated = scored(&[(0.5, "c")]);
        let ranked = Ranked::new(&authentic, &manipulated).unwrap();
        assert_eq!(ranked.auroc(&[1, 1, 1]), Some(0.5));
        assert_eq!(ranked.auroc(&[2, 0, 1]), Some(1.0));
        assert_eq!(ranked.auroc(&[3, 1, 1]), Some(0.75));
        assert_eq!(ranked.auroc(&[0, 0, 1]), None);
    }

    #[test]
    fn the_curve_goes_from_corner_to_corner() {
        let scored = |scores: &[f64]| -> Vec<Scored> {
            scores
                .iter()
                .map(|&score| Scored {
                    score,
                    group: score.to_string(),
                })
                .collect()
        };
        let ranked = Ranked::new(&scored(&[0.1, 0.2, 0.3]), &scored(&[0.25, 0.4, 0.5])).unwrap();
        let third = 1.0 / 3.0;
        assert_eq!(
            ranked.roc(),
            [
                [0.0, 0.0],
                [0.0, 2.0 * third],
                [third, 2.0 * third],
                [third, 1.0],
                [1.0, 1.0]
            ]
        );
    }
}
