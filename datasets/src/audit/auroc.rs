//! AUROC over pairs that may be compared, with a bootstrap over groups.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A scored image.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub score: f64,
    pub manipulated: bool,
    /// Only images of one block are compared: judged by the same fitted model, of one modality.
    pub block: usize,
    /// Patient or volume, numbered from 0 without gaps; resampled as a whole.
    pub group: usize,
}

/// How much wider cross-validated AUROCs scatter under random labels than one rank test of fresh
/// images would: the folds' fits share images. Measured on random features; a test holds it.
const SPREAD: f64 = 1.35;

/// Replicates of the bootstrap.
const REPLICATES: usize = 500;

/// The probability that a manipulated image scores above an authentic one of its block (Hanley &
/// McNeil, 1982; blocks weighed after van Elteren, 1960), and what the bootstrap says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub auroc: f64,
    /// Percentile interval, 95 %, widened by [`SPREAD`].
    pub interval: [f64; 2],
    /// Standard error when nothing separates (Mann & Whitney, 1947), widened for groups of several
    /// images as if only one image of each counted, and by [`SPREAD`].
    pub chance: f64,
}

/// `None` when no block holds both classes.
pub(super) fn estimate(items: &[Item], seed: u64) -> Option<Estimate> {
    let blocks = sorted_blocks(items);
    let groups = items.iter().map(|item| item.group + 1).max()?;
    let auroc = combined(&blocks, &vec![1.0; groups])?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut replicates: Vec<f64> = (0..REPLICATES)
        .filter_map(|_| {
            let mut counts = vec![0.0; groups];
            for _ in 0..groups {
                counts[rng.random_range(0..groups)] += 1.0;
            }
            combined(&blocks, &counts)
        })
        .collect();
    if replicates.is_empty() {
        return None;
    }
    replicates.sort_by(f64::total_cmp);
    let count = replicates.len() as f64;
    let at = |share: f64| replicates[((count - 1.0) * share).round() as usize];
    Some(Estimate {
        auroc,
        interval: [at(0.025), at(0.975)]
            .map(|edge| (auroc + SPREAD * (edge - auroc)).clamp(0.0, 1.0)),
        chance: SPREAD * chance(items, &blocks),
    })
}

fn chance(items: &[Item], blocks: &[Vec<&Item>]) -> f64 {
    let (mut variance, mut total) = (0.0, 0.0);
    for block in blocks {
        let fakes = block.iter().filter(|item| item.manipulated).count() as f64;
        let reals = block.len() as f64 - fakes;
        if reals > 0.0 && fakes > 0.0 {
            let weight = reals * fakes / (reals + fakes);
            variance += weight * weight * (reals + fakes + 1.0) / (12.0 * reals * fakes);
            total += weight;
        }
    }
    let crowding = [false, true].map(|class| {
        let of = || items.iter().filter(|item| item.manipulated == class);
        let groups: std::collections::BTreeSet<usize> = of().map(|item| item.group).collect();
        of().count() as f64 / groups.len().max(1) as f64
    });
    (variance * crowding[0].max(crowding[1]).max(1.0)).sqrt() / total
}

fn sorted_blocks(items: &[Item]) -> Vec<Vec<&Item>> {
    let mut blocks: std::collections::BTreeMap<usize, Vec<&Item>> = Default::default();
    for item in items {
        blocks.entry(item.block).or_default().push(item);
    }
    blocks
        .into_values()
        .map(|mut block| {
            block.sort_by(|a, b| a.score.total_cmp(&b.score));
            block
        })
        .collect()
}

fn combined(blocks: &[Vec<&Item>], counts: &[f64]) -> Option<f64> {
    let (mut sum, mut total) = (0.0, 0.0);
    for block in blocks {
        let (mut below, mut pairs) = (0.0, 0.0);
        let mut class = [0.0; 2];
        let mut start = 0;
        while start < block.len() {
            let score = block[start].score;
            let mut tied = [0.0; 2];
            let mut end = start;
            while end < block.len() && block[end].score == score {
                tied[usize::from(block[end].manipulated)] += counts[block[end].group];
                end += 1;
            }
            pairs += tied[1] * (below + 0.5 * tied[0]);
            below += tied[0];
            class[0] += tied[0];
            class[1] += tied[1];
            start = end;
        }
        if class[0] > 0.0 && class[1] > 0.0 {
            let weight = class[0] * class[1] / (class[0] + class[1]);
            sum += weight * pairs / (class[0] * class[1]);
            total += weight;
        }
    }
    (total > 0.0).then_some(sum / total)
}

/// Plain AUROC of one feature, direction-free: at least 0.5.
pub(super) fn single(values: impl Iterator<Item = (f64, bool, usize)>) -> f64 {
    let items: Vec<Item> = values
        .map(|(score, manipulated, block)| Item {
            score,
            manipulated,
            block,
            group: 0,
        })
        .collect();
    let auroc = combined(&sorted_blocks(&items), &[1.0]).unwrap_or(0.5);
    auroc.max(1.0 - auroc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(scores: &[(f64, bool, usize)]) -> Vec<Item> {
        scores
            .iter()
            .enumerate()
            .map(|(group, &(score, manipulated, block))| Item {
                score,
                manipulated,
                block,
                group,
            })
            .collect()
    }

    fn auroc(scores: &[(f64, bool, usize)]) -> Option<f64> {
        estimate(&items(scores), 1).map(|e| e.auroc)
    }

    #[test]
    fn known_cases() {
        assert_eq!(auroc(&[(0.1, false, 0), (0.3, true, 0)]), Some(1.0));
        assert_eq!(auroc(&[(0.5, false, 0), (0.5, true, 0)]), Some(0.5));
        let mixed = [
            (0.1, false, 0),
            (0.6, false, 0),
            (0.5, true, 0),
            (0.7, true, 0),
        ];
        assert_eq!(auroc(&mixed), Some(0.75));
        assert_eq!(auroc(&[(0.5, true, 0)]), None);
        // Classes in different blocks are never compared.
        assert_eq!(auroc(&[(0.1, false, 0), (0.3, true, 1)]), None);
        // A shift between blocks is no separation.
        let shifted = [
            (0.1, false, 0),
            (0.1, true, 0),
            (0.9, false, 1),
            (0.9, true, 1),
        ];
        assert_eq!(auroc(&shifted), Some(0.5));
    }

    #[test]
    fn few_groups_count_as_few_images() {
        let scored = |groups: usize| -> Vec<Item> {
            (0..400usize)
                .map(|i| Item {
                    score: (i * 7919 % 97) as f64,
                    manipulated: i % 2 == 1,
                    block: 0,
                    group: (i / 2) % groups,
                })
                .collect()
        };
        let many = estimate(&scored(200), 1).unwrap();
        let few = estimate(&scored(5), 1).unwrap();
        assert!(many.interval[0] <= many.auroc && many.auroc <= many.interval[1]);
        // Mann and Whitney's error for 200 and 200 images is 0.0289.
        assert!(
            (many.chance / SPREAD - 0.0289).abs() < 1e-3,
            "{}",
            many.chance
        );
        assert!((few.chance / many.chance - 40f64.sqrt()).abs() < 1e-6);
    }
}
