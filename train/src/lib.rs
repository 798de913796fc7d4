//! Trains, calibrates and evaluates Veraray's detector.

mod add_family;
mod audit;
mod average;
mod calibrate;
mod card;
mod crop;
mod curves;
mod data;
mod drift;
mod error;
mod evaluate;
mod export;
mod fit;
mod forge;
mod forged;
mod gate;
mod local;
mod log;
mod logo;
mod metrics;
mod null_models;
mod out_of_distribution;
mod progress;
mod recipe;
mod report;
mod robustness;
mod sampler;
mod score;
mod select;
mod start;
mod state;
mod steps;
mod validate;

pub use add_family::{AddFamilyOptions, AddFamilyReport, Change, ChangeRow, add_family};
pub use audit::{Audited, audit_entries, glance};
pub use calibrate::{
    CalibrateOptions, Images, SiteOptions, SiteShift, calibrate, calibration_set,
    clopper_pearson_upper, map_threshold, recalibrate, recalibrate_site,
};
pub use card::limits;
pub use data::{Dataset, Sample};
pub use drift::{Drift, Level, Shift, drift};
pub use error::TrainError;
pub use evaluate::{
    Against, AgainstRow, Curve, EvaluateOptions, Exhibit, FamilyRow, RefusalRow, Report, ScoreLine,
    SourceRow, StratumRow, Summary, evaluate,
};
pub use export::{ExportFormat, export};
pub use fit::{FitOptions, FitReport, fit, fit_recipe};
pub use forge::{
    ForgeFitOptions, ForgeFitReport, Generation, Generator, GeneratorCard, GeneratorSettings,
    Quality, Upsampling, check_sets, forge_fit, load_generator,
};
pub use forged::ForgeRecipe;
pub use gate::{Checked, GateReport, gate};
pub use log::EpochLog;
pub use logo::{Logo, LogoOptions, LogoPlan, LogoRow};
pub use metrics::{
    Bin, Comparison, Localisation, Measures, Scored, auroc, auroc_interval, compare,
    expected_calibration_error, measure, rate_above,
};
pub use null_models::null_scores;
pub use progress::Progress;
pub use recipe::{DataRecipe, Recipe, Training};
pub use report::Thumbnail;
pub use robustness::{
    Figures, Robustness, RobustnessOptions, Swap, SweepCurve, robustness, sweep_names,
};
pub use sampler::{Batch, Sampler, generator};
pub use score::{CellScore, ImageScore, Scores, TileScore, score, score_tiles};
