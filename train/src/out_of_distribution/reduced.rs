//! Tiles reduced and enlarged again, further than delivery does.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};
use rand::Rng;
use rand::rngs::StdRng;
use veraray_datasets::{Delivery, Plane};

/// The smallest side of what is reduced, as a share of the old one.
const SMALLEST: f32 = 0.2;

/// The largest one, as a share of the smallest that delivery leaves.
const BEYOND: f32 = 0.8;

/// Chance of JPEG while small, and of JPEG after that.
const JPEG: f64 = 0.5;

/// Kernels in use. Not the nearest neighbour: blocks are seen without learning.
const KERNELS: [FilterType; 4] = [
    FilterType::Triangle,
    FilterType::CatmullRom,
    FilterType::Gaussian,
    FilterType::Lanczos3,
];

/// How to reduce.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reduction {
    /// Range of the reduced side, as a share of the old one.
    range: [f32; 2],
    /// Eight bits, then JPEG.
    stored: Delivery,
    /// Eight bits only.
    plain: Delivery,
}

impl Reduction {
    /// What lies beyond a delivery. `None` when that reduces as far already.
    pub(super) fn beyond(delivery: &Delivery) -> Option<Self> {
        let least = delivery.thumbnail_range[0].min(delivery.resize_range[0]);
        let most = BEYOND * least.min(1.0);
        // Without rounding to grey levels what was enlarged would be told by its lack of noise alone.
        let plain = Delivery {
            bits: 1.0,
            bits_range: [8, 8],
            ..Delivery::none()
        };
        (most > 1.2 * SMALLEST).then(|| Self {
            range: [SMALLEST, most],
            stored: Delivery {
                jpeg: 1.0,
                jpeg_range: delivery.jpeg_range,
                ..plain.clone()
            },
            plain,
        })
    }

    /// Reduces a tile and enlarges it back, each with a random kernel.
    pub(super) fn apply(&self, plane: Plane, rng: &mut StdRng) -> Plane {
        let side = plane.side;
        let [low, high] = self.range;
        // Small factors as often as large ones.
        let share = low * (high / low).powf(rng.random::<f32>());
        let small = ((side as f32 * share).round() as usize).max(8);
        let reduced = self.stored(scaled(plane, small, rng), rng);
        self.stored(scaled(reduced, side, rng), rng)
    }

    fn stored(&self, plane: Plane, rng: &mut StdRng) -> Plane {
        if rng.random_bool(JPEG) {
            self.stored.apply(plane, rng)
        } else {
            self.plain.apply(plane, rng)
        }
    }
}

/// Brings a tile to another side. What a mask said is lost: nothing is learned from it here.
fn scaled(plane: Plane, to: usize, rng: &mut StdRng) -> Plane {
    let side = plane.side as u32;
    let kernel = KERNELS[rng.random_range(0..KERNELS.len())];
    // A plane holds the square of its side.
    let Some(image) = ImageBuffer::<Luma<f32>, _>::from_raw(side, side, plane.pixels) else {
        return Plane {
            side: to,
            pixels: vec![0.0; to * to],
            mask: vec![0.0; to * to],
        };
    };
    let pixels = resize(&image, to as u32, to as u32, kernel).into_raw();
    Plane {
        side: to,
        pixels: pixels.into_iter().map(|v| v.clamp(0.0, 1.0)).collect(),
        mask: vec![0.0; to * to],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn fine_detail_is_gone_and_the_size_stays() {
        let side = 64;
        let plane = Plane {
            side,
            pixels: (0..side * side)
                .map(|i| (i * 7919 % 256) as f32 / 255.0)
                .collect(),
            mask: vec![0.0; side * side],
        };
        let reduction = Reduction::beyond(&Delivery::default()).unwrap();
        let detail = |plane: &Plane| -> f32 {
            plane
                .pixels
                .windows(2)
                .map(|pair| (pair[0] - pair[1]).powi(2))
                .sum()
        };
        for seed in 0..8 {
            let reduced = reduction.apply(plane.clone(), &mut StdRng::seed_from_u64(seed));
            assert_eq!(reduced.pixels.len(), side * side);
            assert!(detail(&reduced) < 0.25 * detail(&plane));
        }
    }

    #[test]
    fn a_delivery_that_reduces_as_far_leaves_nothing_beyond() {
        let far = Delivery {
            thumbnail_range: [0.25, 0.9],
            ..Delivery::default()
        };
        assert_eq!(Reduction::beyond(&far), None);
    }
}
