//! How often different patients are called the same, and copies are not, on real images.
//! Prints the figures of `benches/results/near_duplicates.txt`.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use veraray_datasets::{
    Entry, Fingerprint, GrayImage, Manifest, OpenOptions, Similarity, near_duplicates, open,
    open_bytes,
};

fn shared() -> PathBuf {
    std::env::var_os("VERARAY_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    )
}

fn picture(path: &Path) -> GrayImage {
    let mut image = open(path, &OpenOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let middle = image.info().frames / 2;
    image
        .frame(middle)
        .unwrap_or_else(|e| panic!("{e}"))
        .to_gray()
}

/// The patient, where the manifest's group is finer than that.
fn patient(entry: &Entry) -> String {
    if entry.source == "sunnybrook" {
        // sunnybrook-SC-HF-I-11-IM-0001-0130.dcm.png
        return entry
            .group
            .split("-IM-")
            .next()
            .unwrap_or_default()
            .to_owned();
    }
    entry.group.clone()
}

fn eight_bit(picture: &GrayImage) -> image::GrayImage {
    let bytes = picture
        .pixels
        .iter()
        .map(|v| (v * 255.0).round() as u8)
        .collect();
    image::GrayImage::from_raw(picture.columns as u32, picture.rows as u32, bytes).expect("a size")
}

fn gray(picture: &image::GrayImage) -> GrayImage {
    GrayImage {
        rows: picture.height() as usize,
        columns: picture.width() as usize,
        pixels: picture
            .as_raw()
            .iter()
            .map(|&v| f32::from(v) / 255.0)
            .collect(),
    }
}

/// What happens to images on their way.
fn copies(original: &GrayImage) -> Vec<(&'static str, GrayImage)> {
    use image::imageops::{FilterType, blur, crop_imm, resize};

    let picture = eight_bit(original);
    let (width, height) = picture.dimensions();
    let jpeg = |quality| {
        let mut bytes = Cursor::new(Vec::new());
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode_image(&picture)
            .expect("JPEG");
        open_bytes(
            Path::new("x.jpg"),
            bytes.into_inner(),
            &OpenOptions::default(),
        )
        .and_then(|mut image| image.frame(0))
        .expect("JPEG")
        .to_gray()
    };
    let toned = |tone: &dyn Fn(f32) -> f32| GrayImage {
        pixels: original.pixels.iter().map(|&v| tone(v)).collect(),
        ..original.clone()
    };
    let border = |share: f64| (f64::from(width.min(height)) * share).round() as u32;
    let cropped = |share: f64| {
        let b = border(share);
        gray(&crop_imm(&picture, b, b, width - 2 * b, height - 2 * b).to_image())
    };
    let half = resize(&picture, width / 2, height / 2, FilterType::Lanczos3);
    let other = resize(
        &picture,
        width * 3 / 4,
        height * 3 / 4,
        FilterType::Triangle,
    );
    vec![
        ("JPEG 50", jpeg(50)),
        ("JPEG 20", jpeg(20)),
        ("half size", gray(&half)),
        ("three quarters", gray(&other)),
        ("blur 1.5", gray(&blur(&picture, 1.5))),
        ("gamma 1.5", toned(&|v| v.powf(1.5))),
        ("inverted", toned(&|v| 1.0 - v)),
        (
            "window 24-78 %",
            toned(&|v| ((v - 0.24) / 0.54).clamp(0.0, 1.0)),
        ),
        ("crop 1 %", cropped(0.01)),
        ("crop 2 %", cropped(0.02)),
    ]
}

fn quantile(values: &mut [f32], share: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    values[(share * (values.len() - 1) as f64).round() as usize]
}

#[test]
fn patients_are_told_apart_and_copies_recognised() {
    let manifest = shared().join("manifest.csv");
    if !manifest.is_file() {
        println!(
            "SKIPPED: {} does not exist; set VERARAY_SHARED_DATA",
            manifest.display()
        );
        return;
    }
    // Sources whose groups are patients or volumes, or can be made so.
    let sources = [
        "nih",
        "kermany",
        "kermany_test",
        "covid_cxnet",
        "openms",
        "fnndsc",
        "sunnybrook",
    ];
    let entries: Vec<Entry> = Manifest::read(&manifest)
        .expect("a manifest")
        .entries
        .into_iter()
        .filter(|e| !e.label.is_manipulated() && sources.contains(&e.source.as_str()))
        .collect();
    let pictures: Vec<GrayImage> = entries.iter().map(|e| picture(&e.path)).collect();
    let prints: Vec<Option<Fingerprint>> = pictures.iter().map(Fingerprint::of).collect();
    let patients: Vec<String> = entries.iter().map(patient).collect();
    let similarity = Similarity::default();

    println!("pairs of different patients, within a source:");
    println!("source          pairs  hash<=8  hash<=12  hash<=16  and r>=0.85  largest r");
    let mut films = 0;
    for source in sources {
        let of: Vec<usize> = (0..entries.len())
            .filter(|&i| entries[i].source == source && prints[i].is_some())
            .collect();
        let (mut pairs, mut close, mut same, mut top) = (0, [0; 3], 0, 0.0_f32);
        for (at, &a) in of.iter().enumerate() {
            for &b in of[at + 1..].iter().filter(|&&b| patients[a] != patients[b]) {
                let (Some(x), Some(y)) = (&prints[a], &prints[b]) else {
                    continue;
                };
                let distance = x.distance(y).min(64 - x.distance(y));
                let correlation = x.correlation(y).abs();
                pairs += 1;
                for (count, limit) in close.iter_mut().zip([8, 12, 16]) {
                    *count += usize::from(distance <= limit);
                }
                top = top.max(correlation);
                let both = distance <= similarity.max_distance
                    && correlation >= similarity.min_correlation;
                same += usize::from(both);
            }
        }
        println!(
            "{source:<13} {pairs:>7} {:>8} {:>9} {:>9} {same:>12} {top:>10.3}",
            close[0], close[1], close[2]
        );
        if ["nih", "kermany", "kermany_test", "covid_cxnet"].contains(&source) {
            films += same;
        }
    }
    assert_eq!(
        films, 0,
        "chest films of different patients are called the same"
    );

    let mut found: BTreeMap<&str, (usize, Vec<f32>, Vec<f32>)> = BTreeMap::new();
    for index in (0..entries.len()).step_by(41) {
        let Some(print) = &prints[index] else {
            continue;
        };
        for (name, copy) in copies(&pictures[index]) {
            let (hits, distances, correlations) = found.entry(name).or_default();
            let Some(copy) = Fingerprint::of(&copy) else {
                continue;
            };
            let distance = print.distance(&copy);
            distances.push(distance.min(64 - distance) as f32);
            correlations.push(print.correlation(&copy).abs());
            let pair = [Some(print.clone()), Some(copy)];
            *hits += near_duplicates(&pair, &similarity, |_, _| true).len();
        }
    }
    println!("\ncopies: share found; hash distance, median and 99 %; correlation, median and 1 %");
    for (name, (hits, mut distances, mut correlations)) in found {
        let share = hits as f64 / distances.len() as f64;
        println!(
            "{name:<15} {:>6.1} %   {:>4.0} {:>4.0}   {:.3} {:.3}",
            100.0 * share,
            quantile(&mut distances, 0.5),
            quantile(&mut distances, 0.99),
            quantile(&mut correlations, 0.5),
            quantile(&mut correlations, 0.01),
        );
        if !name.starts_with("crop") && !name.starts_with("window") {
            assert!(share > 0.98, "{name}: {share}");
        }
    }

    // The manifest as it lies: which of its groups hold the same picture?
    let near = near_duplicates(&prints, &similarity, |a, b| {
        entries[a].unit() != entries[b].unit()
    });
    println!("\nnear-duplicates under different groups: {}", near.len());
    for pair in near.iter().take(20) {
        println!(
            "{:.3}  {}  {}",
            pair.correlation, entries[pair.first].group, entries[pair.second].group
        );
    }
}
