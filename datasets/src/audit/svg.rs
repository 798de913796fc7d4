//! Drawings of the audit's page: distributions and curves of both classes.

use maud::{Markup, html};

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 170.0;
/// Room for the axes: left, right, top, bottom.
const ROOM: [f64; 4] = [38.0, 10.0, 10.0, 34.0];

/// Both classes' names as the style sheet knows them.
const CLASSES: [&str; 2] = ["authentic", "manipulated"];

/// Shares of images per value of a feature, one filled step line per class.
pub(super) fn distribution(values: [&[f64]; 2], label: &str) -> Markup {
    const BINS: usize = 28;
    let mut all: Vec<f64> = values.concat();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
    // Odd values beyond the central 99 % are drawn at the ends.
    let (mut low, mut high) = if all.is_empty() {
        (0.0, 1.0)
    } else {
        (at(0.005), at(0.995))
    };
    if high - low < 1e-9 {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let shares = values.map(|values| {
        let mut bins = [0.0; BINS];
        for value in values {
            let place = ((value - low) / (high - low)).clamp(0.0, 1.0) * BINS as f64;
            bins[(place as usize).min(BINS - 1)] += 1.0 / values.len().max(1) as f64;
        }
        bins
    });
    let top = shares.iter().flatten().fold(1e-9f64, |a, b| a.max(*b));
    let scale = Scale {
        x: [low, high],
        y: [0.0, top],
    };
    let paths = shares.map(|bins| {
        let mut path = format!("M{:.1} {:.1}", scale.x(low), scale.y(0.0));
        for (bin, share) in bins.iter().enumerate() {
            let edge = |i: usize| low + (high - low) * i as f64 / BINS as f64;
            path += &format!(
                "L{:.1} {:.1}L{:.1} {:.1}",
                scale.x(edge(bin)),
                scale.y(*share),
                scale.x(edge(bin + 1)),
                scale.y(*share)
            );
        }
        path + &format!("L{:.1} {:.1}Z", scale.x(high), scale.y(0.0))
    });
    frame(
        &scale,
        label,
        "share of images",
        &format!("Distribution of {label} by class"),
        &html! {
            @for (class, path) in CLASSES.iter().zip(&paths) {
                path class=(format!("area {class}")) d=(path) {}
            }
        },
    )
}

/// Median of both classes with a band from the first to the third quartile.
pub(super) fn curves(rows: [&[&[f64]]; 2], x: [f64; 2], labels: [&str; 2]) -> Markup {
    let bands = rows.map(quartiles);
    let all = || bands.iter().flatten().flatten().copied();
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if high > low { (low, high) } else { (0.0, 1.0) };
    let scale = Scale { x, y: [low, high] };
    let title = format!(
        "{} by {}, median and quartiles of each class",
        labels[1], labels[0]
    );
    let point = |index: usize, count: usize, value: f64| {
        let share = (index as f64 + 0.5) / count.max(1) as f64;
        format!(
            "{:.1} {:.1}",
            scale.x(x[0] + (x[1] - x[0]) * share),
            scale.y(value)
        )
    };
    frame(
        &scale,
        labels[0],
        labels[1],
        &title,
        &html! {
            @for (class, band) in CLASSES.iter().zip(&bands) {
                @let count = band.len();
                @let up = band.iter().enumerate().map(|(i, q)| point(i, count, q[2]));
                @let down = band.iter().enumerate().rev().map(|(i, q)| point(i, count, q[0]));
                @let outline = up.chain(down).collect::<Vec<_>>().join("L");
                @let middle = band.iter().enumerate().map(|(i, q)| point(i, count, q[1]));
                @let middle = middle.collect::<Vec<_>>().join("L");
                @if count > 0 {
                    path class=(format!("band {class}")) d=(format!("M{outline}Z")) {}
                    path class=(format!("line {class}")) d=(format!("M{middle}")) {}
                }
            }
        },
    )
}

/// First quartile, median and third quartile per position.
fn quartiles(rows: &[&[f64]]) -> Vec<[f64; 3]> {
    let width = rows.first().map_or(0, |row| row.len());
    (0..width)
        .map(|position| {
            let mut column: Vec<f64> = rows.iter().map(|row| row[position]).collect();
            column.sort_by(f64::total_cmp);
            [0.25, 0.5, 0.75]
                .map(|share| column[((column.len() - 1) as f64 * share).round() as usize])
        })
        .collect()
}

struct Scale {
    x: [f64; 2],
    y: [f64; 2],
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        let share = (value - self.x[0]) / (self.x[1] - self.x[0]);
        ROOM[0] + share * (WIDTH - ROOM[0] - ROOM[1])
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.y[0]) / (self.y[1] - self.y[0]);
        HEIGHT - ROOM[3] - share * (HEIGHT - ROOM[2] - ROOM[3])
    }
}

fn frame(scale: &Scale, x: &str, y: &str, title: &str, inside: &Markup) -> Markup {
    let bottom = HEIGHT - ROOM[3];
    let (left, right) = (ROOM[0], WIDTH - ROOM[1]);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(title) {
            title { (title) }
            path class="axis" d=(format!("M{left} {}V{bottom}H{right}", ROOM[2])) {}
            (inside)
            text x=(left) y=(bottom + 14.0) text-anchor="start" { (short(scale.x[0])) }
            text x=(right) y=(bottom + 14.0) text-anchor="end" { (short(scale.x[1])) }
            text x=((left + right) / 2.0) y=(bottom + 27.0) text-anchor="middle" { (x) }
            text x=(left - 5.0) y=(bottom) text-anchor="end" { (short(scale.y[0])) }
            text x=(left - 5.0) y=(ROOM[2] + 8.0) text-anchor="end" { (short(scale.y[1])) }
            text transform=(format!("translate(10 {}) rotate(-90)", (ROOM[2] + bottom) / 2.0))
                text-anchor="middle" { (y) }
        }
    }
}

/// A number with about three digits.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v < 0.1 => format!("{value:.3}"),
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
