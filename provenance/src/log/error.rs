//! What can go wrong with a log, its keys and its proofs.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the transparency log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the log does not say what the rest of the log says it must.
    #[error("{}: {reason}", path.display())]
    Corrupt {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A log cannot be made where one already is.
    #[error("{}: already holds a log", .0.display())]
    Exists(PathBuf),
    /// A key is malformed, weak, or of the wrong kind. The key itself is never in the message.
    #[error("key: {0}")]
    Key(String),
    /// An entry is not one this version writes.
    #[error("entry: {0}")]
    Entry(String),
    /// The parent that an entry names is not in the log at that place.
    #[error("entry: parent {index} is not in the log with the hash given")]
    Parent {
        /// The index that the entry gives for its parent.
        index: u64,
    },
    /// A checkpoint is malformed or not signed by the key asked for.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A proof is malformed or proves something else.
    #[error("proof: {0}")]
    Proof(String),
    /// Two checkpoints describe histories of which neither extends the other.
    #[error(
        "the tree of size {new} does not extend the tree of size {old}: the log was rewritten or forked"
    )]
    Inconsistent {
        /// The size of the older tree.
        old: u64,
        /// The size of the newer tree.
        new: u64,
    },
    /// An entry exists but no signed checkpoint covers it yet, or it does not exist.
    #[error("entry {index} is not covered by the checkpoint of size {size}")]
    NotCovered {
        /// The entry asked for.
        index: u64,
        /// The number of entries that the checkpoint covers.
        size: u64,
    },
    /// The proof is sound but speaks of another file.
    #[error("the proof is about a file with SHA-256 {logged}, not {given}")]
    FileMismatch {
        /// The digest in the log, in hexadecimal.
        logged: String,
        /// The digest of the file given, in hexadecimal.
        given: String,
    },
    /// Too few of the trusted witnesses cosigned.
    #[error("{have} of the trusted witnesses cosigned, {need} are required")]
    Quorum {
        /// Valid cosignatures found.
        have: usize,
        /// Cosignatures that the policy requires.
        need: usize,
    },
    /// An input is longer than anything this crate would write.
    #[error("{what}: longer than the limit of {limit} bytes")]
    TooLong {
        /// What was being read.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
}

impl LogError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Names the file that an I/O error is about.
    pub fn io_at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        Self::io(path)
    }

    pub(super) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The result of a log operation.
pub type Result<T, E = LogError> = std::result::Result<T, E>;
