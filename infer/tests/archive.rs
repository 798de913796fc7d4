//! `veraray audit`: near-duplicates across patients, and contamination by month, by the real binary.

#[allow(dead_code)]
mod common;

use std::path::Path;

use common::browser::browse;
use common::{Bench, audit, parsed, python, stderr};
use serde_json::{Value, json};

/// Blobs at places that depend on the seed, `side` pixels a side, each level `scale` times as bright.
fn picture(seed: u64, side: u32, scale: f32) -> image::GrayImage {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let blobs: Vec<[f32; 4]> = (0..40)
        .map(|_| [next(), next(), 0.02 + 0.08 * next(), next() - 0.5])
        .collect();
    image::GrayImage::from_fn(side, side, |x, y| {
        let at = |place: u32| (place as f32 + 0.5) / side as f32;
        let sum: f32 = blobs
            .iter()
            .map(|[bx, by, size, height]| {
                let square = ((at(x) - bx).powi(2) + (at(y) - by).powi(2)) / (size * size);
                height * (-square).exp()
            })
            .sum();
        image::Luma([((0.5 + 0.5 * sum).clamp(0.0, 1.0) * scale * 255.0) as u8])
    })
}

/// File, patient, study date and acquisition date of every image; each is `FILE.png` as DICOM.
const MAKE_DICOM: &str = r#"
import sys, json, numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
folder = sys.argv[1]
for name, source, patient, study, acquired in json.loads(sys.argv[2]):
    pixels = np.asarray(Image.open(f"{folder}/{source}.png"))
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = generate_uid(), generate_uid(), "CR"
    ds.PatientID = patient
    if study: ds.StudyDate = study
    if acquired: ds.AcquisitionDate = acquired
    ds.Rows, ds.Columns, ds.SamplesPerPixel = *pixels.shape, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = pixels.tobytes()
    ds.save_as(f"{folder}/in/{name}.dcm", enforce_file_format=True)
"#;

fn names(pair: &Value) -> [String; 2] {
    ["first", "second"].map(|side| {
        let path = Path::new(pair[side].as_str().unwrap());
        path.file_name().unwrap().to_string_lossy().into_owned()
    })
}

#[test]
fn near_duplicates_across_patients_and_months_are_found_and_shown() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no Python with pydicom (set VERARAY_PYTHON)");
        return;
    };
    let bench = Bench::flagging();
    for (name, seed, side, scale) in [
        ("one", 1, 160, 1.0),
        // The same picture, smaller and darker.
        ("again", 1, 140, 0.8),
        ("two", 2, 160, 1.0),
        ("three", 3, 160, 1.0),
    ] {
        let path = bench.beside(&format!("{name}.png"));
        picture(seed, side, scale).save(path).unwrap();
    }
    let images = json!([
        ["a", "one", "DOE-1", "20240105", ""],
        ["b", "again", "DOE-2", "20240120", ""],
        // The same patient once more: no finding.
        ["c", "two", "DOE-3", "20240301", ""],
        ["d", "two", "DOE-3", "", "20240302"],
        ["e", "three", "DOE-4", "", ""],
    ]);
    let made = std::process::Command::new(python)
        .args(["-c", MAKE_DICOM])
        .arg(bench.beside(""))
        .arg(images.to_string())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let (page, records) = (bench.beside("page"), bench.beside("v.jsonl"));
    let input = bench.input();
    let output = audit(
        &bench,
        &[
            input.to_str().unwrap(),
            "--format",
            "json",
            "--report",
            page.to_str().unwrap(),
            "--save",
            records.to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let found = parsed(&output);
    let near = &found["near_duplicates"];
    assert_eq!(
        (&near["compared"], &near["pairs"]),
        (&json!(5), &json!(1)),
        "{near}"
    );
    assert_eq!(
        (&near["pairs_of_known_patients"], &near["images"]),
        (&json!(1), &json!(2))
    );
    let pair = &near["listed"][0];
    assert_eq!(names(pair), ["a.dcm", "b.dcm"]);
    assert_eq!(
        (&pair["patients"], &pair["identical"]),
        (&json!("different"), &json!(false))
    );
    assert_eq!(pair["flagged"], json!([true, true]));
    assert!(pair["correlation"].as_f64().unwrap() > 0.85);
    assert!(found["warnings"].to_string().contains("near-duplicates"));
    // No patient's name or number leaves the headers.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("DOE-1") && !text.contains("DOE-2"));
    let months: Vec<(&str, u64)> = found["months"]
        .as_array()
        .unwrap()
        .iter()
        .map(|month| {
            (
                month["name"].as_str().unwrap(),
                month["images"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(months, [("2024-01", 2), ("2024-03", 2), ("not stated", 1)]);
    for month in found["months"].as_array().unwrap() {
        assert_eq!(month["flagged"], month["images"]);
        let share = &month["prevalence"];
        assert!(share["low"].as_f64() <= share["estimate"].as_f64());
    }
    // From records the files are only compared when asked.
    let from = |more: &[&str]| {
        let mut arguments = vec!["--records", records.to_str().unwrap()];
        arguments.extend(more);
        audit(&bench, &arguments)
    };
    let quiet = parsed(&from(&["--format", "json"]));
    assert!(quiet["near_duplicates"].is_null());
    assert!(
        quiet["near_duplicates_missing"]
            .as_str()
            .unwrap()
            .contains("--near-duplicates on")
    );
    assert_eq!(quiet["months"], found["months"]);
    let text = from(&["--near-duplicates", "on"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("1 pair among 5 images") && text.contains("2024-03"),
        "{text}"
    );
    shown(&page.join("audit.html"));
}

/// Two thumbnails of the pair and a mark for each of two months; nothing from a network.
fn shown(page: &Path) {
    let html = std::fs::read_to_string(page).unwrap();
    assert!(!html.contains("DOE-1") && !html.contains("http://") && !html.contains("https://"));
    let mut steps = vec![
        json!(
            "[...document.querySelectorAll('#near-duplicates img')].filter((image) => image.naturalWidth > 100).length"
        ),
        json!("document.querySelectorAll('.months circle').length"),
        json!("document.querySelectorAll('.months line[stroke-width=\"4\"]').length"),
        json!("document.documentElement.scrollWidth <= innerWidth"),
    ];
    if let Some(file) = std::env::var_os("VERARAY_SCREENSHOT") {
        steps.push(json!({"screenshot": file.to_string_lossy(), "width": 1200, "full": true}));
    }
    let Some(seen) = browse(page, &json!(steps)) else {
        return;
    };
    let values = seen["values"].as_array().unwrap();
    assert_eq!(values[..4], [json!(2), json!(2), json!(2), json!(true)]);
    assert_eq!(
        (&seen["console"], &seen["errors"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn files_without_a_patient_are_compared_with_each_other() {
    let bench = Bench::flagging();
    for (name, seed, side) in [
        ("x/a.png", 1, 160),
        ("x/b.png", 1, 140),
        ("y/c.png", 2, 160),
    ] {
        picture(seed, side, 1.0).save(bench.path(name)).unwrap();
    }
    std::fs::copy(bench.path("x/a.png"), bench.path("y/d.png")).unwrap();
    // Unreadable and blank files are compared with nothing.
    bench.write("broken.png", b"no image");
    image::GrayImage::new(160, 160)
        .save(bench.path("blank.png"))
        .unwrap();
    let input = bench.input();
    let run = |more: &[&str]| {
        let mut arguments = vec![input.to_str().unwrap(), "--format", "json"];
        arguments.extend(more);
        parsed(&audit(&bench, &arguments))
    };
    let found = run(&[]);
    let near = &found["near_duplicates"];
    assert_eq!(
        (&near["compared"], &near["not_compared"]),
        (&json!(4), &json!(1)),
        "{near}"
    );
    assert_eq!((&near["pairs"], &near["images"]), (&json!(3), &json!(3)));
    assert_eq!(near["pairs_of_known_patients"], 0);
    let listed = near["listed"].as_array().unwrap();
    assert_eq!(names(&listed[0]), ["a.png", "d.png"]);
    assert_eq!(listed[0]["identical"], true);
    assert!(listed.iter().all(|pair| pair["patients"] == "unknown"));
    assert!(listed[1..].iter().all(|pair| pair["identical"] == false));
    assert_eq!(found["months"], json!([]));
    let off = run(&["--near-duplicates", "off"]);
    assert!(off["near_duplicates"].is_null() && off["near_duplicates_missing"].is_string());
}
