//! The examples of a new family, and how they join the data of the old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};
use veraray_datasets::{Entry, Label, Manifest, Split, assign_splits};
use veraray_model::Card;

use super::AddFamilyOptions;
use crate::calibrate::modality_key;
use crate::data::Dataset;
use crate::{Recipe, TrainError, local};

/// The `set` of what was added.
pub(super) const ADDED: &str = "added";

/// Fewest examples that anything can be learned and judged from.
const LEAST: usize = 8;

/// Below this the report says little.
const FEW: usize = 20;

/// Share of the examples that is held out.
const HELD_OUT: f64 = 0.25;

/// Examples, with authentic images that match them.
pub(super) struct Examples {
    pub(super) family: String,
    entries: Vec<Entry>,
    /// What was left out, and what to mind.
    pub(super) notes: Vec<String>,
}

/// Images that were of use.
pub(super) struct Counts {
    pub(super) training: usize,
    pub(super) held_out: usize,
    pub(super) authentic: usize,
}

impl Examples {
    /// Reads the examples and decides which of them are held out.
    pub(super) fn gather(
        path: &Path,
        options: &AddFamilyOptions,
        card: &Card,
        replay: &Manifest,
    ) -> Result<Self, TrainError> {
        let mut notes = Vec::new();
        let (family, mut entries) = listed(path, options, &mut notes)?;
        if card.families.contains(&family) {
            return Err(TrainError::Data(format!(
                "the checkpoint knows the family {family} already; give the new one another name with \
                 --name"
            )));
        }
        if let Some(folder) = &options.authentic {
            let (found, skipped) = local::folder(folder)?;
            notes.extend(
                skipped
                    .iter()
                    .map(|(name, why)| format!("left out {name}: {why}")),
            );
            let source = stem(folder);
            entries.extend(found.into_iter().map(|entry| Entry {
                source: source.clone(),
                ..entry
            }));
        }
        let mut examples = Self {
            family,
            entries,
            notes,
        };
        examples.once(replay)?;
        examples.limit(options.limit);
        examples.name_modalities(options.modality.as_deref(), replay)?;
        Ok(examples)
    }

    fn fakes(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.label.is_manipulated())
    }

    /// Keeps every file once, and of authentic ones those only that the old data do not hold. A file
    /// that belongs to no group is its own.
    fn once(&mut self, replay: &Manifest) -> Result<(), TrainError> {
        let old: BTreeSet<&str> = replay
            .entries
            .iter()
            .filter(|entry| entry.generator != self.family)
            .map(|entry| entry.sha256.as_str())
            .collect();
        let paths: BTreeSet<&Path> = replay
            .entries
            .iter()
            .filter(|entry| entry.generator != self.family)
            .map(|entry| entry.path.as_path())
            .collect();
        let mut seen = BTreeSet::new();
        let mut kept = Vec::new();
        for mut entry in std::mem::take(&mut self.entries) {
            let bytes = std::fs::read(&entry.path).map_err(TrainError::io(&entry.path))?;
            entry.sha256 = hex(&Sha256::digest(&bytes));
            if old.contains(entry.sha256.as_str()) || paths.contains(entry.path.as_path()) {
                if entry.label.is_manipulated() {
                    self.notes.push(format!(
                        "left out {}: the old data hold the same file",
                        entry.name
                    ));
                }
                continue;
            }
            if !seen.insert(entry.sha256.clone()) {
                self.notes
                    .push(format!("left out {}: the same file twice", entry.name));
                continue;
            }
            entry.set = ADDED.into();
            if entry.group.is_empty() {
                entry.group = format!("added-{}", &entry.sha256[..16]);
            }
            kept.push(entry);
        }
        self.entries = kept;
        let count = self.fakes().count();
        if count < LEAST {
            return Err(TrainError::Data(format!(
                "{count} usable examples of {}; at least {LEAST} are needed, and {FEW} to 200 make a \
                 report that says something",
                self.family
            )));
        }
        if count < FEW {
            self.notes.push(format!(
                "{count} examples of {}: the intervals of the report will be wide",
                self.family
            ));
        }
        Ok(())
    }

    /// Keeps at most so many examples, chosen by their digests.
    fn limit(&mut self, limit: usize) {
        let mut digests: Vec<String> = self.fakes().map(|entry| entry.sha256.clone()).collect();
        if digests.len() <= limit {
            return;
        }
        self.notes.push(format!(
            "{limit} of {} examples are used (--limit); with many, training anew with them is better",
            digests.len()
        ));
        digests.sort_unstable();
        let keep: BTreeSet<String> = digests.into_iter().take(limit).collect();
        self.entries
            .retain(|entry| !entry.label.is_manipulated() || keep.contains(&entry.sha256));
    }

    /// Calls modalities as the old data do: a file's `CR` is a manifest's `xray`.
    fn name_modalities(
        &mut self,
        given: Option<&str>,
        replay: &Manifest,
    ) -> Result<(), TrainError> {
        let words: BTreeMap<String, &str> = replay
            .entries
            .iter()
            .map(|entry| (modality_key(&entry.modality), entry.modality.as_str()))
            .collect();
        for entry in &mut self.entries {
            let told = if entry.modality.trim().is_empty() {
                given
            } else {
                Some(entry.modality.as_str())
            };
            let Some(told) = told else {
                let known: Vec<&str> = words.values().copied().collect();
                return Err(TrainError::Data(format!(
                    "{} does not tell its modality: give --modality (the old data hold {})",
                    entry.name,
                    known.join(", ")
                )));
            };
            let key = modality_key(told);
            entry.modality = words.get(&key).map_or(key.clone(), |&word| word.to_owned());
        }
        Ok(())
    }

    /// One manifest of the old data, as the recipe admits them, and of what is added; every image
    /// states its split. The recipe that goes with it filters nothing any more.
    pub(super) fn join(
        &self,
        replay: Manifest,
        own: &Recipe,
        card: &Card,
        caveats: &mut Vec<String>,
    ) -> (Recipe, Manifest) {
        let splits = assign_splits(&replay.entries, &own.split);
        let mut of: BTreeMap<String, Split> = BTreeMap::new();
        let mut entries = Vec::new();
        let mut recipe = own.clone();
        recipe.input = card.input.clone();
        let excluded = &mut recipe.data.exclude_families;
        excluded.retain(|name| *name != self.family);
        for (mut entry, split) in replay.entries.into_iter().zip(splits) {
            of.insert(entry.unit().to_owned(), split);
            // What the manifest holds of the family is not an example.
            if own.data.admits(&entry) && entry.generator != self.family {
                entry.split = Some(split);
                entries.push(entry);
            }
        }
        let (added, torn) = self.split(&of, own.split.seed);
        entries.extend(added);
        if torn > 0 {
            caveats.push(format!(
                "{torn} held-out examples were made of patients that the detector was trained on"
            ));
        }
        // Forgeries of that name would stand beside the examples.
        let judged = recipe
            .forge
            .without(std::slice::from_ref(&self.family))
            .judged;
        recipe.forge.judged = judged;
        let data = &mut recipe.data;
        data.sets.clear();
        data.licences.clear();
        data.exclude_sources.clear();
        data.exclude_generators.clear();
        (
            recipe,
            Manifest {
                entries,
                sha256: replay.sha256,
            },
        )
    }

    /// The examples with their splits. Groups that the old data hold out stay held out; of the others a
    /// quarter is, in each class, first those that were never trained on. The
    /// second value counts held-out examples whose group is trained on.
    fn split(&self, of: &BTreeMap<String, Split>, seed: u64) -> (Vec<Entry>, usize) {
        let mut held_out: BTreeSet<&str> = BTreeSet::new();
        let mut torn: BTreeSet<&str> = BTreeSet::new();
        for manipulated in [true, false] {
            let class = || {
                let of_class = move |entry: &&Entry| entry.label.is_manipulated() == manipulated;
                self.entries.iter().filter(of_class)
            };
            let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
            for entry in class() {
                *sizes.entry(entry.unit()).or_default() += 1;
            }
            let goal = ((HELD_OUT * class().count() as f64).round() as usize).max(1);
            let mut have = 0;
            // Trained on or not, then by hash.
            let mut order: Vec<(bool, [u8; 32], &str, usize)> = Vec::new();
            for (unit, size) in sizes {
                match of.get(unit) {
                    Some(Split::Validation | Split::Test) => {
                        held_out.insert(unit);
                        have += size;
                    }
                    _ if held_out.contains(unit) => have += size,
                    known => {
                        let mut digest = Sha256::new();
                        digest.update(seed.to_le_bytes());
                        digest.update(unit.as_bytes());
                        order.push((known.is_some(), digest.finalize().into(), unit, size));
                    }
                }
            }
            order.sort_unstable();
            for (trained_on, _, unit, size) in order {
                if have >= goal {
                    break;
                }
                held_out.insert(unit);
                if trained_on {
                    torn.insert(unit);
                }
                have += size;
            }
        }
        let count = self
            .entries
            .iter()
            .filter(|e| torn.contains(e.unit()))
            .count();
        let entries = self
            .entries
            .iter()
            .map(|entry| {
                let mut entry = entry.clone();
                let out = held_out.contains(entry.unit());
                entry.split = Some(if out { Split::Test } else { Split::Train });
                // A group has one split: the old images of it must not move.
                if out
                    && of
                        .get(entry.unit())
                        .is_some_and(|split| *split != Split::Test)
                {
                    entry.group = format!("held-out-{}", entry.unit());
                }
                entry
            })
            .collect();
        (entries, count)
    }

    /// Counts what can be used of the examples.
    pub(super) fn counted(&self, dataset: &Dataset) -> Result<Counts, TrainError> {
        let mut fakes = [BTreeSet::new(), BTreeSet::new()];
        let mut authentic = BTreeSet::new();
        let mut modalities = BTreeSet::new();
        let mut paired = BTreeSet::new();
        for sample in &dataset.samples {
            let entry = dataset.entry(sample);
            if sample.entry >= dataset.listed {
                continue;
            }
            let training = dataset.splits[sample.entry] == Split::Train;
            if entry.generator == self.family {
                fakes[usize::from(!training)].insert(sample.entry);
                modalities.insert(entry.modality.as_str());
            } else if !entry.label.is_manipulated() {
                if training {
                    paired.insert(entry.modality.as_str());
                }
                if entry.set == ADDED {
                    authentic.insert(sample.entry);
                }
            }
        }
        if let Some(alone) = modalities.difference(&paired).next() {
            return Err(TrainError::Data(format!(
                "no authentic image of modality {alone} to train beside the examples; give some with \
                 --authentic"
            )));
        }
        let [training, held_out] = fakes.map(|entries| entries.len());
        if training == 0 || held_out < 2 {
            return Err(TrainError::Data(format!(
                "{training} examples of {} to train on and {held_out} held out are too few; they may all \
                 belong to few groups",
                self.family
            )));
        }
        Ok(Counts {
            training,
            held_out,
            authentic: authentic.len(),
        })
    }
}

/// The examples of a folder or of a manifest, with the family's name.
fn listed(
    path: &Path,
    options: &AddFamilyOptions,
    notes: &mut Vec<String>,
) -> Result<(String, Vec<Entry>), TrainError> {
    if path.is_dir() {
        let family = options.name.clone().unwrap_or_else(|| stem(path));
        let (found, skipped) = local::folder(path)?;
        notes.extend(
            skipped
                .iter()
                .map(|(name, why)| format!("left out {name}: {why}")),
        );
        let entries = found
            .into_iter()
            .map(|entry| Entry {
                label: Label::Synthetic,
                generator: family.clone(),
                source: family.clone(),
                ..entry
            })
            .collect();
        return Ok((family, entries));
    }
    let all = Manifest::read(path)?.entries;
    let families: BTreeSet<&str> = all
        .iter()
        .filter(|entry| entry.label.is_manipulated())
        .map(|entry| entry.generator.as_str())
        .collect();
    let family = match (&options.name, families.len()) {
        (Some(name), _) if families.contains(name.as_str()) => name.clone(),
        (None, 1) => families.into_iter().collect(),
        (None, 0) => {
            return Err(TrainError::Data(format!(
                "{}: it names no manipulated image",
                path.display()
            )));
        }
        _ => {
            let names: Vec<&str> = families.into_iter().collect();
            return Err(TrainError::Data(format!(
                "{}: --name must be one of its families: {}",
                path.display(),
                names.join(", ")
            )));
        }
    };
    let entries = all
        .into_iter()
        .filter(|entry| !entry.label.is_manipulated() || entry.generator == family)
        .collect();
    Ok((family, entries))
}

/// The last part of a path as a name.
fn stem(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    full.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
