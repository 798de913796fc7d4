//! What validation images say: of an epoch, and for the calibration of the chosen one.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rand::Rng as _;
use veraray_datasets::Split;
use veraray_model::{Calibration, Checkpoint, Detector, FamilyMetrics};

use crate::calibrate::{calibrate, map_threshold};
use crate::data::Dataset;
use crate::metrics::auroc;
use crate::out_of_distribution::Known;
use crate::progress::Progress;
use crate::sampler::generator;
use crate::score::{CellScore, ImageScore, Scores, score};
use crate::select::{Figures, figures};
use crate::{Recipe, TrainError};

/// What validation says of an epoch.
pub(crate) struct Judged {
    /// As they are, and after delivery.
    pub(crate) draws: [Scores; 2],
    pub(crate) auroc: BTreeMap<String, f64>,
    pub(crate) delivered_auroc: BTreeMap<String, f64>,
    /// What epochs are chosen by.
    pub(crate) figures: Figures,
}

pub(crate) fn validate(
    detector: &Detector,
    dataset: &Dataset,
    indices: &[usize],
    recipe: &Recipe,
    device: &Device,
    progress: &Progress,
) -> Result<Judged, TrainError> {
    let bar = progress.bar("validating");
    bar.set_length(2 * indices.len() as u64);
    let clean = score(detector, dataset, indices, None, device, &bar)?;
    let delivery = Some((&recipe.delivery, recipe.training.seed));
    let delivered = score(detector, dataset, indices, delivery, device, &bar)?;
    bar.finish_and_clear();
    let auroc = per_family(dataset, &clean.images);
    let delivered_auroc = per_family(dataset, &delivered.images);
    let figures = figures(&auroc, &delivered_auroc);
    if figures.is_empty() {
        return Err(TrainError::Data(
            "validation holds no authentic or no manipulated image; raise split.validation".into(),
        ));
    }
    Ok(Judged {
        draws: [clean, delivered],
        auroc,
        delivered_auroc,
        figures,
    })
}

/// AUROC of every generator family against all authentic images.
fn per_family(dataset: &Dataset, images: &[ImageScore]) -> BTreeMap<String, f64> {
    let (authentic, families) = by_class(dataset, images);
    families
        .into_iter()
        .filter_map(|(family, logits)| Some((family, auroc(&authentic, &logits)?)))
        .collect()
}

fn by_class(dataset: &Dataset, images: &[ImageScore]) -> (Vec<f64>, BTreeMap<String, Vec<f64>>) {
    let mut authentic = Vec::new();
    let mut families: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for image in images {
        let entry = &dataset.entries[image.entry];
        if entry.label.is_manipulated() {
            families
                .entry(entry.generator.clone())
                .or_default()
                .push(image.logit);
        } else {
            authentic.push(image.logit);
        }
    }
    (authentic, families)
}

impl Judged {
    pub(crate) fn metrics(&self, dataset: &Dataset) -> Vec<FamilyMetrics> {
        let (authentic, families) = by_class(dataset, &self.draws[0].images);
        self.auroc
            .iter()
            .map(|(family, &estimate)| FamilyMetrics {
                split: Split::Validation.as_str().into(),
                family: family.clone(),
                images: [authentic.len(), families.get(family).map_or(0, Vec::len)],
                // Intervals are for tests; here only the estimate that the epoch was chosen by.
                auroc: [estimate; 3],
                more: self
                    .delivered_auroc
                    .get(family)
                    .map(|a| ("delivered_auroc".to_owned(), *a))
                    .into_iter()
                    .collect(),
            })
            .collect()
    }
}

/// Calibrates the chosen epoch anew, and learns which images it knows, on several deliveries of every validation image: thresholds of
/// small rates rest on the few highest scores, which one draw does not show. Returns the scores of the
/// images as they are.
pub(crate) fn calibrate_finished(
    checkpoint: &mut Checkpoint,
    dataset: &Dataset,
    validation: &[usize],
    recipe: &Recipe,
    device: &Device,
    progress: &Progress,
) -> Result<Scores, TrainError> {
    let draws = recipe.training.calibration_draws;
    let bar = progress.bar("calibrating");
    bar.set_length(((draws + 1) * validation.len()) as u64);
    let mut all = Vec::with_capacity(draws + 1);
    for draw in 0..=draws {
        // The first draws are the images as they are; every other one has a seed of its own.
        let seed = generator(recipe.training.seed, [draw, 0, 0]).random();
        let delivery = (draw > 0).then_some((&recipe.delivery, seed));
        all.push(score(
            &checkpoint.detector,
            dataset,
            validation,
            delivery,
            device,
            &bar,
        )?);
    }
    bar.finish_and_clear();
    checkpoint.card.calibration = calibration(&all, dataset, recipe);
    checkpoint.card.out_of_distribution = Known {
        detector: &checkpoint.detector,
        dataset,
        recipe,
        held_out: &recipe.data.exclude_families,
        device,
    }
    .learn(progress)?;
    Ok(all.swap_remove(0))
}

/// Calibrates on scores of the same images, first as they are, then after deliveries. Deliveries
/// together weigh as much as the images as they are.
///
/// Of the manipulated images those count whose families are trained on, where there are any: a score
/// is the chance of one of them. A family that is only judged by may leave nothing to be seen, and
/// would draw every score towards one half.
pub(crate) fn calibration(draws: &[Scores], dataset: &Dataset, recipe: &Recipe) -> Calibration {
    let trained = |entry: usize| {
        entry < dataset.listed || recipe.forge.trains_on(&dataset.entries[entry].generator)
    };
    let real = |entry: usize| !dataset.entries[entry].label.is_manipulated();
    let mut images = draws[0].images.iter();
    let any = images.any(|image| !real(image.entry) && trained(image.entry));
    let counts = |entry: usize| !any || trained(entry);
    // As they are, and delivered.
    let (mut authentic, mut manipulated) = ([Vec::new(), Vec::new()], Vec::new());
    let repeats = (draws.len() - 1).max(1);
    for (draw, scores) in draws.iter().enumerate() {
        for _ in 0..if draw == 0 { repeats } else { 1 } {
            for image in &scores.images {
                if real(image.entry) {
                    authentic[draw.min(1)].push(image.logit);
                } else if counts(image.entry) {
                    manipulated.push(image.logit);
                }
            }
        }
    }
    let rates = &recipe.training.false_positive_rates;
    let images = authentic[0].len() / repeats;
    let mut calibration = calibrate(&authentic, &manipulated, rates, images);
    let cells: Vec<CellScore> = draws[0]
        .cells
        .iter()
        .filter(|(entry, _)| counts(**entry))
        .flat_map(|(_, cells)| cells.iter().copied())
        .collect();
    calibration.map_threshold = map_threshold(&cells);
    calibration
}
