//! PNG, JPEG and WebP.

use std::io::{Read, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::codec::{self, Samples};
use super::source::Source;
use super::{Decode, OpenOptions, Opened, plain_info};
use crate::image::{make_finite, robust_range};
use crate::{Display, Format, Frame, ImageInfo, OpenError, Photometric, Voi};

/// Largest part of a compressed raster that is kept in memory for the fallback JPEG decoders.
const MAX_JPEG: u64 = 256 << 20;

struct Raster {
    source: Source,
    format: Format,
    /// JPEG processes that the everyday decoder lacks: lossless, and 12 bits per sample.
    medical_jpeg: bool,
    max_pixels: u64,
}

pub(super) fn open(
    path: &Path,
    mut source: Source,
    format: Format,
    options: &OpenOptions,
) -> Opened {
    if format == Format::Jpeg {
        let bytes = source.read_at(path, "JPEG", 0, source.len().min(MAX_JPEG))?;
        let header = codec::jpeg::header(&bytes).map_err(|e| e.at(path))?;
        options.check_pixels(path, header.rows.into(), header.columns.into())?;
        if header.lossless || header.precision > 8 {
            let (rows, columns) = (header.rows.into(), header.columns.into());
            let mut info = plain_info(path, format, rows, columns, header.precision.into());
            if header.components == 3 {
                info.photometric = Photometric::Rgb;
            }
            let max_pixels = options.max_pixels;
            return Ok((info, Box::new(Raster { source, format, medical_jpeg: true, max_pixels })));
        }
    }
    let png = png_header(&mut source, path, format)?;
    let mut raster = Raster { source, format, medical_jpeg: false, max_pixels: options.max_pixels };
    let decoder = raster.decoder(path)?;
    let (columns, rows) = decoder.dimensions();
    options.check_pixels(path, rows.into(), columns.into())?;
    let color = decoder.color_type();
    let stored = u16::from(color.bytes_per_pixel() / color.channel_count()) * 8;
    drop(decoder);
    let mut info = plain_info(path, format, rows, columns, stored);
    if color.has_color() {
        info.photometric = Photometric::Rgb;
    }
    if let Some((bits, kind)) = png {
        if kind == 3 {
            info.photometric = Photometric::Palette;
        } else {
            info.bits_stored = bits;
        }
    }
    if color.has_alpha() {
        info.notes.push("alpha channel ignored".into());
    }
    Ok((info, Box::new(raster)))
}

/// Bit depth and colour type from a PNG's IHDR chunk.
fn png_header(
    source: &mut Source,
    path: &Path,
    format: Format,
) -> Result<Option<(u16, u8)>, OpenError> {
    if format != Format::Png {
        return Ok(None);
    }
    let head = source.head(path, 26)?;
    match head.get(24..26) {
        Some(&[bits, kind]) => Ok(Some((bits.into(), kind))),
        _ => Err(OpenError::truncated(path, "PNG header", 26, head.len() as u64)),
    }
}

impl Raster {
    fn decoder(&mut self, path: &Path) -> Result<impl ImageDecoder + '_, OpenError> {
        let format = match self.format {
            Format::Png => ImageFormat::Png,
            Format::Webp => ImageFormat::WebP,
            _ => ImageFormat::Jpeg,
        };
        self.source.rewind().map_err(|source| OpenError::io(path, source))?;
        let mut reader = ImageReader::with_format(&mut self.source, format);
        let mut limits = Limits::no_limits();
        // Four channels of 16 bits, and as much again for a decoder's own buffers.
        limits.max_alloc = Some(self.max_pixels.saturating_mul(16));
        reader.limits(limits);
        reader.into_decoder().map_err(|error| translate(path, error))
    }

    fn medical_jpeg(&mut self, info: &ImageInfo) -> Result<Frame, OpenError> {
        let path = &info.path;
        let mut bytes = Vec::new();
        self.source
            .rewind()
            .and_then(|()| self.source.by_ref().take(MAX_JPEG).read_to_end(&mut bytes))
            .map_err(|source| OpenError::io(path, source))?;
        let mut decoded = codec::jpeg::decode(&bytes).map_err(|e| e.at(path))?;
        if decoded.channels == 3 {
            codec::color::jfif_to_rgb(&mut decoded);
        }
        let values = decoded.samples.into_f32();
        Ok(frame(info.rows, info.columns, decoded.channels, values, decoded.precision.into()))
    }
}

impl Decode for Raster {
    fn frame(&mut self, info: &ImageInfo, _index: u32) -> Result<Frame, OpenError> {
        if self.medical_jpeg {
            return self.medical_jpeg(info);
        }
        let decoder = self.decoder(&info.path)?;
        let image = DynamicImage::from_decoder(decoder).map_err(|e| translate(&info.path, e))?;
        let (rows, columns) = (image.height(), image.width());
        let color = image.color();
        let gray = !color.has_color();
        let samples = match (color.bytes_per_pixel() / color.channel_count(), gray) {
            (1, true) => Samples::U8(image.into_luma8().into_raw()),
            (1, false) => Samples::U8(image.into_rgb8().into_raw()),
            (2, true) => Samples::U16(image.into_luma16().into_raw()),
            (2, false) => Samples::U16(image.into_rgb16().into_raw()),
            _ => return Err(OpenError::unsupported(&info.path, format!("{color:?} samples"))),
        };
        let container = if matches!(samples, Samples::U8(_)) { 8 } else { 16 };
        Ok(frame(rows, columns, if gray { 1 } else { 3 }, samples.into_f32(), container))
    }
}

/// A frame of unsigned samples without a window.
///
/// `bits` is the depth of `values`; up to 8 the full range is shown, above that a robust one for
/// grey (rasters of 10 or 12 significant bits are often stored as 16).
pub(super) fn frame(rows: u32, columns: u32, channels: u8, values: Vec<f32>, bits: u16) -> Frame {
    let mut values = values;
    let mut notes = Vec::new();
    make_finite(&mut values, &mut notes);
    let (low, high) = if bits <= 8 || (channels == 3 && bits <= 16) {
        (0.0, ((1_u32 << bits) - 1) as f32)
    } else {
        robust_range(&values)
    };
    let display = Display { inverted: false, voi: Voi::Range { low, high } };
    Frame { rows, columns, channels, values, display, notes }
}

fn translate(path: &Path, error: ImageError) -> OpenError {
    match error {
        ImageError::Unsupported(error) => OpenError::unsupported(path, error.to_string()),
        ImageError::IoError(error) => {
            // Decoders report a missing rest as an I/O error of theirs.
            OpenError::corrupt(path, format!("incomplete or damaged: {error}"))
        }
        ImageError::Limits(error) => OpenError::corrupt(path, format!("claims too much: {error}")),
        error => OpenError::corrupt(path, error.to_string()),
    }
}
