//! Traces that processing leaves in pixels and code streams.
//!
//! All of these are hints: the rates at which they err are in `benches/results/inspect`.

mod copy_move;
mod dct;
mod history;
mod resample;
mod tables;

use std::path::Path;

use veraray_datasets::{Frame, jpeg_first_component};

use super::Found;
use super::catalogue::{
    IMAGE_COPY_MOVE, IMAGE_HISTORY, IMAGE_RESAMPLED, JPEG_CUSTOM, JPEG_DOUBLE, JPEG_TABLES,
};

/// Mean difference below which a table counts as the IJG's: implementations round differently.
const NEAR: f64 = 0.5;
/// Larger images are not looked at for traces.
const MAX_PIXELS: u64 = 64 << 20;

/// A grey picture with the grid that a JPEG of it would have.
pub(super) struct Plane {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f32>,
}

/// Quality, tables and sampling of a JPEG code stream, and whether it is a second one.
pub(super) fn code_stream(stream: &[u8], found: &mut Found) {
    let Some(tables) = tables::read(stream) else {
        return;
    };
    let mut sentence = format!("{}-bit {} JPEG", tables.precision, tables.process());
    if let Some(sampling) = tables.sampling() {
        sentence += &format!(", chroma {sampling}");
    }
    let Some(luma) = tables.luma else {
        found.push(JPEG_TABLES.note(sentence));
        return;
    };
    let (quality, distance) = tables::quality(&luma);
    if distance < NEAR {
        sentence += &format!(", IJG quality {quality}");
    } else {
        sentence += &format!(", quantised about as at IJG quality {quality}");
        let kind = tables::known(&luma, stream);
        found.push(JPEG_CUSTOM.note(format!(
            "quantisation table {kind}: differs from the IJG's at quality {quality} by {distance:.1} \
             on average"
        )));
    }
    found.fact("JPEG quality", format!("{quality}"));
    found.push(JPEG_TABLES.note(sentence));
    if tables.precision != 8 {
        return;
    }
    let Ok(component) = jpeg_first_component(Path::new("JPEG"), stream, MAX_PIXELS) else {
        return;
    };
    let plane = Plane {
        rows: component.rows as usize,
        columns: component.columns as usize,
        values: component.samples,
    };
    if let Some(hit) = history::double(&plane, &luma) {
        found.push(JPEG_DOUBLE.note(format!(
            "compressed before, at about IJG quality {} (evidence {:.2} per coefficient, limit {:.2})",
            hit.quality,
            hit.evidence,
            history::DOUBLE_LIMIT
        )));
    }
}

/// Traces in decoded pixels. `lossless`: nothing lossy stands between file and pixels.
pub(super) fn pixels(frame: &Frame, lossless: bool, found: &mut Found) {
    let size = u64::from(frame.rows) * u64::from(frame.columns);
    if size > MAX_PIXELS {
        return;
    }
    let plane = Plane::of(frame);
    let mut blocked = !lossless;
    if lossless
        && let Some(eight) = plane.eight_bit()
        && let Some((hit, [x, y])) = history::earlier(&eight)
    {
        blocked = true;
        let crop = match [x, y] {
            [0, 0] => "on the image's own grid".to_owned(),
            [x, y] => format!("on a grid shifted by {x}, {y}: cropped since"),
        };
        found.push(IMAGE_HISTORY.note(format!(
            "the pixels were a JPEG of about IJG quality {}, {crop} (evidence {:.2} per coefficient, \
             limit {:.2})",
            hit.quality,
            hit.evidence,
            history::EARLIER_LIMIT
        )));
    }
    if let Some(hit) = resample::find(&plane, blocked) {
        found.push(IMAGE_RESAMPLED.note(format!(
            "periodic at {:.3} of the pixel rate in both directions, {:.1} times above its \
             surroundings (limit {:.1}): enlarged by about {}",
            hit.frequency,
            hit.strength,
            resample::LIMIT,
            hit.factors()
        )));
    }
    if let Some(hit) = copy_move::find(&plane) {
        let place = |[top, left, bottom, right]: [usize; 4]| {
            format!("columns {left}–{right}, rows {top}–{bottom}")
        };
        let [own, other] = hit.places.map(place);
        found.push(IMAGE_COPY_MOVE.note(format!(
            "the same grain stands at {own} and{} at {other} (correlation {:.2} over {} places, at \
             least {}): copied within the image",
            if hit.mirrored { ", mirrored," } else { "" },
            hit.correlation,
            hit.area,
            copy_move::LEAST
        )));
    }
}

impl Plane {
    /// Grey values; colour as luma (ITU-R BT.601), which is what a JPEG's first component holds.
    fn of(frame: &Frame) -> Self {
        let values = match frame.channels {
            3 => {
                let luma = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
                frame.values.chunks_exact(3).map(luma).collect()
            }
            _ => frame.values.clone(),
        };
        Self {
            rows: frame.rows as usize,
            columns: frame.columns as usize,
            values,
        }
    }

    /// The plane on the scale of eight bits, where its values are an affine image of such: deeper
    /// images that were made from eight bits are, too. `None` for deeper ones.
    fn eight_bit(&self) -> Option<Self> {
        let fold = |pick: fn(f32, f32) -> f32, start| self.values.iter().copied().fold(start, pick);
        let (low, high) = (
            fold(f32::min, f32::INFINITY),
            fold(f32::max, f32::NEG_INFINITY),
        );
        // Stored values are at most 2^20 apart, or this is no picture of integers.
        if !(1.0..1e6).contains(&(high - low)) {
            return None;
        }
        let mut step = 0_i64;
        for &value in &self.values {
            let distance = f64::from(value - low);
            if (distance - distance.round()).abs() > 0.01 {
                step = 1;
                break;
            }
            let (mut a, mut b) = (step, distance.round() as i64);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            step = a;
            if step == 1 {
                break;
            }
        }
        let step = step.max(1) as f32;
        ((high - low) / step < 256.0).then(|| Self {
            rows: self.rows,
            columns: self.columns,
            values: self.values.iter().map(|v| (v - low) / step).collect(),
        })
    }
}
