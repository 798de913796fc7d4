//! `veraray-train`: trains, calibrates and evaluates Veraray's detector.

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use commands::forge::ForgeCommand;
use veraray_datasets::Split;
use veraray_model::{Checkpoint, ComputeDevice, DeviceChoice};
use veraray_train::{EvaluateOptions, FitOptions, Progress, Recipe, evaluate, fit};

/// Train and evaluate detectors of synthetic and tampered medical images.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Examples:
  veraray-train fit recipes/default.toml
  veraray-train fit recipes/default.toml --resume
  veraray-train fit --print-defaults > recipes/mine.toml"
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
    Evaluate(Evaluate),
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
}

#[derive(Debug, clap::Args)]
struct Evaluate {
    /// The checkpoint (.vrc).
    checkpoint: PathBuf,
    /// The manifest (CSV).
    manifest: PathBuf,
    /// Images to measure on; the checkpoint's own recipe says which groups were held out.
    #[arg(long, default_value = "test", value_parser = ["train", "validation", "test", "all"])]
    split: String,
    /// Values of the manifest's set column to use, in place of the recipe's.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    sets: Vec<String>,
    /// Declared false-positive rate whose threshold is judged.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    max_fpr: f64,
    /// Write report.json and report.md here.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write the figures into the checkpoint's card.
    #[arg(long)]
    update_card: bool,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
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
        Command::Evaluate(args) => run_evaluate(&args, &progress)?,
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
    };
    let report = fit(recipe, &device, &options, progress)?;
    let best = report.epochs.iter().rfind(|epoch| epoch.best);
    if let Some(best) = best {
        progress.note(&format!(
            "best epoch {}: worst family {:.4}; {}",
            best.epoch,
            best.selection,
            report.checkpoint.display()
        ));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tables are this command's output")]
fn run_evaluate(args: &Evaluate, progress: &Progress) -> anyhow::Result<()> {
    let split = match args.split.as_str() {
        "train" => Some(Split::Train),
        "validation" => Some(Split::Validation),
        "test" => Some(Split::Test),
        _ => None,
    };
    let device = ComputeDevice::select(args.device)?;
    progress.note(&format!("device: {} ({})", device.label(), device.reason()));
    let options = EvaluateOptions {
        split,
        sets: args.sets.clone(),
        max_fpr: args.max_fpr,
    };
    let handle = (device.handle(), device.label());
    let report = evaluate(&args.checkpoint, &args.manifest, handle, &options, progress)?;
    print!("{}", report.to_markdown());
    if let Some(folder) = &args.output {
        for file in report.write(folder)? {
            progress.note(&format!("wrote {}", file.display()));
        }
    }
    if args.update_card {
        let mut checkpoint = Checkpoint::load(&args.checkpoint, device.handle())?;
        checkpoint
            .card
            .metrics
            .retain(|row| row.split != report.split);
        checkpoint.card.metrics.extend(report.to_metrics());
        checkpoint.save(&args.checkpoint)?;
        progress.note(&format!(
            "updated the card of {}",
            args.checkpoint.display()
        ));
    }
    Ok(())
}
