//! What was found in one file, for people and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::findings::{Note, Severity};
use crate::text::printable;
use crate::{Fault, Signature};

/// Everything said of one file.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) path: String,
    pub(super) sha256: Option<String>,
    pub(super) error: Option<Fault>,
    pub(super) format: Option<&'static str>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) notes: Vec<Note>,
    pub(super) signature: Option<Signature>,
}

/// A report as a line of JSON. The keys are a contract: only add.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    sha256: Option<&'a str>,
    status: &'static str,
    error: Option<&'a Fault>,
    format: Option<&'static str>,
    facts: serde_json::Map<String, serde_json::Value>,
    findings: Vec<LineFinding<'a>>,
    signature: Option<&'a Signature>,
}

#[derive(Serialize)]
struct LineFinding<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    reference: &'static str,
}

impl Report {
    pub(super) fn blank(path: String) -> Self {
        Self {
            path,
            sha256: None,
            error: None,
            format: None,
            facts: Vec::new(),
            notes: Vec::new(),
            signature: None,
        }
    }

    pub(super) fn fail(&mut self, kind: &str, message: String) {
        let kind = kind.to_owned();
        self.error = Some(Fault { kind, message });
    }
}

/// Headings of the text form, and the beginnings of the codes below them.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Origin",
        &[
            "c2pa.",
            "metadata.",
            "png.text",
            "png.profile",
            "dicom.synthetic",
            "dicom.generator",
            "dicom.image_type.",
            "dicom.derivation",
            "dicom.contributing",
            "dicom.deidentified",
            "dicom.equipment.",
        ],
    ),
    (
        "File",
        &["file.", "png.", "jpeg.broken", "dicom.meta.", "dicom.set."],
    ),
    ("Identity and dates", &["dicom.uid.", "dicom.date."]),
    ("Pixels against header", &["dicom.pixel."]),
    (
        "Compression and resampling",
        &["dicom.compression.", "jpeg.", "image."],
    ),
    ("Required attributes", &["dicom.module."]),
];

/// How reports are written.
pub(super) struct Writer {
    pub(super) text: bool,
    pub(super) colour: bool,
}

impl Writer {
    pub(super) fn write(&self, out: &mut dyn Write, report: &Report) -> io::Result<()> {
        match self.text {
            true => self.text(out, report),
            false => json(out, report),
        }
    }

    fn text(&self, out: &mut dyn Write, report: &Report) -> io::Result<()> {
        let bold = self.style(Style::new().bold());
        let dim = self.style(Style::new().dimmed());
        let path = printable(&report.path);
        writeln!(out, "{bold}{path}{bold:#}")?;
        if let Some(fault) = &report.error {
            let red = self.style(
                Style::new()
                    .fg_color(Some(AnsiColor::Magenta.into()))
                    .bold(),
            );
            writeln!(out, "  {red}error{red:#}  {}", printable(&fault.message))?;
        }
        let mut facts: Vec<String> = report.format.iter().map(|&f| f.to_owned()).collect();
        facts.extend(
            report
                .facts
                .iter()
                .map(|(name, value)| format!("{name} {value}")),
        );
        if !facts.is_empty() {
            writeln!(out, "  {dim}{}{dim:#}", facts.join(" · "))?;
        }
        let mut left: Vec<&Note> = report.notes.iter().collect();
        for (heading, prefixes) in GROUPS {
            let belongs = |note: &&Note| prefixes.iter().any(|p| note.code.id.starts_with(p));
            let (here, rest): (Vec<&Note>, Vec<&Note>) = left.into_iter().partition(belongs);
            left = rest;
            if here.is_empty() {
                continue;
            }
            writeln!(out, "  {bold}{heading}{bold:#}")?;
            for note in here {
                let style = self.style(severity(note.code.severity));
                let (word, id) = (note.code.severity.word(), note.code.id);
                writeln!(out, "    {style}{word:<7}{style:#}  {}", note.message)?;
                writeln!(
                    out,
                    "             {dim}{id} · {}{dim:#}",
                    note.code.reference
                )?;
            }
        }
        if let Some(signature) = &report.signature {
            let covers = match signature.coverage.is_empty() {
                true => String::new(),
                false => format!(", covers {}", signature.coverage.join(", ")),
            };
            writeln!(
                out,
                "  {bold}Signatures{bold:#}\n    {}{covers}",
                signature.status
            )?;
        }
        let count = |severity| {
            let notes = report.notes.iter();
            notes.filter(|note| note.code.severity == severity).count()
        };
        writeln!(
            out,
            "  {} warning(s), {} notice(s), {} info\n",
            count(Severity::Warning),
            count(Severity::Notice),
            count(Severity::Info)
        )
    }

    fn style(&self, style: Style) -> Style {
        match self.colour {
            true => style,
            false => Style::new(),
        }
    }
}

fn severity(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Info => AnsiColor::Cyan,
        Severity::Notice => AnsiColor::Yellow,
        Severity::Warning => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

fn json(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let findings = report.notes.iter().map(|note| LineFinding {
        code: note.code.id,
        severity: note.code.severity.word(),
        message: &note.message,
        reference: note.code.reference,
    });
    let facts = report.facts.iter();
    let line = Line {
        path: &report.path,
        sha256: report.sha256.as_deref(),
        status: if report.error.is_some() {
            "error"
        } else {
            "ok"
        },
        error: report.error.as_ref(),
        format: report.format,
        facts: facts
            .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
            .collect(),
        findings: findings.collect(),
        signature: report.signature.as_ref(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::findings::every_code;

    #[test]
    fn every_code_has_a_heading() {
        for id in every_code() {
            let has = |(_, prefixes): &(&str, &[&str])| prefixes.iter().any(|p| id.starts_with(p));
            assert!(GROUPS.iter().any(has), "{id}");
        }
    }
}
