//! What families that are trained elsewhere share with those here: names, regions, last steps.

use std::fmt;
use std::str::FromStr;

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::UnknownFamily;
use super::levels::Levels;
use super::parameters::Parameters;
use super::raster::{combined, mapped};
use super::region::{Body, Region, smooth_step};
use super::spectrum::Spectrum;
use crate::GrayImage;

/// Spatial frequencies from which [`Refinement::mix`] begins and is complete, cycles per pixel.
const HIGH: [f32; 2] = [0.08, 0.2];

/// Families that learn from authentic images before they make any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrainedFamily {
    /// Reconstruction by an autoencoder with a normally distributed code.
    KlAutoencoder,
    /// Reconstruction by an autoencoder with a code book.
    VqAutoencoder,
    /// A region painted by a conditional network.
    Inpaint,
    /// Whole images by flow matching on pixels.
    PixelFlow,
    /// Whole images by flow matching in an autoencoder's code.
    LatentDiffusion,
    /// Whole images by a style-based adversarial network.
    Gan,
}

impl TrainedFamily {
    /// Every family.
    pub const ALL: [Self; 6] = [
        Self::KlAutoencoder,
        Self::VqAutoencoder,
        Self::Inpaint,
        Self::PixelFlow,
        Self::LatentDiffusion,
        Self::Gan,
    ];

    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KlAutoencoder => "kl_autoencoder",
            Self::VqAutoencoder => "vq_autoencoder",
            Self::Inpaint => "inpaint",
            Self::PixelFlow => "pixel_flow",
            Self::LatentDiffusion => "latent_diffusion",
            Self::Gan => "gan",
        }
    }

    /// Whether the family makes images of nothing, rather than of authentic ones.
    #[must_use]
    pub fn invents(self) -> bool {
        matches!(self, Self::PixelFlow | Self::LatentDiffusion | Self::Gan)
    }
}

impl fmt::Display for TrainedFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TrainedFamily {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|family| family.as_str() == name)
            .ok_or_else(|| UnknownFamily(name.into()))
    }
}

/// How a generated image is brought closer to its original.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Refinement {
    /// Whether the radial power spectrum becomes the original's.
    pub match_spectrum: bool,
    /// Share of the difference in high spatial frequencies that is taken back, in `[0, 1]`.
    pub mix: f32,
}

/// Refines a generated image of the original's size, and puts it on the original's grey levels.
///
/// # Panics
/// When the sizes differ.
#[must_use]
pub fn refine(
    fake: &GrayImage,
    real: &GrayImage,
    refinement: Refinement,
    parameters: &mut Parameters,
) -> GrayImage {
    assert_eq!(
        (fake.rows, fake.columns),
        (real.rows, real.columns),
        "a generated image has its original's size"
    );
    let mut fake = mapped(fake, |value| value.clamp(0.0, 1.0));
    if refinement.mix > 0.0 {
        let mut lost = Spectrum::of(&combined(real, -1.0, &fake));
        lost.shape(|frequency| smooth_step((frequency - HIGH[0]) / (HIGH[1] - HIGH[0])));
        fake = combined(&fake, refinement.mix, &lost.plane());
        parameters.note("high_frequencies_mixed", refinement.mix);
    }
    if refinement.match_spectrum {
        let target = Spectrum::of(real).radial_power();
        // Black and white cut off what a match adds to them: the second pass makes up for it.
        for _ in 0..2 {
            fake = mapped(&fake, |value| value.clamp(0.0, 1.0));
            let mut spectrum = Spectrum::of(&fake);
            spectrum.match_radial(&target, 1.0);
            fake = spectrum.plane();
        }
        parameters.note("spectrum_matched", true);
    }
    let levels = Levels::of(&real.pixels);
    mapped(&fake, |value| levels.snap(value))
}

/// A softly outlined region of the size of a lesion.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesion {
    /// Row-major opacity of the image's size, exactly 0 outside the region.
    pub mask: Vec<f32>,
    /// Middle of the region, row and column.
    pub centre: [f32; 2],
    /// Radius along its longer half axis, pixels.
    pub radius: f32,
    /// Place and shape.
    pub parameters: Parameters,
}

impl Lesion {
    /// Draws a region inside the body of an image with a shorter side of at least 64 pixels.
    #[must_use]
    pub fn draw(image: &GrayImage, rng: &mut StdRng) -> Self {
        let region = Region::draw(image, &Body::of(image), rng);
        let mut mask = vec![0.0; image.pixels.len()];
        for row in 0..region.rows {
            let to = (region.top + row) * image.columns + region.left;
            mask[to..to + region.columns]
                .copy_from_slice(&region.alpha[row * region.columns..(row + 1) * region.columns]);
        }
        let mut parameters = Parameters::default();
        region.note(&mut parameters);
        Self {
            mask,
            centre: region.centre(),
            radius: region.radius,
            parameters,
        }
    }

    /// The image with the region's share of another, on the image's grey levels; nothing outside the
    /// region changes.
    ///
    /// # Panics
    /// When the sizes differ.
    #[must_use]
    pub fn blend(&self, image: &GrayImage, painted: &GrayImage) -> GrayImage {
        assert_eq!(image.pixels.len(), painted.pixels.len(), "equal sizes");
        let levels = Levels::of(&image.pixels);
        let mut blended = image.clone();
        for ((value, new), share) in blended
            .pixels
            .iter_mut()
            .zip(&painted.pixels)
            .zip(&self.mask)
        {
            if *share > 0.0 {
                *value = levels.snap(*value + share * (new - *value));
            }
        }
        blended
    }
}

#[cfg(test)]
mod tests {
    use super::super::raster::{gaussian, moments, white_noise};
    use super::*;
    use rand::SeedableRng;

    fn pair() -> (GrayImage, GrayImage) {
        let mut rng = StdRng::seed_from_u64(5);
        let grain = white_noise(80, 70, &mut rng);
        let soft = gaussian(&white_noise(80, 70, &mut rng), 4.0);
        let real = GrayImage {
            pixels: soft
                .pixels
                .iter()
                .zip(&grain.pixels)
                .map(|(soft, grain)| (0.5 + soft + 0.08 * grain).clamp(0.0, 1.0))
                .collect(),
            ..soft
        };
        let fake = gaussian(&real, 1.2);
        (real, fake)
    }

    #[test]
    fn refining_brings_the_spectrum_and_the_detail_back() {
        let (real, fake) = pair();
        let error = |image: &GrayImage| moments(&combined(image, -1.0, &real).pixels).1;
        let high = |image: &GrayImage| Spectrum::of(image).radial_power()[28];
        let mut parameters = Parameters::default();
        let mixed = Refinement {
            mix: 0.6,
            ..Refinement::default()
        };
        let mixed = refine(&fake, &real, mixed, &mut parameters);
        assert!(error(&mixed) < 0.7 * error(&fake));
        let matched = Refinement {
            match_spectrum: true,
            ..Refinement::default()
        };
        let matched = refine(&fake, &real, matched, &mut parameters);
        assert!(high(&fake) < 0.3 * high(&real));
        let ratio = high(&matched) / high(&real);
        assert!((0.4..2.5).contains(&ratio), "{ratio}");
        assert_eq!(parameters.0.len(), 2);
    }

    #[test]
    fn a_blend_leaves_everything_outside_the_region_alone() {
        let (real, fake) = pair();
        let lesion = Lesion::draw(&real, &mut StdRng::seed_from_u64(1));
        let blended = lesion.blend(&real, &fake);
        let mut changed = 0;
        for ((old, new), share) in real.pixels.iter().zip(&blended.pixels).zip(&lesion.mask) {
            assert!(*share > 0.0 || old == new);
            changed += usize::from(old != new);
        }
        assert!(changed > 10);
    }
}
