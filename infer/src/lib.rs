//! Veraray's deployment side: scans files and folders and says which images are authentic,
//! generated or tampered with.
//!
//! The `veraray` binary is a thin shell over [`run`]. A scan reads [`Record`]s off files like this:
//! walk → select (shard, resume) → open and hash → tiles → forward → judge → record, and writes
//! them in the order of the walk, however many workers there are.

mod agreement;
mod audit;
mod cli;
mod components;
mod contamination;
mod engine;
mod error;
mod examine;
mod explain;
mod forward;
mod frames;
mod gpu;
mod inspect;
mod judge;
mod log;
mod merge;
mod model;
mod object;
mod options;
mod output;
mod pages;
mod plan;
mod record;
mod reencode;
mod regions;
mod report;
mod resume;
mod scan;
mod select;
mod signature;
mod source;
mod studies;
mod summary;
mod tables;
mod text;
mod walk;
mod witness;
mod wording;

use std::process::ExitCode;

pub use audit::AuditArgs;
pub use cli::{Cli, Command};
pub use contamination::{
    AuditFormat, ByArg, ContaminationArgs, GroupArg, NearDuplicatesArg, TargetArg,
};
pub use error::ScanError;
pub use explain::{ExplainArgs, ExplainFormat};
pub use inspect::{InspectArgs, InspectFormat, SeverityArg};
pub use log::{
    AppendArgs, CheckpointArgs, CosignArgs, InitArgs, LedgerArgs, LogCommand, ProveArgs,
    VerifyArgs, WitnessArgs,
};
pub use merge::{MergeArgs, Sharding};
pub use model::{CardFormat, ModelArgs};
pub use options::{AbstainArg, DeviceArg, FormatArg, ScanArgs, Shard};
pub use record::{
    Fault, Finding, Milliseconds, ModelId, Record, Region, Signature, Status, Verdict,
};

pub use signature::{DigestArg, ReportFormat, SignArgs, VerifySignatureArgs};

/// What a finished run says through its exit status, as clamscan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Nothing was flagged: 0.
    Clean,
    /// At least one image was flagged: 1.
    Flagged,
    /// At least one input failed: 2, whether or not another was flagged.
    Failed,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Clean => 0,
            ExitStatus::Flagged => 1,
            ExitStatus::Failed => 2,
        })
    }
}

/// Runs one command line.
///
/// # Errors
/// [`ScanError`] when the run could not begin or its output could not be written. Inputs that fail
/// are records, not errors, and a reader that closes its pipe ends a run without one.
pub fn run(cli: &Cli) -> Result<ExitStatus, ScanError> {
    match &cli.command {
        Command::Scan(arguments) => scan::scan(arguments),
        Command::Explain(arguments) => explain::explain(arguments),
        Command::Audit(arguments) => audit::audit(arguments),
        Command::Inspect(arguments) => inspect::inspect(arguments),
        Command::Model(arguments) => model::print(arguments),
        Command::Log(command) => log::run(command),
        Command::Sign(arguments) => signature::sign(arguments),
        Command::Verify(arguments) => signature::verify(arguments),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man { command } => pages::man(command.as_deref()),
    }
}
