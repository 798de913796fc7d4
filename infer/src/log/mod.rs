//! `veraray log`: the transparency log of where images come from and what was done to them.

mod files;
mod ledger;
mod options;
mod verify;
mod witness;

use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use files::pixels;
pub(crate) use ledger::Ledger;
pub use ledger::LedgerArgs;
pub(crate) use options::LOG_EXAMPLES;
pub use options::{
    AppendArgs, CheckpointArgs, CosignArgs, InitArgs, LogCommand, ProveArgs, VerifyArgs,
    WitnessArgs,
};
use veraray_provenance::log::{
    Entry, KeyKind, Log, LogError, MAX_CHECKPOINT, SecretKey, Timestamp, is_uid,
};

use crate::pages::print;
use crate::{ExitStatus, ScanError};

/// Most entries appended together: each append waits for the disk a few times.
const BATCH: usize = 4096;
/// How long an entry may wait for others.
const HOLD: Duration = Duration::from_millis(500);

/// Runs `veraray log`.
pub(crate) fn run(command: &LogCommand) -> Result<ExitStatus, ScanError> {
    veraray_datasets::quiet_decoder_panics();
    match command {
        LogCommand::Init(arguments) => init(arguments),
        LogCommand::Append(arguments) => append(arguments),
        LogCommand::Checkpoint(arguments) => checkpoint(arguments),
        LogCommand::Prove(arguments) => prove(arguments),
        LogCommand::Verify(arguments) => verify::verify(arguments),
        LogCommand::Witness(arguments) => witness::make(arguments),
        LogCommand::Cosign(arguments) => witness::cosign(arguments),
    }
}

/// Opens a log; what is no log is said to be none.
fn open(folder: &Path) -> Result<Log, ScanError> {
    let missing = !folder.join("log.vkey").exists();
    Log::open(folder).map_err(|error| match error {
        LogError::Io { .. } if missing => ScanError::Usage(format!(
            "{}: no log; veraray log init makes one",
            folder.display()
        )),
        error => ScanError::Log(error),
    })
}

/// Reads the private key of a flag, or makes it.
fn key(path: &Path, flag: &str, name: &str, kind: KeyKind) -> Result<SecretKey, ScanError> {
    let named = |error: LogError| ScanError::Usage(format!("--{flag} {name}: {error}"));
    let of_file = |error| ScanError::Usage(format!("--key {}: {error}", path.display()));
    if path.symlink_metadata().is_ok() {
        return SecretKey::load_as(path, name, kind).map_err(of_file);
    }
    let key = SecretKey::generate(name, kind).map_err(named)?;
    key.save(path).map_err(of_file)?;
    Ok(key)
}

fn init(arguments: &InitArgs) -> Result<ExitStatus, ScanError> {
    // Before a key is made for nothing.
    if arguments.log.join("state/head").exists() {
        return Err(LogError::Exists(arguments.log.clone()).into());
    }
    let key = key(&arguments.key, "origin", &arguments.origin, KeyKind::Log)?;
    Log::init(&arguments.log, &key)?;
    print(format!("{}\n", key.public()).as_bytes())
}

/// One bad file loses no other: it is named, and the status says so.
fn append(arguments: &AppendArgs) -> Result<ExitStatus, ScanError> {
    let log = open(&arguments.log)?;
    let parent = arguments
        .parent
        .map(|index| log.parent(index))
        .transpose()?;
    let mut status = ExitStatus::Clean;
    let mut waiting: Vec<(Entry, &Path)> = Vec::new();
    let mut oldest = Instant::now();
    for file in &arguments.files {
        match entry(file, arguments) {
            Ok(mut entry) => {
                if waiting.is_empty() {
                    oldest = Instant::now();
                }
                entry.parent = parent;
                waiting.push((entry, file));
            }
            Err(error) => {
                eprintln!("veraray: error: {error}");
                status = ExitStatus::Failed;
            }
        }
        if waiting.len() >= BATCH || oldest.elapsed() >= HOLD {
            put(&log, &mut waiting)?;
        }
    }
    put(&log, &mut waiting)?;
    Ok(status)
}

/// Appends what waits, and prints the indexes once the entries are on disk.
fn put(log: &Log, waiting: &mut Vec<(Entry, &Path)>) -> Result<(), ScanError> {
    let (entries, files): (Vec<Entry>, Vec<&Path>) = waiting.drain(..).unzip();
    let indexes = log.append(&entries)?;
    let lines: Vec<String> = indexes
        .zip(files)
        .map(|(index, file)| format!("{index}\t{}\n", file.display()))
        .collect();
    print(lines.concat().as_bytes()).map(drop)
}

fn entry(file: &Path, arguments: &AppendArgs) -> Result<Entry, ScanError> {
    let digests = files::digest(file)?;
    let (action, actor) = (&arguments.action, &arguments.actor);
    let mut entry = Entry::new(action, actor, digests.file, Timestamp::now());
    entry.pixel_sha256 = digests.pixels;
    entry.sop_instance_uid = digests.uid.filter(|uid| {
        let good = is_uid(uid);
        if !good {
            eprintln!(
                "veraray: warning: {}: its SOP Instance UID is no UID and is left out",
                file.display()
            );
        }
        good
    });
    entry
        .encode()
        .map_err(|error| ScanError::Usage(format!("{}: {error}", file.display())))?;
    Ok(entry)
}

fn checkpoint(arguments: &CheckpointArgs) -> Result<ExitStatus, ScanError> {
    let log = open(&arguments.log)?;
    let key = SecretKey::load_as(&arguments.key, log.key().name(), KeyKind::Log)
        .map_err(|error| ScanError::Usage(format!("--key {}: {error}", arguments.key.display())))?;
    let mut checkpoint = log.checkpoint(&key)?;
    if let Some(path) = &arguments.cosignature {
        let answer = files::read(path, MAX_CHECKPOINT)?;
        checkpoint = log
            .attach_cosignatures(&answer, &arguments.witness)
            .map_err(|error| {
                ScanError::Usage(format!("--cosignature {}: {error}", path.display()))
            })?;
    }
    print(&checkpoint.to_bytes())
}

fn prove(arguments: &ProveArgs) -> Result<ExitStatus, ScanError> {
    let log = open(&arguments.log)?;
    let proof = match (arguments.index, arguments.since) {
        (Some(index), _) => log.prove(index)?.to_string(),
        (None, since) => {
            let size = log.latest_checkpoint()?.size();
            log.prove_consistency(since.unwrap_or(0), size)?.to_string()
        }
    };
    match &arguments.output {
        None => print(proof.as_bytes()),
        Some(path) => {
            files::write_new("--output", path, proof.as_bytes())?;
            Ok(ExitStatus::Clean)
        }
    }
}
