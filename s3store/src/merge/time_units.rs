//! Unifies files that differ in the unit of a time column.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use crate::error::{Error, Result};

/// Returns the schema with the finest unit of each time column, or `None` if there are no schemas.
pub(super) fn common_schema(schemas: impl IntoIterator<Item = SchemaRef>) -> Option<SchemaRef> {
    schemas.into_iter().reduce(|common, schema| {
        if schema == common {
            return common;
        }
        let fields = common.fields().iter().zip(schema.fields());
        Arc::new(Schema::new(fields.map(|(a, b)| finest_field(a, b)).collect::<Fields>()))
    })
}

/// Casts a batch to a schema that differs only in units of time.
///
/// # Errors
/// `InvalidData` if a timestamp is out of range in the finer unit.
pub(super) fn cast_batch(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        cast_with_options(column, field.data_type(), &options).map_err(|error| {
            let reason = "a time does not fit the finer unit that another file of the partition has";
            Error::invalid_data(format!("column {}: {reason}", field.name())).with_source(error)
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(super::unmergeable)
}

fn finest_field(a: &Arc<Field>, b: &Arc<Field>) -> Arc<Field> {
    match finest(a.data_type(), b.data_type()) {
        Some(data_type) => Arc::new(a.as_ref().clone().with_data_type(data_type)),
        None => Arc::clone(a),
    }
}

/// Returns the type with the finer unit if two types, or types nested in them, differ in the unit of a time.
fn finest(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{List, Map, Struct, Time32, Time64, Timestamp};
    match (a, b) {
        (Timestamp(have, zone), Timestamp(other, _)) => Some(Timestamp(*have.max(other), zone.clone())),
        (Time32(have) | Time64(have), Time32(other) | Time64(other)) => Some(if have > other { a } else { b }.clone()),
        (List(a), List(b)) => Some(List(finest_field(a, b))),
        (Map(a, sorted), Map(b, _)) => Some(Map(finest_field(a, b), *sorted)),
        (Struct(a), Struct(b)) => Some(Struct(a.iter().zip(b).map(|(a, b)| finest_field(a, b)).collect())),
        _ => None,
    }
}
