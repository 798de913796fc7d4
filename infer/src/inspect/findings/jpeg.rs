//! JPEG marker segments (ISO 10918-1 B.1).

use super::catalogue::{EDITOR, JPEG_BROKEN, PNG_TEXT};
use super::{Found, c2pa, quote, tiff, trailing, xmp};

/// Most segments that are looked at.
const MOST: usize = 100_000;

/// Marker segments up to and with the first scan header: marker and body.
pub(super) fn segments(data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    let mut over = false;
    std::iter::from_fn(move || {
        if over || *data.get(at)? != 0xff {
            return None;
        }
        while *data.get(at)? == 0xff {
            at += 1;
        }
        let marker = data[at];
        at += 1;
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            over = marker == 0xd9;
            return Some((marker, &data[at..at]));
        }
        let length = usize::from(u16::from_be_bytes(*data.get(at..)?.first_chunk::<2>()?));
        let body = data.get(at + 2..at + length)?;
        at += length;
        over = marker == 0xda;
        Some((marker, body))
    })
    .take(MOST)
}

/// The file as a code stream, if it is one.
pub(super) fn code_stream(bytes: &[u8]) -> Option<&[u8]> {
    bytes.starts_with(&[0xff, 0xd8, 0xff]).then_some(bytes)
}

/// Byte behind the end of the image.
fn end(data: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // Entropy-coded data hold FF only before 00 and restart markers.
        while *data.get(at)? != 0xff {
            at += 1;
        }
        while *data.get(at)? == 0xff {
            at += 1;
        }
        let marker = data[at];
        at += 1;
        match marker {
            0xd9 => return Some(at),
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = u16::from_be_bytes(*data.get(at..)?.first_chunk::<2>()?);
                at += usize::from(length);
            }
        }
    }
}

pub(super) fn headers(bytes: &[u8], found: &mut Found) {
    let mut jumbf = c2pa::Fragments::default();
    let (mut several, mut scanned, mut comments) = (false, false, 0);
    for (marker, body) in segments(bytes) {
        match marker {
            0xe1 if body.starts_with(b"Exif\0") => {
                tiff::exif(body.get(6..).unwrap_or_default(), found);
            }
            0xe1 if body.starts_with(b"http://ns.adobe.com/xap/1.0/\0") => {
                let text = String::from_utf8_lossy(body.get(29..).unwrap_or_default());
                xmp::packet(&text, found);
            }
            0xe2 if body.starts_with(b"MPF\0") => several = true,
            0xeb => jumbf.add(body),
            0xed if body.starts_with(b"Photoshop 3.0\0") => {
                found.push(EDITOR.note("Photoshop's resource block (APP13)"));
            }
            0xec if body.starts_with(b"Ducky") => {
                found.push(EDITOR.note("Photoshop's “save for web” block (APP12)"));
            }
            0xfe if comments < 16 => {
                comments += 1;
                comment(body, found);
            }
            0xda => scanned = true,
            _ => {}
        }
    }
    jumbf.finish(found);
    if !scanned {
        found.push(JPEG_BROKEN.note("no scan follows the marker segments"));
    }
    match end(bytes) {
        // Cameras append further pictures and announce them.
        Some(at) if !several => trailing(bytes.get(at..).unwrap_or_default(), found),
        Some(_) => {}
        None => found.push(JPEG_BROKEN.note("the file ends before its end-of-image marker")),
    }
}

fn comment(body: &[u8], found: &mut Found) {
    let text = String::from_utf8_lossy(body.get(..4096).unwrap_or(body)).into_owned();
    if let Some(word) = super::quote::generator(&text) {
        let text = quote(&text);
        found.push(super::catalogue::IMAGE_GENERATOR.note(format!(
            "a comment names image generation (“{word}”): {text}"
        )));
    } else {
        found.push(PNG_TEXT.note(format!("JPEG comment: {}", quote(&text))));
    }
}
