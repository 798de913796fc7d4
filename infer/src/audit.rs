//! `veraray audit`: what many records together say.

use clap::Args;

use crate::contamination::{self, ContaminationArgs};
use crate::merge::{self, MergeArgs};
use crate::{ExitStatus, ScanError};

pub(crate) const AUDIT_EXAMPLES: &str = "\
Examples:
  veraray audit archive/                                  scan it: how much of it is manipulated?
  veraray audit archive/ --save verdicts.parquet --report page/    with --resume it goes on
  veraray audit --records verdicts.parquet --output audit.json     nothing is scanned twice
  veraray audit --records *.jsonl --sensitivity 0.8 --sensitivity-n 150    you know the forger
  veraray audit --records a.jsonl --authentic known.jsonl          error rates measured here
  veraray audit --records v.jsonl --near-duplicates on             compare the images once more
  veraray audit --merge part*.parquet --output verdicts.parquet    all shards of a scan as one
  veraray audit --merge part1.jsonl part2.csv --output all.csv     forms may be mixed
  find /archive -type f | veraray audit --merge part* --list -     is every file there?

The prevalence is estimated twice: by the share flagged, corrected for the detector's false
alarms and misses (adjusted count), and by all calibrated scores together (EM). Both intervals
hold how well the error rates are known: a checkpoint calibrated on 300 images cannot show 0.1 %.
Near-duplicates are images that a perceptual hash and their fine detail call the same though their
headers name two patients (or nobody); months are those of Study Date or Acquisition Date.
Exit status: 0 nothing flagged, 1 something flagged, 2 some input failed or a usage error.

Merging checks that no shard is missing or given twice, that no path is recorded twice, that one
checkpoint judged with one threshold, and with --list that every path has its record.
Exit status: 0 complete, 2 incomplete or a usage error; then nothing is written.";

/// Flags of `veraray audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to audit.
    #[command(flatten)]
    pub contamination: ContaminationArgs,
    /// What to merge.
    #[command(flatten)]
    pub merge: MergeArgs,
}

/// Runs `veraray audit`.
pub(crate) fn audit(arguments: &AuditArgs) -> Result<ExitStatus, ScanError> {
    if arguments.merge.merge.is_empty() {
        contamination::run(&arguments.contamination, arguments.merge.output.as_deref())
    } else {
        merge::run(&arguments.merge)
    }
}
