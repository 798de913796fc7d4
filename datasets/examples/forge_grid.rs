//! Pictures and times of the training-free forgeries: `forge_grid OUT.png IMAGE...`.
//!
//! A row per image: the image, then for every family the forgery, and under it the difference,
//! amplified eightfold around grey.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use veraray_datasets::{GrayImage, OpenOptions, TrainingFreeFamily, forge_image, open};

/// What this thread has computed so far; other processes do not count (Linux).
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().ok_or("no figure")?.parse()?;
    Ok(nanoseconds / 1e9)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().ok_or("an output file is needed")?;
    let images: Vec<GrayImage> = arguments
        .map(|name| {
            Ok(open(Path::new(&name), &OpenOptions::default())?
                .frame(0)?
                .to_gray())
        })
        .collect::<Result<_, veraray_datasets::OpenError>>()?;
    let first = images.first().ok_or("an image is needed")?;
    let (rows, columns) = (first.rows, first.columns);
    let families = TrainingFreeFamily::ALL;
    let width = (families.len() + 1) * columns;
    let mut canvas = vec![0_u8; width * 2 * rows * images.len()];
    let mut seconds = vec![0.0; families.len()];
    for (index, image) in images.iter().enumerate() {
        if (image.rows, image.columns) != (rows, columns) {
            return Err("the images must be of one size".into());
        }
        let mut put = |row: usize, column: usize, value: &dyn Fn(usize) -> f32| {
            for at in 0..rows * columns {
                let y = (2 * index + row) * rows + at / columns;
                let x = column * columns + at % columns;
                canvas[y * width + x] = (value(at).clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        };
        put(0, 0, &|at| image.pixels[at]);
        let donor = &images[(index + 1) % images.len()];
        for (column, &family) in families.iter().enumerate() {
            let mut rng = StdRng::seed_from_u64(index as u64);
            let forgery = forge_image(family, image, Some(donor), &mut rng);
            for seed in 0..16 {
                let start = processor_seconds()?;
                let _ = forge_image(family, image, Some(donor), &mut StdRng::seed_from_u64(seed));
                seconds[column] += (processor_seconds()? - start) / 16.0;
            }
            let fake = &forgery.image.pixels;
            put(0, column + 1, &|at| fake[at]);
            put(1, column + 1, &|at| {
                0.5 + 8.0 * (fake[at] - image.pixels[at])
            });
        }
    }
    for (family, seconds) in families.iter().zip(seconds) {
        let each = seconds * 1e3 / images.len() as f64;
        eprintln!("{family:>16} {each:8.2} ms");
    }
    let height = 2 * rows * images.len();
    image::save_buffer(
        output,
        &canvas,
        width as u32,
        height as u32,
        image::ExtendedColorType::L8,
    )?;
    Ok(())
}
