//! `veraray audit`: what many records together say.

use clap::Args;

use crate::merge::{self, MergeArgs};
use crate::{ExitStatus, ScanError};

pub(crate) const AUDIT_EXAMPLES: &str = "\
Examples:
  veraray audit --merge part*.parquet --output verdicts.parquet     all shards of a scan as one
  veraray audit --merge part1.jsonl part2.csv --output all.csv      forms may be mixed
  find /archive -type f | veraray audit --merge part* --list -      is every file there?

Merging checks that no shard is missing or given twice, that no path is recorded twice, that one
checkpoint judged with one threshold, and with --list that every path has its record.
Exit status: 0 complete, 2 incomplete or a usage error; then nothing is written.";

/// Flags of `veraray audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to merge.
    #[command(flatten)]
    pub merge: MergeArgs,
}

/// Runs `veraray audit`.
pub(crate) fn audit(arguments: &AuditArgs) -> Result<ExitStatus, ScanError> {
    merge::run(&arguments.merge)
}
