//! One record for every file, in order, with the keys that other programs rely on.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use common::{Bench, lines, names, records, stderr, timeless};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

const KEYS: [&str; 25] = [
    "path",
    "sha256",
    "status",
    "error",
    "format",
    "modality",
    "body_part",
    "rows",
    "columns",
    "frames",
    "bits_stored",
    "sop_instance_uid",
    "study_uid",
    "series_uid",
    "verdict",
    "score",
    "threshold",
    "logit",
    "reasons",
    "regions",
    "families",
    "findings",
    "signature",
    "model",
    "device",
];

/// The keys of a JSON object in the order of the text.
fn keys(json: &str) -> Vec<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    serde_json::Deserializer::from_str(json)
        .deserialize_map(Keys)
        .unwrap()
}

#[test]
fn every_file_has_one_record_in_the_order_of_the_walk() {
    let bench = Bench::passing();
    for name in ["b.png", "a.png", "d/z.png", "d/y.png", "c.png", "ä ö.png"] {
        bench.png(name, 96, 128);
    }
    std::fs::create_dir(bench.path("empty")).unwrap();
    bench.write("notes.txt", b"not an image");
    let output = bench.run(&["--jobs", "3"]);
    let found = records(&output);
    let expected = [
        "a.png",
        "b.png",
        "c.png",
        "y.png",
        "z.png",
        "notes.txt",
        "ä ö.png",
    ];
    assert_eq!(names(&found), expected);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn keys_and_values_are_those_of_the_contract() {
    let bench = Bench::flagging();
    bench.png("a.png", 96, 128);
    bench.write("b.dcm", b"no image at all");
    let output = bench.run(&["--format", "jsonl"]);
    for line in lines(&output.stdout) {
        let mut expected = KEYS.to_vec();
        expected.push("ms");
        assert_eq!(keys(&line), expected);
    }
    let [good, bad] = &records(&output)[..] else {
        panic!("two records expected")
    };
    assert_eq!(good["status"], "ok");
    assert!(good["error"].is_null());
    assert_eq!(
        (&good["format"], &good["rows"], &good["columns"]),
        (&"png".into(), &96.into(), &128.into())
    );
    assert_eq!(
        (&good["frames"], &good["bits_stored"]),
        (&1.into(), &8.into())
    );
    assert!(good["modality"].is_null() && good["series_uid"].is_null());
    assert!(["synthetic", "tampered"].contains(&good["verdict"].as_str().unwrap()));
    assert!((0.0..=1.0).contains(&good["score"].as_f64().unwrap()));
    assert_eq!(good["threshold"], 0.0);
    assert!(good["logit"].is_f64());
    assert!(good["reasons"][0].as_str().unwrap().contains("threshold"));
    assert_eq!(
        good["signature"],
        serde_json::json!({"status": "none", "coverage": []})
    );
    assert_eq!(good["model"]["name"], "test");
    assert_eq!(good["model"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(good["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(good["device"], "cpu");
    for part in ["decode", "forward", "total"] {
        assert!(good["ms"][part].as_f64().unwrap() >= 0.0);
    }
    assert_eq!(bad["status"], "error");
    assert_eq!(bad["error"]["kind"], "unsupported_format");
    assert!(bad["error"]["message"].as_str().unwrap().contains("b.dcm"));
    assert_eq!(bad["sha256"].as_str().unwrap().len(), 64);
    for key in [
        "format",
        "verdict",
        "score",
        "threshold",
        "logit",
        "signature",
    ] {
        assert!(bad[key].is_null(), "{key}");
    }
    for key in ["reasons", "regions", "findings"] {
        assert_eq!(bad[key], serde_json::json!([]), "{key}");
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let bench = Bench::flagging();
    for index in 0..24 {
        bench.png(
            &format!("{index:02}.png"),
            64 + 16 * (index % 5),
            96 + 40 * (index % 7),
        );
    }
    bench.write("10.txt", b"no image");
    let one = bench.run(&["--jobs", "1"]);
    let four = bench.run(&["--jobs", "4"]);
    assert_eq!(timeless(&one).len(), 25);
    assert_eq!(timeless(&one), timeless(&four));
    assert_eq!(one.status, four.status);
}

#[test]
fn a_list_on_standard_input_is_read_like_arguments() {
    let bench = Bench::passing();
    let b = bench.png("b.png", 96, 96);
    let a = bench.png("a.png", 96, 96);
    bench.png("folder/c.png", 96, 96);
    let folder = bench.input().join("folder");
    let missing = bench.input().join("missing.png");
    let list = [&b, &a, &folder, &missing, &b]
        .map(|path| path.display().to_string())
        .join("\n");
    let mut child = bench
        .scan()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let found = records(&output);
    assert_eq!(names(&found), ["b.png", "a.png", "c.png", "missing.png"]);
    assert_eq!(found[3]["error"]["kind"], "io");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn shards_are_complete_and_disjoint() {
    let bench = Bench::passing();
    for index in 0..30 {
        bench.png(&format!("{index:02}.png"), 64, 64);
    }
    let whole: BTreeSet<String> = names(&records(&bench.run(&[]))).into_iter().collect();
    let mut parts = Vec::new();
    for index in 1..=3 {
        let output = bench.run(&["--shard", &format!("{index}/3")]);
        assert_eq!(output.status.code(), Some(0));
        parts.extend(names(&records(&output)));
    }
    assert_eq!(parts.len(), whole.len());
    assert_eq!(parts.into_iter().collect::<BTreeSet<_>>(), whole);
    assert_eq!(bench.run(&["--shard", "0/3"]).status.code(), Some(2));
}

#[test]
fn an_interrupted_run_is_resumed_to_the_same_file() {
    let bench = Bench::flagging();
    for index in 0..8 {
        bench.png(&format!("{index}.png"), 64, 96);
    }
    let path = bench.input().join("verdicts.jsonl");
    let output = path.to_str().unwrap();
    assert_eq!(bench.run(&["--output", output]).status.code(), Some(1));
    let strip = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split(",\"ms\":").next().unwrap().to_owned())
            .collect()
    };
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 8);
    // Cut in the middle of the fourth record.
    let cut = whole.match_indices('\n').nth(2).unwrap().0 + 40;
    std::fs::write(&path, &whole[..cut]).unwrap();
    let resumed = bench.run(&["--output", output, "--resume"]);
    assert_eq!(resumed.status.code(), Some(1), "{}", stderr(&resumed));
    assert!(stderr(&resumed).contains("5 files"), "{}", stderr(&resumed));
    assert_eq!(
        strip(&std::fs::read_to_string(&path).unwrap()),
        strip(&whole)
    );
    // Nothing is left to do, and what was flagged before still counts.
    assert_eq!(
        bench.run(&["--output", output, "--resume"]).status.code(),
        Some(1)
    );
    assert_eq!(
        strip(&std::fs::read_to_string(&path).unwrap()),
        strip(&whole)
    );
}

#[test]
fn regions_lie_inside_flagged_images_only() {
    let mut calibration = common::calibration(0.0);
    calibration.map_threshold = 0.0;
    let bench = Bench::new(&calibration);
    bench.png("a.png", 300, 700);
    let record = &records(&bench.run(&[]))[0];
    let regions = record["regions"].as_array().unwrap();
    assert!(!regions.is_empty() && regions.len() <= 8);
    for region in regions {
        let bbox: Vec<u64> = region["bbox"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap())
            .collect();
        assert!(bbox[0] < bbox[2] && bbox[2] <= 700 && bbox[1] < bbox[3] && bbox[3] <= 300);
        assert_eq!(region["frame"], 0);
    }
    assert_eq!(record["verdict"], "synthetic");
    let passing = Bench::passing();
    passing.png("a.png", 300, 700);
    let record = &records(&passing.run(&[]))[0];
    assert_eq!(record["regions"], serde_json::json!([]));
    assert_eq!(record["verdict"], "authentic");
}
