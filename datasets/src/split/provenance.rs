//! What the generators of a manifest's fakes were trained on.
//!
//! A generator that has seen the test's patients carries them into its images: a detector trained on
//! those has seen the test. Manifests say so in the column `trained_on`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Entry, Split, Table};

/// The real images that a generator was trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainedOn {
    /// Every real image of the manifest.
    All,
    /// Images of none of these groups.
    Nothing,
    /// The real images for which one of the terms holds.
    Terms(Vec<Term>),
}

/// A part of a training set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// One group.
    Group(String),
    /// A source.
    Source(String),
    /// A value of the `set` column.
    Set(String),
    /// A split.
    Split(Split),
}

impl TrainedOn {
    /// Reads `all`, `none`, or terms such as `group:p17;source:nih;set:aligned256;split:train`.
    ///
    /// # Errors
    /// A sentence that names the word that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "all" => return Ok(Self::All),
            "none" => return Ok(Self::Nothing),
            _ => {}
        }
        let terms = text
            .split(';')
            .map(str::trim)
            .filter(|term| !term.is_empty())
            .map(|term| {
                let wrong = || {
                    format!(
                        "'{term}' is not one of all, none, group:NAME, source:NAME, set:NAME, \
                         split:train, split:validation, split:test"
                    )
                };
                let (kind, name) = term.split_once(':').ok_or_else(wrong)?;
                match kind {
                    "group" => Ok(Term::Group(name.into())),
                    "source" => Ok(Term::Source(name.into())),
                    "set" => Ok(Term::Set(name.into())),
                    "split" => Split::parse(name).map(Term::Split).ok_or_else(wrong),
                    _ => Err(wrong()),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Terms(terms))
    }

    fn holds(&self, entry: &Entry, split: Option<Split>) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Terms(terms) => terms.iter().any(|term| match term {
                Term::Group(group) => entry.unit() == group,
                Term::Source(source) => entry.source == *source,
                Term::Set(set) => entry.set == *set,
                Term::Split(wanted) => split == Some(*wanted),
            }),
        }
    }
}

/// What is known of the training sets of all generators of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    families: BTreeMap<String, TrainedOn>,
}

impl Provenance {
    /// Collects the column `trained_on` of a manifest; rows of one family add up.
    ///
    /// # Errors
    /// A sentence that names the row and the word.
    pub fn of(table: &Table) -> Result<Self, String> {
        let mut all = Self::default();
        let Some(column) = table.column("trained_on") else {
            return Ok(all);
        };
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (row, entry) in table.entries.iter().enumerate() {
            let text = table.rows[row].get(column).map_or("", String::as_str);
            if text.is_empty() || !entry.label.is_manipulated() {
                continue;
            }
            if seen.insert((&entry.generator, text)) {
                let set = TrainedOn::parse(text)
                    .map_err(|why| format!("line {}: trained_on: {why}", row + 2))?;
                all.add(&entry.generator, set);
            }
        }
        Ok(all)
    }

    /// Adds to what a family was trained on.
    pub fn add(&mut self, family: &str, set: TrainedOn) {
        let merged = match (self.families.remove(family), set) {
            (None | Some(TrainedOn::Nothing), set) => set,
            (Some(set), TrainedOn::Nothing) => set,
            (Some(TrainedOn::All), _) | (_, TrainedOn::All) => TrainedOn::All,
            (Some(TrainedOn::Terms(mut terms)), TrainedOn::Terms(more)) => {
                terms.extend(more);
                TrainedOn::Terms(terms)
            }
        };
        self.families.insert(family.into(), merged);
    }

    /// What is known of a family.
    #[must_use]
    pub fn family(&self, family: &str) -> Option<&TrainedOn> {
        self.families.get(family)
    }

    /// Groups of the real images that a family's generator was trained on.
    pub(super) fn units<'a>(
        set: &TrainedOn,
        entries: &'a [Entry],
        splits: &[Option<Split>],
    ) -> BTreeMap<&'a str, Split> {
        entries
            .iter()
            .zip(splits)
            .filter(|(entry, split)| !entry.label.is_manipulated() && set.holds(entry, **split))
            .filter_map(|(entry, split)| Some((entry.unit(), (*split)?)))
            .collect()
    }

    /// Real images that generators were trained on by name, and that therefore may only be trained
    /// on. Families that are held out ask for nothing, nor do training sets given as splits.
    #[must_use]
    pub fn pinned(&self, entries: &[Entry], held_out: &[String]) -> BTreeSet<usize> {
        let sets: Vec<&TrainedOn> = self
            .families
            .iter()
            .filter(|(family, _)| !held_out.contains(family))
            .filter(|(family, _)| entries.iter().any(|e| e.generator == **family))
            .map(|(_, set)| set)
            .filter(|set| matches!(set, TrainedOn::Terms(_)))
            .collect();
        (0..entries.len())
            .filter(|&at| !entries[at].label.is_manipulated())
            .filter(|&at| sets.iter().any(|set| set.holds(&entries[at], None)))
            .collect()
    }
}
