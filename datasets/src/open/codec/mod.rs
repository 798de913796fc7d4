//! Decoders of one compressed frame: bytes in, samples at full bit depth out.
//!
//! None of them applies a colour transform except those that are part of the JPEG 2000 and JPEG XL
//! code streams; what three components mean is said by the container.

pub(super) mod color;
mod huffman;
pub(super) mod jpeg;
pub(super) mod jpeg2000;
mod jpeg_extended;
pub(super) mod jpegls;
pub(super) mod jpegxl;
pub(super) mod rle;

use std::path::Path;

use crate::OpenError;

/// Stored samples as bit patterns; their sign is the container's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Samples {
    /// Applies `convert` to every bit pattern.
    pub(super) fn map(self, convert: impl Fn(u32) -> f32) -> Vec<f32> {
        match self {
            Self::U8(v) => v.into_iter().map(|v| convert(v.into())).collect(),
            Self::U16(v) => v.into_iter().map(|v| convert(v.into())).collect(),
            Self::U32(v) => v.into_iter().map(convert).collect(),
        }
    }

    /// The patterns as unsigned numbers.
    pub(super) fn into_f32(self) -> Vec<f32> {
        self.map(|v| v as f32)
    }

    /// Reorders samples: the new sample `i` is the old one at `from(i)`.
    pub(super) fn permuted(self, from: impl Fn(usize) -> usize) -> Self {
        fn permute<T: Copy>(v: &[T], from: impl Fn(usize) -> usize) -> Vec<T> {
            (0..v.len()).map(|i| v[from(i)]).collect()
        }
        match self {
            Self::U8(v) => Self::U8(permute(&v, from)),
            Self::U16(v) => Self::U16(permute(&v, from)),
            Self::U32(v) => Self::U32(permute(&v, from)),
        }
    }

    /// From values that are at most 16 bits wide, in the narrowest type for `precision` bits.
    pub(super) fn narrow(values: Vec<u16>, precision: u8) -> Self {
        if precision <= 8 {
            Self::U8(values.into_iter().map(|v| v as u8).collect())
        } else {
            Self::U16(values)
        }
    }
}

/// One decoded frame.
#[derive(Debug)]
pub(super) struct Decoded {
    pub rows: u32,
    pub columns: u32,
    /// Samples per pixel, interleaved.
    pub channels: u8,
    /// Significant bits of a sample.
    pub precision: u8,
    pub samples: Samples,
}

/// Size and depth that a code stream claims, read before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub rows: u32,
    pub columns: u32,
    pub channels: u16,
    pub precision: u8,
}

/// Why a frame was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CodecError {
    Corrupt(String),
    Unsupported(String),
}

impl CodecError {
    pub(super) fn corrupt(reason: impl Into<String>) -> Self {
        Self::Corrupt(reason.into())
    }

    pub(super) fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported(reason.into())
    }

    /// The error for the file at `path`.
    pub(super) fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Corrupt(reason) => OpenError::corrupt(path, reason),
            Self::Unsupported(reason) => OpenError::unsupported(path, reason),
        }
    }
}

/// Markers of a JPEG or JPEG-LS stream before its first scan.
pub(super) fn markers(data: &[u8]) -> impl Iterator<Item = u8> + '_ {
    jpeg::Segments::new(data)
        .map(|(marker, _)| marker)
        .take_while(|&marker| marker != 0xda)
}
