//! Grey levels, margins, corners and edges.

use crate::{Frame, GrayImage};

/// Bins of the grey-level histogram.
pub(super) const BINS: usize = 32;

/// Points of the border profile.
pub(super) const DEPTHS: usize = 24;

/// Shares of pixels per grey level bin; they sum to 1.
pub(super) fn histogram(image: &GrayImage) -> [f64; BINS] {
    let mut counts = [0u64; BINS];
    for value in &image.pixels {
        counts[((value * BINS as f32) as usize).min(BINS - 1)] += 1;
    }
    counts.map(|count| count as f64 / image.pixels.len().max(1) as f64)
}

/// Square roots of sixteen bins (which evens out their variances), and the shares of black and
/// white.
pub(super) fn histogram_features(image: &GrayImage, bins: &[f64; BINS]) -> Vec<f64> {
    let total = image.pixels.len().max(1) as f64;
    let share = |keep: &dyn Fn(f32) -> bool| {
        image.pixels.iter().filter(|v| keep(**v)).count() as f64 / total
    };
    let mut features: Vec<f64> = bins
        .chunks_exact(BINS / 16)
        .map(|pair| pair.iter().sum::<f64>().sqrt())
        .collect();
    features.push(share(&|v| v <= 0.5 / 255.0));
    features.push(share(&|v| v >= 254.5 / 255.0));
    features
}

/// Stored depth; natural log of the number of different values; share of the values between the
/// lowest and the highest that never occur; share of even values. Only inside the constant margins
/// of `gray`, the same frame as shown, since a black bar adds levels of its own.
pub(super) fn depth(frame: &Frame, gray: &GrayImage, bits_stored: u16) -> [f64; 4] {
    let [top, bottom, left, right] = margins(gray);
    let channels = usize::from(frame.channels.max(1));
    let mut plane = Vec::with_capacity(gray.pixels.len());
    for y in top..gray.rows - bottom {
        for x in left..gray.columns - right {
            plane.push(frame.values[(y * gray.columns + x) * channels]);
        }
    }
    let even = plane.iter().filter(|v| v.rem_euclid(2.0) == 0.0).count();
    let even = even as f64 / plane.len().max(1) as f64;
    let (low, high) = plane.iter().fold((f32::MAX, f32::MIN), |(low, high), v| {
        (low.min(*v), high.max(*v))
    });
    let range = f64::from((high - low).max(0.0)) + 1.0;
    let used: f64 = if range <= 65_536.0 {
        // Fractions of a level, as rescaled values have them, count as their level.
        let mut seen = vec![false; range as usize + 1];
        for value in &plane {
            seen[(value - low).round() as usize] = true;
        }
        seen.iter().filter(|seen| **seen).count()
    } else {
        let mut values = plane;
        values.sort_unstable_by(f32::total_cmp);
        values.dedup();
        values.len()
    } as f64;
    // Deep images rarely use every value; only the coarse share matters there.
    let gaps = (1.0 - used / range.clamp(1.0, 65_536.0)).max(0.0);
    [f64::from(bits_stored), used.ln_1p(), gaps, even]
}

/// Mean grey over the ring of pixels at a relative depth from the border: 0 at the edge, the last
/// at half the smaller side.
pub(super) fn border_profile(image: &GrayImage) -> [f64; DEPTHS] {
    let mut sums = [0.0f64; DEPTHS];
    let mut counts = [0u64; DEPTHS];
    let half = image.rows.min(image.columns).div_ceil(2).max(1);
    for y in 0..image.rows {
        let from_row = y.min(image.rows - 1 - y);
        for x in 0..image.columns {
            let depth = from_row.min(x.min(image.columns - 1 - x));
            let slot = (depth * DEPTHS / half).min(DEPTHS - 1);
            sums[slot] += f64::from(image.pixels[y * image.columns + x]);
            counts[slot] += 1;
        }
    }
    let mut profile = [0.0; DEPTHS];
    for slot in 0..DEPTHS {
        // Small images leave slots empty; they take their neighbour's level.
        profile[slot] = match counts[slot] {
            0 if slot > 0 => profile[slot - 1],
            count => sums[slot] / count.max(1) as f64,
        };
    }
    profile
}

/// Widths of the constant margins as shares of the side (top, bottom, left, right); mean grey of the
/// four corners and the four edges; log variance along the outermost lines.
pub(super) fn border_features(image: &GrayImage) -> Vec<f64> {
    let margins = margins(image);
    let mut features = vec![
        margins[0] as f64 / image.rows as f64,
        margins[1] as f64 / image.rows as f64,
        margins[2] as f64 / image.columns as f64,
        margins[3] as f64 / image.columns as f64,
    ];
    let (rows, columns) = (image.rows, image.columns);
    let (tall, wide) = ((rows / 16).max(1), (columns / 16).max(1));
    let mean = |y0: usize, y1: usize, x0: usize, x1: usize| {
        let mut sum = 0.0;
        for y in y0..y1 {
            let line = &image.pixels[y * columns + x0..y * columns + x1];
            sum += f64::from(line.iter().sum::<f32>());
        }
        sum / ((y1 - y0) * (x1 - x0)).max(1) as f64
    };
    for (y0, y1) in [(0, tall), (rows - tall, rows)] {
        for (x0, x1) in [(0, wide), (columns - wide, columns)] {
            features.push(mean(y0, y1, x0, x1));
        }
    }
    features.push(mean(0, tall, 0, columns));
    features.push(mean(rows - tall, rows, 0, columns));
    features.push(mean(0, rows, 0, wide));
    features.push(mean(0, rows, columns - wide, columns));
    let edge: Vec<f32> = (0..columns)
        .flat_map(|x| [image.pixels[x], image.pixels[(rows - 1) * columns + x]])
        .chain((0..rows).flat_map(|y| {
            [
                image.pixels[y * columns],
                image.pixels[(y + 1) * columns - 1],
            ]
        }))
        .collect();
    let centre = edge.iter().sum::<f32>() / edge.len().max(1) as f32;
    let variance =
        edge.iter().map(|v| (v - centre).powi(2)).sum::<f32>() / edge.len().max(1) as f32;
    features.push(f64::from(variance + 1e-6).ln());
    features
}

/// Rows and columns at the top, bottom, left and right that hold one grey level, give or take what
/// lossy compression adds. An image without content has none.
pub(crate) fn margins(image: &GrayImage) -> [usize; 4] {
    const TOLERANCE: f32 = 6.0 / 255.0;
    let (rows, columns) = (image.rows, image.columns);
    let level = |values: &mut dyn Iterator<Item = f32>| {
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        (high - low <= TOLERANCE).then_some(0.5 * (low + high))
    };
    let row = |y: usize| level(&mut image.pixels[y * columns..(y + 1) * columns].iter().copied());
    let run = |levels: &mut dyn Iterator<Item = Option<f32>>| {
        let mut first = None;
        levels
            .take_while(|found| match (found, first) {
                (None, _) => false,
                (Some(level), None) => {
                    first = Some(*level);
                    true
                }
                (Some(level), Some(first)) => (level - first).abs() <= TOLERANCE,
            })
            .count()
    };
    let top = run(&mut (0..rows).map(row));
    if top == rows {
        return [0; 4];
    }
    let bottom = run(&mut (top..rows).rev().map(row));
    let column = |x: usize| level(&mut (top..rows - bottom).map(|y| image.pixels[y * columns + x]));
    let left = run(&mut (0..columns).map(column));
    let right = run(&mut (left..columns).rev().map(column));
    [top, bottom, left, right]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(rows: usize, columns: usize, pixel: impl Fn(usize, usize) -> f32) -> GrayImage {
        let pixels = (0..rows * columns).map(|i| pixel(i / columns, i % columns));
        GrayImage {
            rows,
            columns,
            pixels: pixels.collect(),
        }
    }

    #[test]
    fn margins_are_counted_on_every_side() {
        let framed = image(40, 60, |y, x| {
            let inside = (3..38).contains(&y) && (5..60).contains(&x);
            if inside {
                ((x * 7 + y * 3) % 11) as f32 / 11.0
            } else {
                0.0
            }
        });
        assert_eq!(margins(&framed), [3, 2, 5, 0]);
        assert_eq!(margins(&image(8, 8, |_, _| 0.3)), [0; 4]);
        assert!(
            border_features(&image(1, 1, |_, _| 0.3))
                .iter()
                .all(|f| f.is_finite())
        );
    }

    #[test]
    fn the_profile_runs_from_the_edge_inwards() {
        let framed = image(96, 96, |y, x| {
            f32::from(u8::from((12..84).contains(&y) && (12..84).contains(&x)))
        });
        let profile = border_profile(&framed);
        assert_eq!((profile[0], profile[DEPTHS - 1]), (0.0, 1.0));
        assert_eq!(border_profile(&image(4, 4, |_, _| 0.5)), [0.5; DEPTHS]);
    }
}
