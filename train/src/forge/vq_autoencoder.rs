//! `vq_autoencoder`: reconstruction through a code book.
//!
//! After van den Oord, Vinyals & Kavukcuoglu, "Neural discrete representation learning" (NeurIPS
//! 2017, <https://arxiv.org/abs/1711.00937>): every place of the code becomes its nearest vector of
//! the book, gradients pass straight through, and the book follows by its own loss. Ours has a bank of
//! decoders, the frequency and the late adversarial loss of [`super::kl_autoencoder`], and gives vectors
//! that nothing uses a new start at codes of the batch (as in Dhariwal et al., "Jukebox", 2020).

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;

use super::autoencoder::{Decoder, Encoder, bank};
use super::generator::Network;
use super::kl_autoencoder::Critic;
use super::learner::{Learner, Losses, read};
use super::player::{Play, Player};
use super::reals::{Batch, Framing};
use super::settings::Settings;
use crate::TrainError;

/// Weight of what binds the code to the book, as in the paper.
const COMMITMENT: f64 = 0.25;
/// Steps between two looks for vectors that nothing uses.
const RESTART: usize = 20;
/// Decay of the count of uses, per step.
const USE_DECAY: f32 = 0.95;
/// A vector used less often per step than this starts anew.
const LEAST_USE: f32 = 0.01;

/// Encoder, code book and decoders.
#[derive(Module, Debug)]
pub struct VqAutoencoder {
    encoder: Encoder,
    book: Param<Tensor<2>>,
    decoders: Vec<Decoder>,
}

/// A code before and after the book.
struct Quantised {
    /// The encoder's, `[batch, latent, height, width]`.
    code: Tensor<4>,
    /// The nearest vectors, of the same shape; gradients reach the book.
    nearest: Tensor<4>,
    /// Their numbers, `[batch * height * width]`.
    indices: Tensor<1, Int>,
}

impl VqAutoencoder {
    /// With fresh weights.
    pub fn new(settings: &Settings, device: &Device) -> Self {
        let spread = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        };
        Self {
            encoder: Encoder::new(settings, settings.latent, device),
            book: spread.init([settings.codes, settings.latent], device),
            decoders: bank(settings, device),
        }
    }

    fn quantise(&self, pixels: Tensor<4>) -> Quantised {
        let code = self.encoder.forward(pixels);
        let [batch, latent, height, width] = code.dims();
        let flat = rows(code.clone());
        let book = self.book.val();
        // |a - b|² without |a|², which is the same for every vector of the book.
        let squares = (book.clone() * book.clone()).sum_dim(1).swap_dims(0, 1);
        let distance = squares.detach()
            - flat
                .detach()
                .matmul(book.clone().detach().swap_dims(0, 1))
                .mul_scalar(2.0);
        let indices = distance.argmin(1).reshape([batch * height * width]);
        let nearest = book
            .select(0, indices.clone())
            .reshape([batch, height * width, latent])
            .swap_dims(1, 2)
            .reshape([batch, latent, height, width]);
        Quantised {
            code,
            nearest,
            indices,
        }
    }

    /// Through the book and back.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]` in `[-1, 1]`
    pub fn reconstruct(&self, pixels: Tensor<4>, decoder: usize) -> Tensor<4> {
        let found = self.quantise(pixels);
        self.decoders[decoder % self.decoders.len()].forward(found.nearest)
    }
}

/// Every place of a code as a row, `[batch * height * width, latent]`.
fn rows(code: Tensor<4>) -> Tensor<2> {
    let [batch, latent, height, width] = code.dims();
    code.reshape([batch, latent, height * width])
        .swap_dims(1, 2)
        .reshape([batch * height * width, latent])
}

/// A `vq_autoencoder` in training.
pub(super) struct VqLearner {
    settings: Settings,
    device: Device,
    network: Player<VqAutoencoder>,
    critic: Critic,
    /// Decaying count of uses of every vector.
    uses: Vec<f32>,
}

impl VqLearner {
    pub(super) fn new(settings: &Settings, device: &Device) -> Self {
        let network = VqAutoencoder::new(settings, device).materialize();
        let play = Play {
            momentum: 0.9,
            average: false,
        };
        Self {
            network: Player::new("network", network, play),
            critic: Critic::new(settings, device),
            uses: vec![1.0; settings.codes],
            settings: settings.clone(),
            device: device.clone(),
        }
    }

    /// Counts what was used; returns the share of the book that is in use.
    fn count(&mut self, indices: Tensor<1, Int>) -> f64 {
        let indices = indices.into_data().convert::<i64>();
        let indices = indices.try_to_vec::<i64>().unwrap_or_default();
        self.uses.iter_mut().for_each(|uses| *uses *= USE_DECAY);
        for index in indices {
            if let Some(uses) = usize::try_from(index)
                .ok()
                .and_then(|i| self.uses.get_mut(i))
            {
                *uses += 1.0 - USE_DECAY;
            }
        }
        let used = self.uses.iter().filter(|uses| **uses >= LEAST_USE).count();
        used as f64 / self.uses.len() as f64
    }

    /// Vectors that nothing uses become codes of the batch.
    fn restart(&mut self, code: Tensor<4>, rng: &mut StdRng) {
        let latent = self.settings.latent;
        let floats = |data: TensorData| data.try_to_vec::<f32>().unwrap_or_default();
        let codes = floats(rows(code).into_data());
        let mut book = floats(self.network.module.book.val().into_data());
        let places = codes.len() / latent;
        for (index, uses) in self.uses.iter_mut().enumerate() {
            if *uses >= LEAST_USE || places == 0 {
                continue;
            }
            let from = rng.random_range(0..places) * latent;
            book[index * latent..(index + 1) * latent].copy_from_slice(&codes[from..from + latent]);
            *uses = 1.0;
        }
        let data = TensorData::new(book, [self.settings.codes, latent]);
        let fresh = Tensor::<2>::from_data(data, &self.device);
        let old = self.network.module.book.clone();
        self.network.module.book = old.map(|_| fresh.require_grad());
    }

    fn uses_file(folder: &Path, step: usize) -> std::path::PathBuf {
        folder.join(format!("uses-{step}.json"))
    }
}

impl Learner for VqLearner {
    fn framing(&self) -> Framing {
        Framing::Mixed
    }

    fn step(&mut self, batch: &Batch, step: usize, rng: &mut StdRng) -> Losses {
        let real = batch.tensor(&self.device);
        let found = self.network.module.quantise(real.clone());
        let used = self.count(found.indices);
        let distance = |a: Tensor<4>, b: Tensor<4>| {
            let difference = a - b;
            (difference.clone() * difference).mean()
        };
        let (code, nearest) = (found.code, found.nearest);
        let book = distance(nearest.clone(), code.clone().detach());
        let commitment = distance(code.clone(), nearest.clone().detach());
        let straight = code.clone() + (nearest - code.clone()).detach();
        let decoders = &self.network.module.decoders;
        let fake = decoders[step % decoders.len()].forward(straight);
        let terms = self
            .critic
            .terms(&self.settings, step, [real.clone(), fake.clone()]);
        let total = terms.total + book.clone() + commitment.mul_scalar(COMMITMENT);
        let rate = self.settings.rate_at(step);
        self.network.step(total.backward(), rate);
        let critic = self.critic.learn(&self.settings, step, [real, fake]);
        if (step + 1).is_multiple_of(RESTART) {
            self.restart(code.detach(), rng);
        }
        let names = [
            "loss",
            "absolute",
            "frequency",
            "book",
            "adversarial",
            "discriminator",
        ];
        let losses = [
            total,
            terms.absolute,
            terms.frequency,
            book,
            terms.adversarial,
            critic,
        ];
        let mut losses = read(names, losses);
        losses.push(("book_used", used));
        losses
    }

    fn network(&self) -> Network {
        Network::VqAutoencoder(self.network.best())
    }

    fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.save(folder, step)?;
        self.critic.discriminator().save(folder, step)?;
        let path = Self::uses_file(folder, step);
        let text = serde_json::to_string(&self.uses).unwrap_or_default();
        std::fs::write(&path, text).map_err(TrainError::io(&path))
    }

    fn load(&mut self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.load(folder, step, &self.device)?;
        self.critic
            .discriminator_mut()
            .load(folder, step, &self.device)?;
        let path = Self::uses_file(folder, step);
        let text = std::fs::read(&path).map_err(TrainError::io(&path))?;
        self.uses = serde_json::from_slice(&text)
            .ok()
            .filter(|uses: &Vec<f32>| uses.len() == self.settings.codes)
            .ok_or_else(|| TrainError::Run {
                path: path.clone(),
                message: "the state is damaged: the uses do not fit the book".into(),
            })?;
        Ok(())
    }

    fn forget(&self, folder: &Path, step: usize) {
        self.network.forget(folder, step);
        self.critic.discriminator().forget(folder, step);
        let _ = std::fs::remove_file(Self::uses_file(folder, step));
    }
}
