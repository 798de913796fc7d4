//! The frequency branch: statistics of block DCT coefficients, by place and over the tile.
//!
//! Log magnitudes of 8×8 DCT blocks: their mean by place goes to the map, their mean and spread
//! over the tile, taken on two block grids so that none is privileged, to the logit. After Frank et
//! al. (ICML 2020), who classify whole-image DCT spectra; ours keeps place, so that a tampered
//! region shows.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor};

use crate::filters::{BLOCK, dct_basis};
use crate::noise_level;
#[cfg(feature = "cpu")]
use crate::ops;
use crate::spatial::ConvNorm;

/// How magnitudes of coefficients become features: `(ln(|c| + floor) + offset) · scale`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Magnitude {
    pub floor: f64,
    pub offset: f64,
    pub scale: f64,
    /// Added to the variance over the tile before its root.
    pub epsilon: f64,
}

/// The floor is about half a grey level of an 8-bit image; ln|c| lies in about [-6.2, 2.1].
const MAGNITUDE: Magnitude = Magnitude {
    floor: 2e-3,
    offset: 4.0,
    scale: 0.5,
    epsilon: 1e-6,
};

/// Slope below zero of the features of the tile, where its statistics are normalised: a plain rectifier
/// over them was seen to die in all its units.
const SLOPE: f64 = 0.1;

/// Coefficients of one block.
const COEFFICIENTS: usize = BLOCK * BLOCK;

/// Block DCT statistics → features by place and for the tile.
#[derive(Module, Debug)]
pub(crate) struct FrequencyBranch {
    local: ConvNorm,
    /// Of what stands out against the tile's noise level function.
    levels: Option<ConvNorm>,
    /// Normalises the statistics of the tile, where the architecture has context.
    normal: Option<BatchNorm>,
    global: Linear,
}

/// What the frequency branch finds.
pub(crate) struct Frequencies {
    /// By place: `[batch, local + levels, height / 16, width / 16]`.
    pub local: Tensor<4>,
    /// Features of the tile: `[batch, global]`.
    pub global: Tensor<2>,
    /// Block statistics of the tile: `[batch, STATISTICS]`.
    pub statistics: Tensor<2>,
    /// The same, normalised, where the architecture has context.
    pub normalised: Option<Tensor<2>>,
}

impl FrequencyBranch {
    /// Block statistics of a tile: mean and spread of every coefficient.
    pub(crate) const STATISTICS: usize = 2 * COEFFICIENTS;

    pub(crate) fn new(
        local: usize,
        levels: usize,
        global: usize,
        context: bool,
        device: &Device,
    ) -> Self {
        Self {
            local: ConvNorm::new([COEFFICIENTS, local], 1, 1, device),
            levels: (levels > 0).then(|| ConvNorm::new([COEFFICIENTS, levels], 3, 1, device)),
            normal: context.then(|| BatchNormConfig::new(Self::STATISTICS).init(device)),
            global: LinearConfig::new(2 * COEFFICIENTS, global).init(device),
        }
    }

    /// The branch with another's weights for the noise level function.
    pub(crate) fn with_levels_of(self, other: Self) -> Self {
        Self {
            levels: other.levels,
            ..self
        }
    }

    /// The branch with its normalisations by place folded into its convolutions.
    pub(crate) fn folded(self) -> Self {
        Self {
            local: self.local.folded(),
            levels: self.levels.map(ConvNorm::folded),
            ..self
        }
    }

    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]`, presentation grey in `[0, 1]`
    /// - output: see [`Frequencies`]
    pub(crate) fn forward(&self, pixels: &Tensor<4>) -> Frequencies {
        let (blocks, statistics) = block_statistics(pixels.clone());
        let normalised = self
            .normal
            .as_ref()
            .map(|normal| normal.forward(statistics.clone()));
        let global = match &normalised {
            Some(normalised) => leaky_relu(self.global.forward(normalised.clone()), SLOPE),
            None => relu(self.global.forward(statistics.clone())),
        };
        let levels = self
            .levels
            .as_ref()
            .map(|levels| levels.forward(noise_level::excess(&blocks, pixels)));
        let local = self.local.forward(blocks);
        Frequencies {
            local: match levels {
                Some(levels) => Tensor::cat(vec![local, levels], 1),
                None => local,
            },
            global,
            statistics,
            normalised,
        }
    }
}

/// Mean log magnitudes by place, and their mean and spread over the tile.
///
/// # Shapes
/// - `pixels`: `[batch, 1, height, width]`, presentation grey in `[0, 1]`
/// - output: by place `[batch, COEFFICIENTS, height / 16, width / 16]`, for the tile
///   `[batch, 2 * COEFFICIENTS]`
fn block_statistics(pixels: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
    #[cfg(feature = "cpu")]
    if let Some(found) = ops::fixed::block_statistics(&pixels, MAGNITUDE) {
        return found;
    }
    let [batch, _, height, width] = pixels.dims();
    let half = BLOCK / 2;
    let aligned = magnitudes(pixels.clone());
    let shifted = magnitudes(
        pixels
            .narrow(2, half, height - BLOCK)
            .narrow(3, half, width - BLOCK),
    );
    let all = Tensor::cat(vec![aligned.clone(), shifted], 1);
    let mean = all.clone().mean_dim(1);
    let spread = (all - mean.clone())
        .square()
        .mean_dim(1)
        .add_scalar(MAGNITUDE.epsilon)
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
    (local, statistics)
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
    blocks
        .matmul(basis)
        .abs()
        .add_scalar(MAGNITUDE.floor)
        .log()
        .add_scalar(MAGNITUDE.offset)
        .mul_scalar(MAGNITUDE.scale)
        .reshape([batch, rows * columns, COEFFICIENTS])
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn the_kernel_for_statistics_is_the_composition() {
        let device = Device::flex();
        let noise = Tensor::<4>::random([2, 1, 64, 96], Distribution::Uniform(0.0, 1.0), &device);
        let flat = Tensor::<4>::full([1, 1, 32, 32], 0.5, &device);
        for pixels in [noise, flat] {
            let found = block_statistics(pixels.clone());
            let expected = block_statistics(pixels.autodiff().require_grad());
            let values = |(local, tile): (Tensor<4>, Tensor<2>)| {
                let [local, tile] = [local.into_data(), tile.into_data()];
                [local, tile].map(|data| data.try_to_vec::<f32>().unwrap())
            };
            for (found, expected) in values(found).iter().zip(values(expected)) {
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() < 1e-3,
                        "{found} against {expected}"
                    );
                }
            }
        }
    }
}
