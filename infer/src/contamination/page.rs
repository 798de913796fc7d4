//! An audit as a page that needs no network.

use std::path::Path;

use maud::{Markup, html};

use super::findings::{Findings, Share};
use super::pairs::section as pairs;
use super::parts::{Part, UNSTATED};
use super::text::{chance, interval, percent};
use crate::report::plot;
use crate::report::preview_name;
use crate::report::raster::data_uri;
use crate::report::shell;

const STYLE: &str = "
.estimates td svg { width: 24rem; }
.sources td svg { width: 12rem; }
.wide { overflow-x: auto; }
figure.months svg { max-width: 46rem; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: .8rem; padding: 0; list-style: none; }
.pairs li { background: var(--ground); border-radius: .4rem; padding: .5rem; }
.pairs .two { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem; align-items: start; }
.pairs img { display: block; width: 100%; background: #000; border-radius: .25rem; }
.flagged { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: .8rem; padding: 0; list-style: none; }
.flagged li { background: var(--ground); border-radius: .4rem; padding: .5rem; }
.flagged img { display: block; background: #000; border-radius: .25rem; }
.big { font-size: 2rem; font-weight: 650; margin: .2rem 0; }
";

/// Flagged images that are shown; the rest is listed.
const SHOWN: usize = 60;

/// Largest preview that is taken into the page, in bytes.
const LARGEST: u64 = 256 * 1024;

/// The page. `previews` is the folder of a scan's previews, where there is one; `scan` says whether
/// the page of the scan lies beside this one.
pub(crate) fn page(findings: &Findings, previews: Option<&Path>, scan: bool) -> String {
    let count = &findings.prevalence.adjusted_count;
    let body = html! {
        header {
            h1 { "Contamination of an archive" }
            p.soft {
                (findings.images.flagged) " of " (findings.images.counted) " images flagged by "
                (findings.model.name) " " (findings.model.version) ", " (findings.images.files)
                " files met."
                @if scan { " " a href="index.html" { "Every image of the scan" } "." }
            }
        }
        section {
            h2 { "Prevalence of manipulated images" }
            p.big { (percent(count.estimate)) }
            p { "95 % interval " (interval(count)) ", by the adjusted count" }
            (estimates(findings))
            p.small.soft {
                "Adjusted count: the share flagged, corrected for false alarms and misses. EM: the \
                 prevalence at which all calibrated scores fit together. Both intervals hold what is \
                 uncertain about the detector itself."
            }
        }
        @if !findings.warnings.is_empty() {
            section { h2 { "Before you believe it" } (list(&findings.warnings)) }
        }
        section {
            h2 { "Scores" }
            (plot::histogram(&findings.histogram, findings.model.threshold, findings.model.abstention_band))
            p.small.soft {
                "Images by score, on a logarithmic scale; the line is the threshold"
                @if findings.model.abstention_band.is_some() { ", shaded scores get no verdict" } "."
            }
        }
        (rates(findings))
        (power(findings))
        (sources(findings))
        (months(findings))
        (flagged(findings, previews))
        (pairs(findings))
        @if !findings.copies.is_empty() {
            section {
                h2 { "The same file in several studies or folders" }
                ul { @for copies in &findings.copies { li { code { (copies.join(" = ")) } } } }
            }
        }
        section { h2 { "Assumptions" } (list(&findings.assumptions)) }
    };
    shell::page("Contamination of an archive", STYLE, &body, "")
}

/// The end of a scale that holds all intervals: a round share.
fn scale<'a>(shares: impl Iterator<Item = &'a Share>) -> f64 {
    let most = shares.map(|share| share.high).fold(0.0, f64::max);
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
        .into_iter()
        .find(|end| most <= *end)
        .unwrap_or(1.0)
}

fn estimates(findings: &Findings) -> Markup {
    let prevalence = &findings.prevalence;
    let mut rows: Vec<(String, &Share)> =
        vec![("Adjusted count".into(), &prevalence.adjusted_count)];
    rows.extend(prevalence.em.iter().map(|em| ("EM".to_owned(), em)));
    if prevalence.by_family.len() > 1 {
        let families = prevalence.by_family.iter();
        rows.extend(families.map(|(name, share)| (format!("Adjusted, if all were {name}"), share)));
    }
    let end = scale(rows.iter().map(|(_, share)| *share));
    html! {
        div.wide { table.estimates {
            thead { tr {
                th scope="col" { "Estimator" }
                th.number scope="col" { "Prevalence" }
                th scope="col" { "95 % interval" }
                th scope="col" { "from 0 to " (percent(end)) }
            } }
            tbody { @for (name, share) in &rows { tr {
                td { (name) }
                td.number { (percent(share.estimate)) }
                td { (interval(share)) }
                td { (plot::interval(share.estimate, share.low, share.high, [0.0, end])) }
            } } }
        } }
        @if let Some(reason) = &prevalence.em_missing { p { "EM is not available: " (reason) "." } }
    }
}

fn rates(findings: &Findings) -> Markup {
    let images = &findings.images;
    let [low, high] = findings.prevalence.bounds_with_uncounted;
    html! {
        section {
            h2 { "What it rests on" }
            dl.facts {
                @for (name, rate) in [
                    ("False alarms", &findings.error_rates.false_alarms),
                    ("Detections", &findings.error_rates.detections),
                ] {
                    dt { (name) }
                    dd { (percent(rate.share.estimate)) ", " (interval(&rate.share)) " – " (rate.from) }
                }
                dt { "Threshold" } dd { (format!("{:.4}", findings.model.threshold)) }
                dt { "Groups" } dd {
                    (findings.groups) ", design effect " (format!("{:.2}", findings.design_effect))
                }
                dt { "Too close to call" } dd { (images.withheld_in_band) ", counted as not flagged" }
                dt { "Not counted" } dd {
                    (images.outside) " outside of what the error rates were measured on, "
                    (images.unsuitable) " with nothing to score, " (images.failed) " unreadable; with all \
                    or none of them manipulated the prevalence is " (percent(low)) " to " (percent(high))
                }
                dt { "Model hash" } dd { code { (findings.model.sha256) } }
            }
        }
    }
}

fn power(findings: &Findings) -> Markup {
    let power = &findings.power;
    let least = |share: Option<f64>| share.map_or("none".into(), percent);
    html! {
        section {
            h2 { "What so many images could have shown" }
            table {
                thead { tr {
                    th scope="col" { "Smallest prevalence that is noticed" }
                    th.number scope="col" { "with probability 0.8" }
                    th.number scope="col" { "with probability 0.95" }
                } }
                tbody {
                    tr {
                        td { "as the error rates are known" }
                        td.number { (least(power.detectable_80)) }
                        td.number { (least(power.detectable_95)) }
                    }
                    tr {
                        td { "were they known exactly" }
                        td.number { (least(power.detectable_80_exact_rates)) }
                        td.number { (least(power.detectable_95_exact_rates)) }
                    }
                }
            }
            p {
                @match power.critical_count {
                    Some(count) => { "False alarms alone do not explain " (count) " flagged images or more." }
                    None => { "False alarms alone explain any number of flagged images." }
                }
                " Were nothing flagged, the prevalence would be at most "
                (percent(power.upper_bound_if_none_flagged)) " (95 %, rule of three)."
            }
        }
    }
}

fn sources(findings: &Findings) -> Markup {
    if findings.sources.len() < 2 {
        return html! {};
    }
    html! {
        section {
            h2 { "By " (findings.sources_by.replace('_', " ")) }
            (table("Source", &findings.sources))
            p.small.soft {
                "p: probability of as many flagged images in a source without contamination; corrected \
                 for the number of sources by Holm's method. The intervals are 95 % each."
            }
        }
    }
}

fn months(findings: &Findings) -> Markup {
    if findings.months.is_empty() {
        return html! {};
    }
    let dated = findings.months.iter().filter(|part| part.name != UNSTATED);
    let points: Vec<(&str, [f64; 3])> = dated
        .map(|part| {
            let Share {
                estimate,
                low,
                high,
            } = part.prevalence;
            (
                part.name.as_str(),
                [estimate, low, high].map(|share| 100.0 * share),
            )
        })
        .collect();
    let end = 100.0 * scale(findings.months.iter().map(|part| &part.prevalence));
    html! {
        section {
            h2 { "By month" }
            figure.months {
                (plot::points("Prevalence by month with 95 % intervals", "%", &points, end))
                figcaption {
                    "Prevalence by month, adjusted count, with 95 % intervals. The month is that of the \
                     study date, else of the acquisition date, in the DICOM header; files without one \
                     stand in the table alone."
                }
            }
            (table("Month", &findings.months))
        }
    }
}

fn table(name: &str, parts: &[Part]) -> Markup {
    let end = scale(parts.iter().map(|part| &part.prevalence));
    html! {
        div.wide { table.sources {
            thead { tr {
                th scope="col" { (name) }
                th.number scope="col" { "Images" }
                th.number scope="col" { "Flagged" }
                th.number scope="col" { "Prevalence" }
                th scope="col" { "95 % interval" }
                th scope="col" { "from 0 to " (percent(end)) }
                th.number scope="col" { "p" }
                th.number scope="col" { "p, corrected" }
            } }
            tbody { @for part in parts { tr {
                td { (part.name) }
                td.number { (part.images) }
                td.number { (part.flagged) }
                td.number { (percent(part.prevalence.estimate)) }
                td { (interval(&part.prevalence)) }
                td {
                    (plot::interval(part.prevalence.estimate, part.prevalence.low,
                        part.prevalence.high, [0.0, end]))
                }
                td.number { (chance(part.p_value)) }
                td.number { (chance(part.p_value_corrected)) }
            } } }
        } }
    }
}

fn flagged(findings: &Findings, previews: Option<&Path>) -> Markup {
    if findings.flagged.is_empty() {
        return html! { section { h2 { "Flagged" } p { "Nothing." } } };
    }
    let (first, rest) = findings.flagged.split_at(findings.flagged.len().min(SHOWN));
    let omitted = findings
        .images
        .flagged
        .saturating_sub(findings.flagged.len() as u64);
    html! {
        section {
            h2 { "Flagged, highest score first" }
            ul.flagged { @for image in first { li {
                @if let Some(picture) = previews.and_then(|folder| preview(folder, &image.path, image.sha256.as_deref())) {
                    img src=(picture) alt="Image and heat map";
                }
                span.verdict.(image.verdict.word()) { (image.verdict.word()) }
                " " (format!("{:.3}", image.score)) br;
                code { (image.path) }
            } } }
            @if !rest.is_empty() {
                details { summary { (rest.len()) " more" }
                    ul { @for image in rest { li { (format!("{:.3} ", image.score)) code { (image.path) } } } }
                }
            }
            @if omitted > 0 { p { (omitted) " more stand in the records." } }
        }
    }
}

/// The small preview of an image as a data URI.
fn preview(folder: &Path, path: &str, sha256: Option<&str>) -> Option<String> {
    let file = folder.join(format!("{}.jpg", preview_name(path, sha256)));
    let size = file.metadata().ok()?.len();
    (size <= LARGEST).then_some(())?;
    Some(data_uri("image/jpeg", &std::fs::read(file).ok()?))
}

fn list(lines: &[String]) -> Markup {
    html! { ul { @for line in lines { li { (line) } } } }
}
