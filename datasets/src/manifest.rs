//! The data manifest: which images there are, what they are, and where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Authentic: label 0.
    Real,
    /// Fully generated: label 1.
    Synthetic,
    /// A region of an authentic image was replaced: label 1, with a mask.
    Tampered,
}

impl Label {
    /// Whether the image is synthetic or tampered.
    #[must_use]
    pub fn is_manipulated(self) -> bool {
        self != Self::Real
    }

    /// The manifest's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Synthetic => "synthetic",
            Self::Tampered => "tampered",
        }
    }
}

/// Which part of the work an image serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The weights are fitted on it.
    Train,
    /// Epochs, thresholds and temperatures are chosen on it.
    Validation,
    /// Only reported on.
    Test,
}

impl Split {
    /// The manifest's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path as the manifest writes it.
    pub name: String,
    /// Path resolved against the manifest's folder.
    pub path: PathBuf,
    /// What it is.
    pub label: Label,
    /// Collection within the manifest, when it has a `set` column.
    pub set: String,
    /// Generator family; empty for authentic images.
    pub generator: String,
    /// Site or public data set, of the image or of its authentic parent.
    pub source: String,
    /// Patient or volume; never split. Empty when unknown: the image is then a group of its own.
    pub group: String,
    /// Modality as the manifest writes it.
    pub modality: String,
    /// Body part.
    pub body_part: String,
    /// Mask of the manipulated region, resolved like `path`.
    pub mask: Option<PathBuf>,
    /// The split that the manifest itself prescribes.
    pub split: Option<Split>,
    /// Licence.
    pub licence: String,
    /// SHA-256 of the file, hexadecimal; empty when unknown.
    pub sha256: String,
}

/// A manifest in memory.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its images, in order.
    pub entries: Vec<Entry>,
    /// SHA-256 of the manifest file, hexadecimal.
    pub sha256: String,
}

/// What can be wrong with a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line does not parse, or a column is missing.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The manifest.
        path: PathBuf,
        /// Line and reason.
        message: String,
    },
}

#[derive(Deserialize)]
struct Row {
    path: String,
    label: Label,
    #[serde(default)]
    set: String,
    #[serde(default)]
    generator: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    modality: String,
    #[serde(default)]
    body_part: String,
    #[serde(default)]
    mask: String,
    #[serde(default)]
    split: Option<Split>,
    #[serde(default)]
    licence: String,
    #[serde(default)]
    sha256: String,
}

impl Manifest {
    /// Reads a CSV manifest; columns may stand in any order, `path` and `label` are required.
    ///
    /// # Errors
    /// [`ManifestError`], with the file and the line.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let malformed = |message: String| ManifestError::Malformed {
            path: path.to_owned(),
            message,
        };
        let bytes = std::fs::read(path).map_err(|source| ManifestError::Io {
            path: path.to_owned(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut entries = Vec::new();
        for row in csv::Reader::from_reader(bytes.as_slice()).deserialize::<Row>() {
            let row = row.map_err(|error| malformed(error.to_string()))?;
            let line = entries.len() + 2;
            if row.path.is_empty() {
                return Err(malformed(format!("line {line}: the path is empty")));
            }
            if row.label.is_manipulated() && row.generator.is_empty() {
                return Err(malformed(format!(
                    "line {line}: a {} image names no generator",
                    row.label.as_str()
                )));
            }
            entries.push(Entry {
                path: folder.join(&row.path),
                name: row.path,
                label: row.label,
                set: row.set,
                generator: row.generator,
                source: row.source,
                group: row.group,
                modality: row.modality,
                body_part: row.body_part,
                mask: (!row.mask.is_empty()).then(|| folder.join(&row.mask)),
                split: row.split,
                licence: row.licence,
                sha256: row.sha256,
            });
        }
        if entries.is_empty() {
            return Err(malformed("it names no image".into()));
        }
        Ok(Self {
            entries,
            sha256: hex(&Sha256::digest(&bytes)),
        })
    }
}

impl Entry {
    /// The unit that is never split: the group, or the image itself when it has none.
    #[must_use]
    pub fn unit(&self) -> &str {
        if self.group.is_empty() {
            &self.name
        } else {
            &self.group
        }
    }

    /// What units are stratified by: the source, and the generator for images without a parent.
    fn stratum(&self) -> (&str, &str) {
        match self.group.is_empty() {
            true => (&self.source, &self.generator),
            false => (&self.source, ""),
        }
    }
}

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

fn hash(seed: u64, unit: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    digest.update(unit.as_bytes());
    digest.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_fake_without_a_generator_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, "path,label\na.png,synthetic\n").unwrap();
        let message = Manifest::read(&path).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
