//! Forgeries of authentic images by methods that need no training.
//!
//! [`forge`] makes one from a [`Plane`] on the fly, [`forge_image`] from an image of any shape with a
//! record of how. Partial families replace a lesion-sized, softly outlined region inside the body and
//! leave every pixel outside the mask exactly as it is; the others redraw the whole image and take
//! care not to be told by blur: lost detail is invented again, radial spectra are matched, and part of
//! the real is mixed back, each at random. Forged pixels lie on the grey levels of their image.
//! Equal seeds give equal forgeries.

mod blend;
mod composite;
#[cfg(test)]
mod contract;
mod copy_move;
mod denoise;
mod denoise_grain;
mod inpaint_classic;
mod levels;
mod noise_inconsistency;
mod original;
mod parameters;
mod place;
mod plan;
mod poisson_blend;
mod quality;
mod raster;
mod reconstruct;
mod region;
mod resample;
mod spectral;
mod spectrum;
mod splice;
mod telea;
mod texture;
mod trained;

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

pub use composite::composite;
pub use original::Original;
pub use parameters::{Parameter, Parameters};
pub use plan::{ForgeryTask, plan_forgeries, plan_trained};
pub use quality::{ImageStatistics, SetDistance, set_distance};
pub use trained::{Lesion, Refinement, TrainedFamily, refine};

use crate::{GrayImage, Plane};
use levels::Levels;
use region::{Body, Region};

/// The shortest side that a family works on, in pixels.
pub const LEAST_SIDE: usize = 64;

/// Forgeries tried for one that changes more than the noise.
const ATTEMPTS: usize = 5;

/// Families of forgeries that need no training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrainingFreeFamily {
    /// A region of another patient's image.
    Splice,
    /// A region of the same image.
    CopyMove,
    /// Seamless cloning in the gradient domain.
    PoissonBlend,
    /// Removal by diffusion, fast marching or patch offsets.
    InpaintClassic,
    /// A region whose noise does not fit.
    NoiseInconsistency,
    /// Geometry edited and grey interpolated.
    Resample,
    /// Upsampling fingerprints of decoders.
    Spectral,
    /// Smoothing, then uniform grain.
    DenoiseGrain,
    /// The bottleneck of a small linear autoencoder.
    Reconstruct,
}

impl TrainingFreeFamily {
    /// Every family.
    pub const ALL: [Self; 9] = [
        Self::Splice,
        Self::CopyMove,
        Self::PoissonBlend,
        Self::InpaintClassic,
        Self::NoiseInconsistency,
        Self::Resample,
        Self::Spectral,
        Self::DenoiseGrain,
        Self::Reconstruct,
    ];

    /// The name in manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::CopyMove => "copy_move",
            Self::PoissonBlend => "poisson_blend",
            Self::InpaintClassic => "inpaint_classic",
            Self::NoiseInconsistency => "noise_inconsistency",
            Self::Resample => "resample",
            Self::Spectral => "spectral",
            Self::DenoiseGrain => "denoise_grain",
            Self::Reconstruct => "reconstruct",
        }
    }

    /// Whether a donor image changes what the family does. Without one, `splice` takes the image's
    /// own mirror image, and `poisson_blend` another place of the image.
    #[must_use]
    pub fn uses_donor(self) -> bool {
        matches!(self, Self::Splice | Self::PoissonBlend)
    }
}

impl TrainingFreeFamily {
    /// Whether every forgery of the family is of the whole image.
    fn redraws_everything(self) -> bool {
        matches!(
            self,
            Self::Spectral | Self::DenoiseGrain | Self::Reconstruct
        )
    }
}

impl fmt::Display for TrainingFreeFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no family is called {0:?}; there are {families}", families = names())]
pub struct UnknownFamily(pub String);

fn names() -> String {
    format!(
        "{} and, trained, {}",
        TrainingFreeFamily::ALL
            .map(TrainingFreeFamily::as_str)
            .join(", "),
        TrainedFamily::ALL.map(TrainedFamily::as_str).join(", ")
    )
}

impl FromStr for TrainingFreeFamily {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|family| family.as_str() == name)
            .ok_or_else(|| UnknownFamily(name.into()))
    }
}

/// A forged image.
#[derive(Debug, Clone, PartialEq)]
pub struct Forgery {
    /// The image, of the original's size and on its grey levels.
    pub image: GrayImage,
    /// Row-major share of manipulation in `[0, 1]`: 1 everywhere for whole-image families, 0 everywhere
    /// when the image was too flat or too small to forge and came back as it was.
    pub mask: Vec<f32>,
    /// What it was made with.
    pub parameters: Parameters,
}

/// Forges a plane. The mask of the result is the larger of the plane's own and the forgery's.
///
/// `donor` is another patient's image of the same modality, see [`TrainingFreeFamily::uses_donor`];
/// it may have another size.
#[must_use]
pub fn forge(
    family: TrainingFreeFamily,
    plane: &Plane,
    donor: Option<&Plane>,
    rng: &mut StdRng,
) -> Plane {
    let image = |plane: &Plane| GrayImage {
        rows: plane.side,
        columns: plane.side,
        pixels: plane.pixels.clone(),
    };
    let donor = donor.filter(|_| family.uses_donor()).map(image);
    let forgery = forge_image(family, &image(plane), donor.as_ref(), rng);
    Plane {
        side: plane.side,
        pixels: forgery.image.pixels,
        mask: plane
            .mask
            .iter()
            .zip(&forgery.mask)
            .map(|(own, forged)| own.max(*forged))
            .collect(),
    }
}

/// Forges an image of any shape; values in `[0, 1]`. One whose shorter side is below
/// [`LEAST_SIDE`] comes back unchanged with an empty mask.
#[must_use]
pub fn forge_image(
    family: TrainingFreeFamily,
    image: &GrayImage,
    donor: Option<&GrayImage>,
    rng: &mut StdRng,
) -> Forgery {
    let small = |image: &GrayImage| image.rows.min(image.columns) < LEAST_SIDE;
    if small(image) {
        return Forgery {
            image: image.clone(),
            mask: vec![0.0; image.pixels.len()],
            parameters: Parameters::default(),
        };
    }
    let donor = donor.filter(|donor| !small(donor));
    let all = match family {
        TrainingFreeFamily::Resample => rng.random_bool(0.25),
        _ => family.redraws_everything(),
    };
    if all {
        whole(family, image, rng)
    } else {
        partial(family, image, donor, rng)
    }
}

/// The whole image redrawn: of several attempts the first that differs by more than a grey level, or
/// the one that differs most.
fn whole(family: TrainingFreeFamily, image: &GrayImage, rng: &mut StdRng) -> Forgery {
    let (_, spread) = raster::moments(&image.pixels);
    let wanted = (1.0 / 255.0_f32).min(0.02 * spread);
    let mut best: Option<(f32, GrayImage, Parameters)> = None;
    for _ in 0..ATTEMPTS {
        let mut parameters = Parameters::default();
        let noted = &mut parameters;
        let fake = match family {
            TrainingFreeFamily::Spectral => spectral::whole(image, noted, rng),
            TrainingFreeFamily::DenoiseGrain => denoise_grain::whole(image, noted, rng),
            TrainingFreeFamily::Reconstruct => reconstruct::whole(image, noted, rng),
            // The families of regions come here for this one kind of theirs alone.
            _ => {
                let levels = Levels::of(&image.pixels);
                let bent = resample::whole(image, noted, rng);
                raster::mapped(&bent, |value| levels.snap(value))
            }
        };
        let (_, change) = raster::moments(&raster::combined(&fake, -1.0, image).pixels);
        noted.note("change_deviation", change);
        if best.as_ref().is_none_or(|(most, ..)| change > *most) {
            best = Some((change, fake, parameters));
        }
        if change > wanted {
            break;
        }
    }
    let (change, image, mut parameters) =
        best.unwrap_or_else(|| (0.0, image.clone(), Parameters::default()));
    parameters.note("extent", "whole");
    Forgery {
        mask: vec![f32::from(u8::from(change > 0.0)); image.pixels.len()],
        image,
        parameters,
    }
}

/// A region forged: of several attempts the first that changes more than the noise does, or the one
/// that changes most.
fn partial(
    family: TrainingFreeFamily,
    image: &GrayImage,
    donor: Option<&GrayImage>,
    rng: &mut StdRng,
) -> Forgery {
    let body = Body::of(image);
    let levels = Levels::of(&image.pixels);
    let (_, spread) = raster::moments(&image.pixels);
    let noise = raster::noise_level(image);
    let wanted = match family {
        // It may change nothing but the noise.
        TrainingFreeFamily::NoiseInconsistency => 0.25 * noise,
        _ => 0.04 * spread + 0.5 * noise,
    };
    let mut best: Option<(f32, Region, Vec<f32>, Parameters)> = None;
    for _ in 0..ATTEMPTS {
        let mut parameters = Parameters::default();
        let mut region = match family {
            TrainingFreeFamily::NoiseInconsistency => {
                Region::of_any_size(image, &body, noise_inconsistency::CALM, rng)
            }
            _ => Region::draw(image, &body, rng),
        };
        let noted = &mut parameters;
        let patch = match family {
            TrainingFreeFamily::CopyMove => copy_move::patch(image, &body, &region, noted, rng),
            TrainingFreeFamily::PoissonBlend => {
                poisson_blend::patch(image, donor, &body, &mut region, noted, rng)
            }
            TrainingFreeFamily::InpaintClassic => {
                inpaint_classic::patch(image, &body, &region, noted, rng)
            }
            TrainingFreeFamily::NoiseInconsistency => {
                noise_inconsistency::patch(image, &body, &region, noted, rng)
            }
            TrainingFreeFamily::Resample => resample::patch(image, &region, noted, rng),
            // The whole-image families do not come here.
            _ => splice::patch(image, donor, &region, noted, rng),
        };
        let host = region.cut(image);
        let values: Vec<f32> = patch
            .pixels
            .iter()
            .zip(&host.pixels)
            .zip(&region.alpha)
            .map(|((new, old), alpha)| match *alpha > 0.0 {
                true => levels.snap(old + alpha * (new - old)),
                false => *old,
            })
            .collect();
        let weight: f32 = region.alpha.iter().sum();
        let change = values
            .iter()
            .zip(&host.pixels)
            .map(|(new, old)| (new - old).abs())
            .sum::<f32>()
            / weight.max(1.0);
        region.note(noted);
        if best.as_ref().is_none_or(|(most, ..)| change > *most) {
            best = Some((change, region, values, parameters));
        }
        if change > wanted {
            break;
        }
    }
    let mut forged = image.clone();
    let mut mask = vec![0.0; image.pixels.len()];
    let mut parameters = Parameters::default();
    if let Some((change, region, values, noted)) = best.filter(|(change, ..)| *change > 0.0) {
        for row in 0..region.rows {
            let to = (region.top + row) * image.columns + region.left;
            let from = row * region.columns;
            forged.pixels[to..to + region.columns]
                .copy_from_slice(&values[from..from + region.columns]);
            mask[to..to + region.columns]
                .copy_from_slice(&region.alpha[from..from + region.columns]);
        }
        parameters = noted;
        parameters.note("mean_change", change);
    }
    parameters.note("extent", "region");
    Forgery {
        image: forged,
        mask,
        parameters,
    }
}
