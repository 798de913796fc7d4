//! Authenticated reads: every hash that leaves here was checked against the root of the tree, so a proof
//! is never built on a damaged tile. `tlog_tiles` does the checking; this module fetches the files.

use std::cell::{Cell, RefCell};

use tlog_tiles::{Hash, HashReader, Tile, TileHashReader, TileReader, stored_hash_index};

use super::entry::{Entry, leaf};
use super::error::{LogError, Result};
use super::store::{Head, MAX_SIZE, Store};
use super::tiles::{HEIGHT, Kind, TileId, WIDTH, records};

struct Files<'a> {
    store: &'a Store,
    reads: Cell<usize>,
    /// `TileReader` has no room for our error; it waits here.
    failed: RefCell<Option<LogError>>,
}

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let width = tile.width() as usize;
            let id = TileId {
                kind: Kind::Level(tile.level()),
                number: tile.level_index(),
                width,
            };
            self.reads.set(self.reads.get() + 1);
            let bytes = self.store.tile(id).and_then(|mut bytes| {
                let short = bytes.len() < width * 32;
                bytes.truncate(width * 32);
                if short {
                    Err(LogError::corrupt(&self.store.path(id.path()), "cut short"))
                } else {
                    Ok(bytes)
                }
            });
            bytes.map_err(|e| {
                *self.failed.borrow_mut() = Some(e);
                tlog_tiles::Error::InvalidTile
            })
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Runs `work` on a reader of the tree `head`; also returns how many tile files were read.
pub(super) fn with_tree<T>(
    store: &Store,
    head: Head,
    work: impl FnOnce(&TileHashReader<'_>) -> Result<T, tlog_tiles::Error>,
) -> Result<(T, usize)> {
    if head.size > MAX_SIZE {
        return Err(LogError::corrupt(
            store.dir(),
            "the tree is larger than any this program makes",
        ));
    }
    let files = Files {
        store,
        reads: Cell::new(0),
        failed: RefCell::new(None),
    };
    let result = work(&TileHashReader::new(head.size, head.root, &files));
    let reads = files.reads.get();
    result.map(|value| (value, reads)).map_err(|e| {
        let failed = files.failed.into_inner();
        failed.unwrap_or_else(|| {
            LogError::corrupt(
                &store.path("tile"),
                format!("the tiles do not fit the tree: {e}"),
            )
        })
    })
}

/// The hash of the tree of the first `size` entries, from the tiles of the larger tree `head`.
pub(super) fn root_at(store: &Store, head: Head, size: u64) -> Result<Hash> {
    if size == 0 {
        return Ok(tlog_tiles::EMPTY_HASH);
    }
    with_tree(store, head, |tree| tlog_tiles::tree_hash(size, tree)).map(|(root, _)| root)
}

/// The bytes of one entry, checked against the tree.
pub(super) fn record(store: &Store, head: Head, index: u64) -> Result<Vec<u8>> {
    let number = index / WIDTH as u64;
    let id = TileId::at(Kind::Entries, number, head.size).filter(|_| index < head.size);
    let id = id.ok_or(LogError::NotCovered {
        index,
        size: head.size,
    })?;
    let bytes = store.tile(id)?;
    let path = store.path(id.path());
    let entries = records(&bytes).ok_or_else(|| LogError::corrupt(&path, "not an entry bundle"))?;
    let place = (index % WIDTH as u64) as usize;
    let record = *entries
        .get(place)
        .ok_or_else(|| LogError::corrupt(&path, "cut short"))?;
    let at = [stored_hash_index(0, index)];
    let (hashes, _) = with_tree(store, head, |tree| tree.read_hashes(&at))?;
    if hashes.first() != Some(&leaf(record)) {
        return Err(LogError::corrupt(
            &path,
            format!("entry {index} is not the one in the tree"),
        ));
    }
    Ok(record.to_vec())
}

/// The entries of the bundle that holds `index`, from there on, checked against the tree.
pub(super) fn bundle(store: &Store, head: Head, index: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    let number = index / WIDTH as u64;
    let id = TileId::at(Kind::Entries, number, head.size).filter(|_| index < head.size);
    let id = id.ok_or(LogError::NotCovered {
        index,
        size: head.size,
    })?;
    let bytes = store.tile(id)?;
    let path = store.path(id.path());
    let entries = records(&bytes).ok_or_else(|| LogError::corrupt(&path, "not an entry bundle"))?;
    let first = number * WIDTH as u64;
    let wanted: Vec<(u64, &[u8])> = (first..)
        .zip(entries)
        .take(id.width)
        .skip_while(|(at, _)| *at < index)
        .collect();
    if wanted.last().map(|(at, _)| *at) != Some(first + id.width as u64 - 1) {
        return Err(LogError::corrupt(&path, "cut short"));
    }
    let places: Vec<u64> = wanted
        .iter()
        .map(|(at, _)| stored_hash_index(0, *at))
        .collect();
    let (hashes, _) = with_tree(store, head, |tree| tree.read_hashes(&places))?;
    for ((at, record), hash) in wanted.iter().zip(&hashes) {
        if *hash != leaf(record) {
            return Err(LogError::corrupt(
                &path,
                format!("entry {at} is not the one in the tree"),
            ));
        }
    }
    Ok(wanted.into_iter().map(|(at, r)| (at, r.to_vec())).collect())
}

/// One entry, checked against the tree.
pub(super) fn entry(store: &Store, head: Head, index: u64) -> Result<Entry> {
    Entry::decode(&record(store, head, index)?)
}
