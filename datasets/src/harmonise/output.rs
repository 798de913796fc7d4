//! The folder that harmonised images go to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::render::Step;
use super::{HarmoniseError, Harmonised, Phase};
use crate::Entry;

/// Columns of the new manifest.
const COLUMNS: [&str; 15] = [
    "path",
    "label",
    "set",
    "generator",
    "source",
    "group",
    "modality",
    "body_part",
    "mask",
    "split",
    "licence",
    "sha256",
    "parent",
    "parameters",
    "seed",
];

/// The output folder: `images/`, `masks/`, `manifest.csv`, and `harmonise.txt` that says of what.
pub(super) struct Folder {
    root: PathBuf,
}

/// A delivered file, by its path within the folder.
pub(super) struct Delivered {
    pub image: String,
    pub mask: String,
    pub sha256: String,
    pub resumed: bool,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> HarmoniseError + '_ {
    move |source| HarmoniseError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Writes beside the target and renames, so that a file is whole or absent.
fn write(path: &Path, bytes: &[u8]) -> Result<(), HarmoniseError> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).map_err(io(&part))?;
    fs::rename(&part, path).map_err(io(path))
}

impl Folder {
    /// Makes the folder, or takes up an interrupted run of the same signature.
    pub(super) fn prepare(root: &Path, signature: &str) -> Result<Self, HarmoniseError> {
        let note = root.join("harmonise.txt");
        let refused = |message: &str| HarmoniseError::Refused {
            path: root.to_owned(),
            message: message.to_owned(),
        };
        match fs::read_to_string(&note) {
            Ok(found) if found.trim() == signature => {}
            Ok(_) => {
                return Err(refused(
                    "holds images harmonised from another manifest or with other options; choose \
                     another --output",
                ));
            }
            Err(_) if root.is_dir() && fs::read_dir(root).map_err(io(root))?.next().is_some() => {
                return Err(refused("is not empty; choose another --output"));
            }
            Err(_) => {}
        }
        for folder in [root.join("images"), root.join("masks")] {
            fs::create_dir_all(&folder).map_err(io(&folder))?;
        }
        write(&note, format!("{signature}\n").as_bytes())?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Delivers one image, unless an earlier run did.
    pub(super) fn deliver(
        &self,
        step: &Step,
        render: impl FnOnce() -> Result<(Vec<u8>, Option<Vec<u8>>), HarmoniseError>,
        masked: bool,
    ) -> Result<Delivered, HarmoniseError> {
        // The name says nothing of class, source or order.
        let name = format!("{:016x}.png", step.seed);
        let image = format!("images/{name}");
        let mask = if masked {
            format!("masks/{name}")
        } else {
            String::new()
        };
        let path = self.root.join(&image);
        // The mask is written first: where the image is, both are.
        if let Ok(bytes) = fs::read(&path) {
            let sha256 = digest(&bytes);
            return Ok(Delivered {
                image,
                mask,
                sha256,
                resumed: true,
            });
        }
        let (picture, cover) = render()?;
        if let Some(cover) = cover {
            write(&self.root.join(&mask), &cover)?;
        }
        write(&path, &picture)?;
        let sha256 = digest(&picture);
        Ok(Delivered {
            image,
            mask,
            sha256,
            resumed: false,
        })
    }

    pub(super) fn write_manifest(
        &self,
        rows: &[(&Entry, &Step, Delivered)],
        settings: &str,
    ) -> Result<PathBuf, HarmoniseError> {
        let records = rows.iter().map(|(entry, step, file)| {
            let parameters = format!("{settings};{}", step.describe());
            let more = [entry.name.clone(), parameters, step.seed.to_string()];
            record(entry, &file.image, &file.mask, &file.sha256, more)
        });
        self.write_records(records)
    }

    fn write_records(
        &self,
        records: impl Iterator<Item = [String; COLUMNS.len()]>,
    ) -> Result<PathBuf, HarmoniseError> {
        let path = self.root.join("manifest.csv");
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |error: csv::Error| HarmoniseError::Refused {
            path: path.clone(),
            message: error.to_string(),
        };
        writer.write_record(COLUMNS).map_err(failed)?;
        for record in records {
            writer.write_record(&record).map_err(failed)?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| HarmoniseError::Refused {
                path: path.clone(),
                message: error.to_string(),
            })?;
        write(&path, &bytes)?;
        Ok(path)
    }

    /// Copies images that were harmonised before in the same way.
    pub(super) fn copy(
        &self,
        entries: &[&Entry],
        rows: &BTreeMap<String, [String; 3]>,
        tick: &(dyn Fn(Phase) + Sync),
    ) -> Result<Harmonised, HarmoniseError> {
        let mut records = Vec::new();
        let mut images = [0, 0];
        let mut skipped = Vec::new();
        for entry in entries {
            tick(Phase::Survey);
            match self.copy_one(entry) {
                Ok((image, mask, sha256)) => {
                    images[usize::from(entry.label.is_manipulated())] += 1;
                    let more = rows.get(&entry.name).cloned().unwrap_or_default();
                    records.push(record(entry, &image, &mask, &sha256, more));
                }
                Err(error) => skipped.push((entry.name.clone(), error.to_string())),
            }
            tick(Phase::Deliver);
        }
        Ok(Harmonised {
            manifest: self.write_records(records.into_iter())?,
            images,
            resumed: 0,
            skipped,
            modalities: Vec::new(),
        })
    }

    fn copy_one(&self, entry: &Entry) -> Result<(String, String, String), HarmoniseError> {
        let place = |from: &Path, kind: &str| -> Result<(String, Vec<u8>), HarmoniseError> {
            let bytes = fs::read(from).map_err(io(from))?;
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            let to = format!("{kind}/{name}");
            write(&self.root.join(&to), &bytes)?;
            Ok((to, bytes))
        };
        let mask = match &entry.mask {
            Some(path) => place(path, "masks")?.0,
            None => String::new(),
        };
        let (image, bytes) = place(&entry.path, "images")?;
        Ok((image, mask, digest(&bytes)))
    }
}

fn record(
    entry: &Entry,
    image: &str,
    mask: &str,
    sha256: &str,
    [parent, parameters, seed]: [String; 3],
) -> [String; COLUMNS.len()] {
    let split = entry.split.map_or("", crate::Split::as_str);
    [
        image.to_owned(),
        entry.label.as_str().to_owned(),
        entry.set.clone(),
        entry.generator.clone(),
        entry.source.clone(),
        entry.group.clone(),
        entry.modality.clone(),
        entry.body_part.clone(),
        mask.to_owned(),
        split.to_owned(),
        entry.licence.clone(),
        sha256.to_owned(),
        parent,
        parameters,
        seed,
    ]
}

/// Parent, parameters and seed by path, when every entry was harmonised with these settings; `None`
/// when none was.
pub(super) fn already(
    manifest: &Path,
    entries: &[&Entry],
    settings: &str,
) -> Result<Option<BTreeMap<String, [String; 3]>>, HarmoniseError> {
    let refused = |message: String| HarmoniseError::Refused {
        path: manifest.to_owned(),
        message,
    };
    let wrong = |error: csv::Error| refused(error.to_string());
    let mut reader = csv::Reader::from_path(manifest).map_err(wrong)?;
    let headers = reader.headers().map_err(wrong)?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (Some(path), Some(parameters)) = (column("path"), column("parameters")) else {
        return Ok(None);
    };
    let (parent, seed) = (column("parent"), column("seed"));
    let mut rows = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        let at = |index: Option<usize>| index.and_then(|i| row.get(i)).unwrap_or("").to_owned();
        if at(Some(parameters)).starts_with("veraray-harmonise/") {
            rows.insert(at(Some(path)), [at(parent), at(Some(parameters)), at(seed)]);
        }
    }
    let done = entries
        .iter()
        .filter(|entry| rows.contains_key(&entry.name))
        .count();
    if done == 0 {
        return Ok(None);
    }
    let same = rows
        .values()
        .all(|row| row[1].starts_with(&format!("{settings};")));
    if done < entries.len() || !same {
        return Err(refused(
            "some of its images were harmonised before, with other options or without the others; \
             start from the originals"
                .into(),
        ));
    }
    Ok(Some(rows))
}

fn digest(bytes: &[u8]) -> String {
    crate::hex(&Sha256::digest(bytes))
}
