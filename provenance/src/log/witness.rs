//! Witness cosignatures, C2SP tlog-cosignature version 1.
//!
//! A witness remembers the last checkpoint it saw of a log and cosigns a new one only when it extends
//! that: a quorum of witnesses keeps a log from showing different histories to different people.

use signed_note::{Signature, Verifier as _};

use super::checkpoint::{Checkpoint, MAX_CHECKPOINT, MAX_SIGNATURES};
use super::error::{LogError, Result};
use super::key::{KeyKind, PublicKey, SecretKey};
use super::proof::ConsistencyProof;
use super::time::Timestamp;
use super::verify::verify_consistency;

/// A 64-bit time and an Ed25519 signature.
pub(super) const COSIGNATURE_LEN: usize = 72;

/// What a witness signs; none when the time is above 2^63 - 1, which the specification forbids.
pub(super) fn cosigned_message(time: u64, body: &[u8]) -> Option<Vec<u8>> {
    let mut message = format!("cosignature/v1\ntime {time}\n").into_bytes();
    message.extend_from_slice(body);
    i64::try_from(time).is_ok().then_some(message)
}

/// A cosignature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cosignature {
    /// The witness's name.
    pub witness: String,
    /// When it cosigned, in seconds since 1970, by its own clock.
    pub time: u64,
}

/// Which witnesses are trusted and how many of them must have cosigned.
#[derive(Debug, Clone, Default)]
pub struct WitnessPolicy {
    keys: Vec<PublicKey>,
    quorum: usize,
}

impl WitnessPolicy {
    /// A policy: at least `quorum` of `keys`. The default policy asks for none.
    ///
    /// # Errors
    /// [`LogError::Key`] when a key is no witness key, when two have the same key bytes (a version 1
    /// cosignature does not sign the name, so one witness could pose as two), or when the quorum is
    /// larger than the number of keys.
    pub fn new(keys: Vec<PublicKey>, quorum: usize) -> Result<Self> {
        for (i, key) in keys.iter().enumerate() {
            if key.kind() != KeyKind::Witness {
                return Err(LogError::Key(format!(
                    "{} is not a witness key",
                    key.name()
                )));
            }
            if keys[..i]
                .iter()
                .any(|k| k.bytes() == key.bytes() || k.name() == key.name())
            {
                return Err(LogError::Key(format!(
                    "witness {} is listed twice",
                    key.name()
                )));
            }
        }
        if quorum > keys.len() {
            return Err(LogError::Quorum {
                have: keys.len(),
                need: quorum,
            });
        }
        Ok(Self { keys, quorum })
    }

    /// The trusted witnesses' cosignatures of `checkpoint`. One that is forged counts as absent;
    /// those of unknown witnesses are passed over.
    ///
    /// # Errors
    /// [`LogError::Quorum`] when there are too few; [`LogError::Key`] when the log poses as its own witness.
    pub fn check(&self, checkpoint: &Checkpoint, log: &PublicKey) -> Result<Vec<Cosignature>> {
        let mut found = Vec::new();
        for key in &self.keys {
            if key.bytes() == log.bytes() {
                return Err(LogError::Key(format!(
                    "witness {} has the log's own key",
                    key.name()
                )));
            }
            let valid = checkpoint.signatures().iter().find(|s| {
                s.name() == key.name()
                    && s.id() == key.key_id()
                    && key.verify(checkpoint.body(), s.signature())
            });
            if let Some((time, _)) = valid.and_then(|s| s.signature().split_first_chunk::<8>()) {
                found.push(Cosignature {
                    witness: key.name().to_owned(),
                    time: u64::from_be_bytes(*time),
                });
            }
        }
        if found.len() < self.quorum {
            return Err(LogError::Quorum {
                have: found.len(),
                need: self.quorum,
            });
        }
        Ok(found)
    }
}

/// Acts as a witness: cosigns `new` after checking that it extends `old`, the last checkpoint this
/// witness cosigned (none for a log it meets for the first time). The witness must then store the
/// result, durably, before handing it out.
///
/// # Errors
/// [`LogError::Inconsistent`] when `new` does not extend `old`; [`LogError::Key`] when the key is no witness's.
pub fn cosign(
    new: &Checkpoint,
    old: Option<&Checkpoint>,
    proof: &ConsistencyProof,
    witness: &SecretKey,
    time: Timestamp,
) -> Result<Checkpoint> {
    if witness.public().kind() != KeyKind::Witness {
        return Err(LogError::Key(format!(
            "{} is not a witness key",
            witness.public().name()
        )));
    }
    if let Some(old) = old {
        verify_consistency(old, new, proof)?;
    }
    let message = cosigned_message(time.unix(), new.body());
    let message = message.ok_or_else(|| LogError::Checkpoint("the time is out of range".into()))?;
    let mut timed = time.unix().to_be_bytes().to_vec();
    timed.extend_from_slice(&witness.sign_raw(&message));
    let public = witness.public();
    let signature = Signature::new(public.name().to_owned(), public.key_id(), timed);
    new.with_signature(signature.map_err(|e| LogError::Checkpoint(e.to_string()))?)
}

/// Reads what a witness answered: signature lines, or a whole copy of the checkpoint `ours` with them.
fn answered(ours: &Checkpoint, answer: &[u8], log: &PublicKey) -> Result<Vec<Signature>> {
    if answer.len() > MAX_CHECKPOINT {
        return Err(LogError::TooLong {
            what: "cosignatures".into(),
            limit: MAX_CHECKPOINT as u64,
        });
    }
    if answer.windows(2).any(|w| w == b"\n\n") {
        let theirs = Checkpoint::open(answer, log)?;
        if theirs.body() != ours.body() {
            return Err(LogError::Checkpoint(
                "the cosignature is of another checkpoint".into(),
            ));
        }
        return Ok(theirs.signatures().to_vec());
    }
    let bad = || LogError::Checkpoint("not a list of signature lines".into());
    let lines = answer
        .strip_suffix(b"\n")
        .ok_or_else(bad)?
        .split(|b| *b == b'\n');
    lines
        .take(MAX_SIGNATURES)
        .map(|line| Signature::from_bytes(line).map_err(|_| bad()))
        .collect()
}

/// Takes over into `ours` the cosignatures in a witness's `answer` that `trusted` verifies.
///
/// # Errors
/// [`LogError::Checkpoint`] when the answer is about another checkpoint, or nothing in it verifies.
pub fn merge(
    ours: &Checkpoint,
    answer: &[u8],
    log: &PublicKey,
    trusted: &[PublicKey],
) -> Result<Checkpoint> {
    let mut merged = ours.clone();
    let mut taken = 0;
    for signature in answered(ours, answer, log)? {
        let key = trusted.iter().find(|k| {
            k.kind() == KeyKind::Witness
                && k.name() == signature.name()
                && k.key_id() == signature.id()
        });
        if key.is_some_and(|k| k.verify(ours.body(), signature.signature())) {
            merged = merged.with_signature(signature)?;
            taken += 1;
        }
    }
    if taken == 0 {
        return Err(LogError::Checkpoint(
            "holds no valid cosignature of a trusted witness".into(),
        ));
    }
    Ok(merged)
}
