//! `inpaint`: a lesion-sized region of an authentic slice painted anew, to inject or to remove.
//!
//! In the manner of CT-GAN (Mirsky et al., "CT-GAN: Malicious tampering of 3D medical imagery using
//! deep learning", USENIX Security 2019, <https://arxiv.org/abs/1901.03597>): a conditional U-Net fills
//! a hole that a patch discriminator, which sees the place of the hole, judges (pix2pix: Isola et al.,
//! CVPR 2017). Theirs are two networks on cubes around annotated nodules. Ours is one network on slices
//! that needs no annotation: it is told how much brighter the region is than what surrounds it and how
//! rough it is, as measured of the authentic region in training. Asked for a bright region it injects,
//! asked for none it removes.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand::rngs::StdRng;
use veraray_datasets::{GrayImage, Lesion};

use super::blocks::{UNet, UNetShape};
use super::generator::Network;
use super::learner::{Learner, Losses, noise, read};
use super::loss::{Frequency, PatchDiscriminator, hinge};
use super::player::{Play, Player};
use super::reals::{Batch, Framing};
use super::settings::Settings;
use crate::TrainError;

/// Pixels of the ring around a region that it is compared with.
const RING: f32 = 1.8;

/// The network.
pub fn network(settings: &Settings, device: &Device) -> UNet {
    let shape = UNetShape {
        // What is known, the mask, contrast, roughness, and noise to make texture of.
        channels: [5, 1],
        width: settings.width,
        depth: settings.depth,
        classes: None,
    };
    UNet::new(shape, device)
}

/// What a region is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// How much brighter than its surroundings, in grey levels of `[0, 1]`.
    pub contrast: f32,
    /// Standard deviation within, likewise.
    pub roughness: f32,
}

/// Measures a region of an image, and what surrounds it: the wish that the image itself fulfils, and the
/// ring's roughness.
pub fn measured(image: &GrayImage, lesion: &Lesion) -> (Wish, f32) {
    let [mut inside, mut ring] = [[0.0_f64; 3]; 2];
    let [y, x] = lesion.centre;
    for (at, (&value, &share)) in image.pixels.iter().zip(&lesion.mask).enumerate() {
        let dy = (at / image.columns) as f32 - y;
        let dx = (at % image.columns) as f32 - x;
        let near = dy.hypot(dx) <= RING * lesion.radius + 2.0;
        for (sums, weight) in [
            (&mut inside, share),
            (&mut ring, if near { 1.0 - share } else { 0.0 }),
        ] {
            let (value, weight) = (f64::from(value), f64::from(weight));
            sums[0] += weight;
            sums[1] += weight * value;
            sums[2] += weight * value * value;
        }
    }
    let moments = |[weight, sum, squares]: [f64; 3]| {
        let mean = sum / weight.max(1e-6);
        let variance = squares / weight.max(1e-6) - mean * mean;
        (mean as f32, variance.max(0.0).sqrt() as f32)
    };
    let ((mean, roughness), (around, spread)) = (moments(inside), moments(ring));
    let wish = Wish {
        contrast: mean - around,
        roughness,
    };
    (wish, spread)
}

/// What the network paints; it counts where the mask is not nothing.
///
/// # Shapes
/// - `pixels`: `[batch, 1, height, width]` in `[-1, 1]`
/// - `mask`: likewise, in `[0, 1]`
/// - `wishes`: one per image
/// - `grain`: as `pixels`, standard normal
/// - output: as `pixels`
pub fn painted(
    network: &UNet,
    pixels: &Tensor<4>,
    mask: &Tensor<4>,
    wishes: &[Wish],
    grain: Tensor<4>,
) -> Tensor<4> {
    let device = pixels.device();
    let of = |value: fn(&Wish) -> f32| {
        let values: Vec<f32> = wishes.iter().map(value).collect();
        let data = TensorData::new(values, [wishes.len(), 1, 1, 1]);
        mask.clone() * Tensor::from_data(data, &device)
    };
    // Wherever the mask is not nothing, the network must not see what was there.
    let known = pixels.clone() * mask.clone().lower_equal_scalar(0.0).float();
    let input = Tensor::cat(
        vec![
            known,
            mask.clone(),
            of(|wish| 4.0 * wish.contrast),
            of(|wish| 8.0 * wish.roughness),
            grain * mask.clone(),
        ],
        1,
    );
    network.forward(input, None)
}

/// An `inpaint` network in training.
pub(super) struct InpaintLearner {
    settings: Settings,
    device: Device,
    network: Player<UNet>,
    discriminator: Player<PatchDiscriminator>,
    frequency: Frequency,
}

impl InpaintLearner {
    pub(super) fn new(settings: &Settings, device: &Device) -> Self {
        let play = |momentum| Play {
            momentum,
            average: false,
        };
        let unet = network(settings, device).materialize();
        let width = settings.width.clamp(4, 64);
        let patch = PatchDiscriminator::new(2, width, device).materialize();
        Self {
            network: Player::new("network", unet, play(0.9)),
            discriminator: Player::new("discriminator", patch, play(0.5)),
            frequency: Frequency::new(settings.size, device),
            settings: settings.clone(),
            device: device.clone(),
        }
    }
}

/// Draws a region of every image and measures it.
pub(super) fn draw(batch: &Batch, rng: &mut StdRng) -> (Vec<f32>, Vec<Wish>) {
    let mut masks = Vec::with_capacity(batch.pixels.len());
    let mut wishes = Vec::new();
    for image in batch.images() {
        let lesion = Lesion::draw(&image, rng);
        wishes.push(measured(&image, &lesion).0);
        masks.extend(lesion.mask);
    }
    (masks, wishes)
}

/// A wish of the tamperer: to inject or to remove, drawn for a region of an image.
pub(super) fn wish(image: &GrayImage, lesion: &Lesion, inject: bool, rng: &mut StdRng) -> Wish {
    let (_, around) = measured(image, lesion);
    let contrast = if inject {
        rng.random_range(0.12..0.4)
    } else {
        rng.random_range(-0.02..0.02)
    };
    Wish {
        contrast,
        roughness: around.min(0.2) * rng.random_range(0.5..1.0),
    }
}

impl Learner for InpaintLearner {
    fn framing(&self) -> Framing {
        Framing::Mixed
    }

    fn step(&mut self, batch: &Batch, step: usize, rng: &mut StdRng) -> Losses {
        let settings = &self.settings;
        let real = batch.tensor(&self.device);
        let (masks, wishes) = draw(batch, rng);
        let mask = Tensor::<4>::from_data(TensorData::new(masks, real.dims()), &self.device);
        let grain = noise(real.dims(), rng, &self.device);
        let painted = painted(&self.network.module, &real, &mask, &wishes, grain);
        let difference = (painted - real.clone()) * mask.clone();
        let fake = real.clone() + difference.clone();
        // Per painted pixel, so that small regions weigh as much as large ones.
        let absolute = difference.clone().abs().sum() / mask.clone().sum().add_scalar(1.0);
        let frequency = self.frequency.loss(difference);
        let mut total = absolute.clone() + frequency.clone().mul_scalar(settings.frequency);
        let pair = |image: Tensor<4>| Tensor::cat(vec![image, mask.clone()], 1);
        let plays = settings.adversarial > 0.0 && step >= settings.warmup;
        let mut adversarial = absolute.zeros_like().detach();
        let mut critic = adversarial.clone();
        if plays {
            let judged = self.discriminator.module.forward(pair(fake.clone()));
            adversarial = judged.mean().neg();
            total = total + adversarial.clone().mul_scalar(settings.adversarial);
        }
        let rate = settings.rate_at(step);
        self.network.step(total.backward(), rate);
        if plays {
            let [real, fake] =
                [real, fake.detach()].map(|image| self.discriminator.module.forward(pair(image)));
            critic = hinge(real, fake);
            self.discriminator.step(critic.backward(), rate);
        }
        let names = [
            "loss",
            "absolute",
            "frequency",
            "adversarial",
            "discriminator",
        ];
        read(names, [total, absolute, frequency, adversarial, critic])
    }

    fn network(&self) -> Network {
        Network::Inpaint(self.network.best())
    }

    fn save(&self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.save(folder, step)?;
        self.discriminator.save(folder, step)
    }

    fn load(&mut self, folder: &Path, step: usize) -> Result<(), TrainError> {
        self.network.load(folder, step, &self.device)?;
        self.discriminator.load(folder, step, &self.device)
    }

    fn forget(&self, folder: &Path, step: usize) {
        self.network.forget(folder, step);
        self.discriminator.forget(folder, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bright_spot_is_measured_as_contrast() {
        let side = 64;
        let pixels = (0..side * side)
            .map(|at| {
                let (y, x) = ((at / side) as f32 - 32.0, (at % side) as f32 - 32.0);
                if y.hypot(x) < 6.0 { 0.7 } else { 0.4 }
            })
            .collect();
        let image = GrayImage {
            rows: side,
            columns: side,
            pixels,
        };
        let mask = image.pixels.iter().map(|&v| f32::from(u8::from(v > 0.5)));
        let lesion = Lesion {
            mask: mask.collect(),
            centre: [32.0, 32.0],
            radius: 6.0,
            parameters: veraray_datasets::Parameters::default(),
        };
        let (wish, around) = measured(&image, &lesion);
        assert!((wish.contrast - 0.3).abs() < 1e-3, "{wish:?}");
        assert!(wish.roughness < 1e-3 && around < 1e-3);
    }
}
