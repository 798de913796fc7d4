//! `spectral`: the upsampling fingerprints of generators, without a generator.
//!
//! The image is reduced by 2, 4 or 8 and brought back by the layers that decoders are made of:
//! nearest or bilinear upsampling with a learned-like kernel, transposed convolution, pixel shuffle
//! (Zhang, Karaman & Chang, "Detecting and simulating artifacts in GAN fake images", WIFS 2019, who
//! train an autoencoder for it; Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts",
//! Distill 2016). All four are one thing: a filter of its own for each of the four phases of the finer grid,
//! whose differences make the periodic peaks. Radial energy beyond a cutoff falls or rises as that of
//! generators does (Durall, Keuper & Keuper, CVPR 2020; Dzanic, Shah & Witherden, NeurIPS 2020), or is the real's. The
//! kernels are drawn, not learned, and lost detail is invented by [`super::texture`].

use rand::Rng;
use rand::rngs::StdRng;

use super::parameters::Parameters;
use super::raster::{box_mean, gaussian, mirrored};
use super::spectrum::Spectrum;
use super::texture::{finished, retextured};
use crate::GrayImage;

/// Taps of the filter of one phase, 3x3.
type Phase = [f32; 9];

/// The layers imitated.
#[derive(Debug, Clone, Copy)]
enum Layer {
    NearestConvolution,
    BilinearConvolution,
    Transposed,
    PixelShuffle,
}

const LAYERS: [(Layer, &str); 4] = [
    (Layer::NearestConvolution, "nearest_convolution"),
    (Layer::BilinearConvolution, "bilinear_convolution"),
    (Layer::Transposed, "transposed_convolution"),
    (Layer::PixelShuffle, "pixel_shuffle"),
];

/// The whole image through a decoder-like chain.
pub(super) fn whole(image: &GrayImage, parameters: &mut Parameters, rng: &mut StdRng) -> GrayImage {
    let stages = [1, 1, 1, 2, 2, 3][rng.random_range(0..6)];
    let (layer, name) = LAYERS[rng.random_range(0..LAYERS.len())];
    parameters.note("stages", stages as usize);
    parameters.note("layer", name);
    let mut sizes = Vec::new();
    let mut plane = image.clone();
    for _ in 0..stages {
        sizes.push([plane.rows, plane.columns]);
        plane = halved(&plane, rng);
    }
    let unevenness = 10.0_f32.powf(rng.random_range(-2.8..-1.5));
    parameters.note("unevenness", unevenness);
    while let Some(size) = sizes.pop() {
        let phases = phases(layer, unevenness, rng);
        plane = doubled(&plane, size, &phases);
    }
    let mut fake = retextured(&plane, image, parameters, rng);
    let tilted = rng.random_bool(0.35);
    let fake = if tilted {
        let cutoff = rng.random_range(0.12..0.4_f32);
        let exponent = rng.random_range(-2.0..1.2_f32);
        parameters.note("tilt_cutoff_cycles_per_pixel", cutoff);
        parameters.note("tilt_exponent", exponent);
        let target = Spectrum::of(image).radial_power();
        let mut spectrum = Spectrum::of(&fake);
        spectrum.match_radial(&target, 1.0);
        spectrum.shape(|frequency| (frequency / cutoff).max(1.0).powf(exponent));
        spectrum.plane()
    } else {
        // The grid of the last layers once more, as strong as the image is bright there.
        if rng.random_bool(0.3) {
            grid(&mut fake, parameters, rng);
        }
        fake
    };
    finished(
        fake,
        image,
        if tilted { 0.0 } else { 0.65 },
        parameters,
        rng,
    )
}

/// Half the size, behind a blur that is rarely exactly the right one, as encoders have it.
fn halved(image: &GrayImage, rng: &mut StdRng) -> GrayImage {
    let soft = match rng.random_bool(0.3) {
        true => box_mean(image, 1),
        false => gaussian(image, rng.random_range(0.45..0.9)),
    };
    let (rows, columns) = (image.rows.div_ceil(2), image.columns.div_ceil(2));
    let mut pixels = Vec::with_capacity(rows * columns);
    for y in 0..rows {
        let line = &soft.pixels[2 * y * image.columns..(2 * y + 1) * image.columns];
        pixels.extend(line.iter().step_by(2));
    }
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

/// Twice the size: every phase of the finer grid by its own filter.
fn doubled(image: &GrayImage, size: [usize; 2], phases: &[Phase; 4]) -> GrayImage {
    let [rows, columns] = size;
    let padded = columns.div_ceil(2) + 2;
    let mut lines = vec![vec![0.0_f32; padded]; 3];
    let mut pixels = Vec::with_capacity(rows * columns);
    for y in 0..rows {
        for (tap, line) in lines.iter_mut().enumerate() {
            let from = mirrored((y / 2 + tap) as isize - 1, image.rows) * image.columns;
            for (x, value) in line.iter_mut().enumerate() {
                *value = image.pixels[from + mirrored(x as isize - 1, image.columns)];
            }
        }
        let own = &phases[2 * (y % 2)..2 * (y % 2) + 2];
        for x in 0..columns {
            let taps = &own[x % 2];
            let at = x / 2;
            let mut sum = 0.0;
            for (line, taps) in lines.iter().zip(taps.chunks_exact(3)) {
                sum += line[at] * taps[0] + line[at + 1] * taps[1] + line[at + 2] * taps[2];
            }
            pixels.push(sum);
        }
    }
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

/// The filters of the four phases, in the order of `2 * (row % 2) + column % 2`.
fn phases(layer: Layer, unevenness: f32, rng: &mut StdRng) -> [Phase; 4] {
    // A coarse pixel lies on the even phase; the odd one is half a pixel on.
    let linear = [[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]];
    let cubic = [[0.0, 1.0, 0.0], [-0.06, 0.56, 0.5]];
    let nearest = [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]];
    let axis = match layer {
        Layer::NearestConvolution => {
            // A convolution after copying mixes the two copies of each neighbour.
            let soft = rng.random_range(0.1..0.33);
            [[soft, 1.0 - soft, 0.0], [0.0, 1.0 - soft, soft]]
        }
        Layer::BilinearConvolution => linear,
        Layer::Transposed => [nearest, linear, cubic][rng.random_range(0..3)],
        Layer::PixelShuffle => [linear, cubic][rng.random_range(0..2)],
    };
    // Copying and interpolating layers share one kernel among the phases, so that theirs differ less.
    let (shared, apart) = match layer {
        Layer::NearestConvolution | Layer::BilinearConvolution => (2.0, 0.3),
        Layer::Transposed | Layer::PixelShuffle => (1.0, 1.0),
    };
    let draw = |rng: &mut StdRng| rng.random_range(-1.7..1.7_f32) * unevenness;
    let common: Phase = std::array::from_fn(|_| shared * draw(rng));
    std::array::from_fn(|phase| {
        let (down, across) = (axis[phase / 2], axis[phase % 2]);
        let mut taps: Phase = std::array::from_fn(|tap| {
            down[tap / 3] * across[tap % 3] + common[tap] + apart * draw(rng)
        });
        // The brightness stays, but for what makes a checkerboard.
        let sum: f32 = taps.iter().sum();
        let gain = (1.0 + 0.15 * apart * draw(rng)) / sum;
        taps.iter_mut().for_each(|tap| *tap *= gain);
        taps
    })
}

/// A faint grid of period 2, 4 or 8 that follows the grey level.
fn grid(image: &mut GrayImage, parameters: &mut Parameters, rng: &mut StdRng) {
    let period = [2, 4, 8][rng.random_range(0..3)];
    let strength = 10.0_f32.powf(rng.random_range(-3.0..-1.8));
    parameters.note("grid_period_pixels", period);
    parameters.note("grid_strength", strength);
    let cell: Vec<f32> = (0..period * period)
        .map(|_| strength * rng.random_range(-1.7..1.7_f32))
        .collect();
    for (y, line) in image.pixels.chunks_exact_mut(image.columns).enumerate() {
        for (x, value) in line.iter_mut().enumerate() {
            *value *= 1.0 + cell[y % period * period + x % period];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::raster::{gaussian, white_noise};
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_layer_keeps_a_flat_plane_and_the_size() {
        let mut rng = StdRng::seed_from_u64(1);
        let flat = GrayImage {
            rows: 35,
            columns: 40,
            pixels: vec![0.5; 35 * 40],
        };
        for (layer, name) in LAYERS {
            let phases = phases(layer, 0.05, &mut rng);
            let finer = doubled(&halved(&flat, &mut rng), [35, 40], &phases);
            assert_eq!(finer.pixels.len(), 35 * 40);
            for value in finer.pixels {
                assert!((value - 0.5).abs() < 0.02, "{name}: {value}");
            }
        }
    }

    #[test]
    fn uneven_phases_leave_peaks_at_half_the_sampling_rate() {
        let mut rng = StdRng::seed_from_u64(2);
        let mut soft = gaussian(&white_noise(128, 128, &mut rng), 4.0);
        soft.pixels.iter_mut().for_each(|v| *v = 0.5 + *v);
        let peak = |image: &GrayImage| {
            let sum: f32 = (0..128 * 128)
                .map(|i| image.pixels[i] * if (i % 128) % 2 == 0 { 1.0 } else { -1.0 })
                .sum();
            sum.abs()
        };
        let layer = Layer::PixelShuffle;
        let even = doubled(
            &halved(&soft, &mut rng),
            [128, 128],
            &phases(layer, 0.0, &mut rng),
        );
        let uneven = doubled(
            &halved(&soft, &mut rng),
            [128, 128],
            &phases(layer, 0.06, &mut rng),
        );
        assert!(
            peak(&uneven) > 5.0 * peak(&even),
            "{} {}",
            peak(&uneven),
            peak(&even)
        );
    }
}
