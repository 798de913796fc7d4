//! `splice`: a region of another patient's image in a real one.
//!
//! The oldest forgery and the base of the splicing benchmarks (Ng & Chang, "A data set of authentic
//! and spliced image blocks", Columbia 2004); of medical images, the copy-and-paste lesions that
//! Mirsky et al. compare CT-GAN with (USENIX Security 2019). Ours differs in taking care: the donor's
//! place is the one of several whose surroundings fit best, grey level, contrast and grain are
//! matched to the host, and half of the splices move whole pixels only, so that no interpolation
//! betrays them.

use rand::Rng;
use rand::rngs::StdRng;

use super::blend::{match_grain, match_rim};
use super::parameters::Parameters;
use super::place::{self, Motion};
use super::region::{Body, Region};
use crate::GrayImage;

/// The patch over the region's window.
pub(super) fn patch(
    image: &GrayImage,
    donor: Option<&GrayImage>,
    region: &Region,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    parameters.note(
        "donor",
        if donor.is_some() {
            "other"
        } else {
            "mirror_image"
        },
    );
    let mirror;
    let donor = match donor {
        Some(donor) => donor,
        None => {
            mirror = flipped(image);
            &mirror
        }
    };
    let donor_body = Body::of(donor);
    let host = region.cut(image);
    let motion = if rng.random_bool(0.5) {
        Motion::shift(rng)
    } else {
        Motion::turned(25.0, 0.8..1.25, rng)
    };
    // Mostly the same part of the body: lesions have their places.
    let near = [
        region.centre()[0] * donor.rows as f32 / image.rows as f32,
        region.centre()[1] * donor.columns as f32 / image.columns as f32,
    ];
    let reach = 0.12 * donor.rows.min(donor.columns) as f32;
    let candidates: Vec<[f32; 2]> = (0..6)
        .map(|index| {
            if index < 4 {
                [
                    near[0] + rng.random_range(-reach..reach),
                    near[1] + rng.random_range(-reach..reach),
                ]
            } else {
                donor_body.point(rng)
            }
        })
        .collect();
    let (source, mut patch) = place::best(donor, &donor_body, &candidates, &host, region, &motion);
    let contrast = rng.random_range(0.0..1.0);
    match_rim(&mut patch, &host, region, contrast);
    let grain = rng.random_bool(0.5);
    if grain {
        match_grain(&mut patch, &host, region);
    }
    motion.note(parameters);
    parameters.note("source_y", source[0]);
    parameters.note("source_x", source[1]);
    parameters.note("contrast_matched", contrast);
    parameters.note("grain_matched", grain);
    patch
}

/// Left and right exchanged.
fn flipped(image: &GrayImage) -> GrayImage {
    let mut flipped = image.clone();
    for line in flipped.pixels.chunks_exact_mut(image.columns) {
        line.reverse();
    }
    flipped
}
