//! What the integration tests share: the Python that writes references, and files of raw floats.

#![allow(dead_code, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A Python with the packages that `scripts/test.sh` installs.
pub fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("VERARAY_PYTHON") {
        return python.into();
    }
    let venv = std::env::var_os("VERARAY_TEST_VENV").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/veraray/venv"),
        PathBuf::from,
    );
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "{} is missing: run scripts/test.sh, which makes it, or set VERARAY_PYTHON",
        python.display()
    );
    python
}

/// Runs `reference.py WHAT` into `out` and returns the index it writes.
pub fn reference(what: &str, out: &Path) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference.py");
    let run = Command::new(python())
        .arg(script)
        .arg(what)
        .arg(out)
        .output()
        .expect("python starts");
    assert!(
        run.status.success(),
        "reference.py {what} failed, run scripts/test.sh to install what it needs:\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let index = std::fs::read(out.join("index.json")).expect("an index");
    serde_json::from_slice(&index).expect("a list")
}

/// Little-endian floats of a file.
pub fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&b| f32::from_le_bytes(b))
        .collect()
}

/// The largest difference between two lists, infinite if their lengths differ or a number is none.
pub fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    if ours.len() != theirs.len() || ours.iter().chain(theirs).any(|v| v.is_nan()) {
        return f32::INFINITY;
    }
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// The text of a JSON field.
pub fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap_or_default()
}

/// pydicom's test files, a small DICOM corpus.
pub fn pydicom_folder() -> PathBuf {
    let code = "import pydicom, os; print(os.path.join(os.path.dirname(pydicom.__file__), 'data', 'test_files'))";
    let run = Command::new(python())
        .args(["-c", code])
        .output()
        .expect("python starts");
    let folder = PathBuf::from(String::from_utf8_lossy(&run.stdout).trim());
    assert!(folder.is_dir(), "pydicom is missing: run scripts/test.sh");
    folder
}
