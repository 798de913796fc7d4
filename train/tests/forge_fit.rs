//! Drives `veraray-train forge fit` and `forge sample` with every trained family at a small size.

mod common;

use std::path::Path;

use common::{data, must, status};
use veraray_datasets::{Entry, Label, Manifest, OpenOptions, open, read_png_mark};

/// Arguments of a fit of a few seconds, into `runs`.
fn fit<'a>(family: &'a str, size: &'a str, runs: &'a str) -> Vec<&'a str> {
    vec![
        "forge",
        "fit",
        family,
        "--data",
        "manifest.csv",
        "--size",
        size,
        "--width",
        "8",
        "--batch",
        "4",
        "--steps",
        "30",
        "--rate",
        "2e-3",
        "--warmup",
        "20",
        "--codes",
        "32",
        "--every",
        "15",
        "--device",
        "cpu",
        "--runs",
        runs,
    ]
}

/// A column of `log.jsonl`.
fn logged(run: &Path, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).expect("a log");
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line[name]
                .as_f64()
                .unwrap_or_else(|| panic!("{name}: {line}"))
        })
        .collect()
}

/// Fits once in one go and once with a stop in the middle; both must give the same generator, and the
/// loss of that name must fall. Returns the generator's path.
fn fitted(folder: &Path, family: &str, size: &str, loss: &str, more: &[&str]) -> String {
    let whole = [&fit(family, size, "whole")[..], more].concat();
    let path = must(folder, &whole).trim().to_owned();
    let parts = [&fit(family, size, "parts")[..], more].concat();
    must(folder, &[&parts[..], &["--stop-after", "15"]].concat());
    // A run is neither overwritten nor resumed with other settings.
    let text = status(folder, 2, &parts);
    assert!(text.contains("--resume"), "{text}");
    let text = status(
        folder,
        2,
        &[&parts[..], &["--resume", "--seed", "7"]].concat(),
    );
    assert!(text.contains("other settings"), "{text}");
    must(folder, &[&parts[..], &["--resume"]].concat());
    let runs = ["whole", "parts"].map(|runs| folder.join(runs).join(family));
    let [a, b] = runs.each_ref().map(|run| logged(run, loss));
    assert_eq!(
        (a.len(), &a),
        (30, &b),
        "{family}: a resumed run equals one that never stopped"
    );
    let read = |run: &Path| std::fs::read(run.join("generator.vfg")).expect("a generator");
    assert!(
        read(&runs[0]) == read(&runs[1]),
        "{family}: equal generators"
    );
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (first, last) = (mean(&a[..8]), mean(&a[22..]));
    assert!(
        last < 0.9 * first,
        "{family}: {loss} from {first} to {last}"
    );
    for step in ["000015", "000030"] {
        let grid = runs[0].join(format!("samples-{step}.png"));
        let mark = read_png_mark(&std::fs::read(grid).expect("a grid")).expect("a mark");
        assert!(mark.forged && mark.family == family);
    }
    path
}

fn values(path: &Path) -> Vec<f32> {
    open(path, &OpenOptions::default())
        .and_then(|mut image| image.frame(0))
        .expect("an image")
        .values
}

/// The forgeries of a folder, every one of which carries the family's mark.
fn forgeries(folder: &Path, output: &str, family: &str) -> Vec<Entry> {
    let manifest = Manifest::read(&folder.join(output).join("manifest.csv")).expect("a manifest");
    let (reals, forged): (Vec<Entry>, Vec<Entry>) = manifest
        .entries
        .into_iter()
        .partition(|entry| entry.label == Label::Real);
    for entry in &reals {
        let mark = read_png_mark(&std::fs::read(&entry.path).expect("a file")).expect("a mark");
        assert!(!mark.forged);
    }
    for entry in &forged {
        let mark = read_png_mark(&std::fs::read(&entry.path).expect("a file")).expect("a mark");
        assert!(mark.forged && mark.family == family);
        assert_eq!(entry.generator, family);
        let parameters: serde_json::Value =
            serde_json::from_str(&mark.parameters).expect("parameters");
        assert_eq!(parameters["model_steps"].as_f64(), Some(30.0));
        assert_eq!(parameters["model_sha256"].as_str().map(str::len), Some(64));
    }
    forged
}

/// Reconstructs the test split and compares every forgery with its original.
fn reconstructed(folder: &Path, family: &str, model: &str) {
    let arguments = |output: &'static str, more: &[&'static str]| {
        let arguments = [
            "forge",
            "sample",
            family,
            "--model",
            model,
            "--data",
            "manifest.csv",
            "--aligned",
            "--split",
            "test",
            "--device",
            "cpu",
            "--output",
            output,
        ];
        must(folder, &[&arguments[..], more].concat());
        forgeries(folder, output, family)
    };
    let error = |forged: &[Entry]| {
        let mut sum = 0.0;
        for entry in forged {
            assert_eq!(entry.label, Label::Synthetic);
            let index = entry.path.file_name().expect("a name");
            let original = entry
                .path
                .parent()
                .and_then(Path::parent)
                .expect("a folder");
            let original = values(&original.join("originals").join(index));
            let fake = values(&entry.path);
            assert_eq!(fake.len(), original.len());
            let error: f32 = fake.iter().zip(&original).map(|(a, b)| (a - b).abs()).sum();
            sum += error / fake.len() as f32;
        }
        sum / forged.len() as f32
    };
    let plain = arguments("plain", &[]);
    let mixed = arguments("mixed", &["--match-spectrum", "--mix", "0.9"]);
    assert!(plain.len() >= 4 && plain.len() == mixed.len());
    let (plain_error, mixed_error) = (error(&plain), error(&mixed));
    assert!(
        plain_error > 1.0,
        "a network of thirty steps loses something"
    );
    assert!(mixed_error < plain_error, "{mixed_error} {plain_error}");
    let mark = read_png_mark(&std::fs::read(&mixed[0].path).expect("a file")).expect("a mark");
    assert!(
        mark.parameters.contains("high_frequencies_mixed"),
        "{}",
        mark.parameters
    );
    assert!(mark.parameters.contains("decoder"), "{}", mark.parameters);
    // Equal seeds give equal files.
    let again = arguments("again", &[]);
    for (a, b) in plain.iter().zip(&again) {
        assert_eq!(a.sha256, b.sha256);
    }
}

/// Makes three images of nothing.
fn invented(folder: &Path, family: &str, model: &str, side: usize) {
    let arguments = [
        "forge", "sample", family, "--model", model, "-n", "4", "--steps", "4", "--device", "cpu",
        "--output", "invented",
    ];
    must(folder, &arguments);
    let forged = forgeries(folder, "invented", family);
    assert_eq!(forged.len(), 4);
    let modalities: Vec<&str> = forged.iter().map(|e| e.modality.as_str()).collect();
    assert_eq!(modalities, ["ct", "xray", "ct", "xray"]);
    for entry in &forged {
        assert_eq!(entry.label, Label::Synthetic);
        assert_eq!(values(&entry.path).len(), side * side);
    }
    assert_ne!(forged[0].sha256, forged[2].sha256);
    assert_ne!(
        forged[0].group, forged[1].group,
        "nobody's images share no group"
    );
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    data(folder.path());
    folder
}

#[test]
fn kl_autoencoder_and_latent_diffusion_in_its_code() {
    let folder = folder();
    let folder = folder.path();
    let model = fitted(
        folder,
        "kl_autoencoder",
        "32",
        "absolute",
        &["--depth", "2"],
    );
    reconstructed(folder, "kl_autoencoder", &model);
    let autoencoder = ["--autoencoder", &model, "--depth", "1"];
    let flow = fitted(folder, "latent_diffusion", "32", "loss", &autoencoder);
    invented(folder, "latent_diffusion", &flow, 32);
    let text = status(
        folder,
        2,
        &[
            "forge",
            "sample",
            "kl_autoencoder",
            "--model",
            &flow,
            "--data",
            "manifest.csv",
            "-n",
            "1",
            "--output",
            "x",
        ],
    );
    assert!(text.contains("this is a latent_diffusion"), "{text}");
}

#[test]
fn vq_autoencoder() {
    let folder = folder();
    let model = fitted(
        folder.path(),
        "vq_autoencoder",
        "32",
        "absolute",
        &["--depth", "2"],
    );
    reconstructed(folder.path(), "vq_autoencoder", &model);
    let used = logged(&folder.path().join("whole/vq_autoencoder"), "book_used");
    assert!(used.iter().all(|share| (0.0..=1.0).contains(share)));
}

#[test]
fn inpaint_changes_nothing_outside_its_masks() {
    let folder = folder();
    let folder = folder.path();
    let more = ["--depth", "2"];
    let model = fitted(folder, "inpaint", "64", "absolute", &more);
    must(
        folder,
        &[
            "forge",
            "sample",
            "inpaint",
            "--model",
            &model,
            "--data",
            "manifest.csv",
            "--aligned",
            "--device",
            "cpu",
            "--output",
            "out",
        ],
    );
    let forged = forgeries(folder, "out", "inpaint");
    assert!(forged.len() > 8);
    let mut modes = std::collections::BTreeSet::new();
    for entry in &forged {
        assert_eq!(entry.label, Label::Tampered);
        let mask = values(entry.mask.as_deref().expect("a mask"));
        let name = entry.path.file_name().expect("a name");
        let old = values(&folder.join("out/originals").join(name));
        let new = values(&entry.path);
        let mut changed = 0;
        for ((old, new), mask) in old.iter().zip(&new).zip(&mask) {
            assert!(*mask > 0.0 || old == new, "{}", entry.name);
            changed += usize::from(old != new);
        }
        assert!(changed > 5, "{}: {changed}", entry.name);
        let mark = read_png_mark(&std::fs::read(&entry.path).expect("a file")).expect("a mark");
        let parameters: serde_json::Value = serde_json::from_str(&mark.parameters).expect("JSON");
        modes.insert(parameters["mode"].to_string());
    }
    assert_eq!(modes.len(), 2, "some are injected, some removed: {modes:?}");
}

#[test]
fn pixel_flow() {
    let folder = folder();
    let folder = folder.path();
    let more = ["--depth", "2"];
    let model = fitted(folder, "pixel_flow", "32", "loss", &more);
    invented(folder, "pixel_flow", &model, 32);
    must(
        folder,
        &[
            "forge",
            "sample",
            "pixel_flow",
            "--model",
            &model,
            "--data",
            "manifest.csv",
            "--aligned",
            "--split",
            "test",
            "--steps",
            "2",
            "--euler",
            "--device",
            "cpu",
            "--output",
            "aligned",
        ],
    );
    for entry in forgeries(folder, "aligned", "pixel_flow") {
        assert_eq!(values(&entry.path).len(), 64 * 64);
    }
}

#[test]
fn gan() {
    let folder = folder();
    let model = fitted(folder.path(), "gan", "32", "discriminator", &[]);
    invented(folder.path(), "gan", &model, 32);
    let text = status(
        folder.path(),
        2,
        &[
            "forge",
            "sample",
            "gan",
            "--model",
            &model,
            "--data",
            "manifest.csv",
            "--aligned",
            "--output",
            "x",
        ],
    );
    assert!(text.contains("leave out --aligned"), "{text}");
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let folder = folder();
    let folder = folder.path();
    let failing = |arguments: &[&str], words: &[&str]| {
        let text = status(folder, 2, arguments);
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    };
    let base = fit("kl_autoencoder", "32", "x");
    failing(&[&base[..], &["--depth", "6"]].concat(), &["--depth 6"]);
    failing(
        &[&base[..], &["--sets", "nowhere"]].concat(),
        &["--sets nowhere", "manifest.csv"],
    );
    failing(&fit("inpaint", "32", "x"), &["--size 32"]);
    failing(&fit("latent_diffusion", "32", "x"), &["--autoencoder"]);
    failing(&fit("splice", "32", "x"), &["splice", "kl_autoencoder"]);
    failing(
        &[
            "forge", "fit", "gan", "--data", "none.csv", "--size", "32", "--device", "cpu",
        ],
        &["none.csv"],
    );
    let sample = |model: &'static str| {
        [
            "forge", "sample", "gan", "--model", model, "-n", "1", "--device", "cpu", "--output",
            "y",
        ]
    };
    failing(&sample("manifest.csv"), &["manifest.csv", "no generator"]);
    failing(&sample("nothing.vfg"), &["nothing.vfg"]);
    assert!(!folder.join("y").exists());
}
