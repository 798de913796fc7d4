//! What the spatial branch sees: centred pixels beside truncated residuals.

use pulp::{Arch, Simd, WithSimd};

use super::geometry::Geometry;
use super::layer::each;
use super::planes::{Pad, SLACK, strips};
use super::pool;
use super::scratch::{self, Slot};

/// Channels: pixels and four residuals.
pub(crate) const CHANNELS: usize = 5;

/// Pixels, scaled to [-1, 1], beside their residuals: the differences to the neighbour on the right,
/// below and on the diagonal, and the second-order residual `-¼ [1, -2, 1]ᵀ [1, -2, 1]`, with zeros
/// outside, times `gain` and truncated to [-1, 1].
///
/// # Shapes
/// - `pixels`: `[batch, 1, height, width]` in `[0, 1]`
/// - output: `[batch, 5, height, width]`
pub(crate) fn residuals(pixels: &[f32], size: [usize; 2], gain: f32) -> Vec<f32> {
    let arch = Arch::new();
    let [height, width] = size;
    let plane = height * width;
    let mut output = pool::take(pixels.len() * CHANNELS);
    let threads = rayon::current_num_threads();
    let rows = height.div_ceil(threads.div_ceil((pixels.len() / plane).max(1)));
    let mut jobs = Vec::new();
    for (pixels, output) in pixels
        .chunks_exact(plane)
        .zip(output.chunks_exact_mut(CHANNELS * plane))
    {
        let strips = strips(output, size, rows);
        jobs.extend(
            strips
                .into_iter()
                .map(|(first, output)| (pixels, first, output)),
        );
    }
    each(jobs, |(pixels, first, output)| {
        let strip = Geometry {
            inputs: 1,
            outputs: CHANNELS,
            size: [output[0].len() / width, width],
            kernel: 3,
            stride: 1,
        };
        scratch::with(Slot::Input, strip.padded() + SLACK, |padded| {
            arch.dispatch(Pad {
                strip: &strip,
                input: pixels,
                height,
                first,
                padded: &mut *padded,
            });
            arch.dispatch(Residuals {
                padded,
                pitch: strip.pitch(),
                width,
                gain,
                output,
            });
        });
    });
    output
}

/// All channels of a strip of one sample.
struct Residuals<'a> {
    /// Rows a pitch apart, a row and a column of zeros or neighbours before and after.
    padded: &'a [f32],
    pitch: usize,
    width: usize,
    gain: f32,
    /// The strip's rows of every channel.
    output: Vec<&'a mut [f32]>,
}

impl WithSimd for Residuals<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // Over many slices at once.
    fn with_simd<S: Simd>(self, _: S) {
        let (width, pitch, gain) = (self.width, self.pitch, self.gain);
        let Ok([centred, right, below, diagonal, second]) =
            <[&mut [f32]; CHANNELS]>::try_from(self.output)
        else {
            unreachable!("a strip has a part for every channel");
        };
        let rows = centred.chunks_exact_mut(width);
        let rows = rows.zip(right.chunks_exact_mut(width));
        let rows = rows.zip(below.chunks_exact_mut(width));
        let rows = rows.zip(diagonal.chunks_exact_mut(width));
        let rows = rows.zip(second.chunks_exact_mut(width));
        for (y, ((((centred, right), below), diagonal), second)) in rows.enumerate() {
            let row = |y: usize| &self.padded[y * pitch..][..width + 2];
            let (above, here, under) = (row(y), row(y + 1), row(y + 2));
            for x in 0..width {
                let pixel = here[x + 1];
                centred[x] = pixel * 2.0 - 1.0;
                right[x] = truncated(here[x + 2] - pixel, gain);
                below[x] = truncated(under[x + 1] - pixel, gain);
                diagonal[x] = truncated(under[x + 2] - pixel, gain);
                let corners = above[x] + above[x + 2] + (under[x] + under[x + 2]);
                let edges = above[x + 1] + under[x + 1] + (here[x] + here[x + 2]);
                second[x] = truncated(0.5 * edges - 0.25 * corners - pixel, gain);
            }
        }
    }
}

#[inline(always)]
fn truncated(value: f32, gain: f32) -> f32 {
    let value = value * gain;
    let value = if value < -1.0 { -1.0 } else { value };
    if value > 1.0 { 1.0 } else { value }
}
