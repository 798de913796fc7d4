//! Forgeries made on the fly: of training tiles, and of held-out images to be judged by.
//!
//! The pair of such a forgery is the very image it was made from, so nothing but the forgery tells
//! the two apart. Held-out images are forged at their native resolution, once and for all from a
//! fixed seed, and cut into tiles as any other image is.

use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use veraray_datasets::{Entry, GrayImage, Label, Split, TrainingFreeFamily, forge_image};

use crate::data::Store;
use crate::sampler::generator;
use crate::{Recipe, TrainError};

/// Longest side of a donor or of a held-out image that is forged: more would cost minutes.
const LONGEST: usize = 2048;

/// Which forgeries are made on the fly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForgeRecipe {
    /// Share of the manipulated images drawn in training that are forged on the fly, in `[0, 1]`; the
    /// others come from the manifest.
    pub share: f64,
    /// Families to draw from, each as often as the others.
    pub families: Vec<TrainingFreeFamily>,
    /// Share of the whole-image forgeries and of the listed reconstructions that are brought down to a
    /// region: one of them is set into the very image it was made from, in `[0, 1]`.
    pub composite: f64,
    /// Share of the regions put into an image that come from a synthetic image of the manifest
    /// rather than from another patient, in `[0, 1]`.
    pub synthetic_donors: f64,
    /// Forgeries made of every held-out authentic image, of as many families.
    pub held_out: usize,
    /// Families that held-out images are forged by; empty: those of `families`.
    pub judged: Vec<TrainingFreeFamily>,
}

impl Default for ForgeRecipe {
    fn default() -> Self {
        Self {
            share: 0.0,
            families: TrainingFreeFamily::ALL.to_vec(),
            composite: 0.0,
            synthetic_donors: 0.3,
            held_out: 2,
            judged: Vec::new(),
        }
    }
}

impl ForgeRecipe {
    /// Whether anything is forged.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.share > 0.0 && !self.families.is_empty()
    }

    /// Whether training draws forgeries of a family.
    #[must_use]
    pub fn trains_on(&self, family: &str) -> bool {
        self.is_on() && self.families.iter().any(|own| own.as_str() == family)
    }

    /// Families that held-out images are forged by.
    #[must_use]
    pub fn judging(&self) -> &[TrainingFreeFamily] {
        if self.judged.is_empty() {
            &self.families
        } else {
            &self.judged
        }
    }

    /// The same without some families, which neither training nor validation is to see.
    #[must_use]
    pub fn without(&self, excluded: &[String]) -> Self {
        let keep = |families: &[TrainingFreeFamily]| -> Vec<TrainingFreeFamily> {
            let kept = families.iter().copied();
            kept.filter(|family| !excluded.iter().any(|name| name == family.as_str()))
                .collect()
        };
        Self {
            families: keep(&self.families),
            judged: keep(self.judging()),
            ..self.clone()
        }
    }

    /// Names the first setting that cannot be used.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        for (key, share) in [
            ("share", self.share),
            ("composite", self.composite),
            ("synthetic_donors", self.synthetic_donors),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("forge.{key} must lie in [0, 1]"));
            }
        }
        (self.share > 0.0 && self.families.is_empty())
            .then(|| "forge.families names no family".into())
    }
}

/// A forgery to be made of a held-out image.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Index of the authentic image.
    pub(crate) parent: usize,
    /// Index of another group's authentic image of the same modality, when there is one.
    pub(crate) donor: Option<usize>,
    pub(crate) family: TrainingFreeFamily,
    seed: u64,
}

/// Decides which held-out images are forged how. Families take turns over the images in the order of
/// a hash, so that each meets every source.
pub(crate) fn orders(entries: &[Entry], splits: &[Split], recipe: &Recipe) -> Vec<Order> {
    let forge = recipe.forge.without(&recipe.data.exclude_families);
    let families = &forge.judged;
    if forge.share == 0.0 || families.is_empty() {
        return Vec::new();
    }
    let mut held_out: Vec<([u8; 32], usize)> = (0..entries.len())
        .filter(|&index| splits[index] != Split::Train && entries[index].label == Label::Real)
        .map(|index| (Sha256::digest(&entries[index].name).into(), index))
        .collect();
    held_out.sort_unstable();
    let mut orders = Vec::new();
    let mut turn = 0;
    for (position, &(hash, parent)) in held_out.iter().enumerate() {
        let donor = (1..held_out.len())
            .map(|step| held_out[(position + step) % held_out.len()].1)
            .find(|&other| {
                entries[other].unit() != entries[parent].unit()
                    && entries[other].modality == entries[parent].modality
                    && splits[other] == splits[parent]
            });
        for _ in 0..forge.held_out.min(families.len()) {
            let seed = u64::from_le_bytes([
                hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
            ]);
            orders.push(Order {
                parent,
                donor,
                family: families[turn % families.len()],
                seed: seed ^ turn as u64,
            });
            turn += 1;
        }
    }
    orders
}

impl Order {
    /// The manifest entry of the forgery.
    pub(crate) fn entry(&self, entries: &[Entry], whole: bool) -> Entry {
        let parent = &entries[self.parent];
        Entry {
            name: format!("{}#{}", parent.name, self.family),
            label: if whole {
                Label::Synthetic
            } else {
                Label::Tampered
            },
            generator: self.family.to_string(),
            sha256: String::new(),
            ..parent.clone()
        }
    }

    /// Makes the forgery with its mask. `None` when the image cannot be forged.
    ///
    /// # Errors
    /// [`TrainError::Image`] when the image or its donor cannot be read.
    pub(crate) fn make(
        &self,
        entries: &[Entry],
        store: &Store,
    ) -> Result<Option<Made>, TrainError> {
        let middle = |index: usize| store.middle(index, &entries[index]);
        let image = middle(self.parent)?;
        if image.rows.max(image.columns) > LONGEST {
            return Ok(None);
        }
        let donor = match self.donor.filter(|_| self.family.uses_donor()) {
            Some(index) => {
                Some(middle(index)?).filter(|donor| donor.rows.max(donor.columns) <= LONGEST)
            }
            None => None,
        };
        let mut rng = generator(self.seed, [0, 0, 0]);
        let forgery = forge_image(self.family, &image, donor.as_ref(), &mut rng);
        let touched = forgery.mask.iter().filter(|share| **share > 0.5).count();
        Ok((touched > 0).then(|| Made {
            whole: touched * 10 > 9 * forgery.mask.len(),
            image: forgery.image,
            mask: forgery.mask,
        }))
    }
}

/// A forgery of a held-out image.
pub(crate) struct Made {
    pub(crate) image: GrayImage,
    /// Row-major share of manipulation in `[0, 1]`.
    pub(crate) mask: Vec<f32>,
    /// Whether the whole image was redrawn.
    pub(crate) whole: bool,
}

/// The family of one training draw, when it is to be forged.
pub(crate) fn drawn(forge: &ForgeRecipe, rng: &mut StdRng) -> Option<TrainingFreeFamily> {
    (forge.is_on() && rng.random_bool(forge.share))
        .then(|| forge.families[rng.random_range(0..forge.families.len())])
}
