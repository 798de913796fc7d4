//! X.509 certificates as evidence: names, fingerprints, periods and allowed uses (RFC 5280).

use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode, Reader as _, SliceReader};
use sha2::Digest as _;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

use super::algorithm::{DigestAlgorithm, KeyError, PublicKey, verify_identified};

/// Largest certificate taken.
const MAX_BYTES: usize = 64 << 10;

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// Critical extensions that are either handled or do not bear on signing images.
const KNOWN: [&str; 7] = [
    "2.5.29.19",
    "2.5.29.15",
    "2.5.29.37",
    "2.5.29.14",
    "2.5.29.35",
    "2.5.29.17",
    "2.5.29.32",
];

/// A certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Certificate {
    /// Reads a DER certificate, with or without the byte that fills it to even length.
    ///
    /// # Errors
    /// With what is wrong, in words.
    pub fn from_der(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("certificate of {} bytes", bytes.len()));
        }
        let parse = |bytes: &[u8]| {
            x509_cert::Certificate::from_der(bytes).map(|parsed| (bytes.to_vec(), parsed))
        };
        let (der, parsed) = match (parse(bytes), bytes) {
            (Err(_), [body @ .., 0]) => parse(body),
            (result, _) => result,
        }
        .map_err(|e| format!("broken certificate: {e}"))?;
        Ok(Self { der, parsed })
    }

    /// Its DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    /// Whom it names (RFC 4514).
    #[must_use]
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate.subject.to_string()
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.parsed.tbs_certificate.issuer.to_string()
    }

    /// SHA-256 of the DER, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha2::Sha256::digest(&self.der)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// Its public key.
    ///
    /// # Errors
    /// When the key is of another kind or broken.
    pub fn key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_spki(&self.parsed.tbs_certificate.subject_public_key_info)
    }

    /// First and last second of validity, as Unix time.
    #[must_use]
    pub fn validity(&self) -> (i64, i64) {
        let validity = &self.parsed.tbs_certificate.validity;
        let seconds = |t: &x509_cert::time::Time| {
            i64::try_from(t.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        (seconds(&validity.not_before), seconds(&validity.not_after))
    }

    /// Whether subject and issuer are the same and its own key signed it.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.parsed.tbs_certificate.subject == self.parsed.tbs_certificate.issuer
            && matches!(self.is_signed_by(self), Ok((true, _)))
    }

    /// Whether `issuer` signed it, and with which digest.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> Result<(bool, DigestAlgorithm), KeyError> {
        let (Some(tbs), Some(signature)) = (
            first_inner_value(&self.der),
            self.parsed.signature.as_bytes(),
        ) else {
            return Err(KeyError::Unusable("broken certificate".to_owned()));
        };
        verify_identified(
            &issuer.key()?,
            &self.parsed.signature_algorithm,
            None,
            tbs,
            signature,
        )
    }

    fn extension<'a, T: Decode<'a>>(
        &'a self,
        oid: ObjectIdentifier,
    ) -> Option<Result<(bool, T), ()>> {
        let extensions = self.parsed.tbs_certificate.extensions.as_ref()?;
        let found = extensions.iter().find(|e| e.extn_id == oid)?;
        Some(
            T::from_der(found.extn_value.as_bytes())
                .map(|v| (found.critical, v))
                .map_err(|_| ()),
        )
    }

    /// The first critical extension this library does not know (RFC 5280, 4.2: then refuse).
    #[must_use]
    pub fn unknown_critical(&self) -> Option<String> {
        let extensions = self.parsed.tbs_certificate.extensions.as_ref()?;
        let name = |e: &x509_cert::ext::Extension| e.extn_id.to_string();
        extensions
            .iter()
            .find(|e| e.critical && !KNOWN.contains(&name(e).as_str()))
            .map(name)
    }

    /// Why it may not issue certificates, with `below` authorities between it and the signer.
    pub(crate) fn cannot_issue(&self, below: usize) -> Option<String> {
        match self.extension::<BasicConstraints>(BASIC_CONSTRAINTS) {
            Some(Ok((
                _,
                BasicConstraints {
                    ca: true,
                    path_len_constraint,
                },
            ))) => {
                if path_len_constraint.is_some_and(|most| below > usize::from(most)) {
                    return Some("chain longer than its path length constraint".to_owned());
                }
            }
            _ => return Some("not a certification authority".to_owned()),
        }
        self.lacks_usage(
            KeyUsages::KeyCertSign,
            "key usage does not allow signing certificates",
        )
    }

    /// Why it may not sign revocation lists.
    pub(crate) fn cannot_revoke(&self) -> Option<String> {
        self.lacks_usage(
            KeyUsages::CRLSign,
            "key usage does not allow signing revocation lists",
        )
    }

    /// Why it may not sign images: a stated key usage must allow digital signatures.
    pub(crate) fn cannot_sign(&self) -> Option<String> {
        let allowed = match self.extension::<KeyUsage>(KEY_USAGE) {
            None => true,
            Some(Ok((_, usage))) => {
                usage.0.contains(KeyUsages::DigitalSignature)
                    || usage.0.contains(KeyUsages::NonRepudiation)
            }
            Some(Err(())) => false,
        };
        (!allowed).then(|| "key usage does not allow digital signatures".to_owned())
    }

    /// Whether it is a timestamping authority's (RFC 3161, 2.3: critical, and the only use).
    pub(crate) fn is_timestamping(&self) -> bool {
        matches!(self.extension::<ExtendedKeyUsage>(EXTENDED_KEY_USAGE),
            Some(Ok((true, usage))) if usage.0 == [TIME_STAMPING])
    }

    pub(crate) fn subject_key_id(&self) -> Option<OctetString> {
        self.extension::<OctetString>(SUBJECT_KEY_ID)?
            .ok()
            .map(|(_, id)| id)
    }

    fn lacks_usage(&self, usage: KeyUsages, message: &str) -> Option<String> {
        match self.extension::<KeyUsage>(KEY_USAGE) {
            None => None,
            Some(Ok((_, stated))) if stated.0.contains(usage) => None,
            Some(_) => Some(message.to_owned()),
        }
    }

    pub(crate) fn serial(&self) -> &x509_cert::serial_number::SerialNumber {
        &self.parsed.tbs_certificate.serial_number
    }

    pub(crate) fn spki_der(&self) -> Vec<u8> {
        self.parsed
            .tbs_certificate
            .subject_public_key_info
            .to_der()
            .unwrap_or_default()
    }
}

/// The bytes of the first value inside an outer SEQUENCE: what a certificate's or list's signature
/// is over. Taken from the original bytes, since encoding again could repair what was not canonical.
pub(crate) fn first_inner_value(der: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    der::Header::decode(&mut reader).ok()?;
    reader.tlv_bytes().ok()
}
