//! Drives `veraray-train forge` on images made here and, through pydicom, on DICOM objects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use burn::tensor::{Tensor, TensorData};
use image::{GrayImage, ImageBuffer, Luma};
use sha2::{Digest, Sha256};
use veraray_datasets::{
    Label, Manifest, OpenOptions, TrainingFreeFamily, open, read_png_mark, strip_png_text,
};
use veraray_model::{ComputeDevice, Detector, DetectorConfig, DeviceChoice, InputSpec};

/// A body with two dark organs and grain, on black, in `0..=255`.
fn torso(x: u32, y: u32, side: u32, index: u32) -> u8 {
    let (dx, dy) = (x as f32 / side as f32 - 0.5, y as f32 / side as f32 - 0.5);
    if dx.hypot(dy) > 0.45 {
        return 0;
    }
    let hash = (x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ (index * 83_492_791))
        .wrapping_mul(2_654_435_761);
    let organ = (dx.abs() - 0.2).hypot(dy) < 0.12;
    let shade = if organ { 60.0 } else { 140.0 } + 30.0 * (9.0 * dx + index as f32).sin();
    (shade + (hash >> 28) as f32) as u8
}

/// Ten eight-bit images of five patients, one of sixteen bits, and a broken one.
fn data(folder: &Path) -> PathBuf {
    let mut manifest = String::from("path,label,source,generator,group,modality,licence,set\n");
    for index in 0..10 {
        GrayImage::from_fn(96, 96, |x, y| Luma([torso(x, y, 96, index)]))
            .save(folder.join(format!("r{index}.png")))
            .expect("a picture");
        let set = ["a", "b"][index as usize / 6];
        manifest += &format!("r{index}.png,real,site,,p{},ct,CC0,{set}\n", index / 2);
    }
    let deep = |x, y| u16::from(torso(x, y, 80, 11)) * 200 + (x * 7 % 50) as u16;
    ImageBuffer::<Luma<u16>, _>::from_fn(80, 80, |x, y| Luma([deep(x, y)]))
        .save(folder.join("deep.png"))
        .expect("a picture");
    std::fs::write(folder.join("broken.png"), b"\x89PNG\r\n\x1a\nnothing").expect("a file");
    manifest += "deep.png,real,site,,p9,ct,CC0,c\nbroken.png,real,site,,p8,ct,CC0,c\n";
    manifest += "r0.png,synthetic,site,gan,p7,ct,CC0,c\n";
    let path = folder.join("manifest.csv");
    std::fs::write(&path, manifest).expect("a manifest");
    path
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veraray-train"))
        .current_dir(folder)
        .arg("forge")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// SHA-256 of every file below a folder, by relative path.
fn hashes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let hash = Sha256::digest(std::fs::read(&path).expect("a file")).to_vec();
                let relative = path.strip_prefix(folder).expect("below").to_owned();
                found.insert(relative, hash);
            }
        }
    }
    found
}

/// A column of the manifest that is written, by row.
fn column(manifest: &Path, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(manifest).expect("a manifest");
    let at = reader
        .headers()
        .expect("headers")
        .iter()
        .position(|header| header == name)
        .expect("the column");
    reader
        .records()
        .map(|record| record.expect("a row")[at].to_owned())
        .collect()
}

fn values(path: &Path) -> Vec<f32> {
    open(path, &OpenOptions::default())
        .and_then(|mut image| image.frame(0))
        .expect("an image")
        .values
}

#[test]
fn aligned_forgeries_differ_from_their_originals_inside_the_mask_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    data(folder.path());
    let before = hashes(folder.path());
    let arguments = |output: &'static str| {
        [
            "sample",
            "splice",
            "--data",
            "manifest.csv",
            "--aligned",
            "--split",
            "all",
            "--output",
            output,
        ]
    };
    let output = run(folder.path(), &arguments("out"));
    // The broken image fails, is named, and stops nothing.
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("broken.png"),
        "{}",
        stderr(&output)
    );
    let out = folder.path().join("out");
    let path = out.join("manifest.csv");
    let manifest = Manifest::read(&path).expect("a manifest");
    assert_eq!(manifest.entries.len(), 22);
    let (parents, parameters) = (column(&path, "parent"), column(&path, "parameters"));
    for (index, entry) in manifest.entries.iter().enumerate() {
        let file = std::fs::read(&entry.path).expect("an image");
        let hash: String = Sha256::digest(&file)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(entry.sha256, hash);
        assert_eq!(
            (entry.licence.as_str(), entry.modality.as_str()),
            ("CC0", "ct")
        );
        assert!(entry.split.is_some());
        let mark = read_png_mark(&file).expect("a mark");
        if entry.label == Label::Real {
            assert!(!mark.forged);
            assert_eq!(
                values(&entry.path),
                values(&folder.path().join(&parents[index])),
                "the copy of an original has its pixels"
            );
            continue;
        }
        assert_eq!(
            (entry.label, entry.generator.as_str()),
            (Label::Tampered, "splice")
        );
        assert!(mark.forged && mark.family == "splice");
        assert_eq!(mark.parameters, parameters[index]);
        let parsed: serde_json::Value = serde_json::from_str(&parameters[index]).expect("JSON");
        assert!(parsed["radius_pixels"].is_number(), "{parsed}");
        let original = manifest
            .entries
            .iter()
            .find(|other| other.name == parents[index])
            .expect("the original beside it");
        assert_eq!(
            (&original.group, original.split),
            (&entry.group, entry.split)
        );
        let (old, new) = (values(&original.path), values(&entry.path));
        let mask = values(entry.mask.as_deref().expect("a mask"));
        assert_eq!((old.len(), mask.len()), (new.len(), new.len()));
        let mut changed = 0;
        for ((old, new), mask) in old.iter().zip(&new).zip(&mask) {
            assert!(*mask > 0.0 || old == new, "{}", entry.name);
            changed += usize::from(old != new);
        }
        assert!(changed > 10, "{}: {changed}", entry.name);
    }
    // Equal seeds give equal files; the originals are as they were.
    run(folder.path(), &arguments("again"));
    assert_eq!(hashes(&out), hashes(&folder.path().join("again")));
    let after = hashes(folder.path());
    assert!(
        before
            .iter()
            .all(|(path, hash)| after.get(path) == Some(hash))
    );
}

#[test]
fn every_family_writes_the_number_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    data(folder.path());
    // Without the broken one, so that nothing fails.
    let text = std::fs::read_to_string(folder.path().join("manifest.csv")).expect("text");
    let text = text.replace("broken.png,real,site,,p8,ct,CC0,c\n", "");
    std::fs::write(folder.path().join("manifest.csv"), text).expect("a manifest");
    for family in TrainingFreeFamily::ALL {
        let name = family.as_str();
        let output = run(
            folder.path(),
            &[
                "sample",
                name,
                "--data",
                "manifest.csv",
                "-n",
                "13",
                "--output",
                name,
            ],
        );
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let manifest = Manifest::read(&folder.path().join(name).join("manifest.csv"));
        let entries = manifest.expect("a manifest").entries;
        assert_eq!(entries.len(), 13, "{name}");
        assert!(
            entries
                .iter()
                .all(|e| e.label.is_manipulated() && e.generator == name)
        );
        assert!(
            entries
                .iter()
                .all(|e| e.mask.is_some() == (e.label == Label::Tampered))
        );
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    data(folder.path());
    let failing = |arguments: &[&str], words: &[&str]| {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        for word in words {
            assert!(
                stderr(&output).contains(word),
                "{word}: {}",
                stderr(&output)
            );
        }
    };
    let data = ["--data", "manifest.csv", "-n", "1", "--output"];
    let with = |family: &'static str, output: &'static str| {
        [&["sample", family][..], &data, &[output]].concat()
    };
    failing(&with("stylegan9", "x"), &["stylegan9", "copy_move"]);
    failing(&with("gan", "x"), &["trained family", "--model", "splice"]);
    std::fs::create_dir(folder.path().join("full")).expect("a folder");
    std::fs::write(folder.path().join("full/file"), b"mine").expect("a file");
    failing(&with("splice", "full"), &["full", "not empty"]);
    failing(
        &[
            "sample", "splice", "--data", "none.csv", "-n", "1", "--output", "x",
        ],
        &["none.csv"],
    );
    failing(
        &[
            "sample",
            "splice",
            "--data",
            "manifest.csv",
            "--sets",
            "d",
            "-n",
            "1",
            "--output",
            "x",
        ],
        &["--sets d", "manifest.csv"],
    );
    assert!(!folder.path().join("x").exists());
}

#[test]
fn sets_narrow_the_originals_and_go_with_their_forgeries() {
    let folder = tempfile::tempdir().expect("a folder");
    data(folder.path());
    let arguments = [
        "sample",
        "copy_move",
        "--data",
        "manifest.csv",
        "--sets",
        "b",
        "--split",
        "all",
        "--aligned",
        "--output",
        "out",
    ];
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let manifest = Manifest::read(&folder.path().join("out/manifest.csv")).expect("a manifest");
    assert_eq!(manifest.entries.len(), 8);
    assert!(manifest.entries.iter().all(|entry| entry.set == "b"));
}

/// The logit of a detector with fresh weights.
fn logit(detector: &Detector, device: &ComputeDevice, path: &Path) -> Vec<f32> {
    let mut image = open(path, &OpenOptions::default()).expect("an image");
    let grey = image.frame(0).expect("a frame").to_gray();
    let spec = InputSpec {
        min_side: 64,
        ..InputSpec::default()
    };
    let tiles = spec
        .tiles(&grey.pixels, grey.rows, grey.columns)
        .expect("tiles");
    tiles
        .iter()
        .flat_map(|tile| {
            let shape = [1, 1, tile.pixels.len() / tile.width, tile.width];
            let data = TensorData::new(tile.pixels.clone(), shape);
            let found = detector.forward(Tensor::from_data(data, device.handle()));
            found
                .logits
                .into_data()
                .try_to_vec::<f32>()
                .expect("floats")
        })
        .collect()
}

fn detector() -> (Detector, ComputeDevice) {
    let device = ComputeDevice::select(DeviceChoice::Cpu).expect("a CPU");
    let architecture = DetectorConfig {
        spatial: [4, 4, 8, 8],
        frequency_local: 4,
        noise_level: 0,
        frequency_global: 4,
        fused: 8,
        dropout: 0.0,
        context: false,
    };
    let detector = architecture.init(device.handle()).expect("a detector");
    (detector, device)
}

#[test]
fn a_score_does_not_depend_on_the_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    data(folder.path());
    run(
        folder.path(),
        &[
            "sample",
            "spectral",
            "--data",
            "manifest.csv",
            "-n",
            "6",
            "--output",
            "out",
        ],
    );
    let (detector, device) = detector();
    let entries = Manifest::read(&folder.path().join("out/manifest.csv")).expect("a manifest");
    let mut logits = Vec::new();
    for entry in entries.entries {
        let stripped = folder.path().join("stripped.png");
        let file = std::fs::read(&entry.path).expect("a file");
        assert!(read_png_mark(&file).is_some());
        std::fs::write(&stripped, strip_png_text(&file)).expect("a file");
        let own = logit(&detector, &device, &entry.path);
        assert_eq!(own, logit(&detector, &device, &stripped));
        logits.push(own);
    }
    assert!(
        logits.len() > 1 && logits[0] != logits[1],
        "a score depends on the pixels"
    );
}

/// The Python with pydicom, if there is one.
fn python() -> Option<PathBuf> {
    let given = std::env::var_os("VERARAY_PYTHON").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let python = given.or_else(|| Some(home?.join(".cache/veraray/venv/bin/python")))?;
    let works = Command::new(&python)
        .args(["-c", "import pydicom, numpy"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    works.then_some(python)
}

/// Copies of pydicom's images by several makers and transfer syntaxes, and a manifest of them.
const GATHER: &str = "
import pydicom, pydicom.data, sys
rows = ['path,label,source,generator,group,modality,licence']
for name in ['CT_small.dcm', 'MR_small.dcm', '693_J2KR.dcm', 'JPEG-LL.dcm', 'MR_small_bigendian.dcm']:
    try:
        source = pydicom.data.get_testdata_file(name, download=False)
    except Exception:
        source = None
    if source:
        open(name, 'wb').write(open(source, 'rb').read())
        rows.append(f'{name},real,pydicom,,{name},ct,MIT')
open('manifest.csv', 'w').write('\\n'.join(rows) + '\\n')
";

/// Checks the forgeries against their originals, and writes copies without the marks.
const CHECK: &str = "
import csv, numpy, pydicom, sys
from PIL import Image
checked = 0
rows = list(csv.DictReader(open('out/manifest.csv')))
parents = {r['path']: r for r in rows}
for row in rows:
    path = 'out/' + row['path']
    if row['label'] == 'real' or not path.endswith('.dcm'):
        continue
    new = pydicom.dcmread(path)
    old = pydicom.dcmread(parents[row['parent']]['parent'])
    for name in ['SOPInstanceUID', 'SeriesInstanceUID', 'StudyInstanceUID']:
        assert new[name].value != old[name].value and new[name].value.startswith('2.25.'), name
        assert pydicom.uid.UID(new[name].value).is_valid
    assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
    assert new.SOPClassUID == old.SOPClassUID and new.PatientID != old.PatientID
    assert list(new.ImageType)[:2] == ['DERIVED', 'SECONDARY'], new.ImageType
    assert new.SyntheticData == 'YES' and 'NOT AN AUTHENTIC IMAGE' in new.DerivationDescription
    assert new.ContributingEquipmentSequence[-1].Manufacturer == 'Veraray'
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert new.BitsStored == old.BitsStored and new.PixelRepresentation == old.PixelRepresentation
    assert new.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    a, b = old.pixel_array.astype(int), new.pixel_array.astype(int)
    mask = numpy.asarray(Image.open('out/' + row['mask']))
    assert a.shape == b.shape == mask.shape
    assert (a[mask == 0] == b[mask == 0]).all() and (a != b).sum() > 10, row['path']
    copy = pydicom.dcmread('out/' + row['parent'])
    assert copy.SyntheticData == 'NO' and (copy.pixel_array == old.pixel_array).all()
    for name in ['SyntheticData', 'DerivationDescription', 'ContributingEquipmentSequence',
                 'SourceImageSequence']:
        del new[name]
    new.ImageType = ['ORIGINAL', 'PRIMARY']
    new.save_as(path.replace('.dcm', '.stripped'))
    assert not [e for e in new if e.tag.element == 0], 'group lengths'
    checked += 1
print(checked)
";

#[test]
fn dicom_forgeries_say_what_they_are_and_keep_their_depth() {
    let Some(python) = python() else {
        let required = std::env::var("VERARAY_THIRD_PARTY").is_ok_and(|v| v == "required");
        assert!(!required, "a Python with pydicom is required");
        eprintln!("SKIPPED: no Python with pydicom; set VERARAY_PYTHON");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let script = |text: &str| {
        let output = Command::new(&python)
            .current_dir(folder.path())
            .args(["-c", text])
            .output()
            .expect("python starts");
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    script(GATHER);
    let output = run(
        folder.path(),
        &[
            "sample",
            "copy_move",
            "--data",
            "manifest.csv",
            "--aligned",
            "--split",
            "all",
            "--output",
            "out",
        ],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let checked: usize = script(CHECK).parse().expect("a number");
    assert!(checked >= 3, "{checked} DICOM forgeries");
    let (detector, device) = detector();
    let mut compared = 0;
    for path in hashes(&folder.path().join("out/images")).into_keys() {
        let path = folder.path().join("out/images").join(path);
        let stripped = path.with_extension("stripped");
        if path.extension().is_some_and(|e| e == "dcm") && stripped.exists() {
            assert_eq!(
                logit(&detector, &device, &path),
                logit(&detector, &device, &stripped)
            );
            compared += 1;
        }
        // DCMTK's opinion, where it is installed.
        if path.extension().is_some_and(|e| e == "dcm")
            && let Ok(test) = Command::new("dcmftest").arg(&path).output()
        {
            assert!(test.status.success(), "dcmftest refuses {}", path.display());
        }
    }
    assert_eq!(compared, checked);
}
