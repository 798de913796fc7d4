//! Scores samples of a data set with a detector.

use burn::tensor::Device;
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

/// What the detector says of one image, pooled over its tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageScore {
    /// Index of the image in [`Dataset::entries`].
    pub entry: usize,
    /// Logit pooled over its tiles.
    pub logit: f64,
}

/// What the detector says of one cell of a tampered image's map, with what the mask says.
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
    /// Cells of the images that have masks.
    pub cells: Vec<CellScore>,
}

/// Scores the samples at `indices`. With a delivery, sample `i` goes through the draw that belongs
/// to `(seed, i)`, whatever its label.
///
/// # Errors
/// [`TrainError::Data`] when the device returns something else than floats.
pub fn score(
    detector: &Detector,
    dataset: &Dataset,
    indices: &[usize],
    delivery: Option<(&Delivery, u64)>,
    device: &Device,
    progress: &ProgressBar,
) -> Result<Scores, TrainError> {
    // Training leaves some tiles intact; what is judged after delivery was delivered.
    let delivery = delivery.map(|(delivery, seed)| {
        let sent = Delivery {
            intact: 0.0,
            ..delivery.clone()
        };
        (sent, seed)
    });
    let mut scores = Scores::default();
    let mut tiles: Vec<(usize, f64)> = Vec::with_capacity(indices.len());
    for chunk in indices.chunks(BATCH) {
        let planes: Vec<(Plane, bool)> = chunk
            .par_iter()
            .map(|&index| {
                let sample = &dataset.samples[index];
                let plane = dataset.plane(sample);
                let sent = match &delivery {
                    Some((delivery, seed)) => {
                        let state = seed ^ (index as u64).wrapping_mul(0x9e37_79b9);
                        delivery.apply(plane, &mut StdRng::seed_from_u64(state))
                    }
                    None => plane,
                };
                (sent, dataset.entry(sample).label.is_manipulated())
            })
            .collect();
        let mut batch = Batch::new(dataset.side);
        for (plane, manipulated) in &planes {
            batch.push(plane, *manipulated);
        }
        let (pixels, _, masks) = batch.to_tensors(device);
        let found = detector.forward(pixels);
        let [_, height, width] = found.map.dims();
        let floats = |data: burn::tensor::TensorData| {
            data.try_to_vec::<f32>()
                .map_err(|error| TrainError::Data(format!("scores are not floats: {error:?}")))
        };
        let logits = floats(found.logits.into_data())?;
        let map = floats(found.map.into_data())?;
        let masks = floats(masks.into_data())?;
        for (position, (&index, logit)) in chunk.iter().zip(&logits).enumerate() {
            let sample = &dataset.samples[index];
            tiles.push((sample.entry, f64::from(*logit)));
            if dataset.is_partial(sample) {
                let cells = position * height * width..(position + 1) * height * width;
                let cell = |(logit, share): (&f32, &f32)| CellScore {
                    logit: *logit,
                    share: *share,
                };
                scores
                    .cells
                    .extend(map[cells.clone()].iter().zip(&masks[cells]).map(cell));
            }
        }
        progress.inc(chunk.len() as u64);
    }
    // Tiles of one image stand beside each other.
    for run in tiles.chunk_by(|a, b| a.0 == b.0) {
        let logits = run.iter().map(|(_, logit)| *logit);
        scores.images.push(ImageScore {
            entry: run[0].0,
            // A run holds at least one tile.
            logit: dataset.pooling.pool(logits).unwrap_or(f64::NAN),
        });
    }
    Ok(scores)
}
