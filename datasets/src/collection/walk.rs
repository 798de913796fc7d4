//! The files below a folder, in an order that never changes.

use std::path::{Path, PathBuf};

use super::CollectionError;

/// Folders nested deeper are not entered: links that lead back would never end.
const MAX_DEPTH: usize = 40;

/// A file below the root.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub path: PathBuf,
    /// Path below the root, with `/` between its components.
    pub name: String,
}

/// What could not be read, and why.
pub(super) type Failures = Vec<(PathBuf, String)>;

/// All regular files below `root`, sorted by name, hidden ones left out; and what could not be read.
pub(super) fn files(root: &Path) -> Result<(Vec<Found>, Failures), CollectionError> {
    let mut found = Vec::new();
    let mut failed = Vec::new();
    let io = |source| CollectionError::Io {
        path: root.to_owned(),
        source,
    };
    // The root itself must be readable; what lies below may fail.
    std::fs::read_dir(root).map_err(io)?;
    descend(root, "", 0, &mut found, &mut failed);
    Ok((found, failed))
}

fn descend(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Vec<Found>,
    failed: &mut Failures,
) {
    if depth > MAX_DEPTH {
        failed.push((folder.to_owned(), "nested too deeply".into()));
        return;
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            failed.push((folder.to_owned(), error.to_string()));
            return;
        }
    };
    let mut children = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => match entry.file_name().into_string() {
                Ok(name) if name.starts_with('.') => {}
                Ok(name) => children.push((name, entry.path())),
                Err(_) => failed.push((entry.path(), "its name is not UTF-8".into())),
            },
            Err(error) => failed.push((folder.to_owned(), error.to_string())),
        }
    }
    children.sort();
    for (child, path) in children {
        let name = if prefix.is_empty() {
            child
        } else {
            format!("{prefix}/{child}")
        };
        // Links are followed.
        match std::fs::metadata(&path) {
            Ok(kind) if kind.is_dir() => descend(&path, &name, depth + 1, found, failed),
            Ok(kind) if kind.is_file() => found.push(Found { path, name }),
            Ok(_) => failed.push((path, "not a regular file".into())),
            Err(error) => failed.push((path, error.to_string())),
        }
    }
}
