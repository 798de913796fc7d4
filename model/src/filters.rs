//! Fixed linear filters: first-order residuals and the block DCT.
//!
//! They are constants of the architecture, not parameters: fixed high-pass filters keep a small
//! network from learning content first (Fridrich & Kodovský, "Rich models for steganalysis of
//! digital images", 2012), and a DCT puts compression and upsampling traces into separate channels
//! (Frank et al., "Leveraging frequency analysis for deep fake image recognition", ICML 2020).

use burn::tensor::{Device, Tensor, TensorData};

/// Number of residual filters in [`residual_kernels`].
pub(crate) const RESIDUALS: usize = 4;

/// Side of a DCT block in pixels; there are its square many coefficients.
pub(crate) const BLOCK: usize = 8;

/// Horizontal, vertical and diagonal neighbour differences and the 3×3 second-order residual.
#[rustfmt::skip]
pub(crate) const RESIDUAL_KERNELS: [f32; RESIDUALS * 9] = [
    0.0, 0.0, 0.0,  0.0, -1.0, 1.0,  0.0, 0.0, 0.0,
    0.0, 0.0, 0.0,  0.0, -1.0, 0.0,  0.0, 1.0, 0.0,
    0.0, 0.0, 0.0,  0.0, -1.0, 0.0,  0.0, 0.0, 1.0,
    -0.25, 0.5, -0.25,  0.5, -1.0, 0.5,  -0.25, 0.5, -0.25,
];

/// [`RESIDUAL_KERNELS`] on a device.
///
/// # Shapes
/// - output: `[RESIDUALS, 1, 3, 3]`
pub(crate) fn residual_kernels(device: &Device) -> Tensor<4> {
    Tensor::from_data(
        TensorData::new(RESIDUAL_KERNELS.to_vec(), [RESIDUALS, 1, 3, 3]),
        device,
    )
}

/// The orthonormal DCT-II of one dimension at a frequency and a position.
pub(crate) fn wave(frequency: usize, position: usize) -> f64 {
    let n = BLOCK as f64;
    let scale = if frequency == 0 {
        (1.0 / n).sqrt()
    } else {
        (2.0 / n).sqrt()
    };
    let angle = std::f64::consts::PI * (2.0 * position as f64 + 1.0) * frequency as f64 / (2.0 * n);
    scale * angle.cos()
}

/// The orthonormal two-dimensional DCT-II basis: pixels of a block in raster order down, its
/// coefficients in raster order across.
///
/// # Shapes
/// - output: `[BLOCK * BLOCK, BLOCK * BLOCK]`
pub(crate) fn dct_basis(device: &Device) -> Tensor<2> {
    let mut basis = Vec::with_capacity(BLOCK.pow(4));
    for pixel in 0..BLOCK * BLOCK {
        for coefficient in 0..BLOCK * BLOCK {
            let (y, x) = (pixel / BLOCK, pixel % BLOCK);
            let (v, u) = (coefficient / BLOCK, coefficient % BLOCK);
            basis.push((wave(v, y) * wave(u, x)) as f32);
        }
    }
    Tensor::from_data(
        TensorData::new(basis, [BLOCK * BLOCK, BLOCK * BLOCK]),
        device,
    )
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;

    #[test]
    fn the_basis_is_orthonormal() {
        let basis = dct_basis(&Device::flex());
        let product = basis.clone().transpose().matmul(basis).into_data();
        let product = product.try_to_vec::<f32>().unwrap();
        for (index, value) in product.iter().enumerate() {
            let side = BLOCK * BLOCK;
            let expected = f32::from(u8::from(index / side == index % side));
            assert!((value - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn residuals_of_a_constant_vanish() {
        let sums = residual_kernels(&Device::flex()).sum_dim(3).sum_dim(2);
        let sums = sums.into_data().try_to_vec::<f32>().unwrap();
        assert!(sums.iter().all(|sum| sum.abs() < 1e-6));
    }
}
