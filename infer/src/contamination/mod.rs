//! `veraray audit PATH...`: how many images of an archive are manipulated, and how sure that is.
//!
//! A scan alone does not say: a detector with 1 % false alarms flags twenty of two thousand authentic
//! images. The records of a scan are put together with the error rates that the checkpoint's card, or
//! images known to the user, speak for ([`knowledge`]); [`stats`] holds the estimators. Scanning
//! itself is that of `veraray scan`. A second look at the files ([`survey`]) finds images that more
//! than one patient has, and the month of each.

mod archive;
mod cautions;
mod findings;
mod knowledge;
mod options;
mod page;
mod pairs;
mod parts;
pub(crate) mod stats;
mod survey;
mod text;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use veraray_model::{Checkpoint, ComputeDevice, DeviceChoice};

pub use options::{AuditFormat, ByArg, ContaminationArgs, GroupArg, NearDuplicatesArg, TargetArg};

use archive::{Archive, Reader};
use findings::{Findings, Model};
use knowledge::{Knowledge, Known};
use survey::{Search, survey};

use crate::{
    AbstainArg, ExitStatus, FormatArg, LedgerArgs, ScanArgs, ScanError, pages, plan, scan,
};

/// Name of the page in its folder.
const PAGE: &str = "audit.html";

/// Runs the audit; `output` is a file for its JSON.
pub(crate) fn run(
    arguments: &ContaminationArgs,
    output: Option<&Path>,
) -> Result<ExitStatus, ScanError> {
    // A card needs no GPU; a build without CPU kernels takes what there is.
    let device = ComputeDevice::select(DeviceChoice::Cpu)
        .or_else(|_| ComputeDevice::select(DeviceChoice::Gpu))
        .map_err(ScanError::Device)?;
    let checkpoint = plan::load(arguments.checkpoint.as_deref(), &device)?;
    let reader = Reader {
        card: &checkpoint.card,
        sha256: &checkpoint.sha256,
        by: arguments.by,
    };
    // What the user knows is read first: a mistake there should not cost a scan.
    let known = Known {
        authentic: reader.read(&arguments.authentic)?,
        manipulated: reader.read(&arguments.manipulated)?,
    };
    let archive = if arguments.paths.is_empty() {
        reader.read(&arguments.records)?
    } else {
        scanned(arguments, &reader)?
    };
    let threshold = in_force(&archive, &checkpoint, arguments)?;
    let knowledge = Knowledge::new(&checkpoint.card, threshold, &known, arguments)?;
    let model = Model {
        name: checkpoint.card.name.clone(),
        version: checkpoint.card.version.clone(),
        sha256: checkpoint.sha256.clone(),
        threshold,
        abstention_band: checkpoint.card.calibration.abstention_band,
    };
    let search = match arguments.near_duplicates {
        Some(NearDuplicatesArg::On) => Search::Always,
        None if !arguments.paths.is_empty() => Search::Usual,
        Some(NearDuplicatesArg::Off) | None => Search::Never,
    };
    let progress = scan::progress(arguments.quiet);
    let looked = survey(&archive, search, &progress);
    progress.finish_and_clear();
    let found = findings::find(&archive, looked, knowledge, model, arguments);
    write(&found, arguments, output)?;
    Ok(if archive.failed > 0 {
        ExitStatus::Failed
    } else if archive.alarms > 0 {
        ExitStatus::Flagged
    } else {
        ExitStatus::Clean
    })
}

/// The threshold that the records were judged with, else the one that would have been in force.
fn in_force(
    archive: &Archive,
    checkpoint: &Checkpoint,
    arguments: &ContaminationArgs,
) -> Result<f64, ScanError> {
    let asked = || plan::operating(&checkpoint.card.calibration, arguments.max_fpr);
    let Some(threshold) = archive.threshold else {
        return Ok(asked()?.threshold);
    };
    if arguments.max_fpr.is_some() && (asked()?.threshold - threshold).abs() > 1e-9 {
        return Err(ScanError::Usage(
            "--max-fpr: the records were judged with another threshold; scan again".into(),
        ));
    }
    Ok(threshold)
}

/// Scans the paths and reads the records.
fn scanned(arguments: &ContaminationArgs, reader: &Reader<'_>) -> Result<Archive, ScanError> {
    let passing = match &arguments.save {
        Some(_) => None,
        None => Some(Passing::new()?),
    };
    let records = match (&arguments.save, &passing) {
        (Some(path), _) => path.clone(),
        (None, Some(passing)) => passing.0.join("records.jsonl"),
        (None, None) => PathBuf::new(),
    };
    let format = match records.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => FormatArg::Parquet,
        Some("csv") => FormatArg::Csv,
        _ => FormatArg::Jsonl,
    };
    scan::scan(&ScanArgs {
        paths: arguments.paths.clone(),
        checkpoint: arguments.checkpoint.clone(),
        device: arguments.device,
        format: Some(format),
        output: Some(records.clone()),
        report: arguments.report.clone(),
        resume: arguments.resume,
        shard: None,
        max_fpr: arguments.max_fpr,
        abstain: AbstainArg::On,
        stability: false,
        jobs: arguments.jobs,
        trust: None,
        ledger: LedgerArgs::default(),
        quiet: arguments.quiet,
    })?;
    reader.read(&[records])
}

/// A folder for records that nobody asked to keep; goes when it is dropped.
struct Passing(PathBuf);

impl Passing {
    fn new() -> Result<Self, ScanError> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        {
            // What is found in an archive is for nobody else's eyes.
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        let process = std::process::id();
        let names = (0..16).map(|turn| format!("veraray-audit-{process}-{turn}"));
        let mut refused = None;
        for path in names.map(|name| std::env::temp_dir().join(name)) {
            // Never one that is there already: it may be somebody else's.
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(source) => refused = Some(ScanError::Output { path, source }),
            }
        }
        Err(refused.unwrap_or_else(|| ScanError::Usage("no temporary folder; give --save".into())))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Left behind, it does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Prints the findings, and writes what was asked for.
fn write(
    found: &Findings,
    arguments: &ContaminationArgs,
    output: Option<&Path>,
) -> Result<(), ScanError> {
    let json = || -> Result<String, ScanError> {
        let text = serde_json::to_string_pretty(found)
            .map_err(|error| ScanError::Stdout(io::Error::from(error)))?;
        Ok(text + "\n")
    };
    if let Some(path) = output {
        fs::write(path, json()?).map_err(|source| ScanError::Output {
            path: path.to_owned(),
            source,
        })?;
    }
    if let Some(folder) = &arguments.report {
        let fault = |source| ScanError::Report {
            path: folder.join(PAGE),
            source,
        };
        fs::create_dir_all(folder).map_err(fault)?;
        let previews = previews(arguments, folder);
        let beside = !arguments.paths.is_empty();
        let text = page::page(found, previews.as_deref(), beside);
        fs::write(folder.join(PAGE), text).map_err(fault)?;
    }
    let text = match arguments.format {
        AuditFormat::Text => text::text(found),
        AuditFormat::Json => json()?,
    };
    pages::print(text.as_bytes()).map(drop)
}

/// Where the previews of a scan lie: in the report, or beside the records of an earlier report.
fn previews(arguments: &ContaminationArgs, folder: &Path) -> Option<PathBuf> {
    if !arguments.paths.is_empty() {
        return Some(folder.join("previews"));
    }
    let beside = arguments.records.first()?.parent()?.join("previews");
    beside.is_dir().then_some(beside)
}
