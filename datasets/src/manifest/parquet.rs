//! Parquet manifests: the same columns as in CSV, as UTF-8 strings.
//!
//! Reading takes any primitive column, by its value in words, so that tables from pandas, Polars or
//! DuckDB need no preparation. Snappy and no compression are understood.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::record::reader::RowIter;
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::Type;

/// Rows per row group.
const GROUP: usize = 1 << 16;
/// Columns beyond this are no manifest.
const MAX_COLUMNS: usize = 1000;

/// The rows of a Parquet file, as text.
pub(super) struct Rows {
    rows: RowIter<'static>,
}

/// Runs the decoder, which indexes into what a damaged file says, and reports its panic as damage.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("damaged Parquet: the decoder gave up".into()))
}

/// Opens a Parquet file and reads its column names.
pub(super) fn open(path: &Path) -> Result<(Vec<String>, Rows), String> {
    guarded(|| {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let reader = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
        let schema = reader.metadata().file_metadata().schema();
        let fields = schema.get_fields();
        if fields.len() > MAX_COLUMNS {
            return Err(format!("{} columns", fields.len()));
        }
        if let Some(nested) = fields.iter().find(|field| !field.is_primitive()) {
            return Err(format!("column '{}' is nested", nested.name()));
        }
        let names = fields.iter().map(|field| field.name().to_owned()).collect();
        let rows = RowIter::from_file_into(Box::new(reader));
        Ok((names, Rows { rows }))
    })
}

impl Iterator for Rows {
    type Item = Result<Vec<String>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded(|| match self.rows.next() {
            None => Ok(None),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(row)) => Ok(Some(cells(&row))),
        })
        .transpose()
    }
}

fn cells(row: &Row) -> Vec<String> {
    row.get_column_iter()
        .map(|(_, field)| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// Writes rows of text cells, every column as a required UTF-8 string.
pub(super) fn write<'a>(
    file: File,
    columns: &[String],
    rows: impl Iterator<Item = &'a [String]>,
) -> io::Result<()> {
    let fields = columns.iter().map(|name| {
        Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::String))
            .build()
            .map(Arc::new)
    });
    let fields = fields.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let schema = Type::group_type_builder("manifest")
        .with_fields(fields)
        .build()
        .map_err(io::Error::other)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
        .map_err(io::Error::other)?;
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let group: Vec<&[String]> = rows.by_ref().take(GROUP).collect();
        write_group(&mut writer, columns.len(), &group).map_err(io::Error::other)?;
    }
    let mut file = writer.into_inner().map_err(io::Error::other)?;
    file.flush()
}

fn write_group(
    writer: &mut SerializedFileWriter<File>,
    columns: usize,
    rows: &[&[String]],
) -> Result<(), ::parquet::errors::ParquetError> {
    let mut group = writer.next_row_group()?;
    for index in 0..columns {
        let Some(mut column) = group.next_column()? else {
            break;
        };
        let cells: Vec<ByteArray> = rows
            .iter()
            .map(|row| ByteArray::from(row.get(index).map_or("", String::as_str)))
            .collect();
        column
            .typed::<ByteArrayType>()
            .write_batch(&cells, None, None)?;
        column.close()?;
    }
    group.close()?;
    Ok(())
}
