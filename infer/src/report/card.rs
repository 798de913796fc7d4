//! The model card as a page, made from the measurements that the checkpoint carries.

use std::collections::BTreeSet;

use maud::{Markup, html};
use veraray_model::{Card, Checkpoint, FamilyMetrics};

use crate::report::plot::interval;
use crate::report::shell;
use crate::wording::percent;

const STYLE: &str = "
.metrics td svg { width: 14rem; }
.wide { overflow-x: auto; }
pre { overflow-x: auto; max-height: 24rem; background: var(--ground); padding: .7rem; border-radius: .4rem; }
";

/// The page.
pub(crate) fn page(checkpoint: &Checkpoint) -> String {
    let card = &checkpoint.card;
    let body = html! {
        header {
            h1 { (card.name) " " (card.version) }
            p.soft {
                "Model card of a Veraray detector. Every figure was measured by the run that made the \
                 weights, and travels in the checkpoint."
            }
        }
        (summary(checkpoint))
        section { h2 { "Limits" } ul {
            @for limit in &card.limits { li { (limit) } }
            @if !card.limits.iter().any(|limit| limit.contains("not a medical device")) {
                li { "Research software, not a medical device." }
            }
        } }
        (metrics(card))
        (thresholds(card))
        (training(card))
        @if !card.provenance.recipe.is_empty() {
            section {
                h2 { "Recipe" }
                details { summary { "The resolved recipe of the run" } pre { code { (card.provenance.recipe) } } }
            }
        }
    };
    shell::page(
        &format!("{} {} – model card", card.name, card.version),
        STYLE,
        &body,
        "",
    )
}

fn summary(checkpoint: &Checkpoint) -> Markup {
    let card = &checkpoint.card;
    let listed = |names: &[String]| match names {
        [] => "none declared".to_owned(),
        names => names.join(", "),
    };
    html! {
        section {
            h2 { "What it is" }
            dl.facts {
                dt { "SHA-256" } dd { code { (checkpoint.sha256) } }
                dt { "Parameters" } dd { (checkpoint.parameters()) }
                dt { "Modalities" } dd { (listed(&card.modalities)) "; images of any other are not judged" }
                dt { "Families" } dd { (listed(&card.families)) }
                dt { "Input" } dd {
                    "tiles of " (card.input.tile) "×" (card.input.tile) " pixels, images from "
                    (card.input.min_side) " pixels a side, up to " (card.input.max_frames) " frames"
                }
                dt { "Licence" } dd { (card.licence) }
            }
        }
    }
}

/// One table per split. Every further figure that a row has is a column.
fn metrics(card: &Card) -> Markup {
    let splits: BTreeSet<&str> = card.metrics.iter().map(|row| row.split.as_str()).collect();
    html! {
        section {
            h2 { "Measured on held-out patients" }
            @if card.metrics.is_empty() { p { "Nothing was measured." } }
            @for split in splits {
                @let rows: Vec<&FamilyMetrics> =
                    card.metrics.iter().filter(|row| row.split == split).collect();
                @let more: BTreeSet<&str> = rows
                    .iter()
                    .flat_map(|row| row.more.keys().map(String::as_str))
                    .collect();
                h3 { (split) }
                div.wide { table.metrics {
                    thead { tr {
                        th scope="col" { "Family" }
                        th.number scope="col" { "Authentic" }
                        th.number scope="col" { "Manipulated" }
                        th.number scope="col" { "AUROC" }
                        th scope="col" { "95 % interval, from 0.5 to 1" }
                        @for name in &more { th.number scope="col" { (name.replace('_', " ")) } }
                    } }
                    tbody {
                        @for row in rows {
                            @let [estimate, low, high] = row.auroc;
                            tr {
                                td { (row.family) }
                                td.number { (row.images[0]) }
                                td.number { (row.images[1]) }
                                td.number { (format!("{estimate:.3}")) }
                                td { (interval(estimate, low, high, [0.5, 1.0])) }
                                @for name in &more {
                                    td.number {
                                        @match row.more.get(*name) {
                                            Some(value) => (format!("{value:.3}")),
                                            None => "–",
                                        }
                                    }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn thresholds(card: &Card) -> Markup {
    let calibration = &card.calibration;
    html! {
        section {
            h2 { "Thresholds" }
            @if calibration.operating_points.is_empty() {
                p { "None were measured; images are flagged from a score of 0.5." }
            } @else {
                table {
                    thead { tr {
                        th.number scope="col" { "False alarms declared" }
                        th.number scope="col" { "Score from which images are flagged" }
                        th.number scope="col" { "False alarms at most (95 %)" }
                        th.number scope="col" { "Authentic images behind it" }
                    } }
                    tbody {
                        @for point in &calibration.operating_points {
                            tr {
                                td.number { (percent(point.false_positive_rate)) }
                                td.number { (format!("{:.4}", point.threshold)) }
                                td.number { (percent((point.upper_bound * 1000.0).round() / 1000.0)) }
                                td.number { (point.authentic_images) }
                            }
                        }
                    }
                }
            }
            @if let Some([low, high]) = calibration.abstention_band {
                p { "Scores from " (format!("{low:.4}")) " to " (format!("{high:.4}")) " are not judged." }
            }
            @if let Some(known) = &card.out_of_distribution {
                p { "Images unlike those it knows are not judged: "
                    (format!("{:.1}", 100.0 * known.refused[0])) " % of " (known.images)
                    " validation images as they are, " (format!("{:.1}", 100.0 * known.refused[1]))
                    " % after delivery." }
            }
            p.small.soft {
                "Score = 1 / (1 + exp((" (format!("{:.4}", calibration.bias).replace('-', "\u{2212}"))
                " − logit) / "
                (format!("{:.4}", calibration.temperature)) ")). A cell of the heat map counts as \
                 manipulated from " (format!("{:.3}", calibration.map_threshold)) "."
            }
        }
    }
}

fn training(card: &Card) -> Markup {
    let provenance = &card.provenance;
    html! {
        section {
            h2 { "Training" }
            dl.facts {
                dt { "Epoch" } dd { (provenance.epoch) }
                dt { "Seed" } dd { (provenance.seed) }
                @if !provenance.device.is_empty() { dt { "Device" } dd { (provenance.device) } }
                @if !provenance.manifest_sha256.is_empty() {
                    dt { "Manifest" } dd { code { (provenance.manifest_sha256) } }
                }
            }
            @if !provenance.data.is_empty() {
                div.wide { table {
                    thead { tr {
                        th.number scope="col" { "Images" }
                        @for name in ["Label", "Generator", "Source", "Modality", "Licence"] {
                            th scope="col" { (name) }
                        }
                    } }
                    tbody {
                        @for row in &provenance.data {
                            tr {
                                td.number { (row.images) }
                                td { (row.label) }
                                td { @if row.generator.is_empty() { "–" } @else { (row.generator) } }
                                td { (row.source) }
                                td { (row.modality) }
                                td { (row.licence) }
                            }
                        }
                    }
                } }
            }
        }
    }
}
