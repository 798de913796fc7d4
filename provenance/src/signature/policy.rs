//! A site's policy: which device must sign from which date.
//!
//! ```toml
//! otherwise = "accept"            # or "reject": files that no rule is about
//!
//! [[rule]]
//! name = "CT 1 signs since its upgrade"
//! modality = "CT"                 # conditions, all optional: modality, manufacturer,
//! device_serial_number = "12345"  # station_name, device_serial_number, institution_name
//! from = "2026-01-01"             # study date from which the rule holds
//! signer_fingerprint = ["9f…"]    # demands, all optional: SHA-256 of the certificate,
//! signer_subject = "CN=CT 1"      # a part of its subject,
//! profile = "creator"
//! coverage = ["pixels", "identity"]
//! timestamp = true                # a trusted certified timestamp
//! strong_digest = true            # no MD5, no SHA-1
//! ```

use std::path::Path;

use dicom_core::Tag;
use serde::Deserialize;

use super::coverage::Aspect;
use super::error::{SignatureError, read_bounded};
use super::profile::Profile;
use super::report::SignatureReport;
use super::requirement::{covers, words};
use super::stored::Item;
use super::timestamp::TimestampStatus;

/// Largest policy file taken.
const MAX_BYTES: u64 = 1 << 20;

/// A policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    otherwise: Otherwise,
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    #[default]
    Accept,
    Reject,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    modality: Option<String>,
    manufacturer: Option<String>,
    station_name: Option<String>,
    device_serial_number: Option<String>,
    institution_name: Option<String>,
    from: Option<String>,
    #[serde(default)]
    signer_fingerprint: Vec<String>,
    signer_subject: Option<String>,
    profile: Option<Profile>,
    #[serde(default)]
    coverage: Vec<Aspect>,
    #[serde(default)]
    timestamp: bool,
    #[serde(default)]
    strong_digest: bool,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// When it cannot be read, or holds anything unknown.
    pub fn from_path(path: &Path) -> Result<Self, SignatureError> {
        let refuse = |reason| SignatureError::Policy {
            path: path.to_owned(),
            reason,
        };
        let bytes = read_bounded(path, MAX_BYTES)?;
        let text = str::from_utf8(&bytes).map_err(|e| refuse(e.to_string()))?;
        Self::from_toml(text).map_err(refuse)
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// With what is wrong, in words.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let policy: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        for rule in &policy.rule {
            if let Some(date) = &rule.from
                && compact(date).is_none()
            {
                return Err(format!(
                    "rule '{}': '{date}' is no date of the form 2026-01-31",
                    rule.name
                ));
            }
        }
        Ok(policy)
    }

    /// Every rule that is about this file and that no trusted signature meets.
    pub(crate) fn unmet(&self, dataset: &Item<'_>, trusted: &[&SignatureReport]) -> Vec<String> {
        let about: Vec<&Rule> = self
            .rule
            .iter()
            .filter(|rule| rule.is_about(dataset))
            .collect();
        let mut out = Vec::new();
        let mut exempt = about.len();
        for rule in about {
            if rule.is_before(dataset) {
                exempt -= 1;
                continue;
            }
            let lacks: Vec<Vec<String>> = trusted.iter().map(|s| rule.lacks(s)).collect();
            match lacks.iter().min_by_key(|lacks| lacks.len()) {
                None => out.push(format!("policy '{}': no trusted signature", rule.name)),
                Some(fewest) if fewest.is_empty() => {}
                Some(fewest) => out.push(format!("policy '{}': {}", rule.name, fewest.join("; "))),
            }
        }
        if exempt == 0 && out.is_empty() && self.otherwise == Otherwise::Reject {
            out.push("policy: no rule is about this file, and such files are rejected".to_owned());
        }
        out
    }
}

impl Rule {
    fn is_about(&self, dataset: &Item<'_>) -> bool {
        let conditions = [
            (&self.modality, Tag(0x0008, 0x0060)),
            (&self.manufacturer, Tag(0x0008, 0x0070)),
            (&self.institution_name, Tag(0x0008, 0x0080)),
            (&self.station_name, Tag(0x0008, 0x1010)),
            (&self.device_serial_number, Tag(0x0018, 0x1000)),
        ];
        conditions.iter().all(|(wanted, tag)| {
            wanted
                .as_ref()
                .is_none_or(|w| dataset.text(*tag).as_ref() == Some(w))
        })
    }

    /// Whether the study is older than the rule. A file without a date gets no such benefit. The
    /// date of an unsigned file is whatever it says: an old date is a claim, and a log of what was
    /// received when is the remedy.
    fn is_before(&self, dataset: &Item<'_>) -> bool {
        let Some(from) = self.from.as_deref().and_then(compact) else {
            return false;
        };
        let date = dataset
            .text(Tag(0x0008, 0x0020))
            .filter(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_digit()));
        date.is_some_and(|date| date < from)
    }

    fn lacks(&self, signature: &SignatureReport) -> Vec<String> {
        let mut out = Vec::new();
        let fingerprint = signature.fingerprint.as_deref().unwrap_or_default();
        let known = |f: &String| f.replace(':', "").eq_ignore_ascii_case(fingerprint);
        if !self.signer_fingerprint.is_empty() && !self.signer_fingerprint.iter().any(known) {
            out.push(format!("signed with another certificate ({fingerprint})"));
        }
        let subject = signature.signer.as_deref().unwrap_or_default();
        if let Some(wanted) = &self.signer_subject
            && !subject.contains(wanted)
        {
            out.push(format!("signed by '{subject}', not by '{wanted}'"));
        }
        if let Some(profile) = self.profile
            && !signature.profiles.contains(&profile)
        {
            out.push(format!("does not keep the {profile} profile"));
        }
        if !covers(signature, &self.coverage) {
            out.push(format!("does not cover {}", words(&self.coverage)));
        }
        let stamped = signature
            .timestamp
            .as_ref()
            .is_some_and(|t| t.status == TimestampStatus::Trusted);
        if self.timestamp && !stamped {
            out.push("has no trusted certified timestamp".to_owned());
        }
        if self.strong_digest && signature.digest.is_none_or(super::DigestAlgorithm::is_weak) {
            out.push("rests on a weak digest".to_owned());
        }
        out
    }
}

/// `2026-01-31` as DICOM's `20260131`.
fn compact(date: &str) -> Option<String> {
    let parts: Vec<&str> = date.split('-').collect();
    let digits = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit())
    };
    match parts.as_slice() {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
            Some(parts.concat())
        }
        _ => None,
    }
}
