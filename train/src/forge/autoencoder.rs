//! Encoder and decoders that the two autoencoders share.

use burn::module::Module;
use burn::nn::GroupNorm;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

use super::blocks::{Conv, Residual, Up, Upsampling, norm};
use super::settings::Settings;

/// Channels after so many halvings.
fn channels(settings: &Settings, level: usize) -> usize {
    settings.width * [1, 2, 4][level.min(2)]
}

/// Image → code.
#[derive(Module, Debug)]
pub struct Encoder {
    input: Conv,
    reduce: Vec<Conv>,
    blocks: Vec<Residual>,
    norm: GroupNorm,
    output: Conv,
}

impl Encoder {
    /// With that many channels of the code. There is no residual block at full resolution, where it would
    /// cost as much as all the rest.
    pub fn new(settings: &Settings, outputs: usize, device: &Device) -> Self {
        let at = |level| channels(settings, level);
        Self {
            input: Conv::new([1, at(0)], 1, device),
            reduce: (0..settings.depth)
                .map(|level| Conv::new([at(level), at(level + 1)], 2, device))
                .collect(),
            blocks: (1..=settings.depth)
                .map(|level| Residual::new([at(level), at(level)], 0, device))
                .collect(),
            norm: norm(at(settings.depth), device),
            output: Conv::new([at(settings.depth), outputs], 1, device),
        }
    }

    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]` in `[-1, 1]`
    /// - output: `[batch, outputs, height / 2^depth, width / 2^depth]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let mut x = self.input.forward(pixels);
        for (reduce, block) in self.reduce.iter().zip(&self.blocks) {
            x = block.forward(reduce.forward(silu(x)), None);
        }
        self.output.forward(silu(self.norm.forward(x)))
    }
}

/// Code → image, by one kind of upsampling.
#[derive(Module, Debug)]
pub struct Decoder {
    input: Conv,
    first: Residual,
    up: Vec<Up>,
    blocks: Vec<Residual>,
    norm: GroupNorm,
    output: Conv,
}

impl Decoder {
    /// A decoder of a bank.
    pub fn new(settings: &Settings, kind: Upsampling, device: &Device) -> Self {
        let at = |level| channels(settings, level);
        let depth = settings.depth;
        Self {
            input: Conv::new([settings.latent, at(depth)], 1, device),
            first: Residual::new([at(depth), at(depth)], 0, device),
            up: (0..depth)
                .rev()
                .map(|level| Up::new([at(level + 1), at(level)], kind, device))
                .collect(),
            blocks: (0..depth)
                .rev()
                .map(|level| Residual::new([at(level), at(level)], 0, device))
                .collect(),
            norm: norm(at(0), device),
            output: Conv::scaled([at(0), 1], 3, 1, 0.3, device),
        }
    }

    /// # Shapes
    /// - `code`: `[batch, latent, height, width]`
    /// - output: `[batch, 1, height * 2^depth, width * 2^depth]`, about `[-1, 1]`
    pub fn forward(&self, code: Tensor<4>) -> Tensor<4> {
        let mut x = self.first.forward(self.input.forward(code), None);
        for (up, block) in self.up.iter().zip(&self.blocks) {
            x = block.forward(up.forward(x), None);
        }
        self.output.forward(silu(self.norm.forward(x)))
    }
}

/// One decoder of every kind that the settings name.
pub fn bank(settings: &Settings, device: &Device) -> Vec<Decoder> {
    settings
        .decoders
        .iter()
        .map(|&kind| Decoder::new(settings, kind, device))
        .collect()
}
