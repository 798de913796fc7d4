//! Records as tables: one definition of the columns for CSV and Parquet, and a reader for whatever
//! a scan wrote.
//!
//! | column | from the record | Parquet |
//! |---|---|---|
//! | as the key | every plain key | string, unsigned 32 bits or double |
//! | `error_kind`, `error_message` | `error` | string |
//! | `reasons`, `signature_coverage` | lists | list of strings |
//! | `regions` | `regions` | list of `frame, x0, y0, x1, y1, score, neighbours` |
//! | `families` | `families` | map from string to double |
//! | `findings` | `findings` | list of `code, severity, message` |
//! | `signature_status` | `signature` | string |
//! | `model_name`, `model_version`, `model_sha256` | `model` | string |
//! | `ms_decode`, `ms_forward`, `ms_total` | `ms` | double |
//!
//! CSV holds lists and maps as JSON text, and what is not known as an empty field.

pub(crate) mod csv;
pub(crate) mod parquet;
mod read;
mod row;

use serde_json::{Map, Value, json};

pub(crate) use read::rows;
pub(crate) use row::Row;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text that is always there.
    Name,
    /// Text.
    Text,
    /// A number of things, below 2³².
    Count,
    /// A real number.
    Real,
    /// A list of texts.
    Texts,
    /// Rectangles with frame and score.
    Regions,
    /// Numbers by name.
    Numbers,
    /// Codes with severity and message.
    Findings,
}

/// Name and content of every column, in their order.
pub(crate) const COLUMNS: [(&str, Kind); 34] = [
    ("path", Kind::Name),
    ("sha256", Kind::Text),
    ("status", Kind::Name),
    ("error_kind", Kind::Text),
    ("error_message", Kind::Text),
    ("format", Kind::Text),
    ("modality", Kind::Text),
    ("body_part", Kind::Text),
    ("rows", Kind::Count),
    ("columns", Kind::Count),
    ("frames", Kind::Count),
    ("bits_stored", Kind::Count),
    ("sop_instance_uid", Kind::Text),
    ("study_uid", Kind::Text),
    ("series_uid", Kind::Text),
    ("verdict", Kind::Text),
    ("score", Kind::Real),
    ("threshold", Kind::Real),
    ("logit", Kind::Real),
    ("reasons", Kind::Texts),
    ("regions", Kind::Regions),
    ("families", Kind::Numbers),
    ("findings", Kind::Findings),
    ("signature_status", Kind::Text),
    ("signature_coverage", Kind::Texts),
    ("model_name", Kind::Name),
    ("model_version", Kind::Name),
    ("model_sha256", Kind::Name),
    ("device", Kind::Name),
    ("ms_decode", Kind::Real),
    ("ms_forward", Kind::Real),
    ("ms_total", Kind::Real),
    ("regions_count", Kind::Count),
    ("findings_count", Kind::Count),
];

/// A row as one value per column.
pub(crate) fn flat(row: &Row) -> Vec<Value> {
    let Ok(Value::Object(mut record)) = serde_json::to_value(row) else {
        // A row is made of texts, finite numbers and lists of them.
        return vec![Value::Null; COLUMNS.len()];
    };
    let counted = |value: Option<&Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
    let regions = counted(record.get("regions"));
    let findings = counted(record.get("findings"));
    COLUMNS
        .iter()
        .map(|(name, _)| match *name {
            "regions_count" => json!(regions),
            "findings_count" => json!(findings),
            "signature_coverage" => part(&mut record, "signature", "coverage").into_list(),
            _ => match inner(name) {
                Some((outer, key)) => part(&mut record, outer, key),
                None => record.remove(*name).unwrap_or_default(),
            },
        })
        .collect()
}

/// The record's key and the key within it that a column comes from, for nested ones.
fn inner(column: &str) -> Option<(&'static str, &str)> {
    ["error", "signature", "model", "ms"]
        .into_iter()
        .find_map(|outer| {
            let key = column.strip_prefix(outer)?.strip_prefix('_')?;
            Some((outer, key))
        })
}

fn part(record: &mut Map<String, Value>, outer: &str, key: &str) -> Value {
    record
        .get_mut(outer)
        .and_then(|value| value.get_mut(key))
        .map_or(Value::Null, Value::take)
}

trait IntoList {
    fn into_list(self) -> Value;
}

impl IntoList for Value {
    fn into_list(self) -> Value {
        match self {
            Value::Null => Value::Array(Vec::new()),
            other => other,
        }
    }
}

/// The row that columns make; `get` gives the value of a column.
///
/// # Errors
/// When they make none.
pub(crate) fn nest(mut get: impl FnMut(&str) -> Value) -> Result<Row, serde_json::Error> {
    let mut record = Map::new();
    for (name, _) in COLUMNS {
        let value = get(name);
        match inner(name) {
            _ if value.is_null() => {}
            None => {
                record.insert(name.into(), value);
            }
            // A coverage alone is no signature.
            Some(("signature", "coverage")) if !record.contains_key("signature") => {}
            Some((outer, key)) => {
                let outer = record.entry(outer).or_insert_with(|| json!({}));
                if let Some(outer) = outer.as_object_mut() {
                    outer.insert(key.into(), value);
                }
            }
        }
    }
    serde_json::from_value(Value::Object(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_flattening() {
        for row in [row::example(), row::failure()] {
            let cells = flat(&row);
            assert_eq!(cells.len(), COLUMNS.len());
            let mut cells = cells.into_iter();
            assert_eq!(nest(|_| cells.next().unwrap()).unwrap(), row);
        }
    }

    #[test]
    fn every_key_of_a_record_has_a_column() {
        let model = crate::ModelId {
            name: "m".into(),
            version: "1".into(),
            sha256: "ab".into(),
        };
        let record = crate::Record::blank("a".into(), &model, "cpu");
        let Value::Object(keys) = serde_json::to_value(&record).unwrap() else {
            panic!("a record is an object")
        };
        let nested = ["error", "signature", "model", "ms"];
        for key in keys.keys().filter(|key| !nested.contains(&key.as_str())) {
            assert!(COLUMNS.iter().any(|(name, _)| name == key), "{key}");
        }
        assert_eq!(Row::of(&record).unwrap().path, "a");
    }
}
