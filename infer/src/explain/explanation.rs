//! Everything that the pictures show, computed once.

use std::path::Path;

use serde::Serialize;
use veraray_datasets::GrayImage;
use veraray_model::Tile;

use crate::explain::drivers::{Dissection, Drivers};
use crate::explain::noise::Noise;
use crate::explain::spectrum::Spectrum;
use crate::explain::trials::{self, Trial};
use crate::forward::Forward;
use crate::frames::{ScoredFrame, ScoredTile};
use crate::plan::Judge;
use crate::report::Context;
use crate::report::plot::signed;
use crate::report::raster::reduced;
use crate::source::open_again;
use crate::witness::Witness;
use crate::{Record, ScanError};

/// Longer side in pixels of the slices in the strip.
const STRIP: usize = 160;

/// Most slices in the strip.
const MOST_SLICES: usize = 8;

/// What is seen while the image is judged.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    frames: Vec<(u32, GrayImage)>,
    scored: Vec<ScoredFrame>,
}

impl Witness for Gathered {
    fn frame(&mut self, index: u32, gray: &GrayImage) {
        self.frames.push((index, reduced(gray, STRIP)));
    }

    fn scored(&mut self, frames: &[ScoredFrame]) {
        self.scored = frames.to_vec();
    }
}

/// Score of one frame of several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct FrameScore {
    /// From 0.
    pub(crate) frame: u32,
    pub(crate) logit: f64,
    pub(crate) score: f64,
}

/// A slice among the most suspicious ones.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) score: FrameScore,
    pub(crate) gray: GrayImage,
    pub(crate) scored: ScoredFrame,
}

/// A frame with what the detector says of it.
#[derive(Debug, Clone)]
pub(crate) struct Detail {
    pub(crate) scored: ScoredFrame,
    pub(crate) tiles: Vec<Tile>,
}

/// Why an image has its verdict.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    #[serde(skip)]
    pub(crate) record: Record,
    #[serde(skip)]
    pub(crate) context: Context,
    /// The frame shown in detail, from 0.
    pub(crate) shown_frame: u32,
    #[serde(skip)]
    pub(crate) gray: GrayImage,
    /// Distance between rows and columns in millimetres.
    pub(crate) pixel_spacing: Option<[f32; 2]>,
    /// The frame's localisation map; `None` where the frame cannot be scored.
    #[serde(skip)]
    pub(crate) detail: Option<Detail>,
    /// Score of the frame shown.
    pub(crate) frame_score: Option<FrameScore>,
    /// Scores of all frames looked at.
    pub(crate) frame_scores: Vec<FrameScore>,
    #[serde(skip)]
    pub(crate) slices: Vec<Slice>,
    /// What the logit of the frame is made of, where the network can be taken apart.
    pub(crate) drivers: Option<Drivers>,
    /// The frame's score under harmless changes.
    pub(crate) trials: Vec<Trial>,
    pub(crate) spectrum: Option<Spectrum>,
    pub(crate) noise: Option<Noise>,
}

impl Explanation {
    /// Explains a record by a second look at one frame.
    ///
    /// # Errors
    /// [`ScanError::Usage`] when there is no such frame, or it cannot be decoded.
    pub(crate) fn new(
        judge: &Judge,
        record: Record,
        gathered: &Gathered,
        frame: Option<u32>,
        forward: &mut dyn Forward,
    ) -> Result<Self, ScanError> {
        let examiner = &judge.examiner;
        let score = |frame: &ScoredFrame| {
            // No frame is without a tile; were one, it would have no finite score.
            let pooled = examiner.rules.pooling.pool(frame.logits());
            let logit = pooled.unwrap_or(f64::NAN);
            FrameScore {
                frame: frame.index,
                logit,
                score: examiner.rules.calibration.score(logit),
            }
        };
        let mut frame_scores: Vec<FrameScore> = gathered.scored.iter().map(score).collect();
        frame_scores.retain(|frame| frame.score.is_finite());
        let worst = frame_scores
            .iter()
            .max_by(|a, b| a.logit.total_cmp(&b.logit))
            .map(|score| score.frame);
        let middle = gathered
            .frames
            .get(gathered.frames.len() / 2)
            .map(|(index, _)| *index);
        let shown = frame.or(worst).or(middle).unwrap_or(0);
        let refuse = |error: String| ScanError::Usage(format!("--frame {shown}: {error}"));
        let mut image = open_again(Path::new(&record.path), &examiner.limits).map_err(refuse)?;
        let info = image.info().clone();
        let gray = image
            .frame(shown)
            .map_err(|error| refuse(error.to_string()))?
            .to_gray();
        // A colour image is not judged, and neither is one frame of it.
        let judged = record.score.is_some();
        let tiles = examiner
            .spec
            .tiles(&gray.pixels, gray.rows, gray.columns)
            .ok()
            .filter(|_| judged);
        let detail = tiles.and_then(|tiles| detail(shown, &gray, tiles, forward));
        let (drivers, trials) = match &detail {
            None => (None, Vec::new()),
            Some(detail) => {
                let dissection = Dissection {
                    detector: &judge.detector,
                    architecture: &judge.context.architecture,
                    device: judge.device.handle(),
                    pooling: examiner.rules.pooling,
                };
                (
                    dissection.drivers(&detail.tiles),
                    trials::run(&gray, &examiner.spec, &examiner.rules, forward),
                )
            }
        };
        let frame_score = detail.as_ref().map(|detail| score(&detail.scored));
        Ok(Self {
            context: judge.context.clone(),
            shown_frame: shown,
            pixel_spacing: info.pixel_spacing,
            spectrum: Spectrum::of(&gray),
            noise: Noise::of(&gray),
            gray,
            detail,
            frame_score,
            slices: slices(gathered, &frame_scores),
            frame_scores,
            drivers,
            trials,
            record,
        })
    }

    /// What drove the score, for a terminal.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.record.frames.is_some_and(|frames| frames > 1) {
            lines.push(format!("frame {} in detail", self.shown_frame));
        }
        if let Some(drivers) = &self.drivers {
            let total: f64 = drivers.parts.iter().map(|part| part.logit).sum();
            lines.push(format!("logit {} is made of", signed(total)));
            for part in &drivers.parts {
                lines.push(format!("{:>9}  {}", signed(part.logit), part.name));
            }
            lines.push("and would lose without".into());
            for part in drivers.branches.iter().chain(&drivers.detail) {
                lines.push(format!("{:>9}  {}", signed(part.logit), part.name));
            }
        }
        if !self.trials.is_empty() {
            lines.push("score after harmless changes".into());
            for trial in &self.trials {
                lines.push(format!("{:>9.3}  {}", trial.score, trial.name));
            }
        }
        lines
    }
}

fn detail(
    index: u32,
    gray: &GrayImage,
    tiles: Vec<Tile>,
    forward: &mut dyn Forward,
) -> Option<Detail> {
    let scores = forward.forward(tiles.clone()).ok()?;
    let scored = ScoredFrame {
        index,
        rows: gray.rows,
        columns: gray.columns,
        tiles: tiles
            .iter()
            .zip(scores)
            .map(|(tile, score)| ScoredTile {
                height: tile.height,
                width: tile.width,
                valid: tile.valid,
                region: tile.region,
                score,
            })
            .collect(),
    };
    let finite = scored.logits().all(f64::is_finite);
    finite.then_some(Detail { scored, tiles })
}

/// The most suspicious slices, in their order in the volume.
fn slices(gathered: &Gathered, scores: &[FrameScore]) -> Vec<Slice> {
    if scores.len() < 2 {
        return Vec::new();
    }
    let mut order = scores.to_vec();
    order.sort_by(|a, b| b.logit.total_cmp(&a.logit));
    order.truncate(MOST_SLICES);
    order.sort_by_key(|score| score.frame);
    order
        .into_iter()
        .filter_map(|score| {
            let gray = gathered
                .frames
                .iter()
                .find(|(index, _)| *index == score.frame)?;
            let scored = gathered
                .scored
                .iter()
                .find(|frame| frame.index == score.frame)?;
            Some(Slice {
                score,
                gray: gray.1.clone(),
                scored: scored.clone(),
            })
        })
        .collect()
}
