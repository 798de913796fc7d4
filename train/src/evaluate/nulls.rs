//! Scores of the null models for the judged images.

use std::collections::BTreeMap;

use rayon::prelude::*;
use veraray_datasets::Split;

use super::Bench;
use crate::TrainError;
use crate::null_models::{Logistic, NullModel};

/// Scores of every null model for the subjects, in their order. Fitted on the training split of the families that the detector saw; on the judged
/// images themselves when the manifest has no such split.
pub(super) fn scores(bench: &Bench) -> Result<BTreeMap<&'static str, Vec<f64>>, TrainError> {
    let dataset = &bench.dataset;
    let entry = |index: usize| dataset.entry(&dataset.samples[index]);
    let seen = |index: &usize| !bench.held_out.contains(&entry(*index).generator);
    let mut training: Vec<usize> = dataset.of_split(Split::Train);
    training.retain(seen);
    let classes = |list: &[usize]| -> [bool; 2] {
        [false, true].map(|class| {
            list.iter()
                .any(|&index| entry(index).label.is_manipulated() == class)
        })
    };
    if classes(&training) != [true; 2] {
        training = bench.subjects.iter().map(|s| s.samples[0]).collect();
    }
    let mut all = BTreeMap::new();
    for model in NullModel::ALL {
        let features = |list: &[usize]| {
            list.par_iter()
                .map(|&index| model.features(dataset, index))
                .collect::<Result<Vec<_>, _>>()
        };
        let (fakes, reals): (Vec<usize>, Vec<usize>) = training
            .iter()
            .partition(|&&index| entry(index).label.is_manipulated());
        let Some(fitted) = Logistic::fit(&features(&reals)?, &features(&fakes)?) else {
            continue;
        };
        let judged: Vec<usize> = bench.subjects.iter().map(|s| s.samples[0]).collect();
        let scores = features(&judged)?
            .iter()
            .map(|row| fitted.score(row))
            .collect();
        all.insert(model.name(), scores);
    }
    Ok(all)
}
