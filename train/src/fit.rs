//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use veraray_datasets::Split;
use veraray_model::{Checkpoint, ComputeDevice, Detector};

use crate::average::Average;
use crate::calibrate::calibration_set;
use crate::data::Dataset;
use crate::log::EpochLog;
use crate::progress::Progress;
use crate::sampler::{Batch, Sampler};
use crate::state::State;
use crate::validate::{calibration, recalibrate, validate};
use crate::{Recipe, TrainError, card, curves, log};

/// Batches prepared ahead of the step.
const AHEAD: usize = 3;

/// Steps between two looks at the loss; every look waits for the device.
const LOOK: usize = 8;

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
    fit_recipe(&recipe, &manifest, device, options, progress)
}

/// Trains as a recipe in memory says, on the given manifest.
///
/// # Errors
/// [`TrainError`], naming the file and what to do.
pub fn fit_recipe(
    recipe: &Recipe,
    manifest: &Path,
    device: &ComputeDevice,
    options: &FitOptions,
    progress: &Progress,
) -> Result<FitReport, TrainError> {
    let run = options.runs.join(&recipe.name);
    let state = State::of(&run);
    prepare(&run, &state, options)?;
    let bar = progress.bar("reading images");
    let dataset = Dataset::load(manifest, recipe, &bar)?;
    bar.finish_and_clear();
    for (name, why) in &dataset.skipped {
        progress.note(&format!("left out {name}: {why}"));
    }
    let resolved = recipe.to_toml();
    let recipe_file = run.join("recipe.toml");
    std::fs::write(&recipe_file, &resolved).map_err(TrainError::io(&recipe_file))?;

    let training_device = device.handle().clone().autodiff();
    training_device.seed(recipe.training.seed);
    let mut detector = recipe.model.init(&training_device)?;
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
        let so_far = epochs.iter().map(|e: &EpochLog| e.selection);
        let best = judged.selection > so_far.fold(f64::NEG_INFINITY, f64::max);
        if best {
            let mut card = card::assemble(
                recipe,
                &dataset,
                device.label(),
                epoch,
                calibration(&judged.draws, &dataset, recipe),
                judged.metrics(&dataset),
            );
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
            selection: judged.selection,
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
        recalibrate(
            &checkpoint,
            &dataset,
            &validation,
            recipe,
            device.handle(),
            progress,
        )?;
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
    (detector, optimizer, average): (&mut Detector, &mut ModuleOptimizer, &mut Average),
    device: &Device,
    progress: &Progress,
) -> Result<Trained, TrainError> {
    let training = &recipe.training;
    let steps = training.pairs_per_epoch / training.pairs_per_batch;
    let bar = progress.bar(&format!("epoch {epoch}/{}", training.epochs));
    bar.set_length(steps as u64);
    let mut sums = [0.0; 3];
    let mut learning_rate = 0.0;
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Batch>(AHEAD);
        scope.spawn(move || {
            for step in 0..steps {
                // The receiver is gone when a step failed.
                if sender
                    .send(sampler.batch(epoch, step, training.pairs_per_batch))
                    .is_err()
                {
                    return;
                }
            }
        });
        let mut unread: Vec<Tensor<1>> = Vec::new();
        for (step, batch) in batches.iter().enumerate() {
            let (pixels, labels, masks) = batch.to_tensors(device);
            let found = detector.forward(pixels);
            let loss = Detector::loss(&found, labels, masks, recipe.loss);
            unread.push(Tensor::cat(vec![loss.total.clone(), loss.logit, loss.map], 0).detach());
            let gradients = GradientsParams::from_grads(loss.total.backward(), detector);
            learning_rate = rate(recipe, (epoch - 1) * steps + step, steps * training.epochs);
            *detector = optimizer.step(learning_rate, detector.clone(), gradients);
            average.update(&detector.clone().valid());
            bar.inc(1);
            if unread.len() == LOOK || step + 1 == steps {
                for terms in unread.drain(..) {
                    let terms = terms.into_data().try_to_vec::<f32>().unwrap_or_default();
                    for (sum, term) in sums.iter_mut().zip(terms) {
                        *sum += f64::from(term);
                    }
                }
                bar.set_message(format!("loss {:.4}", sums[0] / (step + 1) as f64));
                if !sums[0].is_finite() {
                    return Err(TrainError::Data(format!(
                        "the loss of epoch {epoch} is not finite; lower training.learning_rate"
                    )));
                }
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(Trained {
        losses: sums.map(|sum| sum / steps as f64),
        learning_rate,
        steps,
    })
}

/// Linear warm-up, then a cosine (Loshchilov & Hutter, ICLR 2017) down to the final rate.
fn rate(recipe: &Recipe, step: usize, steps: usize) -> f64 {
    let training = &recipe.training;
    if step < training.warmup_steps {
        return training.learning_rate * (step + 1) as f64 / training.warmup_steps as f64;
    }
    let span = steps.saturating_sub(training.warmup_steps).max(1) as f64;
    let done = ((step - training.warmup_steps) as f64 / span).min(1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
    training.learning_rate * (training.final_rate + (1.0 - training.final_rate) * cosine)
}
