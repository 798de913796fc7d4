//! What one entry of the log says about one image file.
//!
//! An entry is a JSON object in the canonical form of RFC 8785: members in the order of their names,
//! no white space, strings escaped in one way, integers only. An image has one spelling for what is said
//! of it, so the RFC 6962 leaf hash of the entry is the hash of its meaning. C2SP tlog-tiles stores an
//! entry behind a 16-bit length, hence [`MAX_ENTRY`].
//!
//! An entry holds identifiers of images and of whoever acted: treat a log like the archive it is about.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use tlog_tiles::{Hash, record_hash};

use super::error::{LogError, Result};
use super::time::Timestamp;

/// The most bytes an entry may take.
pub const MAX_ENTRY: usize = 65_535;
/// The most bytes `action` and `actor` may take each.
pub const MAX_TEXT: usize = 1024;
/// Integers above this have no exact spelling in RFC 8785.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of everything that `reader` still holds.
    ///
    /// # Errors
    /// Those of `reader`.
    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Self(hasher.finalize().into())),
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || LogError::Entry("a digest is not 64 lower-case hexadecimal digits".into());
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(bad()),
        };
        if text.len() != 64 {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(out))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The earlier entry that this one goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// RFC 6962 leaf hash of the earlier entry.
    pub hash: Digest,
    /// Its place in the log.
    pub index: u64,
}

/// What a detector decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Decision {
    /// Nothing was found.
    Authentic,
    /// Fully generated.
    Synthetic,
    /// A region was replaced.
    Tampered,
    /// The detector declined.
    Abstain,
}

/// A detector's verdict and which detector gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// SHA-256 of the checkpoint file of the model.
    pub model_sha256: Digest,
    /// The calibrated score in millionths, 0 to 1,000,000: an integer, because two programs rarely agree
    /// on how to write a fraction. None where the detector declined before it scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_ppm: Option<u32>,
    /// What was decided.
    pub verdict: Decision,
}

impl Verdict {
    /// A verdict with `score` in [0, 1], rounded to millionths; none when it is not in that range.
    #[must_use]
    pub fn new(model_sha256: Digest, score: Option<f64>, verdict: Decision) -> Option<Self> {
        // The range check refuses NaN, and what it lets through fits.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let ppm = |score: f64| (score * 1e6).round() as u32;
        let score_ppm = match score {
            Some(score) if !(0.0..=1.0).contains(&score) => return None,
            score => score.map(ppm),
        };
        Some(Self {
            model_sha256,
            score_ppm,
            verdict,
        })
    }

    /// The score in [0, 1].
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        self.score_ppm.map(|ppm| f64::from(ppm) / 1e6)
    }
}

/// One entry. The fields stand in the order of their names, which is the order they are written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Entry {
    /// What was done: `acquired`, `received`, `signed`, `transcoded`, `deidentified`, `scanned`, or a
    /// word of one's own.
    pub action: String,
    /// Who did it: a person, device or program.
    pub actor: String,
    /// SHA-256 of the file as it then was.
    pub file_sha256: Digest,
    /// The entry about the file that this one was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// SHA-256 of the decoded pixels, which survives lossless transcoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_sha256: Option<Digest>,
    /// DICOM SOP Instance UID (0008,0018), where the file has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sop_instance_uid: Option<String>,
    /// When it was done, by the clock of whoever appended.
    pub time: Timestamp,
    /// What a detector said, for `action` = `scanned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Version of this form: 1.
    version: u8,
}

impl Entry {
    /// An entry without its optional fields, which the caller then sets.
    #[must_use]
    pub fn new(
        action: impl Into<String>,
        actor: impl Into<String>,
        file_sha256: Digest,
        time: Timestamp,
    ) -> Self {
        Self {
            action: action.into(),
            actor: actor.into(),
            file_sha256,
            parent: None,
            pixel_sha256: None,
            sop_instance_uid: None,
            time,
            verdict: None,
            version: 1,
        }
    }

    /// The canonical bytes, those that are hashed and stored.
    ///
    /// # Errors
    /// [`LogError::Entry`] when a field is out of its range.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.validate()?;
        let bytes = serde_json::to_vec(self).map_err(|e| LogError::Entry(e.to_string()))?;
        if bytes.len() > MAX_ENTRY {
            return Err(LogError::Entry(format!(
                "{} bytes, more than {MAX_ENTRY}",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// Reads canonical bytes, and only those: any other spelling of the same object is refused.
    ///
    /// # Errors
    /// [`LogError::Entry`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_ENTRY {
            return Err(LogError::Entry(format!(
                "{} bytes, more than {MAX_ENTRY}",
                bytes.len()
            )));
        }
        let entry: Self =
            serde_json::from_slice(bytes).map_err(|e| LogError::Entry(e.to_string()))?;
        if entry.encode()? != bytes {
            return Err(LogError::Entry("not in canonical form".into()));
        }
        Ok(entry)
    }

    /// The RFC 6962 leaf hash, by which a later entry names this one as its parent.
    ///
    /// # Errors
    /// As [`Entry::encode`].
    pub fn leaf_hash(&self) -> Result<Digest> {
        Ok(Digest(leaf(&self.encode()?).0))
    }

    fn validate(&self) -> Result<()> {
        let bad = |reason: &str| Err(LogError::Entry(reason.into()));
        if self.version != 1 {
            return bad("version is not 1");
        }
        for (name, text) in [("action", &self.action), ("actor", &self.actor)] {
            if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                return bad(&format!(
                    "{name} is empty, over {MAX_TEXT} bytes, or has control characters"
                ));
            }
        }
        if self.sop_instance_uid.as_deref().is_some_and(|u| !is_uid(u)) {
            return bad("the SOP instance UID is not a DICOM UID");
        }
        if self.parent.is_some_and(|p| p.index > MAX_INTEGER) {
            return bad("the parent's index is too large");
        }
        if self
            .verdict
            .is_some_and(|v| v.score_ppm.is_some_and(|ppm| ppm > 1_000_000))
        {
            return bad("the score is above one");
        }
        Ok(())
    }
}

/// Whether `text` can stand as the SOP instance UID of an [`Entry`]: PS3.5 section 9 wants digits and
/// full stops, at most 64.
#[must_use]
pub fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// RFC 6962 section 2.1: `SHA-256(0x00 || entry)`.
pub(super) fn leaf(bytes: &[u8]) -> Hash {
    record_hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Entry {
        let mut entry = Entry::new(
            "scanned",
            "veraray 0.1 \"α\"",
            Digest([7; 32]),
            "2026-11-23T04:00:00Z".parse().unwrap(),
        );
        entry.parent = Some(Parent {
            hash: Digest([1; 32]),
            index: 4,
        });
        entry.pixel_sha256 = Some(Digest([2; 32]));
        entry.sop_instance_uid = Some("1.2.840.10008.1".into());
        entry.verdict = Verdict::new(Digest([3; 32]), Some(0.970_312), Decision::Synthetic);
        entry
    }

    #[test]
    fn members_are_sorted_and_round_trip() {
        let bytes = full().encode().unwrap();
        assert_eq!(Entry::decode(&bytes).unwrap(), full());
        // serde_json's map sorts by name: equality shows that our order is RFC 8785's.
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(serde_json::to_vec(&value).unwrap(), bytes);
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = String::from_utf8(full().encode().unwrap()).unwrap();
        for bad in [
            format!(" {good}"),
            format!("{good}\n"),
            good.replace("\"version\":1", "\"version\":2"),
            good.replace("\"version\":1", "\"version\":1,\"x\":0"),
            good.replace("scanned", "sc\\u0061nned"),
            good.replace("\"parent\":{", "\"parent\":{ "),
            good.replace("970312", "1970312"),
            good.replace("0707", "070G"),
            good.replace("\"actor\"", "\"action\":\"x\",\"actor\""),
            good.replace("1.2.840.10008.1", "1.2/../x"),
            "[".repeat(60_000),
            "{\"verdict\":".repeat(5_000),
            String::new(),
        ] {
            assert_ne!(bad, good);
            assert!(
                Entry::decode(bad.as_bytes()).is_err(),
                "{}",
                &bad[..bad.len().min(300)]
            );
        }
    }

    #[test]
    fn scores_out_of_range_are_refused() {
        for score in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Verdict::new(Digest([0; 32]), Some(score), Decision::Abstain).is_none());
        }
    }
}
