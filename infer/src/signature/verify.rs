//! `veraray verify`: says of every signature of a file whether it holds, whose it is, and what it leaves
//! open.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use veraray_provenance::signature::{
    Aspect, Coverage, ElementName, Overall, Policy, Profile, Report, SignatureReport, Status,
    TrustStore, VerifyOptions, verify_file,
};

use super::pixels;
use crate::pages::print;
use crate::text::printable;
use crate::{ExitStatus, ScanError};

/// Most elements that a line names; JSON has more of them.
const MOST_NAMES: usize = 12;

pub(crate) const VERIFY_EXAMPLES: &str = "\
Examples:
  veraray verify signed.dcm --trust ca.pem
  veraray verify signed.dcm --trust certificates/ --require-coverage pixels,identity
  veraray verify signed.dcm --trust ca.pem --format json | jq .signatures[].coverage

A valid signature says nothing of what it does not cover: read the coverage. Of the certificates given,
self-signed ones are trusted, others only lead to them; revocation lists (CRL) may lie beside them.
Pixels that were compressed without loss after signing are decoded and tried again.
Exit status: 0 every signature is valid and trusted, 1 not so, 2 an input failed or a usage error.";

/// Flags of `veraray verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifySignatureArgs {
    /// DICOM file
    pub file: PathBuf,
    /// Trusted certificates and revocation lists: a PEM or DER file, or a folder of them
    #[arg(long, value_name = "CA.pem|DIR")]
    pub trust: Option<PathBuf>,
    /// A trusted signature must keep this profile
    #[arg(long, value_name = "PROFILE")]
    pub require_profile: Option<Profile>,
    /// One trusted signature must cover all of these: pixels, geometry, rescale, identity
    #[arg(long, value_name = "ASPECT", value_delimiter = ',')]
    pub require_coverage: Vec<Aspect>,
    /// Policy file (TOML): which device must sign from which date
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum ReportFormat {
    /// For the eye
    Text,
    /// For programs
    Json,
}

/// The certificates of a `--trust` flag; says what in them is of no use.
pub(super) fn trust(path: Option<&Path>) -> Result<TrustStore, ScanError> {
    let Some(path) = path else {
        return Ok(TrustStore::default());
    };
    let store = TrustStore::from_path(path)
        .map_err(|error| ScanError::Usage(format!("--trust: {error}")))?;
    for skipped in store.skipped() {
        eprintln!("veraray: warning: --trust: {}", printable(skipped));
    }
    Ok(store)
}

/// Runs `veraray verify`.
pub(crate) fn verify(arguments: &VerifySignatureArgs) -> Result<ExitStatus, ScanError> {
    veraray_datasets::quiet_decoder_panics();
    let options = VerifyOptions {
        trust: trust(arguments.trust.as_deref())?,
        require_profile: arguments.require_profile,
        require_coverage: arguments.require_coverage.clone(),
        policy: arguments
            .policy
            .as_deref()
            .map(Policy::from_path)
            .transpose()?,
        decoder: Some(&pixels::decode),
        ..VerifyOptions::default()
    };
    let report = verify_file(&arguments.file, &options)?;
    let text = match arguments.format {
        // Strings, numbers and lists always serialise.
        ReportFormat::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
        ReportFormat::Text => describe(&report),
    };
    print(text.as_bytes())?;
    Ok(if report.is_accepted() {
        ExitStatus::Clean
    } else {
        ExitStatus::Flagged
    })
}

fn describe(report: &Report) -> String {
    let verdict = match report.overall {
        Overall::None => "no signature",
        Overall::Valid => "valid and trusted",
        Overall::Untrusted => "valid, but the signer is not trusted",
        Overall::Unverifiable => "cannot be verified in this form",
        _ => "not valid",
    };
    let mut lines = vec![format!("{}: {verdict}", report.path)];
    let unmet = report.unmet.iter();
    lines.extend(unmet.map(|demand| format!("  not met: {demand}")));
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    for signature in &report.signatures {
        tell(signature, &mut lines);
    }
    // Names, dates and subjects are whatever the file's maker wrote: none may steer the terminal.
    let safe: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    safe.join("\n") + "\n"
}

fn tell(signature: &SignatureReport, lines: &mut Vec<String>) {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let status = match signature.status {
        Status::ValidTrusted => "valid and trusted",
        Status::ValidUntrusted => "valid, not trusted",
        Status::Invalid => "not valid",
        Status::Unverifiable => "unverifiable",
        _ => "unsignable",
    };
    lines.push(format!(
        "  {} in {}: {status}, profile {}, {}, signed by {} at {}",
        word(&signature.uid),
        signature.place,
        signature.profile,
        word(&signature.algorithm),
        word(&signature.signer),
        word(&signature.signed_at),
    ));
    if let Some(stamp) = &signature.timestamp {
        let (time, authority) = (word(&stamp.time), word(&stamp.authority));
        let status = format!("{:?}", stamp.status).to_lowercase();
        lines.push(format!("    timestamp: {time} by {authority}, {status}"));
    }
    let reasons = signature.reasons.iter();
    lines.extend(reasons.map(|reason| format!("    {reason}")));
    let warnings = signature.warnings.iter();
    lines.extend(warnings.map(|warning| format!("    warning: {warning}")));
    // Of what does not hold, coverage says nothing.
    if matches!(
        signature.status,
        Status::ValidTrusted | Status::ValidUntrusted
    ) {
        covers(&signature.coverage, lines);
    }
}

fn covers(coverage: &Coverage, lines: &mut Vec<String>) {
    let aspects: Vec<String> = Aspect::ALL
        .into_iter()
        .map(|aspect| {
            let covered = if coverage.covers(aspect) { "yes" } else { "no" };
            format!("{aspect} {covered}")
        })
        .collect();
    lines.push(format!(
        "    covers: {}; {} elements signed, {} open to change",
        aspects.join(", "),
        coverage.signed,
        coverage.unsigned_count
    ));
    if !coverage.added_since.is_empty() {
        let names = named(&coverage.added_since, coverage.unsigned_count);
        lines.push(format!(
            "    added since, or left out by the signer: {names}"
        ));
    } else if coverage.unsigned_count > 0 {
        let names = named(&coverage.unsigned, coverage.unsigned_count);
        lines.push(format!("    open to change: {names}"));
    }
    if coverage.unsignable_count > 0 {
        let names = named(&coverage.unsignable, coverage.unsignable_count);
        lines.push(format!("    no signature can cover, as stored: {names}"));
    }
    if !coverage.absent.is_empty() {
        let names = named(&coverage.absent, coverage.absent.len());
        lines.push(format!("    named by the signature and not there: {names}"));
    }
}

fn named(elements: &[ElementName], count: usize) -> String {
    let names: Vec<String> = elements
        .iter()
        .take(MOST_NAMES)
        .map(ToString::to_string)
        .collect();
    match count.saturating_sub(names.len()) {
        0 => names.join(", "),
        more => format!("{} and {more} more (see --format json)", names.join(", ")),
    }
}
