//! `veraray-train data scan`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use veraray_datasets::{
    Collection, PatientGroups, Rule, ScanOptions, Scanned, Table, Watch, scan_folder,
};
use veraray_train::Progress;

/// Failed files that are named before the rest is only counted.
const SHOWN: usize = 10;

/// Arguments of `data scan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Rules look like GLOB=column:value,column:value. A glob without a slash is matched against the file
name, one with slashes against the path below DIR. * and ? stay within a folder, ** crosses folders,
[a-z] and {a,b} choose; what they match is {1}, {2}, ... in values, beside {name}, {stem}, {folder},
{patient}, {study}, {series}, {modality}, {body_part} and {slice} from the file. All rules that fit
apply, later ones win. GLOB=skip leaves files out. Columns are label, set, generator, source, group,
modality, body_part, mask, split, licence, or your own.

Examples:
  veraray-train data scan films/ --label real --source clinic --output films.csv
  veraray-train data scan study/ --output study.csv \\
      --rule 'real/**=label:real,source:clinic' \\
      --rule 'real/*_*.png=group:{1}' \\
      --rule 'gan/**/*_*.png=label:synthetic,generator:gan,group:{2}' \\
      --rule 'edited/*.png=label:tampered,generator:brush,mask:masks/{1}.png'
  veraray-train data scan archive/ --label real --hash-patient-ids \"$KEY\" --output archive.parquet

Exit status: 0 all images listed, 2 some image could not be (the others are).")]
pub struct Scan {
    /// The folder, searched recursively.
    dir: PathBuf,
    /// The manifest to write: CSV, or Parquet if the name ends in .parquet.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// What paths say; may be given several times.
    #[arg(long = "rule", value_name = "GLOB=COLUMN:VALUE,...")]
    rules: Vec<String>,
    /// Rules and tables in a TOML file, as for public collections; --rule comes after them.
    #[arg(long = "rules", value_name = "FILE.toml")]
    rules_file: Option<PathBuf>,
    /// Label of every image for which no rule says otherwise.
    #[arg(long, value_parser = ["real", "synthetic", "tampered"])]
    label: Option<String>,
    /// Source of every image for which no rule says otherwise.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Licence of every image for which no rule says otherwise.
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What `scan` and `import` share.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Replace patient identifiers in the group column by a keyed hash. Keep the key to yourself,
    /// and the same for folders that share patients.
    #[arg(long, value_name = "KEY")]
    hash_patient_ids: Option<String>,
}

impl Scan {
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        let mut collection = match &self.rules_file {
            Some(path) => read_collection(path)?,
            None => Collection::default(),
        };
        for rule in &self.rules {
            collection.rules.push(parse_rule(rule)?);
        }
        if self.label.is_some() {
            // Every file counts then, before any rule.
            collection.rules.insert(
                0,
                Rule {
                    glob: "**".into(),
                    ..Rule::default()
                },
            );
        }
        for (column, value) in [
            ("label", &self.label),
            ("source", &self.source),
            ("licence", &self.licence),
        ] {
            if let Some(value) = value {
                collection.defaults.insert(column.into(), value.clone());
            }
        }
        ensure!(
            !collection.rules.is_empty(),
            "nothing says what the images are: give --label real, or --rule"
        );
        write_manifest(&collection, &self.dir, &self.output, &self.common, progress)
    }
}

/// Reads a collection's description.
pub(super) fn read_collection(path: &Path) -> anyhow::Result<Collection> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

/// Reads `GLOB=column:value,column:value` or `GLOB=skip`.
fn parse_rule(text: &str) -> anyhow::Result<Rule> {
    let (glob, says) = text
        .split_once('=')
        .with_context(|| format!("--rule '{text}': '=' is missing after the glob"))?;
    let mut rule = Rule {
        glob: glob.into(),
        ..Rule::default()
    };
    for pair in says.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match pair.split_once(':') {
            None if pair == "skip" => rule.skip = true,
            Some(("empty_mask", label)) => rule.empty_mask = Some(label.into()),
            Some((column, value)) => {
                rule.columns.insert(column.trim().into(), value.into());
            }
            None => bail!("--rule '{text}': '{pair}' is not COLUMN:VALUE"),
        }
    }
    Ok(rule)
}

/// Reads the folder, writes the manifest and says what was left out.
pub(super) fn write_manifest(
    collection: &Collection,
    dir: &Path,
    output: &Path,
    common: &Common,
    progress: &Progress,
) -> anyhow::Result<ExitCode> {
    let bar = progress.bar("reading headers");
    let options = ScanOptions {
        root: dir,
        relative_to: output.parent().unwrap_or(Path::new("")),
        patients: match &common.hash_patient_ids {
            Some(key) => PatientGroups::Hashed(key.clone()),
            None => PatientGroups::Plain,
        },
    };
    let watch = Watch {
        expect: &|files| bar.set_length(files),
        step: &|| bar.inc(1),
    };
    let scanned = scan_folder(collection, &options, watch)?;
    bar.finish_and_clear();
    for (path, why) in scanned.failed.iter().take(SHOWN) {
        eprintln!("veraray-train: left out {}: {why}", path.display());
    }
    if scanned.failed.len() > SHOWN {
        let more = scanned.failed.len() - SHOWN;
        eprintln!("veraray-train: left out {more} more images");
    }
    for (why, count) in &scanned.skipped {
        progress.note(&format!("{count} files not listed: {why}"));
    }
    ensure!(
        !scanned.table.rows.is_empty(),
        "{}: no image found",
        dir.display()
    );
    scanned.table.write(output)?;
    progress.note(&summary(&scanned, output));
    Ok(if scanned.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

fn summary(scanned: &Scanned, output: &Path) -> String {
    let table = &scanned.table;
    let count = |label: &str| {
        let column = table.column("label");
        let is = |row: &&Vec<String>| column.is_some_and(|at| row[at] == label);
        table.rows.iter().filter(is).count()
    };
    format!(
        "{}: {} images ({} real, {} synthetic, {} tampered) of {} groups and {} sources",
        output.display(),
        table.rows.len(),
        count("real"),
        count("synthetic"),
        count("tampered"),
        distinct(table, "group"),
        distinct(table, "source"),
    )
}

fn distinct(table: &Table, column: &str) -> usize {
    let cells = (0..table.rows.len()).map(|row| table.cell(row, column));
    cells
        .filter(|cell| !cell.is_empty())
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_on_the_command_line() {
        let rule = parse_rule("a/*_*.png=label:real,group:x-{1}, source:b").unwrap();
        assert_eq!(rule.glob, "a/*_*.png");
        assert_eq!(rule.columns["group"], "x-{1}");
        assert_eq!(rule.columns["source"], "b");
        assert!(parse_rule("*.txt=skip").unwrap().skip);
        let rule = parse_rule("*.png=empty_mask:real,label:tampered").unwrap();
        assert_eq!(rule.empty_mask.as_deref(), Some("real"));
        for wrong in ["*.png", "*.png=label"] {
            let message = parse_rule(wrong).unwrap_err().to_string();
            assert!(message.contains(wrong), "{message}");
        }
    }
}
