//! The folder that `forge sample` writes: files, and a manifest of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use sha2::{Digest, Sha256};
use veraray_datasets::{Entry, GrayImage, Label, MarkError, Origin, Parameters, Split, encode_png};

/// A line of the manifest that is written.
#[derive(Debug, Serialize)]
pub struct Row {
    pub path: String,
    pub label: &'static str,
    pub generator: String,
    pub set: String,
    pub source: String,
    pub group: String,
    pub modality: String,
    pub body_part: String,
    pub mask: String,
    pub split: &'static str,
    pub licence: String,
    pub sha256: String,
    pub parent: String,
    pub parameters: String,
    pub seed: Option<u64>,
}

impl Row {
    /// A row with what is the original's.
    pub fn of(entry: &Entry, split: Split, path: String) -> Self {
        Self {
            path,
            label: Label::Real.as_str(),
            generator: String::new(),
            set: entry.set.clone(),
            source: entry.source.clone(),
            // An original without a group is one of its own, and so are its forgeries.
            group: entry.unit().to_owned(),
            modality: entry.modality.clone(),
            body_part: entry.body_part.clone(),
            mask: String::new(),
            split: split.as_str(),
            licence: entry.licence.clone(),
            sha256: String::new(),
            parent: String::new(),
            parameters: String::new(),
            seed: None,
        }
    }
}

/// A folder in the making.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder and those in it; refuses to write among files that are there.
    ///
    /// # Errors
    /// When it is not empty or cannot be made.
    pub fn prepare(output: &Path, folders: &[&str]) -> anyhow::Result<Self> {
        let used = match std::fs::read_dir(output) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(error).context(format!("--output {}", output.display())),
        };
        if used {
            bail!(
                "--output {}: the folder is not empty; name a new one",
                output.display()
            );
        }
        for folder in folders {
            let folder = output.join(folder);
            std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        Ok(Self(output.to_owned()))
    }

    /// A path below it.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Writes a file; returns its SHA-256.
    ///
    /// # Errors
    /// [`MarkError::Io`].
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<String, MarkError> {
        let path = self.join(path);
        std::fs::write(&path, bytes).map_err(|source| MarkError::Io { path, source })?;
        let hash = Sha256::digest(bytes);
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A marked eight-bit PNG of samples in `0..=255`.
    ///
    /// # Errors
    /// [`MarkError`] when it cannot be encoded or written.
    pub fn write_png(
        &self,
        path: &str,
        samples: &[u16],
        image: &GrayImage,
        origin: &Origin,
    ) -> Result<String, MarkError> {
        let (rows, columns) = (image.rows as u32, image.columns as u32);
        let file =
            encode_png(samples, rows, columns, 8, origin).map_err(|message| MarkError::Encode {
                path: self.join(path),
                message,
            })?;
        self.write(path, &file)
    }

    /// Writes the manifest; returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self, rows: &[Row]) -> anyhow::Result<PathBuf> {
        let path = self.join("manifest.csv");
        let write = || -> Result<(), csv::Error> {
            let mut writer = csv::Writer::from_path(&path)?;
            for row in rows {
                writer.serialize(row)?;
            }
            Ok(writer.flush()?)
        };
        write().with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

/// The samples of a mask: what is manipulated at all is not zero.
pub fn mask_samples(mask: &[f32]) -> Vec<u16> {
    mask.iter()
        .map(|&share| match share > 0.0 {
            true => (share * 255.0).round().max(1.0) as u16,
            false => 0,
        })
        .collect()
}

/// Parameters on one line; numbers and words always have a JSON form.
pub fn json(parameters: &Parameters) -> String {
    serde_json::to_string(parameters).unwrap_or_default()
}
