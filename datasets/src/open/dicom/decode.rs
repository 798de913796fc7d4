//! One compressed frame to interleaved bit patterns.

use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::header::{Color, Header};
use super::native;
use super::syntax::{Codec, sniff};
use crate::OpenError;
use crate::open::codec::{self, Claim, CodecError, Decoded, Samples, color};

/// Interleaved samples and which of their bits count.
pub(super) struct Patterns {
    pub samples: Samples,
    /// Lowest bit that belongs to the value.
    pub shift: u16,
    /// Bits of the value.
    pub bits: u16,
}

impl Patterns {
    /// As laid out by Bits Stored and High Bit.
    pub(super) fn stored(samples: Samples, header: &Header) -> Self {
        Self {
            samples,
            shift: header.high_bit + 1 - header.stored,
            bits: header.stored,
        }
    }
}

/// Decodes `bytes`, the fragments of one frame; colour comes out as RGB.
pub(super) fn frame(
    path: &Path,
    bytes: Vec<u8>,
    header: &Header,
    notes: &mut Vec<String>,
) -> Result<Patterns, OpenError> {
    let codec = match sniff(&bytes) {
        Some(found) if !matches!(header.syntax.codec, Codec::Rle | Codec::DeflatedFrame) => {
            if found != header.syntax.codec {
                notes.push(format!(
                    "the code stream is {found:?}, unlike the transfer syntax"
                ));
            }
            found
        }
        _ => header.syntax.codec,
    };
    let fail = |error: CodecError| match error {
        CodecError::Unsupported(reason) => OpenError::UnsupportedTransferSyntax {
            path: path.into(),
            uid: header.syntax.uid.clone(),
            reason,
        },
        error => error.at(path),
    };
    match codec {
        Codec::Native => uncompressed(path, bytes, header),
        Codec::DeflatedFrame => {
            let size = native::frame_bits(header).div_ceil(8);
            let mut inflated = Vec::new();
            let read = DeflateDecoder::new(bytes.as_slice())
                .take(size)
                .read_to_end(&mut inflated);
            read.map_err(|e| OpenError::corrupt(path, format!("deflated frame: {e}")))?;
            uncompressed(path, inflated, header)
        }
        Codec::Rle => {
            let channels = usize::from(header.channels);
            let width = usize::from(header.allocated / 8);
            let samples =
                codec::rle::decode(&bytes, header.area(), channels, width).map_err(fail)?;
            Ok(Patterns::stored(
                to_rgb(samples, header.stored as u8, header.color),
                header,
            ))
        }
        Codec::Jpeg => jpeg(path, &bytes, header).and_then(|result| result.map_err(fail)),
        Codec::JpegLs => {
            check(path, header, codec::jpegls::claim(&bytes).map_err(fail)?)?;
            let decoded = codec::jpegls::decode(&bytes).map_err(fail)?;
            Ok(by_precision(decoded, header.color))
        }
        Codec::Jpeg2000 => {
            check(
                path,
                header,
                codec::jpeg2000::header(&bytes).map_err(fail)?.claim,
            )?;
            let (decoded, damaged) = codec::jpeg2000::decode(&bytes).map_err(fail)?;
            if damaged {
                notes.push("damaged JPEG 2000 code stream, decoded as far as it goes".into());
            }
            check(path, header, claim_of(&decoded))?;
            Ok(by_precision(decoded, header.color))
        }
        Codec::JpegXl => {
            check(path, header, codec::jpegxl::claim(&bytes).map_err(fail)?)?;
            let memory = (64 << 20) + header.area() * usize::from(header.channels) * 64;
            let decoded = codec::jpegxl::decode(&bytes, memory).map_err(fail)?;
            // JPEG XL images are RGB once decoded, whatever they were made from.
            Ok(by_precision(decoded, Color::Rgb))
        }
        Codec::Unknown => Err(OpenError::UnsupportedTransferSyntax {
            path: path.into(),
            uid: header.syntax.uid.clone(),
            reason: header.syntax.missing().into(),
        }),
    }
}

fn uncompressed(path: &Path, bytes: Vec<u8>, header: &Header) -> Result<Patterns, OpenError> {
    let size = native::frame_bits(header).div_ceil(8);
    if (bytes.len() as u64) < size {
        return Err(OpenError::truncated(
            path,
            "frame",
            size,
            bytes.len() as u64,
        ));
    }
    let mut bytes = bytes;
    bytes.truncate(size as usize);
    let samples = native::samples(bytes, 0, header);
    Ok(Patterns::stored(
        to_rgb(samples, header.stored as u8, header.color),
        header,
    ))
}

/// The outer error is about the file, the inner one about the codec.
fn jpeg(
    path: &Path,
    bytes: &[u8],
    header: &Header,
) -> Result<Result<Patterns, CodecError>, OpenError> {
    let found = match codec::jpeg::header(bytes) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let claim = Claim {
        rows: found.rows.into(),
        columns: found.columns.into(),
        channels: found.components.into(),
        precision: found.precision,
    };
    check(path, header, claim)?;
    // The code stream knows best what its components are: identifiers that spell RGB, or a JFIF
    // marker, which allows luminance and chrominance only.
    let color = match header.color {
        _ if found.rgb_ids => Color::Rgb,
        Color::Rgb if found.jfif => Color::YbrFull,
        color => color,
    };
    Ok(codec::jpeg::decode(bytes).map(|decoded| {
        let precision = decoded.precision;
        let samples = to_rgb(decoded.samples, precision, color);
        // Lossless JPEG may fill more bits than are stored; those carry no meaning.
        let bits = header.stored.min(precision.max(1).into());
        Patterns {
            samples,
            shift: 0,
            bits,
        }
    }))
}

fn by_precision(decoded: Decoded, color: Color) -> Patterns {
    let bits = decoded.precision.into();
    let samples = if decoded.channels == 3 {
        to_rgb(decoded.samples, decoded.precision, color)
    } else {
        decoded.samples
    };
    Patterns {
        samples,
        shift: 0,
        bits,
    }
}

/// Converts luminance and chrominance; leaves everything else as it is.
pub(super) fn to_rgb(mut samples: Samples, precision: u8, color: Color) -> Samples {
    if matches!(color, Color::YbrFull | Color::YbrFull422) {
        color::ybr_full_to_rgb(&mut samples, precision);
    }
    samples
}

fn claim_of(decoded: &Decoded) -> Claim {
    Claim {
        rows: decoded.rows,
        columns: decoded.columns,
        channels: decoded.channels.into(),
        precision: decoded.precision,
    }
}

/// Refuses a code stream of another size than the data set says, before it is decoded.
fn check(path: &Path, header: &Header, claim: Claim) -> Result<(), OpenError> {
    let Claim {
        rows,
        columns,
        channels,
        ..
    } = claim;
    if (rows, columns, channels) != (header.rows, header.columns, header.channels.into()) {
        let reason = format!(
            "a code stream of {columns} x {rows} pixels with {channels} samples in an image of {} x {} with {}",
            header.columns, header.rows, header.channels
        );
        return Err(OpenError::corrupt(path, reason));
    }
    Ok(())
}
