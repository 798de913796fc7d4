//! Adjusted count: the share flagged, corrected for false alarms and misses.
//!
//! The estimate is Rogan & Gladen's (Am. J. Epidemiol. 107, 1978), known in machine learning as
//! adjusted classify-and-count (Forman, Data Min. Knowl. Discov. 17, 2008). The interval inverts an
//! exact test: a number of manipulated images is plausible when the number flagged is neither too
//! low nor too high for it (mid-p, 2.5 % each), averaged over what is plausible for both error
//! rates. So it carries the size of the samples that the rates were measured on, as those of Lang &
//! Reiczigel (Prev. Vet. Med. 113, 2014) do, keeps its meaning when nothing is flagged, and needs no
//! normal approximation in small archives.

use super::rates::ErrorRates;
use super::{Estimate, Target, end_mass, tail};

/// Pairs of error rates that are averaged over.
const PAIRS: usize = 192;

/// Error rates made ready for many counts.
#[derive(Debug, Clone)]
pub(crate) struct Adjusted {
    pub(crate) rates: ErrorRates,
    pub(crate) target: Target,
    pairs: Vec<[f64; 2]>,
}

impl Adjusted {
    pub(crate) fn new(rates: ErrorRates, target: Target) -> Self {
        Self {
            rates,
            target,
            pairs: rates.pairs(PAIRS),
        }
    }

    /// The same where images count for fewer by `effect`, the design effect of their groups.
    pub(crate) fn grouped(&self, flagged: u64, total: u64, effect: f64) -> Estimate {
        let fewer = |count: u64| (count as f64 / effect.max(1.0)).round() as u64;
        let total_fewer = fewer(total).max(u64::from(total > 0));
        let interval = self.estimate(fewer(flagged).min(total_fewer), total_fewer);
        let value = self
            .point(flagged, total)
            .clamp(interval.low, interval.high);
        Estimate { value, ..interval }
    }

    fn point(&self, flagged: u64, total: u64) -> f64 {
        let alarm = self.rates.false_alarms.estimate();
        let detection = self.rates.detections.estimate().max(alarm + 1e-6);
        let share = flagged as f64 / total.max(1) as f64;
        ((share - alarm) / (detection - alarm)).clamp(0.0, 1.0)
    }

    /// Prevalence among `total` images of which `flagged` are flagged.
    pub(crate) fn estimate(&self, flagged: u64, total: u64) -> Estimate {
        if total == 0 {
            return Estimate {
                value: 0.0,
                low: 0.0,
                high: 1.0,
            };
        }
        let value = self.point(flagged, total);
        // The first number that is not too small, and the last that is not too large.
        let mass = end_mass(1.0 - self.place(flagged, total, total));
        let low = self
            .first(total, |m| 1.0 - self.place(flagged, total, m) >= mass)
            .min(total);
        let mass = end_mass(self.place(flagged, total, 0));
        let high = self
            .first(total, |m| self.place(flagged, total, m) < mass)
            .saturating_sub(1)
            .max(low);
        let [low, high] = [low, high].map(|m| m as f64 / total as f64);
        Estimate {
            value: value.clamp(low, high),
            low,
            high,
        }
    }

    /// P(X < flagged) + ½ P(X = flagged), averaged over the error rates.
    pub(crate) fn place(&self, flagged: u64, total: u64, manipulated: u64) -> f64 {
        let sum: f64 = self
            .pairs
            .iter()
            .map(|&pair| tail::place(flagged, total, manipulated, pair, self.target))
            .sum();
        sum / self.pairs.len() as f64
    }

    /// How surprising as many flagged images would be in an archive without manipulated ones.
    pub(crate) fn p_value(&self, flagged: u64, total: u64) -> f64 {
        match flagged {
            0 => 1.0,
            _ => (1.0 - self.place(flagged, total, 0)).clamp(0.0, 1.0),
        }
    }

    /// The first of 0 to `total` for which `holds`, which holds from some number on; else one more
    /// than `total`.
    fn first(&self, total: u64, holds: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = (0, total + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::Rate;
    use super::*;

    fn adjusted(trials: f64, target: Target) -> Adjusted {
        let rates = ErrorRates {
            false_alarms: Rate::Counted {
                events: 0.01 * trials,
                trials,
            },
            detections: Rate::Counted {
                events: 0.9 * trials,
                trials,
            },
        };
        Adjusted::new(rates, target)
    }

    #[test]
    fn the_estimate_undoes_the_errors() {
        // 100 of 2,000 manipulated: 90 found, 19 false alarms.
        let found = adjusted(3000.0, Target::Archive).estimate(109, 2000);
        assert!((found.value - 0.05).abs() < 1e-9);
        assert!(found.low > 0.04 && found.low < 0.05 && found.high > 0.05 && found.high < 0.06);
    }

    #[test]
    fn what_is_known_less_well_makes_the_interval_wider() {
        let width = |trials, target| {
            let found = adjusted(trials, target).estimate(109, 2000);
            found.high - found.low
        };
        assert!(width(300.0, Target::Archive) > 1.5 * width(30_000.0, Target::Archive));
        assert!(width(3000.0, Target::Population) > width(3000.0, Target::Archive));
    }

    #[test]
    fn an_exact_detector_leaves_the_binomial_interval() {
        let rates = ErrorRates {
            false_alarms: Rate::Assumed(0.0),
            detections: Rate::Assumed(1.0),
        };
        let found = Adjusted::new(rates, Target::Archive).estimate(7, 100);
        assert_eq!((found.low, found.value, found.high), (0.07, 0.07, 0.07));
        let found = Adjusted::new(rates, Target::Population).estimate(0, 100);
        // Rule of three at 97.5 %, mid-p: 0.5 (1 − p)¹⁰⁰ = 0.025, in steps of 1 %.
        assert!(
            found.low == 0.0 && (found.high - 0.03).abs() < 0.011,
            "{found:?}"
        );
    }

    #[test]
    fn intervals_are_never_empty() {
        let adjusted = adjusted(300.0, Target::Archive);
        for (flagged, total) in [
            (0, 0),
            (0, 1),
            (1, 1),
            (0, 10_000),
            (10_000, 10_000),
            (3, 7),
        ] {
            let found = adjusted.estimate(flagged, total);
            assert!(
                found.low <= found.value && found.value <= found.high,
                "{found:?}"
            );
            assert!(found.high > 0.0 && found.low < 1.0 || total == 1);
        }
    }
}
