//! Recalibration without labels: moves the scores of a site's own images to where the scores of the
//! calibration images lay.
//!
//! It assumes that nearly all of the images are authentic and that manipulated ones score higher, so
//! that the lower part of the site's scores is that of authentic images, whatever the rest is. Under
//! that assumption a device or protocol that shifts all logits alike is corrected; nothing else is.
//! Only lower quantiles are matched, so that contamination up to the assumed share hardly moves them.

use std::path::Path;

use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use veraray_model::Checkpoint;

use super::reference::{Reference, distribution};
use crate::TrainError;
use crate::local::{Local, LocalImage};
use crate::metrics::{REPLICATES, percentiles, rate_above};
use crate::progress::Progress;

/// Fewest images that a shift is estimated from.
const LEAST: usize = 100;

/// Quantiles that are matched.
const SHARES: [f64; 9] = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5];

/// How to correct.
#[derive(Debug, Clone, Copy)]
pub struct SiteOptions {
    /// Largest share of manipulated images that is allowed for, in `[0, 0.5)`.
    pub contamination: f64,
    /// Most images looked at.
    pub limit: usize,
}

/// The correction found.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteShift {
    /// Images it was estimated from.
    pub images: usize,
    /// What was added to the bias, in logits, with its 95 % bootstrap interval.
    pub shift: [f64; 3],
    /// The shift if no image were manipulated, and if as many were as was allowed for.
    pub by_contamination: [f64; 2],
    /// Largest distance between matched quantiles afterwards, over the reference's interquartile
    /// range.
    pub mismatch: f64,
    /// Share flagged at the strictest threshold, before and after.
    pub flagged: [f64; 2],
    /// Files that could not be judged, and why.
    pub skipped: Vec<(String, String)>,
}

/// Corrects the checkpoint at `path` for the images below a folder or of a manifest, whose labels are
/// not looked at.
///
/// # Errors
/// [`TrainError::Data`] when the card keeps no calibration set, there are too few images, or the
/// site's scores differ by more than a shift; [`TrainError`] when something cannot be read.
pub fn recalibrate_site(
    path: &Path,
    images: &Path,
    device: &Device,
    options: SiteOptions,
    progress: &Progress,
) -> Result<(Checkpoint, SiteShift), TrainError> {
    let mut checkpoint = Checkpoint::load(path, device)?;
    let set = checkpoint.card.calibration_set.clone().ok_or_else(|| {
        TrainError::Data(format!(
            "{}: the card keeps no calibration set to compare with; run calibrate with labelled images \
             first",
            path.display()
        ))
    })?;
    let local = Local::score(&checkpoint, images, device, options.limit, progress)?;
    let refuse = |why: String| Err(TrainError::Data(format!("{}: {why}", images.display())));
    let count = local.images.len();
    if count < LEAST {
        return refuse(format!(
            "{count} images can be judged; at least {LEAST} are needed to correct scores without labels"
        ));
    }
    let reference =
        Reference::mixed(&set, &local.modalities(), |d| &d.logits).ok_or_else(|| {
            TrainError::Data(format!("{}: the calibration set is empty", path.display()))
        })?;
    let logits: Vec<f64> = local.images.iter().map(|image| image.logit).collect();
    let found = estimate(&logits, &reference, options.contamination);
    let spread = reference.quantile(0.75) - reference.quantile(0.25);
    let mismatch = found.residual / spread.max(1e-6);
    if mismatch > 0.5 {
        return refuse(format!(
            "the scores differ from the calibration's in shape, not in place only (by {mismatch:.2} of \
             their interquartile range); a shift does not mend that: label some images"
        ));
    }
    let calibration = &checkpoint.card.calibration;
    let strictest = calibration
        .operating_points
        .first()
        .map_or(1.0, |point| point.threshold);
    // The logit that the strictest threshold stands for.
    let bar =
        calibration.bias + calibration.temperature * (strictest / (1.0 - strictest)).ln().min(1e3);
    if found.shift[0] > (bar - reference.quantile(0.5)).max(spread) {
        return refuse(format!(
            "a typical image here scores like a manipulated one (shifted by {:.2}); without labels that \
             cannot be told from an archive full of them: label some images",
            found.shift[0]
        ));
    }
    let flagged = |shift: f64| {
        let scores: Vec<f64> = logits
            .iter()
            .map(|z| calibration.score(z - shift))
            .collect();
        rate_above(&scores, strictest)
    };
    let report = SiteShift {
        images: count,
        shift: found.shift,
        by_contamination: found.by_contamination,
        mismatch,
        flagged: [flagged(0.0), flagged(found.shift[0])],
        skipped: local.skipped.clone(),
    };
    let mut set = set;
    set.parent = Some([checkpoint.card.name.clone(), checkpoint.sha256.clone()]);
    set.method = vec![
        format!(
            "Scores shifted by {:.3} ({:.3} to {:.3}) logits on {count} unlabelled images of a site.",
            report.shift[0], report.shift[1], report.shift[2]
        ),
        format!(
            "Assumes that at most {} % of them are manipulated and that those score higher; declared \
             rates hold as far as that does.",
            100.0 * options.contamination
        ),
    ];
    set.authentic.clear();
    for (modality, images) in local.by_modality() {
        let rows: Vec<(f64, [f64; 5])> = images.iter().map(|i| (i.logit, i.features)).collect();
        set.authentic.insert(modality, distribution(&rows));
    }
    checkpoint.card.calibration.bias += report.shift[0];
    checkpoint.card.calibration_set = Some(set);
    Ok((checkpoint, report))
}

struct Estimate {
    shift: [f64; 3],
    by_contamination: [f64; 2],
    residual: f64,
}

/// Median distance of the lower quantiles, for half of the contamination allowed for.
fn estimate(logits: &[f64], reference: &Reference, contamination: f64) -> Estimate {
    let wanted = SHARES.map(|share| reference.quantile(share));
    // With a share c manipulated and above, the authentic p-quantile is the site's p(1 - c).
    let distances = |sorted: &[f64], c: f64| {
        SHARES.map(|share| {
            let place = share * (1.0 - c) * (sorted.len() - 1) as f64;
            let (a, b) = (
                sorted[place.floor() as usize],
                sorted[place.ceil() as usize],
            );
            a + (b - a) * place.fract()
        })
    };
    let shift = |sorted: &[f64], c: f64| {
        let found = distances(sorted, c);
        let mut apart: Vec<f64> = found.iter().zip(wanted).map(|(a, b)| a - b).collect();
        apart.sort_by(f64::total_cmp);
        apart[apart.len() / 2]
    };
    let mut sorted = logits.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = 0.5 * contamination;
    let estimate = shift(&sorted, middle);
    let residual = distances(&sorted, middle)
        .iter()
        .zip(wanted)
        .map(|(a, b)| (a - estimate - b).abs())
        .fold(0.0, f64::max);
    let mut rng = StdRng::seed_from_u64(1);
    let replicates: Vec<f64> = (0..REPLICATES)
        .map(|_| {
            let mut draw: Vec<f64> = (0..sorted.len())
                .map(|_| sorted[rng.random_range(0..sorted.len())])
                .collect();
            draw.sort_by(f64::total_cmp);
            shift(&draw, middle)
        })
        .collect();
    Estimate {
        shift: percentiles(estimate, replicates).unwrap_or([estimate; 3]),
        by_contamination: [shift(&sorted, 0.0), shift(&sorted, contamination)],
        residual,
    }
}

impl Local {
    fn by_modality(&self) -> std::collections::BTreeMap<String, Vec<&LocalImage>> {
        let mut all: std::collections::BTreeMap<String, Vec<&LocalImage>> = Default::default();
        for image in &self.images {
            all.entry(image.modality.clone()).or_default().push(image);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use veraray_model::CalibrationSet;

    use super::*;

    /// Normal-looking draws: sums of uniforms.
    fn draws(count: usize, centre: f64, seed: u64) -> Vec<f64> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..count)
            .map(|_| centre + (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)
            .collect()
    }

    fn reference() -> Reference {
        let rows: Vec<(f64, [f64; 5])> = draws(3000, -4.0, 1)
            .into_iter()
            .map(|z| (z, [0.0; 5]))
            .collect();
        let set = CalibrationSet {
            authentic: BTreeMap::from([("ct".to_owned(), distribution(&rows))]),
            ..CalibrationSet::default()
        };
        Reference::mixed(&set, &[], |d| &d.logits).unwrap()
    }

    #[test]
    fn a_shift_is_found_in_spite_of_contamination() {
        let reference = reference();
        for contamination in [0.0, 0.05, 0.1] {
            let fakes = (2000.0 * contamination) as usize;
            let mut logits = draws(2000 - fakes, -4.0 + 1.5, 2);
            logits.extend(draws(fakes, 5.0, 3));
            let found = estimate(&logits, &reference, 0.1);
            assert!(
                (found.shift[0] - 1.5).abs() < 0.15,
                "{contamination}: {:?}",
                found.shift
            );
            assert!(found.shift[1] <= found.shift[0] && found.shift[0] <= found.shift[2]);
        }
    }

    #[test]
    fn another_shape_leaves_a_residual() {
        let reference = reference();
        let same = estimate(&draws(1000, 0.0, 4), &reference, 0.1);
        let wide: Vec<f64> = draws(1000, 0.0, 4).iter().map(|z| 4.0 * z).collect();
        let other = estimate(&wide, &reference, 0.1);
        assert!(same.residual < 0.25 && other.residual > 1.0);
    }
}
