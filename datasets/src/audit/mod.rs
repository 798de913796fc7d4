//! Looks for shortcuts: whether something that has nothing to do with authenticity tells the classes
//! of a data set apart.
//!
//! Every [`NullModel`] is a handful of trivial features and a small fixed classifier, fitted and
//! judged in five folds that never split a patient or volume. Its AUROC says how well a detector
//! could do that learned nothing but the shortcut. Images are compared within one modality only, and
//! only where the same fold judged them; the mix of modalities is a null model of its own.
//!
//! A row is a leak when its AUROC lies above the limit *and* above 0.5 beyond chance: by a one-sided
//! rank test at 2.5 % (Mann & Whitney, 1947) that counts groups rather than images, corrected for the
//! number of rows (Bonferroni). So a small data set raises no alarm by chance alone, and its wide
//! intervals, from a bootstrap over groups, show how little it can exclude.

mod auroc;
mod compression;
mod container;
mod folds;
pub(crate) mod framing;
mod measure;
mod null_model;
mod page;
mod separator;
mod slices;
mod svg;
pub(crate) mod texture;

use rayon::prelude::*;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::{Entry, OpenError};

pub use folds::sample;
pub use measure::{Measured, feature_names, measure};
pub use null_model::NullModel;
pub use page::page;
pub use separator::Separator;
pub use slices::{Scope, Slice};

/// Folds of the cross-validation.
const FOLDS: usize = 5;

/// Groups that each class of a slice must have to be judged.
const LEAST_GROUPS: usize = 8;

/// How to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditOptions {
    /// AUROC above which a null model is a leak, in `[0.5, 1)`.
    pub limit: f64,
    /// Null models that may exceed it.
    pub allow: Vec<NullModel>,
    /// Decides folds and bootstrap.
    pub seed: u64,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            limit: 0.60,
            allow: Vec::new(),
            seed: 2026,
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// The limit that was set.
    pub limit: f64,
    /// Null models that were allowed to exceed it.
    pub allow: Vec<NullModel>,
    /// Authentic and manipulated images that were measured.
    pub images: [usize; 2],
    /// Standard errors above 0.5 that a leak must be.
    pub margin: f64,
    /// One row per null model and slice.
    pub rows: Vec<Row>,
    /// Slices that could not be judged, with the reason.
    pub not_judged: Vec<(String, String)>,
}

/// One null model on one slice.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The null model.
    pub model: NullModel,
    /// Which images.
    pub slice: Slice,
    /// Authentic and manipulated images.
    pub images: [usize; 2],
    /// Their groups.
    pub groups: [usize; 2],
    /// Cross-validated AUROC.
    pub auroc: f64,
    /// Its 95 % interval from a bootstrap over groups, widened for the folds' common images.
    pub interval: [f64; 2],
    /// Standard error that it would have if nothing separated the classes.
    pub chance: f64,
    /// Whether it is above the limit and beyond chance.
    pub leak: bool,
    /// Whether the null model was allowed to leak.
    pub allowed: bool,
    /// The feature that separates best by itself, and its AUROC in either direction.
    pub feature: (String, f64),
    /// Index into the audited entries, and log-odds of manipulation by the fold that had not seen it.
    #[serde(skip)]
    pub scores: Vec<(usize, f64)>,
}

impl Row {
    /// The row in one line: `noise separates the classes at AUROC 0.981 (0.970 to 0.990) in family x`.
    #[must_use]
    pub fn line(&self) -> String {
        let [low, high] = self.interval;
        format!(
            "{} separates the classes at AUROC {:.3} ({low:.3} to {high:.3}) in {}, mostly by {}",
            self.model, self.auroc, self.slice, self.feature.0
        )
    }
}

impl Audit {
    /// Whether no null model leaks that was not allowed to.
    #[must_use]
    pub fn passes(&self) -> bool {
        !self.rows.iter().any(|row| row.leak && !row.allowed)
    }

    /// The worst row that is not allowed: leaks before others, then by AUROC, then in the order of
    /// [`NullModel::ALL`]; the broader slice where those are equal.
    #[must_use]
    pub fn worst(&self) -> Option<&Row> {
        let mut worst: Option<&Row> = None;
        for row in self.rows.iter().filter(|row| !row.allowed) {
            let rank = |row: &Row| (row.leak, (row.auroc * 1e3).round() as i64);
            if worst.is_none_or(|most| rank(row) > rank(most)) {
                worst = Some(row);
            }
        }
        worst
    }

    /// The worst row of one null model.
    #[must_use]
    pub fn worst_of(&self, model: NullModel) -> Option<&Row> {
        let rows = self.rows.iter().filter(|row| row.model == model);
        rows.fold(None, |most: Option<&Row>, row| match most {
            Some(most) if (most.leak, most.auroc) >= (row.leak, row.auroc) => Some(most),
            _ => Some(row),
        })
    }

    /// What was found in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let Some(worst) = self.worst() else {
            return "audit: nothing could be judged".into();
        };
        if worst.leak {
            format!("audit: shortcut above {:.2}: {}", self.limit, worst.line())
        } else {
            format!(
                "audit: no shortcut above {:.2}; the strongest null model: {}",
                self.limit,
                worst.line()
            )
        }
    }
}

/// Measures images in parallel; `tick` is called after each. Those that `known` has are not opened.
pub fn measure_all(
    entries: &[&Entry],
    known: &(dyn Fn(&Entry) -> Option<Measured> + Sync),
    tick: &(dyn Fn() + Sync),
) -> Vec<Result<Measured, OpenError>> {
    entries
        .par_iter()
        .map(|entry| {
            let measured = match known(entry) {
                Some(measured) => Ok(measured),
                None => measure(&entry.path),
            };
            tick();
            measured
        })
        .collect()
}

/// Judges measured images; both lists have the same order and length.
///
/// # Panics
/// When the lists differ in length.
#[must_use]
pub fn audit(entries: &[&Entry], measured: &[Measured], options: &AuditOptions) -> Audit {
    assert_eq!(entries.len(), measured.len(), "one measurement per entry");
    let folds = folds::folds(entries, FOLDS, options.seed);
    let composition = slices::composition(entries);
    let (slices, not_judged) = slices::slices(entries, LEAST_GROUPS);
    let mut tasks = Vec::new();
    for members in &slices {
        for model in NullModel::ALL {
            tasks.push((members, model));
        }
    }
    let mut rows: Vec<Row> = tasks
        .par_iter()
        .filter_map(|(members, model)| {
            let features = |index: usize| -> &[f64] {
                match model {
                    NullModel::Composition => &composition[index],
                    model => measured[index]
                        .features
                        .get(model)
                        .map_or(&[], Vec::as_slice),
                }
            };
            slices::judge(*model, members, entries, &folds, &features, options.seed)
        })
        .collect();
    // A one-sided test at 2.5 %, divided among the rows.
    let share = 0.025 / rows.len().max(1) as f64;
    let margin = Normal::standard().inverse_cdf(1.0 - share);
    for row in &mut rows {
        row.leak = row.auroc > options.limit && row.auroc - margin * row.chance > 0.5;
        row.allowed = options.allow.contains(&row.model);
    }
    let manipulated = entries.iter().filter(|e| e.label.is_manipulated()).count();
    Audit {
        limit: options.limit,
        allow: options.allow.clone(),
        images: [entries.len() - manipulated, manipulated],
        margin,
        rows,
        not_judged,
    }
}

/// JPEG quality of a file on the IJG scale, 100 for other formats.
pub(crate) fn jpeg_quality(
    path: &std::path::Path,
    format: crate::Format,
) -> Result<f64, OpenError> {
    Ok(container::read(path, format)?.quality)
}

#[cfg(test)]
mod tests;
