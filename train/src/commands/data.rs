//! `veraray-train data …`: from folders of images to what training reads.

use std::process::ExitCode;

use clap::Subcommand;
use veraray_train::Progress;

use super::data_audit::Audit;
use super::data_harmonise::Harmonise;

/// Manifests and what is wrong with them.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Look for shortcuts that tell the classes apart without any detector; exit 1 when there are some
    Audit(Audit),
    /// Bring both classes to one distribution of size, compression, depth and grey levels
    Harmonise(Harmonise),
}

impl DataCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// What keeps it from its work; the binary then exits with 2.
    pub fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        match self {
            Self::Audit(args) => args.run(progress),
            Self::Harmonise(args) => args.run(progress),
        }
    }
}
