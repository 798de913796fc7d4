//! Certified timestamps (PS3.3, C.12.1.1.3.1.3; RFC 3161; CMS, RFC 5652).
//!
//! The token is over the value of Signature (0400,0120), without the byte that fills it up.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{GeneralizedTime, Int, ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode, Sequence, Tag, Tagged as _};
use serde::Serialize;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm::{DigestAlgorithm, verify_identified};
use super::certificate::Certificate;
use super::revocation::same_name;
use super::trust::{SigningTime, TrustStore};

/// Largest token taken.
const MAX_BYTES: usize = 256 << 10;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// What a certified timestamp was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timestamp {
    /// Whether it holds and who made it is trusted.
    pub status: TimestampStatus,
    /// The time it certifies (ISO 8601, UTC).
    pub time: Option<String>,
    /// The authority's certificate subject.
    pub authority: Option<String>,
    /// Why it is not trusted.
    pub reasons: Vec<String>,
    #[serde(skip)]
    pub(crate) seconds: Option<i64>,
}

/// The verdict on a certified timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimestampStatus {
    /// It belongs to the signature and a trusted authority made it.
    Trusted,
    /// It belongs to the signature; who made it is not trusted.
    Untrusted,
    /// It does not belong to the signature, or is broken.
    Invalid,
}

/// TSTInfo (RFC 3161, 2.4.2) as far as it is used; the optional rest stays unread.
#[derive(Debug, Clone, Sequence)]
pub(crate) struct MessageImprint {
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) digest: OctetString,
}

struct Info {
    imprint: MessageImprint,
    time: GeneralizedTime,
    nonce: Option<Vec<u8>>,
}

impl Info {
    fn from_der(bytes: &[u8]) -> der::Result<Self> {
        let fields: Vec<Any> = sequence_fields(bytes)?;
        let mut fields = fields.iter();
        let missing = || der::Error::from(der::ErrorKind::Failed);
        let _version: Int = fields.next().ok_or_else(missing)?.decode_as()?;
        let _policy: ObjectIdentifier = fields.next().ok_or_else(missing)?.decode_as()?;
        let imprint = MessageImprint::from_der(&fields.next().ok_or_else(missing)?.to_der()?)?;
        let _serial: Int = fields.next().ok_or_else(missing)?.decode_as()?;
        let time = fields.next().ok_or_else(missing)?;
        // Accuracy and ordering, which may stand between, are of other types.
        let nonce = fields.find(|f| f.tag() == Tag::Integer);
        Ok(Self {
            imprint,
            time: whole_seconds(time)?,
            nonce: nonce.map(|n| n.value().to_vec()),
        })
    }
}

/// RFC 3161 allows fractions of a second, which DER readers of X.509 times refuse; they are dropped.
fn whole_seconds(time: &Any) -> der::Result<GeneralizedTime> {
    if time.tag() != Tag::GeneralizedTime {
        return Err(der::ErrorKind::Failed.into());
    }
    let mut text: Vec<u8> = time
        .value()
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    if text.len() != 14 || time.value().last() != Some(&b'Z') {
        return Err(der::ErrorKind::DateTime.into());
    }
    text.push(b'Z');
    Any::new(Tag::GeneralizedTime, text)?.decode_as()
}

/// The values of a SEQUENCE.
pub(crate) fn sequence_fields(bytes: &[u8]) -> der::Result<Vec<Any>> {
    use der::Reader as _;
    let mut reader = der::SliceReader::new(bytes)?;
    let header = der::Header::decode(&mut reader)?;
    header.tag.assert_eq(Tag::Sequence)?;
    reader.read_nested(header.length, |inner| {
        let mut fields = Vec::new();
        while !inner.is_finished() {
            fields.push(Any::decode(inner)?);
        }
        Ok(fields)
    })
}

/// Checks the token in Certified Timestamp (0400,0310) against the signature it certifies.
pub(crate) fn check(token: &[u8], signature: &[u8], trust: &TrustStore) -> Timestamp {
    let mut out = Timestamp {
        status: TimestampStatus::Invalid,
        time: None,
        authority: None,
        reasons: Vec::new(),
        seconds: None,
    };
    if let Err(reason) = inspect(token, signature, trust, &mut out) {
        out.status = TimestampStatus::Invalid;
        out.reasons.insert(0, reason);
    }
    out
}

/// The signed data of a token, and the DER of the TSTInfo in it.
fn open(token: &[u8]) -> Result<(SignedData, Vec<u8>), String> {
    if token.len() > MAX_BYTES {
        return Err(format!("timestamp token of {} bytes", token.len()));
    }
    let broken = |e: der::Error| format!("broken timestamp token: {e}");
    let content = match (ContentInfo::from_der(token), token) {
        (Err(_), [body @ .., 0]) => ContentInfo::from_der(body),
        (result, _) => result,
    }
    .map_err(broken)?;
    if content.content_type != SIGNED_DATA {
        return Err("the timestamp token holds no signed data".to_owned());
    }
    let signed: SignedData = content.content.decode_as().map_err(broken)?;
    if signed.encap_content_info.econtent_type != TST_INFO {
        return Err("the timestamp token holds no timestamp".to_owned());
    }
    let content = signed
        .encap_content_info
        .econtent
        .as_ref()
        .ok_or("the timestamp token is empty")?;
    if content.tag() != Tag::OctetString {
        return Err("broken timestamp token".to_owned());
    }
    let bytes = content.value().to_vec();
    Ok((signed, bytes))
}

/// Whether a token is over this signature value; says nothing of who made it.
pub(crate) fn belongs(token: &[u8], signature: &[u8]) -> Result<(), String> {
    let info = info(token)?;
    if digest_of(&info.imprint.algorithm)?.of(signature) == info.imprint.digest.as_bytes() {
        Ok(())
    } else {
        Err("the timestamp belongs to another signature".to_owned())
    }
}

/// The nonce of the request that a token answers, if it had one.
pub(crate) fn nonce(token: &[u8]) -> Result<Option<Vec<u8>>, String> {
    info(token).map(|info| info.nonce)
}

fn info(token: &[u8]) -> Result<Info, String> {
    let (_, content) = open(token)?;
    Info::from_der(&content).map_err(|e| format!("broken timestamp token: {e}"))
}

fn inspect(
    token: &[u8],
    signature: &[u8],
    trust: &TrustStore,
    out: &mut Timestamp,
) -> Result<(), String> {
    let broken = |e: der::Error| format!("broken timestamp token: {e}");
    let (signed, content) = open(token)?;
    let bytes = content.as_slice();
    let info = Info::from_der(bytes).map_err(broken)?;
    let digest = digest_of(&info.imprint.algorithm)?;
    let seconds =
        i64::try_from(info.time.to_unix_duration().as_secs()).map_err(|e| e.to_string())?;
    out.time = Some(format!("{}", info.time.to_date_time()));
    out.seconds = Some(seconds);
    if digest.of(signature) != info.imprint.digest.as_bytes() {
        return Err("the timestamp belongs to another signature".to_owned());
    }
    let certificates = certificates_of(&signed);
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err("the timestamp token has not exactly one signer".to_owned());
    };
    let Some(certificate) = certificates
        .iter()
        .chain(trust.all())
        .find(|c| is_signer(c, &signer.sid))
    else {
        out.status = TimestampStatus::Untrusted;
        out.reasons.push(
            "the authority's certificate is neither in the token nor in the trust store".to_owned(),
        );
        return Ok(());
    };
    out.authority = Some(certificate.subject());
    let signed_over = check_signer(signer, certificate, bytes)?;
    let mut problems = Vec::new();
    // Two images could share a weak digest, and with it an honest authority's token.
    if let Some(weak) = [digest, signed_over].into_iter().find(|d| d.is_weak()) {
        problems.push(format!("the timestamp rests on {}", weak.term()));
    }
    if !certificate.is_timestamping() {
        problems.push("its certificate is not for timestamping alone".to_owned());
    }
    // The token itself says when it was made, so it can be no better than that.
    let time = SigningTime {
        at: seconds,
        certified: false,
    };
    problems.extend(trust.check(certificate, &certificates, time).problems);
    out.status = if problems.is_empty() {
        TimestampStatus::Trusted
    } else {
        TimestampStatus::Untrusted
    };
    out.reasons.extend(problems);
    Ok(())
}

fn digest_of(algorithm: &AlgorithmIdentifierOwned) -> Result<DigestAlgorithm, String> {
    DigestAlgorithm::from_oid(algorithm.oid)
        .ok_or_else(|| format!("unknown digest {}", algorithm.oid))
}

fn certificates_of(signed: &SignedData) -> Vec<Certificate> {
    let choices = signed.certificates.iter().flat_map(|set| set.0.iter());
    choices
        .filter_map(|choice| match choice {
            CertificateChoices::Certificate(c) => Certificate::from_der(&c.to_der().ok()?).ok(),
            CertificateChoices::Other(_) => None,
        })
        .take(16)
        .collect()
}

fn is_signer(certificate: &Certificate, id: &SignerIdentifier) -> bool {
    match id {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            &id.serial_number == certificate.serial()
                && same_name(&id.issuer, &certificate.parsed().tbs_certificate.issuer)
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            certificate.subject_key_id().as_ref() == Some(&id.0)
        }
    }
}

/// RFC 5652, 5.4 and 5.6: the signed attributes hold the content's digest, and the signature is
/// over their DER as a SET.
fn check_signer(
    signer: &SignerInfo,
    certificate: &Certificate,
    content: &[u8],
) -> Result<DigestAlgorithm, String> {
    let digest = digest_of(&signer.digest_alg)?;
    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or("the timestamp has no signed attributes")?;
    let value = |oid: ObjectIdentifier| {
        attributes
            .iter()
            .find(|a| a.oid == oid)
            .and_then(|a| (a.values.len() == 1).then(|| a.values.get(0)).flatten())
    };
    let kind = value(CONTENT_TYPE).and_then(|v| v.decode_as::<ObjectIdentifier>().ok());
    if kind != Some(TST_INFO) {
        return Err("the timestamp's content type is not signed".to_owned());
    }
    let stated = value(MESSAGE_DIGEST).and_then(|v| v.decode_as::<OctetString>().ok());
    if stated.is_none_or(|stated| stated.as_bytes() != digest.of(content)) {
        return Err("the timestamp's content does not match its digest".to_owned());
    }
    // ESSCertID binds the certificate (RFC 3161, 2.4.2; RFC 5816), so that no other certificate
    // for the same key can stand in.
    let bound = [
        (SIGNING_CERTIFICATE_V2, DigestAlgorithm::Sha256),
        (SIGNING_CERTIFICATE, DigestAlgorithm::Sha1),
    ]
    .into_iter()
    .filter_map(|(oid, default)| Some(names_certificate(value(oid)?, default, certificate)))
    .collect::<Vec<_>>();
    if bound.is_empty() || bound.contains(&false) {
        return Err("the timestamp does not name its authority's certificate".to_owned());
    }
    let message = attributes
        .to_der()
        .map_err(|e| format!("broken timestamp token: {e}"))?;
    let key = certificate.key().map_err(|e| e.to_string())?;
    match verify_identified(
        &key,
        &signer.signature_algorithm,
        Some(digest),
        &message,
        signer.signature.as_bytes(),
    ) {
        // The weaker of the two decides; they are ordered so.
        Ok((true, over)) => Ok(over.min(digest)),
        Ok((false, _)) => Err("the timestamp's signature does not hold".to_owned()),
        Err(error) => Err(format!(
            "the timestamp's signature cannot be checked: {error}"
        )),
    }
}

/// SigningCertificate ::= SEQUENCE { certs SEQUENCE OF ESSCertID, … }; the first one is the signer.
fn names_certificate(attribute: &Any, default: DigestAlgorithm, certificate: &Certificate) -> bool {
    let first = |bytes: &[u8]| sequence_fields(bytes).ok()?.first()?.to_der().ok();
    let Some(id) = attribute
        .to_der()
        .ok()
        .and_then(|d| first(&d))
        .and_then(|list| first(&list))
    else {
        return false;
    };
    let Ok(fields) = sequence_fields(&id) else {
        return false;
    };
    let mut digest = default;
    for field in &fields {
        if field.tag() == Tag::Sequence
            && let Some(named) = field
                .decode_as::<AlgorithmIdentifierOwned>()
                .ok()
                .and_then(|a| DigestAlgorithm::from_oid(a.oid))
        {
            digest = named;
        } else if field.tag() == Tag::OctetString {
            return field.value() == digest.of(certificate.der());
        }
    }
    false
}
