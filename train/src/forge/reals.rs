//! The authentic images of one of a manifest's splits, in memory.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use indicatif::ProgressBar;
use rand::Rng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use veraray_datasets::{
    Entry, GrayImage, Label, Manifest, Original, Split, SplitOptions, assign_splits,
};
use veraray_model::lanczos3;

use crate::TrainError;

/// An image with a longer shorter side than so many times the size trained at is reduced to that: more
/// would fill the memory with what a crop never shows.
const LARGEST: usize = 4;

/// Refuses sets that a manifest does not have.
///
/// # Errors
/// [`TrainError::Data`] with the flag and the manifest.
pub fn check_sets(sets: &[String], entries: &[Entry], manifest: &Path) -> Result<(), TrainError> {
    let known = |set: &&String| entries.iter().any(|entry| entry.set == **set);
    match sets.iter().find(|set| !known(set)) {
        None => Ok(()),
        Some(absent) => Err(TrainError::Data(format!(
            "--sets {absent}: {} has no such set",
            manifest.display()
        ))),
    }
}

/// What of an image a network is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The central square of the whole field.
    Whole,
    /// Half the time the whole field, half the time a part at native resolution.
    Mixed,
}

/// One image. Grey is kept in sixteen bits.
struct Real {
    rows: usize,
    columns: usize,
    pixels: Vec<u16>,
    /// The central square, `side * side`.
    whole: Vec<u16>,
    class: usize,
}

/// Authentic images to learn from.
pub struct Reals {
    images: Vec<Real>,
    side: usize,
    /// Modalities, which are the classes.
    pub classes: Vec<String>,
    /// Licences of the images.
    pub licences: Vec<String>,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// Images that cannot be used, and why.
    pub skipped: Vec<(String, String)>,
}

/// Square images of `[0, 1]`, one after the other.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Side in pixels.
    pub side: usize,
    /// `count * side * side` levels.
    pub pixels: Vec<f32>,
    /// The class of every image.
    pub classes: Vec<usize>,
}

impl Batch {
    /// `[count, 1, side, side]` in `[-1, 1]`.
    pub fn tensor(&self, device: &Device) -> Tensor<4> {
        let values: Vec<f32> = self.pixels.iter().map(|v| 2.0 * v - 1.0).collect();
        let shape = [self.classes.len(), 1, self.side, self.side];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Its images.
    pub fn images(&self) -> impl Iterator<Item = GrayImage> + '_ {
        self.pixels
            .chunks_exact(self.side * self.side)
            .map(|pixels| GrayImage {
                rows: self.side,
                columns: self.side,
                pixels: pixels.to_vec(),
            })
    }
}

fn coded(pixels: &[f32]) -> Vec<u16> {
    pixels
        .iter()
        .map(|v| (v.clamp(0.0, 1.0) * 65_535.0).round() as u16)
        .collect()
}

fn level(code: u16) -> f32 {
    f32::from(code) / 65_535.0
}

impl Reals {
    /// Decodes the authentic images of one split, of the given sets or, where none is given, of all.
    /// Images that cannot be read are listed in
    /// [`Reals::skipped`].
    ///
    /// # Errors
    /// [`TrainError`] when the manifest cannot be read or nothing is left to learn from.
    pub fn load(
        manifest: &Path,
        sets: &[String],
        split: Split,
        side: usize,
        bar: &ProgressBar,
    ) -> Result<Self, TrainError> {
        let Manifest { entries, sha256 } = Manifest::read(manifest)?;
        check_sets(sets, &entries, manifest)?;
        let splits = assign_splits(&entries, &SplitOptions::default());
        let wanted = |at: usize| sets.is_empty() || sets.contains(&entries[at].set);
        let chosen: Vec<usize> = (0..entries.len())
            .filter(|&at| entries[at].label == Label::Real && splits[at] == split && wanted(at))
            .collect();
        let modality = |at: usize| entries[at].modality.to_lowercase();
        let classes: BTreeSet<String> = chosen.iter().map(|&at| modality(at)).collect();
        let classes: Vec<String> = classes.into_iter().collect();
        bar.set_length(chosen.len() as u64);
        let loaded: Vec<Result<Real, (String, String)>> = chosen
            .par_iter()
            .map(|&at| {
                let entry = &entries[at];
                let real = Original::open(&entry.path)
                    .map_err(|error| (entry.name.clone(), error.to_string()))
                    .map(|original| {
                        let class = classes.iter().position(|name| *name == modality(at));
                        Real::of(original.plane(), side, class.unwrap_or(0))
                    });
                bar.inc(1);
                real
            })
            .collect();
        let (mut images, mut skipped) = (Vec::new(), Vec::new());
        for image in loaded {
            match image {
                Ok(image) => images.push(image),
                Err(why) => skipped.push(why),
            }
        }
        if images.len() < 2 {
            return Err(TrainError::Data(format!(
                "{}: {} authentic images of the {} split can be used; a generator needs some \
                 hundreds{}",
                manifest.display(),
                images.len(),
                split.as_str(),
                skipped
                    .first()
                    .map_or(String::new(), |(_, why)| format!(" ({why})"))
            )));
        }
        let licences: BTreeSet<String> = chosen
            .iter()
            .map(|&at| entries[at].licence.clone())
            .filter(|licence| !licence.is_empty())
            .collect();
        Ok(Self {
            images,
            side,
            classes,
            licences: licences.into_iter().collect(),
            manifest_sha256: sha256,
            skipped,
        })
    }

    /// How many images there are.
    pub fn count(&self) -> usize {
        self.images.len()
    }

    /// The central squares of up to `most` images of a modality, in the manifest's order.
    pub fn wholes(&self, modality: &str, most: usize) -> Vec<GrayImage> {
        let class = self.classes.iter().position(|name| name == modality);
        self.images
            .iter()
            .filter(|real| Some(real.class) == class)
            .take(most)
            .map(|real| GrayImage {
                rows: self.side,
                columns: self.side,
                pixels: real.whole.iter().map(|&code| level(code)).collect(),
            })
            .collect()
    }

    /// Draws images at random.
    pub fn batch(&self, count: usize, framing: Framing, rng: &mut StdRng) -> Batch {
        let mut batch = Batch {
            side: self.side,
            pixels: Vec::with_capacity(count * self.side * self.side),
            classes: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let real = &self.images[rng.random_range(0..self.images.len())];
            let native = framing == Framing::Mixed && rng.random_bool(0.5);
            if native && real.rows.min(real.columns) > self.side {
                let top = rng.random_range(0..=real.rows - self.side);
                let left = rng.random_range(0..=real.columns - self.side);
                for row in top..top + self.side {
                    let line = row * real.columns + left;
                    let part = &real.pixels[line..line + self.side];
                    batch.pixels.extend(part.iter().map(|&code| level(code)));
                }
            } else {
                batch
                    .pixels
                    .extend(real.whole.iter().map(|&code| level(code)));
            }
            batch.classes.push(real.class);
        }
        batch
    }
}

impl Real {
    fn of(image: &GrayImage, side: usize, class: usize) -> Self {
        let image = shrunk(image, LARGEST * side);
        Self {
            whole: coded(&central(&image, side).pixels),
            rows: image.rows,
            columns: image.columns,
            pixels: coded(&image.pixels),
            class,
        }
    }
}

/// The image with a shorter side of `side` pixels.
fn resized(image: &GrayImage, side: usize) -> GrayImage {
    let short = image.rows.min(image.columns);
    let to = [image.rows, image.columns]
        .map(|length| ((length * side) as f64 / short as f64).round().max(1.0) as usize);
    GrayImage {
        rows: to[0],
        columns: to[1],
        pixels: lanczos3(&image.pixels, [image.rows, image.columns], to),
    }
}

/// The image with a shorter side of at most `most` pixels.
fn shrunk(image: &GrayImage, most: usize) -> GrayImage {
    if image.rows.min(image.columns) > most {
        resized(image, most)
    } else {
        image.clone()
    }
}

/// The central square, resampled to `side` pixels.
pub fn central(image: &GrayImage, side: usize) -> GrayImage {
    let image = if image.rows.min(image.columns) == side {
        image.clone()
    } else {
        resized(image, side)
    };
    let (top, left) = ((image.rows - side) / 2, (image.columns - side) / 2);
    GrayImage {
        rows: side,
        columns: side,
        pixels: (top..top + side)
            .flat_map(|row| {
                let line = row * image.columns + left;
                image.pixels[line..line + side].iter().copied()
            })
            .collect(),
    }
}
