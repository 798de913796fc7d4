//! `veraray-train data …`: from folders of images to what training reads.

use std::process::ExitCode;

use clap::Subcommand;
use veraray_train::Progress;

use super::data_audit::Audit;
use super::data_harmonise::Harmonise;
use super::data_import::Import;
use super::data_join::Join;
use super::data_pack::PackArgs;
use super::data_scan::Scan;
use super::data_split::Split;

/// Manifests: their making, their splits, what is wrong with them, and packs.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Make a manifest of the images in a folder, by rules over paths and by DICOM headers
    Scan(Scan),
    /// Make a manifest of a public collection as its owner publishes it
    Import(Import),
    /// Divide a manifest into training, validation and test images, and refuse leaks
    Split(Split),
    /// Join manifests into one, each group in the split that the first one gives it
    Join(Join),
    /// Put the images of a manifest into HDF5 for training, losslessly and with checksums
    Pack(PackArgs),
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
            Self::Scan(args) => args.run(progress),
            Self::Import(args) => args.run(progress),
            Self::Split(args) => args.run(progress),
            Self::Join(args) => args.run(progress),
            Self::Pack(args) => args.run(progress),
            Self::Audit(args) => args.run(progress),
            Self::Harmonise(args) => args.run(progress),
        }
    }
}
