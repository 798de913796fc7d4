//! The page of an explanation. Everything is inside it; nothing comes from a network.

use image::ImageError;
use maud::{Markup, PreEscaped, html};
use veraray_datasets::GrayImage;

use crate::Verdict;
use crate::explain::drivers::Part;
use crate::explain::explanation::Explanation;
use crate::explain::{contour, facts, signal, views};
use crate::report::plot::{Axis, balance_bars, chart, gauge, signed, ticks};
use crate::report::raster::{Picture, data_uri, field, gray_png, overlay_png, reduced};
use crate::report::{colour, shell};
use crate::text::printable;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Cells of the grid on which outlines are traced, on the longer side.
const TRACE: usize = 96;

/// The page.
pub(crate) fn page(explanation: &Explanation) -> Result<String, ImageError> {
    let record = &explanation.record;
    let name = record
        .path
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or(&record.path);
    let body = html! {
        main {
            (head(explanation, name))
            (heat_map(explanation)?)
            (slices(explanation)?)
            (drivers(explanation)?)
            (doubts(explanation)?)
            (signal::section(explanation)?)
            (tiles(explanation)?)
            (facts::file(explanation))
            (facts::limits(explanation))
        }
    };
    let title = format!("{} – Veraray", printable(name));
    Ok(shell::page(&title, STYLE, &body, SCRIPT))
}

pub(super) fn png_uri(picture: &Picture) -> Result<String, ImageError> {
    Ok(data_uri("image/png", &picture.png()?))
}

fn gray_uri(image: &GrayImage) -> Result<String, ImageError> {
    Ok(data_uri("image/png", &gray_png(image)?))
}

fn head(explanation: &Explanation, name: &str) -> Markup {
    let record = &explanation.record;
    let context = &explanation.context;
    let verdict = record.verdict.unwrap_or(Verdict::Abstain);
    let meaning = match verdict {
        Verdict::Authentic => {
            "No sign of manipulation above the threshold. This is no proof of authenticity: a \
             generator that the detector has never seen may pass."
        }
        Verdict::Synthetic => {
            "Looks generated as a whole. This is a reason to look closer, not a proof: compare with \
             the source, the history and the other images of the study."
        }
        Verdict::Tampered => {
            "Looks authentic with places that do not. Compare the outlined places with earlier \
             images; text, markers and implants can draw attention too."
        }
        Verdict::Abstain => "No verdict: the reasons are below.",
    };
    html! {
        section.head {
            h1 { (printable(name)) }
            p.verdict.word.(verdict.word()) { (verdict.word()) }
            p { (meaning) }
            @if let Some(score) = record.score {
                (gauge(score, context.operating.threshold, context.band))
                p.small.soft {
                    "Score " (format!("{score:.4}")) ". Threshold " (context.threshold()) "."
                    @if let Some([low, high]) = context.band {
                        @let high = high.min(context.operating.threshold);
                        " Scores from " (format!("{low:.2}")) " to " (format!("{high:.2}"))
                        " are too close to call."
                    }
                }
            }
            @if !record.reasons.is_empty() {
                ul { @for reason in &record.reasons { li { (printable(reason)) } } }
            }
        }
    }
}

fn heat_map(explanation: &Explanation) -> Result<Markup, ImageError> {
    let base = views::base(explanation);
    let picture = gray_uri(&base)?;
    let frame = frame_name(explanation);
    let Some(detail) = &explanation.detail else {
        return Ok(html! {
            section {
                h2 { "Image" (frame) }
                div.pair { figure { img.plate src=(picture) alt="The image as shown on screen"; } }
                p.soft { "The detector did not judge this image, so there is no heat map." }
            }
        });
    };
    let (rows, columns) = (base.rows, base.columns);
    let map = views::map(detail, rows, columns);
    let overlay = data_uri("image/png", &overlay_png(&map.values, rows, columns)?);
    let threshold = explanation.context.map_threshold;
    let size = [rows as f64, columns as f64];
    let trace = |side: usize| (side * TRACE / rows.max(columns)).max(2);
    let (down, across) = (trace(rows), trace(columns));
    let coarse = field(&detail.scored, |_, tile| &tile.score.map, down, across);
    let outline = contour::path(&coarse, down, across, threshold as f32, size);
    let marked = map
        .values
        .iter()
        .filter(|value| f64::from(**value) >= threshold)
        .count();
    let share = 100.0 * marked as f64 / map.values.len().max(1) as f64;
    Ok(html! {
        section {
            h2 { "Where it looks manipulated" (frame) }
            div.pair {
                figure {
                    div.stack { img src=(picture) alt="The image as shown on screen"; }
                    figcaption { "As shown on screen, with the window of the file." }
                }
                figure {
                    div.stack {
                        img src=(picture) alt="The image under its heat map";
                        img.over #heat src=(overlay) alt="" style="opacity:.75";
                        svg.over #outline viewBox=(format!("0 0 {columns} {rows}"))
                            preserveAspectRatio="none" aria-hidden="true" {
                            path d=(outline) fill="none" stroke="#000" stroke-opacity=".6"
                                stroke-width="3.5" vector-effect="non-scaling-stroke" {}
                            path d=(outline) fill="none" stroke="#fff" stroke-width="1.5"
                                vector-effect="non-scaling-stroke" {}
                        }
                    }
                    figcaption {
                        "The map says how likely each place is to be manipulated; one cell stands for \
                         16 pixels of what the detector sees. " (format!("{share:.0} %"))
                        " of the image reach the map's threshold."
                    }
                }
            }
            div.controls {
                label { "Heat map"
                    input #fade type="range" min="0" max="1" step="0.05" value="0.75";
                }
                label { input #lines type="checkbox" checked; "Outline at the threshold" }
            }
            (legend("0 authentic", "1 manipulated", &colour::gradient(colour::heat, 0.0), Some(threshold)))
        }
    })
}

/// A colour map with its ends named.
pub(super) fn legend(low: &str, high: &str, gradient: &str, tick: Option<f64>) -> Markup {
    html! {
        div.legend {
            span { (low) }
            div.ramp style=(format!("background:{gradient}")) {
                @if let Some(tick) = tick {
                    i style=(format!("left:{:.1}%", tick * 100.0))
                        title=(format!("threshold of the map {tick:.2}")) {}
                }
            }
            span { (high) }
        }
    }
}

fn frame_name(explanation: &Explanation) -> String {
    match explanation.record.frames {
        Some(frames) if frames > 1 => {
            format!(
                ", frame {} of {frames} (counted from 0)",
                explanation.shown_frame
            )
        }
        _ => String::new(),
    }
}

fn slices(explanation: &Explanation) -> Result<Markup, ImageError> {
    if explanation.frame_scores.len() < 2 {
        return Ok(html! {});
    }
    let line: Vec<[f64; 2]> = explanation
        .frame_scores
        .iter()
        .map(|score| [f64::from(score.frame), score.score])
        .collect();
    let frames = f64::from(explanation.record.frames.unwrap_or(1).max(2) - 1);
    let x = Axis {
        name: "frame",
        range: [0.0, frames],
        ticks: ticks([0.0, frames], 6)
            .into_iter()
            .filter(|(at, _)| at.fract() == 0.0)
            .map(|(at, _)| (at, format!("{at:.0}")))
            .collect(),
    };
    let y = Axis {
        name: "score",
        range: [0.0, 1.0],
        ticks: ticks([0.0, 1.0], 5),
    };
    let threshold = explanation.context.operating.threshold;
    let mut strip = Vec::new();
    for slice in &explanation.slices {
        let (rows, columns) = (slice.gray.rows, slice.gray.columns);
        let mut picture = Picture::gray(&slice.gray);
        picture.lay(&field(
            &slice.scored,
            |_, tile| &tile.score.map,
            rows,
            columns,
        ));
        strip.push((slice.score, png_uri(&picture)?));
    }
    Ok(html! {
        section {
            h2 { "Slices" }
            p {
                (explanation.frame_scores.len()) " frames were scored; the verdict rests on all of them \
                 together. Below are the most suspicious ones, in their order."
            }
            div.strip tabindex="0" aria-label="Most suspicious slices" {
                @for (score, uri) in &strip {
                    figure {
                        img.plate src=(uri) alt=(format!("Frame {} under its heat map", score.frame));
                        figcaption { "frame " (score.frame) ", score " (format!("{:.3}", score.score)) }
                    }
                }
            }
            (chart("Score by frame", &x, &y, &[&line], &[], Some(threshold)))
            p.small.soft { "The dashed line is the threshold of the whole image." }
        }
    })
}

fn drivers(explanation: &Explanation) -> Result<Markup, ImageError> {
    let Some(drivers) = &explanation.drivers else {
        return Ok(html! {});
    };
    let rows = |parts: &[Part]| -> Vec<(String, f64)> {
        parts
            .iter()
            .map(|part| (part.name.clone(), part.logit))
            .collect()
    };
    let total: f64 = drivers.parts.iter().map(|part| part.logit).sum();
    // One scale for all bars.
    let all = drivers
        .parts
        .iter()
        .chain(&drivers.branches)
        .chain(&drivers.detail);
    let largest = all.map(|part| part.logit.abs()).fold(0.0, f64::max);
    let small = reduced(&explanation.gray, 384);
    let places = views::places(explanation, small.rows, small.columns)
        .map(|plane| {
            let mut picture = Picture::gray(&small);
            picture.lay_balance(&plane.values);
            png_uri(&picture)
        })
        .transpose()?;
    Ok(html! {
        section {
            h2 { "What drove the score" }
            p {
                "The network's output for this frame is a logit of " strong { (signed(total)) }
                ": the sum of the parts below. Positive parts speak for manipulation."
            }
            div.pair {
                div {
                    h3 { "The sum" }
                    (balance_bars(&rows(&drivers.parts), largest))
                    h3 { "What the logit would lose without a branch" }
                    (balance_bars(&rows(&drivers.branches), largest))
                    h3 { "What it would lose without detail of one size" }
                    (balance_bars(&rows(&drivers.detail), largest))
                }
                @if let Some(uri) = places {
                    figure {
                        img.plate src=(uri) alt="Contribution of every place to the average";
                        figcaption {
                            "What every place adds to the first two parts of the sum: blue speaks for \
                             authentic, orange for manipulated, relative to the strongest place."
                        }
                    }
                }
            }
            p.small.soft {
                "The sum is exact. The losses are measured by running the network again with the \
                 branch's features set to zero, or the image without that detail: states it was never \
                 trained on, so read their direction rather than their size. They need not add up."
            }
        }
    })
}

fn doubts(explanation: &Explanation) -> Result<Markup, ImageError> {
    let Some(detail) = &explanation.detail else {
        return Ok(html! {});
    };
    let base = views::base(explanation);
    let (rows, columns) = (base.rows.div_ceil(3), base.columns.div_ceil(3));
    let unsure = png_uri(&views::heated(&views::unsure(detail, rows, columns)))?;
    let share = views::unsure_share(detail) * 100.0;
    let flips = explanation.trials.first().map_or(0, |first| {
        let other = explanation
            .trials
            .iter()
            .filter(|trial| trial.flagged != first.flagged);
        other.count()
    });
    Ok(html! {
        section {
            h2 { "Where it is unsure" }
            div.pair {
                figure {
                    img.plate src=(unsure) alt="Uncertainty of the heat map by place";
                    figcaption {
                        "Entropy of the heat map in bits: bright where it says about one half. "
                        (format!("{share:.0} %")) " of its cells are undecided."
                    }
                }
                div {
                    h3 { "Does the score hold?" }
                    table {
                        thead { tr {
                            th scope="col" { "This frame" }
                            th.number scope="col" { "Logit" }
                            th.number scope="col" { "Score" }
                            th scope="col" { "Threshold" }
                        } }
                        tbody {
                            @for trial in &explanation.trials {
                                tr {
                                    td { (trial.name) }
                                    td.number { (signed(trial.logit)) }
                                    td.number { (format!("{:.3}", trial.score)) }
                                    td { @if trial.flagged { "reached" } @else { "not reached" } }
                                }
                            }
                        }
                    }
                    p.small {
                        @match flips {
                            0 => { "No change takes the score to the other side of the threshold." }
                            1 => { "One change takes the score to the other side of the threshold: the \
                                    verdict is not stable." }
                            count => { (count) " changes take the score to the other side of the \
                                       threshold: the verdict is not stable." }
                        }
                    }
                }
            }
        }
    })
}

fn tiles(explanation: &Explanation) -> Result<Markup, ImageError> {
    let Some(detail) = &explanation.detail else {
        return Ok(html! {});
    };
    let mut views = Vec::new();
    for (tile, scored) in detail.tiles.iter().zip(&detail.scored.tiles).take(24) {
        let cut: Vec<f32> = (0..tile.valid[0])
            .flat_map(|row| &tile.pixels[row * tile.width..row * tile.width + tile.valid[1]])
            .copied()
            .collect();
        let uri = gray_uri(&GrayImage {
            rows: tile.valid[0],
            columns: tile.valid[1],
            pixels: cut,
        })?;
        let [x0, y0, x1, y1] = tile.region.map(|side| side.round() as i64);
        let kind = match tile.view {
            veraray_model::View::Native => "native pixels",
            _ => "whole field",
        };
        views.push((
            uri,
            kind,
            format!("columns {x0}–{x1}, rows {y0}–{y1}"),
            scored.score.logit,
        ));
    }
    Ok(html! {
        section {
            h2 { "What the detector was shown" }
            p.small.soft {
                "Reduced until the shorter side fits " (detail.tiles[0].valid[0].min(detail.tiles[0].valid[1]))
                " pixels, cut into tiles; the frame's logit is pooled from theirs."
            }
            div.strip tabindex="0" aria-label="Tiles" {
                @for (uri, kind, place, logit) in &views {
                    figure {
                        img.plate src=(uri) alt=(format!("Tile: {place}"));
                        figcaption { (kind) ", logit " (signed(f64::from(*logit))) br; (place) }
                    }
                }
            }
        }
    })
}

/// A chart from points, with its ranges taken from them.
pub(super) fn curve(
    label: &str,
    names: [&str; 2],
    points: &[[f64; 2]],
    band: &[[f64; 3]],
    ranges: [[f64; 2]; 2],
) -> PreEscaped<String> {
    let axis = |index: usize| Axis {
        name: names[index],
        range: ranges[index],
        ticks: ticks(ranges[index], 5),
    };
    chart(label, &axis(0), &axis(1), &[points], band, None)
}
