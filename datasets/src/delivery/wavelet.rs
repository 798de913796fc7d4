//! The loss of JPEG 2000, without its bit stream.
//!
//! Forward 9/7 wavelet transform by lifting, dead-zone quantisation, and back: what an
//! irreversible JPEG 2000 file does to the pixels (ISO/IEC 15444-1, Annexes E and F). Entropy coding
//! changes nothing in them and is left out.

/// Lifting steps and the scale of the 9/7 filter bank (Annex F, Table F.4).
const LIFTING: [f32; 4] = [-1.586_134_3, -0.052_980_12, 0.882_911_1, 0.443_506_85];
const SCALE: f32 = 1.230_174_1;

/// Levels of decomposition, as most encoders use.
const LEVELS: u32 = 5;

/// Quantises a square plane in place.
///
/// `pixels` are row-major, `side * side`; `step` is the quantiser's step in the finest diagonal band,
/// in grey of `[0, 1]`. Coarser bands get finer steps, in proportion to their synthesis gain.
pub(super) fn quantise(pixels: &mut [f32], side: usize, step: f32) {
    let levels = LEVELS.min(side.ilog2().saturating_sub(2));
    let mut sizes = Vec::new();
    let mut size = side;
    for _ in 0..levels {
        transform(pixels, side, size, forward);
        sizes.push(size);
        size = size.div_ceil(2);
    }
    for (level, &size) in sizes.iter().enumerate() {
        let low = size.div_ceil(2);
        // The norm of a synthesis basis vector doubles with every level.
        let fine = step / (1u32 << level) as f32;
        for y in 0..size {
            for x in 0..size {
                let step = match (y >= low, x >= low) {
                    (false, false) => continue,
                    (true, true) => fine,
                    _ => fine * 0.5,
                };
                let value = &mut pixels[y * side + x];
                let index = (value.abs() / step).floor();
                *value = if index == 0.0 {
                    0.0
                } else {
                    value.signum() * (index + 0.5) * step
                };
            }
        }
    }
    for &size in sizes.iter().rev() {
        transform(pixels, side, size, inverse);
    }
}

/// Applies a one-dimensional transform to the rows and columns of the top-left square.
fn transform(pixels: &mut [f32], stride: usize, size: usize, line: fn(&mut [f32], &mut [f32])) {
    let mut scratch = vec![0.0; size];
    for row in pixels.chunks_exact_mut(stride).take(size) {
        line(&mut row[..size], &mut scratch);
    }
    let mut column = vec![0.0; size];
    for x in 0..size {
        for (y, value) in column.iter_mut().enumerate() {
            *value = pixels[y * stride + x];
        }
        line(&mut column, &mut scratch);
        for (y, value) in column.iter().enumerate() {
            pixels[y * stride + x] = *value;
        }
    }
}

/// One lifting step on the samples of one parity, with symmetric extension at both ends.
fn lift(line: &mut [f32], parity: usize, weight: f32) {
    let count = line.len();
    for index in (parity..count).step_by(2) {
        let left = if index == 0 { 1 } else { index - 1 };
        let right = if index + 1 < count {
            index + 1
        } else {
            index - 1
        };
        line[index] += weight * (line[left] + line[right]);
    }
}

fn forward(line: &mut [f32], scratch: &mut [f32]) {
    for (step, weight) in LIFTING.into_iter().enumerate() {
        lift(line, 1 - step % 2, weight);
    }
    let low = line.len().div_ceil(2);
    for (index, value) in line.iter().enumerate() {
        if index % 2 == 0 {
            scratch[index / 2] = value / SCALE;
        } else {
            scratch[low + index / 2] = value * SCALE;
        }
    }
    line.copy_from_slice(&scratch[..line.len()]);
}

fn inverse(line: &mut [f32], scratch: &mut [f32]) {
    let low = line.len().div_ceil(2);
    for (index, value) in scratch[..line.len()].iter_mut().enumerate() {
        *value = if index % 2 == 0 {
            line[index / 2] * SCALE
        } else {
            line[low + index / 2] / SCALE
        };
    }
    line.copy_from_slice(&scratch[..line.len()]);
    for (step, weight) in LIFTING.into_iter().enumerate().rev() {
        lift(line, 1 - step % 2, -weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture(side: usize) -> Vec<f32> {
        (0..side * side)
            .map(|i| 0.5 + 0.3 * ((i % side) as f32 * 0.7).sin() * ((i / side) as f32 * 0.45).cos())
            .collect()
    }

    fn error(a: &[f32], b: &[f32]) -> f32 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_vanishing_step_gives_the_image_back() {
        for side in [64, 97, 256] {
            let original = texture(side);
            let mut coded = original.clone();
            quantise(&mut coded, side, 1e-6);
            assert!(error(&original, &coded) < 1e-4, "{side}");
        }
    }

    #[test]
    fn a_larger_step_loses_more() {
        let original = texture(128);
        let loss = |step| {
            let mut coded = original.clone();
            quantise(&mut coded, 128, step);
            error(&original, &coded)
        };
        assert!(loss(0.01) < loss(0.05) && loss(0.05) < loss(0.3));
        assert!(loss(0.01) > 1e-4);
    }
}
