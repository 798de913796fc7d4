//! A few hundred careful steps.

use std::path::Path;

use burn::module::Module;
use burn::optim::AdamWConfig;
use veraray_model::{Checkpoint, ComputeDevice, Detector};

use super::AddFamilyOptions;
use super::examples::ADDED;
use crate::average::Average;
use crate::data::Dataset;
use crate::progress::Progress;
use crate::sampler::Sampler;
use crate::steps::{Steps, warmed_cosine};
use crate::{Recipe, TrainError};

/// Decay per step of the average of the weights: about the last fifty steps.
const DECAY: f64 = 0.98;

/// Far from the first steps, when an average forgets faster.
const SETTLED: usize = 1_000_000;

/// Most steps of linear warm-up.
const WARM_UP: usize = 20;

/// Learning rate at the end, as a share of the peak.
const LAST: f64 = 0.05;

/// Trains the detector at `parent` further: of every batch, `share` shows the new family beside
/// authentic images (matching ones where there are any), the rest is drawn as the recipe draws.
pub(super) fn tune(
    parent: &Path,
    dataset: &Dataset,
    recipe: &Recipe,
    family: &str,
    device: &ComputeDevice,
    options: &AddFamilyOptions,
    progress: &Progress,
) -> Result<Detector, TrainError> {
    let mut old = recipe.clone();
    old.training.seed = options.seed;
    let mut new = old.clone();
    new.forge.share = 0.0;
    let matched: Vec<&str> = dataset
        .entries
        .iter()
        .filter(|entry| entry.set == ADDED && !entry.label.is_manipulated())
        .map(|entry| entry.modality.as_str())
        .collect();
    let replay = Sampler::among(dataset, &old, &|entry| entry.generator != family)?;
    let shown = Sampler::among(dataset, &new, &|entry| {
        if entry.label.is_manipulated() {
            entry.generator == family
        } else {
            entry.set == ADDED || !matched.contains(&entry.modality.as_str())
        }
    })?;
    let pairs = recipe.training.pairs_per_batch.max(2);
    let of_new = ((options.share * pairs as f64).round() as usize).clamp(1, pairs - 1);

    let training_device = device.handle().clone().autodiff();
    training_device.seed(options.seed);
    let checkpoint = Checkpoint::load(parent, &training_device)?;
    let mut detector = checkpoint.detector.fork(&training_device);
    let mut optimizer = AdamWConfig::new()
        .with_weight_decay(recipe.training.weight_decay)
        .init();
    let mut average = Average::of(&detector.clone().valid(), DECAY, SETTLED);
    let bar = progress.bar("adding the family");
    bar.set_length(options.steps as u64);
    Steps {
        count: options.steps,
        batch: &|step| {
            let mut batch = replay.batch(0, step, pairs - of_new);
            batch.append(shown.batch(1, step, of_new));
            batch
        },
        rate: &|step| {
            let place = [step, options.steps, WARM_UP.min(options.steps / 10)];
            warmed_cosine(place, [options.learning_rate, LAST])
        },
        loss: recipe.loss,
        device: &training_device,
        bar: &bar,
        diverged: "the loss is not finite; lower --learning-rate",
    }
    .take((&mut detector, &mut optimizer, &mut average))?;
    bar.finish_and_clear();
    let fresh = checkpoint.card.architecture.init(device.handle())?;
    Ok(average.write_into(fresh))
}
