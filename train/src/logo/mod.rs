//! Leave one generator out: for every family a detector that never saw it, judged on it.
//!
//! Each run is a training run of its own, with one family, or all families of one fold, excluded from
//! training, validation and calibration; its thresholds are those of the families it saw. A run that
//! is finished is not repeated, one that was stopped goes on.

mod summary;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use veraray_datasets::{Manifest, Split, TrainingFreeFamily};
use veraray_model::ComputeDevice;

use crate::evaluate::{EvaluateOptions, FamilyRow, Summary, evaluate};
use crate::fit::{FitOptions, fit_recipe};
use crate::progress::Progress;
use crate::{Recipe, TrainError};

pub use summary::Logo;

/// How to run it.
#[derive(Debug, Clone)]
pub struct LogoOptions {
    /// Folder of all runs; the families' runs are in `NAME/logo/FAMILY` below it.
    pub runs: PathBuf,
    /// Manifest to use in place of the recipe's.
    pub manifest: Option<PathBuf>,
    /// Families to hold out; empty: all there are.
    pub families: Vec<String>,
    /// Deal the families out to this many runs, each of which holds out all of its families at once;
    /// `None`: a run for each.
    pub folds: Option<usize>,
    /// Epochs in place of the recipe's.
    pub epochs: Option<usize>,
    /// Repeat runs that are finished or belong to another recipe.
    pub force: bool,
    /// Declared false-positive rate whose threshold is judged.
    pub max_fpr: f64,
}

/// A recipe with the families it can be tried on.
#[derive(Debug, Clone)]
pub struct LogoPlan {
    recipe: Recipe,
    manifest: PathBuf,
    manifest_sha256: String,
    folder: PathBuf,
    /// Families each run holds out.
    pub folds: Vec<Vec<String>>,
    max_fpr: f64,
    force: bool,
}

/// One held-out family.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogoRow {
    /// The recipe that was trained.
    recipe: String,
    /// The manifest it was trained on.
    manifest_sha256: String,
    /// Declared false-positive rate of the threshold.
    max_fpr: f64,
    /// Families its run left out.
    pub left_out: Vec<String>,
    /// SHA-256 of the checkpoint.
    pub checkpoint_sha256: String,
    /// Figures of the held-out family.
    pub held_out: FamilyRow,
    /// Figures of the families that were trained on, on the same test images.
    pub seen: Option<Summary>,
    /// Expected calibration error on seen families and on the held-out one, as they are.
    pub calibration_error: [Option<f64>; 2],
    /// Threshold, and the rate declared for it.
    pub threshold: [f64; 2],
    /// Share of authentic test images that are flagged, as they are and after delivery.
    pub false_alarm_rate: [f64; 2],
    /// Seconds of training and evaluation in the last call that worked on it.
    pub seconds: f64,
}

impl LogoPlan {
    /// Reads a recipe and its manifest, and lists the families.
    ///
    /// # Errors
    /// [`TrainError`] when either cannot be read, or a family asked for is not there.
    pub fn new(recipe_path: &Path, options: &LogoOptions) -> Result<Self, TrainError> {
        let mut recipe = Recipe::read(recipe_path)?;
        let manifest = options
            .manifest
            .clone()
            .unwrap_or_else(|| recipe.manifest_path(recipe_path));
        if let Some(epochs) = options.epochs {
            recipe.training.epochs = epochs.max(1);
        }
        let read = Manifest::read(&manifest)?;
        let mut all: BTreeSet<String> = read
            .entries
            .iter()
            .filter(|entry| entry.label.is_manipulated() && recipe.data.admits(entry))
            .map(|entry| entry.generator.clone())
            .collect();
        if recipe.forge.is_on() {
            all.extend(recipe.forge.judging().iter().map(ToString::to_string));
        }
        if let Some(unknown) = options.families.iter().find(|f| !all.contains(*f)) {
            let known: Vec<String> = all.into_iter().collect();
            return Err(TrainError::Data(format!(
                "--families {unknown}: the recipe has {}",
                known.join(", ")
            )));
        }
        if all.len() < 2 {
            return Err(TrainError::Data(format!(
                "{}: to leave one family out takes at least two",
                manifest.display()
            )));
        }
        let families = if options.families.is_empty() {
            all.into_iter().collect()
        } else {
            options.families.clone()
        };
        Ok(Self {
            folder: options.runs.join(&recipe.name).join("logo"),
            manifest_sha256: read.sha256,
            recipe,
            manifest,
            folds: deal(families, options.folds),
            max_fpr: options.max_fpr,
            force: options.force,
        })
    }

    /// Where the tables go.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the run of a fold is.
    #[must_use]
    pub fn run_of(&self, fold: &[String]) -> PathBuf {
        self.folder.join(folder_name(fold))
    }

    fn recipe_without(&self, fold: &[String]) -> Recipe {
        let mut recipe = self.recipe.clone();
        recipe.name = folder_name(fold);
        // Weights to begin with have seen the families that are to be left out.
        recipe.training.start = None;
        for family in fold {
            recipe.data.exclude_families.push(family.clone());
            if let Ok(forged) = family.parse::<TrainingFreeFamily>() {
                let forge = &mut recipe.forge;
                forge.judged = forge.judging().to_vec();
                forge.judged.retain(|other| *other != forged);
                forge.families.retain(|other| *other != forged);
            }
        }
        recipe
    }

    /// The rows of a fold that is finished under this very recipe and manifest.
    #[must_use]
    pub fn finished(&self, fold: &[String]) -> Option<Vec<LogoRow>> {
        let text = std::fs::read(self.run_of(fold).join("result.json")).ok()?;
        let rows: Vec<LogoRow> = serde_json::from_slice(&text).ok()?;
        let recipe = self.recipe_without(fold).to_toml();
        let same = rows.len() == fold.len()
            && rows.iter().all(|row| {
                row.recipe == recipe
                    && row.manifest_sha256 == self.manifest_sha256
                    && (row.max_fpr - self.max_fpr).abs() < 1e-12
            });
        same.then_some(rows)
    }

    /// Trains without the families of a fold and judges them, unless that is done already.
    ///
    /// # Errors
    /// [`TrainError`], as training and evaluation have it.
    pub fn run(
        &self,
        fold: &[String],
        device: &ComputeDevice,
        progress: &Progress,
    ) -> Result<Vec<LogoRow>, TrainError> {
        let folder = self.run_of(fold);
        let name = fold.join(", ");
        if self.force && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(TrainError::io(&folder))?;
        } else if let Some(rows) = self.finished(fold) {
            progress.note(&format!("{name}: finished before"));
            return Ok(rows);
        }
        progress.note(&format!("training without {name}"));
        let started = Instant::now();
        let recipe = self.recipe_without(fold);
        let fitted = fit_recipe(
            &recipe,
            &self.manifest,
            None,
            device,
            &FitOptions {
                runs: self.folder.clone(),
                manifest: None,
                resume: true,
                force: false,
                stop_after: None,
                memory: crate::data::MEMORY,
            },
            progress,
        )?;
        let options = EvaluateOptions {
            split: Some(Split::Test),
            sets: Vec::new(),
            families: Vec::new(),
            max_fpr: self.max_fpr,
            against: None,
        };
        let report = evaluate(
            &fitted.checkpoint,
            &self.manifest,
            (device.handle(), device.label()),
            &options,
            progress,
        )?;
        report.write(&folder)?;
        let (held_out, seen): (Vec<FamilyRow>, Vec<FamilyRow>) = report
            .families
            .iter()
            .cloned()
            .partition(|row| fold.contains(&row.family));
        if let Some(lost) = fold
            .iter()
            .find(|family| held_out.iter().all(|row| row.family != **family))
        {
            return Err(TrainError::Data(format!(
                "{lost}: none of its images is held out for the test"
            )));
        }
        let mean_error = |rows: &[FamilyRow]| {
            let sum: f64 = rows.iter().map(|row| row.clean.calibration_error[0]).sum();
            (!rows.is_empty()).then(|| sum / rows.len() as f64)
        };
        let rows: Vec<LogoRow> = held_out
            .into_iter()
            .map(|held_out| LogoRow {
                recipe: recipe.to_toml(),
                manifest_sha256: self.manifest_sha256.clone(),
                max_fpr: self.max_fpr,
                left_out: fold.to_vec(),
                checkpoint_sha256: report.checkpoint[1].clone(),
                calibration_error: [mean_error(&seen), Some(held_out.clean.calibration_error[0])],
                seen: (!seen.is_empty()).then(|| Summary::of(&seen)),
                threshold: report.threshold,
                false_alarm_rate: [
                    1.0 - held_out.clean.real_accuracy[0],
                    1.0 - held_out.delivered.real_accuracy[0],
                ],
                held_out,
                seconds: started.elapsed().as_secs_f64(),
            })
            .collect();
        let path = folder.join("result.json");
        let partial = path.with_extension("partial");
        // Figures and strings always serialise.
        let text = serde_json::to_string_pretty(&rows).unwrap_or_default();
        std::fs::write(&partial, text)
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(TrainError::io(&path))?;
        Ok(rows)
    }

    /// The table of everything that is finished.
    #[must_use]
    pub fn table(&self) -> Logo {
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        for fold in &self.folds {
            match self.finished(fold) {
                Some(done) => rows.extend(done),
                None => missing.extend(fold.iter().cloned()),
            }
        }
        rows.sort_by(|a, b| a.held_out.family.cmp(&b.held_out.family));
        Logo::new(&self.recipe.name, &self.manifest_sha256, rows, missing)
    }
}

/// Deals families out to folds in turn, so that families of one kind, whose names lie together, fall
/// into different ones.
fn deal(families: Vec<String>, folds: Option<usize>) -> Vec<Vec<String>> {
    let count = folds.unwrap_or(families.len()).clamp(1, families.len());
    let mut dealt = vec![Vec::new(); count];
    for (turn, family) in families.into_iter().enumerate() {
        dealt[turn % count].push(family);
    }
    dealt
}

/// A fold's name as a folder's: what a run's name may not hold becomes `_`.
fn folder_name(fold: &[String]) -> String {
    let safe: String = fold
        .join(".")
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect();
    safe.trim_start_matches('.').to_owned()
}
