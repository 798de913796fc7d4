//! What a generator is and how it is trained; travels in its file.

use serde::{Deserialize, Serialize};
use veraray_datasets::TrainedFamily;

use super::blocks::Upsampling;
use crate::TrainError;

/// Newest format of `.vfg` files that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// Architecture and training of a generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The family.
    pub family: TrainedFamily,
    /// Side of the images it is trained on, pixels.
    pub size: usize,
    /// Images per step.
    pub batch: usize,
    /// Steps in all.
    pub steps: usize,
    /// Learning rate.
    pub rate: f64,
    /// Decides the first weights and every draw.
    pub seed: u64,
    /// Channels at full resolution.
    pub width: usize,
    /// Halvings between the image and the code, or the coarsest level.
    pub depth: usize,
    /// Channels of an autoencoder's code.
    pub latent: usize,
    /// Vectors in a code book.
    pub codes: usize,
    /// The bank of decoders of an autoencoder, by how they double the resolution.
    pub decoders: Vec<Upsampling>,
    /// Weight of the frequency loss.
    pub frequency: f64,
    /// Weight of the divergence of the code from a normal distribution.
    pub divergence: f64,
    /// Weight of the adversarial loss; 0 trains without.
    pub adversarial: f64,
    /// Steps before the adversarial loss begins.
    pub warmup: usize,
}

impl Settings {
    /// The family's own, for images of that side.
    #[must_use]
    pub fn new(family: TrainedFamily, size: usize) -> Self {
        let adversary = match family {
            TrainedFamily::KlAutoencoder | TrainedFamily::VqAutoencoder => 0.05,
            TrainedFamily::Inpaint => 0.1,
            _ => 0.0,
        };
        Self {
            family,
            size,
            batch: 8,
            steps: 4000,
            rate: match family {
                TrainedFamily::Gan => 1e-3,
                _ => 4e-4,
            },
            seed: 2026,
            width: 32,
            depth: match family {
                TrainedFamily::LatentDiffusion => 2,
                // Down to four pixels.
                TrainedFamily::Gan => size.ilog2().saturating_sub(2) as usize,
                _ => 3,
            },
            latent: match family {
                TrainedFamily::VqAutoencoder => 8,
                _ => 4,
            },
            codes: 512,
            decoders: Upsampling::ALL.to_vec(),
            frequency: 20.0,
            divergence: 1e-4,
            adversarial: adversary,
            warmup: 1500,
        }
    }

    /// What cannot be trained, in words that name the flag.
    ///
    /// # Errors
    /// [`TrainError::Data`].
    pub fn check(&self) -> Result<(), TrainError> {
        let fault = |message: String| Err(TrainError::Data(message));
        if !(32..=512).contains(&self.size) {
            return fault(format!("--size {}: expected 32 to 512", self.size));
        }
        if self.family == TrainedFamily::Inpaint && self.size < 64 {
            return fault(format!(
                "--size {}: a region and what is around it need at least 64",
                self.size
            ));
        }
        if self.depth == 0 || self.depth > 7 || !self.size.is_multiple_of(1 << self.depth) {
            return fault(format!(
                "--depth {}: expected 1 to 7, and a --size that can be halved so often",
                self.depth
            ));
        }
        if self.family == TrainedFamily::Gan && self.size >> self.depth != 4 {
            return fault(format!(
                "--size {}: a gan grows from 4 pixels, so that its size is a power of two and \
                 --depth {}",
                self.size, self.depth
            ));
        }
        for (flag, value, most) in [
            ("--batch", self.batch, 4096),
            ("--steps", self.steps, 100_000_000),
            ("--width", self.width, 512),
            ("--latent", self.latent, 256),
            ("--codes", self.codes, 65_536),
        ] {
            if value == 0 || value > most {
                return fault(format!("{flag} {value}: expected 1 to {most}"));
            }
        }
        if self.decoders.is_empty() {
            return fault("--decoders: at least one is needed".into());
        }
        if !(self.rate > 0.0 && self.rate < 1.0) {
            return fault(format!(
                "--rate {}: expected a number between 0 and 1",
                self.rate
            ));
        }
        let weights = [self.frequency, self.divergence, self.adversarial];
        if weights.iter().any(|weight| !(0.0..1e6).contains(weight)) {
            return fault("the weight of a loss is not negative and finite".into());
        }
        Ok(())
    }

    /// Pixels that one number of the code or of the coarsest level stands for; sides of images are
    /// padded to multiples of it.
    #[must_use]
    pub fn reduction(&self) -> usize {
        1 << self.depth
    }

    /// The learning rate of a step: a linear start, and a linear end over the last fifth.
    #[must_use]
    pub fn rate_at(&self, step: usize) -> f64 {
        let start = (self.steps / 20).clamp(1, 200);
        let end = (self.steps / 5).max(1);
        let rise = (step + 1) as f64 / start as f64;
        let fall = (self.steps - step.min(self.steps)) as f64 / end as f64;
        self.rate * rise.min(fall).min(1.0)
    }
}

/// What a generator's file says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorCard {
    /// Format of the file.
    pub format_version: u32,
    /// Architecture and training.
    pub settings: Settings,
    /// Of the autoencoder whose code it works in.
    pub autoencoder: Option<Settings>,
    /// What a number of that code is divided by.
    pub code_scale: f64,
    /// Modalities it learned from; a class each.
    pub classes: Vec<String>,
    /// Steps taken.
    pub steps: usize,
    /// Images it learned from.
    pub images: usize,
    /// SHA-256 of the manifest that named them.
    pub manifest_sha256: String,
    /// Their licences.
    pub licences: Vec<String>,
    /// Where it was trained.
    pub device: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall_and_faults_name_their_flag() {
        let settings = Settings {
            steps: 1000,
            ..Settings::new(TrainedFamily::KlAutoencoder, 64)
        };
        assert!(settings.check().is_ok());
        assert!(settings.rate_at(0) < 0.05 * settings.rate);
        assert_eq!(settings.rate_at(500), settings.rate);
        assert!(settings.rate_at(999) < 0.01 * settings.rate);
        let fault = |settings: Settings| settings.check().expect_err("a fault").to_string();
        let odd = Settings {
            size: 66,
            ..settings.clone()
        };
        assert!(fault(odd).contains("--depth"));
        let none = Settings {
            batch: 0,
            ..settings
        };
        assert!(fault(none).contains("--batch"));
        for size in [64, 128, 256] {
            for family in TrainedFamily::ALL {
                assert!(
                    Settings::new(family, size).check().is_ok(),
                    "{family} {size}"
                );
            }
        }
    }
}
