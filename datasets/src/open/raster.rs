//! PNG, JPEG and WebP.

use std::io::Seek;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::codec::{self, Samples};
use super::source::Source;
use super::{Decode, OpenOptions, Opened, plain_info};
use crate::frame::{make_finite, robust_range};
use crate::{Display, Format, Frame, ImageInfo, OpenError, Photometric, Voi};

/// Where a JPEG's frame header is, behind whatever metadata.
const JPEG_HEAD: u64 = 8 << 20;
/// Largest JPEG: its decoder takes it in one piece.
const MAX_JPEG: u64 = 512 << 20;

pub(super) fn open(path: &Path, source: Source, format: Format, options: &OpenOptions) -> Opened {
    if format == Format::Jpeg {
        open_jpeg(path, source, options)
    } else {
        open_raster(path, source, format, options)
    }
}

/// A JPEG of any process, 8 to 16 bits.
struct Jpeg {
    source: Source,
    header: codec::jpeg::Header,
}

fn open_jpeg(path: &Path, mut source: Source, options: &OpenOptions) -> Opened {
    let head = source.head(path, JPEG_HEAD)?;
    let header = codec::jpeg::header(&head).map_err(|e| e.at(path))?;
    let (rows, columns) = (header.rows.into(), header.columns.into());
    options.check_pixels(path, u64::from(rows), u64::from(columns))?;
    let mut info = plain_info(path, Format::Jpeg, rows, columns, header.precision.into());
    if header.components > 1 {
        info.photometric = Photometric::Rgb;
    }
    if source.len() > MAX_JPEG {
        let (path, size) = (path.into(), source.len());
        return Err(OpenError::TooLarge {
            path,
            what: "JPEG in bytes",
            size,
            limit: MAX_JPEG,
        });
    }
    Ok((info, Box::new(Jpeg { source, header })))
}

impl Decode for Jpeg {
    fn frame(&mut self, info: &ImageInfo, _index: u32) -> Result<Frame, OpenError> {
        let path = &info.path;
        let length = self.source.len();
        let bytes = self.source.read_at(path, "JPEG", 0, length)?;
        let mut decoded = codec::jpeg::decode(&bytes).map_err(|e| e.at(path))?;
        if self.header.is_ycc() {
            codec::color::ybr_full_to_rgb(&mut decoded.samples, decoded.precision);
        }
        let bits = decoded.precision.into();
        let values = decoded.samples.into_f32();
        Ok(frame(
            decoded.rows,
            decoded.columns,
            decoded.channels,
            values,
            bits,
        ))
    }
}

/// A PNG or WebP.
struct Raster {
    source: Source,
    format: ImageFormat,
    max_pixels: u64,
}

fn open_raster(path: &Path, mut source: Source, format: Format, options: &OpenOptions) -> Opened {
    let head = source.head(path, 26)?;
    let max_pixels = options.max_pixels;
    let kind = if format == Format::Png {
        ImageFormat::Png
    } else {
        ImageFormat::WebP
    };
    let mut raster = Raster {
        source,
        format: kind,
        max_pixels,
    };
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
    // Bit depth and colour type as the IHDR chunk has them, before the decoder expands them.
    match head.get(24..26) {
        Some(&[_, 3]) if format == Format::Png => info.photometric = Photometric::Palette,
        Some(&[bits, _]) if format == Format::Png => info.bits_stored = bits.into(),
        _ => {}
    }
    if color.has_alpha() {
        info.notes.push("alpha channel ignored".into());
    }
    Ok((info, Box::new(raster)))
}

impl Raster {
    fn decoder(&mut self, path: &Path) -> Result<impl ImageDecoder + '_, OpenError> {
        self.source
            .rewind()
            .map_err(|source| OpenError::io(path, source))?;
        let mut reader = ImageReader::with_format(&mut self.source, self.format);
        let mut limits = Limits::no_limits();
        // Four channels of 16 bits, and as much again for a decoder's own buffers.
        limits.max_alloc = Some(self.max_pixels.saturating_mul(16));
        reader.limits(limits);
        reader
            .into_decoder()
            .map_err(|error| translate(path, error))
    }
}

impl Decode for Raster {
    fn frame(&mut self, info: &ImageInfo, _index: u32) -> Result<Frame, OpenError> {
        let path = &info.path;
        let decoder = self.decoder(path)?;
        let image = DynamicImage::from_decoder(decoder).map_err(|e| translate(path, e))?;
        let (rows, columns) = (image.height(), image.width());
        let color = image.color();
        let gray = !color.has_color();
        let (bits, samples) = match (color.bytes_per_pixel() / color.channel_count(), gray) {
            (1, true) => (8, Samples::U8(image.into_luma8().into_raw())),
            (1, false) => (8, Samples::U8(image.into_rgb8().into_raw())),
            (2, true) => (16, Samples::U16(image.into_luma16().into_raw())),
            (2, false) => (16, Samples::U16(image.into_rgb16().into_raw())),
            _ => return Err(OpenError::unsupported(path, format!("{color:?} samples"))),
        };
        let channels = if gray { 1 } else { 3 };
        Ok(frame(rows, columns, channels, samples.into_f32(), bits))
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
    let display = Display {
        inverted: false,
        voi: Voi::Range { low, high },
    };
    Frame {
        rows,
        columns,
        channels,
        values,
        display,
        notes,
    }
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
