//! A gate for continuous integration: figures of a checkpoint against floors and ceilings in a file.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use veraray_datasets::Split;

use crate::TrainError;
use crate::evaluate::{EvaluateOptions, FamilyRow, Report, evaluate};
use crate::progress::Progress;

/// What a gate file says. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    /// The manifest, relative to the gate file's folder.
    manifest: PathBuf,
    /// Images to measure on; absent: every image of the manifest.
    split: Option<Split>,
    /// Values of the manifest's `set` column; absent: all.
    #[serde(default = "all_sets")]
    sets: Vec<String>,
    /// Declared false-positive rate whose threshold is judged.
    #[serde(default = "one_percent")]
    max_fpr: f64,
    /// The checks, at least one.
    check: Vec<Check>,
}

fn all_sets() -> Vec<String> {
    vec!["all".to_owned()]
}

fn one_percent() -> f64 {
    0.01
}

/// One floor or ceiling.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    /// A figure; see [`METRICS`].
    metric: String,
    /// A family, `all` of them together, the `worst` or the `mean` of them.
    #[serde(default = "worst")]
    family: String,
    /// Whether images go through delivery first.
    #[serde(default)]
    delivered: bool,
    /// Floor.
    at_least: Option<f64>,
    /// Ceiling.
    at_most: Option<f64>,
}

fn worst() -> String {
    "worst".to_owned()
}

/// Figures that a check may name, with whether more is better.
const METRICS: [(&str, bool); 18] = [
    ("auroc", true),
    ("average_precision", true),
    ("balanced_accuracy", true),
    ("real_accuracy", true),
    ("detection_rate", true),
    ("false_alarm_rate", false),
    ("tpr_at_5_percent_fpr", true),
    ("tpr_at_1_percent_fpr", true),
    ("tpr_at_0_1_percent_fpr", true),
    ("equal_error_rate", false),
    ("brier", false),
    ("calibration_error", false),
    ("negative_log_likelihood", false),
    ("above_null", true),
    ("pixel_f1", true),
    ("iou", true),
    ("cell_f1", true),
    ("pd_at_1_percent", true),
];

/// How a check went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The check in words.
    pub name: String,
    /// What was measured; `null` when the figure does not exist.
    pub value: Option<f64>,
    /// Whether it keeps to its limits.
    pub passed: bool,
}

/// What a gate came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GateReport {
    /// The checks, in the order of the file.
    pub checks: Vec<Checked>,
}

/// Measures the checkpoint at `path` and holds it against the gate file.
///
/// # Errors
/// [`TrainError::Recipe`] when the gate file cannot be used; otherwise as [`evaluate`].
pub fn gate(
    path: &Path,
    gate_path: &Path,
    device: (&Device, &str),
    progress: &Progress,
) -> Result<GateReport, TrainError> {
    let wrong = |message: String| TrainError::Recipe {
        path: gate_path.to_owned(),
        message,
    };
    let text = std::fs::read_to_string(gate_path).map_err(TrainError::io(gate_path))?;
    let gate: Gate = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if gate.check.is_empty() {
        return Err(wrong("it holds no [[check]]".into()));
    }
    for check in &gate.check {
        if !METRICS.iter().any(|(name, _)| *name == check.metric) {
            let known: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
            return Err(wrong(format!(
                "metric = \"{}\": there are {}",
                check.metric,
                known.join(", ")
            )));
        }
        if check.at_least.is_none() && check.at_most.is_none() {
            return Err(wrong(format!(
                "the check of {} has neither at_least nor at_most",
                check.metric
            )));
        }
    }
    let folder = gate_path.parent().unwrap_or(Path::new(""));
    let options = EvaluateOptions {
        split: gate.split,
        sets: gate.sets.clone(),
        families: Vec::new(),
        max_fpr: gate.max_fpr,
        against: None,
    };
    let report = evaluate(
        path,
        &folder.join(&gate.manifest),
        device,
        &options,
        progress,
    )?;
    Ok(GateReport {
        checks: gate.check.iter().map(|check| check.run(&report)).collect(),
    })
}

impl Check {
    fn run(&self, report: &Report) -> Checked {
        let value = self.value(report);
        let passed = value.is_some_and(|value| {
            self.at_least.is_none_or(|floor| value >= floor)
                && self.at_most.is_none_or(|ceiling| value <= ceiling)
        });
        let mut name = format!(
            "{} of {}{}",
            self.metric,
            match self.family.as_str() {
                "all" => "all families",
                "worst" => "the worst family",
                "mean" => "the mean family",
                family => family,
            },
            if self.delivered {
                " after delivery"
            } else {
                ""
            }
        );
        for (word, limit) in [("at least", self.at_least), ("at most", self.at_most)] {
            if let Some(limit) = limit {
                // Writing to a string cannot fail.
                let _ = write!(name, ", {word} {limit}");
            }
        }
        Checked {
            name,
            value,
            passed,
        }
    }

    fn value(&self, report: &Report) -> Option<f64> {
        let of = |row: &FamilyRow| figure(row, &self.metric, self.delivered);
        let all: Vec<f64> = report.families.iter().filter_map(of).collect();
        let more = METRICS
            .iter()
            .any(|(name, more)| *name == self.metric && *more);
        match self.family.as_str() {
            "all" => of(report.overall.as_ref()?),
            "mean" => (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64),
            "worst" if more => all.into_iter().min_by(f64::total_cmp),
            "worst" => all.into_iter().max_by(f64::total_cmp),
            family => of(report.families.iter().find(|row| row.family == family)?),
        }
    }
}

fn figure(row: &FamilyRow, metric: &str, delivered: bool) -> Option<f64> {
    let m = if delivered {
        &row.delivered
    } else {
        &row.clean
    };
    let localised = || {
        let both = row.localisation.as_ref()?;
        Some(&both[usize::from(delivered)])
    };
    Some(match metric {
        "auroc" => m.auroc[0],
        "average_precision" => m.average_precision[0],
        "balanced_accuracy" => m.balanced_accuracy[0],
        "real_accuracy" => m.real_accuracy[0],
        "detection_rate" => m.fake_accuracy[0],
        "false_alarm_rate" => 1.0 - m.real_accuracy[0],
        "tpr_at_5_percent_fpr" => m.tpr_at_5_percent_fpr[0],
        "tpr_at_1_percent_fpr" => m.tpr_at_1_percent_fpr[0],
        "tpr_at_0_1_percent_fpr" => m.tpr_at_0_1_percent_fpr[0],
        "equal_error_rate" => m.equal_error_rate[0],
        "brier" => m.brier[0],
        "calibration_error" => m.calibration_error[0],
        "negative_log_likelihood" => m.negative_log_likelihood[0],
        "above_null" => {
            let nulls = row.null_models.values().map(|null| null[0]);
            m.auroc[0] - nulls.max_by(f64::total_cmp)?
        }
        "pixel_f1" => localised()?.pixel_f1[0],
        "iou" => localised()?.iou[0],
        "cell_f1" => localised()?.cell_f1,
        "pd_at_1_percent" => localised()?.pd_at_1_percent,
        _ => return None,
    })
}

impl GateReport {
    /// Whether everything keeps to its limits.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// One line per check.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let value = check
                .value
                .map_or("not measurable".to_owned(), |value| format!("{value:.4}"));
            let word = if check.passed { "ok  " } else { "FAIL" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word}  {value:>8}  {}", check.name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused() {
        let text = "manifest = 'm.csv'\n[[check]]\nmetric = 'auroc'\nat_last = 0.9\n";
        assert!(toml::from_str::<Gate>(text).is_err());
        let text = "manifest = 'm.csv'\n[[check]]\nmetric = 'auroc'\nat_least = 0.9\n";
        let gate: Gate = toml::from_str(text).unwrap();
        assert_eq!(
            (gate.check[0].family.as_str(), gate.max_fpr),
            ("worst", 0.01)
        );
    }
}
