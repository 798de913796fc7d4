//! `inpaint_classic`: what lies in a region is removed and its surroundings continued.
//!
//! Three fills without training, drawn at random: diffusion (the membrane of Bertalmío et al.,
//! "Image inpainting", SIGGRAPH 2000, in its harmonic form), fast marching ([`super::telea`]), and
//! completion by one dominant patch offset (He & Sun, "Statistics of patch offsets for image
//! completion", ECCV 2012; ours takes the best of random offsets in place of a graph cut) with its
//! seam closed by Pérez et al.'s membrane. Smooth fills are betrayed by missing noise, so noise is
//! synthesised again: the fine detail of a fitting place elsewhere, or its random-phase texture
//! (Galerne et al. 2011), at the strength it has around the region.

use rand::Rng;
use rand::rngs::StdRng;

use super::blend::solve_poisson;
use super::copy_move::exemplar;
use super::parameters::Parameters;
use super::place::Motion;
use super::poisson_blend;
use super::raster::{combined, gaussian, quantile_deviation};
use super::region::{Body, Region};
use super::spectrum::Spectrum;
use super::telea;
use crate::GrayImage;

/// Offsets tried for completion.
const OFFSETS: usize = 40;

/// The patch over the region's window.
pub(super) fn patch(
    image: &GrayImage,
    body: &Body,
    region: &Region,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let host = region.cut(image);
    let motion = Motion::shift(rng);
    let mut exemplar = exemplar(
        image, body, region, &host, &motion, OFFSETS, parameters, rng,
    );
    let inside: Vec<bool> = region.alpha.iter().map(|&a| a > 0.0).collect();
    let filled = match rng.random_range(0..3) {
        0 => {
            parameters.note("fill", "patch_offset");
            poisson_blend::clone(&mut exemplar, &host, region, false);
            return exemplar;
        }
        1 => {
            parameters.note("fill", "fast_marching");
            continued(&host, region, &inside, true)
        }
        _ => {
            parameters.note("fill", "diffusion");
            continued(&host, region, &inside, false)
        }
    };
    let sigma = rng.random_range(1.0..2.5);
    let detail = |image: &GrayImage| combined(image, -1.0, &gaussian(image, sigma));
    let mut grain = detail(&exemplar);
    let random_phase = rng.random_bool(0.5);
    if random_phase {
        let mut spectrum = Spectrum::of(&grain);
        spectrum.randomise_phase(rng);
        grain = spectrum.plane();
    }
    let around: Vec<f32> = detail(&host)
        .pixels
        .iter()
        .zip(&inside)
        .filter(|(_, inside)| !**inside)
        .map(|(&v, _)| v)
        .collect();
    // Edges around the region are not noise; this measure leaves them out.
    let wanted = quantile_deviation(around);
    let own = quantile_deviation(grain.pixels.clone()).max(1e-5);
    let strength = (wanted / own).min(3.0) * rng.random_range(0.7..1.1);
    parameters.note("grain_sigma", sigma);
    parameters.note("grain_random_phase", random_phase);
    parameters.note("grain_gain", strength);
    combined(&filled, strength, &grain)
}

/// The window with the surroundings of the region continued into it: by fast marching or by diffusion.
pub(super) fn continued(
    host: &GrayImage,
    region: &Region,
    inside: &[bool],
    marching: bool,
) -> GrayImage {
    let mut filled = host.clone();
    if marching {
        telea::fill(&mut filled, inside);
    } else {
        let nothing = vec![0.0; inside.len()];
        let pixels = &mut filled.pixels;
        solve_poisson(pixels, inside, &nothing, region.rows, region.columns);
    }
    filled
}
