//! Writes a checkpoint's card from what a run knows.

use std::collections::{BTreeMap, BTreeSet};

use veraray_datasets::{Entry, Split};
use veraray_model::{
    Calibration, Card, DataSummary, FORMAT_VERSION, FamilyMetrics, Provenance, View,
};

use crate::Recipe;
use crate::data::Dataset;

/// Assembles the card of the weights of `epoch`.
#[must_use]
pub fn assemble(
    recipe: &Recipe,
    dataset: &Dataset,
    device: &str,
    epoch: usize,
    calibration: Calibration,
    metrics: Vec<FamilyMetrics>,
) -> Card {
    let data = summaries(dataset, &|_| true);
    let mut modalities = BTreeSet::new();
    let mut families = BTreeSet::new();
    for row in &data {
        modalities.extend(dicom_modalities(&row.modality));
        if !row.generator.is_empty() {
            families.insert(row.generator.clone());
        }
    }
    let forge = recipe.forge.without(&recipe.data.exclude_families);
    if forge.is_on() {
        families.extend(forge.families.iter().map(ToString::to_string));
    }
    let mut card = Card {
        format_version: FORMAT_VERSION,
        name: recipe.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        architecture: recipe.model.clone(),
        input: recipe.input.clone(),
        calibration,
        modalities: modalities.into_iter().collect(),
        families: families.into_iter().collect(),
        provenance: Provenance {
            recipe: recipe.to_toml(),
            manifest_sha256: dataset.manifest_sha256.clone(),
            seed: recipe.training.seed,
            device: device.into(),
            epoch,
            start: None,
            data,
            added: Vec::new(),
        },
        metrics,
        limits: Vec::new(),
        licence: recipe.licence.clone(),
        calibration_set: None,
        out_of_distribution: None,
    };
    card.limits = limits(&card);
    card
}

/// The images of the training split that `keep` takes, counted by what they are.
pub(crate) fn summaries(dataset: &Dataset, keep: &dyn Fn(&Entry) -> bool) -> Vec<DataSummary> {
    let used: BTreeSet<usize> = dataset
        .of_split(Split::Train)
        .into_iter()
        .map(|index| dataset.samples[index].entry)
        .collect();
    let mut counts: BTreeMap<[&str; 5], usize> = BTreeMap::new();
    for entry in used.iter().map(|&index| &dataset.entries[index]) {
        if keep(entry) {
            let row = [
                entry.label.as_str(),
                &entry.generator,
                &entry.source,
                &entry.modality,
                &entry.licence,
            ];
            *counts.entry(row).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .map(
            |([label, generator, source, modality, licence], images)| DataSummary {
                label: label.into(),
                generator: generator.into(),
                source: source.into(),
                modality: modality.into(),
                licence: licence.into(),
                images,
            },
        )
        .collect()
}

/// What a card's figures do not say for themselves, in sentences. They follow from the card, and are
/// written anew whenever its metrics are.
#[must_use]
pub fn limits(card: &Card) -> Vec<String> {
    let mut per_modality: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &card.provenance.data {
        *per_modality.entry(&row.modality).or_default() += row.images;
    }
    let seen: Vec<String> = per_modality
        .iter()
        .map(|(modality, images)| format!("{modality} {images}"))
        .collect();
    let untrained: BTreeSet<&str> = card
        .metrics
        .iter()
        .map(|row| row.family.as_str())
        .filter(|family| !card.families.iter().any(|trained| trained == family))
        .collect();
    let tile = card.input.tile;
    let mut limits = vec![
        "Research software, not a medical device: a score is a reason to look, not a finding."
            .to_owned(),
        format!(
            "Trained on few images ({}); other sites and devices may raise more false alarms.",
            seen.join(", ")
        ),
        format!(
            "Families it was not trained on may pass unseen; its metrics are of families it was \
             trained on{}, on held-out patients.",
            but_for(&untrained)
        ),
        if card.input.views.contains(&View::Native) {
            format!(
                "Judges the whole field of view at {tile} pixels on the shorter side and at most {} \
                 tiles at native resolution: small changes elsewhere in large images may be lost.",
                card.input.max_native_tiles
            )
        } else {
            format!(
                "Judges the whole field of view at {tile} pixels on the shorter side: smaller \
                 changes in larger images may be lost."
            )
        },
    ];
    let tested = |wanted: &dyn Fn(&FamilyMetrics) -> bool| -> Vec<&str> {
        card.metrics
            .iter()
            .filter(|row| row.split == Split::Test.as_str() && wanted(row))
            .map(|row| row.family.as_str())
            .collect()
    };
    let passing = tested(&|row| row.more.get("detection_rate").is_some_and(|r| *r < 0.5));
    if !passing.is_empty() {
        limits.push(format!(
            "More than half of these pass unflagged: {}.",
            passing.join(", ")
        ));
    }
    let unproven = tested(&|row| {
        let null = row.more.get("best_null_auroc");
        null.is_some_and(|null| *null >= row.auroc[1])
    });
    if !unproven.is_empty() {
        limits.push(format!(
            "A null model of trivial features comes as close on {}: those figures may be shortcuts \
             of the data set.",
            unproven.join(", ")
        ));
    }
    limits
}

fn but_for(families: &BTreeSet<&str>) -> String {
    if families.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = families.iter().copied().collect();
    format!(" (all but {})", names.join(", "))
}

/// DICOM codes (PS3.3 C.7.3.1.1.1) of a manifest's modality.
pub(crate) fn dicom_modalities(modality: &str) -> Vec<String> {
    match modality {
        "xray" => vec!["CR".into(), "DX".into()],
        "ct" => vec!["CT".into()],
        "mri" => vec!["MR".into()],
        other => vec![other.to_uppercase()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_dicom_codes_and_codes_stay() {
        assert_eq!(dicom_modalities("xray"), ["CR", "DX"]);
        assert_eq!(dicom_modalities("MG"), ["MG"]);
    }
}
