//! Null models: what tells the classes apart without any detector.
//!
//! Each is a logistic regression on a handful of trivial features, fitted on the training split
//! and judged on the held-out one. A detector that does not beat them has learned a shortcut of the
//! data set, not authenticity.

use serde::{Deserialize, Serialize};
use veraray_datasets::{OpenOptions, open};

use crate::TrainError;
use crate::data::Dataset;

/// A set of trivial features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullModel {
    /// Rows, columns, frames, bit depth, file format and file size.
    Dimensions,
    /// A grey-level histogram of sixteen bins.
    Histogram,
    /// Energies of high-pass residuals at three scales.
    NoiseEnergy,
}

impl NullModel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dimensions, Self::Histogram, Self::NoiseEnergy];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dimensions => "dimensions",
            Self::Histogram => "histogram",
            Self::NoiseEnergy => "noise energy",
        }
    }

    /// Features of the image that a sample belongs to.
    ///
    /// # Errors
    /// [`TrainError::Image`] when the file can no longer be read.
    pub fn features(self, dataset: &Dataset, index: usize) -> Result<Vec<f64>, TrainError> {
        let sample = &dataset.samples[index];
        match self {
            Self::Dimensions => {
                let path = &dataset.entry(sample).path;
                let image = open(path, &OpenOptions::default())?;
                let info = image.info();
                let bytes = std::fs::metadata(path).map_err(TrainError::io(path))?.len();
                Ok(vec![
                    f64::from(info.rows).ln(),
                    f64::from(info.columns).ln(),
                    f64::from(info.frames).ln_1p(),
                    f64::from(info.bits_stored),
                    // The format's name as a number: only equality matters.
                    info.format.to_string().bytes().map(f64::from).sum(),
                    (bytes as f64).ln(),
                ])
            }
            Self::Histogram => {
                let plane = dataset.plane(sample);
                let mut bins = vec![0.0; 16];
                for value in &plane.pixels {
                    bins[((value * 16.0) as usize).min(15)] += 1.0 / plane.pixels.len() as f64;
                }
                Ok(bins.into_iter().map(f64::sqrt).collect())
            }
            Self::NoiseEnergy => {
                let plane = dataset.plane(sample);
                Ok([1, 2, 4]
                    .map(|step| residual_energy(&plane.pixels, plane.side, step))
                    .to_vec())
            }
        }
    }
}

/// Log mean square of the second difference at a distance.
fn residual_energy(pixels: &[f32], side: usize, step: usize) -> f64 {
    let mut sum = 0.0;
    let mut count = 0usize;
    for y in step..side - step {
        for x in step..side - step {
            let at = |dy: isize, dx: isize| {
                let row = y.saturating_add_signed(dy * step as isize);
                f64::from(pixels[row * side + x.saturating_add_signed(dx * step as isize)])
            };
            let residual = at(0, 0) - 0.25 * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1));
            sum += residual * residual;
            count += 1;
        }
    }
    (sum / count.max(1) as f64 + 1e-9).ln()
}

/// Logistic regression on standardised features.
#[derive(Debug, Clone)]
pub struct Logistic {
    centre: Vec<f64>,
    scale: Vec<f64>,
    weights: Vec<f64>,
    offset: f64,
}

impl Logistic {
    /// Fits by gradient descent with a small ridge; both classes weigh the same. `None` when a
    /// class is empty.
    #[must_use]
    pub fn fit(authentic: &[Vec<f64>], manipulated: &[Vec<f64>]) -> Option<Self> {
        const STEPS: usize = 2000;
        const RATE: f64 = 0.5;
        const RIDGE: f64 = 1e-3;
        let width = authentic.first()?.len();
        manipulated.first()?;
        let all = || authentic.iter().chain(manipulated);
        let count = all().count() as f64;
        let centre: Vec<f64> = (0..width)
            .map(|i| all().map(|row| row[i]).sum::<f64>() / count)
            .collect();
        let scale: Vec<f64> = (0..width)
            .map(|i| {
                let variance = all().map(|row| (row[i] - centre[i]).powi(2)).sum::<f64>() / count;
                if variance > 1e-12 {
                    variance.sqrt()
                } else {
                    1.0
                }
            })
            .collect();
        let mut model = Self {
            centre,
            scale,
            weights: vec![0.0; width],
            offset: 0.0,
        };
        let classes = [(authentic, 0.0), (manipulated, 1.0)].map(|(rows, label)| {
            let rows: Vec<Vec<f64>> = rows.iter().map(|row| model.standardise(row)).collect();
            (rows, label)
        });
        for _ in 0..STEPS {
            let mut gradient = vec![0.0; width];
            let mut lean = 0.0;
            for (rows, label) in &classes {
                for row in rows {
                    let error = (model.probability(row) - label) / (2.0 * rows.len() as f64);
                    lean += error;
                    for (g, x) in gradient.iter_mut().zip(row) {
                        *g += error * x;
                    }
                }
            }
            for (weight, g) in model.weights.iter_mut().zip(&gradient) {
                *weight -= RATE * (g + RIDGE * *weight);
            }
            model.offset -= RATE * lean;
        }
        Some(model)
    }

    fn standardise(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(self.centre.iter().zip(&self.scale))
            .map(|(x, (centre, scale))| (x - centre) / scale)
            .collect()
    }

    fn probability(&self, standardised: &[f64]) -> f64 {
        let dot: f64 = self
            .weights
            .iter()
            .zip(standardised)
            .map(|(w, x)| w * x)
            .sum();
        1.0 / (1.0 + (-(dot + self.offset)).exp())
    }

    /// Score of a row of features, higher means more likely manipulated.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        self.probability(&self.standardise(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::auroc;

    #[test]
    fn a_leak_is_found_and_chance_is_not_beaten() {
        let row = |i: usize, leak: f64| vec![(i * 37 % 101) as f64, leak + (i % 3) as f64 * 0.1];
        let real: Vec<Vec<f64>> = (0..100).map(|i| row(i, 0.0)).collect();
        let leaked: Vec<Vec<f64>> = (0..100).map(|i| row(i, 1.0)).collect();
        let of = |fake: &[Vec<f64>]| {
            let model = Logistic::fit(&real, fake).unwrap();
            let scores =
                |rows: &[Vec<f64>]| rows.iter().map(|r| model.score(r)).collect::<Vec<_>>();
            auroc(&scores(&real), &scores(fake)).unwrap()
        };
        assert!(of(&leaked) > 0.99);
        assert!((of(&real) - 0.5).abs() < 1e-9);
        assert!(Logistic::fit(&[], &real).is_none());
    }

    #[test]
    fn noise_has_more_residual_energy_than_a_ramp() {
        let side = 32;
        let ramp: Vec<f32> = (0..side * side).map(|i| (i % side) as f32 / 32.0).collect();
        let noise: Vec<f32> = (0..side * side)
            .map(|i| (i * 7919 % 97) as f32 / 97.0)
            .collect();
        assert!(residual_energy(&noise, side, 1) > residual_energy(&ramp, side, 1) + 5.0);
    }
}
