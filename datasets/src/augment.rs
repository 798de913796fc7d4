//! Delivery augmentation: what happens to an image between its maker and its reader.
//!
//! Every draw is independent of the label, so that no step can tell the classes apart; the steps
//! are those that images meet on their way: orientation, resizing, blur, noise, grey-level
//! changes, JPEG and eight-bit storage (compare Wang et al., "CNN-generated images are
//! surprisingly easy to spot... for now", CVPR 2020, who blur and compress; ours adds the rest).

use image::imageops::{self, FilterType};
use image::{ImageBuffer, ImageEncoder, Luma};
use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// A square plane of presentation grey with the mask of its manipulated part.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Side in pixels.
    pub side: usize,
    /// Row-major grey in `[0, 1]`, `side * side` of them.
    pub pixels: Vec<f32>,
    /// Row-major share of manipulation in `[0, 1]`, of the same size.
    pub mask: Vec<f32>,
}

/// Probabilities and ranges of the delivery steps; every probability lies in `[0, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Mirror left and right.
    pub mirror: f64,
    /// Rotate by a random multiple of 90°.
    pub rotate: f64,
    /// Resize by a random factor with a random kernel.
    pub resize: f64,
    /// Range of the factor.
    pub resize_range: [f32; 2],
    /// Gaussian blur.
    pub blur: f64,
    /// Range of its standard deviation, pixels.
    pub blur_range: [f32; 2],
    /// Unsharp mask of one pixel's radius.
    pub sharpen: f64,
    /// White noise.
    pub noise: f64,
    /// Range of its standard deviation, in grey of `[0, 1]`.
    pub noise_range: [f32; 2],
    /// Window shift, contrast and gamma.
    pub grey: f64,
    /// Inversion.
    pub invert: f64,
    /// JPEG at a random quality.
    pub jpeg: f64,
    /// Range of the quality.
    pub jpeg_range: [u8; 2],
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            mirror: 0.5,
            rotate: 0.3,
            resize: 0.4,
            resize_range: [0.6, 1.4],
            blur: 0.2,
            blur_range: [0.3, 1.2],
            sharpen: 0.1,
            noise: 0.25,
            noise_range: [0.002, 0.02],
            grey: 0.5,
            invert: 0.05,
            jpeg: 0.5,
            jpeg_range: [60, 98],
        }
    }
}

impl Delivery {
    /// No step at all: what validation and test images get.
    #[must_use]
    pub fn none() -> Self {
        Self {
            mirror: 0.0,
            rotate: 0.0,
            resize: 0.0,
            blur: 0.0,
            sharpen: 0.0,
            noise: 0.0,
            grey: 0.0,
            invert: 0.0,
            jpeg: 0.0,
            ..Self::default()
        }
    }

    /// Names the first setting that cannot be used.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let chances = [
            ("mirror", self.mirror),
            ("rotate", self.rotate),
            ("resize", self.resize),
            ("blur", self.blur),
            ("sharpen", self.sharpen),
            ("noise", self.noise),
            ("grey", self.grey),
            ("invert", self.invert),
            ("jpeg", self.jpeg),
        ];
        for (name, chance) in chances {
            if !(0.0..=1.0).contains(&chance) {
                return Some(format!("{name} = {chance} is not a probability"));
            }
        }
        let ranges = [
            ("resize_range", self.resize_range, 0.25, 4.0),
            ("blur_range", self.blur_range, 0.05, 10.0),
            ("noise_range", self.noise_range, 0.0, 1.0),
        ];
        for (name, [low, high], least, most) in ranges {
            if !(low >= least && low <= high && high <= most) {
                return Some(format!("{name} must be ascending within [{least}, {most}]"));
            }
        }
        let [low, high] = self.jpeg_range;
        (low == 0 || low > high || high > 100)
            .then(|| "jpeg_range must be ascending within [1, 100]".into())
    }

    /// Sends a plane through a random delivery. The same generator state gives the same result.
    #[must_use]
    pub fn apply(&self, plane: Plane, rng: &mut StdRng) -> Plane {
        let side = plane.side as u32;
        let mut image = buffer(side, plane.pixels);
        let mut mask = buffer(side, plane.mask);
        if rng.random_bool(self.mirror) {
            imageops::flip_horizontal_in_place(&mut image);
            imageops::flip_horizontal_in_place(&mut mask);
        }
        if rng.random_bool(self.rotate) {
            let turn = match rng.random_range(0..3) {
                0 => imageops::rotate90,
                1 => imageops::rotate180,
                _ => imageops::rotate270,
            };
            (image, mask) = (turn(&image), turn(&mask));
        }
        if rng.random_bool(self.resize) {
            (image, mask) = self.resized(&image, &mask, side, rng);
        }
        if rng.random_bool(self.blur) {
            image = imageops::blur(&image, between(self.blur_range, rng));
        }
        if rng.random_bool(self.sharpen) {
            sharpen(&mut image, rng.random_range(0.3..1.0));
        }
        if rng.random_bool(self.grey) {
            let (shift, gain) = (rng.random_range(-0.1..0.1), rng.random_range(0.8..1.2));
            let gamma: f32 = rng.random_range(0.7..1.4);
            for Luma([value]) in image.pixels_mut() {
                let windowed = ((*value - 0.5) * gain + 0.5 + shift).clamp(0.0, 1.0);
                *value = windowed.powf(gamma);
            }
        }
        if rng.random_bool(self.noise) {
            let deviation = between(self.noise_range, rng);
            for Luma([value]) in image.pixels_mut() {
                *value += deviation * normal(rng);
            }
        }
        if rng.random_bool(self.invert) {
            for Luma([value]) in image.pixels_mut() {
                *value = 1.0 - *value;
            }
        }
        let pixels = if rng.random_bool(self.jpeg) {
            let [low, high] = self.jpeg_range;
            through_jpeg(&image, rng.random_range(low..=high))
        } else {
            image.into_raw().iter().map(|v| v.clamp(0.0, 1.0)).collect()
        };
        Plane {
            side: plane.side,
            pixels,
            mask: mask.into_raw(),
        }
    }

    /// Resizes, then takes a random window of the old side, or pads by reflection to it.
    fn resized(&self, image: &Grey, mask: &Grey, side: u32, rng: &mut StdRng) -> (Grey, Grey) {
        let factor = between(self.resize_range, rng);
        let size = ((side as f32 * factor).round() as u32).max(16);
        let kernel = [
            FilterType::Nearest,
            FilterType::Triangle,
            FilterType::CatmullRom,
            FilterType::Lanczos3,
        ][rng.random_range(0..4)];
        let image = imageops::resize(image, size, size, kernel);
        let mask = imageops::resize(mask, size, size, FilterType::Triangle);
        let slack = size.saturating_sub(side);
        let (left, top) = (rng.random_range(0..=slack), rng.random_range(0..=slack));
        let window = |plane: &Grey| {
            ImageBuffer::from_fn(side, side, |x, y| {
                *plane.get_pixel(mirror(left + x, size), mirror(top + y, size))
            })
        };
        (window(&image), window(&mask))
    }
}

type Grey = ImageBuffer<Luma<f32>, Vec<f32>>;

fn buffer(side: u32, values: Vec<f32>) -> Grey {
    let given = values.len();
    ImageBuffer::from_raw(side, side, values)
        .unwrap_or_else(|| panic!("{given} values do not fill a plane of {side}×{side}"))
}

/// Mirrors an index beyond the last pixel, without repeating it.
fn mirror(index: u32, size: u32) -> u32 {
    let period = 2 * (size - 1);
    let phase = index % period;
    phase.min(period - phase)
}

fn between([low, high]: [f32; 2], rng: &mut StdRng) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// A standard normal draw (Box & Muller, 1958).
fn normal(rng: &mut StdRng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}

fn sharpen(image: &mut Grey, amount: f32) {
    let soft = imageops::blur(image, 1.0);
    for (Luma([value]), Luma([low])) in image.pixels_mut().zip(soft.pixels()) {
        *value = (*value + amount * (*value - low)).clamp(0.0, 1.0);
    }
}

/// Stores as eight-bit grey JPEG and reads it back. An encoder that fails leaves the image alone.
fn through_jpeg(image: &Grey, quality: u8) -> Vec<f32> {
    let (width, height) = image.dimensions();
    let bytes: Vec<u8> = image
        .pixels()
        .map(|Luma([value])| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
        .collect();
    let mut file = Vec::new();
    let decoded = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality)
        .write_image(&bytes, width, height, image::ExtendedColorType::L8)
        .and_then(|()| image::load_from_memory_with_format(&file, image::ImageFormat::Jpeg))
        .map_or(bytes, |decoded| decoded.into_luma8().into_raw());
    decoded.iter().map(|&v| f32::from(v) / 255.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn plane() -> Plane {
        let side = 64;
        Plane {
            side,
            pixels: (0..side * side)
                .map(|i| ((i % side) as f32 / side as f32 + (i / side % 7) as f32 / 14.0) / 1.5)
                .collect(),
            mask: (0..side * side)
                .map(|i| f32::from(u8::from(i % side < 16)))
                .collect(),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delivery() {
        let run = |seed| Delivery::default().apply(plane(), &mut StdRng::seed_from_u64(seed));
        assert_eq!(run(7), run(7));
        assert_ne!(run(7).pixels, run(8).pixels);
    }

    #[test]
    fn no_delivery_changes_nothing() {
        let sent = Delivery::none().apply(plane(), &mut StdRng::seed_from_u64(1));
        assert_eq!(sent, plane());
    }

    #[test]
    fn values_stay_in_range_and_the_mask_follows() {
        for seed in 0..200 {
            let sent = Delivery::default().apply(plane(), &mut StdRng::seed_from_u64(seed));
            assert!(sent.pixels.iter().all(|v| (0.0..=1.0).contains(v)));
            assert_eq!((sent.pixels.len(), sent.mask.len()), (64 * 64, 64 * 64));
        }
        // Orientation moves the mask with the pixels: the mask is where the ramp is dark.
        let turned = Delivery {
            mirror: 1.0,
            ..Delivery::none()
        }
        .apply(plane(), &mut StdRng::seed_from_u64(3));
        assert_eq!(turned.mask[63], 1.0);
        assert_eq!(turned.mask[0], 0.0);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let fault = Delivery {
            jpeg: 1.5,
            ..Delivery::default()
        }
        .fault();
        assert!(fault.is_some_and(|text| text.contains("jpeg")));
        assert_eq!(Delivery::default().fault(), None);
    }
}
