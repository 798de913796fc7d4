//! `veraray sign` and `veraray verify`: DICOM digital signatures (PS3.15 Annex C).

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use veraray_provenance::signature::{
    Aspect, DigestAlgorithm, Overall, Policy, Profile, Purpose, Report, SignOptions, TrustStore,
    VerifyOptions, sign_file, verify_file,
};

use crate::pages::print;
use crate::{ExitStatus, ScanError};

pub(crate) const SIGN_EXAMPLES: &str = "\
Examples:
  veraray sign image.dcm --key device.key --cert device.pem --output signed.dcm
  veraray sign image.dcm --key device.key --cert device.pem --profile creator --output signed.dcm

The original is never changed unless --in-place asks for it. Keys are PEM (PKCS#8, PKCS#1 or SEC1).";

pub(crate) const VERIFY_EXAMPLES: &str = "\
Examples:
  veraray verify signed.dcm --trust ca.pem
  veraray verify signed.dcm --trust certificates/ --require-coverage pixels,identity
  veraray verify signed.dcm --trust ca.pem --format json | jq .signatures[].coverage

A valid signature says nothing of what it does not cover: read the coverage.
Exit status: 0 every signature is valid and trusted, 1 not so, 2 an input failed or a usage error.";

/// Flags of `veraray sign`.
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// DICOM file to sign
    pub file: PathBuf,
    /// Private key (PEM)
    #[arg(long, value_name = "K.pem")]
    pub key: PathBuf,
    /// Its certificate (PEM)
    #[arg(long, value_name = "C.pem")]
    pub cert: PathBuf,
    /// Signature profile to keep to: none, base, creator or authorization (PS3.15 Annex C)
    #[arg(long, default_value = "none", value_name = "PROFILE")]
    pub profile: Profile,
    /// Digest of the MAC
    #[arg(long, value_enum, default_value_t = DigestArg::Sha256)]
    pub digest: DigestArg,
    /// Digital Signature Purpose Code, 1 to 18 (PS3.3 C.12.1.1.3.1.5)
    #[arg(long, value_name = "CODE")]
    pub purpose: Option<Purpose>,
    /// File to write
    #[arg(long, value_name = "FILE", required_unless_present = "in_place")]
    pub output: Option<PathBuf>,
    /// Replace the input
    #[arg(long, conflicts_with = "output")]
    pub in_place: bool,
}

/// Digest of the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum DigestArg {
    Sha256,
    Sha384,
    Sha512,
}

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

/// Runs `veraray sign`.
pub(crate) fn sign(arguments: &SignArgs) -> Result<ExitStatus, ScanError> {
    let mut options = SignOptions::from_files(&arguments.key, &arguments.cert)?;
    options.profile = arguments.profile;
    options.digest = match arguments.digest {
        DigestArg::Sha256 => DigestAlgorithm::Sha256,
        DigestArg::Sha384 => DigestAlgorithm::Sha384,
        DigestArg::Sha512 => DigestAlgorithm::Sha512,
    };
    options.purpose = arguments.purpose;
    options.in_place = arguments.in_place;
    let output = arguments.output.as_deref().unwrap_or(&arguments.file);
    let signed = sign_file(&arguments.file, &options, output)?;
    let line = format!(
        "{}: signed {} elements, signature {}\n",
        signed.path.display(),
        signed.signed.len(),
        signed.uid
    );
    print(line.as_bytes())
}

/// Runs `veraray verify`.
pub(crate) fn verify(arguments: &VerifySignatureArgs) -> Result<ExitStatus, ScanError> {
    let trust = match &arguments.trust {
        Some(path) => TrustStore::from_path(path)?,
        None => TrustStore::default(),
    };
    for skipped in trust.skipped() {
        eprintln!("veraray: --trust: {skipped}");
    }
    let options = VerifyOptions {
        trust,
        require_profile: arguments.require_profile,
        require_coverage: arguments.require_coverage.clone(),
        policy: arguments
            .policy
            .as_deref()
            .map(Policy::from_path)
            .transpose()?,
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
    lines.extend(
        report
            .unmet
            .iter()
            .map(|demand| format!("  not met: {demand}")),
    );
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    for signature in &report.signatures {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
        lines.push(format!(
            "  {} in {}: {:?}, profile {}, {}, signed by {} at {}",
            word(&signature.uid),
            signature.place,
            signature.status,
            signature.profile,
            word(&signature.algorithm),
            word(&signature.signer),
            word(&signature.signed_at),
        ));
        lines.extend(
            signature
                .reasons
                .iter()
                .map(|reason| format!("    {reason}")),
        );
        lines.extend(
            signature
                .warnings
                .iter()
                .map(|warning| format!("    warning: {warning}")),
        );
        let coverage = &signature.coverage;
        let covers = [
            ("pixels", coverage.pixels),
            ("geometry", coverage.geometry),
            ("rescale", coverage.rescale),
            ("identity", coverage.identity),
        ]
        .map(|(name, covered)| format!("{name} {}", if covered { "yes" } else { "no" }));
        lines.push(format!(
            "    covers: {}; {} elements signed, {} open to change",
            covers.join(", "),
            coverage.signed,
            coverage.unsigned.len()
        ));
    }
    lines.join("\n") + "\n"
}
