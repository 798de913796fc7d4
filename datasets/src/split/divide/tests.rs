//! What `divide` promises.

use std::path::PathBuf;

use super::*;
use crate::Label;

fn entry(name: &str, source: &str, group: &str, generator: &str) -> Entry {
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
        source: source.into(),
        group: group.into(),
        modality: "CT".into(),
        body_part: String::new(),
        mask: None,
        split: None,
        licence: String::new(),
        sha256: String::new(),
    }
}

/// Reals of three sources, a family for half of them, a family without parents.
fn manifest() -> Vec<Entry> {
    let mut all = Vec::new();
    for i in 0..600 {
        let source = ["a", "b", "c"][i % 3];
        let group = format!("{source}{}", i / 6);
        all.push(entry(&format!("r{i}"), source, &group, ""));
        if i % 2 == 0 {
            all.push(entry(&format!("k{i}"), source, &group, "kl"));
        }
    }
    for i in 0..90 {
        all.push(entry(&format!("d{i}"), "generated", "", "diffusion"));
    }
    all
}

fn divided(entries: &[Entry], options: &DivisionOptions) -> Vec<Option<Split>> {
    divide(entries, &[], &BTreeSet::new(), options)
        .unwrap()
        .splits
}

#[test]
fn groups_stay_whole_and_every_trait_has_its_shares() {
    let entries = manifest();
    for seed in 0..5 {
        let options = DivisionOptions {
            seed,
            ..DivisionOptions::default()
        };
        let splits = divided(&entries, &options);
        let mut of: BTreeMap<&str, Split> = BTreeMap::new();
        for (entry, split) in entries.iter().zip(&splits) {
            let split = split.expect("assigned");
            assert_eq!(*of.entry(entry.unit()).or_insert(split), split);
        }
        let traits: [&dyn Fn(&Entry) -> bool; 6] = [
            &|e| e.source == "a",
            &|e| e.source == "b",
            &|e| e.source == "c",
            &|e| e.generator == "kl",
            &|e| e.generator == "diffusion",
            &|e| e.generator.is_empty(),
        ];
        for (index, holds) in traits.iter().enumerate() {
            let total = entries.iter().filter(|e| holds(e)).count() as f64;
            for (split, share) in [(Split::Test, 0.2), (Split::Validation, 0.15)] {
                let count = entries
                    .iter()
                    .zip(&splits)
                    .filter(|(e, s)| holds(e) && **s == Some(split))
                    .count() as f64;
                assert!(
                    (count / total - share).abs() < 0.03,
                    "trait {index} {split:?}: {count} of {total}"
                );
            }
        }
    }
    assert_eq!(
        divided(&entries, &DivisionOptions::default()),
        divided(&entries, &DivisionOptions::default())
    );
}

#[test]
fn a_held_out_family_is_only_tested_and_a_held_out_source_wholly() {
    let entries = manifest();
    let options = DivisionOptions {
        hold_out_families: vec!["kl".into(), "diffusion".into()],
        hold_out_sources: vec!["b".into()],
        ..DivisionOptions::default()
    };
    let splits = divided(&entries, &options);
    let mut left_out = 0;
    for (entry, split) in entries.iter().zip(&splits) {
        if entry.source == "b" || entry.generator == "diffusion" {
            assert_eq!(*split, Some(Split::Test), "{}", entry.name);
        } else if entry.generator == "kl" {
            left_out += usize::from(split.is_none());
            assert!(matches!(split, None | Some(Split::Test)));
        } else {
            assert!(split.is_some());
        }
    }
    assert!(left_out > 100, "{left_out}");
    let trained = splits.iter().filter(|s| **s == Some(Split::Train)).count();
    assert!(trained > 200, "{trained}");
    let wrong = DivisionOptions {
        hold_out_families: vec!["gan".into()],
        ..DivisionOptions::default()
    };
    let error = divide(&entries, &[], &BTreeSet::new(), &wrong).unwrap_err();
    assert!(error.to_string().contains("diffusion, kl"), "{error}");
}

#[test]
fn near_duplicates_pull_their_groups_together_and_pins_hold() {
    let entries: Vec<Entry> = (0..60)
        .map(|i| entry(&format!("r{i}"), "a", &format!("g{i}"), ""))
        .collect();
    let near: Vec<NearDuplicate> = (0..20)
        .map(|i| NearDuplicate {
            first: 3 * i,
            second: 3 * i + 1,
            distance: 0,
            correlation: 1.0,
        })
        .collect();
    let pinned: BTreeSet<usize> = (0..30).collect();
    let division = divide(&entries, &near, &pinned, &DivisionOptions::default()).unwrap();
    assert_eq!(division.joined, 40);
    for i in 0..20 {
        assert_eq!(division.splits[3 * i], division.splits[3 * i + 1]);
    }
    assert!((0..30).all(|i| division.splits[i] == Some(Split::Train)));
    assert!(division.splits.contains(&Some(Split::Test)));
}

#[test]
fn prescriptions_win_unless_reassigned_and_contradictions_are_refused() {
    let mut entries = manifest();
    entries[0].split = Some(Split::Validation);
    let group = entries[0].group.clone();
    let splits = divided(&entries, &DivisionOptions::default());
    for (entry, split) in entries.iter().zip(&splits) {
        if entry.group == group {
            assert_eq!(*split, Some(Split::Validation));
        }
    }
    let held = DivisionOptions {
        hold_out_sources: vec!["a".into()],
        ..DivisionOptions::default()
    };
    let refused = divide(&entries, &[], &BTreeSet::new(), &held);
    assert!(matches!(refused, Err(DivisionError::Contradiction { .. })));
    let again = DivisionOptions {
        reassign: true,
        ..held
    };
    assert_eq!(divided(&entries, &again)[0], Some(Split::Test));
    let shares = DivisionOptions {
        test: 0.95,
        ..DivisionOptions::default()
    };
    assert!(divide(&entries, &[], &BTreeSet::new(), &shares).is_err());
}
