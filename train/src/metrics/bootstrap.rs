//! Bootstrap over groups: patients or volumes are drawn, never single images.
//!
//! A replicate is a multiplicity per group, so that a metric over scores sorted once needs one pass
//! per replicate and no sorting (Field & Welsh, "Bootstrapping clustered data", JRSS B 2007).

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The groups of a set of images, by the classes they hold.
///
/// Groups with authentic images only, with manipulated ones only and with both are drawn apart, so
/// that every replicate holds as many of each; a group that holds both keeps its pairs together.
#[derive(Debug, Clone)]
pub struct Groups {
    strata: Vec<Vec<u32>>,
    count: usize,
}

impl Groups {
    /// Numbers the groups of images given as `(group, manipulated)`; also returns the number of every
    /// image's group.
    #[must_use]
    pub fn new<'a>(images: impl IntoIterator<Item = (&'a str, bool)>) -> (Self, Vec<u32>) {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let mut classes: Vec<[bool; 2]> = Vec::new();
        let of: Vec<u32> = images
            .into_iter()
            .map(|(group, manipulated)| {
                let next = numbers.len() as u32;
                let number = *numbers.entry(group).or_insert(next);
                if number == next {
                    classes.push([false; 2]);
                }
                classes[number as usize][usize::from(manipulated)] = true;
                number
            })
            .collect();
        let mut strata: BTreeMap<[bool; 2], Vec<u32>> = BTreeMap::new();
        for (number, class) in classes.iter().enumerate() {
            strata.entry(*class).or_default().push(number as u32);
        }
        let groups = Self {
            strata: strata.into_values().collect(),
            count: classes.len(),
        };
        (groups, of)
    }

    /// Every group once: the data as they are.
    #[must_use]
    pub fn once(&self) -> Vec<u32> {
        vec![1; self.count]
    }

    /// A statistic of `replicates` draws, given the multiplicity of every group; draws for which it
    /// does not exist are left out.
    pub fn replicates<T>(
        &self,
        seed: u64,
        replicates: usize,
        statistic: impl Fn(&[u32]) -> Option<T>,
    ) -> Vec<T> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut weights = vec![0u32; self.count];
        (0..replicates)
            .filter_map(|_| {
                weights.fill(0);
                for stratum in &self.strata {
                    for _ in 0..stratum.len() {
                        weights[stratum[rng.random_range(0..stratum.len())] as usize] += 1;
                    }
                }
                statistic(&weights)
            })
            .collect()
    }
}

/// Estimate with the 2.5 and 97.5 percentiles of its replicates. `None` when there are none.
#[must_use]
pub fn percentiles(estimate: f64, mut replicates: Vec<f64>) -> Option<[f64; 3]> {
    replicates.sort_by(f64::total_cmp);
    let last = replicates.len().checked_sub(1)?;
    let at = |share: f64| replicates[(last as f64 * share).round() as usize];
    Some([estimate, at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replicate_holds_as_many_groups_of_each_kind() {
        let images = [("a", false), ("a", true), ("b", false), ("c", true)];
        let (groups, of) = Groups::new(images);
        assert_eq!(of, [0, 0, 1, 2]);
        let draws = groups.replicates(1, 50, |weights| Some(weights.to_vec()));
        assert!(draws.iter().all(|weights| weights == &[1, 1, 1]));
        let (groups, _) = Groups::new([("a", false), ("b", false), ("c", true), ("d", true)]);
        let draws = groups.replicates(1, 50, |weights| Some(weights.to_vec()));
        assert!(draws.iter().all(|w| w[0] + w[1] == 2 && w[2] + w[3] == 2));
        assert!(draws.iter().any(|w| w[0] == 2) && draws.iter().any(|w| w[3] == 0));
    }

    #[test]
    fn percentiles_of_a_known_sample() {
        let sample: Vec<f64> = (0..=1000).rev().map(f64::from).collect();
        assert_eq!(percentiles(3.0, sample), Some([3.0, 25.0, 975.0]));
        assert_eq!(percentiles(3.0, Vec::new()), None);
    }
}
