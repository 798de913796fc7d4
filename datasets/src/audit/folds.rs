//! Folds for cross-validation that never split a group, and samples of a manifest.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::Entry;

/// What folds and samples are stratified by.
fn stratum(entry: &Entry) -> (&str, &str, &str) {
    (entry.label.as_str(), &entry.generator, &entry.source)
}

fn key(seed: u64, name: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    digest.update(name.as_bytes());
    digest.finalize().into()
}

/// The fold of every entry. A group stays whole; large groups are placed first, each where its
/// strata are least represented; ties are broken by a keyed hash.
pub(super) fn folds(entries: &[&Entry], count: usize, seed: u64) -> Vec<usize> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut totals: BTreeMap<_, f64> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        groups.entry(entry.unit()).or_default().push(index);
        *totals.entry(stratum(entry)).or_default() += 1.0;
    }
    let mut order: Vec<(&str, Vec<usize>)> = groups.into_iter().collect();
    order.sort_by_key(|(unit, members)| (std::cmp::Reverse(members.len()), key(seed, unit)));
    let mut placed = vec![BTreeMap::<_, f64>::new(); count];
    let mut sizes = vec![0usize; count];
    let mut folds = vec![0; entries.len()];
    for (_, members) in order {
        let load = |fold: usize| -> f64 {
            members
                .iter()
                .map(|&index| {
                    let stratum = stratum(entries[index]);
                    placed[fold].get(&stratum).copied().unwrap_or(0.0) / totals[&stratum]
                })
                .sum()
        };
        let best =
            (0..count).min_by(|&a, &b| load(a).total_cmp(&load(b)).then(sizes[a].cmp(&sizes[b])));
        let fold = best.unwrap_or(0);
        for &index in &members {
            folds[index] = fold;
            *placed[fold].entry(stratum(entries[index])).or_default() += 1.0;
        }
        sizes[fold] += members.len();
    }
    folds
}

/// Indices of at most `per_class` images of each class, in order, taken in turn from every family
/// and source so that small ones are not lost. The same seed gives the same sample.
#[must_use]
pub fn sample(entries: &[Entry], per_class: usize, seed: u64) -> Vec<usize> {
    let mut chosen = Vec::new();
    for manipulated in [false, true] {
        let mut strata: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if entry.label.is_manipulated() == manipulated {
                strata.entry(stratum(entry)).or_default().push(index);
            }
        }
        let mut queues: Vec<Vec<usize>> = strata.into_values().collect();
        for queue in &mut queues {
            queue.sort_by_key(|&index| key(seed, &entries[index].name));
            queue.reverse();
        }
        let mut left = per_class;
        while left > 0 && queues.iter().any(|queue| !queue.is_empty()) {
            for queue in &mut queues {
                if left > 0
                    && let Some(index) = queue.pop()
                {
                    chosen.push(index);
                    left -= 1;
                }
            }
        }
    }
    chosen.sort_unstable();
    chosen
}
