//! Anti-aliased reduction with a Lanczos window of three lobes (Duchon, "Lanczos filtering in one
//! and two dimensions", 1979), separable, in floating point so that full bit depth survives.

/// Resamples a row-major plane from `[rows, columns]` to another size; values are clamped to
/// `[0, 1]`, since the window rings.
#[must_use]
pub fn lanczos3(plane: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let horizontal = weights(from[1], to[1]);
    let mut output = Vec::with_capacity(to[0] * to[1]);
    // Columns first: whole lines are added up, which is fast, and few are left to be reduced.
    let mut reduced = vec![0.0f32; from[1]];
    for (start, taps) in weights(from[0], to[0]) {
        reduced.fill(0.0);
        for (line, weight) in plane[start * from[1]..].chunks_exact(from[1]).zip(taps) {
            for (value, source) in reduced.iter_mut().zip(line) {
                *value += weight * source;
            }
        }
        output.extend(horizontal.iter().map(|(start, taps)| {
            let window = &reduced[*start..*start + taps.len()];
            dot(window, taps).clamp(0.0, 1.0)
        }));
    }
    output
}

/// Sum of the products, in a few sums side by side.
fn dot(values: &[f32], weights: &[f32]) -> f32 {
    let mut sums = [0.0f32; 4];
    for (values, weights) in values.chunks(4).zip(weights.chunks(4)) {
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * weight;
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

/// For every output position, the first input position and the normalised taps.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = 3.0 * stretch;
    (0..to)
        .map(|position| {
            let centre = (position as f64 + 0.5) * scale;
            let start = (centre - support).floor().max(0.0) as usize;
            let end = ((centre + support).ceil() as usize).min(from);
            let taps: Vec<f64> = (start..end)
                .map(|index| window((index as f64 + 0.5 - centre) / stretch))
                .collect();
            let sum: f64 = taps.iter().sum();
            (start, taps.iter().map(|tap| (tap / sum) as f32).collect())
        })
        .collect()
}

fn window(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        return 1.0;
    }
    if x.abs() >= 3.0 {
        return 0.0;
    }
    let angle = std::f64::consts::PI * x;
    3.0 * angle.sin() * (angle / 3.0).sin() / (angle * angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_constant() {
        let output = lanczos3(&vec![0.25; 97 * 61], [97, 61], [31, 20]);
        assert!(output.iter().all(|v| (v - 0.25).abs() < 1e-5));
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let plane: Vec<f32> = (0..64).map(|i| i as f32 / 64.0).collect();
        let output = lanczos3(&plane, [8, 8], [8, 8]);
        assert!(plane.iter().zip(&output).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn a_finer_pattern_than_the_output_can_hold_averages_out() {
        let plane: Vec<f32> = (0..64 * 64)
            .map(|i| ((i % 64 + i / 64) % 2) as f32)
            .collect();
        let output = lanczos3(&plane, [64, 64], [16, 16]);
        // Away from the borders nothing of the checkerboard is left.
        assert!((output[8 * 16 + 8] - 0.5).abs() < 0.01);
    }
}
