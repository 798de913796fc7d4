//! TIFF directories (TIFF 6.0, BigTIFF), also as EXIF inside other files.

use super::catalogue::{EDITOR, IMAGE_GENERATOR, SOFTWARE};
use super::{Found, c2pa, quote, xmp};

/// Directories and entries that are looked at.
const MOST_DIRECTORIES: usize = 64;
const MOST_ENTRIES: usize = 512;
/// Longest value that is read.
const LONGEST: usize = 4 << 20;

pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|magic| bytes.starts_with(*magic))
}

/// A TIFF file.
pub(super) fn headers(bytes: &[u8], found: &mut Found) {
    directories(bytes, found);
}

/// The TIFF structure of an EXIF block.
pub(super) fn exif(bytes: &[u8], found: &mut Found) {
    if is_tiff(bytes) {
        directories(bytes, found);
    }
}

/// A tag and its value.
type Entry<'a> = (u16, &'a [u8]);

struct Reader<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// BigTIFF: eight-byte counts and offsets.
    wide: bool,
}

impl Reader<'_> {
    fn number(&self, at: u64, size: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let add = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Some(match self.big_endian {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    /// Entries of the directory at `at`: tag, and its value's bytes; then the next directory.
    fn directory(&self, at: u64) -> Option<(Vec<Entry<'_>>, u64)> {
        let (count_size, entry, field) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_size)?;
        let first = at.checked_add(count_size as u64)?;
        let mut entries = Vec::new();
        for index in 0..count.min(MOST_ENTRIES as u64) {
            let at = first.checked_add(index * entry)?;
            let tag = self.number(at, 2)? as u16;
            let size = match self.number(at + 2, 2)? {
                1 | 2 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                5 | 10 | 12 | 16..=18 => 8,
                _ => continue,
            };
            let length = self.number(at + 4, field)?.saturating_mul(size);
            let inline = at + 4 + field as u64;
            let start = if length <= field as u64 {
                inline
            } else {
                self.number(inline, field)?
            };
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(LONGEST);
            let value = usize::try_from(start)
                .ok()
                .and_then(|start| self.bytes.get(start..start.checked_add(length)?));
            if let Some(value) = value {
                entries.push((tag, value));
            }
        }
        let next = self.number(first.checked_add(count.checked_mul(entry)?)?, field);
        Some((entries, next.unwrap_or(0)))
    }

    fn offset(&self, value: &[u8]) -> u64 {
        let add = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        let value = value.get(..value.len().min(8)).unwrap_or_default();
        match self.big_endian {
            true => value.iter().fold(0, add),
            false => value.iter().rev().fold(0, add),
        }
    }
}

fn directories(bytes: &[u8], found: &mut Found) {
    let big_endian = bytes.first() == Some(&b'M');
    let wide = bytes.contains(&b'+') && bytes.get(..4).is_some_and(|m| m.contains(&b'+'));
    let reader = Reader {
        bytes,
        big_endian,
        wide,
    };
    let first = if wide {
        reader.number(8, 8)
    } else {
        reader.number(4, 4)
    };
    let mut queue = vec![first.unwrap_or(0)];
    let mut seen = Vec::new();
    while let Some(at) = queue.pop() {
        if at == 0 || seen.contains(&at) || seen.len() == MOST_DIRECTORIES {
            continue;
        }
        seen.push(at);
        let Some((entries, next)) = reader.directory(at) else {
            continue;
        };
        queue.push(next);
        for (tag, value) in entries {
            if found.is_full() {
                return;
            }
            if tag == 0x8769 {
                queue.push(reader.offset(value));
            } else {
                entry(tag, value, found);
            }
        }
    }
}

fn entry(tag: u16, value: &[u8], found: &mut Found) {
    let text = || String::from_utf8_lossy(value.get(..8192).unwrap_or(value)).into_owned();
    match tag {
        0x0131 => software("Software", &text(), found),
        0x013c => software("Host Computer", &text(), found),
        0x010f | 0x0110 => software(if tag == 0x010f { "Make" } else { "Model" }, &text(), found),
        0x010e => software("Image Description", &text(), found),
        0x013b => software("Artist", &text(), found),
        // UserComment: eight bytes name the character code. UTF-16 becomes readable without zeros.
        0x9286 => {
            let plain: Vec<u8> = value
                .iter()
                .skip(8)
                .take(16_384)
                .copied()
                .filter(|&b| b != 0)
                .collect();
            let text = String::from_utf8_lossy(&plain);
            if text.contains("Steps:") && (text.contains("Sampler:") || text.contains("Seed:")) {
                let shown = quote(&text);
                found.push(IMAGE_GENERATOR.note(format!(
                    "EXIF user comment of Stable Diffusion web UI: {shown}"
                )));
            } else {
                software("User Comment", &text, found);
            }
        }
        700 => xmp::packet(&String::from_utf8_lossy(value), found),
        34_377 => found.push(EDITOR.note("Photoshop's resource block (tag 34377)")),
        0xcd41 => c2pa::manifest(value, found),
        _ => {}
    }
}

/// Programs whose purpose is to change images.
const EDITORS: [&str; 20] = [
    "photoshop",
    "gimp",
    "lightroom",
    "affinity",
    "pixelmator",
    "snapseed",
    "picsart",
    "canva",
    "krita",
    "paint.net",
    "paintshop",
    "corel",
    "acdsee",
    "meitu",
    "irfanview",
    "xnview",
    "imagemagick",
    "darktable",
    "facetune",
    "photopea",
];

/// Reports a text that names the program behind an image.
pub(super) fn software(name: &str, text: &str, found: &mut Found) {
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    if text.is_empty() {
        return;
    }
    let lower = text.to_lowercase();
    let shown = quote(text);
    if let Some(word) = super::quote::generator(text) {
        found.push(
            IMAGE_GENERATOR.note(format!("{name} names image generation (“{word}”): {shown}")),
        );
    } else if EDITORS.iter().any(|editor| lower.contains(editor)) {
        found.push(EDITOR.note(format!("{name}: {shown}")));
    } else {
        found.push(SOFTWARE.note(format!("{name}: {shown}")));
    }
}
