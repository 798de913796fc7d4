//! Local noise: how strong it is by place, and by grey level.
//!
//! A detector's noise grows with the signal (Poisson statistics, then gain and processing);
//! generators tend to paint uniform grain, and denoisers leave none. The noise-level function, noise
//! against grey level, shows which it is.

use serde::Serialize;
use veraray_datasets::GrayImage;

use crate::explain::filter::noise_mask;

/// Side of a block in pixels.
const BLOCK: usize = 8;

/// Grey levels that are told apart.
const LEVELS: usize = 24;

/// Fewest blocks for a level to be stated.
const LEAST: usize = 6;

/// Noise of one frame. Everything in shares of the grey range shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Noise {
    /// Blocks down and across.
    pub(crate) blocks: [usize; 2],
    /// Standard deviation of the noise in every block.
    #[serde(skip)]
    pub(crate) plane: Vec<f32>,
    /// Median over the blocks.
    pub(crate) median: f64,
    /// Grey level with quartiles and median of the noise there: `[level, low, median, high]`.
    pub(crate) function: Vec<[f64; 4]>,
}

impl Noise {
    /// `None` for images without a whole block.
    pub(crate) fn of(image: &GrayImage) -> Option<Self> {
        let blocks = [image.rows / BLOCK, image.columns / BLOCK];
        if blocks.contains(&0) {
            return None;
        }
        let mask = noise_mask(image);
        let mut plane = Vec::with_capacity(blocks[0] * blocks[1]);
        let mut levels: Vec<Vec<f64>> = vec![Vec::new(); LEVELS];
        for row in 0..blocks[0] {
            for column in 0..blocks[1] {
                let (mut level, mut response, mut clipped) = (0.0, 0.0, 0);
                for y in row * BLOCK..(row + 1) * BLOCK {
                    let from = y * image.columns + column * BLOCK;
                    let line = image.pixels[from..].iter().zip(&mask[from..]);
                    for (&pixel, masked) in line.take(BLOCK) {
                        level += f64::from(pixel);
                        response += f64::from(masked.abs());
                        clipped += usize::from(pixel <= 0.0 || pixel >= 1.0);
                    }
                }
                let count = (BLOCK * BLOCK) as f64;
                // For Gaussian noise the mean of |x| is σ·√(2/π), and the mask enlarges σ six times.
                let sigma = response / count * (std::f64::consts::PI / 2.0).sqrt() / 6.0;
                plane.push(sigma as f32);
                // Beyond the window there is no noise to see.
                if clipped * 4 < BLOCK * BLOCK {
                    let bin = (level / count * LEVELS as f64) as usize;
                    levels[bin.min(LEVELS - 1)].push(sigma);
                }
            }
        }
        let mut all: Vec<f64> = plane.iter().map(|&sigma| f64::from(sigma)).collect();
        Some(Self {
            blocks,
            median: quantile(&mut all, 0.5),
            plane,
            function: levels
                .iter_mut()
                .enumerate()
                .filter(|(_, values)| values.len() >= LEAST)
                .map(|(index, values)| {
                    [
                        (index as f64 + 0.5) / LEVELS as f64,
                        quantile(values, 0.25),
                        quantile(values, 0.5),
                        quantile(values, 0.75),
                    ]
                })
                .collect(),
        })
    }
}

/// The value below which `share` of the values lie; of nothing it is 0.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let index = (share * (values.len() - 1) as f64).round() as usize;
    *values.select_nth_unstable_by(index, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Roughly Gaussian numbers of variance 1, the same every time.
    fn gaussians(count: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        (0..count)
            .map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0)
            .collect()
    }

    #[test]
    fn noise_of_known_strength_is_found_and_its_growth_too() {
        let (rows, columns) = (160, 320);
        let noise = gaussians(rows * columns);
        // Grey rises from left to right, and the noise with its root.
        let level = |column: usize| 0.1 + 0.8 * column as f32 / columns as f32;
        let sigma = |level: f32| 0.03 * level.sqrt();
        let image = GrayImage {
            rows,
            columns,
            pixels: noise
                .iter()
                .enumerate()
                .map(|(index, noise)| {
                    let level = level(index % columns);
                    level + noise * sigma(level)
                })
                .collect(),
        };
        let found = Noise::of(&image).unwrap();
        assert_eq!(found.blocks, [20, 40]);
        assert!(found.function.len() > 12);
        for [level, low, median, high] in &found.function {
            let expected = f64::from(sigma(*level as f32));
            assert!(
                (median / expected - 1.0).abs() < 0.15,
                "{level} {median} {expected}"
            );
            assert!(low <= median && median <= high);
        }
        let first = found.function[0][2];
        assert!(found.function.last().unwrap()[2] > 1.8 * first);
    }

    #[test]
    fn clipped_blocks_are_no_levels_and_tiny_images_have_none() {
        let image = GrayImage {
            rows: 64,
            columns: 64,
            pixels: vec![0.0; 64 * 64],
        };
        let noise = Noise::of(&image).unwrap();
        assert!(noise.function.is_empty() && noise.median == 0.0);
        let tiny = GrayImage {
            rows: 7,
            columns: 64,
            pixels: vec![0.5; 7 * 64],
        };
        assert!(Noise::of(&tiny).is_none());
    }
}
