//! An archive as an audit sees it: which images count, and by what.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use veraray_model::{Calibration, Card};

use super::options::{ByArg, GroupArg};
use super::parts::UNSTATED;
use crate::tables::{self, Row};
use crate::{ScanError, Status, Verdict};

/// One image that counts.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) path: String,
    pub(crate) sha256: Option<String>,
    pub(crate) study: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) score: f64,
    /// Logit of the score: a log-likelihood ratio where the calibration is right.
    pub(crate) llr: f64,
    pub(crate) flagged: bool,
    trait_value: Option<String>,
}

/// A file that was read, whether or not its image counts.
#[derive(Debug, Clone)]
pub(crate) struct Met {
    pub(crate) path: String,
    pub(crate) sha256: Option<String>,
    pub(crate) dicom: bool,
    /// Its place among the images that count.
    pub(crate) image: Option<usize>,
}

/// All images of an archive, and those that do not count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive {
    pub(crate) images: Vec<Image>,
    pub(crate) met: Vec<Met>,
    /// Files that could not be read.
    pub(crate) failed: u64,
    /// Images without a score.
    pub(crate) unsuitable: u64,
    /// Images of a modality, or with doubts, that the error rates do not speak for.
    pub(crate) outside: u64,
    /// Images that count although their verdict was withheld: their score lies in the band.
    pub(crate) withheld: u64,
    /// Images whose verdict is that they are manipulated, whether or not they count.
    pub(crate) alarms: u64,
    /// The threshold of the records.
    pub(crate) threshold: Option<f64>,
}

/// By what records are read.
pub(crate) struct Reader<'a> {
    pub(crate) card: &'a Card,
    pub(crate) sha256: &'a str,
    pub(crate) by: ByArg,
}

impl Reader<'_> {
    /// Reads the records of `files` as one archive.
    ///
    /// # Errors
    /// [`ScanError::Table`] when a file is no table of records, or another checkpoint or threshold
    /// judged.
    pub(crate) fn read(&self, files: &[PathBuf]) -> Result<Archive, ScanError> {
        let mut archive = Archive::default();
        for file in files {
            let refuse = |reason: String| ScanError::Table {
                path: file.clone(),
                reason,
            };
            tables::rows(file, &mut |row| self.add(&mut archive, row).map_err(refuse))?;
        }
        Ok(archive)
    }

    fn add(&self, archive: &mut Archive, row: &Row) -> Result<(), String> {
        if row.status == Status::Error {
            archive.failed += 1;
            return Ok(());
        }
        if row.model.sha256 != self.sha256 {
            let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
            return Err(format!(
                "{} was judged by checkpoint {}, not by {}; give it with --checkpoint",
                row.path,
                short(&row.model.sha256),
                short(self.sha256)
            ));
        }
        archive.met.push(Met {
            path: row.path.clone(),
            sha256: row.sha256.clone(),
            dicom: row.format.as_deref() == Some("dicom"),
            image: None,
        });
        let (Some(score), Some(threshold), Some(verdict)) = (row.score, row.threshold, row.verdict)
        else {
            archive.unsuitable += 1;
            return Ok(());
        };
        archive.alarms += u64::from(verdict.is_flagged());
        // Decimal numbers may lose their last bit on the way.
        match archive.threshold {
            Some(other) if (other - threshold).abs() > 1e-9 => {
                return Err("its records were judged with different thresholds".into());
            }
            _ => archive.threshold = Some(threshold),
        }
        if !self.speaks_for(row, score, threshold) {
            archive.outside += 1;
            return Ok(());
        }
        archive.withheld += u64::from(verdict == Verdict::Abstain);
        if let Some(met) = archive.met.last_mut() {
            met.image = Some(archive.images.len());
        }
        archive.images.push(Image {
            path: row.path.clone(),
            sha256: row.sha256.clone(),
            study: row.study_uid.clone(),
            verdict,
            score,
            llr: llr(&self.card.calibration, row.logit, score),
            flagged: score >= threshold,
            trait_value: match self.by {
                ByArg::Folder => None,
                ByArg::Modality => row.modality.clone(),
                ByArg::BodyPart => row.body_part.clone(),
                ByArg::Format => row.format.clone(),
            },
        });
        Ok(())
    }

    /// Whether the measured error rates hold for an image. Those were measured on images of trained
    /// modalities, by score against threshold alone: a verdict withheld because the score lies in
    /// the band counts as not flagged, one withheld for another reason does not count.
    fn speaks_for(&self, row: &Row, score: f64, threshold: f64) -> bool {
        let modality = row.modality.as_deref().map(str::trim).unwrap_or_default();
        let trained = |known: &String| known.eq_ignore_ascii_case(modality);
        let in_band = self
            .card
            .calibration
            .abstention_band
            .is_some_and(|[low, high]| score >= low && score < high.min(threshold));
        (modality.is_empty() || self.card.modalities.iter().any(trained))
            && (row.verdict != Some(Verdict::Abstain) || in_band)
    }
}

/// The logit of a calibrated score, from the network's own logit where it is known.
fn llr(calibration: &Calibration, logit: Option<f64>, score: f64) -> f64 {
    match logit {
        Some(logit) => (logit - calibration.bias) / calibration.temperature,
        None => {
            let inside = score.clamp(1e-12, 1.0 - 1e-12);
            (inside / (1.0 - inside)).ln()
        }
    }
}

impl Archive {
    pub(crate) fn total(&self) -> u64 {
        self.images.len() as u64
    }

    pub(crate) fn flagged(&self) -> u64 {
        self.images.iter().filter(|image| image.flagged).count() as u64
    }

    /// Files met, whether or not they count.
    pub(crate) fn files(&self) -> u64 {
        self.total() + self.failed + self.unsuitable + self.outside
    }

    /// What images are grouped by, image by image.
    pub(crate) fn groups(&self, by: GroupArg) -> Vec<&str> {
        let of = |image| match by {
            GroupArg::None => None,
            GroupArg::Study => Image::study(image),
            GroupArg::Folder => Image::folder(image),
        };
        self.images
            .iter()
            .map(|image| of(image).unwrap_or(&image.path))
            .collect()
    }

    /// The images of every source, by position.
    pub(crate) fn sources(&self, by: ByArg) -> BTreeMap<String, Vec<usize>> {
        let depth = match by {
            ByArg::Folder => self.common_depth(),
            _ => 0,
        };
        let mut sources: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, image) in self.images.iter().enumerate() {
            let name = match by {
                ByArg::Folder => below(&image.path, depth),
                _ => image.trait_value.clone(),
            };
            sources
                .entry(name.unwrap_or_else(|| UNSTATED.into()))
                .or_default()
                .push(index);
        }
        sources
    }

    /// Folders that all paths begin with.
    fn common_depth(&self) -> usize {
        let folders = |image: &Image| -> Vec<String> {
            let folder = Path::new(&image.path).parent().unwrap_or(Path::new(""));
            folder.components().map(text).collect()
        };
        let mut images = self.images.iter();
        let Some(mut common) = images.next().map(folders) else {
            return 0;
        };
        for image in images {
            let same = folders(image)
                .iter()
                .zip(&common)
                .take_while(|(a, b)| a == b)
                .count();
            common.truncate(same);
        }
        common.len()
    }
}

impl Image {
    fn study(&self) -> Option<&str> {
        self.study.as_deref()
    }

    fn folder(&self) -> Option<&str> {
        Path::new(&self.path).parent().and_then(Path::to_str)
    }
}

fn text(component: Component<'_>) -> String {
    component.as_os_str().to_string_lossy().into_owned()
}

/// The folder of a path below `depth` others; `.` for a file that lies there itself.
fn below(path: &str, depth: usize) -> Option<String> {
    let folder = Path::new(path).parent()?;
    Some(
        folder
            .components()
            .nth(depth)
            .map_or_else(|| ".".into(), text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(paths: &[&str]) -> Archive {
        let image = |path: &&str| Image {
            path: (*path).into(),
            sha256: None,
            study: None,
            verdict: Verdict::Authentic,
            score: 0.1,
            llr: -2.0,
            flagged: false,
            trait_value: None,
        };
        Archive {
            images: paths.iter().map(image).collect(),
            ..Archive::default()
        }
    }

    #[test]
    fn sources_are_the_folders_in_which_paths_differ() {
        let names = |paths: &[&str]| -> Vec<String> {
            archive(paths).sources(ByArg::Folder).into_keys().collect()
        };
        assert_eq!(names(&["/a/b/x/1", "/a/b/y/z/2", "/a/b/y/3"]), ["x", "y"]);
        assert_eq!(names(&["/a/b/1", "/a/b/y/3"]), [".", "y"]);
        assert_eq!(names(&["1", "2"]), ["."]);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn groups_without_a_name_are_single_images() {
        let mut archive = archive(&["a/1", "a/2"]);
        assert_eq!(archive.groups(GroupArg::Study), ["a/1", "a/2"]);
        assert_eq!(archive.groups(GroupArg::Folder), ["a", "a"]);
        archive
            .images
            .iter_mut()
            .for_each(|image| image.study = Some("1.2".into()));
        assert_eq!(archive.groups(GroupArg::Study), ["1.2", "1.2"]);
        assert_eq!(archive.groups(GroupArg::None), ["a/1", "a/2"]);
    }
}
