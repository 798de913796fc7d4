//! The shortcut audit of a manifest: a sample of it, measured once and remembered.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use veraray_datasets::Entry;
use veraray_datasets::audit::{Audit, AuditOptions, Measured, audit, measure_all, sample};

use crate::Progress;

/// Images of each class that `fit` and `evaluate` look at.
const GLANCE: usize = 250;

/// Changes when features change, so that old measurements are not taken for new ones.
const CACHE_VERSION: &str = "audit-2";

/// An audit with what it was made from.
#[derive(Debug)]
pub struct Audited {
    /// What was found.
    pub audit: Audit,
    /// The images that were measured.
    pub entries: Vec<Entry>,
    /// Their measurements, in the same order.
    pub measured: Vec<Measured>,
    /// Images that could not be read, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Audits at most `per_class` images of each class; 0 means all.
pub fn audit_entries(
    entries: &[Entry],
    per_class: usize,
    options: &AuditOptions,
    progress: &Progress,
) -> Audited {
    let chosen: Vec<&Entry> = match per_class {
        0 => entries.iter().collect(),
        count => sample(entries, count, options.seed)
            .into_iter()
            .map(|index| &entries[index])
            .collect(),
    };
    let cache = Cache::open();
    let bar = progress.bar("auditing shortcuts");
    bar.set_length(chosen.len() as u64);
    let results = measure_all(&chosen, &|entry| cache.get(entry), &|| bar.inc(1));
    bar.finish_and_clear();
    let mut kept = Vec::new();
    let mut measured = Vec::new();
    let mut skipped = Vec::new();
    for (entry, result) in chosen.into_iter().zip(results) {
        match result {
            Ok(features) => {
                kept.push(entry.clone());
                measured.push(features);
            }
            Err(error) => skipped.push((entry.name.clone(), error.to_string())),
        }
    }
    cache.add(&kept, &measured);
    let found = audit(&kept.iter().collect::<Vec<_>>(), &measured, options);
    Audited {
        audit: found,
        entries: kept,
        measured,
        skipped,
    }
}

/// The worst line of an audit of a small sample.
#[must_use]
pub fn glance(entries: &[Entry], progress: &Progress) -> String {
    let audited = audit_entries(entries, GLANCE, &AuditOptions::default(), progress);
    audited.audit.summary()
}

/// Measurements of earlier audits, one file per image in the user's cache folder
/// (`$XDG_CACHE_HOME/veraray`). A file is known by its path, length and time of change. A cache that
/// cannot be read or written is done without.
struct Cache {
    folder: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    stamp: String,
    measured: Measured,
}

impl Cache {
    fn open() -> Self {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        Self {
            folder: base.map(|base| base.join("veraray").join(CACHE_VERSION)),
        }
    }

    fn get(&self, entry: &Entry) -> Option<Measured> {
        let stamp = stamp(&entry.path)?;
        let text = std::fs::read_to_string(self.place(&stamp)?).ok()?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        (remembered.stamp == stamp).then_some(remembered.measured)
    }

    fn add(&self, entries: &[Entry], measured: &[Measured]) {
        let mut written = HashMap::new();
        for (entry, measured) in entries.iter().zip(measured) {
            let Some(stamp) = stamp(&entry.path) else {
                continue;
            };
            let Some(path) = self.place(&stamp) else {
                return;
            };
            if path.exists() || written.insert(path.clone(), ()).is_some() {
                continue;
            }
            let measured = measured.clone();
            let Ok(text) = serde_json::to_string(&Remembered { stamp, measured }) else {
                continue;
            };
            if write_whole(&path, text.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn place(&self, stamp: &str) -> Option<PathBuf> {
        let digest = Sha256::digest(stamp);
        let name: String = digest[..12].iter().map(|b| format!("{b:02x}")).collect();
        Some(
            self.folder
                .as_ref()?
                .join(&name[..2])
                .join(format!("{name}.json")),
        )
    }
}

/// Path, length and time of change of a file.
fn stamp(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let metadata = std::fs::metadata(&path).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!(
        "{} {} {}",
        path.display(),
        metadata.len(),
        changed.as_nanos()
    ))
}

/// Readers see the whole file or none: other processes use the same cache.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let part = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::File::create(&part)?.write_all(bytes)?;
    std::fs::rename(&part, path)
}
