//! The record of one input. Its keys and their order are a contract with other programs: only add.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use veraray_provenance::log::Digest;

/// Everything that is said of one input. A value that is not known is `None` and `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The path as it was met, bytes that are no UTF-8 replaced.
    pub path: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Option<String>,
    /// Whether the input could be read.
    pub status: Status,
    /// Why not.
    pub error: Option<Fault>,
    /// `dicom`, `nifti`, `png`, …
    pub format: Option<String>,
    /// DICOM modality code.
    pub modality: Option<String>,
    /// DICOM body part.
    pub body_part: Option<String>,
    /// Height of a frame in pixels.
    pub rows: Option<u32>,
    /// Width of a frame in pixels.
    pub columns: Option<u32>,
    /// Number of frames or slices.
    pub frames: Option<u32>,
    /// Significant bits of a stored sample.
    pub bits_stored: Option<u16>,
    /// DICOM SOP Instance UID.
    pub sop_instance_uid: Option<String>,
    /// DICOM Study Instance UID.
    pub study_uid: Option<String>,
    /// DICOM Series Instance UID.
    pub series_uid: Option<String>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// Calibrated probability of manipulation, in `[0, 1]`.
    pub score: Option<f64>,
    /// Score at and above which an image is flagged.
    pub threshold: Option<f64>,
    /// What the network said, before calibration.
    pub logit: Option<f64>,
    /// Why it was flagged or not judged, in words.
    pub reasons: Vec<String>,
    /// Suspicious regions of a flagged image.
    pub regions: Vec<Region>,
    /// Scores by generator family, where the checkpoint knows any.
    pub families: BTreeMap<String, f64>,
    /// What was noticed beside the pixels.
    pub findings: Vec<Finding>,
    /// Digital signatures of the file; `None` for what could not be opened and is no DICOM file.
    pub signature: Option<Signature>,
    /// The checkpoint that judged.
    pub model: ModelId,
    /// Where it ran.
    pub device: String,
    /// How long it took. The only part of a record that differs between two runs.
    pub ms: Milliseconds,
    /// Where a slice lies in its stack; no part of the output.
    #[serde(skip)]
    pub(crate) place: Option<[f64; 4]>,
    /// Digest of the decoded pixels, for a log; no part of the output.
    #[serde(skip)]
    pub(crate) pixels: Option<Digest>,
}

/// Whether an input could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was read, and judged or found unsuitable.
    Ok,
    /// It was not.
    Error,
}

/// Why an input could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A code that stays the same across releases.
    pub kind: String,
    /// The same in words.
    pub message: String,
}

/// What an image is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No sign of manipulation above the threshold.
    Authentic,
    /// Generated as a whole.
    Synthetic,
    /// Changed in places.
    Tampered,
    /// Not judged; the reasons say why.
    Abstain,
}

impl Verdict {
    /// The word used in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Authentic => "authentic",
            Self::Synthetic => "synthetic",
            Self::Tampered => "tampered",
            Self::Abstain => "abstain",
        }
    }

    /// Whether it raises the exit status.
    #[must_use]
    pub fn is_flagged(self) -> bool {
        matches!(self, Self::Synthetic | Self::Tampered)
    }
}

/// A suspicious rectangle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Region {
    /// Frame, from 0.
    pub frame: u32,
    /// `[x0, y0, x1, y1]` in pixels of the frame, the ends excluded.
    pub bbox: [u32; 4],
    /// Largest score of its cells on the localisation map, in `[0, 1]`.
    pub score: f64,
    /// How many of the frames scored beside its own have a region in the same place: 0, 1 or 2; 0 in
    /// images of one frame.
    pub neighbours: u32,
}

/// Something noticed beside the pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A code that stays the same across releases.
    pub code: &'static str,
    /// `info`, `notice` or `warning`.
    pub severity: &'static str,
    /// The same in words.
    pub message: String,
}

/// What is known of a file's digital signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// `none`, `valid`, `untrusted`, `invalid` or `unverifiable`: that of the worst of several. A
    /// signature that names what none can cover is `unverifiable` too.
    pub status: &'static str,
    /// What one signature covers, if all hold: `pixels`, `geometry`, `rescale`, `identity`.
    pub coverage: Vec<String>,
}

/// Which checkpoint judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelId {
    /// Name of the run that made it.
    pub name: String,
    /// Version of the code that made it.
    pub version: String,
    /// SHA-256 of the checkpoint file.
    pub sha256: String,
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Milliseconds {
    /// Reading, decoding and cutting into tiles.
    pub decode: f64,
    /// The network, waiting for a shared device included.
    pub forward: f64,
    /// Everything.
    pub total: f64,
}

impl Record {
    /// A record in which nothing is known but the path.
    #[must_use]
    pub fn blank(path: String, model: &ModelId, device: &str) -> Self {
        Self {
            path,
            sha256: None,
            status: Status::Ok,
            error: None,
            format: None,
            modality: None,
            body_part: None,
            rows: None,
            columns: None,
            frames: None,
            bits_stored: None,
            sop_instance_uid: None,
            study_uid: None,
            series_uid: None,
            verdict: None,
            score: None,
            threshold: None,
            logit: None,
            reasons: Vec::new(),
            regions: Vec::new(),
            families: BTreeMap::new(),
            findings: Vec::new(),
            signature: None,
            model: model.clone(),
            device: device.to_owned(),
            ms: Milliseconds::default(),
            place: None,
            pixels: None,
        }
    }

    /// Marks the input as unreadable. What was already learnt of it stays.
    #[must_use]
    pub fn failed(mut self, kind: &str, message: String) -> Self {
        self.status = Status::Error;
        self.error = Some(Fault {
            kind: kind.to_owned(),
            message,
        });
        self
    }
}
