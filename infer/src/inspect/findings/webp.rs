//! WebP: the chunks of its RIFF container.

use super::{Found, c2pa, tiff, trailing, xmp};

/// Most chunks that are looked at.
const MOST: usize = 10_000;

pub(super) fn headers(bytes: &[u8], found: &mut Found) {
    let number = |at: usize| {
        let four = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*four) as usize)
    };
    let mut at = 12;
    for _ in 0..MOST {
        let (Some(kind), Some(length)) = (bytes.get(at..at + 4), number(at + 4)) else {
            break;
        };
        let Some(body) = bytes.get(at + 8..(at + 8).saturating_add(length)) else {
            break;
        };
        match kind {
            b"EXIF" => tiff::exif(body.strip_prefix(b"Exif\0\0").unwrap_or(body), found),
            b"XMP " => xmp::packet(&String::from_utf8_lossy(body), found),
            b"C2PA" => c2pa::manifest(body, found),
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    if let Some(size) = number(4) {
        let end = 8_usize.saturating_add(size).saturating_add(size % 2);
        trailing(bytes.get(end..).unwrap_or_default(), found);
    }
}
