//! `veraray-train`: trains, calibrates and evaluates Veraray's detector.

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use commands::data::DataCommand;
use commands::forge::ForgeCommand;
use veraray_model::{ComputeDevice, DeviceChoice};
use veraray_train::{FitOptions, Progress, Recipe, fit};

/// Train and evaluate detectors of synthetic and tampered medical images.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Examples:
  veraray-train fit recipes/default.toml
  veraray-train fit recipes/default.toml --resume
  veraray-train fit --print-defaults > recipes/mine.toml
  veraray-train data audit manifest.csv --output audit/"
)]
struct Cli {
    /// Say nothing but errors.
    #[arg(long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a detector as a recipe says; writes runs/NAME/{checkpoint.vrc,recipe.toml,log.jsonl,curves.svg}
    Fit(Fit),
    /// Measure a checkpoint on held-out images, per family, modality and source, beside null models
    Evaluate(commands::evaluate::Args),
    /// Leave one generator out: for every family, a detector that never saw it
    Logo(commands::logo::Args),
    /// Sweep JPEG, resizing, blur, noise, window, bit depth, inversion and screenshots
    Robustness(commands::robustness::Args),
    /// Hold a checkpoint against floors and ceilings in a file; exit 1 when something falls short
    Gate(commands::gate::Args),
    /// Set temperature and thresholds anew, for a validation set or for a site, with or without labels
    Calibrate(commands::calibrate::Args),
    /// Teach a checkpoint a new generator from 20 to 200 examples; tells what improved and what was forgotten
    AddFamily(commands::add_family::Args),
    /// Tell whether a site's images still look like those a checkpoint was calibrated on
    Drift(commands::drift::Args),
    /// Write a checkpoint as ONNX or safetensors for other runtimes
    Export(commands::export::Args),
    /// Make, split, audit, harmonise and pack data sets
    #[command(subcommand)]
    Data(DataCommand),
    /// Make forgeries of your own authentic images to train and test with
    #[command(subcommand)]
    Forge(ForgeCommand),
}

#[derive(Debug, clap::Args)]
struct Fit {
    /// The recipe (TOML).
    #[arg(required_unless_present = "print_defaults")]
    recipe: Option<PathBuf>,
    /// Manifest to use in place of the recipe's data.manifest.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print a recipe with every default and exit.
    #[arg(long)]
    print_defaults: bool,
    /// Go on with a run that was stopped, from its last complete epoch.
    #[arg(long)]
    resume: bool,
    /// Replace a finished or stopped run of the same name.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
    /// Folder of all runs.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Stop after this many epochs in all; --resume goes on later.
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// Most memory for decoded tiles, in GiB; what does not fit is decoded whenever it is drawn.
    #[arg(long, default_value_t = 8.0, value_name = "GIB", value_parser = gibibytes)]
    memory: f64,
}

fn gibibytes(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|gib: &f64| gib.is_finite() && *gib >= 0.0)
        .ok_or_else(|| "expected a number of GiB, from 0".into())
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("veraray-train: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let progress = Progress::new(cli.quiet);
    match cli.command {
        Command::Fit(args) => run_fit(&args, &progress)?,
        Command::Evaluate(args) => commands::evaluate::run(&args, &progress)?,
        Command::Logo(args) => commands::logo::run(&args, &progress)?,
        Command::Robustness(args) => commands::robustness::run(&args, &progress)?,
        Command::Gate(args) => return commands::gate::run(&args, &progress),
        Command::Calibrate(args) => commands::calibrate::run(&args, &progress)?,
        Command::AddFamily(args) => return commands::add_family::run(&args, &progress),
        Command::Drift(args) => return commands::drift::run(&args, &progress),
        Command::Export(args) => commands::export::run(&args, &progress)?,
        Command::Data(command) => return command.run(&progress),
        Command::Forge(command) => return command.run(&progress),
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this command's output is the recipe")]
fn run_fit(args: &Fit, progress: &Progress) -> anyhow::Result<()> {
    if args.print_defaults {
        print!("{}", Recipe::default().to_toml());
        return Ok(());
    }
    let recipe = args.recipe.as_deref().context("a recipe is needed")?;
    let device = ComputeDevice::select(args.device)?;
    progress.note(&format!("device: {} ({})", device.label(), device.reason()));
    let options = FitOptions {
        runs: args.runs.clone(),
        manifest: args.manifest.clone(),
        resume: args.resume,
        force: args.force,
        stop_after: args.stop_after,
        memory: (args.memory * f64::from(1 << 30)) as u64,
    };
    let report = fit(recipe, &device, &options, progress)?;
    let best = report.epochs.iter().rfind(|epoch| epoch.best);
    if let Some(best) = best {
        progress.note(&format!(
            "best epoch {}: worst families {:.4}; {}",
            best.epoch,
            best.selection,
            report.checkpoint.display()
        ));
    }
    Ok(())
}
