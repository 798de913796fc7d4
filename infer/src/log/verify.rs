//! `veraray log verify`: proofs without the log, and whole logs.

use std::fs::File;

use veraray_provenance::log::{
    Checkpoint, ConsistencyProof, Digest, LogError, MAX_CHECKPOINT, MAX_PROOF, WitnessPolicy,
    audit, verify_consistency, verify_inclusion,
};

use super::files::read;
use super::options::VerifyArgs;
use crate::pages::print;
use crate::{ExitStatus, ScanError};

/// How a consistency proof begins.
const CONSISTENCY: &[u8] = b"veraray-log-consistency/";

/// Runs `veraray log verify`.
pub(super) fn verify(arguments: &VerifyArgs) -> Result<ExitStatus, ScanError> {
    if arguments.subject.is_dir() {
        return verify_folder(arguments);
    }
    let policy = WitnessPolicy::new(arguments.witness.clone(), arguments.quorum)?;
    let proof = read(&arguments.subject, MAX_PROOF)?;
    if proof.starts_with(CONSISTENCY) {
        return verify_growth(arguments, &proof);
    }
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
    let remembered = match remembered(arguments)? {
        Ok(checkpoints) => checkpoints,
        Err(error) => return invalid(&error),
    };
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

/// The checkpoints of `--remember`. One that the log did not sign is a finding, not a failure.
fn remembered(arguments: &VerifyArgs) -> Result<Result<Vec<Checkpoint>, LogError>, ScanError> {
    let mut checkpoints = Vec::new();
    for path in &arguments.remember {
        match Checkpoint::open(&read(path, MAX_CHECKPOINT)?, &arguments.vkey) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(error) => {
                let named = LogError::Checkpoint(format!("--remember {}: {error}", path.display()));
                return Ok(Err(named));
            }
        }
    }
    Ok(Ok(checkpoints))
}

/// Whether the newer of two checkpoints extends the older one.
fn verify_growth(arguments: &VerifyArgs, proof: &[u8]) -> Result<ExitStatus, ScanError> {
    let mut checkpoints = match remembered(arguments)? {
        Ok(checkpoints) => checkpoints,
        Err(error) => return invalid(&error),
    };
    checkpoints.sort_by_key(Checkpoint::size);
    let [old, new] = checkpoints.as_slice() else {
        return Err(ScanError::Usage(format!(
            "{}: a proof about two checkpoints; give both with --remember",
            arguments.subject.display()
        )));
    };
    let verified =
        ConsistencyProof::parse(proof).and_then(|proof| verify_consistency(old, new, &proof));
    match verified {
        Ok(()) => print(
            format!(
                "valid: the log of {} entries extends that of {}; nothing was rewritten, removed or reordered\n",
                new.size(),
                old.size()
            )
            .as_bytes(),
        ),
        Err(error) => invalid(&error),
    }
}

fn invalid(error: &LogError) -> Result<ExitStatus, ScanError> {
    print(format!("not valid: {error}\n").as_bytes())?;
    Ok(ExitStatus::Flagged)
}
