//! Brings strata to one distribution by rank.
//!
//! A *stratum* is what may differ from the others: one family of manipulated images or one source of
//! authentic ones, within a modality. An image keeps its rank within its stratum; the value at that
//! rank becomes the same for all strata. So every stratum, and with them both classes, end with the
//! same distribution, and each image is changed as little as that allows.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::Entry;

/// Strata with fewer images than this are not told apart by source.
const LEAST: usize = 20;

/// Stratum of every entry: modality first, then the number of the stratum within all.
pub(super) fn strata(entries: &[&Entry]) -> Vec<Stratum> {
    let key = |entry: &Entry, source: bool| {
        let source = if source {
            entry.source.clone()
        } else {
            String::new()
        };
        let kind = format!("{}/{}/{source}", entry.label.as_str(), entry.generator);
        (entry.modality.clone(), kind)
    };
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for entry in entries {
        *counts.entry(key(entry, true)).or_default() += 1;
    }
    let names: Vec<(String, String)> = entries
        .iter()
        .map(|entry| {
            let fine = key(entry, true);
            if counts[&fine] < LEAST {
                key(entry, false)
            } else {
                fine
            }
        })
        .collect();
    let mut modalities = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for name in &names {
        let next = modalities.len();
        modalities.entry(name.0.clone()).or_insert(next);
        let next = kinds.len();
        kinds.entry(name.clone()).or_insert(next);
    }
    names
        .iter()
        .map(|name| Stratum {
            modality: modalities[&name.0],
            number: kinds[name],
        })
        .collect()
}

/// Which images an image is matched with, and which it is ranked among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stratum {
    /// Strata of one modality are brought to one distribution.
    pub modality: usize,
    /// The stratum itself.
    pub number: usize,
}

/// How values at the same rank become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Common {
    /// The smallest: what can only be taken away, like resolution or quality.
    Least,
    /// The mean: what can go both ways, like brightness.
    Mean,
}

/// The common value at each image's rank. Equal values are ranked by a keyed hash of the name, so
/// that the order of the manifest says nothing; with `shuffled`, all are, and an image's own value no
/// longer decides what it gets.
pub(super) fn matched(
    values: &[f64],
    strata: &[Stratum],
    names: &[&str],
    seed: u64,
    common: Common,
    shuffled: bool,
) -> Vec<f64> {
    let mut members: BTreeMap<Stratum, Vec<usize>> = BTreeMap::new();
    for (index, stratum) in strata.iter().enumerate() {
        members.entry(*stratum).or_default().push(index);
    }
    let keys: Vec<u64> = names.iter().map(|name| key(seed, name)).collect();
    let sorted: BTreeMap<Stratum, Vec<f64>> = members
        .iter()
        .map(|(stratum, list)| {
            let mut own: Vec<f64> = list.iter().map(|&i| values[i]).collect();
            own.sort_by(f64::total_cmp);
            (*stratum, own)
        })
        .collect();
    let mut result = vec![0.0; values.len()];
    for (stratum, list) in &mut members {
        list.sort_by(|&a, &b| {
            let by_value = if shuffled {
                std::cmp::Ordering::Equal
            } else {
                values[a].total_cmp(&values[b])
            };
            by_value.then(keys[a].cmp(&keys[b])).then(a.cmp(&b))
        });
        let peers: Vec<&Vec<f64>> = sorted
            .iter()
            .filter(|(other, _)| other.modality == stratum.modality)
            .map(|(_, own)| own)
            .collect();
        for (rank, &index) in list.iter().enumerate() {
            let share = (rank as f64 + 0.5) / list.len() as f64;
            let at = |own: &[f64]| own[((share * own.len() as f64) as usize).min(own.len() - 1)];
            let found = peers.iter().map(|own| at(own));
            result[index] = match common {
                Common::Least => found.fold(f64::INFINITY, f64::min),
                Common::Mean => found.sum::<f64>() / peers.len() as f64,
            };
        }
    }
    result
}

/// A number that depends on the seed and the name alone.
pub(super) fn key(seed: u64, name: &str) -> u64 {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    digest.update(name.as_bytes());
    let bytes: [u8; 32] = digest.finalize().into();
    bytes[..8]
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest distance between two empirical distributions (Kolmogorov & Smirnov).
    fn distance(a: &[f64], b: &[f64]) -> f64 {
        let share = |list: &[f64], x: f64| {
            list.iter().filter(|v| **v <= x).count() as f64 / list.len() as f64
        };
        let points = a.iter().chain(b);
        points
            .map(|&x| (share(a, x) - share(b, x)).abs())
            .fold(0.0, f64::max)
    }

    fn setting() -> (Vec<f64>, Vec<Stratum>, Vec<String>) {
        let strata: Vec<Stratum> = (0..300)
            .map(|i| Stratum {
                modality: 0,
                number: usize::from(i >= 100),
            })
            .collect();
        let values = (0..300)
            .map(|i| {
                if i < 100 {
                    500.0 + f64::from(i * 37 % 100)
                } else {
                    f64::from(i * 53 % 800)
                }
            })
            .collect();
        (
            values,
            strata,
            (0..300).map(|i| format!("{i}.png")).collect(),
        )
    }

    #[test]
    fn strata_end_with_one_distribution_and_nothing_is_raised() {
        let (values, strata, names) = setting();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(distance(&values[..100], &values[100..]) > 0.5);
        for shuffled in [false, true] {
            let least = matched(&values, &strata, &names, 1, Common::Least, shuffled);
            assert!(distance(&least[..100], &least[100..]) < 0.02);
            if !shuffled {
                assert!(
                    least
                        .iter()
                        .zip(&values)
                        .all(|(after, before)| after <= before)
                );
            }
        }
        let mean = matched(&values, &strata, &names, 1, Common::Mean, false);
        assert!(distance(&mean[..100], &mean[100..]) < 0.02);
    }

    #[test]
    fn one_stratum_keeps_its_values_and_modalities_do_not_meet() {
        let (values, mut strata, names) = setting();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for stratum in &mut strata {
            stratum.modality = stratum.number;
        }
        let same = matched(&values, &strata, &names, 1, Common::Least, false);
        assert_eq!(same, values);
    }
}
