//! `noise_inconsistency`: a region whose noise is not that of the image around it.
//!
//! Networks that minimise an error draw what is likely, and noise is not: what they paint into an image
//! is smoother than the image, and where noise is added afterwards it is seldom as strong and as coarse
//! as the receiver's (Mahdian & Saic, "Using noise inconsistencies for blind image forensics", Image and
//! Vision Computing 2009, find such regions by their variance). Here content comes from the place
//! itself, from elsewhere in the image or from the surroundings, the latter with or without a smooth
//! lesion, is smoothed slightly to plainly, and gets no noise, too little or too much. The plain ones are
//! what a network that knows nothing yet can begin with. Where [`super::inpaint_classic`] restores the noise as well as it can, this family
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
const LARGE: f32 = 0.16;

/// Share of regions that are put where the image is calm: there nothing shows how much detail is missing.
pub(super) const CALM: f64 = 0.3;

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
        0..11 => 0.0,
        11..17 => rng.random_range(0.1..0.65),
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
    let (name, filled) = match rng.random_range(0..10) {
        kept if kept < 4 || !small => ("own", host.clone()),
        4 => {
            let motion = Motion::shift(rng);
            let mut patch = exemplar(image, body, region, host, &motion, 4, parameters, rng);
            match_rim(&mut patch, host, region, 0.0);
            ("elsewhere", patch)
        }
        fill => {
            let inside: Vec<bool> = region.alpha.iter().map(|&a| a > 0.0).collect();
            let mut filled = continued(host, region, &inside, fill % 2 == 0);
            if fill < 7 {
                parameters.note("content", "surroundings");
            } else {
                parameters.note("content", "lesion");
                lesion(&mut filled, region, moments(&host.pixels).1, rng);
            }
            return filled;
        }
    };
    parameters.note("content", name);
    let (name, strength, smooth) = match rng.random_range(0..4) {
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
            let strength = rng.random_range(0.6_f32.ln()..6.0_f32.ln()).exp();
            ("low_pass", strength, gaussian(&filled, strength))
        }
    };
    parameters.note("smoothing", name);
    parameters.note("smoothing_strength", strength);
    smooth
}

/// Adds one to three smooth, roundish lesions; `spread` is the deviation of the window's values.
fn lesion(window: &mut GrayImage, region: &Region, spread: f32, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..=3) {
        let contrast = spread * rng.random_range(0.3..2.0_f32);
        let contrast = if rng.random_bool(0.7) {
            contrast
        } else {
            -contrast
        };
        let [radius, other] =
            std::array::from_fn(|_| region.radius * rng.random_range(0.15..0.6_f32));
        let [row, column] = [region.rows, region.columns]
            .map(|side| 0.5 * side as f32 + 0.4 * region.radius * rng.random_range(-1.0..1.0_f32));
        for (index, value) in window.pixels.iter_mut().enumerate() {
            let down = (index / region.columns) as f32 - row;
            let across = (index % region.columns) as f32 - column;
            let distance = (down / radius).powi(2) + (across / other).powi(2);
            *value += contrast * (-0.5 * distance).exp();
        }
    }
}
