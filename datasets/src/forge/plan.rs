//! Which original becomes which forgery, and who donates.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::{TrainedFamily, TrainingFreeFamily};
use crate::{Entry, Label, Split};

/// One forgery to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeryTask {
    /// Index of the original among the entries.
    pub parent: usize,
    /// Index of another patient's image that donates, for families that use one.
    pub donor: Option<usize>,
    /// Seed of [`super::forge_image`]'s generator.
    pub seed: u64,
}

/// Plans forgeries of the authentic images of one split (of all, when `split` is `None`): one of each
/// without a `count`, in their order; else `count` of them, each original once before any comes twice.
///
/// A donor has the original's modality, body part and split and belongs to another patient, so that no
/// patient's pixels reach another split; where there is none, the family does without.
#[must_use]
pub fn plan_forgeries(
    family: TrainingFreeFamily,
    entries: &[Entry],
    splits: &[Split],
    split: Option<Split>,
    count: Option<usize>,
    seed: u64,
) -> Vec<ForgeryTask> {
    let donors = family.uses_donor();
    plan(family.as_str(), donors, entries, splits, split, count, seed)
}

/// As [`plan_forgeries`] for a trained family, which takes no donor.
#[must_use]
pub fn plan_trained(
    family: TrainedFamily,
    entries: &[Entry],
    splits: &[Split],
    split: Option<Split>,
    count: Option<usize>,
    seed: u64,
) -> Vec<ForgeryTask> {
    plan(family.as_str(), false, entries, splits, split, count, seed)
}

fn plan(
    family: &str,
    donors: bool,
    entries: &[Entry],
    splits: &[Split],
    split: Option<Split>,
    count: Option<usize>,
    seed: u64,
) -> Vec<ForgeryTask> {
    let eligible: Vec<usize> = (0..entries.len())
        .filter(|&at| entries[at].label == Label::Real)
        .filter(|&at| split.is_none_or(|split| splits[at] == split))
        .collect();
    if eligible.is_empty() {
        return Vec::new();
    }
    let parents: Vec<usize> = match count {
        None => eligible.clone(),
        Some(count) => {
            let mut rng = StdRng::seed_from_u64(derived(seed, family, "parents", 0));
            let mut parents = Vec::with_capacity(count);
            while parents.len() < count {
                let mut round = eligible.clone();
                round.shuffle(&mut rng);
                round.truncate(count - parents.len());
                parents.extend(round);
            }
            parents
        }
    };
    parents
        .into_iter()
        .enumerate()
        .map(|(index, parent)| {
            // By name and not by place in the manifest, so that adding images changes few forgeries.
            let copy = count.map_or(0, |_| index / eligible.len()) as u64;
            let seed = derived(seed, family, &entries[parent].name, copy);
            ForgeryTask {
                parent,
                donor: donors
                    .then(|| donor(entries, splits, &eligible, parent, seed))
                    .flatten(),
                seed,
            }
        })
        .collect()
}

fn donor(
    entries: &[Entry],
    splits: &[Split],
    eligible: &[usize],
    parent: usize,
    seed: u64,
) -> Option<usize> {
    let own = &entries[parent];
    let fits = |&at: &usize| {
        let other = &entries[at];
        other.unit() != own.unit()
            && other.modality == own.modality
            && other.body_part == own.body_part
            && splits[at] == splits[parent]
    };
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5bd1_e995);
    // A few draws nearly always find one; a scan settles the rest.
    let drawn = (0..32)
        .map(|_| eligible[rng.random_range(0..eligible.len())])
        .find(|at| fits(at));
    drawn.or_else(|| eligible.iter().copied().find(|at| fits(at)))
}

/// A seed that hangs on everything that tells two forgeries apart.
fn derived(seed: u64, family: &str, name: &str, copy: u64) -> u64 {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    digest.update(copy.to_le_bytes());
    digest.update(family);
    digest.update([0]);
    digest.update(name);
    let hash: [u8; 32] = digest.finalize().into();
    // Not above 2^53, so that every reader of the manifest keeps all its digits.
    u64::from_le_bytes(std::array::from_fn(|i| hash[i])) >> 11
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn entry(index: usize) -> Entry {
        Entry {
            name: format!("{index}.png"),
            path: PathBuf::new(),
            label: if index % 5 == 4 {
                Label::Synthetic
            } else {
                Label::Real
            },
            set: String::new(),
            generator: String::new(),
            source: String::new(),
            group: format!("patient{}", index / 2),
            modality: if index % 2 == 0 { "ct" } else { "mr" }.into(),
            body_part: String::new(),
            mask: None,
            split: None,
            licence: String::new(),
            sha256: String::new(),
        }
    }

    #[test]
    fn donors_are_other_patients_of_the_same_kind_and_split() {
        let entries: Vec<Entry> = (0..60).map(entry).collect();
        let splits: Vec<Split> = (0..60)
            .map(|i| {
                if i / 2 % 3 == 0 {
                    Split::Test
                } else {
                    Split::Train
                }
            })
            .collect();
        let plan = |count, seed| {
            plan_forgeries(
                TrainingFreeFamily::Splice,
                &entries,
                &splits,
                Some(Split::Train),
                count,
                seed,
            )
        };
        let aligned = plan(None, 1);
        assert_eq!(aligned.len(), 32);
        for task in &aligned {
            let donor = task.donor.unwrap();
            let (own, other) = (&entries[task.parent], &entries[donor]);
            assert_eq!((own.label, other.label), (Label::Real, Label::Real));
            assert_ne!(own.group, other.group);
            assert_eq!(own.modality, other.modality);
            assert_eq!(splits[donor], Split::Train);
        }
        let many = plan(Some(70), 1);
        assert_eq!(many.len(), 70);
        let mut counts = [0; 60];
        let mut seeds = std::collections::BTreeSet::new();
        for task in &many {
            counts[task.parent] += 1;
            seeds.insert(task.seed);
        }
        assert!(counts.iter().all(|&c| c == 0 || (2..=3).contains(&c)));
        assert_eq!(seeds.len(), 70);
        assert_eq!(many, plan(Some(70), 1));
        assert_ne!(many, plan(Some(70), 2));
        assert!(plan_forgeries(TrainingFreeFamily::Splice, &[], &[], None, None, 1).is_empty());
    }
}
