//! The detector: a spatial branch beside a frequency branch and a fused head.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::frequency::{Frequencies, FrequencyBranch};
use crate::spatial::{ConvNorm, SpatialBranch};

/// Architecture of a [`Detector`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorConfig {
    /// Channels of the spatial branch at 1/2, 1/4, 1/8 and 1/16 of the resolution.
    pub spatial: [usize; 4],
    /// Channels of the frequency branch by place.
    pub frequency_local: usize,
    /// Channels for what stands out at a place against the tile's noise level function; 0 for none.
    pub noise_level: usize,
    /// Features of the frequency branch for the whole tile.
    pub frequency_global: usize,
    /// Channels after fusion.
    pub fused: usize,
    /// Dropout before the logit, in `[0, 1)`.
    pub dropout: f64,
    /// Whether every place is told what the whole tile looks like, so that it can be compared with it, and
    /// the tile's block statistics are normalised before they become features.
    pub context: bool,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            spatial: [16, 24, 48, 96],
            frequency_local: 48,
            noise_level: 0,
            frequency_global: 32,
            fused: 96,
            dropout: 0.2,
            context: false,
        }
    }
}

impl DetectorConfig {
    /// Number of values in a row of [`Detection::features`].
    #[must_use]
    pub fn features(&self) -> usize {
        2 * self.fused + self.frequency_global + FrequencyBranch::STATISTICS
    }

    /// Builds a detector with fresh weights.
    ///
    /// # Errors
    /// [`ModelError::Config`] when a width is zero or too large, or the dropout is not in `[0, 1)`.
    pub fn init(&self, device: &Device) -> Result<Detector, ModelError> {
        let widths = self.spatial.into_iter().chain([
            self.frequency_local,
            self.frequency_global,
            self.fused,
        ]);
        for width in widths {
            if width == 0 || width > 1024 {
                return Err(ModelError::Config(format!(
                    "every width must lie in 1..=1024, found {width}"
                )));
            }
        }
        if self.noise_level > 1024 {
            return Err(ModelError::Config(format!(
                "the width noise_level must lie in 0..=1024, found {}",
                self.noise_level
            )));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ModelError::Config(format!(
                "dropout must lie in [0, 1), found {}",
                self.dropout
            )));
        }
        Ok(Detector {
            spatial: SpatialBranch::new(self.spatial, device),
            frequency: FrequencyBranch::new(
                self.frequency_local,
                self.noise_level,
                self.frequency_global,
                self.context,
                device,
            ),
            context: self.context.then(|| {
                let inputs = self.spatial[3] + FrequencyBranch::STATISTICS;
                // At first nothing is said, so that training starts from the places alone.
                LinearConfig::new(inputs, self.fused)
                    .with_bias(false)
                    .with_initializer(Initializer::Zeros)
                    .init(device)
            }),
            fuse: ConvNorm::new(
                [
                    self.spatial[3] + self.frequency_local + self.noise_level,
                    self.fused,
                ],
                1,
                1,
                device,
            ),
            map: Conv2dConfig::new([self.fused, 1], [1, 1]).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            logit: LinearConfig::new(2 * self.fused + self.frequency_global, 1).init(device),
        })
    }
}

/// What the detector says of a batch of tiles.
#[derive(Debug, Clone)]
pub struct Detection {
    /// `[batch]`: logit that the tile is synthetic or tampered.
    pub logits: Tensor<1>,
    /// `[batch, height / 16, width / 16]`: the same by place.
    pub map: Tensor<3>,
    /// `[batch, features]`: what the logit is made of, then the block statistics of the tile; see
    /// [`DetectorConfig::features`].
    pub features: Tensor<2>,
}

/// Weights of the terms of [`Detector::loss`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossWeights {
    /// Weight of the map's loss beside the logit's.
    pub map: f64,
    /// Labels are drawn this far towards one half, in `[0, 0.5)`.
    pub smoothing: f64,
    /// Most that a manipulated cell of a partly manipulated tile weighs beside the others.
    pub rarity: f64,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self {
            map: 0.5,
            smoothing: 0.02,
            rarity: 8.0,
        }
    }
}

/// The training loss and its terms, each of shape `[1]`.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Weighted sum, to be differentiated.
    pub total: Tensor<1>,
    /// Binary cross-entropy of the tile logits.
    pub logit: Tensor<1>,
    /// Binary cross-entropy of the map.
    pub map: Tensor<1>,
}

/// A convolutional network that scores tiles of medical images for synthesis and tampering.
#[derive(Module, Debug)]
pub struct Detector {
    spatial: SpatialBranch,
    frequency: FrequencyBranch,
    /// From the means of the spatial features and the normalised block statistics of a tile to what is
    /// added at each of its places.
    context: Option<Linear>,
    fuse: ConvNorm,
    map: Conv2d,
    dropout: Dropout,
    logit: Linear,
}

impl Detector {
    /// Side in pixels of the square that one cell of the map stands for.
    pub const CELL: usize = SpatialBranch::REDUCTION;

    /// Scores a batch of tiles.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 1, height, width]`, presentation grey in `[0, 1]`; height and width are
    ///   multiples of 32
    /// - output: see [`Detection`]
    #[must_use]
    pub fn forward(&self, pixels: Tensor<4>) -> Detection {
        let Frequencies {
            local,
            global,
            statistics,
            normalised,
        } = self.frequency.forward(&pixels);
        let spatial = self.spatial.forward(pixels);
        let whole = self.whole(&spatial, normalised);
        let places = Tensor::cat(vec![spatial, local], 1);
        let fused = match whole {
            Some(whole) => self.fuse.forward_add(places, whole),
            None => self.fuse.forward(places),
        };
        let [batch, channels, height, width] = fused.dims();
        let map = self
            .map
            .forward(fused.clone())
            .reshape([batch, height, width]);
        let flat = fused.reshape([batch, channels, height * width]);
        let features = Tensor::cat(
            vec![
                flat.clone().mean_dim(2).reshape([batch, channels]),
                flat.max_dim(2).reshape([batch, channels]),
                global,
            ],
            1,
        );
        let logits = self.logit.forward(self.dropout.forward(features.clone()));
        Detection {
            logits: logits.reshape([batch]),
            map,
            features: Tensor::cat(vec![features, statistics], 1),
        }
    }

    /// The detector with fresh weights for the noise level function, which it had none for. The rest takes
    /// no notice of them yet: it says what it said before.
    ///
    /// # Errors
    /// [`ModelError::Config`] when `to` is not the detector's architecture but for `noise_level`, or not
    /// an architecture at all.
    pub fn with_noise_level(
        self,
        from: &DetectorConfig,
        to: &DetectorConfig,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let wider = DetectorConfig {
            noise_level: to.noise_level,
            ..from.clone()
        };
        if from.noise_level != 0 || wider != *to {
            return Err(ModelError::Config(
                "nothing but noise_level can be added to a detector".to_owned(),
            ));
        }
        let fresh = to.init(device)?;
        Ok(Self {
            frequency: self.frequency.with_levels_of(fresh.frequency),
            fuse: self.fuse.with_inputs(to.noise_level),
            ..self
        })
    }

    /// The detector with its normalisations folded into its convolutions, for forward passes only: fewer
    /// and smaller kernels on a GPU. The CPU's kernels fold by themselves. Not to be trained or saved.
    #[must_use]
    pub fn folded(self) -> Self {
        Self {
            spatial: self.spatial.folded(),
            frequency: self.frequency.folded(),
            fuse: self.fuse.folded(),
            ..self
        }
    }

    /// What a tile says to each of its places: `[batch, fused, height / 16, width / 16]`.
    fn whole(&self, spatial: &Tensor<4>, statistics: Option<Tensor<2>>) -> Option<Tensor<4>> {
        let (context, statistics) = (self.context.as_ref()?, statistics?);
        let [batch, channels, height, width] = spatial.dims();
        let mean = spatial
            .clone()
            .reshape([batch, channels, height * width])
            .mean_dim(2)
            .reshape([batch, channels]);
        let said = context.forward(Tensor::cat(vec![mean, statistics], 1));
        let [_, fused] = said.dims();
        Some(
            said.reshape([batch, fused, 1, 1])
                .expand([batch, fused, height, width]),
        )
    }

    /// Binary cross-entropy of the logits and of the map.
    ///
    /// # Shapes
    /// - `labels`: `[batch]`, 0 authentic, 1 synthetic or tampered
    /// - `masks`: `[batch, height / 16, width / 16]`, the manipulated share of every cell in `[0, 1]`
    #[must_use]
    pub fn loss(
        detection: &Detection,
        labels: Tensor<1>,
        masks: Tensor<3>,
        weights: LossWeights,
    ) -> Loss {
        let logit =
            cross_entropy(detection.logits.clone(), smooth(labels, weights.smoothing)).mean();
        let share = rarity(masks.clone(), weights.rarity);
        let cells = cross_entropy(detection.map.clone(), smooth(masks, weights.smoothing));
        let map = (cells * share.clone()).sum() / share.sum();
        Loss {
            total: logit.clone() + map.clone().mul_scalar(weights.map),
            logit,
            map,
        }
    }
}

fn smooth<const D: usize>(targets: Tensor<D>, smoothing: f64) -> Tensor<D> {
    targets
        .mul_scalar(1.0 - 2.0 * smoothing)
        .add_scalar(smoothing)
}

/// Weights of the map's cells: in a tile of which less than half is manipulated, what is manipulated
/// weighs as much as the rest, but at most `most` times as much per cell. Else a lesion of a few cells
/// would be lost among hundreds that show nothing.
fn rarity(masks: Tensor<3>, most: f64) -> Tensor<3> {
    let share = masks.clone().mean_dim(2).mean_dim(1).add_scalar(1e-3);
    let gain = share
        .recip()
        .mul_scalar(0.5)
        .clamp(1.0, most.max(1.0))
        .sub_scalar(1.0);
    (masks * gain).add_scalar(1.0)
}

/// Binary cross-entropy from logits, in the form that does not overflow, one by one.
fn cross_entropy<const D: usize>(logits: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
    // -t·ln σ(z) - (1-t)·ln σ(-z), and ln σ(-z) = ln σ(z) - z.
    let log_positive = log_sigmoid(logits.clone());
    let negative = log_positive.clone() - logits;
    let complement = targets.clone().neg().add_scalar(1.0);
    (targets * log_positive + complement * negative).neg()
}
