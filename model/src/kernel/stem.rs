//! What the spatial branch sees: centred pixels beside truncated residuals.

use pulp::{Arch, Simd, WithSimd};

use super::geometry::Geometry;
use super::layer::{convolve, each, pack_forward};
use super::pool;

/// `min(max(source · gain, -1), 1)` of rows a pitch apart, into dense rows.
struct Truncate<'a> {
    source: &'a [f32],
    pitch: usize,
    width: usize,
    gain: f32,
    output: &'a mut [f32],
}

impl WithSimd for Truncate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.output.chunks_exact_mut(self.width);
        for (to, from) in rows.zip(self.source.chunks(self.pitch)) {
            for (to, from) in to.iter_mut().zip(from) {
                let value = *from * self.gain;
                let value = if value < -1.0 { -1.0 } else { value };
                *to = if value > 1.0 { 1.0 } else { value };
            }
        }
    }
}

/// `2 · source - 1`
struct Centre<'a> {
    source: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Centre<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (to, from) in self.output.iter_mut().zip(self.source) {
            *to = *from * 2.0 - 1.0;
        }
    }
}

/// Pixels, scaled to [-1, 1], beside their residuals.
///
/// # Shapes
/// - `pixels`: `[batch, 1, height, width]` in `[0, 1]`
/// - `kernels`: `[residuals, 3, 3]`
/// - output: `[batch, 1 + residuals, height, width]`
pub(crate) fn residuals(pixels: &[f32], size: [usize; 2], kernels: &[f32], gain: f32) -> Vec<f32> {
    let arch = Arch::new();
    let g = Geometry {
        inputs: 1,
        outputs: kernels.len() / 9,
        size,
        kernel: 3,
        stride: 1,
    };
    let (offsets, packed) = (g.offsets(), pack_forward(&g, kernels));
    let plane = g.input_plane();
    let mut output = pool::take(pixels.len() * (1 + g.outputs));
    let jobs = pixels
        .chunks_exact(plane)
        .zip(output.chunks_exact_mut((1 + g.outputs) * plane))
        .collect();
    each(jobs, |(pixels, output): (&[f32], &mut [f32])| {
        let (centred, residuals) = output.split_at_mut(plane);
        arch.dispatch(Centre {
            source: pixels,
            output: centred,
        });
        convolve(arch, &g, (&offsets, &packed), pixels, |channel, flat| {
            arch.dispatch(Truncate {
                source: flat,
                pitch: g.pitch(),
                width: size[1],
                gain,
                output: &mut residuals[channel * plane..][..plane],
            });
        });
    });
    output
}
