//! Steps of a scan and a whole one: `cargo bench --workspace --bench scan`.
#![allow(missing_docs)] // What the macros define.

use std::hint::black_box;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use clap::Parser as _;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use image::{GrayImage, ImageFormat, Luma};
use veraray_datasets::{OpenOptions, open_bytes};
use veraray_infer::{Cli, ModelId, Record, Region, Verdict, run};
use veraray_model::{InputSpec, Pooling, View};

/// Smooth shapes with noise: compresses about as well as a radiograph.
fn level(x: usize, y: usize, side: usize) -> f64 {
    let [u, v] = [x, y].map(|at| at as f64 / side as f64 - 0.5);
    let noise = (x * 7919 + y * 104_729) % 251;
    0.8 - u * u - 1.4 * v * v + noise as f64 * 2e-4
}

fn png(side: usize) -> Vec<u8> {
    let image = GrayImage::from_fn(side as u32, side as u32, |x, y| {
        Luma([(level(x as usize, y as usize, side) * 255.0) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An uncompressed CT slice of twelve bits.
fn dicom(side: usize) -> Vec<u8> {
    let short = |value: usize| (value as u16).to_le_bytes().to_vec();
    let pixels: Vec<u8> = (0..side * side)
        .flat_map(|at| ((level(at % side, at / side, side) * 2500.0) as u16).to_le_bytes())
        .collect();
    let class = b"1.2.840.10008.5.1.4.1.1.2\0".to_vec();
    let mut meta = Vec::new();
    element(&mut meta, [2, 0x02], *b"UI", &class);
    element(&mut meta, [2, 0x03], *b"UI", b"1.2.3\0");
    element(&mut meta, [2, 0x10], *b"UI", b"1.2.840.10008.1.2.1\0");
    let mut bytes = [vec![0; 128], b"DICM".to_vec()].concat();
    let length = (meta.len() as u32).to_le_bytes();
    element(&mut bytes, [2, 0], *b"UL", &length);
    bytes.append(&mut meta);
    let elements: [([u16; 2], [u8; 2], Vec<u8>); 15] = [
        ([0x08, 0x16], *b"UI", class),
        ([0x08, 0x18], *b"UI", b"1.2.3\0".to_vec()),
        ([0x08, 0x60], *b"CS", b"CT".to_vec()),
        ([0x28, 0x02], *b"US", short(1)),
        ([0x28, 0x04], *b"CS", b"MONOCHROME2 ".to_vec()),
        ([0x28, 0x10], *b"US", short(side)),
        ([0x28, 0x11], *b"US", short(side)),
        ([0x28, 0x100], *b"US", short(16)),
        ([0x28, 0x101], *b"US", short(12)),
        ([0x28, 0x102], *b"US", short(11)),
        ([0x28, 0x103], *b"US", short(0)),
        ([0x28, 0x1050], *b"DS", b"40".to_vec()),
        ([0x28, 0x1051], *b"DS", b"1500".to_vec()),
        ([0x28, 0x1052], *b"DS", b"-1024 ".to_vec()),
        ([0x28, 0x1053], *b"DS", b"1 ".to_vec()),
    ];
    for (tag, kind, value) in elements {
        element(&mut bytes, tag, kind, &value);
    }
    element(&mut bytes, [0x7FE0, 0x10], *b"OW", &pixels);
    bytes
}

/// Appends a data element, explicit VR little endian (PS3.5 section 7.1.2).
fn element(bytes: &mut Vec<u8>, tag: [u16; 2], kind: [u8; 2], value: &[u8]) {
    bytes.extend(tag.into_iter().flat_map(u16::to_le_bytes));
    bytes.extend(kind);
    if kind == *b"OW" {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    bytes.extend(value);
}

/// The default checkpoint's views.
fn spec() -> InputSpec {
    InputSpec {
        min_side: 128,
        views: vec![View::WholeField, View::Native],
        pooling: Pooling::LogMeanExp,
        ..InputSpec::default()
    }
}

/// From bytes to tiles.
fn tiles(name: &str, bytes: &[u8], spec: &InputSpec) -> usize {
    let mut image = open_bytes(Path::new(name), bytes.to_vec(), &OpenOptions::default()).unwrap();
    let gray = image.frame(0).unwrap().to_gray();
    let tiles = spec.tiles(&gray.pixels, gray.rows, gray.columns);
    black_box(tiles.unwrap()).len()
}

fn decode(criterion: &mut Criterion) {
    let spec = spec();
    let mut group = criterion.benchmark_group("decode and cut into tiles");
    for (name, bytes, count) in [
        ("256x256 PNG", png(256), 1),
        ("512x512 DICOM", dicom(512), 5),
        ("1024x1024 PNG", png(1024), 9),
    ] {
        assert_eq!(tiles(name, &bytes, &spec), count, "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| tiles(name, &bytes, &spec)));
    }
    group.finish();
}

/// Everything from reading flags to the written record.
fn scan(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("scan of one file, loading the checkpoint included");
    for (name, bytes) in [("ct.dcm", dicom(512)), ("xray.png", png(1024))] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut runs = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    runs += 1;
                    command(&path, &folder.path().join(format!("{name}.{runs}.jsonl")))
                },
                |cli| run(&cli).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn command(path: &Path, output: &Path) -> Cli {
    let flags = [
        "veraray", "scan", "--quiet", "--device", "cpu", "--jobs", "1", "--output",
    ];
    let flags = flags.map(PathBuf::from);
    Cli::parse_from(flags.iter().map(PathBuf::as_path).chain([output, path]))
}

fn write(criterion: &mut Criterion) {
    let model = ModelId {
        name: "default".into(),
        version: "0.1.0".into(),
        sha256: "0".repeat(64),
    };
    let mut record = Record::blank("archive/patient/series/ct.dcm".into(), &model, "cpu");
    record.sha256 = Some("0".repeat(64));
    record.verdict = Some(Verdict::Tampered);
    record.score = Some(0.912_345_678);
    record.regions = (0..3)
        .map(|frame| Region {
            frame,
            bbox: [16, 32, 48, 64],
            score: 0.75,
            neighbours: 0,
        })
        .collect();
    let mut file = tempfile::tempfile().unwrap();
    criterion.bench_function("write a record", |bencher| {
        bencher.iter(|| {
            let mut line = serde_json::to_vec(&record).unwrap();
            line.push(b'\n');
            file.write_all(&line).unwrap();
        });
    });
}

criterion_group!(benches, decode, scan, write);
criterion_main!(benches);
