//! Statistics of block DCT coefficients.
//!
//! Blocks of a row are laid side by side, so that a vector holds one coefficient of many blocks.

use pulp::{Arch, Simd, WithSimd};

use super::geometry::LANES;
use super::layer::each;
use super::scratch::{self, Slot};

/// Side of a block.
pub(crate) const SIDE: usize = 8;

/// Coefficients of a block.
const AREA: usize = SIDE * SIDE;

/// How magnitudes become features: `(ln(|c| + floor) + offset) · scale`, and what is added to the
/// variance before its root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Magnitude {
    pub floor: f32,
    pub offset: f32,
    pub scale: f32,
    pub epsilon: f64,
}

/// Mean log magnitudes by place, and their mean and spread over the tile.
///
/// # Shapes
/// - `pixels`: `[batch, height, width]`, sides multiples of two blocks
/// - `basis`: `[frequency, position]` of the one-dimensional DCT
/// - output: by place `[batch, 64, height / 16, width / 16]`, for the tile `[batch, 2, 64]`, taken
///   over the blocks of the aligned grid and of the one shifted by half a block
pub(crate) fn statistics(
    pixels: &[f32],
    size: [usize; 2],
    basis: &[f32; AREA],
    magnitude: Magnitude,
) -> (Vec<f32>, Vec<f32>) {
    let arch = Arch::new();
    let [height, width] = size;
    let cells = (height / (2 * SIDE)) * (width / (2 * SIDE));
    let batch = pixels.len() / (height * width);
    let mut local = vec![0.0; batch * AREA * cells];
    let mut tile = vec![0.0; batch * 2 * AREA];
    // The two grids are two jobs, so that a lone tile occupies two threads.
    let jobs = pixels
        .chunks_exact(height * width)
        .zip(local.chunks_exact_mut(AREA * cells))
        .flat_map(|(pixels, local)| [(pixels, Some(local)), (pixels, None)])
        .collect();
    let totals = each(jobs, |(pixels, mut local): (&[f32], Option<&mut [f32]>)| {
        let mut totals = [Running::default(); AREA];
        let shift = if local.is_some() { 0 } else { SIDE / 2 };
        let [rows, columns] = blocks_of(size, shift);
        let stride = columns.next_multiple_of(LANES);
        scratch::with(Slot::Input, AREA * stride, |blocks| {
            scratch::with(Slot::Flat, AREA * stride, |work| {
                for row in 0..rows {
                    let at = (row * SIDE + shift) * width + shift;
                    gather(&pixels[at..], width, columns, stride, blocks);
                    arch.dispatch(Transform {
                        basis,
                        stride,
                        columns,
                        magnitude,
                        first: row == 0,
                        work: &mut *work,
                        blocks: &mut *blocks,
                        totals: &mut totals,
                    });
                    if let Some(local) = &mut local {
                        pool(blocks, stride, columns / 2, row / 2, local);
                    }
                }
            });
        });
        totals
    });
    let counts = [0, SIDE / 2].map(|shift| blocks_of(size, shift).iter().product::<usize>() as f64);
    let all = counts[0] + counts[1];
    for (tile, totals) in tile.chunks_exact_mut(2 * AREA).zip(totals.as_chunks().0) {
        let [aligned, shifted]: &[[Running; AREA]; 2] = totals;
        let (means, spreads) = tile.split_at_mut(AREA);
        let results = means.iter_mut().zip(spreads);
        for ((mean, spread), parts) in results.zip(aligned.iter().zip(shifted)) {
            let [[a, of_a], [b, of_b]] = [parts.0.moments(counts[0]), parts.1.moments(counts[1])];
            let middle = (a * counts[0] + b * counts[1]) / all;
            // Chan et al., 1979.
            let between = counts[0] * counts[1] * ((a - b) / all).powi(2);
            let variance = (of_a * counts[0] + of_b * counts[1]) / all + between;
            *mean = middle as f32;
            *spread = (variance + magnitude.epsilon).sqrt() as f32;
        }
    }
    (local, tile)
}

/// Rows and columns of blocks on a grid shifted from the corner.
fn blocks_of(size: [usize; 2], shift: usize) -> [usize; 2] {
    size.map(|side| (side - 2 * shift) / SIDE)
}

/// Lays the pixels of a row of blocks out as `[y, x, block]`.
// Not for a vector's dispatch: gathers of strided elements are slower than moves one by one.
fn gather(pixels: &[f32], width: usize, columns: usize, stride: usize, blocks: &mut [f32]) {
    for (row, planes) in pixels
        .chunks(width)
        .zip(blocks.chunks_exact_mut(SIDE * stride))
    {
        let (row, _) = row[..columns * SIDE].as_chunks::<SIDE>();
        for (x, plane) in planes.chunks_exact_mut(stride).enumerate() {
            for (to, from) in plane.iter_mut().zip(row) {
                *to = from[x];
            }
            plane[columns..].fill(0.0);
        }
    }
}

/// Adds a quarter of every four neighbouring blocks to their cell.
fn pool(blocks: &[f32], stride: usize, cells: usize, row: usize, local: &mut [f32]) {
    let planes = local.chunks_exact_mut(local.len() / AREA);
    for (plane, values) in planes.zip(blocks.chunks_exact(stride)) {
        let (pairs, _) = values.as_chunks::<2>();
        for (to, [left, right]) in plane[row * cells..][..cells].iter_mut().zip(pairs) {
            *to += 0.25 * (left + right);
        }
    }
}

/// Sums of one coefficient's differences from a value near its mean and of their squares, in as many
/// parts as the widest vector has lanes.
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    about: f32,
    sums: [f32; LANES],
    squares: [f32; LANES],
}

impl Running {
    /// Adds the first `columns` values; what follows them is overwritten.
    #[inline(always)]
    fn add(&mut self, values: &mut [f32], columns: usize) {
        values[columns..].fill(self.about);
        for values in values.as_chunks::<LANES>().0 {
            let parts = self.sums.iter_mut().zip(&mut self.squares);
            for ((sum, square), value) in parts.zip(values) {
                let difference = value - self.about;
                *sum += difference;
                *square += difference * difference;
            }
        }
    }

    /// The mean and the variance of `count` values.
    fn moments(&self, count: f64) -> [f64; 2] {
        let total = |parts: &[f32]| parts.iter().map(|&part| f64::from(part)).sum::<f64>();
        let shift = total(&self.sums) / count;
        let variance = total(&self.squares) / count - shift * shift;
        [f64::from(self.about) + shift, variance.max(0.0)]
    }
}

/// Transforms a row of blocks in place and adds its log magnitudes to the totals.
struct Transform<'a> {
    basis: &'a [f32; AREA],
    stride: usize,
    columns: usize,
    magnitude: Magnitude,
    /// Whether the totals begin with it.
    first: bool,
    work: &'a mut [f32],
    blocks: &'a mut [f32],
    totals: &'a mut [Running; AREA],
}

impl WithSimd for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.stride;
        // Down the columns, then along the rows.
        for x in 0..SIDE {
            dct(
                simd,
                self.basis,
                self.blocks,
                self.work,
                x * stride,
                SIDE * stride,
            );
        }
        for y in 0..SIDE {
            dct(
                simd,
                self.basis,
                self.work,
                self.blocks,
                y * SIDE * stride,
                stride,
            );
        }
        let Magnitude {
            floor,
            offset,
            scale,
            ..
        } = self.magnitude;
        for value in self.blocks.iter_mut() {
            *value = (logarithm(value.abs() + floor) + offset) * scale;
        }
        let coefficients = self.blocks.chunks_exact_mut(stride);
        for (values, total) in coefficients.zip(self.totals) {
            if self.first {
                total.about = values[..self.columns].iter().sum::<f32>() / self.columns as f32;
            }
            total.add(values, self.columns);
        }
    }
}

/// One-dimensional transforms of eight planes of one row's length, `step` apart, from `first`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Over several slices at once.
fn dct<S: Simd>(
    simd: S,
    basis: &[f32; AREA],
    from: &[f32],
    to: &mut [f32],
    first: usize,
    step: usize,
) {
    let length = from.len() / AREA;
    let planes: [&[S::f32s]; SIDE] =
        std::array::from_fn(|i| S::as_simd_f32s(&from[first + i * step..][..length]).0);
    for at in 0..length / S::F32_LANES {
        let values: [S::f32s; SIDE] = std::array::from_fn(|i| planes[i][at]);
        for (frequency, row) in basis.as_chunks::<SIDE>().0.iter().enumerate() {
            let mut sum = simd.mul_f32s(simd.splat_f32s(row[0]), values[0]);
            for position in 1..SIDE {
                let weight = simd.splat_f32s(row[position]);
                sum = simd.mul_add_e_f32s(weight, values[position], sum);
            }
            let start = first + frequency * step + at * S::F32_LANES;
            S::as_mut_simd_f32s(&mut to[start..][..S::F32_LANES]).0[0] = sum;
        }
    }
}

/// Natural logarithm of a positive normal number, to about one unit in the last place: Cephes'
/// `logf` (Moshier, 1992), without branches so that loops over it vectorise.
#[inline(always)]
#[allow(clippy::excessive_precision)] // As published.
fn logarithm(x: f32) -> f32 {
    /// Bits of √½: the mantissa is taken from [√½, √2).
    const ROOT: u32 = 0x3f35_04f3;
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(ROOT) as i32) >> 23;
    let f = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)) - 1.0;
    let exponent = exponent as f32;
    let square = f * f;
    let mut series = 7.037_683_629_2e-2;
    for coefficient in [
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ] {
        series = series * f + coefficient;
    }
    // ln 2 in two parts, the first exact in few bits.
    let low = series * f * square - exponent * 2.121_944_40e-4 - 0.5 * square;
    f + low + exponent * 0.693_359_375
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        let mut x = 1e-6_f32;
        while x < 1e6 {
            let expected = f64::from(x).ln();
            let error = (f64::from(logarithm(x)) - expected).abs();
            assert!(error < 2e-7 * (1.0 + expected.abs()), "ln {x}: {error}");
            x *= 1.000_37;
        }
    }
}
