//! Bounds of a rate.

/// Upper end of the 95 % Clopper–Pearson interval of a rate (Clopper & Pearson, 1934).
#[must_use]
pub fn clopper_pearson_upper(successes: usize, trials: usize) -> f64 {
    upper_bound(successes, trials, 0.025)
}

/// The rate that `trials` with at most `successes` would come from with probability `doubt` only:
/// the exact one-sided upper bound at confidence `1 - doubt`, by bisection on the binomial
/// distribution.
#[must_use]
fn upper_bound(successes: usize, trials: usize, doubt: f64) -> f64 {
    if trials == 0 || successes >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (successes as f64 / trials as f64, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if binomial_cumulative(successes, trials, middle) > doubt {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The most successes among `trials` whose upper bound still keeps to `rate`. `None` when not even
/// none does: then there are too few trials.
///
/// The value above which exactly that many of a sample lie is exceeded by a new draw with probability
/// at most `rate`, at confidence `1 - doubt`, whatever the distribution (Wilks, "Determination of
/// sample sizes for setting tolerance limits", 1941): choosing it by the sample costs nothing.
#[must_use]
pub fn allowed(trials: usize, rate: f64, doubt: f64) -> Option<usize> {
    (0..trials)
        .take_while(|&successes| upper_bound(successes, trials, doubt) <= rate)
        .last()
}

/// Fewest trials without a success that certify a rate at confidence `1 - doubt`.
#[must_use]
pub fn needed(rate: f64, doubt: f64) -> usize {
    (doubt.ln() / (1.0 - rate).ln()).ceil() as usize
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
    fn what_is_needed_is_what_is_allowed() {
        for (rate, doubt) in [(0.01, 0.05), (0.05, 0.05), (0.02, 0.1)] {
            let least = needed(rate, doubt);
            assert_eq!(allowed(least, rate, doubt), Some(0));
            assert_eq!(allowed(least - 1, rate, doubt), None);
        }
        // 299 is the textbook number for 1 % at 95 %.
        assert_eq!(needed(0.01, 0.05), 299);
        assert_eq!(allowed(473, 0.01, 0.05), Some(1));
    }

    #[test]
    fn a_certified_limit_is_exceeded_as_seldom_as_it_says() {
        use rand::rngs::StdRng;
        use rand::{Rng, SeedableRng};
        // Uniform draws: the true rate above a limit x is 1 - x.
        let (trials, rate, doubt) = (200, 0.05, 0.1);
        let most = allowed(trials, rate, doubt).unwrap();
        let mut rng = StdRng::seed_from_u64(3);
        let broken = (0..400)
            .filter(|_| {
                let mut draws: Vec<f64> = (0..trials).map(|_| rng.random()).collect();
                draws.sort_by(|a, b| b.total_cmp(a));
                1.0 - draws[most] > rate
            })
            .count();
        // 10 % of 400 at most, with three standard deviations of room.
        assert!(broken <= 58, "{broken} of 400");
    }
}
