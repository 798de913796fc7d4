//! Trains, calibrates and evaluates Veraray's detector.

mod audit;
mod calibrate;
mod card;
mod curves;
mod data;
mod error;
mod evaluate;
mod fit;
mod log;
mod metrics;
mod null_models;
mod progress;
mod recipe;
mod sampler;
mod score;
mod state;

pub use audit::{Audited, audit_entries, glance};
pub use calibrate::{calibrate, clopper_pearson_upper, map_threshold};
pub use data::{Dataset, Sample};
pub use error::TrainError;
pub use evaluate::{EvaluateOptions, FamilyRow, Report, SourceRow, evaluate};
pub use fit::{FitOptions, FitReport, fit};
pub use log::EpochLog;
pub use metrics::{Scored, auroc, auroc_interval, expected_calibration_error, rate_above};
pub use null_models::null_scores;
pub use progress::Progress;
pub use recipe::{DataRecipe, Recipe, Training};
pub use sampler::{Batch, Sampler, generator};
pub use score::{CellScore, ImageScore, Scores, score};
