//! Where records go: a file or standard output, as JSON Lines, text or a table.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use crate::resume::{self, Made, Recorded};
use crate::tables::{self, Row, csv, parquet};
use crate::text::Table;
use crate::{FormatArg, Record, ScanError};

/// Writes records one by one, each whole and at once, so that an interrupted run leaves whole lines
/// and a pipe sees every record as it is made. A Parquet table is made from them at the end.
pub(crate) struct Output {
    writer: BufWriter<Box<dyn Write>>,
    file: Option<PathBuf>,
    form: Form,
}

enum Form {
    Text(Table),
    Jsonl,
    Csv,
    /// JSON Lines beside the table that they will become.
    Parquet(PathBuf),
}

impl Output {
    pub(crate) fn new(
        format: FormatArg,
        file: Option<File>,
        path: Option<&Path>,
    ) -> Result<Self, ScanError> {
        let colour = file.is_none() && colour_wanted(io::stdout().is_terminal());
        // A table that goes on has its header already.
        let begun = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|file| file.len() > 0);
        let writer: Box<dyn Write> = match file {
            Some(file) => Box::new(file),
            None => Box::new(io::stdout().lock()),
        };
        let form = match (format, path) {
            (FormatArg::Text, _) => Form::Text(Table::new(colour)),
            (FormatArg::Jsonl, _) => Form::Jsonl,
            (FormatArg::Csv, _) => Form::Csv,
            (FormatArg::Parquet, Some(path)) => Form::Parquet(path.to_owned()),
            (FormatArg::Parquet, None) => {
                return Err(ScanError::Usage(
                    "--format parquet needs --output FILE".into(),
                ));
            }
        };
        let mut output = Self {
            writer: BufWriter::new(writer),
            file: path.map(Path::to_owned),
            form,
        };
        if matches!(output.form, Form::Csv) && !begun {
            let header = csv::header();
            output.put(header)?;
        }
        Ok(output)
    }

    pub(crate) fn write(&mut self, record: &Record) -> Result<(), ScanError> {
        let line = match &self.form {
            Form::Text(table) => Ok((table.line(record) + "\n").into_bytes()),
            Form::Jsonl | Form::Parquet(_) => json_line(record),
            Form::Csv => Row::of(record)
                .map_err(io::Error::from)
                .and_then(|row| csv::encode(&row)),
        };
        self.put(line)
    }

    fn put(&mut self, line: io::Result<Vec<u8>>) -> Result<(), ScanError> {
        line.and_then(|line| {
            self.writer.write_all(&line)?;
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

    /// Ends the output; a Parquet table is made now.
    pub(crate) fn finish(self) -> Result<(), ScanError> {
        let Form::Parquet(path) = self.form else {
            return Ok(());
        };
        drop(self.writer);
        let waiting = parquet::sidecar(&path);
        let fail = |source| ScanError::Output {
            path: path.clone(),
            source,
        };
        let failed = |error| fail(io::Error::other(error));
        let mut table = parquet::Writer::create(&path).map_err(failed)?;
        tables::rows(&waiting, &mut |row| table.write(row).map_err(failed))?;
        table.finish().map_err(failed)?;
        fs::remove_file(&waiting).map_err(fail)
    }
}

fn json_line(record: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// The file that records go to while a scan runs.
pub(crate) fn written(format: FormatArg, path: &Path) -> PathBuf {
    match format {
        FormatArg::Parquet => parquet::sidecar(path),
        _ => path.to_owned(),
    }
}

/// Every file that a scan with this output may leave.
pub(crate) fn own(path: &Path) -> Vec<PathBuf> {
    let mut own = vec![path.to_owned(), parquet::sidecar(path)];
    own.push(parquet::unfinished(path));
    own
}

/// Makes the output of a new run.
pub(crate) fn create(format: FormatArg, path: &Path) -> Result<File, ScanError> {
    let failed = |source| ScanError::Output {
        path: path.to_owned(),
        source,
    };
    if format != FormatArg::Parquet {
        return File::create(path).map_err(failed);
    }
    // A table of an earlier run must not be taken for this run's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => File::create(parquet::sidecar(path)).map_err(failed),
    }
}

/// Opens the output of an interrupted run, with what it had recorded.
pub(crate) fn reopen(
    format: FormatArg,
    path: &Path,
    made: Made<'_>,
) -> Result<(File, Recorded), ScanError> {
    match format {
        FormatArg::Jsonl => resume::reopen(path, made),
        FormatArg::Csv => csv::reopen(path, made),
        FormatArg::Parquet => {
            let waiting = parquet::sidecar(path);
            // The earlier run ended: its table goes on as lines.
            if path.exists() && !waiting.exists() {
                unfold(path, &waiting)?;
            }
            resume::reopen(&waiting, made)
        }
        FormatArg::Text => Err(ScanError::Usage(
            "--resume needs --format jsonl, csv or parquet".into(),
        )),
    }
}

/// Writes the rows of a table as JSON Lines, whole or not at all.
fn unfold(table: &Path, lines: &Path) -> Result<(), ScanError> {
    let failed = |source| ScanError::Output {
        path: table.to_owned(),
        source,
    };
    let mut partial = lines.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut writer = BufWriter::new(File::create(&partial).map_err(failed)?);
    tables::rows(table, &mut |row| {
        json_line(row)
            .and_then(|line| writer.write_all(&line))
            .map_err(failed)
    })?;
    writer.flush().map_err(failed)?;
    fs::rename(&partial, lines).map_err(failed)
}

/// Colours are for terminals that have not declined them (no-color.org).
pub(crate) fn colour_wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
