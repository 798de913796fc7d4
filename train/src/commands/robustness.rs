//! `veraray-train robustness`.

use std::path::PathBuf;

use veraray_model::DeviceChoice;
use veraray_train::{Progress, RobustnessOptions};

/// Flags of `robustness`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train robustness runs/default/checkpoint.vrc data/manifest.csv --output robustness
  veraray-train robustness new.vrc data/manifest.csv --sweeps jpeg,resize --limit 50

Sweeps: jpeg, jpeg2000, resize, blur, noise, window_level, window_width, bit_depth, invert, screenshot. The
format swap is always measured.")]
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
    /// Sweeps to run; all by default.
    #[arg(long, value_name = "SWEEP", value_delimiter = ',')]
    sweeps: Vec<String>,
    /// Most images per family, and five times as many authentic ones.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Declared false-positive rate whose threshold is kept.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    max_fpr: f64,
    /// JPEG quality of the format swap.
    #[arg(long, default_value_t = 90, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    swap_quality: u8,
    /// Write robustness.json, .md, .html and one picture per sweep here.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

/// Sweeps and prints the table.
#[expect(clippy::print_stdout, reason = "the table is this command's output")]
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<()> {
    let device = super::device(args.device, progress)?;
    let options = RobustnessOptions {
        split: super::split(&args.split),
        sets: args.sets.clone(),
        families: args.families.clone(),
        sweeps: args.sweeps.clone(),
        limit: args.limit,
        max_fpr: args.max_fpr,
        swap_quality: args.swap_quality,
    };
    let found = veraray_train::robustness(
        &args.checkpoint,
        &args.manifest,
        (device.handle(), device.label()),
        &options,
        progress,
    )?;
    print!("{}", found.to_markdown());
    if let Some(folder) = &args.output {
        for file in found.write(folder)? {
            progress.note(&format!("wrote {}", file.display()));
        }
    }
    Ok(())
}
