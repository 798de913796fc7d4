//! How a checkpoint holds when images change on their way to it.
//!
//! Every change is applied to both classes alike, at thresholds that were fixed beforehand. The
//! format swap does the opposite on purpose: it gives one class a history of JPEG and not the other,
//! then the other way round; a detector of authenticity does not notice.

mod screenshot;
mod sweeps;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use veraray_datasets::Split;

use crate::TrainError;
use crate::evaluate::{Bench, Selection, SubjectScore, Treatment};
use crate::metrics::{Ranked, auroc_interval, rate_above};
use crate::progress::Progress;
use crate::report::{robustness_chart, robustness_page};
use sweeps::Change;

/// What to sweep.
#[derive(Debug, Clone)]
pub struct RobustnessOptions {
    /// The split, as the checkpoint's own recipe assigns it; `None`: every image of the manifest.
    pub split: Option<Split>,
    /// Values of the manifest's `set` column; empty: those of the recipe.
    pub sets: Vec<String>,
    /// Families to measure; empty: all.
    pub families: Vec<String>,
    /// Sweeps to run; empty: all.
    pub sweeps: Vec<String>,
    /// Most images per family.
    pub limit: Option<usize>,
    /// Declared false-positive rate whose threshold is kept.
    pub max_fpr: f64,
    /// JPEG quality of the format swap.
    pub swap_quality: u8,
}

/// What a sweep came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Robustness {
    /// The checkpoint's file and its SHA-256.
    pub checkpoint: [String; 2],
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// The split, or `all`.
    pub split: String,
    /// Device.
    pub device: String,
    /// Score at and above which an image is flagged, and the rate declared for it.
    pub threshold: [f64; 2],
    /// Authentic and manipulated images.
    pub images: [usize; 2],
    /// The images as they are.
    pub untouched: Figures,
    /// One curve per kind of change.
    pub curves: Vec<SweepCurve>,
    /// The format swap.
    pub swap: Swap,
    /// Changes that were not tried, and why.
    pub missing: Vec<String>,
}

/// One kind of change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepCurve {
    /// Its name.
    pub name: String,
    /// What its strength is counted in.
    pub unit: String,
    /// The strength that changes nothing, when it lies between others.
    pub neutral: Option<f64>,
    /// Strength and figures.
    pub points: Vec<(f64, Figures)>,
}

/// Figures at a fixed threshold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// AUROC over all families with its 95 % interval.
    pub auroc: [f64; 3],
    /// Lowest AUROC of a family.
    pub worst_auroc: f64,
    /// The family it belongs to.
    pub worst_family: String,
    /// Share of authentic images that are flagged.
    pub false_positive_rate: f64,
    /// Share of manipulated images that are flagged.
    pub true_positive_rate: f64,
    /// Share of all images whose verdict differs from that of the untouched image.
    pub flipped: f64,
}

/// One class as JPEG and the other without, then the other way round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Swap {
    /// Quality of the JPEG.
    pub quality: u8,
    /// Authentic images as JPEG.
    pub authentic_jpeg: Figures,
    /// Manipulated images as JPEG.
    pub manipulated_jpeg: Figures,
    /// How far balanced accuracy at the fixed threshold moves between the two, in points.
    pub balanced_accuracy_points: f64,
}

/// Names of the sweeps there are.
#[must_use]
pub fn sweep_names() -> Vec<&'static str> {
    sweeps::all().iter().map(|sweep| sweep.name).collect()
}

/// Sweeps a checkpoint over a manifest.
///
/// # Errors
/// [`TrainError`] when something cannot be read, a class is missing, or a sweep is unknown.
pub fn robustness(
    path: &Path,
    manifest: &Path,
    (device, device_label): (&Device, &str),
    options: &RobustnessOptions,
    progress: &Progress,
) -> Result<Robustness, TrainError> {
    let mut sweeps = sweeps::all();
    if !options.sweeps.is_empty() {
        if let Some(unknown) = options
            .sweeps
            .iter()
            .find(|name| !sweeps.iter().any(|sweep| sweep.name == *name))
        {
            return Err(TrainError::Data(format!(
                "--sweeps {unknown}: there are {}",
                sweep_names().join(", ")
            )));
        }
        sweeps.retain(|sweep| options.sweeps.iter().any(|name| name == sweep.name));
    }
    let selection = Selection {
        split: options.split,
        sets: options.sets.clone(),
        families: options.families.clone(),
        limit: options.limit,
        authentic_suffices: false,
    };
    let bench = Bench::open(path, manifest, device, &selection, progress)?;
    let threshold = bench.threshold(options.max_fpr)?;
    let tiles: usize = bench.subjects.iter().map(|s| s.samples.len()).sum();
    let passes: usize = 3 + sweeps.iter().map(|sweep| sweep.steps.len()).sum::<usize>();
    let bar = progress.bar("sweeping");
    bar.set_length((tiles * passes) as u64);
    let untouched = bench.score(None, device, &bar)?;
    let run =
        |apply: &(dyn Fn(veraray_datasets::Plane, bool, &mut rand::rngs::StdRng) -> _ + Sync)| {
            let treatment = Treatment {
                seed: bench.recipe.training.seed,
                apply,
            };
            let scores = bench.score(Some(&treatment), device, &bar)?;
            figures(&bench, &scores, &untouched, threshold[0])
        };
    let mut curves = Vec::new();
    for sweep in &sweeps {
        let mut points = Vec::new();
        for (strength, change) in &sweep.steps {
            bar.set_message(format!("{} {strength}", sweep.name));
            points.push((*strength, run(&|plane, _, rng| change(plane, rng))?));
        }
        curves.push(SweepCurve {
            name: sweep.name.to_owned(),
            unit: sweep.unit.to_owned(),
            neutral: sweep.neutral,
            points,
        });
    }
    bar.set_message("format swap");
    let jpeg: Change = sweeps::jpeg(options.swap_quality);
    let one_class = |wanted: bool| {
        run(&|plane, manipulated, rng| {
            if manipulated == wanted {
                return jpeg(plane, rng);
            }
            // The other class is stored too, without loss, in the eight bits that JPEG has.
            let mut plane = plane;
            for value in &mut plane.pixels {
                *value = (*value * 255.0).round() / 255.0;
            }
            plane
        })
    };
    let (authentic_jpeg, manipulated_jpeg) = (one_class(false)?, one_class(true)?);
    bar.finish_and_clear();
    let balanced = |f: &Figures| 0.5 * (1.0 - f.false_positive_rate + f.true_positive_rate);
    let [reals, fakes] = bench.scored(&untouched, |_| true);
    Ok(Robustness {
        checkpoint: [path.display().to_string(), bench.checkpoint.sha256.clone()],
        manifest_sha256: bench.dataset.manifest_sha256.clone(),
        split: options.split.map_or("all", Split::as_str).into(),
        device: device_label.into(),
        threshold,
        images: [reals.len(), fakes.len()],
        untouched: figures(&bench, &untouched, &untouched, threshold[0])?,
        curves,
        swap: Swap {
            quality: options.swap_quality,
            balanced_accuracy_points: 100.0
                * (balanced(&authentic_jpeg) - balanced(&manipulated_jpeg)).abs(),
            authentic_jpeg,
            manipulated_jpeg,
        },
        missing: vec![
            "JPEG 2000 files: no encoder is built in, its wavelet quantisation is swept instead"
                .into(),
        ],
    })
}

fn figures(
    bench: &Bench,
    scores: &[SubjectScore],
    untouched: &[SubjectScore],
    threshold: f64,
) -> Result<Figures, TrainError> {
    let [reals, fakes] = bench.scored(scores, |_| true);
    let rate = |class: &[crate::Scored]| {
        let scores: Vec<f64> = class.iter().map(|image| image.score).collect();
        rate_above(&scores, threshold)
    };
    let families = bench.families();
    let (worst_auroc, worst_family) = families
        .into_iter()
        .filter_map(|family| {
            let [reals, fakes] = bench.scored(scores, |subject| {
                subject.family.as_deref().is_none_or(|of| of == family)
            });
            let ranked = Ranked::new(&reals, &fakes)?;
            Some((ranked.auroc(&ranked.groups().once())?, family.to_owned()))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((f64::NAN, String::new()));
    let flipped = scores
        .iter()
        .zip(untouched)
        .filter(|(a, b)| (a.score >= threshold) != (b.score >= threshold))
        .count();
    let not_a_number = || TrainError::Data("the detector gave scores that are no numbers".into());
    Ok(Figures {
        auroc: auroc_interval(&reals, &fakes, 1).ok_or_else(not_a_number)?,
        worst_auroc,
        worst_family,
        false_positive_rate: rate(&reals),
        true_positive_rate: rate(&fakes),
        flipped: flipped as f64 / scores.len().max(1) as f64,
    })
}

impl Robustness {
    /// The figures as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "{} authentic and {} manipulated images; threshold {:.4}, declared for {} false alarms.\n\n\
             | change | strength | AUROC | worst family | false alarms | flagged | verdicts changed |\n\
             |---|---|---|---|---|---|---|\n",
            self.images[0], self.images[1], self.threshold[0], self.threshold[1]
        );
        let mut row = |name: &str, strength: &str, f: &Figures| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {name} | {strength} | {:.3} ({:.3}–{:.3}) | {:.3} ({}) | {:.1} % | {:.1} % | {:.1} % |",
                f.auroc[0],
                f.auroc[1],
                f.auroc[2],
                f.worst_auroc,
                f.worst_family,
                100.0 * f.false_positive_rate,
                100.0 * f.true_positive_rate,
                100.0 * f.flipped
            );
        };
        row("none", "", &self.untouched);
        for curve in &self.curves {
            for (strength, figures) in &curve.points {
                row(&curve.name, &strength.to_string(), figures);
            }
        }
        let quality = self.swap.quality.to_string();
        row("authentic as JPEG", &quality, &self.swap.authentic_jpeg);
        row("manipulated as JPEG", &quality, &self.swap.manipulated_jpeg);
        let _ = writeln!(
            text,
            "\nFormat swap: balanced accuracy moves by {:.1} points.",
            self.swap.balanced_accuracy_points
        );
        for missing in &self.missing {
            let _ = writeln!(text, "\nNot tried: {missing}.");
        }
        text
    }

    /// Writes `robustness.json`, `.md`, `.html` and one picture per kind of change into a folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
        let pictures: Vec<(String, String)> = self
            .curves
            .iter()
            .map(|curve| {
                let svg = robustness_chart(curve, &self.untouched).to_svg();
                (format!("{}.svg", curve.name), svg)
            })
            .collect();
        // Figures and strings always serialise.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        let mut files = vec![
            ("robustness.json", json),
            ("robustness.md", self.to_markdown()),
            ("robustness.html", robustness_page(self)),
        ];
        files.extend(
            pictures
                .iter()
                .map(|(name, svg)| (name.as_str(), svg.clone())),
        );
        crate::report::write(folder, &files)
    }
}
