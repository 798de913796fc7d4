//! `copy_move`: a region of the image copied to another place of the same image.
//!
//! Fridrich, Soukal & Lukáš, "Detection of copy-move forgery in digital images", DFRWS 2003; attacks
//! of rotation and scale as in Christlein et al., IEEE TIFS 2012. The copy keeps the image's own noise
//! and compression, which makes it the hardest for statistics and a matter of repetition alone; ours
//! is lesion-sized, softly blended and brought to the grey level of its new surroundings in most cases.

use rand::Rng;
use rand::rngs::StdRng;

use super::blend::match_rim;
use super::parameters::Parameters;
use super::place::{self, Motion};
use super::region::{Body, Region};
use crate::GrayImage;

/// The patch over the region's window.
pub(super) fn patch(
    image: &GrayImage,
    body: &Body,
    region: &Region,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let host = region.cut(image);
    let motion = if rng.random_bool(0.45) {
        Motion::shift(rng)
    } else {
        Motion::turned(180.0, 0.8..1.25, rng)
    };
    let mut patch = exemplar(image, body, region, &host, &motion, 4, parameters, rng);
    let matched = rng.random_bool(0.9);
    if matched {
        match_rim(&mut patch, &host, region, 0.0);
    }
    parameters.note("level_matched", matched);
    patch
}

/// The patch that fits best of those around `count` random places of the body, moved as told.
#[expect(clippy::too_many_arguments, reason = "what every family is given")]
pub(super) fn exemplar(
    image: &GrayImage,
    body: &Body,
    region: &Region,
    host: &GrayImage,
    motion: &Motion,
    count: usize,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let places = elsewhere(body, region, count, rng);
    let (source, patch) = place::best(image, body, &places, host, region, motion);
    motion.note(parameters);
    parameters.note("source_y", source[0]);
    parameters.note("source_x", source[1]);
    patch
}

/// Random places in the body that overlap the region by little, as far as such are found.
pub(super) fn elsewhere(
    body: &Body,
    region: &Region,
    count: usize,
    rng: &mut StdRng,
) -> Vec<[f32; 2]> {
    let own = region.centre();
    let mut places = Vec::with_capacity(count);
    for attempt in 0.. {
        let place = body.point(rng);
        let distance = (place[0] - own[0]).hypot(place[1] - own[1]);
        if distance > 1.6 * region.radius || attempt > 16 * count {
            places.push(place);
        }
        if places.len() == count {
            break;
        }
    }
    places
}
