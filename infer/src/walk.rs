//! From the PATHs of a command line to the files and objects below them, in an order that never
//! changes.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::object::{self, Address, Object};

/// Something met on the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A regular file.
    File(PathBuf),
    /// An object of a bucket.
    Object(Object),
    /// Something that cannot be read, and why.
    Fault {
        path: PathBuf,
        kind: &'static str,
        message: String,
    },
    /// A listing that broke off: what else lies under `path` is not known.
    Broken { path: PathBuf, message: String },
}

impl Found {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Fault { path, .. } | Self::Broken { path, .. } => path,
            Self::Object(object) => object.url(),
        }
    }
}

/// Calls `visit` for everything under `roots`: roots in the order given, folders sorted by name.
/// The root `-` stands for the paths on `list`. A URL on it is one object unless it ends in `/`: to
/// ask the storage about each line first would take longer than to fetch it.
pub(crate) fn walk(
    roots: &[PathBuf],
    mut list: impl BufRead,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for root in roots {
        if root.as_os_str() == "-" {
            lines(&mut list, visit)?;
        } else {
            match Address::of(root) {
                Ok(Address::Key(key)) => object::list(&key, visit)?,
                Ok(Address::Path(path)) => descend(&path, visit)?,
                Err(error) => visit(error.found(root))?,
            }
        }
    }
    ControlFlow::Continue(())
}

fn lines(
    list: &mut impl BufRead,
    visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        match list.read_until(b'\n', &mut line) {
            Ok(0) => return ControlFlow::Continue(()),
            Ok(_) => {}
            Err(error) => {
                return visit(Found::Fault {
                    path: "-".into(),
                    kind: "io",
                    message: format!("-: cannot read the list on standard input: {error}"),
                });
            }
        }
        let end = line.strip_suffix(b"\n").unwrap_or(&line);
        let path = end.strip_suffix(b"\r").unwrap_or(end);
        if !path.is_empty() {
            let path = path_of(path);
            match Address::of(&path) {
                Ok(Address::Key(key)) if key.is_prefix() => object::list(&key, visit)?,
                Ok(Address::Key(key)) => visit(Found::Object(Object::new(key)))?,
                Ok(Address::Path(path)) => descend(&path, visit)?,
                Err(error) => visit(error.found(&path))?,
            }
        }
    }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn descend(root: &Path, visit: &mut dyn FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
    for entry in WalkDir::new(root).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if entry.file_type().is_file() => visit(Found::File(entry.into_path()))?,
            Ok(entry) => {
                let path = entry.into_path();
                let message = format!("{}: a pipe, socket or device, not a file", path.display());
                visit(Found::Fault {
                    path,
                    kind: "not_a_file",
                    message,
                })?;
            }
            Err(error) => visit(fault(&error, root))?,
        }
    }
    ControlFlow::Continue(())
}

fn fault(error: &walkdir::Error, root: &Path) -> Found {
    let path = error.path().unwrap_or(root).to_owned();
    let name = path.display();
    let (kind, message) = match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => (
            "loop",
            format!("{name}: the folder leads back to {}", ancestor.display()),
        ),
        (None, Some(source)) => ("io", format!("{name}: cannot read: {source}")),
        (None, None) => ("io", format!("{name}: cannot read")),
    };
    Found::Fault {
        path,
        kind,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(roots: &[PathBuf], list: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let _ = walk(roots, list, &mut |item| {
            found.push(item);
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn folders_are_sorted_and_lists_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let file = |name: &str| Found::File(folder.path().join(name));
        let root = folder.path().to_owned();
        assert_eq!(all(&[root], b""), [file("a"), file("b"), file("c")]);
        let list = format!("{0}/c\r\n\n{0}/a", folder.path().display());
        assert_eq!(all(&["-".into()], list.as_bytes()), [file("c"), file("a")]);
    }

    #[test]
    fn what_is_missing_is_met_all_the_same() {
        let found = all(&["/nonexistent/x".into()], b"");
        assert!(matches!(&found[..], [Found::Fault { kind: "io", .. }]));
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_is_a_fault_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "a").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("up")).unwrap();
        let found = all(&[folder.path().to_owned()], b"");
        assert_eq!(found.len(), 2);
        assert!(matches!(&found[1], Found::Fault { kind: "loop", .. }));
    }
}
