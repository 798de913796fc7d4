//! Manifests row by row, so that memory does not grow with their length.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::columns::Columns;
use super::{Entry, ManifestError, parquet};

/// A manifest that is read one row at a time, CSV or Parquet by content.
///
/// Yields every row's cells, in the order of [`ManifestReader::columns`], beside the [`Entry`] that
/// they make. Ends after the first error.
pub struct ManifestReader {
    path: PathBuf,
    folder: PathBuf,
    names: Vec<String>,
    columns: Columns,
    sha256: String,
    rows: Rows,
    line: usize,
    ended: bool,
}

enum Rows {
    Csv(Box<csv::Reader<BufReader<File>>>),
    Parquet(parquet::Rows),
}

impl ManifestReader {
    /// Opens a manifest and reads its columns.
    ///
    /// # Errors
    /// [`ManifestError`] when the file cannot be read or lacks a required column.
    pub fn open(path: &Path) -> Result<Self, ManifestError> {
        let io = |source| ManifestError::Io {
            path: path.to_owned(),
            source,
        };
        let malformed = |message| ManifestError::Malformed {
            path: path.to_owned(),
            message,
        };
        let sha256 = crate::digest_file(path).map_err(io)?;
        let mut file = File::open(path).map_err(io)?;
        let mut magic = [0; 4];
        let is_parquet = file.read_exact(&mut magic).is_ok() && magic == *b"PAR1";
        let (names, rows) = if is_parquet {
            let (names, rows) = parquet::open(path).map_err(malformed)?;
            (names, Rows::Parquet(rows))
        } else {
            let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
            let mut reader = csv::Reader::from_reader(file);
            let header = reader.headers().map_err(|e| malformed(e.to_string()))?;
            // Spreadsheets put a byte-order mark before the first name.
            let names = header
                .iter()
                .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
                .collect();
            (names, Rows::Csv(Box::new(reader)))
        };
        Ok(Self {
            columns: Columns::find(&names).map_err(malformed)?,
            path: path.to_owned(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            names,
            sha256,
            rows,
            line: 1,
            ended: false,
        })
    }

    /// Names of all columns, known or not.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// SHA-256 of the manifest file, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn row(&mut self) -> Option<Result<Vec<String>, String>> {
        match &mut self.rows {
            Rows::Csv(reader) => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(false) => None,
                    Ok(true) => Some(Ok(record.iter().map(str::to_owned).collect())),
                    Err(error) => Some(Err(error.to_string())),
                }
            }
            Rows::Parquet(rows) => rows.next(),
        }
    }
}

impl Iterator for ManifestReader {
    type Item = Result<(Vec<String>, Entry), ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.row()?;
        self.line += 1;
        let parsed = row.and_then(|row| {
            let entry = self.columns.entry(&row, &self.folder, self.line)?;
            Ok((row, entry))
        });
        Some(parsed.map_err(|message| {
            self.ended = true;
            ManifestError::Malformed {
                path: self.path.clone(),
                message,
            }
        }))
    }
}
