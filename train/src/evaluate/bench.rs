//! A checkpoint beside the images it is judged on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use veraray_datasets::{Entry, Plane, Split, TrainingFreeFamily};
use veraray_model::{Checkpoint, Unfamiliarity};

use crate::data::Dataset;
use crate::metrics::{CellImage, Scored};
use crate::progress::Progress;
use crate::score::{CellScore, draws, score_tiles, sent};
use crate::{Recipe, TrainError};

/// Keeps the draws of a test apart from those of training's validation: they must not be the ones
/// that an epoch was chosen on.
const TEST: u64 = 0x7e57;

/// Which images are judged.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The split, as the checkpoint's own recipe assigns it; `None`: every image of the manifest.
    pub split: Option<Split>,
    /// Values of the manifest's `set` column, or `all`; empty: those of the recipe.
    pub sets: Vec<String>,
    /// Families to judge; empty: all.
    pub families: Vec<String>,
    /// Most images per family, and of all authentic ones five times as many; `None`: all.
    pub limit: Option<usize>,
    /// Whether authentic images alone will do.
    pub authentic_suffices: bool,
}

/// One image to be judged.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Index in the data set's entries.
    pub entry: usize,
    /// Generator family; `None`: authentic.
    pub family: Option<String>,
    /// Whether it was forged from an authentic image of the manifest for the test.
    pub forged: bool,
    /// Indices of its tiles in the data set's samples.
    pub samples: Vec<usize>,
}

/// What the detector says of one subject.
#[derive(Debug, Clone)]
pub struct SubjectScore {
    /// Pooled logit.
    pub logit: f64,
    /// Calibrated score.
    pub score: f64,
    /// Cells of all its tiles with what the masks say.
    pub cells: Vec<CellScore>,
    /// Whether the checkpoint refuses it as unlike what it knows; `None`: it cannot tell.
    pub refused: Option<bool>,
}

/// What happens to every tile before it is judged: given the tile, whether it is manipulated, and
/// draws that belong to the tile.
pub struct Treatment<'a> {
    /// Seed of the draws.
    pub seed: u64,
    /// The change.
    pub apply: &'a (dyn Fn(Plane, bool, &mut StdRng) -> Plane + Sync),
}

/// A checkpoint with the images it is judged on.
pub struct Bench {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its file.
    pub path: PathBuf,
    /// Its recipe, with families that were held out from training admitted again.
    pub recipe: Recipe,
    /// Families that training and validation did not see.
    pub held_out: Vec<String>,
    /// The images.
    pub dataset: Dataset,
    /// What is judged.
    pub subjects: Vec<Subject>,
}

impl Bench {
    /// Loads a checkpoint and the images selected from a manifest.
    ///
    /// # Errors
    /// [`TrainError`] when something cannot be read, or when a class is missing.
    pub fn open(
        path: &Path,
        manifest: &Path,
        device: &Device,
        selection: &Selection,
        progress: &Progress,
    ) -> Result<Self, TrainError> {
        let checkpoint = Checkpoint::load(path, device)?;
        let mut recipe = recipe_of(&checkpoint, path)?;
        if selection.sets == ["all"] {
            recipe.data.sets.clear();
        } else if !selection.sets.is_empty() {
            recipe.data.sets.clone_from(&selection.sets);
        }
        let held_out = std::mem::take(&mut recipe.data.exclude_families);
        recipe.forge.judged = judged(&recipe, &held_out);
        let bench = Self::with(
            (checkpoint, path),
            recipe,
            held_out,
            manifest,
            selection,
            progress,
        )?;
        bench.check(manifest, selection)?;
        Ok(bench)
    }

    /// As [`Bench::open`] with a checkpoint in memory and images as a recipe says, which need not be
    /// its own; a class may be missing.
    ///
    /// # Errors
    /// [`TrainError`] when the manifest or an image cannot be read.
    pub(super) fn with(
        (checkpoint, path): (Checkpoint, &Path),
        mut recipe: Recipe,
        held_out: Vec<String>,
        manifest: &Path,
        selection: &Selection,
        progress: &Progress,
    ) -> Result<Self, TrainError> {
        // The card decides what pixels look like, whatever the recipe says.
        recipe.input = checkpoint.card.input.clone();
        let bar = progress.bar("reading images");
        let dataset = Dataset::load(manifest, &recipe, &bar)?;
        bar.finish_and_clear();
        Ok(Self::on(
            (checkpoint, path),
            recipe,
            held_out,
            dataset,
            selection,
        ))
    }

    /// As [`Bench::open`] with everything in memory; a class may be missing.
    pub(crate) fn on(
        (checkpoint, path): (Checkpoint, &Path),
        recipe: Recipe,
        held_out: Vec<String>,
        dataset: Dataset,
        selection: &Selection,
    ) -> Self {
        let mut bench = Self {
            checkpoint,
            path: path.to_owned(),
            recipe,
            held_out,
            dataset,
            subjects: Vec::new(),
        };
        bench.subjects = bench.select(selection);
        bench
    }

    fn select(&self, selection: &Selection) -> Vec<Subject> {
        let wanted = |family: &str| {
            selection.families.is_empty() || selection.families.iter().any(|f| f == family)
        };
        let indices: Vec<usize> = match selection.split {
            Some(split) => self.dataset.of_split(split),
            None => (0..self.dataset.samples.len()).collect(),
        };
        let samples = &self.dataset.samples;
        let mut subjects: Vec<Subject> = indices
            .chunk_by(|&a, &b| samples[a].entry == samples[b].entry)
            .filter_map(|tiles| {
                let entry = samples[tiles[0]].entry;
                let image = &self.dataset.entries[entry];
                let manipulated = image.label.is_manipulated();
                (!manipulated || wanted(&image.generator)).then(|| Subject {
                    entry,
                    forged: entry >= self.dataset.listed,
                    family: manipulated.then(|| image.generator.clone()),
                    samples: tiles.to_vec(),
                })
            })
            .collect();
        if let Some(limit) = selection.limit {
            subjects = self.thinned(subjects, limit);
        }
        subjects
    }

    /// Keeps the same images whatever their order: those first by hash.
    fn thinned(&self, subjects: Vec<Subject>, limit: usize) -> Vec<Subject> {
        let mut classes: BTreeMap<Option<String>, Vec<([u8; 32], usize)>> = BTreeMap::new();
        for (position, subject) in subjects.iter().enumerate() {
            let name = &self.dataset.entries[subject.entry].name;
            let key: [u8; 32] = Sha256::digest(name.as_bytes()).into();
            let class = classes.entry(subject.family.clone()).or_default();
            class.push((key, position));
        }
        let mut keep = BTreeSet::new();
        for (family, mut members) in classes {
            members.sort_unstable();
            let most = if family.is_none() { 5 * limit } else { limit };
            keep.extend(members.into_iter().take(most).map(|(_, position)| position));
        }
        let kept = subjects.into_iter().enumerate();
        kept.filter(|(position, _)| keep.contains(position))
            .map(|(_, subject)| subject)
            .collect()
    }

    fn check(&self, manifest: &Path, selection: &Selection) -> Result<(), TrainError> {
        let found: BTreeSet<&str> = self.families().into_iter().collect();
        if let Some(missing) = selection
            .families
            .iter()
            .find(|family| !found.contains(family.as_str()))
        {
            return Err(TrainError::Data(format!(
                "{}: no image of the family {missing} in the split",
                manifest.display()
            )));
        }
        let authentic = self.subjects.iter().any(|s| s.family.is_none());
        if (found.is_empty() && !selection.authentic_suffices) || !authentic {
            return Err(TrainError::Data(
                "the split holds no authentic or no manipulated image".into(),
            ));
        }
        Ok(())
    }

    /// Families among the subjects.
    #[must_use]
    pub fn families(&self) -> Vec<&str> {
        let families: BTreeSet<&str> = self
            .subjects
            .iter()
            .filter_map(|subject| subject.family.as_deref())
            .collect();
        families.into_iter().collect()
    }

    /// The manifest's line of a subject, or of its parent.
    #[must_use]
    pub fn entry(&self, subject: &Subject) -> &Entry {
        &self.dataset.entries[subject.entry]
    }

    /// Threshold and declared rate of the operating point for `max_fpr`.
    ///
    /// # Errors
    /// [`TrainError::Data`] when the checkpoint declares none.
    pub fn threshold(&self, max_fpr: f64) -> Result<[f64; 2], TrainError> {
        let point = self.checkpoint.card.calibration.operating_point(max_fpr);
        point
            .map(|point| [point.threshold, point.false_positive_rate])
            .ok_or_else(|| {
                TrainError::Data(format!(
                    "{}: the checkpoint declares no threshold for --max-fpr {max_fpr}",
                    self.path.display()
                ))
            })
    }

    /// A tile, before any treatment.
    #[must_use]
    pub fn plane(&self, sample: usize) -> Plane {
        self.dataset.plane(&self.dataset.samples[sample])
    }

    /// Scores every subject, after a treatment where one is given.
    ///
    /// # Errors
    /// As [`score_tiles`].
    pub fn score(
        &self,
        treatment: Option<&Treatment<'_>>,
        device: &Device,
        progress: &indicatif::ProgressBar,
    ) -> Result<Vec<SubjectScore>, TrainError> {
        let tiles: Vec<(&Subject, usize)> = self
            .subjects
            .iter()
            .flat_map(|subject| subject.samples.iter().map(move |&sample| (subject, sample)))
            .collect();
        let plane = |position: usize| {
            let (subject, sample) = tiles[position];
            let plane = self.plane(sample);
            match treatment {
                Some(treatment) => {
                    let mut rng = draws(treatment.seed, sample);
                    (treatment.apply)(plane, subject.family.is_some(), &mut rng)
                }
                None => plane,
            }
        };
        let extent = (self.dataset.side, tiles.len());
        let detector = &self.checkpoint.detector;
        let mut scored = score_tiles(detector, extent, &plane, device, progress)?.into_iter();
        self.dataset.intact()?;
        let calibration = &self.checkpoint.card.calibration;
        Ok(self
            .subjects
            .iter()
            .map(|subject| {
                let tiles: Vec<_> = scored.by_ref().take(subject.samples.len()).collect();
                let logits = tiles.iter().map(|tile| tile.logit);
                // A subject has at least one tile.
                let logit = self.dataset.pooling.pool(logits).unwrap_or(f64::NAN);
                let known = self.checkpoint.card.out_of_distribution.as_ref();
                let refused = known.and_then(|known| {
                    let measured = tiles.iter().map(|tile| known.measure(&tile.features));
                    Some(
                        known
                            .exceeded(Unfamiliarity::mean(measured)?)
                            .contains(&true),
                    )
                });
                SubjectScore {
                    logit,
                    score: calibration.score(logit),
                    cells: tiles.into_iter().flat_map(|tile| tile.cells).collect(),
                    refused,
                }
            })
            .collect())
    }

    /// Scores every subject as it is and after delivery, the same draws for both classes.
    ///
    /// # Errors
    /// As [`score_tiles`].
    pub fn clean_and_delivered(
        &self,
        device: &Device,
        progress: &Progress,
    ) -> Result<[Vec<SubjectScore>; 2], TrainError> {
        let mut all = self.clean_and_deliveries(1, device, progress)?.into_iter();
        // There are as many as were asked for.
        Ok([(); 2].map(|()| all.next().unwrap_or_default()))
    }

    /// Scores of all subjects, as they are, then after several deliveries.
    pub fn clean_and_deliveries(
        &self,
        draws: usize,
        device: &Device,
        progress: &Progress,
    ) -> Result<Vec<Vec<SubjectScore>>, TrainError> {
        let bar = progress.bar("scoring");
        let tiles: usize = self.subjects.iter().map(|s| s.samples.len()).sum();
        bar.set_length(((draws + 1) * tiles) as u64);
        let mut all = vec![self.score(None, device, &bar)?];
        let delivery = sent(&self.recipe.delivery);
        for draw in 0..draws as u64 {
            let treatment = Treatment {
                seed: (self.recipe.training.seed ^ TEST).wrapping_add(draw),
                apply: &|plane, _, rng| delivery.apply(plane, rng),
            };
            all.push(self.score(Some(&treatment), device, &bar)?);
        }
        bar.finish_and_clear();
        Ok(all)
    }

    /// Scores of the subjects that `keep` takes, by class: authentic, manipulated.
    pub fn scored(
        &self,
        scores: &[SubjectScore],
        keep: impl Fn(&Subject) -> bool,
    ) -> [Vec<Scored>; 2] {
        let mut classes = [Vec::new(), Vec::new()];
        for (subject, score) in self.subjects.iter().zip(scores) {
            if keep(subject) {
                classes[usize::from(subject.family.is_some())].push(Scored {
                    score: score.score,
                    group: self.entry(subject).unit().to_owned(),
                });
            }
        }
        classes
    }

    /// The map of a subject, with a mask: `None` when the whole image is one thing.
    #[must_use]
    pub fn masked<'a>(
        &'a self,
        subject: &Subject,
        score: &'a SubjectScore,
    ) -> Option<CellImage<'a>> {
        let masked = self.dataset.is_masked(subject.entry);
        masked.then(|| CellImage {
            cells: &score.cells,
            group: self.entry(subject).unit(),
        })
    }
}

/// The recipe in a checkpoint's card.
pub(crate) fn recipe_of(checkpoint: &Checkpoint, path: &Path) -> Result<Recipe, TrainError> {
    toml::from_str(&checkpoint.card.provenance.recipe).map_err(|error| TrainError::Recipe {
        path: path.to_owned(),
        message: format!("the card's recipe does not parse: {error}"),
    })
}

/// Families that held-out images are forged by, those kept from training among them.
fn judged(recipe: &Recipe, held_out: &[String]) -> Vec<TrainingFreeFamily> {
    let mut families = recipe.forge.judging().to_vec();
    let forged = held_out.iter().filter_map(|name| name.parse().ok());
    for family in forged {
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}
