//! `noise_inconsistency`: a region whose noise is not that of the image around it.
//!
//! Networks that minimise an error draw what is likely, and noise is not: what they paint into an image
//! is smoother than the image, and where noise is added afterwards it is seldom as strong and as coarse
//! as the receiver's (Mahdian & Saic, "Using noise inconsistencies for blind image forensics", Image and
//! Vision Computing 2009, find such regions by their variance). Here content comes from the place
//! itself, from elsewhere in the image or from the surroundings, is smoothed, and gets no noise, too
//! little or too much. Where [`super::inpaint_classic`] restores the noise as well as it can, this family
//! leaves the one trace that inpainters of all kinds share, for a detector to learn it alone.

use rand::Rng;
use rand::rngs::StdRng;

use super::blend::match_rim;
use super::copy_move::exemplar;
use super::inpaint_classic::continued;
use super::parameters::Parameters;
use super::place::Motion;
use super::raster::{combined, gaussian, moments, noise_level, quantile_deviation};
use super::region::{Body, Region};
use super::{denoise, denoise_grain};
use crate::GrayImage;

/// Radius, as a share of the shorter side, from which on a region keeps its content.
const LARGE: f32 = 0.12;

/// The patch over the region's window.
pub(super) fn patch(
    image: &GrayImage,
    body: &Body,
    region: &Region,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let host = region.cut(image);
    let sigma = noise_level(image).max(denoise_grain::LEAST_NOISE);
    let smooth = content(image, &host, body, region, sigma, parameters, rng);
    let gain = match rng.random_range(0..20) {
        0..9 => 0.0,
        9..16 => rng.random_range(0.1..0.65),
        _ => rng.random_range(1.5..2.5_f32),
    };
    parameters.note("grain_gain", gain);
    if gain == 0.0 {
        return smooth;
    }
    let detail = combined(&host, -1.0, &gaussian(&host, 1.5));
    let grain = denoise_grain::grain(&detail, parameters, rng);
    // What is flat, as a background is, has no noise to go by.
    let touched = detail.pixels.iter().copied().filter(|v| v.abs() > 1e-6);
    let wanted = quantile_deviation(touched.collect()).clamp(0.5 * sigma, 2.0 * sigma);
    let (_, own) = moments(&grain.pixels);
    combined(&smooth, gain * wanted / own.max(1e-6), &grain)
}

/// What the region shows, with little noise.
fn content(
    image: &GrayImage,
    host: &GrayImage,
    body: &Body,
    region: &Region,
    sigma: f32,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    // Large regions of anything but the place's own content are plain to see.
    let small = region.radius < LARGE * image.rows.min(image.columns) as f32;
    let (name, filled) = match rng.random_range(0..8) {
        kept if kept < 4 || !small => ("own", host.clone()),
        4 | 5 => {
            let motion = Motion::shift(rng);
            let mut patch = exemplar(image, body, region, host, &motion, 4, parameters, rng);
            match_rim(&mut patch, host, region, 0.0);
            ("elsewhere", patch)
        }
        fill => {
            parameters.note("content", "surroundings");
            let inside: Vec<bool> = region.alpha.iter().map(|&a| a > 0.0).collect();
            return continued(host, region, &inside, fill == 6);
        }
    };
    parameters.note("content", name);
    let (name, strength, smooth) = match rng.random_range(0..3) {
        0 => {
            let strength = rng.random_range(1.5..5.0_f32);
            let smooth = denoise::wavelet_shrinkage(&filled, sigma, strength);
            ("wavelet", strength, smooth)
        }
        1 => {
            let (strength, radius) = (rng.random_range(2.0..6.0_f32), rng.random_range(2..=4));
            let smooth = denoise::guided(&filled, sigma, strength, radius);
            ("guided", strength, smooth)
        }
        _ => {
            let strength = rng.random_range(0.6..2.5_f32);
            ("low_pass", strength, gaussian(&filled, strength))
        }
    };
    parameters.note("smoothing", name);
    parameters.note("smoothing_strength", strength);
    smooth
}
