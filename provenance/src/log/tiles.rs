//! Tiles and entry bundles: paths and contents as C2SP tlog-tiles lays them out.

use std::path::PathBuf;

use tlog_tiles::{HASH_SIZE, Hash, HashReader, Tile};

use super::entry::MAX_ENTRY;

/// Hashes per tile; entries per bundle.
pub(super) const WIDTH: usize = 256;
/// log2 of [`WIDTH`].
pub(super) const HEIGHT: u8 = 8;
/// Levels that a tree of 2^64 entries has.
pub(super) const LEVELS: usize = 8;
/// The most bytes a bundle can hold.
pub(super) const MAX_BUNDLE: usize = WIDTH * (2 + MAX_ENTRY);
/// The bytes of a full tile.
pub(super) const TILE_BYTES: usize = WIDTH * HASH_SIZE;

/// What a tile file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Hashes of a level, 0 the leaves'.
    Level(u8),
    /// Entries.
    Entries,
}

impl Kind {
    /// log2 of the entries that one element of this tile spans.
    pub(super) fn shift(self) -> u32 {
        match self {
            Self::Level(l) => u32::from(l) * u32::from(HEIGHT),
            Self::Entries => 0,
        }
    }
}

/// The name of one tile file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TileId {
    pub kind: Kind,
    pub number: u64,
    /// Elements held, 1 to 256.
    pub width: usize,
}

impl TileId {
    /// The tile `number` of `kind` as a log of `size` entries has it; none when it would be empty.
    pub(super) fn at(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let count = size.checked_shr(kind.shift()).unwrap_or(0);
        let width = count
            .saturating_sub(number.checked_mul(WIDTH as u64)?)
            .min(WIDTH as u64);
        (width > 0).then_some(Self {
            kind,
            number,
            width: width as usize,
        })
    }

    /// The partial tile of `kind` in a log of `size` entries, if that has one.
    pub(super) fn partial(kind: Kind, size: u64) -> Option<Self> {
        let count = size.checked_shr(kind.shift()).unwrap_or(0);
        Self::at(kind, count / WIDTH as u64, size)
    }

    /// The number of entries a log must at least have for this tile to belong to it.
    pub(super) fn end(self) -> Option<u64> {
        let elements = self
            .number
            .checked_mul(WIDTH as u64)?
            .checked_add(self.width as u64)?;
        elements.checked_mul(1_u64.checked_shl(self.kind.shift())?)
    }

    pub(super) fn is_full(self) -> bool {
        self.width == WIDTH
    }

    /// The same tile when complete.
    pub(super) fn full(self) -> Self {
        Self {
            width: WIDTH,
            ..self
        }
    }

    /// Relative path: `tile/<L>/<N>[.p/<W>]`.
    pub(super) fn path(self) -> PathBuf {
        let mut n = self.number;
        let mut name = format!("{:03}", n % 1000);
        while n >= 1000 {
            n /= 1000;
            name = format!("x{:03}/{name}", n % 1000);
        }
        let kind = match self.kind {
            Kind::Level(l) => l.to_string(),
            Kind::Entries => "entries".into(),
        };
        let partial = if self.is_full() {
            String::new()
        } else {
            format!(".p/{}", self.width)
        };
        PathBuf::from(format!("tile/{kind}/{name}{partial}"))
    }

    /// Reads a relative path; none when it is not exactly what [`TileId::path`] writes.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/").filter(|r| r.len() <= 64)?;
        let (kind, rest) = rest.split_once('/')?;
        let kind = if kind == "entries" {
            Kind::Entries
        } else {
            Kind::Level(kind.parse().ok().filter(|l| *l < 64)?)
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (
                number,
                width.parse().ok().filter(|w| (1..WIDTH).contains(w))?,
            ),
            None => (rest, WIDTH),
        };
        let mut n: u64 = 0;
        for part in number.split('/') {
            n = n
                .checked_mul(1000)?
                .checked_add(part.trim_start_matches('x').parse().ok()?)?;
        }
        let id = Self {
            kind,
            number: n,
            width,
        };
        (id.path().to_str() == Some(path)).then_some(id)
    }
}

/// Appends one entry to a bundle.
pub(super) fn push_record(bundle: &mut Vec<u8>, record: &[u8]) {
    // Entry::encode keeps records below MAX_ENTRY, so the cast is exact.
    bundle.extend_from_slice(&(record.len() as u16).to_be_bytes());
    bundle.extend_from_slice(record);
}

/// The entries of a bundle; none when it is cut short or holds more than a bundle can.
pub(super) fn records(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut out = Vec::new();
    while !bundle.is_empty() {
        let (len, rest) = bundle.split_first_chunk::<2>()?;
        let (record, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        out.push(record);
        bundle = rest;
        if out.len() > WIDTH {
            return None;
        }
    }
    Some(out)
}

/// The right edge of a tree: of every level the hashes that are not yet a full tile. This is all that is
/// needed to append, and to know the root.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    size: u64,
    levels: [Vec<u8>; LEVELS],
}

impl Edge {
    /// The edge of a tree of `size` entries with the given partial tiles.
    pub(super) fn new(size: u64, levels: [Vec<u8>; LEVELS]) -> Self {
        Self { size, levels }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of the partial tile of a level.
    pub(super) fn level(&self, level: usize) -> &[u8] {
        &self.levels[level]
    }

    /// Adds a leaf; `full` receives each tile that it completes.
    pub(super) fn push(&mut self, leaf: Hash, mut full: impl FnMut(TileId, &[u8])) {
        self.size += 1;
        let mut hash = leaf;
        for (level, tile) in self.levels.iter_mut().enumerate() {
            tile.extend_from_slice(&hash.0);
            if tile.len() < TILE_BYTES {
                return;
            }
            let number = (self.size >> (HEIGHT as usize * (level + 1))) - 1;
            full(
                TileId {
                    kind: Kind::Level(level as u8),
                    number,
                    width: WIDTH,
                },
                tile,
            );
            hash = Tile::subtree_hash(tile);
            tile.clear();
        }
    }

    /// The RFC 6962 tree hash.
    pub(super) fn root(&self) -> Result<Hash, tlog_tiles::Error> {
        tlog_tiles::tree_hash(self.size, self)
    }
}

/// Serves the hashes that the root is computed from, which all stand on the edge.
impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let read = |&x: &u64| {
            let tile = Tile::from_index(HEIGHT, x);
            let level = self
                .levels
                .get(usize::from(tile.level()))
                .ok_or(tlog_tiles::Error::IndexesNotInTree)?;
            tile.hash_at_index(level, x)
        };
        indexes.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let id = |kind, number, width| TileId {
            kind,
            number,
            width,
        };
        for (tile, path) in [
            (id(Kind::Level(0), 0, 256), "tile/0/000"),
            (id(Kind::Level(1), 1_234_067, 256), "tile/1/x001/x234/067"),
            (id(Kind::Entries, 273, 112), "tile/entries/273.p/112"),
            (id(Kind::Entries, 1000, 1), "tile/entries/x001/000.p/1"),
        ] {
            assert_eq!(tile.path().to_str(), Some(path));
            assert_eq!(TileId::parse(path), Some(tile));
        }
        for path in [
            "",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/64/000",
            "tile/00/000",
            "tile/0/x000/000",
            "tile/0/001/002",
            "tile/data/000",
            "tile/0/000.p/",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TileId::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        // 70,000 entries: 273 full tiles and one of 112; one full tile and one of 17; one of 1.
        let width = |l, n| TileId::at(Kind::Level(l), n, 70_000).map(|t| t.width);
        assert_eq!(
            [width(0, 272), width(0, 273), width(0, 274)],
            [Some(256), Some(112), None]
        );
        assert_eq!(
            [width(1, 0), width(1, 1), width(1, 2)],
            [Some(256), Some(17), None]
        );
        assert_eq!(
            [width(2, 0), width(2, 1), width(7, 0), width(63, 0)],
            [Some(1), None, None, None]
        );
        assert_eq!(TileId::partial(Kind::Level(0), 256), None);
        assert_eq!(
            TileId::at(Kind::Level(1), 0, 256).and_then(TileId::end),
            Some(256)
        );
    }

    #[test]
    fn bundles_cut_anywhere_are_refused_or_shorter() {
        let mut bundle = Vec::new();
        for record in [&b"one"[..], b"", b"three"] {
            push_record(&mut bundle, record);
        }
        assert_eq!(records(&bundle).unwrap(), [&b"one"[..], b"", b"three"]);
        for cut in 0..bundle.len() {
            assert!(records(&bundle[..cut]).is_none_or(|r| r.len() < 3));
        }
        assert!(records(&[0; 2 * 257]).is_none());
    }
}
