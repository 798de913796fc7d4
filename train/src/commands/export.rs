//! `veraray-train export`.

use std::path::PathBuf;

use clap::ValueEnum;
use veraray_model::{Checkpoint, ComputeDevice, DeviceChoice};
use veraray_train::{ExportFormat, Progress};

/// Flags of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  veraray-train export runs/default/checkpoint.vrc --format onnx --output detector.onnx
  veraray-train export runs/default/checkpoint.vrc --format safetensors --output weights.safetensors

The ONNX graph (operator set 17) takes pixels [batch, 1, height, width], grey in [0, 1], sides
multiples of 32, and gives logits [batch] and map [batch, height / 16, width / 16]. How images become
tiles and logits become scores is in the card, under the metadata key veraray.card.")]
pub struct Args {
    /// The checkpoint (.vrc).
    checkpoint: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    format: Format,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Formats by their names on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// ONNX, operator set 17
    Onnx,
    /// safetensors with the card in its metadata
    Safetensors,
}

/// Writes the file.
pub fn run(args: &Args, progress: &Progress) -> anyhow::Result<()> {
    // Nothing is computed: any device will do. A build for GPUs only has no CPU.
    let device = ComputeDevice::select(DeviceChoice::Cpu)
        .or_else(|_| ComputeDevice::select(DeviceChoice::Auto))?;
    let checkpoint = Checkpoint::load(&args.checkpoint, device.handle())?;
    let format = match args.format {
        Format::Onnx => ExportFormat::Onnx,
        Format::Safetensors => ExportFormat::Safetensors,
    };
    veraray_train::export(&checkpoint, format, &args.output)?;
    progress.note(&format!("wrote {}", args.output.display()));
    Ok(())
}
