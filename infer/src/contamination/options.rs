//! The flags of `veraray audit` that ask for an archive's contamination.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::DeviceArg;
use crate::options::rate;

/// What the contamination of an archive is estimated from, and how.
#[derive(Debug, Clone, Args)]
pub struct ContaminationArgs {
    /// Files, folders and s3://BUCKET/PREFIX to scan and audit, or - for a list of them on standard
    /// input
    #[arg(value_name = "PATH", conflicts_with_all = ["merge", "records"])]
    pub paths: Vec<PathBuf>,
    /// Records of scans to audit (JSON Lines, CSV or Parquet), so that nothing is scanned twice
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "merge")]
    pub records: Vec<PathBuf>,
    /// Checkpoint that judges or judged, instead of the one inside this program
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Where the detector runs; auto takes a GPU if there is one and says why
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,
    /// Tolerated share of false alarms among authentic images; picks the threshold [default: 0.01,
    /// or that of --records]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub max_fpr: Option<f64>,
    /// Files worked on at a time [default: the number of processors]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Keep the records of the scan; its ending (.jsonl, .csv, .parquet) picks the form
    #[arg(long, value_name = "FILE", requires = "paths")]
    pub save: Option<PathBuf>,
    /// Go on with --save (and --report) where an interrupted run stopped
    #[arg(long, requires = "save")]
    pub resume: bool,
    /// Form of what is printed
    #[arg(long, value_enum, default_value_t = AuditFormat::Text)]
    pub format: AuditFormat,
    /// Folder for a page, audit.html; with PATHs also for the page of the scan
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Generator family to expect; may be repeated [default: all that the card has measured, in the
    /// card's mixture]
    #[arg(long, value_name = "NAME")]
    pub family: Vec<String>,
    /// Share of manipulated images that is flagged, where you know it better than the card
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with = "family")]
    pub sensitivity: Option<f64>,
    /// Number of manipulated images that --sensitivity was measured on [default: taken as exact]
    #[arg(long, value_name = "N", requires = "sensitivity")]
    pub sensitivity_n: Option<u32>,
    /// Records of a scan of images that you know to be authentic: measures the false alarms here
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub authentic: Vec<PathBuf>,
    /// Records of a scan of images that you know to be manipulated: measures the detections here
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["family", "sensitivity"])]
    pub manipulated: Vec<PathBuf>,
    /// What the prevalence is a share of
    #[arg(long, value_enum, default_value_t = TargetArg::Archive)]
    pub target: TargetArg,
    /// Images that are not independent of each other and count for fewer
    #[arg(long, value_enum, default_value_t = GroupArg::Study)]
    pub group: GroupArg,
    /// What makes a source
    #[arg(long, value_enum, default_value_t = ByArg::Folder)]
    pub by: ByArg,
    /// Whether to open every image again and look for those that different patients have almost alike
    /// (files without patient: any two) [default: on for PATHs, off for --records]
    #[arg(long, value_enum, value_name = "on|off")]
    pub near_duplicates: Option<NearDuplicatesArg>,
    /// Say nothing on standard error but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Form of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// For the eye
    Text,
    /// One JSON object
    Json,
}

/// What a prevalence is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetArg {
    /// The images given, all of them
    Archive,
    /// A larger whole that they are a random sample of
    Population,
}

/// Which images belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupArg {
    /// None: every image speaks for itself
    None,
    /// Those of one DICOM study; images without one speak for themselves
    Study,
    /// Those of one folder
    Folder,
}

/// Whether near-duplicates are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NearDuplicatesArg {
    /// However many images there are
    On,
    /// Not at all
    Off,
}

/// What makes a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ByArg {
    /// The first folder in which paths differ
    Folder,
    /// The modality
    Modality,
    /// The body part
    BodyPart,
    /// The file format
    Format,
}
