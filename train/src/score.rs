//! Scores samples of a data set with a detector.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;

use burn::tensor::{Device, Tensor};
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use veraray_datasets::{Delivery, Plane};
use veraray_model::Detector;

use crate::TrainError;
use crate::data::Dataset;
use crate::sampler::Batch;

/// Tiles per forward pass.
const BATCH: usize = 32;

/// Batches prepared ahead of the device.
const AHEAD: usize = 2;

/// What the detector says of one image, pooled over its tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageScore {
    /// Index of the image in [`Dataset::entries`].
    pub entry: usize,
    /// Logit pooled over its tiles.
    pub logit: f64,
}

/// What the detector says of one cell of an image's map, with what the mask says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellScore {
    /// Logit of the cell.
    pub logit: f32,
    /// Manipulated share of the cell, `[0, 1]`.
    pub share: f32,
}

/// Scores of a set of samples.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    /// One per image, in the order of the samples.
    pub images: Vec<ImageScore>,
    /// Cells of the images that have masks, by entry.
    pub cells: BTreeMap<usize, Vec<CellScore>>,
}

/// What the detector says of one tile.
#[derive(Debug, Clone)]
pub struct TileScore {
    /// Its logit.
    pub logit: f64,
    /// Its map, row-major.
    pub cells: Vec<CellScore>,
    /// What tells known tiles from others; see [`veraray_model::Detection::features`].
    pub features: Vec<f32>,
}

/// Scores `count` tiles of one side, in their order. `plane` makes them, on other threads and ahead
/// of the device.
///
/// # Errors
/// [`TrainError::Data`] when the device returns something else than floats.
pub fn score_tiles(
    detector: &Detector,
    (side, count): (usize, usize),
    plane: &(dyn Fn(usize) -> Plane + Sync),
    device: &Device,
    progress: &ProgressBar,
) -> Result<Vec<TileScore>, TrainError> {
    let mut scores = Vec::with_capacity(count);
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Batch>(AHEAD);
        scope.spawn(move || {
            for start in (0..count).step_by(BATCH) {
                let planes: Vec<Plane> = (start..(start + BATCH).min(count))
                    .into_par_iter()
                    .map(plane)
                    .collect();
                let mut batch = Batch::new(side);
                for plane in &planes {
                    // Labels are for training.
                    batch.push(plane, false);
                }
                // The receiver is gone when a pass failed.
                if sender.send(batch).is_err() {
                    return;
                }
            }
        });
        for batch in batches {
            forward(detector, &batch, device, &mut scores)?;
            progress.inc(batch.len() as u64);
        }
        Ok::<(), TrainError>(())
    })?;
    Ok(scores)
}

fn forward(
    detector: &Detector,
    batch: &Batch,
    device: &Device,
    scores: &mut Vec<TileScore>,
) -> Result<(), TrainError> {
    let (pixels, _, masks) = batch.to_tensors(device);
    let found = detector.forward(pixels);
    let [_, height, width] = found.map.dims();
    let logits = floats(found.logits)?;
    let map = floats(found.map)?;
    let [_, width_of_row] = found.features.dims();
    let features = floats(found.features)?;
    let masks = floats(masks)?;
    let tiles = map
        .chunks_exact(height * width)
        .zip(masks.chunks_exact(height * width))
        .zip(features.chunks_exact(width_of_row));
    for (logit, ((map, shares), features)) in logits.into_iter().zip(tiles) {
        let cell = |(logit, share): (&f32, &f32)| CellScore {
            logit: *logit,
            share: *share,
        };
        scores.push(TileScore {
            logit: f64::from(logit),
            cells: map.iter().zip(shares).map(cell).collect(),
            features: features.to_vec(),
        });
    }
    Ok(())
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    tensor
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| TrainError::Data(format!("scores are not floats: {error:?}")))
}

/// The draws of sample `index`: they depend on nothing but the seed and the sample.
#[must_use]
pub fn draws(seed: u64, index: usize) -> StdRng {
    StdRng::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9e37_79b9))
}

/// The delivery without its chance of leaving an image intact, which is for training: what is judged
/// after delivery was delivered.
#[must_use]
pub fn sent(delivery: &Delivery) -> Delivery {
    Delivery {
        intact: 0.0,
        ..delivery.clone()
    }
}

/// Scores the samples at `indices`. With a delivery, sample `i` goes through the draw that belongs
/// to `(seed, i)`, whatever its label.
///
/// # Errors
/// As [`score_tiles`], and as [`Dataset::intact`].
pub fn score(
    detector: &Detector,
    dataset: &Dataset,
    indices: &[usize],
    delivery: Option<(&Delivery, u64)>,
    device: &Device,
    progress: &ProgressBar,
) -> Result<Scores, TrainError> {
    let delivery = delivery.map(|(delivery, seed)| (sent(delivery), seed));
    let plane = |position: usize| {
        let index = indices[position];
        let plane = dataset.plane(&dataset.samples[index]);
        match &delivery {
            Some((delivery, seed)) => delivery.apply(plane, &mut draws(*seed, index)),
            None => plane,
        }
    };
    let extent = (dataset.side, indices.len());
    let tiles = score_tiles(detector, extent, &plane, device, progress)?;
    // Also of what training drew: every epoch ends with scores.
    dataset.intact()?;
    let mut scores = Scores::default();
    let judged: Vec<(usize, TileScore)> = indices.iter().copied().zip(tiles).collect();
    let entry = |index: usize| dataset.samples[index].entry;
    // Tiles of one image stand beside each other.
    for run in judged.chunk_by(|a, b| entry(a.0) == entry(b.0)) {
        let logits = run.iter().map(|(_, tile)| tile.logit);
        let entry = entry(run[0].0);
        scores.images.push(ImageScore {
            entry,
            // A run holds at least one tile.
            logit: dataset.pooling.pool(logits).unwrap_or(f64::NAN),
        });
        if dataset.is_masked(entry) {
            let cells = run.iter().flat_map(|(_, tile)| &tile.cells);
            scores.cells.insert(entry, cells.copied().collect());
        }
    }
    Ok(scores)
}
