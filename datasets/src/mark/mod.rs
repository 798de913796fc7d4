//! Origin marks: every forgery says in its file that it is one, wherever the format can.
//!
//! A PNG gets text chunks, a DICOM object the attributes that the standard has for derived and
//! synthetic images. No setting turns that off. Nothing that scores pixels reads a mark: images are
//! judged by [`crate::Frame`], which holds pixels alone.

mod dicom;
mod png;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::OpenError;
pub use dicom::DicomTemplate;
pub use png::{encode_png, read_png_mark, strip_png_text};

/// Where an image comes from, as it is written into its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whether any pixel is forged; a re-encoded authentic image carries its origin too.
    pub forged: bool,
    /// Forgery family; empty for authentic images.
    pub family: String,
    /// SHA-256 of the original's file, hexadecimal.
    pub parent_sha256: String,
    /// Decides, with the family and the parent, what the forgery looks like.
    pub seed: u64,
    /// What it was made with, as JSON on one line.
    pub parameters: String,
}

impl Origin {
    /// One sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        if self.forged {
            format!(
                "NOT AN AUTHENTIC IMAGE: manipulated by Veraray {version} for research on forgery \
                 detection, family {}. Not for diagnosis.",
                self.family
            )
        } else {
            format!(
                "Re-encoded by Veraray {version} for research on forgery detection; pixel values \
                 as in the original. Not for diagnosis."
            )
        }
    }

    /// A UID that is the same for the same origin and `what`, and for no other: the UUID form of
    /// PS3.5 B.2 over a hash.
    fn uid(&self, what: &str) -> String {
        let mut digest = Sha256::new();
        for part in [what, &self.family, &self.parent_sha256] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.update(self.seed.to_le_bytes());
        digest.update([u8::from(self.forged)]);
        let hash: [u8; 32] = digest.finalize().into();
        let mut number = u128::from_be_bytes(std::array::from_fn(|i| hash[i]));
        // A name-based UUID of the vendor's own kind, version 8, variant 1 (RFC 9562).
        number = number & !(0xf << 76) | (0x8 << 76);
        number = number & !(0x3 << 62) | (0x2 << 62);
        format!("2.25.{number}")
    }
}

/// Why a mark or a marked file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarkError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The original cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The original cannot be rewritten in its format.
    #[error("{}: {message}", path.display())]
    Unsuitable {
        /// The original.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// An encoder failed.
    #[error("{}: {message}", path.display())]
    Encode {
        /// The file to be written.
        path: PathBuf,
        /// What the encoder said.
        message: String,
    },
}

impl MarkError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
