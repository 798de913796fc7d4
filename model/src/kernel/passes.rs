//! Elementwise passes over channels, each fused to one walk through memory.

use pulp::{Simd, WithSimd};

/// `output = source · scale + shift`, plus a residual, rectified; rows of `pitch` become dense.
#[derive(Debug)]
pub(super) struct Finish<'a> {
    pub source: &'a [f32],
    pub pitch: usize,
    pub width: usize,
    pub scale: f32,
    pub shift: f32,
    pub residual: Option<&'a [f32]>,
    pub rectify: bool,
    /// Dense rows of `width`.
    pub output: &'a mut [f32],
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (scale, shift) = (self.scale, self.shift);
        let rows = self.output.chunks_exact_mut(self.width);
        let rows = rows.zip(self.source.chunks(self.pitch));
        match (self.residual, self.rectify) {
            (None, false) => rows.for_each(|(to, from)| {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from * scale + shift;
                }
            }),
            (None, true) => rows.for_each(|(to, from)| {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = rectified(*from * scale + shift);
                }
            }),
            (Some(residual), rectify) => {
                let rows = rows.zip(residual.chunks_exact(self.width));
                rows.for_each(|((to, from), more)| {
                    for ((to, from), more) in to.iter_mut().zip(from).zip(more) {
                        let sum = *from * scale + shift + *more;
                        *to = if rectify { rectified(sum) } else { sum };
                    }
                });
            }
        }
    }
}

/// The rectifier; what is not a number stays so.
#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

/// Copies rows of `pitch` into dense rows and returns the sum and the sum of squares about the mean.
#[derive(Debug)]
pub(super) struct Moments<'a> {
    pub source: &'a [f32],
    pub pitch: usize,
    pub width: usize,
    pub output: &'a mut [f32],
}

impl WithSimd for Moments<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let rows = self.output.chunks_exact_mut(self.width);
        for (to, from) in rows.zip(self.source.chunks(self.pitch)) {
            to.copy_from_slice(&from[..to.len()]);
        }
        moments(simd, self.output)
    }
}

/// The sum of values and the sum of their squares about the mean.
#[inline(always)]
pub(super) fn moments<S: Simd>(simd: S, values: &[f32]) -> [f64; 2] {
    let count = values.len() as f64;
    let [sum] = sums(simd, [values], |[x]| [x], |[x]| [x]);
    let mean = (sum / count) as f32;
    let centre = simd.splat_f32s(mean);
    let [squares, rest] = sums(
        simd,
        [values],
        #[inline(always)]
        |[x]| {
            let d = simd.sub_f32s(x, centre);
            [simd.mul_f32s(d, d), d]
        },
        |[x]| [(x - mean) * (x - mean), x - mean],
    );
    // The mean was rounded: Chan's correction.
    [sum, squares - rest * rest / count]
}

/// Sums of the output's gradient and of its product with the centred convolution.
#[derive(Debug)]
pub(super) struct GradientSums<'a> {
    pub gradient: &'a [f32],
    /// What the layer returned, where it was rectified.
    pub output: Option<&'a [f32]>,
    pub convolved: &'a [f32],
    pub mean: f32,
}

impl WithSimd for GradientSums<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let (mean, centre, zero) = (self.mean, simd.splat_f32s(self.mean), simd.splat_f32s(0.0));
        match self.output {
            Some(output) => sums(
                simd,
                [self.gradient, self.convolved, output],
                #[inline(always)]
                |[g, z, y]| {
                    let g = simd.select_f32s(simd.less_than_f32s(zero, y), g, zero);
                    [g, simd.mul_f32s(g, simd.sub_f32s(z, centre))]
                },
                #[inline(always)]
                |[g, z, y]| {
                    let g = if y > 0.0 { g } else { 0.0 };
                    [g, g * (z - mean)]
                },
            ),
            None => sums(
                simd,
                [self.gradient, self.convolved],
                #[inline(always)]
                |[g, z]| [g, simd.mul_f32s(g, simd.sub_f32s(z, centre))],
                #[inline(always)]
                |[g, z]| [g, g * (z - mean)],
            ),
        }
    }
}

/// Running sums of a reduction.
const WAYS: usize = 4;

/// Sums `OUT` quantities over `IN` slices of one length, always in the same order.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Over several slices at once.
fn sums<S: Simd, const IN: usize, const OUT: usize>(
    simd: S,
    slices: [&[f32]; IN],
    vector: impl Fn([S::f32s; IN]) -> [S::f32s; OUT],
    scalar: impl Fn([f32; IN]) -> [f32; OUT],
) -> [f64; OUT] {
    let length = slices[0].len();
    let parts = slices.map(|slice| S::as_simd_f32s(&slice[..length]));
    let count = length / S::F32_LANES;
    let heads: [&[S::f32s]; IN] = parts.map(|(head, _)| &head[..count]);
    // Several running sums, for the latency of an addition and for precision. They are indexed by
    // constants alone, so that they stay in registers.
    let mut lanes = [[simd.splat_f32s(0.0); OUT]; WAYS];
    let mut at = 0;
    while at < count {
        for (way, lane) in lanes.iter_mut().enumerate() {
            if at + way < count {
                let mut values = [simd.splat_f32s(0.0); IN];
                for (value, head) in values.iter_mut().zip(heads) {
                    *value = head[at + way];
                }
                for (sum, value) in lane.iter_mut().zip(vector(values)) {
                    *sum = simd.add_f32s(*sum, value);
                }
            }
        }
        at += WAYS;
    }
    let mut totals = [0.0; OUT];
    for lane in lanes {
        for (total, sum) in totals.iter_mut().zip(lane) {
            *total += f64::from(simd.reduce_sum_f32s(sum));
        }
    }
    let tails: [&[f32]; IN] = parts.map(|(_, tail)| tail);
    for at in 0..tails[0].len() {
        let values = scalar(std::array::from_fn(|i| tails[i][at]));
        for (total, value) in totals.iter_mut().zip(values) {
            *total += f64::from(value);
        }
    }
    totals
}

/// The gradient of a convolution's output behind a normalisation, into rows of `pitch`:
/// `scale · (g - mean_gradient) + slope · (z - mean)`.
#[derive(Debug)]
pub(super) struct NormGradient<'a> {
    pub gradient: &'a [f32],
    pub output: Option<&'a [f32]>,
    pub convolved: &'a [f32],
    pub width: usize,
    pub mean: f32,
    pub scale: f32,
    pub mean_gradient: f32,
    pub slope: f32,
    pub pitch: usize,
    /// Starts at the first position.
    pub padded: &'a mut [f32],
    /// Where the rectified gradient is wanted for the residual.
    pub residual: Option<&'a mut [f32]>,
}

impl WithSimd for NormGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            mean,
            scale,
            mean_gradient,
            slope,
            ..
        } = self;
        let width = self.width;
        let rows = self.padded.chunks_mut(self.pitch);
        let rows = rows.zip(self.gradient.chunks_exact(width));
        let rows = rows.zip(self.convolved.chunks_exact(width));
        match self.output {
            Some(output) => {
                for (((to, g), z), y) in rows.zip(output.chunks_exact(width)) {
                    for (((to, g), z), y) in to.iter_mut().zip(g).zip(z).zip(y) {
                        let g = if *y > 0.0 { *g } else { 0.0 };
                        *to = scale * (g - mean_gradient) + slope * (*z - mean);
                    }
                }
                if let Some(residual) = self.residual {
                    for ((to, g), y) in residual.iter_mut().zip(self.gradient).zip(output) {
                        *to = if *y > 0.0 { *g } else { 0.0 };
                    }
                }
            }
            None => {
                for ((to, g), z) in rows {
                    for ((to, g), z) in to.iter_mut().zip(g).zip(z) {
                        *to = scale * (*g - mean_gradient) + slope * (*z - mean);
                    }
                }
                if let Some(residual) = self.residual {
                    residual.copy_from_slice(self.gradient);
                }
            }
        }
    }
}

/// Interleaves two rows into one of twice the width.
#[derive(Debug)]
pub(super) struct Interleave<'a> {
    pub even: &'a [f32],
    pub odd: &'a [f32],
    pub output: &'a mut [f32],
}

impl WithSimd for Interleave<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (pairs, rest) = self.output.as_chunks_mut::<2>();
        let count = pairs.len();
        for ((pair, even), odd) in pairs.iter_mut().zip(self.even).zip(self.odd) {
            *pair = [*even, *odd];
        }
        if let (Some(last), Some(even)) = (rest.first_mut(), self.even.get(count)) {
            *last = *even;
        }
    }
}
