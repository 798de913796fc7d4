//! Delivery augmentation: what happens to an image between its maker and its reader.
//!
//! Every draw is independent of the label, so that no step can tell the classes apart; the steps
//! are those that images meet on their way: orientation, resizing, blur, noise, grey-level
//! changes, screenshots, JPEG, JPEG 2000 and storage in few bits (compare Wang et al.,
//! "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020, who blur and
//! compress; ours adds the rest). The order is fixed: geometry, sharpness, grey levels, noise,
//! storage.

mod screenshot;
mod settings;
mod steps;
mod wavelet;

use image::{ImageBuffer, Luma, imageops};
use rand::Rng;
use rand::rngs::StdRng;

pub use settings::Delivery;

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

impl Delivery {
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
        if rng.random_bool(self.intact) {
            return Plane {
                side: plane.side,
                pixels: image.into_raw(),
                mask: mask.into_raw(),
            };
        }
        if rng.random_bool(self.tilt) {
            let angle = between([-self.tilt_range, self.tilt_range], rng).to_radians();
            (image, mask) = (steps::tilted(&image, angle), steps::tilted(&mask, angle));
        }
        if rng.random_bool(self.resize) {
            let factor = between(self.resize_range, rng);
            (image, mask) = steps::resized(&image, &mask, factor, rng);
        }
        if rng.random_bool(self.thumbnail) {
            let share = between(self.thumbnail_range, rng);
            // No draw where the setting is off: older recipes then deliver what they always did.
            let stored = self.thumbnail_jpeg > 0.0 && rng.random_bool(self.thumbnail_jpeg);
            let quality = stored.then(|| rng.random_range(self.jpeg_range[0]..=self.jpeg_range[1]));
            image = steps::thumbnail(&image, share, quality, rng);
        }
        if rng.random_bool(self.blur) {
            image = imageops::blur(&image, between(self.blur_range, rng));
        }
        if rng.random_bool(self.sharpen) {
            steps::sharpen(&mut image, rng.random_range(0.3..1.0));
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
            steps::noise(&mut image, rng, |_| deviation);
        }
        if rng.random_bool(self.signal_noise) {
            let deviation = between(self.signal_noise_range, rng);
            steps::noise(&mut image, rng, |grey| deviation * grey.max(0.0).sqrt());
        }
        if rng.random_bool(self.invert) {
            for Luma([value]) in image.pixels_mut() {
                *value = 1.0 - *value;
            }
        }
        if rng.random_bool(self.screenshot) {
            screenshot::frame(&mut image, &mut mask, rng);
        }
        if rng.random_bool(self.bits) {
            let [low, high] = self.bits_range;
            let levels = (1u32 << rng.random_range(low..=high)) as f32 - 1.0;
            for Luma([value]) in image.pixels_mut() {
                *value = (value.clamp(0.0, 1.0) * levels).round() / levels;
            }
        }
        let mut pixels = if rng.random_bool(self.jpeg) {
            let [low, high] = self.jpeg_range;
            steps::through_jpeg(&image, rng.random_range(low..=high))
        } else {
            let mut pixels = image.into_raw();
            if rng.random_bool(self.jpeg2000) {
                wavelet::quantise(&mut pixels, plane.side, between(self.jpeg2000_range, rng));
            }
            pixels
        };
        for value in &mut pixels {
            *value = value.clamp(0.0, 1.0);
        }
        Plane {
            side: plane.side,
            pixels,
            mask: mask.into_raw(),
        }
    }
}

type Grey = ImageBuffer<Luma<f32>, Vec<f32>>;

fn buffer(side: u32, values: Vec<f32>) -> Grey {
    let given = values.len();
    ImageBuffer::from_raw(side, side, values)
        .unwrap_or_else(|| panic!("{given} values do not fill a plane of {side}×{side}"))
}

fn between([low, high]: [f32; 2], rng: &mut StdRng) -> f32 {
    low + (high - low) * rng.random::<f32>()
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

    /// The steps one by one: each changes pixels, keeps the range, and draws the same for a plane of
    /// either class.
    #[test]
    fn every_step_acts_and_is_blind_to_the_label() {
        let one = |set: fn(&mut Delivery)| {
            let mut delivery = Delivery::none();
            set(&mut delivery);
            delivery
        };
        let steps: [(&str, Delivery); 15] = [
            ("mirror", one(|d| d.mirror = 1.0)),
            ("rotate", one(|d| d.rotate = 1.0)),
            ("tilt", one(|d| d.tilt = 1.0)),
            ("resize", one(|d| d.resize = 1.0)),
            ("thumbnail", one(|d| d.thumbnail = 1.0)),
            (
                "thumbnail_jpeg",
                one(|d| (d.thumbnail, d.thumbnail_jpeg) = (1.0, 1.0)),
            ),
            ("blur", one(|d| d.blur = 1.0)),
            ("sharpen", one(|d| d.sharpen = 1.0)),
            ("noise", one(|d| d.noise = 1.0)),
            ("signal_noise", one(|d| d.signal_noise = 1.0)),
            ("grey", one(|d| d.grey = 1.0)),
            ("invert", one(|d| d.invert = 1.0)),
            ("bits", one(|d| d.bits = 1.0)),
            ("jpeg", one(|d| d.jpeg = 1.0)),
            ("jpeg2000", one(|d| d.jpeg2000 = 1.0)),
        ];
        for (name, delivery) in steps {
            let authentic = Plane {
                mask: vec![0.0; 64 * 64],
                ..plane()
            };
            for seed in 0..20 {
                let sent = |plane| delivery.apply(plane, &mut StdRng::seed_from_u64(seed));
                let (a, b) = (sent(authentic.clone()), sent(plane()));
                assert_eq!(a.pixels, b.pixels, "{name} looks at the mask");
                assert_ne!(a.pixels, authentic.pixels, "{name} does nothing");
                assert!(a.pixels.iter().all(|v| (0.0..=1.0).contains(v)), "{name}");
            }
        }
    }

    #[test]
    fn what_a_screenshot_covers_is_not_manipulated() {
        let delivery = Delivery {
            screenshot: 1.0,
            ..Delivery::none()
        };
        let whole = Plane {
            mask: vec![1.0; 64 * 64],
            ..plane()
        };
        let mut covered = 0;
        for seed in 0..50 {
            let sent = delivery.apply(whole.clone(), &mut StdRng::seed_from_u64(seed));
            for (index, (now, before)) in sent.pixels.iter().zip(&whole.pixels).enumerate() {
                assert!(now == before || sent.mask[index] == 0.0);
                covered += usize::from(sent.mask[index] == 0.0);
            }
        }
        assert!(covered > 0);
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
