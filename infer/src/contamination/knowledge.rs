//! The error rates of the detector, from its card, from known images, or from the user.

use veraray_model::{Calibration, Card, FamilyMetrics, OperatingPoint, platt};

use super::archive::Archive;
use super::options::ContaminationArgs;
use super::stats::classes::Evidence;
use super::stats::rates::{ErrorRates, Rate, passed};
use crate::ScanError;
use crate::wording::percent;

/// The rate of false alarms whose threshold detection rates are measured at in training.
const MEASURED_AT: f64 = 0.01;

/// What is known of the detector, and in words from where.
#[derive(Debug, Clone)]
pub(crate) struct Knowledge {
    pub(crate) rates: ErrorRates,
    pub(crate) false_alarms_from: String,
    pub(crate) detections_from: String,
    /// Detections by family: name, rate, images.
    pub(crate) families: Vec<(String, f64, usize)>,
    /// What EM goes by, or why it cannot.
    pub(crate) evidence: Result<Evidence, String>,
    /// Slope and offset from the card's log-likelihood ratios to those of the known images.
    pub(crate) recalibration: [f64; 2],
    /// What is taken for granted beyond the usual.
    pub(crate) warnings: Vec<String>,
}

/// Images whose class is known.
pub(crate) struct Known {
    pub(crate) authentic: Archive,
    pub(crate) manipulated: Archive,
}

impl Knowledge {
    /// Gathers what is known for a threshold.
    ///
    /// # Errors
    /// [`ScanError::Usage`] when the false alarms at that threshold are not known, or a family is not.
    pub(crate) fn new(
        card: &Card,
        threshold: f64,
        known: &Known,
        arguments: &ContaminationArgs,
    ) -> Result<Self, ScanError> {
        for (archive, flag) in [
            (&known.authentic, "--authentic"),
            (&known.manipulated, "--manipulated"),
        ] {
            if archive
                .threshold
                .is_some_and(|other| (other - threshold).abs() > 1e-9)
            {
                return Err(ScanError::Usage(format!(
                    "{flag}: its records were judged with another threshold than those to audit"
                )));
            }
        }
        let mut warnings = Vec::new();
        let point = card
            .calibration
            .operating_points
            .iter()
            .find(|point| (point.threshold - threshold).abs() <= 1e-9);
        let (false_alarms, false_alarms_from) = false_alarms(point, threshold, known)?;
        let families = families(card, &arguments.family)?;
        let (detections, detections_from) = detections(known, arguments, &families, &mut warnings);
        let from_card = known.manipulated.total() == 0 && arguments.sensitivity.is_none();
        if let Some(point) = point
            && from_card
            && !families.is_empty()
            && (point.false_positive_rate - MEASURED_AT).abs() > 1e-9
        {
            warnings.push(format!(
                "The card's detection rates are for {} false alarms and the threshold in force is for \
                 {}: give --sensitivity, or records of known images with --manipulated.",
                percent(MEASURED_AT),
                percent(point.false_positive_rate)
            ));
        }
        let rates = ErrorRates {
            false_alarms,
            detections,
        };
        let [authentic, manipulated] = [&known.authentic, &known.manipulated]
            .map(|archive| -> Vec<f64> { archive.images.iter().map(|image| image.llr).collect() });
        let local = authentic.len() >= 20 && manipulated.len() >= 20;
        let images = match local {
            true => [authentic.len(), manipulated.len()],
            false => calibrated_on(&card.calibration, &card.metrics),
        };
        let evidence = match detections {
            Rate::Assumed(rate) if rate >= 1.0 => {
                Err("it needs to know how many manipulated images are detected".into())
            }
            _ => Evidence::of(
                rates.false_alarms.estimate(),
                rates.detections.estimate(),
                images,
            )
            .ok_or_else(|| {
                "the card does not say how many images it was calibrated on, or the detector is no \
                     better than chance"
                    .into()
            }),
        };
        Ok(Self {
            rates,
            false_alarms_from,
            detections_from,
            families: if from_card { families } else { Vec::new() },
            evidence,
            recalibration: match local {
                true => platt(&authentic, &manipulated),
                false => [1.0, 0.0],
            },
            warnings,
        })
    }
}

fn false_alarms(
    point: Option<&OperatingPoint>,
    threshold: f64,
    known: &Known,
) -> Result<(Rate, String), ScanError> {
    let trials = known.authentic.total();
    if trials > 0 {
        let events = known.authentic.flagged();
        let rate = Rate::Counted {
            events: events as f64,
            trials: trials as f64,
        };
        return Ok((
            rate,
            format!("{events} of {trials} images known to be authentic"),
        ));
    }
    let Some(point) = point.filter(|point| point.authentic_images > 0) else {
        return Err(ScanError::Usage(format!(
            "the checkpoint has measured no false alarms for the threshold {threshold:.4}; give records \
             of images known to be authentic with --authentic"
        )));
    };
    let trials = point.authentic_images as u64;
    let allowed = (point.false_positive_rate * trials as f64).floor() as u64;
    let passed = passed(point.upper_bound, trials)
        .unwrap_or(allowed)
        .min(trials - 1);
    let rate = Rate::Threshold { passed, trials };
    let words = format!(
        "card: threshold for {} false alarms, chosen on {trials} authentic images of which {passed} \
         pass it",
        percent(point.false_positive_rate)
    );
    Ok((rate, words))
}

/// The card's detection rates by family, on the test split where there is one.
fn families(card: &Card, wanted: &[String]) -> Result<Vec<(String, f64, usize)>, ScanError> {
    let rate = |row: &FamilyMetrics| {
        let rate = row.more.get("detection_rate").copied()?;
        (rate.is_finite() && row.images[1] > 0)
            .then(|| (row.family.clone(), rate.clamp(0.0, 1.0), row.images[1]))
    };
    let of = |split: &str| -> Vec<(String, f64, usize)> {
        card.metrics
            .iter()
            .filter(|row| row.split == split)
            .filter_map(rate)
            .collect()
    };
    let all = match of("test") {
        none if none.is_empty() => of("validation"),
        test => test,
    };
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !all.iter().any(|row| row.0 == **name))
    {
        let names: Vec<&str> = all.iter().map(|row| row.0.as_str()).collect();
        return Err(ScanError::Usage(format!(
            "--family {unknown}: the card has no detection rate of it; it has {}",
            if names.is_empty() {
                "none".into()
            } else {
                names.join(", ")
            }
        )));
    }
    Ok(all
        .into_iter()
        .filter(|row| wanted.is_empty() || wanted.contains(&row.0))
        .collect())
}

fn detections(
    known: &Known,
    arguments: &ContaminationArgs,
    families: &[(String, f64, usize)],
    warnings: &mut Vec<String>,
) -> (Rate, String) {
    let trials = known.manipulated.total();
    if trials > 0 {
        let events = known.manipulated.flagged();
        let rate = Rate::Counted {
            events: events as f64,
            trials: trials as f64,
        };
        return (
            rate,
            format!("{events} of {trials} images known to be manipulated"),
        );
    }
    if let Some(rate) = arguments.sensitivity {
        return match arguments.sensitivity_n.filter(|images| *images > 0) {
            Some(images) => {
                let trials = f64::from(images);
                let known = Rate::Counted {
                    events: rate * trials,
                    trials,
                };
                (
                    known,
                    format!("given: {} on {images} images", percent(rate)),
                )
            }
            None => {
                warnings.push(
                    "The sensitivity given is taken as exact; --sensitivity-n says how well it \
                               is known."
                        .into(),
                );
                (Rate::Assumed(rate), format!("given: {}", percent(rate)))
            }
        };
    }
    let trials: usize = families.iter().map(|row| row.2).sum();
    if trials == 0 {
        warnings.push(
            "The card has no detection rates: every manipulated image is taken to be detected, so that \
             the prevalence is a lower bound. Give --sensitivity or --manipulated."
                .into(),
        );
        return (Rate::Assumed(1.0), "assumed: all".into());
    }
    let events: f64 = families.iter().map(|row| row.1 * row.2 as f64).sum();
    let names: Vec<String> = families
        .iter()
        .map(|row| format!("{} {}", row.0, row.2))
        .collect();
    let words = format!(
        "card: {} of {trials} held-out images ({})",
        events.round(),
        names.join(", ")
    );
    (
        Rate::Counted {
            events,
            trials: trials as f64,
        },
        words,
    )
}

/// Authentic and manipulated images that a card was calibrated on.
fn calibrated_on(calibration: &Calibration, metrics: &[FamilyMetrics]) -> [usize; 2] {
    let authentic = calibration
        .operating_points
        .iter()
        .map(|point| point.authentic_images)
        .max();
    let of = |split: &str| -> usize {
        metrics
            .iter()
            .filter(|row| row.split == split)
            .map(|row| row.images[1])
            .sum()
    };
    let manipulated = match of("validation") {
        0 => of("test"),
        images => images,
    };
    // A card that says of one class only: calibration sets are about as large in both.
    match (authentic.unwrap_or(0), manipulated) {
        (0, images) | (images, 0) => [images; 2],
        both => [both.0, both.1],
    }
}
