//! Images of a manifest in memory, as the detector sees them.

use std::path::Path;

use indicatif::ProgressBar;
use rayon::prelude::*;
use veraray_datasets::{
    Entry, GrayImage, Manifest, OpenOptions, Plane, Split, assign_splits, open,
};
use veraray_model::{InputSpec, Pooling, Tile, View, lanczos3};

use crate::forged::{self, Order};
use crate::{Recipe, TrainError};

/// Frames taken from a volume or multi-frame image, from its middle half.
const FRAMES_PER_VOLUME: u32 = 8;

/// One tile of an image. Grey is kept in sixteen bits: exact for eight-bit images, and half the
/// memory of floats.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Index of its image in [`Dataset::entries`].
    pub entry: usize,
    /// Whether it shows the whole field of view or a part at native resolution.
    pub view: View,
    /// Row-major grey, `65535` is white.
    pixels: Vec<u16>,
    /// Row-major share of manipulation, `255` is all; `None`: the label says it for every pixel.
    mask: Option<Vec<u8>>,
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
    /// Side of every tile.
    pub side: usize,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// Images that could not be used, with the reason.
    pub skipped: Vec<(String, String)>,
}

impl Dataset {
    /// Decodes every image that the recipe admits. Splits are assigned before anything is left
    /// out, so that they do not depend on the recipe's filters.
    ///
    /// # Errors
    /// [`TrainError`] when the manifest cannot be read or an image is missing or damaged. An image
    /// that decodes but cannot be judged (too small, blank) is listed in [`Dataset::skipped`].
    pub fn load(
        manifest_path: &Path,
        recipe: &Recipe,
        progress: &ProgressBar,
    ) -> Result<Self, TrainError> {
        Self::of(
            Manifest::read(manifest_path)?,
            manifest_path,
            recipe,
            progress,
        )
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
        let splits = assign_splits(&manifest.entries, &recipe.split);
        let (mut entries, mut splits): (Vec<Entry>, Vec<Split>) = manifest
            .entries
            .into_iter()
            .zip(splits)
            .filter(|(entry, _)| recipe.data.admits(entry))
            .unzip();
        if entries.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: the recipe's filters leave no image",
                origin.display()
            )));
        }
        let orders = forged::orders(&entries, &splits, recipe);
        progress.set_length((entries.len() + orders.len()) as u64);
        let loaded: Vec<Loaded> = entries
            .par_iter()
            .enumerate()
            .map(|(index, entry)| {
                let loaded = load(index, entry, &recipe.input);
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
                let made = forge(order, &entries, &recipe.input);
                progress.inc(1);
                made
            })
            .collect::<Result<_, _>>()?;
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
            side: recipe.input.tile,
            manifest_sha256: manifest.sha256,
            skipped,
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

    /// Whether a sample's mask says where it was tampered with.
    #[must_use]
    pub fn is_partial(&self, sample: &Sample) -> bool {
        sample.mask.is_some()
    }

    /// A sample as a plane of floats with its mask.
    #[must_use]
    pub fn plane(&self, sample: &Sample) -> Plane {
        let whole = f32::from(u8::from(self.entry(sample).label.is_manipulated()));
        Plane {
            side: self.side,
            pixels: sample
                .pixels
                .iter()
                .map(|&v| f32::from(v) / 65535.0)
                .collect(),
            mask: match &sample.mask {
                Some(mask) => mask.iter().map(|&v| f32::from(v) / 255.0).collect(),
                None => vec![whole; self.side * self.side],
            },
        }
    }
}

enum Loaded {
    Tiles(Vec<Sample>),
    Unsuitable(String),
}

fn load(index: usize, entry: &Entry, spec: &InputSpec) -> Result<Loaded, TrainError> {
    let mut image = open(&entry.path, &OpenOptions::default())?;
    let frames = image.info().frames.max(1);
    let chosen: Vec<u32> = if frames == 1 {
        vec![0]
    } else {
        // The ends of a volume are often blank.
        let (first, span, count) = (
            frames / 4,
            frames.div_ceil(2),
            FRAMES_PER_VOLUME.min(frames),
        );
        (0..count).map(|i| first + i * span / count).collect()
    };
    let mut samples = Vec::new();
    let mut why = String::new();
    for frame in chosen {
        let grey = image.frame(frame)?.to_gray();
        match spec.tiles(&grey.pixels, grey.rows, grey.columns) {
            Ok(tiles) => {
                let mask = match &entry.mask {
                    Some(path) => Some(read_mask(path, grey.rows, grey.columns)?),
                    None => None,
                };
                for tile in tiles {
                    samples.push(sample(index, &tile, mask.as_ref(), spec.tile));
                }
            }
            Err(unsuitable) => why = unsuitable.to_string(),
        }
    }
    if samples.is_empty() {
        return Ok(Loaded::Unsuitable(why));
    }
    Ok(Loaded::Tiles(samples))
}

/// The tiles of a forgery of a held-out image, with its entry.
fn forge(
    order: &Order,
    entries: &[Entry],
    spec: &InputSpec,
) -> Result<Option<(Entry, Vec<Sample>)>, TrainError> {
    let Some(made) = order.make(entries)? else {
        return Ok(None);
    };
    let GrayImage {
        rows,
        columns,
        pixels,
    } = made.image;
    let Ok(tiles) = spec.tiles(&pixels, rows, columns) else {
        return Ok(None);
    };
    let mask = Mask {
        rows,
        columns,
        values: made.mask,
    };
    let mask = Some(&mask).filter(|_| !made.whole);
    let samples = tiles
        .iter()
        .map(|tile| sample(order.parent, tile, mask, spec.tile))
        .collect();
    Ok(Some((order.entry(entries, made.whole), samples)))
}

/// A mask of the manipulated region, of the image's size.
struct Mask {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

fn read_mask(path: &Path, rows: usize, columns: usize) -> Result<Mask, TrainError> {
    let grey = open(path, &OpenOptions::default())?.frame(0)?.to_gray();
    if (grey.rows, grey.columns) != (rows, columns) {
        return Err(TrainError::Unusable {
            path: path.to_owned(),
            message: format!(
                "the mask is {}×{}, its image {rows}×{columns}",
                grey.rows, grey.columns
            ),
        });
    }
    Ok(Mask {
        rows,
        columns,
        values: grey.pixels,
    })
}

fn sample(entry: usize, tile: &Tile, mask: Option<&Mask>, side: usize) -> Sample {
    let mask = mask.map(|mask| {
        let cut = mask.cut(tile);
        reflected(&cut, tile.valid, side, |v| {
            (v.clamp(0.0, 1.0) * 255.0).round() as u8
        })
    });
    let valid = {
        let mut cut = Vec::with_capacity(tile.valid[0] * tile.valid[1]);
        for y in 0..tile.valid[0] {
            cut.extend_from_slice(&tile.pixels[y * tile.width..y * tile.width + tile.valid[1]]);
        }
        cut
    };
    Sample {
        entry,
        view: tile.view,
        pixels: reflected(&valid, tile.valid, side, |v| {
            (v.clamp(0.0, 1.0) * 65535.0).round() as u16
        }),
        mask,
    }
}

impl Mask {
    /// The mask over a tile's valid part, brought to its resolution.
    fn cut(&self, tile: &Tile) -> Vec<f32> {
        let [x0, y0, x1, y1] = tile.region.map(|edge| edge.round() as usize);
        let (x1, y1) = (x1.min(self.columns), y1.min(self.rows));
        let (rows, columns) = (y1.saturating_sub(y0).max(1), x1.saturating_sub(x0).max(1));
        let mut window = Vec::with_capacity(rows * columns);
        for y in y0..y0 + rows {
            let line = y * self.columns;
            window.extend_from_slice(&self.values[line + x0..line + x0 + columns]);
        }
        lanczos3(&window, [rows, columns], tile.valid)
    }
}

/// Pads a plane by reflection to a square, converting its values.
fn reflected<T>(
    plane: &[f32],
    from: [usize; 2],
    side: usize,
    convert: impl Fn(f32) -> T,
) -> Vec<T> {
    let mirror = |index: usize, valid: usize| {
        let period = (2 * (valid - 1)).max(1);
        let phase = index % period;
        phase.min(period - phase).min(valid - 1)
    };
    let mut square = Vec::with_capacity(side * side);
    for y in 0..side {
        let line = mirror(y, from[0]) * from[1];
        square.extend((0..side).map(|x| convert(plane[line + mirror(x, from[1])])));
    }
    square
}
