//! How far a family's images lie from authentic ones, without a detector.
//!
//! The kernel distance is the squared maximum mean discrepancy under the cubic polynomial kernel, as
//! in the KID (Bińkowski et al., "Demystifying MMD GANs", ICLR 2018), but not on the features of an
//! Inception network, which nobody trained on radiographs: on the log energy and the sparseness of the
//! responses of fixed random filters at three scales. It sees texture and contrast and no anatomy, so
//! that its figures compare with each other and not with published KIDs. The spectrum distance is that of the
//! mean log radial power, in decibels.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::raster::{gaussian, moments};
use super::spectrum::Spectrum;
use crate::GrayImage;

/// Random filters, each of 5x5 taps.
const FILTERS: usize = 16;
const TAPS: usize = 5;
/// Full, half and quarter size.
const SCALES: usize = 3;
/// Bands of the radial spectrum, from 0 to 0.5 cycles per pixel.
const BANDS: usize = 48;
/// Where an energy is as good as none: a hundredth of an eight-bit level, squared.
const FLOOR: f32 = 1.5e-9;

/// What is measured of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageStatistics {
    /// Log energy and sparseness by scale and filter.
    texture: Vec<f32>,
    /// Decibels by radial band.
    spectrum: Vec<f32>,
}

/// How far two sets of images lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetDistance {
    /// Squared maximum mean discrepancy, unbiased: around 0 for equal distributions, may be negative.
    pub kernel: f64,
    /// Root mean square difference of the mean log radial power, decibels.
    pub spectrum_db: f64,
}

impl ImageStatistics {
    /// Measures an image of at least 64 pixels on a side.
    #[must_use]
    pub fn of(image: &GrayImage) -> Self {
        // The same filters for everyone.
        let mut rng = StdRng::seed_from_u64(0x5eed);
        let mut texture = Vec::with_capacity(SCALES * FILTERS * 2);
        let mut plane = image.clone();
        for scale in 0..SCALES {
            if scale > 0 {
                plane = reduced(&plane);
            }
            for _ in 0..FILTERS {
                let mut taps: [f32; TAPS * TAPS] =
                    std::array::from_fn(|_| rng.random_range(-1.0..1.0));
                let (mean, _) = moments(&taps);
                let norm = taps.iter().map(|t| (t - mean).powi(2)).sum::<f32>().sqrt();
                taps.iter_mut().for_each(|t| *t = (*t - mean) / norm);
                let (energy, magnitude) = response(&plane, &taps);
                texture.push((energy + FLOOR).ln());
                texture.push(((magnitude * magnitude + FLOOR) / (energy + FLOOR)).ln());
            }
        }
        Self {
            texture,
            spectrum: bands(image),
        }
    }
}

/// The distance of `fake` from `real`; texture is measured in units of the reals' spread.
///
/// # Panics
/// When either set has fewer than two images.
#[must_use]
pub fn set_distance(real: &[ImageStatistics], fake: &[ImageStatistics]) -> SetDistance {
    assert!(real.len() > 1 && fake.len() > 1, "two images make a set");
    let size = real[0].texture.len();
    let scales: Vec<(f32, f32)> = (0..size)
        .map(|at| {
            let values: Vec<f32> = real.iter().map(|image| image.texture[at]).collect();
            moments(&values)
        })
        .collect();
    let standard = |images: &[ImageStatistics]| -> Vec<Vec<f32>> {
        images
            .iter()
            .map(|image| {
                image
                    .texture
                    .iter()
                    .zip(&scales)
                    .map(|(value, (mean, spread))| (value - mean) / spread.max(1e-3))
                    .collect()
            })
            .collect()
    };
    let (a, b) = (standard(real), standard(fake));
    let kernel = |x: &[f32], y: &[f32]| {
        let dot: f32 = x.iter().zip(y).map(|(x, y)| x * y).sum();
        (f64::from(dot) / size as f64 + 1.0).powi(3)
    };
    let within = |set: &[Vec<f32>]| {
        let mut sum = 0.0;
        for (index, x) in set.iter().enumerate() {
            sum += set[..index].iter().map(|y| kernel(x, y)).sum::<f64>();
        }
        2.0 * sum / (set.len() * (set.len() - 1)) as f64
    };
    let across: f64 = a
        .iter()
        .map(|x| b.iter().map(|y| kernel(x, y)).sum::<f64>())
        .sum::<f64>()
        / (a.len() * b.len()) as f64;
    let mean = |images: &[ImageStatistics], at: usize| {
        images
            .iter()
            .map(|i| f64::from(i.spectrum[at]))
            .sum::<f64>()
            / images.len() as f64
    };
    let squares: f64 = (0..BANDS)
        .map(|at| (mean(real, at) - mean(fake, at)).powi(2))
        .sum();
    SetDistance {
        kernel: within(&a) + within(&b) - 2.0 * across,
        spectrum_db: (squares / BANDS as f64).sqrt(),
    }
}

/// Half the size behind a blur.
fn reduced(image: &GrayImage) -> GrayImage {
    let soft = gaussian(image, 0.8);
    let (rows, columns) = (image.rows / 2, image.columns / 2);
    let pixels = (0..rows)
        .flat_map(|y| {
            let line = 2 * y * image.columns;
            soft.pixels[line..line + 2 * columns]
                .iter()
                .copied()
                .step_by(2)
        })
        .collect();
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

/// Mean square and mean magnitude of a filter's response over the whole pixels it covers.
fn response(image: &GrayImage, taps: &[f32; TAPS * TAPS]) -> (f32, f32) {
    let (rows, columns) = (image.rows + 1 - TAPS, image.columns + 1 - TAPS);
    let (mut squares, mut magnitudes) = (0.0_f64, 0.0_f64);
    let mut line = vec![0.0_f32; columns];
    for y in 0..rows {
        line.fill(0.0);
        for (index, &tap) in taps.iter().enumerate() {
            let from = (y + index / TAPS) * image.columns + index % TAPS;
            for (value, pixel) in line.iter_mut().zip(&image.pixels[from..from + columns]) {
                *value += tap * pixel;
            }
        }
        squares += f64::from(line.iter().map(|v| v * v).sum::<f32>());
        magnitudes += f64::from(line.iter().map(|v| v.abs()).sum::<f32>());
    }
    let count = (rows * columns) as f64;
    ((squares / count) as f32, (magnitudes / count) as f32)
}

/// The log radial power per pixel in bands of equal width, under a window that hides the borders.
fn bands(image: &GrayImage) -> Vec<f32> {
    let (mean, _) = moments(&image.pixels);
    let hann = |at: usize, size: usize| {
        let phase = (at as f32 + 0.5) / size as f32 * std::f32::consts::TAU;
        0.5 - 0.5 * phase.cos()
    };
    let windowed = GrayImage {
        pixels: image
            .pixels
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let (y, x) = (at / image.columns, at % image.columns);
                (value - mean) * hann(y, image.rows) * hann(x, image.columns)
            })
            .collect(),
        ..*image
    };
    let power = Spectrum::of(&windowed).radial_power();
    let side = image.rows.min(image.columns);
    let count = (image.rows * image.columns) as f64;
    (0..BANDS)
        .map(|band| {
            let edge = |band: usize| 1 + band * (side / 2 - 1) / BANDS;
            let (low, high) = (edge(band), edge(band + 1).max(edge(band) + 1));
            let mean = power[low..high].iter().sum::<f64>() / (high - low) as f64;
            (10.0 * (mean / count + f64::from(FLOOR)).log10()) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::raster::white_noise;
    use super::*;

    fn set(sigma: f32, seed: u64) -> Vec<ImageStatistics> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..24)
            .map(|_| {
                let mut plane = gaussian(&white_noise(72, 64, &mut rng), 1.0);
                let grain = white_noise(72, 64, &mut rng);
                for (value, grain) in plane.pixels.iter_mut().zip(&grain.pixels) {
                    *value = 0.5 + 0.3 * *value + sigma * grain;
                }
                ImageStatistics::of(&plane)
            })
            .collect()
    }

    #[test]
    fn equal_sets_are_near_and_another_grain_is_far() {
        let (real, same, other) = (set(0.02, 1), set(0.02, 2), set(0.06, 3));
        let (near, far) = (set_distance(&real, &same), set_distance(&real, &other));
        assert!(near.kernel.abs() < 0.5, "{near:?}");
        assert!(
            far.kernel > 10.0 * near.kernel.abs().max(0.1),
            "{near:?} {far:?}"
        );
        assert!(
            near.spectrum_db < 0.5 && far.spectrum_db > 1.0,
            "{near:?} {far:?}"
        );
    }
}
