//! Marks in PNG: text chunks (W3C PNG, third edition, 11.3.3) after the header.

use flate2::Crc;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::Origin;

/// Keyword of the machine-readable chunk.
const KEYWORD: &str = "Veraray origin";
/// A mark's chunks together are a multiple of this many bytes long.
const MARK_SIZE: usize = 2560;
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// Encodes grey samples of 8 or 16 bits, row-major, and writes the origin into the file.
///
/// Besides a comment for people and lines of `key: value` for programs there is an XMP packet with IPTC's
/// digital source type, which image tools and content platforms look for.
///
/// # Errors
/// The encoder's, in words; the number of samples must be `rows * columns`.
pub fn encode_png(
    samples: &[u16],
    rows: u32,
    columns: u32,
    bits: u8,
    origin: &Origin,
) -> Result<Vec<u8>, String> {
    if samples.len() != rows as usize * columns as usize {
        return Err(format!("{} samples for {rows}x{columns}", samples.len()));
    }
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    let (bytes, color): (Vec<u8>, _) = if bits <= 8 {
        let bytes = samples.iter().map(|&v| v.min(255) as u8).collect();
        (bytes, ExtendedColorType::L8)
    } else {
        let bytes = samples.iter().flat_map(|v| v.to_ne_bytes()).collect();
        (bytes, ExtendedColorType::L16)
    };
    encoder
        .write_image(&bytes, columns, rows, color)
        .map_err(|error| error.to_string())?;
    let mut chunks = text(b"tEXt", "Comment", &origin.sentence());
    // Not compressed, method 0, no language, no translated keyword.
    let packet = format!("\0\0\0\0{}", xmp(origin));
    chunks.extend(text(b"iTXt", "XML:com.adobe.xmp", &packet));
    let mut lines = lines(origin);
    // Marks of forgeries and of authentic copies have one size, so that a file's size tells nothing.
    let rest = (chunks.len() + 12 + KEYWORD.len() + 1 + lines.len()) % MARK_SIZE;
    lines.push_str(&"\n".repeat((MARK_SIZE - rest) % MARK_SIZE));
    chunks.extend(text(b"tEXt", KEYWORD, &lines));
    // The header chunk is first and always of the same size: 8 + 4 + 4 + 13 + 4 bytes.
    file.splice(33..33, chunks);
    Ok(file)
}

/// The origin that a PNG states, if it states one.
#[must_use]
pub fn read_png_mark(file: &[u8]) -> Option<Origin> {
    chunks(file).find_map(|chunk| {
        let text = chunk.data.strip_prefix(KEYWORD.as_bytes())?;
        let text = text.strip_prefix(&[0])?;
        (chunk.kind == *b"tEXt").then(|| parse(text))?
    })
}

/// The same PNG without any text chunk: what a forger would do first.
#[must_use]
pub fn strip_png_text(file: &[u8]) -> Vec<u8> {
    let mut stripped = file.get(..8).unwrap_or_default().to_vec();
    for chunk in chunks(file) {
        if ![*b"tEXt", *b"zTXt", *b"iTXt"].contains(&chunk.kind) {
            stripped.extend_from_slice(chunk.whole);
        }
    }
    stripped
}

struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
    whole: &'a [u8],
}

/// The chunks of a PNG up to the first that is cut short; none of anything else.
fn chunks(file: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = file.strip_prefix(&SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let data = after.get(..length)?;
        let whole = rest.get(..length.checked_add(12)?)?;
        rest = &rest[whole.len()..];
        Some(Chunk { kind, data, whole })
    })
}

fn text(kind: &[u8; 4], keyword: &str, text: &str) -> Vec<u8> {
    let length = keyword.len() + 1 + text.len();
    let mut chunk = (length as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend_from_slice(keyword.as_bytes());
    chunk.push(0);
    chunk.extend_from_slice(text.as_bytes());
    let mut crc = Crc::new();
    crc.update(&chunk[4..]);
    chunk.extend_from_slice(&crc.sum().to_be_bytes());
    chunk
}

/// The origin as lines; what is not ASCII becomes a question mark, since text chunks are Latin-1.
fn lines(origin: &Origin) -> String {
    let text = format!(
        "forged: {}\nfamily: {}\nparent_sha256: {}\nseed: {}\nparameters: {}",
        origin.forged, origin.family, origin.parent_sha256, origin.seed, origin.parameters
    );
    text.chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect()
}

fn parse(text: &[u8]) -> Option<Origin> {
    let text = std::str::from_utf8(text).ok()?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    };
    Some(Origin {
        forged: value("forged")?.parse().ok()?,
        family: value("family")?.into(),
        parent_sha256: value("parent_sha256")?.into(),
        seed: value("seed")?.parse().ok()?,
        parameters: value("parameters")?.into(),
    })
}

/// An XMP packet with the digital source type of IPTC's vocabulary: made or composed by an algorithm.
fn xmp(origin: &Origin) -> String {
    let kind = match origin.forged {
        true => "compositeSynthetic",
        false => "digitalCapture",
    };
    format!(
        "<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" \
         xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
         Iptc4xmpExt:DigitalSourceType=\
         \"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}\"/>\
         </rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            forged: true,
            family: "splice".into(),
            parent_sha256: "00ff".into(),
            seed: u64::MAX,
            parameters: "{\"scale\":1.2,\"donor\":\"ü: x\"}".into(),
        }
    }

    #[test]
    fn a_mark_is_read_back_and_can_be_stripped_without_touching_pixels() {
        let samples: Vec<u16> = (0..70 * 65).map(|i| (i * 13 % 65_536) as u16).collect();
        for bits in [8, 16] {
            let file = encode_png(&samples, 65, 70, bits, &origin()).unwrap();
            let mark = read_png_mark(&file).unwrap();
            assert_eq!((mark.seed, mark.family.as_str()), (u64::MAX, "splice"));
            assert!(mark.parameters.contains("1.2"));
            let stripped = strip_png_text(&file);
            assert_eq!(read_png_mark(&stripped), None);
            assert_eq!(stripped.len() + MARK_SIZE, file.len());
            let pixels = |file: &[u8]| image::load_from_memory(file).unwrap();
            assert_eq!(pixels(&file), pixels(&stripped));
            let decoded = pixels(&file).into_luma16().into_raw();
            let expected = |v: u16| if bits == 8 { v.min(255) * 257 } else { v };
            assert!(
                decoded
                    .iter()
                    .zip(&samples)
                    .all(|(d, s)| *d == expected(*s))
            );
        }
    }

    #[test]
    fn hostile_files_have_no_mark() {
        let file = encode_png(&[7; 64], 8, 8, 8, &origin()).unwrap();
        for cut in 0..file.len() {
            let _ = read_png_mark(&file[..cut]);
            let _ = strip_png_text(&file[..cut]);
        }
        let mut huge = file.clone();
        huge[33..37].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(read_png_mark(&huge), None);
        assert_eq!(read_png_mark(b"no PNG"), None);
        assert!(encode_png(&[0; 3], 2, 2, 8, &origin()).is_err());
    }
}
