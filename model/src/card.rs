//! The card: everything a checkpoint says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DetectorConfig, InputSpec, OutOfDistribution};

/// Version of the checkpoint format written by this crate.
pub const FORMAT_VERSION: u32 = 1;

/// A checkpoint's card. Its JSON travels in the checkpoint's metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of the checkpoint format.
    pub format_version: u32,
    /// Name of the run that made it.
    pub name: String,
    /// Version of the code that made it.
    pub version: String,
    /// Architecture.
    pub architecture: DetectorConfig,
    /// What pixels must look like.
    pub input: InputSpec,
    /// From logits to scores and verdicts.
    pub calibration: Calibration,
    /// DICOM modality codes the detector was trained on; images of any other are not judged.
    pub modalities: Vec<String>,
    /// Generator families it was trained on.
    pub families: Vec<String>,
    /// Where the weights come from.
    pub provenance: Provenance,
    /// What was measured on held-out groups, when it was measured.
    pub metrics: Vec<FamilyMetrics>,
    /// What it is not good for, in sentences.
    pub limits: Vec<String>,
    /// Licence of the weights, and what it follows from.
    pub licence: String,
    /// What the calibration was made on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_set: Option<CalibrationSet>,
    /// Which images the detector knows, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_distribution: Option<OutOfDistribution>,
}

/// What a calibration was made on: enough to tell later whether a site's images still look alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationSet {
    /// Name and SHA-256 of the checkpoint that was calibrated anew; `None` for a run's own.
    pub parent: Option<[String; 2]>,
    /// How it was made and what it assumes, in sentences.
    pub method: Vec<String>,
    /// Authentic images by modality, as they are.
    pub authentic: BTreeMap<String, Distribution>,
}

/// Authentic images of one modality: quantiles at even steps from the lowest to the highest value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Number of images.
    pub images: usize,
    /// Quantiles of the logit.
    pub logits: Vec<f64>,
    /// Quantiles of simple features of the pixels.
    pub features: BTreeMap<String, Vec<f64>>,
}

/// From logits to scores: `score = sigmoid((logit - bias) / temperature)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Positive divisor of the logit.
    pub temperature: f64,
    /// Logit that maps to a score of one half.
    pub bias: f64,
    /// Operating points on validation data, by ascending false-positive rate.
    pub operating_points: Vec<OperatingPoint>,
    /// Scores in `[low, high)` are too close to the threshold to call; `null`: no such band.
    pub abstention_band: Option<[f64; 2]>,
    /// Score above which one cell of the map counts as manipulated.
    pub map_threshold: f64,
}

/// A threshold for a declared false-positive rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// The declared rate of false alarms among authentic images, in `(0, 1)`.
    pub false_positive_rate: f64,
    /// Score at and above which an image is flagged, in `[0, 1]`.
    pub threshold: f64,
    /// Upper end of the 95 % Clopper–Pearson interval of the rate on the validation reals.
    pub upper_bound: f64,
    /// Number of authentic validation images behind it.
    pub authentic_images: usize,
}

/// Where weights come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The resolved recipe, as TOML.
    pub recipe: String,
    /// SHA-256 of the data manifest, hexadecimal.
    pub manifest_sha256: String,
    /// Seed of the run.
    pub seed: u64,
    /// Device of the run, in words.
    pub device: String,
    /// Epoch whose weights these are, counted from 1.
    pub epoch: usize,
    /// Name and SHA-256 of the checkpoint whose weights the run began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<[String; 2]>,
    /// What it was trained on.
    pub data: Vec<DataSummary>,
    /// Families added afterwards from few examples, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<AddedFamily>,
}

/// A family that a finished checkpoint was taught from few examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedFamily {
    /// Name and SHA-256 of the checkpoint before.
    pub parent: [String; 2],
    /// The family.
    pub family: String,
    /// Examples trained on and held out.
    pub examples: [usize; 2],
    /// Authentic images that were given to match them, held-out ones included.
    pub authentic: usize,
    /// Steps of optimisation.
    pub steps: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Seed of draws and augmentation.
    pub seed: u64,
}

/// One row of the training data: how many images of one label, family, source and licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSummary {
    /// `real`, `synthetic` or `tampered`.
    pub label: String,
    /// Generator family; empty for authentic images.
    pub generator: String,
    /// Source of the image or of its authentic parent.
    pub source: String,
    /// Modality.
    pub modality: String,
    /// Licence of the images.
    pub licence: String,
    /// Number of training images.
    pub images: usize,
}

/// What was measured for one generator family on held-out groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyMetrics {
    /// `validation` or `test`.
    pub split: String,
    /// Generator family.
    pub family: String,
    /// Authentic and manipulated images compared.
    pub images: [usize; 2],
    /// Area under the ROC curve with its 95 % interval: estimate, low, high.
    pub auroc: [f64; 3],
    /// Other figures by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, f64>,
}

impl Calibration {
    /// A calibration that changes nothing and flags at one half.
    #[must_use]
    pub fn identity() -> Self {
        Self {
            temperature: 1.0,
            bias: 0.0,
            operating_points: Vec::new(),
            abstention_band: None,
            map_threshold: 0.5,
        }
    }

    /// Calibrated probability of manipulation, in `[0, 1]`.
    #[must_use]
    pub fn score(&self, logit: f64) -> f64 {
        1.0 / (1.0 + (-(logit - self.bias) / self.temperature).exp())
    }

    /// The strictest operating point whose declared rate does not exceed `max_fpr`.
    #[must_use]
    pub fn operating_point(&self, max_fpr: f64) -> Option<&OperatingPoint> {
        self.operating_points
            .iter()
            .filter(|point| point.false_positive_rate <= max_fpr + 1e-12)
            .max_by(|a, b| a.false_positive_rate.total_cmp(&b.false_positive_rate))
    }

    /// Names the first thing that makes this calibration unusable.
    pub(crate) fn fault(&self) -> Option<String> {
        if !(self.temperature.is_finite() && self.temperature > 0.0 && self.bias.is_finite()) {
            return Some("the calibration's temperature or bias is not usable".into());
        }
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        for point in &self.operating_points {
            if !unit(point.threshold) || !unit(point.false_positive_rate) {
                return Some("an operating point lies outside [0, 1]".into());
            }
        }
        match self.abstention_band {
            Some([low, high]) if !(unit(low) && unit(high) && low <= high) => {
                Some("the abstention band is not an interval in [0, 1]".into())
            }
            _ if !unit(self.map_threshold) => {
                Some("the map's threshold lies outside [0, 1]".into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_is_monotonic_and_centred_on_the_bias() {
        let calibration = Calibration {
            temperature: 2.0,
            bias: 0.5,
            ..Calibration::identity()
        };
        assert!((calibration.score(0.5) - 0.5).abs() < 1e-12);
        assert!(calibration.score(3.0) > calibration.score(2.0));
    }

    #[test]
    fn operating_point_never_exceeds_what_was_asked() {
        let point = |rate: f64| OperatingPoint {
            false_positive_rate: rate,
            threshold: 1.0 - rate,
            upper_bound: rate,
            authentic_images: 1,
        };
        let calibration = Calibration {
            operating_points: vec![point(0.01), point(0.05)],
            ..Calibration::identity()
        };
        let rate = |max| {
            calibration
                .operating_point(max)
                .map(|p| p.false_positive_rate)
        };
        assert_eq!(rate(0.05), Some(0.05));
        assert_eq!(rate(0.03), Some(0.01));
        assert_eq!(rate(0.001), None);
    }
}
