//! Where a local forgery goes: inside the body, the size of a lesion, with a soft outline.

use std::f32::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;

use super::parameters::Parameters;
use super::raster::moments;
use crate::GrayImage;

/// Cells along the shorter side that the body is looked for in.
const CELLS: usize = 32;
/// Diameter of a region as a share of the shorter side: that of nodules and masses.
const DIAMETER: std::ops::Range<f32> = 0.08..0.25;
/// The same of regions of any size; their logarithm is uniform.
const ANY_DIAMETER: [f32; 2] = [0.08, 0.7];

/// Across a strong outline every forgery is plain to see: in this share of the draws the calmest of a few
/// places is taken.
pub(super) const CALM: f64 = 0.65;
/// Known pixels around a region in its window, in pixels at least.
const MARGIN: f32 = 4.0;

/// The part of an image that is not background: what no path of black (or, in an inverted image,
/// white) and flat cells reaches from the border.
#[derive(Debug, Clone)]
pub(super) struct Body {
    rows: usize,
    columns: usize,
    /// Side of a cell in pixels.
    cell: usize,
    inside: Vec<bool>,
}

impl Body {
    pub(super) fn of(image: &GrayImage) -> Self {
        let cell = (image.rows.min(image.columns) / CELLS).max(2);
        let (rows, columns) = (image.rows.div_ceil(cell), image.columns.div_ceil(cell));
        let (_, spread) = moments(&image.pixels);
        let mut empty = vec![false; rows * columns];
        let mut values = Vec::with_capacity(cell * cell);
        for (index, empty) in empty.iter_mut().enumerate() {
            let (top, left) = (index / columns * cell, index % columns * cell);
            values.clear();
            for y in top..(top + cell).min(image.rows) {
                let line = y * image.columns;
                let right = (left + cell).min(image.columns);
                values.extend_from_slice(&image.pixels[line + left..line + right]);
            }
            let (mean, deviation) = moments(&values);
            let flat = deviation < 0.15 * spread;
            *empty = flat && (mean < 0.06 || (mean > 0.97 && deviation < 0.02 * spread));
        }
        let mut inside = vec![true; rows * columns];
        let border = |cell: usize| {
            let (y, x) = (cell / columns, cell % columns);
            y == 0 || x == 0 || y + 1 == rows || x + 1 == columns
        };
        let mut reached: Vec<usize> = (0..rows * columns).filter(|&c| border(c)).collect();
        while let Some(at) = reached.pop() {
            if !inside[at] || !empty[at] {
                continue;
            }
            inside[at] = false;
            let (y, x) = (at / columns, at % columns);
            if y > 0 {
                reached.push(at - columns);
            }
            if y + 1 < rows {
                reached.push(at + columns);
            }
            if x > 0 {
                reached.push(at - 1);
            }
            if x + 1 < columns {
                reached.push(at + 1);
            }
        }
        Self {
            rows,
            columns,
            cell,
            inside,
        }
    }

    /// The share of body in a window of pixels; what lies outside the image is no body.
    pub(super) fn share(&self, top: f32, left: f32, rows: usize, columns: usize) -> f32 {
        let (mut inside, mut all) = (0_usize, 0_usize);
        let steps = |size: usize| (size / self.cell).clamp(2, 8);
        let (down, across) = (steps(rows), steps(columns));
        for step in 0..=down {
            for other in 0..=across {
                let y = top + rows as f32 * step as f32 / down as f32;
                let x = left + columns as f32 * other as f32 / across as f32;
                all += 1;
                inside += usize::from(self.contains(y, x));
            }
        }
        inside as f32 / all as f32
    }

    fn contains(&self, y: f32, x: f32) -> bool {
        if y < 0.0 || x < 0.0 {
            return false;
        }
        let (row, column) = (y as usize / self.cell, x as usize / self.cell);
        row < self.rows && column < self.columns && self.inside[row * self.columns + column]
    }

    /// The centre of a random cell of the body, `[y, x]`; of any cell where there is no body.
    pub(super) fn point(&self, rng: &mut StdRng) -> [f32; 2] {
        let mut at = 0;
        for _ in 0..64 {
            at = rng.random_range(0..self.inside.len());
            if self.inside[at] {
                break;
            }
        }
        let centre = |index: usize| (index as f32 + 0.5) * self.cell as f32;
        [centre(at / self.columns), centre(at % self.columns)]
    }
}

/// A soft region and the window around it, which lies inside its image and whose outermost pixels
/// are not part of the region.
#[derive(Debug, Clone)]
pub(super) struct Region {
    /// First row of the window.
    pub top: usize,
    /// First column of the window.
    pub left: usize,
    /// Rows of the window.
    pub rows: usize,
    /// Columns of the window.
    pub columns: usize,
    /// Radius of the region along its longer half axis, in pixels.
    pub radius: f32,
    /// Width of the soft outline, in pixels.
    pub feather: f32,
    /// Row-major opacity over the window, exactly 0 outside the region.
    pub alpha: Vec<f32>,
}

impl Region {
    /// Draws a region: an ellipse with a wavy, feathered outline, in the body where that is possible.
    pub(super) fn draw(image: &GrayImage, body: &Body, rng: &mut StdRng) -> Self {
        let diameter = rng.random_range(DIAMETER);
        Self::sized(image, body, diameter, CALM, rng)
    }

    /// The same from a nodule's size to most of the image, in the calmest of a few places in the share
    /// `calm` of the draws.
    pub(super) fn of_any_size(image: &GrayImage, body: &Body, calm: f64, rng: &mut StdRng) -> Self {
        let [low, high] = ANY_DIAMETER.map(f32::ln);
        let diameter = rng.random_range(low..high).exp();
        Self::sized(image, body, diameter, calm, rng)
    }

    /// The same with a given diameter, as a share of the shorter side.
    fn sized(image: &GrayImage, body: &Body, diameter: f32, calm: f64, rng: &mut StdRng) -> Self {
        let side = image.rows.min(image.columns) as f32;
        let radius = (side * diameter / 2.0).max(3.0);
        let aspect = rng.random_range(0.6..1.0_f32);
        let turn = rng.random_range(0.0..TAU);
        let waves: [(f32, f32); 3] =
            std::array::from_fn(|_| (rng.random_range(0.0..0.07), rng.random_range(0.0..TAU)));
        let feather = if rng.random_bool(0.5) {
            rng.random_range(1.0..2.5_f32)
        } else {
            radius * rng.random_range(0.15..0.6)
        };
        // The waves reach beyond the ellipse by at most a fifth.
        let reach = 1.21 * radius + MARGIN;
        let size = |limit: usize| ((2.0 * reach).ceil() as usize + 1).min(limit);
        let (rows, columns) = (size(image.rows), size(image.columns));
        let place = |centre: f32, size: usize, limit: usize| {
            (centre - size as f32 / 2.0).clamp(0.0, (limit - size) as f32) as usize
        };
        let choices = if rng.random_bool(calm) { 4 } else { 1 };
        let mut best: Option<(f32, usize, usize)> = None;
        let mut placed = 0;
        for _ in 0..24 {
            let [y, x] = body.point(rng);
            let (top, left) = (place(y, rows, image.rows), place(x, columns, image.columns));
            let share = body.share(top as f32, left as f32, rows, columns);
            let (_, unrest) = moments(&window(image, top, left, rows, columns).pixels);
            let cost = unrest + 10.0 * (0.9 - share).max(0.0);
            if best.is_none_or(|(least, ..)| cost < least) {
                best = Some((cost, top, left));
            }
            placed += usize::from(share > 0.9);
            if placed >= choices {
                break;
            }
        }
        let (_, top, left) = best.unwrap_or_default();
        let centre = [(rows - 1) as f32 / 2.0, (columns - 1) as f32 / 2.0];
        let (sine, cosine) = turn.sin_cos();
        let mut alpha = vec![0.0; rows * columns];
        for (index, alpha) in alpha.iter_mut().enumerate() {
            let (row, column) = (index / columns, index % columns);
            if row == 0 || column == 0 || row + 1 == rows || column + 1 == columns {
                continue;
            }
            let (dy, dx) = (row as f32 - centre[0], column as f32 - centre[1]);
            let (along, across) = (cosine * dx + sine * dy, (cosine * dy - sine * dx) / aspect);
            let distance = along.hypot(across);
            let angle = across.atan2(along);
            let edge: f32 = waves
                .iter()
                .enumerate()
                .map(|(k, (size, phase))| size * ((k + 2) as f32 * angle + phase).cos())
                .sum();
            let depth = ((1.0 + edge) * radius - distance) * aspect.sqrt();
            *alpha = smooth_step(depth / feather);
        }
        Self {
            top,
            left,
            rows,
            columns,
            radius,
            feather,
            alpha,
        }
    }

    pub(super) fn note(&self, parameters: &mut Parameters) {
        let [y, x] = self.centre();
        parameters.note("centre_y", y);
        parameters.note("centre_x", x);
        parameters.note("radius_pixels", self.radius);
        parameters.note("feather_pixels", self.feather);
    }

    /// The middle of the window in the image, `[y, x]`.
    pub(super) fn centre(&self) -> [f32; 2] {
        [
            self.top as f32 + (self.rows - 1) as f32 / 2.0,
            self.left as f32 + (self.columns - 1) as f32 / 2.0,
        ]
    }

    /// The window's pixels.
    pub(super) fn cut(&self, image: &GrayImage) -> GrayImage {
        window(image, self.top, self.left, self.rows, self.columns)
    }
}

/// The pixels of a window that lies inside an image.
pub(super) fn window(
    image: &GrayImage,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
) -> GrayImage {
    let mut pixels = Vec::with_capacity(rows * columns);
    for y in top..top + rows {
        let line = y * image.columns + left;
        pixels.extend_from_slice(&image.pixels[line..line + columns]);
    }
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

/// 0 up to 0, 1 from 1, cubic between.
pub(super) fn smooth_step(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// A grey disc with a black hole, on black.
    fn torso(rows: usize, columns: usize) -> GrayImage {
        let pixels = (0..rows * columns)
            .map(|i| {
                let y = (i / columns) as f32 / rows as f32 - 0.5;
                let x = (i % columns) as f32 / columns as f32 - 0.5;
                let r = y.hypot(x);
                if r > 0.35 || r < 0.08 {
                    0.0
                } else {
                    0.4 + (i % 7) as f32 / 50.0
                }
            })
            .collect();
        GrayImage {
            rows,
            columns,
            pixels,
        }
    }

    #[test]
    fn the_body_is_the_disc_with_its_hole() {
        let body = Body::of(&torso(128, 160));
        assert!(body.contains(64.0, 80.0), "the hole belongs to the body");
        assert!(body.contains(64.0, 110.0));
        assert!(!body.contains(4.0, 4.0) && !body.contains(-1.0, 80.0));
    }

    #[test]
    fn regions_are_lesion_sized_inside_the_body_and_softly_outlined() {
        let image = torso(256, 256);
        let body = Body::of(&image);
        let mut placed = 0;
        for seed in 0..200 {
            let region = Region::draw(&image, &body, &mut StdRng::seed_from_u64(seed));
            assert!(region.top + region.rows <= 256 && region.left + region.columns <= 256);
            assert_eq!(region.alpha.len(), region.rows * region.columns);
            assert!(region.alpha.iter().all(|a| (0.0..=1.0).contains(a)));
            let area = region.alpha.iter().filter(|&&a| a > 0.0).count() as f32;
            let diameter = 2.0 * (area / std::f32::consts::PI).sqrt() / 256.0;
            assert!((0.05..0.28).contains(&diameter), "{diameter}");
            for x in 0..region.columns {
                assert_eq!(region.alpha[x], 0.0);
            }
            let [y, x] = region.centre();
            placed += usize::from(body.contains(y, x));
        }
        assert!(placed >= 195, "{placed} of 200 in the body");
    }

    #[test]
    fn the_smallest_and_oblong_images_take_a_region() {
        for (rows, columns) in [(64, 64), (64, 300), (511, 70)] {
            let image = torso(rows, columns);
            let body = Body::of(&image);
            for seed in 0..20 {
                let region = Region::draw(&image, &body, &mut StdRng::seed_from_u64(seed));
                assert!(region.alpha.iter().any(|&a| a > 0.5));
            }
        }
    }
}
