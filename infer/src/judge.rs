//! From scores to a verdict.

use veraray_model::{Calibration, OutOfDistribution, Pooling, Unfamiliarity};

use crate::agreement::{lone, supported};
use crate::frames::ScoredFrame;
use crate::{Region, Verdict, regions, wording};

/// Share of the map that is rather manipulated than not from which a manipulation counts as global. Lesions
/// that are painted in or out fill a few percent of an image, and their maps a tenth, at most three
/// eighths; a generator whose traces show in places only still has more than half.
const GLOBAL: f64 = 0.45;

/// A cell is rather manipulated than not.
const RATHER: f64 = 0.5;

/// Most slices that stand out whose neighbours are looked at again.
const MOST_CONFIRMED: usize = 4;

/// The threshold in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Operating {
    /// Score at and above which an image is flagged.
    pub(crate) threshold: f64,
    /// The declared rate of false alarms, where the checkpoint measured one.
    pub(crate) false_alarms: Option<f64>,
}

/// By what images are judged.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) calibration: Calibration,
    pub(crate) operating: Operating,
    /// How tiles become a frame, and frames an image.
    pub(crate) pooling: Pooling,
    /// Modalities the detector was trained on.
    pub(crate) modalities: Vec<String>,
    /// Which images the detector knows, where the checkpoint says it.
    pub(crate) known: Option<OutOfDistribution>,
    /// Whether doubtful verdicts are withheld.
    pub(crate) abstain: bool,
}

/// The result for one image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) logit: f64,
    pub(crate) score: f64,
    pub(crate) reasons: Vec<String>,
    pub(crate) regions: Vec<Region>,
}

impl Rules {
    /// Judges an image of `count` frames by those that were scored. `None` when the network gave no
    /// finite number.
    pub(crate) fn judge(
        &self,
        frames: &[ScoredFrame],
        count: u32,
        modality: Option<&str>,
    ) -> Option<Judgement> {
        let logits = self.logits(frames);
        let logit = self.pooling.pool(supported(&logits))?;
        let score = self.calibration.score(logit);
        if !(logit.is_finite() && score.is_finite()) {
            return None;
        }
        let mut doubts = self.doubts(score, modality);
        doubts.extend(self.unfamiliar(frames));
        let lone = lone(&logits.iter().map(|&z| self.flags(z)).collect::<Vec<_>>());
        let Operating {
            threshold,
            false_alarms,
        } = self.operating;
        let mut found = Vec::new();
        let mut reasons = Vec::new();
        let verdict = if self.abstain && !doubts.is_empty() {
            Verdict::Abstain
        } else if score >= threshold {
            reasons.push(wording::flagged(score, threshold, false_alarms));
            found = regions::find(frames, self.calibration.map_threshold);
            reasons.extend(wording::regions(&found, count));
            self.kind(frames, &lone)
        } else {
            Verdict::Authentic
        };
        reasons.extend(doubts);
        let scores: Vec<f64> = logits.iter().map(|&z| self.calibration.score(z)).collect();
        reasons.extend(wording::overruled(frames, &scores, &lone));
        reasons.extend(wording::subsampled(frames.len(), count));
        Some(Judgement {
            verdict,
            logit,
            score,
            reasons,
            regions: found,
        })
    }

    /// The slices that lift the volume's score over the threshold without a neighbour among those
    /// scored that goes as far, the highest first: what lies beside them decides.
    pub(crate) fn to_confirm(&self, frames: &[ScoredFrame]) -> Vec<u32> {
        let logits = self.logits(frames);
        let shared = supported(&logits);
        let flagged = |logits: &[f64]| {
            let pooled = self.pooling.pool(logits.iter().copied());
            pooled.is_some_and(|logit| self.flags(logit))
        };
        if !flagged(&logits) || flagged(&shared) {
            return Vec::new();
        }
        let mut peaks: Vec<usize> = (0..frames.len())
            .filter(|&index| self.flags(logits[index]) && shared[index] < logits[index])
            .collect();
        peaks.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        peaks.truncate(MOST_CONFIRMED);
        peaks.into_iter().map(|peak| frames[peak].index).collect()
    }

    /// The logits of frames, each pooled from its tiles.
    fn logits(&self, frames: &[ScoredFrame]) -> Vec<f64> {
        frames
            .iter()
            // No frame is without a tile; were one, its logit would be no number.
            .map(|frame| self.pooling.pool(frame.logits()).unwrap_or(f64::NAN))
            .collect()
    }

    /// Whether a logit reaches the threshold.
    fn flags(&self, logit: f64) -> bool {
        self.calibration.score(logit) >= self.operating.threshold
    }

    /// A flagged image is tampered with when the map marks a part of it, else generated as a whole.
    /// Slices that stand `alone` have no say.
    fn kind(&self, frames: &[ScoredFrame], alone: &[usize]) -> Verdict {
        let agreed = frames.iter().enumerate();
        let agreed = agreed.filter(|(index, _)| !alone.contains(index));
        // Not the threshold of the regions, which draws outlines tightly.
        let threshold = self.calibration.map_threshold.min(RATHER);
        let (above, all) = regions::cells_above(agreed.map(|(_, frame)| frame), threshold);
        if above > 0 && (above as f64) < GLOBAL * all as f64 {
            Verdict::Tampered
        } else {
            Verdict::Synthetic
        }
    }

    /// Why the image is unlike those that the detector knows.
    fn unfamiliar(&self, frames: &[ScoredFrame]) -> Vec<String> {
        let Some(known) = &self.known else {
            return Vec::new();
        };
        let tiles = frames.iter().flat_map(|frame| &frame.tiles);
        let measured = tiles.map(|tile| known.measure(&tile.score.features));
        Unfamiliarity::mean(measured)
            .map(|found| wording::unfamiliar(found, known))
            .unwrap_or_default()
    }

    /// Reasons to withhold a verdict.
    fn doubts(&self, score: f64, modality: Option<&str>) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Some(modality) = modality
            .map(str::trim)
            .filter(|modality| !modality.is_empty())
            && !self
                .modalities
                .iter()
                .any(|trained| trained.eq_ignore_ascii_case(modality))
        {
            doubts.push(wording::untrained(modality, &self.modalities));
        }
        // A threshold below the band's upper end was asked for: what reaches it is flagged.
        if let Some([low, high]) = self.calibration.abstention_band {
            let band = [low, high.min(self.operating.threshold)];
            if (band[0]..band[1]).contains(&score) {
                doubts.push(wording::too_close(score, band));
            }
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::TileScore;
    use crate::frames::ScoredTile;

    fn rules(threshold: f64) -> Rules {
        Rules {
            calibration: Calibration::identity(),
            operating: Operating {
                threshold,
                false_alarms: Some(0.01),
            },
            pooling: Pooling::Mean,
            modalities: vec!["CR".into()],
            known: None,
            abstain: true,
        }
    }

    fn frame(logit: f32, hot: usize) -> ScoredFrame {
        let mut map = vec![0.0; 16];
        map[..hot].fill(1.0);
        let tile = ScoredTile {
            height: 64,
            width: 64,
            valid: [64, 64],
            region: [0.0, 0.0, 64.0, 64.0],
            score: TileScore {
                logit,
                map,
                columns: 4,
                features: Vec::new(),
            },
        };
        ScoredFrame {
            index: 0,
            rows: 64,
            columns: 64,
            tiles: vec![tile],
        }
    }

    #[test]
    fn the_map_tells_tampered_from_synthetic() {
        let verdict = |hot| {
            rules(0.5)
                .judge(&[frame(2.0, hot)], 1, None)
                .unwrap()
                .verdict
        };
        assert_eq!(verdict(0), Verdict::Synthetic);
        assert_eq!(verdict(1), Verdict::Tampered);
        // Of sixteen cells.
        assert_eq!(verdict(7), Verdict::Tampered);
        assert_eq!(verdict(8), Verdict::Synthetic);
    }

    #[test]
    fn authentic_images_have_no_regions_and_the_threshold_itself_flags() {
        let judgement = rules(0.9).judge(&[frame(0.0, 4)], 1, None).unwrap();
        assert_eq!(judgement.verdict, Verdict::Authentic);
        assert!(judgement.regions.is_empty() && judgement.reasons.is_empty());
        let judgement = rules(0.5).judge(&[frame(0.0, 4)], 1, None).unwrap();
        assert!(judgement.verdict.is_flagged());
        assert_eq!(judgement.regions.len(), 1);
    }

    #[test]
    fn doubts_withhold_a_verdict_unless_told_not_to() {
        let mut rules = rules(0.6);
        rules.calibration.abstention_band = Some([0.4, 0.7]);
        let judge = |rules: &Rules, modality| rules.judge(&[frame(0.0, 0)], 1, modality).unwrap();
        let judgement = judge(&rules, Some("US"));
        assert_eq!(judgement.verdict, Verdict::Abstain);
        assert_eq!(judgement.reasons.len(), 2);
        rules.abstain = false;
        let judgement = judge(&rules, Some("US"));
        assert_eq!(judgement.verdict, Verdict::Authentic);
        assert_eq!(judgement.reasons.len(), 2);
        // At and above the threshold there is no doubt about the score.
        rules.abstain = true;
        rules.operating.threshold = 0.5;
        assert_eq!(judge(&rules, None).verdict, Verdict::Synthetic);
        rules.calibration.abstention_band = None;
        assert_eq!(judge(&rules, Some("cr ")).verdict, Verdict::Synthetic);
        assert_eq!(judge(&rules, None).verdict, Verdict::Synthetic);
    }

    #[test]
    fn what_the_detector_does_not_know_is_refused_unless_told_not_to() {
        let mut rules = rules(0.5);
        rules.known = Some(OutOfDistribution {
            mean: vec![0.0; 2],
            scale: vec![1.0; 2],
            components: vec![vec![1.0, 0.0]],
            variances: vec![1.0],
            rest: 1.0,
            reduction: vec![0.0, 1.0],
            limits: [2.0, 0.5],
            refused: [0.01; 2],
            images: 100,
        });
        let judge = |rules: &Rules, features: [f32; 2]| {
            let mut frame = frame(2.0, 0);
            frame.tiles[0].score.features = features.to_vec();
            rules.judge(&[frame], 1, None).unwrap()
        };
        assert_eq!(judge(&rules, [0.1, 0.1]).verdict, Verdict::Synthetic);
        let reduced = judge(&rules, [0.1, 0.75]);
        assert_eq!(reduced.verdict, Verdict::Abstain);
        assert!(
            reduced.reasons[0].contains("0.75, limit 0.50"),
            "{reduced:?}"
        );
        let strange = judge(&rules, [9.0, 0.0]);
        assert_eq!(strange.verdict, Verdict::Abstain);
        assert!(strange.reasons[0].contains("limit 2.00"), "{strange:?}");
        rules.abstain = false;
        let judgement = judge(&rules, [9.0, 0.0]);
        assert_eq!(judgement.verdict, Verdict::Synthetic);
        assert_eq!(judgement.reasons.len(), 2);
    }

    #[test]
    fn what_is_no_number_is_no_verdict() {
        assert_eq!(rules(0.5).judge(&[frame(f32::NAN, 0)], 1, None), None);
    }

    /// Frames at every fifth place.
    fn volume(logits: &[f32]) -> Vec<ScoredFrame> {
        (0..)
            .zip(logits)
            .map(|(index, &logit)| ScoredFrame {
                index: 5 * index + 2,
                ..frame(logit, 0)
            })
            .collect()
    }

    #[test]
    fn a_lone_slice_is_overruled_and_two_that_agree_are_not() {
        let mut rules = rules(0.5);
        rules.pooling = Pooling::LogMeanExp;
        let judge = |logits: &[f32]| rules.judge(&volume(logits), 25, None).unwrap();
        let alone = judge(&[-4.0, -4.0, 6.0, -3.0, -4.0]);
        assert_eq!(alone.verdict, Verdict::Authentic);
        assert_eq!(alone.reasons.len(), 2);
        assert!(
            alone.reasons[0].starts_with("slice 12 alone scores 1.00"),
            "{:?}",
            alone.reasons
        );
        let agreed = judge(&[-4.0, -4.0, 6.0, 6.0, -4.0]);
        assert!(agreed.verdict.is_flagged());
        assert!(!agreed.reasons.iter().any(|reason| reason.contains("alone")));
        // A single frame and a pair have nobody to ask.
        assert!(judge(&[6.0]).verdict.is_flagged() && judge(&[-4.0, 6.0]).verdict.is_flagged());
    }

    #[test]
    fn only_a_peak_that_decides_is_looked_at_again() {
        let mut rules = rules(0.5);
        rules.pooling = Pooling::LogMeanExp;
        let again = |logits: &[f32]| rules.to_confirm(&volume(logits));
        assert_eq!(again(&[-4.0, -4.0, 6.0, -3.0, -4.0]), [12]);
        assert!(again(&[-4.0, -4.0, 6.0, 6.0, -4.0]).is_empty());
        assert!(again(&[-4.0, -4.0, -1.0, -3.0, -4.0]).is_empty());
        // Above the threshold, but not enough to flag the whole.
        assert!(again(&[-4.0, -4.0, 0.5, -3.0, -4.0]).is_empty());
    }

    #[test]
    fn frames_are_averaged() {
        let frames = [frame(1.0, 0), frame(-3.0, 0)];
        let judgement = rules(0.5).judge(&frames, 9, None).unwrap();
        assert!((judgement.logit + 1.0).abs() < 1e-9);
        assert_eq!(judgement.reasons, ["2 of 9 frames scored"]);
    }
}
