//! The certificates a site trusts, and the chain from a signer to one of them (RFC 5280, 6).

use std::path::Path;

use super::certificate::Certificate;
use super::error::{SignatureError, read_bounded};
use super::pem;
use super::revocation::{Revocation, RevocationList};

/// Longest chain built.
const MAX_CHAIN: usize = 8;
/// Most signature checks for one chain, against stores full of same-named certificates.
const MAX_CHECKS: usize = 64;
/// Most files read from a trust folder, and the largest taken.
const MAX_FILES: usize = 10_000;
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Trusted roots, intermediate certificates and revocation lists.
///
/// Self-signed certificates are anchors. All others only help to reach one: a certificate is not
/// trusted because it lies in the folder.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    lists: Vec<RevocationList>,
    skipped: Vec<String>,
}

/// What a chain was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainResult {
    /// Why it is not trusted; empty when it is.
    pub(crate) problems: Vec<String>,
    /// What a reader should know although it is trusted.
    pub(crate) warnings: Vec<String>,
    /// Subjects from the signer to the anchor.
    pub(crate) subjects: Vec<String>,
}

/// When a signature was made, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SigningTime {
    /// Unix time.
    pub(crate) at: i64,
    /// Whether a trusted timestamping authority says so; else only the signer does.
    pub(crate) certified: bool,
}

impl TrustStore {
    /// A store that trusts nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a PEM or DER file, or every such file in a folder (not its subfolders).
    ///
    /// # Errors
    /// When something cannot be read, or no certificate is found at all.
    pub fn from_path(path: &Path) -> Result<Self, SignatureError> {
        let read = |source| SignatureError::Read {
            path: path.to_owned(),
            source,
        };
        let mut store = Self::default();
        if path.is_dir() {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(path).map_err(read)? {
                let file = entry.map_err(read)?.path();
                if file.is_file() {
                    files.push(file);
                }
            }
            if files.len() > MAX_FILES {
                let reason = format!("holds more than {MAX_FILES} files");
                return Err(SignatureError::Credential {
                    path: path.to_owned(),
                    reason,
                });
            }
            files.sort();
            for file in files {
                store.add_file(&file)?;
            }
        } else {
            store.add_file(path)?;
        }
        if store.anchors.is_empty() && store.intermediates.is_empty() {
            let reason = "holds no certificate".to_owned();
            return Err(SignatureError::Credential {
                path: path.to_owned(),
                reason,
            });
        }
        Ok(store)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), SignatureError> {
        let bytes = match read_bounded(path, MAX_FILE_BYTES) {
            Err(error @ SignatureError::TooLarge { .. }) => {
                self.skipped.push(error.to_string());
                return Ok(());
            }
            other => other?,
        };
        let before = self.anchors.len() + self.intermediates.len() + self.lists.len();
        for der in pem::values(&bytes, &["CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CRL"]) {
            if self.add_der(&der).is_err() {
                self.skipped.push(format!(
                    "{}: neither certificate nor revocation list",
                    path.display()
                ));
            }
        }
        if before == self.anchors.len() + self.intermediates.len() + self.lists.len() {
            self.skipped
                .push(format!("{}: nothing to trust in it", path.display()));
        }
        Ok(())
    }

    /// Adds a DER certificate or revocation list.
    ///
    /// # Errors
    /// When the bytes are neither.
    pub fn add_der(&mut self, der: &[u8]) -> Result<(), String> {
        if let Ok(certificate) = Certificate::from_der(der) {
            if certificate.is_self_signed() {
                self.anchors.push(certificate);
            } else {
                self.intermediates.push(certificate);
            }
            return Ok(());
        }
        self.lists.push(RevocationList::from_der(der)?);
        Ok(())
    }

    /// Files that held nothing usable, and why.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Certificate> {
        self.anchors.iter().chain(&self.intermediates)
    }

    /// Builds a chain for `leaf` and checks it at the time of signing. `extra` are certificates
    /// that came with the signature: they may link, never anchor.
    pub(crate) fn check(
        &self,
        leaf: &Certificate,
        extra: &[Certificate],
        time: SigningTime,
    ) -> ChainResult {
        let mut path = vec![leaf];
        let mut checks = 0;
        let mut notes = Vec::new();
        if !self.extend(&mut path, extra, time, &mut checks, &mut notes) {
            if notes.is_empty() {
                notes.push(format!(
                    "no trusted certificate issued '{}' (issuer '{}')",
                    leaf.subject(),
                    leaf.issuer()
                ));
            }
            notes.dedup();
            return ChainResult {
                problems: notes,
                warnings: Vec::new(),
                subjects: vec![leaf.subject()],
            };
        }
        let mut result = ChainResult {
            problems: Vec::new(),
            warnings: Vec::new(),
            subjects: path.iter().map(|c| c.subject()).collect(),
        };
        for (index, certificate) in path.iter().enumerate() {
            if let Some(oid) = certificate.unknown_critical() {
                result.problems.push(format!(
                    "'{}' has the unknown critical extension {oid}",
                    certificate.subject()
                ));
            }
            if let Some(issuer) = path.get(index + 1) {
                self.check_revocation(certificate, issuer, time, &mut result);
            }
        }
        result
    }

    /// Depth-first search for an anchor; `path` holds the chain when it returns true.
    fn extend<'s>(
        &'s self,
        path: &mut Vec<&'s Certificate>,
        extra: &'s [Certificate],
        time: SigningTime,
        checks: &mut usize,
        notes: &mut Vec<String>,
    ) -> bool {
        let Some(&last) = path.last() else {
            return false;
        };
        if let Some(problem) = outside_validity(last, time) {
            notes.push(problem);
            return false;
        }
        if self.anchors.contains(last) {
            return true;
        }
        if path.len() >= MAX_CHAIN {
            return false;
        }
        for issuer in self.all().chain(extra) {
            if issuer.parsed().tbs_certificate.subject != last.parsed().tbs_certificate.issuer
                || path.contains(&issuer)
            {
                continue;
            }
            *checks += 1;
            if *checks > MAX_CHECKS {
                notes.push("too many candidate issuers".to_owned());
                return false;
            }
            match last.is_signed_by(issuer) {
                Ok((true, digest)) if digest.is_weak() => {
                    notes.push(format!(
                        "'{}' is signed over a {} digest",
                        last.subject(),
                        digest.term()
                    ));
                    continue;
                }
                Ok((true, _)) => {}
                Ok((false, _)) => {
                    notes.push(format!(
                        "'{}' is not signed by the trusted '{}'",
                        last.subject(),
                        issuer.subject()
                    ));
                    continue;
                }
                Err(error) => {
                    notes.push(format!("'{}': {error}", issuer.subject()));
                    continue;
                }
            }
            if issuer.key().is_ok_and(|key| key.is_breakable()) {
                notes.push(format!(
                    "'{}' has a key that can be broken",
                    issuer.subject()
                ));
                continue;
            }
            if let Some(problem) = issuer.cannot_issue(path.len() - 1) {
                notes.push(format!("'{}': {problem}", issuer.subject()));
                continue;
            }
            path.push(issuer);
            if self.extend(path, extra, time, checks, notes) {
                return true;
            }
            path.pop();
        }
        false
    }

    fn check_revocation(
        &self,
        of: &Certificate,
        by: &Certificate,
        time: SigningTime,
        result: &mut ChainResult,
    ) {
        let subject = of.subject();
        let mut covered = false;
        for list in self.lists.iter().filter(|list| list.is_from(by)) {
            covered = true;
            match list.lookup(of) {
                Revocation::Good => {}
                Revocation::Revoked { at, reason } => {
                    // A stolen key can sign with any date it likes, so only a certified time
                    // before the revocation saves a signature; none saves a compromised key
                    // whose invalidity date lies earlier.
                    if time.certified && time.at < at {
                        result.warnings.push(format!(
                            "'{subject}' was revoked after the certified time of signing"
                        ));
                    } else {
                        result
                            .problems
                            .push(format!("'{subject}' is revoked ({reason})"));
                    }
                }
            }
            if let Some(note) = list.staleness(time.at) {
                result.warnings.push(note);
            }
        }
        if !covered && !self.lists.is_empty() {
            result
                .warnings
                .push(format!("no revocation list covers '{subject}'"));
        }
    }
}

fn outside_validity(certificate: &Certificate, time: SigningTime) -> Option<String> {
    let (from, until) = certificate.validity();
    if time.at < from {
        Some(format!(
            "'{}' was not yet valid when the signature was made",
            certificate.subject()
        ))
    } else if time.at > until {
        Some(format!(
            "'{}' had expired when the signature was made",
            certificate.subject()
        ))
    } else {
        None
    }
}
