//! A trained generator at work.

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use veraray_datasets::{
    Forgery, GrayImage, LEAST_SIDE, Lesion, Parameters, Refinement, TrainedFamily, refine,
};

use super::blocks::UNet;
use super::flow::{self, Integration, LatentDiffusion};
use super::gan::StyleGenerator;
use super::inpaint;
use super::kl_autoencoder::KlAutoencoder;
use super::learner::noise;
use super::reals::Batch;
use super::settings::GeneratorCard;
use super::tiles::{Window, windows};
use super::vq_autoencoder::VqAutoencoder;
use crate::TrainError;

/// The network of a family.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // One or two exist at a time.
pub enum Network {
    /// `kl_autoencoder`
    KlAutoencoder(KlAutoencoder),
    /// `vq_autoencoder`
    VqAutoencoder(VqAutoencoder),
    /// `inpaint`
    Inpaint(UNet),
    /// `pixel_flow`
    PixelFlow(UNet),
    /// `latent_diffusion`
    LatentDiffusion(LatentDiffusion),
    /// `gan`
    Gan(StyleGenerator),
}

impl Network {
    /// The network that a card describes, with fresh weights.
    ///
    /// # Errors
    /// [`TrainError::Data`] when the card of a `latent_diffusion` lacks its autoencoder.
    pub fn fresh(card: &GeneratorCard, device: &Device) -> Result<Self, TrainError> {
        let (settings, classes) = (&card.settings, card.classes.len());
        Ok(match settings.family {
            TrainedFamily::KlAutoencoder => {
                Self::KlAutoencoder(KlAutoencoder::new(settings, device))
            }
            TrainedFamily::VqAutoencoder => {
                Self::VqAutoencoder(VqAutoencoder::new(settings, device))
            }
            TrainedFamily::Inpaint => Self::Inpaint(inpaint::network(settings, device)),
            TrainedFamily::PixelFlow => {
                Self::PixelFlow(flow::network(settings, 1, classes, device))
            }
            TrainedFamily::LatentDiffusion => {
                let autoencoder = card.autoencoder.as_ref().ok_or_else(|| {
                    TrainError::Data("a latent_diffusion without an autoencoder".into())
                })?;
                Self::LatentDiffusion(LatentDiffusion {
                    autoencoder: KlAutoencoder::new(autoencoder, device),
                    flow: flow::network(settings, autoencoder.latent, classes, device),
                })
            }
            TrainedFamily::Gan => Self::Gan(StyleGenerator::new(settings, classes, device)),
            other => {
                return Err(TrainError::Data(format!("this build cannot make {other}")));
            }
        })
    }
}

/// How a generator is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generation {
    /// What is done to whole images that were made of an authentic one.
    pub refinement: Refinement,
    /// Steps of a flow.
    pub steps: usize,
    /// Second order.
    pub heun: bool,
    /// How much of an authentic image a flow invents anew, in `(0, 1]`.
    pub strength: f32,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            refinement: Refinement::default(),
            steps: 20,
            heun: true,
            strength: 0.4,
        }
    }
}

/// A generator that was trained.
#[derive(Debug)]
pub struct Generator {
    /// What its file says of it.
    pub card: GeneratorCard,
    /// Its network.
    pub network: Network,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

impl Generator {
    /// A forgery of an authentic image, of its size and on its grey levels.
    ///
    /// # Errors
    /// [`TrainError::Data`] when the family makes none of an image.
    pub fn forge(
        &self,
        image: &GrayImage,
        modality: &str,
        generation: &Generation,
        device: &Device,
        rng: &mut StdRng,
    ) -> Result<Forgery, TrainError> {
        let mut parameters = self.parameters();
        if image.rows.min(image.columns) < LEAST_SIDE {
            return Err(TrainError::Data(format!(
                "{}x{} pixels; fewer than {LEAST_SIDE} on a side are not forged",
                image.columns, image.rows
            )));
        }
        if let Network::Inpaint(network) = &self.network {
            return Ok(self.inpainted(network, image, device, rng, parameters));
        }
        let decoders = &self
            .card
            .autoencoder
            .as_ref()
            .unwrap_or(&self.card.settings);
        let decoder = rng.random_range(0..decoders.decoders.len());
        let seed: u64 = rng.random();
        let class = self.class(modality);
        let integration = Integration {
            steps: generation.steps,
            heun: generation.heun,
            start: 1.0 - generation.strength.clamp(0.01, 1.0),
        };
        let run = |pixels: Tensor<4>, window: &Window| -> Result<Tensor<4>, TrainError> {
            let mut rng = StdRng::seed_from_u64(seed ^ (window.index as u64));
            Ok(match &self.network {
                Network::KlAutoencoder(network) => network.reconstruct(pixels, decoder),
                Network::VqAutoencoder(network) => network.reconstruct(pixels, decoder),
                Network::PixelFlow(network) => {
                    let start = noise(pixels.dims(), &mut rng, device);
                    let start = start.mul_scalar(1.0 - integration.start)
                        + pixels.mul_scalar(integration.start);
                    flow::integrate(network, start, &[class], integration)
                }
                Network::LatentDiffusion(network) => {
                    let scale = self.card.code_scale;
                    let [code, _] = network.autoencoder.encode(pixels);
                    let start = noise(code.dims(), &mut rng, device);
                    let start = start.mul_scalar(1.0 - integration.start)
                        + code.div_scalar(scale).mul_scalar(integration.start);
                    let code = flow::integrate(&network.flow, start, &[class], integration);
                    network.autoencoder.decode(code.mul_scalar(scale), decoder)
                }
                Network::Inpaint(_) | Network::Gan(_) => {
                    return Err(TrainError::Data(format!(
                        "{} makes images of nothing, and none of an authentic one; leave out \
                         --aligned",
                        self.card.settings.family
                    )));
                }
            })
        };
        let fake = windows(image, self.multiple(), device, run)?;
        match &self.network {
            Network::PixelFlow(_) => {}
            _ => parameters.note("decoder", decoders.decoders[decoder].as_str()),
        }
        if self.card.settings.family.invents() {
            parameters.note("strength", generation.strength);
            parameters.note("integration_steps", generation.steps);
        }
        let fake = refine(&fake, image, generation.refinement, &mut parameters);
        let changed = fake.pixels != image.pixels;
        parameters.note("extent", "whole");
        Ok(Forgery {
            mask: vec![f32::from(u8::from(changed)); image.pixels.len()],
            image: fake,
            parameters,
        })
    }

    /// An image of nothing, of the side it was trained at, and its modality; `index` chooses that.
    ///
    /// # Errors
    /// [`TrainError::Data`] when the family needs an authentic image.
    pub fn invent(
        &self,
        index: usize,
        generation: &Generation,
        device: &Device,
        rng: &mut StdRng,
    ) -> Result<(GrayImage, &str, Parameters), TrainError> {
        let settings = &self.card.settings;
        let class = index % self.card.classes.len().max(1);
        let mut parameters = self.parameters();
        let integration = Integration {
            steps: generation.steps,
            heun: generation.heun,
            start: 0.0,
        };
        let pixels = match &self.network {
            Network::PixelFlow(network) => {
                let start = noise([1, 1, settings.size, settings.size], rng, device);
                parameters.note("integration_steps", generation.steps);
                flow::integrate(network, start, &[class], integration)
            }
            Network::LatentDiffusion(network) => {
                let autoencoder = self.card.autoencoder.as_ref().unwrap_or(settings);
                let side = settings.size / autoencoder.reduction();
                let start = noise([1, autoencoder.latent, side, side], rng, device);
                parameters.note("integration_steps", generation.steps);
                let decoder = rng.random_range(0..autoencoder.decoders.len());
                parameters.note("decoder", autoencoder.decoders[decoder].as_str());
                let code = flow::integrate(&network.flow, start, &[class], integration);
                network
                    .autoencoder
                    .decode(code.mul_scalar(self.card.code_scale), decoder)
            }
            Network::Gan(network) => network.forward(&[class], rng, device),
            _ => {
                return Err(TrainError::Data(format!(
                    "{} works on authentic images; name them with --data",
                    settings.family
                )));
            }
        };
        parameters.note("extent", "whole");
        let image = image(pixels, settings.size, settings.size);
        let modality = self.card.classes.get(class).map_or("", String::as_str);
        Ok((image, modality, parameters))
    }

    /// Pictures of how far it is: rows of originals and what is made of them, or of inventions.
    ///
    /// # Errors
    /// As [`Generator::forge`].
    pub fn preview(
        &self,
        reals: &Batch,
        device: &Device,
        rng: &mut StdRng,
    ) -> Result<Vec<Vec<GrayImage>>, TrainError> {
        let count = reals.classes.len();
        if self.card.settings.family.invents() {
            return (0..2)
                .map(|row| {
                    (0..count)
                        .map(|at| {
                            let found =
                                self.invent(row * count + at, &Generation::default(), device, rng)?;
                            Ok(found.0)
                        })
                        .collect()
                })
                .collect();
        }
        let originals: Vec<GrayImage> = reals.images().collect();
        let bank = match &self.network {
            Network::Inpaint(_) => 2,
            _ => self.card.settings.decoders.len(),
        };
        let mut rows = Vec::new();
        for decoder in 0..bank {
            let row: Vec<GrayImage> = match &self.network {
                Network::KlAutoencoder(network) => images(
                    network.reconstruct(reals.tensor(device), decoder),
                    reals.side,
                ),
                Network::VqAutoencoder(network) => images(
                    network.reconstruct(reals.tensor(device), decoder),
                    reals.side,
                ),
                _ => originals
                    .iter()
                    .map(|image| {
                        Ok(self
                            .forge(image, "", &Generation::default(), device, rng)?
                            .image)
                    })
                    .collect::<Result<_, TrainError>>()?,
            };
            rows.push(row);
        }
        rows.insert(0, originals);
        Ok(rows)
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::default();
        parameters.note("model_sha256", self.sha256.as_str());
        parameters.note("model_steps", self.card.steps);
        parameters
    }

    /// The class of a modality; the first one for those it never saw.
    fn class(&self, modality: &str) -> usize {
        let modality = modality.to_lowercase();
        let found = self.card.classes.iter().position(|name| *name == modality);
        found.unwrap_or(0)
    }

    /// Sides that the network takes are multiples of this.
    fn multiple(&self) -> usize {
        match &self.card.autoencoder {
            None => self.card.settings.reduction(),
            Some(autoencoder) => autoencoder.reduction() * self.card.settings.reduction(),
        }
    }

    /// A region painted in a square around it, blended softly into the image.
    fn inpainted(
        &self,
        network: &UNet,
        image: &GrayImage,
        device: &Device,
        rng: &mut StdRng,
        mut parameters: Parameters,
    ) -> Forgery {
        let multiple = self.multiple();
        let lesion = Lesion::draw(image, rng);
        let inject = rng.random_bool(0.5);
        let wish = inpaint::wish(image, &lesion, inject, rng);
        // The region and as much around it, at least what the network was trained to see.
        let reach = (4.0 * lesion.radius) as usize;
        let short = image.rows.min(image.columns) / multiple * multiple;
        let side = reach
            .max(self.card.settings.size)
            .next_multiple_of(multiple);
        let side = side.min(short);
        let corner = |centre: f32, size: usize| {
            (centre - side as f32 / 2.0).clamp(0.0, (size - side) as f32) as usize
        };
        let (top, left) = (
            corner(lesion.centre[0], image.rows),
            corner(lesion.centre[1], image.columns),
        );
        let cut = |values: &[f32]| -> Vec<f32> {
            (top..top + side)
                .flat_map(|row| {
                    let line = row * image.columns + left;
                    values[line..line + side].iter().copied()
                })
                .collect()
        };
        let shape = [1, 1, side, side];
        let plane = |values| Tensor::<4>::from_data(TensorData::new(values, shape), device);
        let pixels = plane(cut(&image.pixels)).mul_scalar(2.0).sub_scalar(1.0);
        let mask = plane(cut(&lesion.mask));
        let grain = noise(shape, rng, device);
        let painted = inpaint::painted(network, &pixels, &mask, &[wish], grain);
        let patch = self::image(painted, side, side);
        let mut whole = image.clone();
        for (row, line) in patch.pixels.chunks_exact(side).enumerate() {
            let at = (top + row) * image.columns + left;
            whole.pixels[at..at + side].copy_from_slice(line);
        }
        let blended = lesion.blend(image, &whole);
        parameters.0.extend(lesion.parameters.0.clone());
        parameters.note("mode", if inject { "inject" } else { "remove" });
        parameters.note("contrast", wish.contrast);
        parameters.note("roughness", wish.roughness);
        parameters.note("extent", "region");
        let changed = blended.pixels != image.pixels;
        Forgery {
            mask: if changed {
                lesion.mask
            } else {
                vec![0.0; image.pixels.len()]
            },
            image: blended,
            parameters,
        }
    }
}

/// An image of `[1, 1, height, width]` in `[-1, 1]`, cut to its first rows and columns.
pub(super) fn image(pixels: Tensor<4>, rows: usize, columns: usize) -> GrayImage {
    let [_, _, _, width] = pixels.dims();
    let values = pixels.into_data().try_to_vec::<f32>().unwrap_or_default();
    GrayImage {
        rows,
        columns,
        pixels: values
            .chunks_exact(width)
            .take(rows)
            .flat_map(|line| line[..columns].iter().map(|&v| grey(v)))
            .collect(),
    }
}

/// What is not a number is black.
fn grey(value: f32) -> f32 {
    if value.is_nan() {
        0.0
    } else {
        (0.5 * value + 0.5).clamp(0.0, 1.0)
    }
}

fn images(pixels: Tensor<4>, side: usize) -> Vec<GrayImage> {
    let values = pixels.into_data().try_to_vec::<f32>().unwrap_or_default();
    values
        .chunks_exact(side * side)
        .map(|pixels| GrayImage {
            rows: side,
            columns: side,
            pixels: pixels.iter().map(|&v| grey(v)).collect(),
        })
        .collect()
}
