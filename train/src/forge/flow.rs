//! Flow matching, on pixels (`pixel_flow`) and in an autoencoder's code (`latent_diffusion`).
//!
//! Lipman et al., "Flow matching for generative modeling" (ICLR 2023,
//! <https://arxiv.org/abs/2210.02747>) along straight lines from noise to images (Liu et al., "Flow
//! straight and fast", ICLR 2023): a U-Net learns the velocity, an integrator follows it. Times are
//! drawn from a logistic normal distribution (Esser et al., ICML 2024). Our U-Net is small and has no
//! attention; the modality is its class. An aligned forgery begins, not at noise, but part of the way at
//! the authentic image (Meng et al., "SDEdit", ICLR 2022).
//!
//! `latent_diffusion` follows Rombach et al. (CVPR 2022) in working on the frozen code of a
//! `kl_autoencoder`, scaled to unit deviation, but matches flows where they denoise.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::rngs::StdRng;

use super::blocks::{UNet, UNetShape};
use super::generator::Network;
use super::kl_autoencoder::KlAutoencoder;
use super::learner::{Learner, Losses, column, noise, read};
use super::player::{Play, Player};
use super::reals::{Batch, Framing};
use super::settings::Settings;
use crate::TrainError;

/// The network that learns the velocity of `channels` channels.
pub fn network(settings: &Settings, channels: usize, classes: usize, device: &Device) -> UNet {
    let shape = UNetShape {
        channels: [channels, channels],
        width: settings.width,
        depth: settings.depth,
        classes: Some(classes),
    };
    UNet::new(shape, device)
}

/// A flow in the code of an autoencoder.
#[derive(Module, Debug)]
pub struct LatentDiffusion {
    /// Frozen.
    pub autoencoder: KlAutoencoder,
    /// The velocity of the code.
    pub flow: UNet,
}

/// How a flow is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Integration {
    /// Steps from noise to image.
    pub steps: usize,
    /// Heun's method, of second order, in place of Euler's.
    pub heun: bool,
    /// Where it begins in `[0, 1)`: 0 at noise.
    pub start: f32,
}

/// Follows a flow from `x` at [`Integration::start`] to 1.
pub fn integrate(
    network: &UNet,
    mut x: Tensor<4>,
    classes: &[usize],
    integration: Integration,
) -> Tensor<4> {
    let Integration { steps, heun, start } = integration;
    let steps = ((steps as f32 * (1.0 - start)).ceil() as usize).max(1);
    let width = (1.0 - start) / steps as f32;
    let velocity = |x: Tensor<4>, time: f32| {
        let times = vec![time; classes.len()];
        network.forward(x, Some((&times, classes)))
    };
    for step in 0..steps {
        let time = start + width * step as f32;
        let here = velocity(x.clone(), time);
        let ahead = x.clone() + here.clone().mul_scalar(width);
        x = if heun && step + 1 < steps {
            let there = velocity(ahead, time + width);
            x + (here + there).mul_scalar(0.5 * width)
        } else {
            ahead
        };
    }
    x
}

/// What lies at a time between noise and an image.
pub fn between(noise: Tensor<4>, image: Tensor<4>, times: Tensor<4>) -> Tensor<4> {
    noise.clone() + (image - noise) * times
}

/// The mean squared error of the velocity at random times.
fn loss(
    network: &UNet,
    target: Tensor<4>,
    classes: &[usize],
    rng: &mut StdRng,
    device: &Device,
) -> Tensor<1> {
    let times: Vec<f32> = {
        let logits = noise::<1>([classes.len()], rng, &device.clone().inner());
        let logits = logits.into_data().try_to_vec::<f32>().unwrap_or_default();
        logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect()
    };
    let start = noise(target.dims(), rng, device);
    let velocity = target.clone() - start.clone();
    let x = between(start, target, column(&times, device));
    let error = network.forward(x, Some((&times, classes))) - velocity;
    (error.clone() * error).mean()
}

/// A flow in training, on pixels or in a code.
pub(super) struct FlowLearner {
    settings: Settings,
    device: Device,
    network: Player<UNet>,
    /// The autoencoder, without gradients, and what its code is divided by.
    code: Option<(KlAutoencoder, f64)>,
}

impl FlowLearner {
    pub(super) fn new(
        settings: &Settings,
        classes: usize,
        code: Option<(KlAutoencoder, usize, f64)>,
        device: &Device,
    ) -> Self {
        let channels = code.as_ref().map_or(1, |(_, channels, _)| *channels);
        let unet = network(settings, channels, classes, device).materialize();
        let play = Play {
            momentum: 0.9,
            average: true,
        };
        Self {
            network: Player::new("network", unet, play),
            code: code.map(|(autoencoder, _, scale)| (autoencoder, scale)),
            settings: settings.clone(),
            device: device.clone(),
        }
    }
}

impl Learner for FlowLearner {
    fn framing(&self) -> Framing {
        Framing::Whole
    }

    fn step(&mut self, batch: &Batch, step: usize, rng: &mut StdRng) -> Losses {
        let target = match &self.code {
            None => batch.tensor(&self.device),
            Some((autoencoder, scale)) => {
                let [mean, _] = autoencoder.encode(batch.tensor(&self.device.clone().inner()));
                mean.div_scalar(*scale).autodiff()
            }
        };
        let module = &self.network.module;
        let loss = loss(module, target, &batch.classes, rng, &self.device);
        self.network
            .step(loss.backward(), self.settings.rate_at(step));
        read(["loss"], [loss])
    }

    fn network(&self) -> Network {
        let flow = self.network.best();
        match &self.code {
            None => Network::PixelFlow(flow),
            Some((autoencoder, _)) => Network::LatentDiffusion(LatentDiffusion {
                autoencoder: autoencoder.clone(),
                flow,
            }),
        }
    }

    fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.save(folder, step)
    }

    fn load(&mut self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.load(folder, step, &self.device)
    }

    fn forget(&self, folder: &Path, step: usize) {
        self.network.forget(folder, step);
    }
}
