//! Authentic images from files at their own depth, and forgeries of them back into files.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::LEAST_SIDE;
use crate::mark::{DicomTemplate, MarkError, Origin, encode_png};
use crate::{Format, GrayImage, OpenOptions, open};

/// More difference between the channels than this share of the range is colour, not grey stored as
/// colour.
const MAX_CHROMA: f32 = 0.05;

/// How a forgery of an image is stored.
#[derive(Debug)]
enum Form {
    /// Single-frame grey DICOM, as DICOM.
    Dicom(Box<DicomTemplate>),
    /// Everything else, as PNG of that many bits.
    Png(u8),
}

/// An authentic image with what it takes to write a forgery of it.
#[derive(Debug)]
pub struct Original {
    path: PathBuf,
    /// SHA-256 of the file, hexadecimal.
    sha256: String,
    plane: GrayImage,
    /// Modality or sample values of the plane.
    values: Vec<f32>,
    low: f32,
    high: f32,
    inverted: bool,
    form: Form,
}

impl Original {
    /// Opens an image. Of a volume or multi-frame object the middle frame is taken, and written as PNG.
    ///
    /// The plane spans the whole range of the image's values and not a window of it, so that nothing is
    /// clipped on the way; eight-bit images span 0 to 255.
    ///
    /// # Errors
    /// [`MarkError`] when the image cannot be read, is in colour, blank, or too small to forge.
    pub fn open(path: &Path) -> Result<Self, MarkError> {
        let unsuitable = |message: String| MarkError::Unsuitable {
            path: path.to_owned(),
            message,
        };
        let mut image = open(path, &OpenOptions::default())?;
        let info = image.info().clone();
        let frame = image.frame(info.frames / 2)?;
        let (rows, columns) = (frame.rows as usize, frame.columns as usize);
        if rows.min(columns) < LEAST_SIDE {
            return Err(unsuitable(format!(
                "{columns}x{rows} pixels; fewer than {LEAST_SIDE} on a side are not forged"
            )));
        }
        if frame.chroma() > MAX_CHROMA {
            return Err(unsuitable("it is in colour".into()));
        }
        let values = if frame.channels == 3 {
            let luma = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            frame.values.chunks_exact(3).map(luma).collect()
        } else {
            frame.values
        };
        let eight = info.bits_stored <= 8 && info.format != Format::Dicom;
        let (low, high) = if eight {
            (0.0, 255.0)
        } else {
            let least = values.iter().copied().fold(f32::INFINITY, f32::min);
            let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            (least, most)
        };
        if high <= low || values.iter().all(|v| *v == values[0]) {
            return Err(unsuitable("it is blank".into()));
        }
        let form = if info.format == Format::Dicom && info.frames == 1 && frame.channels == 1 {
            Form::Dicom(Box::new(DicomTemplate::open(path)?))
        } else {
            Form::Png(if eight { 8 } else { 16 })
        };
        let bytes = std::fs::read(path).map_err(MarkError::io(path))?;
        let inverted = frame.display.inverted;
        let pixels = values
            .iter()
            .map(|v| {
                let grey = (v - low) / (high - low);
                if inverted { 1.0 - grey } else { grey }
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            sha256: Sha256::digest(&bytes)
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect(),
            plane: GrayImage {
                rows,
                columns,
                pixels,
            },
            values,
            low,
            high,
            inverted,
            form,
        })
    }

    /// The grey plane, black on screen being 0.
    #[must_use]
    pub fn plane(&self) -> &GrayImage {
        &self.plane
    }

    /// SHA-256 of the file, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The extension of what [`Self::encode`] gives.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self.form {
            Form::Dicom(_) => "dcm",
            Form::Png(_) => "png",
        }
    }

    /// A file of the original's format and depth with another plane, carrying its origin. Pixels that
    /// equal the plane's keep their stored value exactly. `output` names the file in errors.
    ///
    /// # Errors
    /// [`MarkError`] when the plane has another size or cannot be encoded.
    pub fn encode(
        &self,
        plane: &GrayImage,
        origin: &Origin,
        output: &Path,
    ) -> Result<Vec<u8>, MarkError> {
        if (plane.rows, plane.columns) != (self.plane.rows, self.plane.columns) {
            return Err(MarkError::Unsuitable {
                path: self.path.clone(),
                message: format!(
                    "a plane of {}x{} does not fit its {}x{}",
                    plane.columns, plane.rows, self.plane.columns, self.plane.rows
                ),
            });
        }
        let values = plane
            .pixels
            .iter()
            .zip(&self.plane.pixels)
            .zip(&self.values)
            .map(|((&new, &old), &value)| {
                if new == old {
                    return value;
                }
                let grey = if self.inverted { 1.0 - new } else { new };
                self.low + grey * (self.high - self.low)
            });
        match &self.form {
            Form::Dicom(template) => {
                let stored: Vec<i32> = values.map(|v| template.stored(v)).collect();
                template.encode(&stored, origin, output)
            }
            Form::Png(bits) => {
                let top = if *bits == 8 { 255.0 } else { 65_535.0 };
                // Values of more than sixteen bits, fractions and negative ones are stretched.
                let whole = |v: f32| v.fract() == 0.0 && (0.0..=top).contains(&v);
                let exact = self.values.iter().all(|&v| whole(v));
                let samples: Vec<u16> = values
                    .map(|v| match exact {
                        true => v.round().clamp(0.0, top) as u16,
                        false => ((v - self.low) / (self.high - self.low) * top).round() as u16,
                    })
                    .collect();
                encode_png(
                    &samples,
                    plane.rows as u32,
                    plane.columns as u32,
                    *bits,
                    origin,
                )
                .map_err(|message| MarkError::Encode {
                    path: output.to_owned(),
                    message,
                })
            }
        }
    }
}
