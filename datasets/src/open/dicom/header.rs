//! The Image Pixel module (PS3.3 C.7.6.3) and what else describes the picture.

use std::path::Path;

use super::element::{DataSet, Tag, tags};
use super::encoding::Encoding;
use super::parse::PixelElement;
use super::syntax::Syntax;
use crate::open::OpenOptions;
use crate::{Format, ImageInfo, OpenError, Photometric};

/// Photometric Interpretation (PS3.3 C.7.6.3.1.2), as far as it can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    YbrFull422,
    /// The transforms that are part of JPEG 2000: decoders return RGB.
    YbrJpeg2000,
}

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    Double,
}

/// How the pixels of one frame are laid out.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub rows: u32,
    pub columns: u32,
    pub channels: u8,
    pub color: Color,
    pub kind: Kind,
    pub allocated: u16,
    pub stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    /// Planar Configuration (0028,0006) of 1: colour by plane.
    pub planar: bool,
    pub frames: u32,
    pub encoding: Encoding,
    pub syntax: Syntax,
    pub pixels: PixelElement,
}

impl Header {
    /// Pixels of a frame.
    pub(super) fn area(&self) -> usize {
        self.rows as usize * self.columns as usize
    }
}

pub(super) fn read(
    path: &Path,
    set: &DataSet,
    pixels: PixelElement,
    encoding: Encoding,
    syntax: Syntax,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Header, OpenError> {
    let required = |tag: Tag, name: &str| {
        set.u16(tag)
            .ok_or_else(|| OpenError::corrupt(path, format!("pixel data without {name}")))
    };
    let rows = required(tags::ROWS, "Rows")?.into();
    let columns = required(tags::COLUMNS, "Columns")?.into();
    options.check_pixels(path, u64::from(rows), u64::from(columns))?;
    let kind = match pixels.tag {
        tags::FLOAT_PIXELS => Kind::Float,
        tags::DOUBLE_PIXELS => Kind::Double,
        _ => Kind::Integer,
    };
    let allocated = required(tags::BITS_ALLOCATED, "Bits Allocated")?;
    let fits = match kind {
        Kind::Integer => matches!(allocated, 1 | 8 | 16 | 32),
        Kind::Float => allocated == 32,
        Kind::Double => allocated == 64,
    };
    if !fits {
        return Err(OpenError::unsupported(
            path,
            format!("{allocated} bits allocated"),
        ));
    }
    let stored = set.u16(tags::BITS_STORED).unwrap_or(allocated);
    let high_bit = set.u16(tags::HIGH_BIT).unwrap_or(stored.wrapping_sub(1));
    if stored == 0 || stored > allocated || high_bit >= allocated {
        let reason = format!("{stored} bits stored up to bit {high_bit} of {allocated} allocated");
        return Err(OpenError::corrupt(path, reason));
    }
    // Readers in the field take the low bits whatever a High Bit below Bits Stored - 1 says.
    let high_bit = high_bit.max(stored - 1);
    let channels = set.u16(tags::SAMPLES).unwrap_or(1);
    let color = color(path, set, channels, notes)?;
    let gray = matches!(
        color,
        Color::Monochrome1 | Color::Monochrome2 | Color::Palette
    );
    let channels = match (channels, gray) {
        (1, true) => 1,
        (3, false) => 3,
        _ => {
            let name = set.code(tags::PHOTOMETRIC).unwrap_or_default();
            return Err(OpenError::corrupt(
                path,
                format!("{channels} samples per pixel in {name}"),
            ));
        }
    };
    let frames = match set.number(tags::FRAMES) {
        Some(frames) if (1.0..=4e9).contains(&frames) => frames as u32,
        Some(_) => 1,
        None => {
            if let Some(text) = set.text(tags::FRAMES) {
                notes.push(format!("number of frames '{text}' is no number: 1 assumed"));
            }
            1
        }
    };
    Ok(Header {
        rows,
        columns,
        channels,
        color,
        kind,
        allocated,
        stored,
        high_bit,
        signed: set.u16(tags::REPRESENTATION) == Some(1),
        planar: set.u16(tags::PLANAR) == Some(1),
        frames,
        encoding,
        syntax,
        pixels,
    })
}

fn color(
    path: &Path,
    set: &DataSet,
    channels: u16,
    notes: &mut Vec<String>,
) -> Result<Color, OpenError> {
    Ok(match set.code(tags::PHOTOMETRIC).as_deref() {
        Some("MONOCHROME1") => Color::Monochrome1,
        Some("MONOCHROME2") => Color::Monochrome2,
        Some("PALETTE COLOR") => Color::Palette,
        Some("RGB") => Color::Rgb,
        Some("YBR_FULL") => Color::YbrFull,
        Some("YBR_FULL_422") => Color::YbrFull422,
        Some("YBR_ICT" | "YBR_RCT") => Color::YbrJpeg2000,
        Some(name @ ("HSV" | "ARGB" | "CMYK" | "XYB" | "YBR_PARTIAL_420" | "YBR_PARTIAL_422")) => {
            return Err(OpenError::unsupported(
                path,
                format!("photometric interpretation {name}"),
            ));
        }
        other => {
            let name = other.unwrap_or("none");
            let (color, assumed) = match channels {
                1 => (Color::Monochrome2, "MONOCHROME2"),
                _ => (Color::Rgb, "RGB"),
            };
            notes.push(format!(
                "photometric interpretation {name}: {assumed} assumed"
            ));
            color
        }
    })
}

/// The description for callers; `notes` are taken over.
pub(super) fn info(path: &Path, set: &DataSet, header: &Header, notes: Vec<String>) -> ImageInfo {
    let spacing = |set: &DataSet, tag| match set.numbers(tag)[..] {
        [rows, columns, ..] if rows > 0.0 && columns > 0.0 => Some([rows as f32, columns as f32]),
        _ => None,
    };
    // Enhanced objects keep it in the functional groups (PS3.3 C.7.6.16.2.1).
    let measured = [tags::SHARED_GROUPS, tags::FRAME_GROUPS]
        .iter()
        .filter_map(|&groups| {
            set.items(groups)
                .first()?
                .items(tags::PIXEL_MEASURES)
                .first()
        })
        .find_map(|item| spacing(item, tags::PIXEL_SPACING));
    ImageInfo {
        path: path.into(),
        format: Format::Dicom,
        modality: set.code(tags::MODALITY),
        body_part: set.code(tags::BODY_PART),
        rows: header.rows,
        columns: header.columns,
        frames: header.frames,
        bits_stored: header.stored,
        photometric: match header.color {
            Color::Monochrome1 => Photometric::Monochrome1,
            Color::Monochrome2 => Photometric::Monochrome2,
            Color::Palette => Photometric::Palette,
            _ => Photometric::Rgb,
        },
        sop_instance_uid: set.code(tags::SOP_INSTANCE),
        study_uid: set.code(tags::STUDY),
        series_uid: set.code(tags::SERIES),
        transfer_syntax: Some(header.syntax.uid.clone()),
        pixel_spacing: spacing(set, tags::PIXEL_SPACING)
            .or(measured)
            .or_else(|| spacing(set, tags::IMAGER_PIXEL_SPACING)),
        slice_place: place(
            &set.numbers(tags::IMAGE_POSITION),
            &set.numbers(tags::IMAGE_ORIENTATION),
        ),
        notes,
    }
}

/// Unit normal of a slice and its distance along it, PS3.3 C.7.6.2.1.1.
fn place(position: &[f64], orientation: &[f64]) -> Option<[f64; 4]> {
    let (&[x, y, z], &[a, b, c, d, e, f]) = (position, orientation) else {
        return None;
    };
    let normal = [b * f - c * e, c * d - a * f, a * e - b * d];
    let length = normal.iter().map(|side| side * side).sum::<f64>().sqrt();
    if length < 1e-6 {
        return None;
    }
    let [u, v, w] = normal.map(|side| side / length);
    Some([u, v, w, u * x + v * y + w * z])
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn slices_are_placed_along_their_normal() {
        let axial = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(
            place(&[-9.0, 4.0, 12.5], &axial),
            Some([0.0, 0.0, 1.0, 12.5])
        );
        // Half a turn about the first axis, and a matrix that is twice as long as it should be.
        let turned = [2.0, 0.0, 0.0, 0.0, -2.0, 0.0];
        assert_eq!(
            place(&[0.0, 0.0, 3.0], &turned),
            Some([0.0, 0.0, -1.0, -3.0])
        );
        assert_eq!(place(&[1.0, 2.0], &axial), None);
        assert_eq!(place(&[1.0, 2.0, 3.0], &[0.0; 6]), None);
    }
}
