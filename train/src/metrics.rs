//! Ranking and calibration metrics.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Area under the ROC curve: the probability that a manipulated image scores above an authentic
/// one, ties counting half (Hanley & McNeil, 1982). `None` when a class is empty.
#[must_use]
pub fn auroc(authentic: &[f64], manipulated: &[f64]) -> Option<f64> {
    if authentic.is_empty() || manipulated.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, bool)> = authentic
        .iter()
        .map(|s| (*s, false))
        .chain(manipulated.iter().map(|s| (*s, true)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = 0.0;
    let mut start = 0;
    while start < all.len() {
        let end = start
            + all[start..]
                .iter()
                .take_while(|x| x.0 == all[start].0)
                .count();
        let rank = (start + end + 1) as f64 / 2.0;
        ranks += rank * all[start..end].iter().filter(|x| x.1).count() as f64;
        start = end;
    }
    let (n, m) = (authentic.len() as f64, manipulated.len() as f64);
    Some((ranks - m * (m + 1.0) / 2.0) / (n * m))
}

/// A score with the group (patient or volume) it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Higher means more likely manipulated.
    pub score: f64,
    /// The unit that is resampled.
    pub group: String,
}

/// AUROC with its 95 % interval from a bootstrap over groups: estimate, low, high.
#[must_use]
pub fn auroc_interval(authentic: &[Scored], manipulated: &[Scored], seed: u64) -> Option<[f64; 3]> {
    const REPLICATES: usize = 1000;
    let scores = |scored: &[Scored]| scored.iter().map(|s| s.score).collect::<Vec<_>>();
    let estimate = auroc(&scores(authentic), &scores(manipulated))?;
    let mut rng = StdRng::seed_from_u64(seed);
    let (real, fake) = (grouped(authentic), grouped(manipulated));
    let mut replicates: Vec<f64> = (0..REPLICATES)
        .filter_map(|_| auroc(&resample(&real, &mut rng), &resample(&fake, &mut rng)))
        .collect();
    replicates.sort_by(f64::total_cmp);
    let at = |share: f64| replicates[((replicates.len() - 1) as f64 * share).round() as usize];
    Some([estimate, at(0.025), at(0.975)])
}

fn grouped(scored: &[Scored]) -> Vec<Vec<f64>> {
    let mut groups: std::collections::BTreeMap<&str, Vec<f64>> = std::collections::BTreeMap::new();
    for item in scored {
        groups.entry(&item.group).or_default().push(item.score);
    }
    groups.into_values().collect()
}

fn resample(groups: &[Vec<f64>], rng: &mut StdRng) -> Vec<f64> {
    (0..groups.len())
        .flat_map(|_| groups[rng.random_range(0..groups.len())].iter().copied())
        .collect()
}

/// Share of `scores` at or above `threshold`.
#[must_use]
pub fn rate_above(scores: &[f64], threshold: f64) -> f64 {
    let above = scores.iter().filter(|s| **s >= threshold).count();
    above as f64 / scores.len().max(1) as f64
}

/// Expected calibration error over ten equal bins (Guo et al., ICML 2017), of `(score, label)`.
#[must_use]
pub fn expected_calibration_error(scored: &[(f64, bool)]) -> f64 {
    const BINS: usize = 10;
    let mut bins = [(0usize, 0.0f64, 0.0f64); BINS];
    for (score, label) in scored {
        let bin = &mut bins[((score * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += 1;
        bin.1 += score;
        bin.2 += f64::from(u8::from(*label));
    }
    let gap = bins
        .iter()
        .map(|(_, scores, labels)| (scores - labels).abs());
    gap.sum::<f64>() / scored.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auroc_of_known_cases() {
        assert_eq!(auroc(&[0.1, 0.2], &[0.3, 0.4]), Some(1.0));
        assert_eq!(auroc(&[0.3, 0.4], &[0.1, 0.2]), Some(0.0));
        assert_eq!(auroc(&[0.5, 0.5], &[0.5]), Some(0.5));
        assert_eq!(auroc(&[0.1, 0.6], &[0.5, 0.7]), Some(0.75));
        assert_eq!(auroc(&[], &[0.5]), None);
    }

    #[test]
    fn the_interval_holds_the_estimate_and_widens_with_fewer_groups() {
        let scored = |shift: f64, groups: usize| -> Vec<Scored> {
            (0..200)
                .map(|i| Scored {
                    score: f64::from(i % 37) / 37.0 + shift * f64::from(i % 5),
                    group: format!("{}", i as usize % groups),
                })
                .collect()
        };
        let many = auroc_interval(&scored(0.0, 200), &scored(0.1, 200), 1).unwrap();
        let few = auroc_interval(&scored(0.0, 5), &scored(0.1, 5), 1).unwrap();
        assert!(many[1] <= many[0] && many[0] <= many[2]);
        assert!(few[2] - few[1] > many[2] - many[1]);
    }

    #[test]
    fn calibration_error_of_a_calibrated_and_a_wrong_score() {
        let calibrated: Vec<(f64, bool)> = (0..100).map(|i| (0.25, i % 4 == 0)).collect();
        assert!(expected_calibration_error(&calibrated) < 1e-9);
        let wrong: Vec<(f64, bool)> = (0..100).map(|_| (0.95, false)).collect();
        assert!((expected_calibration_error(&wrong) - 0.95).abs() < 1e-9);
    }
}
