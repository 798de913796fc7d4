//! A transparency log of where images come from and what was done to them, in a plain folder.
//!
//! The folder has the layout of C2SP [tlog-tiles](https://c2sp.org/tlog-tiles), so any static file server
//! publishes it and any tlog client reads it. Its tree is that of
//! [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962) section 2.1; its head is signed with Ed25519 (RFC 8032)
//! as a C2SP [tlog-checkpoint](https://c2sp.org/tlog-checkpoint) in a
//! [signed-note](https://c2sp.org/signed-note).
//!
//! What a log proves: whoever kept a checkpoint can tell later whether any entry it covers was rewritten,
//! removed or reordered ([`audit`]). Entries after the last checkpoint that someone else kept are as safe
//! as the folder, so hand checkpoints out often, best to witnesses ([`WitnessPolicy`]).
//!
//! ```
//! use veraray_provenance::log::*;
//! # let folder = tempfile::tempdir()?;
//! let key = SecretKey::generate("log.example/archive", KeyKind::Log)?;
//! let log = Log::init(&folder.path().join("log"), &key)?;
//! let image = Digest::of(b"bytes of the file");
//! let given = log.append(&[Entry::new("received", "gateway 3", image, Timestamp::now())])?;
//! let remembered = log.checkpoint(&key)?;
//! let proof = log.prove(given.start)?.to_string(); // beside the image, as IMAGE.tlog-proof
//!
//! // Elsewhere, later, without the log:
//! let found = verify_inclusion(proof.as_bytes(), key.public(), &WitnessPolicy::default(), Some(&image))?;
//! assert_eq!(found.entry.action, "received");
//! // With the log:
//! assert!(audit(&folder.path().join("log"), key.public(), &[remembered])?.is_sound());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod append;
mod audit;
mod checkpoint;
mod entry;
mod error;
mod key;
mod proof;
mod read;
mod report;
mod store;
mod tiles;
mod time;
mod verify;
mod witness;

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use audit::audit;
pub use checkpoint::{Checkpoint, MAX_CHECKPOINT};
pub use entry::{Decision, Digest, Entry, MAX_ENTRY, MAX_TEXT, Parent, Verdict, is_uid};
pub use error::{LogError, Result};
pub use key::{KeyKind, PublicKey, SecretKey};
pub use proof::{ConsistencyProof, InclusionProof, MAX_PROOF};
pub use report::{AuditReport, Finding, FindingKind};
pub use time::Timestamp;
pub use verify::{Verified, verify_consistency, verify_inclusion};
pub use witness::{Cosignature, WitnessPolicy, cosign};

use store::{Head, Store, read_limited};

/// A log in a folder. Many processes and threads may hold one at a time; they take turns by a file lock,
/// which a network file system may not keep: give a log to one machine.
pub struct Log {
    store: Store,
    key: PublicKey,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("dir", &self.store.dir())
            .field("key", &self.key)
            .finish()
    }
}

impl Log {
    /// Makes an empty log in `dir`, which is created if need be; the key's name is the log's origin. The
    /// key itself is not stored.
    ///
    /// # Errors
    /// [`LogError::Exists`] when `dir` holds a log; [`LogError::Key`], [`LogError::Io`].
    pub fn init(dir: &Path, key: &SecretKey) -> Result<Self> {
        let store = Store::new(dir);
        let state = store.path("state");
        fs::create_dir_all(&state).map_err(LogError::io(&state))?;
        let _lock = store.lock()?;
        // The head is written last, so an interrupted init can be run again.
        if store.path("state/head").exists() || store.path("tile").exists() {
            return Err(LogError::Exists(dir.to_owned()));
        }
        let head = Head {
            size: 0,
            root: tlog_tiles::EMPTY_HASH,
        };
        let checkpoint = Checkpoint::sign(head.size, head.root, key)?;
        store.replace("log.vkey", format!("{}\n", key.public()).as_bytes())?;
        store.replace("checkpoint", &checkpoint.to_bytes())?;
        store.set_head(head)?;
        // The folder itself, which may be new, is an entry of its parent.
        if let Some(parent) = dir.canonicalize().ok().as_deref().and_then(Path::parent) {
            // Not every parent may be opened; the log is whole without.
            let _ = store::sync(parent);
        }
        Ok(Self {
            store,
            key: key.public().clone(),
        })
    }

    /// Opens a log. Whatever an interrupted append left is swept away, and the head is checked against
    /// the tiles it stands on. The public key is read from the folder; [`Log::key`] shows it.
    ///
    /// # Errors
    /// [`LogError::Corrupt`], [`LogError::Key`], [`LogError::Io`].
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(Store::new(dir))
    }

    fn open_with(store: Store) -> Result<Self> {
        let path = store.path("log.vkey");
        let vkey = read_limited(&path, 1024)?;
        let key: PublicKey = str::from_utf8(&vkey)
            .map_err(|_| LogError::corrupt(&path, "not text"))?
            .parse()?;
        if store.path("state/intent").exists() {
            let _lock = store.lock()?;
            append::recover(&store)?;
        }
        let _lock = store.lock_shared()?;
        append::edge(&store, store.head()?)?;
        Ok(Self { store, key })
    }

    /// Opens a log of which every step of every write is announced to `hook`, for crash tests.
    ///
    /// # Errors
    /// As [`Log::open`].
    #[doc(hidden)]
    pub fn open_with_hook(dir: &Path, hook: Arc<dyn Fn(&str) + Send + Sync>) -> Result<Self> {
        let mut store = Store::new(dir);
        store.hook = Some(hook);
        Self::open_with(store)
    }

    /// The public key found in the folder. It is no better than the folder: compare it with the copy that
    /// the log's owner gave you.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The number of acknowledged entries, signed or not.
    ///
    /// # Errors
    /// [`LogError::Corrupt`], [`LogError::Io`].
    pub fn size(&self) -> Result<u64> {
        let _lock = self.store.lock_shared()?;
        Ok(self.store.head()?.size)
    }

    /// Appends entries, all or none, in their order; returns the indexes they got. When this returns they
    /// are on disk. Each call waits for the disk a few times, so give it many entries at once.
    ///
    /// # Errors
    /// [`LogError::Entry`] and [`LogError::Parent`] for entries that cannot stand in this log;
    /// [`LogError::Corrupt`], [`LogError::Io`]. After an I/O error the entries are in the log or not; ask
    /// [`Log::size`] before trying again.
    pub fn append(&self, entries: &[Entry]) -> Result<Range<u64>> {
        let _lock = self.store.lock()?;
        append::append(&self.store, entries)
    }

    /// Signs the acknowledged tree, after checking that it extends the tree signed last, and puts the
    /// result in `checkpoint`. Without new entries the checkpoint stays as it is, cosignatures included.
    ///
    /// # Errors
    /// [`LogError::Inconsistent`] when the tree does not extend the last checkpoint: the folder was
    /// rewritten or rolled back, and nothing is signed. [`LogError::Key`] when `key` is not this log's.
    pub fn checkpoint(&self, key: &SecretKey) -> Result<Checkpoint> {
        if *key.public() != self.key {
            return Err(LogError::Key(format!(
                "{} is not the key of this log",
                key.public().name()
            )));
        }
        let _lock = self.store.lock()?;
        append::recover(&self.store)?;
        let head = self.store.head()?;
        let last = self.read_checkpoint()?;
        let inconsistent = LogError::Inconsistent {
            old: last.size(),
            new: head.size,
        };
        if last.size() > head.size || read::root_at(&self.store, head, last.size())? != last.root()
        {
            return Err(inconsistent);
        }
        append::edge(&self.store, head)?;
        if last.size() == head.size {
            return Ok(last);
        }
        let new = Checkpoint::sign(head.size, head.root, key)?;
        self.store.replace("checkpoint", &new.to_bytes())?;
        Ok(new)
    }

    fn read_checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::open(
            &read_limited(&self.store.path("checkpoint"), MAX_CHECKPOINT as u64)?,
            &self.key,
        )
    }

    /// The last signed checkpoint, with whatever cosignatures were attached.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`], [`LogError::Io`].
    pub fn latest_checkpoint(&self) -> Result<Checkpoint> {
        let _lock = self.store.lock_shared()?;
        self.read_checkpoint()
    }

    /// Attaches a witness's answer (signature lines, or a cosigned copy of the checkpoint) to the last
    /// checkpoint. Only what `trusted` verifies is attached.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`] when nothing verifies or the answer is about another checkpoint.
    pub fn attach_cosignatures(&self, answer: &[u8], trusted: &[PublicKey]) -> Result<Checkpoint> {
        let _lock = self.store.lock()?;
        let merged = witness::merge(&self.read_checkpoint()?, answer, &self.key, trusted)?;
        self.store.replace("checkpoint", &merged.to_bytes())?;
        Ok(merged)
    }

    /// One acknowledged entry, checked against the tree.
    ///
    /// # Errors
    /// [`LogError::NotCovered`], [`LogError::Corrupt`], [`LogError::Io`].
    pub fn entry(&self, index: u64) -> Result<Entry> {
        let _lock = self.store.lock_shared()?;
        read::entry(&self.store, self.store.head()?, index)
    }

    /// Hands every acknowledged entry from index `from` on to `visit`, in order, each checked against the
    /// tree. Reads every tile once, so it is much faster than [`Log::entry`] for many.
    ///
    /// # Errors
    /// [`LogError::Corrupt`], [`LogError::Io`], or what `visit` returned.
    pub fn for_each(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, Entry) -> Result<()>,
    ) -> Result<()> {
        // The tree as it is now; entries that others append meanwhile are not waited for.
        let head = {
            let _lock = self.store.lock_shared()?;
            self.store.head()?
        };
        let mut index = from;
        while index < head.size {
            // Locked bundle by bundle, so that a long reading keeps nobody from appending.
            let _lock = self.store.lock_shared()?;
            for (at, record) in read::bundle(&self.store, head, index)? {
                visit(at, Entry::decode(&record)?)?;
                index = at + 1;
            }
        }
        Ok(())
    }

    /// What a later entry names as its parent.
    ///
    /// # Errors
    /// As [`Log::entry`].
    pub fn parent(&self, index: u64) -> Result<Parent> {
        let _lock = self.store.lock_shared()?;
        Ok(Parent {
            hash: append::leaf_at(&self.store, self.store.head()?, index)?,
            index,
        })
    }

    /// The proof that the last checkpoint covers an entry.
    ///
    /// # Errors
    /// [`LogError::NotCovered`] when no checkpoint covers it yet; [`LogError::Corrupt`], [`LogError::Io`].
    pub fn prove(&self, index: u64) -> Result<InclusionProof> {
        self.prove_counting(index).map(|(proof, _)| proof)
    }

    /// As [`Log::prove`], with the number of tile files that were read.
    #[doc(hidden)]
    pub fn prove_counting(&self, index: u64) -> Result<(InclusionProof, usize)> {
        let _lock = self.store.lock_shared()?;
        let checkpoint = self.read_checkpoint()?;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        if index >= size {
            return Err(LogError::NotCovered { index, size });
        }
        let tree = Head { size, root };
        let record = read::record(&self.store, tree, index)?;
        let (path, reads) = read::with_tree(&self.store, tree, |t| {
            tlog_tiles::prove_record(size, index, t)
        })?;
        Ok((
            InclusionProof::new(index, record, path, checkpoint.to_bytes()),
            reads,
        ))
    }

    /// The proof that the tree of `new` entries extends that of `old`; neither needs to be signed.
    ///
    /// # Errors
    /// [`LogError::Proof`] when `old` is larger than `new` or `new` than the log; [`LogError::Corrupt`].
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof> {
        let _lock = self.store.lock_shared()?;
        let head = self.store.head()?;
        if old > new || new > head.size {
            return Err(LogError::Proof(format!(
                "sizes {old} and {new} do not fit a log of {}",
                head.size
            )));
        }
        if old == 0 {
            return Ok(ConsistencyProof::new(old, new, Vec::new()));
        }
        let (path, _) =
            read::with_tree(&self.store, head, |t| tlog_tiles::prove_tree(new, old, t))?;
        Ok(ConsistencyProof::new(old, new, path))
    }
}
