//! What an evaluation came to, and the files it is written to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veraray_datasets::Split;
use veraray_model::FamilyMetrics;

use super::rows::Table;
use super::{Against, EvaluateOptions, FamilyRow, RefusalRow, SourceRow, StratumRow};
use crate::TrainError;
use crate::metrics::{Bin, Ranked, reliability};
use crate::report::{Thumbnail, evaluation_page};

/// Images in each gallery.
const EXHIBITS: usize = 12;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
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
    /// The families in short.
    pub summary: Summary,
    /// One row per generator family against all authentic images.
    pub families: Vec<FamilyRow>,
    /// All manipulated images against all authentic ones.
    pub overall: Option<FamilyRow>,
    /// One row per family and modality, against authentic images of that modality.
    pub modalities: Vec<FamilyRow>,
    /// One row per family within each source, body part and scale.
    pub strata: Vec<StratumRow>,
    /// False alarms per source of authentic images.
    pub sources: Vec<SourceRow>,
    /// What is refused as unlike what the checkpoint knows; empty when it cannot tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<RefusalRow>,
    /// Expected calibration error over all images, as they are.
    pub calibration_error: f64,
    /// The same over authentic images and the families trained on, both classes weighing the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_calibration_error: Option<f64>,
    /// ROC curves per family.
    pub curves: Vec<Curve>,
    /// Reliability diagram, as they are and after delivery.
    pub reliability: [Vec<Bin>; 2],
    /// Authentic images with the highest scores, then manipulated ones with the lowest.
    pub worst: [Vec<Exhibit>; 2],
    /// A comparison with another checkpoint, when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// Images that could not be judged.
    pub skipped: Vec<(String, String)>,
    /// Every image's scores, for `scores.csv` only.
    #[serde(skip)]
    pub scores: Vec<ScoreLine>,
}

/// One line of `scores.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreLine {
    /// Path as the manifest writes it; of a forgery, its parent's and the family.
    pub path: String,
    /// `real`, `synthetic` or `tampered`.
    pub label: String,
    /// Generator family; empty for authentic images.
    pub generator: String,
    /// Source.
    pub source: String,
    /// Patient or volume.
    pub group: String,
    /// Modality.
    pub modality: String,
    /// Logit as it is.
    pub logit: f64,
    /// Score as it is.
    pub score: f64,
    /// Logit after delivery.
    pub delivered_logit: f64,
    /// Score after delivery.
    pub delivered_score: f64,
}

/// Mean and worst over families.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Mean AUROC, as they are and after delivery.
    pub mean_auroc: [f64; 2],
    /// Lowest AUROC, as they are and after delivery.
    pub worst_auroc: [f64; 2],
    /// The families they belong to.
    pub worst_family: [String; 2],
    /// Mean true-positive rate at 1 % false positives, as they are and after delivery.
    pub mean_tpr_at_1_percent_fpr: [f64; 2],
    /// Families on which some null model's AUROC is at least the detector's, as they are.
    pub not_above_null: Vec<String>,
}

impl Summary {
    /// Sums up rows, none of which may be missing.
    #[must_use]
    pub fn of(rows: &[FamilyRow]) -> Self {
        let figures = |which: usize| {
            rows.iter()
                .map(move |row| [&row.clean, &row.delivered][which])
        };
        let count = rows.len().max(1) as f64;
        let mean = |which: usize| figures(which).map(|m| m.auroc[0]).sum::<f64>() / count;
        let worst = |which: usize| {
            let named = rows.iter().zip(figures(which));
            named
                .min_by(|a, b| a.1.auroc[0].total_cmp(&b.1.auroc[0]))
                .map_or((f64::NAN, String::new()), |(row, m)| {
                    (m.auroc[0], row.family.clone())
                })
        };
        let tpr = |which| {
            figures(which)
                .map(|m| m.tpr_at_1_percent_fpr[0])
                .sum::<f64>()
                / count
        };
        let ([(a, family), (b, delivered_family)], both) = ([worst(0), worst(1)], [0, 1]);
        Self {
            mean_auroc: both.map(mean),
            worst_auroc: [a, b],
            worst_family: [family, delivered_family],
            mean_tpr_at_1_percent_fpr: both.map(tpr),
            not_above_null: rows
                .iter()
                .filter(|row| row.null_models.values().any(|null| null[0] >= row.auroc[0]))
                .map(|row| row.family.clone())
                .collect(),
        }
    }
}

/// The ROC curves of a family: `[false-positive rate, true-positive rate]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Curve {
    /// Generator family.
    pub family: String,
    /// As they are.
    pub clean: Vec<[f64; 2]>,
    /// After delivery.
    pub delivered: Vec<[f64; 2]>,
}

/// An image of a gallery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exhibit {
    /// Path as the manifest writes it.
    pub name: String,
    /// Generator family, or the source of an authentic image.
    pub kind: String,
    /// Its score.
    pub score: f64,
    /// A small picture of its first tile, for the page only.
    #[serde(skip)]
    pub thumbnail: Thumbnail,
}

pub(super) fn assemble(
    table: &Table<'_>,
    options: &EvaluateOptions,
    threshold: [f64; 2],
    device: &str,
) -> Result<Report, TrainError> {
    let bench = table.bench;
    let families = table.families();
    if families.is_empty() {
        return Err(TrainError::Data(
            "the split holds no authentic or no manipulated image".into(),
        ));
    }
    let curve = |row: &FamilyRow| {
        let points = |which: usize| {
            let [reals, fakes] = bench.scored(&table.scores[which], |subject| {
                subject.family.as_ref().is_none_or(|f| *f == row.family)
            });
            Ranked::new(&reals, &fakes).map_or(Vec::new(), |ranked| ranked.roc())
        };
        Curve {
            family: row.family.clone(),
            clean: points(0),
            delivered: points(1),
        }
    };
    let bars = |which: usize| {
        let [reals, fakes] = bench.scored(&table.scores[which], |_| true);
        reliability(&reals, &fakes)
    };
    Ok(Report {
        checkpoint: [
            bench.path.display().to_string(),
            bench.checkpoint.sha256.clone(),
        ],
        manifest_sha256: bench.dataset.manifest_sha256.clone(),
        split: options.split.map_or("all", Split::as_str).into(),
        sets: bench.recipe.data.sets.clone(),
        device: device.into(),
        threshold,
        summary: Summary::of(&families),
        overall: table.row(None, "all", &|_| true),
        modalities: table.modalities(),
        strata: table.strata(),
        sources: table.sources(),
        refusals: table.refusals(),
        calibration_error: table.calibration_error(),
        trained_calibration_error: table.trained_calibration_error(),
        curves: families.iter().map(curve).collect(),
        reliability: [bars(0), bars(1)],
        worst: [worst(table, false), worst(table, true)],
        against: None,
        families,
        skipped: bench.dataset.skipped.clone(),
        scores: lines(table),
    })
}

fn lines(table: &Table<'_>) -> Vec<ScoreLine> {
    let bench = table.bench;
    let scored = table.scores[0].iter().zip(&table.scores[1]);
    bench
        .subjects
        .iter()
        .zip(scored)
        .map(|(subject, (clean, delivered))| {
            let entry = bench.entry(subject);
            ScoreLine {
                path: entry.name.clone(),
                label: entry.label.as_str().to_owned(),
                generator: subject.family.clone().unwrap_or_default(),
                source: entry.source.clone(),
                group: entry.group.clone(),
                modality: entry.modality.clone(),
                logit: clean.logit,
                score: clean.score,
                delivered_logit: delivered.logit,
                delivered_score: delivered.score,
            }
        })
        .collect()
}

/// The images of a class that are furthest on the wrong side.
fn worst(table: &Table<'_>, manipulated: bool) -> Vec<Exhibit> {
    let bench = table.bench;
    let mut found: Vec<(usize, f64)> = table.scores[0]
        .iter()
        .enumerate()
        .filter(|(position, _)| bench.subjects[*position].family.is_some() == manipulated)
        .map(|(position, score)| (position, score.logit))
        .collect();
    found.sort_by(|a, b| match manipulated {
        true => a.1.total_cmp(&b.1),
        false => b.1.total_cmp(&a.1),
    });
    found.truncate(EXHIBITS);
    found
        .into_iter()
        .map(|(position, _)| {
            let subject = &bench.subjects[position];
            let entry = bench.entry(subject);
            let plane = bench.plane(subject.samples[0]);
            Exhibit {
                name: entry.name.clone(),
                kind: subject.family.clone().unwrap_or(entry.source.clone()),
                score: table.scores[0][position].score,
                thumbnail: Thumbnail::of(&plane),
            }
        })
        .collect()
}

impl Report {
    /// The rows as a card keeps them.
    #[must_use]
    pub fn to_metrics(&self) -> Vec<FamilyMetrics> {
        self.families
            .iter()
            .map(|row| {
                let mut more: BTreeMap<String, f64> = [
                    ("delivered_auroc", row.delivered_auroc[0]),
                    ("detection_rate", row.detection_rate),
                    ("average_precision", row.clean.average_precision[0]),
                    ("balanced_accuracy", row.clean.balanced_accuracy[0]),
                    ("tpr_at_1_percent_fpr", row.clean.tpr_at_1_percent_fpr[0]),
                    (
                        "delivered_tpr_at_1_percent_fpr",
                        row.delivered.tpr_at_1_percent_fpr[0],
                    ),
                    ("calibration_error", row.clean.calibration_error[0]),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
                // The strongest null model, so that the card says what the figure is worth.
                let null = row.null_models.values().map(|null| null[0]);
                if let Some(best) = null.max_by(f64::total_cmp) {
                    more.insert("best_null_auroc".into(), best);
                }
                if let Some([clean, _]) = &row.localisation {
                    more.insert("pixel_f1".into(), clean.pixel_f1[0]);
                    more.insert("pd_at_1_percent".into(), clean.pd_at_1_percent);
                }
                FamilyMetrics {
                    split: self.split.clone(),
                    family: row.family.clone(),
                    images: row.images,
                    auroc: row.auroc,
                    more,
                }
            })
            .collect()
    }

    fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in &self.scores {
            // Strings and numbers always serialise, and memory takes them.
            let _ = writer.serialize(line);
        }
        let bytes = writer.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes `report.json`, `report.md`, `report.html` and `scores.csv` into a folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
        // Figures and strings always serialise.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        crate::report::write(
            folder,
            &[
                ("report.json", json),
                ("report.md", self.to_markdown()),
                ("report.html", evaluation_page(self)),
                ("scores.csv", self.to_csv()),
            ],
        )
    }
}
