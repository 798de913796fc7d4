//! Two-dimensional spectra of real planes: radial power, its matching, phase randomisation.

use std::cell::RefCell;
use std::f32::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::GrayImage;

/// A band's magnitude is never raised by more than this, so that an empty band does not become
/// amplified rounding.
const MAX_GAIN: f32 = 12.0;

thread_local! {
    /// Plans are costly to make and cached by their planner.
    static PLANNER: RefCell<RealFftPlanner<f32>> = RefCell::new(RealFftPlanner::new());
}

/// The non-redundant half of a plane's discrete Fourier transform.
#[derive(Debug, Clone)]
pub(crate) struct Spectrum {
    rows: usize,
    columns: usize,
    /// `columns / 2 + 1` runs of `rows` bins: the index is `column_frequency * rows + row_frequency`.
    bins: Vec<Complex<f32>>,
}

impl Spectrum {
    /// The transform of a plane, without normalisation.
    pub(crate) fn of(image: &GrayImage) -> Self {
        let (rows, columns) = (image.rows, image.columns);
        let half = columns / 2 + 1;
        let across = PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(columns));
        let mut bins = vec![Complex::default(); half * rows];
        let mut input = across.make_input_vec();
        let mut output = across.make_output_vec();
        let mut scratch = across.make_scratch_vec();
        for (y, line) in image.pixels.chunks_exact(columns).enumerate() {
            input.copy_from_slice(line);
            // The buffers come from the plan, so that their lengths fit.
            let _ = across.process_with_scratch(&mut input, &mut output, &mut scratch);
            for (u, &bin) in output.iter().enumerate() {
                bins[u * rows + y] = bin;
            }
        }
        forward_runs(&mut bins, rows);
        Self {
            rows,
            columns,
            bins,
        }
    }

    /// The plane of a spectrum: [`Self::of`] undone.
    pub(crate) fn plane(mut self) -> GrayImage {
        let (rows, columns) = (self.rows, self.columns);
        let across = PLANNER.with_borrow_mut(|planner| planner.plan_fft_inverse(columns));
        backward_runs(&mut self.bins, rows);
        let mut input = across.make_input_vec();
        let mut output = across.make_output_vec();
        let mut scratch = across.make_scratch_vec();
        let scale = 1.0 / (rows * columns) as f32;
        let mut pixels = Vec::with_capacity(rows * columns);
        for y in 0..rows {
            for (u, bin) in input.iter_mut().enumerate() {
                *bin = self.bins[u * rows + y];
            }
            // A real signal has no imaginary part there; what there is, is rounding.
            input[0].im = 0.0;
            if columns.is_multiple_of(2) {
                input[columns / 2].im = 0.0;
            }
            let _ = across.process_with_scratch(&mut input, &mut output, &mut scratch);
            pixels.extend(output.iter().map(|v| v * scale));
        }
        GrayImage {
            rows,
            columns,
            pixels,
        }
    }

    /// Calls `each` with every bin and its radial frequency in cycles per pixel, `0..=0.707`.
    fn for_each(&mut self, mut each: impl FnMut(&mut Complex<f32>, f32)) {
        let (rows, columns) = (self.rows, self.columns);
        let vertical: Vec<f32> = (0..rows)
            .map(|v| (v.min(rows - v) as f32 / rows as f32).powi(2))
            .collect();
        for (u, run) in self.bins.chunks_exact_mut(rows).enumerate() {
            let horizontal = (u as f32 / columns as f32).powi(2);
            for (bin, square) in run.iter_mut().zip(&vertical) {
                each(bin, (horizontal + square).sqrt());
            }
        }
    }

    /// Mean power per radial band of width `1 / side` cycles per pixel, where side is the shorter
    /// one; the first band holds the mean alone.
    pub(crate) fn radial_power(&mut self) -> Vec<f64> {
        let side = self.rows.min(self.columns) as f32;
        let bands = (side * 0.7072).ceil() as usize + 2;
        let mut sums = vec![(0.0_f64, 0.0_f64); bands];
        self.for_each(|bin, frequency| {
            let band = &mut sums[(frequency * side).round() as usize];
            *band = (band.0 + f64::from(bin.norm_sqr()), band.1 + 1.0);
        });
        sums.iter()
            .map(|(sum, count)| sum / count.max(1.0))
            .collect()
    }

    /// Scales every bin by a gain that depends on its radial frequency in cycles per pixel.
    pub(super) fn shape(&mut self, gain: impl Fn(f32) -> f32) {
        self.for_each(|bin, frequency| *bin *= gain(frequency));
    }

    /// Scales the radial bands so that their power becomes `target`'s (of a plane of the same
    /// size); `strength` below 1 goes only part of the way. The mean stays.
    pub(super) fn match_radial(&mut self, target: &[f64], strength: f32) {
        let side = self.rows.min(self.columns) as f32;
        let own = self.radial_power();
        let mut gains: Vec<f32> = own
            .iter()
            .zip(target)
            .map(|(&own, &target)| {
                let gain = (target / own.max(1e-12)).sqrt() as f32;
                gain.clamp(1.0 / MAX_GAIN, MAX_GAIN).powf(strength)
            })
            .collect();
        gains[0] = 1.0;
        let last = gains.len() - 1;
        self.for_each(|bin, frequency| {
            if frequency > 0.0 {
                // Linear between bands: steps in the gain would ring.
                let place = (frequency * side).max(1.0);
                let low = (place as usize).min(last);
                let share = place - low as f32;
                *bin *= gains[low] * (1.0 - share) + gains[(low + 1).min(last)] * share;
            }
        });
    }

    /// Gives every bin a random phase and keeps its magnitude (Galerne, Gousseau & Morel, "Random
    /// Phase Textures: Theory and Synthesis", IEEE TIP 2011).
    pub(super) fn randomise_phase(&mut self, rng: &mut StdRng) {
        for bin in &mut self.bins {
            let (sine, cosine) = (TAU * rng.random::<f32>()).sin_cos();
            *bin = Complex::new(cosine, sine) * bin.norm();
        }
        // The columns that are their own mirror images must stay conjugate symmetric.
        let rows = self.rows;
        let mut own = vec![0];
        if self.columns.is_multiple_of(2) {
            own.push(self.columns / 2);
        }
        for u in own {
            let run = &mut self.bins[u * rows..(u + 1) * rows];
            for v in 1..rows.div_ceil(2) {
                run[rows - v] = run[v].conj();
            }
            run[0].im = 0.0;
            if rows.is_multiple_of(2) {
                run[rows / 2].im = 0.0;
            }
        }
    }
}

/// Transforms every run of `size` complex values: the real and the imaginary parts apart, each by a
/// real transform, since Z = A + iB and the upper halves of A and B mirror the lower ones.
fn forward_runs(bins: &mut [Complex<f32>], size: usize) {
    let plan = PLANNER.with_borrow_mut(|planner| planner.plan_fft_forward(size));
    let (mut real, mut imaginary) = (plan.make_input_vec(), plan.make_input_vec());
    let (mut a, mut b) = (plan.make_output_vec(), plan.make_output_vec());
    let mut scratch = plan.make_scratch_vec();
    let i: Complex<f32> = Complex::i();
    for run in bins.chunks_exact_mut(size) {
        for ((bin, re), im) in run.iter().zip(&mut real).zip(&mut imaginary) {
            (*re, *im) = (bin.re, bin.im);
        }
        let _ = plan.process_with_scratch(&mut real, &mut a, &mut scratch);
        let _ = plan.process_with_scratch(&mut imaginary, &mut b, &mut scratch);
        for (v, (&a, &b)) in a.iter().zip(&b).enumerate() {
            run[v] = a + i * b;
            if v > 0 {
                run[size - v] = a.conj() + i * b.conj();
            }
        }
    }
}

/// [`forward_runs`] undone, without normalisation.
fn backward_runs(bins: &mut [Complex<f32>], size: usize) {
    let plan = PLANNER.with_borrow_mut(|planner| planner.plan_fft_inverse(size));
    let (mut a, mut b) = (plan.make_input_vec(), plan.make_input_vec());
    let (mut real, mut imaginary) = (plan.make_output_vec(), plan.make_output_vec());
    let mut scratch = plan.make_scratch_vec();
    for run in bins.chunks_exact_mut(size) {
        for (v, (a, b)) in a.iter_mut().zip(&mut b).enumerate() {
            let (bin, mirror) = (run[v], run[(size - v) % size].conj());
            *a = (bin + mirror) * 0.5;
            *b = (bin - mirror) * Complex::new(0.0, -0.5);
        }
        let last = a.len() - 1;
        for bins in [&mut a, &mut b] {
            bins[0].im = 0.0;
            if size.is_multiple_of(2) {
                bins[last].im = 0.0;
            }
        }
        let _ = plan.process_with_scratch(&mut a, &mut real, &mut scratch);
        let _ = plan.process_with_scratch(&mut b, &mut imaginary, &mut scratch);
        for ((bin, &re), &im) in run.iter_mut().zip(&real).zip(&imaginary) {
            *bin = Complex::new(re, im);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::raster::{gaussian, moments, white_noise};
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_inverse_gives_the_plane_back_for_even_and_odd_sizes() {
        for (rows, columns) in [(64, 64), (65, 70), (70, 67), (97, 65)] {
            let plane = white_noise(rows, columns, &mut StdRng::seed_from_u64(1));
            let back = Spectrum::of(&plane).plane();
            for (a, b) in plane.pixels.iter().zip(&back.pixels) {
                assert!((a - b).abs() < 1e-4, "{rows}x{columns}");
            }
        }
    }

    #[test]
    fn a_matched_spectrum_has_the_targets_radial_power_and_the_own_mean() {
        let mut rng = StdRng::seed_from_u64(2);
        let target = white_noise(80, 64, &mut rng);
        let mut soft = gaussian(&white_noise(80, 64, &mut rng), 0.6);
        soft.pixels.iter_mut().for_each(|v| *v += 3.0);
        let wanted = Spectrum::of(&target).radial_power();
        let mut matched = Spectrum::of(&soft);
        let before = matched.radial_power()[40];
        matched.match_radial(&wanted, 1.0);
        let found = matched.radial_power();
        assert!(before < 0.3 * wanted[40]);
        for band in 6..45 {
            let ratio = found[band] / wanted[band];
            assert!((0.45..2.2).contains(&ratio), "band {band}: {ratio}");
        }
        let (mean, _) = moments(&matched.plane().pixels);
        assert!((mean - moments(&soft.pixels).0).abs() < 1e-3);
    }

    #[test]
    fn random_phases_keep_the_power_and_move_the_pixels() {
        let mut rng = StdRng::seed_from_u64(3);
        let plane = gaussian(&white_noise(66, 64, &mut rng), 1.5);
        let mut spectrum = Spectrum::of(&plane);
        let before = spectrum.radial_power();
        spectrum.randomise_phase(&mut rng);
        let texture = spectrum.plane();
        let after = Spectrum::of(&texture).radial_power();
        for (a, b) in before.iter().zip(&after).skip(1).take(40) {
            assert!((a - b).abs() < 0.02 * a.max(1e-3), "{a} {b}");
        }
        let product: f32 = plane
            .pixels
            .iter()
            .zip(&texture.pixels)
            .map(|(a, b)| a * b)
            .sum();
        let own: f32 = plane.pixels.iter().map(|a| a * a).sum();
        assert!((product / own).abs() < 0.5);
    }
}
