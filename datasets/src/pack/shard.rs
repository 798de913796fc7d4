//! Writes one file of a pack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_hdf5::{H5Dataset, H5File};

use super::encode::Encoded;
use super::{FORMAT, PackError, Sample, Stack, VERSION};
use crate::{Display, Voi, VoiFunction};

/// One row of the index: a frame.
#[derive(Debug, Default, Clone)]
pub(super) struct Row {
    pub entry: u64,
    pub frame: u32,
    pub frames: u32,
    pub stack: String,
    pub row: u64,
    pub sha256: String,
    pub mask_stack: String,
    pub mask_row: u64,
    pub mask_sha256: String,
    pub inverted: u8,
    pub voi: &'static str,
    pub voi_a: f64,
    pub voi_b: f64,
    pub lut: u32,
    /// Where the cells of its manifest row stand in [`ShardWriter::cells`].
    pub cells: usize,
}

struct Open {
    data: H5Dataset,
    count: usize,
}

/// A file that is being written under a name of its own.
pub(super) struct ShardWriter {
    file: H5File,
    path: PathBuf,
    level: u32,
    stacks: BTreeMap<(bool, Stack), Open>,
    rows: Vec<Row>,
    cells: Vec<Vec<String>>,
    luts: Vec<Vec<u16>>,
    failed: Vec<(String, String)>,
    entries: u64,
    raw: u64,
}

/// A place to go back to when an image fails half-way.
pub(super) struct Mark {
    counts: BTreeMap<(bool, Stack), usize>,
    rows: usize,
}

impl ShardWriter {
    pub(super) fn create(path: &Path, level: u32) -> Result<Self, PackError> {
        let file = H5File::create(path).map_err(|e| failed(path, &e))?;
        for group in ["stacks", "masks", "index", "manifest", "luts", "failed"] {
            file.create_group(group).map_err(|e| failed(path, &e))?;
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            level,
            stacks: BTreeMap::new(),
            rows: Vec::new(),
            cells: Vec::new(),
            luts: Vec::new(),
            failed: Vec::new(),
            entries: 0,
            raw: 0,
        })
    }

    pub(super) fn images(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of all samples, before compression.
    pub(super) fn raw(&self) -> u64 {
        self.raw
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            counts: self
                .stacks
                .iter()
                .map(|(k, open)| (*k, open.count))
                .collect(),
            rows: self.rows.len(),
        }
    }

    /// Forgets the frames since `mark`; their chunks are written over.
    pub(super) fn roll_back(&mut self, mark: &Mark) {
        for (key, open) in &mut self.stacks {
            open.count = mark.counts.get(key).copied().unwrap_or(0);
        }
        self.rows.truncate(mark.rows);
    }

    /// Begins a manifest row; its frames follow.
    pub(super) fn begin(&mut self, cells: Vec<String>) {
        self.cells.push(cells);
        self.entries += 1;
    }

    /// Notes why the row that was begun last has no frames.
    pub(super) fn fail(&mut self, name: String, reason: String) {
        self.failed.push((name, reason));
    }

    /// Adds a frame of the row that was begun last.
    pub(super) fn add(
        &mut self,
        place: (u64, u32, u32),
        image: &Encoded,
        mask: Option<&Encoded>,
    ) -> Result<(), PackError> {
        let (entry, frame, frames) = place;
        let mut row = Row {
            entry,
            frame,
            frames,
            stack: image.stack.name(),
            row: self.put(false, image)?,
            sha256: image.sha256.clone(),
            cells: self.cells.len().saturating_sub(1),
            ..Row::default()
        };
        if let Some(mask) = mask {
            row.mask_stack = mask.stack.name();
            row.mask_row = self.put(true, mask)?;
            row.mask_sha256.clone_from(&mask.sha256);
        }
        self.show(&image.display, &mut row);
        self.rows.push(row);
        Ok(())
    }

    fn put(&mut self, mask: bool, image: &Encoded) -> Result<u64, PackError> {
        let key = (mask, image.stack);
        if !self.stacks.contains_key(&key) {
            let data = self.stack(mask, image.stack)?;
            self.stacks.insert(key, Open { data, count: 0 });
        }
        let Some(open) = self.stacks.get_mut(&key) else {
            return Err(PackError::malformed(&self.path, "a stack is gone"));
        };
        open.data
            .write_chunk_raw(open.count, &image.chunk, 0)
            .map_err(|e| failed(&self.path, &e))?;
        open.count += 1;
        self.raw += image.raw;
        Ok(open.count as u64 - 1)
    }

    fn stack(&self, mask: bool, stack: Stack) -> Result<H5Dataset, PackError> {
        let error = |e| failed(&self.path, &e);
        let parent = self.group(if mask { "masks" } else { "stacks" })?;
        let group = parent.create_group(&stack.name()).map_err(error)?;
        let shape = stack.shape(0);
        let chunk = stack.shape(1);
        let mut limits: Vec<Option<usize>> = shape.iter().map(|&size| Some(size)).collect();
        limits[0] = None;
        macro_rules! create {
            ($kind:ty) => {{
                let mut builder = group
                    .new_dataset::<$kind>()
                    .shape(&shape)
                    .chunk(&chunk)
                    .max_shape(&limits);
                if stack.sample.bytes() > 1 {
                    builder = builder.shuffle();
                }
                builder.deflate(self.level).create("pixels")
            }};
        }
        match stack.sample {
            Sample::U8 => create!(u8),
            Sample::U16 => create!(u16),
            Sample::I16 => create!(i16),
            Sample::F32 => create!(f32),
        }
        .map_err(error)
    }

    fn group(&self, name: &str) -> Result<rust_hdf5::H5Group, PackError> {
        self.file
            .root_group()
            .group(name)
            .map_err(|e| failed(&self.path, &e))
    }

    /// How the frame is meant to be shown.
    fn show(&mut self, display: &Display, row: &mut Row) {
        row.inverted = display.inverted.into();
        (row.voi, row.voi_a, row.voi_b) = match &display.voi {
            Voi::Range { low, high } => ("range", f64::from(*low), f64::from(*high)),
            Voi::Window {
                center,
                width,
                function,
            } => {
                let name = match function {
                    VoiFunction::Linear => "window_linear",
                    VoiFunction::LinearExact => "window_linear_exact",
                    VoiFunction::Sigmoid => "window_sigmoid",
                };
                (name, *center, *width)
            }
            Voi::Lut { first, bits, data } => {
                // Frames of one series mostly share a table.
                let at = self.luts.iter().rposition(|lut| lut == data);
                let at = at.unwrap_or_else(|| {
                    self.luts.push(data.clone());
                    self.luts.len() - 1
                });
                row.lut = at as u32;
                ("lut", f64::from(*first), f64::from(*bits))
            }
        };
    }

    /// Writes the index and closes the file.
    pub(super) fn finish(
        self,
        columns: &[String],
        manifest_sha256: &str,
        [first_entry, total]: [u64; 2],
    ) -> Result<(), PackError> {
        let error = |e| failed(&self.path, &e);
        for ((_, stack), open) in &self.stacks {
            open.data
                .set_extent(&stack.shape(open.count))
                .map_err(error)?;
        }
        let manifest = self.group("manifest")?;
        for (at, name) in columns.iter().enumerate() {
            let cells: Vec<&str> = self
                .rows
                .iter()
                .map(|row| self.cells[row.cells].get(at).map_or("", String::as_str))
                .collect();
            strings(&manifest, name, &cells).map_err(error)?;
        }
        let index = self.group("index")?;
        macro_rules! numbers {
            ($kind:ty, $($field:ident),+) => {$({
                let values: Vec<$kind> = self.rows.iter().map(|row| row.$field).collect();
                let shape = [values.len()];
                index
                    .new_dataset::<$kind>()
                    .shape(shape)
                    .create(stringify!($field))
                    .and_then(|data| if values.is_empty() { Ok(()) } else { data.write_raw(&values) })
                    .map_err(error)?;
            })+};
        }
        numbers!(u64, entry, row, mask_row);
        numbers!(u32, frame, frames, lut);
        numbers!(u8, inverted);
        numbers!(f64, voi_a, voi_b);
        macro_rules! words {
            ($($field:ident),+) => {$({
                let values: Vec<&str> = self.rows.iter().map(|row| row.$field.as_ref()).collect();
                strings(&index, stringify!($field), &values).map_err(error)?;
            })+};
        }
        words!(stack, sha256, mask_stack, mask_sha256, voi);
        let luts = self.group("luts")?;
        for (at, lut) in self.luts.iter().enumerate() {
            luts.new_dataset::<u16>()
                .shape([lut.len()])
                .create(&at.to_string())
                .and_then(|data| data.write_raw(lut))
                .map_err(error)?;
        }
        let group = self.group("failed")?;
        let (names, reasons): (Vec<&str>, Vec<&str>) = self
            .failed
            .iter()
            .map(|(name, reason)| (name.as_str(), reason.as_str()))
            .unzip();
        strings(&group, "path", &names).map_err(error)?;
        strings(&group, "reason", &reasons).map_err(error)?;
        let file = &self.file;
        file.set_attr_string("format", FORMAT).map_err(error)?;
        file.set_attr_numeric("version", &VERSION).map_err(error)?;
        file.set_attr_string("manifest_sha256", manifest_sha256)
            .map_err(error)?;
        for (name, value) in [
            ("first_entry", first_entry),
            ("entries", self.entries),
            ("total_entries", total),
            ("images", self.rows.len() as u64),
        ] {
            file.set_attr_numeric(name, &value).map_err(error)?;
        }
        // The last chunks' handles must be gone before the file closes.
        drop(self.stacks);
        self.file.close().map_err(|e| failed(&self.path, &e))
    }
}

/// A data set of UTF-8 strings of variable length.
pub(super) fn strings(
    group: &rust_hdf5::H5Group,
    name: &str,
    values: &[&str],
) -> Result<(), rust_hdf5::Hdf5Error> {
    group.write_vlen_strings(name, values).map(|_| ())
}

pub(super) fn failed(path: &Path, error: &rust_hdf5::Hdf5Error) -> PackError {
    PackError::Write {
        path: path.to_owned(),
        message: error.to_string(),
    }
}
