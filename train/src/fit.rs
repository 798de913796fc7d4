//! The training loop.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use veraray_datasets::Split;
use veraray_model::{Checkpoint, ComputeDevice};

use crate::audit::glance;
use crate::average::Average;
use crate::calibrate::calibration_set;
use crate::data::Dataset;
use crate::log::EpochLog;
use crate::progress::Progress;
use crate::sampler::Sampler;
use crate::select::judge;
use crate::start::Start;
use crate::state::State;
use crate::steps::{self, Steps, warmed_cosine};
use crate::validate::{calibrate_finished, calibration, validate};
use crate::{Recipe, TrainError, card, curves, log};

/// How to run a recipe.
#[derive(Debug)]
pub struct FitOptions {
    /// Folder of all runs.
    pub runs: PathBuf,
    /// Manifest to use in place of the recipe's.
    pub manifest: Option<PathBuf>,
    /// Go on where the run stopped.
    pub resume: bool,
    /// Replace a run of the same name.
    pub force: bool,
    /// Stop after this many epochs in all, leaving the run resumable.
    pub stop_after: Option<usize>,
    /// Bytes of tiles to keep in memory; others are decoded whenever they are drawn.
    pub memory: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct FitReport {
    /// The best epoch's checkpoint.
    pub checkpoint: PathBuf,
    /// Every epoch.
    pub epochs: Vec<EpochLog>,
}

/// Trains as the recipe at `recipe_path` says.
///
/// # Errors
/// [`TrainError`], naming the file and what to do.
pub fn fit(
    recipe_path: &Path,
    device: &ComputeDevice,
    options: &FitOptions,
    progress: &Progress,
) -> Result<FitReport, TrainError> {
    let recipe = Recipe::read(recipe_path)?;
    let manifest = options
        .manifest
        .clone()
        .unwrap_or_else(|| recipe.manifest_path(recipe_path));
    let start = recipe.start_path(recipe_path);
    fit_recipe(
        &recipe,
        &manifest,
        start.as_deref(),
        device,
        options,
        progress,
    )
}

/// Trains as a recipe in memory says, on the given manifest, from the weights of `start` or from random
/// ones.
///
/// # Errors
/// [`TrainError`], naming the file and what to do.
pub fn fit_recipe(
    recipe: &Recipe,
    manifest: &Path,
    start: Option<&Path>,
    device: &ComputeDevice,
    options: &FitOptions,
    progress: &Progress,
) -> Result<FitReport, TrainError> {
    let run = options.runs.join(&recipe.name);
    let state = State::of(&run);
    prepare(&run, &state, options)?;
    let bar = progress.bar("reading images");
    let dataset = Dataset::load_within(manifest, recipe, options.memory, &bar)?;
    bar.finish_and_clear();
    let deferred = dataset.deferred();
    if deferred > 0 {
        progress.note(&format!(
            "{} of {} tiles do not fit into --memory and are decoded whenever they are drawn",
            deferred,
            dataset.samples.len()
        ));
    }
    for (name, why) in &dataset.skipped {
        progress.note(&format!("left out {name}: {why}"));
    }
    if !dataset.packed {
        progress.note(&glance(&dataset.entries[..dataset.listed], progress));
    }
    let resolved = recipe.to_toml();
    let recipe_file = run.join("recipe.toml");
    std::fs::write(&recipe_file, &resolved).map_err(TrainError::io(&recipe_file))?;

    let training_device = device.handle().clone().autodiff();
    training_device.seed(recipe.training.seed);
    let mut detector = recipe.model.init(&training_device)?;
    let start = start.map(|path| Start::load(path, recipe, &training_device));
    let start = start.transpose()?;
    if let Some(start) = &start {
        detector = start.detector.clone().fork(&training_device);
        start.compare(recipe, &dataset, progress);
    }
    let mut optimizer = AdamWConfig::new()
        .with_weight_decay(recipe.training.weight_decay)
        .init();
    let mut epochs = Vec::new();
    let steps = recipe.training.pairs_per_epoch / recipe.training.pairs_per_batch;
    let decay = recipe.training.average_decay;
    let mut average = Average::of(&detector.clone().valid(), decay, 0);
    if options.resume && state.exists() {
        let fresh = recipe.model.init(device.handle())?;
        let resumed = state.load(
            &resolved,
            &dataset.manifest_sha256,
            (detector, fresh),
            optimizer,
            &training_device,
        )?;
        (epochs, detector, optimizer) = (resumed.epochs, resumed.detector, resumed.optimizer);
        average = Average::of(&resumed.average, decay, epochs.len() * steps);
        progress.note(&format!("resuming after epoch {}", epochs.len()));
        curves::draw(&run.join("curves.svg"), &epochs)?;
    }
    let sampler = Sampler::new(&dataset, recipe)?;
    let validation = dataset.of_split(Split::Validation);
    let checkpoint = run.join("checkpoint.vrc");
    let last = options
        .stop_after
        .unwrap_or(usize::MAX)
        .min(recipe.training.epochs);
    while epochs.len() < last {
        let epoch = epochs.len() + 1;
        // Dropout draws from the device: seeding every epoch makes a resumed run equal.
        training_device.seed(recipe.training.seed.wrapping_add(epoch as u64));
        let started = Instant::now();
        let trained = train_epoch(
            &sampler,
            recipe,
            epoch,
            (&mut detector, &mut optimizer, &mut average),
            &training_device,
            progress,
        )?;
        let seconds = started.elapsed().as_secs_f64();
        let averaged = average.write_into(recipe.model.init(device.handle())?);
        let judged = validate(
            &averaged,
            &dataset,
            &validation,
            recipe,
            device.handle(),
            progress,
        )?;
        let (selection, best) = judge(&epochs, &judged.figures);
        if best {
            let mut card = card::assemble(
                recipe,
                &dataset,
                device.label(),
                epoch,
                calibration(&judged.draws, &dataset, recipe),
                judged.metrics(&dataset),
            );
            card.provenance.start = start.as_ref().map(|start| start.name.clone());
            card.calibration_set = Some(calibration_set(
                &dataset,
                &judged.draws[0].images,
                vec!["Calibrated on the run's own validation images.".into()],
            ));
            Checkpoint {
                card,
                detector: averaged.clone(),
                sha256: String::new(),
            }
            .save(&checkpoint)?;
        }
        let tiles = 2 * trained.steps * recipe.training.pairs_per_batch;
        epochs.push(EpochLog {
            epoch,
            loss: trained.losses[0],
            logit_loss: trained.losses[1],
            map_loss: trained.losses[2],
            learning_rate: trained.learning_rate,
            auroc: judged.auroc,
            delivered_auroc: judged.delivered_auroc,
            selection,
            best,
            seconds: [seconds, started.elapsed().as_secs_f64() - seconds],
            tiles_per_second: tiles as f64 / seconds,
        });
        log::write(&run.join("log.jsonl"), &epochs)?;
        curves::draw(&run.join("curves.svg"), &epochs)?;
        state.save(
            &resolved,
            &dataset.manifest_sha256,
            &epochs,
            (&detector, &averaged),
            &optimizer,
        )?;
        if let Some(line) = epochs.last() {
            progress.epoch(line, recipe.training.epochs);
        }
    }
    if epochs.len() == recipe.training.epochs {
        let mut finished = Checkpoint::load(&checkpoint, device.handle())?;
        calibrate_finished(
            &mut finished,
            &dataset,
            &validation,
            recipe,
            device.handle(),
            progress,
        )?;
        finished.save(&checkpoint)?;
    }
    Ok(FitReport { checkpoint, epochs })
}

/// Makes the run's folder, and refuses to mix two runs in one.
fn prepare(run: &Path, state: &State, options: &FitOptions) -> Result<(), TrainError> {
    let taken = run.join("log.jsonl").exists() || state.exists();
    if taken && !options.resume && !options.force {
        return Err(TrainError::Run {
            path: run.to_owned(),
            message: "this run exists; go on with it with --resume, or replace it with --force"
                .into(),
        });
    }
    if taken && options.force && !options.resume {
        std::fs::remove_dir_all(run).map_err(TrainError::io(run))?;
    }
    std::fs::create_dir_all(run).map_err(TrainError::io(run))
}

struct Trained {
    /// Means of total, logit and map loss.
    losses: [f64; 3],
    learning_rate: f64,
    steps: usize,
}

fn train_epoch(
    sampler: &Sampler<'_>,
    recipe: &Recipe,
    epoch: usize,
    trained: steps::Trained<'_>,
    device: &Device,
    progress: &Progress,
) -> Result<Trained, TrainError> {
    let training = &recipe.training;
    let count = training.pairs_per_epoch / training.pairs_per_batch;
    let bar = progress.bar(&format!("epoch {epoch}/{}", training.epochs));
    bar.set_length(count as u64);
    let taken = Steps {
        count,
        batch: &|step| sampler.batch(epoch, step, training.pairs_per_batch),
        rate: &|step| {
            let place = [
                (epoch - 1) * count + step,
                count * training.epochs,
                training.warmup_steps,
            ];
            warmed_cosine(place, [training.learning_rate, training.final_rate])
        },
        loss: recipe.loss,
        device,
        bar: &bar,
        diverged: &format!("the loss of epoch {epoch} is not finite; lower training.learning_rate"),
    }
    .take(trained)?;
    bar.finish_and_clear();
    Ok(Trained {
        losses: taken.losses,
        learning_rate: taken.learning_rate,
        steps: count,
    })
}
