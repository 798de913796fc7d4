//! Verdicts that must hold: under harmless re-encoding, and among neighbouring slices.
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::process::Output;

use common::{Bench, noise, python, records, stderr, timeless};
use serde_json::Value;
use veraray_model::{Checkpoint, ComputeDevice, DeviceChoice};

/// Gives the bench's checkpoint, the weights of which stay, another threshold, and volumes of at most
/// `frames` slices.
fn set(bench: &Bench, threshold: f64, frames: usize) {
    let device = ComputeDevice::select(DeviceChoice::Cpu).unwrap();
    let mut checkpoint = Checkpoint::load(&bench.checkpoint, device.handle()).unwrap();
    checkpoint.card.calibration = common::calibration(threshold);
    checkpoint.card.input.max_frames = frames;
    checkpoint.save(&bench.checkpoint).unwrap();
}

fn scan(bench: &Bench, path: &Path, arguments: &[&str]) -> Output {
    bench.scan().args(arguments).arg(path).output().unwrap()
}

fn record(bench: &Bench, path: &Path, arguments: &[&str]) -> Value {
    let output = scan(bench, path, arguments);
    let mut found = records(&output);
    assert_eq!(found.len(), 1, "{}", stderr(&output));
    found.remove(0)
}

fn score(bench: &Bench, path: &Path) -> f64 {
    record(bench, path, &[])["score"].as_f64().unwrap()
}

fn reasons(record: &Value) -> Vec<&str> {
    let reasons = record["reasons"].as_array().unwrap();
    reasons.iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn a_verdict_that_jpeg_turns_round_is_withheld() {
    let bench = Bench::passing();
    let png = bench.png("a.png", 256, 256);
    // The same re-encoding by the third party that programs store JPEG with.
    let jpeg = bench.path("b.jpg");
    let pixels = image::open(&png).unwrap().to_luma8();
    let file = std::fs::File::create(&jpeg).unwrap();
    pixels
        .write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(file, 90))
        .unwrap();
    let (before, after) = (score(&bench, &png), score(&bench, &jpeg));
    assert!((before - after).abs() > 1e-6, "{before} {after}");
    set(&bench, (before + after) / 2.0, 32);
    let plain = record(&bench, &png, &[]);
    assert_ne!(plain["verdict"], "abstain");
    let output = scan(&bench, &png, &["--stability"]);
    assert_eq!(output.status.code(), Some(0), "nothing is flagged");
    let judged = records(&output).remove(0);
    assert_eq!(judged["verdict"], "abstain");
    assert_eq!(judged["score"], plain["score"]);
    let text = reasons(&judged)[0].to_owned();
    assert!(text.contains("JPEG at quality 90"), "{text}");
    let said: Vec<f64> = text
        .split_whitespace()
        .filter_map(|word| word.trim_end_matches(',').parse().ok())
        .filter(|number| *number < 1.0)
        .collect();
    // The score after, the score before, the threshold, rounded so that they can be told apart.
    assert_eq!(said.len(), 3, "{text}");
    let gap = (before - after).abs();
    assert!(
        (said[0] - after).abs() < gap && (said[1] - before).abs() < gap,
        "{text}"
    );
    assert!(text.contains(if after > before { "above" } else { "below" }));
    // Whoever wants a verdict gets it, with the doubt.
    let off = record(&bench, &png, &["--stability", "--abstain", "off"]);
    assert_eq!(off["verdict"], plain["verdict"]);
    assert_eq!(reasons(&off)[0], text);
}

#[test]
fn verdicts_that_hold_stay_as_they_are() {
    for threshold in [0.0, 1.0] {
        let bench = Bench::new(&common::calibration(threshold));
        bench.png("a.png", 300, 420);
        bench.png("small.png", 32, 32);
        bench.write("broken.png", b"no image");
        bench.write("v.nii", &volume(&[0, 1, 0, 1]));
        let (plain, stable) = (bench.run(&[]), bench.run(&["--stability"]));
        assert_eq!(timeless(&plain), timeless(&stable), "{}", stderr(&stable));
        assert_eq!(plain.status.code(), stable.status.code());
    }
}

/// A NIfTI volume of 128×128 slices: a smooth picture where 0 is given, noise where 1.
fn volume(slices: &[u8]) -> Vec<u8> {
    let count = i16::try_from(slices.len()).unwrap();
    common::nifti([128, 128, count], |x, y, z| match slices[z as usize] {
        0 => (x + y) as i16,
        _ => i16::from(noise(5, x, y)),
    })
}

/// A bench and the slice, 0 or 1, with the higher score; the threshold lies a `share` of the way from
/// the lower logit to the higher one.
fn between(share: f64, frames: usize) -> (Bench, u8) {
    let bench = Bench::passing();
    let logit = |slice: u8| {
        let path = bench.write(&format!("{slice}.nii"), &volume(&[slice]));
        record(&bench, &path, &[])["logit"].as_f64().unwrap()
    };
    let (smooth, rough) = (logit(0), logit(1));
    let (low, high) = (smooth.min(rough), smooth.max(rough));
    assert!(high - low > 1e-3, "{low} {high}");
    let limit = low + share * (high - low);
    set(&bench, 1.0 / (1.0 + (-limit).exp()), frames);
    (bench, u8::from(rough > smooth))
}

#[test]
fn a_lone_slice_is_overruled_and_two_that_agree_flag_the_volume() {
    // A mean over five slices with one high one reaches a fifth of the way.
    let (bench, high) = between(0.1, 32);
    let low = 1 - high;
    let judge = |name: &str, slices: [u8; 5]| {
        let path = bench.write(name, &volume(&slices));
        record(&bench, &path, &[])
    };
    let alone = judge("alone.nii", [low, low, high, low, low]);
    assert_eq!(alone["verdict"], "authentic");
    let text = reasons(&alone).join("; ");
    assert!(text.starts_with("slice 2 alone scores"), "{text}");
    let agreed = judge("agreed.nii", [low, low, high, high, low]);
    assert!(
        ["synthetic", "tampered"].contains(&agreed["verdict"].as_str().unwrap()),
        "{agreed}"
    );
    assert!(!reasons(&agreed).iter().any(|text| text.contains("alone")));
    // The same slice by itself is flagged: nobody can overrule it.
    let single = bench.write("single.nii", &volume(&[high]));
    assert_ne!(record(&bench, &single, &[])["verdict"], "authentic");
}

#[test]
fn slices_left_out_are_asked_before_one_is_overruled() {
    // Eight of 24 slices are scored, the tenth among them and its neighbours not.
    let (bench, high) = between(0.06, 8);
    let judge = |name: &str, at: &[usize]| {
        let mut slices = [1 - high; 24];
        at.iter().for_each(|&index| slices[index] = high);
        let path = bench.write(name, &volume(&slices));
        record(&bench, &path, &[])
    };
    let alone = judge("alone.nii", &[10]);
    assert_eq!(alone["verdict"], "authentic");
    assert!(reasons(&alone)[0].starts_with("slice 10 alone"), "{alone}");
    assert!(reasons(&alone)[1].starts_with("10 of 24 frames"), "{alone}");
    let agreed = judge("agreed.nii", &[10, 11]);
    assert_ne!(agreed["verdict"], "authentic", "{agreed}");
    // Nothing stands out: no second look.
    let none = judge("none.nii", &[]);
    assert_eq!(reasons(&none), ["8 of 24 frames scored"]);
}

/// Two series of one study and an image without one; slices in the order of their names are not in
/// that of their places. Slices are noise, `flat` ones a ramp.
const MAKE_STUDY: &str = r#"
import sys, numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
high = sys.argv[2] == "1"
noise = np.random.default_rng(7).integers(0, 4096, (128, 128), dtype=np.uint16)
ramp = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint16) * 16
def save(name, series, z, rough):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.3.{series}.{z}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3", f"1.2.3.{series}", "CT"
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-100, -100, 5 * z]
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 128, 128, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = (noise if rough == high else ramp).tobytes()
    ds.save_as(f"{sys.argv[1]}/{name}.dcm", enforce_file_format=True)
# By name a and b are neighbours, by place a and d.
for name, z in [("a", 2), ("b", 0), ("c", 4), ("d", 1), ("e", 3)]:
    save("lone" + name, 1, z, name == "a")
    save("pair" + name, 2, z, name in "ad")
"#;

#[test]
fn series_and_studies_are_summed_up_and_lone_slices_overruled() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no Python with pydicom (set VERARAY_PYTHON)");
        return;
    };
    let bench = Bench::passing();
    let make = |high: &str| {
        let made = std::process::Command::new(&python)
            .args(["-c", MAKE_STUDY])
            .arg(bench.input())
            .arg(high)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
    };
    make("1");
    let scores = ["lonea.dcm", "loneb.dcm"].map(|name| score(&bench, &bench.path(name)));
    if scores[0] < scores[1] {
        make("0");
    }
    set(&bench, (scores[0] + scores[1]) / 2.0, 32);
    let report = bench.beside("report");
    let output = bench.run(&["--format", "text", "--report", report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let line = |start: &str| -> String {
        let found = said.lines().find(|line| line.contains(start));
        found.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let study = line("study 1.2.3: 10 images, 3 flagged");
    assert!(study.contains("1 of them a lone slice"), "{study}");
    let lone = line("series 1.2.3.1 (CT): 5 images, 1 flagged");
    assert!(
        lone.contains("overrule: authentic") && lone.contains("lonea.dcm"),
        "{lone}"
    );
    let pair = line("series 1.2.3.2 (CT): 5 images, 2 flagged");
    assert!(
        !pair.contains("lone slice") && !pair.contains("authentic"),
        "{pair}"
    );
    // The images' own records know nothing of it, and have the keys that they always had.
    let found = records(&bench.run(&["--format", "jsonl"]));
    let flagged = found
        .iter()
        .filter(|record| record["verdict"] != "authentic");
    assert_eq!(flagged.count(), 3);
    assert!(found.iter().all(|record| record.get("place").is_none()));
    let page = report.join("index.html");
    let steps = serde_json::json!([
        "document.querySelector('#studies tbody tr').innerText",
        "document.querySelectorAll('#studies a').length",
        "document.querySelector('#studies details').open = true; document.querySelector('#studies a').click(); new Promise((done) => setTimeout(() => done(detail.open && document.getElementById('detail-title').textContent), 300))",
    ]);
    let Some(seen) = common::browser::browse(&page, &steps) else {
        return;
    };
    let values = &seen["values"];
    assert!(values[0].as_str().unwrap().contains("1.2.3"), "{values}");
    assert_eq!(values[1], 3);
    assert!(values[2].as_str().unwrap().contains("pair"), "{values}");
    assert_eq!(seen["errors"], serde_json::json!([]));
}
