//! What an archive of this size could have shown at all.

use super::adjusted::Adjusted;
use super::{ALPHA, Target, tail};

/// How small a contamination would have been noticed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Power {
    /// Fewest flagged images that cannot well be false alarms alone.
    pub(crate) critical: Option<u64>,
    /// Smallest prevalence that leads to as many with probability 0.8 and 0.95.
    pub(crate) detectable: [Option<f64>; 2],
    /// The same for a detector of these rates, were they known exactly.
    pub(crate) exactly: [Option<f64>; 2],
    /// 95 % upper bound of the prevalence if nothing at all were flagged, by the rule of three
    /// (Hanley & Lippman-Hand, JAMA 249, 1983) for this sensitivity: no false alarm is counted on.
    pub(crate) nothing: f64,
}

/// The power of `total` images.
pub(crate) fn power(adjusted: &Adjusted, total: u64) -> Power {
    let alarm = adjusted.rates.false_alarms.estimate();
    let detection = adjusted.rates.detections.estimate().max(alarm + 1e-6);
    let exact =
        |flagged: u64| 1.0 - tail::place(flagged, total, 0, [alarm, detection], adjusted.target);
    let critical = critical(total, |flagged| adjusted.p_value(flagged, total));
    let known = self::critical(total, exact);
    let smallest = |critical: Option<u64>, chance: f64| -> Option<f64> {
        let critical = critical?;
        // The chance of at least `critical` flagged images grows with the manipulated ones.
        let reached = |manipulated: u64| {
            let rates = [alarm, detection];
            let place = |flagged| tail::place(flagged, total, manipulated, rates, Target::Archive);
            // Mid-p places of two neighbours average to the distribution function between them.
            1.0 - 0.5 * (place(critical.saturating_sub(1)) + place(critical)) >= chance
        };
        if total == 0 || !reached(total) {
            return None;
        }
        let (mut low, mut high) = (0, total);
        while low < high {
            let middle = low + (high - low) / 2;
            if reached(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low as f64 / total as f64)
    };
    Power {
        critical,
        detectable: [0.8, 0.95].map(|chance| smallest(critical, chance)),
        exactly: [0.8, 0.95].map(|chance| smallest(known, chance)),
        nothing: match total {
            0 => 1.0,
            _ => ((1.0 - ALPHA.powf(1.0 / total as f64)) / detection).min(1.0),
        },
    }
}

/// The first count whose p-value is at most 2.5 %, which falls with the count.
fn critical(total: u64, p_value: impl Fn(u64) -> f64) -> Option<u64> {
    let (mut low, mut high) = (1, total + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if p_value(middle) <= ALPHA / 2.0 {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (low <= total).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::super::rates::{ErrorRates, Rate};
    use super::*;

    fn of(alarm: Rate, total: u64) -> Power {
        let detections = Rate::Counted {
            events: 270.0,
            trials: 300.0,
        };
        let rates = ErrorRates {
            false_alarms: alarm,
            detections,
        };
        power(&Adjusted::new(rates, Target::Archive), total)
    }

    #[test]
    fn a_critical_count_is_just_what_the_test_rejects() {
        let alarm = Rate::Threshold {
            passed: 2,
            trials: 270,
        };
        let found = of(alarm, 2000);
        let rates = ErrorRates {
            false_alarms: alarm,
            detections: Rate::Counted {
                events: 270.0,
                trials: 300.0,
            },
        };
        let adjusted = Adjusted::new(rates, Target::Archive);
        let critical = found.critical.unwrap();
        assert!(adjusted.estimate(critical, 2000).low > 0.0);
        assert_eq!(adjusted.estimate(critical - 1, 2000).low, 0.0);
    }

    #[test]
    fn what_limits_a_large_archive_is_the_knowledge_of_the_false_alarms() {
        let small = Rate::Threshold {
            passed: 2,
            trials: 270,
        };
        let large = Rate::Threshold {
            passed: 299,
            trials: 30_000,
        };
        let least = |alarm, total| of(alarm, total).detectable[0].unwrap();
        assert!(least(large, 2000) < 0.5 * least(small, 2000));
        assert!(least(small, 200_000) > 0.8 * least(small, 20_000));
        let known = of(small, 200_000);
        assert!(known.exactly[0].unwrap() < 0.2 * known.detectable[0].unwrap());
        assert!(known.detectable[1] > known.detectable[0]);
    }

    #[test]
    fn with_nothing_flagged_the_rule_of_three_bounds() {
        let found = of(Rate::Assumed(0.01), 300);
        assert!(
            (found.nothing - 3.0 / 300.0 / 0.9).abs() < 2e-4,
            "{}",
            found.nothing
        );
        assert_eq!(of(Rate::Assumed(0.01), 0).detectable, [None, None]);
        assert_eq!(of(Rate::Assumed(0.01), 1).critical, Some(1));
    }
}
