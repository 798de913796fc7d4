//! What harmonising must know of an image before it can match it with others.

use crate::audit::framing::margins;
use crate::audit::texture::{RADIAL, radial_spectrum};
use crate::{Entry, Frame, GrayImage, Image, OpenError, OpenOptions, open};

/// Quantiles of grey that are matched; the ends become black and white.
pub(super) const LEVELS: [f64; 7] = [0.005, 0.10, 0.25, 0.50, 0.75, 0.90, 0.995];

/// Properties of one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Survey {
    /// The frame that stands for the image: the middle one.
    pub frame: u32,
    /// Largest centred square inside the constant margins: left, top, side.
    pub square: [u32; 3],
    /// Share of the square's pixels that carry detail, in `(0, 1]`: below 1 for images that were
    /// enlarged before.
    pub bandwidth: f64,
    /// JPEG quality on the IJG scale, 100 for anything else.
    pub quality: f64,
    /// Millimetres per pixel, when the file says so.
    pub pitch: Option<f64>,
    /// Grey at [`LEVELS`] within the square.
    pub levels: [f64; 7],
}

/// Looks at an image.
pub(super) fn survey(entry: &Entry) -> Result<Survey, OpenError> {
    let mut image = open(&entry.path, &OpenOptions::default())?;
    let (frame, gray) = middle(&mut image)?;
    let square = centred_square(&gray);
    let cut = crop(&gray, square);
    let quality = crate::audit::jpeg_quality(&entry.path, image.info().format)?;
    let spacing = image.info().pixel_spacing;
    Ok(Survey {
        frame,
        square,
        bandwidth: bandwidth(&radial_spectrum(&cut)),
        quality,
        pitch: spacing.map(|[row, _]| f64::from(row)).filter(|p| *p > 0.0),
        levels: levels(&cut),
    })
}

/// The middle frame as shown on screen.
pub(super) fn middle(image: &mut Image) -> Result<(u32, GrayImage), OpenError> {
    let index = image.info().frames / 2;
    let frame: Frame = image.frame(index)?;
    Ok((index, frame.to_gray()))
}

/// The largest centred square inside the constant margins.
fn centred_square(image: &GrayImage) -> [u32; 3] {
    let [top, bottom, left, right] = margins(image);
    let (rows, columns) = (image.rows - top - bottom, image.columns - left - right);
    let side = rows.min(columns);
    let x = left + (columns - side) / 2;
    let y = top + (rows - side) / 2;
    [x as u32, y as u32, side as u32]
}

/// A square part of an image.
pub(super) fn crop(image: &GrayImage, [x, y, side]: [u32; 3]) -> GrayImage {
    let (x, y, side) = (x as usize, y as usize, side as usize);
    let mut pixels = Vec::with_capacity(side * side);
    for row in y..y + side {
        let start = row * image.columns + x;
        pixels.extend_from_slice(&image.pixels[start..start + side]);
    }
    GrayImage {
        rows: side,
        columns: side,
        pixels,
    }
}

/// Grey at [`LEVELS`] after averaging to about 128 pixels, so that grain and resolution move them
/// little.
pub(super) fn levels(square: &GrayImage) -> [f64; 7] {
    let step = square.rows.div_ceil(128).max(1);
    let mut means = Vec::new();
    for y in (0..square.rows).step_by(step) {
        for x in (0..square.columns).step_by(step) {
            let (y1, x1) = ((y + step).min(square.rows), (x + step).min(square.columns));
            let mut sum = 0.0;
            for row in y..y1 {
                let line = &square.pixels[row * square.columns..][x..x1];
                sum += line.iter().sum::<f32>();
            }
            means.push(f64::from(sum) / ((y1 - y) * (x1 - x)) as f64);
        }
    }
    means.sort_by(f64::total_cmp);
    LEVELS.map(|share| means[((means.len() - 1) as f64 * share).round() as usize])
}

/// Share of the frequency range that carries detail.
///
/// Power of natural images falls as a power of frequency (Field, 1987). Where an image was enlarged,
/// or its fine detail quantised away, it drops by tens of decibels below the line that its low
/// frequencies draw, and stays there. Generators that draw softly stay above, and so does an image
/// that was enlarged by less than about three: the spectrum alone cannot tell those two apart.
fn bandwidth(radial: &[f64; RADIAL]) -> f64 {
    /// Twenty decibels in natural logarithms of power.
    const DROP: f64 = 4.61;
    const LOW: std::ops::RangeInclusive<usize> = 2..=8;
    let log = |ring: usize| (ring as f64 + 0.5).ln();
    let count = LOW.count() as f64;
    let centre = LOW.map(log).sum::<f64>() / count;
    let mean = LOW.map(|ring| radial[ring]).sum::<f64>() / count;
    let top: f64 = LOW.map(|ring| (log(ring) - centre) * radial[ring]).sum();
    let bottom: f64 = LOW.map(|ring| (log(ring) - centre).powi(2)).sum();
    // Flat spectra would promise power that no image has; steep ones would hide a drop.
    let slope = (top / bottom).clamp(-3.5, -1.0);
    let line = |ring: usize| mean + slope * (log(ring) - centre);
    let kept = (9..RADIAL)
        .rev()
        .take_while(|&ring| line(ring) - radial[ring] > DROP)
        .last()
        .unwrap_or(RADIAL);
    let share = kept as f64 / RADIAL as f64;
    // The last rings of many images lie low; that is no sign of enlargement.
    if share > 0.8 { 1.0 } else { share }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::imageops::{self, FilterType};
    use image::{ImageBuffer, Luma};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    type Plane = ImageBuffer<Luma<f32>, Vec<f32>>;

    /// White noise at every scale, so that power falls with frequency.
    fn natural(side: u32) -> Plane {
        let mut rng = StdRng::seed_from_u64(1);
        let mut sum = Plane::new(side, side);
        for octave in 0..6 {
            let small = side >> octave;
            let noise = Plane::from_fn(small, small, |_, _| Luma([rng.random::<f32>()]));
            let large = imageops::resize(&noise, side, side, FilterType::CatmullRom);
            for (total, part) in sum.pixels_mut().zip(large.pixels()) {
                total.0[0] += part.0[0] / 6.0;
            }
        }
        sum
    }

    fn gray(image: &Plane) -> GrayImage {
        GrayImage {
            rows: image.height() as usize,
            columns: image.width() as usize,
            pixels: image
                .pixels()
                .map(|p| (p.0[0].clamp(0.0, 1.0) * 255.0).round() / 255.0)
                .collect(),
        }
    }

    #[test]
    fn enlargement_is_seen_and_native_detail_is_not_taken_for_it() {
        let native = natural(256);
        assert_eq!(bandwidth(&radial_spectrum(&gray(&native))), 1.0);
        let small = imageops::resize(&native, 64, 64, FilterType::Lanczos3);
        let enlarged = imageops::resize(&small, 256, 256, FilterType::Lanczos3);
        let found = bandwidth(&radial_spectrum(&gray(&enlarged)));
        assert!((0.25..0.75).contains(&found), "{found}");
    }

    #[test]
    fn the_square_lies_inside_the_margins() {
        let framed = GrayImage {
            rows: 60,
            columns: 100,
            pixels: (0..6000)
                .map(|i| {
                    let (y, x) = (i / 100, i % 100);
                    let inside = (10..60).contains(&y) && (20..100).contains(&x);
                    if inside {
                        ((x * 7 + y * 13) % 17) as f32 / 17.0
                    } else {
                        0.0
                    }
                })
                .collect(),
        };
        assert_eq!(centred_square(&framed), [35, 10, 50]);
    }
}
