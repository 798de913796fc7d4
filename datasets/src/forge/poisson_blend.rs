//! `poisson_blend`: seamless cloning in the gradient domain.
//!
//! Pérez, Gangnet & Blake, "Poisson image editing", SIGGRAPH 2003, both kinds: the source's gradients
//! (their eq. 9 and 11), or at every pixel the stronger of source's and host's (eq. 12). The host's
//! grey at the rim is kept exactly, so that no seam shows and the source's low frequencies vanish.
//! Ours solves for the difference to the source, from coarse to fine; and in half of the draws
//! fades the outline as well.

use rand::Rng;
use rand::rngs::StdRng;

use super::blend::solve_poisson;
use super::copy_move::elsewhere;
use super::parameters::Parameters;
use super::place::{self, Motion};
use super::region::{Body, Region};
use crate::GrayImage;

/// The patch over the region's window. Without a donor, the source lies elsewhere in the image. A
/// hard outline is set into the region.
pub(super) fn patch(
    image: &GrayImage,
    donor: Option<&GrayImage>,
    body: &Body,
    region: &mut Region,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let host = region.cut(image);
    let motion = if rng.random_bool(0.4) {
        Motion::shift(rng)
    } else {
        Motion::turned(60.0, 0.8..1.3, rng)
    };
    let (source, mut patch) = match donor {
        Some(donor) => {
            let donor_body = Body::of(donor);
            let candidates: Vec<_> = (0..5).map(|_| donor_body.point(rng)).collect();
            place::best(donor, &donor_body, &candidates, &host, region, &motion)
        }
        None => {
            let candidates = elsewhere(body, region, 4, rng);
            place::best(image, body, &candidates, &host, region, &motion)
        }
    };
    let mixed = rng.random_bool(0.4);
    let strength = rng.random_range(0.7..1.3);
    patch.pixels.iter_mut().for_each(|v| *v *= strength);
    clone(&mut patch, &host, region, mixed);
    let hard = rng.random_bool(0.5);
    if hard {
        for alpha in &mut region.alpha {
            *alpha = f32::from(u8::from(*alpha > 0.0));
        }
    }
    motion.note(parameters);
    parameters.note("source_y", source[0]);
    parameters.note("source_x", source[1]);
    parameters.note("mixed_gradients", mixed);
    parameters.note("gradient_gain", strength);
    parameters.note("hard_outline", hard);
    patch
}

/// Replaces `patch` by the plane that has its gradients inside the region and the host's grey
/// around it.
pub(super) fn clone(patch: &mut GrayImage, host: &GrayImage, region: &Region, mixed: bool) {
    let (rows, columns) = (region.rows, region.columns);
    let inside: Vec<bool> = region.alpha.iter().map(|&a| a > 0.0).collect();
    let mut source = vec![0.0; rows * columns];
    if mixed {
        for at in (0..rows * columns).filter(|&at| inside[at]) {
            for other in [at - 1, at + 1, at - columns, at + columns] {
                let own = patch.pixels[at] - patch.pixels[other];
                let hosts = host.pixels[at] - host.pixels[other];
                if hosts.abs() > own.abs() {
                    source[at] += hosts - own;
                }
            }
        }
    }
    let mut difference: Vec<f32> = host
        .pixels
        .iter()
        .zip(&patch.pixels)
        .map(|(host, patch)| host - patch)
        .collect();
    solve_poisson(&mut difference, &inside, &source, rows, columns);
    for (value, difference) in patch.pixels.iter_mut().zip(&difference) {
        *value += difference;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn plane(side: usize, f: impl Fn(f32, f32) -> f32) -> GrayImage {
        GrayImage {
            rows: side,
            columns: side,
            pixels: (0..side * side)
                .map(|i| f((i / side) as f32, (i % side) as f32))
                .collect(),
        }
    }

    #[test]
    fn a_clone_has_the_sources_gradients_and_the_hosts_rim() {
        let image = plane(128, |y, x| 0.3 + 0.001 * y + 0.0005 * x);
        let body = Body::of(&image);
        let region = Region::draw(&image, &body, &mut StdRng::seed_from_u64(5));
        let host = region.cut(&image);
        let mut patch = plane(region.rows, |y, x| 0.8 + 0.1 * (0.7 * x + 0.3 * y).sin());
        patch.columns = region.columns;
        let source = patch.clone();
        clone(&mut patch, &host, &region, false);
        let w = region.columns;
        for at in 0..patch.pixels.len() {
            if region.alpha[at] == 0.0 {
                assert!((patch.pixels[at] - host.pixels[at]).abs() < 1e-5);
                continue;
            }
            let laplacian = |p: &GrayImage| {
                4.0 * p.pixels[at]
                    - p.pixels[at - 1]
                    - p.pixels[at + 1]
                    - p.pixels[at - w]
                    - p.pixels[at + w]
            };
            let apart = (laplacian(&patch) - laplacian(&source)).abs();
            assert!(apart < 0.005, "{apart}");
        }
        // The source was half a grey scale brighter; the clone is not.
        let middle = patch.pixels[region.rows / 2 * w + w / 2];
        assert!((0.1..0.6).contains(&middle), "{middle}");
    }

    #[test]
    fn mixed_gradients_keep_the_hosts_structure_under_a_flat_source() {
        let image = plane(128, |y, x| 0.5 + 0.2 * (0.9 * x).sin() * (0.8 * y).cos());
        let body = Body::of(&image);
        let region = Region::draw(&image, &body, &mut StdRng::seed_from_u64(6));
        let host = region.cut(&image);
        let mut patch = plane(region.rows, |_, _| 0.1);
        clone(&mut patch, &host, &region, true);
        for (a, b) in patch.pixels.iter().zip(&host.pixels) {
            assert!((a - b).abs() < 0.02, "{a} {b}");
        }
    }
}
