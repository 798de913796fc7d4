//! What can go wrong with checkpoints and devices.

use std::path::PathBuf;

/// Errors of the model crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A checkpoint file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a Veraray checkpoint.
    #[error("{origin}: not a Veraray checkpoint: {reason}")]
    NotACheckpoint {
        /// The file, or `embedded checkpoint`.
        origin: String,
        /// Which part of it is missing or malformed.
        reason: String,
    },
    /// The checkpoint was written by a newer format than this program knows.
    #[error(
        "{origin}: checkpoint format {found} is not readable here (this program reads up to {supported})"
    )]
    FormatVersion {
        /// The file, or `embedded checkpoint`.
        origin: String,
        /// The version the file states.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// The weights do not fit the architecture that the card declares.
    #[error("{origin}: weights do not fit the declared architecture: {reason}")]
    Weights {
        /// The file, or `embedded checkpoint`.
        origin: String,
        /// Which tensors are missing, left over or of the wrong shape.
        reason: String,
    },
    /// The detector's configuration cannot be built.
    #[error("invalid detector configuration: {0}")]
    Config(String),
    /// The requested device is not there.
    #[error("--device {requested}: {reason}")]
    Device {
        /// What was asked for.
        requested: String,
        /// Why it cannot be had.
        reason: String,
    },
}
