//! Untouched images from many sources, where the project's shared folder is at hand.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use veraray_datasets::{OpenOptions, open};

fn shared() -> PathBuf {
    std::env::var_os("VERARAY_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    )
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn native_images_open_and_show() {
    let native = shared().join("native");
    if !native.is_dir() {
        println!(
            "SKIPPED: {} does not exist; set VERARAY_SHARED_DATA",
            native.display()
        );
        return;
    }
    let mut files = Vec::new();
    collect(&native, &mut files);
    files.sort();
    let mut counts = BTreeMap::new();
    for path in &files {
        let mut image = open(path, &OpenOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        let frame = image
            .frame(image.info().frames / 2)
            .unwrap_or_else(|e| panic!("{e}"));
        image.frame(0).unwrap_or_else(|e| panic!("{e}"));
        let gray = frame.to_gray();
        assert_eq!(gray.pixels.len(), gray.rows * gray.columns);
        assert!(
            gray.pixels.iter().all(|v| (0.0..=1.0).contains(v)),
            "{}",
            path.display()
        );
        let (low, high) = gray
            .pixels
            .iter()
            .fold((1.0_f32, 0.0_f32), |(a, b), &v| (a.min(v), b.max(v)));
        assert!(high - low > 0.2, "{} shows {low} to {high}", path.display());
        *counts.entry(image.info().format.name()).or_insert(0) += 1;
    }
    println!("{} files: {counts:?}", files.len());
    assert!(!files.is_empty());
}
