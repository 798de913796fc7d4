//! `veraray audit --merge`: the outputs of several processes as one, checked for completeness.
//!
//! Which shard a path belongs to follows from the path alone, so a shard that is missing, given
//! twice or cut short is noticed without any bookkeeping at scan time.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::select::digest;
use crate::summary::Counts;
use crate::tables::{self, Row, csv, parquet};
use crate::{ExitStatus, FormatArg, ScanError, pages};

/// Most shards that are looked for when some are missing.
const MOST_SHARDS: u64 = 4096;

/// Most names printed of one kind of problem.
const MOST_NAMES: usize = 10;

/// What `--merge` takes.
#[derive(Debug, Clone, Args)]
pub struct MergeArgs {
    /// Outputs of `veraray scan --shard I/N` (JSON Lines, CSV or Parquet) to check and merge
    #[arg(long, value_name = "SHARD", num_args = 1.., required_unless_present_any = ["paths", "records"])]
    pub merge: Vec<PathBuf>,
    /// File to write: the audit as JSON; with --merge the merged table, in the form of its ending
    /// (.jsonl, .csv, .parquet)
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Number of shards of the scan [default: found from the paths]
    #[arg(long, value_name = "N", requires = "merge", value_parser = clap::value_parser!(u64).range(1..=MOST_SHARDS))]
    pub shards: Option<u64>,
    /// Whether the files are the shards of one scan; off for scans of different folders
    #[arg(long, value_enum, default_value_t = Sharding::On)]
    pub sharding: Sharding,
    /// File with the paths that must be there, one a line; - for standard input
    #[arg(long, value_name = "FILE", requires = "merge")]
    pub list: Option<PathBuf>,
}

/// Whether to check the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sharding {
    /// Every path must lie in the shard that it belongs to, and no shard may be missing
    On,
    /// Any files of records
    Off,
}

/// What is known of one file of records.
#[derive(Debug, Default)]
struct Shard {
    records: u64,
    /// Digests of its paths; those that are no text as they were met are left out.
    digests: Vec<u128>,
}

/// What merging found.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) counts: Counts,
    /// Shards that the scan had, where that could be told.
    pub(crate) shards: Option<u64>,
    /// What keeps the whole from being complete, in words.
    pub(crate) problems: Vec<String>,
}

/// Checks `files` as the outputs of one scan.
///
/// # Errors
/// [`ScanError::Table`] when one of them cannot be read.
pub(crate) fn check(arguments: &MergeArgs) -> Result<Merged, ScanError> {
    let mut merged = Merged::default();
    let mut shards: Vec<Shard> = Vec::new();
    // A path's digest to the file that has it; paths themselves would fill the memory.
    let mut met: HashMap<u128, usize> = HashMap::new();
    let mut twice = Names::default();
    let mut models: BTreeSet<String> = BTreeSet::new();
    let mut thresholds: BTreeSet<u64> = BTreeSet::new();
    for (index, file) in arguments.merge.iter().enumerate() {
        let mut shard = Shard::default();
        tables::rows(file, &mut |row| {
            shard.records += 1;
            merged.counts.add(row.status, row.verdict);
            let digest = digest(Path::new(&row.path));
            if !row.path.contains('\u{fffd}') {
                shard.digests.push(digest);
                if met.insert(digest, index).is_some() {
                    twice.add(&row.path);
                }
            }
            models.insert(row.model.sha256.clone());
            // Decimal numbers may lose their last bit on the way.
            thresholds.extend(row.threshold.map(|value| (value * 1e12).round() as u64));
            Ok(())
        })?;
        shards.push(shard);
    }
    let problems = &mut merged.problems;
    if !twice.is_empty() {
        problems.push(twice.sentence("recorded more than once"));
    }
    if models.len() > 1 {
        let names: Vec<&str> = models
            .iter()
            .map(|hash| hash.get(..12).unwrap_or(hash))
            .collect();
        problems.push(format!(
            "{} checkpoints judged: {}",
            models.len(),
            names.join(", ")
        ));
    }
    if thresholds.len() > 1 {
        problems.push(format!(
            "{} different thresholds were in force",
            thresholds.len()
        ));
    }
    if arguments.sharding == Sharding::On {
        merged.shards = sharding(&shards, arguments, problems);
    }
    if let Some(list) = &arguments.list {
        compare(list, &met, problems)?;
    }
    Ok(merged)
}

/// Checks that every file is one shard, and all are there. Returns their number.
fn sharding(shards: &[Shard], arguments: &MergeArgs, problems: &mut Vec<String>) -> Option<u64> {
    let files = shards.len() as u64;
    // All records of a shard leave the same remainder.
    let indices = |count: u64| -> Option<Vec<Option<u64>>> {
        shards
            .iter()
            .map(|shard| {
                let mut indices = shard
                    .digests
                    .iter()
                    .map(|digest| digest % u128::from(count));
                let Some(first) = indices.next() else {
                    return Some(None);
                };
                // Below 2¹², so nothing is lost.
                indices
                    .all(|index| index == first)
                    .then_some(Some(first as u64 + 1))
            })
            .collect()
    };
    let distinct = |count: u64| {
        indices(count).filter(|indices| {
            let found: Vec<u64> = indices.iter().flatten().copied().collect();
            found.iter().collect::<BTreeSet<_>>().len() == found.len()
        })
    };
    let (count, indices) = match arguments.shards {
        Some(count) => (count, indices(count)),
        None => (files..=MOST_SHARDS)
            .find_map(|count| distinct(count).map(|indices| (count, Some(indices))))
            // A shard that is given twice.
            .or_else(|| (2..=MOST_SHARDS).find_map(|count| Some((count, Some(indices(count)?)))))
            .unwrap_or((files, indices(files))),
    };
    let Some(indices) = indices else {
        problems.push(match arguments.shards {
            Some(count) => format!("the files are not shards of {count}: a file mixes several"),
            None => {
                "the files are not the shards of one scan; for scans of different folders give \
                     --sharding off"
                    .into()
            }
        });
        return None;
    };
    let mut names: HashMap<u64, usize> = HashMap::new();
    for (file, index) in indices.iter().enumerate() {
        if let Some(index) = index
            && let Some(other) = names.insert(*index, file)
        {
            problems.push(format!(
                "shard {index}/{count} is there twice: {} and {}",
                arguments.merge[other].display(),
                arguments.merge[file].display()
            ));
        }
    }
    let missing: Vec<u64> = (1..=count)
        .filter(|index| !names.contains_key(index))
        .collect();
    // A file without records is some shard that had nothing to do.
    let empty = indices.iter().filter(|index| index.is_none()).count();
    if missing.len() > empty {
        let mut list = Names::default();
        missing
            .iter()
            .for_each(|index| list.add(&format!("{index}/{count}")));
        let spare = match empty {
            0 => String::new(),
            empty => format!(" ({empty} of the files hold no record)"),
        };
        problems.push(list.sentence("not there") + &spare);
    }
    Some(count)
}

/// Compares the paths recorded with those that should be.
fn compare(
    list: &Path,
    met: &HashMap<u128, usize>,
    problems: &mut Vec<String>,
) -> Result<(), ScanError> {
    let refuse = |error: io::Error| ScanError::Table {
        path: list.to_owned(),
        reason: error.to_string(),
    };
    let mut reader: Box<dyn BufRead> = if list.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(list).map_err(refuse)?))
    };
    let mut wanted = BTreeSet::new();
    let mut missing = Names::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(refuse)? == 0 {
            break;
        }
        let path = String::from_utf8_lossy(&line);
        let path = path.trim_end_matches(['\n', '\r']);
        if path.is_empty() || path.contains('\u{fffd}') {
            continue;
        }
        let digest = digest(Path::new(path));
        if wanted.insert(digest) && !met.contains_key(&digest) {
            missing.add(path);
        }
    }
    if !missing.is_empty() {
        problems.push(missing.sentence("on the list and not recorded"));
    }
    let more = met.keys().filter(|digest| !wanted.contains(digest)).count();
    if more > 0 {
        problems.push(format!("{more} recorded and not on the list"));
    }
    Ok(())
}

/// The first few names of many.
#[derive(Debug, Default)]
struct Names {
    first: Vec<String>,
    count: usize,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.first.len() < MOST_NAMES {
            self.first.push(crate::text::printable(name));
        }
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn sentence(&self, what: &str) -> String {
        let more = match self.count - self.first.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} {what}: {}{more}", self.count, self.first.join(", "))
    }
}

/// Writes the records of `files`, one after another, in the form that `path` ends with.
///
/// # Errors
/// [`ScanError::Usage`] for another ending, [`ScanError::Output`] when it cannot be written.
pub(crate) fn write(files: &[PathBuf], path: &Path) -> Result<(), ScanError> {
    let failed = |source| ScanError::Output {
        path: path.to_owned(),
        source,
    };
    let format = form_of(path)?;
    for file in files {
        if file
            .canonicalize()
            .ok()
            .is_some_and(|file| path.canonicalize().ok() == Some(file))
        {
            return Err(ScanError::Usage(format!(
                "--output {}: would overwrite a file to merge",
                path.display()
            )));
        }
    }
    if format == FormatArg::Parquet {
        let broken = |error| failed(io::Error::other(error));
        let mut table = parquet::Writer::create(path).map_err(broken)?;
        for file in files {
            tables::rows(file, &mut |row| table.write(row).map_err(broken))?;
        }
        return table.finish().map_err(broken);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut writer = BufWriter::new(File::create(&partial).map_err(failed)?);
    if format == FormatArg::Csv {
        csv::header()
            .and_then(|header| writer.write_all(&header))
            .map_err(failed)?;
    }
    for file in files {
        tables::rows(file, &mut |row| {
            line(format, row)
                .and_then(|line| writer.write_all(&line))
                .map_err(failed)
        })?;
    }
    writer
        .into_inner()
        .map_err(|error| failed(error.into_error()))?
        .sync_all()
        .and_then(|()| fs::rename(&partial, path))
        .map_err(failed)
}

fn line(format: FormatArg, row: &Row) -> io::Result<Vec<u8>> {
    if format == FormatArg::Csv {
        return csv::encode(row);
    }
    let mut line = serde_json::to_vec(row)?;
    line.push(b'\n');
    Ok(line)
}

fn form_of(path: &Path) -> Result<FormatArg, ScanError> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson") => Ok(FormatArg::Jsonl),
        Some("csv") => Ok(FormatArg::Csv),
        Some("parquet") => Ok(FormatArg::Parquet),
        _ => Err(ScanError::Usage(format!(
            "--output {}: the name must end in .jsonl, .csv or .parquet",
            path.display()
        ))),
    }
}

/// Runs the check, and writes the whole when it is complete.
pub(crate) fn run(arguments: &MergeArgs) -> Result<ExitStatus, ScanError> {
    if let Some(output) = &arguments.output {
        form_of(output)?;
    }
    let merged = check(arguments)?;
    let counts = merged.counts;
    let shards = merged
        .shards
        .map_or_else(String::new, |count| format!(" of {count} shards"));
    let mut text = format!(
        "{} records in {} files{shards}: {} authentic, {} synthetic, {} tampered, {} not judged, \
         {} failed\n",
        counts.total(),
        arguments.merge.len(),
        counts.authentic,
        counts.synthetic,
        counts.tampered,
        counts.abstain,
        counts.errors,
    );
    if !merged.problems.is_empty() {
        for problem in &merged.problems {
            text.push_str(&format!("incomplete: {problem}\n"));
        }
        if arguments.output.is_some() {
            text.push_str("nothing was written\n");
        }
        pages::print(text.as_bytes())?;
        return Ok(ExitStatus::Failed);
    }
    if let Some(output) = &arguments.output {
        write(&arguments.merge, output)?;
        text.push_str(&format!("complete; written to {}\n", output.display()));
    } else {
        text.push_str("complete\n");
    }
    pages::print(text.as_bytes())
}
