//! The page of an evaluation.

use maud::{Markup, html};

use super::chart::{Axis, Chart, Line};
use super::page::{interval, number, page, percent, table, word};
use crate::evaluate::{Exhibit, FamilyRow, Report};
use crate::metrics::Bin;

/// The report as a self-contained page.
pub(crate) fn evaluation_page(report: &Report) -> String {
    let summary = &report.summary;
    let body = html! {
        p.meta {
            (report.checkpoint[0]) " · SHA-256 " (report.checkpoint[1].get(..12).unwrap_or_default()) "… · split "
            (report.split)
            @if !report.sets.is_empty() { ", sets " (report.sets.join(", ")) }
            " · " (report.device)
        }
        p {
            "Flagged at a score of " (format!("{:.4}", report.threshold[0])) ", the threshold declared for "
            (percent(report.threshold[1])) " false alarms. Mean AUROC over families " (number(summary.mean_auroc[0]))
            ", after delivery " (number(summary.mean_auroc[1])) "; worst family " (summary.worst_family[0]) " "
            (number(summary.worst_auroc[0])) ", after delivery " (summary.worst_family[1]) " "
            (number(summary.worst_auroc[1])) "."
        }
        @if !summary.not_above_null.is_empty() {
            p.bad {
                "Not above every null model: " (summary.not_above_null.join(", "))
                ". What is measured there may be a shortcut of the data set."
            }
        }
        h2 { "Families" }
        (families(&report.families))
        h2 { "At thresholds" }
        (thresholds(&report.families))
        h2 { "Curves" }
        div.charts {
            (roc(report, false).figure())
            (roc(report, true).figure())
            (reliability(&report.reliability).figure())
        }
        (localisation(&report.families))
        h2 { "False alarms by source" }
        (table(
            &["source", "images", "as they are", "after delivery"],
            &report.sources.iter().map(|row| vec![
                word(&row.source),
                html! { (row.images) },
                percent(row.false_alarm_rate[0]),
                percent(row.false_alarm_rate[1]),
            ]).collect::<Vec<_>>(),
        ))
        (against(report))
        h2 { "By modality" }
        (families(&report.modalities))
        @for (dimension, title) in [("source", "By source"), ("body_part", "By body part"), ("scale", "By scale")] {
            (stratum(report, dimension, title))
        }
        h2 { "Worst cases" }
        h3 { "Authentic images with the highest scores" }
        (gallery(&report.worst[0]))
        h3 { "Manipulated images with the lowest scores" }
        (gallery(&report.worst[1]))
        @if !report.skipped.is_empty() {
            h2 { "Not judged" }
            ul { @for (name, why) in &report.skipped { li { (name) ": " (why) } } }
        }
    };
    page("Evaluation", &body)
}

/// Ranking beside the null models.
pub(super) fn families(rows: &[FamilyRow]) -> Markup {
    let nulls: Vec<&String> = rows
        .iter()
        .map(|row| row.null_models.keys().collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let titles: Vec<String> = nulls.iter().map(|name| format!("null: {name}")).collect();
    let mut head = vec![
        "family",
        "modality",
        "trained on",
        "authentic",
        "manipulated",
        "AUROC",
        "after delivery",
        "flagged",
    ];
    head.extend(titles.iter().map(String::as_str));
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![
                word(&row.family),
                word(&row.modality),
                word(if row.seen { "yes" } else { "no" }),
                html! { (row.images[0]) },
                html! { (row.images[1]) },
                interval(row.auroc),
                interval(row.delivered_auroc),
                percent(row.detection_rate),
            ];
            cells.extend(nulls.iter().map(|name| null(row, name)));
            cells
        })
        .collect();
    html! {
        (table(&head, &rows))
        p.meta { "Null models are logistic regressions on trivial features, fitted on the training images. "
            "p is that of DeLong's test of no difference from the detector." }
    }
}

fn null(row: &FamilyRow, name: &str) -> Markup {
    let Some(auroc) = row.null_models.get(name) else {
        return html! { "–" };
    };
    let class = if auroc[0] >= row.auroc[0] { "bad" } else { "" };
    html! {
        span class=(class) { (number(auroc[0])) }
        @if let Some(comparison) = row.against_null.get(name) {
            " " span.low { (format!("p {:.3}", comparison.p_value)) }
        }
    }
}

/// What the thresholds do.
pub(super) fn thresholds(rows: &[FamilyRow]) -> Markup {
    let head = [
        "family",
        "images",
        "AP",
        "TPR at 5 % FPR",
        "at 1 %",
        "at 0.1 %",
        "EER",
        "balanced accuracy",
        "real",
        "fake",
        "Brier",
        "ECE",
        "NLL",
    ];
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .flat_map(|row| {
            [("as they are", &row.clean), ("delivered", &row.delivered)].map(|(name, m)| {
                vec![
                    word(&row.family),
                    word(name),
                    interval(m.average_precision),
                    interval(m.tpr_at_5_percent_fpr),
                    interval(m.tpr_at_1_percent_fpr),
                    interval(m.tpr_at_0_1_percent_fpr),
                    interval(m.equal_error_rate),
                    interval(m.balanced_accuracy),
                    interval(m.real_accuracy),
                    interval(m.fake_accuracy),
                    interval(m.brier),
                    interval(m.calibration_error),
                    interval(m.negative_log_likelihood),
                ]
            })
        })
        .collect();
    table(&head, &rows)
}

fn localisation(rows: &[FamilyRow]) -> Markup {
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .filter_map(|row| Some((row, row.localisation.as_ref()?)))
        .flat_map(|(row, both)| {
            ["as they are", "delivered"]
                .into_iter()
                .zip(both)
                .map(|(name, found)| {
                    vec![
                        word(&row.family),
                        word(name),
                        html! { (found.images) },
                        interval(found.pixel_f1),
                        interval(found.iou),
                        number(found.cell_f1),
                        number(found.pd_at_1_percent),
                        found.cell_pd_at_1_percent.map_or(word("–"), number),
                    ]
                })
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Localisation" }
            (table(&["family", "images", "with masks", "pixel F1", "IoU", "cell F1", "Pd@1 %", "cell Pd@1 %"], &rows))
        }
    }
}

fn against(report: &Report) -> Markup {
    html! {
        @if let Some(against) = &report.against {
            h2 { "Against " (against.checkpoint[0]) }
            (table(
                &["family", "difference in AUROC", "p", "after delivery", "p"],
                &against.rows.iter().map(|row| vec![
                    word(&row.family),
                    interval(row.clean.difference),
                    number(row.clean.p_value),
                    interval(row.delivered.difference),
                    number(row.delivered.p_value),
                ]).collect::<Vec<_>>(),
            ))
            p.meta { "Intervals and p-values by DeLong's test on the same images." }
            @for caveat in &against.caveats { p.bad { (caveat) "." } }
        }
    }
}

fn stratum(report: &Report, dimension: &str, title: &str) -> Markup {
    let rows: Vec<Vec<Markup>> = report
        .strata
        .iter()
        .filter(|stratum| stratum.dimension == dimension)
        .map(|stratum| {
            vec![
                word(&stratum.value),
                word(&stratum.row.family),
                html! { (stratum.row.images[0]) },
                html! { (stratum.row.images[1]) },
                interval(stratum.row.auroc),
                interval(stratum.row.delivered_auroc),
                percent(stratum.row.detection_rate),
            ]
        })
        .collect();
    let name = dimension.replace('_', " ");
    html! {
        @if !rows.is_empty() {
            h2 { (title) }
            (table(&[&name, "family", "authentic", "manipulated", "AUROC", "after delivery", "flagged"], &rows))
        }
    }
}

fn roc(report: &Report, delivered: bool) -> Chart {
    let lines = report.curves.iter().enumerate().map(|(index, curve)| Line {
        name: curve.family.clone(),
        points: if delivered {
            curve.delivered.clone()
        } else {
            curve.clean.clone()
        },
        colour: index,
        // More families than colours: the second round is dashed.
        dashed: index / 6 % 2 == 1,
        dots: false,
    });
    Chart {
        title: format!(
            "ROC, images {}",
            if delivered {
                "after delivery"
            } else {
                "as they are"
            }
        ),
        x: Axis::unit("false-positive rate"),
        y: Axis::unit("true-positive rate"),
        lines: lines.collect(),
    }
}

fn reliability(bars: &[Vec<Bin>; 2]) -> Chart {
    let line = |name: &str, bins: &[Bin], colour: usize| Line {
        name: name.to_owned(),
        points: bins.iter().map(|b| [b.score, b.manipulated]).collect(),
        colour,
        dashed: false,
        dots: true,
    };
    Chart {
        title: "Reliability, both classes weighing the same".into(),
        x: Axis::unit("mean score"),
        y: Axis::unit("share manipulated"),
        lines: vec![
            Line {
                name: "calibrated".into(),
                points: vec![[0.0, 0.0], [1.0, 1.0]],
                colour: 2,
                dashed: true,
                dots: false,
            },
            line("as they are", &bars[0], 0),
            line("after delivery", &bars[1], 1),
        ],
    }
}

fn gallery(exhibits: &[Exhibit]) -> Markup {
    html! {
        ul.gallery {
            @for exhibit in exhibits {
                li {
                    img src=(exhibit.thumbnail.url) alt=(format!("{} image", exhibit.kind)) loading="lazy";
                    span { strong { (number(exhibit.score)) } " " (exhibit.kind) }
                    span.low { (exhibit.name) }
                }
            }
        }
    }
}
