//! The pixels' values against what the header says of them.

use veraray_datasets::Frame;

use super::super::Found;
use super::super::catalogue::{
    PIXEL_COMB, PIXEL_CONSTANT, PIXEL_EIGHT_BIT, PIXEL_HU, PIXEL_NARROW, PIXEL_RANGE,
    PIXEL_RANGE_LOOSE, PIXEL_RANGE_UNSET, PIXEL_WINDOW,
};
use super::pixel_header::PixelHeader;

/// Fewer pixels than these say nothing of how many grey levels were possible.
const ENOUGH: usize = 128 * 128;
/// Span of stored values from which 256 levels are suspiciously few.
const DEEP: i64 = 1024;
/// Largest range of stored values that is counted.
const COUNTED: i64 = 1 << 20;

/// The values of one frame as stored.
struct Stored {
    /// Number of pixels of every value from `low` on.
    counts: Vec<u32>,
    low: i64,
    high: i64,
    pixels: usize,
}

impl Stored {
    /// Undoes the rescale. `None` where stored values cannot be told from modality values.
    fn of(frame: &Frame, header: &PixelHeader) -> Option<Self> {
        let PixelHeader {
            slope, intercept, ..
        } = *header;
        if frame.channels != 1 || header.indirect || slope == 0.0 || header.stored > 16 {
            return None;
        }
        let raw = |v: f32| ((f64::from(v) - intercept) / slope).round() as i64;
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for &value in &frame.values {
            let value = raw(value);
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high || high - low >= COUNTED {
            return None;
        }
        let mut counts = vec![0_u32; (high - low + 1) as usize];
        for &value in &frame.values {
            let index = (raw(value) - low) as usize;
            counts[index] = counts[index].saturating_add(1);
        }
        let pixels = frame.values.len();
        Some(Self {
            counts,
            low,
            high,
            pixels,
        })
    }

    /// Values that occur, with their counts, padding left out.
    fn used(&self, padding: Option<f64>) -> Vec<(i64, u32)> {
        let all = self.counts.iter().enumerate();
        all.map(|(index, &count)| (self.low + index as i64, count))
            .filter(|&(value, count)| count > 0 && Some(value as f64) != padding)
            .collect()
    }
}

/// Checks the pixels of one of `frames` frames.
pub(super) fn check(frame: &Frame, header: &PixelHeader, frames: u32, found: &mut Found) {
    let Some(stored) = Stored::of(frame, header) else {
        return;
    };
    if stored.low == stored.high {
        let value = stored.low;
        found.push(PIXEL_CONSTANT.note(format!("all pixels of the frame have the value {value}")));
        return;
    }
    if frames == 1 {
        range(&stored, header, found);
    }
    let used = stored.used(header.padding);
    levels(&used, stored.pixels, header, found);
    hounsfield(frame, header, found);
    window(frame, header, found);
}

/// Smallest and Largest Image Pixel Value.
fn range(stored: &Stored, header: &PixelHeader, found: &mut Found) {
    let [Some(smallest), Some(largest)] = header.range else {
        return;
    };
    if smallest == 0.0 && largest == 0.0 {
        found.push(PIXEL_RANGE_UNSET.note("Smallest and Largest Image Pixel Value are both 0"));
        return;
    }
    let (low, high) = (stored.low as f64, stored.high as f64);
    // Lossy coding moves the ends, and some scanners leave out a few pixels at them.
    let share = if header.is_lossless() { 0.005 } else { 0.25 };
    let slack = (share * (high - low)).max(1.0);
    let said = format!(
        "the header says that values run from {smallest} to {largest}, they run from {low} to {high}"
    );
    // Padding may be counted or not.
    let padding = |value: f64| header.padding == Some(value);
    let beyond =
        (low < smallest - slack && !padding(low)) || (high > largest + slack && !padding(high));
    if beyond {
        found.push(PIXEL_RANGE.note(said));
    } else if (low > smallest + slack && !padding(smallest))
        || (high < largest - slack && !padding(largest))
    {
        found.push(PIXEL_RANGE_LOOSE.note(said));
    }
}

/// How many grey levels there are and how they are spaced.
fn levels(used: &[(i64, u32)], pixels: usize, header: &PixelHeader, found: &mut Found) {
    let (Some(first), Some(last)) = (used.first(), used.last()) else {
        return;
    };
    let (count, span) = (used.len(), last.0 - first.0);
    if pixels < ENOUGH || header.stored <= 8 || count < 3 {
        return;
    }
    let stored = header.stored;
    if span >= DEEP && count <= 256 {
        found.push(PIXEL_EIGHT_BIT.note(format!(
            "{count} grey levels over a range of {} at {stored} bits: no more than eight bits hold",
            span + 1
        )));
    } else if span < 256
        && stored >= 10
        && ["CT", "CR", "DX", "MG"].contains(&header.modality.as_str())
    {
        found.push(PIXEL_NARROW.note(format!(
            "values run from {} to {}: {count} levels where {stored} bits are stored",
            first.0, last.0
        )));
    }
    let step = used
        .windows(2)
        .fold(0, |divisor, pair| gcd(divisor, pair[1].0 - pair[0].0));
    if step > 1 && count > 16 {
        found.push(PIXEL_COMB.note(format!("every grey level is {step} apart from the next")));
    } else if let Some(share) = gaps(used).filter(|&share| share > 0.25 && span < 4 * count as i64)
    {
        found.push(PIXEL_COMB.note(format!(
            "{:.0} % of the grey levels between well-filled neighbours are empty",
            share * 100.0
        )));
    }
}

/// The share of empty levels in the range that holds the middle 90 % of the pixels.
fn gaps(used: &[(i64, u32)]) -> Option<f64> {
    let total: u64 = used.iter().map(|&(_, n)| u64::from(n)).sum();
    let (mut seen, mut low, mut high) = (0, None, 0);
    let mut levels = 0_i64;
    for &(value, count) in used {
        seen += u64::from(count);
        if seen * 20 >= total && seen * 20 <= total * 19 {
            low.get_or_insert(value);
            high = value;
            levels += 1;
        }
    }
    let span = high - low? + 1;
    // Levels must hold enough pixels that chance leaves none empty: e^-12 of them otherwise.
    let dense = total * 9 / 10 >= 12 * span.unsigned_abs();
    (span >= 64 && dense).then(|| 1.0 - levels as f64 / span as f64)
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Axial CT shows air, or at least fat.
fn hounsfield(frame: &Frame, header: &PixelHeader, found: &mut Found) {
    let in_units = header
        .rescale_type
        .as_deref()
        .is_none_or(|kind| kind == "HU");
    let localizer = header.image_type.iter().any(|v| v == "LOCALIZER");
    if header.modality != "CT" || !in_units || localizer || frame.values.len() < ENOUGH {
        return;
    }
    let low = frame.values.iter().copied().fold(f32::INFINITY, f32::min);
    if low > -100.0 {
        found.push(PIXEL_HU.note(format!(
            "the lowest of {} CT values is {low} HU: no air and no fat",
            frame.values.len()
        )));
    }
}

fn window(frame: &Frame, header: &PixelHeader, found: &mut Found) {
    let Some([center, width]) = header.window.filter(|_| !header.indirect) else {
        return;
    };
    let fold = |pick: fn(f32, f32) -> f32, start| frame.values.iter().copied().fold(start, pick);
    let low = f64::from(fold(f32::min, f32::INFINITY));
    let high = f64::from(fold(f32::max, f32::NEG_INFINITY));
    let [start, end] = [center - width.abs() / 2.0, center + width.abs() / 2.0];
    if end < low || start > high {
        found.push(PIXEL_WINDOW.note(format!(
            "the window {center} / {width} lies outside the values {low} to {high}"
        )));
    }
}
