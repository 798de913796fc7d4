//! Images in HDF5 data sets: `H x W`, `N x H x W`, and with a last axis of 1, 3 or 4 channels.

use std::path::Path;
use std::sync::Arc;

use hdf5_reader::error::{ByteOrder, Error};
use hdf5_reader::group::Group;
use hdf5_reader::storage::FileStorage;
use hdf5_reader::{Dataset, Datatype, H5Type, Hdf5File, SliceInfo, SliceInfoElem};

use super::source::Source;
use super::{Decode, OpenOptions, Opened, plain_info, raster};
use crate::frame::{make_finite, robust_range};
use crate::{Display, Format, Frame, ImageInfo, OpenError, Photometric, Voi};

/// Largest chunk that is decompressed in one piece.
const MAX_CHUNK: usize = 256 << 20;
/// Objects beyond this are not looked at; archives of images have far fewer data sets.
const MAX_OBJECTS: usize = 10_000;
/// Names that data sets of images usually have.
const HINTS: [&str; 9] = [
    "image",
    "images",
    "data",
    "pixels",
    "pixel_data",
    "volume",
    "x",
    "reconstruction_rss",
    "scan",
];

/// How the axes of a data set make frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axes {
    /// Whether the first axis counts frames.
    stacked: bool,
    frames: u64,
    rows: u64,
    columns: u64,
    /// Samples along the last axis, if it is one of channels.
    channels: Option<u64>,
}

struct Candidate {
    name: String,
    data: Dataset,
    axes: Axes,
}

struct Stack {
    data: Dataset,
    axes: Axes,
}

pub(super) fn open(path: &Path, source: Source, options: &OpenOptions) -> Opened {
    let error = |e| translate(path, &e);
    let limits = hdf5_reader::OpenOptions::default()
        .with_max_chunk_bytes(MAX_CHUNK)
        .with_max_read_bytes(
            usize::try_from(options.max_pixels.saturating_mul(32)).unwrap_or(usize::MAX),
        )
        .with_max_object_header_bytes(8 << 20);
    let file = match source.into_parts() {
        Ok(file) => {
            let storage = FileStorage::from_file(file).map_err(error)?;
            Hdf5File::from_storage_with_options(Arc::new(storage), limits)
        }
        Err(bytes) => Hdf5File::from_vec_with_options(bytes, limits),
    }
    .map_err(error)?;
    let mut found = Found::default();
    found
        .walk(&file.root_group().map_err(error)?, "", 0)
        .map_err(error)?;
    let Some(best) = found.best() else {
        return Err(found.nothing(path));
    };
    let Candidate { name, data, axes } = best;
    options.check_pixels(path, axes.rows, axes.columns)?;
    let bits = (depth(data.dtype()).unwrap_or(8) * 8) as u16;
    let samples = data
        .shape()
        .iter()
        .fold(1_u64, |product, &size| product.saturating_mul(size));
    options.check_decoded(path, samples.saturating_mul(u64::from(bits / 8)))?;
    let Ok(frames) = u32::try_from(axes.frames) else {
        return Err(OpenError::corrupt(path, format!("{} frames", axes.frames)));
    };
    let mut info = plain_info(
        path,
        Format::Hdf5,
        axes.rows as u32,
        axes.columns as u32,
        bits,
    );
    info.frames = frames;
    if axes.channels.is_some_and(|count| count > 1) {
        info.photometric = Photometric::Rgb;
    }
    info.notes
        .push(format!("data set '{name}' of shape {:?}", data.shape()));
    if axes.channels == Some(4) {
        info.notes.push("alpha channel ignored".into());
    }
    Ok((info, Box::new(Stack { data, axes })))
}

/// What a walk through the groups has met.
#[derive(Default)]
struct Found {
    candidates: Vec<Candidate>,
    objects: usize,
    complex: Option<String>,
    sets: usize,
}

impl Found {
    fn walk(&mut self, group: &Group, at: &str, depth: usize) -> Result<(), Error> {
        let (groups, sets) = group.members()?;
        for data in sets {
            self.sets += 1;
            let name = format!("{at}/{}", data.name());
            if is_complex(data.dtype()) {
                self.complex.get_or_insert(name);
            } else if let Some(axes) = depth_and_axes(&data) {
                self.candidates.push(Candidate { name, data, axes });
            }
        }
        for inner in groups {
            self.objects += 1;
            if depth < 16 && self.objects < MAX_OBJECTS && self.sets < MAX_OBJECTS {
                let at = format!("{at}/{}", inner.name());
                self.walk(&inner, &at, depth + 1)?;
            }
        }
        Ok(())
    }

    /// A data set with a telling name, else the largest one.
    fn best(&mut self) -> Option<Candidate> {
        let rank = |c: &Candidate| {
            let name = c.data.name().to_ascii_lowercase();
            (
                HINTS.contains(&name.as_str()),
                c.data.shape().iter().product::<u64>(),
            )
        };
        let best = (0..self.candidates.len()).max_by_key(|&i| rank(&self.candidates[i]))?;
        Some(self.candidates.swap_remove(best))
    }

    fn nothing(&self, path: &Path) -> OpenError {
        match &self.complex {
            Some(name) => OpenError::unsupported(
                path,
                format!("'{name}' is complex k-space: reconstruct magnitude images first"),
            ),
            None => OpenError::NoPixels {
                path: path.into(),
                reason: format!(
                    "none of {} HDF5 data sets has two or three numeric axes",
                    self.sets
                ),
            },
        }
    }
}

fn is_complex(kind: &Datatype) -> bool {
    matches!(kind, Datatype::Compound { fields, .. }
        if fields.len() == 2 && ["r", "real", "re"].contains(&fields[0].name.as_str()))
}

/// Bytes of a numeric sample; `None` for everything else.
fn depth(kind: &Datatype) -> Option<usize> {
    match kind {
        Datatype::FixedPoint {
            size: size @ (1 | 2 | 4 | 8),
            ..
        }
        | Datatype::FloatingPoint {
            size: size @ (2 | 4 | 8),
            ..
        } => Some(usize::from(*size)),
        Datatype::Enum { base, .. } => depth(base),
        _ => None,
    }
}

fn depth_and_axes(data: &Dataset) -> Option<Axes> {
    depth(data.dtype())?;
    axes(
        data.shape(),
        matches!(data.dtype(), Datatype::FixedPoint { size: 1, .. }),
    )
}

fn axes(shape: &[u64], bytes: bool) -> Option<Axes> {
    let axes = |stacked, frames, rows, columns, channels| {
        let some = Axes {
            stacked,
            frames,
            rows,
            columns,
            channels,
        };
        (frames > 0 && rows > 1 && columns > 1).then_some(some)
    };
    match *shape {
        [rows, columns] => axes(false, 1, rows, columns, None),
        [rows, columns, channels @ (3 | 4)] if bytes && rows > 4 && columns > 4 => {
            axes(false, 1, rows, columns, Some(channels))
        }
        [frames, rows, columns] => axes(true, frames, rows, columns, None),
        [frames, rows, columns, channels @ (1 | 3 | 4)] => {
            axes(true, frames, rows, columns, Some(channels))
        }
        _ => None,
    }
}

impl Decode for Stack {
    fn frame(&mut self, info: &ImageInfo, index: u32) -> Result<Frame, OpenError> {
        let all = |end| SliceInfoElem::Slice {
            start: 0,
            end,
            step: 1,
        };
        let mut selections = Vec::new();
        if self.axes.stacked {
            selections.push(SliceInfoElem::Index(index.into()));
        }
        selections.extend([all(self.axes.rows), all(self.axes.columns)]);
        // An alpha channel is left in the file.
        let channels = if self.axes.channels.is_some_and(|count| count > 1) {
            3
        } else {
            1
        };
        if self.axes.channels.is_some() {
            selections.push(all(channels));
        }
        let read = self.data.read_slice::<Sample>(&SliceInfo { selections });
        let array = read.map_err(|e| translate(&info.path, &e))?;
        let mut values: Vec<f32> = array.into_iter().map(|Sample(value)| value).collect();
        if info.bits_stored == 8 || channels == 3 {
            let channels = channels as u8;
            return Ok(raster::frame(
                info.rows,
                info.columns,
                channels,
                values,
                info.bits_stored,
            ));
        }
        let mut notes = Vec::new();
        make_finite(&mut values, &mut notes);
        let (low, high) = robust_range(&values);
        let display = Display {
            inverted: false,
            voi: Voi::Range { low, high },
        };
        Ok(Frame {
            rows: info.rows,
            columns: info.columns,
            channels: 1,
            values,
            display,
            notes,
        })
    }
}

/// A number of any type, as a float.
#[derive(Clone, Copy)]
struct Sample(f32);

impl H5Type for Sample {
    fn hdf5_type() -> Datatype {
        Datatype::FloatingPoint {
            size: 4,
            byte_order: ByteOrder::LittleEndian,
        }
    }

    fn from_bytes(bytes: &[u8], kind: &Datatype) -> Result<Self, Error> {
        let f64_of = |v: f64| Ok(Self(v as f32));
        match kind {
            Datatype::FloatingPoint {
                size: 2,
                byte_order,
            } => {
                let [low, high]: [u8; 2] = bytes.try_into().map_err(|_| {
                    Error::InvalidData("a half float of other than two bytes".into())
                })?;
                let bits = match byte_order {
                    ByteOrder::LittleEndian => u16::from_le_bytes([low, high]),
                    ByteOrder::BigEndian => u16::from_be_bytes([low, high]),
                };
                Ok(Self(half(bits)))
            }
            Datatype::FloatingPoint { size: 4, .. } => f32::from_bytes(bytes, kind).map(Self),
            Datatype::FloatingPoint { .. } => f64::from_bytes(bytes, kind).and_then(f64_of),
            Datatype::FixedPoint { size, signed, .. } => match (size, signed) {
                (1, false) => u8::from_bytes(bytes, kind).map(|v| Self(v.into())),
                (1, true) => i8::from_bytes(bytes, kind).map(|v| Self(v.into())),
                (2, false) => u16::from_bytes(bytes, kind).map(|v| Self(v.into())),
                (2, true) => i16::from_bytes(bytes, kind).map(|v| Self(v.into())),
                (4, false) => u32::from_bytes(bytes, kind).and_then(|v| f64_of(v.into())),
                (4, true) => i32::from_bytes(bytes, kind).and_then(|v| f64_of(v.into())),
                (_, false) => u64::from_bytes(bytes, kind).map(|v| Self(v as f32)),
                (_, true) => i64::from_bytes(bytes, kind).map(|v| Self(v as f32)),
            },
            Datatype::Enum { base, .. } => Self::from_bytes(bytes, base),
            _ => Err(Error::InvalidData("not a number".into())),
        }
    }

    fn element_size(kind: &Datatype) -> usize {
        depth(kind).unwrap_or(1)
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match (exponent, fraction) {
        (0, _) => fraction * 2_f32.powi(-24),
        (31, 0.0) => f32::INFINITY,
        (31, _) => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

fn translate(path: &Path, error: &Error) -> OpenError {
    match error {
        Error::ResourceLimit { .. } => OpenError::unsupported(path, error.to_string()),
        Error::UnsupportedFilter(_) => OpenError::unsupported(path, error.to_string()),
        error => OpenError::corrupt(path, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_common_shapes() {
        let frames = |shape: &[u64], bytes| axes(shape, bytes).map(|a| (a.frames, a.channels));
        assert_eq!(frames(&[64, 32], false), Some((1, None)));
        assert_eq!(frames(&[5, 64, 32], false), Some((5, None)));
        assert_eq!(frames(&[64, 32, 3], true), Some((1, Some(3))));
        assert_eq!(frames(&[7, 64, 32, 3], true), Some((7, Some(3))));
        assert_eq!(frames(&[100], false), None);
        assert_eq!(frames(&[100, 1], false), None);
    }

    #[test]
    fn half_floats() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }
}
