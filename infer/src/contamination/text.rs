//! An audit as lines for the eye.

use std::fmt::Write as _;

use super::findings::{Findings, Share};
use super::parts::Part;
use crate::text::printable;

/// Most rows of a list; the JSON and the page have the rest.
const MOST: usize = 20;

/// A share in per cent, with as many digits as it deserves.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value {
        0.0 => "0 %".into(),
        v if v < 0.1 => format!("{value:.3} %"),
        v if v < 10.0 => format!("{value:.2} %"),
        _ => format!("{value:.1} %"),
    }
}

/// A p-value.
pub(crate) fn chance(p: f64) -> String {
    match p {
        p if p < 0.001 => "<0.001".into(),
        p => format!("{p:.3}"),
    }
}

/// An interval in per cent.
pub(crate) fn interval(share: &Share) -> String {
    format!("{} to {}", percent(share.low), percent(share.high))
}

/// The text of an audit.
pub(crate) fn text(findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, findings);
    text
}

fn write(text: &mut String, findings: &Findings) -> std::fmt::Result {
    let Findings {
        images,
        prevalence,
        error_rates,
        power,
        ..
    } = findings;
    writeln!(
        text,
        "{} of {} images flagged; {} files met",
        images.flagged, images.counted, images.files
    )?;
    writeln!(text, "\nprevalence of manipulated images (95 % interval)")?;
    let count = &prevalence.adjusted_count;
    writeln!(
        text,
        "  adjusted count  {:>8}  {}",
        percent(count.estimate),
        interval(count)
    )?;
    match (&prevalence.em, &prevalence.em_missing) {
        (Some(em), _) => {
            writeln!(
                text,
                "  EM              {:>8}  {}",
                percent(em.estimate),
                interval(em)
            )?;
        }
        (None, reason) => {
            let reason = reason.as_deref().unwrap_or("no reason given");
            writeln!(text, "  EM              not available: {reason}")?;
        }
    }
    if prevalence.by_family.len() > 1 {
        writeln!(
            text,
            "  adjusted count, were all manipulated images of one family:"
        )?;
        for (name, share) in &prevalence.by_family {
            writeln!(
                text,
                "    {name:<20} {:>8}  {}",
                percent(share.estimate),
                interval(share)
            )?;
        }
    }
    writeln!(text, "\nerror rates (95 % interval)")?;
    for (name, rate) in [
        ("false alarms", &error_rates.false_alarms),
        ("detections", &error_rates.detections),
    ] {
        let (estimate, range) = (percent(rate.share.estimate), interval(&rate.share));
        writeln!(
            text,
            "  {name:<14}  {estimate:>8}  {range}  ({})",
            rate.from
        )?;
    }
    writeln!(text, "\nwhat so many images could have shown")?;
    let least = |share: Option<f64>| share.map_or("none".into(), percent);
    match power.critical_count {
        Some(count) => writeln!(
            text,
            "  more than false alarms from {count} flagged images on"
        )?,
        None => writeln!(
            text,
            "  no number of flagged images would be more than false alarms"
        )?,
    }
    writeln!(
        text,
        "  smallest prevalence noticed with probability 0.8: {}, 0.95: {}; were the error rates known \
         exactly: {}, {}",
        least(power.detectable_80),
        least(power.detectable_95),
        least(power.detectable_80_exact_rates),
        least(power.detectable_95_exact_rates)
    )?;
    writeln!(
        text,
        "  were nothing flagged, the prevalence would be at most {} (95 %)",
        percent(power.upper_bound_if_none_flagged)
    )?;
    counted(text, findings)?;
    if findings.sources.len() > 1 {
        writeln!(
            text,
            "\nby {} (p: as many flagged without contamination)",
            findings.sources_by
        )?;
        parts(text, &findings.sources)?;
    }
    if !findings.months.is_empty() {
        writeln!(text, "\nby month of the study or acquisition date")?;
        parts(text, &findings.months)?;
    }
    if !findings.flagged.is_empty() {
        writeln!(text, "\nflagged, highest score first")?;
        for image in findings.flagged.iter().take(MOST) {
            let word = image.verdict.word();
            writeln!(
                text,
                "  {:.3}  {word:<9}  {}",
                image.score,
                printable(&image.path)
            )?;
        }
        more(text, images.flagged as usize)?;
    }
    if !findings.copies.is_empty() {
        writeln!(text, "\nthe same file in several studies or folders")?;
        for copies in findings.copies.iter().take(MOST) {
            let paths: Vec<String> = copies.iter().map(|path| printable(path)).collect();
            writeln!(text, "  {}", paths.join(" = "))?;
        }
        more(text, findings.copies.len())?;
    }
    duplicates(text, findings)?;
    for (title, lines) in [
        ("warnings", &findings.warnings),
        ("assumptions", &findings.assumptions),
    ] {
        if !lines.is_empty() {
            writeln!(text, "\n{title}")?;
            lines
                .iter()
                .try_for_each(|line| writeln!(text, "  - {}", printable(line)))?;
        }
    }
    Ok(())
}

fn parts(text: &mut String, parts: &[Part]) -> std::fmt::Result {
    for part in parts.iter().take(MOST) {
        writeln!(
            text,
            "  {:<24} {:>6} of {:>7} flagged  {:>8}  {:<20}  p {}, corrected {}",
            printable(&part.name),
            part.flagged,
            part.images,
            percent(part.prevalence.estimate),
            interval(&part.prevalence),
            chance(part.p_value),
            chance(part.p_value_corrected)
        )?;
    }
    more(text, parts.len())
}

fn duplicates(text: &mut String, findings: &Findings) -> std::fmt::Result {
    let Some(found) = &findings.near_duplicates else {
        return Ok(());
    };
    writeln!(text, "\nnear-duplicates across patients: {}", found.tally())?;
    for pair in found.listed.iter().take(MOST) {
        let remarks = match pair.remarks() {
            remarks if remarks.is_empty() => String::new(),
            remarks => format!("  ({})", remarks.join(", ")),
        };
        writeln!(
            text,
            "  {:+.3}  {} = {}{remarks}",
            pair.correlation,
            printable(&pair.first),
            printable(&pair.second)
        )?;
    }
    more(text, found.pairs as usize)
}

fn counted(text: &mut String, findings: &Findings) -> std::fmt::Result {
    let images = &findings.images;
    writeln!(text, "\nimages")?;
    for (count, what) in [
        (
            images.withheld_in_band,
            "counted as not flagged: too close to call",
        ),
        (
            images.outside,
            "not counted: outside of what the error rates were measured on",
        ),
        (images.unsuitable, "not counted: nothing to score"),
        (images.failed, "not counted: could not be read"),
    ] {
        if count > 0 {
            writeln!(text, "  {count} {what}")?;
        }
    }
    let [low, high] = findings.prevalence.bounds_with_uncounted;
    let uncounted = images.outside + images.unsuitable + images.failed;
    if uncounted > 0 {
        writeln!(
            text,
            "  with those that are not counted, if none or all of them were manipulated: {} to {}",
            percent(low),
            percent(high)
        )
    } else {
        writeln!(text, "  all {} are counted", images.counted)
    }
}

fn more(text: &mut String, all: usize) -> std::fmt::Result {
    match all.saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(text, "  and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_digits_they_deserve() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.000_45), "0.045 %");
        assert_eq!(percent(0.0123), "1.23 %");
        assert_eq!(percent(0.256), "25.6 %");
    }
}
