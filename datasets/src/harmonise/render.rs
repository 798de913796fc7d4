//! Delivers one image as planned.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageBuffer, ImageEncoder, ImageError, Luma};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::survey::{crop, levels};
use super::{HarmoniseError, stretched};
use crate::{Entry, GrayImage, OpenOptions, open};

/// Everything that decides a delivered image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Frame of the original.
    pub frame: u32,
    /// Square of the original: left, top, side in its pixels.
    pub square: [u32; 3],
    /// Side that the square is reduced to first; `None` leaves its pixels alone.
    pub effective: Option<u32>,
    /// Side of the delivered image.
    pub side: u32,
    /// Grey in `[0, 1]` that the quantiles of [`super::survey::LEVELS`] are moved to.
    pub levels: [f64; 7],
    /// JPEG quality; `None`: no lossy step.
    pub quality: Option<u8>,
    /// Names the file; depends on the seed and the original's name alone.
    pub seed: u64,
}

impl Step {
    /// The parameters as the manifest records them.
    pub(super) fn describe(&self) -> String {
        let [x, y, side] = self.square;
        let levels = self.levels.map(|level| format!("{level:.4}")).join("/");
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".into());
        format!(
            "frame={};square={x}/{y}/{side};effective={};side={};levels={levels};quality={}",
            self.frame,
            or_none(self.effective.map(|e| e.to_string())),
            self.side,
            or_none(self.quality.map(|q| q.to_string())),
        )
    }
}

type Plane = ImageBuffer<Luma<f32>, Vec<f32>>;

/// The delivered image and its mask as PNG files.
pub(super) fn render(
    entry: &Entry,
    step: &Step,
) -> Result<(Vec<u8>, Option<Vec<u8>>), HarmoniseError> {
    let mut image = open(&entry.path, &OpenOptions::default())?;
    let gray = image.frame(step.frame)?.to_gray();
    let unusable = |message: String| HarmoniseError::Unusable {
        path: entry.path.clone(),
        message,
    };
    let [x, y, side] = step.square;
    if (x + side) as usize > gray.columns || (y + side) as usize > gray.rows {
        return Err(unusable("the image changed since it was surveyed".into()));
    }
    let mask = match &entry.mask {
        Some(path) => {
            let mask = open(path, &OpenOptions::default())?.frame(0)?.to_gray();
            if (mask.rows, mask.columns) != (gray.rows, gray.columns) {
                return Err(unusable(format!(
                    "the mask is {}×{}, its image {}×{}",
                    mask.rows, mask.columns, gray.rows, gray.columns
                )));
            }
            Some(mask)
        }
        None => None,
    };
    let coded = |error: ImageError| unusable(error.to_string());
    let cut = crop(&gray, step.square);
    let curve = Curve::new(levels(&cut), step.levels);
    let plane = resample(&cut, step);
    let bytes: Vec<u8> = plane
        .pixels()
        .map(|Luma([value])| (curve.at(f64::from(*value)) * 255.0).round() as u8)
        .collect();
    let bytes = match step.quality {
        Some(quality) => through_jpeg(&bytes, step.side, quality).map_err(coded)?,
        None => bytes,
    };
    let picture = png(&dithered(bytes, step.seed), step.side).map_err(coded)?;
    let mask = mask.map(|mask| {
        let plane = resample(&crop(&mask, step.square), step);
        let bytes: Vec<u8> = plane
            .pixels()
            .map(|Luma([value])| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
            .collect();
        png(&bytes, step.side)
    });
    Ok((picture, mask.transpose().map_err(coded)?))
}

/// Reduces to the effective side, then brings to the delivered one, both with Lanczos' window.
fn resample(square: &GrayImage, step: &Step) -> Plane {
    let side = square.rows as u32;
    let plane = Plane::from_raw(side, side, square.pixels.clone()).unwrap_or_default();
    let to = |plane: Plane, side: u32| {
        if plane.width() == side {
            plane
        } else {
            imageops::resize(&plane, side, side, FilterType::Lanczos3)
        }
    };
    let reduced = to(plane, step.effective.unwrap_or(side));
    to(reduced, step.side)
}

/// Monotone piecewise linear grey curve through knots.
struct Curve {
    knots: Vec<(f64, f64)>,
}

impl Curve {
    /// Steepest segment, relative to a plain stretch of the whole range.
    const STEEPEST: f64 = 3.0;

    fn new(from: [f64; 7], to: [f64; 7]) -> Self {
        let (low, high) = (from[0], from[6].max(from[0] + 1.0 / 255.0));
        let plain = stretched(&from);
        // A curve that is too steep would lift grain and rounding; it is mixed with a plain stretch.
        for mix in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let mut knots: Vec<(f64, f64)> = Vec::new();
            for (i, level) in from.iter().enumerate() {
                let target = (1.0 - mix) * to[i] + mix * plain[i];
                match knots.last() {
                    // Quantiles that coincide are one grey level and stay one.
                    Some((last, _)) if level - last < 1.0 / 512.0 => {}
                    Some((_, floor)) => knots.push((*level, target.max(*floor))),
                    None => knots.push((*level, target)),
                }
            }
            let gentle = knots.windows(2).all(|pair| {
                let slope = (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0);
                slope * (high - low) <= Self::STEEPEST
            });
            if gentle || mix == 1.0 {
                return Self { knots };
            }
        }
        Self { knots: Vec::new() }
    }

    /// A straight line from an outer knot to the end of the range.
    fn beyond(value: f64, knot: Option<&(f64, f64)>, end: f64) -> f64 {
        let Some((from, to)) = knot else {
            return value;
        };
        if (end - from).abs() < 1e-6 {
            return *to;
        }
        (to + (end - to) * (value - from) / (end - from)).clamp(0.0, 1.0)
    }

    fn at(&self, value: f64) -> f64 {
        let Some(next) = self.knots.iter().position(|(from, _)| *from > value) else {
            return Self::beyond(value, self.knots.last(), 1.0);
        };
        if next == 0 {
            return Self::beyond(value, self.knots.first(), 0.0);
        }
        let ((x0, y0), (x1, y1)) = (self.knots[next - 1], self.knots[next]);
        (y0 + (y1 - y0) * (value - x0) / (x1 - x0)).clamp(0.0, 1.0)
    }
}

fn through_jpeg(bytes: &[u8], side: u32, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality).write_image(
        bytes,
        side,
        side,
        ExtendedColorType::L8,
    )?;
    let decoded = image::load_from_memory_with_format(&file, image::ImageFormat::Jpeg)?;
    Ok(decoded.into_luma8().into_raw())
}

/// Moves a quarter of the pixels up and a quarter down by one level, so that flat areas and unused
/// levels do not tell how an original was rounded.
fn dithered(mut bytes: Vec<u8>, seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    for chunk in bytes.chunks_mut(16) {
        let mut bits: u32 = rng.random();
        for byte in chunk {
            *byte = match bits & 3 {
                0 => byte.saturating_sub(1),
                1 => byte.saturating_add(1),
                _ => *byte,
            };
            bits >>= 2;
        }
    }
    bytes
}

/// Stored without compression, so that the file's size says nothing of the pixels.
fn png(bytes: &[u8], side: u32) -> Result<Vec<u8>, ImageError> {
    let mut file = Vec::new();
    PngEncoder::new_with_quality(
        &mut file,
        CompressionType::Uncompressed,
        PngFilter::NoFilter,
    )
    .write_image(bytes, side, side, ExtendedColorType::L8)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_passes_its_knots_and_is_monotone() {
        let from = [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.9];
        let to = [0.02, 0.15, 0.3, 0.45, 0.6, 0.8, 0.98];
        let curve = Curve::new(from, to);
        for (from, to) in from.iter().zip(to) {
            assert!((curve.at(*from) - to).abs() < 1e-9);
        }
        assert_eq!((curve.at(0.0), curve.at(1.0)), (0.0, 1.0));
        let steps: Vec<f64> = (0..=100).map(|i| curve.at(f64::from(i) / 100.0)).collect();
        assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn flat_images_are_no_trouble() {
        for flat in [0.0, 0.4, 1.0] {
            let curve = Curve::new([flat; 7], [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]);
            assert!((0.0..=1.0).contains(&curve.at(flat)));
        }
    }
}
