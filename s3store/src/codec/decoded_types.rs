//! The Arrow types that a file's columns are decoded to.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, parquet_to_arrow_schema};
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::bare_list::without_refused_annotations;

/// Returns the schema to decode a file to: text and bytes as views, and as few other types as possible.
///
/// The embedded Arrow schema counts only for types that Parquet does not have, such as times in seconds. It is ignored if
/// it is malformed.
pub(super) fn decoded_schema(metadata: &ParquetMetaData) -> Result<SchemaRef, ParquetError> {
    let file = metadata.file_metadata();
    let accepted = without_refused_annotations(file.schema_descr())?;
    let columns = accepted.as_ref().unwrap_or(file.schema_descr());
    let parquet = parquet_to_arrow_schema(columns, None)?;
    let embedded = has_arrow_schema(metadata).then(|| parquet_to_arrow_schema(columns, file.key_value_metadata()));
    let hints = embedded.and_then(Result::ok).map(|arrow| leaf_types(arrow.fields())).unwrap_or_default();
    let total = leaf_types(parquet.fields()).len();
    let mut hints = if hints.len() == total { hints } else { vec![DataType::Null; total] };
    for (hint, column) in hints.iter_mut().zip(columns.columns()) {
        if column.physical_type() == Physical::INT96 {
            *hint = DataType::Timestamp(int96_unit(metadata), None);
        }
    }
    let mut hints = hints.into_iter();
    let fields: Fields = parquet.fields().iter().map(|field| decoded_field(field, &mut hints)).collect();
    Ok(Arc::new(Schema::new_with_metadata(fields, parquet.metadata().clone())))
}

/// Returns the unit to decode INT96 timestamps to. Spark, which writes through parquet-mr, has microseconds and any year.
/// Others have nanoseconds, in years that 64 bits hold.
pub(super) fn int96_unit(metadata: &ParquetMetaData) -> TimeUnit {
    let writer = metadata.file_metadata().created_by().unwrap_or_default();
    if writer.starts_with("parquet-mr") { TimeUnit::Microsecond } else { TimeUnit::Nanosecond }
}

/// Returns whether the file embeds an Arrow schema.
pub(super) fn has_arrow_schema(metadata: &ParquetMetaData) -> bool {
    let mut entries = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    entries.any(|entry| entry.key == ARROW_SCHEMA_META_KEY)
}

fn leaf_types(fields: &Fields) -> Vec<DataType> {
    let mut types = Vec::new();
    for field in fields {
        push_leaf_types(field.data_type(), &mut types);
    }
    types
}

fn push_leaf_types(data_type: &DataType, types: &mut Vec<DataType>) {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::Map(field, _) => push_leaf_types(field.data_type(), types),
        DataType::Struct(fields) => fields.iter().for_each(|field| push_leaf_types(field.data_type(), types)),
        leaf => types.push(leaf.clone()),
    }
}

/// `hints` contains the embedded Arrow type of each leaf, in order.
fn decoded_field(field: &Field, hints: &mut impl Iterator<Item = DataType>) -> Field {
    use DataType::{Binary, BinaryView, Date64, Int32, Int64, List, Map, Struct, Time32, Timestamp, Utf8, Utf8View};
    use TimeUnit::{Microsecond, Nanosecond};
    let data_type = match field.data_type() {
        List(element) => List(Arc::new(decoded_field(element, hints))),
        Map(entries, sorted) => Map(Arc::new(decoded_field(entries, hints)), *sorted),
        Struct(fields) => Struct(fields.iter().map(|field| decoded_field(field, hints)).collect()),
        leaf => match (leaf, hints.next()) {
            (Utf8, _) => Utf8View,
            (Binary, _) => BinaryView,
            (Int64, Some(hint @ (Timestamp(..) | Date64))) => hint,
            (Int32, Some(hint @ Time32(_))) => hint,
            (Timestamp(Nanosecond, None), Some(hint @ Timestamp(Microsecond, None))) => hint,
            (leaf, _) => leaf.clone(),
        },
    };
    field.clone().with_data_type(data_type)
}
