//! The fixed filters before the first parameters, on the CPU.
//!
//! They have no parameters: unless the pixels themselves are differentiated, no graph is kept.

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::flex::{Dense, tensor};
use crate::filters::{BLOCK, RESIDUALS, wave};
use crate::frequency::Magnitude;
use crate::kernel::{blocks, levels, stem};
use crate::noise_level::Levels;

/// Pixels, scaled to [-1, 1], beside their residuals, times `gain` and truncated.
pub(crate) fn beside_residuals(pixels: &Tensor<4>, gain: f64) -> Option<Tensor<4>> {
    let [batch, _, height, width] = pixels.dims();
    let values = dense(pixels)?;
    const {
        assert!(
            1 + RESIDUALS == stem::CHANNELS,
            "the kernel is for these residuals"
        );
    }
    let found = stem::residuals(values.values(), [height, width], gain as f32);
    Some(like(
        pixels,
        tensor(found, [batch, 1 + RESIDUALS, height, width]),
    ))
}

/// Mean log magnitudes by place, and their mean and spread over the tile.
pub(crate) fn block_statistics(
    pixels: &Tensor<4>,
    magnitude: Magnitude,
) -> Option<(Tensor<4>, Tensor<2>)> {
    const {
        assert!(BLOCK == blocks::SIDE, "the kernel is for this block");
    }
    let [batch, _, height, width] = pixels.dims();
    if height % (2 * BLOCK) != 0 || width % (2 * BLOCK) != 0 {
        return None;
    }
    let values = dense(pixels)?;
    let basis = std::array::from_fn(|i| wave(i / BLOCK, i % BLOCK) as f32);
    let magnitude = blocks::Magnitude {
        floor: magnitude.floor as f32,
        offset: magnitude.offset as f32,
        scale: magnitude.scale as f32,
        epsilon: magnitude.epsilon,
    };
    let (local, tile) = blocks::statistics(values.values(), [height, width], &basis, magnitude);
    let cells = [height, width].map(|side| side / (2 * BLOCK));
    let coefficients = BLOCK * BLOCK;
    Some((
        like(
            pixels,
            tensor(local, [batch, coefficients, cells[0], cells[1]]),
        ),
        like(pixels, tensor(tile, [batch, 2 * coefficients])),
    ))
}

/// What the values of every place exceed the tile's at that brightness by.
pub(crate) fn excess(local: &Tensor<4>, pixels: &Tensor<4>, settings: Levels) -> Option<Tensor<4>> {
    let [batch, channels, rows, columns] = local.dims();
    let [_, _, height, width] = pixels.dims();
    let (values, grey) = (dense(local)?, dense(pixels)?);
    let settings = levels::Levels {
        knots: settings.knots,
        prior: settings.prior as f32,
        gain: settings.gain as f32,
    };
    let (size, cells) = ([height, width], [rows, columns]);
    let found = levels::excess(values.values(), grey.values(), size, cells, settings);
    Some(like(
        pixels,
        tensor(found, [batch, channels, rows, columns]),
    ))
}

/// The pixels where they lie on the CPU and nothing is to flow back to them.
fn dense(pixels: &Tensor<4>) -> Option<Dense> {
    if pixels.is_tracked() {
        return None;
    }
    let values = pixels.clone().inner().try_into_primitive::<Flex>().ok()?;
    (values.dtype() == DType::F32 && values.shape().num_elements() > 0).then(|| Dense::new(values))
}

/// A constant in the same autodiff context as the pixels.
fn like<const D: usize>(pixels: &Tensor<4>, found: FlexTensor) -> Tensor<D> {
    let found = Tensor::from_primitive::<Flex>(found);
    match pixels.gradient_checkpointing_strategy() {
        Some(strategy) => found
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => found,
    }
}
