//! Drives the real `veraray-train` on a small data set made here.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, Luma};
use indicatif::ProgressBar;
use veraray_datasets::Delivery;
use veraray_model::{Checkpoint, ComputeDevice, Detector, DeviceChoice};
use veraray_train::{Dataset, Recipe, Sampler};

const SIDE: u32 = 64;

/// Ramps with grain as authentic images; the same without grain as one family, with a smooth square
/// as another, which has masks.
fn data(folder: &Path) -> PathBuf {
    let mut manifest = String::from("path,label,source,generator,group,modality,mask,licence\n");
    for index in 0..24u32 {
        let grain = |x: u32, y: u32| {
            let hash = x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ index;
            hash.wrapping_mul(2_654_435_761) >> 27
        };
        let ramp = |x: u32, y: u32| 40 + (x * (index % 5 + 1) + 2 * y) % 150;
        let inside = |x: u32, y: u32| (16..48).contains(&x) && (16..48).contains(&y);
        let write = |name: &str, pixel: &dyn Fn(u32, u32) -> u32| {
            GrayImage::from_fn(SIDE, SIDE, |x, y| Luma([pixel(x, y) as u8]))
                .save(folder.join(name))
                .expect("a picture");
        };
        write(&format!("r{index}.png"), &|x, y| ramp(x, y) + grain(x, y));
        write(&format!("s{index}.png"), &ramp);
        write(&format!("t{index}.png"), &|x, y| {
            ramp(x, y) + if inside(x, y) { 0 } else { grain(x, y) }
        });
        write(&format!("m{index}.png"), &|x, y| {
            u32::from(inside(x, y)) * 255
        });
        manifest += &format!("r{index}.png,real,site,,p{index},ct,,CC0\n");
        manifest += &format!("s{index}.png,synthetic,site,smooth,p{index},ct,,CC0\n");
        manifest += &format!("t{index}.png,tampered,site,patch,p{index},ct,m{index}.png,CC0\n");
    }
    let path = folder.join("manifest.csv");
    std::fs::write(&path, manifest).expect("a manifest");
    path
}

fn recipe(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("tiny.toml");
    let text = format!(
        "name = 'tiny'\n{more}\n\
         [data]\nmanifest = 'manifest.csv'\n\
         [input]\ntile = 64\nmin_side = 32\nmultiple = 32\nviews = ['whole_field']\n\
         resampling = 'lanczos3'\nmax_native_tiles = 1\nmax_frames = 1\n\
         [model]\nspatial = [8, 8, 8, 16]\nfrequency_local = 8\nfrequency_global = 8\nfused = 16\n\
         [split]\nvalidation = 0.25\ntest = 0.25\n\
         [training]\nepochs = 3\npairs_per_epoch = 24\npairs_per_batch = 4\nwarmup_steps = 2\n"
    );
    std::fs::write(&path, text).expect("a recipe");
    path
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veraray-train"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn must(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The log without what depends on the clock.
fn log(folder: &Path, runs: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join(runs).join("tiny/log.jsonl")).expect("a log");
    text.lines()
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let object = value.as_object_mut().expect("an object");
            object.remove("seconds");
            object.remove("tiles_per_second");
            value
        })
        .collect()
}

#[test]
fn a_run_leaves_what_it_promises_and_repeats_and_resumes_equal() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    data(folder);
    recipe(folder, "");
    let fit = |runs: &str, more: &[&str]| {
        let mut arguments = vec!["fit", "tiny.toml", "--device", "cpu", "--runs", runs];
        arguments.extend(more);
        must(folder, &arguments);
    };
    fit("one", &[]);
    for name in ["checkpoint.vrc", "recipe.toml", "log.jsonl", "curves.svg"] {
        let file = folder.join("one/tiny").join(name);
        assert!(
            file.metadata().is_ok_and(|m| m.len() > 0),
            "{name} is missing"
        );
    }
    assert_eq!(log(folder, "one").len(), 3);

    // Same seed and device, same result.
    fit("two", &[]);
    assert_eq!(log(folder, "one"), log(folder, "two"));
    let bytes = |runs: &str| std::fs::read(folder.join(runs).join("tiny/checkpoint.vrc")).ok();
    assert!(bytes("one") == bytes("two"), "the checkpoints differ");

    // Stopped after an epoch and gone on with, the run ends where it would have ended.
    fit("three", &["--stop-after", "1"]);
    assert_eq!(log(folder, "three").len(), 1);
    fit("three", &["--resume"]);
    assert_eq!(log(folder, "one"), log(folder, "three"));
    assert!(bytes("one") == bytes("three"), "the checkpoints differ");

    // The checkpoint is judged on the groups its recipe held out, beside null models.
    let table = must(
        folder,
        &[
            "evaluate",
            "one/tiny/checkpoint.vrc",
            "manifest.csv",
            "--device",
            "cpu",
            "--output",
            "report",
            "--max-fpr",
            "0.1",
            "--update-card",
        ],
    );
    for word in ["smooth", "patch", "noise", "site"] {
        assert!(table.contains(word), "{word} is missing in {table}");
    }
    let report = std::fs::read(folder.join("report/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(report["split"], "test");
    assert_eq!(report["families"][0]["images"], serde_json::json!([6, 6]));
}

#[test]
fn a_killed_run_goes_on_from_its_last_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    data(folder);
    recipe(folder, "");
    let arguments = ["fit", "tiny.toml", "--device", "cpu", "--runs", "killed"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_veraray-train"))
        .current_dir(folder)
        .args(arguments)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let state = folder.join("killed/tiny/state/state.json");
    while !state.exists() && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    let mut resumed = arguments.to_vec();
    resumed.push("--resume");
    must(folder, &resumed);
    let whole = ["fit", "tiny.toml", "--device", "cpu", "--runs", "whole"];
    must(folder, &whole);
    assert_eq!(log(folder, "killed"), log(folder, "whole"));
}

#[test]
fn a_run_goes_on_from_the_weights_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    data(folder);
    let path = recipe(folder, "");
    must(folder, &["fit", "tiny.toml", "--device", "cpu", "--quiet"]);
    let first = folder.join("runs/tiny/checkpoint.vrc");
    let text = std::fs::read_to_string(&path).expect("the recipe");
    // Steps so small that the weights stay: what is validated is what was loaded.
    let second = text.replace("name = 'tiny'", "name = 'second'").replace(
        "epochs = 3",
        "epochs = 1\nlearning_rate = 1e-12\nstart = 'runs/tiny/checkpoint.vrc'",
    );
    std::fs::write(folder.join("second.toml"), &second).expect("a recipe");
    must(
        folder,
        &["fit", "second.toml", "--device", "cpu", "--quiet"],
    );
    let cpu = ComputeDevice::select(DeviceChoice::Cpu).expect("a CPU");
    let load = |path: &Path| Checkpoint::load(path, cpu.handle()).expect("a checkpoint");
    let (begun, ended) = (
        load(&first),
        load(&folder.join("runs/second/checkpoint.vrc")),
    );
    let start = ended.card.provenance.start.expect("where it began");
    assert_eq!(start, ["tiny".to_owned(), begun.sha256]);
    // Unlike a run from random weights, it begins near where the other one ended.
    let losses: Vec<f64> = log(folder, "runs")
        .iter()
        .map(|epoch| epoch["loss"].as_f64().expect("a loss"))
        .collect();
    let text = std::fs::read_to_string(folder.join("runs/second/log.jsonl")).expect("a log");
    let again: serde_json::Value = serde_json::from_str(text.trim()).expect("one epoch");
    let again = again["loss"].as_f64().expect("a loss");
    assert!(again < 0.5 * (losses[0] + losses[1]), "{losses:?} {again}");
    // What it had no weights for, the noise level function, it may learn of.
    let wider = second
        .replace("'second'", "'wider'")
        .replace("fused = 16", "fused = 16\nnoise_level = 4");
    std::fs::write(folder.join("wider.toml"), wider).expect("a recipe");
    must(folder, &["fit", "wider.toml", "--device", "cpu", "--quiet"]);
    let wider = load(&folder.join("runs/wider/checkpoint.vrc"));
    assert_eq!(wider.card.architecture.noise_level, 4);
    // Another architecture, and a file that is not there, are named.
    for (from, to, named) in [
        ("fused = 16", "fused = 24", "training.start"),
        ("runs/tiny/checkpoint.vrc", "gone.vrc", "gone.vrc"),
    ] {
        let text = second.replace(from, to).replace("'second'", "'third'");
        std::fs::write(folder.join("third.toml"), text).expect("a recipe");
        let output = run(folder, &["fit", "third.toml", "--device", "cpu", "--quiet"]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(named), "{stderr}");
    }
}

#[test]
fn an_image_that_goes_away_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let manifest = data(folder);
    let recipe = Recipe::read(&recipe(folder, "")).expect("a recipe");
    let dataset = Dataset::load_within(&manifest, &recipe, 0, &ProgressBar::hidden());
    let dataset = dataset.expect("images");
    assert_eq!(dataset.deferred(), dataset.samples.len());
    let sample = &dataset.samples[0];
    let kept = Dataset::load(&manifest, &recipe, &ProgressBar::hidden()).expect("images");
    assert_eq!(kept.deferred(), 0);
    assert_eq!(dataset.plane(sample), kept.plane(&kept.samples[0]));
    dataset.intact().expect("all there");
    let path = &dataset.entry(sample).path;
    std::fs::remove_file(path).expect("removed");
    let _ = dataset.plane(sample);
    let message = dataset.intact().expect_err("gone").to_string();
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    assert!(message.contains(name), "{message}");
}

/// With every redrawn image brought down to a region, no mask is whole and none is empty, and what lies
/// outside is the authentic partner's.
#[test]
fn composites_leave_the_rest_of_the_image_authentic() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let manifest = data(folder);
    let mut recipe = Recipe::read(&recipe(folder, "")).expect("a recipe");
    recipe.delivery = Delivery::none();
    recipe.data.exclude_families = vec!["patch".into()];
    let batch = |composite: f64| {
        let mut recipe = recipe.clone();
        recipe.forge.composite = composite;
        let dataset = Dataset::load(&manifest, &recipe, &ProgressBar::hidden()).expect("images");
        let sampler = Sampler::new(&dataset, &recipe).expect("a sampler");
        let device = ComputeDevice::select(DeviceChoice::Cpu).expect("a CPU");
        let (pixels, _, masks) = sampler.batch(1, 0, 8).to_tensors(device.handle());
        let values = |data: burn::tensor::TensorData| data.try_to_vec::<f32>().expect("floats");
        let area = (SIDE * SIDE) as usize;
        let pixels: Vec<Vec<f32>> = values(pixels.into_data())
            .chunks(area)
            .map(<[f32]>::to_vec)
            .collect();
        let cells = area / Detector::CELL.pow(2);
        let shares: Vec<f32> = values(masks.into_data())
            .chunks(cells)
            .map(|mask| mask.iter().sum::<f32>() / cells as f32)
            .collect();
        (pixels, shares)
    };
    let (_, whole) = batch(0.0);
    assert!(whole.chunks(2).all(|pair| pair == [0.0, 1.0]), "{whole:?}");
    let (pixels, shares) = batch(1.0);
    for (pair, share) in pixels.chunks(2).zip(shares.chunks(2)) {
        assert!(
            share[0] == 0.0 && share[1] > 0.0 && share[1] < 0.8,
            "{share:?}"
        );
        let same = pair[0].iter().zip(&pair[1]).filter(|(a, b)| a == b).count();
        let outside = (1.0 - share[1]) * pair[0].len() as f32;
        assert!(same as f32 > 0.5 * outside, "{same} of {outside}");
    }
}

#[test]
fn what_cannot_be_trained_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let manifest = data(folder);
    let refused = |arguments: &[&str], expected: &str| {
        let output = run(folder, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{expected} is not in {stderr}");
    };
    refused(&["fit", "none.toml", "--device", "cpu"], "none.toml");
    recipe(folder, "colour = 'red'");
    refused(&["fit", "tiny.toml", "--device", "cpu"], "colour");
    recipe(folder, "");
    must(
        folder,
        &["fit", "tiny.toml", "--device", "cpu", "--stop-after", "1"],
    );
    refused(&["fit", "tiny.toml", "--device", "cpu"], "--resume");
    // Another recipe under the same name must not go on with this run.
    recipe(folder, "licence = 'other'");
    refused(
        &["fit", "tiny.toml", "--device", "cpu", "--resume"],
        "another recipe",
    );
    // A manifest that names a missing image says which.
    let text = std::fs::read_to_string(&manifest).expect("text");
    std::fs::write(&manifest, text.replace("r3.png", "gone.png")).expect("written");
    refused(
        &["fit", "tiny.toml", "--device", "cpu", "--force"],
        "gone.png",
    );
    std::fs::write(&manifest, "path,label\n").expect("written");
    refused(
        &["fit", "tiny.toml", "--device", "cpu", "--force"],
        "manifest.csv",
    );
}

#[test]
fn the_printed_defaults_are_toml_with_every_section() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = must(folder.path(), &["fit", "--print-defaults"]);
    for section in [
        "[data]",
        "[split]",
        "[input]",
        "[model]",
        "[training]",
        "[loss]",
        "[delivery]",
    ] {
        assert!(text.contains(section), "{section} is missing");
    }
}
