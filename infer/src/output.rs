//! Where records go: a file or standard output, as JSON Lines or text.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use crate::text::Table;
use crate::{FormatArg, Record, ScanError};

/// Writes records one by one, each whole and at once, so that an interrupted run leaves whole lines
/// and a pipe sees every record as it is made.
pub(crate) struct Output {
    writer: BufWriter<Box<dyn Write>>,
    file: Option<PathBuf>,
    table: Option<Table>,
}

impl Output {
    pub(crate) fn new(format: FormatArg, file: Option<File>, path: Option<&Path>) -> Self {
        let colour = file.is_none() && colour_wanted(io::stdout().is_terminal());
        let writer: Box<dyn Write> = match file {
            Some(file) => Box::new(file),
            None => Box::new(io::stdout().lock()),
        };
        Self {
            writer: BufWriter::new(writer),
            file: path.map(Path::to_owned),
            table: (format == FormatArg::Text).then(|| Table::new(colour)),
        }
    }

    pub(crate) fn write(&mut self, record: &Record) -> Result<(), ScanError> {
        let line = match &self.table {
            Some(table) => Ok(table.line(record)),
            None => serde_json::to_string(record).map_err(io::Error::from),
        };
        line.and_then(|line| {
            writeln!(self.writer, "{line}")?;
            self.writer.flush()
        })
        .map_err(|source| match &self.file {
            Some(path) => ScanError::Output {
                path: path.clone(),
                source,
            },
            None => ScanError::Stdout(source),
        })
    }
}

/// Colours are for terminals that have not declined them (no-color.org).
pub(crate) fn colour_wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
