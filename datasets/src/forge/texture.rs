//! What makes a generated plane as hard as a real generator's: detail in place of blur, a matched
//! spectrum, parts of the real mixed back.

use rand::Rng;
use rand::rngs::StdRng;

use super::levels::Levels;
use super::parameters::Parameters;
use super::raster::{box_mean, combined, gaussian, mapped, moments};
use super::region::smooth_step;
use super::spectrum::Spectrum;
use crate::GrayImage;

/// Gives a smooth plane detail of the strength that the real has beyond it, in a mixture of three:
/// sharpened edges of the plane itself, as adversarially trained decoders invent them; random-phase
/// texture with the lost detail's spectrum and local strength; and some of the lost detail itself.
pub(super) fn retextured(
    base: &GrayImage,
    real: &GrayImage,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let lost = combined(real, -1.0, base);
    let (_, strength) = moments(&lost.pixels);
    let kept = match rng.random_bool(0.5) {
        true => 0.0,
        false => rng.random_range(0.2..0.8_f32),
    };
    // Past the strength of what was lost now and then, so that sharpness has no sign.
    let invented = (1.0 - kept * kept).sqrt() * rng.random_range(0.5..1.5_f32);
    let grainy = rng.random_range(0.2..1.0_f32);
    parameters.note("detail_kept", kept);
    parameters.note("detail_invented", invented);
    parameters.note("detail_random_phase", grainy);
    let mut result = combined(base, kept, &lost);
    if strength < 1e-5 {
        return result;
    }
    // The texture, as strong in every place as what was lost there.
    let mut spectrum = Spectrum::of(&lost);
    spectrum.randomise_phase(rng);
    let texture = spectrum.plane();
    let local = box_mean(&mapped(&lost, |v| v * v), 4);
    let (_, own) = moments(&texture.pixels);
    let texture_gain = invented * grainy / own.max(1e-6);
    for ((value, texture), local) in result
        .pixels
        .iter_mut()
        .zip(&texture.pixels)
        .zip(&local.pixels)
    {
        *value += texture_gain * local.max(0.0).sqrt() * texture;
    }
    // The edges.
    let edges = combined(base, -1.0, &gaussian(base, rng.random_range(0.8..1.6)));
    let (_, own) = moments(&edges.pixels);
    let edge_gain = (invented * (1.0 - grainy * grainy).sqrt() * strength / own.max(1e-6)).min(2.0);
    for (value, edge) in result.pixels.iter_mut().zip(&edges.pixels) {
        *value += edge_gain * edge;
    }
    result
}

/// The last steps of every whole-image family, each drawn at random: part of the real's pixels mixed
/// back, the radial spectrum of the real, an untouched background; then the real's levels.
pub(super) fn finished(
    mut fake: GrayImage,
    real: &GrayImage,
    match_chance: f64,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let share = match rng.random_bool(0.4) {
        true => rng.random_range(0.5..0.95_f32),
        false => 1.0,
    };
    parameters.note("fake_share", share);
    if share < 1.0 {
        for (value, real) in fake.pixels.iter_mut().zip(&real.pixels) {
            *value = real + share * (*value - real);
        }
    }
    let keep_background = rng.random_bool(0.6);
    parameters.note("background_kept", keep_background);
    // Black or white to the last level in a whole neighbourhood: no detector was read out there.
    let flat = box_mean(
        &mapped(real, |v| f32::from(u8::from(v <= 0.0 || v >= 1.0))),
        2,
    );
    let kept = |flat: f32| keep_background && flat > 0.999;
    // Black and white are where they are cut off, and so is what was added to a background: before the
    // spectra are matched, lest energy is given to what does not last.
    let cut = |fake: &mut GrayImage| {
        for ((value, real), flat) in fake.pixels.iter_mut().zip(&real.pixels).zip(&flat.pixels) {
            *value = if kept(*flat) {
                *real
            } else {
                value.clamp(0.0, 1.0)
            };
        }
    };
    cut(&mut fake);
    // After the mixture, which averages fine detail away where fake and real disagree.
    let matched = rng.random_bool(match_chance);
    if matched {
        let strength = match rng.random_bool(0.7) {
            true => 1.0,
            false => rng.random_range(0.4..1.0),
        };
        // Not always exactly the real's: neither side of it may be the fake's.
        let boost = rng.random_range(-0.05..0.1_f32);
        let target = Spectrum::of(real).radial_power();
        for pass in 0..2 {
            let mut spectrum = Spectrum::of(&fake);
            spectrum.match_radial(&target, strength);
            if pass == 1 {
                spectrum.shape(|frequency| 1.0 + boost * smooth_step(10.0 * frequency - 0.5));
            }
            fake = spectrum.plane();
            cut(&mut fake);
        }
        parameters.note("spectrum_match_strength", strength);
        parameters.note("spectrum_boost", boost);
    }
    parameters.note("spectrum_matched", matched);
    let levels = Levels::of(&real.pixels);
    for value in &mut fake.pixels {
        *value = levels.snap(*value);
    }
    fake
}
