//! Tells formats apart by content; file names are never looked at.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::source::Source;
use crate::{Format, OpenError};

/// Bytes that are enough for every signature, including HDF5's after a user block.
const HEAD: u64 = 4096;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A format whose reader needs to know no more.
    Plain(Format),
    /// A gzipped NIfTI volume.
    GzippedNifti,
}

/// Finds the format of `source` and leaves it at its start.
pub(crate) fn sniff(source: &mut Source, path: &Path) -> Result<Content, OpenError> {
    if source.len() == 0 {
        return Err(OpenError::Empty { path: path.into() });
    }
    let head = source.head(path, HEAD)?;
    // A DICOM preamble may be a valid TIFF header (PS3.10 7.1), so that DICOM comes first.
    if head.get(128..132) == Some(b"DICM") {
        return Ok(Content::Plain(Format::Dicom));
    }
    if let Some(format) = signature(&head) {
        return Ok(Content::Plain(format));
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        return gzipped(&head, path);
    }
    if let Some(volume) = nifti(&head) {
        return volume
            .map(|()| Content::Plain(Format::Nifti))
            .map_err(|reason| OpenError::unsupported(path, reason));
    }
    if bare_dicom(&head) {
        return Ok(Content::Plain(Format::Dicom));
    }
    Err(OpenError::unsupported(path, unknown(&head)))
}

fn signature(head: &[u8]) -> Option<Format> {
    const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(Format::Png);
    }
    if head.starts_with(&[0xff, 0xd8, 0xff]) {
        return Some(Format::Jpeg);
    }
    if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|magic| head.starts_with(*magic))
    {
        return Some(Format::Tiff);
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Some(Format::Webp);
    }
    // The superblock starts at 0 or at a power of two from 512 on.
    let hdf5 = [0, 512, 1024, 2048]
        .iter()
        .any(|&at| head.get(at..at + 8) == Some(HDF5));
    hdf5.then_some(Format::Hdf5)
}

/// `None` if this is no NIfTI header, an error if it is one that cannot be read.
fn nifti(head: &[u8]) -> Option<Result<(), String>> {
    let size: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let is_size = |size_of_header: i32| {
        i32::from_le_bytes(size) == size_of_header || i32::from_be_bytes(size) == size_of_header
    };
    if is_size(348) {
        return Some(match head.get(344..348) {
            Some(b"n+1\0") => Ok(()),
            Some(b"ni1\0") => Err("the header half of a NIfTI .hdr/.img pair: \
                                   convert it to a single .nii file"
                .into()),
            _ => Err("an Analyze 7.5 header: convert it to NIfTI".into()),
        });
    }
    if is_size(540) {
        return match head.get(4..8)? {
            b"n+2\0" => Some(Ok(())),
            b"ni2\0" => Some(Err("the header half of a NIfTI-2 .hdr/.img pair".into())),
            _ => None,
        };
    }
    None
}

fn gzipped(head: &[u8], path: &Path) -> Result<Content, OpenError> {
    let mut inside = Vec::new();
    // An error here only means that the 4 KiB end inside the stream.
    let _ = MultiGzDecoder::new(head)
        .take(1024)
        .read_to_end(&mut inside);
    match nifti(&inside) {
        Some(Ok(())) => Ok(Content::GzippedNifti),
        Some(Err(reason)) => Err(OpenError::unsupported(path, format!("gzipped: {reason}"))),
        None => Err(OpenError::unsupported(
            path,
            "gzipped data that is no NIfTI volume",
        )),
    }
}

/// Whether the file starts with a plausible DICOM element, without preamble.
///
/// Accepts the groups that a data set can start with: 0002 (file meta), 0004 (directory) and 0008
/// (identifying). Everything else would be a guess on arbitrary bytes.
fn bare_dicom(head: &[u8]) -> bool {
    let Some(&[g0, g1, e0, e1, v0, v1, l0, l1]) = head.get(..8) else {
        return false;
    };
    let (group, element, big) = match (u16::from_le_bytes([g0, g1]), u16::from_be_bytes([g0, g1])) {
        (group @ (2 | 4 | 8), _) => (group, u16::from_le_bytes([e0, e1]), false),
        (_, group @ 8) => (group, u16::from_be_bytes([e0, e1]), true),
        _ => return false,
    };
    // (0008,0000) to (0008,0070) are what sorted data sets begin with.
    if element > if group == 8 { 0x0070 } else { 0x0016 } {
        return false;
    }
    const VRS: [&[u8; 2]; 12] = [
        b"UL", b"CS", b"DA", b"TM", b"UI", b"LO", b"SH", b"OB", b"LT", b"PN", b"DT", b"AE",
    ];
    if VRS.contains(&&[v0, v1]) {
        return true;
    }
    // Implicit VR has a 32-bit length here; first elements are short and of even length.
    let length = u32::from_le_bytes([v0, v1, l0, l1]);
    !big && length <= 256 && length % 2 == 0
}

fn unknown(head: &[u8]) -> String {
    if head
        .iter()
        .take(512)
        .all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e))
    {
        return "plain text".into();
    }
    let known: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a ZIP archive: unpack it first"),
        (b"%PDF", "a PDF document"),
        (b"BM", "a BMP image: convert it to PNG"),
        (b"GIF8", "a GIF image: convert it to PNG"),
        (
            b"\x00\x00\x00\x0cjP  ",
            "a JPEG 2000 file outside DICOM: convert it to PNG or TIFF",
        ),
        (b"NRRD", "an NRRD volume: convert it to NIfTI"),
        (b"\x93NUMPY", "a NumPy array: convert it to HDF5 or TIFF"),
    ];
    let name = known
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, name)| *name);
    name.map_or_else(
        || {
            let hex: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
            format!("unknown content that starts with {}", hex.join(" "))
        },
        Into::into,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff_bytes(bytes: &[u8]) -> Result<Content, &'static str> {
        sniff(&mut Source::memory(bytes.to_vec()), Path::new("x")).map_err(|e| e.kind())
    }

    #[test]
    fn signatures() {
        let mut dicom = vec![0; 132];
        dicom[..4].copy_from_slice(b"II*\0");
        assert_eq!(sniff_bytes(&dicom), Ok(Content::Plain(Format::Tiff)));
        dicom[128..].copy_from_slice(b"DICM");
        assert_eq!(sniff_bytes(&dicom), Ok(Content::Plain(Format::Dicom)));
        let mut user_block = vec![0; 1024];
        user_block[512..520].copy_from_slice(b"\x89HDF\r\n\x1a\n");
        assert_eq!(sniff_bytes(&user_block), Ok(Content::Plain(Format::Hdf5)));
        assert_eq!(
            sniff_bytes(b"RIFF\0\0\0\0WEBPVP8L"),
            Ok(Content::Plain(Format::Webp))
        );
    }

    #[test]
    fn bare_data_sets() {
        let explicit = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100";
        let implicit = b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100";
        let big = b"\x00\x08\x00\x05CS\x00\x0aISO_IR 100";
        for bytes in [&explicit[..], implicit, big] {
            assert_eq!(sniff_bytes(bytes), Ok(Content::Plain(Format::Dicom)));
        }
        assert_eq!(
            sniff_bytes(b"\x08\x00\x05\x00\xff\xff\xff\x7fxxxx"),
            Err("unsupported_format")
        );
    }

    #[test]
    fn refusals() {
        assert_eq!(sniff_bytes(b""), Err("empty"));
        assert_eq!(sniff_bytes(b"x"), Err("unsupported_format"));
        assert_eq!(sniff_bytes(b"\x1f\x8bgarbage"), Err("unsupported_format"));
        let mut pair = vec![0; 352];
        pair[..4].copy_from_slice(&348_i32.to_le_bytes());
        pair[344..348].copy_from_slice(b"ni1\0");
        assert_eq!(sniff_bytes(&pair), Err("unsupported_format"));
    }
}
