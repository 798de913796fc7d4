//! Checking one signature: parameters, MAC, key, time, chain — in that order, so that the first
//! reason given is the one that matters.

use dicom_core::Tag;

use super::algorithm::{Hasher, without_padding};
use super::certificate::Certificate;
use super::coverage::{Coverage, ElementName};
use super::datetime;
use super::limits::Work;
use super::mac::{self, holds_unknown, is_never_signable, mac_stream};
use super::parameters::Parameters;
use super::profile::Profile;
use super::report::{SignatureReport, Status};
use super::stored::{Item, Value, is_encapsulated};
use super::timestamp::{self, TimestampStatus};
use super::trust::{SigningTime, TrustStore};

/// Clocks may differ by this much before a signature counts as made in the future.
const CLOCK_SKEW: i64 = 24 * 3600;

/// What every signature of a file is checked against.
pub(crate) struct Context<'c> {
    pub(crate) syntax: &'c str,
    pub(crate) trust: &'c TrustStore,
    pub(crate) now: i64,
    /// Offset from UTC in minutes, where the data set states it.
    pub(crate) zone: Option<i64>,
    /// What may still be spent on the file.
    pub(crate) work: &'c Work,
}

/// Why a signature is not valid.
struct Failure(Status, String);

/// An entry for a signature that was not looked at.
pub(crate) fn unchecked(place: &str, reason: &str) -> SignatureReport {
    SignatureReport {
        place: place.to_owned(),
        uid: None,
        status: Status::Unverifiable,
        reasons: vec![reason.to_owned()],
        warnings: Vec::new(),
        profile: Profile::None,
        profiles: Vec::new(),
        algorithm: None,
        digest: None,
        mac_transfer_syntax: None,
        signer: None,
        issuer: None,
        fingerprint: None,
        chain: Vec::new(),
        signed_at: None,
        timestamp: None,
        purpose: None,
        coverage: Coverage::default(),
        transcoded: false,
    }
}

/// Checks one signature of a data set or item.
pub(crate) fn check(
    container: &Item<'_>,
    signature: &Item<'_>,
    place: &str,
    context: &Context<'_>,
) -> SignatureReport {
    let mut report = unchecked(place, "");
    report.reasons.clear();
    report.uid = signature.text(mac::SIGNATURE_UID);
    report.signed_at = signature.text(mac::SIGNATURE_TIME);
    report.purpose = signature
        .items(mac::PURPOSE)
        .first()
        .and_then(|item| item.text(Tag(0x0008, 0x0104)));
    if let Err(Failure(status, reason)) = inspect(container, signature, context, &mut report) {
        if report.mac_transfer_syntax.is_none() {
            // Nothing is known of what it names: then it names nothing.
            report.coverage = Coverage::of(container, &[]);
        }
        report.status = status;
        report.reasons.insert(0, reason);
    }
    report
}

fn inspect(
    container: &Item<'_>,
    signature: &Item<'_>,
    context: &Context<'_>,
    report: &mut SignatureReport,
) -> Result<(), Failure> {
    let parameters =
        Parameters::find(container, signature).map_err(|e| Failure(Status::Invalid, e))?;
    report.mac_transfer_syntax = Some(parameters.transfer_syntax.clone());
    report.coverage = Coverage::of(container, &parameters.signed);
    let certificate = signature
        .bytes(mac::CERTIFICATE)
        .ok_or_else(|| "the signature has no certificate".to_owned())
        .and_then(Certificate::from_der)
        .map_err(|e| Failure(Status::Invalid, e))?;
    report.signer = Some(certificate.subject());
    report.issuer = Some(certificate.issuer());
    report.fingerprint = Some(certificate.fingerprint());
    let key = certificate
        .key()
        .map_err(|e| Failure(Status::Unverifiable, e.to_string()))?;
    report.algorithm = Some(key.describe());
    report.profiles = Profile::kept(container, &parameters.signed, Some(&key), report.is_whole());
    report.profile = report.profiles.last().copied().unwrap_or(Profile::None);
    let digest = parameters
        .digest
        .clone()
        .map_err(|e| Failure(Status::Unverifiable, e))?;
    report.digest = Some(digest);
    obstacles(
        container,
        signature,
        &parameters,
        context,
        &mut report.transcoded,
    )?;

    let stored = signature.bytes(mac::SIGNATURE).unwrap_or_default();
    let value = without_padding(&key, stored);
    let mut hasher = Hasher::new(digest);
    mac_stream(container, &parameters.signed, signature, &mut |bytes| {
        hasher.update(bytes);
    });
    if !key.verify_digest(digest, &hasher.finish(), value) {
        let absent = &report.coverage.absent;
        let reason = if absent.is_empty() {
            "a signed element, or the signature, was changed".to_owned()
        } else {
            let names: Vec<String> = absent.iter().take(8).map(ToString::to_string).collect();
            format!(
                "a signed element was changed or removed; no longer there: {}",
                names.join(", ")
            )
        };
        return Err(Failure(Status::Invalid, reason));
    }
    if digest.is_weak() {
        report.warnings.push(format!(
            "{} is broken: the signer may have signed two images at once",
            digest.term()
        ));
    }
    if key.is_breakable() {
        return Err(Failure(
            Status::ValidUntrusted,
            format!(
                "{} can be broken, so that anyone may have signed",
                key.describe()
            ),
        ));
    }
    if key.is_weak() {
        report
            .warnings
            .push(format!("{} is too short to be safe", key.describe()));
    }
    trust(signature, value, &certificate, context, report)
}

/// What keeps the MAC from being computed as the signer did.
fn obstacles(
    container: &Item<'_>,
    signature: &Item<'_>,
    parameters: &Parameters,
    context: &Context<'_>,
    transcoded: &mut bool,
) -> Result<(), Failure> {
    let unverifiable = |reason: String| Err(Failure(Status::Unverifiable, reason));
    if let Some(&tag) = parameters
        .signed
        .iter()
        .find(|&&tag| is_never_signable(tag))
    {
        let reason = format!(
            "names {}, which no signature can cover",
            ElementName::of(tag)
        );
        return Err(Failure(Status::Unsignable, reason));
    }
    if let Some(reason) = parameters.forbidden_syntax() {
        return unverifiable(reason);
    }
    if let Some(tag) = container.duplicate().or_else(|| signature.duplicate()) {
        return unverifiable(format!(
            "{} occurs twice, and readers differ about which counts",
            ElementName::of(tag)
        ));
    }
    for element in container
        .elements
        .iter()
        .filter(|e| parameters.signed.binary_search(&e.tag).is_ok())
    {
        if holds_unknown(element) {
            return unverifiable(format!(
                "{} has lost its value representation, as implicit VR makes private elements do",
                ElementName::of(element.tag)
            ));
        }
        let encapsulated = matches!(element.value, Value::Fragments(_));
        let pixels = element.tag == Tag(0x7FE0, 0x0010);
        if (encapsulated && context.syntax != parameters.transfer_syntax)
            || (pixels && !encapsulated && is_encapsulated(&parameters.transfer_syntax))
        {
            *transcoded = true;
            return unverifiable(format!(
                "the pixels were signed in transfer syntax {} and are stored in {}: transcoded since",
                parameters.transfer_syntax, context.syntax
            ));
        }
    }
    Ok(())
}

/// The MAC holds: now whose it is, and since when.
fn trust(
    signature: &Item<'_>,
    value: &[u8],
    certificate: &Certificate,
    context: &Context<'_>,
    report: &mut SignatureReport,
) -> Result<(), Failure> {
    let untrusted = |reason: String| Err(Failure(Status::ValidUntrusted, reason));
    if let Some(token) = signature.bytes(mac::TIMESTAMP) {
        let found = timestamp::check(token, value, context.trust);
        let broken = found.status == TimestampStatus::Invalid;
        let reason = found.reasons.first().cloned().unwrap_or_default();
        if found.status == TimestampStatus::Untrusted {
            report
                .warnings
                .push(format!("the certified timestamp is not trusted: {reason}"));
        }
        report.timestamp = Some(found);
        if broken {
            return Err(Failure(Status::Invalid, reason));
        }
    }
    let claimed = report
        .signed_at
        .as_deref()
        .and_then(|text| datetime::parse(text, context.zone));
    let Some((claimed, zoned)) = claimed else {
        return untrusted("the signature does not say when it was made".to_owned());
    };
    if !zoned && context.zone.is_none() {
        report
            .warnings
            .push("the time of signing has no time zone; read as UTC".to_owned());
    }
    let certified = report
        .timestamp
        .as_ref()
        .filter(|t| t.status == TimestampStatus::Trusted)
        .and_then(|t| t.seconds);
    if let Some(certified) = certified
        && claimed > certified + CLOCK_SKEW
    {
        return untrusted("says it was made after its certified timestamp".to_owned());
    }
    if claimed > context.now + CLOCK_SKEW {
        return untrusted("says it was made in the future".to_owned());
    }
    let time = SigningTime {
        at: certified.unwrap_or(claimed),
        certified: certified.is_some(),
    };
    if let Some(problem) = certificate.cannot_sign() {
        return untrusted(problem);
    }
    let chain = context.trust.check(certificate, &[], time);
    report.chain = chain.subjects;
    report.warnings.extend(chain.warnings);
    if !time.certified && certificate.validity().1 < context.now {
        report.warnings.push(
            "the certificate has expired since, and only the signer says when it signed".to_owned(),
        );
    }
    let mut problems = chain.problems.into_iter();
    if let Some(first) = problems.next() {
        report.reasons.extend(problems);
        return untrusted(first);
    }
    report.status = Status::ValidTrusted;
    Ok(())
}
