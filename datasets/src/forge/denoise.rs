//! Denoisers: non-local means, undecimated wavelet shrinkage, the guided filter.

use super::raster::{box_mean, combined, mapped, mirrored, separable};
use crate::GrayImage;

/// Non-local means (Buades, Coll & Morel, "A non-local algorithm for image denoising", CVPR 2005), over
/// patches of 5x5 and a search window of 5x5, by box sums of squared differences per offset (Darbon
/// et al., ISBI 2008); each pair of opposite offsets is computed once. `sigma`: the noise's standard
/// deviation.
pub(super) fn non_local_means(image: &GrayImage, sigma: f32, strength: f32) -> GrayImage {
    const REACH: isize = 2;
    let (rows, columns) = (image.rows, image.columns);
    // The filtering parameter, and the noise's own share of a squared difference, taken off.
    let scale = 1.0 / (strength * sigma).powi(2).max(1e-12);
    let floor = 2.0 * sigma * sigma;
    let mut sums = image.pixels.clone();
    let mut weights = vec![1.0_f32; rows * columns];
    let mut squares = vec![0.0_f32; rows * columns];
    for dy in 0..=REACH {
        for dx in -REACH..=REACH {
            if dy == 0 && dx <= 0 {
                continue;
            }
            for (y, line) in squares.chunks_exact_mut(columns).enumerate() {
                let own = &image.pixels[y * columns..(y + 1) * columns];
                let from = mirrored(y as isize + dy, rows) * columns;
                let other = &image.pixels[from..from + columns];
                for (x, value) in line.iter_mut().enumerate() {
                    let shifted = x as isize + dx;
                    let shifted = if (0..columns as isize).contains(&shifted) {
                        shifted as usize
                    } else {
                        mirrored(shifted, columns)
                    };
                    *value = (own[x] - other[shifted]).powi(2);
                }
            }
            let distance = box_mean(
                &GrayImage {
                    rows,
                    columns,
                    pixels: std::mem::take(&mut squares),
                },
                2,
            );
            for y in 0..rows - dy as usize {
                let (first, last) = ((-dx).max(0) as usize, columns - dx.max(0) as usize);
                let offset = dy as usize * columns;
                for x in first..last {
                    let at = y * columns + x;
                    let other = (at + offset).wrapping_add_signed(dx);
                    let weight = kernel((distance.pixels[at] - floor).max(0.0) * scale);
                    sums[at] += weight * image.pixels[other];
                    weights[at] += weight;
                    sums[other] += weight * image.pixels[at];
                    weights[other] += weight;
                }
            }
            squares = distance.pixels;
        }
    }
    for (sum, weight) in sums.iter_mut().zip(&weights) {
        *sum /= weight;
    }
    GrayImage {
        rows,
        columns,
        pixels: sums,
    }
}

/// A fast stand-in for exp(-x): the fourth power of 1 - x / 4, zero from 4 on.
fn kernel(x: f32) -> f32 {
    let base = (1.0 - 0.25 * x).max(0.0);
    let square = base * base;
    square * square
}

/// Soft thresholding of the undecimated B3-spline wavelet ("à trous"; Starck, Murtagh & Bijaoui
/// 1998) at `strength` times the noise of each scale.
pub(super) fn wavelet_shrinkage(image: &GrayImage, sigma: f32, strength: f32) -> GrayImage {
    // Standard deviations of unit white noise in the first scales of this wavelet.
    const NOISE: [f32; 3] = [0.8908, 0.2007, 0.0856];
    let mut smooth = image.clone();
    let mut kept = mapped(image, |_| 0.0);
    for (scale, noise) in NOISE.iter().enumerate() {
        let step = 1 << scale;
        let mut spline = vec![0.0; 4 * step + 1];
        for (tap, weight) in [1.0, 4.0, 6.0, 4.0, 1.0].iter().enumerate() {
            spline[tap * step] = weight / 16.0;
        }
        let smoother = separable(&smooth, &spline);
        let threshold = strength * sigma * noise;
        for ((kept, fine), coarse) in kept
            .pixels
            .iter_mut()
            .zip(&smooth.pixels)
            .zip(&smoother.pixels)
        {
            let detail = fine - coarse;
            *kept += detail.signum() * (detail.abs() - threshold).max(0.0);
        }
        smooth = smoother;
    }
    combined(&smooth, 1.0, &kept)
}

/// The guided filter with the image as its own guide (He, Sun & Tang, "Guided image filtering",
/// IEEE TPAMI 2013): edges well above `strength * sigma` stay.
pub(super) fn guided(image: &GrayImage, sigma: f32, strength: f32, radius: usize) -> GrayImage {
    let regulariser = (strength * sigma).powi(2).max(1e-9);
    let mean = box_mean(image, radius);
    let square = box_mean(&mapped(image, |v| v * v), radius);
    let mut slope = mean.clone();
    let mut offset = mean.clone();
    for (((slope, offset), mean), square) in slope
        .pixels
        .iter_mut()
        .zip(&mut offset.pixels)
        .zip(&mean.pixels)
        .zip(&square.pixels)
    {
        let variance = (square - mean * mean).max(0.0);
        *slope = variance / (variance + regulariser);
        *offset = mean * (1.0 - *slope);
    }
    let (slope, offset) = (box_mean(&slope, radius), box_mean(&offset, radius));
    let mut result = offset;
    for ((value, slope), own) in result
        .pixels
        .iter_mut()
        .zip(&slope.pixels)
        .zip(&image.pixels)
    {
        *value += slope * own;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::raster::{moments, white_noise};
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn every_denoiser_lowers_the_error_and_keeps_an_edge() {
        let side = 96;
        let clean = GrayImage {
            rows: side,
            columns: side,
            pixels: (0..side * side)
                .map(|i| if i % side < 48 { 0.25 } else { 0.75 })
                .collect(),
        };
        let sigma = 0.03;
        let noise = white_noise(side, side, &mut StdRng::seed_from_u64(9));
        let noisy = combined(&clean, sigma, &noise);
        let all = [
            ("non-local means", non_local_means(&noisy, sigma, 1.0)),
            ("wavelet", wavelet_shrinkage(&noisy, sigma, 2.5)),
            ("guided", guided(&noisy, sigma, 3.0, 3)),
        ];
        for (name, denoised) in all {
            let (_, error) = moments(&combined(&denoised, -1.0, &clean).pixels);
            assert!(error < 0.6 * sigma, "{name}: {error}");
            let row = &denoised.pixels[40 * side..41 * side];
            assert!(row[50] - row[45] > 0.38, "{name} blurs the edge");
        }
    }
}
