//! Periodic traces of interpolation (Gallagher 2005; Mahdian and Saic 2008).
//!
//! Interpolated pixels are smoother at some phases than at others, so that the mean magnitude of the
//! second derivative across an enlarged image is periodic, at the reciprocal of the factor. Deviation:
//! a peak counts only where rows and columns show it at the same frequency, because grids, text and
//! anatomy make peaks in one direction.

use realfft::RealFftPlanner;

use super::Plane;

/// How far a peak must stand above its surroundings, in both directions.
pub(super) const LIMIT: f64 = 4.0;
/// Frequencies below this belong to the picture.
const LOWEST: f64 = 0.07;
/// Shorter sides say nothing.
const SHORTEST: usize = 96;

/// A peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// In periods per pixel, up to one half.
    pub(super) frequency: f64,
    /// Smaller of the two directions' ratios of peak to surroundings.
    pub(super) strength: f64,
}

impl Hit {
    /// The enlargements that give such a peak.
    pub(super) fn factors(&self) -> String {
        let f = self.frequency;
        let first = 1.0 / (1.0 - f);
        let second = 1.0 / f;
        format!("{first:.2} or {second:.2}")
    }
}

/// The strongest peak that reaches the limit. `blocked`: the picture is or was a JPEG, whose blocks of
/// eight pixels have peaks of their own.
pub(super) fn find(plane: &Plane, blocked: bool) -> Option<Hit> {
    score(plane, blocked).filter(|hit| hit.strength >= LIMIT)
}

/// The strongest peak, however weak.
pub(super) fn score(plane: &Plane, blocked: bool) -> Option<Hit> {
    if plane.rows < SHORTEST || plane.columns < SHORTEST {
        return None;
    }
    let across = spectrum(&profile(plane, false));
    let down = spectrum(&profile(plane, true));
    let mut hit: Option<Hit> = None;
    for (index, &x) in across.iter().enumerate() {
        let frequency = index as f64 / (2 * (across.len() - 1)) as f64;
        let eighth = (frequency * 8.0 - (frequency * 8.0).round()).abs() / 8.0;
        let tolerance = 5.0 / plane.columns.min(plane.rows) as f64;
        if frequency < LOWEST || (blocked && eighth < tolerance) {
            continue;
        }
        let other = frequency * 2.0 * (down.len() - 1) as f64;
        let near = (other - 1.0).round().max(0.0) as usize..=(other + 1.0).round() as usize;
        let y = down
            .get(near)
            .into_iter()
            .flatten()
            .copied()
            .fold(0.0, f64::max);
        let strength = x.min(y);
        if hit.is_none_or(|hit| strength > hit.strength) {
            hit = Some(Hit {
                frequency,
                strength,
            });
        }
    }
    hit
}

/// Mean magnitude of the second derivative across each column, or down each row.
fn profile(plane: &Plane, transposed: bool) -> Vec<f64> {
    let (length, lines) = match transposed {
        false => (plane.columns, plane.rows),
        true => (plane.rows, plane.columns),
    };
    let at = |line: usize, place: usize| match transposed {
        false => plane.values[line * plane.columns + place],
        true => plane.values[place * plane.columns + line],
    };
    let mut sums = vec![0.0_f64; length - 2];
    let mut magnitudes = vec![0.0_f32; length - 2];
    for line in 0..lines {
        let mut total = 0.0;
        for (place, magnitude) in magnitudes.iter_mut().enumerate() {
            let (a, b, c) = (at(line, place), at(line, place + 1), at(line, place + 2));
            *magnitude = (2.0 * b - a - c).abs();
            total += *magnitude;
        }
        // Edges must not drown what is everywhere: magnitudes count in units of their line's mean,
        // and no more than three of them.
        let mean = total / magnitudes.len() as f32;
        if mean <= 0.0 {
            continue;
        }
        for (sum, magnitude) in sums.iter_mut().zip(&magnitudes) {
            *sum += f64::from((magnitude / mean).min(3.0));
        }
    }
    sums
}

/// Magnitudes of the spectrum of a profile, each divided by the median of its surroundings.
fn spectrum(profile: &[f64]) -> Vec<f64> {
    // The slow part is the picture's. What is left is weighted with a Hann window.
    let reach = 8;
    let length = profile.len() & !1;
    let mut signal: Vec<f64> = (0..length)
        .map(|at| {
            let (low, high) = (
                at.saturating_sub(reach),
                (at + reach + 1).min(profile.len()),
            );
            let mean = profile[low..high].iter().sum::<f64>() / (high - low) as f64;
            let phase = std::f64::consts::TAU * at as f64 / length as f64;
            (profile[at] - mean) * (0.5 - 0.5 * phase.cos())
        })
        .collect();
    let plan = RealFftPlanner::<f64>::new().plan_fft_forward(length);
    let mut output = plan.make_output_vec();
    if plan.process(&mut signal, &mut output).is_err() {
        return vec![0.0; length / 2 + 1];
    }
    let magnitudes: Vec<f64> = output.iter().map(|c| c.norm()).collect();
    (0..magnitudes.len())
        .map(|at| {
            let (low, high) = (at.saturating_sub(16), (at + 17).min(magnitudes.len()));
            let mut near = magnitudes[low..high].to_vec();
            near.sort_by(f64::total_cmp);
            let median = near[near.len() / 2];
            if median > 0.0 {
                magnitudes[at] / median
            } else {
                0.0
            }
        })
        .collect()
}
