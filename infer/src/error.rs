//! What keeps a command from running or from writing its output.

use std::io;
use std::path::PathBuf;

use veraray_model::ModelError;
use veraray_provenance::log::LogError;
use veraray_provenance::signature::SignatureError;

/// Errors of the deployment crate. Inputs that cannot be judged are not among them: they are
/// [`Record`](crate::Record)s.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The file given with `--checkpoint` cannot be used.
    #[error("--checkpoint {0}")]
    Checkpoint(ModelError),
    /// The checkpoint inside this program cannot be used.
    #[error("{0}; give another with --checkpoint FILE")]
    Embedded(ModelError),
    /// The device given with `--device` is not there.
    #[error("{0}")]
    Device(ModelError),
    /// No operating point of the checkpoint is as strict as asked.
    #[error(
        "--max-fpr {requested}: the checkpoint has no threshold for so few false alarms; it declares \
         {declared}"
    )]
    OperatingPoint {
        /// The rate asked for.
        requested: f64,
        /// The rates that the checkpoint declares, in words.
        declared: String,
    },
    /// Two flags that do not go together, or one without what it needs.
    #[error("{0}")]
    Usage(String),
    /// The output file cannot be opened or written.
    #[error("--output {}: {source}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table or list of records cannot be read.
    #[error("{}: {reason}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A page cannot be written.
    #[error("--html {}: {source}", path.display())]
    Html {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the report cannot be written.
    #[error("--report {}: {source}", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Stdout(io::Error),
    /// The output of an earlier run cannot be continued.
    #[error("--resume {}: {reason}", path.display())]
    Resume {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Object storage could not be listed to the end.
    #[error("{0}; what was found before is recorded, and --resume goes on")]
    Listing(String),
    /// The transparency log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file cannot be signed, or its signatures cannot be looked at.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Worker threads could not be started.
    #[error("cannot start {jobs} workers: {reason}")]
    Workers {
        /// How many were asked for.
        jobs: usize,
        /// What the system said.
        reason: String,
    },
}
