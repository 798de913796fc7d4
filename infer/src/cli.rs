//! The command line as typed.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    AuditArgs, ExplainArgs, InspectArgs, LogCommand, ModelArgs, ScanArgs, SignArgs,
    VerifySignatureArgs,
};

const EXAMPLES: &str = "\
Examples:
  veraray scan study/                           every image of a folder, as a table
  veraray scan chest.dcm brain.nii.gz knee.png  a few files
  find /archive -name '*.dcm' | veraray scan - > verdicts.jsonl
  veraray explain chest.dcm --html why.html     heat map, spectrum, what drove the score
  veraray inspect chest.dcm                     metadata findings, compression history, signatures
  veraray model                                 what the detector was trained on and is not good for

Exit status: 0 nothing flagged, 1 something flagged, 2 some input failed or a usage error.

Research software, not a medical device.";

/// Tells whether medical images (X-ray, CT, MRI) are authentic, AI-generated or tampered with.
#[derive(Debug, Parser)]
#[command(name = "veraray", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `veraray`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Give a verdict for files, folders, DICOM series and NIfTI volumes
    #[command(after_help = crate::options::SCAN_EXAMPLES, arg_required_else_help = true)]
    Scan(ScanArgs),
    /// Show why an image has its verdict: heat map, spectrum, noise, what drove the score
    #[command(after_help = crate::explain::EXPLAIN_EXAMPLES, arg_required_else_help = true)]
    Explain(ExplainArgs),
    /// Estimate how many images of an archive are manipulated; merge the outputs of several scans
    #[command(after_help = crate::audit::AUDIT_EXAMPLES, arg_required_else_help = true)]
    Audit(AuditArgs),
    /// Say what files tell of their own history: metadata, compression, provenance, signatures
    #[command(after_help = crate::inspect::INSPECT_EXAMPLES, arg_required_else_help = true)]
    Inspect(InspectArgs),
    /// Print the checkpoint's card: training data, metrics, thresholds, limits, licence
    #[command(after_help = crate::model::MODEL_EXAMPLES)]
    Model(ModelArgs),
    /// Add a DICOM digital signature to a file
    #[command(after_help = crate::signature::SIGN_EXAMPLES)]
    Sign(SignArgs),
    /// Verify the DICOM digital signatures of a file, and say what they cover
    #[command(after_help = crate::signature::VERIFY_EXAMPLES)]
    Verify(VerifySignatureArgs),
    /// Keep a log of images that nobody can rewrite, and prove what it says
    #[command(subcommand, after_help = crate::log::LOG_EXAMPLES, arg_required_else_help = true)]
    Log(LogCommand),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  veraray completions bash > ~/.local/share/bash-completion/completions/veraray"
    )]
    Completions {
        /// Shell that will read the script
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  veraray man scan | man -l -")]
    Man {
        /// Command whose page is wanted instead of the overview
        command: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
