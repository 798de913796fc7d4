//! The columns of a pack's tables, of whatever types h5py gave them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use hdf5_reader::error::Error;
use hdf5_reader::{Dataset, Datatype, H5Type, Hdf5File};

use super::PackError;
use crate::OpenError;
use crate::open::guard::guarded;

/// Largest chunk that is decompressed in one piece.
const MAX_CHUNK: usize = 1 << 30;

/// The columns of `/index`; what a file lacks has its default.
pub(super) struct Index {
    pub(super) stack: Vec<String>,
    pub(super) row: Vec<u64>,
    pub(super) sha256: Vec<String>,
    pub(super) mask_stack: Vec<String>,
    pub(super) mask_row: Vec<u64>,
    pub(super) mask_sha256: Vec<String>,
    pub(super) inverted: Vec<u64>,
    pub(super) voi: Vec<String>,
    pub(super) voi_a: Vec<f64>,
    pub(super) voi_b: Vec<f64>,
    pub(super) lut: Vec<u64>,
}

fn options() -> hdf5_reader::OpenOptions {
    hdf5_reader::OpenOptions::default()
        .with_max_chunk_bytes(MAX_CHUNK)
        .with_max_read_bytes(4 << 30)
        .with_max_object_header_bytes(8 << 20)
        .with_chunk_cache_bytes(16 << 20)
}

pub(super) fn open_file(path: &Path) -> Result<Hdf5File, PackError> {
    std::fs::metadata(path).map_err(PackError::io(path))?;
    caught(path, || Hdf5File::open_with_options(path, options()))
}

/// Turns errors and panics of the HDF5 reader into ours.
pub(super) fn caught<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, Error>,
) -> Result<T, PackError> {
    guarded(path, || {
        read().map_err(|error| OpenError::corrupt(path, error.to_string()))
    })
    .map_err(|error| match error {
        OpenError::Corrupt { path, reason } => PackError::malformed(&path, reason),
        other => other.into(),
    })
}

/// Names and cells of `/manifest`, by column.
pub(super) fn manifest(
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
pub(super) fn column<T>(
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
pub(super) fn numbers(path: &Path, data: &Dataset) -> Result<Vec<u64>, PackError> {
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
    pub(super) fn read(path: &Path, file: &Hdf5File, count: usize) -> Result<Self, PackError> {
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
pub(super) fn stacks(
    path: &Path,
    file: &Hdf5File,
) -> Result<BTreeMap<(bool, String), Dataset>, PackError> {
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

pub(super) fn luts(path: &Path, file: &Hdf5File) -> Result<Vec<Vec<u16>>, PackError> {
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
