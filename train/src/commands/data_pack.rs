//! `veraray-train data pack`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use rayon::prelude::*;
use veraray_datasets::{Pack, PackOptions, Watch, pack};
use veraray_train::Progress;

/// Failed images that are named before the rest is only counted.
const SHOWN: usize = 10;

/// Arguments of `data pack`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  veraray-train data pack split.csv --output pack.h5
  veraray-train fit recipe.toml --manifest pack.h5
  veraray-train data pack --check pack.h5

A pack holds pixels at full depth, masks and every column of the manifest, with a checksum per image.
Large ones are written as pack-00000.h5 and on, with pack.h5 as their index. An interrupted run goes on
when the same command is given again. How to read one with h5py: docs/formats.md.

Exit status: 0 all images packed, 2 an error, or an image that could not be read (the others are in).")]
pub struct PackArgs {
    /// The manifest, CSV or Parquet.
    #[arg(required_unless_present = "check")]
    manifest: Option<PathBuf>,
    /// The pack to write.
    #[arg(long, short, value_name = "FILE.h5", required_unless_present = "check")]
    output: Option<PathBuf>,
    /// Read every image of a pack, compare it with its checksum, and say how fast that went.
    #[arg(long, value_name = "PACK", conflicts_with_all = ["manifest", "output"])]
    check: Option<PathBuf>,
    /// Images after which the next file is begun.
    #[arg(long, default_value_t = 8192, value_name = "N")]
    shard_images: usize,
    /// Mebibytes of pixels after which the next file is begun.
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    shard_mib: u64,
    /// Deflate level.
    #[arg(long, default_value_t = 4, value_name = "0-9", value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,
    /// Threads that decode; all cores by default.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Replace a pack of the same name that was made from another manifest.
    #[arg(long)]
    force: bool,
}

impl PackArgs {
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.check {
            return check(path, progress);
        }
        let manifest = self.manifest.as_deref().context("a manifest is needed")?;
        let output = self.output.clone().context("--output is needed")?;
        ensure!(
            output.extension().is_some_and(|e| e == "h5"),
            "--output {}: its name must end in .h5",
            output.display()
        );
        let mut options = PackOptions::new(output);
        options.shard_images = self.shard_images.max(1);
        options.shard_bytes = self.shard_mib.max(1) << 20;
        options.level = self.level;
        options.force = self.force;
        options.threads = self.jobs.unwrap_or(options.threads);
        let started = Instant::now();
        let bar = progress.bar("packing images");
        let watch = Watch {
            expect: &|rows| bar.set_length(rows),
            step: &|| bar.inc(1),
        };
        let packed = pack(manifest, &options, watch)?;
        bar.finish_and_clear();
        for (name, why) in packed.failed.iter().take(SHOWN) {
            eprintln!("veraray-train: left out {name}: {why}");
        }
        if packed.failed.len() > SHOWN {
            let more = packed.failed.len() - SHOWN;
            eprintln!("veraray-train: left out {more} more images");
        }
        if packed.resumed > 0 {
            progress.note(&format!(
                "{} rows were packed by an earlier run",
                packed.resumed
            ));
        }
        let seconds = started.elapsed().as_secs_f64();
        let fresh = packed.entries - packed.resumed;
        progress.note(&format!(
            "{}: {} images of {} rows in {} file{}; {:.0} rows/s",
            options.output.display(),
            packed.images,
            packed.entries,
            packed.shards,
            if packed.shards == 1 { "" } else { "s" },
            fresh as f64 / seconds
        ));
        Ok(if packed.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        })
    }
}

/// Decodes everything and compares it with its checksums.
#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn check(path: &std::path::Path, progress: &Progress) -> anyhow::Result<ExitCode> {
    let pack = Pack::open(path)?;
    let bar = progress.bar("checking images");
    bar.set_length(pack.images().len() as u64);
    let started = Instant::now();
    let read: Vec<Result<(u64, u64), String>> = pack
        .images()
        .par_iter()
        .map(|image| {
            let mut bytes = 0;
            for frame in 0..image.frames() {
                let decoded = pack.frame(image, frame).map_err(|e| e.to_string())?;
                bytes += 4 * decoded.values.len() as u64;
                pack.mask(image, frame).map_err(|e| e.to_string())?;
            }
            bar.inc(1);
            Ok((u64::from(image.frames()), bytes))
        })
        .collect();
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let (mut frames, mut bytes, mut failed) = (0, 0, 0);
    for result in read {
        match result {
            Ok((f, b)) => {
                frames += f;
                bytes += b;
            }
            Err(why) => {
                failed += 1;
                if failed <= SHOWN {
                    eprintln!("veraray-train: {why}");
                }
            }
        }
    }
    println!(
        "{}: {frames} images sound, {failed} damaged; {:.0} images/s, {:.0} MiB/s of floats",
        path.display(),
        frames as f64 / seconds,
        bytes as f64 / seconds / (1 << 20) as f64
    );
    Ok(ExitCode::from(if failed > 0 { 2 } else { 0 }))
}
