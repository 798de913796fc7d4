//! Weights that a run begins with in place of random ones.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use veraray_model::{Checkpoint, Detector};

use crate::data::Dataset;
use crate::{Progress, Recipe, TrainError};

/// A checkpoint to begin with.
pub(crate) struct Start {
    pub(crate) detector: Detector,
    /// Its name and SHA-256, for the card.
    pub(crate) name: [String; 2],
    path: PathBuf,
    manifest_sha256: String,
    recipe: String,
}

impl Start {
    /// Loads it for a recipe.
    ///
    /// # Errors
    /// [`TrainError`] when it cannot be read or has another architecture.
    pub(crate) fn load(path: &Path, recipe: &Recipe, device: &Device) -> Result<Self, TrainError> {
        let checkpoint = Checkpoint::load(path, device)?;
        let card = checkpoint.card;
        let mut detector = checkpoint.detector;
        if card.architecture != recipe.model {
            detector = detector
                .with_noise_level(&card.architecture, &recipe.model, device)
                .map_err(|error| {
                    TrainError::Data(format!(
                        "training.start: {} has another architecture than the recipe's [model]: {error}",
                        path.display()
                    ))
                })?;
        }
        Ok(Self {
            detector,
            name: [card.name, checkpoint.sha256],
            path: path.to_owned(),
            manifest_sha256: card.provenance.manifest_sha256,
            recipe: card.provenance.recipe,
        })
    }

    /// Says so when it may have been trained on what this run holds out.
    pub(crate) fn compare(&self, recipe: &Recipe, dataset: &Dataset, progress: &Progress) {
        let divided = toml::from_str::<Recipe>(&self.recipe).map(|old| old.split);
        if self.manifest_sha256 != dataset.manifest_sha256
            || divided.ok().as_ref() != Some(&recipe.split)
        {
            progress.note(&format!(
                "training.start: {} was trained on another manifest or split; it may have seen images \
                 that are held out here",
                self.path.display()
            ));
        }
    }
}
