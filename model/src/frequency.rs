//! The frequency branch: statistics of block DCT coefficients, by place and over the tile.
//!
//! Log magnitudes of 8×8 DCT blocks: their mean by place goes to the map, their mean and spread
//! over the tile, taken on two block grids so that none is privileged, to the logit. After Frank et
//! al. (ICML 2020), who classify whole-image DCT spectra; ours keeps place, so that a tampered
//! region shows.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::filters::{BLOCK, dct_basis};
use crate::spatial::ConvNorm;

/// Floor of a coefficient's magnitude, about half a grey level of an 8-bit image.
const FLOOR: f64 = 2e-3;

/// Coefficients of one block.
const COEFFICIENTS: usize = BLOCK * BLOCK;

/// Block DCT statistics → features by place and for the tile.
#[derive(Module, Debug)]
pub(crate) struct FrequencyBranch {
    local: ConvNorm,
    global: Linear,
}

impl FrequencyBranch {
    pub(crate) fn new(local: usize, global: usize, device: &Device) -> Self {
        Self {
            local: ConvNorm::new([COEFFICIENTS, local], 1, 1, device),
            global: LinearConfig::new(2 * COEFFICIENTS, global).init(device),
        }
    }

    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]`, presentation grey in `[0, 1]`
    /// - output: by place `[batch, local, height / 16, width / 16]`, for the tile `[batch, global]`
    pub(crate) fn forward(&self, pixels: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
        let [batch, _, height, width] = pixels.dims();
        let half = BLOCK / 2;
        let aligned = magnitudes(pixels.clone());
        let shifted = magnitudes(pixels.narrow(2, half, height - BLOCK).narrow(
            3,
            half,
            width - BLOCK,
        ));
        let all = Tensor::cat(vec![aligned.clone(), shifted], 1);
        let mean = all.clone().mean_dim(1);
        let spread = (all - mean.clone())
            .square()
            .mean_dim(1)
            .add_scalar(1e-6)
            .sqrt();
        let statistics = Tensor::cat(vec![mean, spread], 2).reshape([batch, 2 * COEFFICIENTS]);
        // Four blocks make one cell of the map.
        let (rows, columns) = (height / (2 * BLOCK), width / (2 * BLOCK));
        let local = aligned
            .reshape([batch, rows, 2, columns, 2, COEFFICIENTS])
            .mean_dim(4)
            .mean_dim(2)
            .reshape([batch, rows, columns, COEFFICIENTS])
            .permute([0, 3, 1, 2]);
        (
            relu(self.local.forward(local)),
            relu(self.global.forward(statistics)),
        )
    }
}

/// Log magnitudes of the block DCT, scaled to order one.
///
/// # Shapes
/// - `pixels`: `[batch, 1, height, width]`, sides multiples of the block's
/// - output: `[batch, blocks, coefficients]`
fn magnitudes(pixels: Tensor<4>) -> Tensor<3> {
    let [batch, _, height, width] = pixels.dims();
    let (rows, columns) = (height / BLOCK, width / BLOCK);
    let basis = dct_basis(&pixels.device());
    let blocks = pixels
        .reshape([batch, rows, BLOCK, columns, BLOCK])
        .permute([0, 1, 3, 2, 4])
        .reshape([batch * rows * columns, COEFFICIENTS]);
    // ln|c| lies in about [-6.2, 2.1].
    blocks
        .matmul(basis)
        .abs()
        .add_scalar(FLOOR)
        .log()
        .add_scalar(4.0)
        .mul_scalar(0.5)
        .reshape([batch, rows * columns, COEFFICIENTS])
}
