//! The tap kernel: many output channels from many taps at once.

use pulp::{Simd, WithSimd};

/// Output channels in a block of packed weights.
pub(super) const BLOCK: usize = 8;

/// Vectors of positions in a tile.
const VECTORS: usize = 3;

/// Positions that the kernel writes for `positions` wanted ones: whole vectors of any width.
pub(super) fn padded_positions(positions: usize) -> usize {
    positions.next_multiple_of(super::geometry::LANES)
}

/// `output[o][i] = Σ_k weights[k][o] · input[offsets[k] + i]` for one block of channels.
#[derive(Debug)]
pub(super) struct Taps<'a> {
    /// Padded planes, readable one tile past the last position.
    pub input: &'a [f32],
    /// Offset of every tap.
    pub offsets: &'a [usize],
    /// One row of [`BLOCK`] weights for every tap.
    pub weights: &'a [[f32; BLOCK]],
    /// Number of positions.
    pub positions: usize,
    /// `[BLOCK, padded_positions(positions)]`
    pub output: &'a mut [f32],
}

impl WithSimd for Taps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // The accumulators of a tile and what it loads must fit the registers.
        if S::REGISTER_COUNT >= 32 {
            self.channels::<S, 8>(simd, 0);
        } else {
            self.channels::<S, 4>(simd, 0);
        }
    }
}

impl Taps<'_> {
    #[inline(always)]
    fn channels<S: Simd, const CHANNELS: usize>(self, simd: S, _: usize) {
        let lanes = S::F32_LANES;
        let stride = padded_positions(self.positions);
        for first in (0..BLOCK).step_by(CHANNELS) {
            let mut at = 0;
            while at < self.positions {
                let left = (self.positions - at).div_ceil(lanes);
                let view = &self.input[at..];
                let output = &mut self.output[first * stride + at..];
                let (offsets, weights) = (self.offsets, self.weights);
                if left >= VECTORS {
                    tile::<S, CHANNELS, VECTORS>(
                        simd, view, offsets, weights, first, output, stride,
                    );
                } else if left == 2 {
                    tile::<S, CHANNELS, 2>(simd, view, offsets, weights, first, output, stride);
                } else {
                    tile::<S, CHANNELS, 1>(simd, view, offsets, weights, first, output, stride);
                }
                at += left.min(VECTORS) * lanes;
            }
        }
    }
}

#[inline(always)]
fn tile<S: Simd, const CHANNELS: usize, const VECTORS: usize>(
    simd: S,
    input: &[f32],
    offsets: &[usize],
    weights: &[[f32; BLOCK]],
    first: usize,
    output: &mut [f32],
    stride: usize,
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; CHANNELS];
    for (&offset, weights) in offsets.iter().zip(weights) {
        let vectors = S::as_simd_f32s(&input[offset..][..VECTORS * S::F32_LANES]).0;
        let weights = &weights[first..first + CHANNELS];
        for channel in 0..CHANNELS {
            let weight = simd.splat_f32s(weights[channel]);
            for vector in 0..VECTORS {
                sums[channel][vector] =
                    simd.mul_add_e_f32s(weight, vectors[vector], sums[channel][vector]);
            }
        }
    }
    for channel in 0..CHANNELS {
        let row = &mut output[channel * stride..][..VECTORS * S::F32_LANES];
        S::as_mut_simd_f32s(row).0.copy_from_slice(&sums[channel]);
    }
}

/// Packs weights into blocks of output channels, padded with zeros.
///
/// `weight(o, k)` is the weight of tap `k` for output `o`.
pub(super) fn pack(
    outputs: usize,
    taps: usize,
    weight: impl Fn(usize, usize) -> f32,
) -> Vec<[f32; BLOCK]> {
    let mut packed = vec![[0.0; BLOCK]; outputs.div_ceil(BLOCK) * taps];
    for (block, rows) in packed.chunks_exact_mut(taps.max(1)).enumerate() {
        let first = block * BLOCK;
        for channel in 0..BLOCK.min(outputs - first) {
            for (k, row) in rows.iter_mut().enumerate() {
                row[channel] = weight(first + channel, k);
            }
        }
    }
    packed
}
