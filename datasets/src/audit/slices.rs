//! Which images are compared with which, and the judgement of one null model on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::auroc::{Item, estimate, single};
use super::{FOLDS, NullModel, Row, Separator, feature_names};
use crate::Entry;

/// By what a slice is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every image.
    All,
    /// One modality.
    Modality,
    /// One generator family against authentic images of its modalities.
    Family,
    /// One source of authentic images against its own forgeries, or those of its modality when it
    /// has none.
    Source,
    /// One family against one source.
    FamilyAndSource,
}

/// Which images a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Slice {
    /// By what it is cut.
    pub scope: Scope,
    /// Generator family, where one is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub family: String,
    /// Source, where one is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Modality, where one is meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub modality: String,
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::All => f.write_str("all images"),
            Scope::Modality => write!(f, "modality {}", named(&self.modality)),
            Scope::Family => write!(f, "family {}", named(&self.family)),
            Scope::Source => write!(f, "source {}", named(&self.source)),
            Scope::FamilyAndSource => write!(
                f,
                "family {} against source {}",
                named(&self.family),
                named(&self.source)
            ),
        }
    }
}

fn named(text: &str) -> &str {
    if text.is_empty() { "(unnamed)" } else { text }
}

/// The images of a slice.
pub(super) struct Members {
    slice: Slice,
    indices: Vec<usize>,
}

/// One-hot rows of modality and body part; of modality alone where an image names no body part, since
/// a blank says nothing of the image.
pub(super) fn composition(entries: &[&Entry]) -> Vec<Vec<f64>> {
    let named = entries.iter().all(|entry| !entry.body_part.is_empty());
    let of = |entry: &Entry| {
        let part = if named {
            entry.body_part.clone()
        } else {
            String::new()
        };
        (entry.modality.clone(), part)
    };
    let values: BTreeSet<_> = entries.iter().map(|entry| of(entry)).collect();
    entries
        .iter()
        .map(|entry| {
            let own = of(entry);
            values
                .iter()
                .map(|value| f64::from(u8::from(*value == own)))
                .collect()
        })
        .collect()
}

/// Every slice that has `least` groups of both classes, and why others are left out.
pub(super) fn slices(entries: &[&Entry], least: usize) -> (Vec<Members>, Vec<(String, String)>) {
    let reals: Vec<usize> = (0..entries.len())
        .filter(|&i| !entries[i].label.is_manipulated())
        .collect();
    let fakes: Vec<usize> = (0..entries.len())
        .filter(|&i| entries[i].label.is_manipulated())
        .collect();
    let distinct = |list: &[usize], field: &dyn Fn(&Entry) -> String| -> BTreeSet<String> {
        list.iter().map(|&i| field(entries[i])).collect()
    };
    let sources = distinct(&reals, &|e| e.source.clone());
    let families = distinct(&fakes, &|e| e.generator.clone());
    let modalities = distinct(&reals, &|e| e.modality.clone());
    let blank = Slice {
        scope: Scope::All,
        family: String::new(),
        source: String::new(),
        modality: String::new(),
    };
    let mut found: Vec<(Slice, Vec<usize>, Vec<usize>)> =
        vec![(blank.clone(), reals.clone(), fakes.clone())];
    let keep = |list: &[usize], wanted: &dyn Fn(&Entry) -> bool| -> Vec<usize> {
        list.iter()
            .copied()
            .filter(|&i| wanted(entries[i]))
            .collect()
    };
    // A slice that is everything again would only be counted twice.
    if modalities.len() > 1 {
        for modality in &modalities {
            let slice = Slice {
                scope: Scope::Modality,
                modality: modality.clone(),
                ..blank.clone()
            };
            let own = |e: &Entry| e.modality == *modality;
            found.push((slice, keep(&reals, &own), keep(&fakes, &own)));
        }
    }
    let of_family = |family: &str| keep(&fakes, &|e| e.generator == family);
    // Forgeries of a source's own images when there are some, else whatever names no known source.
    let against = |list: &[usize], source: &str| -> Vec<usize> {
        let own = keep(list, &|e| e.source == source);
        if own.is_empty() {
            keep(list, &|e| !sources.contains(&e.source))
        } else {
            own
        }
    };
    if families.len() > 1 {
        for family in &families {
            let slice = Slice {
                scope: Scope::Family,
                family: family.clone(),
                ..blank.clone()
            };
            found.push((slice, reals.clone(), of_family(family)));
        }
    }
    if sources.len() > 1 {
        for source in &sources {
            let own = keep(&reals, &|e| e.source == *source);
            let slice = Slice {
                scope: Scope::Source,
                source: source.clone(),
                ..blank.clone()
            };
            found.push((slice, own.clone(), against(&fakes, source)));
            if families.len() > 1 {
                for family in &families {
                    let slice = Slice {
                        scope: Scope::FamilyAndSource,
                        family: family.clone(),
                        source: source.clone(),
                        ..blank.clone()
                    };
                    found.push((slice, own.clone(), against(&of_family(family), source)));
                }
            }
        }
    }
    let mut kept = Vec::new();
    let mut left_out = Vec::new();
    for (slice, reals, fakes) in found {
        let shared: BTreeSet<&str> = reals
            .iter()
            .map(|&i| entries[i].modality.as_str())
            .filter(|modality| fakes.iter().any(|&i| entries[i].modality == *modality))
            .collect();
        // Pairs that never meet in one modality need no mention.
        if shared.is_empty() && slice.scope == Scope::FamilyAndSource {
            continue;
        }
        if shared.is_empty() && slice.scope != Scope::All {
            left_out.push((slice.to_string(), "no modality holds both classes".into()));
            continue;
        }
        let groups = |list: &[usize]| {
            let units: BTreeSet<&str> = list.iter().map(|&i| entries[i].unit()).collect();
            units.len()
        };
        let (real_groups, fake_groups) = (groups(&reals), groups(&fakes));
        if real_groups.min(fake_groups) < least {
            let why = format!(
                "{real_groups} authentic and {fake_groups} manipulated groups, {least} of each are needed"
            );
            left_out.push((slice.to_string(), why));
            continue;
        }
        let indices = reals.into_iter().chain(fakes).collect();
        kept.push(Members { slice, indices });
    }
    (kept, left_out)
}

/// Fits and judges a null model on a slice, fold by fold. `None` when no fold can be judged.
pub(super) fn judge<'a>(
    model: NullModel,
    members: &Members,
    entries: &[&Entry],
    folds: &[usize],
    features: &dyn Fn(usize) -> &'a [f64],
    seed: u64,
) -> Option<Row> {
    // The mix of modalities is compared across them, everything else within.
    let stratum = |index: usize| match model {
        NullModel::Composition => "",
        _ => entries[index].modality.as_str(),
    };
    let mut counts: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for &index in &members.indices {
        let class = usize::from(entries[index].label.is_manipulated());
        counts.entry(stratum(index)).or_default()[class] += 1.0;
    }
    counts.retain(|_, count| count[0] > 0.0 && count[1] > 0.0);
    let number: BTreeMap<&str, usize> = counts.keys().enumerate().map(|(i, s)| (*s, i)).collect();
    let indices: Vec<usize> = members
        .indices
        .iter()
        .copied()
        .filter(|&index| counts.contains_key(stratum(index)))
        .collect();
    // Within a stratum both classes weigh the same, so that a model gains nothing by knowing it.
    let weight = |index: usize| {
        let [reals, fakes] = counts[stratum(index)];
        let own = if entries[index].label.is_manipulated() {
            fakes
        } else {
            reals
        };
        (reals + fakes) / own
    };
    let mut group_number: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups = [BTreeSet::new(), BTreeSet::new()];
    let mut images = [0, 0];
    for &index in &indices {
        let next = group_number.len();
        let group = *group_number.entry(entries[index].unit()).or_insert(next);
        let class = usize::from(entries[index].label.is_manipulated());
        groups[class].insert(group);
        images[class] += 1;
    }
    let mut scores = Vec::with_capacity(indices.len());
    let mut items = Vec::with_capacity(indices.len());
    for fold in 0..FOLDS {
        let (held, rest): (Vec<usize>, Vec<usize>) =
            indices.iter().partition(|&&index| folds[index] == fold);
        let rows: Vec<&[f64]> = rest.iter().map(|&index| features(index)).collect();
        let labels: Vec<bool> = rest
            .iter()
            .map(|&index| entries[index].label.is_manipulated())
            .collect();
        let weights: Vec<f64> = rest.iter().map(|&index| weight(index)).collect();
        let Some(fitted) = Separator::fit(&rows, &labels, &weights) else {
            continue;
        };
        for index in held {
            let score = fitted.score(features(index));
            scores.push((index, score));
            items.push(Item {
                score,
                manipulated: entries[index].label.is_manipulated(),
                block: number[stratum(index)] * FOLDS + fold,
                group: group_number[entries[index].unit()],
            });
        }
    }
    let found = estimate(&items, seed)?;
    let width = features(*indices.first()?).len();
    let mut names = feature_names(model);
    names.resize_with(width, || "the mix".to_owned());
    let best = (0..width)
        .map(|feature| {
            let values = indices.iter().map(|&index| {
                let manipulated = entries[index].label.is_manipulated();
                (
                    features(index)[feature],
                    manipulated,
                    number[stratum(index)],
                )
            });
            (feature, single(values))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let feature = best.map_or((String::new(), 0.5), |(i, auroc)| (names[i].clone(), auroc));
    Some(Row {
        model,
        slice: members.slice.clone(),
        images,
        groups: groups.map(|set| set.len()),
        auroc: found.auroc,
        interval: found.interval,
        chance: found.chance,
        leak: false,
        allowed: false,
        feature,
        scores,
    })
}
