//! Null models beside a detector's table: fitted on the training images, judged on the same images as
//! the detector. What they look at is in [`veraray_datasets::audit`].

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use veraray_datasets::audit::{Measured, NullModel, Separator, measure};

use crate::TrainError;
use crate::data::Dataset;

/// Scores of every null model for the samples `judged`, in their order; higher means more likely
/// manipulated. Fitted on the samples `training`; a model that lacks a class there is left out.
///
/// # Errors
/// [`TrainError::Image`] when a file can no longer be read.
pub fn null_scores(
    dataset: &Dataset,
    training: &[usize],
    judged: &[usize],
) -> Result<BTreeMap<&'static str, Vec<f64>>, TrainError> {
    let entry_of = |index: &usize| dataset.samples[*index].entry;
    let needed: BTreeSet<usize> = training.iter().chain(judged).map(entry_of).collect();
    let needed: Vec<usize> = needed.into_iter().collect();
    let measured: BTreeMap<usize, Measured> = needed
        .par_iter()
        .map(|&entry| Ok((entry, measure(&dataset.entries[entry].path)?)))
        .collect::<Result<_, TrainError>>()?;
    let labels: Vec<bool> = training
        .iter()
        .map(|index| dataset.entries[entry_of(index)].label.is_manipulated())
        .collect();
    let weights = vec![1.0; training.len()];
    // The mix of modalities needs no file and is not a property of an image.
    let models = NullModel::ALL
        .into_iter()
        .filter(|model| *model != NullModel::Composition);
    let mut all = BTreeMap::new();
    for model in models {
        let features = |index: &usize| -> &[f64] {
            measured[&entry_of(index)]
                .features
                .get(&model)
                .map_or(&[], Vec::as_slice)
        };
        let rows: Vec<&[f64]> = training.iter().map(features).collect();
        let Some(fitted) = Separator::fit(&rows, &labels, &weights) else {
            continue;
        };
        let scores = judged.iter().map(|index| fitted.score(features(index)));
        all.insert(model.name(), scores.collect());
    }
    Ok(all)
}
