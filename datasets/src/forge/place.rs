//! Where a patch comes from and how it is turned on its way.

use rand::Rng;
use rand::rngs::StdRng;

use super::parameters::Parameters;
use super::raster::{Kernel, mirrored, sample};
use super::region::{Body, Region};
use crate::GrayImage;

/// Mirror, rotation and scale between a patch's source and its place.
#[derive(Debug, Clone)]
pub(super) struct Motion {
    mirror: bool,
    /// Degrees.
    degrees: f32,
    scale: f32,
    /// `None`: whole pixels are moved and nothing is interpolated.
    kernel: Option<Kernel>,
}

impl Motion {
    /// Whole pixels, mirrored now and then.
    pub(super) fn shift(rng: &mut StdRng) -> Self {
        Self {
            mirror: rng.random_bool(0.3),
            degrees: 0.0,
            scale: 1.0,
            kernel: None,
        }
    }

    /// A rotation by up to `degrees` either way and a scaling, interpolated.
    pub(super) fn turned(degrees: f32, scale: std::ops::Range<f32>, rng: &mut StdRng) -> Self {
        Self {
            mirror: rng.random_bool(0.3),
            degrees: rng.random_range(-degrees..degrees),
            scale: rng.random_range(scale),
            kernel: Some(Kernel::SMOOTH[rng.random_range(0..Kernel::SMOOTH.len())]),
        }
    }

    pub(super) fn note(&self, parameters: &mut Parameters) {
        parameters.note("mirrored", self.mirror);
        parameters.note("degrees", self.degrees);
        parameters.note("scale", self.scale);
        parameters.note("kernel", self.kernel.map_or("none", Kernel::name));
    }

    /// The patch of a region's window taken around `centre` of the source.
    pub(super) fn cut(&self, source: &GrayImage, centre: [f32; 2], region: &Region) -> GrayImage {
        let (rows, columns) = (region.rows, region.columns);
        let middle = [(rows - 1) as f32 / 2.0, (columns - 1) as f32 / 2.0];
        let flip = if self.mirror { -1.0 } else { 1.0 };
        let mut pixels = Vec::with_capacity(rows * columns);
        if let Some(kernel) = self.kernel {
            let (sine, cosine) = self.degrees.to_radians().sin_cos();
            for row in 0..rows {
                let dy = (row as f32 - middle[0]) / self.scale;
                for column in 0..columns {
                    let dx = (column as f32 - middle[1]) * flip / self.scale;
                    let y = centre[0] + cosine * dy - sine * dx;
                    let x = centre[1] + sine * dy + cosine * dx;
                    pixels.push(sample(source, y, x, kernel));
                }
            }
        } else {
            let (top, left) = (
                (centre[0] - middle[0]).round() as isize,
                (centre[1] - middle[1]).round() as isize,
            );
            for row in 0..rows as isize {
                let line = mirrored(top + row, source.rows) * source.columns;
                for column in 0..columns as isize {
                    let column = if self.mirror {
                        columns as isize - 1 - column
                    } else {
                        column
                    };
                    pixels.push(source.pixels[line + mirrored(left + column, source.columns)]);
                }
            }
        }
        GrayImage {
            rows,
            columns,
            pixels,
        }
    }
}

/// How badly a patch fits around a region: mean squared difference over what stays of the host,
/// the mean difference taken out, because that is matched later.
pub(super) fn misfit(patch: &GrayImage, host: &GrayImage, region: &Region) -> f32 {
    let (mut weight, mut sum, mut squares) = (1e-6, 0.0, 0.0);
    for ((a, b), alpha) in patch.pixels.iter().zip(&host.pixels).zip(&region.alpha) {
        let (left, difference) = (1.0 - alpha, a - b);
        weight += left;
        sum += left * difference;
        squares += left * difference * difference;
    }
    let mean: f32 = sum / weight;
    squares / weight - mean * mean
}

/// The candidate centre whose patch fits best around the region, and the patch; candidates outside
/// the source's body only when there are no others.
pub(super) fn best(
    source: &GrayImage,
    body: &Body,
    candidates: &[[f32; 2]],
    host: &GrayImage,
    region: &Region,
    motion: &Motion,
) -> ([f32; 2], GrayImage) {
    let half = [region.rows as f32 / 2.0, region.columns as f32 / 2.0];
    let mut best: Option<(f32, [f32; 2], GrayImage)> = None;
    for &candidate in candidates {
        // The patch stays inside its source: mirrored borders would be seen.
        let centre: [f32; 2] = std::array::from_fn(|axis| {
            let limit = [source.rows, source.columns][axis] as f32;
            let low = half[axis].min(limit / 2.0);
            candidate[axis].clamp(low, (limit - half[axis]).max(low))
        });
        let patch = motion.cut(source, centre, region);
        let (top, left) = (centre[0] - half[0], centre[1] - half[1]);
        let outside = 1.0 - body.share(top, left, region.rows, region.columns);
        let cost = misfit(&patch, host, region) + 0.5 * outside;
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, centre, patch));
        }
    }
    best.map_or_else(
        || (region.centre(), host.clone()),
        |(_, centre, patch)| (centre, patch),
    )
}
