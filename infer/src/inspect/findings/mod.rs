//! What a file says and shows of its own history, found without the network.
//!
//! [`cheap`] looks at headers and costs microseconds; [`full`] also decodes pixels and looks for
//! traces of compression and resampling; [`across`] compares the files of one set. Input is hostile:
//! every parser here bounds depth, count and length, and never panics.

mod c2pa;
mod catalogue;
mod cbor;
mod dicom;
mod jpeg;
mod nifti;
mod png;
mod quote;
mod set;
#[cfg(test)]
mod tests;
mod tiff;
mod trace;
mod webp;
mod xmp;

use std::path::Path;

pub(crate) use catalogue::{Note, Severity, markdown};
pub(crate) use dicom::Identity;
pub(crate) use dicom::across::across;
pub(crate) use quote::quote;

use veraray_datasets::{Format, Image, OpenError, OpenOptions, open_bytes};

/// Most findings of one file.
const MOST: usize = 200;

/// Everything found in one file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) notes: Vec<Note>,
    /// `dicom`, `png`, …; `None` where the content is no image that is known.
    pub(crate) format: Option<&'static str>,
    /// What other files of a set are compared by; DICOM only.
    pub(crate) identity: Option<Identity>,
    /// Why nothing at all can be said: a code and a sentence.
    pub(crate) error: Option<(&'static str, String)>,
    /// Figures for people, such as size and quality: name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Found {
    fn push(&mut self, note: Note) {
        if !self.is_full() {
            self.notes.push(note);
        }
    }

    /// Whether enough was found: hostile files hold millions of texts.
    fn is_full(&self) -> bool {
        self.notes.len() >= 2 * MOST
    }

    fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, value.into()));
    }

    fn finish(mut self) -> Self {
        self.notes.sort_by(|a, b| {
            let order = |n: &Note| (std::cmp::Reverse(n.code.severity), n.code.id);
            order(a).cmp(&order(b))
        });
        self.notes.dedup();
        self.notes.truncate(MOST);
        self
    }
}

/// What the headers alone say, for every file of a scan.
pub(crate) fn cheap(bytes: &[u8]) -> Vec<Note> {
    let mut found = Found::default();
    headers(bytes, &mut found);
    // Nearly every archive departs from the standard somewhere: that is for `inspect`.
    found.notes.retain(|note| {
        note.code.severity > Severity::Info && !note.code.id.starts_with("dicom.module.")
    });
    found.finish().notes
}

/// Everything: headers, pixels, traces.
pub(crate) fn full(path: &Path, bytes: Vec<u8>, options: &OpenOptions) -> Found {
    let mut found = Found::default();
    headers(&bytes, &mut found);
    let jpeg = jpeg::code_stream(&bytes);
    match jpeg {
        Some(stream) => trace::code_stream(stream, &mut found),
        None => dicom::code_stream(&bytes, &mut found),
    }
    let header = dicom::PixelHeader::read(&bytes);
    let lossless = jpeg.is_none() && header.as_ref().is_none_or(dicom::PixelHeader::is_lossless);
    match open_bytes(path, bytes, options) {
        Ok(mut image) => pixels(&mut image, header.as_ref(), lossless, &mut found),
        // Reports, plans and waveforms are DICOM without an image.
        Err(error) if error.kind() == "no_pixels" && found.format.is_some() => {
            found.fact("pixels", "none");
        }
        Err(error) if found.format.is_some() => {
            found.push(catalogue::FILE_UNREADABLE.note(reason(&error)));
        }
        Err(error) => found.error = Some((error.kind(), reason(&error))),
    }
    found.finish()
}

/// Looks at the middle frame's pixels.
fn pixels(
    image: &mut Image,
    header: Option<&dicom::PixelHeader>,
    lossless: bool,
    found: &mut Found,
) {
    let info = image.info();
    found.fact(
        "size",
        format!(
            "{} × {} pixels, {} frame(s), {} bits",
            info.columns, info.rows, info.frames, info.bits_stored
        ),
    );
    let (frames, is_dicom) = (info.frames, info.format == Format::Dicom);
    match image.frame(frames / 2) {
        Ok(frame) => {
            if let Some(header) = header.filter(|_| is_dicom) {
                dicom::pixels(image, &frame, header, found);
            }
            trace::pixels(&frame, lossless, found);
        }
        Err(error) => found.push(catalogue::FILE_UNREADABLE.note(reason(&error))),
    }
}

/// An error without the path, which the reader knows.
fn reason(error: &OpenError) -> String {
    let text = error.to_string();
    let path = format!("{}: ", error.path().display());
    quote(text.strip_prefix(&path).unwrap_or(&text))
}

/// Tells the format by content and reads its headers.
fn headers(bytes: &[u8], found: &mut Found) {
    if bytes.get(128..132) == Some(b"DICM") {
        found.format = Some("dicom");
        dicom::headers(bytes, found);
    } else if bytes.starts_with(png::SIGNATURE) {
        found.format = Some("png");
        png::headers(bytes, found);
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        found.format = Some("jpeg");
        jpeg::headers(bytes, found);
    } else if tiff::is_tiff(bytes) {
        found.format = Some("tiff");
        tiff::headers(bytes, found);
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        found.format = Some("webp");
        webp::headers(bytes, found);
    } else if nifti::headers(bytes, found) {
        found.format = Some("nifti");
    } else if dicom::headers(bytes, found) {
        found.format = Some("dicom");
    }
}

/// What some bytes are the beginning of, for bytes that should not be there.
fn magic(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 16] = [
        (b"MZ", "a Windows program"),
        (b"\x7fELF", "a Linux program"),
        (b"\xcf\xfa\xed\xfe", "a macOS program"),
        (b"\xca\xfe\xba\xbe", "a macOS or Java program"),
        (b"#!", "a script"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x1f\x8b\x08", "a gzip stream"),
        (b"%PDF-", "a PDF document"),
        (b"<html", "a web page"),
        (b"<!DOCTYPE html", "a web page"),
        (b"<?php", "a PHP script"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
    ];
    KNOWN
        .iter()
        .find(|(start, _)| bytes.starts_with(start))
        .map(|&(_, what)| what)
}

/// Reports bytes behind the end of an image.
fn trailing(rest: &[u8], found: &mut Found) {
    let is_padding = rest.iter().all(|&b| b == 0 || b.is_ascii_whitespace());
    if rest.is_empty() || is_padding {
        return;
    }
    let count = rest.len();
    match magic(rest) {
        Some(what) => found.push(catalogue::FILE_POLYGLOT.note(format!(
            "{count} bytes follow the end of the image; they begin like {what}"
        ))),
        None => found.push(
            catalogue::FILE_TRAILING.note(format!("{count} bytes follow the end of the image")),
        ),
    }
}

/// Every code that a finding may have.
#[cfg(test)]
pub(crate) fn every_code() -> impl Iterator<Item = &'static str> {
    catalogue::ALL.iter().map(|code| code.id)
}
