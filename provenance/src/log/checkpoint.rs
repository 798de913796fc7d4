//! Checkpoints: a tree head in a signed note (C2SP tlog-checkpoint, signed-note).

use signed_note::{Note, Signature, VerifierList};
use tlog_tiles::Hash;

use super::error::{LogError, Result};
use super::key::{KeyKind, PublicKey, SecretKey};

/// The most bytes a checkpoint may take: room for a hundred cosignatures.
pub const MAX_CHECKPOINT: usize = 1 << 15;
/// The most signatures a checkpoint may carry, which is also `signed_note`'s limit.
pub(super) const MAX_SIGNATURES: usize = 100;

/// A checkpoint whose log signature was verified, or which was just signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    body: Vec<u8>,
    signatures: Vec<Signature>,
}

// By value, as `map_err` hands errors over.
#[allow(clippy::needless_pass_by_value)]
fn malformed(reason: impl ToString) -> LogError {
    LogError::Checkpoint(reason.to_string())
}

impl Checkpoint {
    /// Reads a checkpoint and verifies the signature of `log` on it. Signatures by others are kept
    /// unverified for a [`super::WitnessPolicy`].
    ///
    /// # Errors
    /// [`LogError::Checkpoint`] when the note is malformed, unsigned by `log`, or of another origin.
    pub fn open(note: &[u8], log: &PublicKey) -> Result<Self> {
        if log.kind() != KeyKind::Log {
            return Err(LogError::Key(format!("{} is not a log key", log.name())));
        }
        if note.len() > MAX_CHECKPOINT {
            return Err(LogError::TooLong {
                what: "checkpoint".into(),
                limit: MAX_CHECKPOINT as u64,
            });
        }
        let parsed = Note::from_bytes(note).map_err(malformed)?;
        let known = VerifierList::new(vec![Box::new(log.clone())]);
        let (mut signatures, others) = parsed.verify(&known).map_err(malformed)?;
        signatures.extend(others);
        let head = tlog_tiles::Checkpoint::from_bytes(parsed.text()).map_err(malformed)?;
        // One head has one spelling: refuses base64 with stray bits, and anything the parser let pass.
        if head.to_bytes() != parsed.text() {
            return Err(malformed("not in canonical form"));
        }
        if head.origin() != log.name() {
            return Err(malformed(format!(
                "of {}, not of {}",
                head.origin(),
                log.name()
            )));
        }
        if head.size() == 0 && *head.hash() != tlog_tiles::EMPTY_HASH {
            return Err(malformed("size 0 with a root that is not the empty tree's"));
        }
        Ok(Self {
            origin: head.origin().to_owned(),
            size: head.size(),
            root: *head.hash(),
            body: parsed.text().to_vec(),
            signatures,
        })
    }

    pub(super) fn sign(size: u64, root: Hash, key: &SecretKey) -> Result<Self> {
        let public = key.public();
        if public.kind() != KeyKind::Log {
            return Err(LogError::Key(format!("{} is not a log key", public.name())));
        }
        let head = tlog_tiles::Checkpoint::new(public.name(), size, root, "").map_err(malformed)?;
        let mut note = Note::new(&head.to_bytes(), &[]).map_err(malformed)?;
        note.add_sigs(&[key]).map_err(malformed)?;
        // Verified at once: a fault while signing must not leave this machine.
        Self::open(&note.to_bytes(), public)
    }

    /// This checkpoint with one more signature, in place of an earlier one by the same key.
    pub(super) fn with_signature(&self, signature: Signature) -> Result<Self> {
        let mut out = self.clone();
        out.signatures
            .retain(|s| s.name() != signature.name() || s.id() != signature.id());
        out.signatures.push(signature);
        if out.signatures.len() > MAX_SIGNATURES || out.to_bytes().len() > MAX_CHECKPOINT {
            return Err(malformed("too many signatures"));
        }
        Ok(out)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of entries covered.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The RFC 6962 tree hash over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The signed text.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// All signatures, the log's first; only the log's is known to be valid.
    pub(super) fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The whole note, signatures included.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.body.clone();
        out.push(b'\n');
        for signature in &self.signatures {
            out.extend_from_slice(&signature.to_bytes());
        }
        out
    }
}
