//! Images of a manifest in memory, as the detector sees them.

use std::path::Path;

use indicatif::ProgressBar;
use rayon::prelude::*;
use veraray_datasets::{
    Entry, GrayImage, Image, Manifest, OpenOptions, Pack, PackImage, Plane, Split, assign_splits,
    open,
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
        if Pack::is_pack(manifest_path) {
            let pack = Pack::open(manifest_path)?;
            let entries = pack.images().iter().map(|i| i.entry.clone()).collect();
            let manifest = Manifest {
                entries,
                sha256: pack.sha256().to_owned(),
            };
            return Self::read(manifest, Some(pack), manifest_path, recipe, progress);
        }
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
        Self::read(manifest, None, origin, recipe, progress)
    }

    fn read(
        manifest: Manifest,
        pack: Option<Pack>,
        origin: &Path,
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
        let loaded: Vec<Loaded> = entries
            .par_iter()
            .enumerate()
            .map(|(index, entry)| {
                let loaded = store
                    .open(index, entry)
                    .and_then(|frames| load(index, frames, &recipe.input));
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
            .is_some_and(|sample| sample.entry == entry && sample.mask.is_some())
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

/// Where the images of a data set come from.
pub(crate) struct Store {
    pack: Option<Pack>,
    /// Positions in the pack of the images that the recipe admits.
    admitted: Vec<usize>,
}

impl Store {
    fn open<'a>(&'a self, index: usize, entry: &'a Entry) -> Result<Frames<'a>, TrainError> {
        Ok(match &self.pack {
            Some(pack) => Frames::Pack(pack, &pack.images()[self.admitted[index]]),
            None => {
                let image = open(&entry.path, &OpenOptions::default())?;
                Frames::File(Box::new(image), entry)
            }
        })
    }

    /// The middle frame of an image.
    pub(crate) fn middle(&self, index: usize, entry: &Entry) -> Result<GrayImage, TrainError> {
        let mut frames = self.open(index, entry)?;
        frames.gray(frames.count() / 2)
    }
}

/// An image whose frames are decoded on demand.
enum Frames<'a> {
    File(Box<Image>, &'a Entry),
    Pack(&'a Pack, &'a PackImage),
}

impl Frames<'_> {
    fn count(&self) -> u32 {
        match self {
            Self::File(image, _) => image.info().frames.max(1),
            Self::Pack(_, image) => image.frames(),
        }
    }

    fn gray(&mut self, frame: u32) -> Result<GrayImage, TrainError> {
        Ok(match self {
            Self::File(image, _) => image.frame(frame)?.to_gray(),
            Self::Pack(pack, image) => pack.frame(image, frame)?.to_gray(),
        })
    }

    /// The mask of a frame, which must have its size.
    fn mask(&self, frame: u32, size: (usize, usize)) -> Result<Option<Mask>, TrainError> {
        let (grey, path) = match self {
            Self::File(_, entry) => match &entry.mask {
                Some(path) => (
                    open(path, &OpenOptions::default())?.frame(0)?.to_gray(),
                    path,
                ),
                None => return Ok(None),
            },
            Self::Pack(pack, image) => match pack.mask(image, frame)? {
                Some(mask) => (mask.to_gray(), &image.entry.path),
                None => return Ok(None),
            },
        };
        if (grey.rows, grey.columns) != size {
            return Err(TrainError::Unusable {
                path: path.to_owned(),
                message: format!(
                    "the mask is {}×{}, its image {}×{}",
                    grey.rows, grey.columns, size.0, size.1
                ),
            });
        }
        Ok(Some(Mask {
            rows: grey.rows,
            columns: grey.columns,
            values: grey.pixels,
        }))
    }
}

fn load(index: usize, mut image: Frames, spec: &InputSpec) -> Result<Loaded, TrainError> {
    let frames = image.count();
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
    let mut why = String::from("none of the recipe's views shows it");
    for frame in chosen {
        let grey = image.gray(frame)?;
        match spec.tiles(&grey.pixels, grey.rows, grey.columns) {
            Ok(tiles) => {
                let mask = image.mask(frame, (grey.rows, grey.columns))?;
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
    store: &Store,
    spec: &InputSpec,
) -> Result<Option<(Entry, Vec<Sample>)>, TrainError> {
    let Some(made) = order.make(entries, store)? else {
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
