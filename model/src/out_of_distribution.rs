//! Which images a detector does not know: how far their features lie from those of known images.
//!
//! Two measures. The *distance* is the Mahalanobis distance (Lee et al., "A simple unified framework for
//! detecting out-of-distribution samples", NeurIPS 2018) to all known tiles of both classes at once: in
//! the leading principal components one variance each, in what they leave one variance in common, so
//! that what no known image shows counts. The *reduction* is a relative distance (Ren et al., "A simple
//! fix to Mahalanobis distance", 2021) between known tiles and the same tiles reduced and enlarged
//! further than any delivery in training: linear, since both share a covariance. Blurred authentic
//! images look like blurred forgeries, so the first measure alone does not see them.

use serde::{Deserialize, Serialize};

/// A model of known images over [`Detection::features`](crate::Detection::features).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutOfDistribution {
    /// Mean of every feature over known tiles.
    pub mean: Vec<f32>,
    /// Positive divisor of every feature.
    pub scale: Vec<f32>,
    /// Leading principal components of the divided features, each of their number.
    pub components: Vec<Vec<f32>>,
    /// Variance along every component.
    pub variances: Vec<f32>,
    /// Sum of the variances that the components leave.
    pub rest: f32,
    /// Weight of every divided feature in the reduction; empty: it is not measured.
    pub reduction: Vec<f32>,
    /// Distance and reduction above which an image is refused.
    pub limits: [f64; 2],
    /// Share of the validation images that lie above a limit, as they are and after delivery.
    pub refused: [f64; 2],
    /// Number of validation images.
    pub images: usize,
}

/// How unfamiliar something is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Unfamiliarity {
    /// Distance to known images; a typical known tile has 1.
    pub distance: f64,
    /// Whether it looks reduced and enlarged: 0 known images, 1 reduced ones, on average.
    pub reduction: f64,
}

impl OutOfDistribution {
    /// Measures one tile by its features; `NaN` when they are of another number.
    #[must_use]
    pub fn measure(&self, features: &[f32]) -> Unfamiliarity {
        if features.len() != self.mean.len() {
            return Unfamiliarity {
                distance: f64::NAN,
                reduction: f64::NAN,
            };
        }
        let divided: Vec<f64> = features
            .iter()
            .zip(&self.mean)
            .zip(&self.scale)
            .map(|((x, mean), scale)| (f64::from(*x) - f64::from(*mean)) / f64::from(*scale))
            .collect();
        let along = |direction: &[f32]| -> f64 {
            let parts = divided.iter().zip(direction);
            parts.map(|(x, w)| x * f64::from(*w)).sum()
        };
        let mut left: f64 = divided.iter().map(|x| x * x).sum();
        let mut sum = 0.0;
        for (component, variance) in self.components.iter().zip(&self.variances) {
            let square = along(component).powi(2);
            left -= square;
            sum += square / f64::from(*variance);
        }
        let count = self.components.len().max(1) as f64;
        // What is left weighs as much as all components together.
        let rest = count * left.max(0.0) / f64::from(self.rest);
        Unfamiliarity {
            distance: ((sum + rest) / (2.0 * count)).sqrt(),
            reduction: along(&self.reduction),
        }
    }

    /// Whether each of the two measures of an image lies above its limit.
    #[must_use]
    pub fn exceeded(&self, of: Unfamiliarity) -> [bool; 2] {
        [
            of.distance > self.limits[0],
            !self.reduction.is_empty() && of.reduction > self.limits[1],
        ]
    }

    /// Names the first thing that makes this model unusable with so many features.
    pub(crate) fn fault(&self, features: usize) -> Option<String> {
        let sizes = [self.mean.len(), self.scale.len()];
        let mut rows = self.components.iter().map(Vec::len);
        let reduction = self.reduction.len();
        if sizes != [features; 2]
            || rows.any(|row| row != features)
            || (reduction != features && reduction != 0)
            || self.variances.len() != self.components.len()
        {
            return Some(format!(
                "its model of known images is not one of {features} features"
            ));
        }
        let positive = |values: &[f32]| values.iter().all(|v| v.is_finite() && *v > 0.0);
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        let usable = positive(&self.scale)
            && positive(&self.variances)
            && positive(&[self.rest])
            && finite(&self.mean)
            && finite(&self.reduction)
            && self.components.iter().all(|row| finite(row))
            && self.limits.iter().all(|limit| limit.is_finite());
        (!usable).then(|| "its model of known images holds numbers that cannot be used".into())
    }
}

impl Unfamiliarity {
    /// The mean over the tiles of an image. `None` when there is none.
    #[must_use]
    pub fn mean(tiles: impl IntoIterator<Item = Self>) -> Option<Self> {
        let (mut sum, mut count) = ([0.0; 2], 0usize);
        for tile in tiles {
            sum = [sum[0] + tile.distance, sum[1] + tile.reduction];
            count += 1;
        }
        (count > 0).then(|| Self {
            distance: sum[0] / count as f64,
            reduction: sum[1] / count as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> OutOfDistribution {
        OutOfDistribution {
            mean: vec![1.0, 0.0, 0.0],
            scale: vec![2.0, 1.0, 1.0],
            components: vec![vec![1.0, 0.0, 0.0]],
            variances: vec![4.0],
            rest: 0.5,
            reduction: vec![0.0, 0.0, 1.0],
            limits: [2.0, 0.5],
            refused: [0.0; 2],
            images: 1,
        }
    }

    #[test]
    fn distances_count_in_deviations_and_what_no_component_explains() {
        let at = |x: [f32; 3]| model().measure(&x);
        assert_eq!(at([1.0, 0.0, 0.0]).distance, 0.0);
        // Two deviations along the component: sqrt(4 / 2).
        assert!((at([9.0, 0.0, 0.0]).distance - 2f64.sqrt()).abs() < 1e-9);
        // One beside it: sqrt((1 / 0.5) / 2).
        assert!((at([1.0, 1.0, 0.0]).distance - 1.0).abs() < 1e-9);
        assert_eq!(at([1.0, 0.0, 0.75]).reduction, 0.75);
        assert_eq!(model().exceeded(at([1.0, 0.0, 0.75])), [false, true]);
        assert_eq!(model().exceeded(at([1.0, 9.0, 0.0])), [true, false]);
        assert!(model().measure(&[1.0]).distance.is_nan());
    }

    #[test]
    fn a_model_of_another_network_is_a_fault() {
        assert_eq!(model().fault(3), None);
        assert!(model().fault(4).is_some());
        let mut broken = model();
        broken.variances[0] = 0.0;
        assert!(broken.fault(3).is_some());
        let mean = Unfamiliarity::mean([
            model().measure(&[1.0, 0.0, 1.0]),
            model().measure(&[1.0; 3]),
        ]);
        assert!(mean.is_some_and(|mean| (mean.reduction - 1.0).abs() < 1e-9));
        assert_eq!(Unfamiliarity::mean([]), None);
    }
}
