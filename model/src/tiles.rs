//! From an image's pixels to the tiles that the detector scores.

use std::borrow::Cow;

use crate::resample::lanczos3;
use crate::{InputSpec, View};

/// A rectangle of an image, ready for the detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// Row-major presentation grey in `[0, 1]`, `height * width` of them.
    pub pixels: Vec<f32>,
    /// Rows, a multiple of [`InputSpec::multiple`].
    pub height: usize,
    /// Columns, a multiple of [`InputSpec::multiple`].
    pub width: usize,
    /// Rows and columns that show the image; the rest is reflected padding.
    pub valid: [usize; 2],
    /// Where the valid part lies in the image: `[x0, y0, x1, y1]` in its pixels.
    pub region: [f32; 4],
    /// The view it belongs to.
    pub view: View,
}

/// Why an image has no tiles.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuitable {
    /// Too few pixels to judge.
    #[error("the image is {rows}×{columns} pixels; fewer than {least} on a side are not judged")]
    TooSmall {
        /// Rows of the image.
        rows: usize,
        /// Columns of the image.
        columns: usize,
        /// Smallest side that is judged.
        least: usize,
    },
    /// A strip rather than an image.
    #[error("the image is {rows}×{columns} pixels, too elongated to judge")]
    Elongated {
        /// Rows of the image.
        rows: usize,
        /// Columns of the image.
        columns: usize,
    },
    /// Nothing to see.
    #[error("the image shows almost no contrast")]
    Flat,
}

/// Longest side over shorter side that is still judged.
const MAX_ASPECT: usize = 8;

/// Standard deviation of grey below which an image counts as blank, in `[0, 1]` units.
const FLAT: f64 = 0.01;

/// Sums that run side by side.
const LANES: usize = 8;

impl InputSpec {
    /// Cuts the views of an image into tiles.
    ///
    /// `pixels` are row-major presentation grey in `[0, 1]`, `rows * columns` of them. An image
    /// whose shorter side is at least [`InputSpec::tile`] yields tiles of exactly that side.
    ///
    /// # Errors
    /// [`Unsuitable`] when the image is too small, too elongated or blank.
    ///
    /// # Panics
    /// When `pixels` does not hold `rows * columns` values.
    pub fn tiles(
        &self,
        pixels: &[f32],
        rows: usize,
        columns: usize,
    ) -> Result<Vec<Tile>, Unsuitable> {
        assert_eq!(pixels.len(), rows * columns, "pixels do not fill the image");
        let (short, long) = (rows.min(columns), rows.max(columns));
        if short < self.min_side {
            let least = self.min_side;
            return Err(Unsuitable::TooSmall {
                rows,
                columns,
                least,
            });
        }
        if long > short * MAX_ASPECT {
            return Err(Unsuitable::Elongated { rows, columns });
        }
        if deviation(std::iter::once(pixels)) < FLAT {
            return Err(Unsuitable::Flat);
        }
        let mut tiles = Vec::new();
        for view in &self.views {
            match view {
                View::WholeField => self.whole_field(pixels, rows, columns, &mut tiles),
                View::Native => self.native(pixels, rows, columns, &mut tiles),
            }
        }
        Ok(tiles)
    }

    fn whole_field(&self, pixels: &[f32], rows: usize, columns: usize, tiles: &mut Vec<Tile>) {
        let short = rows.min(columns);
        let scale = (short as f64 / self.tile as f64).max(1.0);
        let reduce = |side: usize| ((side as f64 / scale).round() as usize).max(self.tile);
        let (size, plane) = if scale > 1.0 {
            let size = [reduce(rows), reduce(columns)];
            (size, Cow::Owned(lanczos3(pixels, [rows, columns], size)))
        } else {
            ([rows, columns], Cow::Borrowed(pixels))
        };
        let places = self.places(size[0], size[1]);
        let cut = |place| self.cut(&plane, size, place, scale as f32, View::WholeField);
        tiles.extend(places.into_iter().map(cut));
    }

    /// Native tiles only say something new where the whole-field view was reduced, and where they
    /// show more than background.
    fn native(&self, pixels: &[f32], rows: usize, columns: usize, tiles: &mut Vec<Tile>) {
        if rows.min(columns) <= self.tile {
            return;
        }
        // No side is shorter than a tile, so that every tile lies whole within the image.
        let lines = |[top, left]: [usize; 2]| {
            (top..top + self.tile).map(move |y| &pixels[y * columns + left..][..self.tile])
        };
        let mut shown = self.places(rows, columns);
        shown.retain(|&place| deviation(lines(place)) >= FLAT);
        let keep = self.max_native_tiles.min(shown.len());
        tiles.extend((0..keep).map(|index| {
            let place = shown[(2 * index + 1) * shown.len() / (2 * keep)];
            self.cut(pixels, [rows, columns], place, 1.0, View::Native)
        }));
    }

    /// Top left corners, as `[row, column]`, of evenly spaced, possibly overlapping tiles that cover a
    /// plane.
    fn places(&self, rows: usize, columns: usize) -> Vec<[usize; 2]> {
        let across = starts(columns, self.tile);
        starts(rows, self.tile)
            .into_iter()
            .flat_map(|top| across.iter().map(move |&left| [top, left]))
            .collect()
    }

    /// One tile of a plane, padded where the plane is smaller.
    fn cut(
        &self,
        plane: &[f32],
        [rows, columns]: [usize; 2],
        [top, left]: [usize; 2],
        scale: f32,
        view: View,
    ) -> Tile {
        let valid = [self.tile.min(rows - top), self.tile.min(columns - left)];
        let height = valid[0].next_multiple_of(self.multiple);
        let width = valid[1].next_multiple_of(self.multiple);
        let mut pixels = Vec::with_capacity(height * width);
        for y in 0..height {
            let start = (top + reflect(y, valid[0])) * columns + left;
            let line = &plane[start..start + valid[1]];
            pixels.extend_from_slice(line);
            pixels.extend((valid[1]..width).map(|x| line[reflect(x, valid[1])]));
        }
        let edge = |position: usize| position as f32 * scale;
        Tile {
            pixels,
            height,
            width,
            valid,
            region: [
                edge(left),
                edge(top),
                edge(left + valid[1]),
                edge(top + valid[0]),
            ],
            view,
        }
    }
}

/// First positions of the fewest evenly spaced tiles that cover a side.
fn starts(side: usize, tile: usize) -> Vec<usize> {
    if side <= tile {
        return vec![0];
    }
    let count = side.div_ceil(tile);
    (0..count)
        .map(|index| index * (side - tile) / (count - 1))
        .collect()
}

/// Mirrors an index beyond the last valid one, without repeating the edge.
fn reflect(index: usize, valid: usize) -> usize {
    if valid == 1 {
        return 0;
    }
    let period = 2 * (valid - 1);
    let phase = index % period;
    phase.min(period - phase)
}

/// Standard deviation of the values of some lines.
fn deviation<'a>(lines: impl Iterator<Item = &'a [f32]>) -> f64 {
    // Sums side by side, which a compiler can keep in vectors, of differences from a constant in the
    // middle of the range, which lose nothing to speak of.
    let (mut sums, mut squares, mut count) = ([0.0; LANES], [0.0; LANES], 0);
    let mut add = |values: &[f32]| {
        for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(values) {
            let value = f64::from(value) - 0.5;
            *sum += value;
            *square += value * value;
        }
    };
    for line in lines {
        let (whole, rest) = line.as_chunks::<LANES>();
        whole.iter().for_each(|values| add(values));
        add(rest);
        count += line.len();
    }
    let count = count.max(1) as f64;
    let mean = sums.iter().sum::<f64>() / count;
    let square = squares.iter().sum::<f64>() / count;
    (square - mean * mean).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns)
            .map(|i| (i % columns) as f32 / columns as f32)
            .collect()
    }

    /// Texture with contrast in every tile.
    fn steep(side: usize) -> Vec<f32> {
        (0..side * side).map(|i| (i % 97) as f32 / 97.0).collect()
    }

    #[test]
    fn native_tiles_of_background_are_left_out() {
        let spec = InputSpec {
            views: vec![View::Native],
            ..InputSpec::default()
        };
        let mut pixels = steep(512);
        for (index, value) in pixels.iter_mut().enumerate() {
            if index % 512 >= 256 {
                *value = 0.0;
            }
        }
        let tiles = spec.tiles(&pixels, 512, 512).unwrap();
        assert_eq!(tiles.len(), 2);
        assert!(tiles.iter().all(|tile| tile.region[0] == 0.0));
    }

    #[test]
    fn an_image_of_one_tile_is_left_alone() {
        let spec = InputSpec::default();
        let pixels = ramp(256, 256);
        let tiles = spec.tiles(&pixels, 256, 256).unwrap();
        assert_eq!(tiles.len(), 1);
        assert_eq!(tiles[0].pixels, pixels);
        assert_eq!(tiles[0].region, [0.0, 0.0, 256.0, 256.0]);
    }

    #[test]
    fn a_large_image_is_reduced_and_covered() {
        let spec = InputSpec::default();
        let tiles = spec.tiles(&ramp(700, 1024), 700, 1024).unwrap();
        assert!(tiles.iter().all(|t| (t.height, t.width) == (256, 256)));
        assert_eq!(tiles.len(), 2);
        assert_eq!(tiles[0].region[0], 0.0);
        assert!((tiles[1].region[2] - 1024.0).abs() < 4.0);
    }

    #[test]
    fn a_small_image_is_padded_and_never_enlarged() {
        let spec = InputSpec::default();
        let tiles = spec.tiles(&ramp(100, 130), 100, 130).unwrap();
        assert_eq!(tiles.len(), 1);
        assert_eq!((tiles[0].height, tiles[0].width), (128, 160));
        assert_eq!(tiles[0].valid, [100, 130]);
        // Reflection: column 130 repeats column 128.
        assert_eq!(tiles[0].pixels[130], tiles[0].pixels[128]);
    }

    #[test]
    fn what_cannot_be_judged_is_named() {
        let spec = InputSpec::default();
        let of = |rows, columns| spec.tiles(&ramp(rows, columns), rows, columns);
        assert!(matches!(of(1, 1), Err(Unsuitable::TooSmall { .. })));
        assert!(matches!(of(64, 1024), Err(Unsuitable::Elongated { .. })));
        let flat = vec![0.5; 256 * 256];
        assert_eq!(spec.tiles(&flat, 256, 256), Err(Unsuitable::Flat));
    }

    #[test]
    fn native_tiles_are_bounded_and_spread() {
        let spec = InputSpec {
            views: vec![View::WholeField, View::Native],
            ..InputSpec::default()
        };
        let tiles = spec.tiles(&steep(2048), 2048, 2048).unwrap();
        let native = tiles.iter().filter(|t| t.view == View::Native).count();
        assert_eq!(native, spec.max_native_tiles);
    }
}
