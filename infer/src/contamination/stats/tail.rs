//! How likely a number of flagged images is.

use super::Target;
use statrs::function::erf::erfc;

/// Above this variance a sum of binomials is taken for normal.
const SMOOTH: f64 = 900.0;

/// P(X < `flagged`) + ½ P(X = `flagged`) for the number X flagged among `total` images of which
/// `manipulated` are manipulated, or in expectation are. Falls as `manipulated` grows.
pub(crate) fn place(
    flagged: u64,
    total: u64,
    manipulated: u64,
    [alarm, detection]: [f64; 2],
    target: Target,
) -> f64 {
    let authentic = total - manipulated.min(total);
    match target {
        Target::Population => {
            let share = manipulated as f64 / total.max(1) as f64;
            let rate = alarm + share * (detection - alarm);
            let variance = total as f64 * rate * (1.0 - rate);
            if variance > SMOOTH {
                return normal((flagged as f64 - total as f64 * rate) / variance.sqrt());
            }
            let pmf = binomial(total, rate, flagged);
            let [rest @ .., last] = pmf.as_slice() else {
                return 1.0;
            };
            rest.iter().sum::<f64>() + 0.5 * last
        }
        Target::Archive => {
            let (m, a) = (manipulated as f64, authentic as f64);
            let variance = m * detection * (1.0 - detection) + a * alarm * (1.0 - alarm);
            if variance > SMOOTH {
                let mean = m * detection + a * alarm;
                return normal((flagged as f64 - mean) / variance.sqrt());
            }
            let hits = binomial(manipulated, detection, flagged);
            let alarms = binomial(authentic, alarm, flagged);
            // sums[j]: P(hits < j) + ½ P(hits = j)
            let mut sums = Vec::with_capacity(hits.len());
            let mut sum = 0.0;
            for mass in &hits {
                sums.push(sum + 0.5 * mass);
                sum += mass;
            }
            alarms
                .iter()
                .enumerate()
                .map(|(count, mass)| mass * sums[flagged as usize - count])
                .sum()
        }
    }
}

/// Probabilities of 0 to `most` events, for `trials` with one `rate`.
fn binomial(trials: u64, rate: f64, most: u64) -> Vec<f64> {
    let rate = rate.clamp(1e-12, 1.0 - 1e-12);
    let length = most as usize + 1;
    let mut mass = vec![0.0; length];
    // From the mode outwards, relative to it: nothing overflows, and far tails are a true zero.
    let mode = (((trials + 1) as f64 * rate) as u64).min(trials);
    let odds = rate / (1.0 - rate);
    let mut total = 1.0;
    if let Some(slot) = mass.get_mut(mode as usize) {
        *slot = 1.0;
    }
    let mut value = 1.0;
    for k in mode + 1..=trials {
        value *= (trials - k + 1) as f64 / k as f64 * odds;
        if value < 1e-18 {
            break;
        }
        total += value;
        if let Some(slot) = mass.get_mut(k as usize) {
            *slot = value;
        }
    }
    value = 1.0;
    for k in (0..mode).rev() {
        value *= (k + 1) as f64 / (trials - k) as f64 / odds;
        if value < 1e-18 {
            break;
        }
        total += value;
        if let Some(slot) = mass.get_mut(k as usize) {
            *slot = value;
        }
    }
    mass.iter_mut().for_each(|mass| *mass /= total);
    mass
}

/// The normal distribution function.
pub(crate) fn normal(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

/// Its inverse, for a probability between 0 and 1.
pub(crate) fn quantile(probability: f64) -> f64 {
    -std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(2.0 * probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomials_are_those_of_the_textbook() {
        let mass = binomial(4, 0.25, 4);
        for (found, expected) in mass.iter().zip([81.0, 108.0, 54.0, 12.0, 1.0]) {
            assert!((found - expected / 256.0).abs() < 1e-12);
        }
        assert!((binomial(100_000, 0.3, 100_000).iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(binomial(0, 0.3, 3), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn places_of_the_sum_agree_with_enumeration_and_with_the_normal_limit() {
        let rates = [0.1, 0.8];
        let (hits, alarms) = (binomial(3, 0.8, 3), binomial(5, 0.1, 5));
        let mut expected = 0.0;
        for (i, x) in hits.iter().enumerate() {
            for (j, y) in alarms.iter().enumerate() {
                expected += x
                    * y
                    * match 2_usize.cmp(&(i + j)) {
                        std::cmp::Ordering::Less => 0.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Greater => 1.0,
                    };
            }
        }
        let found = place(2, 8, 3, rates, Target::Archive);
        assert!((found - expected).abs() < 1e-12);
        // Just below and just above the variance from which the normal law is used.
        let at = |total: u64| place(total / 2 + 5, total, total / 2, [0.4, 0.6], Target::Archive);
        assert!(
            (at(3740) - at(3760)).abs() < 2e-3,
            "{} {}",
            at(3740),
            at(3760)
        );
        let at = |total: u64| {
            place(
                total / 2 + 5,
                total,
                total / 2,
                [0.4, 0.6],
                Target::Population,
            )
        };
        assert!((at(3590) - at(3610)).abs() < 2e-3);
    }

    #[test]
    fn more_manipulated_images_make_a_count_smaller_in_comparison() {
        for target in [Target::Archive, Target::Population] {
            let mut last = 1.0;
            for manipulated in 0..=60 {
                let now = place(10, 60, manipulated, [0.02, 0.9], target);
                assert!(now <= last + 1e-12);
                last = now;
            }
        }
    }
}
