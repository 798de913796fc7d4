//! Power by spatial frequency: averaged periodograms of overlapping blocks (Welch, 1967), at the
//! image's own resolution. Generators that enlarge from few pixels leave peaks and plateaus there.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use serde::Serialize;
use veraray_datasets::GrayImage;

/// Largest side of a block.
const BLOCK: usize = 256;

/// Most blocks that are averaged.
const MOST: usize = 64;

/// Power that counts as none, so that logarithms stay finite: far below one level of 16 bits.
const FLOOR: f64 = 1e-18;

/// Spectrum of one frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Spectrum {
    /// Side of a block in pixels.
    pub(crate) side: usize,
    /// Blocks averaged.
    pub(crate) blocks: usize,
    /// Cycles per pixel and decimal logarithm of the mean power there, up to half a cycle.
    pub(crate) radial: Vec<[f64; 2]>,
    /// How fast power falls between 0.02 and 0.4 cycles per pixel: it goes as frequency to this.
    pub(crate) slope: Option<f64>,
    /// Decimal logarithm of power, the constant in the middle, `side * side` of them.
    #[serde(skip)]
    pub(crate) plane: Vec<f32>,
}

impl Spectrum {
    /// `None` for images below 16 pixels.
    pub(crate) fn of(image: &GrayImage) -> Option<Self> {
        // Half the image, so that several blocks are averaged: one alone is all speckle.
        let short = (image.rows.min(image.columns) / 2).min(BLOCK);
        if short < 8 {
            return None;
        }
        let side = 1 << short.ilog2();
        let corners = corners(image, side);
        let mut planner = RealFftPlanner::<f64>::new();
        let transform = planner.plan_fft_forward(side);
        let hann: Vec<f64> = (0..side)
            .map(|at| {
                let angle = 2.0 * std::f64::consts::PI * (at as f64 + 0.5) / side as f64;
                0.5 - 0.5 * angle.cos()
            })
            .collect();
        let energy: f64 = hann.iter().map(|tap| tap * tap).sum::<f64>().powi(2);
        let mut power = vec![0.0; side * side];
        for &[top, left] in &corners {
            let block = windowed(image, side, [top, left], &hann);
            add_power(&block, side, transform.as_ref(), &mut power)?;
        }
        // All power together is then the image's variance (Parseval).
        let scale = 1.0 / (energy * (side * side * corners.len()) as f64);
        power.iter_mut().for_each(|power| *power *= scale);
        let radial = radial(&power, side);
        Some(Self {
            side,
            blocks: corners.len(),
            slope: slope(&radial),
            radial,
            plane: centred(&power, side),
        })
    }
}

/// Half-overlapping blocks, thinned out evenly to [`MOST`].
fn corners(image: &GrayImage, side: usize) -> Vec<[usize; 2]> {
    let starts = |length: usize| (0..=length - side).step_by(side / 2).collect::<Vec<_>>();
    let all: Vec<[usize; 2]> = starts(image.rows)
        .into_iter()
        .flat_map(|top| {
            starts(image.columns)
                .into_iter()
                .map(move |left| [top, left])
        })
        .collect();
    let keep = all.len().min(MOST);
    (0..keep)
        .map(|index| all[(2 * index + 1) * all.len() / (2 * keep)])
        .collect()
}

fn windowed(image: &GrayImage, side: usize, [top, left]: [usize; 2], hann: &[f64]) -> Vec<f64> {
    let line = |row: usize| {
        let from = (top + row) * image.columns + left;
        &image.pixels[from..from + side]
    };
    let sum: f64 = (0..side)
        .flat_map(line)
        .map(|&pixel| f64::from(pixel))
        .sum();
    let mean = sum / (side * side) as f64;
    (0..side)
        .flat_map(|row| {
            line(row)
                .iter()
                .zip(hann)
                .map(move |(&pixel, tap)| (f64::from(pixel) - mean) * tap * hann[row])
        })
        .collect()
}

/// Adds the power spectrum of a block. Columns of complex numbers are transformed as two real ones.
fn add_power(
    block: &[f64],
    side: usize,
    transform: &dyn realfft::RealToComplex<f64>,
    power: &mut [f64],
) -> Option<()> {
    let half = side / 2 + 1;
    let mut rows = vec![Complex::new(0.0, 0.0); side * half];
    let mut line = vec![0.0; side];
    for (row, output) in rows.chunks_exact_mut(half).enumerate() {
        line.copy_from_slice(&block[row * side..(row + 1) * side]);
        transform.process(&mut line, output).ok()?;
    }
    let mut real = transform.make_output_vec();
    let mut imaginary = transform.make_output_vec();
    for column in 0..half {
        for (value, row) in line.iter_mut().zip(rows.chunks_exact(half)) {
            *value = row[column].re;
        }
        transform.process(&mut line, &mut real).ok()?;
        for (value, row) in line.iter_mut().zip(rows.chunks_exact(half)) {
            *value = row[column].im;
        }
        transform.process(&mut line, &mut imaginary).ok()?;
        for row in 0..side {
            let at = |half: &[Complex<f64>]| match row <= side / 2 {
                true => half[row],
                false => half[side - row].conj(),
            };
            let value = at(&real) + Complex::new(0.0, 1.0) * at(&imaginary);
            power[row * side + column] += value.norm_sqr();
            // A real image's spectrum is the same on the other side.
            if column > 0 && column < side / 2 {
                power[(side - row) % side * side + side - column] += value.norm_sqr();
            }
        }
    }
    Some(())
}

fn centred(power: &[f64], side: usize) -> Vec<f32> {
    let shift = |at: usize| (at + side / 2) % side;
    (0..side * side)
        .map(|index| {
            let (row, column) = (index / side, index % side);
            (power[shift(row) * side + shift(column)] + FLOOR).log10() as f32
        })
        .collect()
}

fn radial(power: &[f64], side: usize) -> Vec<[f64; 2]> {
    let signed = |at: usize| {
        if at <= side / 2 {
            at as f64
        } else {
            at as f64 - side as f64
        }
    };
    let mut sums = vec![(0.0, 0_u32); side / 2 + 1];
    for (index, value) in power.iter().enumerate() {
        let radius = signed(index / side).hypot(signed(index % side)).round() as usize;
        if let Some((sum, count)) = sums.get_mut(radius) {
            *sum += value;
            *count += 1;
        }
    }
    sums.iter()
        .enumerate()
        // The window spreads the constant over its neighbour.
        .skip(2)
        .map(|(radius, (sum, count))| {
            let mean = sum / f64::from((*count).max(1));
            [radius as f64 / side as f64, (mean + FLOOR).log10()]
        })
        .collect()
}

/// Least squares on logarithms.
fn slope(radial: &[[f64; 2]]) -> Option<f64> {
    let points: Vec<[f64; 2]> = radial
        .iter()
        .filter(|[frequency, _]| (0.02..=0.4).contains(frequency))
        .map(|&[frequency, power]| [frequency.log10(), power])
        .collect();
    let count = points.len() as f64;
    if points.len() < 4 {
        return None;
    }
    let mean = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / count;
    let (x, y) = (mean(0), mean(1));
    let both: f64 = points
        .iter()
        .map(|point| (point[0] - x) * (point[1] - y))
        .sum();
    let square: f64 = points.iter().map(|point| (point[0] - x).powi(2)).sum();
    Some(both / square)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> GrayImage {
        GrayImage {
            rows,
            columns,
            pixels: (0..rows * columns)
                .map(|index| value(index / columns, index % columns) as f32)
                .collect(),
        }
    }

    #[test]
    fn a_wave_is_a_peak_at_its_frequency_on_both_sides() {
        // Eight pixels per cycle along a row: 1/8 cycle per pixel.
        let wave = image(128, 200, |_, column| {
            0.5 + 0.2 * (std::f64::consts::TAU * column as f64 / 8.0).cos()
        });
        let spectrum = Spectrum::of(&wave).unwrap();
        assert_eq!(spectrum.side, 64);
        let highest = |points: &[[f64; 2]]| {
            points
                .iter()
                .copied()
                .max_by(|a, b| a[1].total_cmp(&b[1]))
                .unwrap()[0]
        };
        assert!((highest(&spectrum.radial) - 0.125).abs() < 1e-9);
        let at = |row: usize, column: usize| spectrum.plane[row * 64 + column];
        assert!(at(32, 32 + 8) > at(32, 32 + 20) + 3.0);
        assert!((at(32, 32 + 8) - at(32, 32 - 8)).abs() < 1e-3);
        assert!(at(32 + 8, 32) < at(32, 32 + 8) - 3.0);
        // All power together is the variance.
        let power = spectrum
            .plane
            .iter()
            .map(|&power| 10_f64.powf(f64::from(power)));
        let total: f64 = power.sum();
        let variance = 0.2_f64.powi(2) / 2.0;
        assert!((total / variance - 1.0).abs() < 0.02, "{total}");
    }

    #[test]
    fn white_noise_is_flat_and_tiny_images_have_no_spectrum() {
        let noise = image(256, 256, |row, column| {
            let mixed = ((row * 0x9E37 + column) as u32).wrapping_mul(0x85EB_CA6B);
            let mixed = (mixed ^ mixed >> 13).wrapping_mul(0xC2B2_AE35);
            f64::from(mixed >> 8) / f64::from(1 << 24)
        });
        let slope = Spectrum::of(&noise).unwrap().slope.unwrap();
        assert!(slope.abs() < 0.15, "{slope}");
        assert!(Spectrum::of(&image(8, 900, |_, _| 0.0)).is_none());
    }
}
