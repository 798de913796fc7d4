//! Images of a manifest as the detector sees them: in memory while it lasts, the rest decoded whenever
//! they are drawn.

mod tiles;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::ProgressBar;
use rayon::prelude::*;
use veraray_datasets::{Entry, Manifest, Pack, Plane, Split, assign_splits};
use veraray_model::{InputSpec, Pooling, View};

use self::tiles::{Held, Loaded, Pixels, forge, load};
use crate::forged;
use crate::{Recipe, TrainError};

pub(crate) use self::tiles::Store;

/// Bytes of tiles that are kept in memory unless the caller says otherwise.
pub const MEMORY: u64 = 8 << 30;

/// One tile of an image.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Index of its image in [`Dataset::entries`].
    pub entry: usize,
    /// Whether it shows the whole field of view or a part at native resolution.
    pub view: View,
    /// Whether a mask says where it was manipulated.
    masked: bool,
    /// Its pixels.
    held: Held,
}

/// The admitted images of a manifest, decoded.
#[derive(Debug)]
pub struct Dataset {
    /// Images, in the manifest's order.
    pub entries: Vec<Entry>,
    /// The split of every image.
    pub splits: Vec<Split>,
    /// Tiles, in the same order.
    pub samples: Vec<Sample>,
    /// How an image's tiles are pooled.
    pub pooling: Pooling,
    /// Number of images that the manifest lists; those after them were forged from them.
    pub listed: usize,
    /// Whether they came from a pack, so that there are no files to look at.
    pub packed: bool,
    /// Side of every tile.
    pub side: usize,
    /// SHA-256 of the manifest, or of what the pack holds.
    pub manifest_sha256: String,
    /// Images that could not be used, with the reason.
    pub skipped: Vec<(String, String)>,
    store: Store,
    input: InputSpec,
    /// The first image that could not be decoded again.
    fault: Mutex<Option<TrainError>>,
}

impl Dataset {
    /// Decodes every image that the recipe admits, of a manifest or a pack. Splits are assigned
    /// before anything is left out, so that they do not depend on the recipe's filters.
    ///
    /// # Errors
    /// [`TrainError`] when the manifest cannot be read or an image is missing or damaged. An image
    /// that decodes but cannot be judged (too small, blank) is listed in [`Dataset::skipped`].
    pub fn load(
        manifest_path: &Path,
        recipe: &Recipe,
        progress: &ProgressBar,
    ) -> Result<Self, TrainError> {
        Self::load_within(manifest_path, recipe, MEMORY, progress)
    }

    /// As [`Dataset::load`] with no more than `memory` bytes of tiles kept: others are decoded anew
    /// whenever they are drawn. What training sees does not depend on it.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_within(
        manifest_path: &Path,
        recipe: &Recipe,
        memory: u64,
        progress: &ProgressBar,
    ) -> Result<Self, TrainError> {
        if Pack::is_pack(manifest_path) {
            let pack = Pack::open(manifest_path)?;
            let entries = pack.images().iter().map(|i| i.entry.clone()).collect();
            let manifest = Manifest {
                entries,
                sha256: pack.sha256().to_owned(),
            };
            return Self::read(
                manifest,
                Some(pack),
                (manifest_path, memory),
                recipe,
                progress,
            );
        }
        let manifest = Manifest::read(manifest_path)?;
        Self::read(manifest, None, (manifest_path, memory), recipe, progress)
    }

    /// As [`Dataset::load`] for a manifest in memory; `origin` names it in messages.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn of(
        manifest: Manifest,
        origin: &Path,
        recipe: &Recipe,
        progress: &ProgressBar,
    ) -> Result<Self, TrainError> {
        Self::read(manifest, None, (origin, MEMORY), recipe, progress)
    }

    fn read(
        manifest: Manifest,
        pack: Option<Pack>,
        (origin, memory): (&Path, u64),
        recipe: &Recipe,
        progress: &ProgressBar,
    ) -> Result<Self, TrainError> {
        let Manifest {
            entries: all,
            sha256,
        } = manifest;
        let all_splits = assign_splits(&all, &recipe.split);
        let admitted: Vec<usize> = (0..all.len())
            .filter(|&at| recipe.data.admits(&all[at]))
            .collect();
        let mut entries: Vec<Entry> = admitted.iter().map(|&at| all[at].clone()).collect();
        let mut splits: Vec<Split> = admitted.iter().map(|&at| all_splits[at]).collect();
        let store = Store { pack, admitted };
        if entries.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: the recipe's filters leave no image",
                origin.display()
            )));
        }
        let orders = forged::orders(&entries, &splits, recipe);
        progress.set_length((entries.len() + orders.len()) as u64);
        let kept = AtomicU64::new(0);
        let keep = |bytes: u64| {
            let fits = kept.fetch_add(bytes, Ordering::Relaxed) + bytes <= memory;
            if !fits {
                kept.fetch_sub(bytes, Ordering::Relaxed);
            }
            fits
        };
        let loaded: Vec<Loaded> = entries
            .par_iter()
            .enumerate()
            .map(|(index, entry)| {
                let loaded = store
                    .open(index, entry)
                    .and_then(|frames| load(index, frames, &recipe.input, &keep));
                progress.inc(1);
                loaded
            })
            .collect::<Result<_, _>>()?;
        let mut samples = Vec::new();
        let mut skipped = Vec::new();
        for (entry, image) in entries.iter().zip(loaded) {
            match image {
                Loaded::Tiles(tiles) => samples.extend(tiles),
                Loaded::Unsuitable(why) => skipped.push((entry.name.clone(), why)),
            }
        }
        let forged: Vec<Option<(Entry, Vec<Sample>)>> = orders
            .par_iter()
            .map(|order| {
                let made = forge(order, &entries, &store, &recipe.input);
                progress.inc(1);
                made
            })
            .collect::<Result<_, _>>()?;
        let listed = entries.len();
        for (order, (entry, tiles)) in orders
            .iter()
            .zip(forged)
            .filter_map(|(order, made)| Some((order, made?)))
        {
            samples.extend(tiles.into_iter().map(|tile| Sample {
                entry: entries.len(),
                ..tile
            }));
            splits.push(splits[order.parent]);
            entries.push(entry);
        }
        Ok(Self {
            entries,
            splits,
            samples,
            pooling: recipe.input.pooling,
            listed,
            packed: store.pack.is_some(),
            side: recipe.input.tile,
            manifest_sha256: sha256,
            skipped,
            store,
            input: recipe.input.clone(),
            fault: Mutex::new(None),
        })
    }

    /// The image a sample belongs to.
    #[must_use]
    pub fn entry(&self, sample: &Sample) -> &Entry {
        &self.entries[sample.entry]
    }

    /// Indices of the samples of one split.
    #[must_use]
    pub fn of_split(&self, split: Split) -> Vec<usize> {
        (0..self.samples.len())
            .filter(|&index| self.splits[self.samples[index].entry] == split)
            .collect()
    }

    /// Whether a mask says where an image was tampered with.
    #[must_use]
    pub fn is_masked(&self, entry: usize) -> bool {
        let position = self.samples.partition_point(|sample| sample.entry < entry);
        self.samples
            .get(position)
            .is_some_and(|sample| sample.entry == entry && sample.masked)
    }

    /// A sample as a plane of floats with its mask. One that cannot be decoded again is black, and
    /// [`Dataset::intact`] tells.
    #[must_use]
    pub fn plane(&self, sample: &Sample) -> Plane {
        let place = match &sample.held {
            Held::Kept(pixels) => return self.floats(sample, pixels),
            Held::Elsewhere(place) => *place,
        };
        let entry = self.entry(sample);
        match self.store.again(sample.entry, entry, place, &self.input) {
            Ok(pixels) => self.floats(sample, &pixels),
            Err(error) => {
                if let Ok(mut fault) = self.fault.lock() {
                    fault.get_or_insert(error);
                }
                let black = vec![0.0; self.side * self.side];
                Plane {
                    side: self.side,
                    pixels: black.clone(),
                    mask: black,
                }
            }
        }
    }

    /// Number of samples whose pixels did not fit into memory.
    #[must_use]
    pub fn deferred(&self) -> usize {
        let elsewhere = |sample: &&Sample| matches!(sample.held, Held::Elsewhere(_));
        self.samples.iter().filter(elsewhere).count()
    }

    /// Whether every sample drawn so far was what it was when the data set was read.
    ///
    /// # Errors
    /// That of the first that was not.
    pub fn intact(&self) -> Result<(), TrainError> {
        let fault = self.fault.lock().ok().and_then(|mut fault| fault.take());
        fault.map_or(Ok(()), Err)
    }

    fn floats(&self, sample: &Sample, pixels: &Pixels) -> Plane {
        let whole = f32::from(u8::from(self.entry(sample).label.is_manipulated()));
        let grey = pixels.grey.iter();
        Plane {
            side: self.side,
            pixels: grey.map(|&v| f32::from(v) / 65535.0).collect(),
            mask: match &pixels.mask {
                Some(mask) => mask.iter().map(|&v| f32::from(v) / 255.0).collect(),
                None => vec![whole; self.side * self.side],
            },
        }
    }
}
