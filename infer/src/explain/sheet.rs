//! All pictures of an explanation on one, with the verdict above them.

use veraray_datasets::GrayImage;

use crate::Verdict;
use crate::explain::explanation::Explanation;
use crate::explain::{font, views};
use crate::report::colour::{Rgb, heat};
use crate::report::plot::signed;
use crate::report::raster::{Picture, reduced};
use crate::wording::percent;

/// Side of a panel in pixels.
const SIDE: usize = 360;

const GAP: usize = 16;
const HEAD: usize = 76;
const LABEL: usize = 30;
const GROUND: Rgb = [22, 24, 27];
const INK: Rgb = [232, 232, 228];
const SOFT: Rgb = [160, 166, 174];

/// Draws the sheet: three panels across, two down.
pub(crate) fn sheet(explanation: &Explanation) -> Picture {
    let width = 3 * SIDE + 4 * GAP;
    let height = HEAD + 2 * (LABEL + SIDE + GAP) + GAP + 28;
    let mut sheet = Picture::plain(height, width, GROUND);
    head(&mut sheet, explanation);
    let closeup = views::closeup(explanation).0;
    let whole =
        closeup.rows == explanation.gray.rows && closeup.columns == explanation.gray.columns;
    let closeup_name = match whole {
        true => "high-pass residual",
        false => "high-pass residual, close-up",
    };
    let panels: [(&str, Option<Picture>); 6] = [
        ("image", Some(fit(&explanation.gray))),
        ("heat map, line: map threshold", overlaid(explanation)),
        ("unsure (bright: one half)", unsure(explanation)),
        ("spectrum (log power)", views::spectrum(explanation)),
        (closeup_name, Some(views::residual_picture(&closeup))),
        (
            "local noise",
            views::noise(explanation).map(|(picture, _)| picture),
        ),
    ];
    for (index, (name, picture)) in panels.iter().enumerate() {
        let left = GAP + index % 3 * (SIDE + GAP);
        let top = HEAD + index / 3 * (LABEL + SIDE + GAP);
        font::write(&mut sheet, name, top + 8, left, 2, SOFT);
        match picture {
            Some(picture) => {
                let fitted = views::fitted(picture, SIDE);
                let down = (SIDE - fitted.rows) / 2;
                let across = (SIDE - fitted.columns) / 2;
                sheet.paste(&fitted, top + LABEL + down, left + across);
            }
            None => font::write(
                &mut sheet,
                "not judged",
                top + LABEL + SIDE / 2,
                left,
                2,
                SOFT,
            ),
        }
    }
    legend(&mut sheet, height - 36, explanation.context.map_threshold);
    sheet
}

fn head(sheet: &mut Picture, explanation: &Explanation) {
    let record = &explanation.record;
    let verdict = record.verdict.unwrap_or(Verdict::Abstain);
    let colour = match verdict {
        Verdict::Authentic => [92, 196, 144],
        Verdict::Abstain => [229, 180, 84],
        Verdict::Synthetic | Verdict::Tampered => [255, 138, 122],
    };
    font::write(sheet, verdict.word(), GAP, GAP, 4, colour);
    let operating = explanation.context.operating;
    let rate = operating.false_alarms.map_or_else(String::new, |rate| {
        format!(" for {} false alarms", percent(rate))
    });
    let score = record.score.map_or_else(
        || "no score".into(),
        |score| {
            format!(
                "score {score:.3}, threshold {:.3}{rate}",
                operating.threshold
            )
        },
    );
    let left = GAP + font::width(verdict.word(), 4) + GAP;
    font::write(sheet, &score, GAP + 14, left, 2, INK);
    let mut words = match &explanation.drivers {
        Some(drivers) => drivers
            .parts
            .iter()
            .map(|part| format!("{} {}", part.name, signed(part.logit)))
            .collect::<Vec<_>>()
            .join(" | "),
        None => record.reasons.first().cloned().unwrap_or_default(),
    };
    if record.frames.is_some_and(|frames| frames > 1) {
        words = format!("frame {} | {words}", explanation.shown_frame);
    }
    let scale = if font::width(&words, 2) + 2 * GAP <= sheet.columns {
        2
    } else {
        1
    };
    font::write(sheet, &words, GAP + 38, GAP, scale, SOFT);
}

/// Reduced to a panel with care, because pixels left out would alias; smaller ones are enlarged
/// later, pixel by pixel.
fn fit(image: &GrayImage) -> Picture {
    Picture::gray(&reduced(image, SIDE))
}

fn overlaid(explanation: &Explanation) -> Option<Picture> {
    let detail = explanation.detail.as_ref()?;
    let mut picture = views::fitted(&fit(&explanation.gray), SIDE);
    let map = views::map(detail, picture.rows, picture.columns);
    picture.lay(&map.values);
    let level = explanation.context.map_threshold as f32;
    let above = |row: usize, column: usize| map.values[row * map.columns + column] >= level;
    for row in 0..map.rows.saturating_sub(1) {
        for column in 0..map.columns.saturating_sub(1) {
            let here = above(row, column);
            if here != above(row + 1, column) || here != above(row, column + 1) {
                picture.set(row, column, [255; 3]);
            }
        }
    }
    Some(picture)
}

fn unsure(explanation: &Explanation) -> Option<Picture> {
    let detail = explanation.detail.as_ref()?;
    let shown = views::fitted(&fit(&explanation.gray), SIDE);
    Some(views::heated(&views::unsure(
        detail,
        shown.rows,
        shown.columns,
    )))
}

fn legend(sheet: &mut Picture, top: usize, threshold: f64) {
    let (left, width) = (GAP + 250, 360);
    font::write(sheet, "heat map: authentic 0", top, GAP - 4, 2, SOFT);
    for column in 0..width {
        for row in 0..14 {
            sheet.set(
                top + row,
                left + 14 + column,
                heat(column as f32 / (width - 1) as f32),
            );
        }
    }
    let tick = left + 14 + (threshold * (width - 1) as f64).round() as usize;
    for row in 0..20 {
        sheet.set(top + row, tick, [255; 3]);
        sheet.set(top + row, tick + 1, [0; 3]);
    }
    font::write(sheet, "1 manipulated", top, left + width + 28, 2, SOFT);
    let note = "research software, not a medical device";
    let from = sheet.columns.saturating_sub(font::width(note, 1) + GAP);
    font::write(sheet, note, top + 4, from, 1, SOFT);
}
