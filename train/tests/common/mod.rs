//! A small data set and recipe, and the real program.

// Every test file takes what it needs.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, Luma};

pub const SIDE: u32 = 64;

/// Groups in the data set.
pub const GROUPS: u32 = 24;

/// Grain of an authentic image.
fn grain(index: u32, x: u32, y: u32) -> u32 {
    let hash = x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ index;
    hash.wrapping_mul(2_654_435_761) >> 27
}

fn ramp(index: u32, x: u32, y: u32) -> u32 {
    40 + (x * (index % 5 + 1) + 2 * y) % 150
}

/// Writes one picture.
pub fn picture(path: &Path, pixel: impl Fn(u32, u32) -> u32) {
    GrayImage::from_fn(SIDE, SIDE, |x, y| Luma([pixel(x, y).min(255) as u8]))
        .save(path)
        .expect("a picture");
}

/// An authentic image, brighter by `shift`, with its grain divided by `calm`.
pub fn authentic(path: &Path, index: u32, shift: u32, calm: u32) {
    picture(path, |x, y| {
        ramp(index, x, y) + shift + grain(index, x, y) / calm
    });
}

/// Ramps with grain as authentic images; without grain as one family, with coarse grain as another,
/// and with a smooth square as a third, which has masks. Two sites, two modalities.
pub fn data(folder: &Path) -> PathBuf {
    let mut manifest =
        String::from("path,label,source,generator,group,modality,body_part,mask,licence\n");
    for index in 0..GROUPS {
        let inside = |x: u32, y: u32| (16..48).contains(&x) && (16..48).contains(&y);
        authentic(&folder.join(format!("r{index}.png")), index, 0, 1);
        picture(&folder.join(format!("s{index}.png")), |x, y| {
            ramp(index, x, y)
        });
        picture(&folder.join(format!("c{index}.png")), |x, y| {
            ramp(index, x, y) + grain(index, x / 2, y / 2)
        });
        picture(&folder.join(format!("t{index}.png")), |x, y| {
            ramp(index, x, y) + if inside(x, y) { 0 } else { grain(index, x, y) }
        });
        picture(&folder.join(format!("m{index}.png")), |x, y| {
            u32::from(inside(x, y)) * 255
        });
        let site = ["north", "south"][index as usize % 2];
        let rest = [",ct,chest", ",xray,chest"][index as usize % 2];
        for (letter, label, family, mask) in [
            ("r", "real", "", String::new()),
            ("s", "synthetic", "smooth", String::new()),
            ("c", "synthetic", "coarse", String::new()),
            ("t", "tampered", "patch", format!("m{index}.png")),
        ] {
            manifest +=
                &format!("{letter}{index}.png,{label},{site},{family},p{index}{rest},{mask},CC0\n");
        }
    }
    let path = folder.join("manifest.csv");
    std::fs::write(&path, manifest).expect("a manifest");
    path
}

/// A recipe of a few seconds.
pub fn recipe(folder: &Path, epochs: usize) -> PathBuf {
    let path = folder.join("tiny.toml");
    let text = format!(
        "name = 'tiny'\n\
         [data]\nmanifest = 'manifest.csv'\n\
         [input]\ntile = 64\nmin_side = 32\nmultiple = 32\nviews = ['whole_field']\n\
         resampling = 'lanczos3'\nmax_native_tiles = 1\nmax_frames = 1\n\
         [model]\nspatial = [8, 8, 8, 16]\nfrequency_local = 8\nfrequency_global = 8\nfused = 16\n\
         [split]\nvalidation = 0.25\ntest = 0.25\n\
         [training]\nepochs = {epochs}\npairs_per_epoch = 24\npairs_per_batch = 4\nwarmup_steps = 2\n"
    );
    std::fs::write(&path, text).expect("a recipe");
    path
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veraray-train"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the program starts")
}

pub fn must(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs and expects a status; returns both outputs, one after the other.
pub fn status(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

/// Trains the tiny recipe into `folder/runs/tiny/checkpoint.vrc`.
pub fn trained(folder: &Path, epochs: usize) -> PathBuf {
    data(folder);
    recipe(folder, epochs);
    must(folder, &["fit", "tiny.toml", "--device", "cpu"]);
    folder.join("runs/tiny/checkpoint.vrc")
}

pub fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}
