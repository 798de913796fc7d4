//! Packs against h5py, both ways, and against what the images themselves give.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{pydicom_folder, python};
use veraray_datasets::{
    Manifest, OpenOptions, Pack, PackError, PackOptions, Packed, Watch, open, pack,
};

fn h5py(what: &str, path: &Path) -> Value {
    let output = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pack.py"))
        .arg(what)
        .arg(path)
        .output()
        .expect("python starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Eight-bit, sixteen-bit and colour pictures of two sizes, DICOM with rescale, tables and several
/// frames; one with a mask, one that cannot be read.
fn manifest(folder: &Path) -> PathBuf {
    let mut text = String::from("path,label,generator,group,mask,note\n");
    for index in 0..5_u8 {
        let size = if index % 2 == 0 { (20, 12) } else { (9, 17) };
        image::GrayImage::from_fn(size.0, size.1, |x, y| {
            image::Luma([(x * 7 + y * 3) as u8 ^ index])
        })
        .save(folder.join(format!("{index}.png")))
        .expect("a picture");
        text += &format!("{index}.png,real,,g{index},,\"ä, {index}\"\n");
    }
    image::ImageBuffer::<image::Luma<u16>, _>::from_fn(20, 12, |x, y| {
        image::Luma([(x * 3000 + y) as u16])
    })
    .save(folder.join("deep.png"))
    .expect("a picture");
    image::RgbImage::from_fn(20, 12, |x, y| image::Rgb([x as u8, y as u8, 200]))
        .save(folder.join("colour.png"))
        .expect("a picture");
    image::GrayImage::from_fn(20, 12, |x, _| image::Luma([u8::from(x > 9) * 255]))
        .save(folder.join("mask.png"))
        .expect("a picture");
    std::fs::write(folder.join("broken.png"), b"\x89PNG\r\n\x1a\nnothing").expect("written");
    text += "deep.png,real,,,,\nbroken.png,real,,,,\ncolour.png,real,,,,\n";
    text += "0.png,tampered,brush,g0,mask.png,\n";
    for name in [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "liver_1frame.dcm",
        "rtdose.dcm",
    ] {
        std::fs::copy(pydicom_folder().join(name), folder.join(name)).expect("pydicom's file");
        text += &format!("{name},real,,,,\n");
    }
    h5py("table", &folder.join("table.dcm"));
    text += "table.dcm,real,,,,\n";
    let path = folder.join("manifest.csv");
    std::fs::write(&path, text).expect("a manifest");
    path
}

fn packed(manifest: &Path, options: &PackOptions) -> Packed {
    pack(manifest, options, Watch::NOBODY).unwrap_or_else(|e| panic!("{e}"))
}

/// Every frame of a pack equals what the file gives, its display included.
fn assert_equal(pack_path: &Path, manifest: &Path) -> usize {
    let pack = Pack::open(pack_path).unwrap_or_else(|e| panic!("{e}"));
    let entries = Manifest::read(manifest).expect("a manifest").entries;
    let readable = entries.iter().filter(|e| !e.name.contains("broken"));
    let mut frames = 0;
    for (image, entry) in pack.images().iter().zip(readable) {
        assert_eq!(image.entry.name, entry.name);
        assert_eq!(image.entry.group, entry.group);
        let mut file = open(&entry.path, &OpenOptions::default()).expect("an image");
        assert_eq!(image.frames(), file.info().frames, "{}", entry.name);
        for index in 0..image.frames() {
            let ours = pack.frame(image, index).unwrap_or_else(|e| panic!("{e}"));
            let theirs = file.frame(index).expect("a frame");
            assert_eq!(ours.values, theirs.values, "{}", entry.name);
            assert_eq!(ours.display, theirs.display, "{}", entry.name);
            assert_eq!((ours.rows, ours.channels), (theirs.rows, theirs.channels));
            let mask = pack.mask(image, index).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(mask.is_some(), entry.mask.is_some());
            if let (Some(mask), Some(path)) = (mask, &entry.mask) {
                let theirs = open(path, &OpenOptions::default())
                    .and_then(|mut mask| mask.frame(0))
                    .expect("a mask");
                assert_eq!(mask.to_gray(), theirs.to_gray());
            }
            frames += 1;
        }
        assert!(pack.frame(image, image.frames()).is_err());
    }
    frames
}

#[test]
fn packs_hold_what_the_files_give_and_h5py_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = manifest(folder.path());
    let one = PackOptions::new(folder.path().join("one.h5"));
    let report = packed(&manifest, &one);
    assert_eq!((report.entries, report.shards), (15, 1));
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].0.contains("broken"));
    let frames = assert_equal(&one.output, &manifest);
    assert_eq!(frames as u64, report.images);

    let rows = h5py("dump", &one.output);
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), frames);
    assert_eq!(rows[3]["note"], "ä, 3");
    let pack = Pack::open(&one.output).expect("a pack");
    let mut at = 0;
    for image in pack.images() {
        for index in 0..image.frames() {
            let row = &rows[at];
            let ours = pack.frame(image, index).expect("a frame");
            let theirs: Vec<f64> = serde_json::from_value(row["pixels"].clone()).expect("numbers");
            assert_eq!(row["path"], image.entry.name.as_str());
            assert_eq!(row["frame"], index);
            assert!(
                ours.values
                    .iter()
                    .map(|v| f64::from(*v))
                    .eq(theirs.iter().copied()),
                "{}",
                image.entry.name
            );
            assert_eq!(row["mask"].is_null(), image.entry.mask.is_none());
            at += 1;
        }
    }
    let kind = |name: &str| {
        let row = rows.iter().find(|row| row["path"] == name);
        row.expect("a row")["dtype"].as_str().unwrap_or_default()
    };
    assert_eq!(kind("0.png"), "uint8");
    assert_eq!(kind("deep.png"), "uint16");
    assert_eq!(kind("CT_small.dcm"), "int16");
    let table = rows.iter().find(|row| row["path"] == "table.dcm");
    assert_eq!(table.expect("a row")["voi"], "lut");

    // In shards: the same content, through the index and as a folder.
    let shards = folder.path().join("shards");
    std::fs::create_dir(&shards).expect("a folder");
    let mut many = PackOptions::new(shards.join("many.h5"));
    many.shard_images = 4;
    many.threads = 3;
    let report = packed(&manifest, &many);
    assert!(report.shards > 3, "{report:?}");
    for path in [&many.output, &shards] {
        assert_eq!(assert_equal(path, &manifest), frames);
        assert_eq!(Pack::open(path).expect("a pack").sha256(), pack.sha256());
    }
    assert_eq!(
        h5py("dump", &many.output).as_array().map(Vec::len),
        Some(frames)
    );

    // A shard that is missing or of another pack is noticed.
    std::fs::remove_file(shards.join("many-00001.h5")).expect("removed");
    for path in [&many.output, &shards] {
        let message = Pack::open(path).unwrap_err().to_string();
        assert!(message.contains("many-0000"), "{message}");
    }
    // And made again.
    let again = packed(&manifest, &many);
    assert_eq!(again.images, report.images);
    assert_eq!(assert_equal(&many.output, &manifest), frames);
}

#[test]
fn packs_that_h5py_wrote_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theirs.h5");
    let expected: Vec<Vec<f32>> = serde_json::from_value(h5py("write", &path)).expect("numbers");
    let pack = Pack::open(&path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(pack.images().len(), 5);
    for (image, values) in pack.images().iter().zip(&expected) {
        let frame = pack.frame(image, 0).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(frame.values, *values);
        assert!(frame.to_gray().pixels.iter().any(|v| *v > 0.5));
    }
    assert_eq!(pack.images()[1].entry.generator, "brush");
    let mask = pack.mask(&pack.images()[1], 0).expect("a mask");
    assert!(mask.is_some_and(|mask| mask.values.contains(&255.0)));
}

#[test]
fn damage_and_strangers_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::from("path,label\n");
    for index in 0..6_u32 {
        image::GrayImage::from_fn(64, 64, |x, y| {
            image::Luma([((x * 31 + y * 17 + index).wrapping_mul(2_654_435_761) >> 24) as u8])
        })
        .save(folder.path().join(format!("{index}.png")))
        .expect("a picture");
        text += &format!("{index}.png,real\n");
    }
    let manifest = folder.path().join("m.csv");
    std::fs::write(&manifest, text).expect("a manifest");
    let options = PackOptions::new(folder.path().join("p.h5"));
    packed(&manifest, &options);
    let whole = std::fs::read(&options.output).expect("bytes");
    let copy = folder.path().join("copy.h5");
    let read_all = |path: &Path| -> Result<(), PackError> {
        let pack = Pack::open(path)?;
        for image in pack.images() {
            pack.frame(image, 0)?;
        }
        Ok(())
    };
    std::fs::write(&copy, &whole).expect("written");
    read_all(&copy).expect("sound");
    // Pixels are the bulk of the file: a changed byte among them must not pass.
    let (mut noticed, mut tried) = (0, 0);
    for at in (whole.len() / 10..whole.len() / 2).step_by(311) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&copy, &bytes).expect("written");
        tried += 1;
        noticed += usize::from(read_all(&copy).is_err());
    }
    assert!(noticed * 10 > tried * 8, "{noticed} of {tried}");
    for cut in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        std::fs::write(&copy, &whole[..cut]).expect("written");
        assert!(read_all(&copy).is_err(), "cut at {cut}");
    }
    // Another manifest does not overwrite this pack, nor does any replace what is no pack.
    let other = folder.path().join("other.csv");
    std::fs::write(&other, "path,label\n0.png,real\n").expect("a manifest");
    let refused = pack(&other, &options, Watch::NOBODY).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    let mut force = options.clone();
    force.force = true;
    assert_eq!(packed(&other, &force).images, 1);
    std::fs::write(&options.output, "mine").expect("written");
    assert!(pack(&other, &force, Watch::NOBODY).is_err());
    assert_eq!(std::fs::read(&options.output).expect("bytes"), b"mine");
}
