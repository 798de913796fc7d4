//! What can keep a file from being verified or signed at all.
//!
//! A signature that does not hold is no error: it is a [`super::Status`] in the report.

use std::path::{Path, PathBuf};

use crate::bounded::{self, Bounded};

/// Why no report, or no signed file, could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than the limit.
    #[error("{} holds more than the limit of {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The file is no DICOM file that can be read in full.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which byte.
        reason: String,
    },
    /// A certificate, revocation list or key cannot be used.
    #[error("{}: {reason}", path.display())]
    Credential {
        /// The file it came from.
        path: PathBuf,
        /// What is wrong with it; never any part of a key.
        reason: String,
    },
    /// The policy file cannot be used.
    #[error("policy {}: {reason}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The requested signature cannot be made.
    #[error("cannot sign {}: {reason}", path.display())]
    Unsignable {
        /// The file that was to be signed.
        path: PathBuf,
        /// Which rule forbids it.
        reason: String,
    },
    /// The output would replace a file that must stay.
    #[error("{} exists and is not overwritten", path.display())]
    WouldOverwrite {
        /// The file that exists.
        path: PathBuf,
    },
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, SignatureError> {
    match bounded::read(path, limit) {
        Ok(Bounded::Whole(bytes)) => Ok(bytes),
        Ok(Bounded::TooLong) => Err(SignatureError::TooLarge {
            path: path.to_owned(),
            limit,
        }),
        Err(source) => Err(SignatureError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
