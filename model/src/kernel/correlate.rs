//! The gradient of the weights: every output channel correlated with every tap.

use pulp::{Simd, WithSimd};

/// `output[o][k] = Σ_s Σ_i gradient[s][o][i] · input[s][offsets[k] + i]` over samples and positions.
#[derive(Debug)]
pub(super) struct Correlate<'a> {
    /// Padded inputs of all samples.
    pub input: &'a [f32],
    /// Elements of one padded input.
    pub input_stride: usize,
    /// Offset of every tap.
    pub offsets: &'a [usize],
    /// Padded gradients of all samples, `[samples, outputs, plane]`, zero beside the positions.
    pub gradient: &'a [f32],
    /// Output channels.
    pub outputs: usize,
    /// Elements of one padded gradient channel.
    pub plane: usize,
    /// First position in a padded gradient channel.
    pub lead: usize,
    /// Number of positions.
    pub positions: usize,
    /// `[outputs, taps]`
    pub output: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.tiles::<S, 4, 6>(simd);
        } else {
            self.tiles::<S, 4, 2>(simd);
        }
    }
}

impl Correlate<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const CHANNELS: usize, const TAPS: usize>(self, simd: S) {
        let taps = self.offsets.len();
        for first in (0..self.outputs).step_by(CHANNELS) {
            for tap in (0..taps).step_by(TAPS) {
                // Past the end a tile repeats the last channel or tap and its sums are dropped.
                let mut channels = [0; CHANNELS];
                for (c, channel) in channels.iter_mut().enumerate() {
                    *channel = (first + c).min(self.outputs - 1) * self.plane + self.lead;
                }
                let mut offsets = [0; TAPS];
                for (t, offset) in offsets.iter_mut().enumerate() {
                    *offset = self.offsets[(tap + t).min(taps - 1)];
                }
                let sums = self.tile(simd, channels, offsets);
                for (c, sums) in sums.iter().enumerate().take(self.outputs - first) {
                    for (t, sum) in sums.iter().enumerate().take(taps - tap) {
                        self.output[(first + c) * taps + tap + t] = simd.reduce_sum_f32s(*sum);
                    }
                }
            }
        }
    }

    /// Sums over all samples and positions for some channels and taps, given by their offsets.
    // Loops over indices, and no closures: a call that is not inlined would spill every sum.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn tile<S: Simd, const CHANNELS: usize, const TAPS: usize>(
        &self,
        simd: S,
        channels: [usize; CHANNELS],
        offsets: [usize; TAPS],
    ) -> [[S::f32s; TAPS]; CHANNELS] {
        let length = self.positions.next_multiple_of(S::F32_LANES);
        let samples = self.input.chunks_exact(self.input_stride);
        let planes = self.gradient.chunks_exact(self.outputs * self.plane);
        let mut sums = [[simd.splat_f32s(0.0); TAPS]; CHANNELS];
        for (input, planes) in samples.zip(planes) {
            let mut gradients: [&[S::f32s]; CHANNELS] = [&[]; CHANNELS];
            for c in 0..CHANNELS {
                gradients[c] = vectors::<S>(&planes[channels[c]..], length);
            }
            let mut inputs: [&[S::f32s]; TAPS] = [&[]; TAPS];
            for t in 0..TAPS {
                inputs[t] = vectors::<S>(&input[offsets[t]..], length);
            }
            for at in 0..length / S::F32_LANES {
                let mut columns = [simd.splat_f32s(0.0); TAPS];
                for t in 0..TAPS {
                    columns[t] = inputs[t][at];
                }
                for c in 0..CHANNELS {
                    let gradient = gradients[c][at];
                    for t in 0..TAPS {
                        sums[c][t] = simd.mul_add_e_f32s(gradient, columns[t], sums[c][t]);
                    }
                }
            }
        }
        sums
    }
}

#[inline(always)]
fn vectors<S: Simd>(slice: &[f32], length: usize) -> &[S::f32s] {
    &S::as_simd_f32s(&slice[..length]).0[..length / S::F32_LANES]
}
