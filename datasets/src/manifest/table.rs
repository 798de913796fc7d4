//! A manifest as a table: every cell of it, also of columns that no tool here knows.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Entry, ManifestError, ManifestReader, parquet};

/// The cells of a manifest, and what they say.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows of as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
    /// What every row says.
    pub entries: Vec<Entry>,
    /// SHA-256 of the file it was read from, hexadecimal.
    pub sha256: String,
}

impl Table {
    /// Reads a manifest, CSV or Parquet by content.
    ///
    /// # Errors
    /// [`ManifestError`], with the file and the line.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let reader = ManifestReader::open(path)?;
        let mut table = Self {
            columns: reader.columns().to_vec(),
            sha256: reader.sha256().to_owned(),
            ..Self::default()
        };
        for row in reader {
            let (cells, entry) = row?;
            table.rows.push(cells);
            table.entries.push(entry);
        }
        if table.rows.is_empty() {
            return Err(ManifestError::Malformed {
                path: path.to_owned(),
                message: "it names no image".into(),
            });
        }
        Ok(table)
    }

    /// The position of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A cell; empty where the column is missing.
    #[must_use]
    pub fn cell(&self, row: usize, name: &str) -> &str {
        self.column(name)
            .and_then(|at| self.rows.get(row)?.get(at))
            .map_or("", String::as_str)
    }

    /// The position of a column that is added, empty, where it is missing.
    pub fn column_or_add(&mut self, name: &str) -> usize {
        if let Some(at) = self.column(name) {
            return at;
        }
        self.columns.push(name.into());
        for row in &mut self.rows {
            row.resize(self.columns.len(), String::new());
        }
        self.columns.len() - 1
    }

    /// Rewrites relative paths and masks of a manifest at `from` for one at `to`.
    pub fn move_paths(&mut self, from: &Path, to: &Path) {
        let folder = |file: &Path| file.parent().unwrap_or(Path::new("")).to_owned();
        let prefix = crate::relative(&folder(from), &folder(to));
        if prefix.is_empty() {
            return;
        }
        for name in ["path", "mask"] {
            let Some(at) = self.column(name) else {
                continue;
            };
            for row in &mut self.rows {
                let cell = &mut row[at];
                if !cell.is_empty() && Path::new(cell.as_str()).is_relative() {
                    *cell = format!("{prefix}{cell}");
                }
            }
        }
    }

    /// Writes the table, as Parquet if the name ends in `.parquet`, else as CSV. Paths are written
    /// as they stand. The file appears when it is complete.
    ///
    /// # Errors
    /// [`ManifestError::Io`] with the file.
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        let io = |source| ManifestError::Io {
            path: path.to_owned(),
            source,
        };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let written = self.write_to(path, &partial);
        written
            .and_then(|()| std::fs::rename(&partial, path))
            .map_err(|error| {
                let _ = std::fs::remove_file(&partial);
                io(error)
            })
    }

    fn write_to(&self, path: &Path, partial: &Path) -> std::io::Result<()> {
        let file = File::create(partial)?;
        let named_parquet = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
        if named_parquet {
            let rows = self.rows.iter().map(Vec::as_slice);
            return parquet::write(file, &self.columns, rows);
        }
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        writer
            .into_inner()
            .map_err(|error| std::io::Error::other(error.to_string()))?
            .flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_columns_odd_text_and_a_byte_order_mark_survive_both_formats() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("m.csv");
        let text = "\u{feff}path,label,seed,group,generator\n\
                    a.png,real,\"1, \"\"2\"\"\",ä/β,\nb.png,synthetic,,g,gan\n";
        std::fs::write(&csv, text).unwrap();
        let table = Table::read(&csv).unwrap();
        assert_eq!(table.cell(0, "seed"), "1, \"2\"");
        assert_eq!(table.entries[0].group, "ä/β");
        assert_eq!(table.entries[0].path, folder.path().join("a.png"));
        for name in ["again.csv", "again.parquet"] {
            let path = folder.path().join(name);
            table.write(&path).unwrap();
            let again = Table::read(&path).unwrap();
            assert_eq!(again.columns, table.columns, "{name}");
            assert_eq!(again.rows, table.rows, "{name}");
            assert_eq!(again.entries, table.entries, "{name}");
        }
        assert!(
            std::fs::read(folder.path().join("again.parquet"))
                .unwrap()
                .starts_with(b"PAR1")
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        for (text, expected) in [
            ("path,label\n", "no image"),
            ("path\na.png\n", "missing column 'label'"),
            ("path,label,path\na,real,b\n", "twice"),
            ("path,label\na.png,fake\n", "line 2: label 'fake'"),
            ("path,label\na.png,real\n,real\n", "line 3: the path"),
            ("path,label,split\na.png,real,dev\n", "split 'dev'"),
            ("path,label\na.png\n", "found record with 1 fields"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = Table::read(&path).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
            assert!(message.contains("m.csv"), "{message}");
        }
        // Cut-off or damaged Parquet is an error, not a panic.
        std::fs::write(&path, "path,label\na.png,real\n").unwrap();
        let parquet = folder.path().join("m.parquet");
        Table::read(&path).unwrap().write(&parquet).unwrap();
        let whole = std::fs::read(&parquet).unwrap();
        for cut in 4..whole.len() {
            std::fs::write(&parquet, &whole[..cut]).unwrap();
            assert!(Table::read(&parquet).is_err(), "cut at {cut}");
        }
        for at in 4..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(&parquet, &bytes).unwrap();
            // Wrong or right, but it comes back.
            let _ = Table::read(&parquet);
        }
    }
}
