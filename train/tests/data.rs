//! Drives `veraray-train data …`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

type Rows = Vec<BTreeMap<String, String>>;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veraray-train"))
        .current_dir(folder)
        .arg("data")
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Runs, checks the exit status and returns standard output and standard error.
fn code(folder: &Path, expected: i32, arguments: &[&str]) -> (String, String) {
    let output = run(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(expected),
        "{arguments:?}: {stdout}{stderr}"
    );
    (stdout, stderr)
}

/// A Python with the packages that `scripts/test.sh` installs.
fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("VERARAY_PYTHON") {
        return python.into();
    }
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let python = home.join(".cache/veraray/venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run scripts/test.sh, which makes it, or set VERARAY_PYTHON",
        python.display()
    );
    python
}

fn script(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(python())
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests")
                .join(name),
        )
        .args(arguments)
        .output()
        .expect("python starts");
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The miniature trees of `trees.py`.
fn trees() -> &'static Path {
    static TREES: OnceLock<tempfile::TempDir> = OnceLock::new();
    TREES
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            script("trees.py", &[&folder.path().to_string_lossy()]);
            folder
        })
        .path()
}

fn read(path: &Path) -> Rows {
    let mut reader = csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{e}"));
    let header = reader.headers().expect("a header").clone();
    reader
        .records()
        .map(|record| {
            let record = record.expect("a row");
            let cells = header.iter().zip(&record);
            cells.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        })
        .collect()
}

/// Label, generator, group and modality of every image of a collection, by the end of its path.
fn import(name: &str) -> (Rows, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = trees().join(name);
    let arguments = ["import", name, &dir.to_string_lossy(), "--output", "m.csv"];
    let (_, stderr) = code(folder.path(), 0, &arguments);
    (read(&folder.path().join("m.csv")), stderr)
}

#[test]
fn public_collections_are_read_in_their_owners_layout() {
    // End of path, label, generator, group, modality, and one more column.
    type Expected = (
        &'static str,
        [&'static str; 4],
        (&'static str, &'static str),
    );
    let table: &[(&str, &[Expected])] = &[
        (
            "nih-chestxray14",
            &[
                (
                    "images/00000001_000.png",
                    ["real", "", "nih-00000001", "CR"],
                    ("view", "PA"),
                ),
                (
                    "images/00000001_001.png",
                    ["real", "", "nih-00000001", "CR"],
                    ("view", "AP"),
                ),
                (
                    "images/00000013_005.png",
                    ["real", "", "nih-00000013", "CR"],
                    ("source", "nih-chestxray14"),
                ),
            ],
        ),
        (
            "chexpert",
            &[
                (
                    "patient00001/study1/view1_frontal.jpg",
                    ["real", "", "chexpert-00001", "CR"],
                    ("view", "AP"),
                ),
                (
                    "patient00002/study1/view1_frontal.jpg",
                    ["real", "", "chexpert-00002", "CR"],
                    ("view", "PA"),
                ),
                (
                    "patient64541/study1/view2_lateral.jpg",
                    ["real", "", "chexpert-64541", "CR"],
                    ("view", "lateral"),
                ),
            ],
        ),
        (
            "mimic-cxr-jpg",
            &[
                (
                    "4e384014.jpg",
                    ["real", "", "mimic-10000032", "CR"],
                    ("view", "PA"),
                ),
                (
                    "33333333.jpg",
                    ["real", "", "mimic-11000011", "CR"],
                    ("view", ""),
                ),
            ],
        ),
        (
            "rsna-pneumonia",
            &[
                (
                    "167204a7e0bc.dcm",
                    [
                        "real",
                        "",
                        "rsna-0000a175-0e68-4ca4-b1af-167204a7e0bc",
                        "CR",
                    ],
                    ("body_part", "CHEST"),
                ),
                (
                    "63a80b6bddd6.dcm",
                    [
                        "real",
                        "",
                        "rsna-0004cfab-14fd-4e49-80ba-63a80b6bddd6",
                        "CR",
                    ],
                    ("body_part", "CHEST"),
                ),
            ],
        ),
        (
            "vindr-cxr",
            &[
                (
                    "002a34c58c5b758217ed1f584ccbcfe9.dicom",
                    ["real", "", "vindr-002a34c58c5b758217ed1f584ccbcfe9", "CR"],
                    ("owner_split", "test"),
                ),
                (
                    "000434271f63a053c4128a0ba6352c7f.dicom",
                    ["real", "", "vindr-000434271f63a053c4128a0ba6352c7f", "DX"],
                    ("owner_split", "train"),
                ),
            ],
        ),
        (
            "padchest",
            &[(
                "02-094-102.png",
                [
                    "real",
                    "",
                    "padchest-839860488694292331637988235681460987",
                    "DX",
                ],
                ("view", "PA"),
            )],
        ),
        (
            "lidc-idri",
            &[
                (
                    "1-001.dcm",
                    ["real", "", "LIDC-IDRI-0001", "CT"],
                    ("body_part", "CHEST"),
                ),
                (
                    "1-1.dcm",
                    ["real", "", "LIDC-IDRI-0001", "DX"],
                    ("body_part", "CHEST"),
                ),
                (
                    "000001.dcm",
                    ["real", "", "LIDC-IDRI-0002", "CT"],
                    ("body_part", "CHEST"),
                ),
            ],
        ),
        (
            "back-in-time-diffusion",
            &[
                (
                    "images/a.tif",
                    ["tampered", "ct-gan", "", "CT"],
                    ("action", "injection"),
                ),
                (
                    "images/b.tif",
                    ["tampered", "stable-diffusion", "", "CT"],
                    ("x", "12"),
                ),
                ("images/c.tif", ["real", "", "", "CT"], ("action", "")),
                (
                    "images/d.png",
                    ["tampered", "stable-diffusion", "", "MR"],
                    ("action", "removal"),
                ),
                (
                    "images/e.png",
                    ["real", "", "", "MR"],
                    ("source", "duke-breast-mri"),
                ),
            ],
        ),
        (
            "m3dsynth",
            &[
                // An empty mask: this slice of the tampered scan is authentic.
                (
                    "cycle/scan/rem_1/slide0000.tiff",
                    ["real", "", "LIDC-IDRI-0003", "CT"],
                    ("mask", ""),
                ),
                (
                    "cycle/scan/rem_1/slide0001.tiff",
                    ["tampered", "m3dsynth-cycle", "LIDC-IDRI-0003", "CT"],
                    ("action", "rem"),
                ),
                (
                    "real/scan/rem_1/slide0000.tiff",
                    ["real", "", "LIDC-IDRI-0003", "CT"],
                    ("mask", ""),
                ),
                (
                    "real/scan/rem_1/slide0001.tiff",
                    ["real", "", "LIDC-IDRI-0003", "CT"],
                    ("mask", ""),
                ),
            ],
        ),
        (
            "brats",
            &[
                (
                    "BraTS-GLI-00005-100-t1c.nii.gz",
                    ["real", "", "BraTS-GLI-00005", "MR"],
                    ("sequence", "t1c"),
                ),
                (
                    "BraTS-GLI-00005-101-t1c.nii.gz",
                    ["real", "", "BraTS-GLI-00005", "MR"],
                    ("sequence", "t1c"),
                ),
                (
                    "BraTS2021_00000_flair.nii.gz",
                    ["real", "", "BraTS2021_00000", "MR"],
                    ("sequence", "flair"),
                ),
                (
                    "BraTS2021_00000_t1.nii.gz",
                    ["real", "", "BraTS2021_00000", "MR"],
                    ("sequence", "t1"),
                ),
                (
                    "BraTS2021_00000_t1ce.nii.gz",
                    ["real", "", "BraTS2021_00000", "MR"],
                    ("sequence", "t1ce"),
                ),
                (
                    "BraTS2021_00000_t2.nii.gz",
                    ["real", "", "BraTS2021_00000", "MR"],
                    ("body_part", "BRAIN"),
                ),
            ],
        ),
        (
            "fastmri",
            &[
                (
                    "file_brain_AXT1_201_6002688.h5",
                    ["real", "", "fastmri-p-brain", "MR"],
                    ("body_part", "BRAIN"),
                ),
                (
                    "file1000000.h5",
                    ["real", "", "fastmri-p-knee", "MR"],
                    ("body_part", "KNEE"),
                ),
            ],
        ),
        (
            "oasis",
            &[
                (
                    "ses-d0129_run-01_T1w.nii.gz",
                    ["real", "", "OAS30001", "MR"],
                    ("session", "d0129"),
                ),
                (
                    "ses-d0757_T1w.nii.gz",
                    ["real", "", "OAS30001", "MR"],
                    ("session", "d0757"),
                ),
                (
                    "OAS1_0001_MR1_mpr-1_anon.nii",
                    ["real", "", "OAS1_0001", "MR"],
                    ("session", ""),
                ),
            ],
        ),
    ];
    for (name, expected) in table {
        let (rows, stderr) = import(name);
        assert_eq!(rows.len(), expected.len(), "{name}: {rows:?}");
        assert!(stderr.contains("licence: "), "{name}: {stderr}");
        for (row, (path, cells, (column, value))) in rows.iter().zip(*expected) {
            assert!(row["path"].ends_with(path), "{name}: {}", row["path"]);
            let found = ["label", "generator", "group", "modality"].map(|c| row[c].as_str());
            assert_eq!(found, *cells, "{name}: {path}");
            assert_eq!(
                row.get(*column).map_or("", String::as_str),
                *value,
                "{name}: {path}"
            );
            assert!(
                !row["licence"].is_empty() && row["sha256"].len() == 64,
                "{name}"
            );
        }
    }
}

#[test]
fn slices_of_ct_gan_are_numbered_by_place_and_its_neighbours_left_out() {
    let (rows, stderr) = import("ct-gan");
    // Slice 10 was tampered: 0 to 9 and 11 to 42 are left out, 43 to 79 count as authentic.
    assert!(
        stderr.contains("42 files not listed: close to a tampered slice"),
        "{stderr}"
    );
    assert_eq!(rows.len(), 1 + 37 + 3);
    let tampered: Vec<_> = rows.iter().filter(|r| r["label"] == "tampered").collect();
    assert_eq!(tampered.len(), 1);
    // trees.py names the slice at place i so.
    let name = format!("{:03}.dcm", 10 * 37 % 80);
    assert!(
        tampered[0]["path"].ends_with(&name),
        "{}",
        tampered[0]["path"]
    );
    assert_eq!(tampered[0]["action"], "removal");
    assert_eq!(tampered[0]["generator"], "ct-gan");
    // A named location that was not tampered makes nothing tampered.
    let open = rows.iter().filter(|r| r["group"] == "ct-gan-2001");
    assert!(open.into_iter().all(|r| r["label"] == "real"));
}

#[test]
fn collections_are_listed_and_described_and_wrong_ones_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (list, _) = code(folder.path(), 0, &["import", "--list"]);
    assert_eq!(list.lines().count(), 13);
    for line in list.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        assert!(
            cells.len() == 3 && cells[2].starts_with("https://"),
            "{line}"
        );
    }
    let (text, _) = code(folder.path(), 0, &["import", "ct-gan", "--describe"]);
    assert!(
        text.contains("cite: Mirsky") && text.contains("licence: CC BY 4.0"),
        "{text}"
    );
    let refused = |arguments: &[&str], word: &str| {
        let (_, stderr) = code(folder.path(), 2, arguments);
        assert!(stderr.contains(word), "{word} is not in {stderr}");
    };
    refused(
        &["import", "imagenet", ".", "--output", "m.csv"],
        "nih-chestxray14",
    );
    refused(
        &["import", "ct-gan", ".", "--output", "m.csv"],
        "labels_exp[12].csv",
    );
    refused(
        &["import", "brats", ".", "--output", "m.csv"],
        "no image found",
    );
    refused(&["scan", ".", "--output", "m.csv"], "--label real");
    let twice = ["scan", ".", "--output", "m.csv", "--rule", "*.png=label"];
    refused(&twice, "COLUMN:VALUE");
}

#[test]
fn a_folder_becomes_a_manifest_with_patients_hashed_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = trees().join("own");
    let dir = dir.to_string_lossy();
    let scan = |output: &str, more: &[&str]| {
        let mut arguments = vec!["scan", &dir, "--label", "real", "--output", output];
        arguments.extend(more);
        code(folder.path(), 0, &arguments);
    };
    scan("plain.csv", &["--rule", "c.dcm=source:other"]);
    let rows = read(&folder.path().join("plain.csv"));
    let cell = |column: &str| rows.iter().map(|r| r[column].as_str()).collect::<Vec<_>>();
    assert_eq!(cell("group"), ["PAT-1", "PAT-1", "PAT-2"]);
    assert_eq!(cell("modality"), ["CT", "CT", "MR"]);
    assert_eq!(cell("body_part"), ["HEAD", "HEAD", "BRAIN"]);
    assert_eq!(cell("source"), ["", "", "other"]);
    assert!(
        folder.path().join(&rows[0]["path"]).is_file(),
        "{}",
        rows[0]["path"]
    );
    scan("hashed.csv", &["--hash-patient-ids", "k1"]);
    scan("again.csv", &["--hash-patient-ids", "k1"]);
    scan("other.csv", &["--hash-patient-ids", "k2"]);
    let groups = |name: &str| {
        let rows = read(&folder.path().join(name));
        rows.iter().map(|r| r["group"].clone()).collect::<Vec<_>>()
    };
    let hashed = groups("hashed.csv");
    assert!(hashed[0] == hashed[1] && hashed[0] != hashed[2] && hashed[0].len() == 32);
    assert_eq!(hashed, groups("again.csv"));
    assert_ne!(hashed, groups("other.csv"));
    let text = std::fs::read_to_string(folder.path().join("hashed.csv")).expect("text");
    assert!(!text.contains("PAT-"));
    // One damaged file is named and the rest is listed.
    let own = folder.path().join("own");
    std::fs::create_dir(&own).expect("a folder");
    for name in ["a.dcm", "b.dcm"] {
        std::fs::copy(trees().join("own").join(name), own.join(name)).expect("a copy");
    }
    let whole = std::fs::read(own.join("b.dcm")).expect("bytes");
    std::fs::write(own.join("b.dcm"), &whole[..whole.len() / 4]).expect("written");
    let arguments = ["scan", "own", "--label", "real", "--output", "cut.parquet"];
    let (_, stderr) = code(folder.path(), 2, &arguments);
    assert!(stderr.contains("b.dcm"), "{stderr}");
    let bytes = std::fs::read(folder.path().join("cut.parquet")).expect("a manifest");
    assert!(bytes.starts_with(b"PAR1"));
}

/// Smooth pictures, each of its own; the numbers listed in `like` repeat an earlier one.
fn pictures(folder: &Path, count: u32, like: &[(u32, u32)]) {
    for index in 0..count {
        let seed = like
            .iter()
            .find(|(i, _)| *i == index)
            .map_or(index, |(_, j)| *j);
        let pixel = |x: u32, y: u32| {
            let mut sum = 0.0_f32;
            for blob in 0..12_u32 {
                let hash = (seed * 97 + blob * 13 + 5).wrapping_mul(2_654_435_761);
                let (bx, by) = ((hash >> 8) % 96, (hash >> 16) % 96);
                let far = ((x as f32 - bx as f32).powi(2) + (y as f32 - by as f32).powi(2)) / 60.0;
                sum += (-far).exp() * if hash >> 31 == 0 { 1.0 } else { -1.0 };
            }
            // A copy differs in contrast.
            let gain = if seed == index { 90.0 } else { 70.0 };
            image::Luma([(128.0 + gain * sum).clamp(0.0, 255.0) as u8])
        };
        image::GrayImage::from_fn(96, 96, pixel)
            .save(folder.join(format!("{index}.png")))
            .expect("a picture");
    }
}

#[test]
fn splits_are_written_checked_and_leaks_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    pictures(folder, 40, &[(30, 2)]);
    let mut text = String::from("path,label,generator,source,group,modality,note\n");
    for i in 0..40 {
        let source = ["a", "b"][i % 2];
        text += &match i % 4 {
            3 => format!("{i}.png,synthetic,gan,{source},p{},CT,n{i}\n", i / 4),
            _ => format!("{i}.png,real,,{source},p{},CT,n{i}\n", i / 4),
        };
    }
    std::fs::write(folder.join("m.csv"), &text).expect("a manifest");
    let (table, stderr) = code(
        folder,
        0,
        &[
            "split",
            "m.csv",
            "--output",
            "s.csv",
            "--trained-on",
            "gan=none",
            "--test",
            "0.3",
        ],
    );
    assert!(table.contains("family") && table.contains("gan"), "{table}");
    assert!(stderr.contains("2 groups are kept together"), "{stderr}");
    let rows = read(&folder.join("s.csv"));
    assert_eq!(rows.len(), 40);
    assert_eq!(rows[2]["split"], rows[30]["split"]);
    assert_eq!(rows[17]["note"], "n17");
    for chunk in rows.chunks(4) {
        assert!(chunk.iter().all(|r| r["split"] == chunk[0]["split"]));
    }
    assert!(rows.iter().any(|r| r["split"] == "test"));
    code(folder, 0, &["split", "s.csv", "--check"]);

    // A near-duplicate across splits, then a group, then a generator that has seen the test.
    let moved = |edit: &dyn Fn(usize, &str) -> &'static str| {
        let mut text = String::from("path,label,generator,source,group,split\n");
        for (i, r) in rows.iter().enumerate() {
            text += &format!(
                "{},{},{},{},{},{}\n",
                r["path"],
                r["label"],
                r["generator"],
                r["source"],
                r["group"],
                edit(i, &r["group"])
            );
        }
        std::fs::write(folder.join("moved.csv"), text).expect("a manifest");
    };
    let leak = |more: &[&str], word: &str| {
        let mut arguments = vec!["split", "moved.csv", "--check"];
        arguments.extend(more);
        let (_, stderr) = code(folder, 1, &arguments);
        assert!(stderr.contains("leak") && stderr.contains(word), "{stderr}");
    };
    moved(&|_, group| if group == "p7" { "test" } else { "train" });
    leak(&[], "2.png (train) and 30.png (test)");
    code(
        folder,
        0,
        &["split", "moved.csv", "--check", "--skip-near-duplicates"],
    );
    moved(&|i, _| if i == 5 { "test" } else { "train" });
    leak(&["--skip-near-duplicates"], "'p1' in train and test");
    moved(&|_, group| if group == "p9" { "test" } else { "train" });
    leak(&["--trained-on", "gan=group:p9"], "'p9' (test)");
    code(
        folder,
        0,
        &[
            "split",
            "moved.csv",
            "--check",
            "--trained-on",
            "gan=split:train",
        ],
    );
    let (_, stderr) = code(
        folder,
        0,
        &["split", "moved.csv", "--check", "--trained-on", "gan=all"],
    );
    assert!(
        stderr.contains("warning") && stderr.contains("every authentic image"),
        "{stderr}"
    );

    // Hold-outs.
    std::fs::write(folder.join("seen.txt"), "p0\np1\n").expect("a list");
    code(
        folder,
        0,
        &[
            "split",
            "m.csv",
            "--output",
            "h.parquet",
            "--hold-out-family",
            "gan",
            "--hold-out-source",
            "b",
            "--seed",
            "3",
            "--reassign",
        ],
    );
    code(
        folder,
        0,
        &[
            "split",
            "m.csv",
            "--output",
            "t.csv",
            "--trained-on",
            "gan=@seen.txt",
        ],
    );
    let rows = read(&folder.join("t.csv"));
    assert!(rows[..8].iter().all(|r| r["split"] == "train"));
    let usage = |arguments: &[&str], word: &str| {
        let (_, stderr) = code(folder, 2, arguments);
        assert!(stderr.contains(word), "{word} is not in {stderr}");
    };
    usage(
        &[
            "split",
            "m.csv",
            "--output",
            "x.csv",
            "--hold-out-family",
            "vae",
        ],
        "it has gan",
    );
    usage(&["split", "m.csv", "--check"], "no row has a split");
    usage(
        &[
            "split",
            "m.csv",
            "--output",
            "x.csv",
            "--trained-on",
            "gan=some",
        ],
        "'some'",
    );
    usage(&["split", "gone.csv", "--check"], "gone.csv");
    assert!(!folder.join("x.csv").exists());
    // An image that cannot be decoded is named; the rest is divided.
    std::fs::write(folder.join("4.png"), "no picture").expect("written");
    usage(&["split", "m.csv", "--output", "y.csv"], "4.png");
    assert!(folder.join("y.csv").exists());
}

/// A manifest of many small pictures.
fn many(folder: &Path, count: u32) {
    let mut text = String::from("path,label,generator,group,note\n");
    for index in 0..count {
        let pixel = |x: u32, y: u32| {
            let hash = (x * 31 + y * 17 + index * 101).wrapping_mul(2_654_435_761);
            image::Luma([(hash >> 24) as u8])
        };
        image::GrayImage::from_fn(96, 96, pixel)
            .save(folder.join(format!("{index}.png")))
            .expect("a picture");
        text += &format!("{index}.png,real,,g{},row {index}\n", index / 2);
    }
    std::fs::write(folder.join("m.csv"), text).expect("a manifest");
}

#[test]
fn a_killed_packing_goes_on_and_ends_as_an_unbroken_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    many(folder, 600);
    let arguments = [
        "pack",
        "m.csv",
        "--output",
        "killed.h5",
        "--shard-images",
        "50",
        "--jobs",
        "2",
    ];
    let mut kills = 0;
    for round in 1..=4 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_veraray-train"))
            .current_dir(folder)
            .arg("data")
            .args(arguments)
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program starts");
        // Killed while a later shard is being written.
        let next = folder.join(format!("killed-{:05}.h5.partial", 2 * round));
        while !next.exists() && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = child.kill();
        if !child.wait().expect("a child").success() {
            kills += 1;
            assert!(!folder.join("killed.h5").exists());
        }
    }
    assert!(
        kills > 0,
        "the program was always done before it could be killed"
    );
    let (_, stderr) = code(folder, 0, &arguments);
    assert!(stderr.contains("packed by an earlier run"), "{stderr}");
    code(
        folder,
        0,
        &[
            "pack",
            "m.csv",
            "--output",
            "whole.h5",
            "--shard-images",
            "50",
        ],
    );
    let (out, _) = code(folder, 0, &["pack", "--check", "killed.h5"]);
    assert!(out.contains("600 images sound, 0 damaged"), "{out}");
    let shards = |stem: &str| {
        let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
            .expect("a folder")
            .flatten()
            .filter_map(|file| {
                let name = file.file_name().into_string().ok()?;
                let number = name.strip_prefix(stem)?.strip_prefix('-')?.to_owned();
                Some((number, std::fs::read(file.path()).expect("bytes")))
            })
            .collect();
        all.sort();
        all
    };
    let (killed, whole) = (shards("killed"), shards("whole"));
    assert_eq!(killed.len(), 12);
    let names = |of: &[(String, Vec<u8>)]| of.iter().map(|s| s.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&killed), names(&whole));
    assert!(killed == whole, "the shards' bytes differ");

    // A damaged pixel is found and the status says so.
    let first = folder.join("killed-00003.h5");
    let mut bytes = std::fs::read(&first).expect("bytes");
    let at = bytes.len() / 3;
    bytes[at..at + 64].fill(0x55);
    std::fs::write(&first, bytes).expect("written");
    code(folder, 2, &["pack", "--check", "killed.h5"]);
    // A picture that cannot be read is named, the others are packed.
    std::fs::write(folder.join("7.png"), "no picture").expect("written");
    let (_, stderr) = code(folder, 2, &["pack", "m.csv", "--output", "most.h5"]);
    assert!(
        stderr.contains("7.png") && stderr.contains("599 images"),
        "{stderr}"
    );
    for (arguments, word) in [
        (&["pack", "m.csv", "--output", "x.csv"][..], ".h5"),
        (&["pack", "gone.csv", "--output", "x.h5"], "gone.csv"),
        (&["pack", "--check", "m.csv"], "m.csv"),
    ] {
        let (_, stderr) = code(folder, 2, arguments);
        assert!(stderr.contains(word), "{word} is not in {stderr}");
    }
}

#[test]
fn training_on_a_pack_is_training_on_its_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let mut text = String::from("path,label,generator,source,group,mask\n");
    for index in 0..24_u32 {
        let grain = |x: u32, y: u32| (x * 73 + y * 19 + index).wrapping_mul(2_654_435_761) >> 27;
        let ramp = |x: u32, y: u32| 40 + (x * (index % 5 + 1) + 2 * y) % 150;
        let inside = |x: u32, y: u32| (16..48).contains(&x) && (16..48).contains(&y);
        let write = |name: String, pixel: &dyn Fn(u32, u32) -> u32| {
            image::GrayImage::from_fn(64, 64, |x, y| image::Luma([pixel(x, y) as u8]))
                .save(folder.join(name))
                .expect("a picture");
        };
        write(format!("r{index}.png"), &|x, y| ramp(x, y) + grain(x, y));
        write(format!("t{index}.png"), &|x, y| {
            ramp(x, y) + if inside(x, y) { 0 } else { grain(x, y) }
        });
        write(format!("m{index}.png"), &|x, y| {
            u32::from(inside(x, y)) * 255
        });
        text += &format!("r{index}.png,real,,site,p{index},\n");
        text += &format!("t{index}.png,tampered,patch,site,p{index},m{index}.png\n");
    }
    std::fs::write(folder.join("m.csv"), text).expect("a manifest");
    std::fs::write(
        folder.join("tiny.toml"),
        "name = 'tiny'\n[data]\nmanifest = 'm.csv'\n\
         [input]\ntile = 64\nmin_side = 32\nmultiple = 32\nviews = ['whole_field']\n\
         resampling = 'lanczos3'\nmax_native_tiles = 1\nmax_frames = 1\n\
         [model]\nspatial = [8, 8, 8, 16]\nfrequency_local = 8\nfrequency_global = 8\nfused = 16\n\
         [split]\nvalidation = 0.25\ntest = 0.25\n\
         [training]\nepochs = 1\npairs_per_epoch = 12\npairs_per_batch = 4\nwarmup_steps = 2\n",
    )
    .expect("a recipe");
    code(
        folder,
        0,
        &["pack", "m.csv", "--output", "p.h5", "--shard-images", "20"],
    );
    // The images themselves are not needed any more.
    let fit = |manifest: &str, runs: &str, memory: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_veraray-train"))
            .current_dir(folder)
            .args(["fit", "tiny.toml", "--device", "cpu"])
            .args(["--manifest", manifest, "--runs", runs, "--memory", memory])
            .output()
            .expect("the program starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let log = std::fs::read_to_string(folder.join(runs).join("tiny/log.jsonl")).expect("a log");
        let mut log: serde_json::Value = serde_json::from_str(log.trim()).expect("JSON");
        let object = log.as_object_mut().expect("an object");
        object.remove("seconds");
        object.remove("tiles_per_second");
        log
    };
    let from_files = fit("m.csv", "files", "1");
    // 96 tiles of 64 by 64 pixels do not fit into half a mebibyte, and nothing fits into none.
    assert_eq!(fit("m.csv", "again", "0.0005"), from_files);
    for index in 0..24 {
        for kind in ["r", "t", "m"] {
            std::fs::remove_file(folder.join(format!("{kind}{index}.png"))).expect("removed");
        }
    }
    assert_eq!(fit("p.h5", "pack", "1"), from_files);
    assert_eq!(fit("p.h5", "streamed", "0"), from_files);
}
