//! Helpers for the tests of the codec: descriptions without a derive, and values as JSON.

mod corrupt;
mod crafted;
mod digest;
mod foreign;
mod go_files;
mod hostile;
mod opener;
mod order;
mod prune;
mod pyarrow;
mod roundtrip;
mod steps;
mod type_pairs;

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use serde_json::{Value, json};

use super::MemoryReader;
use super::footer::footer_of;
use super::mapping::FilePlan;
use crate::error::Result;
use crate::record::{ColumnNode, DefaultValue, Description, Key, ReadLayout, Shape, ValueError};

type Default = fn() -> Result<ArrayRef, ValueError>;

pub(crate) fn column(name: &'static str, data_type: DataType) -> ColumnNode {
    node(name, Shape::Leaf(data_type))
}

pub(crate) fn node(name: &'static str, shape: Shape) -> ColumnNode {
    ColumnNode::plain(name, shape)
}

pub(crate) fn list(name: &'static str, element: Shape) -> ColumnNode {
    node(name, Shape::List(Box::new(node("element", element))))
}

pub(crate) fn map(name: &'static str, value: Shape) -> ColumnNode {
    node(name, Shape::Map(Box::new(node("value", value))))
}

impl ColumnNode {
    pub(crate) fn null(mut self) -> Self {
        self.nullable = true;
        self
    }

    pub(crate) fn defaulted(mut self, default: Default) -> Self {
        self.default = Some(DefaultValue::Made(default));
        self
    }

    pub(crate) fn aliased(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases.iter().copied().map(Into::into).collect();
        self
    }
}

pub(crate) fn description(columns: Vec<ColumnNode>, key: Option<Key>) -> Description {
    Description::plain("Test", columns, key)
}

pub(crate) fn layout(columns: Vec<ColumnNode>, key: Option<Key>) -> ReadLayout {
    let description = description(columns, key);
    ReadLayout::new(&description, &description)
}

pub(crate) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data")).join(name)
}

pub(crate) fn data_file(name: &str) -> Bytes {
    let path = data(name);
    Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Opens a file without reusing the column mapping of another file.
pub(crate) fn open(file: Bytes, layout: &ReadLayout) -> Result<MemoryReader> {
    let plan = FilePlan::new(footer_of(&file)?, layout, None)?;
    Ok(MemoryReader::new(plan, file))
}

/// Reads all rows of a file as one batch.
pub(crate) fn read(bytes: Bytes, columns: Vec<ColumnNode>) -> Result<RecordBatch> {
    let reader = open(bytes, &layout(columns, None))?;
    let schema = Arc::clone(reader.plan().schema());
    let batches = reader.collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// Returns the value of a row as JSON: 64-bit numbers as text, bytes as hex, decimals without the decimal point.
pub(crate) fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let integer = || cast(array, &DataType::Int64).unwrap().as_primitive::<Int64Type>().value(row);
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::BinaryView => hex(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        DataType::Float32 => json!(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::UInt64 => json!(array.as_primitive::<UInt64Type>().value(row).to_string()),
        DataType::Decimal128(..) => json!(array.as_primitive::<Decimal128Type>().value(row).to_string()),
        DataType::Int64 | DataType::Timestamp(..) | DataType::Time64(_) => json!(integer().to_string()),
        DataType::Date32 => json!(array.as_primitive::<arrow_array::types::Date32Type>().value(row)),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        DataType::Map(..) => {
            let pairs = array.as_map().value(row);
            let (keys, values) = (pairs.column(0).as_string_view(), pairs.column(1));
            (0..pairs.len()).map(|pair| (keys.value(pair).to_owned(), value(values, pair))).collect()
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            fields.iter().zip(columns).map(|(field, column)| (field.name().clone(), value(column, row))).collect()
        }
        _ => json!(integer()),
    }
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Returns the rows of a batch as JSON objects.
pub(crate) fn rows(batch: &RecordBatch) -> Vec<Value> {
    let array: ArrayRef = Arc::new(arrow_array::StructArray::from(batch.clone()));
    (0..batch.num_rows()).map(|row| value(&array, row)).collect()
}
