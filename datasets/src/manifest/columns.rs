//! From the columns of a manifest to an [`Entry`].

use std::path::Path;

use super::{Entry, Label, Split};

/// The columns that every tool knows, in the order in which manifests are written.
pub const STANDARD_COLUMNS: [&str; 12] = [
    "path",
    "label",
    "set",
    "generator",
    "source",
    "group",
    "modality",
    "body_part",
    "mask",
    "split",
    "licence",
    "sha256",
];

/// Where the known columns stand in a row.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    at: [Option<usize>; STANDARD_COLUMNS.len()],
}

impl Columns {
    /// Finds the known columns; `path` and `label` must be there, and no name twice.
    pub(crate) fn find(names: &[String]) -> Result<Self, String> {
        for (index, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..index].contains(name) {
                return Err(format!("column '{name}' appears twice"));
            }
        }
        let at = STANDARD_COLUMNS.map(|known| names.iter().position(|name| name == known));
        for (index, name) in STANDARD_COLUMNS.iter().enumerate().take(2) {
            if at[index].is_none() {
                return Err(format!("missing column '{name}'"));
            }
        }
        Ok(Self { at })
    }

    /// Reads one row; `line` is only used in messages, paths are resolved against `folder`.
    pub(crate) fn entry(
        &self,
        row: &[String],
        folder: &Path,
        line: usize,
    ) -> Result<Entry, String> {
        let get = |index: usize| {
            self.at[index]
                .and_then(|at| row.get(at))
                .map_or("", String::as_str)
        };
        let [
            name,
            label,
            set,
            generator,
            source,
            group,
            modality,
            body_part,
            mask,
            split,
            licence,
            sha256,
        ] = std::array::from_fn(get);
        if name.is_empty() {
            return Err(format!("line {line}: the path is empty"));
        }
        let label = Label::parse(label).ok_or_else(|| {
            format!("line {line}: label '{label}' is not one of real, synthetic, tampered")
        })?;
        if label.is_manipulated() && generator.is_empty() {
            return Err(format!(
                "line {line}: a {} image names no generator",
                label.as_str()
            ));
        }
        let split = match split {
            "" => None,
            word => Some(Split::parse(word).ok_or_else(|| {
                format!("line {line}: split '{word}' is not one of train, validation, test")
            })?),
        };
        Ok(Entry {
            path: folder.join(name),
            name: name.into(),
            label,
            set: set.into(),
            generator: generator.into(),
            source: source.into(),
            group: group.into(),
            modality: modality.into(),
            body_part: body_part.into(),
            mask: (!mask.is_empty()).then(|| folder.join(mask)),
            split,
            licence: licence.into(),
            sha256: sha256.into(),
        })
    }
}
