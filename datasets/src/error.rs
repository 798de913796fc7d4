//! Why a file could not be read.

use std::io;
use std::path::{Path, PathBuf};

/// Every way in which [`crate::open`] and [`crate::Image::frame`] fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused to open or read the file.
    #[error("{}: cannot read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path names a directory, pipe, socket or device.
    #[error("{}: not a regular file but a {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        found: &'static str,
    },
    /// The file holds no bytes at all.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before the data that its header announces.
    #[error("{}: {what} is cut short: {expected} bytes expected, {found} present", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part that is incomplete.
        what: String,
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The content is no format that Veraray reads, or a variant of one that it does not read.
    #[error("{}: unsupported format: {reason}", path.display())]
    UnsupportedFormat {
        /// The file.
        path: PathBuf,
        /// What was found, in words.
        reason: String,
    },
    /// A DICOM object whose pixels are encoded in a way that no decoder here reads.
    #[error("{}: unsupported transfer syntax {uid}: {reason}", path.display())]
    UnsupportedTransferSyntax {
        /// The file.
        path: PathBuf,
        /// Transfer Syntax UID (0002,0010).
        uid: String,
        /// What is missing.
        reason: String,
    },
    /// A readable object that holds no image: a report, a contour set, a directory, a waveform.
    #[error("{}: no pixels: {reason}", path.display())]
    NoPixels {
        /// The file.
        path: PathBuf,
        /// What the object is.
        reason: String,
    },
    /// The content contradicts itself or its own format.
    #[error("{}: corrupt: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file, a frame or its decoded form exceeds a limit of [`crate::OpenOptions`].
    #[error("{}: {what} of {size} exceeds the limit of {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The quantity with its unit, such as `frame in pixels`.
        what: &'static str,
        /// Its value.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The caller asked for a frame that the image does not have.
    #[error("{}: frame {index} asked for, the image has {frames}", path.display())]
    NoSuchFrame {
        /// The file.
        path: PathBuf,
        /// The frame asked for, from 0.
        index: u32,
        /// How many frames there are.
        frames: u32,
    },
}

impl OpenError {
    /// A code that stays the same across releases, for machine-readable records.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NotAFile { .. } => "not_a_file",
            Self::Empty { .. } => "empty",
            Self::Truncated { .. } => "truncated",
            Self::UnsupportedFormat { .. } => "unsupported_format",
            Self::UnsupportedTransferSyntax { .. } => "unsupported_transfer_syntax",
            Self::NoPixels { .. } => "no_pixels",
            Self::Corrupt { .. } => "corrupt",
            Self::TooLarge { .. } => "too_large",
            Self::NoSuchFrame { .. } => "no_such_frame",
        }
    }

    /// The file that the error is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NotAFile { path, .. }
            | Self::Empty { path }
            | Self::Truncated { path, .. }
            | Self::UnsupportedFormat { path, .. }
            | Self::UnsupportedTransferSyntax { path, .. }
            | Self::NoPixels { path, .. }
            | Self::Corrupt { path, .. }
            | Self::TooLarge { path, .. }
            | Self::NoSuchFrame { path, .. } => path,
        }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(path: &Path, reason: impl Into<String>) -> Self {
        Self::UnsupportedFormat {
            path: path.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn truncated(
        path: &Path,
        what: impl Into<String>,
        expected: u64,
        found: u64,
    ) -> Self {
        Self::Truncated {
            path: path.into(),
            what: what.into(),
            expected,
            found,
        }
    }
}
