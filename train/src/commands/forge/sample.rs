//! `forge sample`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use veraray_datasets::{
    Entry, Forgery, ForgeryTask, Label, Manifest, MarkError, Origin, Original, Parameter,
    Parameters, Refinement, Split, SplitOptions, TrainedFamily, TrainingFreeFamily, assign_splits,
    forge_image, plan_forgeries, plan_trained, refine,
};
use veraray_model::{ComputeDevice, DeviceChoice};
use veraray_train::{Generation, Generator, Progress, check_sets, load_generator};

use super::output::{Folder, Row, json, mask_samples};

/// Arguments of `forge sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// The family.
    family: String,
    /// Manifest of authentic images (CSV); its other images are ignored. Not for inventions.
    #[arg(long, value_name = "MANIFEST")]
    data: Option<PathBuf>,
    /// The generator.vfg of a trained family.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many forgeries; more than there are originals gives several of each.
    #[arg(short, long, value_name = "N", required_unless_present = "aligned")]
    number: Option<usize>,
    /// One forgery of every original, and the original beside it in the same encoding, so that the
    /// classes differ in the forgery and in nothing else.
    #[arg(long, conflicts_with = "number", requires = "data")]
    aligned: bool,
    /// Folder to write; must be new or empty.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Equal seeds give equal forgeries.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// Values of the manifest's set column to use; all by default.
    #[arg(long, value_delimiter = ',', value_name = "SET")]
    sets: Vec<String>,
    /// The originals' split, as the manifest says or as `fit` assigns it.
    #[arg(long, default_value = "train", value_parser = ["train", "validation", "test", "all"])]
    split: String,
    /// Give forgeries of whole images the radial power spectrum of their original.
    #[arg(long)]
    match_spectrum: bool,
    /// Mix this share of the original's high frequencies back into forgeries of whole images.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share)]
    mix: f32,
    /// Steps of pixel_flow and latent_diffusion.
    #[arg(long, default_value_t = 20, value_name = "N")]
    steps: usize,
    /// Follow flows by Euler's method in place of Heun's: half the time, less exact.
    #[arg(long)]
    euler: bool,
    /// How much of an original pixel_flow and latent_diffusion invent anew, above 0 to 1.
    #[arg(long, default_value_t = 0.4, value_name = "SHARE", value_parser = share)]
    strength: f32,
    /// Where generators compute: auto takes a GPU when there is one.
    #[arg(long, default_value_t = DeviceChoice::Auto, value_name = "auto|cpu|gpu")]
    device: DeviceChoice,
}

fn share(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a number from 0 to 1".into())
}

/// What forges.
enum Forger {
    Free(TrainingFreeFamily),
    Trained(Box<Generator>, ComputeDevice),
}

impl Forger {
    fn name(&self) -> &'static str {
        match self {
            Self::Free(family) => family.as_str(),
            Self::Trained(generator, _) => generator.card.settings.family.as_str(),
        }
    }
}

fn forger(args: &Sample, progress: &Progress) -> anyhow::Result<Forger> {
    let Ok(family) = args.family.parse::<TrainedFamily>() else {
        let family = args.family.parse()?;
        if args.model.is_some() {
            bail!("--model is for trained families; {family} needs no training");
        }
        return Ok(Forger::Free(family));
    };
    let Some(path) = &args.model else {
        let free = TrainingFreeFamily::ALL.map(TrainingFreeFamily::as_str);
        bail!(
            "{family} is a trained family: name the generator.vfg that forge fit {family} wrote with \
             --model; families that need no training are {}",
            free.join(", ")
        );
    };
    let device = super::super::device(args.device, progress)?;
    let generator = load_generator(path, device.handle())?;
    if generator.card.settings.family != family {
        bail!(
            "--model {}: this is a {}, not a {family}",
            path.display(),
            generator.card.settings.family
        );
    }
    Ok(Forger::Trained(Box::new(generator), device))
}

pub fn run(args: &Sample, progress: &Progress) -> anyhow::Result<ExitCode> {
    let forger = forger(args, progress)?;
    match (&forger, &args.data) {
        (Forger::Trained(generator, device), None) if generator.card.settings.family.invents() => {
            invent(args, generator, device, progress)
        }
        (_, None) => bail!(
            "--data MANIFEST is needed: {} works on authentic images",
            args.family
        ),
        (_, Some(data)) => rework(args, &forger, data, progress),
    }
}

#[expect(clippy::print_stdout, reason = "the manifest's path is the output")]
fn finish(
    args: &Sample,
    folder: &Folder,
    results: Vec<anyhow::Result<Vec<Row>>>,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    let mut failed = 0;
    for result in results {
        match result {
            Ok(written) => rows.extend(written),
            Err(error) => {
                failed += 1;
                eprintln!("veraray-train: {error:#}");
            }
        }
    }
    let manifest = folder.write_manifest(&rows)?;
    let forged = rows.iter().filter(|row| row.label != Label::Real.as_str());
    progress.note(&format!(
        "{} forgeries by {} written, {failed} failed",
        forged.count(),
        args.family
    ));
    println!("{}", manifest.display());
    Ok(ExitCode::from(if failed > 0 { 2 } else { 0 }))
}

/// Forgeries of authentic images.
fn rework(
    args: &Sample,
    forger: &Forger,
    data: &std::path::Path,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let manifest = Manifest::read(data)?;
    // Splits are those of the whole manifest, whatever of it is used.
    let splits = assign_splits(&manifest.entries, &SplitOptions::default());
    check_sets(&args.sets, &manifest.entries, data)?;
    let (entries, splits): (Vec<Entry>, Vec<Split>) = manifest
        .entries
        .into_iter()
        .zip(splits)
        .filter(|(entry, _)| args.sets.is_empty() || args.sets.contains(&entry.set))
        .unzip();
    let entries = &entries;
    let split = super::super::split(&args.split);
    let (number, seed) = (args.number, args.seed);
    let tasks = match forger {
        Forger::Free(family) => plan_forgeries(*family, entries, &splits, split, number, seed),
        Forger::Trained(generator, _) => {
            let family = generator.card.settings.family;
            plan_trained(family, entries, &splits, split, number, seed)
        }
    };
    if tasks.is_empty() {
        bail!(
            "{}: no authentic image in the split {:?} (--split), or --number 0",
            data.display(),
            args.split
        );
    }
    let folders: &[&str] = match args.aligned {
        true => &["images", "masks", "originals"],
        false => &["images", "masks"],
    };
    let folder = Folder::prepare(&args.output, folders)?;
    let bar = progress.bar("forge");
    bar.set_length(tasks.len() as u64);
    let forge = |(index, task): (usize, &ForgeryTask)| {
        let work = Work {
            forger,
            entries,
            split: splits[task.parent],
            task,
            index,
            args,
            folder: &folder,
        };
        let rows = work.run();
        bar.inc(1);
        rows
    };
    // A network takes all cores, or the device, for itself.
    let results: Vec<anyhow::Result<Vec<Row>>> = match forger {
        Forger::Free(_) => tasks.par_iter().enumerate().map(forge).collect(),
        Forger::Trained(..) => tasks.iter().enumerate().map(forge).collect(),
    };
    bar.finish_and_clear();
    finish(args, &folder, results, progress)
}

/// Images of nothing.
fn invent(
    args: &Sample,
    generator: &Generator,
    device: &ComputeDevice,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let count = args.number.context("-n N is needed")?;
    let folder = Folder::prepare(&args.output, &["images"])?;
    let family = generator.card.settings.family;
    let licence = generator.card.licences.join("; ");
    let bar = progress.bar("forge");
    bar.set_length(count as u64);
    let one = |index: usize| -> anyhow::Result<Vec<Row>> {
        // Not above 2^53, so that every reader of the manifest keeps all its digits.
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(index as u64) & ((1 << 53) - 1);
        let mut rng = StdRng::seed_from_u64(seed);
        let (image, modality, parameters) =
            generator.invent(index, &generation(args), device.handle(), &mut rng)?;
        let origin = Origin {
            forged: true,
            family: family.to_string(),
            parent_sha256: String::new(),
            seed,
            parameters: json(&parameters),
        };
        let path = format!("images/{index:06}.png");
        let samples: Vec<u16> = image
            .pixels
            .iter()
            .map(|v| (v * 255.0).round() as u16)
            .collect();
        let sha256 = folder.write_png(&path, &samples, &image, &origin)?;
        bar.inc(1);
        Ok(vec![Row {
            path,
            label: Label::Synthetic.as_str(),
            generator: family.to_string(),
            set: String::new(),
            source: "generated".into(),
            // Nobody's image: a group of its own.
            group: format!("{family}-{}-{index:06}", &generator.sha256[..8]),
            modality: modality.to_owned(),
            body_part: String::new(),
            mask: String::new(),
            split: super::super::split(&args.split).map_or("", Split::as_str),
            licence: licence.clone(),
            sha256,
            parent: String::new(),
            parameters: origin.parameters.clone(),
            seed: Some(seed),
        }])
    };
    let results = (0..count).map(one).collect();
    bar.finish_and_clear();
    finish(args, &folder, results, progress)
}

fn generation(args: &Sample) -> Generation {
    Generation {
        refinement: Refinement {
            match_spectrum: args.match_spectrum,
            mix: args.mix,
        },
        steps: args.steps.max(1),
        heun: !args.euler,
        strength: args.strength,
    }
}

/// One forgery and what it is made of.
struct Work<'a> {
    forger: &'a Forger,
    entries: &'a [Entry],
    split: Split,
    task: &'a ForgeryTask,
    index: usize,
    args: &'a Sample,
    folder: &'a Folder,
}

impl Work<'_> {
    /// Forges an original; a donor may give a region.
    fn forge(&self, entry: &Entry, original: &Original) -> anyhow::Result<Forgery> {
        let mut rng = StdRng::seed_from_u64(self.task.seed);
        let family = match self.forger {
            Forger::Free(family) => *family,
            Forger::Trained(generator, device) => {
                let generation = generation(self.args);
                let modality = &entry.modality;
                return generator
                    .forge(
                        original.plane(),
                        modality,
                        &generation,
                        device.handle(),
                        &mut rng,
                    )
                    .with_context(|| entry.path.display().to_string());
            }
        };
        // A donor that cannot be read is done without.
        let donor = self.task.donor.and_then(|at| {
            let entry = &self.entries[at];
            Some((entry, Original::open(&entry.path).ok()?))
        });
        let mut forgery = forge_image(
            family,
            original.plane(),
            donor.as_ref().map(|(_, donor)| donor.plane()),
            &mut rng,
        );
        if let Some((donor, _)) = &donor {
            let name = Parameter::from(donor.name.as_str());
            forgery.parameters.0.insert("donor_path".into(), name);
        }
        let refinement = generation(self.args).refinement;
        let whole = forgery.mask.iter().all(|&share| share == 1.0);
        if whole && refinement != Refinement::default() {
            let parameters = &mut forgery.parameters;
            forgery.image = refine(&forgery.image, original.plane(), refinement, parameters);
        }
        Ok(forgery)
    }

    /// Opens, forges, writes; returns the rows of what was written.
    fn run(&self) -> anyhow::Result<Vec<Row>> {
        let entry = &self.entries[self.task.parent];
        let original = Original::open(&entry.path)?;
        let Forgery {
            image,
            mask,
            parameters,
        } = self.forge(entry, &original)?;
        if mask.iter().all(|&share| share == 0.0) {
            return Err(MarkError::Unsuitable {
                path: entry.path.clone(),
                message: "too flat to forge".into(),
            }
            .into());
        }
        let partial = mask.iter().any(|&share| share < 1.0);
        let family = self.forger.name();
        let origin = Origin {
            forged: true,
            family: family.into(),
            parent_sha256: original.sha256().into(),
            seed: self.task.seed,
            parameters: json(&parameters),
        };
        let name = format!("{:06}", self.index);
        let path = format!("images/{name}.{}", original.extension());
        let file = original.encode(&image, &origin, &self.folder.join(&path))?;
        let label = match partial {
            true => Label::Tampered,
            false => Label::Synthetic,
        };
        let mut row = Row {
            label: label.as_str(),
            generator: family.into(),
            parent: entry.name.clone(),
            parameters: origin.parameters.clone(),
            seed: Some(self.task.seed),
            sha256: self.folder.write(&path, &file)?,
            ..Row::of(entry, self.split, path)
        };
        if partial {
            row.mask = format!("masks/{name}.png");
            self.folder
                .write_png(&row.mask, &mask_samples(&mask), &image, &origin)?;
        }
        if !self.args.aligned {
            return Ok(vec![row]);
        }
        let path = format!("originals/{name}.{}", original.extension());
        let origin = Origin {
            forged: false,
            family: String::new(),
            parameters: json(&Parameters::default()),
            ..origin
        };
        let file = original.encode(original.plane(), &origin, &self.folder.join(&path))?;
        row.parent.clone_from(&path);
        let real = Row {
            parent: entry.name.clone(),
            sha256: self.folder.write(&path, &file)?,
            ..Row::of(entry, self.split, path)
        };
        Ok(vec![real, row])
    }
}
