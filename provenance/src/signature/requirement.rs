//! What a caller or a site's policy demands beyond valid signatures.

use super::coverage::Aspect;
use super::report::{Report, SignatureReport};
use super::stored::Item;
use super::verify::VerifyOptions;

/// Every demand that is not met, in words.
pub(crate) fn unmet(
    report: &Report,
    dataset: &Item<'_>,
    options: &VerifyOptions<'_>,
) -> Vec<String> {
    let trusted: Vec<&SignatureReport> = report
        .signatures
        .iter()
        .filter(|s| s.is_trusted())
        .collect();
    let mut out = Vec::new();
    if let Some(profile) = options.require_profile
        && !trusted.iter().any(|s| s.profiles.contains(&profile))
    {
        out.push(format!("no trusted signature keeps the {profile} profile"));
    }
    if !options.require_coverage.is_empty()
        && !trusted.iter().any(|s| covers(s, &options.require_coverage))
    {
        out.push(format!(
            "no single trusted signature covers {}",
            words(&options.require_coverage)
        ));
    }
    if let Some(policy) = &options.policy {
        out.extend(policy.unmet(dataset, &trusted));
    }
    out
}

/// One signature must cover all of it. Two signatures over parts prove nothing about their
/// belonging together: each could have been taken from another file of the same device.
pub(crate) fn covers(signature: &SignatureReport, aspects: &[Aspect]) -> bool {
    signature.is_whole() && aspects.iter().all(|&a| signature.coverage.covers(a))
}

pub(crate) fn words(aspects: &[Aspect]) -> String {
    let names: Vec<String> = aspects.iter().map(ToString::to_string).collect();
    names.join(", ")
}
