//! Grain and the radial power spectrum.

use std::cell::RefCell;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::GrayImage;

/// Points of the radial spectrum, from 0 to half a cycle per pixel.
pub(crate) const RADIAL: usize = 32;

/// Side of the windows that are transformed.
const WINDOW: usize = 256;

/// Log energies of high-pass residuals at distances of 1, 2 and 4 pixels.
pub(super) fn residual_energies(image: &GrayImage) -> [f64; 3] {
    [1, 2, 4].map(|step| residual_energy(image, step))
}

/// Log mean square of the second difference at a distance.
fn residual_energy(image: &GrayImage, step: usize) -> f64 {
    let (rows, columns) = (image.rows, image.columns);
    if rows <= 2 * step || columns <= 2 * step {
        return FLOOR.ln();
    }
    let mut sum = 0.0;
    for y in step..rows - step {
        let line = |row: usize| &image.pixels[row * columns..(row + 1) * columns];
        let (above, here, below) = (line(y - step), line(y), line(y + step));
        let mut row_sum = 0.0f32;
        for x in step..columns - step {
            let around = above[x] + below[x] + here[x - step] + here[x + step];
            let residual = here[x] - 0.25 * around;
            row_sum += residual * residual;
        }
        sum += f64::from(row_sum);
    }
    let count = (rows - 2 * step) * (columns - 2 * step);
    (sum / count as f64 + FLOOR).ln()
}

/// Keeps logarithms finite; far below what eight-bit rounding leaves.
const FLOOR: f64 = 1e-9;

/// Natural log of the mean power per pixel and frequency, over rings from 0 to 0.5 cycles per
/// pixel. White noise of variance `v` gives `ln v` in every ring. Hann windows of 256 pixels, or
/// of the smaller side; up to five of them are averaged.
pub(crate) fn radial_spectrum(image: &GrayImage) -> [f64; RADIAL] {
    let side = image.rows.min(image.columns).min(WINDOW) & !1;
    if side < 16 {
        return [FLOOR.ln(); RADIAL];
    }
    let (slack_y, slack_x) = (image.rows - side, image.columns - side);
    let mut corners = vec![(slack_y / 2, slack_x / 2)];
    if slack_y >= side || slack_x >= side {
        for (part_y, part_x) in [(1, 1), (1, 3), (3, 1), (3, 3)] {
            corners.push((slack_y * part_y / 4, slack_x * part_x / 4));
        }
    }
    let mut power = [0.0; RADIAL];
    for &(top, left) in &corners {
        let window = ring_power(image, top, left, side);
        for (sum, ring) in power.iter_mut().zip(window) {
            *sum += ring;
        }
    }
    power.map(|sum| (sum / corners.len() as f64 + FLOOR).ln())
}

thread_local! {
    /// Plans are costly to make and are used for every image.
    static PLANNER: RefCell<RealFftPlanner<f32>> = RefCell::new(RealFftPlanner::new());
}

fn ring_power(image: &GrayImage, top: usize, left: usize, side: usize) -> [f64; RADIAL] {
    let taper: Vec<f32> = (0..side)
        .map(|i| {
            let phase = std::f32::consts::TAU * (i as f32 + 0.5) / side as f32;
            0.5 - 0.5 * phase.cos()
        })
        .collect();
    let energy: f32 = taper.iter().map(|v| v * v).sum();
    let line = |y: usize| {
        let start = (top + y) * image.columns + left;
        &image.pixels[start..start + side]
    };
    let mean = (0..side).flat_map(line).sum::<f32>() / (side * side) as f32;
    let half = side / 2 + 1;
    let plan = PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(side));
    let mut rows = vec![Complex::new(0.0f32, 0.0); side * half];
    let mut input = vec![0.0f32; side];
    for y in 0..side {
        for ((slot, value), weight) in input.iter_mut().zip(line(y)).zip(&taper) {
            *slot = (value - mean) * weight * taper[y];
        }
        // Lengths come from the plan's own size, so the transform cannot refuse them.
        let _ = plan.process(&mut input, &mut rows[y * half..(y + 1) * half]);
    }
    let mut sums = [0.0f64; RADIAL];
    let mut counts = [0.0f64; RADIAL];
    let mut parts = [
        vec![Complex::new(0.0f32, 0.0); half],
        vec![Complex::new(0.0f32, 0.0); half],
    ];
    for x in 0..half {
        // A complex column transform from two real ones: F(a + ib) = F(a) + i F(b).
        for (part, spectrum) in parts.iter_mut().enumerate() {
            for (y, slot) in input.iter_mut().enumerate() {
                let value = rows[y * half + x];
                *slot = if part == 0 { value.re } else { value.im };
            }
            let _ = plan.process(&mut input, spectrum);
        }
        for (y, (&a, &b)) in parts[0].iter().zip(&parts[1]).enumerate() {
            let radius = ((x * x + y * y) as f64).sqrt() / side as f64;
            let ring = (radius * 2.0 * RADIAL as f64) as usize;
            if ring >= RADIAL || (x == 0 && y == 0) {
                continue;
            }
            let i = Complex::new(0.0, 1.0);
            for value in [a + i * b, a.conj() + i * b.conj()] {
                sums[ring] += f64::from(value.norm_sqr());
                counts[ring] += 1.0;
            }
        }
    }
    let scale = f64::from(energy) * f64::from(energy);
    std::array::from_fn(|ring| sums[ring] / counts[ring].max(1.0) / scale)
}

/// Features of a radial spectrum that do not depend on contrast: eight bands relative to their
/// mean, and the slope of log power over log frequency.
pub(super) fn spectrum_features(radial: &[f64; RADIAL]) -> Vec<f64> {
    let bands: Vec<f64> = radial
        .chunks_exact(RADIAL / 8)
        .map(|rings| rings.iter().sum::<f64>() / rings.len() as f64)
        .collect();
    let mean = bands.iter().sum::<f64>() / bands.len() as f64;
    let mut features: Vec<f64> = bands.iter().map(|band| band - mean).collect();
    let points: Vec<(f64, f64)> = (1..RADIAL)
        .map(|ring| {
            (
                ((ring as f64 + 0.5) / (2.0 * RADIAL as f64)).ln(),
                radial[ring],
            )
        })
        .collect();
    let count = points.len() as f64;
    let centre = points.iter().map(|p| p.0).sum::<f64>() / count;
    let top: f64 = points.iter().map(|(x, y)| (x - centre) * y).sum();
    let bottom: f64 = points.iter().map(|(x, _)| (x - centre).powi(2)).sum();
    features.push(top / bottom);
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(side: usize, pixel: impl Fn(usize, usize) -> f32) -> GrayImage {
        GrayImage {
            rows: side,
            columns: side,
            pixels: (0..side * side)
                .map(|i| pixel(i % side, i / side))
                .collect(),
        }
    }

    fn grain(x: usize, y: usize) -> f32 {
        let mixed = (x as u32).wrapping_mul(0x9e37_79b9) ^ (y as u32).wrapping_mul(0x85eb_ca6b);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
        let mixed = (mixed ^ (mixed >> 12)).wrapping_mul(0x297a_2d39);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
        ((mixed ^ (mixed >> 13)) >> 8) as f32 / (1 << 24) as f32
    }

    #[test]
    fn noise_has_more_residual_energy_than_a_ramp() {
        let ramp = image(32, |x, _| x as f32 / 32.0);
        assert!(residual_energies(&image(32, grain))[0] > residual_energies(&ramp)[0] + 5.0);
        assert!(
            residual_energies(&image(4, grain))
                .iter()
                .all(|e| e.is_finite())
        );
    }

    #[test]
    fn white_noise_has_a_flat_spectrum_at_its_variance() {
        // Uniform noise has a variance of 1/12.
        for side in [256, 600] {
            let spectrum = radial_spectrum(&image(side, grain));
            for ring in &spectrum[3..] {
                assert!(
                    (ring - (1.0f64 / 12.0).ln()).abs() < 0.5,
                    "{side}: {spectrum:?}"
                );
            }
        }
    }

    #[test]
    fn a_wave_stands_in_its_ring() {
        // A quarter of a cycle per pixel lies in the middle of the rings.
        let wave = image(128, |x, _| {
            0.5 + 0.5 * (std::f32::consts::FRAC_PI_2 * x as f32).sin()
        });
        let spectrum = radial_spectrum(&wave);
        let peak = (0..RADIAL).max_by(|a, b| spectrum[*a].total_cmp(&spectrum[*b]));
        assert!(matches!(peak, Some(15..=16)), "{peak:?}");
    }
}
