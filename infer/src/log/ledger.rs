//! `veraray scan --log`: every verdict, with the hash of the model that gave it, goes into the log
//! before it goes into the output.
//!
//! Verdicts are held for a moment and appended together, since each append waits for the disk. So
//! whatever was put out is in the log, and after a crash the log may hold verdicts that were not put
//! out. To log those only once, an output file has a note beside it, `OUTPUT.log-start`, of where in
//! which log its run began: a resumed run compares its output with the entries from there on.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use veraray_provenance::log::{
    Decision, Digest, Entry, KeyKind, Log, LogError, SecretKey, Timestamp, Verdict as Logged,
    is_uid,
};

use crate::{Record, ScanArgs, ScanError, Status, Verdict};

/// Verdicts that are appended together.
const BATCH: usize = 256;
/// Verdicts that a resumed run appends together.
const CATCH_UP: usize = 4096;
/// How long a verdict may wait for others.
const HOLD: Duration = Duration::from_millis(200);
const START_LINE: &str = "veraray-scan-log/v1";

/// Flags of `veraray scan` about logs.
#[derive(Debug, Clone, Default, Args)]
pub struct LedgerArgs {
    /// Transparency log (see veraray log) to append every verdict to, with the model's hash
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// Private key of --log: signs what was appended when the scan ends
    #[arg(long, value_name = "FILE", requires = "log")]
    pub log_key: Option<PathBuf>,
}

/// What tells verdicts of one run apart: the file and what was decided.
type Key = (Digest, Decision);

/// Appends verdicts to a log.
pub(crate) struct Ledger {
    log: Log,
    folder: PathBuf,
    key: Option<SecretKey>,
    actor: String,
    model: Digest,
    /// Entries of an interrupted run whose records it did not put out.
    ahead: HashMap<Key, u32>,
    pending: Vec<(Option<Entry>, Record)>,
    oldest: Instant,
}

/// Hands records on.
type Sink<'s> = dyn FnMut(&Record) -> Result<(), ScanError> + 's;

impl Ledger {
    /// Opens the log of `--log`, if there is that flag, before anything is written. `model` is the
    /// SHA-256 of the checkpoint, `output` where records are written.
    pub(crate) fn open(
        arguments: &ScanArgs,
        output: Option<&Path>,
        model: &str,
    ) -> Result<Option<Self>, ScanError> {
        let Some(folder) = &arguments.ledger.log else {
            return Ok(None);
        };
        let log = Log::open(folder).map_err(|error| named("--log", folder, &error))?;
        let key = match &arguments.ledger.log_key {
            Some(path) => Some(
                SecretKey::load_as(path, log.key().name(), KeyKind::Log)
                    .and_then(|key| match key.public() == log.key() {
                        true => Ok(key),
                        false => Err(LogError::Key("not the key of this log".into())),
                    })
                    .map_err(|error| named("--log-key", path, &error))?,
            ),
            None => None,
        };
        let share = arguments
            .shard
            .map(|s| format!(", shard {}/{}", s.index, s.count));
        let version = env!("CARGO_PKG_VERSION");
        let ledger = Self {
            log,
            folder: folder.clone(),
            key,
            actor: format!("veraray {version}{}", share.unwrap_or_default()),
            model: model
                .parse()
                .map_err(|error| named("--log", folder, &error))?,
            ahead: HashMap::new(),
            pending: Vec::new(),
            oldest: Instant::now(),
        };
        if !arguments.resume
            && let Some(output) = output
        {
            // That of an earlier run, which is about to be overwritten with its output.
            let _ = std::fs::remove_file(beside(output));
        }
        Ok(Some(ledger))
    }

    /// Paths that the scan itself writes, which are no inputs.
    pub(crate) fn own_paths(&self, output: Option<&Path>) -> Vec<PathBuf> {
        let note = output.map(beside);
        let paths = [Some(self.folder.clone()), note].into_iter().flatten();
        paths.filter_map(|path| path.canonicalize().ok()).collect()
    }

    /// Notes where this run begins in the log; a resumed run first logs what is in its output and not
    /// in the log.
    pub(crate) fn begin(&mut self, output: Option<&Path>, resumed: bool) -> Result<(), ScanError> {
        let Some(output) = output else {
            return Ok(());
        };
        let note = beside(output);
        let start = if resumed { self.started(&note) } else { None };
        let start = match start {
            Some(start) => start,
            None => {
                let size = self.log.size()?;
                let text = format!("{START_LINE}\n{}\n{size}\n", self.log.key().name());
                durable(&note, text.as_bytes())
                    .map_err(|source| ScanError::Output { path: note, source })?;
                size
            }
        };
        // A run that ended has made a table of its records; then nothing is missing.
        if resumed && output.exists() {
            self.catch_up(start, output)?;
        }
        Ok(())
    }

    /// Where in this log the run of an output began, as its note says.
    fn started(&self, note: &Path) -> Option<u64> {
        let bytes = super::files::read(note, 1024).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut lines = text.strip_suffix('\n')?.lines();
        let (first, origin, start) = (lines.next()?, lines.next()?, lines.next()?);
        let fits = first == START_LINE && origin == self.log.key().name();
        start.parse().ok().filter(|_| fits)
    }

    /// Compares the output of an interrupted run with the log.
    fn catch_up(&mut self, start: u64, output: &Path) -> Result<(), ScanError> {
        let (actor, model) = (self.actor.clone(), self.model);
        let mut logged: HashMap<Key, u32> = HashMap::new();
        self.log.for_each(start, |_, entry| {
            if let Some(verdict) = entry.verdict
                && entry.action == ACTION
                && entry.actor == actor
                && verdict.model_sha256 == model
            {
                *logged
                    .entry((entry.file_sha256, verdict.verdict))
                    .or_default() += 1;
            }
            Ok(())
        })?;
        let failed = |source| ScanError::Output {
            path: output.to_owned(),
            source,
        };
        let mut missing = Vec::new();
        let file = File::open(output).map_err(failed)?;
        for line in BufReader::new(file).lines() {
            // Whole lines only: resuming has looked at each, and removed one that was cut off.
            let Ok(line) = serde_json::from_str::<Line>(&line.map_err(failed)?) else {
                continue;
            };
            let Some(entry) = self.entry(&line) else {
                continue;
            };
            if !take(&mut logged, &entry) {
                missing.push(entry);
            }
            if missing.len() == CATCH_UP {
                self.log.append(&std::mem::take(&mut missing))?;
            }
        }
        self.log.append(&missing)?;
        self.ahead = logged;
        Ok(())
    }

    /// The entry of a verdict; nothing for an input that has none.
    fn entry(&self, line: &Line) -> Option<Entry> {
        let decision = match line.verdict.filter(|_| line.status == Status::Ok)? {
            Verdict::Authentic => Decision::Authentic,
            Verdict::Synthetic => Decision::Synthetic,
            Verdict::Tampered => Decision::Tampered,
            Verdict::Abstain => Decision::Abstain,
        };
        let file = line.sha256.as_deref()?.parse().ok()?;
        let mut entry = Entry::new(ACTION, self.actor.as_str(), file, Timestamp::now());
        entry.sop_instance_uid = line.sop_instance_uid.clone().filter(|uid| is_uid(uid));
        entry.pixel_sha256 = line.pixels;
        entry.verdict = Logged::new(self.model, line.score, decision)
            .or_else(|| Logged::new(self.model, None, decision));
        Some(entry)
    }

    /// Takes a record, to be logged and then handed to `sink`.
    pub(crate) fn pass(&mut self, record: &Record, sink: &mut Sink<'_>) -> Result<(), ScanError> {
        if self.pending.is_empty() {
            self.oldest = Instant::now();
        }
        let entry = self.entry(&Line::of(record));
        let entry = entry.filter(|entry| !take(&mut self.ahead, entry));
        self.pending.push((entry, record.clone()));
        if self.pending.len() >= BATCH || self.oldest.elapsed() >= HOLD {
            self.flush(sink)?;
        }
        Ok(())
    }

    /// Logs and hands on whatever waits.
    pub(crate) fn flush(&mut self, sink: &mut Sink<'_>) -> Result<(), ScanError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (entries, records): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().unzip();
        let entries: Vec<Entry> = entries.into_iter().flatten().collect();
        self.log
            .append(&entries)
            .map_err(|error| named("--log", &self.folder, &error))?;
        records.iter().try_for_each(sink)
    }

    /// Signs what was appended, if there is a key.
    pub(crate) fn sign(&self) -> Result<(), ScanError> {
        let signed = self.key.as_ref().map(|key| self.log.checkpoint(key));
        signed
            .transpose()
            .map(drop)
            .map_err(|error| named("--log", &self.folder, &error))
    }
}

/// What the entries of a scan say was done.
const ACTION: &str = "scanned";

/// The part of a record that is logged.
#[derive(Deserialize)]
struct Line {
    sha256: Option<String>,
    status: Status,
    sop_instance_uid: Option<String>,
    verdict: Option<Verdict>,
    score: Option<f64>,
    #[serde(skip)]
    pixels: Option<Digest>,
}

impl Line {
    fn of(record: &Record) -> Self {
        Self {
            sha256: record.sha256.clone(),
            status: record.status,
            sop_instance_uid: record.sop_instance_uid.clone(),
            verdict: record.verdict,
            score: record.score,
            pixels: record.pixels,
        }
    }
}

fn take(counts: &mut HashMap<Key, u32>, entry: &Entry) -> bool {
    let verdict = entry.verdict.map(|v| v.verdict);
    let count = verdict.and_then(|v| counts.get_mut(&(entry.file_sha256, v)));
    match count {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

fn named(flag: &str, path: &Path, error: &LogError) -> ScanError {
    ScanError::Usage(format!("{flag} {}: {error}", path.display()))
}

fn beside(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".log-start");
    PathBuf::from(name)
}

/// Writes a small file and waits for the disk.
fn durable(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
