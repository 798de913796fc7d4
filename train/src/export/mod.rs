//! Checkpoints for other runtimes.

mod detector;
mod graph;
mod proto;
mod weights;

use std::path::Path;

use veraray_model::Checkpoint;

use crate::TrainError;

/// What a checkpoint is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// ONNX, operator set 17: `pixels` in, `logits` and `map` out, any batch and size.
    Onnx,
    /// safetensors: the weights, with the card under the metadata key `veraray.card`.
    Safetensors,
}

/// Writes a checkpoint in a format, beside the target first, so that a reader never sees half.
///
/// # Errors
/// [`TrainError`] when the architecture is not one that the export knows, or the file cannot be
/// written.
pub fn export(
    checkpoint: &Checkpoint,
    format: ExportFormat,
    output: &Path,
) -> Result<(), TrainError> {
    let bytes = match format {
        ExportFormat::Onnx => detector::graph(checkpoint)?,
        ExportFormat::Safetensors => checkpoint.to_bytes()?,
    };
    let mut partial = output.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    std::fs::write(partial, bytes)
        .and_then(|()| std::fs::rename(partial, output))
        .map_err(TrainError::io(output))
}
