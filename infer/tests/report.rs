//! The page of a batch and that of the model card, in a real browser; and what survives an
//! interruption.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::browser::browse;
use common::{Bench, records, stderr, veraray};
use serde_json::{Value, json};

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn paths(records: &[Value]) -> Vec<String> {
    records
        .iter()
        .map(|record| record["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_page_sorts_filters_and_asks_no_network() {
    let bench = Bench::new(&common::calibration(0.5));
    for index in 0..12 {
        bench.png(&format!("chest {index:02}.png"), 96 + 8 * index, 128);
    }
    bench.png("small.png", 32, 32);
    bench.write("</script><b>.txt", b"no image");
    let report = bench.beside("report");
    let output = bench.run(&["--report", report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("index.html"));
    let found = records(&output);
    let scores: Vec<f64> = found
        .iter()
        .filter_map(|record| record["score"].as_f64())
        .collect();
    assert_eq!(scores.len(), 12);
    let middle = {
        let mut sorted = scores.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[6]
    };
    let above = scores.iter().filter(|score| **score >= middle).count();
    let texts =
        "[...document.querySelectorAll('#list tbody .open')].map((line) => line.textContent)";
    let settle = "new Promise((done) => setTimeout(done, 400))";
    let steps = json!([
        "document.querySelectorAll('#list tbody tr').length",
        "document.getElementById('shown').textContent",
        "[...document.images].map((image) => { image.loading = 'eager'; }) && new Promise((done) => setTimeout(() => done([...document.images].filter((image) => image.naturalWidth > 0).length), 500))",
        "[...document.querySelectorAll('#list tbody tr td:nth-child(3)')].map((cell) => cell.textContent)",
        "document.querySelector('th[data-key=p] button').click()",
        texts,
        "document.querySelector('th[data-key=p]').getAttribute('aria-sort')",
        "document.querySelector('th[data-key=p] button').click()",
        texts,
        "text.value = 'CHEST 1'; text.dispatchEvent(new Event('input', {bubbles: true}))",
        settle,
        texts,
        "clear.click()",
        "document.querySelectorAll('#list tbody tr').length",
        "document.querySelector('[value=error]').click()",
        "document.querySelectorAll('#list tbody tr').length",
        "document.querySelector('[value=error]').click()",
        format!("low.value = '{middle}'; low.dispatchEvent(new Event('input', {{bubbles: true}}))"),
        settle,
        "document.querySelectorAll('#list tbody tr').length",
        "clear.click(); document.querySelector('#list tbody tr').click()",
        "detail.open && document.getElementById('detail-title').textContent",
        "next.click(); document.getElementById('detail-title').textContent",
        "document.getElementById('close').click(); detail.open",
        "document.documentElement.scrollWidth <= innerWidth",
    ]);
    let Some(seen) = browse(&report.join("index.html"), &steps) else {
        return;
    };
    let values = seen["values"].as_array().unwrap();
    assert_eq!(values[0], 14);
    assert_eq!(values[1], "14 images");
    // Two are shown without a picture: the text file has none, the small image has one.
    assert_eq!(values[2], 13);
    let shown: Vec<f64> = values[3]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|text| text.as_str().unwrap().parse().ok())
        .collect();
    assert!(
        shown.len() == 12 && shown.is_sorted_by(|a, b| a >= b),
        "{shown:?}"
    );
    let names = |value: &Value| -> Vec<String> {
        let names = value.as_array().unwrap().iter();
        names
            .map(|name| {
                let name = name.as_str().unwrap();
                name.rsplit("/in/").next().unwrap().to_owned()
            })
            .collect()
    };
    let up = names(&values[5]);
    assert_eq!(values[6], "ascending");
    let mut down = names(&values[8]);
    down.reverse();
    assert_eq!(up, down);
    assert!(up.iter().any(|name| name == "</script><b>.txt"), "{up:?}");
    let chests: Vec<&String> = up.iter().filter(|name| name.starts_with("chest")).collect();
    assert!(chests.len() == 12 && chests.is_sorted());
    let mut filtered = names(&values[11]);
    filtered.sort();
    assert_eq!(filtered, ["chest 10.png", "chest 11.png"]);
    assert_eq!(values[13], 14);
    assert_eq!(values[15], 13);
    assert_eq!(values[19], above);
    assert!(values[21].is_string() && values[22].is_string() && values[21] != values[22]);
    assert_eq!((&values[23], &values[24]), (&json!(false), &json!(true)));
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

/// A record as an earlier run would have left it.
fn recorded(index: usize, model: &str) -> String {
    let score = (index * 7919 % 10_000) as f64 / 10_000.0;
    let modality = ["CR", "CT", "MR"][index % 3];
    let verdict = if score > 0.97 {
        "synthetic"
    } else {
        "authentic"
    };
    json!({
        "path": format!("/archive/{:02}/{index:05}.dcm", index % 37), "sha256": null, "status": "ok",
        "error": null, "format": "dicom", "modality": modality, "rows": 512,
        "columns": 512, "frames": 1, "verdict": verdict, "score": score, "threshold": 1.0,
        "reasons": ["because"], "model": {"name": "test", "version": "0", "sha256": model},
    })
    .to_string()
}

#[test]
fn ten_thousand_images_stay_usable() {
    let bench = Bench::passing();
    bench.png("new.png", 96, 96);
    let model = records(&bench.run(&[]))[0]["model"]["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let output = bench.beside("out.jsonl");
    let text: String = (0..10_000)
        .map(|index| recorded(index, &model) + "\n")
        .collect();
    std::fs::write(&output, text).unwrap();
    let report = bench.beside("report");
    let ran = bench.run(&[
        "--output",
        output.to_str().unwrap(),
        "--resume",
        "--report",
        report.to_str().unwrap(),
    ]);
    assert_eq!(ran.status.code(), Some(1), "{}", stderr(&ran));
    assert_eq!(lines(&report.join("records.jsonl")).len(), 10_001);
    let steps = json!([
        "document.querySelectorAll('#list tbody tr').length <= 400",
        "document.getElementById('shown').textContent",
        "(() => { const start = performance.now(); document.querySelector('th[data-key=p] button').click(); \
         document.querySelector('th[data-key=p] button').click(); return performance.now() - start; })()",
        "modality.value = 'CT'; modality.dispatchEvent(new Event('change', {bubbles: true})); \
         document.getElementById('shown').textContent",
        "document.querySelector('#more button').click(); document.querySelectorAll('#list tbody tr').length",
    ]);
    let start = Instant::now();
    let Some(seen) = browse(&report.join("index.html"), &steps) else {
        return;
    };
    assert!(start.elapsed() < Duration::from_secs(60));
    let values = &seen["values"];
    assert_eq!(values[0], true);
    assert_eq!(values[1], "10,001 images");
    // Two sorts; generous, for machines that are busy.
    assert!(values[2].as_f64().unwrap() < 4000.0, "{}", values[2]);
    assert_eq!(values[3], "3,333 of 10,001 images");
    assert!(values[4].as_u64().unwrap() >= 200);
    assert_eq!(
        (&seen["console"], &seen["errors"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn a_killed_run_and_its_report_go_on_without_loss_or_repetition() {
    let bench = Bench::flagging();
    for index in 0..60 {
        bench.png(&format!("{index:02}.png"), 256, 256);
    }
    let output = bench.beside("out.jsonl");
    let report = bench.beside("report");
    let arguments = [
        "--jobs",
        "2",
        "--output",
        output.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ];
    let mut child = bench
        .scan()
        .args(arguments)
        .arg(bench.input())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while std::fs::read_to_string(&output)
        .unwrap_or_default()
        .lines()
        .count()
        < 7
    {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let before = std::fs::read_to_string(&output)
        .unwrap()
        .matches('\n')
        .count();
    assert!((7..60).contains(&before), "{before}");
    assert!(!report.join("index.html").exists());
    let mut resumed = arguments.to_vec();
    resumed.push("--resume");
    let ran = bench.run(&resumed);
    assert_eq!(ran.status.code(), Some(1), "{}", stderr(&ran));
    let (written, reported) = (lines(&output), lines(&report.join("records.jsonl")));
    assert_eq!(paths(&written), paths(&reported));
    assert_eq!(
        paths(&written).into_iter().collect::<BTreeSet<_>>().len(),
        60
    );
    assert_eq!(written.len(), 60);
    // Every image has its previews, also those before the kill.
    let page = std::fs::read_to_string(report.join("index.html")).unwrap();
    assert_eq!(page.matches("\"t\":\"previews/").count(), 60);
}

#[test]
fn the_report_is_not_scanned_and_strangers_folders_are_left_alone() {
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    let inside = bench.input().join("report");
    for _ in 0..2 {
        let output = bench.run(&["--report", inside.to_str().unwrap()]);
        assert_eq!(records(&output).len(), 1, "{}", stderr(&output));
    }
    let other = bench.beside("thesis");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("words.txt"), "many").unwrap();
    let refused = bench.run(&["--report", other.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("no report"));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn the_page_holds_the_cards_figures_and_stands_alone() {
    let bench = Bench::passing();
    let path = bench.beside("card.html");
    let output = veraray()
        .args(["model", "--html"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(&path).unwrap();
    let printed = veraray()
        .args(["model", "--format", "json"])
        .output()
        .unwrap();
    let card: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert!(page.contains(card["sha256"].as_str().unwrap()));
    let metrics = card["metrics"].as_array().unwrap();
    assert!(!metrics.is_empty());
    for row in metrics {
        let auroc = row["auroc"][0].as_f64().unwrap();
        assert!(page.contains(row["family"].as_str().unwrap()));
        assert!(page.contains(&format!("{auroc:.3}")));
    }
    for limit in card["limits"].as_array().unwrap() {
        let first = limit
            .as_str()
            .unwrap()
            .split(['\'', '"', '<', '&'])
            .next()
            .unwrap();
        assert!(page.contains(first), "{first}");
    }
    assert!(page.contains("not a medical device"));
    for mark in ["src=\"http", "href=\"http", "url("] {
        assert!(!page.contains(mark), "{mark}");
    }
    let steps = json!(["document.documentElement.scrollWidth <= innerWidth"]);
    let Some(seen) = browse(&path, &steps) else {
        return;
    };
    assert_eq!(seen["values"], json!([true]));
    assert_eq!(
        (&seen["console"], &seen["errors"]),
        (&json!([]), &json!([]))
    );
}
