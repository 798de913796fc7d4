//! From a decoded frame to the bytes of an HDF5 chunk.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};

use super::{Sample, Stack};
use crate::{Display, Frame, hex};

/// A frame as it goes to the file.
#[derive(Debug)]
pub(super) struct Encoded {
    pub stack: Stack,
    /// Shuffled and deflated samples, little-endian.
    pub chunk: Vec<u8>,
    /// SHA-256 of the samples, little-endian, before shuffling.
    pub sha256: String,
    pub display: Display,
    /// Bytes of the samples.
    pub raw: u64,
}

/// Encodes a frame whose file has samples of `bits` bits.
pub(super) fn encode(frame: &Frame, bits: u16, level: u32) -> std::io::Result<Encoded> {
    let stack = Stack {
        sample: sample(&frame.values, bits),
        rows: frame.rows,
        columns: frame.columns,
        channels: frame.channels,
    };
    let bytes = samples(&frame.values, stack.sample);
    let sha256 = hex(&Sha256::digest(&bytes));
    let raw = bytes.len() as u64;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    match stack.sample.bytes() {
        1 => encoder.write_all(&bytes)?,
        size => encoder.write_all(&shuffled(&bytes, size))?,
    }
    Ok(Encoded {
        stack,
        chunk: encoder.finish()?,
        sha256,
        display: frame.display.clone(),
        raw,
    })
}

/// The narrowest type that holds all values and the file's own samples.
fn sample(values: &[f32], bits: u16) -> Sample {
    let (mut low, mut high, mut whole) = (0.0_f32, 0.0_f32, true);
    for &value in values {
        low = low.min(value);
        high = high.max(value);
        // Minus zero is no integer: its bits would be lost.
        whole &= value.fract() == 0.0 && !(value == 0.0 && value.is_sign_negative());
    }
    match (whole, low, high) {
        (true, 0.0, ..=255.0) if bits <= 8 => Sample::U8,
        (true, 0.0, ..=65535.0) => Sample::U16,
        (true, -32768.0.., ..=32767.0) => Sample::I16,
        _ => Sample::F32,
    }
}

fn samples(values: &[f32], sample: Sample) -> Vec<u8> {
    // The casts are exact: `sample` has looked at every value.
    match sample {
        Sample::U8 => values.iter().map(|&v| v as u8).collect(),
        Sample::U16 => values
            .iter()
            .flat_map(|&v| (v as u16).to_le_bytes())
            .collect(),
        Sample::I16 => values
            .iter()
            .flat_map(|&v| (v as i16).to_le_bytes())
            .collect(),
        Sample::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// HDF5's shuffle filter: first bytes of all samples, then second bytes.
fn shuffled(bytes: &[u8], size: usize) -> Vec<u8> {
    (0..size)
        .flat_map(|at| bytes.iter().skip(at).step_by(size).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_as_narrow_as_is_exact() {
        for (values, bits, expected) in [
            (vec![0.0, 255.0], 8, Sample::U8),
            (vec![0.0, 255.0], 12, Sample::U16),
            (vec![0.0, 256.0], 8, Sample::U16),
            (vec![-1024.0, 3071.0], 12, Sample::I16),
            (vec![-1.0, 32768.0], 16, Sample::F32),
            (vec![0.5], 8, Sample::F32),
            (vec![-0.0], 8, Sample::F32),
            (vec![65536.0], 16, Sample::F32),
        ] {
            assert_eq!(sample(&values, bits), expected, "{values:?} of {bits} bits");
        }
        assert_eq!(samples(&[-2.0, 1.0], Sample::I16), [0xfe, 0xff, 1, 0]);
        assert_eq!(shuffled(&[1, 2, 3, 4], 2), [1, 3, 2, 4]);
    }
}
