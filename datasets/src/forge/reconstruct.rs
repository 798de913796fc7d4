//! `reconstruct`: the image through the bottleneck of a small linear autoencoder fitted to it.
//!
//! A stand-in for the decoders of latent generators that needs no training run: patches are projected
//! on their leading principal components (the optimum of a linear autoencoder; Baldi & Hornik, Neural
//! Networks 1989), found by a few steps of subspace iteration; the code is quantised as in a VQ
//! autoencoder or disturbed as a KL autoencoder's sampling does (van den Oord et al. 2017; Rombach et
//! al., CVPR 2022), decoded, and overlapping patches are averaged. Real decoders invent texture; ours is
//! invented by [`super::texture`]. Fitted to the image itself, it keeps more than a decoder trained on
//! others would, so the bottleneck is narrower: 4 to 20 numbers for 64 pixels.

use rand::Rng;
use rand::rngs::StdRng;

use super::parameters::Parameters;
use super::raster::mapped;
use super::texture::{finished, retextured};
use crate::GrayImage;

/// Side of a patch.
const PATCH: usize = 8;
/// Pixels of a patch.
const SIZE: usize = PATCH * PATCH;
/// Patches that the components are fitted to.
const FITTED: usize = 1200;

/// One component or patch.
type Vector = [f32; SIZE];

/// The whole image, encoded and decoded.
pub(super) fn whole(image: &GrayImage, parameters: &mut Parameters, rng: &mut StdRng) -> GrayImage {
    let components = rng.random_range(4..=20);
    let stride = [3, 4, 8][rng.random_range(0..3)];
    let basis = principal_components(image, components, rng);
    // The variances tell how coarsely a component may be quantised.
    let step = 10.0_f32.powf(rng.random_range(-1.6..-0.3));
    let quantised = rng.random_bool(0.5);
    parameters.note("components", components);
    parameters.note("stride_pixels", stride);
    parameters.note("code_step", step);
    parameters.note("code_quantised", quantised);
    let base = decoded(image, &basis, stride, |code, spread| {
        let step = step * spread.max(1e-6);
        match quantised {
            true => (code / step).round() * step,
            false => code + step * rng.random_range(-0.9..0.9),
        }
    });
    let fake = retextured(&base, image, parameters, rng);
    finished(fake, image, 0.65, parameters, rng)
}

/// A patch without its mean, and the mean.
fn patch(image: &GrayImage, top: usize, left: usize) -> (Vector, f32) {
    let mut vector = [0.0; SIZE];
    for (y, line) in vector.chunks_exact_mut(PATCH).enumerate() {
        let from = (top + y) * image.columns + left;
        line.copy_from_slice(&image.pixels[from..from + PATCH]);
    }
    let mean = vector.iter().sum::<f32>() / SIZE as f32;
    vector.iter_mut().for_each(|v| *v -= mean);
    (vector, mean)
}

fn dot(a: &Vector, b: &Vector) -> f32 {
    // Eight sums side by side, which the processor adds at once.
    let mut sums = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// The leading principal components of random patches, orthonormal.
fn principal_components(image: &GrayImage, count: usize, rng: &mut StdRng) -> Vec<Vector> {
    let mut covariance = vec![[0.0_f32; SIZE]; SIZE];
    for _ in 0..FITTED {
        let top = rng.random_range(0..=image.rows - PATCH);
        let left = rng.random_range(0..=image.columns - PATCH);
        let (vector, _) = patch(image, top, left);
        for (row, &value) in covariance.iter_mut().zip(&vector) {
            for (entry, &other) in row.iter_mut().zip(&vector) {
                *entry += value * other;
            }
        }
    }
    let mut basis: Vec<Vector> = (0..count)
        .map(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0)))
        .collect();
    orthonormalise(&mut basis);
    for _ in 0..6 {
        for vector in &mut basis {
            *vector = std::array::from_fn(|row| dot(&covariance[row], vector));
        }
        orthonormalise(&mut basis);
    }
    basis
}

/// Gram and Schmidt; a vector that vanishes becomes zero.
fn orthonormalise(basis: &mut [Vector]) {
    for index in 0..basis.len() {
        let (done, rest) = basis.split_at_mut(index);
        let vector = &mut rest[0];
        for earlier in done.iter() {
            let along = dot(vector, earlier);
            vector
                .iter_mut()
                .zip(earlier)
                .for_each(|(v, e)| *v -= along * e);
        }
        let length = dot(vector, vector).sqrt();
        let scale = if length > 1e-9 { 1.0 / length } else { 0.0 };
        vector.iter_mut().for_each(|v| *v *= scale);
    }
}

/// Every patch encoded, its code changed by `change` (code, the component's standard deviation),
/// decoded, and averaged with its overlapping neighbours under a window that falls off to its rim.
fn decoded(
    image: &GrayImage,
    basis: &[Vector],
    stride: usize,
    mut change: impl FnMut(f32, f32) -> f32,
) -> GrayImage {
    let places = |size: usize| {
        let last = size - PATCH;
        (0..last).step_by(stride).chain([last])
    };
    let spreads: Vec<f32> = {
        let mut squares = vec![0.0; basis.len()];
        let mut count = 0.0;
        for top in places(image.rows).step_by(3) {
            for left in places(image.columns).step_by(3) {
                let (vector, _) = patch(image, top, left);
                count += 1.0;
                for (square, component) in squares.iter_mut().zip(basis) {
                    *square += dot(&vector, component).powi(2);
                }
            }
        }
        squares
            .iter()
            .map(|square: &f32| (square / count).sqrt())
            .collect()
    };
    let window: Vector = std::array::from_fn(|at| {
        let ramp = |i: usize| ((i as f32 + 0.5) / PATCH as f32 * std::f32::consts::PI).sin();
        // Patches side by side keep their seams, as coarse decoders do.
        if stride == PATCH {
            1.0
        } else {
            ramp(at / PATCH) * ramp(at % PATCH)
        }
    });
    let mut sums = mapped(image, |_| 0.0);
    let mut weights = vec![1e-9_f32; image.pixels.len()];
    for top in places(image.rows) {
        for left in places(image.columns) {
            let (vector, mean) = patch(image, top, left);
            let mut restored = [mean; SIZE];
            for (component, &spread) in basis.iter().zip(&spreads) {
                let code = change(dot(&vector, component), spread);
                for (value, c) in restored.iter_mut().zip(component) {
                    *value += code * c;
                }
            }
            for y in 0..PATCH {
                let from = (top + y) * image.columns + left;
                for x in 0..PATCH {
                    let weight = window[y * PATCH + x];
                    sums.pixels[from + x] += weight * restored[y * PATCH + x];
                    weights[from + x] += weight;
                }
            }
        }
    }
    for (sum, weight) in sums.pixels.iter_mut().zip(&weights) {
        *sum /= weight;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::raster::{combined, gaussian, moments, white_noise};
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn more_components_reconstruct_better() {
        let mut rng = StdRng::seed_from_u64(1);
        let image = gaussian(&white_noise(70, 77, &mut rng), 1.5);
        let error = |count: usize, rng: &mut StdRng| {
            let basis = principal_components(&image, count, rng);
            let base = decoded(&image, &basis, 4, |code, _| code);
            moments(&combined(&base, -1.0, &image).pixels).1
        };
        let (few, many) = (error(4, &mut rng), error(20, &mut rng));
        assert!(many < 0.7 * few, "{few} {many}");
        assert!(error(40, &mut rng) < 0.2 * few);
    }

    #[test]
    fn the_basis_is_orthonormal() {
        let mut rng = StdRng::seed_from_u64(2);
        let image = gaussian(&white_noise(64, 64, &mut rng), 2.0);
        let basis = principal_components(&image, 10, &mut rng);
        for (i, a) in basis.iter().enumerate() {
            for (j, b) in basis.iter().enumerate() {
                let expected = f32::from(u8::from(i == j));
                assert!((dot(a, b) - expected).abs() < 1e-3);
            }
        }
    }
}
