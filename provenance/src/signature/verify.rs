//! Verifying every digital signature of a file (PS3.15, Annex C).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dicom_core::Tag;

use super::canonical::{self, Renaming};
use super::check::{Context, check, unchecked};
use super::coverage::Aspect;
use super::datetime;
use super::error::{SignatureError, read_bounded};
use super::limits::{Limits, Work};
use super::mac::{DIGITAL_SIGNATURES, is_never_signable};
use super::policy::Policy;
use super::profile::Profile;
use super::read;
use super::report::{Overall, Report, SignatureReport, Status};
use super::requirement;
use super::stored::{Encoding, Item, Malformed, StoredFile, Value, VrChoice, is_encapsulated};
use super::transcoded::{self, PixelDecoder};
use super::trust::TrustStore;

/// Most signatures checked in one file: each costs a pass over what it signs.
const MAX_SIGNATURES: usize = 256;
/// Signatures in here belong to values that have since been replaced (PS3.3, C.12.1).
const ORIGINAL_ATTRIBUTES: Tag = Tag(0x0400, 0x0561);

/// How to verify.
#[derive(Default)]
pub struct VerifyOptions<'d> {
    /// Whom to trust.
    pub trust: TrustStore,
    /// At least one trusted signature must keep this profile.
    pub require_profile: Option<Profile>,
    /// One trusted signature of the data set must cover all of these.
    pub require_coverage: Vec<Aspect>,
    /// Which device must sign from which date.
    pub policy: Option<Policy>,
    /// The moment of verification as Unix time; now, when absent.
    pub at_time: Option<i64>,
    /// For signatures made before lossless compression.
    pub decoder: Option<&'d PixelDecoder<'d>>,
    /// What the file may cost.
    pub limits: Limits,
}

impl std::fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyOptions")
            .field("require_profile", &self.require_profile)
            .field("require_coverage", &self.require_coverage)
            .field("policy", &self.policy)
            .field("at_time", &self.at_time)
            .finish_non_exhaustive()
    }
}

/// Verifies every signature of a DICOM file.
///
/// # Errors
/// When the file cannot be read as DICOM. A signature that does not hold is no error.
pub fn verify_file(path: &Path, options: &VerifyOptions<'_>) -> Result<Report, SignatureError> {
    let bytes = read_bounded(path, options.limits.file_bytes)?;
    verify_bytes(path, &bytes, options)
}

/// Like [`verify_file`], on bytes already read; `path` is for messages.
///
/// # Errors
/// As [`verify_file`].
pub fn verify_bytes(
    path: &Path,
    bytes: &[u8],
    options: &VerifyOptions<'_>,
) -> Result<Report, SignatureError> {
    // Hostile bytes reach parsers and big-number code of other libraries; a panic there must not
    // take a whole scan down.
    let result = catch_unwind(AssertUnwindSafe(|| verify_unguarded(path, bytes, options)));
    let malformed = |reason| SignatureError::Malformed {
        path: path.to_owned(),
        reason,
    };
    match result {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => Err(malformed(error.to_string())),
        Err(_) => Err(malformed("a library failed on it".to_owned())),
    }
}

fn verify_unguarded(
    path: &Path,
    bytes: &[u8],
    options: &VerifyOptions<'_>,
) -> Result<Report, Malformed> {
    let limits = options.limits;
    let (syntax, at) = read::split(bytes)?;
    let body = read::body(bytes, &syntax, at, limits.inflated_bytes)?;
    let now = options.at_time.unwrap_or_else(datetime::now);
    let file = read::parse(&syntax, &body, VrChoice::default(), limits.nodes)?;
    let work = Work::new(limits.work, body.len());
    let mut notes = Vec::new();
    let check = |file: &StoredFile<'_>, notes: &mut Vec<String>| {
        all(file, &options.trust, now, &work, notes)
    };
    let mut signatures = check(&file, &mut notes);
    let implicit = Encoding::detect(&syntax, &body) == Encoding::ImplicitLittle;
    if implicit && has(&signatures, Status::Invalid) {
        for choice in other_choices() {
            let file = read::parse(&syntax, &body, choice, limits.nodes)?;
            let note = "holds with value representations that implicit VR had dropped";
            adopt(&mut signatures, check(&file, &mut Vec::new()), note);
        }
    }
    if !implicit && has(&signatures, Status::Invalid) {
        for (pixels, tables) in [(true, false), (false, true), (true, true)] {
            let mut file = file.clone();
            if canonical::rename(&mut file.dataset, Renaming { pixels, tables }) {
                let note =
                    "holds with value representations that a pass through implicit VR had changed";
                adopt(&mut signatures, check(&file, &mut Vec::new()), note);
            }
        }
    }
    if has(&signatures, Status::Invalid) {
        let mut file = file.clone();
        if canonical::trim_item(&mut file.dataset) {
            let note = "holds without surplus padding of text, which means nothing";
            adopt(&mut signatures, check(&file, &mut Vec::new()), note);
        }
    }
    if is_encapsulated(&syntax)
        && has(&signatures, Status::Unverifiable)
        && let Some(decoder) = options.decoder
    {
        retry_decoded(&mut signatures, &file, decoder, limits, check);
    }
    let mut report = Report {
        path: path.display().to_string(),
        transfer_syntax: syntax,
        overall: Report::worst(&signatures),
        unmet: Vec::new(),
        notes,
        signatures,
    };
    report.unmet = requirement::unmet(&report, &file.dataset, options);
    if report.overall == Overall::None {
        report
            .notes
            .push("the file holds no digital signature".to_owned());
    }
    Ok(report)
}

fn has(signatures: &[SignatureReport], status: Status) -> bool {
    signatures.iter().any(|s| s.status == status)
}

/// Tries the signatures that compression keeps from being checked on the decoded pixels.
fn retry_decoded<'a>(
    signatures: &mut [SignatureReport],
    file: &StoredFile<'a>,
    decoder: &PixelDecoder<'_>,
    limits: Limits,
    check: impl Fn(&StoredFile<'a>, &mut Vec<String>) -> Vec<SignatureReport>,
) {
    let note = "holds on the losslessly decoded pixels";
    let decoded = transcoded::before(file, decoder, limits.samples, &mut |form| {
        adopt(signatures, check(form, &mut Vec::new()), note);
    });
    let reason = if decoded {
        "does not hold on the decoded pixels either: changed, compressed with loss, or signed compressed"
    } else {
        "the compressed pixels could not be decoded to try again"
    };
    for open in signatures.iter_mut().filter(|s| s.transcoded) {
        open.reasons.push(reason.to_owned());
    }
}

/// Replaces what failed by what holds on another reading of the same file.
fn adopt(signatures: &mut [SignatureReport], others: Vec<SignatureReport>, note: &str) {
    for (old, mut new) in signatures.iter_mut().zip(others) {
        let failed = matches!(old.status, Status::Invalid | Status::Unverifiable);
        if failed && matches!(new.status, Status::ValidTrusted | Status::ValidUntrusted) {
            new.warnings.push(note.to_owned());
            *old = new;
        }
    }
}

fn other_choices() -> impl Iterator<Item = VrChoice> {
    (1..8u8).map(|bits| VrChoice {
        bytes_for_pixels: bits & 1 != 0,
        flip_sign: bits & 2 != 0,
        short_for_tables: bits & 4 != 0,
    })
}

/// Checks the signatures of the data set and of every item in it.
fn all(
    file: &StoredFile<'_>,
    trust: &TrustStore,
    now: i64,
    work: &Work,
    notes: &mut Vec<String>,
) -> Vec<SignatureReport> {
    let zone = file
        .dataset
        .text(Tag(0x0008, 0x0201))
        .and_then(|text| datetime::minutes(&text));
    let context = Context {
        syntax: &file.transfer_syntax,
        trust,
        now,
        zone,
        work,
    };
    let mut out = Vec::new();
    walk(&file.dataset, "", &context, &mut out, notes);
    out
}

fn walk(
    item: &Item<'_>,
    place: &str,
    context: &Context<'_>,
    out: &mut Vec<SignatureReport>,
    notes: &mut Vec<String>,
) {
    let name = if place.is_empty() { "dataset" } else { place };
    for signature in item.items(DIGITAL_SIGNATURES) {
        if out.len() >= MAX_SIGNATURES {
            // What is not looked at must not pass.
            if out.len() == MAX_SIGNATURES {
                out.push(unchecked(name, "more signatures than are checked"));
            }
            return;
        }
        out.push(if context.work.spend() {
            check(item, signature, name, context)
        } else {
            unchecked(name, "checking the file's signatures takes too long")
        });
    }
    for element in &item.elements {
        let Value::Items(items) = &element.value else {
            continue;
        };
        if element.tag == ORIGINAL_ATTRIBUTES {
            if items.iter().any(holds_signature) {
                notes.push(
                    "former signatures in Original Attributes Sequence were not checked".to_owned(),
                );
            }
            continue;
        }
        if is_never_signable(element.tag) {
            continue;
        }
        for (index, item) in items.iter().enumerate() {
            if !holds_signature(item) {
                continue;
            }
            let dot = if place.is_empty() { "" } else { "." };
            let (group, number) = (element.tag.group(), element.tag.element());
            walk(
                item,
                &format!("{place}{dot}({group:04X},{number:04X})[{index}]"),
                context,
                out,
                notes,
            );
        }
    }
}

fn holds_signature(item: &Item<'_>) -> bool {
    item.elements.iter().any(|element| match &element.value {
        Value::Items(items) => {
            element.tag == DIGITAL_SIGNATURES || items.iter().any(holds_signature)
        }
        _ => false,
    })
}
