//! From the files or the pack of a data set to tiles.

use veraray_datasets::{Entry, GrayImage, Image, OpenOptions, Pack, PackImage, open};
use veraray_model::{InputSpec, Tile, lanczos3};

use super::Sample;
use crate::TrainError;
use crate::forged::Order;

/// Frames taken from a volume or multi-frame image, from its middle half.
const FRAMES_PER_VOLUME: u32 = 8;

/// What an image came to.
pub(super) enum Loaded {
    Tiles(Vec<Sample>),
    Unsuitable(String),
}

/// Where the images of a data set come from.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) pack: Option<Pack>,
    /// Positions in the pack of the images that the recipe admits.
    pub(super) admitted: Vec<usize>,
}

/// Where the pixels of a sample are found again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    frame: u32,
    /// Number of the tile among the frame's.
    tile: usize,
}

/// Row-major pixels of a tile, with the mask where there is one.
#[derive(Debug, Clone)]
pub(super) struct Pixels {
    /// Grey, `65535` is white: exact for eight-bit images, and half the memory of floats.
    pub(super) grey: Vec<u16>,
    /// Share of manipulation, `255` is all; `None`: the label says it for every pixel.
    pub(super) mask: Option<Vec<u8>>,
}

/// The pixels of a sample.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// In memory, as those of forgeries made on the fly always are.
    Kept(Pixels),
    /// To be decoded again.
    Elsewhere(Place),
}

impl Pixels {
    /// Bytes they take.
    fn bytes(&self) -> u64 {
        (2 * self.grey.len() + self.mask.as_ref().map_or(0, Vec::len)) as u64
    }
}

impl Store {
    pub(super) fn open<'a>(
        &'a self,
        index: usize,
        entry: &'a Entry,
    ) -> Result<Frames<'a>, TrainError> {
        Ok(match &self.pack {
            Some(pack) => Frames::Pack(pack, &pack.images()[self.admitted[index]]),
            None => {
                let image = open(&entry.path, &OpenOptions::default())?;
                Frames::File(Box::new(image), entry)
            }
        })
    }

    /// Decodes a sample's tile again.
    pub(super) fn again(
        &self,
        index: usize,
        entry: &Entry,
        place: Place,
        spec: &InputSpec,
    ) -> Result<Pixels, TrainError> {
        let mut image = self.open(index, entry)?;
        let grey = image.gray(place.frame)?;
        let changed = || TrainError::Unusable {
            path: entry.path.clone(),
            message: "it is not what it was when the data set was read".into(),
        };
        let tiles = spec
            .tiles(&grey.pixels, grey.rows, grey.columns)
            .map_err(|_| changed())?;
        let tile = tiles.get(place.tile).ok_or_else(changed)?;
        let mask = image.mask(place.frame, (grey.rows, grey.columns))?;
        Ok(pixels(tile, mask.as_ref(), spec.tile))
    }

    /// The middle frame of an image.
    pub(crate) fn middle(&self, index: usize, entry: &Entry) -> Result<GrayImage, TrainError> {
        let mut frames = self.open(index, entry)?;
        frames.gray(frames.count() / 2)
    }
}

/// An image whose frames are decoded on demand.
pub(super) enum Frames<'a> {
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

/// The tiles of an image. `keep` says whether so many bytes more may be kept.
pub(super) fn load(
    index: usize,
    mut image: Frames,
    spec: &InputSpec,
    keep: &dyn Fn(u64) -> bool,
) -> Result<Loaded, TrainError> {
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
                for (number, tile) in tiles.iter().enumerate() {
                    let pixels = pixels(tile, mask.as_ref(), spec.tile);
                    let place = Place {
                        frame,
                        tile: number,
                    };
                    samples.push(Sample {
                        entry: index,
                        view: tile.view,
                        masked: mask.is_some(),
                        held: if keep(pixels.bytes()) {
                            Held::Kept(pixels)
                        } else {
                            Held::Elsewhere(place)
                        },
                    });
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
pub(super) fn forge(
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
        pixels: grey,
    } = made.image;
    let Ok(tiles) = spec.tiles(&grey, rows, columns) else {
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
        .map(|tile| Sample {
            entry: order.parent,
            view: tile.view,
            masked: mask.is_some(),
            held: Held::Kept(pixels(tile, mask, spec.tile)),
        })
        .collect();
    Ok(Some((order.entry(entries, made.whole), samples)))
}

/// A mask of the manipulated region, of the image's size.
struct Mask {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

fn pixels(tile: &Tile, mask: Option<&Mask>, side: usize) -> Pixels {
    let mask = mask.map(|mask| {
        let cut = mask.cut(tile);
        reflected(&cut, tile.valid, side, |v| {
            (v.clamp(0.0, 1.0) * 255.0).round() as u8
        })
    });
    let mut valid = Vec::with_capacity(tile.valid[0] * tile.valid[1]);
    for y in 0..tile.valid[0] {
        valid.extend_from_slice(&tile.pixels[y * tile.width..y * tile.width + tile.valid[1]]);
    }
    let grey = reflected(&valid, tile.valid, side, |v| {
        (v.clamp(0.0, 1.0) * 65535.0).round() as u16
    });
    Pixels { grey, mask }
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
