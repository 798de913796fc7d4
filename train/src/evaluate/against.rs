//! Two checkpoints on the same images.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use veraray_model::Checkpoint;

use super::bench::recipe_of;
use super::rows::Table;
use super::{Bench, Selection, Subject};
use crate::TrainError;
use crate::metrics::{Comparison, compare};
use crate::progress::Progress;

/// A comparison with another checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Against {
    /// The other checkpoint's file and its SHA-256.
    pub checkpoint: [String; 2],
    /// One row per family that both judged, and one of all.
    pub rows: Vec<AgainstRow>,
    /// What weakens the comparison, in words.
    pub caveats: Vec<String>,
}

/// This checkpoint against the other on one family: this minus the other (DeLong).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgainstRow {
    /// Generator family, or `all`.
    pub family: String,
    /// Authentic and manipulated images that both judged.
    pub images: [usize; 2],
    /// Images as they are.
    pub clean: Comparison,
    /// After delivery.
    pub delivered: Comparison,
}

pub(super) fn compare_with(
    other: &Path,
    manifest: &Path,
    device: &Device,
    table: &Table<'_>,
    selection: &Selection,
    progress: &Progress,
) -> Result<Against, TrainError> {
    let bench = table.bench;
    let checkpoint = Checkpoint::load(other, device)?;
    let mut caveats = Vec::new();
    if recipe_of(&checkpoint, other)?.split != bench.recipe.split {
        caveats.push(
            "the two were trained with different splits: the other may have seen some of these images"
                .to_owned(),
        );
    }
    // The same images, forgeries and deliveries: those of the first checkpoint's recipe.
    let recipe = bench.recipe.clone();
    let mut rival = Bench::with(
        (checkpoint, other),
        recipe,
        Vec::new(),
        manifest,
        selection,
        progress,
    )?;
    fn key<'a>(bench: &'a Bench, subject: &'a Subject) -> (&'a str, &'a str) {
        let family = subject.family.as_deref().unwrap_or_default();
        (&bench.entry(subject).name, family)
    }
    let positions: BTreeMap<(&str, &str), usize> = bench
        .subjects
        .iter()
        .enumerate()
        .map(|(position, subject)| (key(bench, subject), position))
        .collect();
    let shared: Vec<bool> = rival
        .subjects
        .iter()
        .map(|subject| positions.contains_key(&key(&rival, subject)))
        .collect();
    let mut keep = shared.iter();
    let subjects = std::mem::take(&mut rival.subjects);
    rival.subjects = subjects
        .into_iter()
        .filter(|_| keep.next().copied().unwrap_or_default())
        .collect();
    if rival.subjects.len() < bench.subjects.len() {
        caveats.push(format!(
            "{} of {} images are judged by both",
            rival.subjects.len(),
            bench.subjects.len()
        ));
    }
    let scores = rival.clean_and_delivered(device, progress)?;
    let families = rival.families();
    let wanted = families.iter().copied().map(Some).chain([None]);
    let rows = wanted
        .filter_map(|family| {
            let pairs = |which: usize| {
                let mut classes = [Vec::new(), Vec::new()];
                for (subject, score) in rival.subjects.iter().zip(&scores[which]) {
                    let of = subject.family.as_deref();
                    if of.is_some() && family.is_some() && of != family {
                        continue;
                    }
                    let position = positions[&key(&rival, subject)];
                    let pair = [table.scores[which][position].score, score.score];
                    classes[usize::from(of.is_some())].push(pair);
                }
                classes
            };
            let [reals, fakes] = pairs(0);
            let [sent_reals, sent_fakes] = pairs(1);
            Some(AgainstRow {
                family: family.unwrap_or("all").to_owned(),
                images: [reals.len(), fakes.len()],
                clean: compare(&reals, &fakes)?,
                delivered: compare(&sent_reals, &sent_fakes)?,
            })
        })
        .collect();
    Ok(Against {
        checkpoint: [other.display().to_string(), rival.checkpoint.sha256.clone()],
        rows,
        caveats,
    })
}
