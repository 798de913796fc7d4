//! The data manifest: which images there are, what they are, and where they come from.

mod columns;
mod parquet;
mod reader;
mod table;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use columns::Columns;
pub use columns::STANDARD_COLUMNS;
pub use reader::ManifestReader;
pub use table::Table;

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

    /// The label of a manifest's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Real, Self::Synthetic, Self::Tampered]
            .into_iter()
            .find(|label| label.as_str() == word)
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

    /// All of them, in the order of the work.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The split of a manifest's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.as_str() == word)
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

impl Manifest {
    /// Reads a manifest, CSV or Parquet by content; columns may stand in any order, `path` and
    /// `label` are required.
    ///
    /// # Errors
    /// [`ManifestError`], with the file and the line.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let reader = ManifestReader::open(path)?;
        let sha256 = reader.sha256().to_owned();
        let entries = reader
            .map(|row| row.map(|(_, entry)| entry))
            .collect::<Result<Vec<Entry>, _>>()?;
        if entries.is_empty() {
            return Err(ManifestError::Malformed {
                path: path.to_owned(),
                message: "it names no image".into(),
            });
        }
        Ok(Self { entries, sha256 })
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
    pub(crate) fn stratum(&self) -> (&str, &str) {
        match self.group.is_empty() {
            true => (&self.source, &self.generator),
            false => (&self.source, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_without_a_generator_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, "path,label\na.png,synthetic\n").unwrap();
        let message = Manifest::read(&path).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
    }
}
