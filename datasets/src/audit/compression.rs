//! What block-wise lossy compression leaves in decoded pixels.
//!
//! Blockiness compares differences across an 8×8 grid's lines with those within blocks (Fan & de
//! Queiroz, "Identification of bitmap compression history", IEEE TIP 2003). Quantised cosine
//! coefficients stand on multiples of a step, and twice quantised ones on a pattern of gaps (Popescu
//! & Farid, "Statistical tools for digital forensics", 2004): both show as periodicity of their
//! histogram.

use crate::GrayImage;

/// Largest step that is looked for.
const STEPS: std::ops::RangeInclusive<usize> = 2..=24;

/// Blocks that are transformed.
const BLOCKS: usize = 1024;

/// Low frequencies, where coefficients are large enough to show a step.
const FREQUENCIES: [[usize; 2]; 6] = [[0, 1], [1, 0], [1, 1], [0, 2], [2, 0], [1, 2]];

/// Log ratio of the grid's differences to the others at phase 0; the largest at any other phase
/// (compressed, then cropped); strongest and second periodicity in `[-1, 1]`; their step.
pub(super) fn features(image: &GrayImage) -> [f64; 5] {
    let [aligned, shifted] = blockiness(image);
    let [first, second, step] = periodicity(image);
    [aligned, shifted, first, second, step]
}

fn blockiness(image: &GrayImage) -> [f64; 2] {
    let (rows, columns) = (image.rows, image.columns);
    let at = |y: usize, x: usize| image.pixels[y * columns + x];
    // How much a step between two pixels exceeds its neighbours: edges cancel, block lines do not.
    let excess =
        |a: f32, b: f32, c: f32, d: f32| (b - c).abs() - 0.5 * ((a - b).abs() + (c - d).abs());
    let mut across = vec![0.0f32; columns.saturating_sub(1)];
    let mut down = vec![0.0f32; rows.saturating_sub(1)];
    for y in 0..rows {
        for (x, sum) in across.iter_mut().enumerate().skip(2) {
            *sum += excess(at(y, x - 2), at(y, x - 1), at(y, x), at(y, x + 1)) / rows as f32;
        }
    }
    for (y, sum) in down.iter_mut().enumerate().skip(2) {
        for x in 0..columns {
            *sum += excess(at(y - 2, x), at(y - 1, x), at(y, x), at(y + 1, x)) / columns as f32;
        }
    }
    let mut result = [0.0f64; 2];
    for lines in [&across, &down] {
        // Medians: a grid runs through the whole image, a margin or a caption has one line.
        let phases: [f64; 8] = std::array::from_fn(|phase| {
            let mut own: Vec<f32> = lines
                .iter()
                .skip(2 + (phase + 6) % 8)
                .step_by(8)
                .copied()
                .collect();
            own.sort_by(f32::total_cmp);
            own.get(own.len() / 2).map_or(0.0, |v| f64::from(*v))
        });
        let centre = phases.iter().sum::<f64>() / 8.0;
        let spread = phases.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / 8.0;
        // In units of the spread that all phases share; the floor is a tenth of a grey level.
        let scale = spread.sqrt().max(0.1 / 255.0 / 8.0);
        let others = phases[1..].iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        result[0] += 0.5 * (phases[0] - centre) / scale;
        result[1] += 0.5 * (others - centre) / scale;
    }
    result
}

/// Mean over frequencies of the strongest periodicity, of the strongest one that is no multiple or
/// divisor of it, and of its step.
fn periodicity(image: &GrayImage) -> [f64; 3] {
    let (across, down) = (image.columns / 8, image.rows / 8);
    let total = across * down;
    if total < 16 {
        return [0.0; 3];
    }
    let basis = basis();
    let stride = total.div_ceil(BLOCKS).max(1);
    let mut coefficients: [Vec<f32>; 6] = Default::default();
    for block in (0..total).step_by(stride) {
        let (top, left) = (block / across * 8, block % across * 8);
        for (list, [v, u]) in coefficients.iter_mut().zip(FREQUENCIES) {
            let mut sum = 0.0;
            for y in 0..8 {
                let line = &image.pixels[(top + y) * image.columns + left..][..8];
                let inner: f32 = line.iter().zip(&basis[u]).map(|(p, w)| p * w).sum();
                sum += basis[v][y] * inner;
            }
            list.push(sum * 255.0);
        }
    }
    let mut result = [0.0; 3];
    // Frequencies without large coefficients say nothing of steps; averaging them in would measure
    // texture.
    let telling = |list: &&Vec<f32>| list.iter().filter(|c| c.abs() > 12.0).count() >= 64;
    let lists: Vec<&Vec<f32>> = coefficients.iter().filter(telling).collect();
    let share = 1.0 / lists.len().max(1) as f64;
    for list in lists {
        let strength = |step: usize| -> f64 {
            let period = std::f32::consts::TAU / step as f32;
            // Small coefficients are rounded to nothing and would vote for every step.
            let large = list.iter().filter(|c| c.abs() > 0.6 * step as f32);
            let (mut sum, mut count) = (0.0f64, 0.0f64);
            for c in large {
                sum += f64::from((c * period).cos());
                count += 1.0;
            }
            // The largest of many means of few coefficients lies above 0 by itself.
            let by_chance = ((STEPS.count() as f64).ln() / count.max(1.0)).sqrt();
            if count < 48.0 {
                0.0
            } else {
                (sum / count - by_chance).max(0.0)
            }
        };
        let strengths: Vec<(usize, f64)> = STEPS.map(|step| (step, strength(step))).collect();
        let best = strengths
            .iter()
            .copied()
            .fold((1, 0.0), |a, b| if b.1 > a.1 { b } else { a });
        // Steps near the best one, and its multiples and divisors, only repeat it.
        let other = |step: usize| {
            !step.is_multiple_of(best.0)
                && !best.0.is_multiple_of(step)
                && 3 * step.abs_diff(best.0) > best.0
        };
        let second = strengths
            .iter()
            .filter(|(step, _)| other(*step))
            .fold(0.0f64, |a, b| a.max(b.1));
        result[0] += share * best.1;
        result[1] += share * second;
        result[2] += best.0 as f64 * share * best.1;
    }
    result
}

/// The orthonormal cosine basis of length 8, its lowest three frequencies.
fn basis() -> [[f32; 8]; 3] {
    std::array::from_fn(|k| {
        let scale = if k == 0 { 0.125f32 } else { 0.25 }.sqrt();
        std::array::from_fn(|n| {
            scale * (std::f32::consts::PI * (n as f32 + 0.5) * k as f32 / 8.0).cos()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture() -> image::GrayImage {
        image::GrayImage::from_fn(256, 256, |x, y| {
            let wave = (x as f32 * 0.13).sin() * (y as f32 * 0.07).cos();
            let grain = (x * 7919 + y * 104_729 + x * y * 31) % 41;
            image::Luma([(110.0 + 60.0 * wave + grain as f32) as u8])
        })
    }

    fn gray(image: &image::GrayImage) -> GrayImage {
        GrayImage {
            rows: image.height() as usize,
            columns: image.width() as usize,
            pixels: image.pixels().map(|p| f32::from(p.0[0]) / 255.0).collect(),
        }
    }

    fn through_jpeg(image: &image::GrayImage, quality: u8) -> image::GrayImage {
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode_image(image)
            .unwrap();
        image::load_from_memory(&bytes).unwrap().into_luma8()
    }

    #[test]
    fn jpeg_leaves_its_grid_and_its_steps() {
        let plain = features(&gray(&texture()));
        let pressed = features(&gray(&through_jpeg(&texture(), 60)));
        assert!(pressed[0] > plain[0] + 0.5, "{plain:?} {pressed:?}");
        assert!(pressed[2] > plain[2] + 0.3, "{plain:?} {pressed:?}");
        // The steps of quality 60 for the lowest frequencies are 9 to 11.
        assert!((6.0..14.0).contains(&pressed[4]), "{pressed:?}");
        // Cropped by three pixels, the grid stands at another phase.
        let pressed = through_jpeg(&texture(), 60);
        let cropped = image::imageops::crop_imm(&pressed, 3, 3, 240, 240).to_image();
        let cropped = features(&gray(&cropped));
        assert!(cropped[1] > plain[1] + 0.5, "{plain:?} {cropped:?}");
    }
}
