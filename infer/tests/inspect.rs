//! `veraray inspect` through the real binary: what it finds, what it says, what it survives.
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{Bench, lines, noise, python, records, stderr, veraray};
use serde_json::Value;

fn inspect(arguments: &[&str], paths: &[&Path]) -> Output {
    veraray()
        .arg("inspect")
        .args(arguments)
        .args(paths)
        .output()
        .unwrap()
}

fn codes(record: &Value) -> Vec<String> {
    let findings = record["findings"].as_array().unwrap();
    let code = |finding: &Value| finding["code"].as_str().unwrap().to_owned();
    findings.iter().map(code).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                0xedb8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            }
        })
    })
}

/// A PNG with one more chunk behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = kind.to_vec();
    chunk.extend_from_slice(body);
    let crc = crc32(&chunk).to_be_bytes();
    let mut out = png[..33].to_vec();
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(&chunk);
    out.extend_from_slice(&crc);
    out.extend_from_slice(&png[33..]);
    out
}

const PARAMETERS: &[u8] = b"parameters\0chest x-ray\nSteps: 20, Sampler: Euler a, Seed: 7";

#[test]
fn exit_statuses_follow_warnings_and_failures() {
    let bench = Bench::passing();
    let clean = bench.png("clean.png", 160, 160);
    let marked = with_chunk(&std::fs::read(&clean).unwrap(), b"tEXt", PARAMETERS);
    let marked = bench.write("marked.png", &marked);
    let absent = bench.beside("absent.png");
    let run = |paths: &[&Path]| inspect(&["--format", "jsonl"], paths).status.code();
    assert_eq!(run(&[&clean]), Some(0));
    assert_eq!(run(&[&marked]), Some(1));
    assert_eq!(run(&[&clean, &absent, &marked]), Some(2));
    let help = veraray().args(["inspect", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.contains("Exit status: 0 no warnings, 1 warnings, 2"),
        "{help}"
    );
}

#[test]
fn records_say_what_was_found_and_where_it_is_written() {
    let bench = Bench::passing();
    let clean = bench.png("clean.png", 160, 160);
    let marked = with_chunk(&std::fs::read(&clean).unwrap(), b"tEXt", PARAMETERS);
    let marked = bench.write("marked.png", &marked);
    let output = inspect(&["--format", "jsonl"], &[&marked, &clean]);
    let found = records(&output);
    assert_eq!(found.len(), 2);
    let finding = &found[0]["findings"][0];
    assert_eq!(finding["code"], "metadata.generator");
    assert_eq!(finding["severity"], "warning");
    assert!(finding["message"].as_str().unwrap().contains("Steps: 20"));
    assert!(
        finding["reference"]
            .as_str()
            .unwrap()
            .contains("Stable Diffusion")
    );
    assert_eq!(found[0]["signature"]["status"], "none");
    assert_eq!(found[0]["sha256"].as_str().unwrap().len(), 64);
    assert!(codes(&found[1]).is_empty(), "{}", found[1]);
    let text = inspect(&["--severity", "warning"], &[&marked]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("warning  text chunk “parameters”"), "{text}");
    assert!(
        text.contains("1 warning(s)") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
fn a_scan_carries_the_findings_and_its_verdict_stays() {
    let bench = Bench::passing();
    let clean = bench.png("a.png", 160, 160);
    let marked = with_chunk(&std::fs::read(&clean).unwrap(), b"tEXt", PARAMETERS);
    bench.write("b.png", &marked);
    let output = bench.run(&["--format", "jsonl"]);
    let found = records(&output);
    assert_eq!(found.len(), 2, "{}", stderr(&output));
    assert!(codes(&found[0]).is_empty());
    assert_eq!(codes(&found[1]), ["metadata.generator"]);
    assert_eq!(found[0]["status"], found[1]["status"]);
    assert_eq!(found[0]["verdict"], found[1]["verdict"]);
    assert_eq!(found[0]["score"], found[1]["score"]);
}

#[test]
fn codes_are_listed() {
    let output = veraray().args(["inspect", "--codes"]).output().unwrap();
    let table = lines(&output.stdout);
    assert!(table.len() > 60);
    assert!(
        table
            .iter()
            .any(|line| line.starts_with("| `dicom.uid.reused` | warning |"))
    );
}

/// What pydicom writes from what the program below makes, and which codes must be there.
const EDITS: [(&str, &str, &str); 14] = [
    ("future", "ds.StudyDate = '29990101'", "dicom.date.future"),
    (
        "order",
        "ds.AcquisitionDate = '19960101'; ds.StudyDate = '20200101'",
        "dicom.date.order",
    ),
    (
        "birth",
        "ds.PatientBirthDate = '20200101'",
        "dicom.date.before_birth",
    ),
    ("uid", "ds.SOPInstanceUID = '1.2.03'", "dicom.uid.invalid"),
    (
        "meta",
        "ds.file_meta.MediaStorageSOPInstanceUID = '1.2.9'",
        "dicom.uid.meta",
    ),
    (
        "level",
        "ds.SeriesInstanceUID = ds.StudyInstanceUID",
        "dicom.uid.levels",
    ),
    ("modality", "ds.Modality = 'MR'", "dicom.equipment.modality"),
    (
        "echo",
        "ds.EchoTime = '3'",
        "dicom.equipment.foreign_attributes",
    ),
    (
        "maker",
        "ds.Manufacturer = 'SIEMENS'",
        "dicom.equipment.private_creator",
    ),
    (
        "derived",
        "ds.DerivationDescription = 'filtered'",
        "dicom.image_type.original_derived",
    ),
    (
        "synthetic",
        "ds.add_new(0x0008001C, 'CS', 'YES')",
        "dicom.synthetic",
    ),
    (
        "model",
        "ds.ManufacturerModelName = 'CycleGAN'",
        "dicom.generator",
    ),
    ("rows", "ds.Rows = 64", "dicom.pixel.length"),
    ("type1", "del ds.RescaleSlope", "dicom.module.type1"),
];

const SCRIPT: &str = "
import sys, pydicom
from pydicom.data import get_testdata_file
path = get_testdata_file('CT_small.dcm', download=False)
pydicom.dcmread(path).save_as(sys.argv[1] + '/original.dcm')
for line in sys.stdin.read().splitlines():
    name, edit = line.split('|', 1)
    ds = pydicom.dcmread(path)
    exec(edit)
    ds.save_as(sys.argv[1] + '/' + name + '.dcm', enforce_file_format=False)
ds = pydicom.dcmread(path)
data = bytearray(ds.PixelData); data[100:140] = data[400:440]; ds.PixelData = bytes(data)
ds.save_as(sys.argv[1] + '/twin.dcm')
";

#[test]
fn edits_made_with_pydicom_are_found() {
    let Some(python) = python() else {
        assert!(
            std::env::var_os("VERARAY_THIRD_PARTY").is_none(),
            "no Python with pydicom"
        );
        eprintln!("skipped: no Python with pydicom");
        return;
    };
    let bench = Bench::passing();
    let edits: Vec<String> = EDITS
        .iter()
        .map(|(name, edit, _)| format!("{name}|{edit}"))
        .collect();
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(bench.input())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, edits.join("\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let path = |name: &str| bench.input().join(format!("{name}.dcm"));
    let of = |name: &str| codes(&records(&inspect(&["--format", "jsonl"], &[&path(name)]))[0]);
    let original = of("original");
    for (name, _, code) in EDITS {
        assert!(
            !original.iter().any(|c| c == code) || name == "order",
            "{code} in the original"
        );
        assert!(
            of(name).iter().any(|c| c == code),
            "{name}: {code} not in {:?}",
            of(name)
        );
    }
    // Both files have one SOP Instance UID.
    let both = inspect(&["--format", "jsonl"], &[&path("original"), &path("twin")]);
    let both = records(&both);
    assert!(
        codes(&both[1]).iter().any(|c| c == "dicom.uid.reused"),
        "{}",
        both[1]
    );
}

/// Damaged files of every kind: one record each, no crash, no wait.
#[test]
fn damaged_files_get_a_record_each() {
    let bench = Bench::passing();
    let png = std::fs::read(bench.png("whole.png", 120, 130)).unwrap();
    let image = image::GrayImage::from_fn(130, 120, |x, y| image::Luma([noise(3, x, y)]));
    let mut seeds = vec![with_chunk(&png, b"tEXt", PARAMETERS)];
    for format in [image::ImageFormat::Jpeg, image::ImageFormat::Tiff] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        seeds.push(bytes.into_inner());
    }
    let mut count = 1;
    for (kind, seed) in seeds.iter().enumerate() {
        for round in 0..24_u32 {
            let mut bytes = seed.clone();
            for hit in 0..1 + round % 5 {
                let place = noise_u32(kind as u32, round, hit) as usize;
                // Half of the hits go into the headers.
                let span = if hit % 2 == 0 { 256 } else { bytes.len() };
                bytes[place % span.min(seed.len())] = (place >> 16) as u8;
            }
            if round % 4 == 0 {
                bytes.truncate(noise_u32(kind as u32, round, 99) as usize % bytes.len() + 1);
            }
            bench.write(&format!("{kind}-{round:02}"), &bytes);
            count += 1;
        }
    }
    let start = Instant::now();
    let output = inspect(&["--format", "jsonl"], &[&bench.input()]);
    assert!(start.elapsed() < Duration::from_secs(240));
    assert!(
        matches!(output.status.code(), Some(0..=2)),
        "{:?}",
        output.status
    );
    let found = records(&output);
    assert_eq!(found.len(), count);
    for record in &found {
        assert_ne!(record["error"]["kind"], "internal", "{record}");
    }
}

fn noise_u32(a: u32, b: u32, c: u32) -> u32 {
    let mixed =
        (a.wrapping_mul(0x9E37_79B9) ^ b.wrapping_mul(0x85EB_CA6B) ^ c).wrapping_mul(0x2C1B_3C6D);
    (mixed ^ (mixed >> 13)).wrapping_mul(0x297A_2D39)
}
