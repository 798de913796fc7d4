//! `veraray-train evaluate`.

use std::path::PathBuf;

use veraray_model::{Checkpoint, DeviceChoice};
use veraray_train::{EvaluateOptions, Progress};

/// Flags of `evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train evaluate runs/default/checkpoint.vrc data/manifest.csv --output report
  veraray-train evaluate new.vrc data/manifest.csv --against old.vrc
  veraray-train evaluate new.vrc other/manifest.csv --split all --sets external")]
pub struct Args {
    /// The checkpoint (.vrc).
    checkpoint: PathBuf,
    /// The manifest (CSV).
    manifest: PathBuf,
    /// Images to measure on; the checkpoint's own recipe says which groups were held out.
    #[arg(long, default_value = "test", value_parser = super::SPLITS)]
    split: String,
    /// Values of the manifest's set column to use, or all, in place of the recipe's.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    sets: Vec<String>,
    /// Families to measure; all by default.
    #[arg(long, value_name = "FAMILY", value_delimiter = ',')]
    families: Vec<String>,
    /// Declared false-positive rate whose threshold is judged.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    max_fpr: f64,
    /// Compare with another checkpoint on the same images (DeLong's test).
    #[arg(long, value_name = "OTHER.vrc")]
    against: Option<PathBuf>,
    /// Write report.json, report.md, report.html and scores.csv here.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write the figures into the checkpoint's card.
    #[arg(long)]
    update_card: bool,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

/// Measures and prints the tables.
#[expect(clippy::print_stdout, reason = "the tables are this command's output")]
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<()> {
    let device = super::device(args.device, progress)?;
    let options = EvaluateOptions {
        split: super::split(&args.split),
        sets: args.sets.clone(),
        families: args.families.clone(),
        max_fpr: args.max_fpr,
        against: args.against.clone(),
    };
    let handle = (device.handle(), device.label());
    let report =
        veraray_train::evaluate(&args.checkpoint, &args.manifest, handle, &options, progress)?;
    print!("{}", report.to_markdown());
    if let Some(folder) = &args.output {
        for file in report.write(folder)? {
            progress.note(&format!("wrote {}", file.display()));
        }
    }
    if args.update_card {
        let mut checkpoint = Checkpoint::load(&args.checkpoint, device.handle())?;
        let measured = report.to_metrics();
        checkpoint.card.metrics.retain(|row| {
            row.split != report.split || !measured.iter().any(|new| new.family == row.family)
        });
        checkpoint.card.metrics.extend(measured);
        checkpoint.card.limits = veraray_train::limits(&checkpoint.card);
        checkpoint.save(&args.checkpoint)?;
        progress.note(&format!(
            "updated the card of {}",
            args.checkpoint.display()
        ));
    }
    Ok(())
}
