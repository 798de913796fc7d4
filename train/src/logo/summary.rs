//! The table of a leave-one-generator-out run.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LogoRow;
use crate::TrainError;
use crate::evaluate::{FamilyRow, Summary, ranking, thresholds};
use crate::report::logo_page;

/// One row per held-out family, and what they come to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Logo {
    /// Name of the recipe.
    pub name: String,
    /// SHA-256 of the manifest.
    pub manifest_sha256: String,
    /// Mean and worst over the held-out families; `null` while none is finished.
    pub summary: Option<Summary>,
    /// Mean calibration error on seen and on held-out families.
    pub calibration_error: [Option<f64>; 2],
    /// One row per held-out family.
    pub rows: Vec<LogoRow>,
    /// Families whose run is not finished.
    pub missing: Vec<String>,
}

impl Logo {
    pub(super) fn new(
        name: &str,
        manifest_sha256: &str,
        rows: Vec<LogoRow>,
        missing: Vec<String>,
    ) -> Self {
        let held_out: Vec<FamilyRow> = rows.iter().map(|row| row.held_out.clone()).collect();
        let mean = |which: usize| {
            let errors: Vec<f64> = rows
                .iter()
                .filter_map(|row| row.calibration_error[which])
                .collect();
            (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
        };
        Self {
            name: name.to_owned(),
            manifest_sha256: manifest_sha256.to_owned(),
            summary: (!held_out.is_empty()).then(|| Summary::of(&held_out)),
            calibration_error: [mean(0), mean(1)],
            rows,
            missing,
        }
    }

    /// The held-out families' figures.
    #[must_use]
    pub fn held_out(&self) -> Vec<FamilyRow> {
        self.rows.iter().map(|row| row.held_out.clone()).collect()
    }

    /// The table as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let held_out = self.held_out();
        let mut text = format!(
            "Leave one generator out, recipe `{}`: each family judged by a detector that never saw it, \
             at a threshold fixed on the validation images of the others.\n\n",
            self.name
        );
        text += &ranking(&held_out.iter().collect::<Vec<_>>());
        text += &thresholds(&held_out);
        text += "\n| held out | threshold | false alarms | after delivery | AUROC of seen families, mean \
                 | worst | seconds |\n|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            let seen = |figure: fn(&Summary) -> f64| {
                row.seen
                    .as_ref()
                    .map_or("–".to_owned(), |s| format!("{:.3}", figure(s)))
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {:.3} | {:.1} % | {:.1} % | {} | {} | {:.0} |",
                row.held_out.family,
                row.threshold[0],
                100.0 * row.false_alarm_rate[0],
                100.0 * row.false_alarm_rate[1],
                seen(|s| s.mean_auroc[0]),
                seen(|s| s.worst_auroc[0]),
                row.seconds,
            );
        }
        if let Some(summary) = &self.summary {
            let _ = writeln!(
                text,
                "\nHeld out: mean AUROC {:.3}, after delivery {:.3}; worst {:.3} ({}), after delivery \
                 {:.3} ({}); mean TPR at 1 % FPR {:.1} %, after delivery {:.1} %.",
                summary.mean_auroc[0],
                summary.mean_auroc[1],
                summary.worst_auroc[0],
                summary.worst_family[0],
                summary.worst_auroc[1],
                summary.worst_family[1],
                100.0 * summary.mean_tpr_at_1_percent_fpr[0],
                100.0 * summary.mean_tpr_at_1_percent_fpr[1],
            );
            if !summary.not_above_null.is_empty() {
                let _ = writeln!(
                    text,
                    "\nNot above every null model: {}.",
                    summary.not_above_null.join(", ")
                );
            }
        }
        if let [Some(seen), Some(unseen)] = self.calibration_error {
            let _ = writeln!(
                text,
                "\nCalibration error: {seen:.3} on seen families, {unseen:.3} on held-out ones."
            );
        }
        if !self.missing.is_empty() {
            let _ = writeln!(text, "\nNot finished: {}.", self.missing.join(", "));
        }
        text
    }

    /// Writes `logo.json`, `logo.md` and `logo.html` into a folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
        // Figures and strings always serialise.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        crate::report::write(
            folder,
            &[
                ("logo.json", json),
                ("logo.md", self.to_markdown()),
                ("logo.html", logo_page(self)),
            ],
        )
    }
}
