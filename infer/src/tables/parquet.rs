//! Records as Parquet, Snappy-compressed, in row groups of bounded size.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value};

use crate::tables::{COLUMNS, Kind, Row, flat, nest};

/// Rows held in memory before they are written.
const GROUP: usize = 8192;

/// Where the records of a scan wait until its table is made: a table cannot be continued.
pub(crate) fn sidecar(path: &Path) -> PathBuf {
    beside(path, ".partial.jsonl")
}

/// Where a table is written before it is moved to its place.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    beside(path, ".partial")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes a table: beside its place first, so that a reader never sees half.
pub(crate) struct Writer {
    writer: SerializedFileWriter<File>,
    waiting: Vec<Vec<Value>>,
    partial: PathBuf,
    path: PathBuf,
}

impl Writer {
    pub(crate) fn create(path: &Path) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema())?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("veraray {}", env!("CARGO_PKG_VERSION")))
            .build();
        let partial = unfinished(path);
        let file = File::create(&partial)?;
        Ok(Self {
            writer: SerializedFileWriter::new(file, schema, Arc::new(properties))?,
            waiting: Vec::new(),
            partial,
            path: path.to_owned(),
        })
    }

    pub(crate) fn write(&mut self, row: &Row) -> Result<(), ParquetError> {
        self.waiting.push(flat(row));
        if self.waiting.len() >= GROUP {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the table and moves it to its place.
    pub(crate) fn finish(mut self) -> Result<(), ParquetError> {
        self.flush()?;
        // Writes the footer before it lets go of the file.
        self.writer.into_inner()?.sync_all()?;
        Ok(fs::rename(&self.partial, &self.path)?)
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (index, (_, kind)) in COLUMNS.iter().enumerate() {
            let cells: Vec<&Value> = self.waiting.iter().map(|row| &row[index]).collect();
            write_column(&mut group, *kind, &cells)?;
        }
        group.close()?;
        self.waiting.clear();
        Ok(())
    }
}

fn schema() -> String {
    let columns: String = COLUMNS
        .iter()
        .map(|(name, kind)| match kind {
            Kind::Name => format!("required binary {name} (STRING);\n"),
            Kind::Text => format!("optional binary {name} (STRING);\n"),
            Kind::Count => format!("optional int32 {name} (INTEGER(32,false));\n"),
            Kind::Real => format!("optional double {name};\n"),
            Kind::Texts => list(name, "required binary element (STRING);"),
            Kind::Regions => list(
                name,
                "required group element { required int32 frame (INTEGER(32,false)); \
                 required int32 x0 (INTEGER(32,false)); required int32 y0 (INTEGER(32,false)); \
                 required int32 x1 (INTEGER(32,false)); required int32 y1 (INTEGER(32,false)); \
                 required double score; required int32 neighbours (INTEGER(32,false)); }",
            ),
            Kind::Numbers => format!(
                "required group {name} (MAP) {{ repeated group key_value {{ \
                 required binary key (STRING); required double value; }} }}\n"
            ),
            Kind::Findings => list(
                name,
                "required group element { required binary code (STRING); \
                 required binary severity (STRING); required binary message (STRING); }",
            ),
        })
        .collect();
    format!("message records {{\n{columns}}}")
}

fn list(name: &str, element: &str) -> String {
    format!("required group {name} (LIST) {{ repeated group list {{ {element} }} }}\n")
}

/// Values of one leaf with their definition and repetition levels.
struct Leaf<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl<T> Leaf<T> {
    /// One value or none per row.
    fn plain(cells: &[&Value], get: impl Fn(&Value) -> Option<T>) -> Self {
        let mut leaf = Self {
            values: Vec::new(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        };
        for cell in cells {
            let value = get(cell);
            leaf.definitions.push(i16::from(value.is_some()));
            leaf.values.extend(value);
        }
        leaf
    }

    /// Any number of values per row.
    fn listed(items: &[Vec<Value>], get: impl Fn(&Value) -> T) -> Self {
        let mut leaf = Self {
            values: Vec::new(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        };
        for list in items {
            if list.is_empty() {
                leaf.definitions.push(0);
                leaf.repetitions.push(0);
            }
            for (index, item) in list.iter().enumerate() {
                leaf.definitions.push(1);
                leaf.repetitions.push(i16::from(index > 0));
                leaf.values.push(get(item));
            }
        }
        leaf
    }

    fn write<D: DataType<T = T>>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, File>,
    ) -> Result<(), ParquetError> {
        let mut column = group
            .next_column()?
            .ok_or_else(|| ParquetError::General("more columns than the schema has".into()))?;
        let levels = |levels: &'_ Vec<i16>| (!levels.is_empty()).then(|| levels.clone());
        column.typed::<D>().write_batch(
            &self.values,
            levels(&self.definitions).as_deref(),
            levels(&self.repetitions).as_deref(),
        )?;
        column.close()
    }
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, File>,
    kind: Kind,
    cells: &[&Value],
) -> Result<(), ParquetError> {
    match kind {
        Kind::Name => {
            let mut leaf = Leaf::plain(cells, |cell| Some(text(cell)));
            // What is always there has no levels.
            leaf.definitions.clear();
            leaf.write::<ByteArrayType>(group)
        }
        Kind::Text => Leaf::plain(cells, |cell| cell.as_str().map(ByteArray::from))
            .write::<ByteArrayType>(group),
        Kind::Count => {
            Leaf::plain(cells, |cell| cell.as_u64().map(count)).write::<Int32Type>(group)
        }
        Kind::Real => Leaf::plain(cells, Value::as_f64).write::<DoubleType>(group),
        Kind::Texts => Leaf::listed(&items(cells), text).write::<ByteArrayType>(group),
        Kind::Regions => {
            let items = items(cells);
            let whole = |value: Option<&Value>| count(value.and_then(Value::as_u64).unwrap_or(0));
            Leaf::listed(&items, |item| whole(item.get("frame"))).write::<Int32Type>(group)?;
            for side in 0..4 {
                Leaf::listed(&items, |item| {
                    whole(item.get("bbox").and_then(|bbox| bbox.get(side)))
                })
                .write::<Int32Type>(group)?;
            }
            Leaf::listed(&items, |item| real(item.get("score"))).write::<DoubleType>(group)?;
            Leaf::listed(&items, |item| whole(item.get("neighbours"))).write::<Int32Type>(group)
        }
        Kind::Numbers => {
            let items: Vec<Vec<Value>> = cells.iter().map(|cell| pairs(cell)).collect();
            Leaf::listed(&items, |item| text(&item[0])).write::<ByteArrayType>(group)?;
            Leaf::listed(&items, |item| real(item.get(1))).write::<DoubleType>(group)
        }
        Kind::Findings => {
            let items = items(cells);
            for key in ["code", "severity", "message"] {
                Leaf::listed(&items, |item| text(&item[key])).write::<ByteArrayType>(group)?;
            }
            Ok(())
        }
    }
}

fn items(cells: &[&Value]) -> Vec<Vec<Value>> {
    cells
        .iter()
        .map(|cell| cell.as_array().cloned().unwrap_or_default())
        .collect()
}

/// The entries of an object as `[key, value]`.
fn pairs(cell: &Value) -> Vec<Value> {
    cell.as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| Value::Array(vec![key.as_str().into(), value.clone()]))
        .collect()
}

fn text(value: &Value) -> ByteArray {
    ByteArray::from(value.as_str().unwrap_or_default())
}

/// The bits of an unsigned number: Parquet has no physical type of its own for them.
fn count(value: u64) -> i32 {
    u32::try_from(value).unwrap_or(u32::MAX).cast_signed()
}

fn real(value: Option<&Value>) -> f64 {
    value.and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// Calls `visit` for every row of a table.
pub(super) fn read(
    file: File,
    visit: &mut dyn FnMut(Row) -> Result<(), String>,
) -> Result<(), String> {
    let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    let rows = reader
        .get_row_iter(None)
        .map_err(|error| error.to_string())?;
    for row in rows {
        let row = row.map_err(|error| error.to_string())?;
        let mut cells: Map<String, Value> = row
            .get_column_iter()
            .map(|(name, field)| (name.clone(), value(field)))
            .collect();
        if let Some(regions) = cells.get_mut("regions").and_then(Value::as_array_mut) {
            regions.iter_mut().for_each(region);
        }
        let row = nest(|name| cells.remove(name).unwrap_or_default())
            .map_err(|error| format!("a row is no record of a scan: {error}"))?;
        visit(row)?;
    }
    Ok(())
}

/// Sides back into a rectangle.
fn region(value: &mut Value) {
    if let Some(sides) = value.as_object_mut() {
        let bbox = ["x0", "y0", "x1", "y1"].map(|side| sides.remove(side).unwrap_or_default());
        sides.insert("bbox".into(), Value::Array(bbox.into()));
    }
}

fn value(field: &Field) -> Value {
    match field {
        Field::Bool(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float(value) => (*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(value) => value.as_str().into(),
        Field::Group(group) => group
            .get_column_iter()
            .map(|(name, field)| (name.clone(), value(field)))
            .collect::<Map<String, Value>>()
            .into(),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::MapInternal(map) => map
            .entries()
            .iter()
            .filter_map(|(key, number)| match key {
                Field::Str(key) => Some((key.clone(), value(number))),
                _ => None,
            })
            .collect::<Map<String, Value>>()
            .into(),
        // Types that no column of ours has.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::row::{example, failure};

    #[test]
    fn rows_survive_a_table_and_its_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.parquet");
        let mut writer = Writer::create(&path).unwrap();
        let total = GROUP + 3;
        for index in 0..total {
            let row = if index % 2 == 0 { example() } else { failure() };
            writer.write(&row).unwrap();
        }
        assert!(!path.exists());
        writer.finish().unwrap();
        let mut index = 0;
        read(File::open(&path).unwrap(), &mut |row| {
            let expected = if index % 2 == 0 { example() } else { failure() };
            assert_eq!(row, expected);
            index += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(index, total);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "PAR1 and nothing else").unwrap();
        assert!(read(File::open(&path).unwrap(), &mut |_| Ok(())).is_err());
    }
}
