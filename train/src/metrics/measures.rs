//! The figures of one row of a table, each with its interval.

use serde::{Deserialize, Serialize};

use super::probability::Balanced;
use super::{REPLICATES, Ranked, Scored, percentiles};

/// Number of figures in [`Measures`].
const FIGURES: usize = 12;

/// False-positive rates at which the true-positive rate is read off.
const RATES: [f64; 3] = [0.05, 0.01, 0.001];

/// Authentic against manipulated images. Every figure is `[estimate, low, high]`, with a 95 %
/// interval from a bootstrap over groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Area under the ROC curve.
    pub auroc: [f64; 3],
    /// Average precision; depends on the share of manipulated images.
    pub average_precision: [f64; 3],
    /// Mean of the two accuracies at the fixed threshold.
    pub balanced_accuracy: [f64; 3],
    /// Share of authentic images below the fixed threshold.
    pub real_accuracy: [f64; 3],
    /// Share of manipulated images at or above the fixed threshold.
    pub fake_accuracy: [f64; 3],
    /// Highest true-positive rate with at most 5 % false positives on these very images.
    pub tpr_at_5_percent_fpr: [f64; 3],
    /// The same at 1 %.
    pub tpr_at_1_percent_fpr: [f64; 3],
    /// The same at 0.1 %: with fewer than 1000 authentic images, without any false positive.
    pub tpr_at_0_1_percent_fpr: [f64; 3],
    /// Rate at which false positives and false negatives are equally frequent.
    pub equal_error_rate: [f64; 3],
    /// Brier score, both classes weighing the same, as the calibration has them.
    pub brier: [f64; 3],
    /// Expected calibration error over ten equal bins, both classes weighing the same.
    pub calibration_error: [f64; 3],
    /// Negative log-likelihood in nats, both classes weighing the same.
    pub negative_log_likelihood: [f64; 3],
}

/// Measures scores in `[0, 1]` against a threshold fixed beforehand. `None` when a class is empty.
#[must_use]
pub fn measure(
    authentic: &[Scored],
    manipulated: &[Scored],
    threshold: f64,
    seed: u64,
) -> Option<Measures> {
    let ranked = Ranked::new(authentic, manipulated)?;
    let balanced = Balanced::new(&ranked);
    let figures = |weights: &[u32]| figures(&ranked, &balanced, weights, threshold);
    let estimates = figures(&ranked.groups().once())?;
    let replicates = ranked.groups().replicates(seed, REPLICATES, figures);
    let mut all = [[0.0; 3]; FIGURES];
    for (index, (figure, estimate)) in all.iter_mut().zip(estimates).enumerate() {
        let column = replicates.iter().map(|row| row[index]).collect();
        *figure = percentiles(estimate, column)?;
    }
    let [
        auroc,
        average_precision,
        balanced_accuracy,
        real_accuracy,
        fake_accuracy,
        tpr_at_5_percent_fpr,
        tpr_at_1_percent_fpr,
        tpr_at_0_1_percent_fpr,
        equal_error_rate,
        brier,
        calibration_error,
        negative_log_likelihood,
    ] = all;
    Some(Measures {
        auroc,
        average_precision,
        balanced_accuracy,
        real_accuracy,
        fake_accuracy,
        tpr_at_5_percent_fpr,
        tpr_at_1_percent_fpr,
        tpr_at_0_1_percent_fpr,
        equal_error_rate,
        brier,
        calibration_error,
        negative_log_likelihood,
    })
}

fn figures(
    ranked: &Ranked,
    balanced: &Balanced,
    weights: &[u32],
    threshold: f64,
) -> Option<[f64; FIGURES]> {
    let [authentic, manipulated] = ranked.totals(weights)?;
    let (mut area, mut precision) = (0.0, 0.0);
    let mut reached = [0.0f64; RATES.len()];
    let mut at_threshold = [0.0, 0.0];
    // The last point with more misses than alarms, and whether the rates have crossed.
    let (mut before, mut equal) = ([0.0, 1.0], None);
    ranked.walk(weights, |score, sums, block| {
        area += block.false_positives * (sums.true_positives - 0.5 * block.true_positives);
        let passed = sums.true_positives + sums.false_positives;
        if passed > 0.0 {
            precision += block.true_positives * sums.true_positives / passed;
        }
        let alarms = sums.false_positives / authentic;
        let found = sums.true_positives / manipulated;
        for (rate, best) in RATES.iter().zip(&mut reached) {
            if alarms <= *rate {
                *best = best.max(found);
            }
        }
        if score >= threshold {
            at_threshold = [alarms, found];
        }
        let misses = 1.0 - found;
        if equal.is_none() {
            if alarms >= misses {
                // Where the line between the two points meets the diagonal.
                let [a, m] = before;
                let span = (alarms - a) + (m - misses);
                let share = if span > 0.0 { (m - a) / span } else { 0.0 };
                equal = Some(a + share * (alarms - a));
            }
            before = [alarms, misses];
        }
    });
    let [alarms, found] = at_threshold;
    let [brier, calibration_error, likelihood] =
        balanced.figures(ranked, weights, [authentic, manipulated]);
    Some([
        area / (authentic * manipulated),
        precision / manipulated,
        0.5 * (1.0 - alarms + found),
        1.0 - alarms,
        found,
        reached[0],
        reached[1],
        reached[2],
        equal.unwrap_or(0.5),
        brier,
        calibration_error,
        likelihood,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(scores: &[f64]) -> Vec<Scored> {
        let group = |(index, score): (usize, &f64)| Scored {
            score: *score,
            group: format!("{index}:{score}"),
        };
        scores.iter().enumerate().map(group).collect()
    }

    #[test]
    fn figures_of_a_case_worked_by_hand() {
        // Descending: f .9, r .8, f .7, f .6, r .4, r .2
        let m = measure(
            &scored(&[0.2, 0.4, 0.8]),
            &scored(&[0.6, 0.7, 0.9]),
            0.65,
            1,
        )
        .unwrap();
        let close = |a: [f64; 3], b: f64| assert!((a[0] - b).abs() < 1e-12, "{a:?} {b}");
        close(m.auroc, 7.0 / 9.0);
        close(m.average_precision, (1.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0);
        close(m.real_accuracy, 2.0 / 3.0);
        close(m.fake_accuracy, 2.0 / 3.0);
        close(m.balanced_accuracy, 2.0 / 3.0);
        close(m.tpr_at_5_percent_fpr, 1.0 / 3.0);
        close(m.equal_error_rate, 1.0 / 3.0);
        let square = |x: f64| x * x;
        close(
            m.brier,
            (square(0.2) + square(0.4) + square(0.8) + square(0.4) + square(0.3) + square(0.1))
                / 6.0,
        );
        let logs = [0.8f64, 0.6, 0.2, 0.6, 0.7, 0.9].map(|p| -p.ln());
        close(m.negative_log_likelihood, logs.iter().sum::<f64>() / 6.0);
    }

    #[test]
    fn rates_are_kept_even_where_scores_tie() {
        // All equal: no threshold lets fakes through without every real.
        let m = measure(&scored(&[0.5; 20]), &scored(&[0.5; 20]), 0.5, 1).unwrap();
        assert_eq!(m.tpr_at_5_percent_fpr[0], 0.0);
        assert_eq!(m.equal_error_rate[0], 0.5);
        assert_eq!(m.auroc, [0.5; 3]);
        assert_eq!((m.real_accuracy[0], m.fake_accuracy[0]), (0.0, 1.0));
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};
        // Uniform against uniform shifted by a quarter: the AUROC is 1 - 0.75² / 2.
        let truth = 1.0 - 0.75f64 * 0.75 / 2.0;
        let mut rng = StdRng::seed_from_u64(5);
        let mut covered = 0;
        for seed in 0..60 {
            let mut draw = |shift: f64| -> Vec<Scored> {
                let scores: Vec<f64> = (0..60).map(|_| rng.random::<f64>() + shift).collect();
                scored(&scores)
            };
            let (authentic, manipulated) = (draw(0.0), draw(0.25));
            let [_, low, high] =
                super::super::auroc_interval(&authentic, &manipulated, seed).unwrap();
            covered += usize::from((low..=high).contains(&truth));
        }
        assert!((52..=60).contains(&covered), "{covered} of 60");
    }
}
