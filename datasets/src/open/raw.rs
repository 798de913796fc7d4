//! Parts of files as they are stored, for those who look at how a file was made.

use std::io::Read as _;
use std::path::Path;

use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::codec;
use super::guard::guarded;
use crate::OpenError;

/// The first component of a JPEG code stream, before any colour transform.
#[derive(Debug, Clone)]
pub struct JpegComponent {
    /// Height in pixels.
    pub rows: u32,
    /// Width in pixels.
    pub columns: u32,
    /// Row-major samples in `0..=2^precision - 1`.
    pub samples: Vec<f32>,
}

/// Decodes the first component of a JPEG code stream: the luminance, or the grey.
///
/// # Errors
/// [`OpenError`] when the stream is damaged, of a kind that is not read, or larger than `max_pixels`;
/// `path` is only used in messages.
pub fn jpeg_first_component(
    path: &Path,
    stream: &[u8],
    max_pixels: u64,
) -> Result<JpegComponent, OpenError> {
    guarded(path, || {
        let header = codec::jpeg::header(stream).map_err(|e| e.at(path))?;
        let size = u64::from(header.rows) * u64::from(header.columns);
        if size > max_pixels {
            return Err(OpenError::TooLarge {
                path: path.into(),
                what: "frame in pixels",
                size,
                limit: max_pixels,
            });
        }
        let decoded = codec::jpeg::decode(stream).map_err(|e| e.at(path))?;
        let channels = usize::from(decoded.channels).max(1);
        let (rows, columns) = (decoded.rows, decoded.columns);
        let samples = decoded.samples.into_f32();
        let samples = match channels {
            1 => samples,
            _ => samples.into_iter().step_by(channels).collect(),
        };
        Ok(JpegComponent {
            rows,
            columns,
            samples,
        })
    })
}

/// Inflates a zlib stream of at most `limit` bytes. `None` when it is damaged or larger.
#[must_use]
pub fn inflate_zlib(data: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = ZlibDecoder::new(data)
        .take(limit + 1)
        .read_to_end(&mut bytes);
    (read.is_ok() && bytes.len() as u64 <= limit).then_some(bytes)
}

/// Inflates a deflate stream without a wrapper, of at most `limit` bytes, as far as it can be read.
/// `None` when it is larger.
#[must_use]
pub fn inflate_raw(data: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // What comes before the damage is still worth reading.
    let _ = DeflateDecoder::new(data)
        .take(limit + 1)
        .read_to_end(&mut bytes);
    (bytes.len() as u64 <= limit).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_and_damage_are_refused() {
        use std::io::Write as _;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&[0; 100_000]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert_eq!(inflate_zlib(&bomb, 100_000).map(|b| b.len()), Some(100_000));
        assert_eq!(inflate_zlib(&bomb, 99_999), None);
        assert_eq!(inflate_zlib(b"nonsense", 10), None);
        assert_eq!(
            inflate_raw(&bomb[2..], 100_000).map(|b| b.len()),
            Some(100_000)
        );
        assert_eq!(inflate_raw(&bomb[2..], 99_999), None);
        assert!(jpeg_first_component(Path::new("x"), b"\xff\xd8\xff", 10).is_err());
    }
}
