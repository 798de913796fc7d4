//! Recalibration on labelled images: a validation split, or a site's own.

use std::path::Path;

use burn::tensor::Device;
use veraray_datasets::Split;
use veraray_model::{Calibration, Checkpoint, OperatingPoint};

use super::{
    allowed, calibrate, calibration_set, clopper_pearson_upper, map_threshold, needed,
    operating_points,
};
use crate::TrainError;
use crate::evaluate::{Bench, Selection, Subject, SubjectScore};
use crate::out_of_distribution::Known;
use crate::progress::Progress;
use crate::score::ImageScore;

/// Which copies of an image thresholds are set on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// As they are.
    Clean,
    /// After delivery.
    Delivered,
    /// Both.
    Both,
}

/// How to recalibrate.
#[derive(Debug, Clone)]
pub struct CalibrateOptions {
    /// The split, as the checkpoint's own recipe assigns it; `None`: every image of the manifest.
    pub split: Option<Split>,
    /// Values of the manifest's `set` column; empty: those of the recipe.
    pub sets: Vec<String>,
    /// Declared false-positive rates.
    pub rates: Vec<f64>,
    /// Copies to set thresholds on.
    pub images: Images,
    /// Choose thresholds whose upper bound at this confidence keeps to the declared rate, instead of
    /// the rate observed.
    pub certify: Option<f64>,
    /// Most manipulated images that may be called authentic outside the abstention band, at the
    /// confidence of `certify` or 95 %.
    pub risk: Option<f64>,
    /// Leave temperature, bias, thresholds and band as they are, and only write down what the
    /// checkpoint was calibrated on and which images it knows.
    pub keep: bool,
}

/// Calibrates the checkpoint at `path` on a manifest. With authentic images only, temperature and bias
/// stay and the thresholds are set anew.
///
/// # Errors
/// [`TrainError`] when something cannot be read, there is no authentic image, or a certified rate or
/// risk asks for more images than there are.
pub fn recalibrate(
    path: &Path,
    manifest: &Path,
    device: &Device,
    options: &CalibrateOptions,
    progress: &Progress,
) -> Result<Checkpoint, TrainError> {
    let selection = Selection {
        split: options.split,
        sets: options.sets.clone(),
        authentic_suffices: true,
        ..Selection::default()
    };
    let bench = Bench::open(path, manifest, device, &selection, progress)?;
    let draws = match options.images {
        Images::Clean => 0,
        // No threshold rests on them.
        _ if options.keep => 1,
        Images::Delivered | Images::Both => bench.recipe.training.calibration_draws.max(1),
    };
    let all = bench.clean_and_deliveries(draws, device, progress)?;
    let (clean, delivered) = all.split_at(1);
    // Each way in which images arrive, all of them of the same weight.
    let ways: Vec<Vec<&Vec<SubjectScore>>> = match options.images {
        Images::Clean => vec![clean.iter().collect()],
        Images::Delivered => vec![delivered.iter().collect()],
        Images::Both => vec![vec![&clean[0]; draws], delivered.iter().collect()],
    };
    // What is certified counts every image once, in at most one delivery.
    let copies: Vec<&Vec<SubjectScore>> = ways.iter().map(|way| way[0]).collect();
    let old = &bench.checkpoint.card.calibration;
    // What is forged for the test alone, by families that were not trained on, would draw every score
    // towards one half; what the manifest lists counts.
    let trained = &bench.checkpoint.card.families;
    let counts = |subject: &Subject| match &subject.family {
        Some(family) => !subject.forged || trained.contains(family),
        None => true,
    };
    let positions = |manipulated: bool| -> Vec<usize> {
        let of = bench.subjects.iter().enumerate();
        of.filter(|(_, subject)| subject.family.is_some() == manipulated && counts(subject))
            .map(|(position, _)| position)
            .collect()
    };
    let logits = |manipulated: bool| -> Vec<Vec<f64>> {
        positions(manipulated)
            .into_iter()
            .map(|position| copies.iter().map(|scores| scores[position].logit).collect())
            .collect()
    };
    let (reals, fakes) = (logits(false), logits(true));
    let by_way = |manipulated: bool| -> Vec<Vec<f64>> {
        let positions = positions(manipulated);
        let logits = |way: &Vec<&Vec<SubjectScore>>| {
            way.iter()
                .flat_map(|scores| positions.iter().map(|position| scores[*position].logit))
                .collect()
        };
        ways.iter().map(logits).collect()
    };
    if reals.is_empty() {
        return Err(TrainError::Data(format!(
            "{}: no authentic image to calibrate on",
            manifest.display()
        )));
    }
    let mut method = vec![format!(
        "Calibrated on {} authentic and {} manipulated images ({}).",
        reals.len(),
        fakes.len(),
        match options.images {
            Images::Clean => "as they are",
            Images::Delivered => "after delivery",
            Images::Both => "as they are and after delivery",
        }
    )];
    let mut calibration = if options.keep {
        method.push("Temperature, bias and thresholds are the parent's, as was asked.".into());
        old.clone()
    } else if fakes.is_empty() {
        method
            .push("Temperature and bias are the parent's: there was no manipulated image.".into());
        thresholds_only(old, &by_way(false), &options.rates, reals.len())
    } else {
        let manipulated = by_way(true).concat();
        let rates = &options.rates;
        let mut fitted = calibrate(&by_way(false), &manipulated, rates, reals.len());
        let masked = bench.subjects.iter().zip(&clean[0]);
        let cells: Vec<_> = masked
            .filter(|(subject, _)| counts(subject))
            .filter_map(|(subject, score)| bench.masked(subject, score))
            .flat_map(|image| image.cells.iter().copied())
            .collect();
        fitted.map_threshold = if cells.is_empty() {
            old.map_threshold
        } else {
            map_threshold(&cells)
        };
        fitted
    };
    if let Some(confidence) = options.certify {
        method.push(certify(
            &mut calibration,
            &reals,
            &options.rates,
            confidence,
        )?);
    }
    if let Some(risk) = options.risk {
        let confidence = options.certify.unwrap_or(0.95);
        method.push(abstain(&mut calibration, &fakes, risk, confidence)?);
    }
    let images: Vec<ImageScore> = bench
        .subjects
        .iter()
        .zip(&clean[0])
        .filter(|(subject, _)| subject.family.is_none())
        .map(|(subject, score)| ImageScore {
            entry: subject.entry,
            logit: score.logit,
        })
        .collect();
    let mut set = calibration_set(&bench.dataset, &images, method);
    // A site's own images move thresholds; what the weights know stays what they were trained on.
    let known = match options.split {
        Some(Split::Validation) => {
            let known = Known {
                detector: &bench.checkpoint.detector,
                dataset: &bench.dataset,
                recipe: &bench.recipe,
                held_out: &bench.held_out,
                device,
            };
            known.learn(progress)?
        }
        _ => None,
    };
    let Bench { mut checkpoint, .. } = bench;
    if let Some(known) = known {
        set.method.push(format!(
            "Refuses images unlike those it was trained on: {:.1} % of {} validation images as they are, \
             {:.1} % after delivery.",
            100.0 * known.refused[0],
            known.images,
            100.0 * known.refused[1]
        ));
        checkpoint.card.out_of_distribution = Some(known);
    }
    set.parent = Some([checkpoint.card.name.clone(), checkpoint.sha256.clone()]);
    checkpoint.card.calibration_set = Some(set);
    checkpoint.card.calibration = calibration;
    Ok(checkpoint)
}

fn thresholds_only(
    old: &Calibration,
    ways: &[Vec<f64>],
    rates: &[f64],
    images: usize,
) -> Calibration {
    let mut calibration = old.clone();
    calibration.operating_points = operating_points(old, ways, rates, images);
    calibration.abstention_band = super::band(&calibration.operating_points);
    calibration
}

/// Replaces the thresholds by those whose bound keeps to the declared rate. Of an image's copies the
/// highest score counts, so that they count as one image.
fn certify(
    calibration: &mut Calibration,
    reals: &[Vec<f64>],
    rates: &[f64],
    confidence: f64,
) -> Result<String, TrainError> {
    let doubt = 1.0 - confidence;
    let mut scores: Vec<f64> = reals
        .iter()
        .map(|copies| copies.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        .map(|logit| calibration.score(logit))
        .collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    let mut points = Vec::new();
    let mut short = Vec::new();
    for rate in rates {
        match allowed(scores.len(), rate, doubt) {
            Some(alarms) => points.push(OperatingPoint {
                false_positive_rate: rate,
                threshold: scores[alarms].next_up().min(1.0),
                upper_bound: clopper_pearson_upper(alarms, scores.len()),
                authentic_images: scores.len(),
            }),
            None => short.push(format!("{rate} ({} needed)", needed(rate, doubt))),
        }
    }
    if points.is_empty() {
        return Err(TrainError::Data(format!(
            "{} authentic images certify none of the rates {}",
            scores.len(),
            short.join(", ")
        )));
    }
    calibration.abstention_band = super::band(&points);
    calibration.operating_points = points;
    let left_out = if short.is_empty() {
        String::new()
    } else {
        format!(" Left out for want of images: {}.", short.join(", "))
    };
    Ok(format!(
        "Every threshold keeps to its declared rate at {} % confidence for images like these, taken as \
         independent.{left_out}",
        100.0 * confidence
    ))
}

/// Ends the abstention band below where a certified share of manipulated images lies.
fn abstain(
    calibration: &mut Calibration,
    fakes: &[Vec<f64>],
    risk: f64,
    confidence: f64,
) -> Result<String, TrainError> {
    let doubt = 1.0 - confidence;
    let mut scores: Vec<f64> = fakes
        .iter()
        .map(|copies| copies.iter().copied().fold(f64::INFINITY, f64::min))
        .map(|logit| calibration.score(logit))
        .collect();
    scores.sort_by(f64::total_cmp);
    let Some(misses) = allowed(scores.len(), risk, doubt) else {
        return Err(TrainError::Data(format!(
            "{} manipulated images do not certify a risk of {risk}; {} are needed",
            scores.len(),
            needed(risk, doubt)
        )));
    };
    let low = scores[misses];
    let high = calibration
        .operating_points
        .first()
        .map_or(1.0, |point| point.threshold);
    calibration.abstention_band = (low < high).then_some([low, high]);
    Ok(format!(
        "Of manipulated images of the families it was calibrated on, at most {} % are called authentic, \
         at {} % confidence: scores from {low:.4} to {high:.4} are not judged. It says nothing of other \
         families.",
        100.0 * risk,
        100.0 * confidence
    ))
}
