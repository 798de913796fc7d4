//! `veraray-train drift`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use veraray_model::DeviceChoice;
use veraray_train::{Level, Progress};

/// Flags of `drift`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train drift site.vrc /archive/2026-05
  veraray-train drift site.vrc manifest.csv --limit 500 --output drift.json

Compares scores, brightness, contrast, noise and detail with what the checkpoint was calibrated on,
modality by modality. Exit status: 0 stable, 1 moderate or severe drift, 2 error.")]
pub struct Args {
    /// The checkpoint (.vrc); its card must keep a calibration set.
    checkpoint: PathBuf,
    /// A folder of images, or a manifest (labels are not looked at).
    images: PathBuf,
    /// Most images looked at, chosen by a hash of their names.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    limit: usize,
    /// Write the comparison as JSON here.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

/// Compares, and warns.
#[expect(clippy::print_stdout, reason = "the table is this command's output")]
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<ExitCode> {
    let device = super::device(args.device, progress)?;
    let found = veraray_train::drift(
        &args.checkpoint,
        &args.images,
        device.handle(),
        args.limit,
        progress,
    )?;
    print!("{}", found.to_markdown());
    for (name, why) in &found.skipped {
        progress.note(&format!("left out {name}: {why}"));
    }
    if let Some(path) = &args.output {
        let text = serde_json::to_string_pretty(&found)?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(match found.level {
        Level::Stable => ExitCode::SUCCESS,
        Level::Moderate | Level::Severe => ExitCode::from(1),
    })
}
