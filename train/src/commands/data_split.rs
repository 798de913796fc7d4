//! `veraray-train data split`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use rayon::prelude::*;
use veraray_datasets::{
    DivisionOptions, Fingerprint, Leak, NearDuplicate, Provenance, Similarity, Split as Part,
    Table, Term, TrainedOn, divide, find_leaks, near_duplicates,
};
use veraray_train::Progress;

/// Unreadable files that are named before the rest is only counted.
const SHOWN: usize = 10;

/// Arguments of `data split`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  veraray-train data split manifest.csv --output split.csv
  veraray-train data split manifest.csv --output logo.csv --hold-out-family latent_diffusion
  veraray-train data split manifest.csv --output site.csv --hold-out-source clinic_b --test 0
  veraray-train data split split.csv --check
  veraray-train data split manifest.csv --output split.csv --trained-on 'gan=@gan_groups.txt'

Groups (patients, volumes) are never split; near-duplicates are looked for in the pixels and kept on
one side. What a generator was trained on is read from the column trained_on or from --trained-on: all,
none, or terms such as group:p17;source:nih;set:a;split:train; @FILE lists groups, one a line. Groups
that a generator was trained on go to training. Images of a held-out family that do not fall into the
test are left out of the output.

Exit status: 0 clean, 1 it leaks (nothing is written), 2 an error or an unreadable image.")]
pub struct Split {
    /// The manifest, CSV or Parquet.
    manifest: PathBuf,
    /// Where to write it with its split column: CSV, or Parquet if the name ends in .parquet.
    #[arg(long, short, value_name = "FILE", required_unless_present = "check")]
    output: Option<PathBuf>,
    /// Judge the manifest's own split column and write nothing.
    #[arg(
        long,
        conflicts_with_all = ["output", "hold_out_family", "hold_out_source", "reassign"]
    )]
    check: bool,
    /// Share of the images for validation.
    #[arg(long, default_value_t = 0.15, value_name = "SHARE")]
    validation: f64,
    /// Share of the images for the test.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    test: f64,
    /// Decides which groups go where.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// Only the test sees this generator family; may be given several times.
    #[arg(long, value_name = "NAME")]
    hold_out_family: Vec<String>,
    /// All of this source goes to the test; may be given several times.
    #[arg(long, value_name = "NAME")]
    hold_out_source: Vec<String>,
    /// Forget the split column that the manifest has.
    #[arg(long)]
    reassign: bool,
    /// What a generator family was trained on; may be given several times.
    #[arg(long, value_name = "FAMILY=WHAT")]
    trained_on: Vec<String>,
    /// Do not decode images to look for near-duplicates; files equal by SHA-256 are still found.
    #[arg(long)]
    skip_near_duplicates: bool,
    /// Correlation of small high-passed thumbnails from which two images are the same.
    #[arg(long, default_value_t = 0.85, value_name = "R")]
    min_correlation: f32,
}

impl Split {
    #[expect(clippy::print_stdout, reason = "the table is this command's output")]
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        ensure!(
            self.min_correlation > 0.0 && self.min_correlation <= 1.0,
            "--min-correlation must lie in (0, 1]"
        );
        let mut table = Table::read(&self.manifest)?;
        let provenance = self.provenance(&table)?;
        let (near, unreadable) = if self.skip_near_duplicates {
            (Vec::new(), 0)
        } else {
            self.near_duplicates(&table, progress)
        };
        let splits: Vec<Option<Part>> = if self.check {
            let own: Vec<_> = table.entries.iter().map(|entry| entry.split).collect();
            ensure!(
                own.iter().any(Option::is_some),
                "{}: no row has a split; make one with --output",
                self.manifest.display()
            );
            own
        } else {
            let options = DivisionOptions {
                seed: self.seed,
                validation: self.validation,
                test: self.test,
                hold_out_families: self.hold_out_family.clone(),
                hold_out_sources: self.hold_out_source.clone(),
                reassign: self.reassign,
            };
            let pinned = provenance.pinned(&table.entries, &self.hold_out_family);
            if !pinned.is_empty() {
                progress.note(&format!(
                    "{} authentic images go to training: generators were trained on them",
                    pinned.len()
                ));
            }
            let division = divide(&table.entries, &near, &pinned, &options)?;
            if division.joined > 0 {
                progress.note(&format!(
                    "{} groups are kept together with another because they share near-duplicates",
                    division.joined
                ));
            }
            division.splits
        };
        let leaks = find_leaks(&table.entries, &splits, &near, &provenance);
        for Leak { kind, message } in &leaks {
            let word = if kind.is_fatal() { "leak" } else { "warning" };
            eprintln!("veraray-train: {word}: {message}");
        }
        print!("{}", counts(&table, &splits));
        if leaks.iter().any(|leak| leak.kind.is_fatal()) {
            return Ok(ExitCode::from(if unreadable > 0 { 2 } else { 1 }));
        }
        if let Some(output) = &self.output {
            write(&mut table, &splits, &self.manifest, output)?;
            progress.note(&format!("wrote {}", output.display()));
        }
        Ok(if unreadable > 0 {
            ExitCode::from(2)
        } else {
            ExitCode::SUCCESS
        })
    }

    /// The column `trained_on` and `--trained-on`.
    fn provenance(&self, table: &Table) -> anyhow::Result<Provenance> {
        let mut provenance = Provenance::of(table)
            .map_err(|why| anyhow::anyhow!("{}: {why}", self.manifest.display()))?;
        for text in &self.trained_on {
            let (family, what) = text
                .split_once('=')
                .with_context(|| format!("--trained-on '{text}': '=' is missing"))?;
            ensure!(
                table.entries.iter().any(|entry| entry.generator == family),
                "--trained-on '{text}': the manifest has no family '{family}'"
            );
            let set = match what.strip_prefix('@') {
                Some(path) => {
                    let lines = std::fs::read_to_string(path)
                        .with_context(|| format!("--trained-on: cannot read {path}"))?;
                    let groups = lines.lines().map(str::trim).filter(|line| !line.is_empty());
                    TrainedOn::Terms(groups.map(|g| Term::Group(g.into())).collect())
                }
                None => TrainedOn::parse(what)
                    .map_err(|why| anyhow::anyhow!("--trained-on '{text}': {why}"))?,
            };
            provenance.add(family, set);
        }
        Ok(provenance)
    }

    /// Near-duplicates of different groups, and how many images could not be decoded.
    fn near_duplicates(&self, table: &Table, progress: &Progress) -> (Vec<NearDuplicate>, usize) {
        let entries = &table.entries;
        let bar = progress.bar("comparing images");
        bar.set_length(entries.len() as u64);
        let prints: Vec<_> = entries
            .par_iter()
            .map(|entry| {
                let print = Fingerprint::read(&entry.path);
                bar.inc(1);
                print
            })
            .collect();
        bar.finish_and_clear();
        let failed: Vec<String> = prints
            .iter()
            .filter_map(|print| print.as_ref().err().map(ToString::to_string))
            .collect();
        for message in failed.iter().take(SHOWN) {
            eprintln!("veraray-train: not compared: {message}");
        }
        if failed.len() > SHOWN {
            eprintln!("veraray-train: {} more not compared", failed.len() - SHOWN);
        }
        let prints: Vec<_> = prints.into_iter().map(|p| p.ok().flatten()).collect();
        let similarity = Similarity {
            min_correlation: self.min_correlation,
            ..Similarity::default()
        };
        let near = near_duplicates(&prints, &similarity, |a, b| {
            entries[a].unit() != entries[b].unit()
        });
        if !near.is_empty() {
            progress.note(&format!(
                "{} pairs of near-duplicates under different groups, for example {} and {}",
                near.len(),
                entries[near[0].first].name,
                entries[near[0].second].name
            ));
        }
        (near, failed.len())
    }
}

/// Writes the rows that have a split. Relative paths are rewritten where the output lies elsewhere.
fn write(
    table: &mut Table,
    splits: &[Option<Part>],
    manifest: &Path,
    output: &Path,
) -> anyhow::Result<()> {
    let column = table.column_or_add("split");
    for (row, split) in table.rows.iter_mut().zip(splits) {
        row[column] = split.map_or("", Part::as_str).into();
    }
    let mut keep = splits.iter().map(Option::is_some);
    table.rows.retain(|_| keep.next().unwrap_or(false));
    table.move_paths(manifest, output);
    table.write(output)?;
    Ok(())
}

/// Images per family or source, and split.
fn counts(table: &Table, splits: &[Option<Part>]) -> String {
    let mut rows: BTreeMap<(bool, &str), [usize; 4]> = BTreeMap::new();
    for (entry, split) in table.entries.iter().zip(splits) {
        let fake = entry.label.is_manipulated();
        let name = if fake {
            &entry.generator
        } else {
            &entry.source
        };
        let at = split.map_or(3, |split| split as usize);
        rows.entry((fake, name)).or_default()[at] += 1;
    }
    let width = rows
        .keys()
        .map(|(_, name)| name.len())
        .max()
        .unwrap_or(0)
        .max(6);
    let mut text = format!(
        "{:<10} {:<width$} {:>8} {:>10} {:>8} {:>8}\n",
        "", "", "train", "validation", "test", "left out"
    );
    for ((fake, name), [train, validation, test, out]) in rows {
        let kind = if fake { "family" } else { "authentic" };
        text +=
            &format!("{kind:<10} {name:<width$} {train:>8} {validation:>10} {test:>8} {out:>8}\n");
    }
    text
}
