//! Drives `veraray-train data audit` and `data harmonise` on planted shortcuts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, ImageFormat, Luma, imageops,
};

const COUNT: u32 = 30;

/// Smooth structure with grain, drawn from the salt.
fn picture(side: u32, salt: u32) -> GrayImage {
    let mixed = |seed: u32| {
        let mixed = (seed ^ (seed >> 16)).wrapping_mul(0x7feb_352d);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
        mixed ^ (mixed >> 16)
    };
    let draw =
        |index: u32| mixed(salt.wrapping_mul(977).wrapping_add(index)) as f32 / u32::MAX as f32;
    let (fx, fy, phase, base) = (
        4.0 + 8.0 * draw(1),
        4.0 + 8.0 * draw(2),
        6.0 * draw(3),
        90.0 + 40.0 * draw(4),
    );
    let grain = 6.0 + 8.0 * draw(5);
    GrayImage::from_fn(side, side, |x, y| {
        let (u, v) = (x as f32 / side as f32, y as f32 / side as f32);
        let wave = (fx * u + phase).sin() * (fy * v - phase).cos();
        let noise = mixed(salt ^ mixed(x ^ mixed(y))) as f32 / u32::MAX as f32 - 0.5;
        Luma([(base + 50.0 * wave + 2.0 * grain * noise) as u8])
    })
}

type Save = dyn Fn(&Path, u32) -> String;

fn plain(folder: &Path, salt: u32) -> String {
    let name = format!("{salt}.png");
    picture(112, salt)
        .save(folder.join(&name))
        .expect("a picture");
    name
}

/// Both classes, each written by its function; returns the manifest.
fn data(folder: &Path, real: &Save, fake: &Save) -> PathBuf {
    let mut text = String::from("path,label,generator,source,group,modality\n");
    for i in 0..COUNT {
        text += &format!("{},real,,site,r{i},xray\n", real(folder, i));
        text += &format!("{},synthetic,made,lab,f{i},xray\n", fake(folder, 1000 + i));
    }
    let path = folder.join("manifest.csv");
    std::fs::write(&path, text).expect("a manifest");
    path
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veraray-train"))
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_planted_shortcut_is_found_by_its_null_model_first() {
    let jpeg = |quality: u8| {
        move |folder: &Path, salt: u32| {
            let name = format!("{salt}.jpg");
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode_image(&picture(112, salt))
                .expect("a JPEG");
            std::fs::write(folder.join(&name), bytes).expect("a file");
            name
        }
    };
    let changed = |change: fn(GrayImage) -> GrayImage| {
        move |folder: &Path, salt: u32| {
            let name = format!("{salt}.png");
            change(picture(112, salt))
                .save(folder.join(&name))
                .expect("a picture");
            name
        }
    };
    let tiff = |folder: &Path, salt: u32| {
        let name = format!("{salt}.tif");
        picture(112, salt)
            .save_with_format(folder.join(&name), ImageFormat::Tiff)
            .expect("a picture");
        name
    };
    let small = |folder: &Path, salt: u32| {
        let name = format!("{salt}.png");
        picture(96, salt)
            .save(folder.join(&name))
            .expect("a picture");
        name
    };
    let deep = |folder: &Path, salt: u32| {
        let name = format!("{salt}.png");
        DynamicImage::ImageLuma8(picture(112, salt))
            .to_luma16()
            .save(folder.join(&name))
            .expect("a picture");
        name
    };
    let tagged = |folder: &Path, salt: u32| {
        let name = format!("{salt}.png");
        let image = picture(112, salt);
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder
            .set_exif_metadata(b"II*\0\x08\0\0\0\0\0".to_vec())
            .expect("room for EXIF");
        encoder
            .write_image(&image, 112, 112, ExtendedColorType::L8)
            .expect("a PNG");
        std::fs::write(folder.join(&name), bytes).expect("a file");
        name
    };
    let framed = changed(|mut image| {
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if x < 7 || y >= 105 {
                pixel.0[0] = 0;
            }
        }
        image
    });
    let coarse = changed(|mut image| {
        image.pixels_mut().for_each(|pixel| pixel.0[0] &= 0xf8);
        image
    });
    let soft = changed(|image| imageops::blur(&image, 0.8));
    let cases: [(&str, &Save, &Save); 9] = [
        ("format", &plain, &tiff),
        ("dimensions", &plain, &small),
        ("compression", &jpeg(92), &jpeg(55)),
        ("border", &plain, &framed),
        ("bit_depth", &plain, &coarse),
        ("bit_depth", &plain, &deep),
        ("metadata", &plain, &tagged),
        ("noise", &plain, &soft),
        ("", &plain, &plain),
    ];
    for (index, (planted, real, fake)) in cases.into_iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        data(folder, real, fake);
        let output = run(
            folder,
            &["data", "audit", "manifest.csv", "--output", "audit"],
        );
        let shown = format!(
            "case {index}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        if planted.is_empty() {
            assert_eq!(output.status.code(), Some(0), "{shown}");
            assert!(shown.contains("no shortcut above 0.60"), "{shown}");
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{shown}");
        let summary = format!("shortcut above 0.60: {planted} separates");
        assert!(shown.contains(&summary), "{planted}: {shown}");
        let json = std::fs::read(folder.join("audit/audit.json")).expect("a report");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["passes"], false);
        assert_eq!(json["audit"]["images"], serde_json::json!([COUNT, COUNT]));
        let page = std::fs::read_to_string(folder.join("audit/audit.html")).expect("a page");
        assert!(page.contains("data:image/png;base64,") && page.contains("<svg"));
        assert!(!page.contains("http://") && !page.contains("https://"));
        if planted == "metadata" {
            // Nothing else tells these apart but the length of what was added.
            let allowed = run(
                folder,
                &[
                    "data",
                    "audit",
                    "manifest.csv",
                    "--allow",
                    "metadata,file_size",
                ],
            );
            assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stdout));
        }
    }
}

#[test]
fn harmonising_removes_what_was_planted_and_says_what_it_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let large = |folder: &Path, salt: u32| {
        let name = format!("{salt}.jpg");
        picture(224, salt)
            .save(folder.join(&name))
            .expect("a picture");
        name
    };
    data(folder, &large, &plain);
    let audit = |manifest: &str| {
        run(
            folder,
            &[
                "data",
                "audit",
                manifest,
                "--allow",
                "noise,spectrum,histogram",
            ],
        )
    };
    assert_eq!(audit("manifest.csv").status.code(), Some(1));
    let harmonise = ["data", "harmonise", "manifest.csv", "--output", "out"];
    let output = run(folder, &harmonise);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let after = audit("out/manifest.csv");
    assert_eq!(after.status.code(), Some(0), "{}", text(&after.stdout));
    let manifest = std::fs::read_to_string(folder.join("out/manifest.csv")).expect("a manifest");
    assert!(
        manifest
            .lines()
            .nth(1)
            .is_some_and(|row| row.contains("veraray-harmonise/1"))
    );
    // Again: everything is there.
    let again = run(folder, &harmonise);
    assert!(
        text(&again.stdout).contains("60 of them there already"),
        "{}",
        text(&again.stdout)
    );

    std::fs::write(folder.join("3.jpg"), b"damaged").expect("a file");
    let output = run(
        folder,
        &["data", "harmonise", "manifest.csv", "--output", "other"],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("3.jpg left out"),
        "{}",
        text(&output.stderr)
    );
    let output = run(folder, &["data", "audit", "manifest.csv"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
}

#[test]
fn usage_errors_name_the_flag() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    data(folder, &plain, &plain);
    for (arguments, named) in [
        (
            vec!["data", "audit", "manifest.csv", "--allow", "colour"],
            "--allow",
        ),
        (
            vec!["data", "audit", "manifest.csv", "--limit", "1.5"],
            "--limit",
        ),
        (
            vec!["data", "audit", "manifest.csv", "--sets", "none"],
            "--sets",
        ),
        (
            vec!["data", "audit", "manifest.csv", "--split", "none"],
            "--split",
        ),
        (vec!["data", "audit", "gone.csv"], "gone.csv"),
        (
            vec!["data", "harmonise", "manifest.csv", "--output", "."],
            "--output",
        ),
        (
            vec![
                "data",
                "harmonise",
                "manifest.csv",
                "--output",
                "o",
                "--side",
                "7",
            ],
            "--side",
        ),
    ] {
        let output = run(folder, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(named), "{arguments:?}: {stderr}");
    }
}
