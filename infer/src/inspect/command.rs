//! Runs `veraray inspect`: files in parallel, compared with each other at the end.

use std::any::Any;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use veraray_datasets::OpenOptions;
use veraray_provenance::signature::{Overall, TrustStore, VerifyOptions, verify_bytes};

use super::findings::{self, Identity, Severity};
use super::report::{Report, Writer};
use super::{InspectArgs, InspectFormat, SeverityArg};
use crate::output::colour_wanted;
use crate::walk::{Found, walk};
use crate::{ExitStatus, Fault, ScanError, Signature};

/// Larger files are refused: they are read as a whole.
const MAX_BYTES: u64 = 2 << 30;

/// Runs `veraray inspect`.
pub(crate) fn inspect(arguments: &InspectArgs) -> Result<ExitStatus, ScanError> {
    if arguments.codes {
        return crate::pages::print(findings::markdown().as_bytes());
    }
    veraray_datasets::quiet_decoder_panics();
    let trust = match &arguments.trust {
        Some(path) => TrustStore::from_path(path)?,
        None => TrustStore::default(),
    };
    for skipped in trust.skipped() {
        let _ = writeln!(io::stderr(), "veraray: --trust: {skipped}");
    }
    let options = VerifyOptions {
        trust,
        ..VerifyOptions::default()
    };
    let mut inputs = Vec::new();
    let _ = walk(&arguments.paths, io::stdin().lock(), &mut |input| {
        inputs.push(input);
        ControlFlow::Continue(())
    });
    let jobs = arguments.jobs.map_or(0, std::num::NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .map_err(|error| ScanError::Workers {
            jobs,
            reason: error.to_string(),
        })?;
    let progress = progress(inputs.len(), arguments.quiet);
    let look = |input: &Found| {
        let result = examine(input, &options);
        progress.inc(1);
        result
    };
    let results: Vec<(Report, Option<Identity>)> =
        pool.install(|| inputs.par_iter().map(look).collect());
    progress.finish_and_clear();
    let mut reports = compare(results);
    let status = status(&reports);
    let least = match arguments.severity {
        SeverityArg::Info => Severity::Info,
        SeverityArg::Notice => Severity::Notice,
        SeverityArg::Warning => Severity::Warning,
    };
    for report in &mut reports {
        report.notes.retain(|note| note.code.severity >= least);
    }
    let colour = colour_wanted(io::stdout().is_terminal());
    let writer = Writer {
        text: arguments.format == InspectFormat::Text,
        colour,
    };
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = reports
        .iter()
        .try_for_each(|report| writer.write(&mut stdout, report))
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ScanError::Stdout(error)),
        _ => Ok(status),
    }
}

/// Adds what the files say of each other.
fn compare(results: Vec<(Report, Option<Identity>)>) -> Vec<Report> {
    let (mut reports, identities): (Vec<Report>, Vec<Option<Identity>>) =
        results.into_iter().unzip();
    let known = identities.into_iter().enumerate();
    let (places, files): (Vec<usize>, Vec<(String, Identity)>) = known
        .filter_map(|(index, identity)| Some((index, (reports[index].path.clone(), identity?))))
        .unzip();
    for (index, note) in findings::across(&files) {
        reports[places[index]].notes.push(note);
    }
    for report in &mut reports {
        report
            .notes
            .sort_by_key(|note| std::cmp::Reverse(note.code.severity));
    }
    reports
}

fn status(reports: &[Report]) -> ExitStatus {
    let warns = |report: &Report| {
        let mut notes = report.notes.iter();
        notes.any(|note| note.code.severity == Severity::Warning)
    };
    if reports.iter().any(|report| report.error.is_some()) {
        ExitStatus::Failed
    } else if reports.iter().any(warns) {
        ExitStatus::Flagged
    } else {
        ExitStatus::Clean
    }
}

/// Looks at one input. A panic on the way is an error of that input alone.
fn examine(input: &Found, options: &VerifyOptions<'_>) -> (Report, Option<Identity>) {
    let path = input.path().to_string_lossy().into_owned();
    let mut report = Report::blank(path);
    match input {
        Found::Fault { kind, message, .. } => {
            report.fail(kind, message.clone());
            (report, None)
        }
        Found::Broken { message, .. } => {
            report.fail("storage", message.clone());
            (report, None)
        }
        Found::File(_) | Found::Object(_) => {
            let looked = catch_unwind(AssertUnwindSafe(|| {
                let mut report = report.clone();
                let identity = look_into(input, options, &mut report);
                (report, identity)
            }));
            looked.unwrap_or_else(|panic| {
                report.fail(
                    "internal",
                    format!("internal error: {}", text(panic.as_ref())),
                );
                (report, None)
            })
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

fn look_into(input: &Found, options: &VerifyOptions<'_>, report: &mut Report) -> Option<Identity> {
    let path = input.path();
    let read = match input {
        Found::Object(object) => object.bytes(MAX_BYTES).map_err(|error| error.fault()),
        _ => read(path),
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(Fault { kind, message }) => {
            report.fail(&kind, message);
            return None;
        }
    };
    let digest = Sha256::digest(&bytes);
    report.sha256 = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
    let is_dicom = bytes.get(128..132) == Some(b"DICM");
    report.signature = Some(match is_dicom {
        true => signature(path, &bytes, options),
        false => Signature {
            status: "none",
            coverage: Vec::new(),
        },
    });
    let found = findings::full(path, bytes, &OpenOptions::default());
    report.format = found.format;
    report.facts = found.facts;
    report.notes = found.notes;
    if let Some((kind, message)) = found.error {
        report.fail(kind, message);
    }
    found.identity
}

/// Digital signatures, as `veraray verify` sees them.
fn signature(path: &Path, bytes: &[u8], options: &VerifyOptions<'_>) -> Signature {
    let Ok(verified) = verify_bytes(path, bytes, options) else {
        return Signature {
            status: "unverifiable",
            coverage: Vec::new(),
        };
    };
    let status = match verified.overall {
        Overall::None => "none",
        Overall::Valid => "valid",
        Overall::Untrusted => "untrusted",
        Overall::Unverifiable => "unverifiable",
        _ => "invalid",
    };
    let word = |aspect| format!("{aspect:?}").to_lowercase();
    Signature {
        status,
        coverage: verified.coverage().into_iter().map(word).collect(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |kind: &str, message: String| Fault {
        kind: kind.to_owned(),
        message,
    };
    let io = |error: io::Error| fault("io", format!("cannot read: {error}"));
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size == 0 {
        return Err(fault("empty", "the file is empty".into()));
    }
    if size > MAX_BYTES {
        let message = format!("{size} bytes are more than the limit of {MAX_BYTES}");
        return Err(fault("too_large", message));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    let file = File::open(path).map_err(io)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

fn progress(files: usize, quiet: bool) -> ProgressBar {
    if quiet || files < 2 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(files as u64);
    // The template is a constant; should it be wrong, the default style serves.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
