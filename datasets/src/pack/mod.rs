//! Packs: the images, masks and rows of a manifest in HDF5 files.
//!
//! A pack is one file, or an index file with shards of bounded size beside it. Pixels are what
//! [`crate::open`] gives, losslessly, in the smallest of `u8`, `u16`, `i16` and `f32` that holds them
//! and is no narrower than the file's own samples; frames of one type and size lie in one data set
//! with one frame per chunk. The layout, and how to read and write it with h5py, is in
//! `docs/formats.md`.

mod columns;
mod encode;
mod pixels;
mod read;
mod shard;
mod write;

use std::path::{Path, PathBuf};

use crate::{ManifestError, OpenError};

pub use read::{Pack, PackImage};
pub use write::{PackOptions, Packed, pack};

/// What the root's attribute `format` says of a file with images.
const FORMAT: &str = "veraray-pack";
/// The same of an index.
const INDEX_FORMAT: &str = "veraray-pack-index";
/// Version of the layout.
const VERSION: u32 = 1;

/// What can go wrong with packs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HDF5 writer refused.
    #[error("{}: cannot write HDF5: {message}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What it said.
        message: String,
    },
    /// A file is no pack, or its parts contradict each other.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Something is in the way of the output.
    #[error("{}: {message}", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// What it is and what to do.
        message: String,
    },
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Pixels cannot be read.
    #[error(transparent)]
    Image(#[from] OpenError),
}

impl PackError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    fn malformed(path: &Path, message: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

/// What a sample is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sample {
    U8,
    U16,
    I16,
    F32,
}

impl Sample {
    const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::F32 => "f32",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::F32 => 4,
        }
    }
}

/// Type and size that the frames of one data set share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stack {
    sample: Sample,
    rows: u32,
    columns: u32,
    /// 1 or 3.
    channels: u8,
}

impl Stack {
    fn name(self) -> String {
        let channels = if self.channels == 1 { "" } else { "x3" };
        format!(
            "{}_{}x{}{channels}",
            self.sample.name(),
            self.rows,
            self.columns
        )
    }

    /// The shape of `count` frames.
    fn shape(self, count: usize) -> Vec<usize> {
        let mut shape = vec![count, self.rows as usize, self.columns as usize];
        if self.channels > 1 {
            shape.push(self.channels.into());
        }
        shape
    }
}
