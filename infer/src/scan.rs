//! `veraray scan`: runs a plan, writes the records, sums up.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Event;
use crate::output::Output;
use crate::plan::Plan;
use crate::summary::Summary;
use crate::{ExitStatus, FormatArg, Record, ScanArgs, ScanError};

/// Runs `veraray scan`.
pub(crate) fn scan(arguments: &ScanArgs) -> Result<ExitStatus, ScanError> {
    veraray_datasets::quiet_decoder_panics();
    let plan = Plan::new(arguments)?;
    if !arguments.quiet {
        tell(&plan.preamble);
    }
    let Plan {
        engine,
        examiner,
        selection,
        format,
        output,
        mut report,
        before,
        mut ledger,
        ..
    } = plan;
    let mut output = Output::new(format, output, arguments.output_file())?;
    let mut summary = Summary::new(before, format == FormatArg::Text);
    let progress = progress(arguments.quiet);
    let start = Instant::now();
    let mut closed = false;
    let mut put_out = |record: &Record| {
        // The report first: after an interruption it may hold a record more, never one less.
        if let Some((report, _)) = &mut report {
            report.add(record)?;
        }
        progress
            .suspend(|| output.write(record))
            .inspect_err(|error| {
                closed = is_closed_pipe(error);
            })?;
        progress.inc(1);
        summary.add(record);
        Ok(())
    };
    let ran = engine.scan_events(
        arguments.paths.clone(),
        selection,
        &examiner,
        &mut |event| match (event, &mut ledger) {
            (Event::Record(record), Some(ledger)) => ledger.pass(record, &mut put_out),
            (Event::Record(record), None) => put_out(record),
            (Event::Idle, Some(ledger)) => ledger.flush(&mut put_out),
            (Event::Idle, None) => Ok(()),
        },
    );
    let ran = ran.and_then(|()| match &mut ledger {
        Some(ledger) => ledger.flush(&mut put_out),
        None => Ok(()),
    });
    let ran = match &ledger {
        Some(ledger) => ledger.sign().and(ran),
        None => ran,
    };
    progress.finish_and_clear();
    match ran {
        // Whoever read has seen enough: a clean end, and nothing more to say.
        Err(_) if closed => return Ok(summary.status()),
        Err(error) => return Err(error),
        Ok(()) => output.finish()?,
    }
    let page = report
        .map(|(report, context)| report.finish(&context))
        .transpose()?;
    if !arguments.quiet {
        tell(&summary.lines(start.elapsed()));
        if let Some(page) = page {
            tell(&[format!("report {}", page.display())]);
        }
    }
    Ok(summary.status())
}

/// Says lines on standard error. When nobody listens there, nothing is lost.
fn tell(lines: &[String]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        let _ = writeln!(stderr, "veraray: {line}");
    }
}

fn is_closed_pipe(error: &ScanError) -> bool {
    matches!(error, ScanError::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe)
}

/// Counts files on standard error; hidden when that is no terminal.
pub(crate) fn progress(quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    // The template is a constant; should it be wrong, the default style serves.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} files, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
