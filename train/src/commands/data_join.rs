//! `veraray-train data join`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use veraray_datasets::{Split, SplitOptions, Table, assign_splits};
use veraray_train::Progress;

/// Arguments of `data join`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  veraray-train forge sample inpaint --model runs/inpaint/generator.vfg --data data/manifest.csv \\
    --split all -n 1200 --output forged/inpaint
  veraray-train data join data/manifest.csv forged/inpaint/manifest.csv --output all.csv

The output has every column of any of them, paths that hold from where it lies, and a split for every
row: that of its column, else as `fit` assigns it. Groups of the first manifest keep their split, so that
what was held out stays held out; a manifest that says otherwise is refused. An image listed twice, by
path, is written once.")]
pub struct Join {
    /// The manifests, CSV or Parquet; the first one decides the splits.
    #[arg(required = true, num_args = 2.., value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
    /// Where to write it: CSV, or Parquet if the name ends in .parquet.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl Join {
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        ensure!(
            !self.manifests.iter().any(|m| same_file(m, &self.output)),
            "--output {} is one of the manifests",
            self.output.display()
        );
        let mut joined = Table::default();
        let mut splits: BTreeMap<String, Split> = BTreeMap::new();
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let mut twice = 0;
        for path in &self.manifests {
            let mut table = Table::read(path)?;
            divide(&table, &mut splits).with_context(|| path.display().to_string())?;
            let column = table.column_or_add("split");
            for (row, entry) in table.rows.iter_mut().zip(&table.entries) {
                row[column] = splits
                    .get(entry.unit())
                    .map_or("", |split| split.as_str())
                    .into();
            }
            table.move_paths(path, &self.output);
            let fresh: Vec<bool> = table
                .entries
                .iter()
                .map(|entry| seen.insert(entry.path.clone()))
                .collect();
            twice += fresh.iter().filter(|fresh| !**fresh).count();
            append(&mut joined, table, &fresh);
        }
        joined.write(&self.output)?;
        let listed = match twice {
            0 => String::new(),
            _ => format!(", {twice} listed twice"),
        };
        progress.note(&format!(
            "wrote {}: {} images of {} manifests{listed}",
            self.output.display(),
            joined.rows.len(),
            self.manifests.len()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Gives the groups of a table that have no split yet theirs.
fn divide(table: &Table, splits: &mut BTreeMap<String, Split>) -> anyhow::Result<()> {
    for entry in &table.entries {
        if let (Some(own), Some(earlier)) = (entry.split, splits.get(entry.unit()))
            && own != *earlier
        {
            bail!(
                "group '{}' is in the split '{}' here and in '{}' before",
                entry.unit(),
                own.as_str(),
                earlier.as_str()
            );
        }
    }
    let assigned = assign_splits(&table.entries, &SplitOptions::default());
    for (entry, split) in table.entries.iter().zip(assigned) {
        splits.entry(entry.unit().to_owned()).or_insert(split);
    }
    Ok(())
}

/// Appends the rows that are wanted, by the names of their columns.
fn append(joined: &mut Table, table: Table, wanted: &[bool]) {
    let places: Vec<usize> = table
        .columns
        .iter()
        .map(|name| joined.column_or_add(name))
        .collect();
    for (row, _) in table.rows.into_iter().zip(wanted).filter(|(_, w)| **w) {
        let mut cells = vec![String::new(); joined.columns.len()];
        for (cell, &place) in row.into_iter().zip(&places) {
            cells[place] = cell;
        }
        joined.rows.push(cells);
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(folder: &Path, manifests: &[(&str, &str)]) -> anyhow::Result<Table> {
        let mut paths = Vec::new();
        for (name, text) in manifests {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            paths.push(path);
        }
        let output = folder.join("all.csv");
        let join = Join {
            manifests: paths,
            output: output.clone(),
        };
        join.run(&Progress::new(true))?;
        Ok(Table::read(&output)?)
    }

    #[test]
    fn groups_keep_the_split_that_the_first_manifest_gives_them() {
        let folder = tempfile::tempdir().unwrap();
        let authentic: String = (0..40).map(|i| format!("{i}.png,real,s,p{i}\n")).collect();
        let alone = format!("path,label,source,group\n{authentic}");
        let forged: String = (0..40)
            .map(|i| format!("{i}.png,synthetic,vq,s,p{i}\n"))
            .collect();
        let forged = format!("path,label,generator,source,group\n{forged}");
        let table = join(
            folder.path(),
            &[("a.csv", &alone), ("forged/b.csv", &forged)],
        )
        .unwrap();
        assert_eq!(table.rows.len(), 80);
        assert_eq!(table.entries[40].path, folder.path().join("forged/0.png"));
        assert_eq!(table.cell(0, "generator"), "");
        assert_eq!(table.cell(40, "generator"), "vq");
        let first = Table::read(&folder.path().join("a.csv")).unwrap();
        let expected = assign_splits(&first.entries, &SplitOptions::default());
        for (at, split) in expected.iter().enumerate() {
            assert_eq!(table.entries[at].split, Some(*split));
            assert_eq!(table.entries[40 + at].split, Some(*split));
        }
        assert!(expected.contains(&Split::Test) && expected.contains(&Split::Train));
    }

    #[test]
    fn a_manifest_that_moves_a_held_out_group_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = "path,label,group,split\na.png,real,g,test\n";
        let other = "path,label,group,split\nb.png,real,g,train\n";
        let error = join(folder.path(), &[("a.csv", first), ("b.csv", other)]).unwrap_err();
        let message = format!("{error:#}");
        assert!(
            message.contains("b.csv") && message.contains("'g'"),
            "{message}"
        );
        assert!(!folder.path().join("all.csv").exists());
    }

    #[test]
    fn an_image_listed_twice_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let text = "path,label,group,split\na.png,real,g,test\n";
        let more = "path,label,group,split\na.png,real,g,test\nc.png,real,h,train\n";
        let table = join(folder.path(), &[("a.csv", text), ("b.csv", more)]).unwrap();
        assert_eq!(table.rows.len(), 2);
    }
}
