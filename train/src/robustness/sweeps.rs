//! What is done to images, step by step harder.

use rand::rngs::StdRng;
use veraray_datasets::{Delivery, Plane};

use super::screenshot::screenshot;

/// A change of a tile.
pub(super) type Change = Box<dyn Fn(Plane, &mut StdRng) -> Plane + Send + Sync>;

/// One kind of change at several strengths.
pub(super) struct Sweep {
    pub(super) name: &'static str,
    /// What the strength is counted in.
    pub(super) unit: &'static str,
    /// The strength that changes nothing, when it lies between others.
    pub(super) neutral: Option<f64>,
    /// Strength and change, from the mildest on.
    pub(super) steps: Vec<(f64, Change)>,
}

fn sweep(
    name: &'static str,
    unit: &'static str,
    strengths: &[f64],
    change: impl Fn(f64) -> Change,
) -> Sweep {
    Sweep {
        name,
        unit,
        neutral: match name {
            "resize" | "window_width" => Some(1.0),
            "window_level" => Some(0.0),
            _ => None,
        },
        steps: strengths.iter().map(|&s| (s, change(s))).collect(),
    }
}

/// The sweep. JPEG 2000 is its wavelet quantisation only: no encoder is built in.
pub(super) fn all() -> Vec<Sweep> {
    vec![
        sweep(
            "jpeg",
            "quality",
            &[95.0, 90.0, 85.0, 75.0, 60.0, 45.0, 30.0],
            |quality| jpeg(quality as u8),
        ),
        sweep(
            "jpeg2000",
            "quantisation step",
            &[0.01, 0.03, 0.06, 0.12],
            |step| {
                delivered(Delivery {
                    jpeg2000: 1.0,
                    jpeg2000_range: [step as f32; 2],
                    ..Delivery::none()
                })
            },
        ),
        sweep(
            "resize",
            "factor",
            &[0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0],
            |factor| {
                delivered(Delivery {
                    resize: 1.0,
                    resize_range: [factor as f32; 2],
                    ..Delivery::none()
                })
            },
        ),
        sweep("blur", "σ in pixels", &[0.5, 1.0, 1.5, 2.0], |sigma| {
            delivered(Delivery {
                blur: 1.0,
                blur_range: [sigma as f32; 2],
                ..Delivery::none()
            })
        }),
        sweep(
            "noise",
            "σ in grey of [0, 1]",
            &[0.005, 0.01, 0.02, 0.04],
            |sigma| {
                delivered(Delivery {
                    noise: 1.0,
                    noise_range: [sigma as f32; 2],
                    ..Delivery::none()
                })
            },
        ),
        sweep(
            "window_level",
            "shift in grey of [0, 1]",
            &[-0.2, -0.1, 0.1, 0.2],
            |shift| grey(move |v| v + shift as f32),
        ),
        sweep("window_width", "contrast", &[0.7, 0.85, 1.2, 1.5], |gain| {
            grey(move |v| (v - 0.5) * gain as f32 + 0.5)
        }),
        sweep("bit_depth", "bits", &[8.0, 7.0, 6.0, 5.0, 4.0], |bits| {
            let top = 2f32.powf(bits as f32) - 1.0;
            grey(move |v| (v * top).round() / top)
        }),
        sweep("invert", "inverted", &[1.0], |_| grey(|v| 1.0 - v)),
        sweep("screenshot", "scale", &[1.0, 0.9, 0.75], |scale| {
            Box::new(move |plane, _| screenshot(&plane, scale as f32))
        }),
    ]
}

/// JPEG at a quality.
pub(super) fn jpeg(quality: u8) -> Change {
    delivered(Delivery {
        jpeg: 1.0,
        jpeg_range: [quality; 2],
        ..Delivery::none()
    })
}

fn delivered(delivery: Delivery) -> Change {
    Box::new(move |plane, rng| delivery.apply(plane, rng))
}

fn grey(map: impl Fn(f32) -> f32 + Send + Sync + 'static) -> Change {
    Box::new(move |mut plane, _| {
        for value in &mut plane.pixels {
            *value = map(*value).clamp(0.0, 1.0);
        }
        plane
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_step_keeps_the_tile_in_range_and_changes_it() {
        let side = 64;
        let plane = Plane {
            side,
            pixels: (0..side * side)
                .map(|i| ((i % side) as f32 / 64.0 + (i / side % 5) as f32 / 10.0) / 1.5)
                .collect(),
            mask: vec![0.0; side * side],
        };
        for sweep in all() {
            for (strength, change) in &sweep.steps {
                let changed = change(plane.clone(), &mut StdRng::seed_from_u64(1));
                assert_eq!(changed.pixels.len(), side * side, "{}", sweep.name);
                assert!(changed.pixels.iter().all(|v| (0.0..=1.0).contains(v)));
                assert!(changed.pixels != plane.pixels, "{} {strength}", sweep.name);
            }
        }
    }

    #[test]
    fn milder_comes_first() {
        let side = 64;
        let plane = Plane {
            side,
            pixels: (0..side * side)
                .map(|i| (i * 7919 % 256) as f32 / 255.0)
                .collect(),
            mask: vec![0.0; side * side],
        };
        let error = |change: &Change| -> f32 {
            let changed = change(plane.clone(), &mut StdRng::seed_from_u64(1));
            changed
                .pixels
                .iter()
                .zip(&plane.pixels)
                .map(|(a, b)| (a - b).abs())
                .sum()
        };
        for sweep in all() {
            if ["jpeg", "blur", "noise", "bit_depth"].contains(&sweep.name) {
                let errors: Vec<f32> = sweep.steps.iter().map(|(_, c)| error(c)).collect();
                assert!(errors.is_sorted(), "{}: {errors:?}", sweep.name);
            }
        }
    }
}
