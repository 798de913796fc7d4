//! `veraray explain`: why an image has its verdict, for the eye.
//!
//! The verdict is the one that a scan gives, by the same way. Around it: where the detector sees
//! signs of manipulation, where it is unsure, what its score is made of, whether it holds under
//! harmless changes, and the spectrum, residual and noise in which generators leave traces.

mod contour;
mod drivers;
mod explanation;
mod facts;
mod filter;
mod font;
mod noise;
mod page;
mod sheet;
mod signal;
mod spectrum;
mod trials;
mod views;

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::forward::{Forward, Local};
use crate::output::colour_wanted;
use crate::plan::Judge;
use crate::summary::Summary;
use crate::text::Table;
use crate::{AbstainArg, DeviceArg, ExitStatus, Record, ScanError, Status, pages};
use explanation::{Explanation, Gathered};

pub(crate) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  veraray explain chest.dcm --html chest.html           a page: heat map, spectrum, noise, reasons
  veraray explain chest.dcm --output heatmap.png        the same pictures in one PNG
  veraray explain brain.nii.gz --html b.html --frame 80 one slice of a volume, counted from 0
  veraray explain knee.png --format json | jq .drivers  the numbers behind the pictures

The verdict is the one that `veraray scan` gives. Of a volume, the most suspicious slice is shown in
detail unless --frame names another.
Exit status, as of a scan: 0 not flagged, 1 flagged, 2 the file cannot be read or a usage error.";

/// Flags of `veraray explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Image to explain; a file, or s3://BUCKET/KEY
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Picture to write: image, heat map, uncertainty, spectrum, residual and noise in one PNG
    #[arg(long, value_name = "PNG")]
    pub output: Option<PathBuf>,
    /// Page to write, with everything inside
    #[arg(long, value_name = "HTML")]
    pub html: Option<PathBuf>,
    /// Frame or slice to show in detail, counted from 0 [default: the most suspicious]
    #[arg(long, value_name = "N")]
    pub frame: Option<u32>,
    /// Form of what goes to standard output
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub format: ExplainFormat,
    /// Checkpoint to judge with, instead of the one inside this program
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Where the detector runs; auto takes a GPU if there is one
    #[arg(long, value_enum, default_value_t = DeviceArg::Cpu)]
    pub device: DeviceArg,
    /// Tolerated share of false alarms among authentic images; picks the threshold [default: 0.01]
    #[arg(long, value_name = "RATE", value_parser = crate::options::rate)]
    pub max_fpr: Option<f64>,
    /// Whether to withhold a verdict on scores too close to call and on untrained modalities
    #[arg(long, value_enum, default_value_t = AbstainArg::On)]
    pub abstain: AbstainArg,
    /// Say nothing on standard error but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Form of an explanation on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// Verdict and what drove it, for the eye
    Text,
    /// The record of the scan and the numbers behind the pictures, as one JSON object
    Json,
}

/// Runs `veraray explain`.
pub(crate) fn explain(arguments: &ExplainArgs) -> Result<ExitStatus, ScanError> {
    veraray_datasets::quiet_decoder_panics();
    check(arguments)?;
    let judge = Judge::new(
        arguments.checkpoint.as_deref(),
        arguments.device,
        arguments.max_fpr,
        arguments.abstain,
    )?;
    if !arguments.quiet {
        for line in &judge.preamble {
            tell(line);
        }
    }
    let mut forward = Local::new(judge.detector.clone(), judge.device.handle().clone());
    let mut gathered = Gathered::default();
    let found = crate::object::single(&arguments.file);
    let record = judge
        .examiner
        .observe(&found, &mut forward as &mut dyn Forward, &mut gathered);
    let mut summary = Summary::new(crate::summary::Counts::default(), false);
    summary.add(&record);
    if record.status == Status::Error {
        print(&record, None, arguments.format)?;
        return Ok(summary.status());
    }
    let explanation = Explanation::new(&judge, record, &gathered, arguments.frame, &mut forward)?;
    if let Some(path) = &arguments.output {
        let png = sheet::sheet(&explanation)
            .png()
            .map_err(|error| fail(path, io::Error::other(error)))?;
        fs::write(path, png).map_err(|error| fail(path, error))?;
    }
    if let Some(path) = &arguments.html {
        let page = page::page(&explanation).map_err(|error| fail(path, io::Error::other(error)))?;
        fs::write(path, page).map_err(|source| ScanError::Html {
            path: path.clone(),
            source,
        })?;
    }
    print(&explanation.record, Some(&explanation), arguments.format)?;
    Ok(summary.status())
}

/// What can be wrong with the flags, before anything takes time.
fn check(arguments: &ExplainArgs) -> Result<(), ScanError> {
    let file = &arguments.file;
    if file.is_dir() {
        return Err(ScanError::Usage(format!(
            "{}: a folder; explain takes one file, and scan --report a folder",
            file.display()
        )));
    }
    let original = file.canonicalize().ok();
    for path in [&arguments.output, &arguments.html].into_iter().flatten() {
        if original.is_some() && path.canonicalize().ok() == original {
            return Err(ScanError::Usage(format!(
                "{}: would overwrite the image to explain",
                path.display()
            )));
        }
    }
    let ends = |path: &Option<PathBuf>, endings: &[&str]| {
        let ending = path.as_deref().and_then(Path::extension);
        ending.is_some_and(|e| endings.iter().any(|other| e.eq_ignore_ascii_case(other)))
    };
    if ends(&arguments.output, &["html", "htm"]) {
        return Err(ScanError::Usage(
            "--output writes a PNG; for a page give --html FILE.html".into(),
        ));
    }
    if ends(&arguments.html, &["png"]) {
        return Err(ScanError::Usage(
            "--html writes a page; for a picture give --output FILE.png".into(),
        ));
    }
    Ok(())
}

fn fail(path: &Path, source: io::Error) -> ScanError {
    ScanError::Output {
        path: path.to_owned(),
        source,
    }
}

fn tell(line: &str) {
    // When nobody listens there, nothing is lost.
    let _ = writeln!(io::stderr().lock(), "veraray: {line}");
}

/// The record and the numbers behind the pictures.
#[derive(Serialize)]
struct Described<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(flatten)]
    explanation: Option<&'a Explanation>,
}

fn print(
    record: &Record,
    explanation: Option<&Explanation>,
    format: ExplainFormat,
) -> Result<(), ScanError> {
    let text = match format {
        ExplainFormat::Json => {
            let described = Described {
                record,
                explanation,
            };
            serde_json::to_string(&described).map_err(|error| ScanError::Stdout(error.into()))?
                + "\n"
        }
        ExplainFormat::Text => {
            let table = Table::new(colour_wanted(io::stdout().is_terminal()));
            let mut text = table.line(record) + "\n";
            for line in explanation.map(Explanation::lines).unwrap_or_default() {
                text.push_str(&format!("  {line}\n"));
            }
            text
        }
    };
    pages::print(text.as_bytes()).map(drop)
}
