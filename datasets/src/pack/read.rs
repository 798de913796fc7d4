//! Reads packs, our own and those that h5py wrote to the same layout.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hdf5_reader::Dataset;
use sha2::{Digest, Sha256};

use super::columns::{self, Index, caught, numbers, open_file};
use super::{FORMAT, INDEX_FORMAT, PackError, VERSION};
use crate::manifest::Columns;
use crate::{Entry, Frame, hex};

/// Frames beyond this are not one file's.
const MAX_ROWS: usize = 50_000_000;

/// What a file of a pack says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardFacts {
    pub path: PathBuf,
    pub manifest_sha256: String,
    pub first_entry: u64,
    pub entries: u64,
    pub images: u64,
    /// Rows of the whole manifest, where the file says so.
    pub total: Option<u64>,
}

/// A pack that is open. Frames may be read from several threads.
pub struct Pack {
    shards: Vec<Shard>,
    images: Vec<PackImage>,
    sha256: String,
}

/// An image of a pack.
#[derive(Debug, Clone)]
pub struct PackImage {
    /// Its manifest row. Paths are those of the original files, which need not exist any more.
    pub entry: Entry,
    shard: usize,
    rows: Range<usize>,
}

pub(super) struct Shard {
    pub(super) path: PathBuf,
    pub(super) pixels: BTreeMap<(bool, String), Dataset>,
    pub(super) index: Index,
    pub(super) luts: Vec<Vec<u16>>,
}

/// What a file says of itself, `None` for an index.
pub(super) fn facts(path: &Path) -> Result<Option<ShardFacts>, PackError> {
    let file = open_file(path)?;
    let root = caught(path, || file.root_group())?;
    let text = |name: &str| {
        let attribute = root.attribute(name).and_then(|a| a.read_string());
        attribute.unwrap_or_default()
    };
    let number = |name: &str| {
        let attribute = root.attribute(name).and_then(|a| a.read_as_f64());
        attribute.ok().filter(|v| *v >= 0.0).map(|v| v as u64)
    };
    let format = caught(path, || Ok(text("format")))?;
    if number("version").is_some_and(|version| version > u64::from(VERSION)) {
        return Err(PackError::malformed(
            path,
            "a pack of a later version of this program",
        ));
    }
    if format == INDEX_FORMAT {
        return Ok(None);
    }
    if format != FORMAT {
        return Err(PackError::malformed(
            path,
            format!("not a pack: its attribute 'format' is '{format}' instead of '{FORMAT}'"),
        ));
    }
    let rows = caught(path, || file.dataset("/index/row")?.num_elements())?;
    Ok(Some(ShardFacts {
        path: path.to_owned(),
        manifest_sha256: text("manifest_sha256"),
        first_entry: number("first_entry").unwrap_or(0),
        entries: number("entries").unwrap_or(rows),
        images: rows,
        total: number("total_entries"),
    }))
}

impl Pack {
    /// Whether `path` is a pack rather than a manifest: an HDF5 file, or a folder.
    #[must_use]
    pub fn is_pack(path: &Path) -> bool {
        use std::io::Read as _;

        let mut magic = [0; 8];
        path.is_dir()
            || std::fs::File::open(path)
                .and_then(|mut file| file.read_exact(&mut magic))
                .is_ok_and(|()| magic == *b"\x89HDF\r\n\x1a\n")
    }

    /// Opens a pack: one file, an index, or the folder of its shards. Reads rows, not pixels.
    ///
    /// # Errors
    /// [`PackError`], with the file and what does not fit.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(PackError::io(path))? {
                let file = entry.map_err(PackError::io(path))?.path();
                if file.extension().is_some_and(|e| e == "h5")
                    && let Some(shard) = facts(&file)?
                {
                    files.push(shard);
                }
            }
            files.sort_by_key(|shard| shard.first_entry);
        } else if let Some(shard) = facts(path)? {
            files.push(shard);
        } else {
            let file = open_file(path)?;
            let names = caught(path, || file.dataset("/files")?.read_strings())?;
            let images = numbers(path, &caught(path, || file.dataset("/images"))?)?;
            for (name, images) in names.iter().zip(images) {
                if Path::new(name).components().count() != 1 {
                    return Err(PackError::malformed(path, format!("shard '{name}'")));
                }
                let shard = path.with_file_name(name);
                match facts(&shard)? {
                    Some(found) if found.images == images => files.push(found),
                    _ => {
                        return Err(PackError::malformed(
                            &shard,
                            "not the shard that the index speaks of",
                        ));
                    }
                }
            }
        }
        let Some(first) = files.first() else {
            return Err(PackError::malformed(path, "no pack in this folder"));
        };
        let mut next = first.first_entry;
        if next != 0 {
            return Err(PackError::malformed(path, "its first shard is missing"));
        }
        for shard in &files {
            if shard.manifest_sha256 != first.manifest_sha256 || shard.first_entry != next {
                return Err(PackError::malformed(
                    &shard.path,
                    "it does not follow the other shards: one is missing, or of another pack",
                ));
            }
            next += shard.entries;
        }
        if first.total.is_some_and(|total| total != next) {
            return Err(PackError::malformed(
                path,
                format!(
                    "{next} of the manifest's {} rows: packing was interrupted, or a shard is missing",
                    first.total.unwrap_or_default()
                ),
            ));
        }
        let mut pack = Self {
            shards: Vec::new(),
            images: Vec::new(),
            sha256: String::new(),
        };
        let mut digest = Sha256::new();
        for shard in &files {
            pack.read(shard, &mut digest)?;
        }
        pack.sha256 = hex(&digest.finalize());
        if pack.images.is_empty() {
            return Err(PackError::malformed(path, "it holds no image"));
        }
        Ok(pack)
    }

    /// The images, in the manifest's order.
    #[must_use]
    pub fn images(&self) -> &[PackImage] {
        &self.images
    }

    /// SHA-256 over all rows and the checksums of all pixels, hexadecimal: what the pack holds,
    /// however it is divided into files.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn read(&mut self, facts: &ShardFacts, digest: &mut Sha256) -> Result<(), PackError> {
        let path = &facts.path;
        let file = open_file(path)?;
        let count = usize::try_from(facts.images)
            .ok()
            .filter(|&n| n <= MAX_ROWS)
            .ok_or_else(|| PackError::malformed(path, format!("{} images", facts.images)))?;
        let (names, cells) = columns::manifest(path, &file, count)?;
        let index = Index::read(path, &file, count)?;
        let entry_of = columns::column(path, &file, "entry", count, numbers)?;
        let known = Columns::find(&names).map_err(|why| PackError::malformed(path, why))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = self.shards.len();
        let mut row = 0;
        while row < count {
            let mut end = row + 1;
            while end < count && entry_of.as_ref().is_some_and(|e| e[end] == e[row]) {
                end += 1;
            }
            let cells: Vec<String> = cells.iter().map(|column| column[row].clone()).collect();
            let entry = known
                .entry(&cells, folder, row + 1)
                .map_err(|why| PackError::malformed(path, why))?;
            for cell in &cells {
                digest.update((cell.len() as u64).to_le_bytes());
                digest.update(cell);
            }
            for frame in row..end {
                digest.update(&index.sha256[frame]);
                digest.update(&index.mask_sha256[frame]);
            }
            self.images.push(PackImage {
                entry,
                shard: at,
                rows: row..end,
            });
            row = end;
        }
        let pixels = columns::stacks(path, &file)?;
        let luts = columns::luts(path, &file)?;
        self.shards.push(Shard {
            path: path.clone(),
            pixels,
            index,
            luts,
        });
        Ok(())
    }

    /// Decodes a frame of an image and checks it against its checksum.
    ///
    /// # Errors
    /// [`PackError`] when the file is damaged.
    pub fn frame(&self, image: &PackImage, frame: u32) -> Result<Frame, PackError> {
        let (shard, row) = self.locate(image, frame)?;
        let index = &shard.index;
        let mut read =
            shard.pixels(false, &index.stack[row], index.row[row], &index.sha256[row])?;
        read.show(shard, row)?;
        Ok(read.frame)
    }

    /// The mask of a frame, where it has one; black is untouched.
    ///
    /// # Errors
    /// [`PackError`] when the file is damaged.
    pub fn mask(&self, image: &PackImage, frame: u32) -> Result<Option<Frame>, PackError> {
        let (shard, row) = self.locate(image, frame)?;
        let index = &shard.index;
        let stack = &index.mask_stack[row];
        if stack.is_empty() {
            return Ok(None);
        }
        let read = shard.pixels(true, stack, index.mask_row[row], &index.mask_sha256[row])?;
        Ok(Some(read.frame))
    }

    fn locate(&self, image: &PackImage, frame: u32) -> Result<(&Shard, usize), PackError> {
        let shard = &self.shards[image.shard];
        let row = image.rows.start + frame as usize;
        if row >= image.rows.end {
            return Err(PackError::malformed(
                &shard.path,
                format!("'{}' has no frame {frame}", image.entry.name),
            ));
        }
        Ok((shard, row))
    }
}

impl PackImage {
    /// Number of frames, at least 1.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.rows.len() as u32
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pack")
            .field("images", &self.images.len())
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}
