//! What a run records of every epoch.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// One line of `log.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Its logit term.
    pub logit_loss: f64,
    /// Its map term.
    pub map_loss: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Validation AUROC per family, images as they are.
    pub auroc: BTreeMap<String, f64>,
    /// Validation AUROC per family after delivery.
    pub delivered_auroc: BTreeMap<String, f64>,
    /// What epochs are chosen by: the mean of both over the worst third of the families that this or an
    /// earlier epoch told from authentic images.
    pub selection: f64,
    /// Whether this is the best epoch so far.
    pub best: bool,
    /// Seconds of training and of validation.
    pub seconds: [f64; 2],
    /// Training tiles per second.
    pub tiles_per_second: f64,
}

/// Writes all epochs anew, so that a run resumed after a kill holds each exactly once.
///
/// # Errors
/// [`TrainError::Io`] when the file cannot be written.
pub fn write(path: &Path, epochs: &[EpochLog]) -> Result<(), TrainError> {
    let mut text = Vec::new();
    for epoch in epochs {
        // Plain numbers and strings always serialise.
        let _ = serde_json::to_writer(&mut text, epoch);
        text.push(b'\n');
    }
    let partial = path.with_extension("partial");
    std::fs::File::create(&partial)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(TrainError::io(path))
}
