//! A site's own images, without labels: scored, with simple features.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use veraray_datasets::{Entry, Label, Manifest, OpenOptions, open};
use veraray_model::Checkpoint;

use crate::calibrate::{features, modality_key};
use crate::data::Dataset;
use crate::progress::Progress;
use crate::score::score;
use crate::{DataRecipe, Recipe, TrainError};

/// Deepest folder that is looked into.
const DEPTH: usize = 32;

/// Scored images of a site.
#[derive(Debug)]
pub struct Local {
    /// The images.
    pub images: Vec<LocalImage>,
    /// Files that could not be judged, and why.
    pub skipped: Vec<(String, String)>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalImage {
    /// Pooled logit.
    pub logit: f64,
    /// Features of its first tile.
    pub features: [f64; 5],
    /// Modality as the calibration set names it; empty when the file does not say.
    pub modality: String,
}

impl Local {
    /// Scores the images below a folder, or those of a manifest whatever their labels; at most `limit`,
    /// chosen by a hash of their names.
    ///
    /// # Errors
    /// [`TrainError`] when the folder or manifest cannot be read, or no image can be judged. A file
    /// that is no image is listed in [`Local::skipped`].
    pub fn score(
        checkpoint: &Checkpoint,
        images: &Path,
        device: &Device,
        limit: usize,
        progress: &Progress,
    ) -> Result<Self, TrainError> {
        let (mut entries, mut skipped) = if images.is_dir() {
            folder(images)?
        } else {
            (Manifest::read(images)?.entries, Vec::new())
        };
        if entries.len() > limit {
            entries.sort_by_cached_key(|entry| <[u8; 32]>::from(Sha256::digest(&entry.name)));
            entries.truncate(limit);
        }
        // Labels would only be believed; masks are not needed.
        for entry in &mut entries {
            entry.label = Label::Real;
            entry.mask = None;
        }
        if entries.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: no image can be read",
                images.display()
            )));
        }
        let recipe = Recipe {
            input: checkpoint.card.input.clone(),
            data: DataRecipe::default(),
            ..Recipe::default()
        };
        let bar = progress.bar("reading images");
        let manifest = Manifest {
            entries,
            sha256: String::new(),
        };
        let dataset = Dataset::of(manifest, images, &recipe, &bar)?;
        bar.finish_and_clear();
        skipped.extend(dataset.skipped.iter().cloned());
        let indices: Vec<usize> = (0..dataset.samples.len()).collect();
        let bar = progress.bar("scoring");
        bar.set_length(indices.len() as u64);
        let scores = score(&checkpoint.detector, &dataset, &indices, None, device, &bar)?;
        bar.finish_and_clear();
        let mut first = vec![usize::MAX; dataset.entries.len()];
        for (index, sample) in dataset.samples.iter().enumerate().rev() {
            first[sample.entry] = index;
        }
        let images = scores
            .images
            .par_iter()
            .map(|image| LocalImage {
                logit: image.logit,
                features: features(&dataset.plane(&dataset.samples[first[image.entry]])),
                modality: modality_key(&dataset.entries[image.entry].modality),
            })
            .collect();
        Ok(Self { images, skipped })
    }

    /// Modality of every image.
    #[must_use]
    pub fn modalities(&self) -> Vec<String> {
        self.images
            .iter()
            .map(|image| image.modality.clone())
            .collect()
    }
}

/// Files that can be used, and those that cannot with the reason.
pub(crate) type Found = (Vec<Entry>, Vec<(String, String)>);

/// Every file below a folder that opens and decodes, called authentic, and those that do not.
pub(crate) fn folder(root: &Path) -> Result<Found, TrainError> {
    let mut files = Vec::new();
    walk(root, DEPTH, &mut files)?;
    files.sort();
    let opened: Vec<Result<Entry, (String, String)>> = files
        .par_iter()
        .map(|path| {
            let name = path.display().to_string();
            let refused = |error: veraray_datasets::OpenError| (name.clone(), error.to_string());
            let mut image = open(path, &OpenOptions::default()).map_err(refused)?;
            // A file that opens may still be damaged further on.
            image.frame(0).map_err(refused)?;
            Ok(entry(
                path,
                image.info().modality.clone().unwrap_or_default(),
            ))
        })
        .collect();
    let mut found: Found = (Vec::new(), Vec::new());
    for result in opened {
        match result {
            Ok(entry) => found.0.push(entry),
            Err(refused) => found.1.push(refused),
        }
    }
    Ok(found)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), TrainError> {
    for item in std::fs::read_dir(folder).map_err(TrainError::io(folder))? {
        let path = item.map_err(TrainError::io(folder))?.path();
        // Links are not followed: they may lead round in circles.
        let Ok(kind) = path.symlink_metadata().map(|m| m.file_type()) else {
            continue;
        };
        if kind.is_dir() && depth > 0 {
            walk(&path, depth - 1, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn entry(path: &Path, modality: String) -> Entry {
    Entry {
        name: path.display().to_string(),
        path: path.to_owned(),
        label: Label::Real,
        set: String::new(),
        generator: String::new(),
        source: String::new(),
        group: String::new(),
        modality,
        body_part: String::new(),
        mask: None,
        split: None,
        licence: String::new(),
        sha256: String::new(),
    }
}
