//! The curves picture of a run.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::TrainError;
use crate::log::EpochLog;

/// Draws loss above and validation AUROC per family below, as SVG.
///
/// # Errors
/// [`TrainError::Run`] when the picture cannot be written.
pub fn draw(path: &Path, epochs: &[EpochLog]) -> Result<(), TrainError> {
    let area = SVGBackend::new(path, (960, 720)).into_drawing_area();
    paint(&area, epochs).map_err(|error| TrainError::Run {
        path: path.to_owned(),
        message: format!("the curves could not be drawn: {error}"),
    })
}

type Painted = Result<(), Box<dyn std::error::Error>>;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Whole epochs across, and no finer lines than the labels.
fn mesh(chart: &mut Chart<'_, '_>) -> Painted {
    chart
        .configure_mesh()
        .x_desc("epoch")
        .x_label_formatter(&|epoch| {
            if epoch.fract() == 0.0 {
                format!("{epoch:.0}")
            } else {
                String::new()
            }
        })
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    Ok(())
}

fn paint(area: &DrawingArea<SVGBackend<'_>, Shift>, epochs: &[EpochLog]) -> Painted {
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(300);
    let last = epochs.last().map_or(1, |e| e.epoch).max(2) as f64;
    let highest = epochs.iter().map(|e| e.loss).fold(0.1f64, f64::max);
    let mut chart = ChartBuilder::on(&upper)
        .caption("Training loss", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(1.0..last, 0.0..highest * 1.05)?;
    mesh(&mut chart)?;
    let named = [("total", 0usize), ("logit", 1), ("map", 2)];
    for (name, column) in named {
        let style = Palette99::pick(column).stroke_width(2);
        let series = epochs
            .iter()
            .map(move |e| (e.epoch as f64, [e.loss, e.logit_loss, e.map_loss][column]));
        chart
            .draw_series(LineSeries::new(series, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;

    let families: Vec<&String> = epochs
        .last()
        .map_or(Vec::new(), |e| e.auroc.keys().collect());
    let lowest = epochs
        .iter()
        .flat_map(|e| e.auroc.values().chain(e.delivered_auroc.values()))
        .fold(0.9f64, |a, b| a.min(*b));
    let mut chart = ChartBuilder::on(&lower)
        .caption(
            "Validation AUROC per family (thin: after delivery)",
            ("sans-serif", 18),
        )
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(1.0..last, (lowest - 0.02).max(0.0)..1.005)?;
    mesh(&mut chart)?;
    for (index, family) in families.into_iter().enumerate() {
        let style = Palette99::pick(index).stroke_width(3);
        let series = |pick: fn(&EpochLog) -> &std::collections::BTreeMap<String, f64>| {
            epochs
                .iter()
                .filter_map(move |e| pick(e).get(family).map(|a| (e.epoch as f64, *a)))
        };
        chart
            .draw_series(LineSeries::new(series(|e| &e.auroc), style))?
            .label(family)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
        let thin = Palette99::pick(index).stroke_width(1);
        chart.draw_series(LineSeries::new(series(|e| &e.delivered_auroc), thin))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
