//! 3×3 convolutions of stride one by Winograd's minimal filtering F(2×2, 3×3): Lavin & Gray, "Fast
//! algorithms for convolutional neural networks" (CVPR 2016).
//!
//! Every 2×2 outputs come of a 4×4 *tile* of the input. Tile and kernel are transformed so that the
//! convolution becomes sixteen products of matrices, one for each *point*, and the outputs another
//! transform of those: 16 multiplications where the definition needs 36. The transforms of F(2×2) are
//! sums and halves, so that nothing is lost in precision; larger tiles would save more and lose some.
//!
//! A vector holds neighbouring tiles: the four phases of a padded input put what they share side by
//! side.

use pulp::{Arch, Simd, WithSimd};

use super::geometry::{Geometry, LANES};
use super::infer::{Strip, Tail};
use super::planes::{Pad, SLACK};
use super::pool;
use super::scratch::{self, Slot};
use super::taps::{BLOCK, Taps, padded_positions};

/// Points of a transformed tile.
const POINTS: usize = 16;

/// Rows of tiles in a strip at most: what a strip of the detector's layers is transformed to then takes
/// 0.8 MiB at most, and stays in the second-level cache of today's cores.
pub(super) const TILE_ROWS: usize = 16;

/// Whether a convolution can be done so.
pub(super) fn supports(g: &Geometry) -> bool {
    g.kernel == 3 && g.stride == 1 && g.size.iter().all(|side| side % 2 == 0)
}

/// A layer's transformed weights.
#[derive(Debug)]
pub(super) struct Winograd {
    /// `[points, blocks, inputs, BLOCK]`
    weights: Vec<f32>,
}

impl Winograd {
    pub(super) fn new(arch: Arch, g: &Geometry, weight: &[f32]) -> Self {
        let blocks = g.outputs.div_ceil(BLOCK);
        let mut weights = pool::take(POINTS * blocks * g.inputs * BLOCK);
        arch.dispatch(Weights {
            weight,
            inputs: g.inputs,
            output: weights.as_chunks_mut().0,
        });
        Self { weights }
    }

    /// Keeps the memory for the next layer.
    pub(super) fn recycle(self) {
        pool::give(self.weights);
    }

    /// Convolves a strip.
    pub(super) fn strip(&self, arch: Arch, g: &Geometry, tail: Tail<'_>, mut strip: Strip<'_>) {
        // Tiles lie where the outputs of a convolution of stride two would.
        let s = Geometry {
            size: [strip.rows, g.size[1]],
            stride: 2,
            ..*g
        };
        let count = padded_positions(s.positions());
        let point = g.inputs * count + GAP;
        scratch::with(Slot::Output, POINTS * point, |spread| {
            scratch::with(Slot::Input, s.padded() + SLACK, |padded| {
                arch.dispatch(Pad {
                    strip: &s,
                    input: strip.input,
                    height: g.size[0],
                    first: strip.first,
                    padded: &mut *padded,
                });
                arch.dispatch(Spread {
                    padded,
                    plane: s.padded_plane(),
                    pitch: s.pitch(),
                    inputs: g.inputs,
                    count,
                    point,
                    output: spread,
                });
            });
            let offsets: Vec<usize> = (0..g.inputs).map(|input| input * count).collect();
            scratch::with(Slot::Flat, (POINTS * BLOCK + 4) * count, |flat| {
                let (products, outputs) = flat.split_at_mut(POINTS * BLOCK * count);
                for block in 0..g.outputs.div_ceil(BLOCK) {
                    arch.dispatch(Products {
                        spread,
                        point,
                        offsets: &offsets,
                        weights: self.weights.as_chunks().0,
                        block,
                        count,
                        output: products,
                    });
                    for index in 0..BLOCK.min(g.outputs - block * BLOCK) {
                        let channel = block * BLOCK + index;
                        let (residual, output) = strip.channel(g, channel);
                        arch.dispatch(Collect {
                            products: &products[index * count..],
                            count,
                            scale: tail.scale[channel],
                            shift: tail.shift[channel],
                            planes: outputs,
                            pitch: s.pitch(),
                            width: g.size[1],
                            residual,
                            rectify: tail.rectify,
                            output,
                        });
                    }
                }
            });
        });
    }
}

/// Elements between two points, so that they do not fall into the same sets of a cache.
const GAP: usize = 3 * LANES;

/// `G g Gᵀ` of every kernel, for a block of output channels at once.
struct Weights<'a> {
    /// `[outputs, inputs, 9]`
    weight: &'a [f32],
    inputs: usize,
    /// `[points, blocks, inputs]`
    output: &'a mut [[f32; BLOCK]],
}

impl WithSimd for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.inputs * 9;
        let count = self.output.len() / POINTS;
        for (block, channels) in self.weight.chunks(BLOCK * rows).enumerate() {
            // A short block repeats its last channel, whose copies are dropped.
            let last = channels.len() / rows - 1;
            let channels: [&[f32]; BLOCK] =
                std::array::from_fn(|channel| &channels[channel.min(last) * rows..][..rows]);
            for input in 0..self.inputs {
                let mut kernel = [[0.0; BLOCK]; 9];
                for (channel, weights) in channels.iter().enumerate() {
                    for (element, weight) in kernel.iter_mut().zip(&weights[9 * input..][..9]) {
                        element[channel] = *weight;
                    }
                }
                let [left, middle, right]: [[[f32; BLOCK]; 4]; 3] =
                    std::array::from_fn(|x| halves([kernel[x], kernel[3 + x], kernel[6 + x]]));
                for (y, ((a, b), c)) in left.into_iter().zip(middle).zip(right).enumerate() {
                    for (x, value) in halves([a, b, c]).into_iter().enumerate() {
                        self.output[(4 * y + x) * count + block * self.inputs + input] = value;
                    }
                }
            }
        }
    }
}

/// `G = [[1, 0, 0], [½, ½, ½], [½, -½, ½], [0, 0, 1]]` times a column.
#[inline(always)]
fn halves([a, b, c]: [[f32; BLOCK]; 3]) -> [[f32; BLOCK]; 4] {
    let mut found = [a, a, a, c];
    for i in 0..BLOCK {
        let outer = 0.5 * (a[i] + c[i]);
        found[1][i] = outer + 0.5 * b[i];
        found[2][i] = outer - 0.5 * b[i];
    }
    found
}

/// `Bᵀ d B` of every tile: `B` from columns `[1, 0, -1, 0]`, `[0, 1, 1, 0]`, `[0, -1, 1, 0]` and
/// `[0, 1, 0, -1]`.
struct Spread<'a> {
    /// `[inputs, 2, 2, plane]`: phases of the padded strip.
    padded: &'a [f32],
    plane: usize,
    pitch: usize,
    inputs: usize,
    /// Tiles, whole vectors of them.
    count: usize,
    /// Elements from one point to the next.
    point: usize,
    /// `[points, inputs, count]`
    output: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // Over several arrays at once.
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        for input in 0..self.inputs {
            for at in (0..self.count).step_by(lanes) {
                let zero = simd.splat_f32s(0.0);
                let mut tile = [[zero; 4]; 4];
                for y in 0..4 {
                    for x in 0..4 {
                        let phase = 4 * input + y % 2 * 2 + x % 2;
                        let start = phase * self.plane + y / 2 * self.pitch + x / 2 + at;
                        tile[y][x] = S::as_simd_f32s(&self.padded[start..][..lanes]).0[0];
                    }
                }
                let mut rows = [[zero; 4]; 4];
                for x in 0..4 {
                    let column =
                        differences(simd, [tile[0][x], tile[1][x], tile[2][x], tile[3][x]]);
                    for y in 0..4 {
                        rows[y][x] = column[y];
                    }
                }
                for y in 0..4 {
                    let row = differences(simd, rows[y]);
                    for x in 0..4 {
                        let start = (4 * y + x) * self.point + input * self.count + at;
                        S::as_mut_simd_f32s(&mut self.output[start..][..lanes]).0[0] = row[x];
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn differences<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [
        simd.sub_f32s(a, c),
        simd.add_f32s(b, c),
        simd.sub_f32s(c, b),
        simd.sub_f32s(b, d),
    ]
}

/// The sixteen products for one block of output channels.
struct Products<'a> {
    /// `[points, inputs, count]`
    spread: &'a [f32],
    point: usize,
    offsets: &'a [usize],
    /// `[points, blocks, inputs]`
    weights: &'a [[f32; BLOCK]],
    block: usize,
    count: usize,
    /// `[points, BLOCK, count]`
    output: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let inputs = self.offsets.len();
        let weights = self.weights.chunks_exact(self.weights.len() / POINTS);
        let outputs = self.output.chunks_exact_mut(BLOCK * self.count);
        for ((input, weights), output) in self
            .spread
            .chunks_exact(self.point)
            .zip(weights)
            .zip(outputs)
        {
            Taps {
                input,
                offsets: self.offsets,
                weights: &weights[self.block * inputs..][..inputs],
                positions: self.count,
                output,
            }
            .with_simd(simd);
        }
    }
}

/// `Aᵀ m A` of every tile, with `Aᵀ = [[1, 1, 1, 0], [0, 1, -1, -1]]`, then what follows the
/// convolution, for one channel.
struct Collect<'a> {
    /// `[points, BLOCK, count]` from the channel on.
    products: &'a [f32],
    count: usize,
    scale: f32,
    shift: f32,
    /// Room for `[2, 2, count]`.
    planes: &'a mut [f32],
    pitch: usize,
    width: usize,
    residual: Option<&'a [f32]>,
    rectify: bool,
    /// Dense rows of `width`.
    output: &'a mut [f32],
}

impl WithSimd for Collect<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // Over several arrays at once.
    fn with_simd<S: Simd>(self, simd: S) {
        let (lanes, count) = (S::F32_LANES, self.count);
        let (scale, shift) = (simd.splat_f32s(self.scale), simd.splat_f32s(self.shift));
        for at in (0..count).step_by(lanes) {
            let zero = simd.splat_f32s(0.0);
            let mut rows = [[zero; 4]; 2];
            for x in 0..4 {
                let mut column = [zero; 4];
                for y in 0..4 {
                    let start = (4 * y + x) * BLOCK * count + at;
                    column[y] = S::as_simd_f32s(&self.products[start..][..lanes]).0[0];
                }
                let [top, bottom] = sums(simd, column);
                rows[0][x] = top;
                rows[1][x] = bottom;
            }
            for y in 0..2 {
                let row = sums(simd, rows[y]);
                for x in 0..2 {
                    let start = (2 * y + x) * count + at;
                    S::as_mut_simd_f32s(&mut self.planes[start..][..lanes]).0[0] =
                        simd.mul_add_e_f32s(row[x], scale, shift);
                }
            }
        }
        let width = self.width;
        let rectify = |value: f32| {
            if self.rectify && value < 0.0 {
                0.0
            } else {
                value
            }
        };
        for (index, output) in self.output.chunks_exact_mut(width).enumerate() {
            let start = index % 2 * 2 * count + index / 2 * self.pitch;
            let even = &self.planes[start..][..width / 2];
            let odd = &self.planes[start + count..][..width / 2];
            let pairs = output.as_chunks_mut::<2>().0.iter_mut().zip(even).zip(odd);
            match self.residual {
                None => {
                    for ((pair, even), odd) in pairs {
                        *pair = [rectify(*even), rectify(*odd)];
                    }
                }
                Some(residual) => {
                    let residual = residual[index * width..][..width].as_chunks::<2>().0;
                    for (((pair, even), odd), more) in pairs.zip(residual) {
                        *pair = [rectify(*even + more[0]), rectify(*odd + more[1])];
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn sums<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    let (sum, difference) = (simd.add_f32s(b, c), simd.sub_f32s(b, c));
    [simd.add_f32s(a, sum), simd.sub_f32s(difference, d)]
}
