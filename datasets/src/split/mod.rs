//! Which images are for training, for choosing and for the final word.

mod divide;
mod leak;
mod provenance;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Entry, Split};

pub use divide::{Division, DivisionError, DivisionOptions, divide};
pub use leak::{Leak, LeakKind, find_leaks};
pub use provenance::{Provenance, Term, TrainedOn};

/// Shares of the groups that are held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitOptions {
    /// Decides which groups are held out.
    pub seed: u64,
    /// Share of every source's images for validation, in `[0, 1)`.
    pub validation: f64,
    /// Share of every source's images for the test, in `[0, 1)`.
    pub test: f64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self {
            seed: 2026,
            validation: 0.15,
            test: 0.2,
        }
    }
}

/// Assigns every image to a split: as the manifest prescribes, else by group, stratified by source.
///
/// Groups are ordered by a keyed hash, so that adding images moves few others. A source of one
/// group goes to training, of two to training and test; otherwise every split gets at least one.
#[must_use]
pub fn assign_splits(entries: &[Entry], options: &SplitOptions) -> Vec<Split> {
    let mut strata: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    let mut prescribed: BTreeMap<&str, Split> = BTreeMap::new();
    for entry in entries {
        if let Some(split) = entry.split {
            prescribed.insert(entry.unit(), split);
        }
    }
    // A unit counts once even when its images lie in several strata.
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for entry in entries
        .iter()
        .filter(|e| !prescribed.contains_key(e.unit()))
    {
        let stratum = strata.entry(entry.stratum()).or_default();
        if stratum.contains_key(entry.unit()) || seen.insert(entry.unit()) {
            *stratum.entry(entry.unit()).or_default() += 1;
        }
    }
    let mut splits = prescribed;
    for units in strata.into_values() {
        let total: usize = units.values().sum();
        let mut order: Vec<(&str, usize)> = units.into_iter().collect();
        order.sort_by_key(|(unit, _)| hash(options.seed, unit));
        let goal = |share: f64| (share * total as f64).round() as usize;
        let (mut test, mut validation) = (0, 0);
        for (index, (unit, images)) in order.iter().enumerate() {
            // The last unit always stays for training, the one before it out of validation's
            // reach until the test has had its share.
            let left = order.len() - index;
            let split = if left > 1 && test < goal(options.test) {
                test += images;
                Split::Test
            } else if left > 1 && validation < goal(options.validation) {
                validation += images;
                Split::Validation
            } else {
                Split::Train
            };
            splits.insert(unit, split);
        }
    }
    entries
        .iter()
        .map(|entry| splits.get(entry.unit()).copied().unwrap_or(Split::Train))
        .collect()
}

pub(crate) fn hash(seed: u64, unit: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    digest.update(unit.as_bytes());
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Label;

    fn entry(index: usize, source: &str, group: &str) -> Entry {
        Entry {
            name: format!("{source}/{index}.png"),
            path: PathBuf::new(),
            label: Label::Real,
            set: String::new(),
            generator: String::new(),
            source: source.into(),
            group: group.into(),
            modality: "ct".into(),
            body_part: String::new(),
            mask: None,
            split: None,
            licence: String::new(),
            sha256: String::new(),
        }
    }

    #[test]
    fn a_group_is_never_split_and_shares_are_kept() {
        let entries: Vec<Entry> = (0..1000)
            .map(|i| entry(i, "site", &format!("patient{}", i / 4)))
            .collect();
        let splits = assign_splits(&entries, &SplitOptions::default());
        let mut of: BTreeMap<&str, Split> = BTreeMap::new();
        for (entry, split) in entries.iter().zip(&splits) {
            assert_eq!(*of.entry(entry.unit()).or_insert(*split), *split);
        }
        let count = |wanted| splits.iter().filter(|s| **s == wanted).count();
        assert!((195..=205).contains(&count(Split::Test)));
        assert!((145..=155).contains(&count(Split::Validation)));
    }

    #[test]
    fn few_groups_still_leave_something_to_train_on() {
        let entries: Vec<Entry> = (0..10)
            .map(|i| entry(i, "small", &format!("volume{}", i % 2)))
            .collect();
        let splits = assign_splits(&entries, &SplitOptions::default());
        assert!(splits.contains(&Split::Train) && splits.contains(&Split::Test));
        let alone = assign_splits(&entries[..1], &SplitOptions::default());
        assert_eq!(alone, [Split::Train]);
    }

    #[test]
    fn a_prescribed_split_wins() {
        let mut entries: Vec<Entry> = (0..4).map(|i| entry(i, "s", "g")).collect();
        entries[2].split = Some(Split::Validation);
        let splits = assign_splits(&entries, &SplitOptions::default());
        assert!(splits.iter().all(|s| *s == Split::Validation));
    }
}
