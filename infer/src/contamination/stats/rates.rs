//! What is known of the detector's error rates, and how well.

use statrs::function::beta::beta_reg;

use super::random::Random;

/// Draws behind the quantiles of a rate.
const DRAWS: usize = 8192;

/// Fractional part of the golden ratio.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// A rate and the evidence for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// The threshold was put just above the (`passed` + 1)-th highest of `trials` scores. Whatever
    /// the distribution of the scores, the rate above it follows Beta(passed + 1, trials − passed).
    Threshold { passed: u64, trials: u64 },
    /// `events` were counted among `trials` that had no part in choosing the threshold; Jeffreys'
    /// Beta(events + ½, trials − events + ½). `events` may be a mean over families.
    Counted { events: f64, trials: f64 },
    /// Nobody measured it; it is taken as given.
    Assumed(f64),
}

impl Rate {
    /// The expected rate where the threshold was chosen, else the share counted.
    pub(crate) fn estimate(self) -> f64 {
        match self {
            Self::Threshold { passed, trials } => (passed + 1) as f64 / (trials + 1) as f64,
            Self::Counted { events, trials } => events / trials.max(1.0),
            Self::Assumed(rate) => rate,
        }
    }

    /// Images behind it.
    pub(crate) fn trials(self) -> Option<f64> {
        match self {
            Self::Threshold { trials, .. } => Some(trials as f64),
            Self::Counted { trials, .. } => Some(trials),
            Self::Assumed(_) => None,
        }
    }

    /// Its quantiles at `count` even steps, by simulation with a fixed seed.
    pub(crate) fn quantiles(self, count: usize) -> Vec<f64> {
        let (a, b) = match self {
            Self::Assumed(rate) => return vec![rate; count],
            Self::Threshold { passed, trials } => (
                passed as f64 + 1.0,
                trials.saturating_sub(passed).max(1) as f64,
            ),
            Self::Counted { events, trials } => (events + 0.5, (trials - events).max(0.0) + 0.5),
        };
        let mut random = Random::new(0x5EED);
        let mut draws: Vec<f64> = (0..DRAWS).map(|_| random.beta(a, b)).collect();
        draws.sort_by(f64::total_cmp);
        (0..count)
            .map(|index| draws[(2 * index + 1) * DRAWS / (2 * count)])
            .collect()
    }

    /// Its 95 % interval.
    pub(crate) fn interval(self) -> [f64; 2] {
        let quantiles = self.quantiles(400);
        [quantiles[9], quantiles[390]]
    }
}

/// The two error rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ErrorRates {
    /// Share of authentic images that are flagged.
    pub(crate) false_alarms: Rate,
    /// Share of manipulated images that are flagged.
    pub(crate) detections: Rate,
}

impl ErrorRates {
    /// `count` pairs (false alarms, detections) spread evenly over what is plausible: a Kronecker
    /// sequence through the quantiles. A detector that is worse than chance is no candidate.
    pub(crate) fn pairs(&self, count: usize) -> Vec<[f64; 2]> {
        let alarms = self.false_alarms.quantiles(count);
        let detections = self.detections.quantiles(count);
        (0..count)
            .map(|index| {
                // Multiples of the golden ratio follow no order of the other rate.
                let other = ((index as f64 * GOLDEN).fract() * count as f64) as usize;
                let alarm = alarms[index];
                [
                    alarm,
                    detections[other.min(count - 1)].max(alarm + 1e-6).min(1.0),
                ]
            })
            .collect()
    }
}

/// How many of `trials` exceeded a threshold whose 95 % Clopper–Pearson interval ends at `upper`;
/// `None` when no count fits.
pub(crate) fn passed(upper: f64, trials: u64) -> Option<u64> {
    if !(0.0..1.0).contains(&upper) || trials == 0 {
        return None;
    }
    // P(X ≤ k) at the upper end is 2.5 %; it grows with k.
    let below = |k: u64| beta_reg((trials - k) as f64, k as f64 + 1.0, 1.0 - upper);
    let (mut low, mut high) = (0, trials - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) < 0.025 - 1e-6 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ((below(low) - 0.025).abs() < 1e-4).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_behind_a_bound_is_found() {
        // From the table of a shipped checkpoint: floor(rate × 287).
        for (upper, expected) in [
            (0.024_945_034_374_773_41, 2),
            (0.040_185_690_077_682_41, 5),
            (0.080_491_660_354_401_54, 14),
            (0.137_911_641_650_482_72, 28),
        ] {
            assert_eq!(passed(upper, 287), Some(expected));
        }
        assert_eq!(passed(0.02, 287), None);
        assert_eq!(passed(1.5, 287), None);
    }

    #[test]
    fn thresholds_of_order_statistics_have_the_rate_they_are_said_to_have() {
        let rate = Rate::Threshold {
            passed: 2,
            trials: 270,
        };
        // Beta(3, 268): mean 3/271.
        let quantiles = rate.quantiles(256);
        let mean = quantiles.iter().sum::<f64>() / 256.0;
        assert!((mean - 3.0 / 271.0).abs() < 2e-4, "{mean}");
        let [low, high] = rate.interval();
        assert!(
            (low - 0.0023).abs() < 4e-4 && (high - 0.0264).abs() < 1.5e-3,
            "{low} {high}"
        );
    }

    #[test]
    fn pairs_cover_both_rates_independently() {
        let rates = ErrorRates {
            false_alarms: Rate::Counted {
                events: 5.0,
                trials: 300.0,
            },
            detections: Rate::Counted {
                events: 270.0,
                trials: 300.0,
            },
        };
        let pairs = rates.pairs(256);
        let mean = |index: usize| pairs.iter().map(|pair| pair[index]).sum::<f64>() / 256.0;
        let (x, y) = (mean(0), mean(1));
        assert!((x - 5.5 / 301.0).abs() < 5e-4 && (y - 270.5 / 301.0).abs() < 1e-3);
        let together = pairs.iter().map(|p| (p[0] - x) * (p[1] - y)).sum::<f64>() / 256.0;
        assert!(together.abs() < 0.06 * 0.0077 * 0.0174, "{together}");
    }
}
