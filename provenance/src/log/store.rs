//! The folder that holds a log: durable writes, the head, the lock.
//!
//! ```text
//! checkpoint                 the last signed tree head
//! log.vkey                   the log's public key, a convenience: trust the copy you were handed
//! tile/<L>/<N>[.p/<W>]       hashes, tile/entries/<N>[.p/<W>] entries (C2SP tlog-tiles)
//! state/head                 size and root of the acknowledged tree
//! state/intent               written ahead of tiles: from which size to which
//! state/lock                 held while the log is written (exclusive) or read (shared)
//! ```
//! Files under `tile/` are only ever added: an append writes tiles under names that no smaller tree uses.
//! Renaming the new `state/head` over the old one is the single moment at which an append happens.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tlog_tiles::Hash;

use super::error::{LogError, Result};
use super::tiles::{Kind, MAX_BUNDLE, TILE_BYTES, TileId};
use crate::bounded::{self, Bounded};

/// Called at every step of a write; lets the crash tests stop a process there.
pub(super) type StepHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Threads that wait for the disk at once; a journalling file system answers them together.
const SYNCERS: usize = 8;

#[derive(Clone)]
pub(super) struct Store {
    dir: PathBuf,
    pub hook: Option<StepHook>,
}

/// The most entries one append may add: bounds the work that an intent can ask of a recovery.
pub(super) const MAX_BATCH: u64 = 1 << 22;

/// The most entries a log in a folder may have. Far from filling any disk, and far enough from 2^64 that no
/// computation of tile numbers overflows.
pub(super) const MAX_SIZE: u64 = 1 << 48;

/// The acknowledged tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Head {
    pub size: u64,
    pub root: Hash,
}

const HEAD_LINE: &str = "veraray-log-head/v1";
const INTENT_LINE: &str = "veraray-log-intent/v1";

impl Head {
    fn to_text(self) -> String {
        format!("{HEAD_LINE}\n{}\n{}\n", self.size, self.root)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (first, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let head = Self {
            size: size.parse().ok()?,
            root: Hash::parse_hash(root).ok()?,
        };
        (first == HEAD_LINE && head.size <= MAX_SIZE && head.to_text() == text).then_some(head)
    }
}

/// The bytes of a file, if it has no more than `limit`.
pub(super) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    // Opening a pipe that somebody left in the folder would wait for ever.
    if !fs::metadata(path).map_err(LogError::io(path))?.is_file() {
        return Err(LogError::corrupt(path, "not a plain file"));
    }
    match bounded::read(path, limit).map_err(LogError::io(path))? {
        Bounded::Whole(bytes) => Ok(bytes),
        Bounded::TooLong => Err(LogError::TooLong {
            what: path.display().to_string(),
            limit,
        }),
    }
}

fn is_missing<T>(result: &Result<T>) -> bool {
    matches!(result, Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound)
}

/// `None` for a file that does not exist.
pub(super) fn optional<T>(result: Result<T>) -> Result<Option<T>> {
    if is_missing(&result) {
        Ok(None)
    } else {
        result.map(Some)
    }
}

/// Forces a file or folder to disk.
pub(super) fn sync(path: &Path) -> Result<()> {
    // A folder can only be synchronised on Unix; elsewhere the file system orders renames itself.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(LogError::io(path))
}

impl Store {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            hook: None,
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn step(&self, name: &str) {
        if let Some(hook) = &self.hook {
            hook(name);
        }
    }

    /// Waits for the right to write. Dropping the file gives it back, as does the end of the process.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.path("state/lock");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(LogError::io(&path))?;
        file.lock().map_err(LogError::io(&path))?;
        self.step("locked");
        Ok(file)
    }

    /// Waits until nobody writes. A copy of a log without its lock file has no writers.
    pub(super) fn lock_shared(&self) -> Result<Option<File>> {
        let path = self.path("state/lock");
        let Some(file) = optional(File::open(&path).map_err(LogError::io(&path)))? else {
            return Ok(None);
        };
        file.lock_shared().map_err(LogError::io(&path))?;
        Ok(Some(file))
    }

    pub(super) fn head(&self) -> Result<Head> {
        let path = self.path("state/head");
        let bytes = read_limited(&path, 256)?;
        str::from_utf8(&bytes)
            .ok()
            .and_then(Head::parse)
            .ok_or_else(|| LogError::corrupt(&path, "not a tree head"))
    }

    /// Replaces the head; durable on return.
    pub(super) fn set_head(&self, head: Head) -> Result<()> {
        self.replace("state/head", head.to_text().as_bytes())
    }

    /// Replaces a small file so that at every moment it holds all of the old or all of the new bytes.
    /// The caller holds the lock: the temporary name is always the same.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let target = self.path(name);
        let temporary = self.path("state/new");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(LogError::io(&temporary))?;
        self.step("replace-written");
        fs::rename(&temporary, &target).map_err(LogError::io(&target))?;
        self.step("replace-renamed");
        let (folder, state) = (target.parent().unwrap_or(&self.dir), self.path("state"));
        if folder != state {
            sync(folder)?;
        }
        // Also the folder it left: a file system that forgot only that half of the rename would have the
        // next replacement truncate this one.
        sync(&state)
    }

    /// Announces that tiles for a tree of `to` entries are about to be written over one of `from`.
    pub(super) fn set_intent(&self, from: u64, to: u64) -> Result<()> {
        self.replace(
            "state/intent",
            format!("{INTENT_LINE}\n{from}\n{to}\n").as_bytes(),
        )
    }

    pub(super) fn intent(&self) -> Result<Option<(u64, u64)>> {
        let Some(bytes) = optional(read_limited(&self.path("state/intent"), 128))? else {
            return Ok(None);
        };
        let parse = |text: &str| {
            let mut lines = text.strip_prefix(INTENT_LINE)?.strip_prefix('\n')?.lines();
            let (from, to) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
            let count = u64::checked_sub(to, from)?;
            (lines.next().is_none() && (1..=MAX_BATCH).contains(&count)).then_some((from, to))
        };
        let found = str::from_utf8(&bytes).ok().and_then(parse);
        found
            .map(Some)
            .ok_or_else(|| LogError::corrupt(&self.path("state/intent"), "not an intent"))
    }

    /// Removes a file that may be gone already.
    pub(super) fn remove(&self, name: impl AsRef<Path>) -> Result<()> {
        let path = self.path(name);
        optional(fs::remove_file(&path).map_err(LogError::io(&path))).map(drop)
    }

    /// Writes tiles that no acknowledged tree uses; durable on return, names included.
    pub(super) fn write_tiles(&self, tiles: &[(TileId, Vec<u8>)]) -> Result<()> {
        let mut files = Vec::with_capacity(tiles.len());
        let mut folders = Vec::new();
        for (id, bytes) in tiles {
            let path = self.path(id.path());
            if let Some(folder) = path.parent() {
                folders.push(folder.to_owned());
                // A new name is safe only when every folder on the way to it is. One that is there is
                // safe: whoever made it waited for the disk, or left an intent, and `recover` waited.
                let up = folder.ancestors().take_while(|a| a.starts_with(&self.dir));
                for new in up.take_while(|a| !a.exists()) {
                    folders.extend(new.parent().map(Path::to_owned));
                }
                fs::create_dir_all(folder).map_err(LogError::io(folder))?;
            }
            self.step("tile-begin");
            self.write_tile(&path, bytes).map_err(LogError::io(&path))?;
            files.push(path);
        }
        self.step("tiles-written");
        folders.sort();
        folders.dedup();
        // In no order among themselves: the head that makes them count is renamed after all of them.
        files.extend(folders);
        sync_all(&files)?;
        self.step("tiles-synced");
        Ok(())
    }

    /// Makes sure that the folders on the way to tiles are on disk, those that exist.
    pub(super) fn sync_folders(&self, tiles: impl Iterator<Item = TileId>) -> Result<()> {
        let mut folders = Vec::new();
        for id in tiles {
            let path = self.path(id.path());
            let up = path.ancestors().skip(1);
            let inside = up.take_while(|a| a.starts_with(&self.dir));
            folders.extend(inside.filter(|a| a.exists()).map(Path::to_owned));
            // Neighbours share them all.
            folders.sort();
            folders.dedup();
        }
        sync_all(&folders)
    }

    fn write_tile(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        let half = if self.hook.is_some() {
            bytes.len() / 2
        } else {
            0
        };
        file.write_all(&bytes[..half])?;
        self.step("tile-torn");
        file.write_all(&bytes[half..])
    }

    /// The elements of a tile as a tree of `size` entries has it. The narrower file may have been replaced
    /// by the full one, which begins with the same elements.
    pub(super) fn tile(&self, id: TileId) -> Result<Vec<u8>> {
        let limit = if id.kind == Kind::Entries {
            MAX_BUNDLE
        } else {
            TILE_BYTES
        } as u64;
        match optional(read_limited(&self.path(id.path()), limit))? {
            Some(bytes) => Ok(bytes),
            None => read_limited(&self.path(id.full().path()), limit),
        }
    }
}

/// Forces files or folders to disk, several at a time.
fn sync_all(paths: &[PathBuf]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            sync(path)?;
        }
        Ok(())
    };
    if paths.len() < 3 {
        return work();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SYNCERS.min(paths.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let lost = || {
            Err(LogError::Io {
                path: PathBuf::from("."),
                source: io::Error::other("a thread died"),
            })
        };
        threads
            .into_iter()
            .try_for_each(|t| t.join().unwrap_or_else(|_| lost()))
    })
}
