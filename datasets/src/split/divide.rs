//! Divides a manifest into training, validation and test images by group, balanced by family,
//! source and modality.
//!
//! Iterative stratification after Sechidis, Tsoumakas and Vlahavas, "On the Stratification of
//! Multi-Label Data" (ECML PKDD 2011): the scarcest trait is dealt out first, each group going where
//! that trait is still missing most. Ours differs in two ways: groups are dealt, not images, each
//! with its count of images; and their order is a keyed hash, so that a seed gives the same division
//! on every machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::near_duplicate::NearDuplicate;
use crate::split::hash;
use crate::{Entry, Split};

/// How to divide.
#[derive(Debug, Clone, PartialEq)]
pub struct DivisionOptions {
    /// Decides which groups go where.
    pub seed: u64,
    /// Share of the images for validation, in `[0, 1)`.
    pub validation: f64,
    /// Share of the images for the test, in `[0, 1)`.
    pub test: f64,
    /// Generator families that only the test may see. Their images in other groups than the test's
    /// are left out.
    pub hold_out_families: Vec<String>,
    /// Sources of which every group goes to the test.
    pub hold_out_sources: Vec<String>,
    /// Whether the manifest's own splits are forgotten.
    pub reassign: bool,
}

impl Default for DivisionOptions {
    fn default() -> Self {
        Self {
            seed: 2026,
            validation: 0.15,
            test: 0.2,
            hold_out_families: Vec::new(),
            hold_out_sources: Vec::new(),
            reassign: false,
        }
    }
}

/// A division of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// The split of every image, `None` where it is left out.
    pub splits: Vec<Option<Split>>,
    /// Groups that were kept together because they hold near-duplicates of one another.
    pub joined: usize,
}

/// What cannot be divided as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DivisionError {
    /// A share is out of range.
    #[error(
        "validation and test must be shares from 0 that leave at least a tenth to train on: {0}"
    )]
    Shares(String),
    /// A family or source to hold out is not in the manifest.
    #[error("the manifest holds no image of the {kind} '{name}'; it has {known}")]
    Unknown {
        /// `family` or `source`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Two demands on one group contradict each other.
    #[error(
        "group '{group}' is to be held out, and the manifest's split column or a generator's \
         training set puts it elsewhere"
    )]
    Contradiction {
        /// The group.
        group: String,
    },
}

/// Groups that go together.
struct Cluster {
    order: [u8; 32],
    traits: BTreeMap<usize, usize>,
    images: usize,
    split: Option<Split>,
}

/// Divides images by group. Near-duplicates are kept on one side; `pinned` lists images whose groups
/// must be trained on, because a generator has seen them.
///
/// # Errors
/// [`DivisionError`] when the options contradict the manifest.
pub fn divide(
    entries: &[Entry],
    near: &[NearDuplicate],
    pinned: &BTreeSet<usize>,
    options: &DivisionOptions,
) -> Result<Division, DivisionError> {
    check(entries, options)?;
    let held_family = |e: &Entry| options.hold_out_families.contains(&e.generator);
    let held_source = |e: &Entry| options.hold_out_sources.contains(&e.source);
    let (cluster_of, joined) = clusters(entries, near);
    let mut clusters: BTreeMap<usize, Cluster> = BTreeMap::new();
    let mut names: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let unit = entry.unit();
        let cluster = clusters
            .entry(cluster_of[index])
            .or_insert_with(|| Cluster {
                order: hash(options.seed, unit),
                traits: BTreeMap::new(),
                images: 0,
                split: None,
            });
        // The smallest hash of all its groups orders a cluster, whatever their order was.
        cluster.order = cluster.order.min(hash(options.seed, unit));
        let fresh = (!options.reassign).then_some(entry.split).flatten();
        let fresh = fresh.or(pinned.contains(&index).then_some(Split::Train));
        let fresh = if held_source(entry) {
            if fresh.is_some_and(|split| split != Split::Test) {
                return Err(DivisionError::Contradiction {
                    group: unit.to_owned(),
                });
            }
            Some(Split::Test)
        } else {
            fresh
        };
        if held_family(entry) {
            // Such images follow their group and ask for nothing themselves.
            continue;
        }
        if cluster.split.is_none() || held_source(entry) {
            cluster.split = fresh.or(cluster.split);
        }
        cluster.images += 1;
        for key in [
            (0, entry.source.as_str()),
            (1, entry.modality.as_str()),
            (2, entry.generator.as_str()),
        ] {
            let next = names.len();
            let id = *names.entry(key).or_insert(next);
            *cluster.traits.entry(id).or_default() += 1;
        }
    }
    deal(&mut clusters, names.len(), options);
    let splits = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let cluster = &clusters[&cluster_of[index]];
            // A cluster of nothing but held-out fakes has no images of its own.
            let split = match cluster.images {
                0 => Some(Split::Test),
                _ => cluster.split,
            };
            let own = (!options.reassign).then_some(entry.split).flatten();
            own.or(split)
                .filter(|split| !held_family(entry) || *split == Split::Test)
        })
        .collect();
    Ok(Division { splits, joined })
}

fn check(entries: &[Entry], options: &DivisionOptions) -> Result<(), DivisionError> {
    let shares = [options.validation, options.test];
    if shares.iter().any(|s| !(0.0..1.0).contains(s)) || shares.iter().sum::<f64>() > 0.9 {
        return Err(DivisionError::Shares(format!(
            "{} and {} were asked for",
            options.validation, options.test
        )));
    }
    let known = |kind, wanted: &[String], of: &dyn Fn(&Entry) -> String| {
        let all: BTreeSet<String> = entries.iter().map(of).filter(|s| !s.is_empty()).collect();
        match wanted.iter().find(|name| !all.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(DivisionError::Unknown {
                kind,
                name: name.clone(),
                known: all.into_iter().collect::<Vec<_>>().join(", "),
            }),
        }
    };
    known("family", &options.hold_out_families, &|e| {
        e.generator.clone()
    })?;
    known("source", &options.hold_out_sources, &|e| e.source.clone())
}

/// The cluster of every image, and how many groups were joined by near-duplicates.
fn clusters(entries: &[Entry], near: &[NearDuplicate]) -> (Vec<usize>, usize) {
    fn root(parents: &mut [usize], mut at: usize) -> usize {
        while parents[at] != at {
            parents[at] = parents[parents[at]];
            at = parents[at];
        }
        at
    }
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    let units: Vec<usize> = entries
        .iter()
        .map(|entry| {
            let next = ids.len();
            *ids.entry(entry.unit()).or_insert(next)
        })
        .collect();
    let mut parents: Vec<usize> = (0..ids.len()).collect();
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    let same_file = entries.iter().enumerate().filter_map(|(index, entry)| {
        let first = *files.entry(&entry.sha256).or_insert(index);
        (first != index && !entry.sha256.is_empty()).then_some((first, index))
    });
    let pairs = near.iter().map(|pair| (pair.first, pair.second));
    for (first, second) in pairs.chain(same_file) {
        let a = root(&mut parents, units[first]);
        let b = root(&mut parents, units[second]);
        parents[a.max(b)] = a.min(b);
    }
    let of: Vec<usize> = units
        .into_iter()
        .map(|unit| root(&mut parents, unit))
        .collect();
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for at in 0..parents.len() {
        *sizes.entry(root(&mut parents, at)).or_default() += 1;
    }
    (of, sizes.values().filter(|&&size| size > 1).sum())
}

/// Iterative stratification of the clusters that have no split yet.
fn deal(clusters: &mut BTreeMap<usize, Cluster>, traits: usize, options: &DivisionOptions) {
    let shares = [
        (
            Split::Train,
            (1.0 - options.validation - options.test).max(0.0),
        ),
        (Split::Validation, options.validation),
        (Split::Test, options.test),
    ];
    let mut totals = vec![0usize; traits];
    let mut images = 0;
    for cluster in clusters.values() {
        images += cluster.images;
        for (&id, &count) in &cluster.traits {
            totals[id] += count;
        }
    }
    // What every split still wants of every trait, and of images at all.
    let mut wanted: Vec<(Split, Vec<f64>, f64)> = shares
        .iter()
        .map(|&(split, share)| {
            let wanted = totals.iter().map(|&total| share * total as f64).collect();
            (split, wanted, share * images as f64)
        })
        .collect();
    let take = |wanted: &mut Vec<(Split, Vec<f64>, f64)>, cluster: &Cluster, split: Split| {
        for (_, of_trait, all) in wanted.iter_mut().filter(|w| w.0 == split) {
            *all -= cluster.images as f64;
            for (&id, &count) in &cluster.traits {
                of_trait[id] -= count as f64;
            }
        }
    };
    let mut open: Vec<&mut Cluster> = Vec::new();
    for cluster in clusters.values_mut().filter(|c| c.images > 0) {
        match cluster.split {
            Some(split) => take(&mut wanted, cluster, split),
            None => open.push(cluster),
        }
    }
    open.sort_by_key(|cluster| cluster.order);
    loop {
        let mut left = vec![0usize; traits];
        for cluster in open.iter().filter(|c| c.split.is_none()) {
            for &id in cluster.traits.keys() {
                left[id] += 1;
            }
        }
        let scarcest = (0..traits)
            .filter(|&id| left[id] > 0)
            .min_by_key(|&id| left[id]);
        let Some(scarcest) = scarcest else {
            return;
        };
        for cluster in &mut open {
            if cluster.split.is_some() || !cluster.traits.contains_key(&scarcest) {
                continue;
            }
            // The first of equals wins: training.
            let mut best = &wanted[0];
            for candidate in &wanted[1..] {
                let key = |w: &(Split, Vec<f64>, f64)| (w.1[scarcest], w.2);
                let ((a, b), (c, d)) = (key(candidate), key(best));
                if a > c + 1e-9 || (a > c - 1e-9 && b > d + 1e-9) {
                    best = candidate;
                }
            }
            let split = best.0;
            cluster.split = Some(split);
            take(&mut wanted, cluster, split);
        }
    }
}

#[cfg(test)]
mod tests;
