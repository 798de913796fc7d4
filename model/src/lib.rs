//! Veraray's detector: what it looks at, how it is stored and where it runs.
//!
//! - [`Detector`]: a spatial branch beside a frequency branch, one logit per tile and a coarse map.
//! - [`InputSpec`]: what pixels must look like before they reach the detector.
//! - [`Checkpoint`]: weights and their [`Card`] in one `.vrc` file.
//! - [`ComputeDevice`]: the CPU or a GPU, chosen at run time.

mod card;
mod checkpoint;
mod detector;
mod device;
mod error;
mod filters;
mod frequency;
mod input;
#[cfg(feature = "cpu")]
mod kernel;
mod noise_level;
mod ops;
mod out_of_distribution;
mod platt;
mod pool;
mod resample;
mod spatial;
mod tiles;

pub use card::{
    AddedFamily, Calibration, CalibrationSet, Card, DataSummary, Distribution, FORMAT_VERSION,
    FamilyMetrics, OperatingPoint, Provenance,
};
pub use checkpoint::Checkpoint;
pub use detector::{Detection, Detector, DetectorConfig, Loss, LossWeights};
pub use device::{ComputeDevice, DeviceChoice};
pub use error::ModelError;
pub use input::{InputSpec, Resampling, View};
pub use ops::convolve;
pub use out_of_distribution::{OutOfDistribution, Unfamiliarity};
pub use platt::platt;
pub use pool::Pooling;
pub use resample::lanczos3;
pub use tiles::{Tile, Unsuitable};
