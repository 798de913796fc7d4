//! Goes on with the output of an interrupted run.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use crate::ScanError;
use crate::summary::Counts;
use crate::tables::Row;

/// The paths that an earlier run recorded, with how often: two paths that are no UTF-8 may read the
/// same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    paths: HashMap<String, u32>,
    /// What the records said, for the summary and the exit status of the whole.
    pub(crate) counts: Counts,
}

impl Recorded {
    /// Whether `path` was recorded; true once for every record of it.
    pub(crate) fn take(&mut self, path: &str) -> bool {
        match self.paths.get_mut(path) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    /// Whether every record was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.values().all(|count| *count == 0)
    }

    /// Takes note of a record of the earlier run, or says why this run cannot go on with it.
    pub(crate) fn accept(&mut self, row: &Row, made: Made<'_>) -> Result<(), String> {
        if row.model.sha256 != made.sha256 {
            return Err("an earlier run with another checkpoint wrote it".into());
        }
        // Decimal numbers may lose their last bit on the way.
        if row
            .threshold
            .is_some_and(|other| (other - made.threshold).abs() > 1e-12)
        {
            return Err("an earlier run with another --max-fpr wrote it".into());
        }
        *self.paths.entry(row.path.clone()).or_default() += 1;
        self.counts.add(row.status, row.verdict);
        Ok(())
    }
}

/// By what an earlier run must have judged for this one to go on with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made<'a> {
    /// SHA-256 of the checkpoint.
    pub(crate) sha256: &'a str,
    pub(crate) threshold: f64,
}

/// Opens the output of an earlier run for appending. A last line that was cut off is removed; a file
/// that is not there is made.
///
/// # Errors
/// [`ScanError::Resume`] when a whole line is no record, or another checkpoint or threshold made it.
pub(crate) fn reopen(path: &Path, made: Made<'_>) -> Result<(File, Recorded), ScanError> {
    let io = |source| ScanError::Output {
        path: path.to_owned(),
        source,
    };
    let refuse = |reason: String| ScanError::Resume {
        path: path.to_owned(),
        reason,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io)?;
    let mut recorded = Recorded::default();
    let mut reader = BufReader::new(file);
    let mut whole: u64 = 0;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(io)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        let row: Row = serde_json::from_slice(&line)
            .map_err(|error| refuse(format!("line {number} is no record of a scan: {error}")))?;
        recorded.accept(&row, made).map_err(refuse)?;
        whole += length as u64;
    }
    let mut file = reader.into_inner();
    file.set_len(whole)
        .and_then(|()| file.seek(SeekFrom::End(0)).map(drop))
        .map_err(io)?;
    Ok((file, recorded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn made(sha256: &str, threshold: f64) -> Made<'_> {
        Made { sha256, threshold }
    }

    fn line(path: &str) -> String {
        format!(
            "{{\"path\":\"{path}\",\"status\":\"ok\",\"verdict\":\"authentic\",\
             \"threshold\":0.5,\"model\":{{\"sha256\":\"ab\"}}}}\n"
        )
    }

    #[test]
    fn a_torn_line_goes_and_whole_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(
            &path,
            format!("{}{}{}", line("a"), line("b"), "{\"path\":\"c\""),
        )
        .unwrap();
        let (mut file, mut recorded) = reopen(&path, made("ab", 0.5)).unwrap();
        assert!(recorded.take("a") && recorded.take("b"));
        assert!(!recorded.take("a") && !recorded.take("c"));
        assert_eq!(recorded.counts.authentic, 2);
        file.write_all(line("c").as_bytes()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, [line("a"), line("b"), line("c")].concat());
    }

    #[test]
    fn another_checkpoint_or_threshold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(&path, line("a")).unwrap();
        assert!(matches!(
            reopen(&path, made("cd", 0.5)),
            Err(ScanError::Resume { .. })
        ));
        assert!(matches!(
            reopen(&path, made("ab", 0.6)),
            Err(ScanError::Resume { .. })
        ));
        std::fs::write(&path, "not a record\n").unwrap();
        assert!(matches!(
            reopen(&path, made("ab", 0.5)),
            Err(ScanError::Resume { .. })
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a record\n");
    }
}
