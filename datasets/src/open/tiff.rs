//! TIFF and BigTIFF; every page is a frame.

use std::io::Seek;
use std::path::Path;

use tiff::decoder::{BufferLayoutPreference, Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::raster;
use super::source::Source;
use super::{Decode, OpenOptions, Opened, plain_info};
use crate::{Format, Frame, ImageInfo, OpenError, Photometric};

/// Pages beyond this are not counted: finding each one is a seek.
const MAX_PAGES: u32 = 100_000;

struct Pages {
    decoder: Decoder<Source>,
    options: OpenOptions,
}

pub(super) fn open(path: &Path, mut source: Source, options: &OpenOptions) -> Opened {
    let error = |e| translate(path, e);
    source.rewind().map_err(|e| OpenError::io(path, e))?;
    let mut limits = Limits::default();
    // Three channels of 32 bits.
    let largest = options.max_pixels.saturating_mul(12);
    limits.decoding_buffer_size = usize::try_from(largest).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    let mut decoder = Decoder::new(source).map_err(error)?.with_limits(limits);
    let (columns, rows) = decoder.dimensions().map_err(error)?;
    options.check_pixels(path, rows.into(), columns.into())?;
    let color = decoder.colortype().map_err(error)?;
    let mut info = plain_info(path, Format::Tiff, rows, columns, color.bit_depth().into());
    info.photometric = match color {
        ColorType::Gray(_) | ColorType::GrayA(_) => Photometric::Monochrome2,
        ColorType::Palette(_) => Photometric::Palette,
        _ => Photometric::Rgb,
    };
    while decoder.more_images() && info.frames < MAX_PAGES {
        if decoder.next_image().is_err() {
            info.notes.push(format!(
                "page {} is damaged, later pages ignored",
                info.frames + 1
            ));
            break;
        }
        info.frames += 1;
    }
    if decoder
        .find_tag(Tag::PhotometricInterpretation)
        .ok()
        .flatten()
        .is_some_and(white_is_zero)
    {
        info.notes.push("WhiteIsZero inverted".into());
    }
    Ok((
        info,
        Box::new(Pages {
            decoder,
            options: options.clone(),
        }),
    ))
}

fn white_is_zero(value: tiff::decoder::ifd::Value) -> bool {
    matches!(value.into_u16(), Ok(0))
}

impl Decode for Pages {
    fn frame(&mut self, info: &ImageInfo, index: u32) -> Result<Frame, OpenError> {
        let path = &info.path;
        let error = |e| translate(path, e);
        let decoder = &mut self.decoder;
        decoder.seek_to_image(index as usize).map_err(error)?;
        let (columns, rows) = decoder.dimensions().map_err(error)?;
        self.options
            .check_pixels(path, rows.into(), columns.into())?;
        let color = decoder.colortype().map_err(error)?;
        let stored = usize::from(color.num_samples());
        let mut pixels = DecodingResult::U8(Vec::new());
        let layout = decoder.read_image_to_buffer(&mut pixels).map_err(error)?;
        // Signed bytes have no 0..255 range to be shown in.
        let signed = matches!(pixels, DecodingResult::I8(_));
        let bits = if signed {
            16
        } else {
            u16::from(color.bit_depth())
        };
        let values = match pixels {
            DecodingResult::U8(packed) if bits < 8 => unpack(&packed, columns, stored, bits),
            pixels => floats(pixels),
        };
        let count = rows as usize * columns as usize;
        let values = interleaved(path, values, &layout, stored, count)?;
        let (channels, values) = match color {
            ColorType::Gray(_) => (1, values),
            ColorType::GrayA(_) => (1, keep(&values, 2, 1)),
            ColorType::RGB(_) => (3, values),
            ColorType::RGBA(_) => (3, keep(&values, 4, 3)),
            ColorType::Palette(_) => {
                let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(error)?;
                let rgb = look_up(&values, &map);
                return Ok(raster::frame(rows, columns, 3, rgb, 16));
            }
            other => return Err(OpenError::unsupported(path, format!("TIFF of {other:?}"))),
        };
        Ok(raster::frame(rows, columns, channels, values, bits))
    }
}

/// Samples of 1, 2 or 4 bits, packed from the high bit on, every row starting at a byte.
fn unpack(packed: &[u8], columns: u32, stored: usize, bits: u16) -> Vec<f32> {
    let (bits, width) = (usize::from(bits), columns as usize * stored);
    let mask = (1_u8 << bits) - 1;
    let row = |row: &[u8]| -> Vec<f32> {
        let sample = |i: usize| row[i * bits / 8] >> (8 - bits - i * bits % 8) & mask;
        (0..width).map(|i| f32::from(sample(i))).collect()
    };
    packed
        .chunks_exact((width * bits).div_ceil(8))
        .flat_map(row)
        .collect()
}

fn floats(pixels: DecodingResult) -> Vec<f32> {
    match pixels {
        DecodingResult::U8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::U64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::F16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::F32(v) => v,
        DecodingResult::F64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I64(v) => v.into_iter().map(|v| v as f32).collect(),
    }
}

/// Turns separate planes into interleaved samples.
fn interleaved(
    path: &Path,
    values: Vec<f32>,
    layout: &BufferLayoutPreference,
    samples: usize,
    count: usize,
) -> Result<Vec<f32>, OpenError> {
    let expected = count * samples;
    if values.len() != expected {
        let reason = format!("{} of {expected} samples in this layout", values.len());
        return Err(OpenError::unsupported(path, reason));
    }
    if samples == 1 || layout.planes == 1 {
        return Ok(values);
    }
    Ok((0..expected)
        .map(|i| values[i % samples * count + i / samples])
        .collect())
}

/// The first `kept` of every `stored` samples.
fn keep(values: &[f32], stored: usize, kept: usize) -> Vec<f32> {
    values
        .chunks_exact(stored)
        .flat_map(|pixel| pixel[..kept].iter().copied())
        .collect()
}

/// Colours of a 16-bit table that lists all reds, then all greens, then all blues.
fn look_up(indices: &[f32], map: &[u16]) -> Vec<f32> {
    let size = map.len() / 3;
    let color = |index: f32, plane: usize| {
        map.get(plane * size + (index as usize).min(size.saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    indices
        .iter()
        .flat_map(|&i| [0, 1, 2].map(|plane| f32::from(color(i, plane))))
        .collect()
}

fn translate(path: &Path, error: TiffError) -> OpenError {
    match error {
        TiffError::UnsupportedError(error) => OpenError::unsupported(path, error.to_string()),
        error => OpenError::corrupt(path, error.to_string()),
    }
}
