//! Opens images of every supported format by content.
//!
//! Headers are read when a file is opened, pixels frame by frame on demand, at full bit depth. Limits
//! are checked before anything of a claimed size is allocated, and a decoder's panic is an error.

mod codec;
mod dicom;
pub(crate) mod guard;
mod hdf5;
mod nifti;
mod raster;
mod raw;
mod sniff;
mod source;
mod tiff;

use std::path::Path;

pub use guard::quiet_decoder_panics;
pub use raw::{JpegComponent, inflate_raw, inflate_zlib, jpeg_first_component};

use crate::{Format, Frame, ImageInfo, OpenError};
pub(crate) use guard::guarded;
use sniff::Content;
use source::Source;

/// Limits on what a file may claim; files beyond them fail with [`OpenError::TooLarge`].
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Largest frame, in pixels.
    pub max_pixels: u64,
    /// Largest file, in bytes.
    pub max_file_bytes: u64,
    /// Largest decompressed size that a `.nii.gz`, a deflated DICOM data set or an HDF5 data set may
    /// have, in bytes. NIfTI and HDF5 are decompressed piece by piece, so this bounds time, not memory.
    pub max_decoded_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_file_bytes: 4 << 30,
            max_decoded_bytes: 4 << 30,
        }
    }
}

impl OpenOptions {
    /// Refuses frames that are empty or larger than the limit.
    fn check_pixels(&self, path: &Path, rows: u64, columns: u64) -> Result<(), OpenError> {
        if rows == 0 || columns == 0 {
            return Err(OpenError::corrupt(
                path,
                format!("a frame of {columns} x {rows} pixels"),
            ));
        }
        let size = rows.saturating_mul(columns);
        if size > self.max_pixels || rows.max(columns) > u64::from(u32::MAX) {
            let limit = self.max_pixels;
            return Err(OpenError::TooLarge {
                path: path.into(),
                what: "frame in pixels",
                size,
                limit,
            });
        }
        Ok(())
    }

    /// Refuses data whose decompressed size is above the limit.
    fn check_decoded(&self, path: &Path, size: u64) -> Result<(), OpenError> {
        if size > self.max_decoded_bytes {
            return Err(OpenError::TooLarge {
                path: path.into(),
                what: "decoded size in bytes",
                size,
                limit: self.max_decoded_bytes,
            });
        }
        Ok(())
    }
}

/// An opened image: its description, and a decoder for its frames.
pub struct Image {
    info: ImageInfo,
    decoder: Box<dyn Decode + Send>,
}

/// What every format's reader does once its headers are read.
trait Decode {
    /// Decodes frame `index`, which is smaller than [`ImageInfo::frames`].
    fn frame(&mut self, info: &ImageInfo, index: u32) -> Result<Frame, OpenError>;
}

/// What a format's reader hands back.
type Opened = Result<(ImageInfo, Box<dyn Decode + Send>), OpenError>;

/// Opens `path` by content, never by extension. Reads headers; pixels are decoded frame by frame on
/// demand.
///
/// # Errors
/// See [`OpenError`]; every error names `path`.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Image, OpenError> {
    open_source(path, Source::open(path)?, options)
}

/// Like [`open`] for a copy of something else: messages speak of `name`.
///
/// # Errors
/// See [`OpenError`]; only when `path` cannot be opened does it name that.
pub fn open_as(path: &Path, name: &Path, options: &OpenOptions) -> Result<Image, OpenError> {
    open_source(name, Source::open(path)?, options)
}

/// Like [`open`] for bytes that are in memory already; `path` is only used in messages.
///
/// # Errors
/// See [`OpenError`].
pub fn open_bytes(path: &Path, bytes: Vec<u8>, options: &OpenOptions) -> Result<Image, OpenError> {
    open_source(path, Source::memory(bytes), options)
}

fn open_source(path: &Path, mut source: Source, options: &OpenOptions) -> Result<Image, OpenError> {
    if source.len() > options.max_file_bytes {
        return Err(OpenError::TooLarge {
            path: path.into(),
            what: "file in bytes",
            size: source.len(),
            limit: options.max_file_bytes,
        });
    }
    let (info, decoder) = guarded(path, || {
        let content = sniff::sniff(&mut source, path)?;
        match content {
            Content::GzippedNifti => nifti::open(path, source, true, options),
            Content::Plain(Format::Nifti) => nifti::open(path, source, false, options),
            Content::Plain(Format::Dicom) => dicom::open(path, source, options),
            Content::Plain(Format::Hdf5) => hdf5::open(path, source, options),
            Content::Plain(Format::Tiff) => tiff::open(path, source, options),
            Content::Plain(format) => raster::open(path, source, format, options),
        }
    })?;
    Ok(Image { info, decoder })
}

impl Image {
    /// What the headers say.
    #[must_use]
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Decodes frame `index`, counted from 0; for volumes a frame is an axial slice.
    ///
    /// # Errors
    /// See [`OpenError`]. A failed frame does not keep other frames from being decoded.
    pub fn frame(&mut self, index: u32) -> Result<Frame, OpenError> {
        let Self { info, decoder } = self;
        if index >= info.frames {
            let (path, frames) = (info.path.clone(), info.frames);
            return Err(OpenError::NoSuchFrame {
                path,
                index,
                frames,
            });
        }
        let frame = guarded(&info.path, || decoder.frame(info, index))?;
        let expected = frame.rows as usize * frame.columns as usize * usize::from(frame.channels);
        if frame.values.len() != expected {
            return Err(OpenError::corrupt(
                &info.path,
                format!(
                    "{} samples decoded where {expected} belong",
                    frame.values.len()
                ),
            ));
        }
        Ok(frame)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// A description with nothing but what every format has.
fn plain_info(path: &Path, format: Format, rows: u32, columns: u32, bits: u16) -> ImageInfo {
    ImageInfo {
        path: path.into(),
        format,
        modality: None,
        body_part: None,
        rows,
        columns,
        frames: 1,
        bits_stored: bits,
        photometric: crate::Photometric::Monochrome2,
        sop_instance_uid: None,
        study_uid: None,
        series_uid: None,
        transfer_syntax: None,
        pixel_spacing: None,
        slice_place: None,
        notes: Vec::new(),
    }
}
