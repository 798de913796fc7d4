//! Writes a checkpoint's card from what a run knows.

use std::collections::{BTreeMap, BTreeSet};

use veraray_datasets::Split;
use veraray_model::{Calibration, Card, DataSummary, FORMAT_VERSION, FamilyMetrics, Provenance};

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
    let used: BTreeSet<usize> = dataset
        .of_split(Split::Train)
        .into_iter()
        .map(|index| dataset.samples[index].entry)
        .collect();
    let mut counts: BTreeMap<[&str; 5], usize> = BTreeMap::new();
    let mut modalities = BTreeSet::new();
    let mut families = BTreeSet::new();
    let mut per_modality: BTreeMap<&str, usize> = BTreeMap::new();
    for &index in &used {
        let entry = &dataset.entries[index];
        let row = [
            entry.label.as_str(),
            &entry.generator,
            &entry.source,
            &entry.modality,
            &entry.licence,
        ];
        *counts.entry(row).or_default() += 1;
        *per_modality.entry(&entry.modality).or_default() += 1;
        modalities.extend(dicom_modalities(&entry.modality));
        if entry.label.is_manipulated() {
            families.insert(entry.generator.clone());
        }
    }
    if recipe.forge.is_on() {
        families.extend(recipe.forge.families.iter().map(ToString::to_string));
    }
    let data = counts
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
        .collect();
    let seen = per_modality
        .iter()
        .map(|(modality, images)| format!("{modality} {images}"))
        .collect::<Vec<_>>()
        .join(", ");
    Card {
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
            data,
        },
        metrics,
        limits: vec![
            "Research software, not a medical device: a score is a reason to look, not a finding."
                .into(),
            format!(
                "Trained on few images ({seen}); other sites and devices may raise more false alarms."
            ),
            "Families it was not trained on may pass unseen; its metrics are of families it was \
             trained on, on held-out patients."
                .into(),
            format!(
                "Judges the whole field of view at {} pixels on the shorter side: smaller changes \
                 in larger images may be lost.",
                recipe.input.tile
            ),
        ],
        licence: recipe.licence.clone(),
        calibration_set: None,
    }
}

/// DICOM codes (PS3.3 C.7.3.1.1.1) of a manifest's modality.
fn dicom_modalities(modality: &str) -> Vec<String> {
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
