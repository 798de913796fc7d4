//! Reads what a scan wrote, whatever its form.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::ScanError;
use crate::tables::{Row, csv, parquet};

/// Calls `visit` for every record of a file: JSON Lines, CSV or Parquet, told apart by content.
///
/// # Errors
/// [`ScanError::Table`] naming the file and what is wrong with it, or what `visit` returned.
pub(crate) fn rows(
    path: &Path,
    visit: &mut dyn FnMut(&Row) -> Result<(), ScanError>,
) -> Result<(), ScanError> {
    let refuse = |reason: String| ScanError::Table {
        path: path.to_owned(),
        reason,
    };
    let mut file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let mut start = [0; 4];
    let length = file
        .by_ref()
        .take(4)
        .read(&mut start)
        .and_then(|length| file.seek(SeekFrom::Start(0)).map(|_| length))
        .map_err(|error| refuse(error.to_string()))?;
    if length > 0 && &start != b"PAR1" && !ends_with_a_line(&mut file).unwrap_or(false) {
        return Err(refuse(
            "its last line is cut off; end the scan with --resume first".into(),
        ));
    }
    // What `visit` returned must not be taken for a fault of the file.
    let mut stopped = None;
    let mut pass = |row: Row| {
        visit(&row).map_err(|error| {
            stopped = Some(error);
            String::new()
        })
    };
    let read = match (&start, length) {
        (_, 0) => Ok(()),
        (b"PAR1", 4) => parquet::read(file, &mut pass),
        ([b'{', ..], _) => lines(BufReader::new(file), &mut pass),
        _ => table(BufReader::new(file), &mut pass),
    };
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, read) => read.map_err(refuse),
    }
}

fn ends_with_a_line(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(last == [b'\n'])
}

fn lines(
    mut reader: impl BufRead,
    visit: &mut dyn FnMut(Row) -> Result<(), String>,
) -> Result<(), String> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        reader
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if line.is_empty() {
            break;
        }
        let row = serde_json::from_slice(&line)
            .map_err(|error| format!("line {number} is no record of a scan: {error}"))?;
        visit(row)?;
    }
    Ok(())
}

fn table(
    reader: impl BufRead,
    visit: &mut dyn FnMut(Row) -> Result<(), String>,
) -> Result<(), String> {
    let mut rows = csv::Rows::new(reader)?;
    while let Some(row) = rows.next()? {
        visit(row)?;
    }
    Ok(())
}
