//! Drives `add-family` and the refusal of unknown images on a small data set made here.

mod common;

use std::path::Path;

use common::{authentic, json, must, picture, run, status, trained};
use sha2::{Digest, Sha256};
use veraray_model::{Card, Checkpoint, ComputeDevice, DeviceChoice};

/// Ramps with grain where every fourth column is brighter, in a folder `ruled`.
fn examples(folder: &Path, count: u32) {
    let new = folder.join("ruled");
    std::fs::create_dir_all(&new).expect("a folder");
    for index in 0..count {
        picture(&new.join(format!("{index}.png")), |x, y| {
            let ramp = 40 + (x * (index % 5 + 1) + 2 * y) % 150;
            let hash = x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ (index + 900);
            let grain = hash.wrapping_mul(2_654_435_761) >> 27;
            ramp + grain + 20 * u32::from(x % 4 == 0)
        });
    }
}

fn card(path: &Path) -> Card {
    let device = ComputeDevice::select(DeviceChoice::Cpu).expect("a processor");
    let checkpoint = Checkpoint::load(path, device.handle()).expect("a checkpoint");
    checkpoint.card
}

#[test]
fn a_family_is_added_measured_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let parent = trained(folder, 8);
    examples(folder, 32);
    std::fs::create_dir(folder.join("site")).expect("a folder");
    for index in 0..12 {
        let path = folder.join(format!("site/{index}.png"));
        authentic(&path, 500 + index, 5, 1);
    }
    let arguments = [
        "add-family",
        "runs/tiny/checkpoint.vrc",
        "ruled",
        "--modality",
        "CT",
        "--authentic",
        "site",
        "--manifest",
        "manifest.csv",
        "--steps",
        "150",
        "--learning-rate",
        "0.005",
        "--share",
        "0.5",
        "--max-fpr",
        "0.1",
        "--max-forgetting",
        "0.9",
        "--device",
        "cpu",
        "--report",
        "report",
        "--output",
    ];
    let add = |output: &str, more: &[&str]| {
        let mut all = arguments.to_vec();
        all.push(output);
        all.extend(more);
        run(folder, &all)
    };
    let output = add("new.vrc", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("ruled, new"), "{table}");

    let report = json(&folder.join("report/report.json"));
    assert_eq!(report["added"]["examples"], serde_json::json!([24, 8]));
    assert_eq!(report["added"]["authentic"], 12);
    let new = &report["rows"][0];
    assert_eq!(new["family"], "ruled");
    let [before, after] = [0, 1].map(|when| new["clean"]["auroc"][when][0].as_f64().unwrap());
    assert!(
        before < 0.95 && after > 0.9 && after > before,
        "{before} to {after}"
    );
    let families: Vec<&str> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["family"].as_str().unwrap())
        .collect();
    assert!(families.contains(&"smooth") && families.contains(&"patch"));

    // The card names its parent and still knows the old families.
    let sha256: String = Sha256::digest(std::fs::read(&parent).expect("bytes"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let card_of_new = card(&folder.join("new.vrc"));
    let added = &card_of_new.provenance.added;
    assert_eq!(added.len(), 1);
    assert_eq!(added[0].parent, ["tiny".to_owned(), sha256]);
    for family in ["ruled", "smooth", "coarse", "patch"] {
        assert!(card_of_new.families.iter().any(|f| f == family), "{family}");
    }
    assert!(card_of_new.calibration_set.is_some());

    // The same again gives the same bytes; a family that is known is refused.
    assert!(add("again.vrc", &[]).status.success());
    let bytes = |name: &str| std::fs::read(folder.join(name)).ok();
    assert!(bytes("new.vrc") == bytes("again.vrc"));
    let mut twice = arguments.to_vec();
    twice[1] = "new.vrc";
    twice.push("third.vrc");
    assert!(status(folder, 2, &twice).contains("--name"));
    assert!(!folder.join("third.vrc").exists());

    // The new checkpoint is judged as any other.
    must(
        folder,
        &[
            "evaluate",
            "new.vrc",
            "manifest.csv",
            "--device",
            "cpu",
            "--max-fpr",
            "0.1",
        ],
    );

    // Authentic images that look like an old family make it forget that one: the exit status says so,
    // and the report is there.
    std::fs::create_dir(folder.join("flat")).expect("a folder");
    for index in 0..12 {
        authentic(
            &folder.join(format!("flat/{index}.png")),
            500 + index,
            5,
            64,
        );
    }
    let text = {
        let mut wreck = arguments.to_vec();
        for (flag, value) in [
            ("--authentic", "flat"),
            ("--share", "0.9"),
            ("--max-forgetting", "0.02"),
            ("--report", "wrecked"),
        ] {
            let at = wreck.iter().position(|a| *a == flag).expect("a flag");
            wreck[at + 1] = value;
        }
        wreck.push("wrecked.vrc");
        status(folder, 1, &wreck)
    };
    assert!(text.contains("Forgotten"), "{text}");
    let report = json(&folder.join("wrecked/report.json"));
    assert!(!report["forgotten"].as_array().expect("names").is_empty());
}

#[test]
fn what_cannot_be_added_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    trained(folder, 1);
    let add = |examples: &str, more: &[&str]| {
        let mut arguments = vec![
            "add-family",
            "runs/tiny/checkpoint.vrc",
            examples,
            "--manifest",
            "manifest.csv",
            "--device",
            "cpu",
            "--output",
            "new.vrc",
        ];
        arguments.extend(more);
        status(folder, 2, &arguments)
    };
    examples(folder, 4);
    assert!(add("ruled", &["--modality", "ct"]).contains("4 usable examples"));
    examples(folder, 10);
    assert!(add("ruled", &[]).contains("--modality"));
    assert!(add("ruled", &["--modality", "us"]).contains("--authentic"));
    assert!(add("ruled", &["--modality", "ct", "--name", "smooth"]).contains("smooth"));
    assert!(add("manifest.csv", &["--name", "gan"]).contains("coarse"));
    assert!(!folder.join("new.vrc").exists());
}

#[test]
fn calibrate_learns_what_is_known_and_evaluate_says_what_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let parent = trained(folder, 2);
    must(
        folder,
        &[
            "calibrate",
            "runs/tiny/checkpoint.vrc",
            "manifest.csv",
            "--keep-thresholds",
            "--device",
            "cpu",
            "--output",
            "known.vrc",
        ],
    );
    let (old, new) = (card(&parent), card(&folder.join("known.vrc")));
    assert_eq!(old.calibration, new.calibration);
    assert!(new.calibration_set.is_some());
    let known = new.out_of_distribution.expect("a model of known images");
    assert_eq!(known.mean.len(), new.architecture.features());
    assert!(
        known.refused.iter().all(|share| *share < 0.2),
        "{:?}",
        known.refused
    );

    // Hard stripes are like nothing in the data.
    let mut manifest = String::from("path,label,source,generator,group,modality\n");
    for index in 0..6u32 {
        let name = format!("stripes{index}.png");
        picture(&folder.join(&name), |x, _| {
            if x / (2 + index) % 2 == 0 { 0 } else { 255 }
        });
        manifest += &format!("{name},synthetic,site,stripes,q{index},ct\n");
        authentic(&folder.join(format!("a{index}.png")), 700 + index, 0, 1);
        manifest += &format!("a{index}.png,real,site,,q{index},ct\n");
    }
    std::fs::write(folder.join("other.csv"), manifest).expect("a manifest");
    must(
        folder,
        &[
            "evaluate",
            "known.vrc",
            "other.csv",
            "--split",
            "all",
            "--max-fpr",
            "0.1",
            "--device",
            "cpu",
            "--output",
            "report",
        ],
    );
    let report = json(&folder.join("report/report.json"));
    let refused = |name: &str| {
        let rows = report["refusals"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["name"] == name).expect("a row");
        row["refused"][0].as_f64().expect("a share")
    };
    assert!(refused("stripes") > 0.9, "{report}");
    assert!(refused("site") < 0.4, "{report}");
}
