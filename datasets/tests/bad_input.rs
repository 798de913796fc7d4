//! Hostile, damaged and odd files: a typed error or a clear answer, never a panic, bounded memory.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use veraray_datasets::{OpenError, OpenOptions, open, open_bytes, quiet_decoder_panics};

/// Opens and decodes every frame, up to four.
fn read(name: &str, bytes: Vec<u8>) -> Result<u32, OpenError> {
    read_with(name, bytes, &OpenOptions::default())
}

fn read_with(name: &str, bytes: Vec<u8>, options: &OpenOptions) -> Result<u32, OpenError> {
    let mut image = open_bytes(Path::new(name), bytes, options)?;
    let frames = image.info().frames;
    for index in 0..frames.min(4) {
        let frame = image.frame(index)?;
        assert!(frame.values.iter().all(|v| v.is_finite()), "{name}");
        assert!(
            frame
                .to_gray()
                .pixels
                .iter()
                .all(|v| (0.0..=1.0).contains(v)),
            "{name}"
        );
    }
    Ok(frames)
}

fn kind(result: &Result<u32, OpenError>) -> &'static str {
    result.as_ref().map_or_else(OpenError::kind, |_| "ok")
}

/// An explicit VR little endian data set of 16-bit grey with `words` samples, whatever it claims.
fn dicom(rows: u16, columns: u16, frames: &str, words: usize) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0");
    let mut element = |group: u16, number: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend([group.to_le_bytes(), number.to_le_bytes()].concat());
        bytes.extend(vr);
        if vr == b"OW" {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
    };
    element(0x0008, 0x0060, b"CS", b"CT");
    element(0x0028, 0x0002, b"US", &1_u16.to_le_bytes());
    element(0x0028, 0x0004, b"CS", b"MONOCHROME2 ");
    element(0x0028, 0x0008, b"IS", frames.as_bytes());
    element(0x0028, 0x0010, b"US", &rows.to_le_bytes());
    element(0x0028, 0x0011, b"US", &columns.to_le_bytes());
    for (number, value) in [(0x0100, 16_u16), (0x0101, 12), (0x0102, 11), (0x0103, 0)] {
        element(0x0028, number, b"US", &value.to_le_bytes());
    }
    let pixels: Vec<u8> = (0..words)
        .flat_map(|i| ((i * 7 % 4096) as u16).to_le_bytes())
        .collect();
    element(0x7fe0, 0x0010, b"OW", &pixels);
    bytes
}

/// A NIfTI-1 header for bytes of the given size.
fn nifti(dim: [i16; 4]) -> Vec<u8> {
    let mut header = vec![0; 352];
    header[..4].copy_from_slice(&348_i32.to_le_bytes());
    for (axis, size) in [dim[0], dim[1], dim[2], dim[3], 1, 1, 1, 1]
        .iter()
        .enumerate()
    {
        header[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&size.to_le_bytes());
    }
    header[70..72].copy_from_slice(&2_i16.to_le_bytes());
    header[72..74].copy_from_slice(&8_i16.to_le_bytes());
    header[108..112].copy_from_slice(&352_f32.to_le_bytes());
    header[344..348].copy_from_slice(b"n+1\0");
    header
}

fn picture(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::GrayImage::from_fn(width, height, |x, y| {
        image::Luma([(x.wrapping_mul(y).wrapping_mul(2_654_435_761) >> 24) as u8])
    });
    picture.write_to(&mut bytes, format).expect("a picture");
    bytes.into_inner()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    picture(width, height, image::ImageFormat::Png)
}

fn gzip(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(part).expect("memory");
    }
    encoder.finish().expect("memory")
}

/// Peak resident memory of this process in MiB, where the system tells.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .unwrap_or("0 kB");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0)
        / 1024
}

#[test]
fn tiny_files() {
    assert_eq!(kind(&read("empty.dcm", Vec::new())), "empty");
    for byte in 0..=255 {
        assert_eq!(kind(&read("one.dcm", vec![byte])), "unsupported_format");
    }
    let text = b"Patient was seen on Monday.\nNo abnormality.".to_vec();
    let error = read("report.dcm", text).expect_err("text");
    assert_eq!(error.kind(), "unsupported_format");
    assert!(error.to_string().contains("plain text"), "{error}");
    assert_eq!(
        kind(&read(
            "preamble.dcm",
            [vec![0; 128], b"DICM".to_vec()].concat()
        )),
        "no_pixels"
    );
}

#[test]
fn not_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = OpenOptions::default();
    assert_eq!(
        open(folder.path(), &options).expect_err("a folder").kind(),
        "not_a_file"
    );
    let missing = folder.path().join("missing.dcm");
    assert_eq!(open(&missing, &options).expect_err("nothing").kind(), "io");
    let pipe = folder.path().join("pipe.dcm");
    if Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .is_ok_and(|s| s.success())
    {
        assert_eq!(
            open(&pipe, &options).expect_err("a pipe").kind(),
            "not_a_file"
        );
    }
    if Path::new("/dev/zero").exists() {
        assert_eq!(
            open(Path::new("/dev/zero"), &options)
                .expect_err("a device")
                .kind(),
            "not_a_file"
        );
    }
}

#[test]
fn sizes_that_lie_and_sizes_that_are_odd() {
    assert_eq!(read("1x1.dcm", dicom(1, 1, "1 ", 1)).expect("one pixel"), 1);
    assert_eq!(read("1x1.png", png(1, 1)).expect("one pixel"), 1);
    assert_eq!(
        read("frames.dcm", dicom(8, 8, "3 ", 192)).expect("three frames"),
        3
    );
    let error = read("large.dcm", dicom(20_000, 20_000, "1 ", 64)).expect_err("400 megapixels");
    assert_eq!(error.kind(), "too_large");
    assert!(
        error.to_string().contains("400000000") && error.to_string().contains("100000000"),
        "{error}"
    );
    let error =
        read("lies.dcm", dicom(512, 512, "1 ", 64)).expect_err("64 pixels are no 512 x 512");
    assert_eq!(error.kind(), "truncated");
    assert!(
        error.to_string().contains("524288") && error.to_string().contains("128"),
        "{error}"
    );
    assert_eq!(
        kind(&read("many.dcm", dicom(8, 8, "2000000000", 64))),
        "truncated"
    );
    assert_eq!(kind(&read("none.dcm", dicom(0, 8, "1 ", 64))), "corrupt");
    // More than announced is padding.
    assert_eq!(
        read("padded.dcm", dicom(8, 8, "1 ", 100)).expect("padding"),
        1
    );
    let mut png = png(64, 64);
    png[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let result = read("large.png", png);
    assert!(
        ["too_large", "corrupt"].contains(&kind(&result)),
        "{result:?}"
    );
    let small = OpenOptions {
        max_file_bytes: 1000,
        ..OpenOptions::default()
    };
    assert_eq!(
        kind(&read_with("file.dcm", dicom(64, 64, "1 ", 4096), &small)),
        "too_large"
    );
}

#[test]
fn truncation() {
    quiet_decoder_panics();
    let big = dicom(1024, 1024, "1 ", 1 << 20);
    let noise: Vec<u8> = (0_u32..1 << 21)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8)
        .collect();
    let volume = gzip(&[&nifti([3, 256, 256, 32]), &noise]);
    let files = [
        ("cut.dcm", big),
        ("cut.png", png(1500, 1500)),
        ("cut.jpg", picture(900, 900, image::ImageFormat::Jpeg)),
        ("cut.nii.gz", volume),
    ];
    for (name, bytes) in files {
        assert_eq!(kind(&read(name, bytes.clone())), "ok", "{name} whole");
        for length in (1..bytes.len()).step_by(64 << 10) {
            let result = read_all(name, bytes[..length].to_vec());
            assert!(
                result.is_err(),
                "{name} after {length} of {} bytes: {result:?}",
                bytes.len()
            );
        }
    }
}

fn read_all(name: &str, bytes: Vec<u8>) -> Result<(), OpenError> {
    let mut image = open_bytes(Path::new(name), bytes, &OpenOptions::default())?;
    (0..image.info().frames).try_for_each(|index| image.frame(index).map(drop))
}

#[test]
fn garbage_after_the_signature() {
    quiet_decoder_panics();
    let garbage: Vec<u8> = (0_u32..5000)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let signatures: [&[u8]; 12] = [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"RIFF\xff\xff\0\0WEBP",
        b"\x89HDF\r\n\x1a\n",
        b"\x1f\x8b\x08\0",
        b"\x08\0\x05\0CS\x0a\0ISO_IR 100",
        b"\x08\0\0\0\x04\0\0\0",
        b"\x02\0\0\0UL\x04\0",
        b"\x5c\x01\0\0",
    ];
    for signature in signatures {
        let result = read("garbage", [signature, &garbage].concat());
        assert!(result.is_err(), "{signature:?}: {result:?}");
    }
    let preamble = [vec![0; 128], b"DICM".to_vec(), garbage].concat();
    assert!(read("garbage.dcm", preamble).is_err());
}

#[test]
fn bombs_stay_small() {
    let zeros = vec![0_u8; 1 << 20];
    let bomb = |header: &[u8], mib: usize| {
        let mut parts: Vec<&[u8]> = vec![header];
        parts.extend(std::iter::repeat_n(zeros.as_slice(), mib));
        gzip(&parts)
    };
    // A small claim over a long stream: only what is claimed is inflated.
    let result = read("small-claim.nii.gz", bomb(&nifti([3, 64, 64, 4]), 5 * 1024));
    assert_eq!(result.expect("four slices"), 4);
    // A claim of 30,000 x 3,000 x 80 voxels, that is 7 GB.
    let result = read(
        "large-claim.nii.gz",
        bomb(&nifti([3, 30_000, 3_000, 80]), 10),
    );
    assert_eq!(kind(&result), "too_large");
    // A claim within the limit that the stream does not hold.
    let result = read("short.nii.gz", bomb(&nifti([3, 1_000, 1_000, 2]), 1));
    assert_eq!(kind(&result), "truncated");
    // 3 GB of slices: the first ones come without the rest.
    let result = read("deep.nii.gz", bomb(&nifti([3, 1_000, 1_000, 3_000]), 20));
    assert_eq!(result.expect("the first four slices"), 3_000);
    // A deflated DICOM data set.
    let mut deflated = vec![0; 128];
    deflated.extend(b"DICM\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99");
    let mut encoder = flate2::write::DeflateEncoder::new(deflated, Compression::fast());
    for _ in 0..300 {
        encoder.write_all(&zeros).expect("memory");
    }
    let options = OpenOptions {
        max_decoded_bytes: 64 << 20,
        ..OpenOptions::default()
    };
    let result = read_with("deflated.dcm", encoder.finish().expect("memory"), &options);
    assert_eq!(kind(&result), "too_large");
    assert!(peak_mib() < 512, "{} MiB used", peak_mib());
}

#[test]
fn nesting_does_not_exhaust_the_stack() {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0");
    for _ in 0..100_000 {
        bytes.extend(b"\x08\0\x11\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff");
    }
    assert_eq!(kind(&read("nested.dcm", bytes)), "corrupt");
}

#[test]
fn frames_that_do_not_exist() {
    let mut image = open_bytes(
        Path::new("x.dcm"),
        dicom(4, 4, "2 ", 32),
        &OpenOptions::default(),
    )
    .expect("an image");
    assert_eq!(
        image.frame(2).expect_err("two frames").kind(),
        "no_such_frame"
    );
    assert!(image.frame(1).is_ok(), "an error does not spoil the image");
}
