//! The flags of `veraray inspect` as typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) const INSPECT_EXAMPLES: &str = "\
Examples:
  veraray inspect chest.dcm                       header, compression history, signatures
  veraray inspect study/ --severity notice        a folder, without what is merely worth knowing
  veraray inspect study/ --trust ca.pem           signatures against trusted certificates
  veraray inspect a.png b.jpg --format jsonl | jq '.findings[] | select(.severity == \"warning\")'

Files given together are also compared: UIDs used twice, series that contradict themselves.
A warning is a contradiction or a statement that the image is not what it seems; a notice is
unusual, with harmless explanations that are common; an info is worth knowing. None is a proof, and
an image without findings may still be generated. --codes lists them all.

Exit status: 0 no warnings, 1 warnings, 2 some input failed or a usage error.";

/// Flags of `veraray inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// Files, folders (searched recursively), s3://BUCKET/PREFIX, or - for a list of paths and URLs on
    /// standard input
    #[arg(value_name = "FILE", required_unless_present = "codes")]
    pub paths: Vec<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = InspectFormat::Text)]
    pub format: InspectFormat,
    /// Least severity that is shown
    #[arg(long, value_enum, default_value_t = SeverityArg::Info)]
    pub severity: SeverityArg,
    /// Trusted certificates and revocation lists: a PEM or DER file, or a folder of them
    #[arg(long, value_name = "CA.pem|DIR")]
    pub trust: Option<PathBuf>,
    /// Files worked on at a time [default: the number of processors]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Print the table of all codes, in Markdown
    #[arg(long)]
    pub codes: bool,
    /// Say nothing on standard error but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum InspectFormat {
    /// For the eye
    Text,
    /// One JSON record per line and file
    Jsonl,
}

/// Least severity that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    /// Everything
    Info,
    /// Notices and warnings
    Notice,
    /// Warnings only
    Warning,
}
