//! Inputs that are broken, hostile or no files at all: each has its record, none harms another.
#![allow(missing_docs)]
#![cfg(unix)]

mod common;

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Bench, names, records, stderr};

/// A PNG whose header claims a size and whose body holds nothing.
fn claimed_png(side: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = side.to_be_bytes().to_vec();
    header.extend(side.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    for (name, body) in [(b"IHDR", &header[..]), (b"IDAT", &[]), (b"IEND", &[])] {
        let chunk = [name, body].concat();
        png.extend((body.len() as u32).to_be_bytes());
        png.extend(&chunk);
        png.extend(crc(&chunk).to_be_bytes());
    }
    png
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// A NIfTI-1 volume of one 80×80 slice of 32-bit floats.
fn nifti(value: impl Fn(usize) -> f32) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    bytes[..4].copy_from_slice(&348_i32.to_le_bytes());
    for (index, dim) in [3_i16, 80, 80, 1, 1, 1, 1, 1].into_iter().enumerate() {
        bytes[40 + 2 * index..42 + 2 * index].copy_from_slice(&dim.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&16_i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&32_i16.to_le_bytes());
    for index in 0..4 {
        bytes[76 + 4 * index..80 + 4 * index].copy_from_slice(&1_f32.to_le_bytes());
    }
    bytes[108..112].copy_from_slice(&352_f32.to_le_bytes());
    bytes[112..116].copy_from_slice(&1_f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend((0..6400).flat_map(|index| value(index).to_le_bytes()));
    bytes
}

#[test]
fn bad_inputs_have_records_and_harm_no_other() {
    let bench = Bench::passing();
    bench.png("good1.png", 96, 96);
    bench.write("empty", b"");
    bench.write("text.dcm", b"this is text, whatever its name");
    let whole = std::fs::read(bench.png("whole.png", 200, 200)).unwrap();
    bench.write("truncated.png", &whole[..whole.len() / 2]);
    bench.write("huge.png", &claimed_png(20_000));
    bench.write("nan.nii", &nifti(|_| f32::NAN));
    bench.write(
        "part.nii",
        &nifti(|i| {
            if i == 7 {
                f32::NAN
            } else {
                (i * 37 % 101) as f32
            }
        }),
    );
    bench.png("one.png", 1, 1);
    bench.write("colour.bmp", b"BM is not among the formats");
    symlink("/nonexistent/file", bench.path("dangling")).unwrap();
    // Reading the start of one's own memory fails for everyone, root included.
    symlink("/proc/self/mem", bench.path("unreadable")).unwrap();
    symlink(bench.input(), bench.path("loop")).unwrap();
    let made = Command::new("mkfifo")
        .arg(bench.path("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    bench.png("zgood2.png", 96, 96);

    let output = bench.run(&["--jobs", "2"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let found = records(&output);
    let said: Vec<(String, String)> = names(&found)
        .into_iter()
        .zip(found.iter().map(|record| match record["status"].as_str() {
            Some("ok") => record["verdict"].as_str().unwrap().to_owned(),
            _ => record["error"]["kind"].as_str().unwrap().to_owned(),
        }))
        .collect();
    let kind = |name: &str| {
        let all: Vec<&str> = said
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, kind)| kind.as_str())
            .collect();
        assert_eq!(all.len(), 1, "{name}: {said:?}");
        all[0]
    };
    assert_eq!(found.len(), 15, "{said:?}");
    for name in ["good1.png", "whole.png", "zgood2.png", "part.nii"] {
        assert_eq!(kind(name), "authentic", "{name}");
    }
    for (name, expected) in [
        ("empty", "empty"),
        ("text.dcm", "unsupported_format"),
        ("colour.bmp", "unsupported_format"),
        ("huge.png", "too_large"),
        ("nan.nii", "abstain"),
        ("one.png", "abstain"),
        ("dangling", "io"),
        ("unreadable", "io"),
        ("loop", "loop"),
        ("pipe", "not_a_file"),
    ] {
        assert_eq!(kind(name), expected, "{name}");
    }
    assert!(
        ["truncated", "corrupt"].contains(&kind("truncated.png")),
        "{said:?}"
    );
    // No number that is none reaches the records.
    assert!(!String::from_utf8_lossy(&output.stdout).contains("NaN"));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn special_files_given_by_name_do_not_block() {
    let bench = Bench::passing();
    let pipe = bench.beside("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let output = bench.scan().arg(&pipe).arg("/dev/zero").output().unwrap();
    let kinds: Vec<_> = records(&output)
        .iter()
        .map(|r| r["error"]["kind"].clone())
        .collect();
    assert_eq!(kinds, ["not_a_file", "not_a_file"]);
}

#[test]
fn names_that_are_no_text_are_scanned() {
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::passing();
    let good = bench.png("good.png", 96, 96);
    let odd = bench
        .input()
        .join(std::ffi::OsStr::from_bytes(b"odd\xff.png"));
    std::fs::copy(good, odd).unwrap();
    let output = bench.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(names(&records(&output)), ["good.png", "odd\u{fffd}.png"]);
}

#[test]
fn a_colour_image_is_not_judged() {
    let bench = Bench::flagging();
    let path = bench.path("colour.png");
    image::RgbImage::from_fn(128, 128, |x, y| {
        image::Rgb([
            common::noise(1, x, y),
            common::noise(2, x, y),
            common::noise(3, x, y),
        ])
    })
    .save_with_format(&path, image::ImageFormat::Png)
    .unwrap();
    let output = bench.run(&[]);
    let record = &records(&output)[0];
    assert_eq!(record["verdict"], "abstain");
    assert!(record["score"].is_null());
    assert!(record["reasons"][0].as_str().unwrap().contains("colour"));
    assert_eq!(output.status.code(), Some(0));
}

/// Largest resident memory of a scan of `files` images, in KiB.
fn peak(bench: &Bench) -> u64 {
    let mut child = bench
        .scan()
        .args(["--jobs", "2", "--quiet"])
        .arg(bench.input())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let start = Instant::now();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(300), "the scan hangs");
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(size.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(3));
    }
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_folder() {
    let bench = Bench::passing();
    let first = bench.png("000.png", 512, 512);
    for index in 1..20 {
        std::fs::copy(&first, bench.path(&format!("{index:03}.png"))).unwrap();
    }
    let few = peak(&bench);
    for index in 20..400 {
        std::fs::copy(&first, bench.path(&format!("{index:03}.png"))).unwrap();
    }
    let many = peak(&bench);
    assert!(
        few > 0 && many < few + 64 * 1024,
        "{few} KiB for 20 files, {many} KiB for 400"
    );
    assert!(many < 512 * 1024, "{many} KiB");
}
