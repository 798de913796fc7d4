//! Draws balanced pairs of an authentic and a manipulated image.
//!
//! A manipulated image that was made from an authentic one is paired with an image of the same
//! group, and both go through the same delivery; so neither anatomy nor site nor delivery tells
//! the classes apart (compare Rajan et al., "Aligned datasets improve detection of latent
//! diffusion-generated images", ICLR 2025).

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use veraray_datasets::{Delivery, Plane, Split};
use veraray_model::Detector;

use crate::TrainError;
use crate::data::Dataset;

/// Tiles ready for a step.
#[derive(Debug, Clone)]
pub struct Batch {
    side: usize,
    pixels: Vec<f32>,
    masks: Vec<f32>,
    labels: Vec<f32>,
}

impl Batch {
    /// An empty batch of tiles of one side.
    #[must_use]
    pub fn new(side: usize) -> Self {
        Self {
            side,
            pixels: Vec::new(),
            masks: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Adds a tile; its mask is averaged over the cells of the detector's map.
    pub fn push(&mut self, plane: &Plane, manipulated: bool) {
        let cells = self.side / Detector::CELL;
        let area = (Detector::CELL * Detector::CELL) as f32;
        let mut sums = vec![0.0f32; cells * cells];
        for (index, value) in plane.mask.iter().enumerate() {
            let (y, x) = (index / self.side, index % self.side);
            sums[y / Detector::CELL * cells + x / Detector::CELL] += value;
        }
        self.pixels.extend_from_slice(&plane.pixels);
        self.masks.extend(sums.into_iter().map(|sum| sum / area));
        self.labels.push(f32::from(u8::from(manipulated)));
    }

    /// Number of tiles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no tile.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels `[batch, 1, side, side]`, labels `[batch]` and masks `[batch, cells, cells]`.
    #[must_use]
    pub fn to_tensors(&self, device: &Device) -> (Tensor<4>, Tensor<1>, Tensor<3>) {
        let (count, cells) = (self.len(), self.side / Detector::CELL);
        (
            Tensor::from_data(
                TensorData::new(self.pixels.clone(), [count, 1, self.side, self.side]),
                device,
            ),
            Tensor::from_data(TensorData::new(self.labels.clone(), [count]), device),
            Tensor::from_data(
                TensorData::new(self.masks.clone(), [count, cells, cells]),
                device,
            ),
        )
    }
}

/// The training samples, ordered for balanced draws.
#[derive(Debug)]
pub struct Sampler<'a> {
    dataset: &'a Dataset,
    delivery: &'a Delivery,
    seed: u64,
    /// Manipulated samples by modality, then by family.
    fakes: BTreeMap<&'a str, BTreeMap<&'a str, Vec<usize>>>,
    /// Authentic samples by modality, then by source.
    reals: BTreeMap<&'a str, BTreeMap<&'a str, Vec<usize>>>,
    /// Authentic samples by group.
    groups: BTreeMap<&'a str, Vec<usize>>,
    /// Modalities of both classes with their share of the draws.
    modalities: Vec<(&'a str, f64)>,
}

impl<'a> Sampler<'a> {
    /// Orders the training samples.
    ///
    /// # Errors
    /// [`TrainError::Data`] when no modality has both authentic and manipulated images.
    pub fn new(
        dataset: &'a Dataset,
        delivery: &'a Delivery,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let mut sampler = Self {
            dataset,
            delivery,
            seed,
            fakes: BTreeMap::new(),
            reals: BTreeMap::new(),
            groups: BTreeMap::new(),
            modalities: Vec::new(),
        };
        for index in dataset.of_split(Split::Train) {
            let entry = dataset.entry(&dataset.samples[index]);
            let (class, kind) = if entry.label.is_manipulated() {
                (&mut sampler.fakes, entry.generator.as_str())
            } else {
                sampler.groups.entry(entry.unit()).or_default().push(index);
                (&mut sampler.reals, entry.source.as_str())
            };
            let modality = class.entry(entry.modality.as_str()).or_default();
            modality.entry(kind).or_default().push(index);
        }
        // The square root keeps the largest modality from filling every batch.
        for (modality, sources) in &sampler.reals {
            if sampler.fakes.contains_key(modality) {
                let images: usize = sources.values().map(Vec::len).sum();
                sampler.modalities.push((modality, (images as f64).sqrt()));
            }
        }
        if sampler.modalities.is_empty() {
            return Err(TrainError::Data(
                "no modality has both authentic and manipulated images to train on".into(),
            ));
        }
        Ok(sampler)
    }

    /// The batch of one step: a pure function of seed, epoch and step, so that a resumed run sees
    /// what an uninterrupted one sees.
    #[must_use]
    pub fn batch(&self, epoch: usize, step: usize, pairs: usize) -> Batch {
        let mut batch = Batch::new(self.dataset.side);
        for pair in 0..pairs {
            let mut rng = generator(self.seed, [epoch, step, pair]);
            let (real, fake) = self.draw(&mut rng);
            let state = rng.random::<u64>();
            for index in [real, fake] {
                let sample = &self.dataset.samples[index];
                let plane = self.dataset.plane(sample);
                let sent = self
                    .delivery
                    .apply(plane, &mut StdRng::seed_from_u64(state));
                batch.push(&sent, self.dataset.entry(sample).label.is_manipulated());
            }
        }
        batch
    }

    /// Modality first, so that it is equally likely in both classes; then the family.
    fn draw(&self, rng: &mut StdRng) -> (usize, usize) {
        let total: f64 = self.modalities.iter().map(|(_, weight)| weight).sum();
        let mut position = rng.random::<f64>() * total;
        let modality = self
            .modalities
            .iter()
            .find(|(_, weight)| {
                position -= weight;
                position < 0.0
            })
            .or(self.modalities.last())
            .map_or("", |(modality, _)| *modality);
        let families: Vec<&Vec<usize>> = self.fakes[modality].values().collect();
        let fake = pick(pick::<&Vec<usize>>(&families, rng).as_slice(), rng);
        let parent = self.dataset.entry(&self.dataset.samples[*fake]);
        let real = match self.groups.get(parent.unit()) {
            Some(same_group) => pick(same_group, rng),
            None => {
                let sources: Vec<&Vec<usize>> = self.reals[modality].values().collect();
                pick(pick_by_size(&sources, rng), rng)
            }
        };
        (*real, *fake)
    }
}

/// A generator whose state depends on nothing but its arguments.
#[must_use]
pub fn generator(seed: u64, position: [usize; 3]) -> StdRng {
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    for part in position {
        digest.update((part as u64).to_le_bytes());
    }
    StdRng::from_seed(digest.finalize().into())
}

/// The lists are never empty: a key exists only once something was pushed under it.
fn pick<'a, T>(items: &'a [T], rng: &mut StdRng) -> &'a T {
    items.choose(rng).unwrap_or(&items[0])
}

/// Sources weigh by the square root of their size.
fn pick_by_size<'a>(sources: &[&'a Vec<usize>], rng: &mut StdRng) -> &'a Vec<usize> {
    sources
        .choose_weighted(rng, |source| (source.len() as f64).sqrt())
        .copied()
        .unwrap_or(sources[0])
}
