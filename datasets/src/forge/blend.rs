//! Putting a patch into an image: intensity matching and solving for its rim.

use super::raster::{combined, gaussian, moments};
use super::region::Region;
use crate::GrayImage;

/// Weighted mean and standard deviation of a window over a region's surroundings, the outline
/// counting by what it leaves of the original.
fn rim(window: &GrayImage, region: &Region) -> (f32, f32) {
    let weights = || region.alpha.iter().map(|a| 1.0 - a);
    let total: f32 = weights().sum::<f32>().max(1e-6);
    let weighted = |f: &dyn Fn(f32) -> f32| -> f32 {
        let sum: f32 = window
            .pixels
            .iter()
            .zip(weights())
            .map(|(&v, w)| f(v) * w)
            .sum();
        sum / total
    };
    let mean = weighted(&|v| v);
    (mean, weighted(&|v| (v - mean).powi(2)).sqrt())
}

/// Brings a patch to the grey level and, as far as `contrast` in `[0, 1]` says, to the contrast that
/// the surroundings of the region have.
pub(super) fn match_rim(patch: &mut GrayImage, target: &GrayImage, region: &Region, contrast: f32) {
    let (own, own_spread) = rim(patch, region);
    let (wanted, wanted_spread) = rim(target, region);
    let ratio = (wanted_spread / own_spread.max(1e-4)).clamp(0.6, 1.6);
    let gain = 1.0 + contrast * (ratio - 1.0);
    for value in &mut patch.pixels {
        *value = (*value - own) * gain + wanted;
    }
}

/// Scales the finest detail of a patch to the strength it has around the region, so that a change
/// of the noise level does not outline the forgery.
pub(super) fn match_grain(patch: &mut GrayImage, target: &GrayImage, region: &Region) {
    let detail = |image: &GrayImage| combined(image, -1.0, &gaussian(image, 1.0));
    let own = detail(patch);
    let (_, own_spread) = moments(&own.pixels);
    let (_, wanted_spread) = rim(&detail(target), region);
    let gain = (wanted_spread / own_spread.max(1e-5)).clamp(0.4, 2.0);
    for (value, fine) in patch.pixels.iter_mut().zip(&own.pixels) {
        *value += (gain - 1.0) * fine;
    }
}

/// Solves `4 u - sum of neighbours = source` inside, with `u` fixed elsewhere: a discrete Poisson
/// equation. From coarse to fine, each level by successive over-relaxation.
///
/// `u` holds the boundary values and takes the solution; the outermost pixels of the window must
/// not be inside.
pub(super) fn solve_poisson(
    u: &mut [f32],
    inside: &[bool],
    source: &[f32],
    rows: usize,
    columns: usize,
) {
    const SWEEPS: usize = 24;
    const OVER: f32 = 1.7;
    if rows.min(columns) >= 12 {
        let (half_rows, half_columns) = (rows.div_ceil(2), columns.div_ceil(2));
        let mut half = vec![0.0; half_rows * half_columns];
        let mut half_source = vec![0.0; half_rows * half_columns];
        let mut half_inside = vec![false; half_rows * half_columns];
        for y in 0..half_rows {
            for x in 0..half_columns {
                let (mut known, mut sum, mut sources, mut cells) = (0.0, 0.0, 0.0, 0.0);
                for at in block(y, x, rows, columns) {
                    cells += 1.0;
                    sources += source[at];
                    if !inside[at] {
                        known += 1.0;
                        sum += u[at];
                    }
                }
                let at = y * half_columns + x;
                let edge = y == 0 || x == 0 || y + 1 == half_rows || x + 1 == half_columns;
                half_inside[at] = known == 0.0 && !edge;
                // The spacing doubles, so that the source counts four times.
                half_source[at] = 4.0 * sources / cells;
                half[at] = if known > 0.0 { sum / known } else { 0.0 };
            }
        }
        solve_poisson(
            &mut half,
            &half_inside,
            &half_source,
            half_rows,
            half_columns,
        );
        for y in 0..half_rows {
            for x in 0..half_columns {
                for at in block(y, x, rows, columns) {
                    if inside[at] {
                        u[at] = half[y * half_columns + x];
                    }
                }
            }
        }
    }
    for _ in 0..SWEEPS {
        for y in 1..rows.saturating_sub(1) {
            for at in y * columns + 1..(y + 1) * columns - 1 {
                if inside[at] {
                    let around = u[at - 1] + u[at + 1] + u[at - columns] + u[at + columns];
                    u[at] += OVER * ((around + source[at]) / 4.0 - u[at]);
                }
            }
        }
    }
}

/// The up to four pixels that a pixel of half the size covers.
fn block(y: usize, x: usize, rows: usize, columns: usize) -> impl Iterator<Item = usize> {
    let (top, left) = (2 * y, 2 * x);
    (top..(top + 2).min(rows))
        .flat_map(move |y| (left..(left + 2).min(columns)).map(move |x| y * columns + x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmonic_ramp_is_filled_in_exactly() {
        let (rows, columns) = (70, 61);
        let ramp = |at: usize| 0.3 + 0.01 * (at % columns) as f32 - 0.005 * (at / columns) as f32;
        let inside: Vec<bool> = (0..rows * columns)
            .map(|at| {
                let (y, x) = (at / columns, at % columns);
                (5..62).contains(&y) && (4..57).contains(&x)
            })
            .collect();
        let mut u: Vec<f32> = (0..rows * columns)
            .map(|at| if inside[at] { 9.0 } else { ramp(at) })
            .collect();
        solve_poisson(&mut u, &inside, &vec![0.0; rows * columns], rows, columns);
        for (at, value) in u.iter().enumerate() {
            assert!(
                (value - ramp(at)).abs() < 0.01,
                "{at}: {value} {}",
                ramp(at)
            );
        }
    }

    #[test]
    fn a_source_bends_the_solution() {
        // 4u - sum = -4 for u = x² + y², whatever the place.
        let side = 40;
        let bowl = |at: usize| {
            let (y, x) = ((at / side) as f32 - 20.0, (at % side) as f32 - 20.0);
            (y * y + x * x) / 400.0
        };
        let inside: Vec<bool> = (0..side * side)
            .map(|at| (2..38).contains(&(at / side)) && (2..38).contains(&(at % side)))
            .collect();
        let mut u: Vec<f32> = (0..side * side)
            .map(|at| if inside[at] { 0.0 } else { bowl(at) })
            .collect();
        let source = vec![-4.0 / 400.0; side * side];
        solve_poisson(&mut u, &inside, &source, side, side);
        for (at, value) in u.iter().enumerate() {
            assert!(
                (value - bowl(at)).abs() < 0.08,
                "{at}: {value} {}",
                bowl(at)
            );
        }
    }
}
