//! What an opened image is: its format and everything that its headers say.

use std::fmt;
use std::path::PathBuf;

/// File formats that are told apart by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// DICOM Part 10, or a bare DICOM data set.
    Dicom,
    /// NIfTI-1 or NIfTI-2 in one file, plain or gzipped.
    Nifti,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// TIFF or BigTIFF.
    Tiff,
    /// WebP.
    Webp,
    /// HDF5.
    Hdf5,
}

impl Format {
    /// The lower-case name used in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dicom => "dicom",
            Self::Nifti => "nifti",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Tiff => "tiff",
            Self::Webp => "webp",
            Self::Hdf5 => "hdf5",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How stored values relate to light, after DICOM's Photometric Interpretation (PS3.3 C.7.6.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Photometric {
    /// Grey, lowest value white.
    Monochrome1,
    /// Grey, lowest value black.
    Monochrome2,
    /// Indices into a colour table.
    Palette,
    /// Red, green and blue, also where the file stores luminance and chrominance.
    Rgb,
}

impl fmt::Display for Photometric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monochrome1 => "MONOCHROME1",
            Self::Monochrome2 => "MONOCHROME2",
            Self::Palette => "PALETTE COLOR",
            Self::Rgb => "RGB",
        })
    }
}

/// Everything known from the headers. No patient identity is read.
#[derive(Debug, Clone)]
pub struct ImageInfo {
    /// The file as it was named by the caller.
    pub path: PathBuf,
    /// The format found by content.
    pub format: Format,
    /// DICOM modality code (0008,0060) such as `CR`, `DX`, `CT`, `MR`; only DICOM files have one.
    pub modality: Option<String>,
    /// DICOM Body Part Examined (0018,0015).
    pub body_part: Option<String>,
    /// Height of a frame in pixels.
    pub rows: u32,
    /// Width of a frame in pixels.
    pub columns: u32,
    /// Number of frames, at least 1; for volumes the number of axial slices over all time points.
    pub frames: u32,
    /// Significant bits of one stored sample.
    pub bits_stored: u16,
    /// How stored values relate to light.
    pub photometric: Photometric,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: Option<String>,
    /// Study Instance UID (0020,000D).
    pub study_uid: Option<String>,
    /// Series Instance UID (0020,000E).
    pub series_uid: Option<String>,
    /// Transfer Syntax UID (0002,0010), or the one that was assumed.
    pub transfer_syntax: Option<String>,
    /// Distance between rows and between columns in millimetres.
    pub pixel_spacing: Option<[f32; 2]>,
    /// Where a single slice lies in its stack: the unit normal of its plane, and the distance along
    /// it in millimetres, from Image Position and Orientation (Patient) (0020,0032) and (0020,0037).
    /// Slices of one stack share the normal and are neighbours by distance.
    pub slice_place: Option<[f64; 4]>,
    /// What was done or assumed to reach the pixels, in words.
    pub notes: Vec<String>,
}
