//! Comparison of two scores on the same images.
//!
//! DeLong, DeLong & Clarke-Pearson ("Comparing the areas under two or more correlated receiver
//! operating characteristic curves", Biometrics 1988), computed from mid-ranks as Sun & Xu ("Fast
//! implementation of DeLong's algorithm", IEEE Signal Processing Letters 2014) show, in
//! `O(n log n)`. Images are taken as independent; where groups hold several, the group-wise
//! bootstrap beside it is the safer interval.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// One AUROC against another on the same images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// AUROC of the first and of the second score.
    pub auroc: [f64; 2],
    /// First minus second, with its 95 % interval: estimate, low, high.
    pub difference: [f64; 3],
    /// Two-sided p-value of no difference; 1 when the two are the same.
    pub p_value: f64,
}

/// Per manipulated and per authentic image, the share of the other class it is ranked rightly against.
type Components = (Vec<f64>, Vec<f64>);

/// Compares two scores. `authentic` and `manipulated` hold a pair of scores per image. `None` when
/// a class has fewer than two images.
#[must_use]
pub fn compare(authentic: &[[f64; 2]], manipulated: &[[f64; 2]]) -> Option<Comparison> {
    let (n, m) = (authentic.len(), manipulated.len());
    if n < 2 || m < 2 {
        return None;
    }
    // Components of every image: the share of the other class it is ranked rightly against.
    let column = |rows: &[[f64; 2]], which: usize| rows.iter().map(|row| row[which]).collect();
    let components: [Components; 2] = [0, 1].map(|which| {
        let (reals, fakes): (Vec<f64>, Vec<f64>) =
            (column(authentic, which), column(manipulated, which));
        let mut all = fakes.clone();
        all.extend(&reals);
        let (pooled, own_fakes, own_reals) = (midranks(&all), midranks(&fakes), midranks(&reals));
        let of_fakes: Vec<f64> = (0..m)
            .map(|i| (pooled[i] - own_fakes[i]) / n as f64)
            .collect();
        let of_reals: Vec<f64> = (0..n)
            .map(|j| 1.0 - (pooled[m + j] - own_reals[j]) / m as f64)
            .collect();
        (of_fakes, of_reals)
    });
    let auroc = [0, 1].map(|which| mean(&components[which].0));
    let difference = auroc[0] - auroc[1];
    let variance = |pick: fn(&Components) -> &Vec<f64>| {
        let (a, b) = (pick(&components[0]), pick(&components[1]));
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let centre = mean(&differences);
        let squares: f64 = differences.iter().map(|d| (d - centre).powi(2)).sum();
        squares / (differences.len() - 1) as f64 / differences.len() as f64
    };
    let deviation = (variance(|c| &c.0) + variance(|c| &c.1)).sqrt();
    let normal = Normal::standard();
    let p_value = if deviation > 0.0 {
        2.0 * normal.cdf(-(difference / deviation).abs())
    } else {
        f64::from(u8::from(difference == 0.0))
    };
    let reach = normal.inverse_cdf(0.975) * deviation;
    Some(Comparison {
        auroc,
        difference: [difference, difference - reach, difference + reach],
        p_value,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Ranks counted from 1; equal values share the mean of their ranks.
fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for block in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (block.len() + 1) as f64 / 2.0;
        for &index in block {
            ranks[index] = rank;
        }
        start += block.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::auroc;

    #[test]
    fn ranks_of_ties_are_shared() {
        assert_eq!(midranks(&[2.0, 1.0, 2.0, 3.0]), [2.5, 1.0, 2.5, 4.0]);
    }

    /// The definition, pair by pair: DeLong's structural components and their covariance.
    fn by_pairs(authentic: &[[f64; 2]], manipulated: &[[f64; 2]]) -> [f64; 2] {
        let wins = |fake: f64, real: f64| {
            if fake > real {
                1.0
            } else {
                0.5 * f64::from(u8::from(fake == real))
            }
        };
        let (n, m) = (authentic.len() as f64, manipulated.len() as f64);
        let component = |which: usize, fake: Option<usize>, real: Option<usize>| -> f64 {
            match (fake, real) {
                (Some(i), _) => {
                    authentic
                        .iter()
                        .map(|r| wins(manipulated[i][which], r[which]))
                        .sum::<f64>()
                        / n
                }
                (_, Some(j)) => {
                    manipulated
                        .iter()
                        .map(|f| wins(f[which], authentic[j][which]))
                        .sum::<f64>()
                        / m
                }
                _ => f64::NAN,
            }
        };
        let area = |which| {
            (0..manipulated.len())
                .map(|i| component(which, Some(i), None))
                .sum::<f64>()
                / m
        };
        let areas = [area(0), area(1)];
        let covariance = |a: usize, b: usize| {
            let fakes: f64 = (0..manipulated.len())
                .map(|i| {
                    (component(a, Some(i), None) - areas[a])
                        * (component(b, Some(i), None) - areas[b])
                })
                .sum::<f64>()
                / (m - 1.0)
                / m;
            let reals: f64 = (0..authentic.len())
                .map(|j| {
                    (component(a, None, Some(j)) - areas[a])
                        * (component(b, None, Some(j)) - areas[b])
                })
                .sum::<f64>()
                / (n - 1.0)
                / n;
            fakes + reals
        };
        let variance = covariance(0, 0) + covariance(1, 1) - 2.0 * covariance(0, 1);
        [areas[0] - areas[1], variance.sqrt()]
    }

    #[test]
    fn the_fast_way_gives_what_the_definition_gives() {
        let noise = |i: usize, k: usize| ((i * 7919 + k * 104_729) % 1009) as f64 / 1009.0;
        let rows = |shift: f64, count: usize, salt: usize| -> Vec<[f64; 2]> {
            (0..count)
                .map(|i| {
                    let first = noise(i, salt) + shift;
                    // Rounded, so that there are ties.
                    [
                        first,
                        ((0.5 * first + 0.5 * noise(i, salt + 9)) * 20.0).round() / 20.0,
                    ]
                })
                .collect()
        };
        let (authentic, manipulated) = (rows(0.0, 83, 1), rows(0.3, 59, 3));
        let comparison = compare(&authentic, &manipulated).unwrap();
        let [difference, deviation] = by_pairs(&authentic, &manipulated);
        assert!((comparison.difference[0] - difference).abs() < 1e-12);
        let reach = comparison.difference[2] - comparison.difference[0];
        assert!((reach / 1.959_963_984_540_054 - deviation).abs() < 1e-9);
        let column = |rows: &[[f64; 2]], which: usize| -> Vec<f64> {
            rows.iter().map(|row| row[which]).collect()
        };
        for which in 0..2 {
            let area = auroc(&column(&authentic, which), &column(&manipulated, which)).unwrap();
            assert!((comparison.auroc[which] - area).abs() < 1e-12);
        }
    }

    #[test]
    fn a_score_does_not_differ_from_itself() {
        let rows: Vec<[f64; 2]> = (0..20).map(|i| [f64::from(i % 7); 2]).collect();
        let comparison = compare(&rows, &rows).unwrap();
        assert_eq!((comparison.difference, comparison.p_value), ([0.0; 3], 1.0));
        assert_eq!(compare(&rows[..1], &rows), None);
    }
}
