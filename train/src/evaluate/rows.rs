//! The rows of an evaluation's tables.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use veraray_datasets::Entry;

use super::{Bench, Subject, SubjectScore};
use crate::metrics::{
    Comparison, Localisation, Measures, Scored, auroc_interval, compare,
    expected_calibration_error, localise, measure, rate_above,
};

/// Fewest images of each class in a row of a stratum.
const LEAST: usize = 5;

/// Seed of every bootstrap.
const SEED: u64 = 1;

/// One family's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FamilyRow {
    /// Generator family, or `all`.
    pub family: String,
    /// Modality, or `all`.
    pub modality: String,
    /// Authentic and manipulated images.
    pub images: [usize; 2],
    /// AUROC with 95 % interval, images as they are.
    pub auroc: [f64; 3],
    /// The same after delivery.
    pub delivered_auroc: [f64; 3],
    /// Share of the family that is flagged.
    pub detection_rate: f64,
    /// AUROC with interval of every null model, images as they are.
    pub null_models: BTreeMap<String, [f64; 3]>,
    /// Whether the detector was trained on this family.
    pub seen: bool,
    /// Every figure, images as they are.
    pub clean: Measures,
    /// Every figure after delivery.
    pub delivered: Measures,
    /// The detector against every null model, images as they are (DeLong).
    pub against_null: BTreeMap<String, Comparison>,
    /// Localisation as they are and after delivery, where there are masks.
    pub localisation: Option<[Localisation; 2]>,
}

/// One family within one source, body part or scale.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StratumRow {
    /// `source`, `body_part` or `scale`.
    pub dimension: String,
    /// Which of them.
    pub value: String,
    /// The figures.
    #[serde(flatten)]
    pub row: FamilyRow,
}

/// False alarms of one source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceRow {
    /// Source of authentic images.
    pub source: String,
    /// Number of them.
    pub images: usize,
    /// Share that is flagged, as they are and after delivery.
    pub false_alarm_rate: [f64; 2],
}

/// What is refused of one family, or of the authentic images of one source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusalRow {
    /// Generator family, or source of authentic images.
    pub name: String,
    /// Whether they are manipulated.
    pub manipulated: bool,
    /// Number of images.
    pub images: usize,
    /// Share that is refused as unlike what the checkpoint knows, as they are and after delivery.
    pub refused: [f64; 2],
    /// Share of the others that is flagged; `null` when all are refused.
    pub flagged_of_judged: [Option<f64>; 2],
}

/// Scores of everything judged, ready to be sorted into rows.
pub(super) struct Table<'a> {
    pub(super) bench: &'a Bench,
    /// As they are, and after delivery.
    pub(super) scores: &'a [Vec<SubjectScore>; 2],
    pub(super) nulls: BTreeMap<&'static str, Vec<f64>>,
    pub(super) scales: Vec<String>,
    pub(super) threshold: f64,
}

impl Table<'_> {
    /// One row per family over everything that `keep` takes.
    fn rows(&self, modality: &str, keep: &dyn Fn(usize) -> bool) -> Vec<FamilyRow> {
        let families = self.bench.families();
        families
            .into_iter()
            .filter_map(|family| self.row(Some(family), modality, keep))
            .collect()
    }

    /// The row of one family, or of all, over the subjects whose positions `keep` takes.
    pub(super) fn row(
        &self,
        family: Option<&str>,
        modality: &str,
        keep: &dyn Fn(usize) -> bool,
    ) -> Option<FamilyRow> {
        let positions: Vec<usize> = (0..self.bench.subjects.len())
            .filter(|&position| {
                let of = self.bench.subjects[position].family.as_deref();
                (of.is_none() || family.is_none() || of == family) && keep(position)
            })
            .collect();
        let classes = |score: &dyn Fn(usize) -> f64| self.classes(&positions, score);
        let measures = |which: usize| {
            let [reals, fakes] = classes(&|position| self.scores[which][position].score);
            measure(&reals, &fakes, self.threshold, SEED)
        };
        let (clean, delivered) = (measures(0)?, measures(1)?);
        let [reals, fakes] = classes(&|position| self.scores[0][position].score);
        let mut null_models = BTreeMap::new();
        let mut against_null = BTreeMap::new();
        for (name, scores) in &self.nulls {
            let [null_reals, null_fakes] = classes(&|position| scores[position]);
            let Some(auroc) = auroc_interval(&null_reals, &null_fakes, SEED) else {
                continue;
            };
            null_models.insert((*name).to_owned(), auroc);
            let pairs = |detector: &[Scored], null: &[Scored]| -> Vec<[f64; 2]> {
                let both = detector.iter().zip(null);
                both.map(|(a, b)| [a.score, b.score]).collect()
            };
            let found = compare(&pairs(&reals, &null_reals), &pairs(&fakes, &null_fakes));
            against_null.extend(found.map(|comparison| ((*name).to_owned(), comparison)));
        }
        let localised = |which: usize, pd: f64| self.localised(&positions, which, pd);
        let localisation = localised(0, clean.tpr_at_1_percent_fpr[0])
            .zip(localised(1, delivered.tpr_at_1_percent_fpr[0]));
        Some(FamilyRow {
            family: family.unwrap_or("all").to_owned(),
            modality: modality.to_owned(),
            images: [reals.len(), fakes.len()],
            auroc: clean.auroc,
            delivered_auroc: delivered.auroc,
            detection_rate: clean.fake_accuracy[0],
            null_models,
            seen: family.is_none_or(|family| self.seen(family)),
            clean,
            delivered,
            against_null,
            localisation: localisation.map(|(a, b)| [a, b]),
        })
    }

    fn seen(&self, family: &str) -> bool {
        let trained = &self.bench.checkpoint.card.families;
        trained.iter().any(|name| name == family)
            && !self.bench.held_out.iter().any(|name| name == family)
    }

    fn classes(&self, positions: &[usize], score: &dyn Fn(usize) -> f64) -> [Vec<Scored>; 2] {
        let mut classes = [Vec::new(), Vec::new()];
        for &position in positions {
            let subject = &self.bench.subjects[position];
            classes[usize::from(subject.family.is_some())].push(Scored {
                score: score(position),
                group: self.bench.entry(subject).unit().to_owned(),
            });
        }
        classes
    }

    fn localised(&self, positions: &[usize], which: usize, pd: f64) -> Option<Localisation> {
        let scores = &self.scores[which];
        let of = |manipulated: bool| {
            positions
                .iter()
                .map(|&position| (&self.bench.subjects[position], &scores[position]))
                .filter(move |(subject, _)| subject.family.is_some() == manipulated)
        };
        let masked: Vec<_> = of(true)
            .filter_map(|(subject, score)| self.bench.masked(subject, score))
            .collect();
        let authentic: Vec<_> = of(false)
            .map(|(subject, score)| crate::metrics::CellImage {
                cells: &score.cells,
                group: self.bench.entry(subject).unit(),
            })
            .collect();
        let threshold = self.bench.checkpoint.card.calibration.map_threshold;
        localise(&masked, &authentic, threshold, pd)
    }

    fn entry(&self, position: usize) -> &Entry {
        self.bench.entry(&self.bench.subjects[position])
    }

    fn values<'b>(&'b self, value: impl Fn(usize) -> &'b str) -> BTreeSet<&'b str> {
        (0..self.bench.subjects.len()).map(value).collect()
    }

    /// One row per family against all authentic images.
    pub(super) fn families(&self) -> Vec<FamilyRow> {
        self.rows("all", &|_| true)
    }

    /// One row per family and modality, against authentic images of that modality.
    pub(super) fn modalities(&self) -> Vec<FamilyRow> {
        self.values(|position| &self.entry(position).modality)
            .into_iter()
            .flat_map(|modality| {
                self.rows(modality, &|position| {
                    self.entry(position).modality == modality
                })
            })
            .collect()
    }

    /// One row per family within every source, body part and scale that holds enough of both
    /// classes. A family that was not made from images of any site is compared with every source
    /// of its modality.
    pub(super) fn strata(&self) -> Vec<StratumRow> {
        let mut rows = Vec::new();
        let mut add = |dimension: &str, value: &str, keep: &dyn Fn(usize) -> bool| {
            let found = self.rows("all", keep);
            let enough = |row: &FamilyRow| row.images.iter().all(|count| *count >= LEAST);
            rows.extend(found.into_iter().filter(enough).map(|row| StratumRow {
                dimension: dimension.to_owned(),
                value: value.to_owned(),
                row,
            }));
        };
        let mut sites: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for position in 0..self.bench.subjects.len() {
            if self.bench.subjects[position].family.is_none() {
                let entry = self.entry(position);
                sites
                    .entry(&entry.source)
                    .or_default()
                    .insert(&entry.modality);
            }
        }
        for (&source, modalities) in &sites {
            add("source", source, &|position| {
                let entry = self.entry(position);
                let homeless = !sites.contains_key(entry.source.as_str());
                entry.source == source || (homeless && modalities.contains(entry.modality.as_str()))
            });
        }
        for part in self.values(|position| &self.entry(position).body_part) {
            if !part.is_empty() {
                add("body_part", part, &|position| {
                    self.entry(position).body_part == part
                });
            }
        }
        for scale in self.values(|position| &self.scales[position]) {
            add("scale", scale, &|position| self.scales[position] == scale);
        }
        rows
    }

    /// False alarms per source of authentic images.
    pub(super) fn sources(&self) -> Vec<SourceRow> {
        let mut scores: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
        for (position, subject) in self.bench.subjects.iter().enumerate() {
            if subject.family.is_none() {
                let both = scores.entry(&self.entry(position).source).or_default();
                for (list, scores) in both.iter_mut().zip(self.scores) {
                    list.push(scores[position].score);
                }
            }
        }
        scores
            .into_iter()
            .map(|(source, both)| SourceRow {
                source: source.to_owned(),
                images: both[0].len(),
                false_alarm_rate: [0, 1].map(|i| rate_above(&both[i], self.threshold)),
            })
            .collect()
    }

    /// What is refused, by source of authentic images and by family; empty when the checkpoint cannot
    /// tell.
    pub(super) fn refusals(&self) -> Vec<RefusalRow> {
        let mut rows: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
        for (position, subject) in self.bench.subjects.iter().enumerate() {
            if self.scores[0][position].refused.is_none() {
                return Vec::new();
            }
            let name = match &subject.family {
                Some(family) => family.as_str(),
                None => &self.entry(position).source,
            };
            let row = rows.entry((subject.family.is_some(), name)).or_default();
            row.push(position);
        }
        let refuses = |which: usize, position: usize| {
            self.scores[which][position].refused.unwrap_or_default()
        };
        rows.into_iter()
            .map(|((manipulated, name), positions)| {
                let judged = [0, 1].map(|which| -> Vec<f64> {
                    let kept = positions.iter().filter(|&&at| !refuses(which, at));
                    kept.map(|&at| self.scores[which][at].score).collect()
                });
                let count = positions.len() as f64;
                RefusalRow {
                    name: name.to_owned(),
                    manipulated,
                    images: positions.len(),
                    refused: [0, 1].map(|which| 1.0 - judged[which].len() as f64 / count),
                    flagged_of_judged: [0, 1].map(|which| {
                        let scores = &judged[which];
                        (!scores.is_empty()).then(|| rate_above(scores, self.threshold))
                    }),
                }
            })
            .collect()
    }

    /// Expected calibration error over everything, every image weighing the same.
    pub(super) fn calibration_error(&self) -> f64 {
        let both = self.bench.subjects.iter().zip(&self.scores[0]);
        let scored: Vec<(f64, bool)> = both
            .map(|(subject, score): (&Subject, _)| (score.score, subject.family.is_some()))
            .collect();
        expected_calibration_error(&scored)
    }

    /// Expected calibration error over authentic images and the families trained on, both classes
    /// weighing the same. `None` when a class is missing.
    pub(super) fn trained_calibration_error(&self) -> Option<f64> {
        let positions: Vec<usize> = (0..self.bench.subjects.len())
            .filter(|&position| {
                let family = self.bench.subjects[position].family.as_deref();
                family.is_none_or(|family| self.seen(family))
            })
            .collect();
        let score = |position: usize| self.scores[0][position].score;
        let [reals, fakes] = self.classes(&positions, &score);
        Some(measure(&reals, &fakes, self.threshold, SEED)?.calibration_error[0])
    }
}
