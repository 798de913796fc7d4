//! What verification found, for people and for machines.

use serde::Serialize;

use super::algorithm::DigestAlgorithm;
use super::coverage::{Aspect, Coverage};
use super::profile::Profile;
use super::timestamp::Timestamp;

/// The verdict on one signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It holds, and its signer is trusted.
    ValidTrusted,
    /// It holds; the signer is not trusted.
    ValidUntrusted,
    /// It does not hold: something signed changed, or the signature is broken.
    Invalid,
    /// It cannot be checked on this form of the data: transcoded, or an unknown algorithm.
    Unverifiable,
    /// It names elements that no signature can cover.
    Unsignable,
}

/// The verdict on a file: that of its worst signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overall {
    /// No signature.
    None,
    /// All hold and are trusted.
    Valid,
    /// All hold, at least one is not trusted.
    Untrusted,
    /// At least one cannot be checked, none is broken.
    Unverifiable,
    /// At least one does not hold.
    Invalid,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureReport {
    /// The data set or item it stands in: `dataset`, or `(gggg,eeee)[item]` steps.
    pub place: String,
    /// Digital Signature UID.
    pub uid: Option<String>,
    /// The verdict.
    pub status: Status,
    /// Why, in words; empty when valid and trusted.
    pub reasons: Vec<String>,
    /// What a reader should know although it does not change the verdict.
    pub warnings: Vec<String>,
    /// The most demanding profile it keeps.
    pub profile: Profile,
    /// All profiles it keeps.
    pub profiles: Vec<Profile>,
    /// Key kind and size.
    pub algorithm: Option<String>,
    /// Digest of the MAC.
    pub digest: Option<DigestAlgorithm>,
    /// Transfer syntax the MAC was computed in.
    pub mac_transfer_syntax: Option<String>,
    /// The certificate's subject.
    pub signer: Option<String>,
    /// The certificate's issuer.
    pub issuer: Option<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: Option<String>,
    /// Subjects from the signer to the trusted certificate.
    pub chain: Vec<String>,
    /// Digital Signature DateTime as stored: what the signer says.
    pub signed_at: Option<String>,
    /// Certified timestamp, if any.
    pub timestamp: Option<Timestamp>,
    /// Digital Signature Purpose, if stated.
    pub purpose: Option<String>,
    /// What it covers; meaningless unless the status is valid.
    pub coverage: Coverage,
    /// Whether another compression of the pixels is what keeps it from being checked.
    #[serde(skip)]
    pub(crate) transcoded: bool,
}

impl SignatureReport {
    /// Whether it is valid and trusted.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.status == Status::ValidTrusted
    }

    /// Whether it stands in the data set itself, not in an item.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.place == "dataset"
    }
}

/// All signatures of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file.
    pub path: String,
    /// Transfer syntax of the file.
    pub transfer_syntax: String,
    /// The verdict.
    pub overall: Overall,
    /// What was required and is not met; empty when nothing was.
    pub unmet: Vec<String>,
    /// Remarks about the file as a whole.
    pub notes: Vec<String>,
    /// One entry per signature, data set first.
    pub signatures: Vec<SignatureReport>,
}

impl Overall {
    /// The word used in records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Valid => "valid",
            Self::Untrusted => "untrusted",
            Self::Unverifiable => "unverifiable",
            Self::Invalid => "invalid",
        }
    }
}

impl Report {
    /// Whether every signature is valid and trusted, there is one, and every requirement is met.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.overall == Overall::Valid && self.unmet.is_empty()
    }

    /// Aspects that one signature of the data set covers: a trusted one where all are trusted, one
    /// that holds where all hold, and none otherwise. For `veraray scan`'s record.
    #[must_use]
    pub fn coverage(&self) -> Vec<Aspect> {
        let counts = |s: &&SignatureReport| match self.overall {
            Overall::Valid => s.is_trusted(),
            Overall::Untrusted => true,
            _ => false,
        };
        let holding = self
            .signatures
            .iter()
            .filter(counts)
            .filter(|s| s.is_whole());
        let of = |s: &SignatureReport| {
            Aspect::ALL
                .into_iter()
                .filter(|&a| s.coverage.covers(a))
                .collect::<Vec<_>>()
        };
        holding.map(of).max_by_key(Vec::len).unwrap_or_default()
    }

    pub(crate) fn worst(signatures: &[SignatureReport]) -> Overall {
        let rank = |s: &SignatureReport| match s.status {
            Status::ValidTrusted => 0,
            Status::ValidUntrusted => 1,
            Status::Unverifiable | Status::Unsignable => 2,
            Status::Invalid => 3,
        };
        match signatures.iter().map(rank).max() {
            None => Overall::None,
            Some(0) => Overall::Valid,
            Some(1) => Overall::Untrusted,
            Some(2) => Overall::Unverifiable,
            Some(_) => Overall::Invalid,
        }
    }
}
