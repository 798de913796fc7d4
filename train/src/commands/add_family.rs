//! `veraray-train add-family`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use veraray_model::DeviceChoice;
use veraray_train::{AddFamilyOptions, Progress};

/// Flags of `add-family`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train add-family default.vrc new_gan/ --modality xray --authentic same_site/ \\
      --manifest data/manifest.csv --output with_new_gan.vrc
  veraray-train add-family default.vrc examples.csv --name new_gan --manifest data/manifest.csv \\
      --output with_new_gan.vrc --report report/

Fine-tunes on 20 to 200 examples, minutes on a CPU. Every batch replays old families and authentic
images; a quarter of the examples, by group, is held out. Thresholds are set anew on the validation
images of the old data. Prints AUROC and detection rate per family before and after, with 95 %
intervals. Give authentic images from where the examples come from: else their site, size or codec may
be what is learned.

The checkpoint is not changed: a new one is written, whose card names it.
Exit status: 0, 1 when an old family's AUROC fell by more than --max-forgetting, significantly (the
checkpoint and the report are written all the same), 2 error.")]
pub struct Args {
    /// The checkpoint (.vrc).
    checkpoint: PathBuf,
    /// A folder of the new family's images, or a manifest.
    #[arg(value_name = "DIR|MANIFEST")]
    examples: PathBuf,
    /// Manifest of the data that the checkpoint was trained on, for the replay of old families.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// Where to write the new checkpoint.
    #[arg(long, value_name = "NEW.vrc")]
    output: PathBuf,
    /// Folder to write report.json and report.md into.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Name of the family [default: the folder's name, or the manifest's only family]
    #[arg(long, value_name = "FAMILY")]
    name: Option<String>,
    /// Folder of authentic images that match the examples: same site, size, codec and modality.
    #[arg(long, value_name = "DIR")]
    authentic: Option<PathBuf>,
    /// Modality of images whose files do not tell it, such as xray, ct or mri.
    #[arg(long, value_name = "MODALITY")]
    modality: Option<String>,
    /// Most examples used, chosen by a hash.
    #[arg(long, default_value_t = 200, value_name = "N")]
    limit: usize,
    /// Steps of optimisation.
    #[arg(long, default_value_t = 300, value_name = "N")]
    steps: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-4, value_name = "RATE")]
    learning_rate: f64,
    /// Share of every batch that shows the new family; the rest replays the old ones.
    #[arg(long, default_value_t = 0.3, value_name = "SHARE")]
    share: f64,
    /// Seed of draws and augmentation.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Declared false-positive rate whose threshold is compared.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    max_fpr: f64,
    /// Loss of AUROC of an old family that is tolerated; more, if significant, ends with status 1.
    #[arg(long, default_value_t = 0.02, value_name = "AUROC")]
    max_forgetting: f64,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

/// Adds the family, prints the comparison and writes the new checkpoint.
#[expect(clippy::print_stdout, reason = "the table is this command's output")]
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<ExitCode> {
    let unit = |value: f64| value > 0.0 && value < 1.0;
    ensure!(args.steps > 0, "--steps: at least one");
    ensure!(args.limit > 0, "--limit: at least one");
    ensure!(unit(args.learning_rate), "--learning-rate: lies in (0, 1)");
    ensure!(unit(args.share), "--share: lies in (0, 1)");
    ensure!(
        (0.0..1.0).contains(&args.max_forgetting),
        "--max-forgetting: lies in [0, 1)"
    );
    let device = super::device(args.device, progress)?;
    let options = AddFamilyOptions {
        manifest: args.manifest.clone(),
        name: args.name.clone(),
        authentic: args.authentic.clone(),
        modality: args.modality.clone(),
        limit: args.limit,
        steps: args.steps,
        learning_rate: args.learning_rate,
        share: args.share,
        seed: args.seed,
        max_fpr: args.max_fpr,
        max_forgetting: args.max_forgetting,
    };
    let (checkpoint, report) = veraray_train::add_family(
        &args.checkpoint,
        &args.examples,
        &args.output,
        &device,
        &options,
        progress,
    )?;
    print!("{}", report.to_markdown());
    checkpoint.save(&args.output)?;
    progress.note(&format!("wrote {}", args.output.display()));
    if let Some(folder) = &args.report {
        for file in report.write(folder)? {
            progress.note(&format!("wrote {}", file.display()));
        }
    }
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
