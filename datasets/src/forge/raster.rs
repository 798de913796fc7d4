//! Filters and interpolation on grey planes, with mirrored borders.

use std::sync::OnceLock;

use rand::Rng;
use rand::rngs::StdRng;

use crate::GrayImage;

/// Interpolation kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Bilinear,
    /// Catmull-Rom (Keys, IEEE TASSP 1981, a = -1/2).
    Bicubic,
    Lanczos3,
}

impl Kernel {
    /// Those that no person sees in the result.
    pub(super) const SMOOTH: [Self; 3] = [Self::Bilinear, Self::Bicubic, Self::Lanczos3];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Lanczos3 => "lanczos3",
        }
    }

    /// Weights of `2 * reach` neighbours for an offset in `[0, 1)`; returns the reach.
    fn weights(self, offset: f32, weights: &mut [f32; 6]) -> usize {
        match self {
            Self::Bilinear => {
                weights[..2].copy_from_slice(&[1.0 - offset, offset]);
                1
            }
            Self::Bicubic => {
                let (t, t2, t3) = (offset, offset * offset, offset * offset * offset);
                weights[..4].copy_from_slice(&[
                    -0.5 * t3 + t2 - 0.5 * t,
                    1.5 * t3 - 2.5 * t2 + 1.0,
                    -1.5 * t3 + 2.0 * t2 + 0.5 * t,
                    0.5 * t3 - 0.5 * t2,
                ]);
                2
            }
            Self::Lanczos3 => {
                *weights = lanczos_table()[(offset * LANCZOS_STEPS as f32).round() as usize];
                3
            }
        }
    }
}

/// Offsets between two pixels that the Lanczos kernel is tabulated for; its sines would cost more than
/// all the rest of a patch.
const LANCZOS_STEPS: usize = 512;

fn lanczos_table() -> &'static [[f32; 6]] {
    static TABLE: OnceLock<Vec<[f32; 6]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        (0..=LANCZOS_STEPS)
            .map(|step| {
                let offset = step as f32 / LANCZOS_STEPS as f32;
                let weights: [f32; 6] = std::array::from_fn(|index| {
                    let x = (index as f32 - 2.0 - offset) * std::f32::consts::PI;
                    if x.abs() < 1e-4 {
                        1.0
                    } else {
                        3.0 * x.sin() * (x / 3.0).sin() / (x * x)
                    }
                });
                let sum: f32 = weights.iter().sum();
                weights.map(|weight| weight / sum)
            })
            .collect()
    })
}

/// Mirrors an index into `0..size` without repeating the border.
pub(super) fn mirrored(index: isize, size: usize) -> usize {
    let last = size as isize - 1;
    if (0..=last).contains(&index) {
        return index as usize;
    }
    let period = (2 * last).max(1);
    let phase = index.rem_euclid(period);
    phase.min(period - phase).min(last) as usize
}

/// The grey at a place between pixels.
pub(super) fn sample(image: &GrayImage, y: f32, x: f32, kernel: Kernel) -> f32 {
    let (y0, x0) = (y.floor(), x.floor());
    let (mut wy, mut wx) = ([0.0; 6], [0.0; 6]);
    let reach = kernel.weights(y - y0, &mut wy) as isize;
    kernel.weights(x - x0, &mut wx);
    let (y0, x0) = (y0 as isize, x0 as isize);
    let taps = 2 * reach as usize;
    let mut columns = [0; 6];
    for (tap, column) in columns[..taps].iter_mut().enumerate() {
        *column = mirrored(x0 + 1 - reach + tap as isize, image.columns);
    }
    let mut sum = 0.0;
    for (tap, weight) in wy[..taps].iter().enumerate() {
        let line = mirrored(y0 + 1 - reach + tap as isize, image.rows) * image.columns;
        let row: f32 = columns[..taps]
            .iter()
            .zip(&wx)
            .map(|(&column, w)| image.pixels[line + column] * w)
            .sum();
        sum += weight * row;
    }
    sum
}

/// Convolves rows and columns with one odd, symmetric kernel.
pub(super) fn separable(image: &GrayImage, kernel: &[f32]) -> GrayImage {
    let (rows, columns, radius) = (image.rows, image.columns, kernel.len() / 2);
    let mut across = vec![0.0_f32; rows * columns];
    let mut padded = vec![0.0_f32; columns + 2 * radius];
    for (line, out) in image
        .pixels
        .chunks_exact(columns)
        .zip(across.chunks_exact_mut(columns))
    {
        padded[radius..radius + columns].copy_from_slice(line);
        for index in 0..radius {
            padded[index] = line[mirrored(index as isize - radius as isize, columns)];
            padded[radius + columns + index] = line[mirrored((columns + index) as isize, columns)];
        }
        for (tap, &weight) in kernel.iter().enumerate() {
            for (value, &source) in out.iter_mut().zip(&padded[tap..tap + columns]) {
                *value += weight * source;
            }
        }
    }
    let mut pixels = vec![0.0_f32; rows * columns];
    for (y, out) in pixels.chunks_exact_mut(columns).enumerate() {
        for (tap, &weight) in kernel.iter().enumerate() {
            let from = mirrored((y + tap) as isize - radius as isize, rows) * columns;
            for (value, &source) in out.iter_mut().zip(&across[from..from + columns]) {
                *value += weight * source;
            }
        }
    }
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

/// A Gaussian blur; `sigma` in pixels.
pub(super) fn gaussian(image: &GrayImage, sigma: f32) -> GrayImage {
    let radius = (3.0 * sigma).ceil().max(1.0) as isize;
    let mut kernel: Vec<f32> = (-radius..=radius)
        .map(|x| (-0.5 * (x as f32 / sigma).powi(2)).exp())
        .collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    separable(image, &kernel)
}

/// Means over squares of `2 * radius + 1` pixels.
pub(super) fn box_mean(image: &GrayImage, radius: usize) -> GrayImage {
    let size = 2 * radius + 1;
    separable(image, &vec![1.0 / size as f32; size])
}

/// `first + factor * second`.
pub(super) fn combined(first: &GrayImage, factor: f32, second: &GrayImage) -> GrayImage {
    GrayImage {
        rows: first.rows,
        columns: first.columns,
        pixels: first
            .pixels
            .iter()
            .zip(&second.pixels)
            .map(|(a, b)| a + factor * b)
            .collect(),
    }
}

/// A plane of the values that `f` makes of another's.
pub(super) fn mapped(image: &GrayImage, f: impl Fn(f32) -> f32) -> GrayImage {
    GrayImage {
        rows: image.rows,
        columns: image.columns,
        pixels: image.pixels.iter().map(|&v| f(v)).collect(),
    }
}

/// Mean and standard deviation.
pub(super) fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / count;
    (mean as f32, variance.sqrt() as f32)
}

/// The standard deviation of the noise, from the Haar details of the finest scale (Donoho &
/// Johnstone, Biometrika 1994) over blocks that are not flat as a background is. Their third decile
/// stands in for the median, because edges fill half of a windowed CT at low resolution.
pub(super) fn noise_level(image: &GrayImage) -> f32 {
    let mut details = Vec::with_capacity(image.pixels.len() / 4);
    for pair in image.pixels.chunks_exact(2 * image.columns) {
        let (upper, lower) = pair.split_at(image.columns);
        for (a, b) in upper.chunks_exact(2).zip(lower.chunks_exact(2)) {
            if a[0] != a[1] || a[0] != b[0] {
                details.push((a[0] - a[1] - b[0] + b[1]) / 2.0);
            }
        }
    }
    quantile_deviation(details)
}

/// The standard deviation of the normal distribution whose third decile of magnitude is that of the
/// values: a measure that edges hardly touch.
pub(super) fn quantile_deviation(mut values: Vec<f32>) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let at = values.len() * 3 / 10;
    let magnitude = |a: &f32, b: &f32| a.abs().total_cmp(&b.abs());
    values.select_nth_unstable_by(at, magnitude).1.abs() / 0.3853
}

/// A plane of standard normal draws (Box & Muller, 1958).
pub(super) fn white_noise(rows: usize, columns: usize, rng: &mut StdRng) -> GrayImage {
    let mut pixels = Vec::with_capacity(rows * columns + 1);
    while pixels.len() < rows * columns {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        let (sine, cosine) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        pixels.extend([radius * cosine, radius * sine]);
    }
    pixels.truncate(rows * columns);
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_kernel_keeps_a_ramp_and_the_pixels_themselves() {
        let (rows, columns) = (20, 17);
        let ramp = GrayImage {
            rows,
            columns,
            pixels: (0..rows * columns)
                .map(|i| 0.02 * (i % columns) as f32 + 0.01 * (i / columns) as f32)
                .collect(),
        };
        for kernel in Kernel::SMOOTH {
            let value = sample(&ramp, 9.25, 8.5, kernel);
            let expected = 0.02 * 8.5 + 0.01 * 9.25;
            assert!((value - expected).abs() < 2e-3, "{kernel:?}: {value}");
            assert!((sample(&ramp, 5.0, 6.0, kernel) - 0.17).abs() < 1e-6);
        }
    }

    #[test]
    fn blurs_keep_the_mean_of_a_constant_and_noise_is_measured() {
        let noise = white_noise(200, 150, &mut StdRng::seed_from_u64(4));
        let (mean, deviation) = moments(&noise.pixels);
        assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03);
        let level = noise_level(&noise);
        assert!((level - 1.0).abs() < 0.06, "{level}");
        let flat = GrayImage {
            rows: 9,
            columns: 11,
            pixels: vec![0.25; 99],
        };
        for blurred in [gaussian(&flat, 1.3), box_mean(&flat, 2)] {
            assert!(blurred.pixels.iter().all(|v| (v - 0.25).abs() < 1e-6));
        }
        assert_eq!(noise_level(&flat), 0.0);
    }

    #[test]
    fn mirroring_stays_inside_for_any_index() {
        for size in 1..5 {
            for index in -20..20 {
                assert!(mirrored(index, size) < size);
            }
        }
        assert_eq!(
            [-2, -1, 0, 3, 4, 5].map(|i| mirrored(i, 4)),
            [2, 1, 0, 3, 2, 1]
        );
    }
}
