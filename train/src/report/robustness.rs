//! The page of a robustness sweep.

use maud::{Markup, html};

use super::chart::{Axis, Chart, Line};
use super::page::{interval, number, page, percent, table, word};
use crate::robustness::{Figures, Robustness, SweepCurve};

/// The sweep as a self-contained page.
pub(crate) fn robustness_page(sweep: &Robustness) -> String {
    let body = html! {
        p.meta {
            (sweep.checkpoint[0]) " · SHA-256 " (sweep.checkpoint[1].get(..12).unwrap_or_default()) "… · split "
            (sweep.split) " · " (sweep.device)
        }
        p {
            (sweep.images[0]) " authentic and " (sweep.images[1]) " manipulated images go through every change "
            "alike. The threshold stays at " (format!("{:.4}", sweep.threshold[0])) ", declared for "
            (percent(sweep.threshold[1])) " false alarms. The dashed line is AUROC of the worst family."
        }
        div.charts {
            @for curve in &sweep.curves { (chart_of(curve, &sweep.untouched).figure()) }
        }
        h2 { "Format swap" }
        p {
            "With one class as JPEG of quality " (sweep.swap.quality) " and the other stored without loss, "
            "then the other way round, balanced accuracy moves by "
            (format!("{:.1}", sweep.swap.balanced_accuracy_points)) " points."
        }
        h2 { "Figures" }
        (figures(sweep))
        @for missing in &sweep.missing { p.meta { "Not tried: " (missing) "." } }
    };
    page("Robustness", &body)
}

fn figures(sweep: &Robustness) -> Markup {
    let row = |name: &str, strength: String, f: &Figures| {
        vec![
            word(name),
            word(&strength),
            interval(f.auroc),
            html! { (number(f.worst_auroc)) " " span.low { (f.worst_family) } },
            percent(f.false_positive_rate),
            percent(f.true_positive_rate),
            percent(f.flipped),
        ]
    };
    let mut rows = vec![row("none", String::new(), &sweep.untouched)];
    for curve in &sweep.curves {
        for (strength, figures) in &curve.points {
            rows.push(row(&curve.name, strength.to_string(), figures));
        }
    }
    let quality = sweep.swap.quality.to_string();
    rows.push(row(
        "authentic as JPEG",
        quality.clone(),
        &sweep.swap.authentic_jpeg,
    ));
    rows.push(row(
        "manipulated as JPEG",
        quality,
        &sweep.swap.manipulated_jpeg,
    ));
    table(
        &[
            "change",
            "strength",
            "AUROC",
            "worst family",
            "false alarms",
            "flagged",
            "verdicts changed",
        ],
        &rows,
    )
}

/// One kind of change as a chart, steps evenly apart, with the untouched image where it belongs.
pub(crate) fn chart_of(curve: &SweepCurve, untouched: &Figures) -> Chart {
    let mut all: Vec<(String, &Figures)> = curve
        .points
        .iter()
        .map(|(strength, figures)| (strength.to_string(), figures))
        .collect();
    let place = curve.neutral.map_or(0, |neutral| {
        curve
            .points
            .partition_point(|(strength, _)| *strength < neutral)
    });
    all.insert(place, ("none".to_owned(), untouched));
    let line = |name: &str, colour: usize, dashed: bool, value: fn(&Figures) -> f64| Line {
        name: name.to_owned(),
        points: all
            .iter()
            .enumerate()
            .map(|(place, (_, figures))| [place as f64, value(figures)])
            .collect(),
        colour,
        dashed,
        dots: true,
    };
    let labels = all.iter().map(|(label, _)| label.clone());
    Chart {
        title: curve.name.replace('_', " "),
        x: Axis {
            name: curve.unit.clone(),
            range: [0.0, curve.points.len() as f64],
            ticks: labels.enumerate().map(|(i, l)| (i as f64, l)).collect(),
        },
        y: Axis::unit(""),
        lines: vec![
            line("AUROC", 0, false, |f| f.auroc[0]),
            line("AUROC, worst family", 0, true, |f| f.worst_auroc),
            line("flagged", 2, false, |f| f.true_positive_rate),
            line("false alarms", 1, false, |f| f.false_positive_rate),
        ],
    }
}
