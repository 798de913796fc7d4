//! `veraray-train forge`: forgeries of one's own authentic images.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use veraray_datasets::{
    Entry, ForgeryTask, Label, Manifest, MarkError, Origin, Original, Parameter, Parameters, Split,
    SplitOptions, TrainingFreeFamily, assign_splits, encode_png, forge_image, plan_forgeries,
};
use veraray_train::Progress;

/// Families that learn from images before they make any.
const TRAINED: [&str; 6] = [
    "kl_autoencoder",
    "vq_autoencoder",
    "gan",
    "latent_diffusion",
    "pixel_flow",
    "inpaint",
];

/// Subcommands of `forge`.
#[derive(Debug, Subcommand)]
pub enum ForgeCommand {
    /// Write forgeries of the authentic images of a manifest, with masks and a manifest of their own
    #[command(after_help = "Families that need no training:
  splice           a region of another patient's image of the same modality
  copy_move        a region of the same image, turned or scaled
  poisson_blend    seamless cloning in the gradient domain
  inpaint_classic  removal by diffusion, fast marching or patch offsets
  resample         a region enlarged, shrunk or turned, or the whole image bent
  spectral         upsampling fingerprints of decoders
  denoise_grain    smoothed, then uniform grain
  reconstruct      the bottleneck of a small linear autoencoder

Examples:
  veraray-train forge sample splice --data data/manifest.csv -n 500 --output forged/splice
  veraray-train forge sample spectral --data data/manifest.csv --aligned --split all --output forged/spectral

Every output says in its file that it is a forgery (DICOM attributes, PNG text); nothing turns that
off, and no score reads it. Originals are never changed. A volume gives its middle slice, as PNG.

Exit status: 0 all written; 2 some image failed, or a usage error.")]
    Sample(Sample),
}

/// Arguments of `forge sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// The family.
    family: String,
    /// Manifest of authentic images (CSV); its other images are ignored.
    #[arg(long, value_name = "MANIFEST")]
    data: PathBuf,
    /// How many forgeries; more than there are originals gives several of each.
    #[arg(short, long, value_name = "N", required_unless_present = "aligned")]
    number: Option<usize>,
    /// One forgery of every original, and the original beside it in the same encoding, so that the
    /// classes differ in the forgery and in nothing else.
    #[arg(long, conflicts_with = "number")]
    aligned: bool,
    /// Folder to write; must be new or empty.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Equal seeds give equal forgeries.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// The originals' split, as the manifest says or as `fit` assigns it.
    #[arg(long, default_value = "train", value_parser = ["train", "validation", "test", "all"])]
    split: String,
}

impl ForgeCommand {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// When nothing at all can be done; single images that fail are counted and named on stderr.
    pub fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        match self {
            Self::Sample(args) => sample(args, progress),
        }
    }
}

fn family(name: &str) -> anyhow::Result<TrainingFreeFamily> {
    if TRAINED.contains(&name) {
        let free = TrainingFreeFamily::ALL.map(TrainingFreeFamily::as_str);
        bail!(
            "{name} is a trained family and no fitted generator was given; families that need no \
             training are {}",
            free.join(", ")
        );
    }
    Ok(name.parse()?)
}

#[expect(clippy::print_stdout, reason = "the manifest's path is the output")]
fn sample(args: &Sample, progress: &Progress) -> anyhow::Result<ExitCode> {
    let family = family(&args.family)?;
    let manifest = Manifest::read(&args.data)?;
    let splits = assign_splits(&manifest.entries, &SplitOptions::default());
    let split = match args.split.as_str() {
        "train" => Some(Split::Train),
        "validation" => Some(Split::Validation),
        "test" => Some(Split::Test),
        _ => None,
    };
    let entries = &manifest.entries;
    let tasks = plan_forgeries(family, entries, &splits, split, args.number, args.seed);
    if tasks.is_empty() {
        bail!(
            "{}: no authentic image in the split {:?} (--split), or --number 0",
            args.data.display(),
            args.split
        );
    }
    prepare(&args.output, args.aligned)?;
    let bar = progress.bar("forge");
    bar.set_length(tasks.len() as u64);
    let results: Vec<Result<Vec<Row>, MarkError>> = tasks
        .par_iter()
        .enumerate()
        .map(|(index, task)| {
            let work = Work {
                family,
                entries,
                split: splits[task.parent],
                task,
                index,
                args,
            };
            let rows = work.run();
            bar.inc(1);
            rows
        })
        .collect();
    bar.finish_and_clear();
    let mut rows = Vec::new();
    let mut failed = 0;
    for result in results {
        match result {
            Ok(written) => rows.extend(written),
            Err(error) => {
                failed += 1;
                eprintln!("veraray-train: {error}");
            }
        }
    }
    let manifest = args.output.join("manifest.csv");
    write_manifest(&manifest, &rows).with_context(|| manifest.display().to_string())?;
    let forged = rows.iter().filter(|row| row.label != Label::Real.as_str());
    progress.note(&format!(
        "{} forgeries by {family} written, {failed} failed",
        forged.count()
    ));
    println!("{}", manifest.display());
    Ok(ExitCode::from(if failed > 0 { 2 } else { 0 }))
}

/// Makes the output's folders; refuses to write among files that are there.
fn prepare(output: &Path, aligned: bool) -> anyhow::Result<()> {
    let used = match std::fs::read_dir(output) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).context(format!("--output {}", output.display())),
    };
    if used {
        bail!(
            "--output {}: the folder is not empty; name a new one",
            output.display()
        );
    }
    let originals: &[&str] = if aligned { &["originals"] } else { &[] };
    for folder in ["images", "masks"].iter().chain(originals) {
        let folder = output.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

/// A line of the manifest that is written.
#[derive(Debug, Serialize)]
struct Row {
    path: String,
    label: &'static str,
    generator: String,
    source: String,
    group: String,
    modality: String,
    body_part: String,
    mask: String,
    split: &'static str,
    licence: String,
    sha256: String,
    parent: String,
    parameters: String,
    seed: Option<u64>,
}

fn write_manifest(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.flush()?;
    Ok(())
}

/// One forgery and what it is made of.
struct Work<'a> {
    family: TrainingFreeFamily,
    entries: &'a [Entry],
    split: Split,
    task: &'a ForgeryTask,
    index: usize,
    args: &'a Sample,
}

impl Work<'_> {
    /// Opens, forges, writes; returns the rows of what was written.
    fn run(&self) -> Result<Vec<Row>, MarkError> {
        let entry = &self.entries[self.task.parent];
        let original = Original::open(&entry.path)?;
        // A donor that cannot be read is done without.
        let donor = self.task.donor.and_then(|at| {
            let entry = &self.entries[at];
            Some((entry, Original::open(&entry.path).ok()?))
        });
        let mut rng = StdRng::seed_from_u64(self.task.seed);
        let forgery = forge_image(
            self.family,
            original.plane(),
            donor.as_ref().map(|(_, donor)| donor.plane()),
            &mut rng,
        );
        if forgery.mask.iter().all(|&share| share == 0.0) {
            return Err(MarkError::Unsuitable {
                path: entry.path.clone(),
                message: "too flat to forge".into(),
            });
        }
        let mut parameters = forgery.parameters;
        if let Some((donor, _)) = &donor {
            let name = Parameter::from(donor.name.as_str());
            parameters.0.insert("donor_path".into(), name);
        }
        let partial = forgery.mask.iter().any(|&share| share < 1.0);
        let origin = Origin {
            forged: true,
            family: self.family.to_string(),
            parent_sha256: original.sha256().into(),
            seed: self.task.seed,
            parameters: json(&parameters),
        };
        let name = format!("{:06}", self.index);
        let path = format!("images/{name}.{}", original.extension());
        let file = original.encode(&forgery.image, &origin, &self.args.output.join(&path))?;
        let mut row = Row {
            label: if partial {
                Label::Tampered
            } else {
                Label::Synthetic
            }
            .as_str(),
            generator: self.family.to_string(),
            parent: entry.name.clone(),
            parameters: origin.parameters.clone(),
            seed: Some(self.task.seed),
            sha256: self.write(&path, &file)?,
            ..self.row(entry, path)
        };
        if partial {
            row.mask = format!("masks/{name}.png");
            let file = self.mask(&forgery.mask, &forgery.image, &origin, &row.mask)?;
            self.write(&row.mask, &file)?;
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
        let file = original.encode(original.plane(), &origin, &self.args.output.join(&path))?;
        row.parent.clone_from(&path);
        let real = Row {
            parent: entry.name.clone(),
            sha256: self.write(&path, &file)?,
            ..self.row(entry, path)
        };
        Ok(vec![real, row])
    }

    /// A row with what is the original's.
    fn row(&self, entry: &Entry, path: String) -> Row {
        Row {
            path,
            label: Label::Real.as_str(),
            generator: String::new(),
            source: entry.source.clone(),
            // An original without a group is one of its own, and so are its forgeries.
            group: entry.unit().to_owned(),
            modality: entry.modality.clone(),
            body_part: entry.body_part.clone(),
            mask: String::new(),
            split: self.split.as_str(),
            licence: entry.licence.clone(),
            sha256: String::new(),
            parent: String::new(),
            parameters: String::new(),
            seed: None,
        }
    }

    fn mask(
        &self,
        mask: &[f32],
        image: &veraray_datasets::GrayImage,
        origin: &Origin,
        path: &str,
    ) -> Result<Vec<u8>, MarkError> {
        // What is manipulated at all is not zero in the file.
        let samples: Vec<u16> = mask
            .iter()
            .map(|&share| match share > 0.0 {
                true => (share * 255.0).round().max(1.0) as u16,
                false => 0,
            })
            .collect();
        let (rows, columns) = (image.rows as u32, image.columns as u32);
        encode_png(&samples, rows, columns, 8, origin).map_err(|message| MarkError::Encode {
            path: self.args.output.join(path),
            message,
        })
    }

    /// Writes a file below the output folder; returns its SHA-256.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<String, MarkError> {
        let path = self.args.output.join(path);
        std::fs::write(&path, bytes).map_err(|source| MarkError::Io { path, source })?;
        let hash = Sha256::digest(bytes);
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Parameters on one line; numbers and words always have a JSON form.
fn json(parameters: &Parameters) -> String {
    serde_json::to_string(parameters).unwrap_or_default()
}
