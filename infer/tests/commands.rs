//! Exit statuses, flags, formats and messages.
#![allow(missing_docs)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Bench, calibration, lines, python, records, stderr, veraray};

#[test]
fn exit_status_is_clamscans() {
    let passing = Bench::passing();
    passing.png("a.png", 96, 96);
    assert_eq!(passing.run(&[]).status.code(), Some(0));
    let flagging = Bench::flagging();
    flagging.png("a.png", 96, 96);
    assert_eq!(flagging.run(&[]).status.code(), Some(1));
    flagging.write("b.png", b"");
    assert_eq!(flagging.run(&[]).status.code(), Some(2));
    for wrong in [
        &["scan"][..],
        &["scan", "--jobs", "0", "x"],
        &["nonsense"],
        &[],
    ] {
        let output = veraray().args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty());
    }
    let missing = passing
        .scan()
        .arg(passing.beside("missing"))
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(records(&missing).len(), 1);
}

#[test]
fn a_pipe_gets_json_lines_and_text_is_for_the_eye() {
    let bench = Bench::flagging();
    bench.png("a.png", 96, 96);
    bench.write("b.png", b"");
    assert_eq!(records(&bench.run(&[])).len(), 2);
    let output = bench.run(&["--format", "text"]);
    let text = lines(&output.stdout);
    assert_eq!(text.len(), 2, "{text:?}");
    assert!(
        text[0].contains("a.png") && text[0].contains("threshold 0.00"),
        "{}",
        text[0]
    );
    assert!(
        text[1].starts_with("error") && text[1].contains("empty"),
        "{}",
        text[1]
    );
    assert!(!text[0].contains('\u{1b}'));
    let said = stderr(&output);
    assert!(
        said.contains("device cpu: as asked") && said.contains("2 files in"),
        "{said}"
    );
    assert_eq!(stderr(&bench.run(&["--quiet"])), "");
    let refused = bench.run(&["--format", "xml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("jsonl"));
}

#[test]
fn output_goes_to_a_file_when_asked() {
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    let path = bench.beside("out.jsonl");
    let output = bench.run(&["--output", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    let nowhere = bench.run(&["--output", "/nonexistent/out.jsonl"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(
        stderr(&nowhere).contains("--output /nonexistent/out.jsonl"),
        "{}",
        stderr(&nowhere)
    );
}

#[test]
fn a_reader_that_leaves_ends_the_scan_in_peace() {
    let bench = Bench::passing();
    for index in 0..60 {
        bench.png(&format!("{index:02}.png"), 256, 256);
    }
    let mut child = bench
        .scan()
        .arg(bench.input())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.ends_with("}\n"));
    let said = stderr(&output);
    assert!(
        !said.contains("error") && !said.contains("panicked"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_reader_that_leaves_is_noticed_while_the_list_stays_open() {
    let bench = Bench::passing();
    let image = bench.png("a.png", 96, 96);
    let mut child = bench
        .scan()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut list = child.stdin.take().unwrap();
    writeln!(list, "{}", image.display()).unwrap();
    list.flush().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the scan still waits for the list");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    drop(list);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_checkpoint_that_is_none_is_named_with_its_flag() {
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    let whole = std::fs::read(&bench.checkpoint).unwrap();
    let cases = [
        (
            "garbage",
            b"certainly no checkpoint".to_vec(),
            "not a Veraray checkpoint",
        ),
        ("empty", Vec::new(), "not a Veraray checkpoint"),
        ("cut", whole[..whole.len() - 100].to_vec(), ""),
        (
            "header",
            [&whole[..2000], b"{}"].concat(),
            "not a Veraray checkpoint",
        ),
    ];
    for (name, bytes, expected) in cases {
        let path = bench.beside(name);
        std::fs::write(&path, bytes).unwrap();
        for command in [&["scan", "--device", "cpu", "."][..], &["model"]] {
            let output = veraray()
                .args(command)
                .arg("--checkpoint")
                .arg(&path)
                .output()
                .unwrap();
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            assert!(
                said.contains("--checkpoint") && said.contains(path.to_str().unwrap()),
                "{said}"
            );
            assert!(
                said.contains(expected) && !said.contains("panicked"),
                "{said}"
            );
            assert!(output.stdout.is_empty());
        }
    }
    let output = veraray()
        .args(["model", "--checkpoint", "/nonexistent.vrc"])
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("--checkpoint /nonexistent.vrc"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn false_alarms_choose_the_threshold() {
    let mut points = calibration(1.0);
    points.operating_points.push(veraray_model::OperatingPoint {
        false_positive_rate: 0.05,
        threshold: 0.0,
        upper_bound: 0.07,
        authentic_images: 300,
    });
    let bench = Bench::new(&points);
    bench.png("a.png", 96, 96);
    assert_eq!(bench.run(&[]).status.code(), Some(0));
    assert_eq!(bench.run(&["--max-fpr", "0.02"]).status.code(), Some(0));
    let flagged = bench.run(&["--max-fpr", "0.05"]);
    assert_eq!(flagged.status.code(), Some(1));
    let reason = records(&flagged)[0]["reasons"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(reason.ends_with("for 5 % false alarms"), "{reason}");
    let refused = bench.run(&["--max-fpr", "0.001"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("0.01, 0.05"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn doubtful_scores_are_withheld_unless_told_not_to() {
    let mut doubtful = calibration(1.0);
    doubtful.abstention_band = Some([0.0, 1.0]);
    let bench = Bench::new(&doubtful);
    bench.png("a.png", 96, 96);
    let output = bench.run(&[]);
    assert_eq!(output.status.code(), Some(0));
    let record = &records(&output)[0];
    assert_eq!(record["verdict"], "abstain");
    assert!(record["score"].is_f64());
    assert!(
        record["reasons"][0]
            .as_str()
            .unwrap()
            .contains("too close to call")
    );
    let output = bench.run(&["--abstain", "off"]);
    assert_eq!(records(&output)[0]["verdict"], "authentic");
    // What reaches the threshold is flagged, however wide the band.
    doubtful.operating_points[0].threshold = 0.0;
    let bench = Bench::new(&doubtful);
    bench.png("a.png", 96, 96);
    assert_eq!(bench.run(&[]).status.code(), Some(1));
}

#[test]
fn a_missing_gpu_is_said_plainly() {
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    let scan = |device: &str| {
        veraray()
            .args(["scan", "--device", device, "--checkpoint"])
            .arg(&bench.checkpoint)
            .arg(bench.input())
            .env("VK_ICD_FILENAMES", "/nonexistent")
            .env("VK_DRIVER_FILES", "/nonexistent")
            .output()
            .unwrap()
    };
    let refused = scan("gpu");
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--device gpu: no GPU"), "{said}");
    assert!(!said.contains("panicked") && refused.stdout.is_empty());
    let fallen_back = scan("auto");
    let said = stderr(&fallen_back);
    assert_eq!(fallen_back.status.code(), Some(0), "{said}");
    assert!(said.contains("device cpu: no GPU"), "{said}");
}

#[test]
fn the_card_is_readable_by_people_and_programs() {
    let bench = Bench::passing();
    let run = |arguments: &[&str]| {
        let mut command = veraray();
        command
            .arg("model")
            .args(arguments)
            .arg("--checkpoint")
            .arg(&bench.checkpoint);
        command.output().unwrap()
    };
    let text = lines(&run(&[]).stdout).join("\n");
    for part in [
        "test 0",
        "CR, CT",
        "CC0-1.0",
        "it knows nothing",
        "1 %",
        "not a medical device",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["--format", "json"]).stdout).unwrap();
    assert_eq!(json["name"], "test");
    assert_eq!(json["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(json["calibration"]["operating_points"][0]["threshold"], 1.0);
    assert_eq!(
        veraray().arg("model").output().unwrap().status.code(),
        Some(0)
    );
}

#[test]
fn help_completions_and_manual_pages_are_there() {
    let help = veraray().args(["scan", "--help"]).output().unwrap();
    let text = lines(&help.stdout).join("\n");
    assert!(
        text.contains("Examples:") && text.contains("--max-fpr"),
        "{text}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let output = veraray().args(["completions", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("veraray"));
    }
    for arguments in [&["man"][..], &["man", "scan"]] {
        let output = veraray().args(arguments).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(".TH"));
    }
    assert_eq!(
        veraray()
            .args(["man", "nonsense"])
            .output()
            .unwrap()
            .status
            .code(),
        Some(2)
    );
}

const MAKE_DICOM: &str = r#"
import sys, numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
series = generate_uid()
for index, modality in enumerate(["CR", "CR", "US"]):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.Modality, ds.BodyPartExamined = generate_uid(), modality, "CHEST"
    ds.SeriesInstanceUID = series if modality == "CR" else generate_uid()
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 96, 128, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng(index).integers(0, 4096, (96, 128), dtype=np.uint16)
    ds.PixelData = pixels.tobytes()
    ds.save_as(f"{sys.argv[1]}/{index}.dcm", enforce_file_format=True)
"#;

#[test]
fn dicom_series_are_described_and_untrained_modalities_withheld() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with pydicom (set VERARAY_PYTHON)");
        return;
    };
    let bench = Bench::flagging();
    let made = std::process::Command::new(python)
        .args(["-c", MAKE_DICOM])
        .arg(bench.input())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let output = bench.run(&[]);
    let found = records(&output);
    assert_eq!(output.status.code(), Some(1), "{found:?}");
    assert_eq!(found[0]["format"], "dicom");
    assert_eq!(
        (&found[0]["modality"], &found[0]["body_part"]),
        (&"CR".into(), &"CHEST".into())
    );
    assert_eq!(found[0]["bits_stored"], 12);
    assert_eq!(found[0]["series_uid"], found[1]["series_uid"]);
    assert_eq!(found[0]["signature"]["status"], "none");
    assert_ne!(found[0]["verdict"], "abstain");
    assert_eq!(found[2]["verdict"], "abstain");
    assert!(
        found[2]["reasons"][0]
            .as_str()
            .unwrap()
            .contains("modality US")
    );
    assert!(found[2]["score"].is_f64());
    let judged = records(&bench.run(&["--abstain", "off"]));
    assert_ne!(judged[2]["verdict"], "abstain");
    let said = stderr(&bench.run(&["--format", "text"]));
    assert!(said.contains(": 2 images, 2 flagged"), "{said}");
}
