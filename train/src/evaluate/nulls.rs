//! Scores of the null models for the judged images.

use std::collections::BTreeMap;

use veraray_datasets::{Entry, Split};

use super::Bench;
use crate::TrainError;
use crate::null_models::null_scores;

/// Most images that null models are fitted on: every one is read anew.
const MOST_FITTED: usize = 1000;

/// Scores of every null model for the subjects, in their order; not a number for forged ones, which
/// have no file. Fitted on the training split of the families that the detector saw; on the judged
/// images themselves when the manifest has no such split. Packs hold no files, and have none.
pub(super) fn scores(bench: &Bench) -> Result<BTreeMap<&'static str, Vec<f64>>, TrainError> {
    let dataset = &bench.dataset;
    if dataset.packed {
        return Ok(BTreeMap::new());
    }
    let entry = |index: usize| dataset.entry(&dataset.samples[index]);
    let mut training = first_tiles(bench, dataset.of_split(Split::Train));
    training.retain(|&index| !bench.held_out.contains(&entry(index).generator));
    let judged: Vec<usize> = bench
        .subjects
        .iter()
        .filter(|subject| !subject.forged)
        .map(|subject| subject.samples[0])
        .collect();
    // A sample will do to fit a handful of features.
    let stride = training.len().div_ceil(MOST_FITTED).max(1);
    training = training.into_iter().step_by(stride).collect();
    let has = |class: bool| {
        training
            .iter()
            .any(|&index| entry(index).label.is_manipulated() == class)
    };
    if !(has(false) && has(true)) {
        training.clone_from(&judged);
    }
    let all = null_scores(dataset, &training, &judged)?;
    Ok(all
        .into_iter()
        .map(|(name, scores)| {
            let mut scores = scores.into_iter();
            let of_subject = |forged| match forged {
                true => f64::NAN,
                false => scores.next().unwrap_or(f64::NAN),
            };
            let scores = bench.subjects.iter().map(|s| s.forged).map(of_subject);
            (name, scores.collect())
        })
        .collect())
}

/// The first tile of every image: the null models look at files.
fn first_tiles(bench: &Bench, mut samples: Vec<usize>) -> Vec<usize> {
    samples.dedup_by_key(|index| bench.dataset.samples[*index].entry);
    samples
}

/// The images of the manifest that are judged, each once.
pub(super) fn judged_entries(bench: &Bench) -> Vec<Entry> {
    let subjects = bench.subjects.iter().filter(|subject| !subject.forged);
    subjects.map(|s| bench.entry(s).clone()).collect()
}
