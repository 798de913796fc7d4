//! Records as lines for the eye.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::{Record, Verdict};

/// Writes aligned lines: verdict, score, path, main reason.
#[derive(Debug)]
pub(crate) struct Table {
    colour: bool,
}

impl Table {
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// One line, without its end.
    pub(crate) fn line(&self, record: &Record) -> String {
        let word = record.verdict.map_or("error", Verdict::word);
        let style = if self.colour {
            style(record.verdict)
        } else {
            Style::new()
        };
        let score = record
            .score
            .map_or_else(|| "–".into(), |score| format!("{score:.3}"));
        let mut line = format!(
            "{style}{word:<9}{style:#}  {score:>5}  {}",
            printable(&record.path)
        );
        let reason = match &record.error {
            Some(fault) => Some(without_path(&fault.message, &record.path)),
            None => record.reasons.first().map(String::as_str),
        };
        if let Some(reason) = reason {
            let _ = write!(line, "  ({})", printable(reason));
        }
        if let Some(signature) = record.signature.as_ref().filter(|s| s.status != "none") {
            let _ = write!(line, "  [signature {}]", signature.status);
        }
        line
    }
}

fn style(verdict: Option<Verdict>) -> Style {
    let colour = match verdict {
        Some(Verdict::Authentic) => AnsiColor::Green,
        Some(Verdict::Abstain) => AnsiColor::Yellow,
        Some(Verdict::Synthetic | Verdict::Tampered) => AnsiColor::Red,
        None => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

/// Messages begin with the path, which the line shows already.
fn without_path<'a>(message: &'a str, path: &str) -> &'a str {
    message
        .strip_prefix(path)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(message)
}

/// File names are hostile too: control characters would reach the terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelId;

    fn record() -> Record {
        let model = ModelId {
            name: "m".into(),
            version: "1".into(),
            sha256: String::new(),
        };
        Record::blank("a/b.png".into(), &model, "cpu")
    }

    #[test]
    fn lines_align_and_carry_the_main_reason() {
        let mut record = record();
        record.verdict = Some(Verdict::Tampered);
        record.score = Some(0.98765);
        record.reasons = vec!["because".into(), "and".into()];
        assert_eq!(
            Table::new(false).line(&record),
            "tampered   0.988  a/b.png  (because)"
        );
        let failed = self::record().failed("io", "a/b.png: cannot read".into());
        assert_eq!(
            Table::new(false).line(&failed),
            "error          –  a/b.png  (cannot read)"
        );
    }

    #[test]
    fn colour_is_only_used_when_wanted_and_names_cannot_bring_their_own() {
        let mut record = record();
        record.verdict = Some(Verdict::Authentic);
        record.path = "\u{1b}[31mred\n.png".into();
        let plain = Table::new(false).line(&record);
        assert!(
            !plain.contains('\u{1b}') && !plain.contains('\n'),
            "{plain}"
        );
        assert!(Table::new(true).line(&record).starts_with("\u{1b}["));
    }
}
