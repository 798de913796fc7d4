//! Measures a checkpoint on held-out images, beside null models.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::Serialize;
use veraray_datasets::{Entry, Split};
use veraray_model::{Checkpoint, FamilyMetrics};

use crate::audit::glance;
use crate::data::Dataset;
use crate::metrics::{Scored, auroc_interval, expected_calibration_error, rate_above};
use crate::null_models;
use crate::progress::Progress;
use crate::score::{ImageScore, Scores, score};
use crate::{Recipe, TrainError};

/// What to measure on.
#[derive(Debug)]
pub struct EvaluateOptions {
    /// The split, as the checkpoint's own recipe assigns it; `None`: every image of the manifest.
    pub split: Option<Split>,
    /// Values of the manifest's `set` column; empty: those of the recipe.
    pub sets: Vec<String>,
    /// Declared false-positive rate whose threshold is judged.
    pub max_fpr: f64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The checkpoint's file and its SHA-256.
    pub checkpoint: [String; 2],
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// The split, or `all`.
    pub split: String,
    /// The sets.
    pub sets: Vec<String>,
    /// Device.
    pub device: String,
    /// Score at and above which an image is flagged, and the rate declared for it.
    pub threshold: [f64; 2],
    /// One row per generator family against all authentic images.
    pub families: Vec<FamilyRow>,
    /// One row per family and modality, against authentic images of that modality.
    pub modalities: Vec<FamilyRow>,
    /// False alarms per source of authentic images.
    pub sources: Vec<SourceRow>,
    /// Expected calibration error over all images, as they are.
    pub calibration_error: f64,
    /// Images that could not be judged.
    pub skipped: Vec<(String, String)>,
}

/// One family's figures.
#[derive(Debug, Clone, Serialize)]
pub struct FamilyRow {
    /// Generator family.
    pub family: String,
    /// Modality, or `all`.
    pub modality: String,
    /// Authentic and manipulated images.
    pub images: [usize; 2],
    /// AUROC with 95 % interval, images as they are.
    pub auroc: [f64; 3],
    /// The same after delivery.
    pub delivered_auroc: [f64; 3],
    /// Share of the family that is flagged.
    pub detection_rate: f64,
    /// AUROC with interval of every null model, images as they are.
    pub null_models: BTreeMap<String, [f64; 3]>,
}

/// False alarms of one source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceRow {
    /// Source of authentic images.
    pub source: String,
    /// Number of them.
    pub images: usize,
    /// Share that is flagged, as they are and after delivery.
    pub false_alarm_rate: [f64; 2],
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
    let checkpoint = Checkpoint::load(path, device)?;
    let mut recipe = recipe_of(&checkpoint, path)?;
    if !options.sets.is_empty() {
        recipe.data.sets = options.sets.clone();
    }
    let bar = progress.bar("reading images");
    let dataset = Dataset::load(manifest, &recipe, &bar)?;
    bar.finish_and_clear();
    let indices: Vec<usize> = match options.split {
        Some(split) => dataset.of_split(split),
        None => (0..dataset.samples.len()).collect(),
    };
    progress.note(&glance(&entries_of(&dataset, &indices), progress));
    let calibration = &checkpoint.card.calibration;
    let point = calibration
        .operating_point(options.max_fpr)
        .ok_or_else(|| {
            TrainError::Data(format!(
                "{}: the checkpoint declares no threshold for --max-fpr {}",
                path.display(),
                options.max_fpr
            ))
        })?;
    let bar = progress.bar("scoring");
    bar.set_length(2 * indices.len() as u64);
    let run = |delivery| {
        score(
            &checkpoint.detector,
            &dataset,
            &indices,
            delivery,
            device,
            &bar,
        )
    };
    let clean = run(None)?;
    // Another seed than training's validation: the draws must not be the ones chosen on.
    let delivered = run(Some((&recipe.delivery, recipe.training.seed ^ 0x7e57)))?;
    bar.finish_and_clear();
    let table = Table {
        dataset: &dataset,
        clean: calibrated(&clean, |z| calibration.score(z)),
        delivered: calibrated(&delivered, |z| calibration.score(z)),
        nulls: null_scores(&dataset, &indices, &clean)?,
        threshold: point.threshold,
    };
    let families = table.families("all");
    if families.is_empty() {
        return Err(TrainError::Data(
            "the split holds no authentic or no manipulated image".into(),
        ));
    }
    let modalities: BTreeSet<&str> = dataset
        .entries
        .iter()
        .map(|e| e.modality.as_str())
        .collect();
    Ok(Report {
        checkpoint: [path.display().to_string(), checkpoint.sha256.clone()],
        manifest_sha256: dataset.manifest_sha256.clone(),
        split: options.split.map_or("all", Split::as_str).into(),
        sets: recipe.data.sets.clone(),
        device: device_label.into(),
        threshold: [point.threshold, point.false_positive_rate],
        modalities: modalities
            .into_iter()
            .flat_map(|m| table.families(m))
            .collect(),
        sources: table.sources(),
        calibration_error: table.calibration_error(),
        families,
        skipped: dataset.skipped.clone(),
    })
}

/// The images of some samples, each once.
fn entries_of(dataset: &Dataset, indices: &[usize]) -> Vec<Entry> {
    let entries: BTreeSet<usize> = indices.iter().map(|&i| dataset.samples[i].entry).collect();
    entries
        .into_iter()
        .map(|i| dataset.entries[i].clone())
        .collect()
}

fn recipe_of(checkpoint: &Checkpoint, path: &Path) -> Result<Recipe, TrainError> {
    toml::from_str(&checkpoint.card.provenance.recipe).map_err(|error| TrainError::Recipe {
        path: path.to_owned(),
        message: format!("the card's recipe does not parse: {error}"),
    })
}

fn calibrated(scores: &Scores, score: impl Fn(f64) -> f64) -> Vec<ImageScore> {
    let calibrated = |image: &ImageScore| ImageScore {
        entry: image.entry,
        logit: score(image.logit),
    };
    scores.images.iter().map(calibrated).collect()
}

/// Scores of every null model for the scored images, in their order. Fitted on the training split
/// of the same data; on every image when the manifest has no such split.
fn null_scores(
    dataset: &Dataset,
    indices: &[usize],
    scored: &Scores,
) -> Result<BTreeMap<&'static str, Vec<f64>>, TrainError> {
    let mut training = dataset.of_split(Split::Train);
    if training.is_empty() {
        training = indices.to_vec();
    }
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for &index in indices {
        first.entry(dataset.samples[index].entry).or_insert(index);
    }
    let tested: Vec<usize> = scored
        .images
        .iter()
        .map(|image| first[&image.entry])
        .collect();
    null_models::null_scores(dataset, &training, &tested)
}

struct Table<'a> {
    dataset: &'a Dataset,
    clean: Vec<ImageScore>,
    delivered: Vec<ImageScore>,
    nulls: BTreeMap<&'static str, Vec<f64>>,
    threshold: f64,
}

impl Table<'_> {
    fn families(&self, modality: &str) -> Vec<FamilyRow> {
        let within =
            |entry: usize| modality == "all" || self.dataset.entries[entry].modality == modality;
        let generators: BTreeSet<&str> = self
            .clean
            .iter()
            .map(|image| &self.dataset.entries[image.entry])
            .filter(|entry| entry.label.is_manipulated())
            .map(|entry| entry.generator.as_str())
            .collect();
        let pick = |scores: &dyn Fn(usize) -> f64, family: Option<&str>| -> Vec<Scored> {
            (0..self.clean.len())
                .filter(|&position| within(self.clean[position].entry))
                .filter_map(|position| {
                    let entry = &self.dataset.entries[self.clean[position].entry];
                    let wanted = match family {
                        Some(family) => entry.label.is_manipulated() && entry.generator == family,
                        None => !entry.label.is_manipulated(),
                    };
                    wanted.then(|| Scored {
                        score: scores(position),
                        group: entry.unit().to_owned(),
                    })
                })
                .collect()
        };
        generators
            .into_iter()
            .filter_map(|family| {
                let interval = |scores: &dyn Fn(usize) -> f64| {
                    auroc_interval(&pick(scores, None), &pick(scores, Some(family)), 1)
                };
                let clean = |position: usize| self.clean[position].logit;
                let fakes: Vec<f64> = pick(&clean, Some(family)).iter().map(|s| s.score).collect();
                let null_models = self
                    .nulls
                    .iter()
                    .filter_map(|(name, scores)| {
                        Some(((*name).to_owned(), interval(&|position| scores[position])?))
                    })
                    .collect();
                Some(FamilyRow {
                    family: family.to_owned(),
                    modality: modality.to_owned(),
                    images: [pick(&clean, None).len(), fakes.len()],
                    auroc: interval(&clean)?,
                    delivered_auroc: interval(&|position| self.delivered[position].logit)?,
                    detection_rate: rate_above(&fakes, self.threshold),
                    null_models,
                })
            })
            .collect()
    }

    fn sources(&self) -> Vec<SourceRow> {
        let mut scores: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
        for (clean, delivered) in self.clean.iter().zip(&self.delivered) {
            let entry = &self.dataset.entries[clean.entry];
            if !entry.label.is_manipulated() {
                let [as_is, sent] = scores.entry(&entry.source).or_default();
                as_is.push(clean.logit);
                sent.push(delivered.logit);
            }
        }
        scores
            .into_iter()
            .map(|(source, both)| SourceRow {
                source: source.to_owned(),
                images: both[0].len(),
                false_alarm_rate: [0, 1].map(|i| rate_above(&both[i], self.threshold)),
            })
            .collect()
    }

    fn calibration_error(&self) -> f64 {
        let scored: Vec<(f64, bool)> = self
            .clean
            .iter()
            .map(|image| {
                let manipulated = self.dataset.entries[image.entry].label.is_manipulated();
                (image.logit, manipulated)
            })
            .collect();
        expected_calibration_error(&scored)
    }
}

impl Report {
    /// The figures as Markdown tables.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let interval = |[a, low, high]: [f64; 3]| format!("{a:.3} ({low:.3}–{high:.3})");
        let mut text = format!(
            "Split `{}`, sets {}; flagged at a score of {:.4} (declared false-positive rate {}).\n\n",
            self.split,
            self.sets.join(", "),
            self.threshold[0],
            self.threshold[1],
        );
        let names: Vec<&String> = self
            .families
            .first()
            .map(|row| row.null_models.keys().collect())
            .unwrap_or_default();
        let head: Vec<String> = names.iter().map(|name| format!(" {name} |")).collect();
        text += &format!(
            "| family | modality | images (authentic, manipulated) | AUROC | AUROC after delivery | flagged |{}\n|---|---|---|---|---|---|{}\n",
            head.concat(),
            "---|".repeat(names.len()),
        );
        for row in self.families.iter().chain(&self.modalities) {
            let nulls: Vec<String> = names
                .iter()
                .map(|name| match row.null_models.get(*name) {
                    Some(auroc) => format!(" {:.3} |", auroc[0]),
                    None => " |".into(),
                })
                .collect();
            text += &format!(
                "| {} | {} | {}, {} | {} | {} | {:.1} % |{}\n",
                row.family,
                row.modality,
                row.images[0],
                row.images[1],
                interval(row.auroc),
                interval(row.delivered_auroc),
                100.0 * row.detection_rate,
                nulls.concat(),
            );
        }
        text +=
            "\n| authentic source | images | false alarms | after delivery |\n|---|---|---|---|\n";
        for row in &self.sources {
            text += &format!(
                "| {} | {} | {:.1} % | {:.1} % |\n",
                row.source,
                row.images,
                100.0 * row.false_alarm_rate[0],
                100.0 * row.false_alarm_rate[1],
            );
        }
        text += &format!(
            "\nExpected calibration error {:.3}.\n",
            self.calibration_error
        );
        text
    }

    /// The rows as a card keeps them.
    #[must_use]
    pub fn to_metrics(&self) -> Vec<FamilyMetrics> {
        self.families
            .iter()
            .map(|row| FamilyMetrics {
                split: self.split.clone(),
                family: row.family.clone(),
                images: row.images,
                auroc: row.auroc,
                more: [
                    ("delivered_auroc", row.delivered_auroc[0]),
                    ("detection_rate", row.detection_rate),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            })
            .collect()
    }

    /// Writes `report.json` and `report.md` into a folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<[PathBuf; 2], TrainError> {
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let files = ["report.json", "report.md"].map(|name| folder.join(name));
        // Figures and strings always serialise.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        for (path, text) in files.iter().zip([json, self.to_markdown()]) {
            std::fs::write(path, text).map_err(TrainError::io(path))?;
        }
        Ok(files)
    }
}
