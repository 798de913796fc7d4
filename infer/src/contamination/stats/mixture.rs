//! Expectation–maximisation on calibrated scores, with a bootstrap interval.
//!
//! The estimate is the fixed point of Saerens, Latinne & Decaestecker (Neural Comput. 14, 2002): the
//! prevalence under which scores, corrected for it, average to itself. The likelihood is concave in
//! the prevalence, so the fixed point is the root of its derivative, which is found by bisection.
//!
//! The interval comes from a bootstrap of the estimating equation (Hu & Kalbfleisch, Can. J. Stat.
//! 28, 2000): the classes are drawn as they might be after a calibration on a few hundred images
//! ([`Evidence`]), an archive's noise is drawn, and the replicate's prevalence is the one at which the
//! derivative would be what it is in the archive.

use super::classes::{Classes, Evidence};
use super::random::Random;
use super::{Estimate, Target, end_mass};

/// Bootstrap replicates of an audit.
pub(crate) const REPLICATES: usize = 1000;

/// The derivative is not looked at below this prevalence: there a single high score outweighs all
/// others.
const LEAST: f64 = 0.01;

/// Largest log-likelihood ratio that is believed.
const MOST: f64 = 30.0;

/// The derivative of the log-likelihood at prevalence `share`, per image with likelihood ratio
/// `ratio`.
fn slope(ratio: f64, share: f64) -> f64 {
    (ratio - 1.0) / (1.0 + share * (ratio - 1.0))
}

fn ratio(llr: f64) -> f64 {
    llr.clamp(-MOST, MOST).exp()
}

/// The prevalence that EM converges to. 0 for no scores.
pub(crate) fn fixed_point(ratios: &[f64]) -> f64 {
    let total = |share: f64| -> f64 { ratios.iter().map(|&ratio| slope(ratio, share)).sum() };
    if ratios.is_empty() || total(0.0) <= 0.0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if total(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Classes as they might be.
pub(crate) struct Bootstrap {
    /// Each with one archive's noise, a standard normal number.
    draws: Vec<(Classes, f64)>,
}

impl Bootstrap {
    /// Draws `replicates` pairs of classes. `None` when the evidence says too little.
    pub(crate) fn new(evidence: &Evidence, replicates: usize) -> Option<Self> {
        let mut random = Random::new(0xE11A);
        let draws = (0..replicates.max(1))
            .map(|_| Some((evidence.draw(&mut random)?, random.normal())))
            .collect::<Option<_>>()?;
        Some(Self { draws })
    }

    /// Prevalence among images with log-likelihood ratios `llrs`, which count for `effective`
    /// independent ones.
    pub(crate) fn estimate(&self, llrs: &[f64], target: Target, effective: f64) -> Estimate {
        let ratios: Vec<f64> = llrs.iter().map(|&llr| ratio(llr)).collect();
        let value = fixed_point(&ratios);
        if ratios.is_empty() {
            return Estimate {
                value,
                low: 0.0,
                high: 1.0,
            };
        }
        let share = value.max(LEAST);
        let shown =
            ratios.iter().map(|&ratio| slope(ratio, share)).sum::<f64>() / ratios.len() as f64;
        let moments = |classes: &Classes| {
            [0, 1].map(|class| moments(&classes.values[class], &classes.weights[class], share))
        };
        let mut found: Vec<f64> = self
            .draws
            .iter()
            .map(|(classes, noise)| root(shown, moments(classes), value, effective, target, *noise))
            .collect();
        found.sort_by(f64::total_cmp);
        let count = found.len();
        let at = |share: f64| {
            let index = (share * count as f64) as usize;
            found[index.min(count - 1)].clamp(0.0, 1.0)
        };
        let beyond = |holds: &dyn Fn(f64) -> bool| {
            found.iter().filter(|share| holds(**share)).count() as f64 / count as f64
        };
        let low = at(end_mass(beyond(&|share| share < 1.0)));
        let high = at(1.0 - end_mass(beyond(&|share| share > 0.0))).max(low);
        Estimate {
            value: value.clamp(low, high),
            low,
            high,
        }
    }
}

/// Mean, variance and third central moment of the derivative over a class.
fn moments(values: &[f64], weights: &[f64], share: f64) -> [f64; 3] {
    let slopes: Vec<f64> = values.iter().map(|&x| slope(ratio(x), share)).collect();
    let mean: f64 = slopes.iter().zip(weights).map(|(x, p)| x * p).sum();
    let (mut second, mut third) = (0.0, 0.0);
    for (x, p) in slopes.iter().zip(weights) {
        let away = x - mean;
        second += p * away * away;
        third += p * away * away * away;
    }
    [mean, second, third]
}

/// The prevalence at which a replicate shows `shown`; may lie outside [0, 1]. `noise` is a standard
/// normal number, bent to the skewness that the mean of so many slopes has (Wilson & Hilferty, 1931):
/// few authentic images have large ones.
fn root(
    shown: f64,
    [authentic, manipulated]: [[f64; 3]; 2],
    start: f64,
    effective: f64,
    target: Target,
    noise: f64,
) -> f64 {
    let apart = (manipulated[0] - authentic[0]).max(1e-9);
    let mut share: f64 = start;
    for _ in 0..4 {
        let p = share.clamp(0.0, 1.0);
        let mut variance = (1.0 - p) * authentic[1] + p * manipulated[1];
        let mut third = (1.0 - p) * authentic[2] + p * manipulated[2];
        if target == Target::Population {
            // Which of the two an image is varies too.
            let spread = p * (1.0 - p);
            third += spread * apart * (3.0 * (manipulated[1] - authentic[1]));
            third += spread * (1.0 - 2.0 * p) * apart.powi(3);
            variance += spread * apart * apart;
        }
        let deviation = (variance / effective.max(1.0)).sqrt();
        let skewness =
            (third / (variance.powf(1.5) * effective.max(1.0).sqrt()).max(1e-12)).clamp(-2.0, 2.0);
        share = (shown - deviation * bent(noise, skewness) - authentic[0]) / apart;
    }
    share
}

/// A number with mean 0, variance 1 and a skewness, from a standard normal one.
fn bent(noise: f64, skewness: f64) -> f64 {
    if skewness.abs() < 1e-3 {
        return noise;
    }
    let base = 1.0 + skewness * noise / 6.0 - skewness * skewness / 36.0;
    2.0 / skewness * (base.powi(3) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIDENCE: Evidence = Evidence {
        alarms: 0.01,
        detections: 0.9,
        images: [300, 300],
    };

    /// Log-likelihood ratios of two normals as far apart as the evidence says.
    fn bench(total: usize, manipulated: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        let d = 3.608;
        let mut draw = |sign: f64| sign * 0.5 * d * d + d * random.normal();
        (0..total)
            .map(|i| draw(if i < manipulated { 1.0 } else { -1.0 }))
            .collect()
    }

    #[test]
    fn the_root_is_where_the_em_iteration_stands_still() {
        let llrs = bench(2000, 100, 1);
        let ratios: Vec<f64> = llrs.iter().map(|&llr| ratio(llr)).collect();
        let found = fixed_point(&ratios);
        let mut share = 0.5;
        for _ in 0..300 {
            let posterior = |ratio: &f64| share * ratio / (share * ratio + 1.0 - share);
            share = ratios.iter().map(posterior).sum::<f64>() / ratios.len() as f64;
        }
        assert!((found - share).abs() < 1e-6, "{found} {share}");
        assert!((found - 0.05).abs() < 0.01);
    }

    #[test]
    fn intervals_hold_the_estimate_and_widen_with_doubt() {
        for manipulated in [0, 20, 400, 2000] {
            let llrs = bench(2000, manipulated, 2);
            let bootstrap = Bootstrap::new(&EVIDENCE, 400).unwrap();
            let archive = bootstrap.estimate(&llrs, Target::Archive, 2000.0);
            let population = bootstrap.estimate(&llrs, Target::Population, 2000.0);
            let truth = manipulated as f64 / 2000.0;
            assert!(archive.low <= archive.value && archive.value <= archive.high);
            assert!((archive.value - truth).abs() < 0.02, "{archive:?}");
            let width = |estimate: Estimate| estimate.high - estimate.low;
            assert!(width(population) > width(archive) - 2e-3);
            let few = bootstrap.estimate(&llrs, Target::Archive, 50.0);
            assert!(width(few) > width(archive));
        }
    }

    #[test]
    fn without_images_nothing_is_known() {
        let found = Bootstrap::new(&EVIDENCE, 10)
            .unwrap()
            .estimate(&[], Target::Archive, 0.0);
        assert_eq!((found.low, found.high), (0.0, 1.0));
    }
}
