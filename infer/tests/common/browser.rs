//! Pages in headless Chromium.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Opens a page and runs steps in it; see `browser.py`. `None`, and a word on stderr, without
/// Chromium or Python, unless VERARAY_THIRD_PARTY=required.
pub fn browse(page: &Path, steps: &Value) -> Option<Value> {
    let Some((chromium, python)) = programs() else {
        assert!(
            std::env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required"),
            "Chromium or Python is missing"
        );
        eprintln!("SKIPPED: no Chromium or no Python; give VERARAY_CHROMIUM");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(chromium)
        .arg(page)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let steps = steps.to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(steps.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn programs() -> Option<(PathBuf, PathBuf)> {
    let works = |program: &Path| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let chromium = std::env::var_os("VERARAY_CHROMIUM")
        .map(PathBuf::from)
        .into_iter()
        .chain(["chromium", "chromium-browser", "google-chrome"].map(PathBuf::from))
        .find(|program| works(program))?;
    let python = std::env::var_os("VERARAY_PYTHON")
        .map(PathBuf::from)
        .into_iter()
        .chain([PathBuf::from("python3")])
        .find(|program| works(program))?;
    Some((chromium, python))
}
