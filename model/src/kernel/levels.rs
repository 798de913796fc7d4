//! Values of places against the mean of their tile at that brightness.

use super::layer::each;

/// How an excess is taken: knots of the piecewise linear function over [0, 1], the number of places that
/// the tile's mean weighs as much as at every knot, and the factor of the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels {
    pub knots: usize,
    pub prior: f32,
    pub gain: f32,
}

/// What every value exceeds the piecewise linear mean of its channel at the place's brightness by.
///
/// # Shapes
/// - `local`: `[batch, channels, rows, columns]`
/// - `pixels`: `[batch, height, width]`
/// - `size`: height and width; `cells`: rows and columns, which divide them
/// - output: as `local`
pub(crate) fn excess(
    local: &[f32],
    pixels: &[f32],
    size: [usize; 2],
    cells: [usize; 2],
    levels: Levels,
) -> Vec<f32> {
    let mut output = vec![0.0; local.len()];
    let samples = pixels.len() / (size[0] * size[1]);
    let length = local.len() / samples;
    let jobs = local
        .chunks_exact(length)
        .zip(pixels.chunks_exact(size[0] * size[1]))
        .zip(output.chunks_exact_mut(length))
        .collect();
    each(
        jobs,
        |((local, pixels), output): ((&[f32], &[f32]), &mut [f32])| {
            let places = places(pixels, size, cells, levels.knots);
            let mut counts = vec![levels.prior; levels.knots];
            for &(knot, share) in &places {
                counts[knot] += 1.0 - share;
                counts[knot + 1] += share;
            }
            let mut means = vec![0.0; levels.knots];
            let channels = local.chunks_exact(places.len());
            for (values, output) in channels.zip(output.chunks_exact_mut(places.len())) {
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                means.fill(levels.prior * mean);
                for (value, &(knot, share)) in values.iter().zip(&places) {
                    means[knot] += (1.0 - share) * value;
                    means[knot + 1] += share * value;
                }
                for (mean, count) in means.iter_mut().zip(&counts) {
                    *mean /= count;
                }
                for ((output, value), &(knot, share)) in output.iter_mut().zip(values).zip(&places)
                {
                    let usual = means[knot] + share * (means[knot + 1] - means[knot]);
                    *output = levels.gain * (value - usual);
                }
            }
        },
    );
    output
}

/// The knot below the brightness of every place, and how far towards the next one it lies.
fn places(
    pixels: &[f32],
    [height, width]: [usize; 2],
    [rows, columns]: [usize; 2],
    knots: usize,
) -> Vec<(usize, f32)> {
    let side = [height / rows, width / columns];
    let mut sums = vec![0.0; rows * columns];
    for (y, row) in pixels.chunks_exact(width).enumerate() {
        let sums = &mut sums[y / side[0] * columns..][..columns];
        for (sum, part) in sums.iter_mut().zip(row.chunks_exact(side[1])) {
            *sum += part.iter().sum::<f32>();
        }
    }
    let last = (knots - 1) as f32;
    sums.iter()
        .map(|sum| {
            let at = (sum / (side[0] * side[1]) as f32).clamp(0.0, 1.0) * last;
            let knot = (at as usize).min(knots - 2);
            (knot, at - knot as f32)
        })
        .collect()
}
