//! `veraray audit`: contamination of an archive, by the real binary, and what its estimators promise.

#[allow(dead_code)]
mod common;
#[allow(dead_code)]
#[path = "../examples/contamination.rs"]
mod simulation;

use std::path::PathBuf;

use common::{Bench, audit, parsed, stderr, veraray};
use serde_json::{Value, json};
use simulation::stats::Target;

/// SHA-256 of the bench's checkpoint, as its records name it.
fn hash(bench: &Bench) -> String {
    let output = veraray()
        .args(["model", "--format", "json", "--checkpoint"])
        .arg(&bench.checkpoint)
        .output()
        .unwrap();
    let card: Value = serde_json::from_slice(&output.stdout).unwrap();
    card["sha256"].as_str().unwrap().to_owned()
}

/// A bench whose checkpoint flags from one half, and records of 1,000 images under `name`: every
/// tenth is flagged in folder `a`, none in folder `b`.
fn records(name: &str) -> (Bench, PathBuf) {
    let bench = Bench::new(&common::calibration(0.5));
    let sha256 = hash(&bench);
    let mut lines = String::new();
    for index in 0..1000 {
        let flagged = index < 500 && index % 10 == 0;
        let score = if flagged { 0.9 } else { 0.1 };
        let record = json!({
            "path": format!("/archive/{}/{index}.png", if index < 500 { "a" } else { "b" }),
            "sha256": format!("{:064x}", if index == 999 { 0 } else { index }),
            "status": "ok", "modality": "CT", "score": score, "threshold": 0.5,
            "verdict": if flagged { "synthetic" } else { "authentic" },
            "model": {"name": "test", "version": "0", "sha256": sha256},
        });
        lines += &(record.to_string() + "\n");
    }
    let path = bench.beside(name);
    std::fs::write(&path, lines).unwrap();
    (bench, path)
}

#[test]
fn records_are_audited_without_a_scan() {
    let (bench, path) = records("r.jsonl");
    let path = path.to_str().unwrap();
    let page = bench.beside("page");
    let saved = bench.beside("audit.json");
    let output = audit(
        &bench,
        &[
            "--records",
            path,
            "--format",
            "json",
            "--sensitivity",
            "0.9",
            "--sensitivity-n",
            "300",
            "--output",
            saved.to_str().unwrap(),
            "--report",
            page.to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let found = parsed(&output);
    assert_eq!(std::fs::read(&saved).unwrap(), output.stdout);
    assert_eq!(found["images"]["counted"], 1000);
    assert_eq!(found["images"]["flagged"], 50);
    // The card's bound of 2 % on 300 images fits no count: floor(0.01 × 300) = 3 pass.
    let alarms = 4.0 / 301.0;
    let expected = (0.05 - alarms) / (0.9 - alarms);
    let count = &found["prevalence"]["adjusted_count"];
    assert!(
        (count["estimate"].as_f64().unwrap() - expected).abs() < 1e-9,
        "{count}"
    );
    assert!(count["low"].as_f64().unwrap() > 0.0 && count["high"].as_f64().unwrap() < 0.07);
    assert!(found["prevalence"]["em"]["high"].as_f64().unwrap() < 0.2);
    // Folder a has all flagged images: 50 of 500, far beyond false alarms.
    let sources = found["sources"].as_array().unwrap();
    assert_eq!(
        (&sources[0]["name"], &sources[0]["flagged"]),
        (&json!("a"), &json!(50))
    );
    assert!(sources[0]["p_value_corrected"].as_f64().unwrap() < 0.01);
    assert_eq!(sources[1]["p_value_corrected"], 1.0);
    assert_eq!(
        found["copies"],
        json!([["/archive/a/0.png", "/archive/b/999.png"]])
    );
    let power = &found["power"];
    assert!(power["detectable_80"].as_f64() > power["detectable_80_exact_rates"].as_f64());
    let page = std::fs::read_to_string(page.join("audit.html")).unwrap();
    assert!(page.contains("Contamination") && page.contains("/archive/a/0.png"));
    assert!(
        page.contains("not a medical device")
            && !page.contains("http://")
            && !page.contains("https://")
    );
    let text = audit(&bench, &["--records", path]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("50 of 1000 images flagged") && text.contains("lower bound"),
        "{text}"
    );
}

#[test]
fn rates_measured_here_take_the_place_of_the_cards() {
    let (bench, path) = records("r.jsonl");
    let path = path.to_str().unwrap();
    // The same images said to be authentic: then nothing but false alarms was found.
    let output = audit(
        &bench,
        &[
            "--records",
            path,
            "--authentic",
            path,
            "--manipulated",
            path,
            "--format",
            "json",
        ],
    );
    let found = parsed(&output);
    let rate = &found["error_rates"]["false_alarms"];
    assert_eq!(
        (&rate["images"], &rate["estimate"]),
        (&json!(1000.0), &json!(0.05))
    );
    assert_eq!(found["prevalence"]["adjusted_count"]["low"], 0.0);
    assert!(found["prevalence"]["em"].is_null(), "as good as chance");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (bench, path) = records("r.jsonl");
    let other = Bench::new(&common::calibration(0.25));
    let path = path.to_str().unwrap();
    for (output, word) in [
        (audit(&other, &["--records", path]), "--checkpoint"),
        (
            audit(&bench, &["--records", path, "--family", "none"]),
            "--family none",
        ),
        (
            audit(&bench, &["--records", "/nowhere.csv"]),
            "/nowhere.csv",
        ),
        (
            audit(&bench, &["--records", path, "--merge", path]),
            "--merge",
        ),
        (audit(&bench, &["--list", path]), "--merge"),
        (audit(&bench, &[]), "PATH"),
    ] {
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert!(
            stderr(&output).contains(word),
            "{word}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_folder_is_scanned_audited_and_resumed() {
    let bench = Bench::flagging();
    bench.png("x/a.png", 160, 160);
    bench.png("y/b.png", 160, 160);
    let input = bench.input();
    let (saved, page) = (bench.beside("v.csv"), bench.beside("page"));
    let run = |more: &[&str]| {
        let mut arguments = vec![
            input.to_str().unwrap(),
            "--format",
            "json",
            "--save",
            saved.to_str().unwrap(),
            "--report",
            page.to_str().unwrap(),
        ];
        arguments.extend(more);
        audit(&bench, &arguments)
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(parsed(&output)["images"]["flagged"], 2);
    assert!(page.join("index.html").is_file());
    let html = std::fs::read_to_string(page.join("audit.html")).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 2);
    let before = std::fs::read(&saved).unwrap();
    bench.write("x/broken.png", b"no image");
    let output = run(&["--resume"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(parsed(&output)["images"]["failed"], 1);
    assert!(std::fs::read(&saved).unwrap().starts_with(&before));
    // Kept only where asked for.
    let output = audit(&bench, &[input.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
}

/// The full simulation stands in benches/results/contamination; this one notices when it breaks.
#[test]
fn intervals_cover_and_estimates_are_near() {
    for (spread, target) in [(1.0, Target::Archive), (1.4, Target::Archive)] {
        let tallies = simulation::simulate(60, spread, target, &mut std::io::sink()).unwrap();
        for (share, row) in simulation::SHARES.into_iter().zip(tallies) {
            for (tally, name) in row.into_iter().zip(simulation::METHODS) {
                let missed = tally.below + tally.above;
                assert!(tally.absolute / tally.count <= 0.01, "{name} at {share}");
                // 95 % of 60, and four deviations of chance.
                assert!(missed <= 10.0, "{name} at {share}: {missed} of 60 missed");
            }
        }
    }
}
