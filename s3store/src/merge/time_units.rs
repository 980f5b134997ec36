//! Merges files that differ in the unit of a time column.
//!
//! No 64-bit unit holds both nanoseconds and the year 9999. Keys are therefore compared as instants, and a batch whose
//! times do not fit the finest unit keeps its own.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave_record_batch;

use crate::record::per_second;

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

/// Casts a batch to a schema that differs only in finer units of time. Returns the batch as it is if one of its times is out
/// of range in the finer unit.
pub(super) fn unified(batch: RecordBatch, schema: Option<&SchemaRef>) -> RecordBatch {
    let Some(schema) = schema.filter(|&schema| batch.schema_ref() != schema) else {
        return batch;
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &options));
    let cast =
        columns.collect::<Result<Vec<_>, _>>().and_then(|columns| RecordBatch::try_new(Arc::clone(schema), columns));
    cast.unwrap_or(batch)
}

/// Interleaves rows, each given by a batch and a row in it, as [`interleave_record_batch`] does. Returns one batch, or
/// several if the batches can't have one unit of time.
pub(super) fn interleave(
    batches: &[&RecordBatch],
    rows: &[(usize, usize)],
    common: Option<&SchemaRef>,
) -> Result<VecDeque<RecordBatch>, ArrowError> {
    if batches.windows(2).all(|pair| pair[0].schema_ref() == pair[1].schema_ref()) {
        return Ok([unified(interleave_record_batch(batches, rows)?, common)].into());
    }
    let batches: Vec<RecordBatch> = batches.iter().map(|&batch| unified(batch.clone(), common)).collect();
    let schema = |batch: usize| batches[batch].schema_ref();
    let parts = rows.chunk_by(|&(a, _), &(b, _)| schema(a) == schema(b)).map(|rows| {
        let of_schema = |batch: &usize| rows.first().is_some_and(|&(first, _)| schema(*batch) == schema(first));
        let members: Vec<usize> = (0..batches.len()).filter(of_schema).collect();
        let rows: Vec<_> =
            rows.iter().map(|&(batch, row)| (members.partition_point(|&member| member < batch), row)).collect();
        let members: Vec<_> = members.into_iter().map(|member| &batches[member]).collect();
        interleave_record_batch(&members, &rows)
    });
    parts.collect()
}

/// Returns columns that compare as the given columns do, but do not depend on the unit of a time: a timestamp becomes
/// its seconds and the nanoseconds after them, and a time of day its nanoseconds.
pub(super) fn comparable(columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut comparable = Vec::with_capacity(columns.len());
    for column in columns {
        match column.data_type() {
            DataType::Timestamp(unit, _) => {
                let per_second = per_second(*unit);
                let ticks = cast(&column, &DataType::Int64)?;
                let ticks = ticks.as_primitive::<Int64Type>();
                let seconds: Int64Array = ticks.unary(|tick| tick.div_euclid(per_second));
                let nanos: Int64Array = ticks.unary(|tick| tick.rem_euclid(per_second) * (NANOS / per_second));
                comparable.extend([Arc::new(seconds) as ArrayRef, Arc::new(nanos)]);
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let nanos = cast(&column, &DataType::Time64(TimeUnit::Nanosecond))?;
                comparable.push(nanos);
            }
            _ => comparable.push(column),
        }
    }
    Ok(comparable)
}

const NANOS: i64 = 1_000_000_000;

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
