//! `veraray scan --report DIR`: a page for a whole batch, which needs no network and no server.
//!
//! While a scan runs, its workers write previews and every record goes to `DIR/records.jsonl`, so
//! that memory stays bounded and an interrupted run can go on. At the end `DIR/index.html` is made
//! from that file.

pub(crate) mod card;
pub(crate) mod colour;
mod context;
mod page;
pub(crate) mod plot;
mod preview;
pub(crate) mod raster;
pub(crate) mod shell;
mod studies;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use context::Context;
pub(crate) use preview::{Previews, Sitting, preview_name};

use crate::resume::Recorded;
use crate::tables::{self, Row};
use crate::{Record, ScanError};

/// Records in the order of the scan, one JSON object a line.
const SIDECAR: &str = "records.jsonl";

/// Folder of the previews.
const PREVIEWS: &str = "previews";

/// A record as a report keeps it, with what it takes to put slices in order.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<[f64; 4]>,
}

/// A report in the making.
pub(crate) struct Report {
    folder: PathBuf,
    sidecar: BufWriter<File>,
    previews: Arc<Previews>,
}

impl Report {
    /// Begins a report in a new or empty folder, or in that of an earlier report, which goes.
    ///
    /// # Errors
    /// [`ScanError::Usage`] when the folder holds something else, [`ScanError::Report`] when it
    /// cannot be written.
    pub(crate) fn create(folder: &Path) -> Result<Self, ScanError> {
        fs::create_dir_all(folder).map_err(|error| fault(folder, error))?;
        let sidecar = folder.join(SIDECAR);
        if !is_free(folder)? {
            for path in [folder.join("index.html"), folder.join(PREVIEWS)] {
                let removed = match path.is_dir() {
                    true => fs::remove_dir_all(&path),
                    false if path.exists() => fs::remove_file(&path),
                    false => Ok(()),
                };
                removed.map_err(|error| fault(&path, error))?;
            }
        }
        let file = File::create(&sidecar).map_err(|error| fault(&sidecar, error))?;
        Ok(Self::over(folder, file))
    }

    /// Goes on with the report of an interrupted run. It then holds what `output` holds: a record
    /// more is dropped, for its image is judged again; records that it lacks are taken over.
    ///
    /// # Errors
    /// As [`Report::create`], and what reading `output` says.
    pub(crate) fn resume(
        folder: &Path,
        mut recorded: Recorded,
        output: &Path,
    ) -> Result<Self, ScanError> {
        let sidecar = folder.join(SIDECAR);
        if !sidecar.is_file() && !output.exists() {
            return Self::create(folder);
        }
        fs::create_dir_all(folder).map_err(|error| fault(folder, error))?;
        let partial = folder.join("records.jsonl.partial");
        is_free(folder)?;
        let io = |error| fault(&partial, error);
        let mut writer = BufWriter::new(File::create(&partial).map_err(io)?);
        if sidecar.is_file() {
            let file = File::open(&sidecar).map_err(|error| fault(&sidecar, error))?;
            let mut reader = BufReader::new(file);
            let mut line = Vec::new();
            while whole_line(&mut reader, &mut line).map_err(|error| fault(&sidecar, error))? {
                if path_of(&line).is_some_and(|path| recorded.take(&path)) {
                    writer.write_all(&line).map_err(io)?;
                }
            }
        }
        if !recorded.is_empty() {
            tables::rows(output, &mut |row: &Row| {
                if recorded.take(&row.path) {
                    serde_json::to_writer(&mut writer, row)
                        .map_err(io::Error::from)
                        .and_then(|()| writer.write_all(b"\n"))
                        .map_err(io)?;
                }
                Ok(())
            })?;
        }
        let file = writer
            .into_inner()
            .map_err(|error| io(error.into_error()))?;
        fs::rename(&partial, &sidecar).map_err(|error| fault(&sidecar, error))?;
        Ok(Self::over(folder, file))
    }

    fn over(folder: &Path, file: File) -> Self {
        Self {
            folder: folder.to_owned(),
            sidecar: BufWriter::new(file),
            previews: Arc::new(Previews::new(folder.join(PREVIEWS))),
        }
    }

    /// Where workers leave previews.
    pub(crate) fn previews(&self) -> Arc<Previews> {
        Arc::clone(&self.previews)
    }

    /// Takes a record down, whole and at once.
    ///
    /// # Errors
    /// [`ScanError::Report`] when it, or a preview since the last call, cannot be written.
    pub(crate) fn add(&mut self, record: &Record) -> Result<(), ScanError> {
        if let Some((path, error)) = self.previews.fault() {
            return Err(fault(&path, error));
        }
        let kept = Kept {
            record,
            place: record.place,
        };
        serde_json::to_writer(&mut self.sidecar, &kept)
            .map_err(io::Error::from)
            .and_then(|()| self.sidecar.write_all(b"\n"))
            .and_then(|()| self.sidecar.flush())
            .map_err(|error| fault(&self.folder.join(SIDECAR), error))
    }

    /// Makes the page; returns its path.
    ///
    /// # Errors
    /// [`ScanError::Report`] when it cannot be written.
    pub(crate) fn finish(self, context: &Context) -> Result<PathBuf, ScanError> {
        let index = self.folder.join("index.html");
        let sidecar = self.folder.join(SIDECAR);
        page::write(&index, &sidecar, &self.folder.join(PREVIEWS), context)
            .map_err(|error| fault(&index, error))?;
        Ok(index)
    }
}

/// Whether a folder is empty; refuses one that holds something else than a report.
fn is_free(folder: &Path) -> Result<bool, ScanError> {
    let mut entries = fs::read_dir(folder).map_err(|error| fault(folder, error))?;
    let empty = entries.next().is_none();
    if !empty && !folder.join(SIDECAR).is_file() {
        return Err(ScanError::Usage(format!(
            "--report {}: the folder holds something that is no report; give an empty one",
            folder.display()
        )));
    }
    Ok(empty)
}

/// An error of a file of a report.
fn fault(path: &Path, source: io::Error) -> ScanError {
    ScanError::Report {
        path: path.to_owned(),
        source,
    }
}

/// Reads the next line with its end; a last one that was cut off does not count.
fn whole_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.read_until(b'\n', line)?;
    Ok(line.last() == Some(&b'\n'))
}

fn path_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        path: String,
    }
    serde_json::from_slice::<Line>(line)
        .ok()
        .map(|line| line.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resume::Made;

    fn line(path: &str) -> String {
        let model = crate::ModelId {
            name: "m".into(),
            version: "1".into(),
            sha256: "ab".into(),
        };
        let record = Record::blank(path.into(), &model, "cpu");
        serde_json::to_string(&record).unwrap() + "\n"
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "words").unwrap();
        let refused = Report::create(folder.path());
        assert!(matches!(refused, Err(ScanError::Usage(_))));
        assert!(folder.path().join("thesis.txt").is_file());
    }

    #[test]
    fn an_earlier_report_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            drop(Report::create(folder.path()).unwrap());
            fs::create_dir_all(folder.path().join("previews/ab")).unwrap();
            fs::write(folder.path().join("index.html"), "old").unwrap();
        }
        drop(Report::create(folder.path()).unwrap());
        assert!(!folder.path().join("index.html").exists());
        assert!(!folder.path().join("previews").exists());
    }

    #[test]
    fn after_resuming_it_holds_what_the_output_holds() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.jsonl");
        let report = folder.path().join("report");
        fs::create_dir(&report).unwrap();
        fs::write(&output, [line("a"), line("b"), line("c")].concat()).unwrap();
        // b is missing, d was judged but never reached the output, e was cut off.
        let torn = &line("e")[..30];
        let sidecar = report.join(SIDECAR);
        fs::write(
            &sidecar,
            [&line("a"), &line("c"), &line("d"), torn].concat(),
        )
        .unwrap();
        let made = Made {
            sha256: "ab",
            threshold: 0.5,
        };
        let (_, recorded) = crate::resume::reopen(&output, made).unwrap();
        drop(Report::resume(&report, recorded, &output).unwrap());
        let paths: Vec<String> = fs::read_to_string(&sidecar)
            .unwrap()
            .lines()
            .map(|line| path_of(line.as_bytes()).unwrap())
            .collect();
        assert_eq!(paths, ["a", "c", "b"]);
    }
}
