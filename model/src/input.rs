//! The input contract: how pixels must look before they reach the detector.

use serde::{Deserialize, Serialize};

use crate::Pooling;

/// Which views of an image are scored and pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum View {
    /// The whole field of view, reduced until its shorter side fits a tile, then tiled along the
    /// longer side. An image that is already smaller is never enlarged: enlarging would print the
    /// very interpolation traces the detector looks for.
    WholeField,
    /// Tiles at native resolution, evenly spread.
    Native,
}

/// How images are reduced to the whole-field view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resampling {
    /// Lanczos window of three lobes, widened by the reduction factor (anti-aliased).
    Lanczos3,
}

/// What the detector expects of its input. Travels in every checkpoint, so that training and
/// inference cannot drift apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Side of a square tile in pixels.
    pub tile: usize,
    /// Images whose shorter side is below this many pixels are not scored.
    pub min_side: usize,
    /// Tiles are padded by reflection to a multiple of this many pixels.
    pub multiple: usize,
    /// The views to score.
    pub views: Vec<View>,
    /// Reduction kernel of the whole-field view.
    pub resampling: Resampling,
    /// Most native tiles scored per frame.
    pub max_native_tiles: usize,
    /// Most frames scored per volume or multi-frame image, evenly spaced.
    pub max_frames: usize,
    /// How the logits of an image's tiles, and of its frames, become one.
    #[serde(default)]
    pub pooling: Pooling,
}

impl Default for InputSpec {
    fn default() -> Self {
        Self {
            tile: 256,
            min_side: 64,
            multiple: 32,
            views: vec![View::WholeField],
            resampling: Resampling::Lanczos3,
            max_native_tiles: 8,
            max_frames: 32,
            pooling: Pooling::default(),
        }
    }
}
