//! Reads packs, our own and those that h5py wrote to the same layout.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use hdf5_reader::error::Error;
use hdf5_reader::{Dataset, Datatype, H5Type, Hdf5File, SliceInfo, SliceInfoElem};
use sha2::{Digest, Sha256};

use super::{FORMAT, INDEX_FORMAT, PackError, VERSION};
use crate::frame::{make_finite, robust_range};
use crate::manifest::Columns;
use crate::open::guard::guarded;
use crate::{Display, Entry, Frame, OpenError, OpenOptions, Voi, VoiFunction, hex};

/// Largest chunk that is decompressed in one piece.
const MAX_CHUNK: usize = 1 << 30;
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

struct Shard {
    path: PathBuf,
    pixels: BTreeMap<(bool, String), Dataset>,
    index: Index,
    luts: Vec<Vec<u16>>,
}

/// The columns of `/index`; what a file lacks has its default.
struct Index {
    stack: Vec<String>,
    row: Vec<u64>,
    sha256: Vec<String>,
    mask_stack: Vec<String>,
    mask_row: Vec<u64>,
    mask_sha256: Vec<String>,
    inverted: Vec<u64>,
    voi: Vec<String>,
    voi_a: Vec<f64>,
    voi_b: Vec<f64>,
    lut: Vec<u64>,
}

fn options() -> hdf5_reader::OpenOptions {
    hdf5_reader::OpenOptions::default()
        .with_max_chunk_bytes(MAX_CHUNK)
        .with_max_read_bytes(4 << 30)
        .with_max_object_header_bytes(8 << 20)
        .with_chunk_cache_bytes(16 << 20)
}

fn open_file(path: &Path) -> Result<Hdf5File, PackError> {
    std::fs::metadata(path).map_err(PackError::io(path))?;
    caught(path, || Hdf5File::open_with_options(path, options()))
}

/// Turns errors and panics of the HDF5 reader into ours.
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, PackError> {
    guarded(path, || {
        read().map_err(|error| OpenError::corrupt(path, error.to_string()))
    })
    .map_err(|error| match error {
        OpenError::Corrupt { path, reason } => PackError::malformed(&path, reason),
        other => other.into(),
    })
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
        let (names, cells) = manifest(path, &file, count)?;
        let index = Index::read(path, &file, count)?;
        let entry_of = column(path, &file, "entry", count, numbers)?;
        let columns = Columns::find(&names).map_err(|why| PackError::malformed(path, why))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = self.shards.len();
        let mut row = 0;
        while row < count {
            let mut end = row + 1;
            while end < count && entry_of.as_ref().is_some_and(|e| e[end] == e[row]) {
                end += 1;
            }
            let cells: Vec<String> = cells.iter().map(|column| column[row].clone()).collect();
            let entry = columns
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
        let pixels = stacks(path, &file)?;
        let luts = luts(path, &file)?;
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

/// Names and cells of `/manifest`, by column.
fn manifest(
    path: &Path,
    file: &Hdf5File,
    count: usize,
) -> Result<(Vec<String>, Vec<Vec<String>>), PackError> {
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    let sets = caught(path, || file.group("/manifest")?.datasets())?;
    for data in sets {
        let column = caught(path, || data.read_strings())?;
        if column.len() != count {
            return Err(PackError::malformed(
                path,
                format!(
                    "column '{}' has {} rows of {count}",
                    data.name(),
                    column.len()
                ),
            ));
        }
        names.push(data.name().to_owned());
        cells.push(column);
    }
    Ok((names, cells))
}

/// A column of `/index`, `None` where the file lacks it.
fn column<T>(
    path: &Path,
    file: &Hdf5File,
    name: &str,
    count: usize,
    read: impl FnOnce(&Path, &Dataset) -> Result<Vec<T>, PackError>,
) -> Result<Option<Vec<T>>, PackError> {
    let group = caught(path, || file.group("/index"))?;
    let (_, names) = caught(path, || group.member_names())?;
    if !names.iter().any(|n| n == name) {
        return Ok(None);
    }
    let data = caught(path, || group.dataset(name))?;
    let values = read(path, &data)?;
    if values.len() != count {
        return Err(PackError::malformed(
            path,
            format!("/index/{name} has {} rows of {count}", values.len()),
        ));
    }
    Ok(Some(values))
}

fn texts(path: &Path, data: &Dataset) -> Result<Vec<String>, PackError> {
    caught(path, || data.read_strings())
}

/// Whole numbers of any integer type.
fn numbers(path: &Path, data: &Dataset) -> Result<Vec<u64>, PackError> {
    fn of<T: H5Type>(data: &Dataset, convert: fn(T) -> Option<u64>) -> Result<Vec<u64>, Error> {
        data.read_array::<T>()?
            .into_iter()
            .map(|value| convert(value).ok_or_else(|| Error::InvalidData("negative".into())))
            .collect()
    }
    caught(path, || match data.dtype() {
        Datatype::FixedPoint { size, signed, .. } => match (size, signed) {
            (1, false) => of::<u8>(data, |v| Some(v.into())),
            (2, false) => of::<u16>(data, |v| Some(v.into())),
            (4, false) => of::<u32>(data, |v| Some(v.into())),
            (8, false) => of::<u64>(data, Some),
            (1, true) => of::<i8>(data, |v| v.try_into().ok()),
            (2, true) => of::<i16>(data, |v| v.try_into().ok()),
            (4, true) => of::<i32>(data, |v| v.try_into().ok()),
            _ => of::<i64>(data, |v| v.try_into().ok()),
        },
        // h5py stores booleans as an enumeration of bytes.
        Datatype::Enum { .. } => Ok(data.read_raw_bytes()?.into_iter().map(u64::from).collect()),
        _ => Err(Error::InvalidData(format!("{} is no integer", data.name()))),
    })
}

fn floats(path: &Path, data: &Dataset) -> Result<Vec<f64>, PackError> {
    caught(path, || {
        Ok(match data.dtype() {
            Datatype::FloatingPoint { size: 4, .. } => data
                .read_array::<f32>()?
                .into_iter()
                .map(f64::from)
                .collect(),
            _ => data.read_array::<f64>()?.into_iter().collect(),
        })
    })
}

impl Index {
    fn read(path: &Path, file: &Hdf5File, count: usize) -> Result<Self, PackError> {
        let words = |name: &str| {
            column(path, file, name, count, texts)
                .map(|c| c.unwrap_or_else(|| vec![String::new(); count]))
        };
        let whole = |name: &str| {
            column(path, file, name, count, numbers).map(|c| c.unwrap_or_else(|| vec![0; count]))
        };
        let real = |name: &str| {
            column(path, file, name, count, floats).map(|c| c.unwrap_or_else(|| vec![0.0; count]))
        };
        let needed = |name: &str| PackError::malformed(path, format!("/index/{name} is missing"));
        Ok(Self {
            stack: column(path, file, "stack", count, texts)?.ok_or_else(|| needed("stack"))?,
            row: column(path, file, "row", count, numbers)?.ok_or_else(|| needed("row"))?,
            sha256: words("sha256")?,
            mask_stack: words("mask_stack")?,
            mask_row: whole("mask_row")?,
            mask_sha256: words("mask_sha256")?,
            inverted: whole("inverted")?,
            voi: words("voi")?,
            voi_a: real("voi_a")?,
            voi_b: real("voi_b")?,
            lut: whole("lut")?,
        })
    }
}

/// Every `/stacks/NAME/pixels` and `/masks/NAME/pixels`.
fn stacks(path: &Path, file: &Hdf5File) -> Result<BTreeMap<(bool, String), Dataset>, PackError> {
    let mut all = BTreeMap::new();
    for (mask, parent) in [(false, "/stacks"), (true, "/masks")] {
        let group = match caught(path, || file.group(parent)) {
            Ok(group) => group,
            Err(_) if mask => continue,
            Err(error) => return Err(error),
        };
        for stack in caught(path, || group.groups())? {
            let data = caught(path, || stack.dataset("pixels"))?;
            all.insert((mask, stack.name().to_owned()), data);
        }
    }
    Ok(all)
}

fn luts(path: &Path, file: &Hdf5File) -> Result<Vec<Vec<u16>>, PackError> {
    let Ok(group) = caught(path, || file.group("/luts")) else {
        return Ok(Vec::new());
    };
    let mut found: HashMap<usize, Vec<u16>> = HashMap::new();
    for data in caught(path, || group.datasets())? {
        let values = caught(path, || data.read_array::<u16>())?;
        if let Ok(number) = data.name().parse() {
            found.insert(number, values.into_iter().collect());
        }
    }
    Ok((0..found.len()).map_while(|at| found.remove(&at)).collect())
}

/// A frame, and what its samples were stored as.
struct Read {
    frame: Frame,
    bytes: bool,
}

impl Shard {
    fn pixels(&self, mask: bool, stack: &str, row: u64, sha256: &str) -> Result<Read, PackError> {
        let wrong = |message: String| PackError::malformed(&self.path, message);
        let data = self
            .pixels
            .get(&(mask, stack.to_owned()))
            .ok_or_else(|| wrong(format!("stack '{stack}' is missing")))?;
        let (rows, columns, channels) = match *data.shape() {
            [_, rows, columns] => (rows, columns, 1),
            [_, rows, columns, channels @ (1 | 3)] => (rows, columns, channels),
            _ => {
                return Err(wrong(format!(
                    "stack '{stack}' has shape {:?}",
                    data.shape()
                )));
            }
        };
        let limit = OpenOptions::default().max_pixels;
        if rows == 0 || columns == 0 || rows.saturating_mul(columns) > limit {
            return Err(wrong(format!("frames of {columns} x {rows} pixels")));
        }
        if row >= data.shape()[0] {
            return Err(wrong(format!("stack '{stack}' has no row {row}")));
        }
        let mut selections = vec![SliceInfoElem::Index(row)];
        selections.extend(data.shape()[1..].iter().map(|&end| SliceInfoElem::Slice {
            start: 0,
            end,
            step: 1,
        }));
        let selection = SliceInfo { selections };
        let mut digest = Sha256::new();
        let check = !sha256.is_empty();
        macro_rules! read {
            ($kind:ty) => {{
                let array = caught(&self.path, || data.read_slice::<$kind>(&selection))?;
                let values: Vec<$kind> = array.into_iter().collect();
                if check {
                    let mut bytes = Vec::with_capacity(values.len() * size_of::<$kind>());
                    for value in &values {
                        bytes.extend_from_slice(&value.to_le_bytes());
                    }
                    digest.update(&bytes);
                }
                values.into_iter().map(f32::from).collect::<Vec<f32>>()
            }};
        }
        let mut values = match data.dtype() {
            Datatype::FixedPoint {
                size: 1,
                signed: false,
                ..
            } => read!(u8),
            Datatype::FixedPoint {
                size: 2,
                signed: false,
                ..
            } => read!(u16),
            Datatype::FixedPoint {
                size: 2,
                signed: true,
                ..
            } => read!(i16),
            Datatype::FloatingPoint { size: 4, .. } => read!(f32),
            _ => {
                return Err(wrong(format!(
                    "stack '{stack}' holds samples of another type than u8, u16, i16 or f32"
                )));
            }
        };
        if check && hex(&digest.finalize()) != sha256.to_ascii_lowercase() {
            return Err(wrong(format!(
                "row {row} of stack '{stack}' does not fit its checksum"
            )));
        }
        let mut notes = Vec::new();
        make_finite(&mut values, &mut notes);
        let bytes = matches!(data.dtype(), Datatype::FixedPoint { size: 1, .. });
        let (low, high) = if bytes { (0.0, 255.0) } else { (0.0, 65535.0) };
        Ok(Read {
            frame: Frame {
                rows: rows as u32,
                columns: columns as u32,
                channels: channels as u8,
                values,
                display: Display {
                    inverted: false,
                    voi: Voi::Range { low, high },
                },
                notes,
            },
            bytes,
        })
    }
}

impl Read {
    /// Takes the display of an index row.
    fn show(&mut self, shard: &Shard, row: usize) -> Result<(), PackError> {
        let index = &shard.index;
        let (a, b) = (index.voi_a[row], index.voi_b[row]);
        let window = |function| Voi::Window {
            center: a,
            width: b,
            function,
        };
        let voi = match index.voi[row].as_str() {
            // Written by somebody else: as an image file without a window is shown.
            "" if self.bytes => Voi::Range {
                low: 0.0,
                high: 255.0,
            },
            "" => {
                let (low, high) = robust_range(&self.frame.values);
                Voi::Range { low, high }
            }
            "range" => Voi::Range {
                low: a as f32,
                high: b as f32,
            },
            "window_linear" => window(VoiFunction::Linear),
            "window_linear_exact" => window(VoiFunction::LinearExact),
            "window_sigmoid" => window(VoiFunction::Sigmoid),
            "lut" => {
                let at = usize::try_from(index.lut[row]).unwrap_or(usize::MAX);
                let data = shard.luts.get(at).cloned();
                Voi::Lut {
                    first: a as i32,
                    bits: b as u16,
                    data: data.ok_or_else(|| {
                        PackError::malformed(&shard.path, format!("/luts/{at} is missing"))
                    })?,
                }
            }
            other => {
                return Err(PackError::malformed(
                    &shard.path,
                    format!("/index/voi says '{other}'"),
                ));
            }
        };
        self.frame.display = Display {
            inverted: index.inverted[row] != 0,
            voi,
        };
        Ok(())
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
