//! The owner's tables, joined to images.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::walk::Found;
use super::{CollectionError, LabelTable, LeaveOut, Pattern, template};

/// Decompressed bytes of a table beyond which it is refused.
const MAX_BYTES: u64 = 4 << 30;

/// A table in memory, reduced to the columns that are asked for.
pub(super) struct Joined<'a> {
    table: &'a LabelTable,
    images: Pattern,
    /// Where a column stands in a row of `rows`.
    columns: HashMap<String, usize>,
    rows: HashMap<String, Vec<String>>,
    /// Numbers of the rows of a volume.
    numbers: HashMap<String, Vec<i64>>,
    /// Whether a file was there at all.
    present: bool,
}

/// What a table says of an image.
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// These columns.
    Columns(BTreeMap<String, String>),
    /// That it is not to be used, and why.
    Out(&'static str),
}

impl<'a> Joined<'a> {
    /// Reads every file that the table's pattern fits.
    pub(super) fn load(table: &'a LabelTable, files: &[Found]) -> Result<Self, CollectionError> {
        let pattern = Pattern::new(&table.file).map_err(CollectionError::Rule)?;
        let mut joined = Self {
            images: Pattern::new(&table.images).map_err(CollectionError::Rule)?,
            table,
            columns: HashMap::new(),
            rows: HashMap::new(),
            numbers: HashMap::new(),
            present: false,
        };
        for file in files {
            if pattern.matches(&file.name).is_some() {
                joined.read(&file.path)?;
                joined.present = true;
            }
        }
        if !joined.present && table.needed {
            return Err(CollectionError::Rule(format!(
                "no file fits '{}': this collection cannot be imported without its table",
                table.file
            )));
        }
        Ok(joined)
    }

    fn read(&mut self, path: &Path) -> Result<(), CollectionError> {
        let io = |source| CollectionError::Io {
            path: path.to_owned(),
            source,
        };
        let wrong = |message: String| CollectionError::Table {
            path: path.to_owned(),
            message,
        };
        let name = path.to_string_lossy().to_ascii_lowercase();
        let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
        let bytes: Box<dyn Read> = if name.ends_with(".gz") {
            Box::new(MultiGzDecoder::new(file).take(MAX_BYTES))
        } else {
            Box::new(file.take(MAX_BYTES))
        };
        let tabs = name.trim_end_matches(".gz").ends_with(".tsv");
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(if tabs { b'\t' } else { b',' })
            .flexible(true)
            .from_reader(bytes);
        let header: Vec<String> = reader
            .headers()
            .map_err(|error| wrong(error.to_string()))?
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        let table = self.table;
        // Only columns that some template names are kept.
        let mut asked = template::names(&table.key);
        asked.extend(table.only.keys().cloned());
        if let Some(out) = &table.leave_out {
            asked.extend(template::names(&out.key));
            asked.push(out.column.clone());
        }
        for name in &asked {
            if !header.contains(name) {
                return Err(wrong(format!(
                    "column '{name}' is missing among {}",
                    header.join(", ")
                )));
            }
        }
        asked.extend(
            table
                .columns
                .values()
                .flat_map(|text| template::names(text)),
        );
        let places: Vec<(String, usize)> = asked
            .into_iter()
            .filter_map(|name| {
                let at = header.iter().position(|column| *column == name)?;
                Some((name, at))
            })
            .collect();
        for (name, _) in &places {
            let next = self.columns.len();
            self.columns.entry(name.clone()).or_insert(next);
        }
        let mut record = csv::StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|error| wrong(error.to_string()))?
        {
            let mut row = vec![String::new(); self.columns.len()];
            for (name, at) in &places {
                row[self.columns[name]] = record.get(*at).unwrap_or("").trim().to_owned();
            }
            let counts = table
                .only
                .iter()
                .all(|(column, admitted)| admitted.contains(&row[self.columns[column]]));
            if counts {
                self.keep(row).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, row: Vec<String>) -> Result<(), String> {
        let columns = &self.columns;
        let value = |name: &str| columns.get(name).map(|&at| row[at].clone());
        let key = self.tail(template::fill(&self.table.key, value)?);
        if let Some(LeaveOut { key, column, .. }) = &self.table.leave_out {
            let volume = template::fill(key, value)?;
            if let Some(number) = value(column).and_then(|text| number(&text)) {
                self.numbers.entry(volume).or_default().push(number);
            }
        }
        // The first row of several stands.
        self.rows.entry(key).or_insert(row);
        Ok(())
    }

    fn tail(&self, key: String) -> String {
        let Some(parts) = self.table.tail else {
            return key;
        };
        let normal = key.replace('\\', "/");
        let mut last: Vec<&str> = normal.rsplit('/').take(parts).collect();
        last.reverse();
        if let Some(name) = last.last_mut() {
            *name = name.rsplit_once('.').map_or(*name, |(stem, _)| stem);
        }
        last.join("/")
    }

    /// What the table says of the image `name`; `value` gives path and header values.
    pub(super) fn say(
        &self,
        name: &str,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Said, String> {
        if !self.present {
            return Ok(Said::Nothing);
        }
        let Some(captures) = self.images.matches(name) else {
            return Ok(Said::Nothing);
        };
        let of_file = |wanted: &str| {
            wanted
                .parse::<usize>()
                .ok()
                .and_then(|n| captures.get(n.checked_sub(1)?).cloned())
                .or_else(|| value(wanted))
        };
        let key = self.tail(template::fill(&self.table.matching, of_file)?);
        let Some(row) = self.rows.get(&key) else {
            if let Some(out) = &self.table.leave_out {
                let volume = template::fill(&out.matching, of_file)?;
                let at = number(&template::fill(&out.value, of_file)?);
                let near = |other: &i64| at.is_none_or(|at| (at - other).abs() <= out.within);
                if self
                    .numbers
                    .get(&volume)
                    .is_some_and(|n| n.iter().any(near))
                {
                    return Ok(Said::Out("close to a tampered slice"));
                }
            }
            return Ok(if self.table.required {
                Said::Out("without a row in the collection's table")
            } else {
                Said::Nothing
            });
        };
        let of_row = |wanted: &str| {
            let Some(&at) = self.columns.get(wanted) else {
                return of_file(wanted);
            };
            let cell = &row[at];
            let words = self.table.values.get(wanted);
            let word = words.and_then(|words| words.get(cell).or_else(|| words.get("*")));
            Some(word.unwrap_or(cell).clone())
        };
        let mut said = BTreeMap::new();
        for (column, text) in &self.table.columns {
            let filled = template::fill(text, |name| {
                // A column that this release of the table lacks says nothing.
                of_row(name).or_else(|| Some(String::new()))
            })?;
            let silent = template::names(text)
                .iter()
                .any(|name| of_row(name).is_none_or(|value| value.is_empty()));
            if !silent {
                said.insert(column.clone(), filled);
            }
        }
        Ok(Said::Columns(said))
    }
}

/// A whole number, also when a spreadsheet has written it as `17.0`.
fn number(text: &str) -> Option<i64> {
    let value: f64 = text.trim().parse().ok()?;
    (value.is_finite() && value.abs() < 1e15).then_some(value.round() as i64)
}
