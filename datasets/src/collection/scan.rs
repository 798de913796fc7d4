//! Reads a folder as a collection says.

mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::header::Header;
use super::join::{Joined, Said};
use super::walk::{Found, files};
use super::{Collection, CollectionError, template};
use crate::{Label, OpenError, OpenOptions, STANDARD_COLUMNS, Table, hex, open, relative};
use rules::{Claim, Fits, claims, compile};

/// How patients become groups where no rule names a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PatientGroups {
    /// DICOM Patient ID (0010,0020) as it stands.
    #[default]
    Plain,
    /// A keyed hash of it: the same patient gets the same group, and nobody without the key can
    /// look an identifier up.
    Hashed(String),
}

/// How to read a folder.
pub struct ScanOptions<'a> {
    /// The folder.
    pub root: &'a Path,
    /// The folder that paths in the manifest are relative to: where the manifest will lie.
    pub relative_to: &'a Path,
    /// How patients become groups.
    pub patients: PatientGroups,
}

/// Who is told how far a long task is.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Called once with the number of steps.
    pub expect: &'a (dyn Fn(u64) + Sync),
    /// Called after every step.
    pub step: &'a (dyn Fn() + Sync),
}

impl Watch<'_> {
    /// Nobody.
    pub const NOBODY: Watch<'static> = Watch {
        expect: &|_| {},
        step: &|| {},
    };
}

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The manifest; its `entries` are not filled, because its paths are not resolved yet.
    pub table: Table,
    /// Files that are no images or that nothing was said about, counted by reason.
    pub skipped: BTreeMap<String, usize>,
    /// Images that cannot be used: path and reason.
    pub failed: Vec<(PathBuf, String)>,
}

/// An image with what was said about it so far.
struct Image<'a> {
    file: &'a Found,
    columns: BTreeMap<String, String>,
    header: Header,
    /// The rule that names its label for an empty mask.
    empty_mask: Option<&'a str>,
}

/// Makes a manifest of the images in a folder. Files are read in parallel; one that fails stops no
/// other.
///
/// # Errors
/// [`CollectionError`] when the folder or a table cannot be read, or a rule is wrong.
pub fn scan_folder(
    collection: &Collection,
    options: &ScanOptions,
    watch: Watch,
) -> Result<Scanned, CollectionError> {
    let rules = compile(collection)?;
    let (found, failed) = files(options.root)?;
    let tables = collection
        .tables
        .iter()
        .map(|table| Joined::load(table, &found))
        .collect::<Result<Vec<_>, _>>()?;
    let mut scanned = Scanned {
        failed,
        ..Scanned::default()
    };
    let mut candidates = Vec::new();
    for file in &found {
        match claims(&rules, &file.name) {
            Claim::Image(fits) => candidates.push((file, fits)),
            Claim::Skip => {
                *scanned
                    .skipped
                    .entry("skipped by a rule".into())
                    .or_default() += 1;
            }
            Claim::Unknown => {
                *scanned.skipped.entry("no rule fits".into()).or_default() += 1;
            }
        }
    }
    (watch.expect)(candidates.len() as u64);
    let read: Vec<(&Candidate, Result<Header, OpenError>)> = candidates
        .par_iter()
        .map(|candidate| {
            let header = Header::read(&candidate.0.path);
            (watch.step)();
            (candidate, header)
        })
        .collect();
    let mut opened = Vec::new();
    for ((file, fits), header) in read {
        match header {
            Ok(header) => opened.push((*file, fits, header)),
            Err(error) => match error.kind() {
                // Text, tables, archives and reports lie about in every folder.
                kind @ ("unsupported_format" | "no_pixels" | "empty") => {
                    let reason = match kind {
                        "no_pixels" => "holds no pixels",
                        "empty" => "empty file",
                        _ => "no image format that is read",
                    };
                    *scanned.skipped.entry(reason.into()).or_default() += 1;
                }
                _ => scanned.failed.push((file.path.clone(), error.to_string())),
            },
        }
    }
    let slices = slice_numbers(&opened);
    let mut images = Vec::new();
    for (file, fits, header) in opened {
        let slice = slices.get(file.name.as_str()).copied();
        match describe(collection, &tables, file, fits, header, slice) {
            Ok(Described::Image(image)) => images.push(*image),
            Ok(Described::Out(why)) => {
                *scanned.skipped.entry(why.into()).or_default() += 1;
            }
            Err(why) => scanned.failed.push((file.path.clone(), why)),
        }
    }
    finish(collection, options, images, &mut scanned);
    Ok(scanned)
}

/// A file that rules claim.
type Candidate<'a> = (&'a Found, Fits<'a>);

/// The number of every DICOM slice in its folder, by its place along the patient, from 0.
fn slice_numbers<'a>(opened: &[(&'a Found, &Fits, Header)]) -> HashMap<&'a str, usize> {
    let mut folders: BTreeMap<&str, Vec<(f64, &str)>> = BTreeMap::new();
    for (file, _, header) in opened {
        if let Some(position) = header.position {
            let folder = file.name.rsplit_once('/').map_or("", |(folder, _)| folder);
            folders
                .entry(folder)
                .or_default()
                .push((position, &file.name));
        }
    }
    let mut numbers = HashMap::new();
    for slices in folders.values_mut() {
        slices.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        for (number, (_, name)) in slices.iter().enumerate() {
            numbers.insert(*name, number);
        }
    }
    numbers
}

/// The value of a name in a template; `Some("")` where the header is silent.
fn value(file: &Found, header: &Header, slice: Option<usize>, name: &str) -> Option<String> {
    let file_name = file.name.rsplit('/').next().unwrap_or(&file.name);
    let of_header = |value: &Option<String>| value.clone().unwrap_or_default();
    Some(match name {
        "path" => file.name.clone(),
        "name" => file_name.into(),
        "stem" => {
            let lower = file_name.to_ascii_lowercase();
            let end = [".nii.gz", ".dcm.gz"]
                .iter()
                .find(|suffix| lower.ends_with(**suffix))
                .map(|suffix| file_name.len() - suffix.len())
                .or_else(|| file_name.rfind('.').filter(|&dot| dot > 0));
            file_name[..end.unwrap_or(file_name.len())].into()
        }
        "folder" => file.name.rsplit('/').nth(1).unwrap_or_default().into(),
        "modality" => of_header(&header.modality),
        "body_part" => of_header(&header.body_part),
        "patient" => of_header(&header.patient),
        "study" => of_header(&header.study),
        "series" => of_header(&header.series),
        "sop" => of_header(&header.sop),
        "slice" => slice.map(|n| n.to_string()).unwrap_or_default(),
        _ => return None,
    })
}

enum Described<'a> {
    Image(Box<Image<'a>>),
    Out(&'static str),
}

fn describe<'a>(
    collection: &'a Collection,
    tables: &[Joined],
    file: &'a Found,
    fits: &Fits<'a>,
    header: Header,
    slice: Option<usize>,
) -> Result<Described<'a>, String> {
    let mut columns = collection.defaults.clone();
    let mut empty_mask = None;
    let common = |name: &str| value(file, &header, slice, name);
    for (rule, captures) in fits {
        let lookup = |name: &str| match name.parse::<usize>() {
            Ok(number) => captures.get(number.checked_sub(1)?).cloned(),
            Err(_) => common(name),
        };
        for (column, text) in &rule.columns {
            // Where the header is silent, `site-{patient}` must not become one group for all.
            let silent = template::names(text).iter().any(|name| {
                name.parse::<usize>().is_err() && common(name).is_none_or(|v| v.is_empty())
            });
            if !silent {
                columns.insert(column.clone(), template::fill(text, lookup)?);
            }
        }
        empty_mask = rule.empty_mask.as_deref().or(empty_mask);
    }
    for table in tables {
        match table.say(&file.name, &common)? {
            Said::Nothing => {}
            Said::Columns(said) => columns.extend(said),
            Said::Out(why) => return Ok(Described::Out(why)),
        }
    }
    Ok(Described::Image(Box::new(Image {
        file,
        columns,
        header,
        empty_mask,
    })))
}

/// Fills what no rule named, checks labels and masks, and writes the rows.
fn finish(collection: &Collection, options: &ScanOptions, images: Vec<Image>, out: &mut Scanned) {
    let masks: BTreeSet<String> = images
        .iter()
        .filter_map(|image| image.columns.get("mask").cloned())
        .filter(|mask| !mask.is_empty())
        .collect();
    let prefix = relative(options.root, options.relative_to);
    let mut rows: Vec<BTreeMap<String, String>> = Vec::new();
    for mut image in images {
        if masks.contains(&image.file.name) {
            *out.skipped
                .entry("mask of another image".into())
                .or_default() += 1;
            continue;
        }
        match complete(collection, options, &mut image, &prefix) {
            Ok(()) => rows.push(image.columns),
            Err(why) => out.failed.push((image.file.path.clone(), why)),
        }
    }
    let mut columns: Vec<String> = STANDARD_COLUMNS.iter().map(|&c| c.to_owned()).collect();
    let more: BTreeSet<&String> = rows.iter().flat_map(BTreeMap::keys).collect();
    let more: Vec<String> = more
        .into_iter()
        .filter(|name| !STANDARD_COLUMNS.contains(&name.as_str()))
        .cloned()
        .collect();
    columns.extend(more);
    out.table.rows = rows
        .into_iter()
        .map(|mut row| {
            columns
                .iter()
                .map(|column| row.remove(column).unwrap_or_default())
                .collect()
        })
        .collect();
    out.table.columns = columns;
}

fn complete(
    collection: &Collection,
    options: &ScanOptions,
    image: &mut Image,
    prefix: &str,
) -> Result<(), String> {
    let columns = &mut image.columns;
    let header = &image.header;
    let filled = |columns: &BTreeMap<String, String>, name: &str| {
        columns.get(name).is_some_and(|value| !value.is_empty())
    };
    if let Some(mask) = columns.get("mask").filter(|mask| !mask.is_empty()).cloned() {
        let path = options.root.join(&mask);
        let mut opened = open(&path, &OpenOptions::default()).map_err(|e| format!("mask: {e}"))?;
        if let Some(label) = image.empty_mask {
            let mut empty = true;
            for index in 0..opened.info().frames {
                let frame = opened.frame(index).map_err(|e| format!("mask: {e}"))?;
                empty &= frame.values.iter().all(|value| *value == 0.0);
            }
            if empty {
                columns.insert("label".into(), label.into());
                columns.remove("generator");
                columns.remove("mask");
            }
        }
        if filled(columns, "mask") {
            columns.insert("mask".into(), format!("{prefix}{mask}"));
        }
    }
    let label = columns.get("label").cloned().unwrap_or_default();
    let label = Label::parse(&label).ok_or_else(|| {
        if label.is_empty() {
            "no rule names its label".to_owned()
        } else {
            format!("label '{label}' is not one of real, synthetic, tampered")
        }
    })?;
    if label.is_manipulated() && !filled(columns, "generator") {
        return Err(format!("a {} image without a generator", label.as_str()));
    }
    if !filled(columns, "modality")
        && let Some(modality) = &header.modality
    {
        columns.insert("modality".into(), modality.clone());
    }
    if !filled(columns, "body_part")
        && let Some(part) = &header.body_part
    {
        columns.insert("body_part".into(), part.clone());
    }
    let patient = header.patient.as_ref().or(header.study.as_ref());
    let from_header = !filled(columns, "group");
    if from_header && let Some(patient) = patient {
        columns.insert("group".into(), patient.clone());
    }
    if let PatientGroups::Hashed(key) = &options.patients
        && let Some(group) = columns.get_mut("group").filter(|group| !group.is_empty())
        && (from_header || header.patient.as_ref().is_some_and(|id| group.contains(id)))
    {
        *group = keyed(key, group);
    }
    if !filled(columns, "licence") && !collection.licence.is_empty() {
        columns.insert("licence".into(), collection.licence.clone());
    }
    columns.insert("path".into(), format!("{prefix}{}", image.file.name));
    columns.insert("sha256".into(), header.sha256.clone());
    Ok(())
}

/// HMAC-SHA-256 (RFC 2104), its first 128 bits.
fn keyed(key: &str, text: &str) -> String {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key.as_bytes());
    }
    let mut inner = Sha256::new_with_prefix(block.map(|b| b ^ 0x36));
    inner.update(text);
    let mut outer = Sha256::new_with_prefix(block.map(|b| b ^ 0x5c));
    outer.update(inner.finalize());
    hex(&outer.finalize()[..16])
}

#[cfg(test)]
mod tests;
