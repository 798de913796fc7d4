//! `veraray-train data harmonise`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use veraray_datasets::harmonise::{HarmoniseOptions, Phase, harmonise};
use veraray_datasets::{Entry, Manifest};
use veraray_train::Progress;

use super::data_audit::select;

/// Unreadable files that are named before the rest is only counted.
const SHOWN: usize = 10;

/// Arguments of `data harmonise`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  veraray-train data harmonise manifest.csv --output harmonised/
  veraray-train data harmonise manifest.csv --sets external --side 256 --output external256/
  veraray-train data audit harmonised/manifest.csv

Every family and every source of a modality ends with the same distribution of field of view, effective
resolution, JPEG quality, brightness and contrast: matched by rank, never squashed. Constant margins are
trimmed and the largest centred square is kept, with the mask cut and resampled alike. Files are 8-bit
grey PNG without compression. Originals are not changed; the new manifest keeps label, generator,
source, group and split, and adds parent, parameters and seed. The same input gives the same bytes; an
interrupted run goes on with the same command.

Exit status: 0 all images delivered, 2 an error or an image that could not be.")]
pub struct Harmonise {
    /// The manifest.
    manifest: PathBuf,
    /// Folder for the images, masks and the new manifest; empty, or of an interrupted run.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Values of the manifest's set column; all when none is named.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    sets: Vec<String>,
    /// Only the images of one split, assigned as training does where the manifest has none.
    #[arg(long, value_name = "train|validation|test")]
    split: Option<String>,
    /// Side of every delivered image in pixels; without it, each has its matched effective side.
    #[arg(long, value_name = "PIXELS")]
    side: Option<u32>,
    /// Share of the field's side to keep around its centre, where margins, captions or what lies beside
    /// the body differ between sources.
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    field: f64,
    /// Leave brightness and contrast as they are, but for one stretch to black and white.
    #[arg(long)]
    keep_tones: bool,
    /// Decides ties and draws.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
}

impl Harmonise {
    #[expect(clippy::print_stdout, reason = "the summary is this command's output")]
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        if let Some(side) = self.side {
            ensure!(
                (32..=4096).contains(&side),
                "--side must lie in [32, 4096], it is {side}"
            );
        }
        ensure!(
            (0.25..=1.0).contains(&self.field),
            "--field must lie in [0.25, 1], it is {}",
            self.field
        );
        let manifest = Manifest::read(&self.manifest)?;
        let entries = select(&manifest, &self.manifest, &self.sets, self.split.as_deref())?;
        let entries: Vec<&Entry> = entries.iter().collect();
        let options = HarmoniseOptions {
            seed: self.seed,
            side: self.side,
            tones: !self.keep_tones,
            field: self.field,
        };
        let surveying = progress.bar("surveying");
        let delivering = progress.bar("delivering");
        surveying.set_length(entries.len() as u64);
        delivering.set_length(entries.len() as u64);
        let tick = |phase: Phase| match phase {
            Phase::Survey => surveying.inc(1),
            Phase::Deliver => delivering.inc(1),
        };
        let done = harmonise(
            &self.manifest,
            &manifest,
            &entries,
            &self.output,
            &options,
            &tick,
        )?;
        surveying.finish_and_clear();
        delivering.finish_and_clear();
        for modality in &done.modalities {
            let [least, middle, most] = modality.effective;
            let quality = modality
                .quality
                .map_or("no lossy step".to_owned(), |[a, b, c]| {
                    format!("JPEG quality {a} to {c}, median {b}")
                });
            let field = if modality.field {
                ", field of view matched in mm"
            } else {
                ""
            };
            println!(
                "{}: effective side {least} to {most} pixels, median {middle}; {quality}{field}",
                if modality.modality.is_empty() {
                    "images"
                } else {
                    &modality.modality
                },
            );
        }
        println!(
            "{} authentic and {} manipulated images, {} of them there already: {}",
            done.images[0],
            done.images[1],
            done.resumed,
            done.manifest.display()
        );
        for (name, why) in done.skipped.iter().take(SHOWN) {
            eprintln!("veraray-train: {name} left out: {why}");
        }
        if done.skipped.len() > SHOWN {
            eprintln!(
                "veraray-train: {} images in all were left out",
                done.skipped.len()
            );
        }
        Ok(if done.skipped.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        })
    }
}
