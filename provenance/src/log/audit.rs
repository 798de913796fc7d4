//! Re-reads a whole log and compares it with checkpoints kept elsewhere.
//!
//! Memory does not grow with the log: entries are streamed through the right edge of the tree, and every
//! file is compared with what the entries say it must hold.

use std::fs;
use std::path::{Path, PathBuf};

use tlog_tiles::Hash;

use super::append::{added, leaf_at};
use super::checkpoint::{Checkpoint, MAX_CHECKPOINT};
use super::entry::{Entry, leaf};
use super::error::{LogError, Result};
use super::key::PublicKey;
use super::report::{AuditReport, Finding, FindingKind};
use super::store::{Head, Store, read_limited};
use super::tiles::{Edge, Kind, LEVELS, MAX_BUNDLE, TILE_BYTES, TileId, WIDTH, records};

/// After this many findings an audit has said enough.
const MAX_FINDINGS: usize = 1000;
/// No tile path is deeper: `tile/entries/x001/…`, seven numbers, `.p`, width.
const MAX_DEPTH: usize = 12;

/// A tree head that the tiles must reproduce.
struct Anchor {
    path: PathBuf,
    size: u64,
    root: Hash,
    /// Against a signed head of the same size with another root, this is a fork.
    remembered: bool,
}

struct Audit {
    store: Store,
    report: AuditReport,
}

/// Audits the log in `dir` under the public key `key` and against `remembered` checkpoints, kept where
/// the log's owner cannot change them. Without any, only damage that contradicts the folder itself shows.
///
/// # Errors
/// [`LogError::Key`] when `key` is no log key; [`LogError::Io`] when the lock cannot be taken. Damage is
/// no error: it is in the report.
pub fn audit(dir: &Path, key: &PublicKey, remembered: &[Checkpoint]) -> Result<AuditReport> {
    let store = Store::new(dir);
    let _lock = store.lock_shared()?;
    let mut audit = Audit {
        store,
        report: AuditReport::default(),
    };
    audit.key(key);
    let checkpoint = audit.checkpoint(key);
    audit.report.signed = checkpoint.as_ref().map(Checkpoint::size);
    let head = match audit.store.head() {
        Ok(head) => head,
        Err(e) => {
            audit.error(&audit.store.path("state/head"), &e);
            return Ok(audit.report);
        }
    };

    let mut anchors = vec![Anchor {
        path: audit.store.path("state/head"),
        size: head.size,
        root: head.root,
        remembered: false,
    }];
    if let Some(c) = &checkpoint {
        anchors.push(Anchor {
            path: audit.store.path("checkpoint"),
            size: c.size(),
            root: c.root(),
            remembered: false,
        });
    }
    for r in remembered {
        if r.origin() != key.name() {
            audit.find(
                FindingKind::Key,
                Path::new("checkpoint"),
                format!("the remembered checkpoint is of {}", r.origin()),
            );
        }
        if checkpoint.as_ref().is_some_and(|c| c.size() < r.size()) {
            audit.find(
                FindingKind::Truncated,
                Path::new("checkpoint"),
                "older than the remembered one".into(),
            );
        }
        let path = audit.store.path("checkpoint");
        anchors.push(Anchor {
            path,
            size: r.size(),
            root: r.root(),
            remembered: true,
        });
    }
    anchors.sort_by_key(|a| a.size);
    audit.entries(head, &anchors);
    if let Some(checkpoint) = &checkpoint {
        audit.published(checkpoint.size());
    }
    audit.strays(head);
    Ok(audit.report)
}

impl Audit {
    fn find(&mut self, kind: FindingKind, path: &Path, message: String) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding {
                kind,
                path: self.store.path(path),
                message,
            });
        }
    }

    fn error(&mut self, path: &Path, error: &LogError) {
        let kind = if matches!(error, LogError::Io { .. }) {
            FindingKind::Missing
        } else {
            FindingKind::Malformed
        };
        let message = match error {
            LogError::Io { source, .. } => source.to_string(),
            LogError::Corrupt { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        self.find(kind, path, message);
    }

    fn key(&mut self, key: &PublicKey) {
        let path = self.store.path("log.vkey");
        match read_limited(&path, 1024) {
            Ok(bytes) if bytes == format!("{key}\n").as_bytes() => {}
            Ok(_) => self.find(FindingKind::Key, &path, "not the trusted key".into()),
            Err(e) => self.error(&path, &e),
        }
    }

    fn checkpoint(&mut self, key: &PublicKey) -> Option<Checkpoint> {
        let path = self.store.path("checkpoint");
        let read =
            read_limited(&path, MAX_CHECKPOINT as u64).and_then(|b| Checkpoint::open(&b, key));
        read.inspect_err(|e| self.error(&path, e)).ok()
    }

    /// Streams all entries and compares trees with anchors and tiles with entries.
    fn entries(&mut self, head: Head, anchors: &[Anchor]) {
        let mut edge = Edge::default();
        let mut anchors = anchors.iter().peekable();
        let mut number = 0;
        'bundles: while let Some(id) = TileId::at(Kind::Entries, number, head.size) {
            let path = self.store.path(id.path());
            let bytes = match read_limited(&path, MAX_BUNDLE as u64) {
                Ok(bytes) => bytes,
                Err(e) => {
                    self.error(&path, &e);
                    break;
                }
            };
            let Some(found) = records(&bytes).filter(|r| r.len() == id.width) else {
                self.find(
                    FindingKind::Malformed,
                    &path,
                    format!("does not hold {} entries", id.width),
                );
                break;
            };
            let mut full = Vec::new();
            for (i, record) in found.iter().enumerate() {
                if !self.anchored(&edge, &mut anchors) {
                    break 'bundles;
                }
                self.entry(head, &path, number * WIDTH as u64 + i as u64, record);
                edge.push(leaf(record), |id, tile| full.push((id, tile.to_vec())));
            }
            self.report.entries = edge.size();
            let ends = found.iter().scan(0, |end, r| {
                *end += 2 + r.len();
                Some(*end)
            });
            self.narrower(id, &bytes, &ends.collect::<Vec<_>>());
            for (id, tile) in full {
                self.tile(id, &tile);
            }
            number += 1;
        }
        self.anchored(&edge, &mut anchors);
        if edge.size() == head.size {
            for level in 0..LEVELS {
                if let Some(id) = TileId::partial(Kind::Level(level as u8), head.size) {
                    let tile = edge.level(level).to_vec();
                    self.tile(id, &tile);
                }
            }
        }
        for anchor in anchors {
            let (kind, what) = if anchor.remembered {
                (FindingKind::Truncated, "remembered")
            } else {
                (FindingKind::Missing, "signed")
            };
            let message = format!(
                "{} entries are {what}, {} can be read",
                anchor.size,
                edge.size()
            );
            self.find(kind, &anchor.path, message);
        }
    }

    /// Compares the tree so far with the anchors of its size; false when going on is pointless.
    fn anchored<'a>(
        &mut self,
        edge: &Edge,
        anchors: &mut std::iter::Peekable<impl Iterator<Item = &'a Anchor>>,
    ) -> bool {
        let mut root = None;
        while let Some(anchor) = anchors.next_if(|a| a.size == edge.size()) {
            // Hashing the edge costs; most sizes have no anchor.
            let root = *root.get_or_insert_with(|| edge.root().ok());
            if root != Some(anchor.root) {
                let (kind, what) = match anchor.remembered {
                    true => (
                        FindingKind::Forked,
                        "not the history of the remembered checkpoint",
                    ),
                    false => (
                        FindingKind::Rewritten,
                        "the entries do not hash to this root",
                    ),
                };
                self.find(
                    kind,
                    &anchor.path,
                    format!("{what}, at size {}", anchor.size),
                );
            }
        }
        self.report.findings.len() < MAX_FINDINGS
    }

    /// The partial tiles of the last signed tree must be served until they are complete (C2SP tlog-tiles,
    /// "Partial Tiles"); without them there are no proofs either.
    fn published(&mut self, size: u64) {
        for kind in (0..LEVELS)
            .map(|l| Kind::Level(l as u8))
            .chain([Kind::Entries])
        {
            let Some(id) = TileId::partial(kind, size) else {
                continue;
            };
            let path = self.store.path(id.path());
            let told = self.report.findings.iter().any(|f| f.path == path);
            if !told && !path.exists() && !self.store.path(id.full().path()).exists() {
                self.find(
                    FindingKind::Missing,
                    &path,
                    format!("the signed tree of size {size} needs it"),
                );
            }
        }
    }

    fn entry(&mut self, head: Head, path: &Path, index: u64, record: &[u8]) {
        match Entry::decode(record) {
            Err(e) => self.find(FindingKind::Malformed, path, format!("entry {index}: {e}")),
            Ok(entry) => {
                let Some(parent) = entry.parent else { return };
                let sound = parent.index < index
                    && leaf_at(&self.store, head, parent.index).is_ok_and(|h| h == parent.hash);
                if !sound {
                    self.find(
                        FindingKind::Rewritten,
                        path,
                        format!("entry {index}: its parent {} is another", parent.index),
                    );
                }
            }
        }
    }

    /// Compares a tile file with what it must hold.
    fn tile(&mut self, id: TileId, expected: &[u8]) {
        let path = self.store.path(id.path());
        match read_limited(&path, TILE_BYTES as u64) {
            Ok(bytes) if bytes == expected => {}
            Ok(_) => self.find(
                FindingKind::Rewritten,
                &path,
                "not the hashes of the entries".into(),
            ),
            Err(e) => self.error(&path, &e),
        }
        let ends: Vec<usize> = (1..=expected.len() / 32).map(|w| w * 32).collect();
        self.narrower(id, expected, &ends);
    }

    /// Compares the narrower files kept for earlier checkpoints with the same tile; `ends` gives the
    /// length of each width.
    fn narrower(&mut self, id: TileId, expected: &[u8], ends: &[usize]) {
        let narrow = TileId { width: 1, ..id }.path();
        let Some(folder) = narrow.parent().map(|p| self.store.path(p)) else {
            return;
        };
        let Ok(listing) = fs::read_dir(&folder) else {
            return;
        };
        for item in listing.flatten() {
            // Names that are no width are found by `strays`.
            let width = item
                .file_name()
                .to_str()
                .and_then(|n| n.parse::<usize>().ok());
            let Some(&end) = width.and_then(|w| ends.get(w.checked_sub(1)?)) else {
                continue;
            };
            match read_limited(&item.path(), MAX_BUNDLE as u64) {
                Ok(bytes) if bytes == expected[..end] => {}
                Ok(_) => self.find(
                    FindingKind::Rewritten,
                    &item.path(),
                    "not a beginning of the wider tile".into(),
                ),
                Err(e) => self.error(&item.path(), &e),
            }
        }
    }

    /// Looks for files among the tiles that do not belong to the tree.
    fn strays(&mut self, head: Head) {
        let mut known: Vec<TileId> = Vec::new();
        match self.store.intent() {
            Ok(Some((from, to))) if from == head.size => known.extend(added(from, to)),
            Ok(_) => {}
            Err(e) => self.error(&self.store.path("state/intent"), &e),
        }
        let mut folders = vec![(PathBuf::from("tile"), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let Ok(listing) = fs::read_dir(self.store.path(&folder)) else {
                continue;
            };
            for item in listing.flatten() {
                let name = folder.join(item.file_name());
                if item.file_type().is_ok_and(|t| t.is_dir()) && depth < MAX_DEPTH {
                    folders.push((name, depth + 1));
                    continue;
                }
                let id = name
                    .to_str()
                    .and_then(|n| TileId::parse(&n.replace('\\', "/")));
                let plain = item.file_type().is_ok_and(|t| t.is_file());
                match id.filter(|_| plain) {
                    Some(id) if id.end().is_some_and(|end| end <= head.size) => {}
                    Some(id) if known.contains(&id) => self.report.leftovers += 1,
                    _ => self.find(
                        FindingKind::Unexpected,
                        &name,
                        "no append wrote this".into(),
                    ),
                }
            }
        }
    }
}
