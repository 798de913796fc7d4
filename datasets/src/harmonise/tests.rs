//! Harmonising planted differences.

use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat, Luma};

use super::*;
use crate::audit::{AuditOptions, NullModel, audit, measure_all};
use crate::open;

fn texture(side: u32, salt: u32) -> GrayImage {
    let grain = |x: u32, y: u32| {
        let mixed = x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b) ^ (salt << 7);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
        (mixed ^ (mixed >> 12)) % 32
    };
    let phase = salt as f32;
    GrayImage::from_fn(side, side, |x, y| {
        let (u, v) = (x as f32 / side as f32, y as f32 / side as f32);
        let wave = (9.0 * u + phase).sin() * (7.0 * v + 0.3 * phase).cos();
        Luma([(100.0 + 70.0 * wave) as u8 + grain(x, y) as u8])
    })
}

/// Authentic images as large framed JPEGs, forgeries as small PNGs, some with a mask.
fn planted(folder: &Path) -> PathBuf {
    let mut text = String::from("path,label,generator,source,group,modality,mask,split\n");
    for i in 0..24 {
        let mut wide = GrayImage::new(220, 160);
        image::imageops::overlay(&mut wide, &texture(160, i), 30, 0);
        wide.save_with_format(folder.join(format!("r{i}.jpg")), ImageFormat::Jpeg)
            .unwrap();
        texture(96, 100 + i)
            .save(folder.join(format!("f{i}.png")))
            .unwrap();
        // The mask covers the left half, as does a bright patch in the picture.
        let mut patched = texture(96, 200 + i);
        let mask = GrayImage::from_fn(96, 96, |x, _| Luma([u8::from(x < 48) * 255]));
        for (x, _, pixel) in patched.enumerate_pixels_mut() {
            pixel.0[0] = pixel.0[0] / 4 + if x < 48 { 200 } else { 0 };
        }
        patched.save(folder.join(format!("t{i}.png"))).unwrap();
        mask.save(folder.join(format!("m{i}.png"))).unwrap();
        text += &format!("r{i}.jpg,real,,site,r{i},xray,,test\n");
        text += &format!("f{i}.png,synthetic,gan,lab,f{i},xray,,train\n");
        text += &format!("t{i}.png,tampered,patch,lab,t{i},xray,m{i}.png,\n");
    }
    let path = folder.join("manifest.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn run(manifest: &Path, output: &Path) -> Harmonised {
    let read = Manifest::read(manifest).unwrap();
    let entries: Vec<&Entry> = read.entries.iter().collect();
    let options = HarmoniseOptions::default();
    harmonise(manifest, &read, &entries, output, &options, &|_| ()).unwrap()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = ["images", "masks", "."]
        .iter()
        .flat_map(|part| std::fs::read_dir(folder.join(part)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("harmonise.txt"))
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn planted_differences_vanish_and_labels_masks_and_originals_stay() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = planted(folder.path());
    let before = std::fs::read(folder.path().join("r0.jpg")).unwrap();
    let shortcuts = [
        NullModel::Dimensions,
        NullModel::Format,
        NullModel::Compression,
        // Not the grey levels in use: white grain loses more of them to the larger reduction.
        NullModel::Metadata,
        NullModel::FileSize,
    ];
    let leaks = |manifest: &Path| -> Vec<NullModel> {
        let read = Manifest::read(manifest).unwrap();
        // The patches are cruder than any forger: half white, half dark.
        let entries = read
            .entries
            .iter()
            .filter(|entry| entry.generator != "patch");
        let entries: Vec<&Entry> = entries.collect();
        let measured = measure_all(&entries, &|_| None, &|| ());
        let measured: Vec<_> = measured.into_iter().map(Result::unwrap).collect();
        let audit = audit(&entries, &measured, &AuditOptions::default());
        let of = |model: &NullModel| {
            let worst = audit.worst_of(*model);
            worst
                .filter(|row| row.leak)
                .inspect(|row| println!("{}", row.line()))
                .is_some()
        };
        shortcuts.into_iter().filter(of).collect()
    };
    let found = leaks(&manifest);
    assert!(found.contains(&NullModel::Dimensions) && found.contains(&NullModel::Format));
    let output = folder.path().join("out");
    let done = run(&manifest, &output);
    assert_eq!((done.images, done.resumed), ([24, 48], 0));
    assert!(done.skipped.is_empty(), "{:?}", done.skipped);
    assert_eq!(leaks(&done.manifest), []);
    assert_eq!(std::fs::read(folder.path().join("r0.jpg")).unwrap(), before);

    let old = Manifest::read(&manifest).unwrap();
    let new = Manifest::read(&done.manifest).unwrap();
    for (old, new) in old.entries.iter().zip(&new.entries) {
        assert_eq!(
            (
                old.label,
                &old.generator,
                &old.source,
                &old.group,
                old.split
            ),
            (
                new.label,
                &new.generator,
                &new.source,
                &new.group,
                new.split
            )
        );
        assert_eq!(old.mask.is_some(), new.mask.is_some());
        let Some(mask) = &new.mask else { continue };
        let grey = |path: &Path| {
            open(path, &Default::default())
                .unwrap()
                .frame(0)
                .unwrap()
                .to_gray()
        };
        let (picture, mask) = (grey(&new.path), grey(mask));
        assert_eq!((picture.rows, picture.columns), (mask.rows, mask.columns));
        // The steepest fall from left to right lies where the mask ends.
        let fall = |image: &crate::GrayImage| {
            let column =
                |x: usize| -> f32 { image.pixels.iter().skip(x).step_by(image.columns).sum() };
            let drop = |x: &usize| column(*x) - column(*x + 2);
            (0..image.columns - 2)
                .max_by(|a, b| drop(a).total_cmp(&drop(b)))
                .unwrap()
        };
        assert!(fall(&picture).abs_diff(fall(&mask)) <= 1);
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_resumed_or_again() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = planted(folder.path());
    let [one, two, again] = ["one", "two", "again"].map(|name| folder.path().join(name));
    let done = run(&manifest, &one);
    run(&manifest, &two);
    assert_eq!(files(&one), files(&two));
    // An interrupted run: some files are gone, and a half-written one is left.
    let gone = std::fs::read_dir(two.join("images")).unwrap().take(10);
    for path in gone {
        std::fs::remove_file(path.unwrap().path()).unwrap();
    }
    std::fs::remove_file(two.join("manifest.csv")).unwrap();
    assert_eq!(run(&manifest, &two).resumed, 62);
    assert_eq!(files(&one), files(&two));
    // What is harmonised stays as it is.
    run(&done.manifest, &again);
    assert_eq!(files(&one), files(&again));
    // Another manifest does not go into the same folder.
    let read = Manifest::read(&manifest).unwrap();
    let entries: Vec<&Entry> = read.entries.iter().collect();
    let options = HarmoniseOptions {
        seed: 3,
        ..Default::default()
    };
    let error = harmonise(&manifest, &read, &entries, &one, &options, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("--output"), "{error}");
}

#[test]
fn a_bad_file_is_listed_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = planted(folder.path());
    std::fs::write(folder.path().join("f3.png"), b"no image").unwrap();
    std::fs::remove_file(folder.path().join("r5.jpg")).unwrap();
    let done = run(&manifest, &folder.path().join("out"));
    assert_eq!(done.images, [23, 47]);
    assert_eq!(done.skipped.len(), 2);
    assert!(done.skipped.iter().any(|(name, _)| name == "f3.png"));
}
