//! What the test would know of the training.

use std::collections::{BTreeMap, BTreeSet};

use crate::near_duplicate::NearDuplicate;
use crate::split::provenance::{Provenance, TrainedOn};
use crate::{Entry, Split};

/// How knowledge gets across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LeakKind {
    /// Images of one patient or volume lie in several splits.
    Group,
    /// Almost the same picture lies in several splits.
    NearDuplicate,
    /// A generator has seen groups that its images are later judged against.
    Generator,
    /// It is not known what a generator has seen, or it has seen everything.
    UnknownGenerator,
}

/// One way in which a division leaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// How.
    pub kind: LeakKind,
    /// In words, with examples.
    pub message: String,
}

impl LeakKind {
    /// Whether the division must not be used; otherwise it is a warning.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        self != Self::UnknownGenerator
    }
}

/// Examples that are named of a leak.
const EXAMPLES: usize = 3;

/// Everything that leaks between the splits; `None` stands for images that are left out.
#[must_use]
pub fn find_leaks(
    entries: &[Entry],
    splits: &[Option<Split>],
    near: &[NearDuplicate],
    provenance: &Provenance,
) -> Vec<Leak> {
    let mut leaks = Vec::new();
    leaks.extend(split_units(
        entries,
        splits,
        LeakKind::Group,
        "group",
        |e| e.unit(),
    ));
    leaks.extend(split_units(
        entries,
        splits,
        LeakKind::NearDuplicate,
        "file with SHA-256",
        |e| &e.sha256,
    ));
    leaks.extend(duplicates(entries, splits, near));
    leaks.extend(generators(entries, splits, provenance));
    leaks
}

/// Values that occur in more than one split.
fn split_units<'a>(
    entries: &'a [Entry],
    splits: &[Option<Split>],
    kind: LeakKind,
    what: &str,
    unit: impl Fn(&'a Entry) -> &'a str,
) -> Option<Leak> {
    let mut places: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for (entry, split) in entries.iter().zip(splits) {
        if let (Some(split), false) = (split, unit(entry).is_empty()) {
            places.entry(unit(entry)).or_default().insert(*split);
        }
    }
    let shared: Vec<_> = places.iter().filter(|(_, of)| of.len() > 1).collect();
    if shared.is_empty() {
        return None;
    }
    let examples = shared.iter().take(EXAMPLES).map(|(name, of)| {
        let of: Vec<&str> = of.iter().map(|split| split.as_str()).collect();
        format!("'{name}' in {}", of.join(" and "))
    });
    Some(Leak {
        kind,
        message: format!(
            "{} {what}{} in several splits: {}",
            shared.len(),
            if shared.len() == 1 { " is" } else { "s are" },
            list(examples, shared.len())
        ),
    })
}

fn list(examples: impl Iterator<Item = String>, of: usize) -> String {
    let mut text = examples.collect::<Vec<_>>().join("; ");
    if of > EXAMPLES {
        text += &format!("; and {} more", of - EXAMPLES);
    }
    text
}

fn duplicates(entries: &[Entry], splits: &[Option<Split>], near: &[NearDuplicate]) -> Option<Leak> {
    let across: Vec<_> = near
        .iter()
        .filter_map(|pair| {
            let (a, b) = (splits[pair.first]?, splits[pair.second]?);
            (a != b).then_some((pair, a, b))
        })
        .collect();
    if across.is_empty() {
        return None;
    }
    let examples = across.iter().take(EXAMPLES).map(|(pair, a, b)| {
        format!(
            "{} ({}) and {} ({}), correlation {:.2}",
            entries[pair.first].name,
            a.as_str(),
            entries[pair.second].name,
            b.as_str(),
            pair.correlation
        )
    });
    Some(Leak {
        kind: LeakKind::NearDuplicate,
        message: format!(
            "{} pair{} of near-duplicates across splits: {}",
            across.len(),
            if across.len() == 1 { "" } else { "s" },
            list(examples, across.len())
        ),
    })
}

fn generators(entries: &[Entry], splits: &[Option<Split>], provenance: &Provenance) -> Vec<Leak> {
    let parents: BTreeSet<&str> = entries
        .iter()
        .filter(|e| !e.label.is_manipulated() && !e.group.is_empty())
        .map(|e| e.group.as_str())
        .collect();
    // Of every family: images per split, and how many have no authentic parent here.
    let mut families: BTreeMap<&str, (BTreeMap<Split, usize>, usize)> = BTreeMap::new();
    for (entry, split) in entries.iter().zip(splits) {
        if let (true, Some(split)) = (entry.label.is_manipulated(), split) {
            let (counts, orphans) = families.entry(&entry.generator).or_default();
            *counts.entry(*split).or_default() += 1;
            *orphans += usize::from(!parents.contains(entry.group.as_str()));
        }
    }
    let any_real = entries.iter().any(|e| !e.label.is_manipulated());
    let mut leaks = Vec::new();
    for (family, (counts, orphans)) in families {
        // Images in a split must come from a generator that has not seen a later one's groups.
        let Some(&earliest) = counts.keys().next().filter(|split| **split < Split::Test) else {
            continue;
        };
        let used = counts[&earliest];
        let Some(set) = provenance.family(family) else {
            if orphans > 0 && any_real {
                leaks.push(Leak {
                    kind: LeakKind::UnknownGenerator,
                    message: format!(
                        "{orphans} images of '{family}' have no authentic parent in the manifest, \
                         and nothing says what their generator was trained on: if it has seen the \
                         test's patients, {used} images in {} carry them. Name its training set in \
                         a column trained_on or with --trained-on, or hold the family out",
                        earliest.as_str()
                    ),
                });
            }
            continue;
        };
        let seen = Provenance::units(set, entries, splits);
        let held_out: Vec<(&str, Split)> = seen
            .into_iter()
            .filter(|(_, split)| *split > earliest)
            .collect();
        if held_out.is_empty() {
            continue;
        }
        let everything = *set == TrainedOn::All;
        let message = if everything {
            format!(
                "the generator of '{family}' was trained on every authentic image here, {} held-out \
                 groups among them, and {used} of its images are in {} ({orphans} of the family \
                 without a parent): figures on held-out patients are then optimistic, whatever the \
                 split. Hold the family out, or train the generator on training groups only",
                held_out.len(),
                earliest.as_str()
            )
        } else {
            let examples = held_out
                .iter()
                .take(EXAMPLES)
                .map(|(group, split)| format!("'{group}' ({})", split.as_str()));
            format!(
                "the generator of '{family}' was trained on {} held-out group{}, and {used} of its \
                 images are in {}: {}",
                held_out.len(),
                if held_out.len() == 1 { "" } else { "s" },
                earliest.as_str(),
                list(examples, held_out.len())
            )
        };
        leaks.push(Leak {
            kind: if everything {
                LeakKind::UnknownGenerator
            } else {
                LeakKind::Generator
            },
            message,
        });
    }
    leaks
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Label;

    fn entry(name: &str, group: &str, generator: &str) -> Entry {
        Entry {
            name: name.into(),
            path: PathBuf::new(),
            label: if generator.is_empty() {
                Label::Real
            } else {
                Label::Synthetic
            },
            set: String::new(),
            generator: generator.into(),
            source: "s".into(),
            group: group.into(),
            modality: String::new(),
            body_part: String::new(),
            mask: None,
            split: None,
            licence: String::new(),
            sha256: String::new(),
        }
    }

    fn kinds(
        entries: &[Entry],
        splits: &[Option<Split>],
        near: &[NearDuplicate],
        provenance: &Provenance,
    ) -> Vec<LeakKind> {
        find_leaks(entries, splits, near, provenance)
            .iter()
            .map(|leak| leak.kind)
            .collect()
    }

    #[test]
    fn groups_files_and_near_duplicates_across_splits_are_found() {
        let mut entries = vec![
            entry("a", "p1", ""),
            entry("b", "p2", ""),
            entry("c", "p1", ""),
        ];
        let train_test = [Some(Split::Train), Some(Split::Test), Some(Split::Train)];
        let none = Provenance::default();
        assert_eq!(kinds(&entries, &train_test, &[], &none), []);
        let torn = [Some(Split::Train), Some(Split::Test), Some(Split::Test)];
        assert_eq!(kinds(&entries, &torn, &[], &none), [LeakKind::Group]);
        // What is left out leaks nothing.
        let absent = [Some(Split::Train), Some(Split::Test), None];
        assert_eq!(kinds(&entries, &absent, &[], &none), []);
        let near = [NearDuplicate {
            first: 0,
            second: 1,
            distance: 1,
            correlation: 0.97,
        }];
        let found = find_leaks(&entries, &train_test, &near, &none);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("a (train) and b (test)"));
        assert!(found[0].kind.is_fatal());
        entries[0].sha256 = "ab".into();
        entries[1].sha256 = "ab".into();
        assert_eq!(
            kinds(&entries, &train_test, &[], &none),
            [LeakKind::NearDuplicate]
        );
    }

    #[test]
    fn generators_that_have_seen_the_test_are_found() {
        let entries = vec![
            entry("a", "p1", ""),
            entry("b", "p2", ""),
            entry("f", "", "gan"),
            entry("g", "", "gan"),
        ];
        let splits = [
            Some(Split::Train),
            Some(Split::Test),
            Some(Split::Train),
            Some(Split::Test),
        ];
        let with = |text: &str| {
            let mut provenance = Provenance::default();
            provenance.add("gan", TrainedOn::parse(text).unwrap());
            kinds(&entries, &splits, &[], &provenance)
        };
        assert_eq!(with("group:p2"), [LeakKind::Generator]);
        assert_eq!(with("split:test"), [LeakKind::Generator]);
        assert_eq!(with("source:s"), [LeakKind::Generator]);
        assert_eq!(with("group:p1"), []);
        assert_eq!(with("split:train;group:p1"), []);
        assert_eq!(with("none"), []);
        assert_eq!(with("all"), [LeakKind::UnknownGenerator]);
        assert_eq!(
            kinds(&entries, &splits, &[], &Provenance::default()),
            [LeakKind::UnknownGenerator]
        );
        // A family that only the test sees leaks nothing into it.
        let held_out = [splits[0], splits[1], None, splits[3]];
        assert_eq!(kinds(&entries, &held_out, &[], &Provenance::default()), []);
        for wrong in ["p1", "patient:p1", "split:dev"] {
            assert!(TrainedOn::parse(wrong).unwrap_err().contains(wrong));
        }
        // Parents in the manifest: the image itself lies in its parent's split.
        let mut aligned = entries.clone();
        aligned[2].group = "p1".into();
        aligned[3].group = "p2".into();
        assert_eq!(kinds(&aligned, &splits, &[], &Provenance::default()), []);
    }
}
