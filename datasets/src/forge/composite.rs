//! A region of another rendering of an image, set into the image.
//!
//! A detector learns a generator's traces from whole images quickly and from small regions slowly or
//! never. A region of an aligned reconstruction, blended into the very image it was made from, has the
//! traces of the whole and the size of a lesion, and what lies around it is authentic to the last bit
//! (compare the local edits of Rajan et al., "Aligned datasets improve detection of latent
//! diffusion-generated images", ICLR 2025, and of Guillaro et al., "A bias-free training paradigm for
//! more general AI-generated image detection", CVPR 2025; ours draws sizes from a nodule's to most of
//! the image, so that the small ones are learned by way of the large).

use rand::rngs::StdRng;

use super::levels::Levels;
use super::region::{Body, CALM, Region};
use crate::{GrayImage, Plane};

/// Correlation from which two planes show the same image.
const ALIGNED: f64 = 0.97;

/// Sets a softly outlined region of `rendering` into `original`. `None` when the two do not show the
/// same image pixel by pixel, or when nothing would change.
///
/// Values in `[0, 1]`; every pixel outside the mask is the original's, those inside lie on its grey
/// levels. The mask is the larger of the original's and the region's.
///
/// # Panics
/// When the planes differ in size.
#[must_use]
pub fn composite(original: &Plane, rendering: &Plane, rng: &mut StdRng) -> Option<Plane> {
    assert_eq!(original.side, rendering.side, "planes of different sizes");
    if correlation(&original.pixels, &rendering.pixels) < ALIGNED {
        return None;
    }
    let image = GrayImage {
        rows: original.side,
        columns: original.side,
        pixels: original.pixels.clone(),
    };
    let region = Region::of_any_size(&image, &Body::of(&image), CALM, rng);
    let levels = Levels::of(&image.pixels);
    let mut forged = original.clone();
    let mut changed = false;
    for row in 0..region.rows {
        let line = (region.top + row) * original.side + region.left;
        let alphas = &region.alpha[row * region.columns..][..region.columns];
        for (at, &alpha) in (line..).zip(alphas) {
            if alpha > 0.0 {
                let old = original.pixels[at];
                let new = levels.snap(old + alpha * (rendering.pixels[at] - old));
                changed |= new != old;
                forged.pixels[at] = new;
                forged.mask[at] = forged.mask[at].max(alpha);
            }
        }
    }
    changed.then_some(forged)
}

/// Pearson's correlation; 0 where one of the two is constant.
fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let count = a.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let [mut both, mut of_a, mut of_b] = [0.0; 3];
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - mean_a, f64::from(b) - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let norm = (of_a * of_b).sqrt();
    if norm > 0.0 { both / norm } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};

    /// Eight-bit noise over a ramp.
    fn plane(seed: u64) -> Plane {
        let (side, mut rng) = (128, StdRng::seed_from_u64(seed));
        Plane {
            side,
            pixels: (0..side * side)
                .map(|i| {
                    let ramp = 40.0 + (i % side) as f32;
                    (ramp + rng.random_range(-6.0..6.0_f32)).round() / 255.0
                })
                .collect(),
            mask: vec![0.0; side * side],
        }
    }

    #[test]
    fn what_lies_outside_the_mask_is_the_original() {
        let original = plane(1);
        let mut rendering = original.clone();
        rendering
            .pixels
            .iter_mut()
            .for_each(|v| *v = 0.97 * *v + 0.02);
        let mut shares = Vec::new();
        for seed in 0..40 {
            let mut rng = StdRng::seed_from_u64(seed);
            let forged = composite(&original, &rendering, &mut rng).expect("aligned");
            let pixels = forged.pixels.iter().zip(&original.pixels).zip(&forged.mask);
            let mut changed = 0;
            for ((new, old), mask) in pixels {
                assert!(*mask > 0.0 || new == old);
                changed += usize::from(new != old);
                let grey = new * 255.0;
                assert!((grey - grey.round()).abs() < 1e-3, "{grey} is no level");
            }
            assert!(changed > 0);
            shares.push(forged.mask.iter().sum::<f32>() / forged.mask.len() as f32);
            let again = composite(&original, &rendering, &mut StdRng::seed_from_u64(seed));
            assert_eq!(again, Some(forged));
        }
        shares.sort_by(f32::total_cmp);
        assert!(shares[0] < 0.02 && shares[39] > 0.2, "{shares:?}");
    }

    #[test]
    fn another_image_is_not_set_in() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut other = plane(2);
        other.pixels.reverse();
        assert_eq!(composite(&plane(1), &other, &mut rng), None);
        assert_eq!(composite(&plane(1), &plane(1), &mut rng), None);
    }
}
