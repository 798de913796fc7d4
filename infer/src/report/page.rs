//! The page of a batch: a list to sort and filter, made from the records as they lie on disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use maud::{Markup, html};
use serde_json::{Value, json};

use crate::report::context::Context;
use crate::report::plot::histogram;
use crate::report::preview::preview_name;
use crate::report::{PREVIEWS, shell, studies, whole_line};
use crate::studies::{Seen, Studies};
use crate::summary::Counts;
use crate::tables::Row;
use crate::{Status, Verdict};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Bars of the histogram.
const BARS: usize = 50;

/// Longest text of one entry that goes into the page; the rest stands in the records.
const LONGEST: usize = 400;

/// What the records come to.
struct Totals {
    counts: Counts,
    scores: [u64; BARS],
    scored: u64,
    modalities: BTreeMap<String, u64>,
    studies: Studies,
}

impl Totals {
    fn add(&mut self, row: &Row) {
        self.studies.add(&Seen {
            path: &row.path,
            study: row.study_uid.as_deref(),
            series: row.series_uid.as_deref(),
            modality: row.modality.as_deref(),
            frames: row.frames,
            verdict: row.verdict.filter(|_| row.status == Status::Ok),
            place: row.place,
        });
        self.counts.add(row.status, row.verdict);
        if let Some(score) = row.score {
            self.scored += 1;
            self.scores[((score * BARS as f64) as usize).min(BARS - 1)] += 1;
        }
        *self
            .modalities
            .entry(row.modality.clone().unwrap_or_default())
            .or_default() += 1;
    }
}

/// Writes `index` from the records in `sidecar`: beside it first, then in its place, so that a
/// reader never sees half a page.
pub(super) fn write(
    index: &Path,
    sidecar: &Path,
    previews: &Path,
    context: &Context,
) -> io::Result<()> {
    let mut totals = Totals {
        counts: Counts::default(),
        scores: [0; BARS],
        scored: 0,
        modalities: BTreeMap::new(),
        studies: Studies::default(),
    };
    each(sidecar, &mut |row| {
        totals.add(&row);
        Ok(())
    })?;
    let partial = index.with_extension("html.partial");
    let mut page = BufWriter::new(File::create(&partial)?);
    let (head, foot) = shell::halves("Veraray report", STYLE, SCRIPT);
    page.write_all(head.as_bytes())?;
    page.write_all(body(&totals, context).0.as_bytes())?;
    page.write_all(b"<script type=\"application/json\" id=\"data\">[")?;
    let mut first = true;
    each(sidecar, &mut |row| {
        let entry = entry(&row, previews).to_string();
        // Inside a script element only "</" and "<!--" could end or change it.
        let entry = entry.replace('<', "\\u003c");
        let comma = if first { "\n" } else { ",\n" };
        first = false;
        write!(page, "{comma}{entry}")
    })?;
    page.write_all(b"\n]</script>")?;
    page.write_all(foot.as_bytes())?;
    page.into_inner()?.sync_all()?;
    fs::rename(partial, index)
}

/// Calls `visit` for every record.
fn each(sidecar: &Path, visit: &mut dyn FnMut(Row) -> io::Result<()>) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(sidecar)?);
    let mut line = Vec::new();
    while whole_line(&mut reader, &mut line)? {
        visit(serde_json::from_slice(&line)?)?;
    }
    Ok(())
}

/// One image as the script reads it. Keys are short: there may be tens of thousands.
fn entry(row: &Row, previews: &Path) -> Value {
    let name = preview_name(&row.path, row.sha256.as_deref());
    let there = |suffix: &str| previews.join(format!("{name}{suffix}.jpg")).is_file();
    let preview = if there("-large") {
        2
    } else {
        u8::from(there(""))
    };
    let verdict = match row.status {
        Status::Error => "error",
        Status::Ok => row.verdict.map_or("error", Verdict::word),
    };
    let short = |text: &str| text.chars().take(LONGEST).collect::<String>();
    json!({
        "p": row.path,
        "v": verdict,
        "s": row.score,
        "m": row.modality,
        "b": row.body_part,
        "f": row.format,
        "r": row.rows,
        "c": row.columns,
        "n": row.frames,
        "t": if preview > 0 { format!("{PREVIEWS}/{name}") } else { String::new() },
        "l": preview == 2,
        "w": row.reasons.iter().map(|reason| short(reason)).collect::<Vec<_>>(),
        "e": row.error.as_ref().map(|fault| short(&fault.message)),
        "i": row.findings.iter()
            .map(|finding| json!([finding.severity, finding.code, short(&finding.message)]))
            .collect::<Vec<_>>(),
        "g": row.regions.iter()
            .map(|region| json!([region.frame, region.bbox, region.score]))
            .collect::<Vec<_>>(),
        "x": row.families,
        "q": row.signature.as_ref().map(|signature| &signature.status),
        "h": row.sha256,
        "u": row.series_uid,
    })
}

fn body(totals: &Totals, context: &Context) -> Markup {
    let counts = totals.counts;
    let total = counts.total();
    let flagged = counts.synthetic + counts.tampered;
    html! {
        header {
            h1 { (thousands(flagged)) " of " (thousands(total)) " images flagged" }
            p.soft { (expectation(totals, context)) }
        }
        section.summary {
            div {
                h2 { "Scores" }
                (histogram(&totals.scores, context.operating.threshold, context.band))
                p.small.soft {
                    "Images by score, on a logarithmic scale; the line is the threshold"
                    @if context.band.is_some() { ", the shaded scores are not judged" }
                    "."
                }
            }
            dl.facts {
                dt { "Threshold" } dd { (context.threshold()) }
                dt { "Model" } dd { (context.model) }
                dt { "Model hash" } dd { code { (context.sha256) } }
                dt { "Device" } dd { (context.device) }
                dt { "Trained on" } dd {
                    (listed(&context.modalities)) "; families " (listed(&context.families))
                }
            }
            details {
                summary { "What these verdicts cannot say" }
                ul {
                    @for limit in &context.limits { li { (limit) } }
                    li { "A generator that the detector has never seen may pass." }
                    li {
                        "Previews are small and lossy: they are for finding an image, not for \
                         judging it."
                    }
                }
            }
        }
        (studies::section(&totals.studies))
        noscript { p { "Sorting and filtering need JavaScript; the records are in records.jsonl." } }
        section #browse hidden {
            form #filters {
                fieldset #verdicts {
                    legend { "Verdict" }
                    @for (word, count) in [
                        ("synthetic", counts.synthetic), ("tampered", counts.tampered),
                        ("abstain", counts.abstain), ("authentic", counts.authentic),
                        ("error", counts.errors),
                    ] {
                        @if count > 0 {
                            label.chip {
                                input type="checkbox" name="verdict" value=(word) checked;
                                span.verdict.(word) { (word) }
                                span.soft { " " (thousands(count)) }
                            }
                        }
                    }
                }
                label.field { span { "Path or reason contains" }
                    input #text type="search" autocomplete="off" spellcheck="false";
                }
                label.field.narrow { span { "Score from" }
                    input #low type="number" min="0" max="1" step="any" placeholder="0";
                }
                label.field.narrow { span { "to" }
                    input #high type="number" min="0" max="1" step="any" placeholder="1";
                }
                label.field { span { "Modality" }
                    select #modality {
                        option value="*" { "all" }
                        @for (name, count) in &totals.modalities {
                            option value=(name) {
                                @if name.is_empty() { "not stated" } @else { (name) }
                                " (" (thousands(*count)) ")"
                            }
                        }
                    }
                }
                label.field { span { "Sort by" }
                    select #sort {
                        option value="s-" { "score, highest first" }
                        option value="s+" { "score, lowest first" }
                        option value="v+" { "verdict" }
                        option value="m+" { "modality" }
                        option value="p+" { "path" }
                        option value="o+" { "order of the scan" }
                    }
                }
                label.heat { input #heat type="checkbox"; span { "Heat maps" } }
                button #clear type="button" { "Clear filters" }
            }
            p #shown role="status" aria-live="polite" {}
            table #list {
                thead { tr {
                    th scope="col" { "Image" }
                    @for (key, name) in [("v", "Verdict"), ("s", "Score"), ("p", "Path"), ("m", "Modality")] {
                        th scope="col" data-key=(key) { button type="button" { (name) } }
                    }
                    th.size scope="col" { "Size" }
                } }
                tbody {}
            }
            p #more { button type="button" { "Show more" } }
        }
        dialog #detail aria-labelledby="detail-title" {
            div.bar {
                button #previous type="button" aria-label="Previous image" { "←" }
                button #next type="button" aria-label="Next image" { "→" }
                button #close type="button" aria-label="Close" { "✕" }
            }
            div #detail-body {}
        }
    }
}

/// How many of the flagged ones are to be expected from mistakes alone.
fn expectation(totals: &Totals, context: &Context) -> String {
    let judged = totals.counts.authentic + totals.counts.synthetic + totals.counts.tampered;
    let unjudged = match totals.counts.abstain {
        0 => String::new(),
        count => format!(" {} got no verdict.", thousands(count)),
    };
    let failed = match totals.counts.errors {
        0 => String::new(),
        count => format!(" {} could not be read.", thousands(count)),
    };
    let mistakes = match context.operating.false_alarms {
        Some(rate) => {
            let expected = rate * totals.scored as f64;
            let shown = if expected < 10.0 {
                format!("{expected:.1}")
            } else {
                thousands(expected.round() as u64)
            };
            format!(
                " Were every image with a score authentic, about {shown} would be flagged by mistake."
            )
        }
        None => String::new(),
    };
    format!(
        "{} were judged.{unjudged}{failed}{mistakes}",
        thousands(judged)
    )
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none declared".into(),
        names => names.join(", "),
    }
}

/// A number with its digits in groups of three.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(100_000), "100\u{202f}000");
    }
}
