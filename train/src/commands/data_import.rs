//! `veraray-train data import`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use veraray_datasets::{Collection, public_collections};
use veraray_train::Progress;

use super::data_scan::{Common, read_collection, write_manifest};

/// Arguments of `data import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  veraray-train data import --list
  veraray-train data import nih-chestxray14 --describe
  veraray-train data import nih-chestxray14 /data/ChestXray-NIHCC --output nih.csv
  veraray-train data import mine.toml /data/mine --output mine.csv    # a description of your own

Nothing is downloaded: get the collection from its owner and keep to its licence. Groups are patients
where the owner tells them. Exit status: 0 all images listed, 2 some image could not be.")]
pub struct Import {
    /// Name of the collection, or a TOML file that describes one.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// The folder it was unpacked to.
    #[arg(required_unless_present_any = ["list", "describe"])]
    dir: Option<PathBuf>,
    /// The manifest to write: CSV, or Parquet if the name ends in .parquet.
    #[arg(long, short, value_name = "FILE", required_unless_present_any = ["list", "describe"])]
    output: Option<PathBuf>,
    /// Print name, licence and where to get every collection, separated by tabs, and exit.
    #[arg(long)]
    list: bool,
    /// Print what is known of one collection and its layout, and exit.
    #[arg(long, conflicts_with = "list")]
    describe: bool,
    #[command(flatten)]
    common: Common,
}

impl Import {
    #[expect(clippy::print_stdout, reason = "lists are this command's output")]
    pub(super) fn run(&self, progress: &Progress) -> anyhow::Result<ExitCode> {
        if self.list {
            for (name, text) in public_collections() {
                let collection = parse(name, text)?;
                println!("{name}\t{}\t{}", collection.licence, collection.homepage);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let name = self.name.as_deref().context("a collection is needed")?;
        let known = public_collections().iter().find(|(n, _)| *n == name);
        let collection = match known {
            Some((name, text)) => parse(name, text)?,
            None if Path::new(name).extension().is_some_and(|e| e == "toml") => {
                read_collection(Path::new(name))?
            }
            None => {
                let names: Vec<&str> = public_collections().iter().map(|(n, _)| *n).collect();
                bail!("'{name}' is not one of {}", names.join(", "));
            }
        };
        if self.describe {
            print!("{}", describe(&collection));
            return Ok(ExitCode::SUCCESS);
        }
        let dir = self.dir.as_deref().context("the folder is needed")?;
        let output = self.output.as_deref().context("--output is needed")?;
        if !collection.notes.is_empty() {
            progress.note(&format!("note: {}", collection.notes));
        }
        if !collection.licence.is_empty() {
            progress.note(&format!("licence: {}", collection.licence));
        }
        write_manifest(&collection, dir, output, &self.common, progress)
    }
}

fn parse(name: &str, text: &str) -> anyhow::Result<Collection> {
    toml::from_str(text).with_context(|| format!("the description of {name}"))
}

fn describe(collection: &Collection) -> String {
    format!(
        "{}\n\nlicence: {}\nwhere: {}\ncite: {}\nlayout: {}\nnotes: {}\n",
        collection.title,
        collection.licence,
        collection.homepage,
        collection.citation,
        collection.layout,
        collection.notes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_parses_and_is_complete() {
        assert!(public_collections().len() >= 13);
        for (name, text) in public_collections() {
            let collection = parse(name, text).unwrap_or_else(|e| panic!("{e:#}"));
            assert_eq!(collection.name, *name);
            for (what, value) in [
                ("title", &collection.title),
                ("licence", &collection.licence),
                ("homepage", &collection.homepage),
                ("citation", &collection.citation),
                ("layout", &collection.layout),
                ("notes", &collection.notes),
            ] {
                assert!(!value.is_empty(), "{name}: {what} is missing");
            }
            assert!(collection.homepage.starts_with("https://"), "{name}");
        }
    }
}
