//! What an audit reports.

use std::fmt;
use std::path::PathBuf;

/// What kind of damage was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// A file that the log must have is not there or cannot be read.
    Missing,
    /// A file is not in the form it must have.
    Malformed,
    /// Contents differ from what was signed: entries changed, moved or removed.
    Rewritten,
    /// The log is shorter than it once was.
    Truncated,
    /// The log's key signed two histories of which neither extends the other.
    Forked,
    /// A file lies among the tiles that no append wrote.
    Unexpected,
    /// The key in the folder is not the key that is trusted.
    Key,
}

/// One piece of damage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// The file concerned.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

/// The outcome of an audit.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AuditReport {
    /// Entries that were read and that belong to the tree.
    pub entries: u64,
    /// Entries covered by the checkpoint in the folder, if that is signed by the trusted key.
    pub signed: Option<u64>,
    /// Tiles of an append that was interrupted before it was acknowledged; the next append sweeps them away.
    pub leftovers: usize,
    /// All damage found; empty for a sound log.
    pub findings: Vec<Finding>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}
