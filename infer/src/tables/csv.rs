//! Records as CSV (RFC 4180) with a header.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use serde_json::Value;

use crate::ScanError;
use crate::resume::{Made, Recorded};
use crate::tables::{COLUMNS, Kind, Row, flat, nest};

/// The header with its line end.
pub(crate) fn header() -> io::Result<Vec<u8>> {
    line(COLUMNS.iter().map(|(name, _)| (*name).to_owned()))
}

/// A row with its line end.
pub(crate) fn encode(row: &Row) -> io::Result<Vec<u8>> {
    line(flat(row).into_iter().map(|cell| match cell {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }))
}

fn line(cells: impl Iterator<Item = String>) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(cells)?;
    writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))
}

/// Reads a table row by row.
pub(super) struct Rows<R> {
    reader: csv::Reader<R>,
    /// For every known column, where it stands in the file.
    places: Vec<Option<usize>>,
    record: StringRecord,
}

impl<R: io::Read> Rows<R> {
    /// # Errors
    /// When the file has no header with a path.
    pub(super) fn new(file: R) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
        let header = reader.headers().map_err(|error| error.to_string())?;
        let places: Vec<Option<usize>> = COLUMNS
            .iter()
            .map(|(name, _)| header.iter().position(|found| found == *name))
            .collect();
        if places[0].is_none() {
            return Err("its first line names no column \"path\"".into());
        }
        Ok(Self {
            reader,
            places,
            record: StringRecord::new(),
        })
    }

    /// The next row.
    ///
    /// # Errors
    /// When a row cannot be one of a scan's.
    pub(super) fn next(&mut self) -> Result<Option<Row>, String> {
        let more = self
            .reader
            .read_record(&mut self.record)
            .map_err(|error| error.to_string())?;
        if !more {
            return Ok(None);
        }
        let (places, record) = (&self.places, &self.record);
        let mut index = 0;
        let row = nest(|_| {
            let (_, kind) = COLUMNS[index];
            let text = places[index].and_then(|place| record.get(place));
            index += 1;
            text.map_or(Value::Null, |text| cell(kind, text))
        })
        .map_err(|error| {
            let line = record.position().map_or(0, csv::Position::line);
            format!("line {line} is no record of a scan: {error}")
        })?;
        Ok(Some(row))
    }
}

fn cell(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Name => text.into(),
        _ if text.is_empty() => Value::Null,
        Kind::Text => text.into(),
        // Parsed here, for exact numbers; what is none stays text, which no row accepts.
        Kind::Real => text
            .parse::<f64>()
            .map_or_else(|_| text.into(), Value::from),
        _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// Opens the table of an earlier run for appending, as [`crate::resume::reopen`] does.
///
/// # Errors
/// [`ScanError::Resume`] when it is no table of this checkpoint and threshold.
pub(crate) fn reopen(path: &Path, made: Made<'_>) -> Result<(File, Recorded), ScanError> {
    let io = |source| ScanError::Output {
        path: path.to_owned(),
        source,
    };
    let refuse = |reason: String| ScanError::Resume {
        path: path.to_owned(),
        reason,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io)?;
    let mut recorded = Recorded::default();
    let header = header().map_err(io)?;
    let mut start = Vec::new();
    (&file)
        .take(header.len() as u64)
        .read_to_end(&mut start)
        .map_err(io)?;
    if !header.starts_with(&start) {
        return Err(refuse("its columns are not those of this version".into()));
    }
    let mut whole = 0;
    if start.len() == header.len() {
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let ends = row_ends(BufReader::new(&file)).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut rows = Rows::new(BufReader::new(&file)).map_err(refuse)?;
        // The header is the first row of the file; a last row without an end was cut off.
        whole = header.len() as u64;
        for end in ends.iter().skip(1) {
            let Some(row) = rows.next().map_err(refuse)? else {
                break;
            };
            recorded.accept(&row, made).map_err(refuse)?;
            whole = *end;
        }
    }
    file.set_len(whole)
        .and_then(|()| file.seek(SeekFrom::End(0)).map(drop))
        .map_err(io)?;
    Ok((file, recorded))
}

/// Where every whole row of a table ends, the header's first. Quotes are told from line ends.
fn row_ends(mut reader: impl io::BufRead) -> io::Result<Vec<u64>> {
    let mut ends = Vec::new();
    let (mut at, mut quoted) = (0_u64, false);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(ends);
        }
        for byte in bytes {
            at += 1;
            match byte {
                // A doubled quote inside a field opens and closes at once.
                b'"' => quoted = !quoted,
                b'\n' if !quoted => ends.push(at),
                _ => {}
            }
        }
        let used = bytes.len();
        reader.consume(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::row::{example, failure};

    fn table(rows: &[Row]) -> Vec<u8> {
        let mut bytes = header().unwrap();
        for row in rows {
            bytes.extend(encode(row).unwrap());
        }
        bytes
    }

    #[test]
    fn rows_survive_a_table() {
        let bytes = table(&[example(), failure()]);
        let mut rows = Rows::new(&bytes[..]).unwrap();
        assert_eq!(rows.next().unwrap().unwrap(), example());
        assert_eq!(rows.next().unwrap().unwrap(), failure());
        assert!(rows.next().unwrap().is_none());
    }

    #[test]
    fn cut_anywhere_a_table_resumes_to_whole_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let made = Made {
            sha256: "cd",
            threshold: 0.9035,
        };
        let bytes = table(&[example(), failure(), example()]);
        let ends = row_ends(&bytes[..]).unwrap();
        assert_eq!(ends.len(), 4);
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let (_, recorded) = reopen(&path, made).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut as u64).count();
            assert_eq!(
                recorded.counts.total(),
                whole.saturating_sub(1) as u64,
                "{cut}"
            );
            let kept = std::fs::read(&path).unwrap();
            let end = whole.checked_sub(1).map_or(0, |last| ends[last]);
            assert_eq!(kept, bytes[..end as usize], "{cut}");
        }
    }

    #[test]
    fn other_tables_and_checkpoints_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let made = |sha256| Made {
            sha256,
            threshold: 0.9035,
        };
        let bytes = table(&[example()]);
        std::fs::write(&path, &bytes).unwrap();
        let refused = reopen(&path, made("ef"));
        assert!(matches!(refused, Err(ScanError::Resume { .. })));
        for other in ["name,age\r\n".repeat(200), "short".into()] {
            std::fs::write(&path, &other).unwrap();
            let refused = reopen(&path, made("cd"));
            assert!(matches!(refused, Err(ScanError::Resume { .. })));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}
