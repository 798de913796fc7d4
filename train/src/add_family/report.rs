//! What improved and what was forgotten.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veraray_datasets::Split;
use veraray_model::{AddedFamily, Card, FamilyMetrics};

use crate::TrainError;
use crate::evaluate::{Bench, SubjectScore};
use crate::metrics::{Comparison, Measures, compare, measure, rate_above};

/// Seed of every bootstrap.
const SEED: u64 = 1;

/// The checkpoint before and after, on the same held-out images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddFamilyReport {
    /// What was added, to what.
    pub added: AddedFamily,
    /// Score at and above which an image is flagged, before and after, and the rate declared for it.
    pub thresholds: [[f64; 2]; 2],
    /// The new family first, then the old ones.
    pub rows: Vec<ChangeRow>,
    /// Held-out authentic images.
    pub authentic_images: usize,
    /// Share of them that is flagged, before and after: as they are, then delivered.
    pub false_alarm_rate: [[f64; 2]; 2],
    /// Loss of AUROC from which a family counts as forgotten.
    pub max_forgetting: f64,
    /// Old families that lost more than that, significantly.
    pub forgotten: Vec<String>,
    /// What weakens the comparison, in words.
    pub caveats: Vec<String>,
}

/// One family before and after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangeRow {
    /// Generator family.
    pub family: String,
    /// Whether it is the new one.
    pub new: bool,
    /// Held-out authentic and manipulated images.
    pub images: [usize; 2],
    /// Images as they are.
    pub clean: Change,
    /// After delivery.
    pub delivered: Change,
}

/// Figures before and after; each is `[estimate, low, high]` with a 95 % interval from a bootstrap
/// over groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    /// Area under the ROC curve.
    pub auroc: [[f64; 3]; 2],
    /// Share that is flagged.
    pub detection_rate: [[f64; 3]; 2],
    /// AUROC after minus before, on the same images (DeLong).
    pub difference: Comparison,
}

impl Change {
    fn forgets(&self, most: f64) -> bool {
        let [estimate, _, high] = self.difference.difference;
        estimate < -most && high < 0.0
    }
}

/// Compares scores of the subjects of `bench`, before and after, each as they are and delivered.
pub(super) fn assemble(
    bench: &Bench,
    scores: [&[Vec<SubjectScore>; 2]; 2],
    thresholds: [[f64; 2]; 2],
    (added, caveats): (AddedFamily, Vec<String>),
    max_forgetting: f64,
) -> Result<AddFamilyReport, TrainError> {
    let mut families = bench.families();
    families.sort_by_key(|family| *family != added.family);
    let rows: Vec<ChangeRow> = families
        .into_iter()
        .filter_map(|family| {
            let change = |copy: usize| {
                change(
                    bench,
                    [&scores[0][copy], &scores[1][copy]],
                    thresholds,
                    family,
                )
            };
            let (clean, delivered) = (change(0)?, change(1)?);
            let counted = bench.scored(&scores[0][0], |subject| {
                subject.family.as_deref().is_none_or(|name| name == family)
            });
            Some(ChangeRow {
                family: family.to_owned(),
                new: family == added.family,
                images: counted.map(|class| class.len()),
                clean,
                delivered,
            })
        })
        .collect();
    let authentic = |when: usize, copy: usize| -> Vec<f64> {
        let scored = bench.subjects.iter().zip(&scores[when][copy]);
        scored
            .filter(|(subject, _)| subject.family.is_none())
            .map(|(_, score)| score.score)
            .collect()
    };
    let authentic_images = authentic(0, 0).len();
    if authentic_images < 2 || !rows.iter().any(|row| row.new) {
        return Err(TrainError::Data(
            "the held-out groups hold no authentic images, or too few of the new family".into(),
        ));
    }
    let alarms =
        |copy: usize| [0, 1].map(|when| rate_above(&authentic(when, copy), thresholds[when][0]));
    let forgotten = rows
        .iter()
        .filter(|row| !row.new)
        .filter(|row| row.clean.forgets(max_forgetting) || row.delivered.forgets(max_forgetting))
        .map(|row| row.family.clone())
        .collect();
    Ok(AddFamilyReport {
        added,
        thresholds,
        rows,
        authentic_images,
        false_alarm_rate: [alarms(0), alarms(1)],
        max_forgetting,
        forgotten,
        caveats,
    })
}

fn change(
    bench: &Bench,
    scores: [&Vec<SubjectScore>; 2],
    thresholds: [[f64; 2]; 2],
    family: &str,
) -> Option<Change> {
    let classes = scores.map(|scores| {
        bench.scored(scores, |subject| {
            subject.family.as_deref().is_none_or(|name| name == family)
        })
    });
    let measured = |when: usize| -> Option<Measures> {
        let [reals, fakes] = &classes[when];
        measure(reals, fakes, thresholds[when][0], SEED)
    };
    let (before, after) = (measured(0)?, measured(1)?);
    let pairs = |class: usize| -> Vec<[f64; 2]> {
        let both = classes[1][class].iter().zip(&classes[0][class]);
        both.map(|(after, before)| [after.score, before.score])
            .collect()
    };
    Some(Change {
        auroc: [before.auroc, after.auroc],
        detection_rate: [before.fake_accuracy, after.fake_accuracy],
        difference: compare(&pairs(0), &pairs(1))?,
    })
}

impl AddFamilyReport {
    /// Whether no old family lost more than was allowed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.forgotten.is_empty()
    }

    /// The comparison as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let added = &self.added;
        let mut text = format!(
            "`{}` added to {} ({}): {} examples to train on, {} held out, {} matching authentic images; \
             {} steps.\n\n",
            added.family,
            added.parent[0],
            added.parent[1].get(..12).unwrap_or(&added.parent[1]),
            added.examples[0],
            added.examples[1],
            added.authentic,
            added.steps
        );
        for (title, pick) in [
            (
                "as they are",
                (|row| &row.clean) as fn(&ChangeRow) -> &Change,
            ),
            ("after delivery", |row| &row.delivered),
        ] {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| held-out images {title} | AUROC before | after | change (DeLong) | flagged before | \
                 after | |\n|---|---|---|---|---|---|---|"
            );
            for row in &self.rows {
                let change = pick(row);
                let word = match change.difference.difference {
                    _ if !row.new && change.forgets(self.max_forgetting) => "forgotten",
                    [_, low, _] if low > 0.0 => "improved",
                    [_, _, high] if high < 0.0 => "fell",
                    _ => "",
                };
                let _ = writeln!(
                    text,
                    "| {}{} ({}) | {} | {} | {:+.3} ({:+.3} to {:+.3}) | {} | {} | {word} |",
                    row.family,
                    if row.new { ", new" } else { "" },
                    row.images[1],
                    interval(change.auroc[0]),
                    interval(change.auroc[1]),
                    change.difference.difference[0],
                    change.difference.difference[1],
                    change.difference.difference[2],
                    percent(change.detection_rate[0]),
                    percent(change.detection_rate[1]),
                );
            }
            text.push('\n');
        }
        let [clean, delivered] = self.false_alarm_rate;
        let _ = writeln!(
            text,
            "False alarms among {} held-out authentic images at the threshold declared for {} %: {:.1} % \
             before, {:.1} % after; delivered {:.1} % and {:.1} %.",
            self.authentic_images,
            100.0 * self.thresholds[1][1],
            100.0 * clean[0],
            100.0 * clean[1],
            100.0 * delivered[0],
            100.0 * delivered[1]
        );
        for caveat in &self.caveats {
            let _ = writeln!(text, "\nMind that {caveat}.");
        }
        let _ = match self.forgotten.as_slice() {
            [] => writeln!(
                text,
                "\nNo old family's AUROC fell by more than {} significantly.",
                self.max_forgetting
            ),
            names => writeln!(
                text,
                "\nForgotten (AUROC fell by more than {}, significantly): {}.",
                self.max_forgetting,
                names.join(", ")
            ),
        };
        text
    }

    /// Writes `report.json` and `report.md` into a folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
        // Figures and strings always serialise.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        crate::report::write(
            folder,
            &[("report.json", json), ("report.md", self.to_markdown())],
        )
    }

    /// Replaces the card's test figures by what was measured after; validation figures were the
    /// parent's.
    pub(super) fn write_into(&self, card: &mut Card) {
        card.metrics = self
            .rows
            .iter()
            .map(|row| FamilyMetrics {
                split: Split::Test.as_str().into(),
                family: row.family.clone(),
                images: row.images,
                auroc: row.clean.auroc[1],
                more: BTreeMap::from([
                    ("delivered_auroc".to_owned(), row.delivered.auroc[1][0]),
                    ("detection_rate".to_owned(), row.clean.detection_rate[1][0]),
                ]),
            })
            .collect();
        card.limits = crate::card::limits(card);
        if !self.forgotten.is_empty() {
            card.limits.push(format!(
                "Adding {} made it worse on {}.",
                self.added.family,
                self.forgotten.join(", ")
            ));
        }
    }
}

fn interval([a, low, high]: [f64; 3]) -> String {
    format!("{a:.3} ({low:.3}–{high:.3})")
}

fn percent([a, low, high]: [f64; 3]) -> String {
    format!(
        "{:.1} % ({:.1}–{:.1})",
        100.0 * a,
        100.0 * low,
        100.0 * high
    )
}
