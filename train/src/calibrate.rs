//! From logits to scores and thresholds, on validation data.

use veraray_model::{Calibration, OperatingPoint};

use crate::score::CellScore;

/// Fits temperature, bias, thresholds and the abstention band.
///
/// Temperature and bias minimise the negative log-likelihood with both classes weighing the same
/// (Platt, 1999; Guo et al., ICML 2017). A threshold is the highest authentic score that a
/// declared rate still allows to pass; with few authentic images that is a coarse estimate, which
/// the Clopper–Pearson bound beside it shows. Between the thresholds of the loosest and of the
/// strictest declared rate the detector abstains.
///
/// `copies` says how often every image is among the logits (as it is, and delivered): copies are
/// not independent, so the bound counts images.
#[must_use]
pub fn calibrate(
    authentic: &[f64],
    manipulated: &[f64],
    rates: &[f64],
    copies: usize,
) -> Calibration {
    let copies = copies.max(1);
    let mut calibration = Calibration::identity();
    if authentic.is_empty() || manipulated.is_empty() {
        return calibration;
    }
    let (slope, offset) = platt(authentic, manipulated);
    calibration.temperature = 1.0 / slope;
    calibration.bias = -offset / slope;
    let mut scores: Vec<f64> = authentic.iter().map(|z| calibration.score(*z)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    for rate in rates {
        let allowed = (rate * scores.len() as f64).floor() as usize;
        // Just above the highest score that must stay below.
        let threshold = scores
            .get(allowed)
            .map_or(0.0, |score| score.next_up().min(1.0));
        let alarms = scores.iter().filter(|s| **s >= threshold).count();
        calibration.operating_points.push(OperatingPoint {
            false_positive_rate: rate,
            threshold,
            upper_bound: clopper_pearson_upper(alarms / copies, scores.len() / copies),
            authentic_images: scores.len() / copies,
        });
    }
    if let [strict, .., loose] = calibration.operating_points.as_slice() {
        let band = [loose.threshold, strict.threshold];
        calibration.abstention_band = (band[0] < band[1]).then_some(band);
    }
    calibration
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

/// Slope and offset of `sigmoid(slope * z + offset)` by Newton's method on the balanced,
/// slightly regularised likelihood. The slope is kept positive: a detector that ranks the wrong
/// way round must not be turned into a good one by its calibration.
fn platt(authentic: &[f64], manipulated: &[f64]) -> (f64, f64) {
    const RIDGE: f64 = 1e-3;
    let classes = [(authentic, 0.0), (manipulated, 1.0)];
    let (mut slope, mut offset) = (1.0f64, 0.0f64);
    for _ in 0..100 {
        let (mut g, mut h) = ([RIDGE * (slope - 1.0), RIDGE * offset], [RIDGE, 0.0, RIDGE]);
        for (logits, label) in classes {
            let weight = 0.5 / logits.len() as f64;
            for z in logits {
                let p = 1.0 / (1.0 + (-(slope * z + offset)).exp());
                let (error, curve) = (weight * (p - label), weight * (p * (1.0 - p)).max(1e-9));
                g[0] += error * z;
                g[1] += error;
                h[0] += curve * z * z;
                h[1] += curve * z;
                h[2] += curve;
            }
        }
        let determinant = (h[0] * h[2] - h[1] * h[1]).max(1e-12);
        let step = [
            (h[2] * g[0] - h[1] * g[1]) / determinant,
            (h[0] * g[1] - h[1] * g[0]) / determinant,
        ];
        // Damping keeps the first steps of a saturated detector from overshooting.
        slope = (slope - step[0].clamp(-0.5, 0.5)).max(1e-2);
        offset -= step[1].clamp(-2.0, 2.0);
        if step[0].abs() + step[1].abs() < 1e-9 {
            break;
        }
    }
    (slope, offset)
}

/// Upper end of the 95 % Clopper–Pearson interval of a rate (Clopper & Pearson, 1934), by
/// bisection on the binomial distribution.
#[must_use]
pub fn clopper_pearson_upper(successes: usize, trials: usize) -> f64 {
    if trials == 0 || successes >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (successes as f64 / trials as f64, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if binomial_cumulative(successes, trials, middle) > 0.025 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Probability of at most `successes` among `trials` at rate `p` in `(0, 1)`.
fn binomial_cumulative(successes: usize, trials: usize, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return f64::from(u8::from(p <= 0.0));
    }
    // Terms in logarithms, since the first underflows for many trials.
    let ratio = (p / (1.0 - p)).ln();
    let mut term = trials as f64 * (1.0 - p).ln();
    let mut sum = term.exp();
    for k in 0..successes {
        term += ((trials - k) as f64 / (k + 1) as f64).ln() + ratio;
        sum += term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bound_of_no_alarm_is_the_rule_of_three() {
        // 1 - 0.025^(1/300), the closed form for no success.
        let expected = 1.0 - 0.025f64.powf(1.0 / 300.0);
        assert!((clopper_pearson_upper(0, 300) - expected).abs() < 1e-9);
        assert!((clopper_pearson_upper(5, 100) - 0.112_835).abs() < 1e-4);
        assert_eq!(clopper_pearson_upper(3, 3), 1.0);
    }

    #[test]
    fn thresholds_keep_to_their_rates() {
        let authentic: Vec<f64> = (0..500).map(|i| f64::from(i) / 100.0 - 4.0).collect();
        let manipulated: Vec<f64> = (0..500).map(|i| f64::from(i) / 100.0 - 1.0).collect();
        let calibration = calibrate(&authentic, &manipulated, &[0.05, 0.01], 1);
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
    fn overconfident_logits_are_cooled_and_reversed_ones_are_not_turned() {
        // Logits ten times what the error rate warrants.
        let authentic: Vec<f64> = (0..100)
            .map(|i| if i % 5 == 0 { 20.0 } else { -20.0 })
            .collect();
        let manipulated: Vec<f64> = authentic.iter().map(|z| -z).collect();
        let calibration = calibrate(&authentic, &manipulated, &[0.01], 1);
        assert!((calibration.score(20.0) - 0.8).abs() < 0.05);
        let reversed = calibrate(&manipulated, &authentic, &[0.01], 1);
        assert!(reversed.temperature > 0.0);
    }
}
