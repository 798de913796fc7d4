//! Draws balanced pairs of an authentic and a manipulated image.
//!
//! A manipulated image that was made from an authentic one is paired with an image of the same
//! group, a forgery made on the fly with the very tile it was made from, and both go through the
//! same delivery; so neither anatomy nor site nor delivery tells the classes apart (compare Rajan et al., "Aligned datasets improve detection of latent
//! diffusion-generated images", ICLR 2025).

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use veraray_datasets::{
    Delivery, Entry, Label, Plane, Split, TrainingFreeFamily, composite, forge,
};
use veraray_model::{Detector, View};

use crate::crop::{anywhere, corner, cropped};
use crate::data::Dataset;
use crate::forged::{self, ForgeRecipe};
use crate::{Recipe, TrainError};

/// Share of the forgeries that are made of native tiles, where a modality has some.
const NATIVE: f64 = 0.4;

/// Tiles tried for one that can be forged.
const ATTEMPTS: usize = 8;

/// Samples by modality, then by family or source.
type Shelves<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Vec<usize>>>;

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

    /// Adds the tiles of another batch of the same side.
    pub fn append(&mut self, mut other: Self) {
        self.pixels.append(&mut other.pixels);
        self.masks.append(&mut other.masks);
        self.labels.append(&mut other.labels);
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
    forge: ForgeRecipe,
    seed: u64,
    /// Share of the steps that see crops, and their side.
    crops: (f64, usize),
    /// Manipulated samples of the manifest by family.
    fakes: Shelves<'a>,
    /// Authentic whole fields of view by source.
    reals: Shelves<'a>,
    /// Authentic tiles at native resolution by source.
    native: Shelves<'a>,
    /// Authentic whole fields of view by group.
    groups: BTreeMap<&'a str, Vec<usize>>,
    /// Modalities of both classes with their share of the draws.
    modalities: Vec<(&'a str, f64)>,
}

impl<'a> Sampler<'a> {
    /// Orders the training samples.
    ///
    /// # Errors
    /// [`TrainError::Data`] when no modality has both authentic and manipulated images.
    pub fn new(dataset: &'a Dataset, recipe: &'a Recipe) -> Result<Self, TrainError> {
        Self::among(dataset, recipe, &|_| true)
    }

    /// As [`Sampler::new`] with those images only that `keep` takes.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn among(
        dataset: &'a Dataset,
        recipe: &'a Recipe,
        keep: &dyn Fn(&Entry) -> bool,
    ) -> Result<Self, TrainError> {
        let mut sampler = Self {
            dataset,
            delivery: &recipe.delivery,
            forge: recipe.forge.without(&recipe.data.exclude_families),
            seed: recipe.training.seed,
            crops: (recipe.training.crop_share, recipe.training.crop),
            fakes: BTreeMap::new(),
            reals: BTreeMap::new(),
            native: BTreeMap::new(),
            groups: BTreeMap::new(),
            modalities: Vec::new(),
        };
        for index in dataset.of_split(Split::Train) {
            let sample = &dataset.samples[index];
            let entry = dataset.entry(sample);
            if !keep(entry) {
                continue;
            }
            let (class, kind) = if entry.label.is_manipulated() {
                (&mut sampler.fakes, entry.generator.as_str())
            } else if sample.view == View::WholeField {
                sampler.groups.entry(entry.unit()).or_default().push(index);
                (&mut sampler.reals, entry.source.as_str())
            } else {
                (&mut sampler.native, entry.source.as_str())
            };
            let modality = class.entry(entry.modality.as_str()).or_default();
            modality.entry(kind).or_default().push(index);
        }
        // The square root keeps the largest modality from filling every batch.
        for (modality, sources) in &sampler.reals {
            if sampler.fakes.contains_key(modality) || sampler.forge.is_on() {
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
    /// what an uninterrupted one sees. A step on crops has as many more pairs as crops fill a tile.
    #[must_use]
    pub fn batch(&self, epoch: usize, step: usize, pairs: usize) -> Batch {
        let (share, crop) = self.crops;
        let tile = self.dataset.side;
        // Pairs are numbered from zero: no pair of the step shares this generator.
        let mut rng = generator(self.seed, [epoch, step, usize::MAX]);
        let side = if share > 0.0 && rng.random_bool(share) {
            crop
        } else {
            tile
        };
        let pairs = pairs * (tile / side).pow(2);
        let drawn: Vec<[Plane; 2]> = (0..pairs)
            .into_par_iter()
            .map(|pair| {
                let mut rng = generator(self.seed, [epoch, step, pair]);
                let planes = self.draw(side, &mut rng);
                let state = rng.random::<u64>();
                planes.map(|plane| {
                    self.delivery
                        .apply(plane, &mut StdRng::seed_from_u64(state))
                })
            })
            .collect();
        let mut batch = Batch::new(side);
        for [authentic, manipulated] in &drawn {
            batch.push(authentic, false);
            batch.push(manipulated, true);
        }
        batch
    }

    /// An authentic tile and a manipulated one, or a crop of each from the same place. Modality first,
    /// so that it is equally likely in both classes; then the family.
    fn draw(&self, side: usize, rng: &mut StdRng) -> [Plane; 2] {
        let modality = self.modality(rng);
        let listed = self.fakes.get(modality);
        let forged = match forged::drawn(&self.forge, rng) {
            Some(family) => Some(family),
            None if listed.is_none() => Some(*pick(&self.forge.families, rng)),
            None => None,
        };
        if let Some(family) = forged {
            return self.forged_pair(modality, family, side, rng);
        }
        // Without a forgery the modality has listed fakes.
        let families: Vec<&Vec<usize>> = listed.into_iter().flatten().map(|(_, f)| f).collect();
        let fake = pick(pick::<&Vec<usize>>(&families, rng).as_slice(), rng);
        let parent = self.dataset.entry(&self.dataset.samples[*fake]);
        let real = match self.groups.get(parent.unit()) {
            Some(same_group) => *pick(same_group, rng),
            None => from_any_source(&self.reals[modality], rng),
        };
        let planes = [real, *fake].map(|index| self.plane(index));
        let planes = self.composed(planes, rng);
        let corner = corner(&planes[1], side, rng);
        planes.map(|plane| cropped(plane, corner, side))
    }

    fn modality(&self, rng: &mut StdRng) -> &'a str {
        let total: f64 = self.modalities.iter().map(|(_, weight)| weight).sum();
        let mut position = rng.random::<f64>() * total;
        self.modalities
            .iter()
            .find(|(_, weight)| {
                position -= weight;
                position < 0.0
            })
            .or(self.modalities.last())
            .map_or("", |(modality, _)| *modality)
    }

    fn plane(&self, index: usize) -> Plane {
        self.dataset.plane(&self.dataset.samples[index])
    }

    /// An authentic tile and its forgery.
    fn forged_pair(
        &self,
        modality: &str,
        family: TrainingFreeFamily,
        side: usize,
        rng: &mut StdRng,
    ) -> [Plane; 2] {
        let native = self
            .native
            .get(modality)
            .filter(|_| rng.random_bool(NATIVE));
        let shelf = native.unwrap_or(&self.reals[modality]);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let real = from_any_source(shelf, rng);
            let donor = family
                .uses_donor()
                .then(|| self.donor(modality, shelf, real, rng))
                .map(|donor| anywhere(donor, side, rng));
            let plane = anywhere(self.plane(real), side, rng);
            let forgery = forge(family, &plane, donor.as_ref(), rng);
            // Some tiles show too little for a region to be changed in.
            if attempt == ATTEMPTS || forgery.mask.iter().any(|share| *share > 0.5) {
                return self.composed([plane, forgery], rng);
            }
        }
    }

    /// A pair of which the manipulated one is now and then brought down to a region, where all of it
    /// is manipulated and both show the same image.
    fn composed(&self, [authentic, manipulated]: [Plane; 2], rng: &mut StdRng) -> [Plane; 2] {
        let share = self.forge.composite;
        // No draw where the setting is off: older recipes then see what they always saw.
        let wanted = share > 0.0 && rng.random_bool(share);
        if wanted
            && manipulated.mask.iter().all(|share| *share == 1.0)
            && let Some(region) = composite(&authentic, &manipulated, rng)
        {
            return [authentic, region];
        }
        [authentic, manipulated]
    }

    /// Where a region is taken from: a synthetic image, or another group's authentic one.
    fn donor(
        &self,
        modality: &str,
        shelf: &BTreeMap<&str, Vec<usize>>,
        host: usize,
        rng: &mut StdRng,
    ) -> Plane {
        let synthetic: Vec<usize> = self
            .fakes
            .get(modality)
            .into_iter()
            .flat_map(|families| families.values().flatten().copied())
            .filter(|&index| self.label(index) == Label::Synthetic)
            .collect();
        if !synthetic.is_empty() && rng.random_bool(self.forge.synthetic_donors) {
            return self.plane(*pick(&synthetic, rng));
        }
        let unit = |index: usize| self.dataset.entry(&self.dataset.samples[index]).unit();
        let mut donor = from_any_source(shelf, rng);
        for _ in 0..8 {
            if unit(donor) != unit(host) {
                break;
            }
            donor = from_any_source(shelf, rng);
        }
        self.plane(donor)
    }

    fn label(&self, index: usize) -> Label {
        self.dataset.entry(&self.dataset.samples[index]).label
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

/// A sample of any source; sources weigh by the square root of their size.
fn from_any_source(sources: &BTreeMap<&str, Vec<usize>>, rng: &mut StdRng) -> usize {
    let sources: Vec<&Vec<usize>> = sources.values().collect();
    let source = sources
        .choose_weighted(rng, |source| (source.len() as f64).sqrt())
        .copied()
        .unwrap_or(sources[0]);
    *pick(source, rng)
}
