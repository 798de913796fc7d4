//! `veraray log witness` and `cosign`: acting as a witness of somebody else's log.

use std::fs::File;
use std::path::Path;

use veraray_provenance::log::{
    self, Checkpoint, ConsistencyProof, KeyKind, LogError, MAX_CHECKPOINT, MAX_PROOF, SecretKey,
    Timestamp,
};

use super::files::read;
use super::key;
use super::options::{CosignArgs, WitnessArgs};
use crate::pages::print;
use crate::{ExitStatus, ScanError};

/// Makes the key of a witness, or reads it, and prints the public half.
pub(super) fn make(arguments: &WitnessArgs) -> Result<ExitStatus, ScanError> {
    let key = key(&arguments.key, "name", &arguments.name, KeyKind::Witness)?;
    print(format!("{}\n", key.public()).as_bytes())
}

/// Cosigns a checkpoint that extends the one remembered. What it then remembers is on disk before the
/// cosignature is handed out: a witness that forgot could be shown two histories.
pub(super) fn cosign(arguments: &CosignArgs) -> Result<ExitStatus, ScanError> {
    let witness = SecretKey::load_as(&arguments.key, &arguments.name, KeyKind::Witness)
        .map_err(|error| ScanError::Usage(format!("--key {}: {error}", arguments.key.display())))?;
    let new = Checkpoint::open(
        &read(&arguments.checkpoint, MAX_CHECKPOINT)?,
        &arguments.vkey,
    );
    let new = match new {
        Ok(new) => new,
        Err(error) => return refused(&error),
    };
    let state = |error: LogError| {
        ScanError::Usage(format!("--state {}: {error}", arguments.state.display()))
    };
    let _turn = turn(&arguments.state).map_err(state)?;
    let old = match read(&arguments.state, MAX_CHECKPOINT) {
        Ok(note) => Some(Checkpoint::open(&note, &arguments.vkey).map_err(state)?),
        Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(state(error)),
    };
    let proof = match (&arguments.proof, &old) {
        (Some(path), _) => ConsistencyProof::parse(&read(path, MAX_PROOF)?)
            .map_err(|error| ScanError::Usage(format!("--proof {}: {error}", path.display())))?,
        (None, Some(old)) if old.size() != new.size() && old.size() != 0 => {
            return Err(ScanError::Usage(format!(
                "--proof is needed: this witness has seen {} entries (veraray log prove --since {})",
                old.size(),
                old.size()
            )));
        }
        // The same tree again, or a first one: there is nothing to prove.
        _ => ConsistencyProof::new(
            old.as_ref().map_or(0, Checkpoint::size),
            new.size(),
            Vec::new(),
        ),
    };
    match log::cosign(&new, old.as_ref(), &proof, &witness, Timestamp::now()) {
        Ok(cosigned) => {
            replace(&arguments.state, &cosigned.to_bytes()).map_err(state)?;
            print(&cosigned.to_bytes())
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &LogError) -> Result<ExitStatus, ScanError> {
    // Not on standard output, where a cosigned checkpoint is expected.
    eprintln!("veraray: not cosigned: {error}");
    Ok(ExitStatus::Flagged)
}

/// Waits until no other process cosigns with this state.
fn turn(state: &Path) -> Result<File, LogError> {
    let mut name = state.as_os_str().to_owned();
    name.push(".lock");
    let path = Path::new(&name);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LogError::io_at(path))?;
    file.lock().map_err(LogError::io_at(path))?;
    Ok(file)
}

/// Replaces the state; durable on return.
fn replace(state: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let write = || {
        let mut name = state.as_os_str().to_owned();
        name.push(".new");
        let new = Path::new(&name);
        let mut file = File::create(new)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        std::fs::rename(new, state)?;
        let folder = state.parent().filter(|p| !p.as_os_str().is_empty());
        if cfg!(unix) {
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(LogError::io_at(state))
}
