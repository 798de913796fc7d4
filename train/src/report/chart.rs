//! Line charts as inline SVG that takes its colours from the page, so that it reads in light and in
//! dark.

use maud::{Markup, PreEscaped, html};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
/// Space left, above, right and below the plot.
const MARGIN: [f64; 4] = [54.0, 12.0, 14.0, 44.0];

/// Okabe & Ito's palette for the colour-blind, without black and yellow, which vanish on one of the
/// two backgrounds.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<[f64; 2]>,
    /// Lines of one colour belong together.
    pub(crate) colour: usize,
    pub(crate) dashed: bool,
    /// Whether every point is marked.
    pub(crate) dots: bool,
}

/// A chart of lines.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

/// An axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) name: String,
    /// Ends, low first.
    pub(crate) range: [f64; 2],
    /// Labelled positions; empty: five even ones.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to 1.
    pub(crate) fn unit(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            range: [0.0, 1.0],
            ticks: Vec::new(),
        }
    }

    fn share(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        ((value - low) / (high - low).max(1e-12)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if !self.ticks.is_empty() {
            return self.ticks.clone();
        }
        let [low, high] = self.range;
        let digits = if high - low < 0.3 { 3 } else { 2 };
        (0..=4)
            .map(|i| low + (high - low) * f64::from(i) / 4.0)
            .map(|value| (value, format!("{value:.digits$}")))
            .collect()
    }
}

impl Chart {
    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [left, above, right, below] = MARGIN;
        [
            left + self.x.share(x) * (WIDTH - left - right),
            HEIGHT - below - self.y.share(y) * (HEIGHT - above - below),
        ]
    }

    fn path(&self, points: &[[f64; 2]]) -> String {
        let places = points.iter().filter(|p| p.iter().all(|v| v.is_finite()));
        let pairs = places.map(|&point| {
            let [x, y] = self.place(point);
            format!("{x:.1},{y:.1}")
        });
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// The chart for a page, with its legend below.
    pub(crate) fn figure(&self) -> Markup {
        html! {
            figure {
                figcaption { (self.title) }
                (self.drawing(false))
                @if self.lines.len() > 1 {
                    ul.legend {
                        @for line in &self.lines {
                            li {
                                svg width="26" height="8" aria-hidden="true" {
                                    line x1="0" y1="4" x2="26" y2="4" stroke=(colour(line.colour))
                                        stroke-width="2.5" stroke-dasharray=[line.dashed.then_some("5 3")] {}
                                }
                                (line.name)
                            }
                        }
                    }
                }
            }
        }
    }

    /// The chart as a file of its own, on white.
    pub(crate) fn to_svg(&self) -> String {
        self.drawing(true).into_string()
    }

    fn drawing(&self, alone: bool) -> Markup {
        let height = if alone {
            HEIGHT + 18.0 * self.lines.len() as f64 + 24.0
        } else {
            HEIGHT
        };
        let [left, above, right, below] = MARGIN;
        let (edge, floor) = (WIDTH - right, HEIGHT - below);
        let ink = if alone { "#222" } else { "currentColor" };
        html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-label=(self.title) font-family="system-ui,sans-serif" font-size="11" fill=(ink) {
                @if alone { rect width="100%" height="100%" fill="#fff" {} }
                @for (value, label) in self.y.ticks() {
                    @let [_, y] = self.place([self.x.range[0], value]);
                    line x1=(left) x2=(edge) y1=(n(y)) y2=(n(y)) stroke=(ink) stroke-opacity=".15" {}
                    text x=(left - 6.0) y=(n(y + 4.0)) text-anchor="end" { (label) }
                }
                @for (value, label) in self.x.ticks() {
                    @let [x, _] = self.place([value, self.y.range[0]]);
                    line x1=(n(x)) x2=(n(x)) y1=(above) y2=(floor) stroke=(ink) stroke-opacity=".15" {}
                    text x=(n(x)) y=(floor + 15.0) text-anchor="middle" { (label) }
                }
                text x=(n(0.5 * (left + edge))) y=(HEIGHT - 8.0) text-anchor="middle" { (self.x.name) }
                text transform=(format!("translate(13 {:.0}) rotate(-90)", 0.5 * (above + floor)))
                    text-anchor="middle" { (self.y.name) }
                @for line in &self.lines {
                    polyline points=(self.path(&line.points)) fill="none" stroke=(colour(line.colour))
                        stroke-width="2" stroke-linejoin="round"
                        stroke-dasharray=[line.dashed.then_some("5 3")] {}
                    @if line.dots {
                        @for point in &line.points {
                            @let [x, y] = self.place(*point);
                            circle cx=(n(x)) cy=(n(y)) r="2.6" fill=(colour(line.colour)) {
                                title { (format!("{}: {:.3}", line.name, point[1])) }
                            }
                        }
                    }
                }
                @if alone {
                    (self.legend())
                }
            }
        }
    }

    fn legend(&self) -> Markup {
        html! {
            text x=(MARGIN[0]) y=(HEIGHT + 12.0) font-weight="bold" { (self.title) }
            @for (index, line) in self.lines.iter().enumerate() {
                @let y = HEIGHT + 30.0 + 18.0 * index as f64;
                line x1=(MARGIN[0]) x2=(MARGIN[0] + 26.0) y1=(y - 4.0) y2=(y - 4.0)
                    stroke=(colour(line.colour)) stroke-width="2.5"
                    stroke-dasharray=[line.dashed.then_some("5 3")] {}
                text x=(MARGIN[0] + 34.0) y=(y) { (line.name) }
            }
        }
    }
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// A coordinate without needless digits.
fn n(value: f64) -> PreEscaped<String> {
    PreEscaped(format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_land_where_they_belong_and_names_are_escaped() {
        let chart = Chart {
            title: "a < b".into(),
            x: Axis::unit("x"),
            y: Axis::unit("y"),
            lines: vec![Line {
                name: "<line>".into(),
                points: vec![[0.0, 0.0], [1.0, 1.0], [f64::NAN, 0.5]],
                colour: 0,
                dashed: false,
                dots: false,
            }],
        };
        assert_eq!(chart.path(&chart.lines[0].points), "54.0,256.0 446.0,12.0");
        let svg = chart.to_svg();
        assert!(svg.contains("&lt;line&gt;") && !svg.contains("<line>"));
    }
}
