//! `gan`: whole images by a small style-based adversarial network.
//!
//! After Karras et al., "Analyzing and improving the image quality of StyleGAN" (StyleGAN2, CVPR 2020,
//! <https://arxiv.org/abs/1912.04958>): a mapping network, convolutions modulated by its style and
//! demodulated, noise at every resolution, images summed over resolutions, a non-saturating loss and an
//! R1 penalty on authentic images. Ours has one modulated convolution per resolution, the modality
//! as a class in mapping and discriminator, and neither path-length regularisation nor mixed styles.
//! Burn differentiates once, so that R1's gradient norm is taken as the squared slope of the
//! discriminator along a random direction, whose mean over directions it is (Hutchinson, 1989).

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, softplus};
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;

use super::blocks::{Conv, doubled, softened};
use super::generator::Network;
use super::learner::{Learner, Losses, noise, read};
use super::player::{Play, Player};
use super::reals::{Batch, Framing};
use super::settings::Settings;
use crate::TrainError;

/// Numbers of a style and of what it is made of.
const STYLE: usize = 64;
/// Weight of R1, and steps between two of it.
const R1: f64 = 1.0;
const R1_EVERY: usize = 4;
/// Length of the steps that slopes are measured by, per pixel.
const R1_STEP: f64 = 0.01;

/// Channels at a side of `4 << level` pixels.
fn channels(settings: &Settings, level: usize) -> usize {
    let finer = settings.depth - level.min(settings.depth);
    settings.width * [1, 2, 4][finer.min(2)]
}

fn one_hot(classes: &[usize], count: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = classes
        .iter()
        .flat_map(|&class| (0..count).map(move |at| f32::from(u8::from(at == class))))
        .collect();
    Tensor::from_data(TensorData::new(values, [classes.len(), count]), device)
}

/// A convolution whose inputs are scaled by a style and whose outputs are brought back to unit deviation.
#[derive(Module, Debug)]
struct Styled {
    conv: Conv,
    style: Linear,
    grain: Param<Tensor<1>>,
}

impl Styled {
    fn new(pair: [usize; 2], device: &Device) -> Self {
        Self {
            conv: Conv::new(pair, 1, device),
            style: LinearConfig::new(STYLE, pair[0]).init(device),
            grain: Initializer::Constant { value: 0.05 }.init([1], device),
        }
    }

    fn forward(&self, input: Tensor<4>, style: &Tensor<2>, grain: Tensor<4>) -> Tensor<4> {
        let [batch, inputs, ..] = input.dims();
        let scale = self.style.forward(style.clone()).add_scalar(1.0);
        let kernel = self.conv.kernel();
        let [outputs, _, rows, columns] = kernel.dims();
        let energy = (kernel.clone() * kernel)
            .reshape([outputs, inputs, rows * columns])
            .sum_dim(2)
            .reshape([outputs, inputs]);
        let spread = (scale.clone() * scale.clone())
            .matmul(energy.swap_dims(0, 1))
            .add_scalar(1e-6)
            .sqrt();
        let x = self
            .conv
            .forward(input * scale.reshape([batch, inputs, 1, 1]))
            - self.conv.offset().reshape([1, outputs, 1, 1]);
        let x = x / spread.reshape([batch, outputs, 1, 1]);
        let x = x
            + self.conv.offset().reshape([1, outputs, 1, 1])
            + grain * self.grain.val().reshape([1, 1, 1, 1]);
        leaky_relu(x, 0.2).mul_scalar(std::f64::consts::SQRT_2)
    }
}

/// Noise and class → image.
#[derive(Module, Debug)]
pub struct StyleGenerator {
    mapping: Vec<Linear>,
    constant: Param<Tensor<4>>,
    layers: Vec<Styled>,
    images: Vec<Conv>,
    classes: usize,
}

impl StyleGenerator {
    /// With fresh weights.
    pub fn new(settings: &Settings, classes: usize, device: &Device) -> Self {
        let at = |level| channels(settings, level);
        let spread = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        };
        Self {
            mapping: [STYLE + classes, STYLE, STYLE]
                .map(|inputs| LinearConfig::new(inputs, STYLE).init(device))
                .into(),
            constant: spread.init([1, at(0), 4, 4], device),
            layers: (0..=settings.depth)
                .map(|level| Styled::new([at(level.saturating_sub(1)), at(level)], device))
                .collect(),
            images: (0..=settings.depth)
                .map(|level| Conv::scaled([at(level), 1], 1, 1, 0.3, device))
                .collect(),
            classes,
        }
    }

    /// # Shapes
    /// - output: `[batch, 1, size, size]`, about `[-1, 1]`
    pub fn forward(&self, classes: &[usize], rng: &mut StdRng, device: &Device) -> Tensor<4> {
        let batch = classes.len();
        let seed = noise([batch, STYLE], rng, device);
        let mut style = Tensor::cat(vec![seed, one_hot(classes, self.classes, device)], 1);
        for layer in &self.mapping {
            style = leaky_relu(layer.forward(style), 0.2);
        }
        let mut x = self.constant.val().repeat_dim(0, batch);
        let mut image: Option<Tensor<4>> = None;
        for (level, (layer, show)) in self.layers.iter().zip(&self.images).enumerate() {
            if level > 0 {
                x = smoothly_doubled(x);
            }
            let [_, _, height, width] = x.dims();
            let grain = noise([batch, 1, height, width], rng, device);
            x = layer.forward(x, &style, grain);
            let shown = show.forward(x.clone());
            image = Some(match image {
                None => shown,
                Some(image) => smoothly_doubled(image) + shown,
            });
        }
        image.unwrap_or(x)
    }
}

fn smoothly_doubled(input: Tensor<4>) -> Tensor<4> {
    softened(doubled(input))
}

/// Image and class → one logit.
#[derive(Module, Debug)]
pub struct Judge {
    input: Conv,
    layers: Vec<Conv>,
    last: Linear,
    output: Linear,
    classes: usize,
}

impl Judge {
    fn new(settings: &Settings, classes: usize, device: &Device) -> Self {
        let at = |level| channels(settings, level);
        let flat = 16 * (at(0) + 1);
        Self {
            input: Conv::new([1, at(settings.depth)], 1, device),
            layers: (0..settings.depth)
                .rev()
                .map(|level| Conv::new([at(level + 1), at(level)], 2, device))
                .collect(),
            last: LinearConfig::new(flat, at(0)).init(device),
            output: LinearConfig::new(at(0), classes).init(device),
            classes,
        }
    }

    /// `[batch]`
    fn forward(&self, images: Tensor<4>, classes: &[usize]) -> Tensor<1> {
        let device = images.device();
        let mut x = leaky_relu(self.input.forward(images), 0.2);
        for layer in &self.layers {
            x = leaky_relu(layer.forward(x), 0.2);
        }
        let [batch, channels, height, width] = x.dims();
        // How much the batch differs within itself (Karras et al., ICLR 2018).
        let centred = x.clone() - x.clone().mean_dim(0);
        let spread = (centred.clone() * centred)
            .mean_dim(0)
            .add_scalar(1e-8)
            .sqrt()
            .mean();
        let spread = spread
            .reshape([1, 1, 1, 1])
            .expand([batch, 1, height, width]);
        let x = Tensor::cat(vec![x, spread], 1).reshape([batch, (channels + 1) * height * width]);
        let x = leaky_relu(self.last.forward(x), 0.2);
        let logits = self.output.forward(x) * one_hot(classes, self.classes, &device);
        logits.sum_dim(1).reshape([batch])
    }
}

/// A `gan` in training.
pub(super) struct GanLearner {
    settings: Settings,
    device: Device,
    generator: Player<StyleGenerator>,
    judge: Player<Judge>,
}

impl GanLearner {
    pub(super) fn new(settings: &Settings, classes: usize, device: &Device) -> Self {
        let generator = StyleGenerator::new(settings, classes, device).materialize();
        let judge = Judge::new(settings, classes, device).materialize();
        let play = |average| Play {
            momentum: 0.0,
            average,
        };
        Self {
            generator: Player::new("generator", generator, play(true)),
            judge: Player::new("judge", judge, play(false)),
            settings: settings.clone(),
            device: device.clone(),
        }
    }
}

impl Learner for GanLearner {
    fn framing(&self) -> Framing {
        Framing::Whole
    }

    fn step(&mut self, batch: &Batch, step: usize, rng: &mut StdRng) -> Losses {
        let rate = self.settings.rate_at(step);
        let classes = &batch.classes;
        let real = batch.tensor(&self.device);
        let fake = self.generator.module.forward(classes, rng, &self.device);
        let judged = self.judge.module.forward(fake.clone(), classes);
        let loss = softplus(judged.neg(), 1.0).mean();
        self.generator.step(loss.backward(), rate);
        let judge = &self.judge.module;
        let on_real = judge.forward(real.clone(), classes);
        let on_fake = judge.forward(fake.detach(), classes);
        let mut total = (softplus(on_real.clone().neg(), 1.0) + softplus(on_fake, 1.0)).mean();
        let critic = total.clone();
        let mut penalty = total.zeros_like().detach();
        if step.is_multiple_of(R1_EVERY) {
            let direction = noise(real.dims(), rng, &self.device);
            let ahead = judge.forward(real + direction.mul_scalar(R1_STEP), classes);
            let slope = (ahead - on_real).div_scalar(R1_STEP);
            penalty = (slope.clone() * slope).mean();
            total = total + penalty.clone().mul_scalar(0.5 * R1 * R1_EVERY as f64);
        }
        self.judge.step(total.backward(), rate);
        read(["loss", "discriminator", "r1"], [loss, critic, penalty])
    }

    fn network(&self) -> Network {
        Network::Gan(self.generator.best())
    }

    fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.generator.save(folder, step)?;
        self.judge.save(folder, step)
    }

    fn load(&mut self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.generator.load(folder, step, &self.device)?;
        self.judge.load(folder, step, &self.device)
    }

    fn forget(&self, folder: &Path, step: usize) {
        self.generator.forget(folder, step);
        self.judge.forget(folder, step);
    }
}
