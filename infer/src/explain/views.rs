//! The pictures of an explanation.

use veraray_datasets::GrayImage;

use crate::explain::explanation::{Detail, Explanation};
use crate::explain::filter::{residual, window};
use crate::explain::noise::quantile;
use crate::report::colour::heat;
use crate::report::raster::{Picture, field, reduced};

/// Longest side of a picture on the page.
pub(crate) const LONGEST: usize = 768;

/// Side of the window in which detail is shown pixel by pixel.
pub(crate) const WINDOW: usize = 384;

/// Residual that is shown black or white: where the detector cuts it off too.
const FULL_RESIDUAL: f32 = 1.0 / 30.0;

/// A plane of numbers with its size.
#[derive(Debug, Clone)]
pub(crate) struct Plane {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f32>,
}

impl Plane {
    pub(crate) fn picture(&self, map: impl Fn(f32) -> [u8; 3]) -> Picture {
        Picture::mapped(&self.values, self.rows, self.columns, map)
    }
}

/// The frame, small enough for a page.
pub(crate) fn base(explanation: &Explanation) -> GrayImage {
    reduced(&explanation.gray, LONGEST)
}

/// The localisation map over a grid, in `[0, 1]`.
pub(crate) fn map(detail: &Detail, rows: usize, columns: usize) -> Plane {
    Plane {
        rows,
        columns,
        values: field(&detail.scored, |_, tile| &tile.score.map, rows, columns),
    }
}

/// How unsure the map is: the entropy of its cells in bits, 1 where it says one half.
pub(crate) fn unsure(detail: &Detail, rows: usize, columns: usize) -> Plane {
    let mut plane = map(detail, rows, columns);
    plane
        .values
        .iter_mut()
        .for_each(|value| *value = entropy(*value));
    plane
}

fn entropy(share: f32) -> f32 {
    let term = |share: f32| {
        if share > 0.0 {
            -share * share.log2()
        } else {
            0.0
        }
    };
    if share.is_nan() {
        return f32::NAN;
    }
    (term(share) + term(1.0 - share)).clamp(0.0, 1.0)
}

/// Share of the map's cells that are less than two bits in three sure.
pub(crate) fn unsure_share(detail: &Detail) -> f64 {
    let cells = || detail.scored.tiles.iter().flat_map(|tile| &tile.score.map);
    let unsure = cells().filter(|cell| entropy(**cell) > 2.0 / 3.0).count();
    unsure as f64 / cells().count().max(1) as f64
}

/// What every place adds to the logit, from -1 to 1 by the largest.
pub(crate) fn places(explanation: &Explanation, rows: usize, columns: usize) -> Option<Plane> {
    let detail = explanation.detail.as_ref()?;
    let places = &explanation.drivers.as_ref()?.places;
    let largest = places
        .iter()
        .flatten()
        .map(|value| value.abs())
        .fold(f32::MIN_POSITIVE, f32::max);
    let mut values = field(&detail.scored, |index, _| &places[index], rows, columns);
    values.iter_mut().for_each(|value| *value /= largest);
    Some(Plane {
        rows,
        columns,
        values,
    })
}

/// The spectrum, its range cut to what is there.
pub(crate) fn spectrum(explanation: &Explanation) -> Option<Picture> {
    let spectrum = explanation.spectrum.as_ref()?;
    let [low, high] = range(&spectrum.plane, 0.01, 0.999);
    let plane = Plane {
        rows: spectrum.side,
        columns: spectrum.side,
        values: spectrum.plane.clone(),
    };
    Some(plane.picture(|value| heat((value - low) / (high - low))))
}

/// A window on the frame where the map is highest, else on its middle, with its corner.
pub(crate) fn closeup(explanation: &Explanation) -> (GrayImage, [usize; 2]) {
    let centre = explanation
        .detail
        .as_ref()
        .map_or([0.5; 2], |detail| peak(&map(detail, 48, 48)));
    window(&explanation.gray, centre, WINDOW)
}

fn peak(plane: &Plane) -> [f64; 2] {
    let highest = plane
        .values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(index, _)| index);
    let share = |index: usize, length: usize| (index as f64 + 0.5) / length as f64;
    [
        share(highest / plane.columns, plane.rows),
        share(highest % plane.columns, plane.columns),
    ]
}

/// The residual of a window: grey where a smooth surface explains the image.
pub(crate) fn residual_picture(image: &GrayImage) -> Picture {
    Plane {
        rows: image.rows,
        columns: image.columns,
        values: residual(image),
    }
    .picture(|value| {
        let level = (value / FULL_RESIDUAL).clamp(-1.0, 1.0).mul_add(0.5, 0.5);
        [(level * 255.0).round() as u8; 3]
    })
}

/// The noise by place, and the strengths at both ends of its colours.
pub(crate) fn noise(explanation: &Explanation) -> Option<(Picture, [f32; 2])> {
    let noise = explanation.noise.as_ref()?;
    let [low, high] = range(&noise.plane, 0.02, 0.98);
    let plane = Plane {
        rows: noise.blocks[0],
        columns: noise.blocks[1],
        values: noise.plane.clone(),
    };
    let picture = plane.picture(|value| heat((value - low) / (high - low)));
    Some((picture, [low, high]))
}

/// Quantiles between which a plane's numbers lie, never the same twice.
fn range(values: &[f32], low: f64, high: f64) -> [f32; 2] {
    let mut values: Vec<f64> = values
        .iter()
        .filter(|value| value.is_finite())
        .map(|&value| f64::from(value))
        .collect();
    let (low, high) = (quantile(&mut values, low), quantile(&mut values, high));
    [low as f32, if high > low { high } else { low + 1.0 } as f32]
}

/// A picture enlarged or reduced to fit a square, without smoothing; its corner is the square's.
pub(crate) fn fitted(picture: &Picture, side: usize) -> Picture {
    let longest = picture.rows.max(picture.columns).max(1);
    let fit = |length: usize| (length * side / longest).max(1);
    let (rows, columns) = (fit(picture.rows), fit(picture.columns));
    let mut output = Picture::plain(rows, columns, [0; 3]);
    for row in 0..rows {
        for column in 0..columns {
            let from =
                row * picture.rows / rows * picture.columns + column * picture.columns / columns;
            let colour = &picture.bytes[from * 3..from * 3 + 3];
            output.set(row, column, [colour[0], colour[1], colour[2]]);
        }
    }
    output
}

/// A plane from 0 to 1 as heat; places without a number are black.
pub(crate) fn heated(plane: &Plane) -> Picture {
    plane.picture(|value| if value.is_nan() { [0; 3] } else { heat(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_is_least_sure() {
        assert_eq!(entropy(0.5), 1.0);
        assert_eq!((entropy(0.0), entropy(1.0)), (0.0, 0.0));
        assert!(entropy(0.9) < 0.5 && entropy(f32::NAN).is_nan());
    }

    #[test]
    fn fitting_keeps_the_shape() {
        let picture = Picture {
            rows: 2,
            columns: 4,
            bytes: (0..24).collect(),
        };
        let large = fitted(&picture, 40);
        assert_eq!((large.rows, large.columns), (20, 40));
        assert_eq!(large.bytes[..3], picture.bytes[..3]);
        let small = fitted(&picture, 2);
        assert_eq!((small.rows, small.columns), (1, 2));
    }

    #[test]
    fn a_constant_plane_has_a_range() {
        assert_eq!(range(&[2.0; 9], 0.1, 0.9), [2.0, 3.0]);
        assert_eq!(range(&[f32::NAN], 0.1, 0.9), [0.0, 1.0]);
    }
}
