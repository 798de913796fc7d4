//! Previews of scanned images: made by the workers while the pixels are at hand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::ImageError;
use sha2::{Digest, Sha256};
use veraray_datasets::GrayImage;
use veraray_model::Pooling;

use crate::frames::ScoredFrame;
use crate::report::raster::{Picture, field, reduced};
use crate::witness::Witness;
use crate::{Record, Verdict};

/// Longer side in pixels of the preview that every image has.
pub(crate) const THUMB: usize = 128;

/// Longer side in pixels of the preview of images that a person will want to look at.
pub(crate) const LARGE: usize = 384;

/// What a report keeps of one image while it is examined.
#[derive(Debug)]
pub(crate) struct Sitting {
    pooling: Pooling,
    /// Frames reduced to [`LARGE`], as bytes: a volume has dozens.
    frames: Vec<Small>,
    /// The frame most like a manipulated one.
    worst: Option<ScoredFrame>,
}

#[derive(Debug)]
struct Small {
    index: u32,
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
}

impl Witness for Sitting {
    fn frame(&mut self, index: u32, gray: &GrayImage) {
        let small = reduced(gray, LARGE);
        self.frames.push(Small {
            index,
            rows: small.rows,
            columns: small.columns,
            bytes: small
                .pixels
                .iter()
                .map(|level| (level * 255.0).round() as u8)
                .collect(),
        });
    }

    fn scored(&mut self, frames: &[ScoredFrame]) {
        let logit = |frame: &ScoredFrame| self.pooling.pool(frame.logits());
        let pooled = frames
            .iter()
            .filter_map(|frame| Some((logit(frame)?, frame)));
        self.worst = pooled
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, frame)| frame.clone());
    }
}

impl Sitting {
    /// `pooling` says how tiles become a frame.
    pub(crate) fn new(pooling: Pooling) -> Self {
        Self {
            pooling,
            frames: Vec::new(),
            worst: None,
        }
    }

    /// The frame to show: the most suspicious one, else the middle one.
    fn shown(&self) -> Option<&Small> {
        match &self.worst {
            Some(worst) => self.frames.iter().find(|frame| frame.index == worst.index),
            None => self.frames.get(self.frames.len() / 2),
        }
    }

    /// The frame with a longer side of `longest` pixels, and beside it the same under its heat map
    /// where there is one.
    fn picture(&self, longest: usize) -> Option<Picture> {
        let shown = self.shown()?;
        let gray = GrayImage {
            rows: shown.rows,
            columns: shown.columns,
            pixels: shown
                .bytes
                .iter()
                .map(|&byte| f32::from(byte) / 255.0)
                .collect(),
        };
        let left = Picture::gray(&reduced(&gray, longest));
        let Some(worst) = &self.worst else {
            return Some(left);
        };
        let (rows, columns) = (left.rows, left.columns);
        let mut right = left.clone();
        right.lay(&field(worst, |_, tile| &tile.score.map, rows, columns));
        let mut both = Picture::plain(rows, 2 * columns, [0; 3]);
        both.paste(&left, 0, 0);
        both.paste(&right, 0, columns);
        Some(both)
    }
}

/// Where previews go.
#[derive(Debug)]
pub(crate) struct Previews {
    folder: PathBuf,
    /// The first thing that went wrong; it ends the scan.
    fault: Mutex<Option<(PathBuf, io::Error)>>,
}

impl Previews {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            fault: Mutex::new(None),
        }
    }

    /// Writes the previews of one image.
    pub(crate) fn save(&self, sitting: &Sitting, record: &Record) {
        let name = preview_name(&record.path, record.sha256.as_deref());
        let mut wanted = vec![(THUMB, "")];
        if record
            .verdict
            .is_some_and(|verdict| verdict != Verdict::Authentic)
        {
            wanted.push((LARGE, "-large"));
        }
        for (longest, suffix) in wanted {
            let Some(picture) = sitting.picture(longest) else {
                return;
            };
            let path = self.folder.join(format!("{name}{suffix}.jpg"));
            if let Err(error) = write(&path, &picture) {
                // Nothing panics while the lock is held.
                let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
                fault.get_or_insert((path, error));
                return;
            }
        }
    }

    /// The first preview that could not be written, once.
    pub(crate) fn fault(&self) -> Option<(PathBuf, io::Error)> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

fn write(path: &Path, picture: &Picture) -> io::Result<()> {
    let bytes = picture.jpeg().map_err(|error| match error {
        ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}

/// Name of an image's preview: 256 folders, so that none grows large. Says nothing of the path.
pub(crate) fn preview_name(path: &str, sha256: Option<&str>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(path.as_bytes());
    hasher.update([0]);
    hasher.update(sha256.unwrap_or_default().as_bytes());
    let hex: String = hasher
        .finalize()
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}/{}", &hex[..2], &hex[2..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelId;

    #[test]
    fn an_image_without_a_score_has_one_half() {
        let gray = GrayImage {
            rows: 500,
            columns: 250,
            pixels: vec![0.5; 125_000],
        };
        let mut sitting = Sitting::new(Pooling::Mean);
        assert_eq!(sitting.picture(THUMB), None);
        sitting.frame(0, &gray);
        let picture = sitting.picture(THUMB).unwrap();
        assert_eq!((picture.rows, picture.columns), (128, 64));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let previews = Previews::new(blocked);
        let mut sitting = Sitting::new(Pooling::Mean);
        sitting.frame(
            0,
            &GrayImage {
                rows: 2,
                columns: 2,
                pixels: vec![0.0; 4],
            },
        );
        let model = ModelId {
            name: "m".into(),
            version: "1".into(),
            sha256: String::new(),
        };
        previews.save(&sitting, &Record::blank("a".into(), &model, "cpu"));
        assert!(previews.fault().is_some() && previews.fault().is_none());
    }
}
