//! What drove the score: computed by running the network again with parts of it, or of the image,
//! taken away. Nothing here is estimated.
//!
//! The logit is a linear function of three groups of features, so its parts add up exactly: the
//! average over all places, the strongest places, and the frequency statistics of the whole tile.
//! The first two split further into what every place adds.

use std::cell::RefCell;

use burn::module::{Module as _, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use veraray_model::{Detector, DetectorConfig, Pooling, Tile};

use crate::explain::filter::blurred;

/// A share of the logit, or a change of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// In units of the logit; positive speaks for manipulation.
    pub(crate) logit: f64,
}

/// Where the logit of a frame comes from; means over its tiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Drivers {
    /// Adds up to the frame's logit.
    pub(crate) parts: Vec<Part>,
    /// What the logit loses without a branch of the network.
    pub(crate) branches: Vec<Part>,
    /// What the logit loses without detail of one size.
    pub(crate) detail: Vec<Part>,
    /// For every tile, what every cell adds to the logit by way of the average and as the strongest
    /// place of some feature.
    #[serde(skip)]
    pub(crate) places: Vec<Vec<f32>>,
}

/// Names and standard deviations in pixels of the Gaussians between which detail of one size lies.
const DETAIL: [(&str, f64, f64); 4] = [
    ("finest detail, to about 2 pixels", 0.0, 0.8),
    ("fine detail, about 2 to 4 pixels", 0.8, 1.6),
    ("medium detail, about 4 to 8 pixels", 1.6, 3.2),
    ("coarse detail, about 8 to 32 pixels", 3.2, 12.8),
];

/// A change of one parameter tensor by flat index.
struct Edit<'a> {
    path: &'static str,
    change: Box<dyn Fn(usize, f32) -> f32 + 'a>,
}

impl<'a> Edit<'a> {
    fn new(path: &'static str, change: impl Fn(usize, f32) -> f32 + 'a) -> Self {
        Self {
            path,
            change: Box::new(change),
        }
    }
}

struct Editor<'a> {
    path: Vec<String>,
    edits: &'a [Edit<'a>],
    done: usize,
}

impl ModuleMapper for Editor<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(edit) = self.edits.iter().find(|edit| edit.path == path) else {
            return param;
        };
        let mut done = false;
        let param = param.map(|tensor| {
            let (shape, device) = (tensor.shape(), tensor.device());
            let Some(mut values) = read(tensor.clone()) else {
                return tensor;
            };
            for (index, value) in values.iter_mut().enumerate() {
                *value = (edit.change)(index, *value);
            }
            done = true;
            Tensor::from_data(TensorData::new(values, shape), &device)
        });
        self.done += usize::from(done);
        param
    }
}

fn read<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    tensor.try_into_data().ok()?.try_into_vec::<f32>().ok()
}

/// The detector with changed parameters; `None` when it does not have them.
fn edited(detector: &Detector, edits: &[Edit<'_>]) -> Option<Detector> {
    let mut editor = Editor {
        path: Vec::new(),
        edits,
        done: 0,
    };
    let detector = detector.clone().map(&mut editor);
    (editor.done == edits.len()).then_some(detector)
}

/// The network and its widths.
pub(crate) struct Dissection<'a> {
    pub(crate) detector: &'a Detector,
    pub(crate) architecture: &'a DetectorConfig,
    pub(crate) device: &'a Device,
    /// How tiles become a frame.
    pub(crate) pooling: Pooling,
}

impl Dissection<'_> {
    /// Takes the logit of a frame apart. `None` when the network is of another architecture, or
    /// gives no finite number.
    pub(crate) fn drivers(&self, tiles: &[Tile]) -> Option<Drivers> {
        let DetectorConfig { spatial, fused, .. } = *self.architecture;
        let (spatial, mean, max) = (spatial[3], 0..fused, fused..2 * fused);
        let weights = RefCell::new(Vec::new());
        let bias = RefCell::new(0.0_f32);
        edited(
            self.detector,
            &[
                Edit::new("logit.weight", |_, value| {
                    weights.borrow_mut().push(value);
                    value
                }),
                Edit::new("logit.bias", |_, value| {
                    *bias.borrow_mut() = value;
                    value
                }),
            ],
        )?;
        let (weights, bias) = (weights.into_inner(), f64::from(bias.into_inner()));
        let whole = self.logit(self.detector, tiles)?;
        let only = |range: &dyn Fn(usize) -> bool| {
            let edit = Edit::new(
                "logit.weight",
                |index, value| {
                    if range(index) { value } else { 0.0 }
                },
            );
            let logits = self.logits(&edited(self.detector, &[edit])?, tiles)?;
            Some(mean_of(&logits) - bias)
        };
        let mut parts = vec![
            part(
                "average over all places",
                only(&|index| mean.contains(&index))?,
            ),
            part("strongest places", only(&|index| max.contains(&index))?),
            part(
                "frequency statistics of the whole image",
                only(&|index| index >= max.end)?,
            ),
            part("constant", bias),
        ];
        // Where pooling is more than a mean, the rest of the sum is its doing.
        let pooled = whole - mean_of(&self.logits(self.detector, tiles)?);
        if pooled.abs() > 1e-9 {
            parts.push(part("weight of the surest tiles", pooled));
        }
        // The weights of the fusion are [fused, spatial + local + noise level, 1, 1].
        let inputs = spatial + self.architecture.frequency_local + self.architecture.noise_level;
        // Those of the context, where there is one, are [spatial + statistics, fused].
        let context = |pixels: bool| {
            self.architecture.context.then(|| {
                Edit::new("context.weight", move |index, value| {
                    if (index / fused < spatial) == pixels {
                        value
                    } else {
                        0.0
                    }
                })
            })
        };
        let mut edits = vec![Edit::new("fuse.conv.weight", |index, value| {
            if index % inputs < spatial { 0.0 } else { value }
        })];
        edits.extend(context(false));
        let without_pixels = edited(self.detector, &edits)?;
        let mut edits = vec![
            Edit::new("fuse.conv.weight", |index, value| {
                if index % inputs < spatial { value } else { 0.0 }
            }),
            Edit::new(
                "logit.weight",
                |index, value| {
                    if index < max.end { value } else { 0.0 }
                },
            ),
        ];
        edits.extend(context(true));
        let without_frequencies = edited(self.detector, &edits)?;
        let branches = vec![
            part(
                "pixels and residuals (spatial branch)",
                whole - self.logit(&without_pixels, tiles)?,
            ),
            part(
                "block frequencies (frequency branch)",
                whole - self.logit(&without_frequencies, tiles)?,
            ),
        ];
        Some(Drivers {
            parts,
            branches,
            detail: self.detail(tiles, whole)?,
            places: self.places(tiles, &weights[..max.end])?,
        })
    }

    fn detail(&self, tiles: &[Tile], whole: f64) -> Option<Vec<Part>> {
        DETAIL
            .iter()
            .map(|&(name, fine, coarse)| {
                let poorer: Vec<Tile> = tiles
                    .iter()
                    .map(|tile| {
                        let size = [tile.height, tile.width];
                        let upper = blurred(&tile.pixels, size, fine);
                        let lower = blurred(&tile.pixels, size, coarse);
                        let pixels = tile.pixels.iter().zip(upper.iter().zip(&lower));
                        Tile {
                            pixels: pixels
                                .map(|(pixel, (upper, lower))| {
                                    (pixel - (upper - lower)).clamp(0.0, 1.0)
                                })
                                .collect(),
                            ..tile.clone()
                        }
                    })
                    .collect();
                Some(part(name, whole - self.logit(self.detector, &poorer)?))
            })
            .collect()
    }

    /// What every cell adds by way of the first two parts. The map is a linear function of the same
    /// features: with the weights of the average it gives every cell's share of it, and with a single
    /// weight that feature alone, whose strongest cell gets the share of the maximum.
    fn places(&self, tiles: &[Tile], weights: &[f32]) -> Option<Vec<Vec<f32>>> {
        let (mean, max) = weights.split_at_checked(weights.len() / 2)?;
        let mapping = |weight: &dyn Fn(usize) -> f32| {
            edited(
                self.detector,
                &[
                    Edit::new("map.weight", |index, _| weight(index)),
                    Edit::new("map.bias", |_, _| 0.0),
                ],
            )
        };
        let average = mapping(&|index| mean.get(index).copied().unwrap_or(0.0))?;
        let mut places = Vec::with_capacity(tiles.len());
        for tile in tiles {
            let (_, mut map) = self.pass(&average, tile)?;
            let cells = map.len().max(1) as f32;
            map.iter_mut().for_each(|cell| *cell /= cells);
            places.push(map);
        }
        for (feature, weight) in max.iter().enumerate() {
            let alone = mapping(&|index| f32::from(u8::from(index == feature)))?;
            for (tile, places) in tiles.iter().zip(&mut places) {
                let (_, map) = self.pass(&alone, tile)?;
                let highest = map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                if let Some((place, value)) = highest {
                    places[place] += weight * value;
                }
            }
        }
        Some(places)
    }

    /// Logit of the frame.
    fn logit(&self, detector: &Detector, tiles: &[Tile]) -> Option<f64> {
        let pooled = self.pooling.pool(self.logits(detector, tiles)?)?;
        pooled.is_finite().then_some(pooled)
    }

    fn logits(&self, detector: &Detector, tiles: &[Tile]) -> Option<Vec<f64>> {
        tiles
            .iter()
            .map(|tile| Some(f64::from(self.pass(detector, tile)?.0)))
            .collect()
    }

    fn pass(&self, detector: &Detector, tile: &Tile) -> Option<(f32, Vec<f32>)> {
        let shape = [1, 1, tile.height, tile.width];
        let data = TensorData::new(tile.pixels.clone(), shape);
        let detection = detector.forward(Tensor::<4>::from_data(data, self.device));
        let logit = *read(detection.logits)?.first()?;
        Some((logit, read(detection.map)?))
    }
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn part(name: &str, logit: f64) -> Part {
    Part {
        name: name.to_owned(),
        logit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veraray_model::{ComputeDevice, DeviceChoice, InputSpec};

    fn tiles() -> Vec<Tile> {
        let pixels: Vec<f32> = (0..300 * 420)
            .map(|i| ((i * 7919) % 251) as f32 / 250.0)
            .collect();
        InputSpec::default().tiles(&pixels, 300, 420).unwrap()
    }

    #[test]
    fn the_parts_add_up_to_the_logit_and_places_to_two_of_them() {
        let device = ComputeDevice::select(DeviceChoice::Cpu).unwrap();
        let architecture = DetectorConfig::default();
        let detector = architecture.init(device.handle()).unwrap();
        let tiles = tiles();
        assert!(tiles.len() > 1);
        for pooling in [Pooling::Mean, Pooling::LogMeanExp] {
            adds_up(
                &Dissection {
                    detector: &detector,
                    architecture: &architecture,
                    device: device.handle(),
                    pooling,
                },
                &tiles,
            );
        }
    }

    fn adds_up(dissection: &Dissection<'_>, tiles: &[Tile]) {
        let drivers = dissection.drivers(tiles).unwrap();
        let sum: f64 = drivers.parts.iter().map(|part| part.logit).sum();
        let whole = dissection.logit(dissection.detector, tiles).unwrap();
        assert!((sum - whole).abs() < 1e-3, "{sum} {whole}");
        let places: f64 = drivers
            .places
            .iter()
            .flatten()
            .map(|&cell| f64::from(cell))
            .sum::<f64>()
            / tiles.len() as f64;
        let by_place = drivers.parts[0].logit + drivers.parts[1].logit;
        assert!((places - by_place).abs() < 1e-3);
        // Fresh weights look at everything a little: each ablation must do something.
        for part in drivers.branches.iter().chain(&drivers.detail) {
            assert!(
                part.logit.is_finite() && part.logit.abs() > 1e-9,
                "{part:?}"
            );
        }
    }

    #[test]
    fn another_architecture_is_not_taken_apart() {
        let device = ComputeDevice::select(DeviceChoice::Cpu).unwrap();
        let detector = DetectorConfig::default().init(device.handle()).unwrap();
        assert!(edited(&detector, &[Edit::new("head.weight", |_, value| value)]).is_none());
    }
}
