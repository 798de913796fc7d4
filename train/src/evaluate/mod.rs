//! Measures a checkpoint on held-out images, beside null models.

mod against;
mod bench;
mod markdown;
mod nulls;
mod report;
mod rows;
mod scale;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use veraray_datasets::Split;

use crate::TrainError;
use crate::audit::glance;
use crate::progress::Progress;

pub use against::{Against, AgainstRow};
pub(crate) use bench::recipe_of;
pub use bench::{Bench, Selection, Subject, SubjectScore, Treatment};
pub(crate) use markdown::{ranking, thresholds};
pub use report::{Curve, Exhibit, Report, ScoreLine, Summary};
pub use rows::{FamilyRow, RefusalRow, SourceRow, StratumRow};

use rows::Table;

/// What to measure on.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// The split, as the checkpoint's own recipe assigns it; `None`: every image of the manifest.
    pub split: Option<Split>,
    /// Values of the manifest's `set` column; empty: those of the recipe.
    pub sets: Vec<String>,
    /// Families to judge; empty: all.
    pub families: Vec<String>,
    /// Declared false-positive rate whose threshold is judged.
    pub max_fpr: f64,
    /// Another checkpoint to compare with, on the same images.
    pub against: Option<PathBuf>,
}

/// Measures the checkpoint at `path` on a manifest.
///
/// # Errors
/// [`TrainError`] when the checkpoint, the manifest or an image cannot be read, or when the split
/// lacks a class.
pub fn evaluate(
    path: &Path,
    manifest: &Path,
    (device, device_label): (&Device, &str),
    options: &EvaluateOptions,
    progress: &Progress,
) -> Result<Report, TrainError> {
    let selection = Selection {
        split: options.split,
        sets: options.sets.clone(),
        families: options.families.clone(),
        limit: None,
        authentic_suffices: false,
    };
    let bench = Bench::open(path, manifest, device, &selection, progress)?;
    let threshold = bench.threshold(options.max_fpr)?;
    let scores = bench.clean_and_delivered(device, progress)?;
    if !bench.dataset.packed {
        progress.note(&glance(&nulls::judged_entries(&bench), progress));
    }
    let nulls = nulls::scores(&bench)?;
    let scales = scale::classes(&bench)?;
    let table = Table {
        bench: &bench,
        scores: &scores,
        nulls,
        scales,
        threshold: threshold[0],
    };
    let mut report = report::assemble(&table, options, threshold, device_label)?;
    if let Some(other) = &options.against {
        report.against = Some(against::compare_with(
            other, manifest, device, &table, &selection, progress,
        )?);
    }
    Ok(report)
}
