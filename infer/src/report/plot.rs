//! Small charts as SVG, in the colours of the page they stand in.

use std::fmt::Write as _;

use maud::{Markup, html};

/// Bars by score with the threshold as a line and the scores that are not judged shaded.
pub(crate) fn histogram(counts: &[u64], threshold: f64, band: Option<[f64; 2]>) -> Markup {
    let (width, height) = (480.0, 90.0);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let scale = height / (most as f64).ln_1p();
    let bar = width / counts.len().max(1) as f64;
    html! {
        svg viewBox=(format!("-4 -6 {} {}", width + 8.0, height + 26.0)) width=(width) role="img"
            aria-label="Number of images by score" {
            @if let Some([low, high]) = band {
                rect x=(px(low * width)) y="0" width=(px((high.min(threshold) - low).max(0.0) * width))
                    height=(height) fill="currentColor" opacity="0.1" {}
            }
            @for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                @let tall = ((*count as f64).ln_1p() * scale).max(1.0);
                rect x=(px(index as f64 * bar + 0.5)) y=(px(height - tall)) width=(px(bar - 1.0))
                    height=(px(tall)) fill="currentColor" opacity="0.55" {
                    title { (count) " images" }
                }
            }
            line x1="0" x2=(width) y1=(height) y2=(height) stroke="currentColor" opacity="0.4" {}
            (line_at(threshold * width, 0.0, height))
            (labels(&[(0.0, "0"), (0.5, "0.5"), (1.0, "1")], width, height + 15.0))
        }
    }
}

/// A score on the scale from 0 to 1, with the threshold and the scores that are not judged.
pub(crate) fn gauge(score: f64, threshold: f64, band: Option<[f64; 2]>) -> Markup {
    let width = 480.0;
    html! {
        svg viewBox=(format!("-10 -4 {} 44", width + 20.0)) width=(width) role="img"
            aria-label=(format!("Score {score:.3} with the threshold at {threshold:.3}")) {
            rect x="0" y="8" width=(width) height="10" rx="5" fill="currentColor" opacity="0.14" {}
            @if let Some([low, high]) = band {
                rect x=(px(low * width)) y="8" width=(px((high.min(threshold) - low).max(0.0) * width))
                    height="10" fill="currentColor" opacity="0.22" {}
            }
            (line_at(threshold * width, 3.0, 23.0))
            circle cx=(px(score * width)) cy="13" r="7" fill="var(--ink)" stroke="var(--card)"
                stroke-width="2" {}
            (labels(&[(0.0, "0"), (0.5, "0.5"), (1.0, "1")], width, 37.0))
        }
    }
}

/// Bars to both sides of zero, one per name, in units of the logit; `largest` fills one side.
pub(crate) fn balance_bars(rows: &[(String, f64)], largest: f64) -> Markup {
    let most = largest.max(1e-6);
    html! {
        table.bars {
            thead { tr {
                th scope="col" { "Part" }
                th.number scope="col" { "Logit" }
                th.ends scope="col" { "authentic | manipulated" }
            } }
            tbody {
                @for (name, value) in rows {
                    @let share = (value.abs() / most * 100.0).min(100.0);
                    tr {
                        td { (name) }
                        td.number { (signed(*value)) }
                        td.bar {
                            svg viewBox="0 0 200 14" preserveAspectRatio="none" aria-hidden="true" {
                                line x1="100" x2="100" y1="0" y2="14" stroke="currentColor" opacity="0.4" {}
                                rect x=(px(if *value < 0.0 { 100.0 - share } else { 100.0 })) y="2"
                                    width=(px(share)) height="10"
                                    fill=(if *value < 0.0 { "#4a86c5" } else { "#d9752b" }) {}
                            }
                        }
                    }
                }
            }
        }
    }
}

/// An estimate with its interval on a scale.
pub(crate) fn interval(estimate: f64, low: f64, high: f64, range: [f64; 2]) -> Markup {
    let axis = Axis {
        name: "",
        range,
        ticks: Vec::new(),
    };
    let at = |value: f64| px(axis.place(value, 200.0));
    html! {
        svg viewBox="-6 0 212 16" role="img"
            aria-label=(format!("{estimate:.3}, from {low:.3} to {high:.3}")) {
            line x1="0" x2="200" y1="8" y2="8" stroke="currentColor" opacity="0.2" {}
            line x1=(at(low)) x2=(at(high)) y1="8" y2="8" stroke="var(--link)" stroke-width="4" {}
            circle cx=(at(estimate)) cy="8" r="4.5" fill="var(--ink)" {}
        }
    }
}

/// Estimates side by side with their intervals, `[estimate, low, high]` each, on a scale from 0 to
/// `end`. As many names are written as there is room for.
pub(crate) fn points(label: &str, unit: &str, points: &[(&str, [f64; 3])], end: f64) -> Markup {
    /// Room that a name takes.
    const NAME: f64 = 58.0;
    let (width, height) = (640.0, 200.0);
    let axis = Axis {
        name: "",
        range: [0.0, end],
        ticks: ticks([0.0, end], 5),
    };
    let step = width / points.len().max(1) as f64;
    let every = (NAME / step).ceil().max(1.0) as usize;
    let down = |value: f64| px(height - axis.place(value, height));
    html! {
        svg viewBox=(format!("-46 -8 {} {}", width + 56.0, height + 34.0)) width=(width + 56.0)
            role="img" aria-label=(label) {
            @for (value, text) in &axis.ticks {
                line x1="0" x2=(width) y1=(down(*value)) y2=(down(*value)) stroke="currentColor"
                    opacity="0.15" {}
                text x="-6" y=(down(*value)) text-anchor="end" dominant-baseline="middle" {
                    (text) " " (unit)
                }
            }
            @for (index, (name, [estimate, low, high])) in points.iter().enumerate() {
                @let across = px((index as f64 + 0.5) * step);
                g {
                    title { (format!("{name}: {estimate:.2} {unit}, {low:.2} to {high:.2}")) }
                    line x1=(across) x2=(across) y1=(down(*low)) y2=(down(*high)) stroke="var(--link)"
                        stroke-width="4" {}
                    circle cx=(across) cy=(down(*estimate)) r="4.5" fill="var(--ink)" {}
                }
                @if index % every == 0 {
                    text x=(across) y=(height + 18.0) text-anchor="middle" { (name) }
                }
            }
            line x1="0" x2=(width) y1=(height) y2=(height) stroke="currentColor" opacity="0.5" {}
        }
    }
}

/// A line chart's axis.
pub(crate) struct Axis<'a> {
    pub(crate) name: &'a str,
    pub(crate) range: [f64; 2],
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis<'_> {
    fn place(&self, value: f64, length: f64) -> f64 {
        let [low, high] = self.range;
        ((value - low) / (high - low)).clamp(0.0, 1.0) * length
    }
}

/// Evenly spaced round ticks within a range.
pub(crate) fn ticks([low, high]: [f64; 2], about: usize) -> Vec<(f64, String)> {
    let raw = (high - low) / about.max(1) as f64;
    if !(raw.is_finite() && raw > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= raw * 0.999)
        .unwrap_or(10.0 * power);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last.min(first + 20))
        .map(|index| {
            let value = index as f64 * step;
            (value, format!("{value:.digits$}"))
        })
        .collect()
}

/// A line, with an optional band around it and a horizontal rule.
pub(crate) fn chart(
    label: &str,
    x: &Axis<'_>,
    y: &Axis<'_>,
    lines: &[&[[f64; 2]]],
    band: &[[f64; 3]],
    rule: Option<f64>,
) -> Markup {
    let (width, height) = (440.0, 220.0);
    let at = |point: [f64; 2]| {
        format!(
            "{},{}",
            px(x.place(point[0], width)),
            px(height - y.place(point[1], height))
        )
    };
    let mut area = String::new();
    for [along, low, _] in band {
        let _ = write!(area, "{} ", at([*along, *low]));
    }
    for [along, _, high] in band.iter().rev() {
        let _ = write!(area, "{} ", at([*along, *high]));
    }
    html! {
        svg viewBox=(format!("-46 -8 {} {}", width + 56.0, height + 52.0)) width=(width + 56.0)
            role="img" aria-label=(label) {
            @for (value, text) in &y.ticks {
                @let down = px(height - y.place(*value, height));
                line x1="0" x2=(width) y1=(down) y2=(down) stroke="currentColor" opacity="0.15" {}
                text x="-6" y=(down) text-anchor="end" dominant-baseline="middle" { (text) }
            }
            @for (value, text) in &x.ticks {
                @let across = px(x.place(*value, width));
                line x1=(across) x2=(across) y1=(height) y2=(height + 4.0) stroke="currentColor" {}
                text x=(across) y=(height + 18.0) text-anchor="middle" { (text) }
            }
            line x1="0" x2=(width) y1=(height) y2=(height) stroke="currentColor" opacity="0.5" {}
            @if !area.is_empty() {
                polygon points=(area) fill="var(--link)" opacity="0.2" {}
            }
            @for (index, line) in lines.iter().enumerate() {
                polyline points=(line.iter().map(|point| at(*point)).collect::<Vec<_>>().join(" "))
                    fill="none" stroke="var(--link)" stroke-width="2" stroke-linejoin="round"
                    stroke-dasharray=[(index > 0).then_some("4 4")] {}
            }
            @if let Some(rule) = rule {
                @let down = px(height - y.place(rule, height));
                line x1="0" x2=(width) y1=(down) y2=(down) stroke="var(--flagged)"
                    stroke-width="1.5" stroke-dasharray="6 3" {}
            }
            text x=(width / 2.0) y=(height + 38.0) text-anchor="middle" { (x.name) }
            text x=(-height / 2.0) y="-36" text-anchor="middle" transform="rotate(-90)" { (y.name) }
        }
    }
}

fn line_at(x: f64, top: f64, bottom: f64) -> Markup {
    html! {
        line x1=(px(x)) x2=(px(x)) y1=(top) y2=(bottom) stroke="var(--flagged)" stroke-width="2" {}
    }
}

fn labels(marks: &[(f64, &str)], width: f64, y: f64) -> Markup {
    html! {
        @for (share, text) in marks {
            text x=(px(share * width)) y=(y) text-anchor="middle" opacity="0.75" { (text) }
        }
    }
}

/// A number with its sign, for logits.
pub(crate) fn signed(value: f64) -> String {
    let text = format!("{value:+.2}");
    // "+0.00" and "-0.00" say nothing of a direction.
    match text.as_str() {
        "+0.00" | "-0.00" => "0.00".into(),
        _ => text.replace('-', "\u{2212}"),
    }
}

/// A coordinate, to a tenth of a pixel; what is no number is 0.
fn px(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let texts = |range, about| -> Vec<String> {
            ticks(range, about)
                .into_iter()
                .map(|(_, text)| text)
                .collect()
        };
        assert_eq!(
            texts([0.0, 0.5], 5),
            ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]
        );
        assert_eq!(texts([-7.0, 12.0], 4), ["-5", "0", "5", "10"]);
        assert!(ticks([1.0, 1.0], 4).is_empty() && ticks([0.0, f64::NAN], 4).is_empty());
    }

    #[test]
    fn numbers_carry_their_sign() {
        assert_eq!(signed(1.234), "+1.23");
        assert_eq!(signed(-1.5), "\u{2212}1.50");
        assert_eq!(signed(-0.001), "0.00");
    }
}
