//! Teaches a finished checkpoint one more generator family from a few dozen examples, in minutes.
//!
//! A network that is trained on the new alone forgets the old (McCloskey & Cohen, 1989), so every batch
//! replays old families and authentic images beside the new ones (Robins, "Catastrophic forgetting,
//! rehearsal and pseudorehearsal", 1995); the learning rate is low and the weights are averaged. A
//! part of the examples, whole groups of them, is held out; on it and on the held-out groups of the old
//! families the checkpoints before and after are compared image by image.

mod examples;
mod report;
mod tune;

use std::path::{Path, PathBuf};

use veraray_datasets::{Manifest, Pack, Split};
use veraray_model::{AddedFamily, Checkpoint, ComputeDevice};

use crate::audit::glance;
use crate::calibrate::calibration_set;
use crate::data::Dataset;
use crate::evaluate::{Bench, Selection, recipe_of};
use crate::progress::Progress;
use crate::validate::calibrate_finished;
use crate::{Recipe, TrainError, card};

use examples::Examples;
pub use report::{AddFamilyReport, Change, ChangeRow};

/// How to add a family.
#[derive(Debug, Clone)]
pub struct AddFamilyOptions {
    /// Manifest of the data that the checkpoint was trained on.
    pub manifest: PathBuf,
    /// Name of the family; `None`: that of the folder, or the only one of the manifest.
    pub name: Option<String>,
    /// Folder of authentic images that match the examples.
    pub authentic: Option<PathBuf>,
    /// Modality of images whose files do not tell it.
    pub modality: Option<String>,
    /// Most examples used.
    pub limit: usize,
    /// Steps of optimisation.
    pub steps: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the pairs of every batch that shows the new family, in `(0, 1)`.
    pub share: f64,
    /// Seed of draws and augmentation.
    pub seed: u64,
    /// Declared false-positive rate whose threshold is compared.
    pub max_fpr: f64,
    /// Loss of AUROC of an old family from which it counts as forgotten, when it is significant.
    pub max_forgetting: f64,
}

/// Adds the family shown by `examples`, a folder or a manifest, to the checkpoint at `parent`. Nothing
/// is written; the report names `output` as where the checkpoint is going to lie.
///
/// # Errors
/// [`TrainError`] when something cannot be read, the family is known already, there are too few
/// examples, or nothing authentic of their modality.
pub fn add_family(
    parent: &Path,
    examples: &Path,
    output: &Path,
    device: &ComputeDevice,
    options: &AddFamilyOptions,
    progress: &Progress,
) -> Result<(Checkpoint, AddFamilyReport), TrainError> {
    let old = Checkpoint::load(parent, device.handle())?;
    let own = recipe_of(&old, parent)?;
    if Pack::is_pack(&options.manifest) {
        return Err(TrainError::Data(format!(
            "{}: a pack cannot be joined with new examples; give the manifest it was made of",
            options.manifest.display()
        )));
    }
    let replay = Manifest::read(&options.manifest)?;
    let mut caveats = Vec::new();
    if replay.sha256 != old.card.provenance.manifest_sha256 {
        caveats.push(
            "the manifest is not the one that the checkpoint was trained on: images that count as held \
             out here may have been trained on"
                .to_owned(),
        );
    }
    let found = Examples::gather(examples, options, &old.card, &replay)?;
    for note in &found.notes {
        progress.note(note);
    }
    let (recipe, manifest) = found.join(replay, &own, &old.card, &mut caveats);
    let bar = progress.bar("reading images");
    let dataset = Dataset::of(manifest, &options.manifest, &recipe, &bar)?;
    bar.finish_and_clear();
    for (name, why) in &dataset.skipped {
        progress.note(&format!("left out {name}: {why}"));
    }
    let counts = found.counted(&dataset)?;
    if counts.authentic == 0 {
        caveats.push(
            "no matching authentic images were given (--authentic): what tells the new family apart may \
             be its site, size or codec"
                .to_owned(),
        );
    }
    let judged: Vec<_> = dataset.entries[..dataset.listed]
        .iter()
        .filter(|entry| !entry.label.is_manipulated() || entry.generator == found.family)
        .cloned()
        .collect();
    progress.note(&glance(&judged, progress));

    let detector = tune::tune(
        parent,
        &dataset,
        &recipe,
        &found.family,
        device,
        options,
        progress,
    )?;
    let mut new = Checkpoint {
        card: old.card.clone(),
        detector,
        sha256: String::new(),
    };
    let validation = dataset.of_split(Split::Validation);
    let clean = calibrate_finished(
        &mut new,
        &dataset,
        &validation,
        &recipe,
        device.handle(),
        progress,
    )?;
    let parent_named = [old.card.name.clone(), old.sha256.clone()];
    let mut set = calibration_set(
        &dataset,
        &clean.images,
        vec![format!(
            "Calibrated on the validation images of the old families after {} was added.",
            found.family
        )],
    );
    set.parent = Some(parent_named.clone());
    new.card.calibration_set = Some(set);
    let added = AddedFamily {
        parent: parent_named,
        family: found.family.clone(),
        examples: [counts.training, counts.held_out],
        authentic: counts.authentic,
        steps: options.steps,
        learning_rate: options.learning_rate,
        seed: options.seed,
    };
    describe(&mut new, &added, &recipe, &own, &dataset)?;

    // One data set, judged by both.
    let selection = Selection {
        split: Some(Split::Test),
        ..Selection::default()
    };
    let mut bench = Bench::on((old, parent), recipe, Vec::new(), dataset, &selection);
    let before = bench.clean_and_delivered(device.handle(), progress)?;
    let thresholds = [bench.threshold(options.max_fpr)?, {
        bench.checkpoint = new;
        bench.path = output.to_owned();
        bench.threshold(options.max_fpr)?
    }];
    let after = bench.clean_and_delivered(device.handle(), progress)?;
    let report = report::assemble(
        &bench,
        [&before, &after],
        thresholds,
        (added, caveats),
        options.max_forgetting,
    )?;
    let Bench { mut checkpoint, .. } = bench;
    report.write_into(&mut checkpoint.card);
    Ok((checkpoint, report))
}

/// Says in the card what was done.
fn describe(
    checkpoint: &mut Checkpoint,
    added: &AddedFamily,
    recipe: &Recipe,
    own: &Recipe,
    dataset: &Dataset,
) -> Result<(), TrainError> {
    let card = &mut checkpoint.card;
    card.name = format!("{}+{}", card.name, added.family);
    card.version = env!("CARGO_PKG_VERSION").into();
    card.families.push(added.family.clone());
    card.families.sort();
    let rows = card::summaries(dataset, &|entry| entry.set == examples::ADDED);
    for row in &rows {
        for code in card::dicom_modalities(&row.modality) {
            if !card.modalities.contains(&code) {
                card.modalities.push(code);
            }
        }
    }
    card.provenance.data.extend(rows);
    card.provenance.added.push(added.clone());
    // The filters stay the parent's; the family is no longer held out.
    let mut told = own.clone();
    told.data
        .exclude_families
        .clone_from(&recipe.data.exclude_families);
    card.provenance.recipe = told.to_toml();
    Ok(())
}
