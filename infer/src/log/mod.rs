//! `veraray log`: the transparency log of where images come from and what was done to them.

mod options;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

pub(crate) use options::LOG_EXAMPLES;
pub use options::{AppendArgs, CheckpointArgs, InitArgs, LogCommand, ProveArgs, VerifyArgs};
use sha2::{Digest as _, Sha256};
use veraray_datasets::{OpenOptions, open};
use veraray_provenance::log::{
    Checkpoint, Digest, Entry, KeyKind, Log, LogError, MAX_CHECKPOINT, MAX_PROOF, SecretKey,
    Timestamp, WitnessPolicy, audit, verify_inclusion,
};

use crate::pages::print;
use crate::{ExitStatus, ScanError};

/// Entries written to disk together: each batch waits for the disk a few times.
const BATCH: usize = 1024;

/// Runs `veraray log`.
pub(crate) fn run(command: &LogCommand) -> Result<ExitStatus, ScanError> {
    match command {
        LogCommand::Init(arguments) => init(arguments),
        LogCommand::Append(arguments) => append(arguments),
        LogCommand::Checkpoint(arguments) => checkpoint(arguments),
        LogCommand::Prove(arguments) => prove(arguments),
        LogCommand::Verify(arguments) => verify(arguments),
    }
}

fn init(arguments: &InitArgs) -> Result<ExitStatus, ScanError> {
    let key = if arguments.key.exists() {
        SecretKey::load(&arguments.key)?
    } else {
        let key = SecretKey::generate(&arguments.origin, KeyKind::Log)?;
        key.save(&arguments.key)?;
        key
    };
    if key.public().name() != arguments.origin {
        return Err(ScanError::Usage(format!(
            "--key {}: it is the key of {}, not of {}",
            arguments.key.display(),
            key.public().name(),
            arguments.origin
        )));
    }
    Log::init(&arguments.log, &key)?;
    print(format!("{}\n", key.public()).as_bytes())
}

/// One bad file loses no other: it is named, and the status says so.
fn append(arguments: &AppendArgs) -> Result<ExitStatus, ScanError> {
    let log = Log::open(&arguments.log)?;
    let parent = arguments
        .parent
        .map(|index| log.parent(index))
        .transpose()?;
    let mut status = ExitStatus::Clean;
    for files in arguments.files.chunks(BATCH) {
        let (mut entries, mut named) = (Vec::new(), Vec::new());
        for file in files {
            match entry(file, arguments) {
                Ok(mut entry) => {
                    entry.parent = parent;
                    entries.push(entry);
                    named.push(file);
                }
                Err(error) => {
                    eprintln!("veraray: error: {error}");
                    status = ExitStatus::Failed;
                }
            }
        }
        if entries.is_empty() {
            continue;
        }
        let indexes = log.append(&entries)?;
        let lines: Vec<String> = indexes
            .zip(named)
            .map(|(index, file)| format!("{index}\t{}\n", file.display()))
            .collect();
        print(lines.concat().as_bytes())?;
    }
    Ok(status)
}

fn entry(file: &Path, arguments: &AppendArgs) -> Result<Entry, ScanError> {
    let io = |source| LogError::Io {
        path: file.to_owned(),
        source,
    };
    let digest = Digest::of_reader(File::open(file).map_err(io)?).map_err(io)?;
    let mut entry = Entry::new(
        &arguments.action,
        &arguments.actor,
        digest,
        Timestamp::now(),
    );
    // What does not decode has no pixels; its file is bound all the same.
    if let Some((uid, pixels)) = decoded(file) {
        entry.sop_instance_uid = uid;
        entry.pixel_sha256 = Some(pixels);
    }
    entry.encode()?;
    Ok(entry)
}

/// SOP instance UID, and the digest of all modality values: rows, columns and channels of every
/// frame as 32-bit integers, then its values as 32-bit floats, all little endian.
fn decoded(file: &Path) -> Option<(Option<String>, Digest)> {
    let mut image = open(file, &OpenOptions::default()).ok()?;
    let mut hasher = Sha256::new();
    for index in 0..image.info().frames {
        let frame = image.frame(index).ok()?;
        for number in [frame.rows, frame.columns, u32::from(frame.channels)] {
            hasher.update(number.to_le_bytes());
        }
        for value in &frame.values {
            hasher.update(value.to_le_bytes());
        }
    }
    let uid = image.info().sop_instance_uid.clone();
    Some((uid, Digest(hasher.finalize().into())))
}

fn checkpoint(arguments: &CheckpointArgs) -> Result<ExitStatus, ScanError> {
    let log = Log::open(&arguments.log)?;
    let key = SecretKey::load(&arguments.key)?;
    let mut checkpoint = log.checkpoint(&key)?;
    if let Some(path) = &arguments.cosignature {
        let answer = read(path, MAX_CHECKPOINT)?;
        checkpoint = log.attach_cosignatures(&answer, &arguments.witness)?;
    }
    print(&checkpoint.to_bytes())
}

fn prove(arguments: &ProveArgs) -> Result<ExitStatus, ScanError> {
    let log = Log::open(&arguments.log)?;
    let proof = match (arguments.index, arguments.since) {
        (Some(index), _) => log.prove(index)?.to_string(),
        (None, since) => {
            let size = log.latest_checkpoint()?.size();
            log.prove_consistency(since.unwrap_or(0), size)?.to_string()
        }
    };
    print(proof.as_bytes())
}

fn verify(arguments: &VerifyArgs) -> Result<ExitStatus, ScanError> {
    if arguments.subject.is_dir() {
        return verify_folder(arguments);
    }
    let policy = WitnessPolicy::new(arguments.witness.clone(), arguments.quorum)?;
    let proof = read(&arguments.subject, MAX_PROOF)?;
    let file = match &arguments.file {
        Some(path) => {
            let io = LogError::io_at(path);
            let opened = File::open(path).and_then(Digest::of_reader);
            Some(opened.map_err(io)?)
        }
        None => None,
    };
    match verify_inclusion(&proof, &arguments.vkey, &policy, file.as_ref()) {
        Ok(found) => {
            let entry = serde_json::to_string_pretty(&found.entry).unwrap_or_default();
            let about = match file {
                Some(_) => "about this very file",
                None => "compare its file_sha256, or give the image with --file",
            };
            print(
                format!(
                    "valid: entry {} of {} in {}, {about}; {} cosignatures\n{entry}\n",
                    found.index,
                    found.checkpoint.size(),
                    found.checkpoint.origin(),
                    found.cosignatures.len(),
                )
                .as_bytes(),
            )
        }
        Err(error) => invalid(&error),
    }
}

fn verify_folder(arguments: &VerifyArgs) -> Result<ExitStatus, ScanError> {
    let mut remembered = Vec::new();
    for path in &arguments.remember {
        let note = read(path, MAX_CHECKPOINT)?;
        remembered.push(Checkpoint::open(&note, &arguments.vkey)?);
    }
    let report = match audit(&arguments.subject, &arguments.vkey, &remembered) {
        Ok(report) => report,
        Err(error) => return invalid(&error),
    };
    if report.is_sound() {
        let signed = report.signed.unwrap_or(0);
        let line = format!(
            "valid: {} entries, {signed} of them signed\n",
            report.entries
        );
        return print(line.as_bytes());
    }
    let lines: Vec<String> = report
        .findings
        .iter()
        .map(|finding| format!("{:?}: {finding}\n", finding.kind))
        .collect();
    print(format!("not valid:\n{}", lines.concat()).as_bytes())?;
    Ok(ExitStatus::Flagged)
}

fn invalid(error: &LogError) -> Result<ExitStatus, ScanError> {
    print(format!("not valid: {error}\n").as_bytes())?;
    Ok(ExitStatus::Flagged)
}

/// Reads a small file; a longer one than any we write is refused before it fills memory.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, ScanError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(LogError::io_at(path))?;
    if bytes.len() > limit {
        return Err(ScanError::Log(LogError::TooLong {
            what: path.display().to_string(),
            limit: limit as u64,
        }));
    }
    Ok(bytes)
}
