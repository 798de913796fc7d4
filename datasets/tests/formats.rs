//! Files that h5py, nibabel, Pillow and tifffile wrote, value by value.

#![allow(clippy::print_stdout)]

mod support;

use support::{difference, floats, reference, text};
use veraray_datasets::{Format, OpenOptions, Photometric, Voi, open};

#[test]
fn values_of_other_formats() {
    let out = tempfile::tempdir().expect("a folder");
    let mut failures = Vec::new();
    for entry in reference("formats", out.path()) {
        let name = text(&entry, "name");
        let check = || -> Result<f32, String> {
            let mut image =
                open(&out.path().join(name), &OpenOptions::default()).map_err(|e| e.to_string())?;
            if entry["count"] != image.info().frames {
                return Err(format!("{} frames", image.info().frames));
            }
            let mut worst = 0_f32;
            // Backwards as well, since gzip has to start anew.
            for number in (0..image.info().frames).chain([0]) {
                let frame = image.frame(number).map_err(|e| e.to_string())?;
                let theirs = floats(&out.path().join(format!("{name}.{number}")));
                if [frame.rows, frame.columns].map(u64::from)
                    != [&entry["shape"][0], &entry["shape"][1]].map(|v| v.as_u64().unwrap_or(0))
                {
                    return Err(format!("{} x {}", frame.rows, frame.columns));
                }
                worst = worst.max(difference(&frame.values, &theirs));
                assert!(
                    frame
                        .to_gray()
                        .pixels
                        .iter()
                        .all(|v| (0.0..=1.0).contains(v)),
                    "{name}"
                );
            }
            Ok(worst)
        };
        let result = check();
        println!("{name:24} {result:?}");
        if !result
            .as_ref()
            .is_ok_and(|&worst| worst <= entry["tolerance"].as_f64().unwrap_or(0.0) as f32)
        {
            failures.push(format!("{name}: {result:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    refusals(out.path());
    descriptions(out.path());
}

fn refusals(folder: &std::path::Path) {
    for (name, kind, words) in [
        ("refused-kspace.h5", "unsupported_format", "complex k-space"),
        ("refused-labels.h5", "no_pixels", "numeric axes"),
        ("refused-pair.hdr", "unsupported_format", ".hdr/.img pair"),
    ] {
        let error = open(&folder.join(name), &OpenOptions::default()).expect_err(name);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

fn descriptions(folder: &std::path::Path) {
    let open = |name: &str| open(&folder.join(name), &OpenOptions::default()).expect(name);
    let info = open("palette.png").info().clone();
    assert_eq!(
        (info.format, info.photometric),
        (Format::Png, Photometric::Palette)
    );
    let mut deep = open("deep.png");
    assert_eq!(deep.info().bits_stored, 16);
    assert!(
        matches!(deep.frame(0).expect("a frame").display.voi, Voi::Range { low, high } if low > 0.0 && high < 65535.0)
    );
    let gray = open("gray.png").frame(0).expect("a frame");
    assert_eq!(
        gray.display.voi,
        Voi::Range {
            low: 0.0,
            high: 255.0
        }
    );
    let volume = open("int16.nii.gz").info().clone();
    assert_eq!(volume.pixel_spacing, Some([0.7, 0.5]));
    let mut floats = open("float32.nii");
    assert_eq!(
        floats.frame(1).expect("a frame").notes.len(),
        1,
        "three voxels are not finite"
    );
    let notes = open("chunked-u2.h5").info().notes.join(" ");
    assert!(notes.contains("/group/volume"), "{notes}");
    assert!(open("lossless.webp").frame(0).expect("a frame").chroma() == 0.0);
}
