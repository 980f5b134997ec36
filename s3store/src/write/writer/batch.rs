//! The rows of Arrow batches, as records.
//!
//! A batch is read as a file with its columns would be: what reads accept, and how they convert it, is decided by the plan
//! for such a file. Its rows become records in slices, so that a large batch takes little memory besides its own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt64Array};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::take::take;
use parquet::arrow::ArrowWriter;

use crate::codec::{Footer, Mapping};
use crate::error::{Error, Result};
use crate::record::{ColumnNode, DefaultValue, Description, ReadLayout, Record, RowError, Shape, ValueError};

/// How batches with one schema become records.
#[derive(Debug)]
pub(super) struct BatchPlan {
    schema: SchemaRef,
    /// The types that a file's columns would be decoded to.
    decoded: Vec<DataType>,
    /// How columns of those types become the record's.
    mapping: Arc<Mapping>,
}

impl BatchPlan {
    /// Plans batches with these columns.
    ///
    /// # Errors
    /// `InvalidInput` if the record lacks a column, or a file with these columns could not be read as the record.
    pub(super) fn new(schema: SchemaRef, record: &Description) -> Result<Self> {
        let unfit = |reason: &dyn std::fmt::Display| {
            Error::invalid_input(format!("the batch does not fit the record {}: {reason}", record.record))
        };
        let mut unknown = Vec::new();
        add_unknown(&record.columns, schema.fields(), "", &mut unknown);
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            return Err(unfit(&format_args!(
                "the record lacks the columns {names}, so their values would be lost; leave them out of the batch"
            )));
        }
        for field in schema.fields() {
            if has_union(field.data_type()) {
                return Err(unfit(&format_args!("column {}: files can't contain {}", field.name(), field.data_type())));
            }
        }
        let reader = empty_file(&schema).and_then(|file| {
            let footer = Footer::of_file(file.into())?;
            Ok((footer.columns()?, footer.read(&layout(record))?))
        });
        let (columns, reader) = reader.map_err(|error| unfit(&format_args!("as columns of a file: {error}")))?;
        let decoded: Vec<_> = columns.fields().iter().map(|field| field.data_type().clone()).collect();
        for (field, decoded) in schema.fields().iter().zip(&decoded) {
            if !can_cast_types(field.data_type(), decoded) {
                return Err(unfit(&format_args!("column {}: {} can't be read", field.name(), field.data_type())));
            }
        }
        Ok(Self { schema, decoded, mapping: Arc::clone(reader.plan().mapping()) })
    }

    /// Returns whether this is the plan of batches with this schema.
    pub(super) fn fits(&self, schema: &SchemaRef) -> bool {
        Arc::ptr_eq(&self.schema, schema) || self.schema == *schema
    }
}

/// Rows of a batch, all or some adjacent ones.
pub(super) struct BatchRows {
    batch: RecordBatch,
    plan: Arc<BatchPlan>,
    start: usize,
    len: usize,
}

/// The result of [`BatchRows::to_records`].
pub(super) struct BatchRecords<T> {
    /// The records of the first rows.
    pub(super) records: Vec<T>,
    /// The error of the next row, if that row can't become a record.
    pub(super) unfit: Option<ValueError>,
}

impl BatchRows {
    pub(super) fn new(batch: RecordBatch, plan: Arc<BatchPlan>) -> Self {
        Self { start: 0, len: batch.num_rows(), batch, plan }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Leaves the first `count` rows. Returns those after them.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let count = count.min(self.len);
        let (batch, plan) = (self.batch.clone(), Arc::clone(&self.plan));
        let rest = Self { batch, plan, start: self.start + count, len: self.len - count };
        self.len = count;
        rest
    }

    /// Converts rows to records, at least one of them or its error.
    pub(super) fn to_records<T: Record>(&self) -> BatchRecords<T> {
        if let Ok(records) = self.decode(0, self.len) {
            return BatchRecords { records, unfit: None };
        }
        // An error may be about a whole column, and then has no row. So the first row at fault is searched for: the rows
        // before `good` are records, and those from `good` to `bad` are not all.
        let (mut good, mut bad) = (0, self.len);
        while bad - good > 1 {
            let middle = usize::midpoint(good, bad);
            match self.decode::<T>(good, middle) {
                Ok(_) => good = middle,
                Err(_) => bad = middle,
            }
        }
        let mut unfit = self.decode::<T>(good, bad).err().map(|error| error.value);
        let mut end = if unfit.is_some() { good } else { bad };
        loop {
            match self.decode(0, end) {
                Ok(records) => return BatchRecords { records, unfit },
                Err(error) if end <= 1 => return BatchRecords { records: Vec::new(), unfit: Some(error.value) },
                // The rows do not fit together, only in smaller slices.
                Err(_) => (end, unfit) = (end / 2, None),
            }
        }
    }

    fn decode<T: Record>(&self, start: usize, end: usize) -> Result<Vec<T>, RowError> {
        let (first, rows) = (self.start + start, end - start);
        let columns = self.batch.columns().iter().zip(self.plan.schema.fields()).zip(&self.plan.decoded);
        let decoded = columns.map(|((column, field), to)| {
            let cast = rows_of(column, first, rows)
                .and_then(|rows| cast_with_options(&rows, to, &CastOptions { safe: false, ..CastOptions::default() }));
            cast.map_err(|error| ValueError::new(error).in_column(field.name()).at_row(0))
        });
        let decoded = decoded.collect::<Result<Vec<_>, _>>()?;
        let members = self.plan.mapping.members.iter().map(|member| member.apply(&decoded, rows, None));
        let columns = members.collect::<Result<Vec<_>, _>>()?;
        let mut records = Vec::with_capacity(rows);
        T::decode(&columns, 0..rows, &mut records)?;
        Ok(records)
    }
}

/// Returns rows of a column. Below nested types, and for dictionaries, a slice would have the values of all rows, which
/// would be converted for each slice again. So those rows are copied.
fn rows_of(column: &ArrayRef, start: usize, rows: usize) -> Result<ArrayRef, arrow_schema::ArrowError> {
    if let Some(dictionary) = column.as_any_dictionary_opt() {
        return take(dictionary.values(), &dictionary.keys().slice(start, rows), None);
    }
    if column.data_type().is_nested() {
        return take(column, &UInt64Array::from_iter_values((start..start + rows).map(|row| row as u64)), None);
    }
    Ok(column.slice(start, rows))
}

/// Returns the layout of the record's columns. The column of the insertion time may be missing, because a write sets it.
fn layout(record: &Description) -> ReadLayout {
    let mut columns = record.columns.clone();
    if let Some(column) = record.inserted_at.and_then(|index| columns.get_mut(index)) {
        let epoch = || Ok(Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")) as ArrayRef);
        column.default = Some(DefaultValue::Made(epoch));
    }
    ReadLayout::unordered(columns)
}

/// Returns a file without rows that has these columns.
fn empty_file(schema: &SchemaRef) -> Result<Vec<u8>> {
    // Without the metadata of other programs.
    let fields: Fields = schema.fields().iter().cloned().collect();
    let file = ArrowWriter::try_new(Vec::new(), Arc::new(Schema::new(fields)), None).and_then(ArrowWriter::into_inner);
    file.map_err(|error| Error::invalid_input(error.to_string()))
}

/// Adds the names of the fields that a record or struct with these columns lacks.
fn add_unknown(columns: &[ColumnNode], fields: &Fields, path: &str, unknown: &mut Vec<String>) {
    let mut known = vec![None; fields.len()];
    for column in columns {
        let index = column.names().find_map(|name| fields.iter().position(|field| field.name() == name));
        if let Some(slot) = index.and_then(|index| known.get_mut(index)) {
            *slot = Some(column);
        }
    }
    for (field, column) in fields.iter().zip(known) {
        let path = format!("{path}{}", field.name());
        match column {
            Some(column) => add_unknown_below(column, field.data_type(), &path, unknown),
            None => unknown.push(format!("{path:?}")),
        }
    }
}

/// Adds the names of fields below a column that the record lacks.
fn add_unknown_below(column: &ColumnNode, data_type: &DataType, path: &str, unknown: &mut Vec<String>) {
    match (&column.shape, data_type) {
        (_, DataType::Dictionary(_, values)) => add_unknown_below(column, values, path, unknown),
        (Shape::Struct(columns), DataType::Struct(fields)) => {
            add_unknown(columns, fields, &format!("{path}."), unknown);
        }
        (Shape::List(element), _) => {
            if let Some(field) = element_of(data_type) {
                add_unknown_below(element, field.data_type(), &format!("{path}.{}", element.name), unknown);
            }
        }
        (Shape::Map(value), DataType::Map(entries, _)) => {
            if let DataType::Struct(entry) = entries.data_type()
                && let Some(field) = entry.get(1)
            {
                add_unknown_below(value, field.data_type(), &format!("{path}.{}", value.name), unknown);
            }
        }
        _ => {}
    }
}

fn element_of(list: &DataType) -> Option<&Field> {
    match list {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Some(field),
        _ => None,
    }
}

/// Returns whether a type contains a union, for which Arrow's Parquet writer panics.
fn has_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_union(field.data_type())),
        DataType::Map(entries, _) => has_union(entries.data_type()),
        DataType::Dictionary(_, values) => has_union(values),
        DataType::RunEndEncoded(_, values) => has_union(values.data_type()),
        list => element_of(list).is_some_and(|field| has_union(field.data_type())),
    }
}
