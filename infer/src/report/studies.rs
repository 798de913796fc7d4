//! Studies and series of a batch, the worst first.

use maud::{Markup, html};

use super::page::thousands;
use crate::Verdict;
use crate::studies::{Series, Studies, Study};

/// Most studies that are shown, and most flagged images of a series that are linked.
const MOST: usize = 200;
const LINKED: usize = 50;

/// The table of studies; nothing where no study has several images.
pub(super) fn section(studies: &Studies) -> Markup {
    let list = studies.several();
    if list.is_empty() {
        return html! {};
    }
    let flagged = list
        .iter()
        .filter(|study| study.verdict.is_some_and(Verdict::is_flagged));
    let flagged = flagged.count() as u64;
    html! {
        section #studies {
            h2 { "Studies" }
            p.soft {
                (thousands(flagged)) " of " (thousands(list.len() as u64))
                " studies of several images flagged. A study is as bad as its worst image, but for slices \
                 that stand alone: where the slices to both sides are judged authentic, they overrule one."
            }
            div.wide { table {
                thead { tr {
                    th scope="col" { "Study" }
                    th scope="col" { "Verdict" }
                    th.number scope="col" { "Images" }
                    th.number scope="col" { "Flagged" }
                    th.number scope="col" { "Lone slices" }
                } }
                tbody { @for study in list.iter().take(MOST) { (row(study)) } }
            } }
            @if list.len() > MOST {
                p { "The others, " (thousands((list.len() - MOST) as u64)) ", are no worse than these." }
            }
        }
    }
}

fn row(study: &Study) -> Markup {
    html! {
        tr {
            td {
                details {
                    summary { code {
                        @match &study.uid {
                            Some(uid) => (uid),
                            None => "no study UID",
                        }
                    } }
                    ul { @for series in &study.series { li { (images(series)) } } }
                }
            }
            td { (word(study.verdict)) }
            td.number { (thousands(study.images)) }
            td.number { (thousands(study.flagged)) }
            td.number { (thousands(study.overruled)) }
        }
    }
}

fn images(series: &Series) -> Markup {
    html! {
        "Series " code { (series.uid) }
        @if let Some(modality) = &series.modality { " (" (modality) ")" }
        ": " (word(series.verdict)) ", " (thousands(series.images)) " images, "
        (thousands(series.flagged.len() as u64)) " flagged"
        @for (index, image) in series.flagged.iter().take(LINKED).enumerate() {
            @if index == 0 { ": " } @else { ", " }
            a href=(format!("#image={}", image.number)) { (name(&image.path)) }
        }
        @if series.flagged.len() > LINKED { " and more" }
    }
}

fn word(verdict: Option<Verdict>) -> Markup {
    let word = verdict.map_or("error", Verdict::word);
    html! { span.verdict.(word) { (word) } }
}

/// The file's name without its folders.
fn name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
