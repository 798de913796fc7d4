//! An evaluation as Markdown tables.

use super::{FamilyRow, Report};

fn interval([a, low, high]: [f64; 3]) -> String {
    format!("{a:.3} ({low:.3}–{high:.3})")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

impl Report {
    /// The figures as Markdown tables.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "Split `{}`, sets {}; flagged at a score of {:.4} (declared false-positive rate {}).\n\n",
            self.split,
            if self.sets.is_empty() {
                "all".to_owned()
            } else {
                self.sets.join(", ")
            },
            self.threshold[0],
            self.threshold[1],
        );
        let rows: Vec<&FamilyRow> = self.families.iter().chain(&self.modalities).collect();
        text += &ranking(&rows);
        text += &thresholds(&self.families);
        text += &self.localisation();
        text += &self.alarms();
        text += &self.refusals();
        text += &self.strata();
        text += &self.against();
        let summary = &self.summary;
        text += &format!(
            "\nMean AUROC {:.3}, after delivery {:.3}; worst {:.3} ({}), after delivery {:.3} ({}). \
             Expected calibration error {:.3}{}.\n",
            summary.mean_auroc[0],
            summary.mean_auroc[1],
            summary.worst_auroc[0],
            summary.worst_family[0],
            summary.worst_auroc[1],
            summary.worst_family[1],
            self.calibration_error,
            self.trained_calibration_error
                .map_or_else(String::new, |error| format!(
                    "; over the families trained on, both classes weighing the same, {error:.3}"
                ))
        );
        if !summary.not_above_null.is_empty() {
            text += &format!(
                "\nNot above every null model: {}. What is measured there may be a shortcut of the \
                 data set.\n",
                summary.not_above_null.join(", ")
            );
        }
        text
    }

    fn localisation(&self) -> String {
        let mut text = String::new();
        for row in &self.families {
            let Some([clean, delivered]) = &row.localisation else {
                continue;
            };
            if text.is_empty() {
                text = "\n| family with masks | images | pixel F1 | IoU | cell F1 | Pd@1 % | cell \
                        Pd@1 % | pixel F1 after delivery |\n|---|---|---|---|---|---|---|---|\n"
                    .to_owned();
            }
            text += &format!(
                "| {} | {} | {} | {} | {:.3} | {:.3} | {} | {} |\n",
                row.family,
                clean.images,
                interval(clean.pixel_f1),
                interval(clean.iou),
                clean.cell_f1,
                clean.pd_at_1_percent,
                clean
                    .cell_pd_at_1_percent
                    .map_or("–".into(), |pd| format!("{pd:.3}")),
                interval(delivered.pixel_f1),
            );
        }
        text
    }

    fn alarms(&self) -> String {
        let mut text =
            "\n| authentic source | images | false alarms | after delivery |\n|---|---|---|---|\n"
                .to_owned();
        for row in &self.sources {
            text += &format!(
                "| {} | {} | {} | {} |\n",
                row.source,
                row.images,
                percent(row.false_alarm_rate[0]),
                percent(row.false_alarm_rate[1]),
            );
        }
        text
    }

    fn refusals(&self) -> String {
        if self.refusals.is_empty() {
            return String::new();
        }
        let mut text =
            "\n| refused as unlike what is known | images | as they are | after delivery | \
                        flagged of the others | after delivery |\n|---|---|---|---|---|---|\n"
                .to_owned();
        let share = |of: Option<f64>| of.map_or("–".into(), percent);
        for row in &self.refusals {
            text += &format!(
                "| {}{} | {} | {} | {} | {} | {} |\n",
                if row.manipulated { "" } else { "authentic, " },
                row.name,
                row.images,
                percent(row.refused[0]),
                percent(row.refused[1]),
                share(row.flagged_of_judged[0]),
                share(row.flagged_of_judged[1]),
            );
        }
        text
    }

    fn strata(&self) -> String {
        if self.strata.is_empty() {
            return String::new();
        }
        let mut text =
            "\n| within | family | images (authentic, manipulated) | AUROC | AUROC after \
                        delivery | flagged |\n|---|---|---|---|---|---|\n"
                .to_owned();
        for stratum in &self.strata {
            let row = &stratum.row;
            text += &format!(
                "| {} {} | {} | {}, {} | {} | {} | {} |\n",
                stratum.dimension.replace('_', " "),
                stratum.value,
                row.family,
                row.images[0],
                row.images[1],
                interval(row.auroc),
                interval(row.delivered_auroc),
                percent(row.detection_rate),
            );
        }
        text
    }

    fn against(&self) -> String {
        let Some(against) = &self.against else {
            return String::new();
        };
        let mut text = format!(
            "\nAgainst `{}` (difference in AUROC, 95 % interval and p-value by DeLong's test).\n\n\
             | family | difference | p | after delivery | p |\n|---|---|---|---|---|\n",
            against.checkpoint[0]
        );
        for row in &against.rows {
            text += &format!(
                "| {} | {} | {:.4} | {} | {:.4} |\n",
                row.family,
                interval(row.clean.difference),
                row.clean.p_value,
                interval(row.delivered.difference),
                row.delivered.p_value,
            );
        }
        for caveat in &against.caveats {
            text += &format!("\nNote: {caveat}.\n");
        }
        text
    }
}

/// Ranking beside the null models.
pub(crate) fn ranking(rows: &[&FamilyRow]) -> String {
    let names: Vec<&String> = rows
        .iter()
        .map(|row| row.null_models.keys().collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let head: Vec<String> = names.iter().map(|name| format!(" {name} |")).collect();
    let mut text = format!(
        "| family | modality | images (authentic, manipulated) | AUROC | AUROC after delivery | flagged |{}\n|---|---|---|---|---|---|{}\n",
        head.concat(),
        "---|".repeat(names.len()),
    );
    for row in rows {
        let nulls: Vec<String> = names
            .iter()
            .map(|name| match row.null_models.get(*name) {
                Some(auroc) => format!(" {:.3} |", auroc[0]),
                None => " |".into(),
            })
            .collect();
        text += &format!(
            "| {} | {} | {}, {} | {} | {} | {} |{}\n",
            row.family,
            row.modality,
            row.images[0],
            row.images[1],
            interval(row.auroc),
            interval(row.delivered_auroc),
            percent(row.detection_rate),
            nulls.concat(),
        );
    }
    text
}

/// What the thresholds do, as they are and after delivery.
pub(crate) fn thresholds(rows: &[FamilyRow]) -> String {
    let mut text = "\n| family | | AP | TPR at 5 % FPR | at 1 % | at 0.1 % | EER | balanced accuracy \
                    | real | fake | Brier | ECE | NLL |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        for (name, m) in [("as is", &row.clean), ("delivered", &row.delivered)] {
            text += &format!(
                "| {} | {name} | {:.3} | {} | {} | {} | {:.3} | {} | {} | {} | {:.3} | {:.3} | {:.3} |\n",
                row.family,
                m.average_precision[0],
                percent(m.tpr_at_5_percent_fpr[0]),
                percent(m.tpr_at_1_percent_fpr[0]),
                percent(m.tpr_at_0_1_percent_fpr[0]),
                m.equal_error_rate[0],
                percent(m.balanced_accuracy[0]),
                percent(m.real_accuracy[0]),
                percent(m.fake_accuracy[0]),
                m.brier[0],
                m.calibration_error[0],
                m.negative_log_likelihood[0],
            );
        }
    }
    text
}
