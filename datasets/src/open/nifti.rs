//! NIfTI-1 and NIfTI-2 volumes in one file, plain or gzipped.
//!
//! Volumes are read slice by slice, so that memory is bounded by one slice whatever the header or the
//! gzip stream claims. Slices are given as stored: rows along the second axis, columns along the first.
//! Format: <https://nifti.nimh.nih.gov/nifti-1> and <https://nifti.nimh.nih.gov/nifti-2>.

use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::source::Source;
use super::{Decode, OpenOptions, Opened, plain_info, raster};
use crate::frame::{make_finite, robust_range};
use crate::{Display, Format, Frame, ImageInfo, OpenError, Photometric, Voi};

/// The fields of a header that lead to the voxels.
#[derive(Debug, Clone)]
struct Header {
    big_endian: bool,
    /// Number of dimensions, then their sizes; missing ones are 1.
    dim: [u64; 8],
    kind: Voxel,
    /// Millimetres along the first two axes, if the header has units of length.
    spacing: Option<[f32; 2]>,
    /// Byte at which voxels start.
    offset: u64,
    slope: f64,
    intercept: f64,
}

/// Voxel types that hold an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voxel {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    Rgb,
    Rgba,
}

impl Voxel {
    fn from_code(code: i16) -> Result<Self, String> {
        Ok(match code {
            2 => Self::U8,
            4 => Self::I16,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            128 => Self::Rgb,
            256 => Self::I8,
            512 => Self::U16,
            768 => Self::U32,
            1024 => Self::I64,
            1280 => Self::U64,
            2304 => Self::Rgba,
            32 | 1792 | 2048 => return Err("complex voxels: store their magnitude".into()),
            1536 => return Err("128-bit floating point voxels".into()),
            code => return Err(format!("voxel type {code}")),
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::Rgb => 3,
            Self::U32 | Self::I32 | Self::F32 | Self::Rgba => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// Little- or big-endian fields of a header.
struct Fields<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Fields<'_> {
    /// The `N` bytes at `at` in little-endian order; zeros beyond the end.
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field = [0; N];
        if let Some(bytes) = self.bytes.get(at..at + N) {
            field.copy_from_slice(bytes);
        }
        if self.big {
            field.reverse();
        }
        field
    }

    fn f32(&self, at: usize) -> f64 {
        f32::from_le_bytes(self.take(at)).into()
    }
}

fn parse(head: &[u8]) -> Result<Header, String> {
    let size = |big| i32::from_le_bytes(Fields { bytes: head, big }.take(0));
    let (big, version2) = match (size(false), size(true)) {
        (348, _) => (false, false),
        (540, _) => (false, true),
        (_, 348) => (true, false),
        _ => (true, true),
    };
    let f = Fields { bytes: head, big };
    let mut raw = [0_i64; 8];
    for (axis, size) in raw.iter_mut().enumerate() {
        *size = if version2 {
            i64::from_le_bytes(f.take(16 + 8 * axis))
        } else {
            i16::from_le_bytes(f.take(40 + 2 * axis)).into()
        };
    }
    if !(2..=7).contains(&raw[0]) {
        return Err(format!("{} dimensions", raw[0]));
    }
    let mut dim = [1_u64; 8];
    for axis in 1..=raw[0] as usize {
        // Some writers leave 0 in axes of one element.
        dim[axis] = u64::try_from(raw[axis])
            .map_err(|_| format!("axis of {}", raw[axis]))?
            .max(1);
    }
    let (code, units, offset, slope, intercept, pixdim);
    if version2 {
        code = i16::from_le_bytes(f.take(12));
        units = i32::from_le_bytes(f.take(500)) & 7;
        offset = i64::from_le_bytes(f.take(168)) as f64;
        slope = f64::from_le_bytes(f.take(176));
        intercept = f64::from_le_bytes(f.take(184));
        pixdim = [1, 2].map(|axis| f64::from_le_bytes(f.take(104 + 8 * axis)));
    } else {
        code = i16::from_le_bytes(f.take(70));
        units = i32::from(f.take::<1>(123)[0]) & 7;
        offset = f.f32(108);
        slope = f.f32(112);
        intercept = f.f32(116);
        pixdim = [1, 2].map(|axis| f.f32(76 + 4 * axis));
    }
    // Units: 1 metre, 2 millimetre, 3 micrometre; 0 is unknown, in practice millimetre.
    let scale = [1.0, 1000.0, 1.0, 0.001].get(units as usize).copied();
    let usable = |mm: f64| mm.is_finite() && mm > 0.0;
    let spacing = scale
        .map(|scale| [(pixdim[1] * scale) as f32, (pixdim[0] * scale) as f32])
        .filter(|mm| mm.iter().all(|&mm| usable(mm.into())));
    let least = if version2 { 544.0 } else { 352.0 };
    if !offset.is_finite() || !(0.0..=9e15).contains(&offset) {
        return Err(format!("voxels at byte {offset}"));
    }
    // A slope of 0 means 'not scaled' in the standard; one that is no number can mean nothing else.
    let scaled = slope != 0.0 && slope.is_finite() && intercept.is_finite();
    Ok(Header {
        big_endian: big,
        dim,
        kind: Voxel::from_code(code)?,
        spacing,
        offset: offset.max(least) as u64,
        slope: if scaled { slope } else { 1.0 },
        intercept: if scaled { intercept } else { 0.0 },
    })
}

/// Voxels, compressed or not.
enum Stream {
    Plain(Source),
    /// The decoder and the byte of the decompressed stream that comes next.
    Gzip(Box<MultiGzDecoder<Source>>, u64),
    /// A gzip stream whose decoder was lost while it was rewound.
    Lost,
}

struct Volume {
    stream: Stream,
    header: Header,
}

pub(super) fn open(
    path: &Path,
    mut source: Source,
    gzipped: bool,
    options: &OpenOptions,
) -> Opened {
    let mut head = Vec::new();
    let length = source.len();
    let read = if gzipped {
        source.seek_to(0).and_then(|()| {
            MultiGzDecoder::new(&mut source)
                .take(544)
                .read_to_end(&mut head)
        })
    } else {
        source.by_ref().take(544).read_to_end(&mut head)
    };
    read.map_err(|e| OpenError::corrupt(path, format!("header: {e}")))?;
    if head.len() < 348 {
        return Err(OpenError::truncated(
            path,
            "NIfTI header",
            348,
            head.len() as u64,
        ));
    }
    let header = parse(&head).map_err(|reason| OpenError::unsupported(path, reason))?;
    let [_, columns, rows, deep @ ..] = header.dim;
    options.check_pixels(path, rows, columns)?;
    let frames = deep
        .iter()
        .fold(1_u64, |product, &size| product.saturating_mul(size));
    let slice = rows * columns * header.kind.bytes();
    let end = frames.saturating_mul(slice).saturating_add(header.offset);
    let Ok(frames) = u32::try_from(frames) else {
        return Err(OpenError::corrupt(
            path,
            format!("a volume of {frames} slices"),
        ));
    };
    if gzipped {
        options.check_decoded(path, end)?;
    } else if end > length {
        return Err(OpenError::truncated(
            path,
            "voxels",
            end - header.offset,
            length.saturating_sub(header.offset),
        ));
    }
    let bits = (header.kind.bytes() * 8) as u16;
    let mut info = plain_info(path, Format::Nifti, rows as u32, columns as u32, bits);
    info.frames = frames;
    info.pixel_spacing = header.spacing;
    if matches!(header.kind, Voxel::Rgb | Voxel::Rgba) {
        info.photometric = Photometric::Rgb;
        info.bits_stored = 8;
    }
    if deep[1..].iter().any(|&size| size > 1) {
        info.notes.push(format!(
            "{} slices at each of {} points in time or channels",
            deep[0],
            u64::from(frames) / deep[0]
        ));
    }
    if (header.slope, header.intercept) != (1.0, 0.0) {
        info.notes.push(format!(
            "values scaled by {} x + {}",
            header.slope, header.intercept
        ));
    }
    let stream = if gzipped {
        source.seek_to(0).map_err(|e| OpenError::io(path, e))?;
        Stream::Gzip(Box::new(MultiGzDecoder::new(source)), 0)
    } else {
        Stream::Plain(source)
    };
    Ok((info, Box::new(Volume { stream, header })))
}

impl Volume {
    /// Reads `count` bytes at `offset` of the (decompressed) file.
    fn read(&mut self, path: &Path, offset: u64, count: u64) -> Result<Vec<u8>, OpenError> {
        if let Stream::Plain(source) = &mut self.stream {
            return source.read_at(path, "voxels", offset, count);
        }
        let damaged = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                OpenError::truncated(path, "gzip stream", offset + count, 0)
            }
            _ => OpenError::corrupt(path, format!("gzip stream: {e}")),
        };
        if matches!(&self.stream, Stream::Gzip(_, next) if *next > offset) {
            // Gzip has no way back but from the start.
            let Stream::Gzip(decoder, _) = std::mem::replace(&mut self.stream, Stream::Lost) else {
                return Err(OpenError::corrupt(path, "gzip stream lost"));
            };
            let mut source = decoder.into_inner();
            source.seek_to(0).map_err(|e| OpenError::io(path, e))?;
            self.stream = Stream::Gzip(Box::new(MultiGzDecoder::new(source)), 0);
        }
        let Stream::Gzip(decoder, next) = &mut self.stream else {
            return Err(OpenError::corrupt(path, "gzip stream lost"));
        };
        let skipped = io::copy(&mut decoder.by_ref().take(offset - *next), &mut io::sink());
        *next += skipped.map_err(damaged)?;
        let mut bytes = vec![0; count as usize];
        let mut filled = 0;
        while *next == offset + filled as u64 && filled < bytes.len() {
            let got = decoder.read(&mut bytes[filled..]).map_err(damaged)?;
            if got == 0 {
                break;
            }
            filled += got;
            *next += got as u64;
        }
        if filled < bytes.len() {
            return Err(OpenError::truncated(path, "voxels", offset + count, *next));
        }
        Ok(bytes)
    }
}

impl Decode for Volume {
    fn frame(&mut self, info: &ImageInfo, index: u32) -> Result<Frame, OpenError> {
        let kind = self.header.kind;
        let pixels = u64::from(info.rows) * u64::from(info.columns);
        let slice = pixels * kind.bytes();
        let offset = self.header.offset + u64::from(index) * slice;
        let bytes = self.read(&info.path, offset, slice)?;
        let (rows, columns) = (info.rows, info.columns);
        if matches!(kind, Voxel::Rgb | Voxel::Rgba) {
            let stored = kind.bytes() as usize;
            let values = bytes
                .chunks_exact(stored)
                .flat_map(|v| v[..3].iter().map(|&c| c.into()))
                .collect();
            return Ok(raster::frame(rows, columns, 3, values, 8));
        }
        let Header {
            slope,
            intercept,
            big_endian,
            ..
        } = self.header;
        let mut values = scaled(&bytes, kind, big_endian, slope, intercept);
        let mut notes = Vec::new();
        make_finite(&mut values, &mut notes);
        let (low, high) = match kind {
            Voxel::U8 => {
                let ends = [intercept, 255.0 * slope + intercept].map(|v| v as f32);
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            }
            _ => robust_range(&values),
        };
        let display = Display {
            inverted: false,
            voi: Voi::Range { low, high },
        };
        Ok(Frame {
            rows,
            columns,
            channels: 1,
            values,
            display,
            notes,
        })
    }
}

fn scaled(bytes: &[u8], kind: Voxel, big: bool, slope: f64, intercept: f64) -> Vec<f32> {
    /// Converts voxels of `N` bytes through `read`, which takes them in little-endian order.
    fn convert<const N: usize>(
        bytes: &[u8],
        big: bool,
        read: impl Fn([u8; N]) -> f64,
        scale: impl Fn(f64) -> f32,
    ) -> Vec<f32> {
        let (voxels, _) = bytes.as_chunks::<N>();
        let ordered = |mut voxel: [u8; N]| {
            if big {
                voxel.reverse();
            }
            voxel
        };
        voxels
            .iter()
            .map(|&voxel| scale(read(ordered(voxel))))
            .collect()
    }
    let scale = |v: f64| (v * slope + intercept) as f32;
    match kind {
        Voxel::U8 | Voxel::Rgb | Voxel::Rgba => {
            convert(bytes, big, |b: [u8; 1]| b[0].into(), scale)
        }
        Voxel::I8 => convert(bytes, big, |b| i8::from_le_bytes(b).into(), scale),
        Voxel::U16 => convert(bytes, big, |b| u16::from_le_bytes(b).into(), scale),
        Voxel::I16 => convert(bytes, big, |b| i16::from_le_bytes(b).into(), scale),
        Voxel::U32 => convert(bytes, big, |b| u32::from_le_bytes(b).into(), scale),
        Voxel::I32 => convert(bytes, big, |b| i32::from_le_bytes(b).into(), scale),
        Voxel::U64 => convert(bytes, big, |b| u64::from_le_bytes(b) as f64, scale),
        Voxel::I64 => convert(bytes, big, |b| i64::from_le_bytes(b) as f64, scale),
        Voxel::F32 => convert(bytes, big, |b| f32::from_le_bytes(b).into(), scale),
        Voxel::F64 => convert(bytes, big, f64::from_le_bytes, scale),
    }
}
