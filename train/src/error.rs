//! What can go wrong while training and evaluating.

use std::path::PathBuf;

use veraray_datasets::{ManifestError, OpenError, PackError};
use veraray_model::ModelError;

/// Errors of the training crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A recipe does not parse or holds a value out of range.
    #[error("{}: {message}", path.display())]
    Recipe {
        /// The recipe.
        path: PathBuf,
        /// What is wrong, with the line where the parser knows it.
        message: String,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The pack cannot be used.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// An image of the manifest cannot be read.
    #[error(transparent)]
    Image(#[from] OpenError),
    /// An image of the manifest cannot be used.
    #[error("{}: {message}", path.display())]
    Unusable {
        /// The image or mask.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The data do not allow what was asked.
    #[error("{0}")]
    Data(String),
    /// A run folder is in the way or does not fit.
    #[error("{}: {message}", path.display())]
    Run {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The detector or the device.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl TrainError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
