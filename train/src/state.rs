//! What a run needs to go on after it was stopped.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use veraray_model::Detector;

use crate::TrainError;
use crate::log::EpochLog;

/// The folder `runs/NAME/state`: weights, optimiser and history at the end of an epoch.
///
/// The weights and the optimiser carry the epoch in their names, and `state.json`, which is moved
/// into place last, says which are complete; so a kill at any moment leaves one complete state.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
}

/// What [`State::load`] gives back.
pub struct Resumed {
    /// The epochs so far.
    pub epochs: Vec<EpochLog>,
    /// The weights in training.
    pub detector: Detector,
    /// The average of the weights, without gradients.
    pub average: Detector,
    /// The optimiser.
    pub optimizer: ModuleOptimizer,
}

#[derive(Serialize, Deserialize)]
struct Index {
    recipe: String,
    manifest_sha256: String,
    epochs: Vec<EpochLog>,
}

impl State {
    /// The state of the run in `run`.
    #[must_use]
    pub fn of(run: &Path) -> Self {
        Self {
            folder: run.join("state"),
        }
    }

    /// Whether there is something to resume.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.index().exists()
    }

    fn index(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    fn files(&self, epoch: usize) -> [PathBuf; 3] {
        ["model", "optimizer", "average"]
            .map(|name| self.folder.join(format!("{name}-{epoch}.bpk")))
    }

    /// Saves the end of an epoch and removes the one before.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Run`] when something cannot be written.
    pub fn save(
        &self,
        recipe: &str,
        manifest_sha256: &str,
        epochs: &[EpochLog],
        (detector, average): (&Detector, &Detector),
        optimizer: &ModuleOptimizer,
    ) -> Result<(), TrainError> {
        let epoch = epochs.len();
        std::fs::create_dir_all(&self.folder).map_err(TrainError::io(&self.folder))?;
        let [model_file, optimizer_file, average_file] = self.files(epoch);
        let failed = |path: &Path, error: &dyn std::fmt::Display| TrainError::Run {
            path: path.to_owned(),
            message: format!("the state could not be saved: {error}"),
        };
        for stale in [&model_file, &optimizer_file, &average_file] {
            let _ = std::fs::remove_file(stale);
        }
        for (weights, file) in [(detector, &model_file), (average, &average_file)] {
            weights
                .clone()
                .save_file(file)
                .map_err(|error| failed(file, &error))?;
        }
        optimizer
            .save(&optimizer_file)
            .map_err(|error| failed(&optimizer_file, &error))?;
        let index = Index {
            recipe: recipe.to_owned(),
            manifest_sha256: manifest_sha256.to_owned(),
            epochs: epochs.to_vec(),
        };
        let path = self.index();
        let partial = path.with_extension("partial");
        let text = serde_json::to_vec_pretty(&index).map_err(|error| failed(&path, &error))?;
        std::fs::write(&partial, text)
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(TrainError::io(&path))?;
        if epoch > 1 {
            for old in self.files(epoch - 1) {
                let _ = std::fs::remove_file(old);
            }
        }
        Ok(())
    }

    /// Loads the last complete epoch.
    ///
    /// # Errors
    /// [`TrainError::Run`] when the state is damaged, or belongs to another recipe or manifest.
    pub fn load(
        &self,
        recipe: &str,
        manifest_sha256: &str,
        (detector, average): (Detector, Detector),
        optimizer: ModuleOptimizer,
        device: &Device,
    ) -> Result<Resumed, TrainError> {
        let path = self.index();
        let failed = |path: &Path, message: String| TrainError::Run {
            path: path.to_owned(),
            message,
        };
        let text = std::fs::read(&path).map_err(TrainError::io(&path))?;
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| failed(&path, format!("the state is damaged: {error}")))?;
        if index.recipe != recipe {
            return Err(failed(
                &path,
                "the run was started with another recipe; give it another name, or train anew \
                 without --resume"
                    .into(),
            ));
        }
        if index.manifest_sha256 != manifest_sha256 {
            return Err(failed(
                &path,
                "the run was started with another manifest; train anew without --resume".into(),
            ));
        }
        let [model_file, optimizer_file, average_file] = self.files(index.epochs.len());
        let weights = |fresh: Detector, file: &Path| {
            fresh
                .try_load_file(file)
                .map_err(|error| failed(file, format!("the weights are damaged: {error}")))
        };
        let detector = weights(detector, &model_file)?.fork(device);
        let average = weights(average, &average_file)?;
        let optimizer = optimizer
            .load(&optimizer_file)
            .map_err(|error| failed(&optimizer_file, format!("the state is damaged: {error}")))?;
        Ok(Resumed {
            epochs: index.epochs,
            detector,
            average,
            optimizer,
        })
    }
}
