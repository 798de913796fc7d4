//! CSV and Parquet as other programs read them, resuming, and merging.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Bench, python, records, stderr, veraray};
use serde_json::{Value, json};

/// Reads a table with Python's csv module or pyarrow, and prints its rows as JSON.
const READ: &str = r#"
import csv, json, sys
path = sys.argv[1]
if path.endswith(".csv"):
    csv.field_size_limit(1 << 30)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
else:
    import pyarrow.parquet
    table = pyarrow.parquet.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        row["families"] = dict(row["families"])
    rows.insert(0, {field.name: str(field.type) for field in table.schema})
json.dump(rows, sys.stdout)
"#;

fn read(path: &Path) -> Option<Vec<Value>> {
    let python = python().or_else(|| {
        assert!(
            std::env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required"),
            "Python is missing"
        );
        eprintln!("SKIPPED: no Python with pydicom; give VERARAY_PYTHON");
        None
    })?;
    let output = Command::new(python)
        .args(["-c", READ])
        .arg(path)
        .output()
        .unwrap();
    let said = stderr(&output);
    if said.contains("No module named 'pyarrow'")
        && std::env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required")
    {
        eprintln!("SKIPPED: no pyarrow");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Images that are flagged with regions, not judged, and unreadable, under awkward names.
fn awkward() -> Bench {
    let mut calibration = common::calibration(0.0);
    calibration.map_threshold = 0.0;
    let bench = Bench::new(&calibration);
    bench.png("a, \"quoted\".png", 96, 128);
    bench.png("b\nnew line.png", 300, 700);
    bench.png("small ü.png", 32, 32);
    bench.write("text.txt", b"no image");
    bench
}

/// Equal, but for the last bit of a number: reading JSON may lose it.
fn alike(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 4.0 * f64::EPSILON * b.abs(),
        _ => a == b,
    }
}

#[test]
fn pythons_csv_reads_what_the_records_say() {
    let bench = awkward();
    let path = bench.beside("out.csv");
    let ran = bench.run(&["--format", "csv", "--output", path.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(2), "{}", stderr(&ran));
    let printed = bench.run(&["--format", "csv", "--output", "-"]);
    assert!(String::from_utf8_lossy(&printed.stdout).starts_with("path,sha256,status,"));
    let records = records(&bench.run(&[]));
    let Some(rows) = read(&path) else { return };
    assert_eq!(rows.len(), 4);
    for (row, record) in rows.iter().zip(&records) {
        let text = |key: &str| row[key].as_str().unwrap();
        for key in ["path", "status"] {
            assert_eq!(row[key], record[key]);
        }
        for key in ["verdict", "format", "sha256"] {
            assert_eq!(text(key), record[key].as_str().unwrap_or(""));
        }
        match record["score"].as_f64() {
            Some(score) => assert!(alike(
                &json!(text("score").parse::<f64>().unwrap()),
                &json!(score)
            )),
            None => assert_eq!(text("score"), ""),
        }
        for key in ["reasons", "regions", "findings", "families"] {
            let value: Value = serde_json::from_str(text(key)).unwrap();
            assert_eq!(value, record[key], "{key}");
        }
        assert_eq!(
            text("error_kind"),
            record["error"]["kind"].as_str().unwrap_or("")
        );
        assert_eq!(row["model_sha256"], record["model"]["sha256"]);
    }
    assert!(
        records
            .iter()
            .any(|record| record["regions"].as_array().unwrap().len() > 1)
    );
}

#[test]
fn pyarrow_reads_what_the_records_say_with_proper_types() {
    let bench = awkward();
    let path = bench.beside("out.parquet");
    let ran = bench.run(&["--format", "parquet", "--output", path.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(2), "{}", stderr(&ran));
    // Nothing is left beside it.
    let names: BTreeSet<String> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["in", "out.parquet", "test.vrc"].map(String::from))
    );
    let records = records(&bench.run(&[]));
    let Some(mut rows) = read(&path) else { return };
    let types = rows.remove(0);
    for (column, kind) in [
        ("path", "string"),
        ("rows", "uint32"),
        ("score", "double"),
        ("reasons", "list<element: string not null>"),
        ("families", "map<string, double>"),
    ] {
        let found = types[column].as_str().unwrap();
        assert!(
            found == kind || found.replace(" ('families')", "") == kind,
            "{column}: {found}"
        );
    }
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(&records) {
        for key in [
            "path",
            "sha256",
            "status",
            "verdict",
            "score",
            "threshold",
            "logit",
            "rows",
            "frames",
            "reasons",
            "findings",
            "families",
            "device",
        ] {
            assert!(alike(&row[key], &record[key]), "{key}");
        }
        assert_eq!(row["error_kind"], record["error"]["kind"]);
        let regions: Vec<Value> = row["regions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|region| {
                let bbox = ["x0", "y0", "x1", "y1"].map(|side| region[side].clone());
                json!({"frame": region["frame"], "bbox": bbox, "score": region["score"],
                    "neighbours": region["neighbours"]})
            })
            .collect();
        assert_eq!(json!(regions), record["regions"]);
        assert_eq!(row["regions_count"], regions.len());
    }
    let refused = bench.run(&["--format", "parquet"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--output"));
}

/// The records of a table, by way of merging it into JSON Lines.
fn unmerged(bench: &Bench, table: &Path) -> Vec<Value> {
    let lines = bench.beside("again.jsonl");
    let merged = audit(
        &[table.to_path_buf()],
        &["--output", lines.to_str().unwrap()],
    );
    assert_eq!(
        merged.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&merged.stdout)
    );
    std::fs::read_to_string(&lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn audit(files: &[PathBuf], arguments: &[&str]) -> Output {
    veraray()
        .args(["audit", "--merge"])
        .args(files)
        .args(arguments)
        .output()
        .unwrap()
}

fn paths(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["path"].as_str().unwrap())
        .collect()
}

#[test]
fn killed_runs_go_on_without_loss_or_repetition() {
    let bench = Bench::flagging();
    for index in 0..40 {
        bench.png(&format!("{index:02}, \"x\".png"), 256, 256);
    }
    for (format, written) in [("csv", "out.csv"), ("parquet", "out.parquet.partial.jsonl")] {
        let table = bench.beside(&format!("out.{format}"));
        let waiting = bench.beside(written);
        let arguments = [
            "--jobs",
            "2",
            "--format",
            format,
            "--output",
            table.to_str().unwrap(),
        ];
        let mut resumed = arguments.to_vec();
        resumed.push("--resume");
        // Killed twice, the second time while resuming.
        for (run, least) in [(&arguments[..], 5), (&resumed[..], 15)] {
            let mut child = bench
                .scan()
                .args(run)
                .arg(bench.input())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let start = Instant::now();
            let count = || {
                std::fs::read_to_string(&waiting)
                    .unwrap_or_default()
                    .matches('\n')
                    .count()
            };
            while count() < least {
                assert!(start.elapsed() < Duration::from_secs(60));
                std::thread::sleep(Duration::from_millis(5));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(count() < 40, "the run was faster than the kill");
        }
        let ran = bench.run(&resumed);
        assert_eq!(ran.status.code(), Some(1), "{}", stderr(&ran));
        let records = unmerged(&bench, &table);
        let found = paths(&records);
        assert_eq!(found.len(), 40);
        assert!(found.is_sorted() && found.iter().collect::<BTreeSet<_>>().len() == 40);
        // Nothing is left to do; the table stays whole.
        let again = bench.run(&resumed);
        assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
        assert!(stderr(&again).contains("0 files in"), "{}", stderr(&again));
        assert_eq!(paths(&unmerged(&bench, &table)), found);
        // New files are added to it.
        let more = bench.png("zz.png", 96, 96);
        assert_eq!(bench.run(&resumed).status.code(), Some(1));
        assert_eq!(unmerged(&bench, &table).len(), 41);
        std::fs::remove_file(more).unwrap();
    }
}

#[test]
fn shards_merge_to_the_whole_and_gaps_are_named() {
    let bench = awkward();
    for index in 0..30 {
        bench.png(&format!("{index:02}.png"), 96, 96);
    }
    let files: Vec<PathBuf> = ["jsonl", "csv", "parquet"]
        .iter()
        .enumerate()
        .map(|(index, format)| {
            let path = bench.beside(&format!("part{index}.{format}"));
            let shard = format!("{}/3", index + 1);
            let ran = bench.run(&[
                "--shard",
                &shard,
                "--format",
                format,
                "--output",
                path.to_str().unwrap(),
            ]);
            assert!(path.is_file(), "{}", stderr(&ran));
            path
        })
        .collect();
    let whole = records(&bench.run(&[]));
    let timeless = |record: &Value| {
        let mut record = record.clone();
        let keys = record.as_object_mut().unwrap();
        keys.remove("ms");
        // JSON numbers may lose their last bit on every reading.
        for key in ["score", "logit"] {
            if let Some(number) = keys[key].as_f64() {
                keys.insert(key.into(), format!("{number:.12e}").into());
            }
        }
        record
    };
    for name in ["all.jsonl", "all.csv", "all.parquet"] {
        let output = bench.beside(name);
        let merged = audit(&files, &["--output", output.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&merged.stdout).into_owned();
        assert_eq!(merged.status.code(), Some(0), "{said}{}", stderr(&merged));
        assert!(said.contains("34 records in 3 files of 3 shards"), "{said}");
        let mut found: Vec<Value> = unmerged(&bench, &output).iter().map(timeless).collect();
        found.sort_by_key(|record| record["path"].as_str().unwrap().to_owned());
        let mut expected: Vec<Value> = whole.iter().map(timeless).collect();
        expected.sort_by_key(|record| record["path"].as_str().unwrap().to_owned());
        assert_eq!(found, expected, "{name}");
    }
    let fails = |files: &[PathBuf], arguments: &[&str], word: &str| {
        let merged = audit(files, arguments);
        let said = String::from_utf8_lossy(&merged.stdout).into_owned() + &stderr(&merged);
        assert_eq!(merged.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{said}");
    };
    let twice = [&files[..], &files[..1]].concat();
    fails(&files[..2], &[], "not there: 3/3");
    fails(&files[1..], &["--shards", "3"], "not there: 1/3");
    fails(&twice, &[], "recorded more than once");
    fails(&twice, &[], "shard 1/3 is there twice");
    // A list with one path more, and one less.
    let list = bench.beside("list.txt");
    let names: Vec<&str> = paths(&whole)
        .into_iter()
        .filter(|path| !path.contains('\n'))
        .collect();
    std::fs::write(&list, names.join("\n") + "\n/nowhere/x.dcm\n").unwrap();
    let list = list.to_str().unwrap();
    fails(&files, &["--list", list], "/nowhere/x.dcm");
    fails(&files, &["--list", list], "1 recorded and not on the list");
    // A shard of another checkpoint.
    let other = bench.beside("other.vrc");
    common::save(&other, &common::calibration(0.25));
    let foreign = bench.beside("foreign.jsonl");
    let ran = veraray()
        .args(["scan", "--shard", "1/3", "--device", "cpu", "--checkpoint"])
        .arg(&other)
        .arg("--output")
        .arg(&foreign)
        .arg(bench.input())
        .output()
        .unwrap();
    assert!(foreign.is_file(), "{}", stderr(&ran));
    fails(
        &[foreign, files[1].clone(), files[2].clone()],
        &[],
        "2 checkpoints judged",
    );
    // Cut short.
    let cut = bench.beside("cut.jsonl");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    std::fs::write(&cut, &text[..text.len() - 9]).unwrap();
    fails(&[cut, files[1].clone(), files[2].clone()], &[], "cut off");
    // Nothing is written when anything is amiss.
    let output = bench.beside("never.csv");
    fails(
        &files[..2],
        &["--output", output.to_str().unwrap()],
        "nothing was written",
    );
    assert!(!output.exists());
    fails(&files, &["--output", "x.txt"], "must end in");
}
