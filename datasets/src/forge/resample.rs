//! `resample`: geometry edited, grey values only interpolated.
//!
//! A region is enlarged, shrunk, turned or shifted in place, fading out towards its rim, as a
//! retoucher's warp tool does; or the whole image is bent elastically (Simard et al., ICDAR 2003,
//! with few, wide waves in place of smoothed noise). The trace is the periodic correlation between
//! neighbours that interpolation leaves (Popescu & Farid, "Exposing digital forgeries by detecting
//! traces of resampling", IEEE TSP 2005), here of a period that varies from place to place. A uniform
//! resizing of the whole image is no forgery here: it happens to images on their way, and the
//! delivery augmentation does it to both classes.

use std::f32::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;

use super::parameters::Parameters;
use super::raster::{Kernel, sample};
use super::region::Region;
use crate::GrayImage;

fn kernel(parameters: &mut Parameters, rng: &mut StdRng) -> Kernel {
    let kernel = Kernel::SMOOTH[rng.random_range(0..Kernel::SMOOTH.len())];
    parameters.note("kernel", kernel.name());
    kernel
}

/// The patch over the region's window: its content warped, most in the middle.
pub(super) fn patch(
    image: &GrayImage,
    region: &Region,
    parameters: &mut Parameters,
    rng: &mut StdRng,
) -> GrayImage {
    let kernel = kernel(parameters, rng);
    // Away from 1, so that something is seen to happen.
    let scale = match rng.random_bool(0.6) {
        true => rng.random_range(1.15..1.7_f32),
        false => rng.random_range(0.6..0.87),
    };
    let degrees = rng.random_range(-25.0..25.0_f32);
    let reach = 0.3 * region.radius;
    let shift = [
        rng.random_range(-reach..reach),
        rng.random_range(-reach..reach),
    ];
    parameters.note("scale", scale);
    parameters.note("degrees", degrees);
    parameters.note("shift_y", shift[0]);
    parameters.note("shift_x", shift[1]);
    let [cy, cx] = region.centre();
    let mut pixels = Vec::with_capacity(region.rows * region.columns);
    for row in 0..region.rows {
        for column in 0..region.columns {
            let (y, x) = ((region.top + row) as f32, (region.left + column) as f32);
            let (dy, dx) = (y - cy, x - cx);
            // The motion fades with the distance, so that content flows and nothing is cut.
            let share = 1.0 - (dy.hypot(dx) / (1.2 * region.radius)).min(1.0).powi(2);
            let shrink = 1.0 / (1.0 + share * (scale - 1.0));
            let (sine, cosine) = (degrees.to_radians() * share).sin_cos();
            let from_y = cy + shrink * (cosine * dy - sine * dx) - share * shift[0];
            let from_x = cx + shrink * (sine * dy + cosine * dx) - share * shift[1];
            pixels.push(sample(image, from_y, from_x, kernel));
        }
    }
    GrayImage {
        rows: region.rows,
        columns: region.columns,
        pixels,
    }
}

/// The whole image, bent by a few waves of up to 2 % of the side.
pub(super) fn whole(image: &GrayImage, parameters: &mut Parameters, rng: &mut StdRng) -> GrayImage {
    let kernel = kernel(parameters, rng);
    let side = image.rows.min(image.columns) as f32;
    let amplitude = side * rng.random_range(0.006..0.02_f32);
    parameters.note("amplitude_pixels", amplitude);
    // Per axis two waves: [waves down, waves across, phase].
    let waves: [[[f32; 3]; 2]; 2] = std::array::from_fn(|_| {
        std::array::from_fn(|_| {
            [
                rng.random_range(-2.0..2.0),
                rng.random_range(-2.0..2.0),
                rng.random_range(0.0..TAU),
            ]
        })
    });
    let offset = |axis: &[[f32; 3]; 2], y: f32, x: f32| -> f32 {
        axis.iter()
            .map(|[down, across, phase]| {
                (TAU * (down * y / image.rows as f32 + across * x / image.columns as f32) + phase)
                    .sin()
            })
            .sum::<f32>()
            * amplitude
            / 2.0
    };
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for row in 0..image.rows {
        for column in 0..image.columns {
            let (y, x) = (row as f32, column as f32);
            let from = (y + offset(&waves[0], y, x), x + offset(&waves[1], y, x));
            pixels.push(sample(image, from.0, from.1, kernel));
        }
    }
    GrayImage {
        rows: image.rows,
        columns: image.columns,
        pixels,
    }
}
