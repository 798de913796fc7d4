//! Growing the tree, and undoing a growth that a crash cut short.
//!
//! Steps, all under the exclusive lock: write the intent, write the tiles of the new tree under names
//! that the old tree does not use, force them to disk, rename the new head over the old one, remove the
//! intent. A crash before the rename leaves the old tree whole, and the intent says what to sweep away; a
//! crash after it leaves the new tree whole. [`super::Log::append`] returns only after the rename is on disk.

use std::ops::Range;
use std::path::Path;

use tlog_tiles::Hash;

use super::checkpoint::MAX_CHECKPOINT;
use super::entry::{Digest, Entry, leaf};
use super::error::{LogError, Result};
use super::store::{Head, MAX_BATCH, Store, optional, read_limited};
use super::tiles::{Edge, Kind, LEVELS, TileId, WIDTH, push_record, records};

/// Reads the right edge of the tree and checks it against the head.
pub(super) fn edge(store: &Store, head: Head) -> Result<Edge> {
    let mut levels: [Vec<u8>; LEVELS] = Default::default();
    for (l, level) in levels.iter_mut().enumerate() {
        if let Some(id) = TileId::partial(Kind::Level(l as u8), head.size) {
            *level = store.tile(id)?;
            if level.len() < id.width * 32 {
                return Err(LogError::corrupt(&store.path(id.path()), "cut short"));
            }
            level.truncate(id.width * 32);
        }
    }
    let edge = Edge::new(head.size, levels);
    match edge.root() {
        Ok(root) if root == head.root => Ok(edge),
        _ => Err(LogError::corrupt(
            &store.path("state/head"),
            "the tiles do not hash to this root",
        )),
    }
}

/// The unfinished bundle, checked against the leaves on the edge.
fn open_bundle(store: &Store, edge: &Edge) -> Result<Vec<u8>> {
    let Some(id) = TileId::partial(Kind::Entries, edge.size()) else {
        return Ok(Vec::new());
    };
    let path = store.path(id.path());
    let mut bytes = store.tile(id)?;
    let entries = records(&bytes).ok_or_else(|| LogError::corrupt(&path, "not an entry bundle"))?;
    let leaves = edge.level(0).chunks_exact(32);
    if entries.len() < id.width || entries.iter().zip(leaves).any(|(e, l)| leaf(e).0 != l) {
        return Err(LogError::corrupt(
            &path,
            "its entries are not those of the tree",
        ));
    }
    let len = entries[..id.width].iter().map(|e| 2 + e.len()).sum();
    bytes.truncate(len);
    Ok(bytes)
}

/// Checks that each parent is where its child says.
fn check_parents(store: &Store, entries: &[Entry], leaves: &[Hash], head: Head) -> Result<()> {
    let mut cached: Option<(TileId, Vec<u8>)> = None;
    for (i, entry) in entries.iter().enumerate() {
        let Some(parent) = entry.parent else { continue };
        let missing = LogError::Parent {
            index: parent.index,
        };
        let found = if parent.index >= head.size {
            let place = usize::try_from(parent.index - head.size).unwrap_or(usize::MAX);
            if place < i {
                leaves.get(place).map(|h| h.0)
            } else {
                None
            }
        } else {
            let id = TileId::at(Kind::Level(0), parent.index / WIDTH as u64, head.size);
            let Some(id) = id else { return Err(missing) };
            if cached.as_ref().is_none_or(|(c, _)| *c != id) {
                cached = Some((id, store.tile(id)?));
            }
            let at = (parent.index % WIDTH as u64) as usize;
            cached
                .as_ref()
                .and_then(|(_, tile)| tile.chunks_exact(32).nth(at))
                .and_then(|c| c.try_into().ok())
        };
        if found != Some(parent.hash.0) {
            return Err(missing);
        }
    }
    Ok(())
}

/// Appends under the lock that the caller holds; returns the indexes given.
pub(super) fn append(store: &Store, entries: &[Entry]) -> Result<Range<u64>> {
    if entries.len() as u64 > MAX_BATCH {
        return Err(LogError::Entry(format!("more than {MAX_BATCH} at once")));
    }
    let records: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect::<Result<_>>()?;
    let leaves: Vec<Hash> = records.iter().map(|r| leaf(r)).collect();
    recover(store)?;
    let head = store.head()?;
    if records.is_empty() {
        return Ok(head.size..head.size);
    }
    check_parents(store, entries, &leaves, head)?;
    let mut edge = edge(store, head)?;
    let mut bundle = open_bundle(store, &edge)?;

    let mut tiles: Vec<(TileId, Vec<u8>)> = Vec::new();
    for (record, hash) in records.iter().zip(&leaves) {
        push_record(&mut bundle, record);
        edge.push(*hash, |id, bytes| {
            if id.kind == Kind::Level(0) {
                tiles.push((
                    TileId {
                        kind: Kind::Entries,
                        ..id
                    },
                    std::mem::take(&mut bundle),
                ));
            }
            tiles.push((id, bytes.to_vec()));
        });
    }
    let size = edge.size();
    for level in 0..LEVELS {
        let kind = Kind::Level(level as u8);
        // A level that gained nothing keeps the tile it has.
        if size >> kind.shift() != head.size >> kind.shift() {
            tiles.extend(TileId::partial(kind, size).map(|id| (id, edge.level(level).to_vec())));
        }
    }
    tiles.extend(TileId::partial(Kind::Entries, size).map(|id| (id, bundle)));
    let root = edge
        .root()
        .map_err(|e| LogError::corrupt(store.dir(), e.to_string()))?;

    store.set_intent(head.size, size)?;
    store.write_tiles(&tiles)?;
    store.step("before-head");
    store.set_head(Head { size, root })?;
    store.step("after-head");
    // The append stands. What follows is tidying, whose failure must not be taken for the append's.
    let _ = tidy(store, head.size, size);
    Ok(head.size..size)
}

fn tidy(store: &Store, from: u64, to: u64) -> Result<()> {
    store.remove("state/intent")?;
    store.step("intent-removed");
    // A tree that was never signed needs no partial tiles of its own (C2SP tlog-tiles, "Partial Tiles"). A
    // tile that serves any signed tree also serves the last one, which is at most `from`. Its size is read
    // without verifying the note: at worst a file too many is kept.
    let signed = signed_size(&store.path("checkpoint"))?;
    for kind in (0..LEVELS)
        .map(|l| Kind::Level(l as u8))
        .chain([Kind::Entries])
    {
        let Some(old) = TileId::partial(kind, from) else {
            continue;
        };
        let serves = |size| TileId::at(kind, old.number, size) == Some(old);
        if !serves(to) && !signed.is_some_and(serves) {
            store.remove(old.path())?;
            store.step("old-tile-removed");
        }
    }
    Ok(())
}

fn signed_size(path: &Path) -> Result<Option<u64>> {
    let bytes = optional(read_limited(path, MAX_CHECKPOINT as u64))?;
    let text = bytes.as_deref().and_then(|b| str::from_utf8(b).ok());
    Ok(text
        .and_then(|t| t.lines().nth(1))
        .and_then(|l| l.parse().ok()))
}

/// Sweeps away what an append that did not finish left behind. The caller holds the lock.
pub(super) fn recover(store: &Store) -> Result<()> {
    let Some((from, to)) = store.intent()? else {
        return Ok(());
    };
    let head = store.head()?;
    // An append that died may have made folders that are not on disk yet; later ones rely on them.
    store.sync_folders(added(from, to))?;
    if head.size == from {
        for id in added(from, to) {
            store.remove(id.path())?;
            store.step("orphan-removed");
        }
    }
    store.remove("state/intent")
}

/// The tiles that growing from one size to another adds.
pub(super) fn added(from: u64, to: u64) -> impl Iterator<Item = TileId> {
    (0..LEVELS)
        .map(|l| Kind::Level(l as u8))
        .chain([Kind::Entries])
        .flat_map(move |kind| {
            let first = (from >> kind.shift()) / WIDTH as u64;
            let changed = from >> kind.shift() != to >> kind.shift();
            let tiles = (first..).map_while(move |n| TileId::at(kind, n, to));
            tiles.take_while(move |_| changed)
        })
}

/// The leaf hash that the tree has for an index, for use as [`super::entry::Parent`].
pub(super) fn leaf_at(store: &Store, head: Head, index: u64) -> Result<Digest> {
    let outside = LogError::NotCovered {
        index,
        size: head.size,
    };
    let Some(id) =
        TileId::at(Kind::Level(0), index / WIDTH as u64, head.size).filter(|_| index < head.size)
    else {
        return Err(outside);
    };
    let tile = store.tile(id)?;
    let hash = tile
        .chunks_exact(32)
        .nth((index % WIDTH as u64) as usize)
        .and_then(|c| c.try_into().ok());
    hash.map(Digest)
        .ok_or_else(|| LogError::corrupt(&store.path(id.path()), "cut short"))
}
