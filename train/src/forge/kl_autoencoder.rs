//! `kl_autoencoder`: reconstruction through a narrow, normally distributed code.
//!
//! The first stage of Rombach et al., "High-resolution image synthesis with latent diffusion models"
//! (CVPR 2022, <https://arxiv.org/abs/2112.10752>): a convolutional variational autoencoder with a
//! small divergence, trained by reconstruction and a patch discriminator that begins late. Ours has a
//! bank of decoders behind one encoder, which take turns; no attention; the focal frequency loss
//! in place of LPIPS, whose network nobody trained on radiographs; and a fixed weight of the adversarial
//! loss.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::rngs::StdRng;

use super::autoencoder::{Decoder, Encoder, bank};
use super::generator::Network;
use super::learner::{Learner, Losses, noise, read};
use super::loss::{Frequency, PatchDiscriminator, absolute, hinge};
use super::player::{Play, Player};
use super::reals::{Batch, Framing};
use super::settings::Settings;
use crate::TrainError;

/// Encoder and decoders.
#[derive(Module, Debug)]
pub struct KlAutoencoder {
    encoder: Encoder,
    decoders: Vec<Decoder>,
    latent: usize,
}

impl KlAutoencoder {
    /// With fresh weights.
    pub fn new(settings: &Settings, device: &Device) -> Self {
        Self {
            encoder: Encoder::new(settings, 2 * settings.latent, device),
            decoders: bank(settings, device),
            latent: settings.latent,
        }
    }

    /// Mean and log variance of the code.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]` in `[-1, 1]`
    /// - outputs: `[batch, latent, height / 2^depth, width / 2^depth]`
    pub fn encode(&self, pixels: Tensor<4>) -> [Tensor<4>; 2] {
        let both = self.encoder.forward(pixels);
        let mean = both.clone().narrow(1, 0, self.latent);
        let spread = both.narrow(1, self.latent, self.latent);
        [mean, spread.clamp(-20.0, 10.0)]
    }

    /// An image of a code, by one of the decoders.
    pub fn decode(&self, code: Tensor<4>, decoder: usize) -> Tensor<4> {
        self.decoders[decoder % self.decoders.len()].forward(code)
    }

    /// Through the code's mean and back.
    pub fn reconstruct(&self, pixels: Tensor<4>, decoder: usize) -> Tensor<4> {
        let [mean, _] = self.encode(pixels);
        self.decode(mean, decoder)
    }
}

/// The adversary of an autoencoder, and what is lost in reconstruction.
pub(super) struct Critic {
    discriminator: Player<PatchDiscriminator>,
    frequency: Frequency,
}

/// The terms of a reconstruction's loss.
pub(super) struct Terms {
    pub absolute: Tensor<1>,
    pub frequency: Tensor<1>,
    /// Zero before the adversary begins.
    pub adversarial: Tensor<1>,
    /// The weighted sum.
    pub total: Tensor<1>,
}

impl Critic {
    pub(super) fn new(settings: &Settings, device: &Device) -> Self {
        let width = settings.width.clamp(4, 64);
        let network = PatchDiscriminator::new(1, width, device).materialize();
        let play = Play {
            momentum: 0.5,
            average: false,
        };
        Self {
            discriminator: Player::new("discriminator", network, play),
            frequency: Frequency::new(settings.size, device),
        }
    }

    /// What the autoencoder is to make smaller.
    pub(super) fn terms(
        &self,
        settings: &Settings,
        step: usize,
        [real, fake]: [Tensor<4>; 2],
    ) -> Terms {
        let difference = fake.clone() - real;
        let frequency = self.frequency.loss(difference.clone());
        let absolute = absolute(difference);
        let mut total = absolute.clone() + frequency.clone().mul_scalar(settings.frequency);
        let adversarial = if Self::plays(settings, step) {
            let loss = self.discriminator.module.forward(fake).mean().neg();
            total = total + loss.clone().mul_scalar(settings.adversarial);
            loss
        } else {
            absolute.zeros_like().detach()
        };
        Terms {
            absolute,
            frequency,
            adversarial,
            total,
        }
    }

    /// A step of the adversary itself; its loss.
    pub(super) fn learn(
        &mut self,
        settings: &Settings,
        step: usize,
        [real, fake]: [Tensor<4>; 2],
    ) -> Tensor<1> {
        if !Self::plays(settings, step) {
            return Tensor::zeros([1], &real.device());
        }
        let judged = [real, fake.detach()].map(|images| self.discriminator.module.forward(images));
        let [real, fake] = judged;
        let loss = hinge(real, fake);
        self.discriminator
            .step(loss.backward(), settings.rate_at(step));
        loss
    }

    fn plays(settings: &Settings, step: usize) -> bool {
        settings.adversarial > 0.0 && step >= settings.warmup
    }

    pub(super) fn discriminator(&self) -> &Player<PatchDiscriminator> {
        &self.discriminator
    }

    pub(super) fn discriminator_mut(&mut self) -> &mut Player<PatchDiscriminator> {
        &mut self.discriminator
    }
}

/// A `kl_autoencoder` in training.
pub(super) struct KlLearner {
    settings: Settings,
    device: Device,
    network: Player<KlAutoencoder>,
    critic: Critic,
}

impl KlLearner {
    pub(super) fn new(settings: &Settings, device: &Device) -> Self {
        let network = KlAutoencoder::new(settings, device).materialize();
        let play = Play {
            momentum: 0.9,
            average: false,
        };
        Self {
            settings: settings.clone(),
            device: device.clone(),
            network: Player::new("network", network, play),
            critic: Critic::new(settings, device),
        }
    }
}

impl Learner for KlLearner {
    fn framing(&self) -> Framing {
        Framing::Mixed
    }

    fn step(&mut self, batch: &Batch, step: usize, rng: &mut StdRng) -> Losses {
        let settings = &self.settings;
        let real = batch.tensor(&self.device);
        let [mean, spread] = self.network.module.encode(real.clone());
        let draw = noise(mean.dims(), rng, &self.device);
        let code = mean.clone() + spread.clone().mul_scalar(0.5).exp() * draw;
        let fake = self.network.module.decode(code, step);
        let divergence = (mean.clone() * mean + spread.clone().exp() - spread)
            .sub_scalar(1.0)
            .mean()
            .mul_scalar(0.5);
        let terms = self
            .critic
            .terms(settings, step, [real.clone(), fake.clone()]);
        let total = terms.total + divergence.clone().mul_scalar(settings.divergence);
        self.network.step(total.backward(), settings.rate_at(step));
        let critic = self.critic.learn(settings, step, [real, fake]);
        let names = [
            "loss",
            "absolute",
            "frequency",
            "divergence",
            "adversarial",
            "discriminator",
        ];
        let losses = [
            total,
            terms.absolute,
            terms.frequency,
            divergence,
            terms.adversarial,
            critic,
        ];
        read(names, losses)
    }

    fn network(&self) -> Network {
        Network::KlAutoencoder(self.network.best())
    }

    fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.save(folder, step)?;
        self.critic.discriminator().save(folder, step)
    }

    fn load(&mut self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.load(folder, step, &self.device)?;
        self.critic
            .discriminator_mut()
            .load(folder, step, &self.device)
    }

    fn forget(&self, folder: &Path, step: usize) {
        self.network.forget(folder, step);
        self.critic.discriminator().forget(folder, step);
    }
}
