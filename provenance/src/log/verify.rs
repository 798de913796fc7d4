//! Verification without the log: a proof file, the log's public key, and the image.

use tlog_tiles::{check_record, check_tree};

use super::checkpoint::Checkpoint;
use super::entry::{Digest, Entry, leaf};
use super::error::{LogError, Result};
use super::key::PublicKey;
use super::proof::{ConsistencyProof, InclusionProof};
use super::witness::{Cosignature, WitnessPolicy};

/// What a proof file was found to prove.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Verified {
    /// The place of the entry in the log.
    pub index: u64,
    /// What the log says about the image.
    pub entry: Entry,
    /// The checkpoint that covers it.
    pub checkpoint: Checkpoint,
    /// Trusted witnesses that cosigned the checkpoint.
    pub cosignatures: Vec<Cosignature>,
}

/// Verifies an inclusion proof: the log `key` signed a tree that holds the entry at its index, and enough
/// witnesses saw that tree. With `file`, the SHA-256 of an image file, the entry must be about that file.
///
/// # Errors
/// [`LogError::Proof`], [`LogError::Checkpoint`], [`LogError::Entry`], [`LogError::Quorum`],
/// [`LogError::FileMismatch`], [`LogError::TooLong`].
pub fn verify_inclusion(
    proof: &[u8],
    key: &PublicKey,
    policy: &WitnessPolicy,
    file: Option<&Digest>,
) -> Result<Verified> {
    let proof = InclusionProof::parse(proof)?;
    let checkpoint = Checkpoint::open(&proof.checkpoint, key)?;
    if proof.index >= checkpoint.size() {
        return Err(LogError::NotCovered {
            index: proof.index,
            size: checkpoint.size(),
        });
    }
    check_record(
        &proof.path,
        checkpoint.size(),
        checkpoint.root(),
        proof.index,
        leaf(&proof.entry),
    )
    .map_err(|_| LogError::Proof("the entry is not in the signed tree at this index".into()))?;
    let entry = Entry::decode(&proof.entry)?;
    let cosignatures = policy.check(&checkpoint, key)?;
    if let Some(file) = file.filter(|f| **f != entry.file_sha256) {
        return Err(LogError::FileMismatch {
            logged: entry.file_sha256.to_string(),
            given: file.to_string(),
        });
    }
    Ok(Verified {
        index: proof.index,
        entry,
        checkpoint,
        cosignatures,
    })
}

/// Verifies that the tree of `new` begins with the whole tree of `old`: nothing was rewritten, removed or
/// reordered in between.
///
/// # Errors
/// [`LogError::Inconsistent`] when it does not; [`LogError::Proof`] when the proof is about other sizes.
pub fn verify_consistency(
    old: &Checkpoint,
    new: &Checkpoint,
    proof: &ConsistencyProof,
) -> Result<()> {
    let inconsistent = LogError::Inconsistent {
        old: old.size(),
        new: new.size(),
    };
    if old.origin() != new.origin() || new.size() < old.size() {
        return Err(inconsistent);
    }
    if (proof.old, proof.new) != (old.size(), new.size()) {
        return Err(LogError::Proof("is about trees of other sizes".into()));
    }
    if old.size() == 0 {
        // Every tree extends the empty one.
        let empty = proof.path.is_empty();
        return if empty {
            Ok(())
        } else {
            Err(LogError::Proof("has hashes it does not need".into()))
        };
    }
    check_tree(&proof.path, new.size(), new.root(), old.size(), old.root())
        .map_err(|_| inconsistent)
}
