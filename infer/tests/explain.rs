//! Explanations: the verdict is the scan's, the pictures are there, and the page stands alone.
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::process::Output;

use common::browser::browse;
use common::{Bench, records, stderr, veraray};
use serde_json::{Value, json};

fn explain(bench: &Bench, file: &Path, arguments: &[&str]) -> Output {
    veraray()
        .args(["explain", "--device", "cpu", "--checkpoint"])
        .arg(&bench.checkpoint)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap()
}

/// A NIfTI-1 volume of noise, 16 bits, `frames` slices of `rows` by `columns`.
fn nifti(rows: i16, columns: i16, frames: i16) -> Vec<u8> {
    common::nifti([columns, rows, frames], |x, y, z| {
        i16::from(common::noise(z, x, y))
    })
}

/// Everything that a page refers to.
fn references(page: &str) -> Vec<&str> {
    ["src=\"", "href=\"", "url(", "@import"]
        .into_iter()
        .flat_map(|mark| page.split(mark).skip(1))
        .map(|rest| rest.split('"').next().unwrap_or(""))
        .collect()
}

#[test]
fn page_and_picture_are_there_and_the_verdict_is_the_scans() {
    for bench in [Bench::flagging(), Bench::passing()] {
        let file = bench.png("a.png", 300, 420);
        let (png, html) = (bench.beside("heat.png"), bench.beside("page.html"));
        let output = explain(
            &bench,
            &file,
            &[
                "--output",
                png.to_str().unwrap(),
                "--html",
                html.to_str().unwrap(),
                "--format",
                "json",
            ],
        );
        let scanned = bench.run(&[]);
        assert_eq!(
            output.status.code(),
            scanned.status.code(),
            "{}",
            stderr(&output)
        );
        let (mut explained, mut record) = (records(&output).remove(0), records(&scanned).remove(0));
        for value in [&mut explained, &mut record] {
            value.as_object_mut().unwrap().remove("ms");
        }
        for (key, value) in record.as_object().unwrap() {
            assert_eq!(&explained[key], value, "{key}");
        }
        let picture = image::open(&png).unwrap().to_rgb8();
        assert!(picture.width() > 1000 && picture.height() > 800);
        let page = std::fs::read_to_string(&html).unwrap();
        assert!(page.contains(record["verdict"].as_str().unwrap()));
        for reference in references(&page) {
            assert!(reference.starts_with("data:"), "{reference:.80}");
        }
    }
}

#[test]
fn the_parts_add_up_to_the_logit() {
    let bench = Bench::passing();
    let file = bench.png("a.png", 256, 256);
    let output = explain(&bench, &file, &["--format", "json", "--quiet"]);
    assert_eq!(stderr(&output), "");
    let explained = &records(&output)[0];
    let parts = explained["drivers"]["parts"].as_array().unwrap();
    let sum: f64 = parts
        .iter()
        .map(|part| part["logit"].as_f64().unwrap())
        .sum();
    let logit = explained["logit"].as_f64().unwrap();
    assert!((sum - logit).abs() < 1e-3, "{sum} {logit}");
    assert_eq!(explained["trials"][0]["name"], "as it is");
    let same = explained["trials"][0]["logit"].as_f64().unwrap();
    assert!((same - logit).abs() < 1e-4);
    let spectrum = explained["spectrum"]["radial"].as_array().unwrap();
    assert!(spectrum.len() > 50 && explained["noise"]["median"].as_f64().unwrap() > 0.05);
}

#[test]
fn a_volume_has_its_slices_and_any_one_can_be_named() {
    let bench = Bench::flagging();
    let file = bench.write("v.nii", &nifti(128, 160, 12));
    let html = bench.beside("v.html");
    let page = html.to_str().unwrap();
    let output = explain(
        &bench,
        &file,
        &["--html", page, "--frame", "7", "--format", "json"],
    );
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let explained = &records(&output)[0];
    assert_eq!(explained["shown_frame"], 7);
    assert_eq!(explained["frame_scores"].as_array().unwrap().len(), 12);
    let text = std::fs::read_to_string(&html).unwrap();
    assert!(text.contains("Slices") && text.contains("frame 7 of 12"));
    // Without a name the most suspicious one.
    let output = explain(&bench, &file, &["--format", "json"]);
    let explained = &records(&output)[0];
    let scores = explained["frame_scores"].as_array().unwrap();
    let highest = scores
        .iter()
        .max_by(|a, b| {
            a["logit"]
                .as_f64()
                .unwrap()
                .total_cmp(&b["logit"].as_f64().unwrap())
        })
        .unwrap();
    assert_eq!(explained["shown_frame"], highest["frame"]);
    let refused = explain(&bench, &file, &["--frame", "12"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("--frame 12"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn what_is_not_judged_is_shown_all_the_same_and_what_is_broken_is_not() {
    let bench = Bench::flagging();
    let colour = bench.path("colour.png");
    image::RgbImage::from_fn(200, 160, |x, y| image::Rgb([x as u8, y as u8, 90]))
        .save(&colour)
        .unwrap();
    let small = bench.png("small.png", 40, 50);
    let tiny = bench.png("tiny.png", 1, 1);
    for file in [colour, small, tiny] {
        let (png, html) = (bench.beside("x.png"), bench.beside("x.html"));
        let output = explain(
            &bench,
            &file,
            &[
                "--output",
                png.to_str().unwrap(),
                "--html",
                html.to_str().unwrap(),
            ],
        );
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("abstain"));
        assert!(
            std::fs::read_to_string(&html)
                .unwrap()
                .contains("did not judge")
        );
        image::open(&png).unwrap();
    }
    let broken = bench.write("b.png", b"\x89PNG\r\n\x1a\nno more");
    let html = bench.beside("broken.html");
    let output = explain(&bench, &broken, &["--html", html.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!html.exists());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("error"));
}

#[test]
fn the_image_is_not_overwritten_and_folders_are_refused() {
    let bench = Bench::flagging();
    let file = bench.png("a.png", 96, 96);
    let before = std::fs::read(&file).unwrap();
    for flag in ["--output", "--html"] {
        let output = explain(&bench, &file, &[flag, file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("overwrite"));
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let folder = explain(&bench, &bench.input(), &[]);
    assert_eq!(folder.status.code(), Some(2));
    assert!(stderr(&folder).contains("--report"));
}

#[test]
fn names_are_not_obeyed() {
    let bench = Bench::flagging();
    let file = bench.png("<img src=x onerror=alert(1)>.png", 96, 96);
    let html = bench.beside("x.html");
    explain(&bench, &file, &["--html", html.to_str().unwrap()]);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(!page.contains("<img src=x") && page.contains("&lt;img src=x"));
}

#[test]
fn a_browser_shows_the_page_without_a_network_or_a_complaint() {
    let bench = Bench::flagging();
    let file = bench.png("a.png", 300, 420);
    let html = bench.beside("page.html");
    explain(&bench, &file, &["--html", html.to_str().unwrap()]);
    let steps = json!([
        "[...document.images].every((image) => image.complete && image.naturalWidth > 0)",
        "document.documentElement.scrollWidth <= innerWidth",
        "fade.value = 0; fade.dispatchEvent(new Event('input')); heat.style.opacity",
        "lines.click(); outline.style.visibility",
    ]);
    let Some(seen) = browse(&html, &steps) else {
        return;
    };
    assert_eq!(seen["values"], json!([true, true, "0", "hidden"]));
    assert_eq!(
        (&seen["console"], &seen["errors"]),
        (&json!([]), &json!([]))
    );
    for request in seen["requests"].as_array().unwrap() {
        let request = request.as_str().unwrap();
        assert!(
            request.starts_with("file:") || request.starts_with("data:"),
            "{request}"
        );
    }
}

#[test]
fn the_shipped_detector_says_what_drove_it() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/latent_diffusion_ct.png");
    let output = veraray()
        .args(["explain", "--format", "json"])
        .arg(sample)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let explained = &records(&output)[0];
    let parts = explained["drivers"]["parts"].as_array().unwrap();
    let sum: f64 = parts
        .iter()
        .filter_map(|part: &Value| part["logit"].as_f64())
        .sum();
    assert!((sum - explained["logit"].as_f64().unwrap()).abs() < 1e-2);
    assert!(explained["trials"].as_array().unwrap().len() >= 6);
}

#[test]
fn a_page_is_not_written_as_a_picture_nor_a_picture_as_a_page() {
    let bench = Bench::passing();
    let file = bench.png("a.png", 64, 64);
    for (flag, name, other) in [
        ("--output", "why.HTML", "--html"),
        ("--html", "why.png", "--output"),
    ] {
        let path = bench.beside(name);
        let output = explain(&bench, &file, &[flag, path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(other), "{}", stderr(&output));
        assert!(!path.exists());
    }
}
