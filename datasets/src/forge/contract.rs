//! What every family promises.

use super::*;
use rand::SeedableRng;

/// A body with organs and signal-dependent grain on eight bits, on black.
fn torso(rows: usize, columns: usize, seed: u64) -> GrayImage {
    let mut rng = StdRng::seed_from_u64(seed);
    let noise = raster::white_noise(rows, columns, &mut rng);
    let coarse = raster::gaussian(&raster::white_noise(rows, columns, &mut rng), 5.0);
    let pixels = (0..rows * columns)
        .map(|i| {
            let y = (i / columns) as f32 / rows as f32 - 0.5;
            let x = (i % columns) as f32 / columns as f32 - 0.5;
            if y.hypot(x) > 0.46 {
                return 0.0;
            }
            let organ = if (y - 0.05).hypot(x.abs() - 0.2) < 0.14 {
                0.25
            } else {
                0.55
            };
            let value = organ + 2.0 * coarse.pixels[i] + 0.02 * noise.pixels[i];
            (value.clamp(0.0, 1.0) * 255.0).round() / 255.0
        })
        .collect();
    GrayImage {
        rows,
        columns,
        pixels,
    }
}

fn seeded(family: TrainingFreeFamily, image: &GrayImage, seed: u64) -> Forgery {
    let donor = torso(96, 120, 99);
    forge_image(
        family,
        image,
        Some(&donor),
        &mut StdRng::seed_from_u64(seed),
    )
}

#[test]
fn sizes_ranges_levels_and_what_lies_outside_the_mask() {
    for (rows, columns) in [(64, 64), (65, 97), (130, 71), (256, 256)] {
        let image = torso(rows, columns, 1);
        for family in TrainingFreeFamily::ALL {
            for seed in 0..8 {
                let forgery = seeded(family, &image, seed);
                let what = format!("{family} {rows}x{columns} seed {seed}");
                assert_eq!((forgery.image.rows, forgery.image.columns), (rows, columns));
                assert_eq!(forgery.image.pixels.len(), image.pixels.len(), "{what}");
                let mut changed = 0;
                for ((new, old), mask) in forgery
                    .image
                    .pixels
                    .iter()
                    .zip(&image.pixels)
                    .zip(&forgery.mask)
                {
                    assert!((0.0..=1.0).contains(mask), "{what}");
                    assert!(
                        *mask > 0.0 || new == old,
                        "{what}: changed outside the mask"
                    );
                    let level = new * 255.0;
                    assert!((level - level.round()).abs() < 1e-3, "{what}: {new}");
                    changed += usize::from(new != old);
                }
                assert!(changed > 5, "{what}: {changed} pixels changed");
                let extent = &forgery.parameters.0["extent"];
                let all = forgery.mask.iter().all(|&m| m == 1.0);
                assert_eq!(all, *extent == Parameter::from("whole"), "{what}");
            }
        }
    }
}

#[test]
fn equal_seeds_give_equal_forgeries_and_others_do_not() {
    let image = torso(96, 96, 2);
    for family in TrainingFreeFamily::ALL {
        let first = seeded(family, &image, 5);
        assert_eq!(first, seeded(family, &image, 5), "{family}");
        assert_ne!(first.image, seeded(family, &image, 6).image, "{family}");
    }
}

#[test]
fn what_cannot_be_forged_comes_back_with_an_empty_mask() {
    let small = torso(63, 200, 3);
    let flat = GrayImage {
        rows: 80,
        columns: 80,
        pixels: vec![0.0; 6400],
    };
    for family in TrainingFreeFamily::ALL {
        for image in [&small, &flat] {
            let forgery = forge_image(family, image, None, &mut StdRng::seed_from_u64(1));
            let kept = forgery.image == *image;
            assert_eq!(kept, forgery.mask.iter().all(|&m| m == 0.0), "{family}");
        }
        let forgery = forge_image(family, &small, None, &mut StdRng::seed_from_u64(1));
        assert_eq!(forgery.image, small);
    }
}

#[test]
fn a_plane_keeps_the_larger_of_both_masks_and_takes_a_donor() {
    let image = torso(128, 128, 4);
    let mut plane = Plane {
        side: 128,
        pixels: image.pixels,
        mask: vec![0.0; 128 * 128],
    };
    plane.mask[7] = 0.5;
    let donor = Plane {
        side: 128,
        pixels: vec![0.9; 128 * 128],
        mask: vec![0.0; 128 * 128],
    };
    let run = |donor: Option<&Plane>| {
        forge(
            TrainingFreeFamily::Splice,
            &plane,
            donor,
            &mut StdRng::seed_from_u64(3),
        )
    };
    let forged = run(Some(&donor));
    assert_eq!(forged.mask[7], 0.5);
    assert!(forged.mask.iter().any(|&m| m == 1.0));
    assert_ne!(forged, run(None));
}

#[test]
fn whole_image_families_keep_the_energy_at_high_frequencies() {
    // The trivial cue of reconstructions: the blurred one is the fake.
    let image = torso(256, 256, 5);
    let fine = |image: &GrayImage| {
        let power = spectrum::Spectrum::of(image).radial_power();
        power[64..120].iter().sum::<f64>()
    };
    let own = fine(&image);
    for family in [
        TrainingFreeFamily::Spectral,
        TrainingFreeFamily::DenoiseGrain,
        TrainingFreeFamily::Reconstruct,
    ] {
        let mut ratios: Vec<f64> = (0..24)
            .map(|seed| (fine(&seeded(family, &image, seed).image) / own).ln())
            .collect();
        ratios.sort_by(f64::total_cmp);
        let median = ratios[12].exp();
        assert!((0.75..1.35).contains(&median), "{family}: {median}");
        let sharper = ratios.iter().filter(|r| **r > 0.0).count();
        assert!(
            (4..21).contains(&sharper),
            "{family}: {sharper} of 24 are sharper"
        );
    }
}

#[test]
fn regions_of_inconsistent_noise_are_smoother_or_rougher_and_nothing_else_changes_that() {
    let image = torso(256, 256, 6);
    let energy = |image: &GrayImage, mask: &[f32]| {
        let smooth = raster::gaussian(image, 1.0);
        let within = mask.iter().zip(&image.pixels).zip(&smooth.pixels);
        within
            .filter(|((mask, _), _)| **mask > 0.9)
            .map(|((_, value), smooth)| f64::from(value - smooth).powi(2))
            .sum::<f64>()
    };
    let ratios: Vec<f64> = (0..40)
        .map(|seed| {
            let forgery = seeded(TrainingFreeFamily::NoiseInconsistency, &image, seed);
            energy(&forgery.image, &forgery.mask) / energy(&image, &forgery.mask)
        })
        .collect();
    let smoother = ratios.iter().filter(|ratio| **ratio < 0.6).count();
    let rougher = ratios.iter().filter(|ratio| **ratio > 1.5).count();
    assert!(smoother >= 24, "{ratios:?}");
    assert!(rougher >= 3, "{ratios:?}");
    assert!(smoother + rougher >= 34, "{ratios:?}");
}

#[test]
fn names_are_read_back_and_others_refused() {
    for family in TrainingFreeFamily::ALL {
        assert_eq!(family.as_str().parse(), Ok(family));
    }
    let error = "gan".parse::<TrainingFreeFamily>().unwrap_err();
    assert!(error.to_string().contains("copy_move"), "{error}");
}
