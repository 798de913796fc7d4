//! What a file says before its pixels: markers, chunks and elements.

use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::OpenFileOptions;

use crate::open::guarded;
use crate::{Format, OpenError};

/// How much of a PNG or JPEG is looked at.
const HEAD: u64 = 4 << 20;

/// Header facts as numbers; absent things are 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Container {
    /// Quality that the JPEG's luminance table stands for (IJG scale, 1 to 100); 100 without JPEG.
    pub quality: f64,
    /// Share of the luminance table's entries that differ from the IJG table of that quality.
    pub foreign_table: f64,
    /// Progressive JPEG or interlaced PNG.
    pub progressive: bool,
    /// Horizontal times vertical sampling of luminance over chrominance.
    pub subsampling: f64,
    /// Compression effort as the zlib header of a PNG states it, 0 to 3, plus 1.
    pub effort: f64,
    /// EXIF segments or chunks.
    pub exif: f64,
    /// Comments and text chunks.
    pub texts: f64,
    /// Bytes of all metadata.
    pub metadata_bytes: f64,
    /// Colour profiles.
    pub profiles: f64,
    /// Other application segments or ancillary chunks.
    pub others: f64,
    /// DICOM elements in the top level, in all and private ones.
    pub elements: [f64; 2],
    /// Manufacturer, model, station, software, device serial: how many are filled in.
    pub equipment: f64,
    /// Patient and study elements that are filled in.
    pub identity: f64,
    /// DERIVED in Image Type.
    pub derived: bool,
    /// Lossy Image Compression (0028,2110) says 01.
    pub declared_lossy: bool,
    /// Name of the equipment's maker, for the one-hot columns.
    pub maker: String,
}

/// Reads the headers of `path`, which was opened as `format`. Damaged headers count as absent: the
/// decoder has already judged the file.
pub(super) fn read(path: &Path, format: Format) -> Result<Container, OpenError> {
    let mut container = Container {
        quality: 100.0,
        ..Container::default()
    };
    match format {
        Format::Jpeg => jpeg(&head(path)?, &mut container),
        Format::Png => png(&head(path)?, &mut container),
        Format::Dicom => {
            // A panic in a third-party parser must not end an audit.
            let _ = guarded(path, || {
                dicom(path, &mut container);
                Ok(())
            });
        }
        _ => {}
    }
    Ok(container)
}

fn head(path: &Path) -> Result<Vec<u8>, OpenError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut bytes))
        .map_err(|source| OpenError::Io {
            path: path.into(),
            source,
        })?;
    Ok(bytes)
}

/// The luminance table of Annex K of ITU-T T.81 in zigzag order, which the IJG library scales.
const LUMINANCE: [u16; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81,
    87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/// The IJG table of a quality from 1 to 100.
fn ijg(quality: u16) -> [u16; 64] {
    let scale = if quality < 50 {
        5000 / quality.max(1)
    } else {
        200 - 2 * quality
    };
    LUMINANCE.map(|base| ((u32::from(base) * u32::from(scale) + 50) / 100).clamp(1, 255) as u16)
}

/// The quality whose table is nearest, and the share of entries that differ from it.
fn nearest_quality(table: &[u16; 64]) -> (f64, f64) {
    let distance = |quality: u16| -> u32 {
        ijg(quality)
            .iter()
            .zip(table)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum()
    };
    let best = (1..=100)
        .min_by_key(|&quality| distance(quality))
        .unwrap_or(100);
    let other = ijg(best).iter().zip(table).filter(|(a, b)| a != b).count();
    (f64::from(best), other as f64 / 64.0)
}

/// Walks the marker segments up to the first scan (ITU-T T.81, Annex B).
fn jpeg(data: &[u8], found: &mut Container) {
    let mut at = 2;
    while let Some(&[0xff, marker]) = data.get(at..at + 2) {
        if marker == 0xff {
            at += 1;
            continue;
        }
        if marker == 0xda {
            return;
        }
        let Some(&[high, low]) = data.get(at + 2..at + 4) else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(body) = data.get(at + 4..at + 2 + length) else {
            return;
        };
        at += 2 + length;
        let metadata = matches!(marker, 0xe1..=0xef | 0xfe);
        if metadata {
            found.metadata_bytes += length as f64;
        }
        match marker {
            0xdb => tables(body, found),
            0xc0..=0xc3 => {
                found.progressive = marker == 0xc2;
                let sampling = |index: usize| body.get(7 + 3 * index).copied();
                if let (Some(luma), Some(chroma)) = (sampling(0), sampling(1)) {
                    let area = |byte: u8| f64::from(byte >> 4) * f64::from(byte & 15);
                    found.subsampling = area(luma) / area(chroma).max(1.0);
                }
            }
            0xe1 if body.starts_with(b"Exif") => found.exif += 1.0,
            0xe2 if body.starts_with(b"ICC_PROFILE") => found.profiles += 1.0,
            0xfe => found.texts += 1.0,
            0xe1..=0xef => found.others += 1.0,
            _ => {}
        }
    }
}

/// DQT: precision and identifier, then 64 entries of one or two bytes.
fn tables(mut body: &[u8], found: &mut Container) {
    while let Some((&head, rest)) = body.split_first() {
        let wide = usize::from(head >> 4 != 0);
        let Some(entries) = rest.get(..64 << wide) else {
            return;
        };
        body = &rest[64 << wide..];
        if head & 15 != 0 {
            continue;
        }
        let mut table = [0u16; 64];
        for (slot, entry) in table.iter_mut().zip(entries.chunks_exact(1 << wide)) {
            *slot = entry
                .iter()
                .fold(0, |value, byte| value << 8 | u16::from(*byte));
        }
        (found.quality, found.foreign_table) = nearest_quality(&table);
    }
}

/// Walks the chunks of a PNG.
fn png(data: &[u8], found: &mut Container) {
    let mut at = 8;
    while let Some(header) = data.get(at..at + 8) {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = &header[4..8];
        let body = data.get(at + 8..).unwrap_or_default();
        match kind {
            b"IHDR" => found.progressive = body.get(12) == Some(&1),
            b"IDAT" if found.effort == 0.0 => {
                // FLEVEL of the zlib header, RFC 1950.
                found.effort = 1.0 + body.get(1).map_or(0.0, |flags| f64::from(flags >> 6));
            }
            b"eXIf" => found.exif += 1.0,
            b"tEXt" | b"zTXt" | b"iTXt" => found.texts += 1.0,
            b"iCCP" => found.profiles += 1.0,
            b"IDAT" | b"PLTE" | b"IEND" => {}
            _ => found.others += 1.0,
        }
        if kind[0].is_ascii_lowercase() {
            found.metadata_bytes += length as f64;
        }
        at = match at.checked_add(12).and_then(|next| next.checked_add(length)) {
            Some(next) => next,
            None => return,
        };
    }
}

fn dicom(path: &Path, found: &mut Container) {
    let Ok(object) = OpenFileOptions::new()
        .read_until(Tag(0x7fe0, 0x0008))
        .open_file(path)
    else {
        return;
    };
    let text = |tag: Tag| -> String {
        object
            .get(tag)
            .filter(|element| element.header().vr != VR::SQ)
            .and_then(|element| element.to_str().ok())
            .map(|text| text.trim_matches(['\0', ' ']).to_owned())
            .unwrap_or_default()
    };
    let filled = |list: &[Tag]| list.iter().filter(|tag| !text(**tag).is_empty()).count() as f64;
    let all = object.iter().map(|element| element.header().tag);
    let (mut elements, mut private) = (0.0, 0.0);
    for tag in all {
        elements += 1.0;
        private += f64::from(u8::from(tag.0 % 2 == 1));
    }
    found.elements = [elements, private];
    found.equipment = filled(&[
        tags::MANUFACTURER,
        tags::MANUFACTURER_MODEL_NAME,
        tags::STATION_NAME,
        tags::SOFTWARE_VERSIONS,
        tags::DEVICE_SERIAL_NUMBER,
        tags::INSTITUTION_NAME,
    ]);
    found.identity = filled(&[
        tags::PATIENT_ID,
        tags::PATIENT_NAME,
        tags::PATIENT_BIRTH_DATE,
        tags::PATIENT_AGE,
        tags::PATIENT_SEX,
        tags::STUDY_DATE,
        tags::STUDY_TIME,
        tags::ACCESSION_NUMBER,
        tags::STUDY_DESCRIPTION,
        tags::SERIES_DESCRIPTION,
    ]);
    found.derived = text(tags::IMAGE_TYPE).starts_with("DERIVED");
    found.declared_lossy = text(tags::LOSSY_IMAGE_COMPRESSION) == "01";
    found.maker = text(tags::MANUFACTURER).to_ascii_lowercase();
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;

    #[test]
    fn the_quality_of_a_jpeg_is_read_from_its_table() {
        let image = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([(x * y) as u8]));
        for quality in [30, 75, 95] {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode_image(&image)
                .unwrap();
            let mut found = Container::default();
            jpeg(&bytes, &mut found);
            assert!(
                (found.quality - f64::from(quality)).abs() <= 1.0,
                "{found:?}"
            );
        }
    }

    #[test]
    fn damaged_headers_end_the_walk() {
        let mut found = Container::default();
        jpeg(&[0xff, 0xd8, 0xff, 0xdb, 0xff, 0xff, 1], &mut found);
        jpeg(&[0xff, 0xd8, 0xff, 0xdb, 0, 0], &mut found);
        png(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDAT", &mut found);
        png(b"\x89PNG\r\n\x1a\n\0\0\0\x04tEXt", &mut found);
        assert_eq!(found.texts, 1.0);
    }
}
