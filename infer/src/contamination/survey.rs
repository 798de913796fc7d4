//! A second look at the files of an archive, for what records do not hold: from which month an image
//! is, and which images of different patients are almost the same.
//!
//! Who the patient is stays here: findings name paths alone.

use std::path::Path;

use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;
use veraray_datasets::{Fingerprint, Identity, NearDuplicate, Similarity, near_duplicates};

use super::archive::{Archive, Met};
use super::findings::MOST;

/// Most images that are compared unless more are asked for: pairs grow with the square, and every
/// image takes 2.3 kB.
const MOST_COMPARED: usize = 100_000;

/// What the second look gave.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The month of every image of the archive that counts.
    pub(crate) months: Vec<Option<String>>,
    /// Or why they were not looked for.
    pub(crate) near_duplicates: Result<NearDuplicates, String>,
}

/// Images of different patients that are almost the same.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NearDuplicates {
    /// Images compared with each other.
    pub(crate) compared: u64,
    /// Images that could not be read again, or show next to nothing.
    pub(crate) not_compared: u64,
    /// Pairs found, of those the listed ones are the closest.
    pub(crate) pairs: u64,
    /// Pairs of which both patients are known.
    pub(crate) pairs_of_known_patients: u64,
    /// Images in any pair.
    pub(crate) images: u64,
    pub(crate) listed: Vec<Pair>,
}

/// Two images that are almost the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Pair {
    pub(crate) first: String,
    pub(crate) second: String,
    /// Correlation of the high-passed thumbnails; negative when one is inverted.
    pub(crate) correlation: f32,
    /// Hamming distance of the perceptual hashes, of 64.
    pub(crate) distance: u32,
    /// `different`, or `unknown` where a file names no patient and no study.
    pub(crate) patients: &'static str,
    /// Whether the files are the same byte for byte.
    pub(crate) identical: bool,
    /// Whether each is flagged; `null` where it does not count. One of two: a forged copy, perhaps.
    pub(crate) flagged: [Option<bool>; 2],
}

impl Pair {
    /// What there is to say of the pair beside its paths.
    pub(crate) fn remarks(&self) -> Vec<&'static str> {
        let mut remarks = Vec::new();
        if self.identical {
            remarks.push("the same bytes");
        }
        if self.patients == "unknown" {
            remarks.push("patients unknown");
        }
        if let [Some(first), Some(second)] = self.flagged
            && first != second
        {
            remarks.push("only one of them is flagged");
        }
        remarks
    }
}

impl NearDuplicates {
    /// How many pairs, in words.
    pub(crate) fn tally(&self) -> String {
        let pairs = if self.pairs == 1 { "pair" } else { "pairs" };
        format!(
            "{} {pairs} among {} images compared",
            self.pairs, self.compared
        )
    }

    /// A warning where there are any.
    pub(crate) fn caution(&self) -> Option<String> {
        (self.pairs > 0).then(|| {
            format!(
                "{} images are near-duplicates of another patient's or another file's: the archive \
                 shows them more than once, and they are not independent of each other.",
                self.images
            )
        })
    }
}

/// Looks at every file that was read; `search` asks for near-duplicates.
pub(crate) fn survey(archive: &Archive, search: Search, progress: &ProgressBar) -> Survey {
    let identities: Vec<Identity> = archive
        .met
        .par_iter()
        .map(|met| match met.dicom {
            // What cannot be read again says nothing; its record tells why, if it ever could not.
            true => Identity::read(Path::new(&met.path)).unwrap_or_default(),
            false => Identity::default(),
        })
        .collect();
    let mut months = vec![None; archive.images.len()];
    for (met, identity) in archive.met.iter().zip(&identities) {
        if let Some(place) = met.image {
            months[place].clone_from(&identity.month);
        }
    }
    Survey {
        months,
        near_duplicates: duplicates(archive, &identities, search, progress),
    }
}

/// Whether near-duplicates are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Unless there are very many images.
    Usual,
    /// However many there are.
    Always,
    /// Not at all.
    Never,
}

fn duplicates(
    archive: &Archive,
    identities: &[Identity],
    search: Search,
    progress: &ProgressBar,
) -> Result<NearDuplicates, String> {
    let met = &archive.met;
    match search {
        Search::Never => return Err("not looked for; ask with --near-duplicates on".into()),
        Search::Usual if met.len() > MOST_COMPARED => {
            return Err(format!(
                "not looked for among more than {MOST_COMPARED} images unless --near-duplicates on \
                 asks for it"
            ));
        }
        Search::Usual | Search::Always => {}
    }
    let prints: Vec<Option<Fingerprint>> = met
        .par_iter()
        .map(|met| {
            let print = Fingerprint::read(Path::new(&met.path));
            progress.inc(1);
            print.ok().flatten()
        })
        .collect();
    let compared = prints.iter().flatten().count() as u64;
    if compared == 0 && !met.is_empty() {
        return Err("none of the files could be read again".into());
    }
    let apart = |a: usize, b: usize| patients(&identities[a], &identities[b]) != Patients::Same;
    let mut found = near_duplicates(&prints, &Similarity::default(), apart);
    let known = |pair: &NearDuplicate| {
        patients(&identities[pair.first], &identities[pair.second]) == Patients::Different
    };
    // The gravest first: patients that are known to differ, then by likeness.
    found.sort_by(|a, b| {
        let closeness = |pair: &NearDuplicate| pair.correlation.abs();
        known(b)
            .cmp(&known(a))
            .then(closeness(b).total_cmp(&closeness(a)))
            .then((a.first, a.second).cmp(&(b.first, b.second)))
    });
    let mut images: Vec<usize> = found
        .iter()
        .flat_map(|pair| [pair.first, pair.second])
        .collect();
    images.sort_unstable();
    images.dedup();
    let pair = |pair: &NearDuplicate| {
        let (first, second) = (&met[pair.first], &met[pair.second]);
        Pair {
            first: first.path.clone(),
            second: second.path.clone(),
            correlation: pair.correlation,
            distance: pair.distance,
            patients: if known(pair) { "different" } else { "unknown" },
            flagged: [flagged(archive, first), flagged(archive, second)],
            identical: first.sha256.is_some() && first.sha256 == second.sha256,
        }
    };
    Ok(NearDuplicates {
        compared,
        not_compared: met.len() as u64 - compared,
        pairs: found.len() as u64,
        pairs_of_known_patients: found.iter().filter(|pair| known(pair)).count() as u64,
        images: images.len() as u64,
        listed: found.iter().take(MOST).map(pair).collect(),
    })
}

fn flagged(archive: &Archive, met: &Met) -> Option<bool> {
    Some(archive.images.get(met.image?)?.flagged)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patients {
    Same,
    Different,
    Unknown,
}

/// Whether two headers name one patient. A study is of one patient; two studies may be of one or two,
/// and without patients they count as two.
fn patients(a: &Identity, b: &Identity) -> Patients {
    let of = |same: bool| match same {
        true => Patients::Same,
        false => Patients::Different,
    };
    match ((&a.patient, &b.patient), (&a.study, &b.study)) {
        ((Some(a), Some(b)), _) | (_, (Some(a), Some(b))) => of(a == b),
        _ => Patients::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_come_before_studies() {
        let of = |patient: Option<&str>, study: Option<&str>| {
            let mut identity = Identity::default();
            identity.patient = patient.map(str::to_owned);
            identity.study = study.map(str::to_owned);
            identity
        };
        let compare =
            |a: [Option<&str>; 2], b: [Option<&str>; 2]| patients(&of(a[0], a[1]), &of(b[0], b[1]));
        let (p, q) = ([Some("p"), Some("1")], [Some("q"), Some("1")]);
        assert_eq!(compare(p, q), Patients::Different);
        assert_eq!(compare(p, [Some("p"), Some("2")]), Patients::Same);
        assert_eq!(compare(p, [None, Some("1")]), Patients::Same);
        assert_eq!(compare(p, [None, Some("2")]), Patients::Different);
        assert_eq!(compare(p, [None, None]), Patients::Unknown);
        assert_eq!(compare([None, None], [None, None]), Patients::Unknown);
    }
}
