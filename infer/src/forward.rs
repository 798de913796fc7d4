//! The forward pass: tiles in, logits and maps out, in the same order.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use veraray_model::{Detector, Tile};

/// Why a forward pass gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the forward pass failed: {0}")]
pub(crate) struct ForwardError(pub(crate) String);

/// What the detector says of one tile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TileScore {
    /// Logit that the tile is manipulated.
    pub(crate) logit: f32,
    /// The same by place as probabilities, row-major; not finite where the network was not.
    pub(crate) map: Vec<f32>,
    /// Columns of the map.
    pub(crate) columns: usize,
    /// What tells known tiles from others; see [`veraray_model::Detection::features`].
    pub(crate) features: Vec<f32>,
}

/// Something that scores tiles.
pub(crate) trait Forward {
    /// Tiles worth collecting before a call.
    fn batch(&self) -> usize;

    /// Scores tiles of any sizes, in their order.
    fn forward(&mut self, tiles: Vec<Tile>) -> Result<Vec<TileScore>, ForwardError>;
}

/// Scores on the calling thread.
pub(crate) struct Local {
    detector: Detector,
    device: Device,
}

impl Local {
    /// Tiles per pass. What the layers of one tile hand on to each other stays in the core's cache; a
    /// batch of eight takes a tenth longer for each of them.
    const BATCH: usize = 1;

    pub(crate) fn new(detector: Detector, device: Device) -> Self {
        Self { detector, device }
    }
}

impl Forward for Local {
    fn batch(&self) -> usize {
        Self::BATCH
    }

    fn forward(&mut self, tiles: Vec<Tile>) -> Result<Vec<TileScore>, ForwardError> {
        run(&self.detector, &self.device, &tiles, &[Self::BATCH], false)
    }
}

/// Scores tiles in batches of equal size. `sizes` are the batch sizes allowed, ascending; with `pad`
/// every batch is filled up to one of them, so that a GPU meets few shapes.
pub(crate) fn run(
    detector: &Detector,
    device: &Device,
    tiles: &[Tile],
    sizes: &[usize],
    pad: bool,
) -> Result<Vec<TileScore>, ForwardError> {
    let most = sizes.last().copied().unwrap_or(1);
    let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (index, tile) in tiles.iter().enumerate() {
        groups
            .entry((tile.height, tile.width))
            .or_default()
            .push(index);
    }
    let mut scores: Vec<Option<TileScore>> = vec![None; tiles.len()];
    for ((height, width), members) in groups {
        for chunk in members.chunks(most) {
            let filled = sizes
                .iter()
                .copied()
                .find(|&size| pad && size >= chunk.len());
            let shape = [filled.unwrap_or(chunk.len()), 1, height, width];
            let mut pixels = Vec::with_capacity(shape.iter().product());
            for &index in chunk {
                pixels.extend_from_slice(&tiles[index].pixels);
            }
            pixels.resize(shape.iter().product(), 0.0);
            for (&index, score) in chunk.iter().zip(pass(detector, device, pixels, shape)?) {
                scores[index] = Some(score);
            }
        }
    }
    scores
        .into_iter()
        .map(|score| score.ok_or_else(|| ForwardError("a tile was lost".into())))
        .collect()
}

fn pass(
    detector: &Detector,
    device: &Device,
    pixels: Vec<f32>,
    shape: [usize; 4],
) -> Result<Vec<TileScore>, ForwardError> {
    let input = Tensor::<4>::from_data(TensorData::new(pixels, shape), device);
    let detection = detector.forward(input);
    let [batch, rows, columns] = detection.map.dims();
    // One read: each waits for the device.
    let parts = vec![
        detection.logits.reshape([batch, 1]),
        detection.map.reshape([batch, rows * columns]),
        detection.features,
    ];
    let found = Tensor::cat(parts, 1);
    let [_, width] = found.dims();
    let score = |found: &[f32]| {
        let (head, features) = found.split_at(1 + rows * columns);
        TileScore {
            logit: head[0],
            map: head[1..].iter().map(|&cell| sigmoid(cell)).collect(),
            columns,
            features: features.to_vec(),
        }
    };
    Ok(read(found)?.chunks_exact(width).map(score).collect())
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ForwardError> {
    let data = tensor
        .try_into_data()
        .map_err(|error| ForwardError(error.to_string()))?;
    data.try_into_vec::<f32>()
        .map_err(|error| ForwardError(error.to_string()))
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use veraray_model::{ComputeDevice, DetectorConfig, DeviceChoice, InputSpec};

    fn tiles() -> Vec<Tile> {
        let spec = InputSpec::default();
        [(96, 96), (130, 100), (96, 96), (300, 700)]
            .into_iter()
            .enumerate()
            .flat_map(|(seed, (rows, columns))| {
                let pixels: Vec<f32> = (0..rows * columns)
                    .map(|i| ((i * (seed + 3) * 7919) % 251) as f32 / 250.0)
                    .collect();
                spec.tiles(&pixels, rows, columns).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_score_depends_neither_on_batch_nor_on_padding() {
        let device = ComputeDevice::select(DeviceChoice::Cpu).unwrap();
        let detector = DetectorConfig::default().init(device.handle()).unwrap();
        let tiles = tiles();
        let together = run(&detector, device.handle(), &tiles, &[8], false).unwrap();
        let padded = run(&detector, device.handle(), &tiles, &[1, 8], true).unwrap();
        assert_eq!(together.len(), tiles.len());
        for (index, tile) in tiles.iter().enumerate() {
            let alone = run(
                &detector,
                device.handle(),
                std::slice::from_ref(tile),
                &[1],
                false,
            )
            .unwrap();
            for other in [&together[index], &padded[index]] {
                assert!((alone[0].logit - other.logit).abs() < 1e-4);
                assert_eq!(other.map.len(), tile.height * tile.width / 256);
                for (a, b) in alone[0].map.iter().zip(&other.map) {
                    assert!((a - b).abs() < 1e-4);
                }
            }
        }
    }
}
