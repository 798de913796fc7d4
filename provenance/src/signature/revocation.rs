//! Certificate revocation lists (RFC 5280, 5).

use der::asn1::{GeneralizedTime, ObjectIdentifier};
use der::{Decode, Encode};
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::CrlReason;

use super::algorithm::verify_identified;
use super::certificate::{Certificate, first_inner_value};

const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

/// A revocation list, its signature not yet checked.
#[derive(Debug, Clone)]
pub(crate) struct RevocationList {
    der: Vec<u8>,
    parsed: CertificateList,
}

/// What a list says about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// Not on the list.
    Good,
    /// On the list, and invalid from this moment.
    Revoked { at: i64, reason: String },
}

impl RevocationList {
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, String> {
        let parsed =
            CertificateList::from_der(der).map_err(|e| format!("broken revocation list: {e}"))?;
        Ok(Self {
            der: der.to_vec(),
            parsed,
        })
    }

    /// Whether `issuer` made and signed this list. A list with unknown critical extensions (a
    /// partial or indirect one) counts as absent (RFC 5280, 5.2).
    pub(crate) fn is_from(&self, issuer: &Certificate) -> bool {
        let list = &self.parsed.tbs_cert_list;
        if list.issuer != issuer.parsed().tbs_certificate.subject
            || list.crl_extensions.iter().flatten().any(|e| e.critical)
            || issuer.cannot_revoke().is_some()
        {
            return false;
        }
        let (Some(tbs), Some(signature), Ok(key)) = (
            first_inner_value(&self.der),
            self.parsed.signature.as_bytes(),
            issuer.key(),
        ) else {
            return false;
        };
        verify_identified(&key, &self.parsed.signature_algorithm, None, tbs, signature)
            .is_ok_and(|(valid, _)| valid)
    }

    pub(crate) fn lookup(&self, certificate: &Certificate) -> Revocation {
        let serial = certificate.serial();
        let entries = self
            .parsed
            .tbs_cert_list
            .revoked_certificates
            .iter()
            .flatten();
        let Some(entry) = entries
            .into_iter()
            .find(|entry| &entry.serial_number == serial)
        else {
            return Revocation::Good;
        };
        let seconds = |secs: u64| i64::try_from(secs).unwrap_or(i64::MAX);
        let mut at = seconds(entry.revocation_date.to_unix_duration().as_secs());
        let mut reason = "no reason given".to_owned();
        for extension in entry.crl_entry_extensions.iter().flatten() {
            let value = extension.extn_value.as_bytes();
            if extension.extn_id == REASON {
                if let Ok(code) = CrlReason::from_der(value) {
                    reason = format!("{code:?}");
                }
            } else if extension.extn_id == INVALIDITY_DATE
                && let Ok(date) = GeneralizedTime::from_der(value)
            {
                at = at.min(seconds(date.to_unix_duration().as_secs()));
            }
        }
        Revocation::Revoked { at, reason }
    }

    /// A note when the list does not reach the time of signing.
    pub(crate) fn staleness(&self, signed_at: i64) -> Option<String> {
        let list = &self.parsed.tbs_cert_list;
        let this_update = i64::try_from(list.this_update.to_unix_duration().as_secs()).ok()?;
        (this_update < signed_at).then(|| {
            format!(
                "the revocation list of '{}' is older than the signature",
                list.issuer
            )
        })
    }
}

/// Whether two names are the same, byte for byte.
pub(crate) fn same_name(a: &x509_cert::name::Name, b: &x509_cert::name::Name) -> bool {
    a.to_der().ok() == b.to_der().ok()
}
