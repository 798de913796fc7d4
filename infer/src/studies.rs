//! Images put together to series and studies.
//!
//! A series is as bad as its worst image, a study as its worst series; worst first: synthetic,
//! tampered, not judged, authentic. In a stack of slices (three images or more of one frame, with a
//! position and one common normal) neighbours must agree: a flagged slice whose neighbours were judged
//! and not flagged is overruled and leaves the series as it is. The images' own records stay as they
//! are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Verdict;
use crate::agreement::lone;
use crate::text::printable;

/// Most studies that are listed in text.
const MOST: usize = 20;

/// Most images of a series that are named.
const NAMED: usize = 3;

/// One image as studies see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) path: &'a str,
    pub(crate) study: Option<&'a str>,
    pub(crate) series: Option<&'a str>,
    pub(crate) modality: Option<&'a str>,
    pub(crate) frames: Option<u32>,
    /// `None` for what could not be read.
    pub(crate) verdict: Option<Verdict>,
    /// Normal and distance of a slice.
    pub(crate) place: Option<[f64; 4]>,
}

/// A flagged image: its place in the order of the scan, and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flagged {
    pub(crate) number: u64,
    pub(crate) path: String,
}

/// What one series comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) uid: String,
    pub(crate) modality: Option<String>,
    /// `None` when nothing in it could be read.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) images: u64,
    /// The flagged images, in the order of the scan.
    pub(crate) flagged: Vec<Flagged>,
    /// How many of them are slices that stand alone.
    pub(crate) overruled: u64,
}

/// What one study comes to. Without a UID it holds one series that names no study.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Study {
    pub(crate) uid: Option<String>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) images: u64,
    pub(crate) flagged: u64,
    pub(crate) overruled: u64,
    /// The worst first.
    pub(crate) series: Vec<Series>,
}

/// Collects images. Keeps a few bytes of each, and the paths of those that are flagged.
#[derive(Debug, Default)]
pub(crate) struct Studies {
    series: BTreeMap<String, Gathered>,
    number: u64,
}

#[derive(Debug, Default)]
struct Gathered {
    study: Option<String>,
    modality: Option<String>,
    images: u64,
    counts: [u64; 4],
    flagged: Vec<(Flagged, Verdict)>,
    /// Judged slices: normal in hundredths, distance, and which of the flagged it is, if any.
    slices: Vec<([i16; 3], f64, Option<usize>)>,
}

/// Worst first; what could not be read says nothing.
const RANKS: [Verdict; 4] = [
    Verdict::Synthetic,
    Verdict::Tampered,
    Verdict::Abstain,
    Verdict::Authentic,
];

fn rank(verdict: Option<Verdict>) -> usize {
    RANKS
        .iter()
        .position(|&other| Some(other) == verdict)
        .unwrap_or(RANKS.len())
}

impl Studies {
    /// Takes an image in. To be called for every one, in the order of the scan.
    pub(crate) fn add(&mut self, seen: &Seen<'_>) {
        let number = self.number;
        self.number += 1;
        let Some(uid) = seen.series else { return };
        let series = self.series.entry(uid.to_owned()).or_default();
        series.images += 1;
        if series.study.is_none() {
            series.study = seen.study.map(str::to_owned);
        }
        if series.modality.is_none() {
            series.modality = seen.modality.map(str::to_owned);
        }
        let Some(verdict) = seen.verdict else { return };
        series.counts[rank(Some(verdict))] += 1;
        if verdict.is_flagged() {
            let path = seen.path.to_owned();
            series.flagged.push((Flagged { number, path }, verdict));
        }
        if let Some([x, y, z, at]) = seen.place
            && verdict != Verdict::Abstain
            && seen.frames == Some(1)
        {
            let normal = [x, y, z].map(|side| (side * 100.0).round() as i16);
            let flagged = verdict.is_flagged().then(|| series.flagged.len() - 1);
            series.slices.push((normal, at, flagged));
        }
    }

    /// Studies and series of several images, the worst first.
    pub(crate) fn several(&self) -> Vec<Study> {
        let mut studies: BTreeMap<(Option<&str>, &str), Vec<Series>> = BTreeMap::new();
        for (uid, gathered) in &self.series {
            let study = gathered.study.as_deref();
            // Series that name no study are not one study.
            let alone = if study.is_none() { uid.as_str() } else { "" };
            let series = gathered.judge(uid);
            studies.entry((study, alone)).or_default().push(series);
        }
        let mut list: Vec<Study> = studies
            .into_iter()
            .map(|((uid, _), mut series)| {
                series.sort_by_key(|series| {
                    (
                        rank(series.verdict),
                        std::cmp::Reverse(series.flagged.len()),
                    )
                });
                Study {
                    uid: uid.map(str::to_owned),
                    verdict: series.first().and_then(|worst| worst.verdict),
                    images: series.iter().map(|series| series.images).sum(),
                    flagged: series
                        .iter()
                        .map(|series| series.flagged.len() as u64)
                        .sum(),
                    overruled: series.iter().map(|series| series.overruled).sum(),
                    series,
                }
            })
            .filter(|study| study.images > 1)
            .collect();
        list.sort_by_key(|study| (rank(study.verdict), std::cmp::Reverse(study.flagged)));
        list
    }

    /// A line for every study, and below it one for each of its series where there are several.
    pub(crate) fn lines(&self) -> Vec<String> {
        let studies = self.several();
        let mut lines = Vec::new();
        for study in studies.iter().take(MOST) {
            let (kind, uid) = match (&study.uid, study.series.first()) {
                (Some(uid), _) => ("study", uid.as_str()),
                (None, Some(series)) => ("series", series.uid.as_str()),
                (None, None) => continue,
            };
            let one = study.series.len() == 1;
            let named = study.series.first().filter(|_| one);
            lines.push(format!(
                "{kind} {}: {}",
                printable(uid),
                tally(
                    study.images,
                    study.flagged,
                    study.overruled,
                    study.verdict,
                    named.map_or(&[], |series| &series.flagged)
                )
            ));
            if one {
                continue;
            }
            for series in study.series.iter().take(MOST) {
                let modality = series.modality.as_deref().unwrap_or("no modality");
                lines.push(format!(
                    "  series {} ({}): {}",
                    printable(&series.uid),
                    printable(modality),
                    tally(
                        series.images,
                        series.flagged.len() as u64,
                        series.overruled,
                        series.verdict,
                        &series.flagged
                    )
                ));
            }
            if study.series.len() > MOST {
                lines.push(format!("  and {} more series", study.series.len() - MOST));
            }
        }
        if studies.len() > MOST {
            lines.push(format!("and {} more studies", studies.len() - MOST));
        }
        lines
    }
}

impl Gathered {
    fn judge(&self, uid: &str) -> Series {
        let overruled = self.overruled();
        let mut counts = self.counts;
        for &index in &overruled {
            let (_, verdict) = self.flagged[index];
            counts[rank(Some(verdict))] -= 1;
            counts[rank(Some(Verdict::Authentic))] += 1;
        }
        let worst = counts.iter().position(|&count| count > 0);
        Series {
            uid: uid.to_owned(),
            modality: self.modality.clone(),
            verdict: worst.map(|index| RANKS[index]),
            images: self.images,
            flagged: self
                .flagged
                .iter()
                .map(|(image, _)| image.clone())
                .collect(),
            overruled: overruled.len() as u64,
        }
    }

    /// Which of the flagged images are slices whose neighbours are not flagged.
    fn overruled(&self) -> Vec<usize> {
        let mut slices = self.slices.clone();
        slices.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut found = Vec::new();
        for stack in slices.chunk_by(|a, b| a.0 == b.0) {
            let flagged: Vec<bool> = stack.iter().map(|slice| slice.2.is_some()).collect();
            found.extend(
                lone(&flagged)
                    .into_iter()
                    .filter_map(|index| stack[index].2),
            );
        }
        found
    }
}

/// `120 images, 3 flagged, 1 of them a lone slice that its neighbours overrule: tampered (a, b, c)`
fn tally(
    images: u64,
    flagged: u64,
    overruled: u64,
    verdict: Option<Verdict>,
    named: &[Flagged],
) -> String {
    let mut text = format!("{images} images, {flagged} flagged");
    if images == 1 {
        text = format!("1 image, {flagged} flagged");
    }
    // Writing to a string cannot fail.
    let _ = match overruled {
        0 => Ok(()),
        1 => write!(
            text,
            ", 1 of them a lone slice that its neighbours overrule"
        ),
        count => write!(
            text,
            ", {count} of them lone slices that their neighbours overrule"
        ),
    };
    let word = verdict.map_or("not read", Verdict::word);
    let _ = write!(text, ": {word}");
    if !named.is_empty() {
        let paths: Vec<String> = named
            .iter()
            .take(NAMED)
            .map(|image| printable(&image.path))
            .collect();
        let _ = write!(text, " ({}", paths.join(", "));
        if named.len() > NAMED {
            let _ = write!(text, " and {} more", named.len() - NAMED);
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests;
