//! The training loop of every family.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use veraray_datasets::{Split, TrainedFamily};
use veraray_model::ComputeDevice;

use super::flow::FlowLearner;
use super::gan::GanLearner;
use super::generator::{Generator, Network};
use super::inpaint::InpaintLearner;
use super::kl_autoencoder::{KlAutoencoder, KlLearner};
use super::learner::{Learner, Losses};
use super::quality::Quality;
use super::reals::{Framing, Reals};
use super::settings::{FORMAT_VERSION, GeneratorCard, Settings};
use super::vq_autoencoder::VqLearner;
use super::{file, grid, quality};
use crate::TrainError;
use crate::progress::Progress;
use crate::sampler::generator;

/// Images in a row of a sample grid.
const GRID: usize = 8;
/// Images that the deviation of a code is measured of.
const SCALE_IMAGES: usize = 64;
/// Steps between two words to the progress bar.
const WORD: usize = 10;

/// Where a generator is trained.
#[derive(Debug)]
pub struct ForgeFitOptions {
    /// Manifest of authentic images.
    pub data: PathBuf,
    /// Values of its set column to use; empty: all.
    pub sets: Vec<String>,
    /// Folder of all runs.
    pub runs: PathBuf,
    /// The run's name.
    pub name: String,
    /// Go on where the run stopped.
    pub resume: bool,
    /// Replace a run of the same name.
    pub force: bool,
    /// Stop after this many steps in all, leaving the run resumable.
    pub stop_after: Option<usize>,
    /// Steps between two sample grids and saved states.
    pub every: usize,
    /// The `kl_autoencoder` whose code a `latent_diffusion` works in.
    pub autoencoder: Option<PathBuf>,
    /// Images per modality that are compared with held-out authentic ones at the end; 0 for none.
    pub quality: usize,
}

/// What a run came to.
#[derive(Debug)]
pub struct ForgeFitReport {
    /// The generator's file.
    pub generator: PathBuf,
    /// Steps taken in all.
    pub steps: usize,
    /// Losses of the last step taken here.
    pub losses: Losses,
    /// Distances to held-out authentic images, once the run is complete.
    pub quality: Vec<Quality>,
}

/// What `state/state.json` says of a run.
#[derive(Serialize, Deserialize)]
struct Index {
    settings: Settings,
    manifest_sha256: String,
    #[serde(default)]
    sets: Vec<String>,
    autoencoder_sha256: String,
    step: usize,
}

/// Trains a generator on the authentic images of a manifest's training split.
///
/// # Errors
/// [`TrainError`], naming the file or flag and what to do.
pub fn forge_fit(
    settings: &Settings,
    device: &ComputeDevice,
    options: &ForgeFitOptions,
    progress: &Progress,
) -> Result<ForgeFitReport, TrainError> {
    settings.check()?;
    let autoencoder = autoencoder(settings, device.handle(), options)?;
    let run = options.runs.join(&options.name);
    prepare(&run, options)?;
    let bar = progress.bar("reading images");
    let reals = Reals::load(
        &options.data,
        &options.sets,
        Split::Train,
        settings.size,
        &bar,
    )?;
    bar.finish_and_clear();
    for (name, why) in &reals.skipped {
        progress.note(&format!("left out {name}: {why}"));
    }
    progress.note(&format!(
        "{} authentic images of the training split; classes: {}",
        reals.count(),
        reals.classes.join(", ")
    ));

    let training = device.handle().clone().autodiff();
    training.seed(settings.seed);
    let scale = autoencoder
        .as_ref()
        .map_or(1.0, |found| code_scale(found, &reals, device.handle()));
    let mut card = GeneratorCard {
        format_version: FORMAT_VERSION,
        settings: settings.clone(),
        autoencoder: autoencoder.as_ref().map(|a| a.card.settings.clone()),
        code_scale: scale,
        classes: reals.classes.clone(),
        steps: 0,
        images: reals.count(),
        manifest_sha256: reals.manifest_sha256.clone(),
        licences: reals.licences.clone(),
        device: device.label().to_owned(),
    };
    let index = Index {
        settings: settings.clone(),
        manifest_sha256: reals.manifest_sha256.clone(),
        sets: options.sets.clone(),
        autoencoder_sha256: autoencoder
            .as_ref()
            .map_or(String::new(), |found| found.sha256.clone()),
        step: 0,
    };
    let mut learner = learner(settings, &card, autoencoder, &training)?;
    let state = run.join("state");
    let mut step = 0;
    if options.resume && state.join("state.json").exists() {
        step = resumed(&state, &index)?;
        learner.load(&state, step)?;
        progress.note(&format!("resuming after step {step}"));
    }
    let log = run.join("log.jsonl");
    cut_log(&log, step)?;
    let mut log_file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(TrainError::io(&log))?;

    let last = options.stop_after.unwrap_or(usize::MAX).min(settings.steps);
    let bar = progress.bar(settings.family.as_str());
    bar.set_length(settings.steps as u64);
    bar.set_position(step as u64);
    bar.reset_eta();
    let mut losses = Losses::new();
    let mut saved = step;
    while step < last {
        let started = Instant::now();
        let mut rng = generator(settings.seed, [1, step, 0]);
        let batch = reals.batch(settings.batch, learner.framing(), &mut rng);
        losses = learner.step(&batch, step, &mut rng);
        if losses.iter().any(|(_, loss)| !loss.is_finite()) {
            return Err(TrainError::Data(format!(
                "a loss of step {} is not finite; lower --rate",
                step + 1
            )));
        }
        step += 1;
        let line = log_line(step, &losses, settings.rate_at(step - 1), started);
        writeln!(log_file, "{line}").map_err(TrainError::io(&log))?;
        bar.inc(1);
        if step.is_multiple_of(WORD)
            && let Some((_, loss)) = losses.first()
        {
            bar.set_message(format!("loss {loss:.4}"));
        }
        if step.is_multiple_of(options.every) || step == last {
            card.steps = step;
            let place = Place {
                run: &run,
                state: &state,
                device: device.handle(),
            };
            place.save(learner.as_ref(), &card, &reals)?;
            let index = Index {
                step,
                ..index.copy()
            };
            write_index(&state, &index)?;
            if saved > 0 && saved != step {
                learner.forget(&state, saved);
            }
            saved = step;
        }
    }
    bar.finish_and_clear();
    let path = run.join("generator.vfg");
    let mut distances = Vec::new();
    if step == settings.steps && options.quality > 0 {
        let bar = progress.bar("reading images");
        // A manifest may hold nobody out.
        let held_out = Reals::load(
            &options.data,
            &options.sets,
            Split::Test,
            settings.size,
            &bar,
        );
        bar.finish_and_clear();
        if let Ok(held_out) = held_out {
            let model = file::load(&path, device.handle())?;
            let sets = [&reals, &held_out];
            let most = options.quality;
            distances = quality::measure(&model, sets, most, device.handle(), progress)?;
            quality::write(&run.join("quality.json"), &distances)?;
        }
    }
    Ok(ForgeFitReport {
        generator: path,
        steps: step,
        losses,
        quality: distances,
    })
}

impl Index {
    fn copy(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            manifest_sha256: self.manifest_sha256.clone(),
            sets: self.sets.clone(),
            autoencoder_sha256: self.autoencoder_sha256.clone(),
            step: self.step,
        }
    }
}

/// The autoencoder of a `latent_diffusion`.
fn autoencoder(
    settings: &Settings,
    device: &Device,
    options: &ForgeFitOptions,
) -> Result<Option<Generator>, TrainError> {
    let wanted = settings.family == TrainedFamily::LatentDiffusion;
    let Some(path) = &options.autoencoder else {
        if wanted {
            return Err(TrainError::Data(
                "latent_diffusion works in the code of a kl_autoencoder: fit one first and name its \
                 generator.vfg with --autoencoder"
                    .into(),
            ));
        }
        return Ok(None);
    };
    if !wanted {
        return Err(TrainError::Data(format!(
            "--autoencoder is for latent_diffusion, not for {}",
            settings.family
        )));
    }
    let found = file::load(path, device)?;
    if found.card.settings.family != TrainedFamily::KlAutoencoder {
        return Err(TrainError::Run {
            path: path.clone(),
            message: format!(
                "--autoencoder: a kl_autoencoder is needed, this is a {}",
                found.card.settings.family
            ),
        });
    }
    let cell = found.card.settings.reduction() * settings.reduction();
    if !settings.size.is_multiple_of(cell) {
        return Err(TrainError::Data(format!(
            "--size {}: with this autoencoder and --depth {} it must be a multiple of {cell}",
            settings.size, settings.depth
        )));
    }
    Ok(Some(found))
}

/// The standard deviation of an autoencoder's code of some images.
fn code_scale(found: &Generator, reals: &Reals, device: &Device) -> f64 {
    let Network::KlAutoencoder(network) = &found.network else {
        return 1.0;
    };
    let mut rng = generator(found.card.settings.seed, [2, 0, 0]);
    let (mut sum, mut squares, mut count) = (0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..SCALE_IMAGES / GRID {
        let batch = reals.batch(GRID, Framing::Whole, &mut rng);
        let [mean, _] = network.encode(batch.tensor(device));
        let values = mean.into_data().try_to_vec::<f32>().unwrap_or_default();
        for value in values {
            let value = f64::from(value);
            sum += value;
            squares += value * value;
            count += 1.0;
        }
    }
    let mean = sum / count.max(1.0);
    (squares / count.max(1.0) - mean * mean).max(1e-8).sqrt()
}

fn learner(
    settings: &Settings,
    card: &GeneratorCard,
    autoencoder: Option<Generator>,
    device: &Device,
) -> Result<Box<dyn Learner>, TrainError> {
    let classes = card.classes.len();
    Ok(match settings.family {
        TrainedFamily::KlAutoencoder => Box::new(KlLearner::new(settings, device)),
        TrainedFamily::VqAutoencoder => Box::new(VqLearner::new(settings, device)),
        TrainedFamily::Inpaint => Box::new(InpaintLearner::new(settings, device)),
        TrainedFamily::PixelFlow => Box::new(FlowLearner::new(settings, classes, None, device)),
        TrainedFamily::LatentDiffusion => {
            let code = autoencoder.and_then(|found| {
                let latent = found.card.settings.latent;
                let network: Option<KlAutoencoder> = match found.network {
                    Network::KlAutoencoder(network) => Some(network),
                    _ => None,
                };
                Some((network?, latent, card.code_scale))
            });
            Box::new(FlowLearner::new(settings, classes, code, device))
        }
        TrainedFamily::Gan => Box::new(GanLearner::new(settings, classes, device)),
        other => {
            return Err(TrainError::Data(format!("this build cannot fit {other}")));
        }
    })
}

/// Makes the run's folder, and refuses to mix two runs in one.
fn prepare(run: &Path, options: &ForgeFitOptions) -> Result<(), TrainError> {
    let taken = run.join("log.jsonl").exists() || run.join("state/state.json").exists();
    if taken && !options.resume {
        if !options.force {
            return Err(TrainError::Run {
                path: run.to_owned(),
                message:
                    "this run exists; go on with it with --resume, replace it with --force, or \
                          give another --name"
                        .into(),
            });
        }
        std::fs::remove_dir_all(run).map_err(TrainError::io(run))?;
    }
    let state = run.join("state");
    std::fs::create_dir_all(&state).map_err(TrainError::io(&state))
}

/// The step that a run stopped after.
fn resumed(state: &Path, wanted: &Index) -> Result<usize, TrainError> {
    let path = state.join("state.json");
    let failed = |message: &str| TrainError::Run {
        path: path.clone(),
        message: message.into(),
    };
    let text = std::fs::read(&path).map_err(TrainError::io(&path))?;
    let found: Index = serde_json::from_slice(&text).map_err(|_| failed("the state is damaged"))?;
    if found.settings != wanted.settings {
        return Err(failed(
            "the run was started with other settings; give the same flags, or another --name",
        ));
    }
    if found.manifest_sha256 != wanted.manifest_sha256 {
        return Err(failed("the run was started with another manifest"));
    }
    if found.sets != wanted.sets {
        return Err(failed("the run was started with other --sets"));
    }
    if found.autoencoder_sha256 != wanted.autoencoder_sha256 {
        return Err(failed("the run was started with another autoencoder"));
    }
    Ok(found.step)
}

/// The state is complete once this is in place.
fn write_index(state: &Path, index: &Index) -> Result<(), TrainError> {
    let path = state.join("state.json");
    let partial = path.with_extension("partial");
    // Numbers and words always have a JSON form.
    let text = serde_json::to_vec_pretty(index).unwrap_or_default();
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(TrainError::io(&path))
}

fn log_line(step: usize, losses: &[(&str, f64)], rate: f64, started: Instant) -> serde_json::Value {
    let mut line = serde_json::Map::new();
    line.insert("step".into(), step.into());
    for (name, loss) in losses {
        line.insert((*name).into(), (*loss).into());
    }
    line.insert("rate".into(), rate.into());
    line.insert("seconds".into(), started.elapsed().as_secs_f64().into());
    line.into()
}

/// Drops what a killed run logged after the state it is resumed from.
fn cut_log(path: &Path, step: usize) -> Result<(), TrainError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(TrainError::io(path)(error)),
    };
    let kept: String = text.split_inclusive('\n').take(step).collect();
    std::fs::write(path, kept).map_err(TrainError::io(path))
}

/// Where a run's files go.
struct Place<'a> {
    run: &'a Path,
    state: &'a Path,
    device: &'a Device,
}

impl Place<'_> {
    /// State, generator and sample grid.
    fn save(
        &self,
        learner: &dyn Learner,
        card: &GeneratorCard,
        reals: &Reals,
    ) -> Result<(), TrainError> {
        learner.save(self.state, card.steps)?;
        let network = learner.network();
        file::save(&network, card, &self.run.join("generator.vfg"))?;
        let found = Generator {
            card: card.clone(),
            network,
            sha256: String::new(),
        };
        // The same images and noise every time, so that grids compare.
        let mut rng = generator(card.settings.seed, [3, 0, 0]);
        let batch = reals.batch(GRID, Framing::Whole, &mut rng);
        let rows = found.preview(&batch, self.device, &mut rng)?;
        let path = self.run.join(format!("samples-{:06}.png", card.steps));
        let family = card.settings.family.as_str();
        grid::write(&path, &rows, family, card.settings.seed)
    }
}
