//! NIfTI: the description that programs leave in the header.

use super::{Found, tiff};

/// Reads an uncompressed NIfTI-1 or NIfTI-2 header. `false` where the bytes are none.
pub(super) fn headers(bytes: &[u8], found: &mut Found) -> bool {
    let at = match (bytes.get(344..348), bytes.get(4..8)) {
        (Some(b"n+1\0"), _) => 148,
        (_, Some(b"n+2\0")) => 240,
        _ => return false,
    };
    let text = bytes.get(at..at + 80).unwrap_or_default();
    let text = text.split(|&b| b == 0).next().unwrap_or_default();
    tiff::software("Description", &String::from_utf8_lossy(text), found);
    true
}
