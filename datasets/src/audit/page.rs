//! The audit as one self-contained page that shows a person where the leak is.

use std::collections::BTreeSet;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, imageops};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Audit, Measured, NullModel, Row, Scope, Slice, feature_names, svg};
use crate::{Entry, OpenOptions, open};

/// Thumbnails from each end of a model's scores.
const EXAMPLES: usize = 8;

/// Side of a thumbnail in pixels.
const THUMBNAIL: u32 = 96;

/// Renders an audit; entries and measurements are those it was made from. Opens the images that it
/// shows and leaves out those that no longer open.
#[must_use]
pub fn page(audit: &Audit, title: &str, entries: &[&Entry], measured: &[Measured]) -> String {
    let passes = audit.passes();
    let mut models: Vec<(&Row, NullModel)> = NullModel::ALL
        .iter()
        .filter_map(|model| Some((audit.worst_of(*model)?, *model)))
        .collect();
    models.sort_by(|a, b| {
        (b.0.leak, b.0.auroc)
            .partial_cmp(&(a.0.leak, a.0.auroc))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let [authentic, manipulated] = audit.images;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Shortcut audit: " (title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body { main {
                h1 { "Shortcut audit" }
                p.soft { (title) ": " (authentic) " authentic and " (manipulated) " manipulated images" }
                p {
                    span class=(if passes { "badge pass" } else { "badge fail" }) {
                        (if passes { "passes" } else { "fails" })
                    }
                    " at a limit of AUROC " (format!("{:.2}", audit.limit))
                    @if !audit.allow.is_empty() {
                        ", allowing " (audit.allow.iter().map(|m| m.name()).collect::<Vec<_>>().join(", "))
                    }
                }
                p { (audit.summary()) }
                p.soft {
                    "Each row is a null model: a few trivial features that know nothing of authenticity, and \
                     a small fixed classifier, judged on patients and volumes it was not fitted on. 0.5 is \
                     chance, 1 is perfect separation. A ▲ marks a leak: above the limit, and above chance by \
                     more than " (format!("{:.1}", audit.margin)) " standard errors (one-sided rank test at 2.5 % \
                     over all " (audit.rows.len()) " rows). Images are compared within one modality only."
                }
                (matrix(audit))
                @for (row, model) in &models { (model_section(audit, *model, row, entries, measured)) }
                (pairs(audit))
                @if !audit.not_judged.is_empty() {
                    section {
                        h2 { "Not judged" }
                        ul { @for (slice, why) in &audit.not_judged { li { (slice) ": " (why) } } }
                    }
                }
                footer {
                    "Veraray " (env!("CARGO_PKG_VERSION")) ". Research software, not a medical device. A data \
                     set that passes has none of the shortcuts that were looked for; it may have others."
                }
            } }
        }
    }
    .into_string()
}

fn cell(row: Option<&Row>) -> Markup {
    let Some(row) = row else {
        return html! { td.soft { "–" } };
    };
    let heat = ((row.auroc - 0.5) * 1.4).clamp(0.0, 0.7);
    let mut class = String::new();
    if row.leak {
        class += "leak ";
    }
    if row.allowed {
        class += "allowed";
    }
    let tip = format!(
        "{:.3} ({:.3} to {:.3}), {} authentic and {} manipulated, mostly by {}",
        row.auroc, row.interval[0], row.interval[1], row.images[0], row.images[1], row.feature.0
    );
    html! {
        td class=(class.trim()) title=(tip) style=(format!("background:rgba(var(--heat),{heat:.2})")) {
            (format!("{:.2}", row.auroc))
        }
    }
}

/// Slices of a scope in the order they were judged.
fn slices_of(audit: &Audit, scopes: &[Scope]) -> Vec<Slice> {
    let mut seen = BTreeSet::new();
    audit
        .rows
        .iter()
        .map(|row| &row.slice)
        .filter(|slice| scopes.contains(&slice.scope) && seen.insert((*slice).clone()))
        .cloned()
        .collect()
}

fn find<'a>(audit: &'a Audit, model: NullModel, slice: &Slice) -> Option<&'a Row> {
    audit
        .rows
        .iter()
        .find(|row| row.model == model && row.slice == *slice)
}

fn matrix(audit: &Audit) -> Markup {
    let columns = slices_of(
        audit,
        &[Scope::All, Scope::Modality, Scope::Family, Scope::Source],
    );
    html! {
        section {
            h2 { "Where it leaks" }
            div.wide { table {
                thead { tr {
                    th scope="col" { "null model" }
                    @for slice in &columns {
                        @let (group, name) = heading(slice);
                        th scope="col" { span.group { (group) } (name) }
                    }
                } }
                tbody { @for model in NullModel::ALL { tr {
                    th scope="row" { a href=(format!("#{model}")) { (model.name().replace('_', " ")) } }
                    @for slice in &columns { (cell(find(audit, model, slice))) }
                } } }
            } }
            p.soft { "Point at a figure for its interval and the feature that separates best." }
        }
    }
}

fn heading(slice: &Slice) -> (&'static str, &str) {
    match slice.scope {
        Scope::All => ("", "all"),
        Scope::Modality => ("modality", &slice.modality),
        Scope::Family => ("family", &slice.family),
        Scope::Source | Scope::FamilyAndSource => ("source", &slice.source),
    }
}

fn pairs(audit: &Audit) -> Markup {
    let rows = slices_of(audit, &[Scope::FamilyAndSource]);
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "Every family against every source" }
                details {
                    summary { (rows.len()) " pairs" }
                    div.wide { table {
                        thead { tr {
                            th scope="col" { "family" }
                            th scope="col" { "source" }
                            @for model in NullModel::ALL { th scope="col" { (model.name().replace('_', " ")) } }
                        } }
                        tbody { @for slice in &rows { tr {
                            th scope="row" { (slice.family) }
                            td { (slice.source) }
                            @for model in NullModel::ALL { (cell(find(audit, model, slice))) }
                        } } }
                    } }
                }
            }
        }
    }
}

fn key() -> Markup {
    html! {
        div.key {
            span { i.authentic {} "authentic" }
            span { i.manipulated {} "manipulated" }
        }
    }
}

fn model_section(
    audit: &Audit,
    model: NullModel,
    worst: &Row,
    entries: &[&Entry],
    measured: &[Measured],
) -> Markup {
    let by_class = |manipulated: bool| -> Vec<usize> {
        let of = worst.scores.iter().map(|(index, _)| *index);
        of.filter(|&i| entries[i].label.is_manipulated() == manipulated)
            .collect()
    };
    let classes = [by_class(false), by_class(true)];
    html! {
        section id=(model) {
            h2 {
                (model.name().replace('_', " ")) " "
                span class=(if worst.leak && !worst.allowed { "fail" } else { "pass" }) {
                    (format!("{:.2}", worst.auroc))
                }
            }
            p { (model.meaning()) }
            p { strong { "What to do: " } (model.advice()) }
            @if model.may_be_a_trace() {
                p.soft {
                    "Generators leave traces here as well: a leak is a reason to report a detector beside \
                     this figure, not by itself a fault of the collection."
                }
            }
            p.soft {
                "Worst in " (worst.slice.to_string()) ": AUROC "
                (format!("{:.3} ({:.3} to {:.3})", worst.auroc, worst.interval[0], worst.interval[1]))
                ", " (worst.images[0]) " authentic and " (worst.images[1]) " manipulated images. All images: "
                @match audit.rows.iter().find(|r| r.model == model && r.slice.scope == Scope::All) {
                    Some(row) => (format!("{:.3}.", row.auroc)),
                    None => "not judged.",
                }
            }
            @if worst.auroc > 0.55 {
                (key())
                div.charts {
                    (feature_chart(model, worst, &classes, measured))
                    (curve_chart(model, &classes, measured))
                }
                div.ends {
                    (thumbnails("Most like the authentic class", worst, entries, false))
                    (thumbnails("Most like the manipulated class", worst, entries, true))
                }
            }
        }
    }
}

fn feature_chart(
    model: NullModel,
    worst: &Row,
    classes: &[Vec<usize>; 2],
    measured: &[Measured],
) -> Markup {
    let names = feature_names(model);
    let Some(position) = names.iter().position(|name| *name == worst.feature.0) else {
        return html! {};
    };
    let values = classes.each_ref().map(|class| {
        let of = class
            .iter()
            .filter_map(|&i| measured[i].features.get(&model));
        of.map(|row| row[position]).collect::<Vec<f64>>()
    });
    let label = format!("{} (by itself {:.2})", worst.feature.0, worst.feature.1);
    svg::distribution([&values[0], &values[1]], &label)
}

fn curve_chart(model: NullModel, classes: &[Vec<usize>; 2], measured: &[Measured]) -> Markup {
    type Pick = fn(&Measured) -> &[f64];
    let (pick, x, labels): (Pick, [f64; 2], [&str; 2]) = match model {
        NullModel::Border => (
            |m| &m.border,
            [0.0, 0.5],
            [
                "depth from the border, share of the smaller side",
                "mean grey",
            ],
        ),
        NullModel::Spectrum | NullModel::Noise => (
            |m| &m.spectrum,
            [0.0, 0.5],
            ["cycles per pixel", "log power"],
        ),
        NullModel::Histogram => (
            |m| &m.histogram,
            [0.0, 1.0],
            ["grey, black to white", "share of pixels"],
        ),
        _ => return html! {},
    };
    let rows = classes.each_ref().map(|class| {
        class
            .iter()
            .map(|&i| pick(&measured[i]))
            .collect::<Vec<_>>()
    });
    svg::curves([&rows[0], &rows[1]], x, labels)
}

fn thumbnails(title: &str, row: &Row, entries: &[&Entry], high: bool) -> Markup {
    let mut order: Vec<&(usize, f64)> = row.scores.iter().collect();
    order.sort_by(|a, b| {
        if high {
            b.1.total_cmp(&a.1)
        } else {
            a.1.total_cmp(&b.1)
        }
    });
    let shown = order.into_iter().take(EXAMPLES).filter_map(|(index, _)| {
        let entry = entries[*index];
        Some((entry, thumbnail(entry)?))
    });
    html! {
        div {
            h3 { (title) }
            div.thumbs { @for (entry, picture) in shown {
                @let class = if entry.label.is_manipulated() { "manipulated" } else { "authentic" };
                @let from = if entry.generator.is_empty() { &entry.source } else { &entry.generator };
                figure class=(class) {
                    img src=(picture) alt=(format!("{class} image {}", entry.name)) title=(entry.name);
                    figcaption { (class) " · " (from) }
                }
            } }
        }
    }
}

/// The middle frame as a PNG of at most 96 pixels in a data URI.
fn thumbnail(entry: &Entry) -> Option<String> {
    let mut image = open(&entry.path, &OpenOptions::default()).ok()?;
    let frame = image.info().frames / 2;
    let gray = image.frame(frame).ok()?.to_gray();
    let bytes = gray
        .pixels
        .iter()
        .map(|v| (v * 255.0).round() as u8)
        .collect();
    let (width, height) = (gray.columns as u32, gray.rows as u32);
    let picture = image::GrayImage::from_raw(width, height, bytes)?;
    let factor = f64::from(THUMBNAIL) / f64::from(width.max(height));
    let side = |length: u32| ((f64::from(length) * factor).round() as u32).max(1);
    let small = imageops::thumbnail(&picture, side(width), side(height));
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&small, small.width(), small.height(), ExtendedColorType::L8)
        .ok()?;
    Some(format!("data:image/png;base64,{}", base64(&png)))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, i| {
            word << 8 | u32::from(chunk.get(i).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = word >> (18 - 6 * digit) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
