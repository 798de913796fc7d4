//! The single steps of a delivery.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, ImageEncoder, Luma};
use rand::Rng;
use rand::rngs::StdRng;

use super::Grey;

/// A kernel that images are resized with.
fn kernel(rng: &mut StdRng) -> FilterType {
    [
        FilterType::Nearest,
        FilterType::Triangle,
        FilterType::CatmullRom,
        FilterType::Gaussian,
        FilterType::Lanczos3,
    ][rng.random_range(0..5)]
}

/// Resizes by `factor`, then takes a random window of the old side, or pads by reflection to it.
pub(super) fn resized(image: &Grey, mask: &Grey, factor: f32, rng: &mut StdRng) -> (Grey, Grey) {
    let side = image.width();
    let size = ((side as f32 * factor).round() as u32).max(16);
    let image = imageops::resize(image, size, size, kernel(rng));
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

/// Reduces to `share` of the side, stores as JPEG where a quality is given, and enlarges back.
pub(super) fn thumbnail(image: &Grey, share: f32, quality: Option<u8>, rng: &mut StdRng) -> Grey {
    let side = image.width();
    let size = ((side as f32 * share).round() as u32).max(16);
    let mut small = imageops::resize(image, size, size, kernel(rng));
    if let Some(quality) = quality {
        let stored = through_jpeg(&small, quality);
        for (Luma([value]), stored) in small.pixels_mut().zip(stored) {
            *value = stored;
        }
    }
    imageops::resize(&small, side, side, kernel(rng))
}

/// Rotates about the centre by an angle in radians; corners are filled by reflection.
pub(super) fn tilted(image: &Grey, angle: f32) -> Grey {
    let side = image.width();
    let centre = (side as f32 - 1.0) / 2.0;
    let (sine, cosine) = angle.sin_cos();
    let at = |x: i32, y: i32| {
        let fold = |v: i32| mirror(v.unsigned_abs(), side);
        image.get_pixel(fold(x), fold(y)).0[0]
    };
    ImageBuffer::from_fn(side, side, |x, y| {
        let (dx, dy) = (x as f32 - centre, y as f32 - centre);
        let (u, v) = (
            centre + cosine * dx + sine * dy,
            centre - sine * dx + cosine * dy,
        );
        let (left, top) = (u.floor(), v.floor());
        let (a, b) = (u - left, v - top);
        let (left, top) = (left as i32, top as i32);
        let upper = at(left, top) * (1.0 - a) + at(left + 1, top) * a;
        let lower = at(left, top + 1) * (1.0 - a) + at(left + 1, top + 1) * a;
        Luma([upper * (1.0 - b) + lower * b])
    })
}

/// Mirrors an index beyond the last pixel, without repeating it.
fn mirror(index: u32, size: u32) -> u32 {
    let period = 2 * (size - 1);
    let phase = index % period;
    phase.min(period - phase)
}

/// Adds Gaussian noise; `deviation` gives its standard deviation for a grey.
pub(super) fn noise(image: &mut Grey, rng: &mut StdRng, deviation: impl Fn(f32) -> f32) {
    for Luma([value]) in image.pixels_mut() {
        *value += deviation(*value) * normal(rng);
    }
}

/// A standard normal draw (Box & Muller, 1958).
fn normal(rng: &mut StdRng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}

/// Unsharp mask of one pixel's radius.
pub(super) fn sharpen(image: &mut Grey, amount: f32) {
    let soft = imageops::blur(image, 1.0);
    for (Luma([value]), Luma([low])) in image.pixels_mut().zip(soft.pixels()) {
        *value = (*value + amount * (*value - low)).clamp(0.0, 1.0);
    }
}

/// Stores as eight-bit grey JPEG and reads it back. An encoder that fails leaves the image alone.
pub(super) fn through_jpeg(image: &Grey, quality: u8) -> Vec<f32> {
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
