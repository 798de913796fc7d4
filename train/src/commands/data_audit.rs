//! `veraray-train data audit`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use serde_json::json;
use veraray_datasets::audit::{AuditOptions, NullModel, Row, Scope, page};
use veraray_datasets::{Entry, Manifest, Split, SplitOptions, assign_splits};
use veraray_train::{Audited, Progress, audit_entries};

/// Unreadable files that are named before the rest is only counted.
const SHOWN: usize = 10;

/// Arguments of `data audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  veraray-train data audit manifest.csv
  veraray-train data audit manifest.csv --sets external --output audit/   # audit.json and audit.html
  veraray-train data audit manifest.csv --split train --limit 0.65
  veraray-train data audit manifest.csv --allow noise,spectrum            # known, and accepted

Null models: dimensions, format, compression, bit_depth, metadata, border, composition, histogram,
noise, spectrum, file_size. Each is fitted and judged in five folds that never split a patient or
volume, on all images and per modality, family and source. It leaks when its AUROC exceeds --limit and
exceeds 0.5 beyond chance (one-sided test at 2.5 %, corrected for the number of rows). Histogram,
noise, spectrum and file_size may also show traces of a generator: the page explains each.

Exit status: 0 no shortcut, 1 a null model leaks, 2 an error or an unreadable image.")]
pub struct Audit {
    /// The manifest.
    manifest: PathBuf,
    /// AUROC above which a null model is a leak.
    #[arg(long, default_value_t = 0.60, value_name = "AUROC")]
    limit: f64,
    /// Null models that may exceed it.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow: Vec<NullModel>,
    /// Write audit.json and audit.html here.
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Values of the manifest's set column; all when none is named.
    #[arg(long, value_name = "SET", value_delimiter = ',')]
    sets: Vec<String>,
    /// Only the images of one split, assigned as training does where the manifest has none.
    #[arg(long, value_name = "train|validation|test")]
    split: Option<String>,
    /// Most images of each class to look at, spread over families and sources; 0 for all.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    sample: usize,
    /// Decides folds, sample and bootstrap.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
}

impl Audit {
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        ensure!(
            (0.5..1.0).contains(&self.limit),
            "--limit must lie in [0.5, 1), it is {}",
            self.limit
        );
        let manifest = Manifest::read(&self.manifest)?;
        let entries = select(&manifest, &self.manifest, &self.sets, self.split.as_deref())?;
        let options = AuditOptions {
            limit: self.limit,
            allow: self.allow.clone(),
            seed: self.seed,
        };
        let audited = audit_entries(&entries, self.sample, &options, progress);
        let [authentic, manipulated] = audited.audit.images;
        ensure!(
            authentic > 0 && manipulated > 0,
            "{}: {authentic} authentic and {manipulated} manipulated images could be read, both are needed{}",
            self.manifest.display(),
            audited
                .skipped
                .first()
                .map_or(String::new(), |(_, why)| format!("; first of all {why}")),
        );
        ensure!(
            !audited.audit.rows.is_empty(),
            "{}: too few groups to judge: {}",
            self.manifest.display(),
            audited
                .audit
                .not_judged
                .first()
                .map_or("", |(_, why)| why.as_str()),
        );
        print_table(&audited);
        if let Some(folder) = &self.output {
            self.write(folder, &manifest, &audited, progress)?;
        }
        for (_, why) in audited.skipped.iter().take(SHOWN) {
            eprintln!("veraray-train: {why}");
        }
        if audited.skipped.len() > SHOWN {
            eprintln!(
                "veraray-train: {} images in all could not be read",
                audited.skipped.len()
            );
        }
        Ok(match (audited.skipped.is_empty(), audited.audit.passes()) {
            (false, _) => ExitCode::from(2),
            (true, false) => ExitCode::FAILURE,
            (true, true) => ExitCode::SUCCESS,
        })
    }

    fn write(
        &self,
        folder: &Path,
        manifest: &Manifest,
        audited: &Audited,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            progress.note(&format!("wrote {}", path.display()));
            anyhow::Ok(())
        };
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let report = json!({
            "veraray": env!("CARGO_PKG_VERSION"),
            "manifest": self.manifest.display().to_string(),
            "manifest_sha256": manifest.sha256,
            "sets": self.sets,
            "split": self.split,
            "passes": audited.audit.passes(),
            "summary": audited.audit.summary(),
            "audit": audited.audit,
            "skipped": audited.skipped,
        });
        write("audit.json", &serde_json::to_string_pretty(&report)?)?;
        let mut title = self.manifest.display().to_string();
        for part in self.sets.iter().chain(&self.split) {
            title += &format!(", {part}");
        }
        let entries: Vec<&Entry> = audited.entries.iter().collect();
        write(
            "audit.html",
            &page(&audited.audit, &title, &entries, &audited.measured),
        )
    }
}

/// The images of a manifest that a command is about.
pub(super) fn select(
    manifest: &Manifest,
    path: &Path,
    sets: &[String],
    split: Option<&str>,
) -> anyhow::Result<Vec<Entry>> {
    let wanted = match split {
        None => None,
        Some("train") => Some(Split::Train),
        Some("validation") => Some(Split::Validation),
        Some("test") => Some(Split::Test),
        Some(other) => anyhow::bail!("--split must be train, validation or test, not {other}"),
    };
    for set in sets {
        ensure!(
            manifest.entries.iter().any(|entry| entry.set == *set),
            "{}: no image belongs to the set {set} (--sets)",
            path.display()
        );
    }
    let splits = assign_splits(&manifest.entries, &SplitOptions::default());
    let entries: Vec<Entry> = manifest
        .entries
        .iter()
        .zip(splits)
        .filter(|(entry, split)| {
            (sets.is_empty() || sets.contains(&entry.set)) && wanted.is_none_or(|w| w == *split)
        })
        .map(|(entry, _)| entry.clone())
        .collect();
    ensure!(
        !entries.is_empty(),
        "{}: no image is left after --sets and --split",
        path.display()
    );
    Ok(entries)
}

#[expect(clippy::print_stdout, reason = "the table is this command's output")]
fn print_table(audited: &Audited) {
    let audit = &audited.audit;
    let shown = |row: Option<&Row>| {
        row.map_or("–".to_owned(), |row| {
            let [low, high] = row.interval;
            format!("{:.3} ({low:.3}–{high:.3})", row.auroc)
        })
    };
    println!(
        "{:<12} {:<21} {:<21} worst in",
        "null model", "all images", "worst"
    );
    for model in NullModel::ALL {
        let all = audit
            .rows
            .iter()
            .find(|row| row.model == model && row.slice.scope == Scope::All);
        let worst = audit.worst_of(model);
        let mark = match worst {
            Some(row) if row.leak && row.allowed => "  (leaks, allowed)",
            Some(row) if row.leak => "  LEAK",
            _ => "",
        };
        println!(
            "{:<12} {:<21} {:<21} {}{mark}",
            model.name(),
            shown(all),
            shown(worst),
            worst.map_or(String::new(), |row| row.slice.to_string()),
        );
    }
    println!("{}", audit.summary());
}
