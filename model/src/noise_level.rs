//! Block statistics against what the tile has at the same brightness.
//!
//! The noise of an image follows its brightness: its *noise level function* (Liu et al., "Automatic
//! estimation and removal of noise from a single image", TPAMI 2008). A region that was painted in
//! departs from it (Mahdian & Saic, "Using noise inconsistencies for blind image forensics", Image and
//! Vision Computing 2009), which no mean over the tile shows, and which needs no generator to be
//! learned from. Ours is taken for every DCT coefficient, from the tile itself: the mean log magnitude
//! as a piecewise linear function of brightness.

use burn::tensor::{Tensor, TensorData};

#[cfg(feature = "cpu")]
use crate::ops;

/// How an excess is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Levels {
    /// Knots of the function, spread evenly over [0, 1].
    pub knots: usize,
    /// Cells that the mean over the whole tile weighs as much as, at every knot.
    pub prior: f64,
    /// What differences are multiplied by.
    pub gain: f64,
}

/// Spread of the log magnitudes at a brightness is about a quarter: the gain makes it one.
const LEVELS: Levels = Levels {
    knots: 17,
    prior: 2.0,
    gain: 4.0,
};

/// What the log magnitudes of every place exceed the tile's at that brightness by.
///
/// # Shapes
/// - `local`: `[batch, coefficients, rows, columns]`
/// - `pixels`: `[batch, 1, height, width]`, presentation grey in `[0, 1]`, the sides multiples of the
///   number of rows and of columns
/// - output: as `local`
pub(crate) fn excess(local: &Tensor<4>, pixels: &Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if let Some(found) = ops::fixed::excess(local, pixels, LEVELS) {
        return found;
    }
    let [batch, coefficients, rows, columns] = local.dims();
    let [_, _, height, width] = pixels.dims();
    let cells = rows * columns;
    let brightness = pixels
        .clone()
        .reshape([batch, rows, height / rows, columns, width / columns])
        .mean_dim(4)
        .mean_dim(2)
        .reshape([batch, cells, 1])
        .clamp(0.0, 1.0);
    let last = LEVELS.knots - 1;
    let knots = (0..LEVELS.knots).map(|knot| knot as f32).collect();
    let knots = TensorData::new(knots, [1, 1, LEVELS.knots]);
    let knots = Tensor::<3>::from_data(knots, &pixels.device());
    // Every cell counts towards the two knots beside its brightness.
    let weights = (brightness.mul_scalar(last as f64) - knots)
        .abs()
        .neg()
        .add_scalar(1.0)
        .clamp_min(0.0);
    let values = local.clone().reshape([batch, coefficients, cells]);
    let prior = values.clone().mean_dim(2).mul_scalar(LEVELS.prior);
    let sums = values.clone().matmul(weights.clone()) + prior;
    let counts = weights.clone().sum_dim(1).add_scalar(LEVELS.prior);
    let levels = sums / counts;
    let usual = levels.matmul(weights.swap_dims(1, 2));
    (values - usual)
        .mul_scalar(LEVELS.gain)
        .reshape([batch, coefficients, rows, columns])
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_kernel_is_the_composition() {
        let device = Device::flex();
        let pixels = Tensor::<4>::random([2, 1, 64, 96], Distribution::Uniform(-0.1, 1.1), &device);
        let local = Tensor::<4>::random([2, 64, 4, 6], Distribution::Normal(0.5, 0.3), &device);
        let found = values(excess(&local, &pixels));
        let expected = values(excess(&local, &pixels.autodiff().require_grad()));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found} against {expected}"
            );
        }
    }

    #[test]
    fn a_place_stands_out_against_its_own_brightness() {
        let device = Device::flex();
        // Left half dark and quiet, right half bright and loud; one bright place is quiet.
        let bright = |column: usize| column >= 4;
        let pixels: Vec<f32> = (0..128 * 128)
            .map(|i| if bright(i % 128 / 16) { 0.75 } else { 0.25 })
            .collect();
        let odd = 3 * 8 + 6;
        let local: Vec<f32> = (0..64)
            .map(|cell| {
                if bright(cell % 8) && cell != odd {
                    1.0
                } else {
                    0.0
                }
            })
            .collect();
        let pixels = Tensor::from_data(TensorData::new(pixels, [1, 1, 128, 128]), &device);
        let local = Tensor::from_data(TensorData::new(local, [1, 1, 8, 8]), &device);
        let found = values(excess(&local, &pixels));
        for (cell, value) in found.iter().enumerate() {
            if cell == odd {
                assert!(*value < -3.0, "{value}");
            } else {
                assert!(value.abs() < 0.3, "{cell}: {value}");
            }
        }
    }
}
