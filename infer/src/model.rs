//! `veraray model`: the checkpoint's card for the eye or for programs.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use veraray_model::{Card, Checkpoint, ComputeDevice, DeviceChoice};

use crate::report::card;
use crate::wording::percent;
use crate::{ExitStatus, ScanError, pages, plan};

pub(crate) const MODEL_EXAMPLES: &str = "\
Examples:
  veraray model                               the checkpoint inside this program
  veraray model --checkpoint runs/a/checkpoint.vrc
  veraray model --format json | jq .limits
  veraray model --html card.html              with the intervals drawn";

/// Flags of `veraray model`.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Checkpoint to describe, instead of the one inside this program
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Form of the card
    #[arg(long, value_enum, default_value_t = CardFormat::Text)]
    pub format: CardFormat,
    /// Page to write the card to, instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub html: Option<PathBuf>,
}

/// Form of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CardFormat {
    /// For the eye
    Text,
    /// One JSON object
    Json,
}

/// The card with what the file adds to it.
#[derive(Serialize)]
struct Described<'a> {
    sha256: &'a str,
    parameters: usize,
    #[serde(flatten)]
    card: &'a Card,
}

/// Runs `veraray model`.
pub(crate) fn print(arguments: &ModelArgs) -> Result<ExitStatus, ScanError> {
    // A card needs no GPU; a build without CPU kernels takes what there is.
    let device = ComputeDevice::select(DeviceChoice::Cpu)
        .or_else(|_| ComputeDevice::select(DeviceChoice::Gpu))
        .map_err(ScanError::Device)?;
    let checkpoint = plan::load(arguments.checkpoint.as_deref(), &device)?;
    if let Some(path) = &arguments.html {
        std::fs::write(path, card::page(&checkpoint)).map_err(|source| ScanError::Html {
            path: path.clone(),
            source,
        })?;
        return Ok(ExitStatus::Clean);
    }
    let text = match arguments.format {
        CardFormat::Json => json(&checkpoint)?,
        CardFormat::Text => {
            let mut text = String::new();
            // Writing to a string cannot fail.
            let _ = describe(&mut text, &checkpoint);
            text
        }
    };
    pages::print(text.as_bytes())
}

fn json(checkpoint: &Checkpoint) -> Result<String, ScanError> {
    // Some thousand numbers that say nothing to a reader stay in the file.
    let mut card = checkpoint.card.clone();
    if let Some(known) = &mut card.out_of_distribution {
        for values in [&mut known.mean, &mut known.scale, &mut known.reduction] {
            values.clear();
        }
        known.components.clear();
    }
    let described = Described {
        sha256: &checkpoint.sha256,
        parameters: checkpoint.parameters(),
        card: &card,
    };
    let mut text = serde_json::to_string_pretty(&described)
        .map_err(|error| ScanError::Stdout(error.into()))?;
    text.push('\n');
    Ok(text)
}

fn describe(text: &mut String, checkpoint: &Checkpoint) -> fmt::Result {
    let card = &checkpoint.card;
    writeln!(text, "{} {}", card.name, card.version)?;
    writeln!(text, "  sha256       {}", checkpoint.sha256)?;
    writeln!(text, "  parameters   {}", checkpoint.parameters())?;
    writeln!(text, "  licence      {}", card.licence)?;
    writeln!(text, "  modalities   {}", listed(&card.modalities))?;
    writeln!(text, "  families     {}", listed(&card.families))?;
    writeln!(
        text,
        "  input        tiles of {0}×{0} pixels, images from {1} pixels a side, up to {2} frames",
        card.input.tile, card.input.min_side, card.input.max_frames
    )?;
    thresholds(text, card)?;
    data(text, card)?;
    metrics(text, card)?;
    writeln!(text, "\nLimits")?;
    for limit in &card.limits {
        writeln!(text, "  - {limit}")?;
    }
    writeln!(text, "  - Research software, not a medical device.")
}

fn thresholds(text: &mut String, card: &Card) -> fmt::Result {
    writeln!(
        text,
        "\nThresholds (share of false alarms among authentic images)"
    )?;
    for point in &card.calibration.operating_points {
        writeln!(
            text,
            "  {:>7}  score {:.4}  (at most {} with 95 % confidence, from {} authentic images)",
            percent(point.false_positive_rate),
            point.threshold,
            percent((point.upper_bound * 1000.0).round() / 1000.0),
            point.authentic_images
        )?;
    }
    if card.calibration.operating_points.is_empty() {
        writeln!(
            text,
            "  none measured; images are flagged from a score of 0.5"
        )?;
    }
    if let Some([low, high]) = card.calibration.abstention_band {
        writeln!(text, "  scores from {low:.4} to {high:.4} are not judged")?;
    }
    if let Some(known) = &card.out_of_distribution {
        writeln!(
            text,
            "  images unlike those it knows are not judged: distance above {:.2}, reduction above {:.2} ({} of \
             {} validation images, {} after delivery)",
            known.limits[0],
            known.limits[1],
            percent((known.refused[0] * 1000.0).round() / 1000.0),
            known.images,
            percent((known.refused[1] * 1000.0).round() / 1000.0)
        )?;
    }
    Ok(())
}

fn data(text: &mut String, card: &Card) -> fmt::Result {
    let provenance = &card.provenance;
    writeln!(text, "\nTraining")?;
    writeln!(
        text,
        "  epoch {}, seed {}, on {}",
        provenance.epoch,
        provenance.seed,
        if provenance.device.is_empty() {
            "an unnamed device"
        } else {
            &provenance.device
        }
    )?;
    if !provenance.manifest_sha256.is_empty() {
        writeln!(text, "  manifest sha256 {}", provenance.manifest_sha256)?;
    }
    if let Some([name, sha256]) = &provenance.start {
        writeln!(text, "  began with the weights of {name} ({sha256})")?;
    }
    for added in &provenance.added {
        writeln!(
            text,
            "  {} added from {} examples ({} held out) in {} steps to {} ({})",
            added.family,
            added.examples[0],
            added.examples[1],
            added.steps,
            added.parent[0],
            added.parent[1]
        )?;
    }
    for row in &provenance.data {
        let made_by = match row.generator.as_str() {
            "" => String::new(),
            generator => format!(" by {generator}"),
        };
        writeln!(
            text,
            "  {:>6} {}{made_by}, {} {} ({})",
            row.images, row.label, row.source, row.modality, row.licence
        )?;
    }
    Ok(())
}

fn metrics(text: &mut String, card: &Card) -> fmt::Result {
    writeln!(
        text,
        "\nMeasured on held-out patients (AUROC with 95 % interval)"
    )?;
    if card.metrics.is_empty() {
        writeln!(text, "  nothing yet")?;
    }
    for metric in &card.metrics {
        let [estimate, low, high] = metric.auroc;
        let [authentic, manipulated] = metric.images;
        let interval = if low < high {
            format!(" [{low:.3}, {high:.3}]")
        } else {
            String::new()
        };
        writeln!(
            text,
            "  {:<10} {:<24} {estimate:.3}{interval}  {authentic} authentic, {manipulated} manipulated",
            metric.split, metric.family
        )?;
        for (name, value) in &metric.more {
            writeln!(text, "             {name} {value:.3}")?;
        }
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none declared".into(),
        names => names.join(", "),
    }
}
