//! Uncompressed samples to bit patterns (PS3.5 chapter 8).

use std::path::Path;

use super::header::{Color, Header, Kind};
use crate::OpenError;
use crate::open::codec::Samples;
use crate::open::source::Source;

/// Bits that one frame takes in uncompressed pixel data.
pub(super) fn frame_bits(header: &Header) -> u64 {
    // Two pixels share their chrominance in YBR_FULL_422: two samples per pixel instead of three.
    let channels = if header.color == Color::YbrFull422 {
        2
    } else {
        u64::from(header.channels)
    };
    header.area() as u64 * channels * u64::from(header.allocated)
}

/// Reads the bytes of frame `index`; for 1-bit samples also the bit at which it starts.
pub(super) fn read(
    source: &mut Source,
    path: &Path,
    header: &Header,
    index: u32,
) -> Result<(Vec<u8>, usize), OpenError> {
    let bits = frame_bits(header);
    let first = bits * u64::from(index);
    let (start, end) = (first / 8, (first + bits).div_ceil(8));
    let offset = header.pixels.offset;
    if header.encoding.big_endian && header.allocated == 8 && header.pixels.words {
        // Bytes were swapped in pairs on writing (PS3.5 8.1.2), so that a frame starts at a word.
        let (even, stop) = (
            start & !1,
            end.next_multiple_of(2).min(end.max(source.len() - offset)),
        );
        let mut bytes = source.read_at(path, "pixel data", offset + even, stop - even)?;
        for pair in bytes.as_chunks_mut::<2>().0 {
            pair.swap(0, 1);
        }
        bytes.drain(..(start - even) as usize);
        bytes.truncate((end - start) as usize);
        return Ok((bytes, 0));
    }
    let bytes = source.read_at(path, "pixel data", offset + start, end - start)?;
    Ok((bytes, (first % 8) as usize))
}

/// Bytes of one frame as interleaved bit patterns, `rows * columns * channels` of them.
pub(super) fn samples(bytes: Vec<u8>, first_bit: usize, header: &Header) -> Samples {
    let big = header.encoding.big_endian;
    let samples = match header.allocated {
        1 => {
            let count = header.area() * usize::from(header.channels);
            let bit = |i: usize| bytes.get(i / 8).map_or(0, |byte| byte >> (i % 8) & 1);
            Samples::U8((first_bit..first_bit + count).map(bit).collect())
        }
        8 => Samples::U8(bytes),
        16 => {
            let read = if big {
                u16::from_be_bytes
            } else {
                u16::from_le_bytes
            };
            Samples::U16(bytes.as_chunks().0.iter().map(|&b| read(b)).collect())
        }
        _ => {
            let read = if big {
                u32::from_be_bytes
            } else {
                u32::from_le_bytes
            };
            Samples::U32(bytes.as_chunks().0.iter().map(|&b| read(b)).collect())
        }
    };
    let area = header.area();
    match header.color {
        Color::YbrFull422 => expand_422(&samples, header.columns as usize, area),
        _ if header.channels == 3 && header.planar => samples.permuted(|i| i % 3 * area + i / 3),
        _ => samples,
    }
}

/// `Y1 Y2 Cb Cr` for two pixels becomes `Y1 Cb Cr Y2 Cb Cr` (PS3.3 C.7.6.3.1.2).
///
/// Pairs never straddle lines, columns being even in this interpretation.
fn expand_422(packed: &Samples, columns: usize, area: usize) -> Samples {
    fn expand<T: Copy + Default>(packed: &[T], area: usize) -> Vec<T> {
        let at = |i: usize| packed.get(i).copied().unwrap_or_default();
        (0..area)
            .flat_map(|p| {
                let pair = p / 2 * 4;
                [at(pair + p % 2), at(pair + 2), at(pair + 3)]
            })
            .collect()
    }
    debug_assert!(columns > 0);
    match packed {
        Samples::U8(v) => Samples::U8(expand(v, area)),
        Samples::U16(v) => Samples::U16(expand(v, area)),
        Samples::U32(v) => Samples::U32(expand(v, area)),
    }
}

/// Float or double float pixels (PS3.3 C.7.6.24 and C.7.6.25).
pub(super) fn floats(bytes: &[u8], header: &Header) -> Vec<f64> {
    let big = header.encoding.big_endian;
    if header.kind == Kind::Double {
        let read = if big {
            f64::from_be_bytes
        } else {
            f64::from_le_bytes
        };
        bytes.as_chunks().0.iter().map(|&b| read(b)).collect()
    } else {
        let read = if big {
            f32::from_be_bytes
        } else {
            f32::from_le_bytes
        };
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| read(b).into())
            .collect()
    }
}
