//! What the training loop asks of a family.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;

use super::generator::Network;
use super::reals::{Batch, Framing};
use crate::TrainError;

/// Named losses of a step.
pub type Losses = Vec<(&'static str, f64)>;

/// A family in training.
pub trait Learner {
    /// What of an image it is shown.
    fn framing(&self) -> Framing;

    /// One step on a batch. Everything random comes from `rng`, so that a resumed run draws the same.
    fn step(&mut self, batch: &Batch, step: usize, rng: &mut StdRng) -> Losses;

    /// The network as it is used.
    fn network(&self) -> Network;

    /// Saves everything that a resumed run needs, under the number of steps taken.
    ///
    /// # Errors
    /// [`TrainError`] when a file cannot be written.
    fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError>;

    /// Loads what [`Learner::save`] wrote.
    ///
    /// # Errors
    /// [`TrainError`] when a file is missing or damaged.
    fn load(&mut self, folder: &Path, step: usize) -> Result<(), TrainError>;

    /// Removes an older state.
    fn forget(&self, folder: &Path, step: usize);
}

/// Standard normal numbers (Box & Muller, 1958), drawn here and not on the device, so that a seed means
/// the same everywhere.
pub fn noise<const D: usize>(shape: [usize; D], rng: &mut StdRng, device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        let (sine, cosine) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        values.extend([radius * cosine, radius * sine]);
    }
    values.truncate(count);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One number per image, `[batch, 1, 1, 1]`.
pub fn column(values: &[f32], device: &Device) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [values.len(), 1, 1, 1]);
    Tensor::from_data(data, device)
}

/// Reads losses back from the device at once.
pub fn read<const N: usize>(names: [&'static str; N], losses: [Tensor<1>; N]) -> Losses {
    let all = Tensor::cat(losses.map(Tensor::detach).to_vec(), 0);
    let values = all.into_data().try_to_vec::<f32>().unwrap_or_default();
    names
        .into_iter()
        .zip(values.into_iter().map(f64::from))
        .collect()
}
