//! Recipes: everything that decides a training run, in one TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veraray_datasets::{Delivery, Entry, SplitOptions};
use veraray_model::{DetectorConfig, InputSpec, LossWeights};

use crate::TrainError;
use crate::forged::ForgeRecipe;

/// A training recipe. Unknown keys are refused; every key has a default but `data.manifest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Name of the run; its folder is `runs/NAME`.
    pub name: String,
    /// Licence of the weights, written into the card.
    pub licence: String,
    /// Which images.
    pub data: DataRecipe,
    /// How groups are held out.
    pub split: SplitOptions,
    /// What pixels must look like.
    pub input: InputSpec,
    /// Architecture.
    pub model: DetectorConfig,
    /// Optimisation.
    pub training: Training,
    /// Weights of the loss.
    pub loss: LossWeights,
    /// Forgeries made on the fly.
    pub forge: ForgeRecipe,
    /// Delivery augmentation of training images.
    pub delivery: Delivery,
}

/// Which images of a manifest are used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataRecipe {
    /// The manifest, relative to the recipe's folder.
    pub manifest: PathBuf,
    /// Values of the manifest's `set` column to use; empty: all.
    pub sets: Vec<String>,
    /// Licences to keep to, as substrings of the manifest's; empty: all.
    pub licences: Vec<String>,
    /// Sources to leave out.
    pub exclude_sources: Vec<String>,
    /// Generator families to leave out.
    pub exclude_generators: Vec<String>,
    /// Families, of the manifest or forged, that training and validation never see; evaluation still
    /// judges them.
    pub exclude_families: Vec<String>,
}

/// Optimisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Seed of weights, draws and augmentation.
    pub seed: u64,
    /// Checkpoint of the same architecture whose weights training begins with, relative to the
    /// recipe's folder; none: random weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Number of epochs.
    pub epochs: usize,
    /// Pairs of an authentic and a manipulated image drawn per epoch.
    pub pairs_per_epoch: usize,
    /// Pairs per step; a batch holds twice as many tiles.
    pub pairs_per_batch: usize,
    /// Share of the steps, in `[0, 1]`, that train on crops in place of whole tiles: as many pixels,
    /// and more pairs.
    pub crop_share: f64,
    /// Side of such a crop in pixels; divides the tile's.
    pub crop: usize,
    /// Peak learning rate of AdamW (Loshchilov & Hutter, 2019).
    pub learning_rate: f64,
    /// Learning rate at the end of the cosine, as a share of the peak.
    pub final_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: usize,
    /// Weight decay.
    pub weight_decay: f32,
    /// Decay per step of the running average of the weights, which is what is validated and saved;
    /// 0: the last weights.
    pub average_decay: f64,
    /// Deliveries of every validation image that the finished checkpoint is calibrated on.
    pub calibration_draws: usize,
    /// Share of validation images of which the declared false-positive rates are thresholds.
    pub false_positive_rates: Vec<f64>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            seed: 1,
            start: None,
            epochs: 20,
            pairs_per_epoch: 1600,
            pairs_per_batch: 16,
            crop_share: 0.0,
            crop: 128,
            learning_rate: 2e-3,
            final_rate: 0.02,
            warmup_steps: 100,
            weight_decay: 1e-3,
            average_decay: 0.998,
            calibration_draws: 4,
            false_positive_rates: vec![0.01, 0.02, 0.05, 0.1],
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe; its manifest's path is resolved against the recipe's folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Recipe`], with the file and the key.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let wrong = |message: String| TrainError::Recipe {
            path: path.to_owned(),
            message,
        };
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let mut recipe: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if recipe.name.is_empty() {
            recipe.name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default();
        }
        if let Some(fault) = recipe.fault() {
            return Err(wrong(fault));
        }
        Ok(recipe)
    }

    /// The manifest's path, resolved against the folder of the recipe at `path`.
    #[must_use]
    pub fn manifest_path(&self, path: &Path) -> PathBuf {
        path.parent()
            .unwrap_or(Path::new(""))
            .join(&self.data.manifest)
    }

    /// The checkpoint that training starts from, resolved against the folder of the recipe at `path`.
    #[must_use]
    pub fn start_path(&self, path: &Path) -> Option<PathBuf> {
        let folder = path.parent().unwrap_or(Path::new(""));
        self.training.start.as_ref().map(|start| folder.join(start))
    }

    /// The recipe as TOML with every default visible.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Serialising plain structs of numbers, strings and lists cannot fail.
        toml::to_string_pretty(self).unwrap_or_default()
    }

    fn fault(&self) -> Option<String> {
        let named = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !name.starts_with('.')
        };
        if !named(&self.name) {
            return Some("name may hold letters, digits, '-', '_' and '.' only".into());
        }
        if self.data.manifest.as_os_str().is_empty() {
            return Some("data.manifest names no file".into());
        }
        let training = &self.training;
        for (key, value) in [
            ("epochs", training.epochs),
            ("pairs_per_epoch", training.pairs_per_epoch),
            ("pairs_per_batch", training.pairs_per_batch),
            ("calibration_draws", training.calibration_draws),
        ] {
            if value == 0 {
                return Some(format!("training.{key} must be at least 1"));
            }
        }
        if training.pairs_per_batch > training.pairs_per_epoch {
            return Some("training.pairs_per_batch exceeds training.pairs_per_epoch".into());
        }
        let crop = training.crop;
        if !(0.0..=1.0).contains(&training.crop_share) {
            return Some("training.crop_share must lie in [0, 1]".into());
        }
        if training.crop_share > 0.0
            && (crop < self.input.min_side.max(1)
                || !crop.is_multiple_of(self.input.multiple.max(1))
                || !self.input.tile.is_multiple_of(crop))
        {
            return Some(format!(
                "training.crop must divide input.tile ({}), be a multiple of input.multiple ({}) and \
                 at least input.min_side ({})",
                self.input.tile, self.input.multiple, self.input.min_side
            ));
        }
        if !(training.learning_rate > 0.0 && training.learning_rate < 1.0) {
            return Some("training.learning_rate must lie in (0, 1)".into());
        }
        if !(0.0..=1.0).contains(&training.final_rate) {
            return Some("training.final_rate must lie in [0, 1]".into());
        }
        if !(0.0..1.0).contains(&training.average_decay) {
            return Some("training.average_decay must lie in [0, 1)".into());
        }
        let rates = &training.false_positive_rates;
        if rates.is_empty() || rates.iter().any(|rate| !(*rate > 0.0 && *rate < 1.0)) {
            return Some("training.false_positive_rates must be rates in (0, 1)".into());
        }
        let split = &self.split;
        let held_out = [split.validation, split.test];
        if held_out.iter().any(|s| !(0.0..1.0).contains(s)) || held_out.iter().sum::<f64>() > 0.9 {
            return Some("split.validation and split.test must leave a tenth to train on".into());
        }
        if !(0.0..0.5).contains(&self.loss.smoothing) || self.loss.map < 0.0 {
            return Some(
                "loss.smoothing must lie in [0, 0.5) and loss.map must not be negative".into(),
            );
        }
        if self.input.tile == 0
            || self.input.multiple == 0
            || !self.input.tile.is_multiple_of(self.input.multiple)
            || !self
                .input
                .multiple
                .is_multiple_of(veraray_model::Detector::CELL)
        {
            return Some("input.tile must be a multiple of input.multiple, and that of 16".into());
        }
        if let Some(fault) = self.forge.fault() {
            return Some(fault);
        }
        self.delivery
            .fault()
            .map(|fault| format!("delivery.{fault}"))
    }
}

impl DataRecipe {
    /// Whether an image is to be used.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        let listed = |list: &[String], value: &str| list.iter().any(|item| item == value);
        (self.sets.is_empty() || listed(&self.sets, &entry.set))
            && (self.licences.is_empty()
                || self
                    .licences
                    .iter()
                    .any(|l| entry.licence.contains(l.as_str())))
            && !listed(&self.exclude_sources, &entry.source)
            && !listed(&self.exclude_generators, &entry.generator)
            && !listed(&self.exclude_families, &entry.generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Recipe, TrainError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        Recipe::read(&path)
    }

    #[test]
    fn the_printed_defaults_are_a_recipe() {
        let recipe = read("[data]\nmanifest = 'm.csv'").unwrap();
        assert_eq!(recipe.name, "mine");
        assert_eq!(read(&recipe.to_toml()).unwrap(), recipe);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_by_name() {
        for (text, expected) in [
            ("[data]\nmanifest = 'm'\nfoo = 1", "foo"),
            ("[training]\nepochs = 0\n[data]\nmanifest = 'm'", "epochs"),
            ("name = '../x'\n[data]\nmanifest = 'm'", "name"),
            ("[delivery]\njpeg = 2.0\n[data]\nmanifest = 'm'", "jpeg"),
            (
                "[training]\ncrop_share = 0.5\ncrop = 96\n[data]\nmanifest = 'm'",
                "training.crop must divide",
            ),
            ("", "manifest"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
            assert!(message.contains("mine.toml"), "{message}");
        }
    }
}
