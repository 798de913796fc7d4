//! What a delivery is made of: the settings, their defaults and their bounds.

use serde::{Deserialize, Serialize};

/// Probabilities and ranges of the delivery steps; every probability lies in `[0, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Nothing but the orientation changes: a file straight from its archive.
    pub intact: f64,
    /// Mirror left and right.
    pub mirror: f64,
    /// Rotate by a random multiple of 90°.
    pub rotate: f64,
    /// Rotate by a small angle, as a scanned or cropped image is.
    pub tilt: f64,
    /// Largest angle either way, degrees.
    pub tilt_range: f32,
    /// Resize by a random factor with a random kernel.
    pub resize: f64,
    /// Range of the factor.
    pub resize_range: [f32; 2],
    /// Reduce and enlarge back to the old size, each with a random kernel.
    pub thumbnail: f64,
    /// Range of the reduced side, as a share of the old one.
    pub thumbnail_range: [f32; 2],
    /// JPEG, of a quality of `jpeg_range`, while it is small.
    pub thumbnail_jpeg: f64,
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
    /// Noise whose variance grows with the grey, as a detector's does.
    pub signal_noise: f64,
    /// Range of its standard deviation at white, in grey of `[0, 1]`.
    pub signal_noise_range: [f32; 2],
    /// Inversion.
    pub invert: f64,
    /// Storage in fewer than eight bits.
    pub bits: f64,
    /// Range of the number of bits.
    pub bits_range: [u8; 2],
    /// Screenshot: borders and writing.
    pub screenshot: f64,
    /// JPEG at a random quality.
    pub jpeg: f64,
    /// Range of the quality.
    pub jpeg_range: [u8; 2],
    /// The loss of irreversible JPEG 2000, where JPEG was not drawn.
    pub jpeg2000: f64,
    /// Range of the quantiser's step in the finest diagonal band, in grey of `[0, 1]`.
    pub jpeg2000_range: [f32; 2],
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            intact: 0.25,
            mirror: 0.5,
            rotate: 0.3,
            tilt: 0.1,
            tilt_range: 5.0,
            resize: 0.4,
            resize_range: [0.6, 1.4],
            thumbnail: 0.1,
            thumbnail_range: [0.6, 0.95],
            thumbnail_jpeg: 0.0,
            blur: 0.2,
            blur_range: [0.3, 1.2],
            sharpen: 0.1,
            noise: 0.25,
            noise_range: [0.002, 0.02],
            signal_noise: 0.15,
            signal_noise_range: [0.004, 0.03],
            grey: 0.5,
            invert: 0.05,
            bits: 0.05,
            bits_range: [5, 7],
            screenshot: 0.08,
            jpeg: 0.5,
            jpeg_range: [60, 98],
            jpeg2000: 0.15,
            jpeg2000_range: [0.01, 0.12],
        }
    }
}

impl Delivery {
    /// No step at all: what validation and test images get.
    #[must_use]
    pub fn none() -> Self {
        Self {
            intact: 0.0,
            mirror: 0.0,
            rotate: 0.0,
            tilt: 0.0,
            resize: 0.0,
            thumbnail: 0.0,
            thumbnail_jpeg: 0.0,
            blur: 0.0,
            sharpen: 0.0,
            noise: 0.0,
            signal_noise: 0.0,
            grey: 0.0,
            invert: 0.0,
            bits: 0.0,
            screenshot: 0.0,
            jpeg: 0.0,
            jpeg2000: 0.0,
            ..Self::default()
        }
    }

    /// Names the first setting that cannot be used.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let chances = [
            ("intact", self.intact),
            ("mirror", self.mirror),
            ("rotate", self.rotate),
            ("tilt", self.tilt),
            ("resize", self.resize),
            ("thumbnail", self.thumbnail),
            ("thumbnail_jpeg", self.thumbnail_jpeg),
            ("blur", self.blur),
            ("sharpen", self.sharpen),
            ("noise", self.noise),
            ("signal_noise", self.signal_noise),
            ("grey", self.grey),
            ("invert", self.invert),
            ("bits", self.bits),
            ("screenshot", self.screenshot),
            ("jpeg", self.jpeg),
            ("jpeg2000", self.jpeg2000),
        ];
        for (name, chance) in chances {
            if !(0.0..=1.0).contains(&chance) {
                return Some(format!("{name} = {chance} is not a probability"));
            }
        }
        let ranges = [
            ("resize_range", self.resize_range, 0.25, 4.0),
            ("thumbnail_range", self.thumbnail_range, 0.1, 1.0),
            ("blur_range", self.blur_range, 0.05, 10.0),
            ("noise_range", self.noise_range, 0.0, 1.0),
            ("signal_noise_range", self.signal_noise_range, 0.0, 1.0),
            ("jpeg2000_range", self.jpeg2000_range, 1e-4, 1.0),
        ];
        for (name, [low, high], least, most) in ranges {
            if !(low >= least && low <= high && high <= most) {
                return Some(format!("{name} must be ascending within [{least}, {most}]"));
            }
        }
        if !(0.0..=45.0).contains(&self.tilt_range) {
            return Some("tilt_range must lie in [0, 45] degrees".into());
        }
        let [low, high] = self.bits_range;
        if low == 0 || low > high || high > 16 {
            return Some("bits_range must be ascending within [1, 16]".into());
        }
        let [low, high] = self.jpeg_range;
        (low == 0 || low > high || high > 100)
            .then(|| "jpeg_range must be ascending within [1, 100]".into())
    }
}
