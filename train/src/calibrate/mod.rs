//! From logits to scores and thresholds, on validation data or on a site's own.

mod interval;
mod labelled;
pub(crate) mod reference;
mod site;

use veraray_model::{Calibration, OperatingPoint, platt};

use crate::score::CellScore;

pub use interval::{allowed, clopper_pearson_upper, needed};
pub use labelled::{CalibrateOptions, Images, recalibrate};
pub use reference::{Reference, calibration_set, feature_names, features, modality_key};
pub use site::{SiteOptions, SiteShift, recalibrate_site};

/// Fits temperature, bias, thresholds and the abstention band.
///
/// Temperature and bias minimise the negative log-likelihood with both classes weighing the same
/// (Platt, 1999; Guo et al., ICML 2017). A threshold is the highest authentic score that a
/// declared rate still allows to pass; with few authentic images that is a coarse estimate, which
/// the Clopper–Pearson bound beside it shows. Between the thresholds of the loosest and of the
/// strictest declared rate the detector abstains.
///
/// Every element of `authentic` holds the logits of the same `images` images in one of the ways in which
/// they arrive (as they are, or delivered), possibly several times each. A threshold keeps to its rate in
/// each of these ways: were they pooled, images that all arrive in the worse one would alarm at more than
/// the rate. Repeated images are not independent, so the bound counts images.
#[must_use]
pub fn calibrate(
    authentic: &[Vec<f64>],
    manipulated: &[f64],
    rates: &[f64],
    images: usize,
) -> Calibration {
    let mut calibration = Calibration::identity();
    let together = authentic.concat();
    if together.is_empty() || manipulated.is_empty() {
        return calibration;
    }
    let [slope, offset] = platt(&together, manipulated);
    calibration.temperature = 1.0 / slope;
    calibration.bias = -offset / slope;
    calibration.operating_points = operating_points(&calibration, authentic, rates, images);
    calibration.abstention_band = band(&calibration.operating_points);
    calibration
}

/// The thresholds of the declared rates, the strictest first.
fn operating_points(
    calibration: &Calibration,
    authentic: &[Vec<f64>],
    rates: &[f64],
    images: usize,
) -> Vec<OperatingPoint> {
    let ways: Vec<Vec<f64>> = authentic
        .iter()
        .map(|logits| {
            let mut scores: Vec<f64> = logits.iter().map(|z| calibration.score(*z)).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            scores
        })
        .collect();
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    let strictest = |rate: f64| {
        ways.iter()
            .map(|scores| operating_point(scores, rate, images))
            .max_by(|a, b| a.threshold.total_cmp(&b.threshold))
    };
    rates.into_iter().filter_map(strictest).collect()
}

/// The threshold that lets a rate of authentic images pass; `scores` descend.
fn operating_point(scores: &[f64], rate: f64, images: usize) -> OperatingPoint {
    let allowed = (rate * scores.len() as f64).floor() as usize;
    // Just above the highest score that must stay below.
    let threshold = scores
        .get(allowed)
        .map_or(0.0, |score| score.next_up().min(1.0));
    let alarms = scores.iter().filter(|s| **s >= threshold).count();
    OperatingPoint {
        false_positive_rate: rate,
        threshold,
        upper_bound: clopper_pearson_upper(alarms * images / scores.len().max(1), images),
        authentic_images: images,
    }
}

/// Between the thresholds of the loosest and of the strictest rate there is no verdict.
fn band(points: &[OperatingPoint]) -> Option<[f64; 2]> {
    let [strict, .., loose] = points else {
        return None;
    };
    (loose.threshold < strict.threshold).then_some([loose.threshold, strict.threshold])
}

/// Score of a map cell above which it counts as manipulated: the one with the highest F1 over the
/// cells of validation images with masks. One half when there is none.
#[must_use]
pub fn map_threshold(cells: &[CellScore]) -> f64 {
    let truth = |cell: &&CellScore| cell.share >= 0.5;
    let positives = cells.iter().filter(truth).count();
    if positives == 0 {
        return 0.5;
    }
    let probability = |logit: f32| 1.0 / (1.0 + f64::from(-logit).exp());
    let f1 = |threshold: f64| {
        let flagged = cells.iter().filter(|c| probability(c.logit) >= threshold);
        let (hits, all) = flagged.fold((0, 0), |(hits, all), cell| {
            (hits + usize::from(truth(&cell)), all + 1)
        });
        2.0 * hits as f64 / (all + positives) as f64
    };
    (1..40)
        .map(|step| f64::from(step) / 40.0)
        .max_by(|a, b| f1(*a).total_cmp(&f1(*b)))
        .unwrap_or(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_keep_to_their_rates() {
        let authentic: Vec<f64> = (0..500).map(|i| f64::from(i) / 100.0 - 4.0).collect();
        let manipulated: Vec<f64> = (0..500).map(|i| f64::from(i) / 100.0 - 1.0).collect();
        let ways = [authentic.clone()];
        let calibration = calibrate(&ways, &manipulated, &[0.05, 0.01], 500);
        let rates: Vec<f64> = calibration
            .operating_points
            .iter()
            .map(|point| {
                let scores: Vec<f64> = authentic.iter().map(|z| calibration.score(*z)).collect();
                crate::metrics::rate_above(&scores, point.threshold)
            })
            .collect();
        assert_eq!(rates, [0.01, 0.05]);
        assert!(calibration.abstention_band.is_some());
    }

    #[test]
    fn thresholds_keep_to_their_rates_in_every_way_that_images_arrive() {
        let clean: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0 - 4.0).collect();
        let delivered: Vec<f64> = (0..300).map(|i| f64::from(i) / 100.0 - 3.0).collect();
        let manipulated: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        for ways in [
            [clean.clone(), delivered.clone()],
            [delivered.clone(), clean.clone()],
        ] {
            let calibration = calibrate(&ways, &manipulated, &[0.05], 100);
            let point = &calibration.operating_points[0];
            let flagged = |logits: &[f64]| {
                let scores: Vec<f64> = logits.iter().map(|z| calibration.score(*z)).collect();
                crate::metrics::rate_above(&scores, point.threshold)
            };
            assert_eq!((flagged(&clean), flagged(&delivered)), (0.0, 0.05));
            assert_eq!(point.authentic_images, 100);
            assert_eq!(point.upper_bound, clopper_pearson_upper(5, 100));
        }
    }

    #[test]
    fn overconfident_logits_are_cooled_and_reversed_ones_are_not_turned() {
        // Logits ten times what the error rate warrants.
        let authentic: Vec<f64> = (0..100)
            .map(|i| if i % 5 == 0 { 20.0 } else { -20.0 })
            .collect();
        let manipulated: Vec<f64> = authentic.iter().map(|z| -z).collect();
        let ways = [authentic.clone()];
        let calibration = calibrate(&ways, &manipulated, &[0.01], 100);
        assert!((calibration.score(20.0) - 0.8).abs() < 0.05);
        let reversed = calibrate(&[manipulated], &authentic, &[0.01], 100);
        assert!(reversed.temperature > 0.0);
    }
}
