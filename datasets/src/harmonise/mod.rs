//! Brings the classes of a data set to one distribution of everything that is not authenticity.
//!
//! Field of view, effective resolution, brightness and contrast, lossy compression, depth and file
//! format: each is measured on the originals, matched by rank between families and sources of one
//! modality ([`matching`]), and delivered by one path. Shapes are never squashed: images are cropped
//! to their largest centred square. What can only be taken away (field, resolution, quality) goes to
//! the least that every family and source has at the same rank; what can go both ways (grey levels)
//! goes to their mean. Grain is left alone, because adding or removing it would erase what a detector
//! is for.
//!
//! The delivered files are eight-bit grey PNG without compression, so that their size says nothing.
//! Where some originals have a JPEG history, images of all classes go through JPEG at qualities drawn
//! from one distribution, and through one reduction that takes old 8×8 grids off the new one.
//!
//! Originals are never changed. The same manifest, options and files give the same bytes.

mod matching;
mod output;
mod render;
mod survey;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::{Entry, Manifest, OpenError};
use matching::{Common, Stratum, key, matched, strata};
use output::Folder;
use render::{Step, render};
use survey::{LEVELS, Survey, survey};

/// Share of an image's own side that a reduction keeps at most, so that every image goes through a
/// true reduction and none keeps its pixels where others are resampled.
const MARGIN: f64 = 0.875;

/// Smallest side that is delivered.
const LEAST_SIDE: u32 = 16;

/// How to harmonise.
#[derive(Debug, Clone, PartialEq)]
pub struct HarmoniseOptions {
    /// Decides ties and draws.
    pub seed: u64,
    /// Side of every delivered image in pixels; `None`: the matched effective side of each.
    pub side: Option<u32>,
    /// Whether brightness and contrast are matched.
    pub tones: bool,
    /// Share of the square's side that is kept around its centre, in `(0, 1]`: less where margins,
    /// captions and what lies beside the body differ between sources.
    pub field: f64,
}

impl Default for HarmoniseOptions {
    fn default() -> Self {
        Self {
            seed: 2026,
            side: None,
            tones: true,
            field: 1.0,
        }
    }
}

impl HarmoniseOptions {
    /// The options and the manifest they are applied to, in one line.
    fn signature(&self, manifest_sha256: &str) -> String {
        format!("{} manifest={manifest_sha256}", self.settings())
    }

    /// The options alone, as every row of the new manifest records them.
    fn settings(&self) -> String {
        let side = self.side.map_or("own".into(), |side| side.to_string());
        let tones = if self.tones { "matched" } else { "kept" };
        format!(
            "veraray-harmonise/1 seed={} side={side} tones={tones} field={}",
            self.seed, self.field
        )
    }
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarmoniseError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An image or mask cannot be read.
    #[error(transparent)]
    Image(#[from] OpenError),
    /// An image cannot be delivered.
    #[error("{}: {message}", path.display())]
    Unusable {
        /// The image.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The output folder or the manifest does not fit.
    #[error("{}: {message}", path.display())]
    Refused {
        /// The folder or manifest.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Harmonised {
    /// The new manifest.
    pub manifest: PathBuf,
    /// Authentic and manipulated images delivered.
    pub images: [usize; 2],
    /// Images that were there already, from an interrupted run.
    pub resumed: usize,
    /// Images that could not be delivered, with the reason.
    pub skipped: Vec<(String, String)>,
    /// What was matched, per modality.
    pub modalities: Vec<Matched>,
}

/// What the images of one modality have in common now.
#[derive(Debug, Clone, Serialize)]
pub struct Matched {
    /// The modality.
    pub modality: String,
    /// Smallest, median and largest effective side in pixels.
    pub effective: [u32; 3],
    /// Smallest, median and largest JPEG quality; `None` without lossy step.
    pub quality: Option<[u8; 3]>,
    /// Whether fields of view were matched in millimetres.
    pub field: bool,
}

/// A phase of the work, for progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Originals are looked at.
    Survey,
    /// Images are delivered.
    Deliver,
}

/// Harmonises the images of `entries`, a selection of `manifest`'s, into the folder `output`. `tick`
/// is called once per image and phase. Interrupted runs go on where they stopped.
///
/// # Errors
/// [`HarmoniseError`] when the folder holds something else, or nothing can be delivered. Single images
/// that fail are listed in [`Harmonised::skipped`].
pub fn harmonise(
    manifest_path: &Path,
    manifest: &Manifest,
    entries: &[&Entry],
    output: &Path,
    options: &HarmoniseOptions,
    tick: &(dyn Fn(Phase) + Sync),
) -> Result<Harmonised, HarmoniseError> {
    let folder = Folder::prepare(output, &options.signature(&manifest.sha256))?;
    if let Some(rows) = output::already(manifest_path, entries, &options.settings())? {
        return folder.copy(entries, &rows, tick);
    }
    let looked: Vec<Result<Survey, OpenError>> = entries
        .par_iter()
        .map(|entry| {
            let looked = survey(entry);
            tick(Phase::Survey);
            looked
        })
        .collect();
    let mut skipped = Vec::new();
    let mut kept: Vec<&Entry> = Vec::new();
    let mut surveys = Vec::new();
    for (entry, looked) in entries.iter().zip(looked) {
        match looked {
            Ok(survey) if survey.square[2] < LEAST_SIDE => {
                let side = survey.square[2];
                skipped.push((
                    entry.name.clone(),
                    format!("only {side} pixels inside its margins"),
                ));
            }
            Ok(survey) => {
                kept.push(entry);
                surveys.push(survey);
            }
            Err(error) => skipped.push((entry.name.clone(), error.to_string())),
        }
    }
    let strata = strata(&kept);
    let steps = plan(&kept, &surveys, &strata, options);
    let modalities = summary(&kept, &surveys, &strata, &steps);
    let delivered: Vec<Result<output::Delivered, HarmoniseError>> = kept
        .par_iter()
        .zip(&steps)
        .map(|(entry, step)| {
            let delivered = folder.deliver(step, || render(entry, step), entry.mask.is_some());
            tick(Phase::Deliver);
            delivered
        })
        .collect();
    let mut rows = Vec::new();
    let mut resumed = 0;
    let mut images = [0, 0];
    for ((entry, step), delivered) in kept.iter().zip(&steps).zip(delivered) {
        match delivered {
            Ok(file) => {
                resumed += usize::from(file.resumed);
                images[usize::from(entry.label.is_manipulated())] += 1;
                rows.push((*entry, step, file));
            }
            Err(error) => skipped.push((entry.name.clone(), error.to_string())),
        }
    }
    if images.contains(&0) {
        let first = skipped.first();
        let why = first.map_or(String::new(), |(name, why)| {
            format!("; first of all {name}: {why}")
        });
        return Err(HarmoniseError::Refused {
            path: manifest_path.to_owned(),
            message: format!("no authentic or no manipulated image could be delivered{why}"),
        });
    }
    let manifest = folder.write_manifest(&rows, &options.settings())?;
    Ok(Harmonised {
        manifest,
        images,
        resumed,
        skipped,
        modalities,
    })
}

/// Matches everything that was measured.
fn plan(
    entries: &[&Entry],
    surveys: &[Survey],
    strata: &[Stratum],
    options: &HarmoniseOptions,
) -> Vec<Step> {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let by_rank = |values: &[f64], common: Common| {
        matched(values, strata, &names, options.seed, common, false)
    };
    let squares: Vec<[u32; 3]> = match_fields(surveys, strata, &by_rank)
        .into_iter()
        .map(|square| inner(square, options.field))
        .collect();
    // Pixels that carry detail along a side.
    let own: Vec<f64> = squares
        .iter()
        .zip(surveys)
        .map(|(square, survey)| f64::from(square[2]) * survey.bandwidth)
        .collect();
    let common = by_rank(&own, Common::Least);
    let qualities: Vec<f64> = surveys.iter().map(|survey| survey.quality).collect();
    // Resampling comes between the old history and the new, so that any image may take any quality.
    let drawn = matched(
        &qualities,
        strata,
        &names,
        options.seed ^ 1,
        Common::Least,
        true,
    );
    let reduced = needs_reduction(&squares, surveys, strata, &common);
    let levels: Vec<Vec<f64>> = (0..LEVELS.len())
        .map(|i| {
            let of: Vec<f64> = surveys
                .iter()
                .map(|survey| stretched(&survey.levels)[i])
                .collect();
            if options.tones {
                by_rank(&of, Common::Mean)
            } else {
                of
            }
        })
        .collect();
    (0..entries.len())
        .map(|i| {
            let side = squares[i][2];
            let effective = reduced[strata[i].modality]
                .then(|| ((common[i] * MARGIN) as u32).clamp(LEAST_SIDE.min(side), side));
            Step {
                frame: surveys[i].frame,
                square: squares[i],
                effective,
                side: options.side.unwrap_or(effective.unwrap_or(side)),
                levels: std::array::from_fn(|level| levels[level][i]),
                quality: (drawn[i] < 100.0).then(|| drawn[i].round().clamp(30.0, 98.0) as u8),
                seed: key(options.seed, &entries[i].name),
            }
        })
        .collect()
}

/// Grey that the lowest and the highest matched quantile become: short of black and white, so that
/// what lies beyond them is not clipped.
const RANGE: [f64; 2] = [0.02, 0.98];

/// Grey levels after a plain stretch to [`RANGE`].
fn stretched(levels: &[f64; 7]) -> [f64; 7] {
    let (low, high) = (levels[0], levels[6].max(levels[0] + 1.0 / 255.0));
    levels.map(|level| RANGE[0] + (RANGE[1] - RANGE[0]) * (level - low) / (high - low))
}

/// The central share of a square.
fn inner([x, y, side]: [u32; 3], share: f64) -> [u32; 3] {
    let kept = ((f64::from(side) * share).round() as u32).clamp(1, side);
    let shift = (side - kept) / 2;
    [x + shift, y + shift, kept]
}

/// Squares after matching fields of view in millimetres, in modalities where all pitches are known.
fn match_fields(
    surveys: &[Survey],
    strata: &[Stratum],
    by_rank: &dyn Fn(&[f64], Common) -> Vec<f64>,
) -> Vec<[u32; 3]> {
    let known = pitches_known(surveys, strata);
    let fields: Vec<f64> = surveys
        .iter()
        .map(|survey| f64::from(survey.square[2]) * survey.pitch.unwrap_or(1.0))
        .collect();
    let common = by_rank(&fields, Common::Least);
    surveys
        .iter()
        .enumerate()
        .map(|(i, survey)| {
            let [x, y, side] = survey.square;
            if !known[&strata[i].modality] {
                return survey.square;
            }
            let wanted = common[i] / survey.pitch.unwrap_or(1.0);
            let wanted = (wanted.round() as u32).clamp(1, side);
            let shift = (side - wanted) / 2;
            [x + shift, y + shift, wanted]
        })
        .collect()
}

fn pitches_known(surveys: &[Survey], strata: &[Stratum]) -> BTreeMap<usize, bool> {
    let mut known = BTreeMap::new();
    for (survey, stratum) in surveys.iter().zip(strata) {
        *known.entry(stratum.modality).or_insert(true) &= survey.pitch.is_some();
    }
    known
}

/// Per modality, whether its images must be resampled: sides or detail differ, or some have a JPEG
/// history and others have none or another.
fn needs_reduction(
    squares: &[[u32; 3]],
    surveys: &[Survey],
    strata: &[Stratum],
    common: &[f64],
) -> Vec<bool> {
    let count = strata
        .iter()
        .map(|stratum| stratum.modality + 1)
        .max()
        .unwrap_or(0);
    let mut needed = vec![false; count];
    let mut first: Vec<Option<f64>> = vec![None; count];
    for (i, survey) in surveys.iter().enumerate() {
        let modality = strata[i].modality;
        let side = f64::from(squares[i][2]);
        needed[modality] |= common[i] < 0.98 * side;
        let quality = *first[modality].get_or_insert(survey.quality);
        needed[modality] |= (quality - survey.quality).abs() > 1.0;
    }
    needed
}

fn summary(
    entries: &[&Entry],
    surveys: &[Survey],
    strata: &[Stratum],
    steps: &[Step],
) -> Vec<Matched> {
    let known = pitches_known(surveys, strata);
    let mut by_modality: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, stratum) in strata.iter().enumerate() {
        by_modality.entry(stratum.modality).or_default().push(index);
    }
    by_modality
        .into_iter()
        .map(|(modality, members)| {
            let mut sides: Vec<u32> = members
                .iter()
                .map(|&i| steps[i].effective.unwrap_or(steps[i].square[2]))
                .collect();
            sides.sort_unstable();
            let mut qualities: Vec<u8> = members.iter().filter_map(|&i| steps[i].quality).collect();
            qualities.sort_unstable();
            let span = |count: usize| [0, count / 2, count - 1];
            Matched {
                modality: entries[members[0]].modality.clone(),
                effective: span(sides.len()).map(|at| sides[at]),
                quality: (!qualities.is_empty())
                    .then(|| span(qualities.len()).map(|at| qualities[at])),
                field: known[&modality],
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
