//! The spatial branch: pixels beside their residuals through a small residual network.
//!
//! Residual blocks follow He et al., "Deep residual learning" (CVPR 2016). Ours differ in that the
//! first convolution sees fixed residual filters beside the pixels, and in their width: the whole
//! branch costs about 0.16 GMAC per 256×256 tile.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::filters::{RESIDUALS, residual_kernels};
use crate::ops::{self, LayerOptions};

/// Gain before the residuals are truncated to [-1, 1]: one grey level of an 8-bit image becomes 0.12, and
/// differences above eight levels saturate, so that texture and noise weigh as much as anatomy.
const RESIDUAL_GAIN: f64 = 30.0;

/// Convolution without bias, batch normalisation, possibly a residual, and a rectifier.
#[derive(Module, Debug)]
pub(crate) struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    pub(crate) fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let side = kernel / 2;
        Self {
            conv: Conv2dConfig::new(channels, [kernel, kernel])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(side, side, side, side))
                .with_bias(false)
                .with_initializer(Initializer::KaimingNormal {
                    gain: std::f64::consts::SQRT_2,
                    fan_out_only: false,
                })
                .init(device),
            norm: BatchNormConfig::new(channels[1]).init(device),
        }
    }

    /// The layer with further inputs at the end, which count for nothing as yet.
    pub(crate) fn with_inputs(mut self, more: usize) -> Self {
        self.conv.weight = self.conv.weight.map(|weight| {
            let [outputs, _, height, width] = weight.dims();
            let silent = Tensor::zeros([outputs, more, height, width], &weight.device());
            Tensor::cat(vec![weight, silent], 1)
        });
        self
    }

    /// The layer with its statistics and their affine map in the convolution's weight and bias.
    pub(crate) fn folded(mut self) -> Self {
        if self.conv.bias.is_some() {
            return self;
        }
        let norm = &self.norm;
        let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
        let device = gamma.device();
        let [mean, variance] =
            [&norm.running_mean, &norm.running_var].map(|state| state.value().to_device(&device));
        let scale = gamma / variance.add_scalar(norm.epsilon).sqrt();
        let bias = beta - mean * scale.clone();
        self.conv.weight = self.conv.weight.map(|weight| {
            let [outputs, _, _, _] = weight.dims();
            weight * scale.reshape([outputs, 1, 1, 1])
        });
        self.conv.bias = Some(Param::from_tensor(bias));
        self
    }

    /// Convolves, normalises and rectifies.
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.run(input, None)
    }

    /// Convolves, normalises, adds and rectifies.
    pub(crate) fn forward_add(&self, input: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        self.run(input, Some(residual))
    }

    fn run(&self, input: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
        if self.conv.bias.is_some() {
            let output = self.conv.forward(input);
            return relu(match residual {
                Some(residual) => output + residual,
                None => output,
            });
        }
        let norm = &self.norm;
        let (weight, gamma, beta) = (self.conv.weight.val(), norm.gamma.val(), norm.beta.val());
        let options = LayerOptions {
            stride: self.conv.stride[0],
            epsilon: norm.epsilon,
            rectify: true,
        };
        if !input.is_autodiff() {
            let device = input.device();
            let [mean, variance] = [&norm.running_mean, &norm.running_var]
                .map(|state| state.value().to_device(&device));
            let norm = [gamma, beta, mean, variance];
            return ops::layer(input, weight, norm, residual, options);
        }
        if !norm.training.is_enabled() {
            // Frozen within a graph: rare, and Burn's own operations do it.
            let output = norm.forward(self.conv.forward(input));
            return relu(match residual {
                Some(residual) => output + residual,
                None => output,
            });
        }
        let (output, [mean, variance]) =
            ops::train_layer(input, weight, [gamma, beta], residual, options);
        // As `BatchNorm` does after a batch.
        let device = output.device();
        for (state, batch) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
            let old = state.value_sync().to_device(&device);
            let new = old
                .mul_scalar(1.0 - norm.momentum)
                .add(batch.detach().mul_scalar(norm.momentum));
            state.update(new.detach());
        }
        output
    }
}

/// Halves the resolution, then one residual block.
#[derive(Module, Debug)]
struct Stage {
    reduce: ConvNorm,
    first: ConvNorm,
    second: ConvNorm,
}

impl Stage {
    fn new(channels: [usize; 2], device: &Device) -> Self {
        let [_, width] = channels;
        Self {
            reduce: ConvNorm::new(channels, 3, 2, device),
            first: ConvNorm::new([width, width], 3, 1, device),
            second: ConvNorm::new([width, width], 3, 1, device),
        }
    }

    fn folded(self) -> Self {
        Self {
            reduce: self.reduce.folded(),
            first: self.first.folded(),
            second: self.second.folded(),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = self.reduce.forward(input);
        let y = self.first.forward(x.clone());
        self.second.forward_add(y, x)
    }
}

/// Pixels and residuals → features at one sixteenth of the resolution.
#[derive(Module, Debug)]
pub(crate) struct SpatialBranch {
    stem: ConvNorm,
    stages: Vec<Stage>,
}

impl SpatialBranch {
    /// Reduction in side from pixels to features.
    pub(crate) const REDUCTION: usize = 16;

    pub(crate) fn new(channels: [usize; 4], device: &Device) -> Self {
        Self {
            stem: ConvNorm::new([1 + RESIDUALS, channels[0]], 3, 2, device),
            stages: channels
                .windows(2)
                .map(|pair| Stage::new([pair[0], pair[1]], device))
                .collect(),
        }
    }

    pub(crate) fn folded(self) -> Self {
        Self {
            stem: self.stem.folded(),
            stages: self.stages.into_iter().map(Stage::folded).collect(),
        }
    }

    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]`, presentation grey in `[0, 1]`
    /// - output: `[batch, channels, height / 16, width / 16]`
    pub(crate) fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.forward(beside_residuals(pixels));
        for stage in &self.stages {
            x = stage.forward(x);
        }
        x
    }
}

/// Pixels, scaled to [-1, 1], beside their truncated residuals.
///
/// # Shapes
/// - `pixels`: `[batch, 1, height, width]` in `[0, 1]`
/// - output: `[batch, 1 + RESIDUALS, height, width]`
fn beside_residuals(pixels: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "cpu")]
    if let Some(found) = ops::fixed::beside_residuals(&pixels, RESIDUAL_GAIN) {
        return found;
    }
    let residuals = conv2d(
        pixels.clone(),
        residual_kernels(&pixels.device()),
        None,
        ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
    );
    let residuals = residuals.mul_scalar(RESIDUAL_GAIN).clamp(-1.0, 1.0);
    let centred = pixels.mul_scalar(2.0).sub_scalar(1.0);
    Tensor::cat(vec![centred, residuals], 1)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn the_kernel_for_residuals_is_the_composition() {
        let device = Device::flex();
        let pixels = Tensor::<4>::random([3, 1, 32, 48], Distribution::Uniform(0.0, 1.0), &device);
        let [found, expected] = [pixels.clone(), pixels.autodiff().require_grad()].map(|pixels| {
            beside_residuals(pixels)
                .into_data()
                .try_to_vec::<f32>()
                .unwrap()
        });
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found} against {expected}"
            );
        }
    }
}
