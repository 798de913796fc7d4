//! Drives evaluation, leave-one-generator-out, robustness, the gate, calibration, drift and export on
//! a small data set made here.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use common::{authentic, json, must, run, status};
use tempfile::TempDir;
use veraray_model::{Checkpoint, ComputeDevice, DeviceChoice};

/// A folder with the data and a trained checkpoint, shared: nothing in it is changed by a test.
fn shared() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            common::trained(folder.path(), 6);
            folder
        })
        .path()
}

/// Command, then checkpoint and manifest of the shared folder, then more.
fn call<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        command,
        "runs/tiny/checkpoint.vrc",
        "manifest.csv",
        "--device",
        "cpu",
    ];
    all.extend(more);
    all
}

fn load(path: &Path) -> Checkpoint {
    let device = ComputeDevice::select(DeviceChoice::Cpu).expect("a CPU");
    Checkpoint::load(path, device.handle()).expect("a checkpoint")
}

#[test]
fn an_evaluation_has_every_figure_and_a_page_that_needs_nothing_else() {
    let folder = shared();
    let out = tempfile::tempdir().expect("a folder");
    let out = out.path().join("report");
    let output = out.to_str().expect("text");
    let text = must(
        folder,
        &call(
            "evaluate",
            &[
                "--output",
                output,
                "--max-fpr",
                "0.1",
                "--against",
                "runs/tiny/checkpoint.vrc",
            ],
        ),
    );
    assert!(
        text.contains("| noise |") && text.contains("pixel F1"),
        "{text}"
    );
    let report = json(&out.join("report.json"));
    // Keys that other programs read.
    for key in [
        "checkpoint",
        "manifest_sha256",
        "families",
        "modalities",
        "sources",
        "skipped",
    ] {
        assert!(!report[key].is_null(), "{key}");
    }
    let families = report["families"].as_array().expect("families");
    let names: Vec<&str> = families
        .iter()
        .filter_map(|row| row["family"].as_str())
        .collect();
    assert_eq!(names, ["coarse", "patch", "smooth"]);
    for row in families {
        assert_eq!(row["images"], serde_json::json!([6, 6]));
        assert_eq!(row["auroc"], row["clean"]["auroc"]);
        assert_eq!(row["seen"], true);
        for figure in [
            "average_precision",
            "balanced_accuracy",
            "tpr_at_1_percent_fpr",
            "equal_error_rate",
            "brier",
            "calibration_error",
            "negative_log_likelihood",
        ] {
            for treatment in ["clean", "delivered"] {
                let interval: Vec<f64> =
                    serde_json::from_value(row[treatment][figure].clone()).expect(figure);
                let [estimate, low, high] = interval[..] else {
                    panic!("{figure}: {interval:?}");
                };
                assert!(low <= high && (0.0..=20.0).contains(&estimate), "{figure}");
            }
        }
        // Only the tampered family has masks.
        assert_eq!(row["localisation"].is_null(), row["family"] != "patch");
        assert!(row["against_null"]["noise"]["p_value"].is_number());
    }
    for dimension in ["body_part", "scale"] {
        let strata = report["strata"].as_array().expect("strata");
        assert!(
            strata.iter().any(|row| row["dimension"] == dimension),
            "{dimension}"
        );
    }
    for row in report["against"]["rows"].as_array().expect("rows") {
        assert_eq!(
            row["clean"]["difference"],
            serde_json::json!([0.0, 0.0, 0.0])
        );
        assert_eq!(row["clean"]["p_value"], 1.0);
    }
    let page = std::fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(page.matches("data:image/png;base64,").count() >= 12);
    assert!(page.contains("<polyline") && page.contains("not a medical device"));
    for outside in ["src=\"http", "href=\"http", "<script src", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // One family alone, and one that is not there.
    let text = must(
        folder,
        &call("evaluate", &["--families", "smooth", "--max-fpr", "0.1"]),
    );
    assert!(text.contains("| smooth | all |") && !text.contains("| coarse | all |"));
    let text = status(folder, 2, &call("evaluate", &["--families", "nothing"]));
    assert!(text.contains("nothing"), "{text}");
}

#[test]
fn a_family_left_out_is_not_trained_on_and_a_finished_run_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    common::data(folder);
    common::recipe(folder, 1);
    let logo = ["logo", "tiny.toml", "--device", "cpu", "--max-fpr", "0.1"];
    let with = |more: &[&str]| -> Vec<String> {
        logo.iter()
            .chain(more)
            .map(|&word| word.to_owned())
            .collect()
    };
    let must_logo = |more: &[&str]| {
        let arguments = with(more);
        must(
            folder,
            &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    must_logo(&["--families", "smooth"]);
    let run_of = |family: &str| folder.join("runs/tiny/logo").join(family);
    let modified = |family: &str| {
        let file = run_of(family).join("checkpoint.vrc");
        file.metadata().and_then(|m| m.modified()).expect("a time")
    };
    let before = modified("smooth");
    // The rest, two at a time; the finished one stays as it is.
    let text = must_logo(&["--jobs", "2"]);
    assert_eq!(modified("smooth"), before);
    for family in ["coarse", "patch", "smooth"] {
        assert!(text.contains(&format!("| {family} |")), "{family}: {text}");
        let checkpoint = load(&run_of(family).join("checkpoint.vrc"));
        let trained = &checkpoint.card.families;
        assert_eq!(trained.len(), 2, "{trained:?}");
        assert!(!trained.contains(&family.to_owned()));
        assert!(
            checkpoint
                .card
                .provenance
                .recipe
                .contains("exclude_families")
        );
        let metrics = &checkpoint.card.metrics;
        assert!(
            metrics.iter().all(|row| row.family != family),
            "chosen on {family}"
        );
        let report = json(&run_of(family).join("report.json"));
        for row in report["families"].as_array().expect("rows") {
            assert_eq!(row["seen"], row["family"] != family);
        }
    }
    let table = json(&folder.join("runs/tiny/logo/logo.json"));
    assert_eq!(table["rows"].as_array().map(Vec::len), Some(3));
    let worst = table["summary"]["worst_auroc"][0]
        .as_f64()
        .expect("a number");
    let of_rows = table["rows"].as_array().expect("rows").iter();
    let lowest = of_rows
        .filter_map(|row| row["held_out"]["auroc"][0].as_f64())
        .fold(f64::INFINITY, f64::min);
    assert_eq!(worst, lowest);
    for name in ["logo.md", "logo.html"] {
        assert!(folder.join("runs/tiny/logo").join(name).exists());
    }
    // A family that is not there, and one recipe's result under another's name.
    let arguments = with(&["--families", "gone"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(status(folder, 2, &arguments).contains("gone"));
    let arguments = with(&["--epochs", "2", "--families", "smooth"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(status(folder, 2, &arguments).contains("another recipe"));
    must_logo(&["--epochs", "2", "--families", "smooth", "--force"]);
}

#[test]
fn the_families_of_a_fold_are_left_out_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    common::data(folder);
    common::recipe(folder, 1);
    must(
        folder,
        &[
            "logo",
            "tiny.toml",
            "--device",
            "cpu",
            "--max-fpr",
            "0.1",
            "--folds",
            "2",
        ],
    );
    let runs = folder.join("runs/tiny/logo");
    let card = load(&runs.join("coarse.smooth/checkpoint.vrc")).card;
    assert_eq!(card.families, ["patch"]);
    let card = load(&runs.join("patch/checkpoint.vrc")).card;
    assert_eq!(card.families, ["coarse", "smooth"]);
    let table = json(&runs.join("logo.json"));
    let rows = table["rows"].as_array().expect("rows");
    let named = |row: &serde_json::Value| row["held_out"]["family"].clone();
    assert_eq!(
        rows.iter().map(named).collect::<Vec<_>>(),
        ["coarse", "patch", "smooth"]
    );
    assert_eq!(rows[0]["left_out"], serde_json::json!(["coarse", "smooth"]));
    assert!(rows.iter().all(|row| row["held_out"]["seen"] == false));
}

#[test]
fn a_forgery_can_be_left_out_like_any_other_family() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    common::data(folder);
    let path = common::recipe(folder, 1);
    let text = std::fs::read_to_string(&path).expect("text");
    let forge = "[forge]\nshare = 0.5\nfamilies = ['splice', 'copy_move']\nheld_out = 2\n";
    std::fs::write(&path, text + forge).expect("written");
    let logo = [
        "logo",
        "tiny.toml",
        "--device",
        "cpu",
        "--max-fpr",
        "0.1",
        "--families",
        "splice",
    ];
    must(folder, &logo);
    let run = folder.join("runs/tiny/logo/splice");
    let card = load(&run.join("checkpoint.vrc")).card;
    assert!(
        card.families.contains(&"copy_move".to_owned()),
        "{:?}",
        card.families
    );
    assert!(
        !card.families.contains(&"splice".to_owned()),
        "{:?}",
        card.families
    );
    assert!(card.metrics.iter().all(|row| row.family != "splice"));
    let report = json(&run.join("report.json"));
    let rows = report["families"].as_array().expect("rows");
    let of = |family: &str| {
        let row = rows.iter().find(|row| row["family"] == family);
        row.unwrap_or_else(|| panic!("{family} is not judged"))
    };
    // Six authentic images are held out for the test; nearly all of them can be forged.
    assert!(
        of("splice")["images"][1]
            .as_u64()
            .is_some_and(|images| images >= 3)
    );
    assert_eq!(of("splice")["seen"], false);
    assert_eq!(of("copy_move")["seen"], true);
}

#[test]
fn a_sweep_covers_what_was_asked_and_swaps_formats() {
    let folder = shared();
    let out = tempfile::tempdir().expect("a folder");
    let output = out.path().to_str().expect("text");
    let text = must(
        folder,
        &call(
            "robustness",
            &[
                "--sweeps",
                "jpeg,invert",
                "--limit",
                "3",
                "--max-fpr",
                "0.1",
                "--output",
                output,
            ],
        ),
    );
    assert!(
        text.contains("| jpeg | 75 |") && text.contains("JPEG 2000"),
        "{text}"
    );
    let found = json(&out.path().join("robustness.json"));
    // Three per family, and up to fifteen authentic ones, of which the split has six.
    assert_eq!(found["images"], serde_json::json!([6, 9]));
    assert_eq!(found["curves"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["untouched"]["flipped"], 0.0);
    assert!(
        found["swap"]["balanced_accuracy_points"]
            .as_f64()
            .is_some_and(|p| p >= 0.0)
    );
    for name in ["robustness.md", "robustness.html", "jpeg.svg", "invert.svg"] {
        assert!(out.path().join(name).exists(), "{name}");
    }
    let text = status(folder, 2, &call("robustness", &["--sweeps", "hail"]));
    assert!(
        text.contains("hail") && text.contains("screenshot"),
        "{text}"
    );
}

#[test]
fn a_gate_opens_and_shuts_and_names_why() {
    let folder = shared();
    let gate = |text: &str| -> (TempDir, PathBuf) {
        let out = tempfile::tempdir().expect("a folder");
        let manifest = folder.join("manifest.csv");
        let path = out.path().join("GATE.toml");
        let head = format!(
            "manifest = '{}'\nsplit = 'test'\nmax_fpr = 0.1\n",
            manifest.display()
        );
        std::fs::write(&path, head + text).expect("written");
        (out, path)
    };
    let held = |code: i32, text: &str| {
        let (_folder, path) = gate(text);
        let path = path.to_str().expect("text");
        let checkpoint = "runs/tiny/checkpoint.vrc";
        status(folder, code, &["gate", checkpoint, path, "--device", "cpu"])
    };
    let text = held(
        0,
        "[[check]]\nmetric = 'auroc'\nat_least = 0.0\nat_most = 1.0\n",
    );
    assert!(text.contains("ok"), "{text}");
    let shut = "[[check]]\nmetric = 'auroc'\nfamily = 'smooth'\ndelivered = true\nat_least = 1.1\n\
                [[check]]\nmetric = 'iou'\nfamily = 'patch'\nat_least = 0.0\n";
    let text = held(1, shut);
    assert!(
        text.contains("FAIL") && text.contains("auroc of smooth after delivery"),
        "{text}"
    );
    // A figure that does not exist is not a figure that is good enough.
    held(
        1,
        "[[check]]\nmetric = 'pixel_f1'\nfamily = 'smooth'\nat_least = 0.0\n",
    );
    assert!(held(2, "[[check]]\nmetric = 'beauty'\nat_least = 0.0\n").contains("beauty"));
    assert!(held(2, "[[check]]\nmetric = 'auroc'\n").contains("at_least"));
    assert!(held(2, "colour = 'red'\n").contains("colour"));
}

#[test]
fn a_recalibrated_card_names_its_parent_and_keeps_its_weights() {
    let folder = shared();
    let out = tempfile::tempdir().expect("a folder");
    let file = out.path().join("new.vrc");
    let output = file.to_str().expect("text");
    let labelled = ["--split", "all", "--output", output, "--fpr", "0.2,0.1"];
    must(folder, &call("calibrate", &labelled));
    let old = load(&folder.join("runs/tiny/checkpoint.vrc"));
    let new = load(&file);
    let parent = new
        .card
        .calibration_set
        .as_ref()
        .and_then(|set| set.parent.clone());
    assert_eq!(parent, Some([old.card.name.clone(), old.sha256.clone()]));
    assert_eq!(new.card.provenance, old.card.provenance);
    let rates: Vec<f64> = new
        .card
        .calibration
        .operating_points
        .iter()
        .map(|point| point.false_positive_rate)
        .collect();
    assert_eq!(rates, [0.1, 0.2]);
    // The declared rate holds on the very images it was set on.
    let report = out.path().join("report");
    let arguments = [
        "evaluate",
        output,
        "manifest.csv",
        "--device",
        "cpu",
        "--split",
        "all",
    ];
    let mut arguments = arguments.to_vec();
    arguments.extend([
        "--max-fpr",
        "0.1",
        "--output",
        report.to_str().expect("text"),
    ]);
    must(folder, &arguments);
    for row in json(&report.join("report.json"))["sources"]
        .as_array()
        .expect("rows")
    {
        for rate in row["false_alarm_rate"].as_array().expect("rates") {
            // Both sites and both treatments share 10 %; one of them may have all of it.
            assert!(rate.as_f64().is_some_and(|rate| rate <= 0.4), "{row}");
        }
    }
    // Certified: stricter, or refused with the number needed.
    let certified = [
        "--split",
        "all",
        "--output",
        output,
        "--fpr",
        "0.2",
        "--certify",
        "0.9",
    ];
    must(folder, &call("calibrate", &certified));
    let strict = &load(&file).card.calibration.operating_points[0];
    let loose = new.card.calibration.operating_points[1];
    assert!(strict.threshold >= loose.threshold && strict.authentic_images == 24);
    let refused = [
        "--split",
        "all",
        "--output",
        output,
        "--fpr",
        "0.01",
        "--certify",
        "0.95",
    ];
    let text = status(folder, 2, &call("calibrate", &refused));
    assert!(text.contains("299 needed"), "{text}");
    let risk = ["--split", "all", "--output", output, "--risk", "0.01"];
    assert!(status(folder, 2, &call("calibrate", &risk)).contains("299 are needed"));
}

/// A folder of authentic images of one modality, some of them manipulated.
fn site(folder: &Path, count: u32, shift: u32, calm: u32) -> String {
    let mut manifest = String::from("path,label,source,group,modality\n");
    for index in 0..count {
        let name = format!("{index}.png");
        authentic(&folder.join(&name), 1000 + 2 * index, shift, calm);
        manifest += &format!("{name},real,elsewhere,q{index},ct\n");
    }
    let path = folder.join("site.csv");
    std::fs::write(&path, manifest).expect("a manifest");
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_site_is_corrected_without_labels_or_refused() {
    let folder = shared();
    let out = tempfile::tempdir().expect("a folder");
    let output = out.path().join("site.vrc");
    let output = output.to_str().expect("text");
    let checkpoint = "runs/tiny/checkpoint.vrc";
    let images = tempfile::tempdir().expect("a folder");
    let arguments = |images: &str| -> Vec<String> {
        [
            "calibrate",
            checkpoint,
            images,
            "--label-free",
            "--device",
            "cpu",
            "--output",
            output,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let few = site(images.path(), 20, 0, 1);
    let owned = arguments(&few);
    let few_arguments: Vec<&str> = owned.iter().map(String::as_str).collect();
    let text = status(folder, 2, &few_arguments);
    assert!(text.contains("at least 100"), "{text}");
    // Six groups of validation make a coarse reference: what matters is that a card is written that
    // names its parent and says what it assumes, or that the refusal says why.
    let many = tempfile::tempdir().expect("a folder");
    let manifest = site(many.path(), 120, 0, 1);
    let owned = arguments(&manifest);
    let many_arguments: Vec<&str> = owned.iter().map(String::as_str).collect();
    let found = run(folder, &many_arguments);
    if found.status.success() {
        let set = load(Path::new(output)).card.calibration_set.expect("a set");
        assert!(set.parent.is_some() && set.method.iter().any(|m| m.contains("Assumes")));
        assert_eq!(set.authentic["ct"].images, 120);
    } else {
        let text = String::from_utf8_lossy(&found.stderr).into_owned();
        assert!(text.contains("label some images"), "{text}");
    }
}

#[test]
fn drift_is_seen_where_there_is_some() {
    let folder = shared();
    let out = tempfile::tempdir().expect("a folder");
    let card = out.path().join("site.vrc");
    let card = card.to_str().expect("text");
    // A card whose calibration set is a site's own, large enough to compare with.
    let home = tempfile::tempdir().expect("a folder");
    let manifest = site(home.path(), 80, 0, 1);
    let checkpoint = "runs/tiny/checkpoint.vrc";
    must(
        folder,
        &[
            "calibrate",
            checkpoint,
            &manifest,
            "--split",
            "all",
            "--output",
            card,
            "--device",
            "cpu",
        ],
    );
    let written = out.path().join("drift.json");
    let written = written.to_str().expect("text");
    let same = [
        "drift", card, &manifest, "--device", "cpu", "--output", written,
    ];
    let text = status(folder, 0, &same);
    assert!(text.contains("No drift"), "{text}");
    assert_eq!(json(Path::new(written))["level"], "stable");
    let moved = tempfile::tempdir().expect("a folder");
    let moved_manifest = site(moved.path(), 80, 40, 6);
    let text = status(
        folder,
        1,
        &["drift", card, &moved_manifest, "--device", "cpu"],
    );
    assert!(
        text.contains("severe") && text.contains("| noise |"),
        "{text}"
    );
    // A folder will do; what is no image is named and left out.
    let text = status(
        folder,
        1,
        &[
            "drift",
            card,
            moved.path().to_str().expect("text"),
            "--device",
            "cpu",
        ],
    );
    assert!(text.contains("site.csv"), "{text}");
    let empty = tempfile::tempdir().expect("a folder");
    status(
        folder,
        2,
        &[
            "drift",
            card,
            empty.path().to_str().expect("text"),
            "--device",
            "cpu",
        ],
    );
}

/// The Python that has ONNX Runtime, or `None` where it may be missing.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("VERARAY_PYTHON").map(PathBuf::from);
    let has = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", "import onnxruntime, numpy"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let found = python.filter(has);
    assert!(
        found.is_some() || std::env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required"),
        "no Python with onnxruntime: run scripts/test.sh, or set VERARAY_PYTHON"
    );
    if found.is_none() {
        eprintln!("skipped: no Python with onnxruntime (set VERARAY_PYTHON)");
    }
    found
}

const COMPARE: &str = "
import sys, json, numpy, onnxruntime
model, pixels, *shape = sys.argv[1:]
x = numpy.fromfile(pixels, '<f4').reshape([int(n) for n in shape])
session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
logits, cells = session.run(['logits', 'map'], {'pixels': x})
print(json.dumps({'logits': logits.tolist(), 'map': cells.ravel().tolist(), 'shape': list(cells.shape)}))
";

#[test]
fn onnx_runtime_gives_what_burn_gives() {
    let Some(python) = python() else { return };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infer/assets/default.vrc");
    let trained = shared().join("runs/tiny/checkpoint.vrc");
    let out = tempfile::tempdir().expect("a folder");
    for checkpoint in [shipped, trained] {
        let model = out.path().join("detector.onnx");
        let arguments = [
            "export",
            checkpoint.to_str().expect("text"),
            "--format",
            "onnx",
            "--output",
            model.to_str().expect("text"),
        ];
        must(out.path(), &arguments);
        let loaded = load(&checkpoint);
        let device = ComputeDevice::select(DeviceChoice::Cpu).expect("a CPU");
        for shape in [[1, 1, 64, 64], [3, 1, 96, 160]] {
            let count: usize = shape.iter().product();
            // Ramps with grain, as images are; uniform noise would not reach the smooth end.
            let pixels: Vec<f32> = (0..count)
                .map(|i| {
                    let ramp = (i % shape[3]) as f32 / shape[3] as f32;
                    let grain = (i.wrapping_mul(2_654_435_761) >> 7 & 255) as f32 / 255.0;
                    (0.8 * ramp + 0.1 * grain * (i / (shape[2] * shape[3])) as f32).min(1.0)
                })
                .collect();
            let raw = out.path().join("pixels.raw");
            let bytes: Vec<u8> = pixels.iter().flat_map(|v| v.to_le_bytes()).collect();
            std::fs::write(&raw, bytes).expect("written");
            let output = Command::new(&python)
                .args(["-c", COMPARE])
                .args([&model, &raw])
                .args(shape.map(|n| n.to_string()))
                .output()
                .expect("Python starts");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{stderr}");
            let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let data = burn::tensor::TensorData::new(pixels, shape);
            let tensor = burn::tensor::Tensor::<4>::from_data(data, device.handle());
            let found = loaded.detector.forward(tensor);
            let list = |value: &serde_json::Value| -> Vec<f32> {
                serde_json::from_value(value.clone()).expect("floats")
            };
            let ours = [
                found
                    .logits
                    .into_data()
                    .try_to_vec::<f32>()
                    .expect("floats"),
                found.map.into_data().try_to_vec::<f32>().expect("floats"),
            ];
            assert_eq!(
                theirs["shape"],
                serde_json::json!([shape[0], shape[2] / 16, shape[3] / 16])
            );
            for (ours, name) in ours.iter().zip(["logits", "map"]) {
                let theirs = list(&theirs[name]);
                assert_eq!(ours.len(), theirs.len());
                let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
                let largest = apart.fold(0.0f32, f32::max);
                assert!(
                    largest <= 1e-4,
                    "{}: {name} differ by {largest}",
                    checkpoint.display()
                );
            }
        }
    }
}

#[test]
fn safetensors_come_back_as_they_were() {
    let folder = shared();
    let out = tempfile::tempdir().expect("a folder");
    let file = out.path().join("weights.safetensors");
    let checkpoint = "runs/tiny/checkpoint.vrc";
    let output = file.to_str().expect("text");
    must(
        folder,
        &[
            "export",
            checkpoint,
            "--format",
            "safetensors",
            "--output",
            output,
        ],
    );
    let (a, b) = (load(&folder.join(checkpoint)), load(&file));
    assert_eq!(a.card, b.card);
    assert!(a.to_bytes().ok() == b.to_bytes().ok());
    let text = status(
        folder,
        2,
        &[
            "export",
            "manifest.csv",
            "--format",
            "onnx",
            "--output",
            output,
        ],
    );
    assert!(text.contains("manifest.csv"), "{text}");
}
