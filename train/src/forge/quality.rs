//! How far a generator's images lie from authentic ones of other patients.

use std::path::Path;

use burn::tensor::Device;
use serde::Serialize;
use veraray_datasets::{GrayImage, ImageStatistics, LEAST_SIDE, set_distance};

use super::generator::{Generation, Generator};
use super::reals::Reals;
use crate::TrainError;
use crate::progress::Progress;
use crate::sampler::generator;

/// Distances of one modality; see [`veraray_datasets::set_distance`].
#[derive(Debug, Clone, Serialize)]
pub struct Quality {
    /// Modality.
    pub modality: String,
    /// Kernel distance of what was generated to held-out authentic images.
    pub kernel: f64,
    /// Distance of the mean radial spectra, decibels.
    pub spectrum_db: f64,
    /// The same of authentic images of the training split: the floor.
    pub authentic_kernel: f64,
    /// Likewise.
    pub authentic_spectrum_db: f64,
    /// Images generated.
    pub images: usize,
    /// Held-out authentic images.
    pub held_out: usize,
}

/// Compares up to `most` images per modality, as large as the generator was trained at, with held-out
/// authentic ones framed alike. Generators that work on authentic images get those of the training
/// split, so that no patient is on both sides.
///
/// # Errors
/// As [`Generator::forge`] and [`Generator::invent`].
pub fn measure(
    model: &Generator,
    [trained, held_out]: [&Reals; 2],
    most: usize,
    device: &Device,
    progress: &Progress,
) -> Result<Vec<Quality>, TrainError> {
    let settings = &model.card.settings;
    if most < 2 || settings.size < LEAST_SIDE {
        return Ok(Vec::new());
    }
    let classes = &model.card.classes;
    let generation = Generation::default();
    let bar = progress.bar("quality");
    bar.set_length((classes.len() * most) as u64);
    let mut found = Vec::new();
    for (class, modality) in classes.iter().enumerate() {
        let reference = statistics(&held_out.wholes(modality, most));
        let reals = trained.wholes(modality, most);
        let mut fakes = Vec::new();
        let random = |index: usize| generator(settings.seed, [4, class, index]);
        if settings.family.invents() {
            for index in 0..most {
                // A number of this class.
                let number = index * classes.len() + class;
                let invented = model.invent(number, &generation, device, &mut random(index))?;
                fakes.push(invented.0);
                bar.inc(1);
            }
        } else {
            for (index, real) in reals.iter().enumerate() {
                let forged =
                    model.forge(real, modality, &generation, device, &mut random(index))?;
                fakes.push(forged.image);
                bar.inc(1);
            }
        }
        let (reals, fakes) = (statistics(&reals), statistics(&fakes));
        if [&reference, &reals, &fakes].iter().any(|set| set.len() < 2) {
            continue;
        }
        let (distance, floor) = (
            set_distance(&reference, &fakes),
            set_distance(&reference, &reals),
        );
        found.push(Quality {
            modality: modality.clone(),
            kernel: distance.kernel,
            spectrum_db: distance.spectrum_db,
            authentic_kernel: floor.kernel,
            authentic_spectrum_db: floor.spectrum_db,
            images: fakes.len(),
            held_out: reference.len(),
        });
    }
    bar.finish_and_clear();
    Ok(found)
}

fn statistics(images: &[GrayImage]) -> Vec<ImageStatistics> {
    images.iter().map(ImageStatistics::of).collect()
}

/// Writes the distances as JSON.
///
/// # Errors
/// [`TrainError::Io`].
pub fn write(path: &Path, found: &[Quality]) -> Result<(), TrainError> {
    // Numbers and words always have a JSON form.
    let text = serde_json::to_vec_pretty(found).unwrap_or_default();
    std::fs::write(path, text).map_err(TrainError::io(path))
}
