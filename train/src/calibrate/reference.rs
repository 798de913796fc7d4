//! What authentic images look like to a checkpoint: quantiles of logits and of simple features, small
//! enough to travel in its card.

use std::collections::BTreeMap;

use veraray_datasets::Plane;
use veraray_model::{CalibrationSet, Distribution};

use crate::data::Dataset;
use crate::score::ImageScore;

/// Steps between the quantiles kept.
const STEPS: usize = 64;

/// Names of [`features`], in their order.
#[must_use]
pub fn feature_names() -> [&'static str; 5] {
    ["brightness", "contrast", "black_share", "noise", "detail"]
}

/// Simple features of a tile: mean grey, standard deviation, share of black, log energy of the finest
/// residual, and how much more the next coarser one holds.
#[must_use]
pub fn features(plane: &Plane) -> [f64; 5] {
    let count = plane.pixels.len().max(1) as f64;
    let grey = || plane.pixels.iter().map(|&v| f64::from(v));
    let mean = grey().sum::<f64>() / count;
    let variance = grey().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let black = grey().filter(|v| *v < 0.5 / 255.0).count() as f64 / count;
    let [fine, coarse] = [1, 2].map(|step| residual(plane, step));
    [mean, variance.sqrt(), black, fine, coarse - fine]
}

/// Log mean square of the Laplacian at a distance.
fn residual(plane: &Plane, step: usize) -> f64 {
    let side = plane.side;
    let at = |y: usize, x: usize| f64::from(plane.pixels[y * side + x]);
    let (mut sum, mut count) = (0.0, 0usize);
    for y in step..side.saturating_sub(step) {
        for x in step..side - step {
            let around = at(y - step, x) + at(y + step, x) + at(y, x - step) + at(y, x + step);
            sum += (at(y, x) - 0.25 * around).powi(2);
            count += 1;
        }
    }
    (sum / count.max(1) as f64 + 1e-9).ln()
}

/// One word per modality, whether a manifest or a DICOM header says it.
#[must_use]
pub fn modality_key(modality: &str) -> String {
    match modality.trim().to_lowercase().as_str() {
        "cr" | "dx" | "x-ray" | "xray" => "xray".into(),
        "mr" | "mri" => "mri".into(),
        other => other.into(),
    }
}

/// Quantiles at [`STEPS`] even steps from the lowest to the highest value; empty for no value.
fn quantiles(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return Vec::new();
    };
    (0..=STEPS)
        .map(|step| {
            let place = last as f64 * step as f64 / STEPS as f64;
            let (below, above) = (
                values[place.floor() as usize],
                values[place.ceil() as usize],
            );
            below + (above - below) * place.fract()
        })
        .collect()
}

/// Sums up images given by their logits and features.
#[must_use]
pub fn distribution(images: &[(f64, [f64; 5])]) -> Distribution {
    let column = |index: usize| quantiles(images.iter().map(|image| image.1[index]).collect());
    Distribution {
        images: images.len(),
        logits: quantiles(images.iter().map(|image| image.0).collect()),
        features: feature_names()
            .into_iter()
            .enumerate()
            .map(|(index, name)| (name.to_owned(), column(index)))
            .collect(),
    }
}

/// What a card keeps of the authentic images among `scored`.
#[must_use]
pub fn calibration_set(
    dataset: &Dataset,
    scored: &[ImageScore],
    method: Vec<String>,
) -> CalibrationSet {
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, sample) in dataset.samples.iter().enumerate() {
        first.entry(sample.entry).or_insert(index);
    }
    let mut images: BTreeMap<String, Vec<(f64, [f64; 5])>> = BTreeMap::new();
    for image in scored {
        let entry = &dataset.entries[image.entry];
        if let Some(&index) = first.get(&image.entry)
            && !entry.label.is_manipulated()
        {
            let seen = features(&dataset.plane(&dataset.samples[index]));
            let of = images.entry(modality_key(&entry.modality)).or_default();
            of.push((image.logit, seen));
        }
    }
    CalibrationSet {
        parent: None,
        method,
        authentic: images
            .into_iter()
            .map(|(modality, images)| (modality, distribution(&images)))
            .collect(),
    }
}

/// Reference values with weights, mixed to a site's modalities.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Values in ascending order, each with its weight; the weights sum to one.
    values: Vec<(f64, f64)>,
    /// Images behind it.
    pub images: usize,
}

impl Reference {
    /// Mixes the modalities of a card as a site has them; `pick` chooses logits or a feature. A
    /// modality that the card does not know, or that is not known of an image, counts as the card's
    /// own mixture. `None` when the card has no values.
    #[must_use]
    pub fn mixed(
        set: &CalibrationSet,
        modalities: &[String],
        pick: impl Fn(&Distribution) -> &[f64],
    ) -> Option<Self> {
        let known: Vec<(&String, &Distribution)> = set
            .authentic
            .iter()
            .filter(|(_, d)| d.images > 0 && !pick(d).is_empty())
            .collect();
        let images: usize = known.iter().map(|(_, d)| d.images).sum();
        if images == 0 {
            return None;
        }
        let matched = |name: &String| modalities.iter().filter(|m| *m == name).count() as f64;
        let of_known: f64 = known.iter().map(|(name, _)| matched(name)).sum();
        let rest = modalities.len() as f64 - of_known;
        let total = (modalities.len() as f64).max(1.0);
        let mut values = Vec::new();
        for (name, distribution) in known {
            let own = distribution.images as f64 / images as f64;
            let share = if modalities.is_empty() {
                own
            } else {
                (matched(name) + rest * own) / total
            };
            let list = pick(distribution);
            // Ends stand for half an interval each.
            let steps = (list.len() - 1).max(1) as f64;
            for (index, value) in list.iter().enumerate() {
                let end = list.len() > 1 && (index == 0 || index + 1 == list.len());
                let part = if end { 0.5 } else { 1.0 };
                values.push((*value, share * part / steps));
            }
        }
        values.retain(|(_, weight)| *weight > 0.0);
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        Some(Self { values, images })
    }

    /// The value below which a share lies.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sum = 0.0;
        for (value, weight) in &self.values {
            sum += weight;
            if sum >= share {
                return *value;
            }
        }
        self.values.last().map_or(f64::NAN, |(value, _)| *value)
    }

    /// The share below a value.
    #[must_use]
    pub fn below(&self, value: f64) -> f64 {
        let end = self.values.partition_point(|(v, _)| *v < value);
        self.values[..end].iter().map(|(_, weight)| weight).sum()
    }

    /// The share at or below a value.
    #[must_use]
    pub fn cumulative(&self, value: f64) -> f64 {
        let end = self.values.partition_point(|(v, _)| *v <= value);
        self.values[..end].iter().map(|(_, weight)| weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> CalibrationSet {
        let of = |shift: f64, images: usize| Distribution {
            images,
            logits: quantiles((0..=1000).map(|i| f64::from(i) / 1000.0 + shift).collect()),
            features: BTreeMap::new(),
        };
        CalibrationSet {
            authentic: [
                ("ct".to_owned(), of(0.0, 100)),
                ("xray".to_owned(), of(10.0, 300)),
            ]
            .into(),
            ..CalibrationSet::default()
        }
    }

    #[test]
    fn the_mixture_follows_the_site() {
        let median = |modalities: &[&str]| {
            let modalities: Vec<String> = modalities.iter().map(|&m| m.to_owned()).collect();
            let mixed = Reference::mixed(&set(), &modalities, |d| &d.logits).unwrap();
            assert!((mixed.cumulative(1e9) - 1.0).abs() < 1e-9);
            mixed.quantile(0.5)
        };
        assert!((median(&["ct", "ct"]) - 0.5).abs() < 0.02);
        assert!((median(&["xray"]) - 10.5).abs() < 0.02);
        // Three quarters of the card's images are radiographs.
        assert!((median(&[]) - median(&["us"])).abs() < 1e-9);
        assert!(median(&[]) > 10.0);
    }

    #[test]
    fn quantiles_of_few_values_interpolate() {
        let q = quantiles(vec![3.0, 1.0]);
        assert_eq!((q.len(), q[0], q[STEPS]), (STEPS + 1, 1.0, 3.0));
        assert!((q[STEPS / 2] - 2.0).abs() < 1e-12);
        assert!(quantiles(Vec::new()).is_empty());
    }

    #[test]
    fn grain_shows_in_the_noise_feature() {
        let side = 64;
        let plane = |grain: f32| Plane {
            side,
            pixels: (0..side * side)
                .map(|i| 0.5 + grain * ((i * 7919 % 97) as f32 / 97.0 - 0.5))
                .collect(),
            mask: Vec::new(),
        };
        assert!(features(&plane(0.2))[3] > features(&plane(0.02))[3] + 3.0);
    }
}
