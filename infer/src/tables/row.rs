//! A record as read back: from JSON Lines, CSV or Parquet, whichever version of this program wrote
//! it. Keys that it lacks are empty; keys that are new are passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Record, Status, Verdict};

/// The keys of a [`Record`], owned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) sha256: Option<String>,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) error: Option<Fault>,
    #[serde(default)]
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) modality: Option<String>,
    #[serde(default)]
    pub(crate) body_part: Option<String>,
    #[serde(default)]
    pub(crate) rows: Option<u32>,
    #[serde(default)]
    pub(crate) columns: Option<u32>,
    #[serde(default)]
    pub(crate) frames: Option<u32>,
    #[serde(default)]
    pub(crate) bits_stored: Option<u16>,
    #[serde(default)]
    pub(crate) sop_instance_uid: Option<String>,
    #[serde(default)]
    pub(crate) study_uid: Option<String>,
    #[serde(default)]
    pub(crate) series_uid: Option<String>,
    #[serde(default)]
    pub(crate) verdict: Option<Verdict>,
    #[serde(default)]
    pub(crate) score: Option<f64>,
    #[serde(default)]
    pub(crate) threshold: Option<f64>,
    #[serde(default)]
    pub(crate) logit: Option<f64>,
    #[serde(default)]
    pub(crate) reasons: Vec<String>,
    #[serde(default)]
    pub(crate) regions: Vec<Region>,
    #[serde(default)]
    pub(crate) families: BTreeMap<String, f64>,
    #[serde(default)]
    pub(crate) findings: Vec<Finding>,
    #[serde(default)]
    pub(crate) signature: Option<Signature>,
    pub(crate) model: Model,
    #[serde(default)]
    pub(crate) device: String,
    #[serde(default)]
    pub(crate) ms: Durations,
    /// Only in the records of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<[f64; 4]>,
}

/// Why an input could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// A suspicious rectangle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Region {
    pub(crate) frame: u32,
    pub(crate) bbox: [u32; 4],
    pub(crate) score: f64,
    #[serde(default)]
    pub(crate) neighbours: u32,
}

/// Something noticed beside the pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) severity: String,
    pub(crate) message: String,
}

/// What is known of digital signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) coverage: Vec<String>,
}

/// Which checkpoint judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Model {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) sha256: String,
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Durations {
    #[serde(default)]
    pub(crate) decode: f64,
    #[serde(default)]
    pub(crate) forward: f64,
    #[serde(default)]
    pub(crate) total: f64,
}

impl Row {
    /// A record as the tables see it. By way of JSON, so that there is one definition of the keys.
    ///
    /// # Errors
    /// Never for the records of this program.
    pub(crate) fn of(record: &Record) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(record)?)
    }
}

#[cfg(test)]
pub(super) fn example() -> Row {
    Row {
        path: "a \"b\",\nc.dcm".into(),
        sha256: Some("ab".repeat(32)),
        status: Status::Ok,
        error: None,
        format: Some("dicom".into()),
        modality: Some("CT".into()),
        body_part: None,
        rows: Some(512),
        columns: Some(384),
        frames: Some(3),
        bits_stored: Some(12),
        sop_instance_uid: Some("1.2.3".into()),
        study_uid: None,
        series_uid: Some("1.2".into()),
        verdict: Some(Verdict::Tampered),
        score: Some(0.987_654_321_012_345_6),
        threshold: Some(0.903_5),
        logit: Some(-1.25e-7),
        reasons: vec!["one".into(), "two, with \"quotes\"".into()],
        regions: vec![
            Region {
                frame: 0,
                bbox: [1, 2, 3, 4],
                score: 0.5,
                neighbours: 0,
            },
            Region {
                frame: 2,
                bbox: [5, 6, 7, 8],
                score: 0.75,
                neighbours: 2,
            },
        ],
        families: BTreeMap::from([("gan".into(), 0.25), ("vq".into(), 0.75)]),
        findings: vec![Finding {
            code: "decode_note".into(),
            severity: "info".into(),
            message: "ä".into(),
        }],
        signature: Some(Signature {
            status: "valid".into(),
            coverage: vec!["pixels".into()],
        }),
        model: Model {
            name: "m".into(),
            version: "1".into(),
            sha256: "cd".into(),
        },
        device: "cpu".into(),
        ms: Durations {
            decode: 1.5,
            forward: 2.25,
            total: 4.0,
        },
        place: None,
    }
}

/// A row of an input that failed, empty wherever a row can be.
#[cfg(test)]
pub(super) fn failure() -> Row {
    Row {
        status: Status::Error,
        error: Some(Fault {
            kind: "io".into(),
            message: "gone".into(),
        }),
        verdict: None,
        score: None,
        threshold: None,
        logit: None,
        rows: None,
        bits_stored: None,
        sop_instance_uid: None,
        reasons: Vec::new(),
        regions: Vec::new(),
        families: BTreeMap::new(),
        findings: Vec::new(),
        signature: None,
        ..example()
    }
}
