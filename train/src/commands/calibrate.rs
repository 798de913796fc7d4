//! `veraray-train calibrate`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::ValueEnum;
use veraray_model::{Checkpoint, DeviceChoice};
use veraray_train::{
    CalibrateOptions, Images, Progress, SiteOptions, recalibrate, recalibrate_site,
};

/// Flags of `calibrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train calibrate default.vrc data/manifest.csv --output mine.vrc
  veraray-train calibrate default.vrc data/manifest.csv --keep-thresholds --output known.vrc
  veraray-train calibrate default.vrc site.csv --split all --certify 0.95 --risk 0.05 --output site.vrc
  veraray-train calibrate default.vrc /archive/2026-05 --label-free --output site.vrc

With labels: temperature, bias and the thresholds of the declared rates, each with the upper end of its
95 % Clopper-Pearson interval. With authentic images only, the thresholds alone. On the validation split
also which images the detector knows (out_of_distribution in the card), learned from the training split:
scan refuses others.

Without labels (--label-free): moves the scores of a folder of local images to where those of the
calibration images lay. This assumes that nearly all of them are authentic; it is refused below 100
images, and where the scores differ by more than a shift.

The checkpoint is not changed: a new one is written, whose card names it.")]
pub struct Args {
    /// The checkpoint (.vrc).
    checkpoint: PathBuf,
    /// The manifest (CSV); with --label-free a folder of images will do.
    manifest: PathBuf,
    /// Where to write the new checkpoint.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Images to calibrate on; the checkpoint's own recipe says which groups were held out.
    #[arg(long, default_value = "validation", value_parser = super::SPLITS)]
    split: String,
    /// Values of the manifest's set column to use, or all, in place of the recipe's.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    sets: Vec<String>,
    /// Declared false-positive rates.
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_values_t = [0.01, 0.02, 0.05, 0.1])]
    fpr: Vec<f64>,
    /// Copies of the images that thresholds are set on.
    #[arg(long, value_enum, default_value_t = Copies::Both)]
    images: Copies,
    /// Thresholds that keep to their rates at this confidence, in place of the observed rates.
    #[arg(long, value_name = "CONFIDENCE", conflicts_with = "label_free")]
    certify: Option<f64>,
    /// Abstain so that at most this share of manipulated images is called authentic, certified.
    #[arg(long, value_name = "RISK", conflicts_with = "label_free")]
    risk: Option<f64>,
    /// Leave temperature and thresholds; write only the calibration set and which images are known.
    #[arg(long, conflicts_with_all = ["label_free", "certify", "risk", "fpr", "images"])]
    keep_thresholds: bool,
    /// Correct for a site's images whose labels are unknown.
    #[arg(long)]
    label_free: bool,
    /// Largest share of manipulated images that --label-free allows for.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    contamination: f64,
    /// Most images that --label-free looks at.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    limit: usize,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

/// Copies by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Copies {
    /// As they are
    Clean,
    /// After delivery
    Delivered,
    /// Both
    Both,
}

/// Calibrates and writes the new checkpoint.
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<()> {
    let unit = |value: f64| value > 0.0 && value < 1.0;
    ensure!(
        !args.fpr.is_empty() && args.fpr.iter().all(|rate| unit(*rate)),
        "--fpr: rates lie in (0, 1)"
    );
    ensure!(args.certify.is_none_or(unit), "--certify: lies in (0, 1)");
    ensure!(args.risk.is_none_or(unit), "--risk: lies in (0, 1)");
    ensure!(
        (0.0..0.5).contains(&args.contamination),
        "--contamination: lies in [0, 0.5)"
    );
    let device = super::device(args.device, progress)?;
    let checkpoint = if args.label_free {
        let options = SiteOptions {
            contamination: args.contamination,
            limit: args.limit,
        };
        site(args, options, device.handle(), progress)?
    } else {
        let options = CalibrateOptions {
            split: super::split(&args.split),
            sets: args.sets.clone(),
            rates: args.fpr.clone(),
            images: match args.images {
                Copies::Clean => Images::Clean,
                Copies::Delivered => Images::Delivered,
                Copies::Both => Images::Both,
            },
            certify: args.certify,
            risk: args.risk,
            keep: args.keep_thresholds,
        };
        recalibrate(
            &args.checkpoint,
            &args.manifest,
            device.handle(),
            &options,
            progress,
        )?
    };
    summary(&checkpoint);
    checkpoint.save(&args.output)?;
    progress.note(&format!("wrote {}", args.output.display()));
    Ok(())
}

fn site(
    args: &Args,
    options: SiteOptions,
    device: &burn::tensor::Device,
    progress: &Progress,
) -> anyhow::Result<Checkpoint> {
    let (checkpoint, found) =
        recalibrate_site(&args.checkpoint, &args.manifest, device, options, progress)?;
    for (name, why) in &found.skipped {
        progress.note(&format!("left out {name}: {why}"));
    }
    progress.note(&format!(
        "{} images; {:.1} % flagged at the strictest threshold before, {:.1} % after; shift {:.3} if none is \
         manipulated, {:.3} if {:.0} % are",
        found.images,
        100.0 * found.flagged[0],
        100.0 * found.flagged[1],
        found.by_contamination[0],
        found.by_contamination[1],
        100.0 * options.contamination
    ));
    Ok(checkpoint)
}

#[expect(
    clippy::print_stdout,
    reason = "the calibration is this command's output"
)]
fn summary(checkpoint: &Checkpoint) {
    let calibration = &checkpoint.card.calibration;
    println!(
        "temperature {:.4}, bias {:.4}",
        calibration.temperature, calibration.bias
    );
    for point in &calibration.operating_points {
        println!(
            "declared {:>6.2} %: threshold {:.4}, at most {:.2} % on {} authentic images",
            100.0 * point.false_positive_rate,
            point.threshold,
            100.0 * point.upper_bound,
            point.authentic_images
        );
    }
    if let Some([low, high]) = calibration.abstention_band {
        println!("not judged: scores from {low:.4} to {high:.4}");
    }
    if let Some(set) = &checkpoint.card.calibration_set {
        for sentence in &set.method {
            println!("{sentence}");
        }
    }
}
