//! Scores the frames of one opened image, tile by tile, in bounded memory.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use veraray_datasets::{Image, OpenError};
use veraray_model::{InputSpec, Tile, Unsuitable};

use crate::forward::{Forward, ForwardError, TileScore};
use crate::judge::Rules;
use crate::reencode::Reencoding;
use crate::witness::Witness;

/// Largest channel difference, as a share of the range, of what still counts as grey: JPEG's chroma
/// rounding stays below it.
const GREY: f32 = 0.06;

/// What the detector said of one tile, without the pixels.
#[derive(Debug, Clone)]
pub(crate) struct ScoredTile {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) valid: [usize; 2],
    pub(crate) region: [f32; 4],
    pub(crate) score: TileScore,
}

impl ScoredTile {
    /// Rows and columns of tile pixels that one cell of the map stands for.
    pub(crate) fn cell(&self) -> [f64; 2] {
        let columns = self.score.columns.max(1);
        let rows = (self.score.map.len() / columns).max(1);
        [
            self.height as f64 / rows as f64,
            self.width as f64 / columns as f64,
        ]
    }
}

/// What the detector said of one frame.
#[derive(Debug, Clone)]
pub(crate) struct ScoredFrame {
    /// Its place in the image, from 0.
    pub(crate) index: u32,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// At least one.
    pub(crate) tiles: Vec<ScoredTile>,
}

impl ScoredFrame {
    /// The tiles' logits.
    pub(crate) fn logits(&self) -> impl Iterator<Item = f64> {
        self.tiles.iter().map(|tile| f64::from(tile.score.logit))
    }
}

/// What came of an image.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// At least one frame has a score.
    Scored(Vec<ScoredFrame>),
    /// It cannot be scored, for this reason.
    Unsuitable(String),
}

/// Why an image could not be scored although it opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

impl FrameError {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Open(error) => error.kind(),
            Self::Forward(_) => "forward",
        }
    }
}

/// Scores an image and keeps the books of one worker.
pub(crate) struct FrameScorer<'a> {
    pub(crate) spec: &'a InputSpec,
    /// By which a slice stands alone.
    pub(crate) rules: &'a Rules,
    /// What happens to every frame before it is scored.
    pub(crate) change: Option<Reencoding>,
    pub(crate) forward: &'a mut dyn Forward,
    pub(crate) witness: &'a mut dyn Witness,
    /// Time spent in the forward pass so far.
    pub(crate) spent: Duration,
    /// What decoding noted about frames, each note once.
    pub(crate) notes: Vec<String>,
}

impl FrameScorer<'_> {
    /// Scores at most [`InputSpec::max_frames`] evenly spaced frames. Blank ones are passed over.
    /// Where the verdict hangs on slices that stand out and their own neighbours were left out, those
    /// are scored too.
    pub(crate) fn score(&mut self, image: &mut Image) -> Result<Outcome, FrameError> {
        let count = image.info().frames;
        let mut outcome = self.look(image, spread(count, self.spec.max_frames))?;
        if let Outcome::Scored(frames) = &mut outcome {
            let beside = beside(&self.rules.to_confirm(frames), frames, count);
            if !beside.is_empty()
                && let Outcome::Scored(more) = self.look(image, beside.into_iter())?
            {
                frames.extend(more);
                frames.sort_by_key(|frame| frame.index);
            }
            self.witness.scored(frames);
        }
        Ok(outcome)
    }

    /// Scores the frames of these indices.
    fn look(
        &mut self,
        image: &mut Image,
        indices: impl Iterator<Item = u32>,
    ) -> Result<Outcome, FrameError> {
        let mut frames: Vec<ScoredFrame> = Vec::new();
        let mut waiting: Vec<(usize, Tile)> = Vec::new();
        let mut blank = None;
        for index in indices {
            let frame = image.frame(index)?;
            for note in &frame.notes {
                if !self.notes.contains(note) {
                    self.notes.push(note.clone());
                }
            }
            let mut gray = frame.to_gray();
            self.witness.frame(index, &gray);
            if frame.chroma() > GREY {
                return Ok(Outcome::Unsuitable(
                    "the image is in colour; only grey images are judged".into(),
                ));
            }
            drop(frame);
            if let Some(change) = &self.change {
                match change.apply(&gray) {
                    Some(changed) => gray = changed,
                    None => return Ok(Outcome::Unsuitable("the change cannot be made".into())),
                }
            }
            let tiles = match self.spec.tiles(&gray.pixels, gray.rows, gray.columns) {
                Ok(tiles) => tiles,
                Err(reason @ Unsuitable::Flat) => {
                    blank = Some(reason);
                    continue;
                }
                Err(reason) => return Ok(Outcome::Unsuitable(reason.to_string())),
            };
            let (rows, columns) = (gray.rows, gray.columns);
            frames.push(ScoredFrame {
                index,
                rows,
                columns,
                tiles: Vec::new(),
            });
            waiting.extend(tiles.into_iter().map(|tile| (frames.len() - 1, tile)));
            while waiting.len() >= self.forward.batch() {
                let batch = waiting.drain(..self.forward.batch()).collect();
                self.flush(batch, &mut frames)?;
            }
        }
        self.flush(waiting, &mut frames)?;
        Ok(match blank {
            _ if !frames.is_empty() => Outcome::Scored(frames),
            Some(reason) => Outcome::Unsuitable(reason.to_string()),
            None => Outcome::Unsuitable("the file holds no frame".into()),
        })
    }

    fn flush(
        &mut self,
        batch: Vec<(usize, Tile)>,
        frames: &mut [ScoredFrame],
    ) -> Result<(), ForwardError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut places = Vec::with_capacity(batch.len());
        let mut tiles = Vec::with_capacity(batch.len());
        for (slot, tile) in batch {
            places.push((slot, tile.height, tile.width, tile.valid, tile.region));
            tiles.push(tile);
        }
        let start = Instant::now();
        let scores = self.forward.forward(tiles)?;
        self.spent += start.elapsed();
        for ((slot, height, width, valid, region), score) in places.into_iter().zip(scores) {
            frames[slot].tiles.push(ScoredTile {
                height,
                width,
                valid,
                region,
                score,
            });
        }
        Ok(())
    }
}

/// The neighbours of `chosen` frames among `count` that were not scored, in their order.
fn beside(chosen: &[u32], scored: &[ScoredFrame], count: u32) -> BTreeSet<u32> {
    let next = |&index: &u32| [index.checked_sub(1), index.checked_add(1)];
    chosen
        .iter()
        .flat_map(next)
        .flatten()
        .filter(|&index| index < count && !scored.iter().any(|frame| frame.index == index))
        .collect()
}

/// At most `most` of `count` frames, evenly spaced.
fn spread(count: u32, most: usize) -> impl Iterator<Item = u32> {
    let count = u64::from(count);
    let keep = count.min(most.max(1) as u64);
    // Below `count`, so the conversion loses nothing.
    (0..keep).map(move |index| ((2 * index + 1) * count / (2 * keep)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_left_out_are_named_once_and_in_order() {
        let scored: Vec<ScoredFrame> = [2, 7, 8]
            .into_iter()
            .map(|index| ScoredFrame {
                index,
                rows: 1,
                columns: 1,
                tiles: Vec::new(),
            })
            .collect();
        let found = beside(&[8, 2, 0], &scored, 9);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn frames_are_spread_evenly_and_all_taken_when_few() {
        assert_eq!(spread(3, 32).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(100, 4).collect::<Vec<_>>(), [12, 37, 62, 87]);
        assert_eq!(spread(1, 1).collect::<Vec<_>>(), [0]);
        assert_eq!(spread(u32::MAX, 2).count(), 2);
    }
}
