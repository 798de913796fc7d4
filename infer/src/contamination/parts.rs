//! An archive in parts: by source, and by month.

use std::collections::BTreeMap;

use serde::Serialize;

use super::archive::Archive;
use super::findings::Share;
use super::options::ByArg;
use super::stats::adjusted::Adjusted;
use super::stats::groups::holm;

/// The part of the images that name none.
pub(crate) const UNSTATED: &str = "not stated";

/// One source, or one month.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) images: u64,
    pub(crate) flagged: u64,
    pub(crate) prevalence: Share,
    /// Probability of as many flagged images without contamination.
    pub(crate) p_value: f64,
    /// The same, corrected for the number of parts (Holm).
    pub(crate) p_value_corrected: f64,
}

/// The sources, the most conspicuous first.
pub(crate) fn sources(archive: &Archive, adjusted: &Adjusted, by: ByArg) -> Vec<Part> {
    let mut sources = parts(archive, archive.sources(by), adjusted);
    sources.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    sources
}

/// The months in their order, images that state none at the end; nothing where none states one.
/// `months` are those of the images.
pub(crate) fn months(
    archive: &Archive,
    adjusted: &Adjusted,
    months: &[Option<String>],
) -> Vec<Part> {
    if months.iter().all(Option::is_none) {
        return Vec::new();
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, month) in months.iter().enumerate() {
        let name = month.as_deref().unwrap_or(UNSTATED);
        groups.entry(name.to_owned()).or_default().push(index);
    }
    // Digits come before letters: what states no month is last.
    parts(archive, groups, adjusted)
}

fn parts(
    archive: &Archive,
    groups: BTreeMap<String, Vec<usize>>,
    adjusted: &Adjusted,
) -> Vec<Part> {
    let mut parts: Vec<Part> = groups
        .into_iter()
        .map(|(name, images)| {
            let total = images.len() as u64;
            let flagged = images
                .iter()
                .filter(|&&i| archive.images[i].flagged)
                .count() as u64;
            Part {
                name,
                images: total,
                flagged,
                prevalence: adjusted.estimate(flagged, total).into(),
                p_value: adjusted.p_value(flagged, total),
                p_value_corrected: 1.0,
            }
        })
        .collect();
    let values: Vec<f64> = parts.iter().map(|part| part.p_value).collect();
    for (part, corrected) in parts.iter_mut().zip(holm(&values)) {
        part.p_value_corrected = corrected;
    }
    parts
}
