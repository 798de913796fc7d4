//! Plain filters on grey planes, edges repeated.

use veraray_datasets::GrayImage;

/// A plane under a Gaussian of `sigma` pixels; itself for 0.
pub(crate) fn blurred(plane: &[f32], [rows, columns]: [usize; 2], sigma: f64) -> Vec<f32> {
    if sigma <= 0.0 {
        return plane.to_vec();
    }
    let reach = (3.0 * sigma).ceil() as isize;
    let mut taps: Vec<f32> = (-reach..=reach)
        .map(|at| (-(at as f64).powi(2) / (2.0 * sigma * sigma)).exp() as f32)
        .collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    let at = |position: isize, length: usize| position.clamp(0, length as isize - 1) as usize;
    let mut lines = vec![0.0; plane.len()];
    for row in 0..rows {
        let line = &plane[row * columns..(row + 1) * columns];
        for column in 0..columns {
            lines[row * columns + column] = (-reach..=reach)
                .zip(&taps)
                .map(|(offset, tap)| tap * line[at(column as isize + offset, columns)])
                .sum();
        }
    }
    let mut output = vec![0.0_f32; plane.len()];
    for row in 0..rows {
        let target = &mut output[row * columns..(row + 1) * columns];
        for (offset, tap) in (-reach..=reach).zip(&taps) {
            let from = at(row as isize + offset, rows) * columns;
            for (value, source) in target.iter_mut().zip(&lines[from..from + columns]) {
                *value += tap * source;
            }
        }
    }
    output
}

/// The 3×3 second-order residual that the detector looks at too (Ker and Böhme's kernel; Fridrich
/// and Kodovský, "Rich models for steganalysis of digital images", 2012): what a smooth surface does
/// not explain.
pub(crate) fn residual(image: &GrayImage) -> Vec<f32> {
    const KERNEL: [[f32; 3]; 3] = [[-0.25, 0.5, -0.25], [0.5, -1.0, 0.5], [-0.25, 0.5, -0.25]];
    convolved(image, KERNEL)
}

/// Immerkær's mask, which a plane and its slope do not excite ("Fast noise variance estimation",
/// Computer Vision and Image Understanding, 1996).
pub(crate) fn noise_mask(image: &GrayImage) -> Vec<f32> {
    convolved(
        image,
        [[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]],
    )
}

fn convolved(image: &GrayImage, kernel: [[f32; 3]; 3]) -> Vec<f32> {
    let (rows, columns) = (image.rows, image.columns);
    let mut output = vec![0.0; rows * columns];
    for row in 0..rows {
        let lines = [row.saturating_sub(1), row, (row + 1).min(rows - 1)];
        for column in 0..columns {
            let places = [
                column.saturating_sub(1),
                column,
                (column + 1).min(columns - 1),
            ];
            let mut sum = 0.0;
            for (line, taps) in lines.iter().zip(kernel) {
                for (place, tap) in places.iter().zip(taps) {
                    sum += tap * image.pixels[line * columns + place];
                }
            }
            output[row * columns + column] = sum;
        }
    }
    output
}

/// A window of at most `side` pixels around a place given in shares of the image.
pub(crate) fn window(image: &GrayImage, centre: [f64; 2], side: usize) -> (GrayImage, [usize; 2]) {
    let start = |length: usize, share: f64| {
        let half = side as f64 / 2.0;
        let from = (share * length as f64 - half).max(0.0) as usize;
        from.min(length.saturating_sub(side))
    };
    let (top, left) = (
        start(image.rows, centre[0]),
        start(image.columns, centre[1]),
    );
    let (rows, columns) = (side.min(image.rows), side.min(image.columns));
    let pixels = (top..top + rows)
        .flat_map(|row| {
            let from = row * image.columns + left;
            image.pixels[from..from + columns].iter().copied()
        })
        .collect();
    let cut = GrayImage {
        rows,
        columns,
        pixels,
    };
    (cut, [top, left])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> GrayImage {
        GrayImage {
            rows: 6,
            columns: 8,
            pixels: (0..48)
                .map(|i| (i % 8) as f32 / 8.0 + (i / 8) as f32 / 20.0)
                .collect(),
        }
    }

    #[test]
    fn a_slope_leaves_no_residual_inside() {
        for plane in [residual(&ramp()), noise_mask(&ramp())] {
            assert!(plane[2 * 8 + 3].abs() < 1e-6);
        }
    }

    #[test]
    fn blurring_keeps_constants_and_the_sum_of_a_dot() {
        assert!(
            blurred(&[0.5; 30], [5, 6], 2.0)
                .iter()
                .all(|v| (v - 0.5).abs() < 1e-6)
        );
        let mut dot = vec![0.0; 41 * 41];
        dot[20 * 41 + 20] = 1.0;
        let wide = blurred(&dot, [41, 41], 1.5);
        assert!((wide.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!((wide[20 * 41 + 19] - wide[19 * 41 + 20]).abs() < 1e-6);
        assert_eq!(blurred(&dot, [41, 41], 0.0), dot);
    }

    #[test]
    fn windows_stay_inside() {
        let (cut, corner) = window(&ramp(), [1.0, 1.0], 4);
        assert_eq!((cut.rows, cut.columns, corner), (4, 4, [2, 4]));
        assert_eq!(cut.pixels[0], ramp().pixels[2 * 8 + 4]);
        let (cut, corner) = window(&ramp(), [0.5, 0.5], 7);
        assert_eq!((cut.rows, cut.columns, corner), (6, 7, [0, 0]));
    }
}
