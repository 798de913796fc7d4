//! `forge fit`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use veraray_datasets::TrainedFamily;
use veraray_model::DeviceChoice;
use veraray_train::{ForgeFitOptions, GeneratorSettings, Progress, Upsampling, forge_fit};

/// Arguments of `forge fit`.
#[derive(Debug, Args)]
pub struct Fit {
    /// The family.
    family: TrainedFamily,
    /// Manifest (CSV or Parquet); authentic images of its training split are learned from.
    #[arg(long, value_name = "MANIFEST")]
    data: PathBuf,
    /// Values of the manifest's set column to use; all by default.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    sets: Vec<String>,
    /// Steps in all.
    #[arg(long, default_value_t = 4000, value_name = "N")]
    steps: usize,
    /// Side of the images trained on, pixels: 32 to 512.
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// Images per step.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Learning rate [default: the family's].
    #[arg(long)]
    rate: Option<f64>,
    /// Decides the first weights and every draw.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// Channels at full resolution; the cost grows with the square.
    #[arg(long, default_value_t = 32)]
    width: usize,
    /// Halvings down to the code, or to the coarsest level [default: the family's].
    #[arg(long)]
    depth: Option<usize>,
    /// Channels of an autoencoder's code [default: the family's].
    #[arg(long)]
    latent: Option<usize>,
    /// Vectors in the code book of a vq_autoencoder.
    #[arg(long, default_value_t = 512)]
    codes: usize,
    /// The bank of decoders of an autoencoder, which take turns: nearest, bilinear, transposed,
    /// pixel_shuffle.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "nearest,bilinear,transposed,pixel_shuffle"
    )]
    decoders: Vec<Upsampling>,
    /// Weight of the frequency loss, which keeps fine detail.
    #[arg(long, default_value_t = 20.0)]
    frequency: f64,
    /// Weight of the adversarial loss of autoencoders and inpaint; 0 for none [default: the
    /// family's].
    #[arg(long)]
    adversarial: Option<f64>,
    /// Steps before the adversarial loss begins [default: a third of them].
    #[arg(long, value_name = "N")]
    warmup: Option<usize>,
    /// The generator.vfg of the kl_autoencoder that a latent_diffusion works in.
    #[arg(long, value_name = "FILE")]
    autoencoder: Option<PathBuf>,
    /// Where to compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
    /// Folder of all runs.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// The run's name [default: the family].
    #[arg(long)]
    name: Option<String>,
    /// Go on with a run that was stopped.
    #[arg(long)]
    resume: bool,
    /// Replace a run of the same name.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Stop after this many steps in all; --resume goes on later.
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// Steps between two sample grids and saved states.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Images per modality that are compared with authentic ones of the test split at the end; 0 for
    /// none.
    #[arg(long, default_value_t = 32, value_name = "N")]
    quality: usize,
}

#[expect(clippy::print_stdout, reason = "the generator's path is the output")]
pub fn run(args: &Fit, progress: &Progress) -> anyhow::Result<ExitCode> {
    let device = super::super::device(args.device, progress)?;
    let own = GeneratorSettings::new(args.family, args.size);
    let settings = GeneratorSettings {
        batch: args.batch,
        steps: args.steps,
        rate: args.rate.unwrap_or(own.rate),
        seed: args.seed,
        width: args.width,
        depth: args.depth.unwrap_or(own.depth),
        latent: args.latent.unwrap_or(own.latent),
        codes: args.codes,
        decoders: args.decoders.clone(),
        frequency: args.frequency,
        adversarial: args.adversarial.unwrap_or(own.adversarial),
        warmup: args.warmup.unwrap_or(args.steps / 3),
        ..own
    };
    let options = ForgeFitOptions {
        data: args.data.clone(),
        sets: args.sets.clone(),
        runs: args.runs.clone(),
        name: args.name.clone().unwrap_or_else(|| args.family.to_string()),
        resume: args.resume,
        force: args.force,
        stop_after: args.stop_after,
        every: args.every as usize,
        autoencoder: args.autoencoder.clone(),
        quality: args.quality,
    };
    let report = forge_fit(&settings, &device, &options, progress)?;
    let losses: Vec<String> = report
        .losses
        .iter()
        .map(|(name, loss)| format!("{name} {loss:.4}"))
        .collect();
    progress.note(&format!("step {}: {}", report.steps, losses.join(", ")));
    for found in &report.quality {
        progress.note(&format!(
            "{}: kernel distance {:.2} (authentic {:.2}), spectrum {:.2} dB (authentic {:.2}), {} \
             images against {}",
            found.modality,
            found.kernel,
            found.authentic_kernel,
            found.spectrum_db,
            found.authentic_spectrum_db,
            found.images,
            found.held_out
        ));
    }
    println!("{}", report.generator.display());
    Ok(ExitCode::SUCCESS)
}
