//! What reading a folder promises.

use super::*;
use crate::collection::Rule;

#[test]
fn the_keyed_hash_is_hmac() {
    // RFC 4231, test case 2, truncated.
    assert_eq!(
        keyed("Jefe", "what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c7"
    );
}

fn rule(glob: &str, columns: &[(&str, &str)]) -> Rule {
    Rule {
        glob: glob.into(),
        columns: columns
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..Rule::default()
    }
}

fn collection(rules: Vec<Rule>) -> Collection {
    Collection {
        rules,
        ..Collection::default()
    }
}

#[test]
fn rules_give_columns_and_bad_files_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["real", "fake/gan", "masks"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    let picture = |name: &str, level: u8| {
        image::GrayImage::from_pixel(8, 8, image::Luma([level]))
            .save(root.join(name))
            .unwrap();
    };
    picture("real/p1_0.png", 10);
    picture("real/p1_1.png", 20);
    picture("fake/gan/p1_0.png", 30);
    picture("fake/gan/p2_0.png", 40);
    picture("masks/p1_0.png", 255);
    picture("masks/p2_0.png", 0);
    std::fs::write(root.join("real/readme.txt"), "hello").unwrap();
    let whole = std::fs::read(root.join("real/p1_0.png")).unwrap();
    std::fs::write(root.join("real/cut.png"), &whole[..20]).unwrap();
    let mut fakes = rule(
        "fake/*/*_*.png",
        &[
            ("label", "tampered"),
            ("generator", "{1}"),
            ("group", "{2}"),
            ("mask", "masks/{stem}.png"),
            ("seed", "{3}"),
        ],
    );
    fakes.empty_mask = Some("real".into());
    let rules = vec![
        rule("real/**", &[("label", "real"), ("source", "here")]),
        rule("real/*_*.png", &[("group", "{1}")]),
        fakes,
        rule("masks/*", &[("label", "real")]),
    ];
    let options = ScanOptions {
        root,
        relative_to: root,
        patients: PatientGroups::Plain,
    };
    let scanned = scan_folder(&collection(rules), &options, Watch::NOBODY).unwrap();
    let table = &scanned.table;
    let cells = |row: usize| {
        ["path", "label", "generator", "group", "mask", "seed"].map(|c| table.cell(row, c))
    };
    assert_eq!(table.rows.len(), 4, "{table:?}");
    assert_eq!(
        cells(0),
        [
            "fake/gan/p1_0.png",
            "tampered",
            "gan",
            "p1",
            "masks/p1_0.png",
            "0"
        ]
    );
    assert_eq!(cells(1), ["fake/gan/p2_0.png", "real", "", "p2", "", "0"]);
    assert_eq!(cells(2)[3], "p1");
    assert_eq!(table.cell(0, "sha256").len(), 64);
    assert_eq!(scanned.failed.len(), 1, "{:?}", scanned.failed);
    assert!(scanned.failed[0].0.ends_with("real/cut.png"));
    assert_eq!(scanned.skipped["mask of another image"], 2);
    assert_eq!(scanned.skipped["no image format that is read"], 1);
}

#[test]
fn wrong_rules_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let options = ScanOptions {
        root: folder.path(),
        relative_to: folder.path(),
        patients: PatientGroups::Plain,
    };
    for (columns, expected) in [
        (("group", "{2}"), "{2}"),
        (("group", "{colour}"), "{colour}"),
        (("Group", "x"), "'Group'"),
        (("sha256", "x"), "'sha256'"),
    ] {
        let wrong = collection(vec![rule("*.png", &[columns])]);
        let error = scan_folder(&wrong, &options, Watch::NOBODY).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
