//! From a folder of images to a manifest.
//!
//! A [`Collection`] says which files below a folder are images of it and how labels, groups and
//! sources follow from paths, headers and the owner's tables. Public collections are described so in
//! `collection/public/*.toml`; a user's own folder by the same rules.

mod header;
mod join;
mod pattern;
mod scan;
mod template;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

pub use pattern::Pattern;
pub use scan::{PatientGroups, ScanOptions, Scanned, Watch, scan_folder};

/// Where a collection comes from and how its files are laid out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Its name on the command line.
    #[serde(default)]
    pub name: String,
    /// Its full name.
    #[serde(default)]
    pub title: String,
    /// Under which terms its owner gives it away; written into every row.
    #[serde(default)]
    pub licence: String,
    /// Where to get it.
    #[serde(default)]
    pub homepage: String,
    /// What to cite.
    #[serde(default)]
    pub citation: String,
    /// What is known of the layout, from where, and what is not.
    #[serde(default)]
    pub layout: String,
    /// What to know before use.
    #[serde(default)]
    pub notes: String,
    /// Columns of every image, unless a rule or table says otherwise.
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    /// Which files are images, and what their paths say. All that fit apply, later ones win.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// The owner's tables.
    #[serde(default, rename = "table")]
    pub tables: Vec<LabelTable>,
}

/// What a path says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Rule {
    /// The pattern, see [`Pattern`].
    pub glob: String,
    /// Files that fit are no images of the collection.
    #[serde(default)]
    pub skip: bool,
    /// The label of images whose mask is empty, with no generator: untouched slices of a tampered
    /// volume.
    #[serde(default)]
    pub empty_mask: Option<String>,
    /// Columns and templates of their values.
    #[serde(flatten)]
    pub columns: BTreeMap<String, String>,
}

/// A CSV file of the owner's with one row per image, patient or finding.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    /// Pattern of the table's path: `.csv`, `.tsv`, or either with `.gz`.
    pub file: String,
    /// Template over the table's columns that names a row.
    pub key: String,
    /// Images that it speaks of; its captures may be used in `matching`.
    #[serde(default = "everything")]
    pub images: String,
    /// Template over path and header that names the row of an image.
    #[serde(rename = "match")]
    pub matching: String,
    /// Compares only so many of the last `/`-separated parts of a key, without the file name's
    /// extension: for tables of paths that begin elsewhere, and for converted files.
    #[serde(default)]
    pub tail: Option<usize>,
    /// Columns and templates of their values, over the table's columns, path and header.
    pub columns: BTreeMap<String, String>,
    /// Words for the values of a table's column; `*` stands for all others.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// Rows that count: column and admitted values.
    #[serde(default)]
    pub only: BTreeMap<String, Vec<String>>,
    /// Leaves out images without a row of their own.
    #[serde(default)]
    pub required: bool,
    /// Leaves out images close to a row's.
    #[serde(default)]
    pub leave_out: Option<LeaveOut>,
    /// Whether an import without this table makes no sense.
    #[serde(default)]
    pub needed: bool,
}

/// Images near a row's number, without being that of the row, are left out: what was done to a slice
/// has touched its neighbours too, and nobody says how many.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOut {
    /// Template over the table's columns that names the volume.
    pub key: String,
    /// Template over path and header that names the volume of an image.
    #[serde(rename = "match")]
    pub matching: String,
    /// The table's column that holds the number.
    pub column: String,
    /// Template of the image's number.
    pub value: String,
    /// Largest distance that counts as near.
    pub within: i64,
}

fn everything() -> String {
    "**".into()
}

/// What keeps a folder from becoming a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// The folder or a table could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A rule is wrong.
    #[error("{0}")]
    Rule(String),
    /// A table does not fit its description.
    #[error("{}: {message}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// What is missing.
        message: String,
    },
}

/// Descriptions of public collections as TOML, by name.
#[must_use]
pub fn public_collections() -> &'static [(&'static str, &'static str)] {
    macro_rules! collection {
        ($name:literal) => {
            ($name, include_str!(concat!("public/", $name, ".toml")))
        };
    }
    &[
        collection!("back-in-time-diffusion"),
        collection!("brats"),
        collection!("chexpert"),
        collection!("ct-gan"),
        collection!("fastmri"),
        collection!("lidc-idri"),
        collection!("m3dsynth"),
        collection!("mimic-cxr-jpg"),
        collection!("nih-chestxray14"),
        collection!("oasis"),
        collection!("padchest"),
        collection!("rsna-pneumonia"),
        collection!("vindr-cxr"),
    ]
}
