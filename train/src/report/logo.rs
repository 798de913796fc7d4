//! The page of a leave-one-generator-out run.

use maud::{Markup, html};

use super::evaluation::{families, thresholds};
use super::page::{number, page, percent, table, word};
use crate::logo::Logo;

/// The table as a self-contained page.
pub(crate) fn logo_page(logo: &Logo) -> String {
    let held_out = logo.held_out();
    let body = html! {
        p.meta { "recipe " (logo.name) " · manifest " (logo.manifest_sha256.get(..12).unwrap_or_default()) "…" }
        p {
            "Each family is judged by a detector that never saw it, at a threshold fixed on the validation "
            "images of the others."
        }
        @if let Some(summary) = &logo.summary {
            (table(
                &["over held-out families", "as they are", "after delivery"],
                &[
                    vec![word("mean AUROC"), number(summary.mean_auroc[0]), number(summary.mean_auroc[1])],
                    vec![
                        word("worst AUROC"),
                        html! { (number(summary.worst_auroc[0])) " " span.low { (summary.worst_family[0]) } },
                        html! { (number(summary.worst_auroc[1])) " " span.low { (summary.worst_family[1]) } },
                    ],
                    vec![
                        word("mean TPR at 1 % FPR"),
                        percent(summary.mean_tpr_at_1_percent_fpr[0]),
                        percent(summary.mean_tpr_at_1_percent_fpr[1]),
                    ],
                ],
            ))
        }
        h2 { "Held-out families" }
        (families(&held_out))
        h2 { "At thresholds" }
        (thresholds(&held_out))
        h2 { "Runs" }
        (runs(logo))
        @if !logo.missing.is_empty() { p.bad { "Not finished: " (logo.missing.join(", ")) "." } }
    };
    page("Leave one generator out", &body)
}

fn runs(logo: &Logo) -> Markup {
    let rows: Vec<Vec<Markup>> = logo
        .rows
        .iter()
        .map(|row| {
            let seen = |which: usize| {
                row.seen.as_ref().map_or(word("–"), |s| {
                    number([s.mean_auroc[0], s.worst_auroc[0]][which])
                })
            };
            let error = |which: usize| row.calibration_error[which].map_or(word("–"), number);
            vec![
                word(&row.held_out.family),
                number(row.threshold[0]),
                percent(row.false_alarm_rate[0]),
                percent(row.false_alarm_rate[1]),
                seen(0),
                seen(1),
                error(0),
                error(1),
                html! { (format!("{:.0}", row.seconds)) },
            ]
        })
        .collect();
    table(
        &[
            "held out",
            "threshold",
            "false alarms",
            "after delivery",
            "seen: mean AUROC",
            "seen: worst",
            "ECE seen",
            "ECE held out",
            "seconds",
        ],
        &rows,
    )
}
