//! What an audit finds. Its JSON is a contract with other programs: only add.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::archive::{Archive, Image};
use super::cautions::{assumptions, cautions};
use super::knowledge::Knowledge;
use super::options::{ByArg, ContaminationArgs, GroupArg, TargetArg};
use super::parts::{Part, months, sources};
use super::stats::adjusted::Adjusted;
use super::stats::groups::design_effect;
use super::stats::mixture::{Bootstrap, REPLICATES};
use super::stats::power::power;
use super::stats::rates::Rate;
use super::stats::{Estimate, Target};
use super::survey::{NearDuplicates, Survey};
use crate::Verdict;

/// Bars of the score histogram.
pub(crate) const BARS: usize = 50;

/// Most flagged images, copies and near-duplicates that are listed; the records have the rest.
pub(crate) const MOST: usize = 1000;

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Share {
    pub(crate) estimate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl From<Estimate> for Share {
    fn from(Estimate { value, low, high }: Estimate) -> Self {
        Self {
            estimate: value,
            low,
            high,
        }
    }
}

/// Everything an audit says.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Findings {
    pub(crate) model: Model,
    pub(crate) images: Images,
    pub(crate) target: &'static str,
    pub(crate) prevalence: Prevalence,
    pub(crate) error_rates: ErrorRates,
    pub(crate) design_effect: f64,
    pub(crate) groups: u64,
    pub(crate) power: Power,
    pub(crate) sources_by: &'static str,
    pub(crate) sources: Vec<Part>,
    /// By Study Date or else Acquisition Date of the DICOM header; empty where no image states one.
    pub(crate) months: Vec<Part>,
    pub(crate) flagged: Vec<Flagged>,
    pub(crate) copies: Vec<Vec<String>>,
    pub(crate) near_duplicates: Option<NearDuplicates>,
    pub(crate) near_duplicates_missing: Option<String>,
    pub(crate) histogram: Vec<u64>,
    pub(crate) warnings: Vec<String>,
    pub(crate) assumptions: Vec<String>,
}

/// Which checkpoint judged.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) threshold: f64,
    pub(crate) abstention_band: Option<[f64; 2]>,
}

/// Numbers of images.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Images {
    pub(crate) files: u64,
    /// Those that the prevalence is about.
    pub(crate) counted: u64,
    pub(crate) flagged: u64,
    /// Counted as not flagged, though their verdict was withheld as too close to call.
    pub(crate) withheld_in_band: u64,
    /// Not counted: other modalities, or doubts that the error rates do not cover.
    pub(crate) outside: u64,
    /// Not counted: nothing to score.
    pub(crate) unsuitable: u64,
    pub(crate) failed: u64,
}

/// The prevalence, estimated twice.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Prevalence {
    pub(crate) adjusted_count: Share,
    pub(crate) em: Option<Share>,
    pub(crate) em_missing: Option<String>,
    /// Adjusted count if every manipulated image were of one family.
    pub(crate) by_family: BTreeMap<String, Share>,
    /// Bounds over all images, if all or none of those that do not count were manipulated.
    pub(crate) bounds_with_uncounted: [f64; 2],
}

/// Error rates with their intervals and where they come from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ErrorRates {
    pub(crate) false_alarms: Measured,
    pub(crate) detections: Measured,
}

/// One rate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) share: Share,
    pub(crate) images: Option<f64>,
    pub(crate) from: String,
}

/// What the archive could have shown.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Power {
    /// Fewest flagged images that false alarms alone do not explain.
    pub(crate) critical_count: Option<u64>,
    /// Smallest prevalence noticed with this probability.
    pub(crate) detectable_80: Option<f64>,
    pub(crate) detectable_95: Option<f64>,
    /// The same if the error rates were known exactly.
    pub(crate) detectable_80_exact_rates: Option<f64>,
    pub(crate) detectable_95_exact_rates: Option<f64>,
    /// 95 % upper bound if nothing were flagged (rule of three).
    pub(crate) upper_bound_if_none_flagged: f64,
}

/// One flagged image.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Flagged {
    pub(crate) path: String,
    pub(crate) score: f64,
    pub(crate) verdict: Verdict,
    #[serde(skip)]
    pub(crate) sha256: Option<String>,
}

/// Puts an archive, a second look at its files and what is known of the detector together.
pub(crate) fn find(
    archive: &Archive,
    survey: Survey,
    knowledge: Knowledge,
    model: Model,
    arguments: &ContaminationArgs,
) -> Findings {
    let (total, flagged) = (archive.total(), archive.flagged());
    let target = match arguments.target {
        TargetArg::Archive => Target::Archive,
        TargetArg::Population => Target::Population,
    };
    let groups = archive.groups(arguments.group);
    let effect = design_effect(
        groups
            .iter()
            .zip(&archive.images)
            .map(|(group, image)| (*group, image.flagged)),
    );
    let mut names = groups;
    names.sort_unstable();
    names.dedup();
    let adjusted = Adjusted::new(knowledge.rates, target);
    let count = adjusted.grouped(flagged, total, effect);
    let (em, em_missing) = match mixture(archive, &knowledge, target, effect) {
        Ok(share) => (Some(share), None),
        Err(reason) => (None, Some(reason)),
    };
    let uncounted = archive.outside + archive.unsuitable + archive.failed;
    let all = (total + uncounted).max(1) as f64;
    let independent = (total as f64 / effect).round() as u64;
    let found = power(&adjusted, independent);
    let sources = sources(archive, &adjusted, arguments.by);
    let months = months(archive, &adjusted, &survey.months);
    let (near_duplicates, near_duplicates_missing) = match survey.near_duplicates {
        Ok(found) => (Some(found), None),
        Err(reason) => (None, Some(reason)),
    };
    let mut warnings = knowledge.warnings.clone();
    warnings.extend(cautions(
        archive,
        &adjusted,
        &count,
        em,
        sources.len(),
        effect,
    ));
    warnings.extend(near_duplicates.as_ref().and_then(NearDuplicates::caution));
    Findings {
        images: Images {
            files: archive.files(),
            counted: total,
            flagged,
            withheld_in_band: archive.withheld,
            outside: archive.outside,
            unsuitable: archive.unsuitable,
            failed: archive.failed,
        },
        target: match target {
            Target::Archive => "archive",
            Target::Population => "population",
        },
        prevalence: Prevalence {
            adjusted_count: count.into(),
            em,
            em_missing,
            by_family: by_family(&knowledge, target, flagged, total, effect),
            bounds_with_uncounted: [
                count.low * total as f64 / all,
                (count.high * total as f64 + uncounted as f64) / all,
            ],
        },
        design_effect: effect,
        groups: names.len() as u64,
        power: Power {
            // Back from independent images to images.
            critical_count: found
                .critical
                .map(|count| (count as f64 * effect).ceil() as u64),
            detectable_80: found.detectable[0],
            detectable_95: found.detectable[1],
            detectable_80_exact_rates: found.exactly[0],
            detectable_95_exact_rates: found.exactly[1],
            upper_bound_if_none_flagged: found.nothing,
        },
        sources_by: match arguments.by {
            ByArg::Folder => "folder",
            ByArg::Modality => "modality",
            ByArg::BodyPart => "body_part",
            ByArg::Format => "format",
        },
        sources,
        months,
        flagged: listed(archive),
        copies: copies(archive),
        near_duplicates,
        near_duplicates_missing,
        histogram: histogram(archive),
        assumptions: assumptions(&knowledge, arguments),
        error_rates: ErrorRates {
            false_alarms: measured(knowledge.rates.false_alarms, knowledge.false_alarms_from),
            detections: measured(knowledge.rates.detections, knowledge.detections_from),
        },
        model,
        warnings,
    }
}

fn mixture(
    archive: &Archive,
    knowledge: &Knowledge,
    target: Target,
    effect: f64,
) -> Result<Share, String> {
    let evidence = knowledge.evidence.as_ref().map_err(Clone::clone)?;
    let bootstrap = Bootstrap::new(evidence, REPLICATES)
        .ok_or_else(|| "the detector is no better than chance".to_owned())?;
    let [slope, offset] = knowledge.recalibration;
    let llrs: Vec<f64> = archive
        .images
        .iter()
        .map(|image| slope * image.llr + offset)
        .collect();
    Ok(bootstrap
        .estimate(&llrs, target, archive.total() as f64 / effect)
        .into())
}

fn by_family(
    knowledge: &Knowledge,
    target: Target,
    flagged: u64,
    total: u64,
    effect: f64,
) -> BTreeMap<String, Share> {
    knowledge
        .families
        .iter()
        .map(|(name, rate, images)| {
            let trials = *images as f64;
            let mut rates = knowledge.rates;
            rates.detections = Rate::Counted {
                events: rate * trials,
                trials,
            };
            let share = Adjusted::new(rates, target).grouped(flagged, total, effect);
            (name.clone(), share.into())
        })
        .collect()
}

fn measured(rate: Rate, from: String) -> Measured {
    let [low, high] = rate.interval();
    Measured {
        share: Share {
            estimate: rate.estimate(),
            low,
            high,
        },
        images: rate.trials(),
        from,
    }
}

fn listed(archive: &Archive) -> Vec<Flagged> {
    let mut images: Vec<&Image> = archive
        .images
        .iter()
        .filter(|image| image.flagged)
        .collect();
    images.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.path.cmp(&b.path))
    });
    let flagged = |image: &Image| Flagged {
        path: image.path.clone(),
        score: image.score,
        verdict: image.verdict,
        sha256: image.sha256.clone(),
    };
    images.into_iter().take(MOST).map(flagged).collect()
}

/// Files of the same bytes that lie in different studies, or in different folders.
fn copies(archive: &Archive) -> Vec<Vec<String>> {
    let mut by_hash: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, image) in archive.images.iter().enumerate() {
        if let Some(hash) = &image.sha256 {
            by_hash.entry(hash).or_default().push(index);
        }
    }
    let studies = archive.groups(GroupArg::Study);
    let folders = archive.groups(GroupArg::Folder);
    let home = |&index: &usize| match &archive.images[index].study {
        Some(_) => studies[index],
        None => folders[index],
    };
    let mut copies: Vec<Vec<String>> = by_hash
        .into_values()
        .filter(|images| images.iter().any(|index| home(index) != home(&images[0])))
        .map(|images| {
            images
                .iter()
                .map(|&index| archive.images[index].path.clone())
                .collect()
        })
        .collect();
    copies.sort();
    copies.truncate(MOST);
    copies
}

fn histogram(archive: &Archive) -> Vec<u64> {
    let mut bars = vec![0; BARS];
    for image in &archive.images {
        bars[((image.score * BARS as f64) as usize).min(BARS - 1)] += 1;
    }
    bars
}
