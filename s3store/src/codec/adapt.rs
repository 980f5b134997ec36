//! Converts the decoded columns of a batch to the columns that a reader wants, by a tree of adapters planned once per file.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, MapArray, Scalar, StructArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields};
use arrow_select::take::take;
use arrow_select::zip::zip;

use super::BATCH_ROWS;
use super::cast::LeafCast;
use crate::record::{RowError, ValueError};

/// Converts a column, or a node below one.
#[derive(Debug)]
pub(super) struct NodeAdapter {
    pub(super) conversion: Conversion,
    pub(super) nulls: NullHandling,
    /// The resulting type.
    pub(super) data_type: DataType,
}

/// The conversion of a node's values.
#[derive(Debug)]
pub(super) enum Conversion {
    Leaf(LeafCast),
    List { field: FieldRef, element: Box<NodeAdapter> },
    Map { entries: FieldRef, fields: Fields, key: Box<NodeAdapter>, value: Box<NodeAdapter> },
    Struct { fields: Fields, members: Vec<Member> },
}

/// The handling of nulls in the file.
#[derive(Debug)]
pub(super) enum NullHandling {
    Keep,
    Refuse,
    /// Replaces nulls by the only value of this array.
    Replace(ArrayRef),
}

/// A named column or struct field, with its source.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) name: Cow<'static, str>,
    pub(super) source: MemberSource,
}

/// The source of a member's values.
#[derive(Debug)]
pub(super) enum MemberSource {
    /// A column of the file, by its index among the decoded columns.
    Column(usize, NodeAdapter),
    /// A constant, because the column is missing in the file.
    Missing(Filler),
}

/// A column that has the same value in all rows.
#[derive(Debug)]
pub(super) struct Filler {
    value: ArrayRef,
    /// The value [`BATCH_ROWS`] times, built on first use. Batches are slices of it.
    batch: OnceLock<ArrayRef>,
}

impl Member {
    pub(super) fn data_type(&self) -> &DataType {
        match &self.source {
            MemberSource::Column(_, adapter) => &adapter.data_type,
            MemberSource::Missing(filler) => filler.value.data_type(),
        }
    }

    /// Returns the member's values for `rows` rows. `columns` are the decoded columns, `parent` the nulls of the
    /// enclosing struct.
    pub(crate) fn apply(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        parent: Option<&NullBuffer>,
    ) -> Result<ArrayRef, RowError> {
        let array = match &self.source {
            MemberSource::Missing(filler) => filler.repeat(rows).map_err(|error| ValueError::new(error).at_row(0)),
            MemberSource::Column(index, adapter) => match columns.get(*index) {
                Some(column) => adapter.apply(column, parent),
                None => Err(ValueError::new("the column was not decoded").at_row(0)),
            },
        };
        array.map_err(|error| RowError { value: error.value.in_column(&self.name), ..error })
    }
}

impl Filler {
    /// Returns a filler of `value`, which must have one element.
    pub(super) fn new(value: ArrayRef) -> Self {
        Self { value, batch: OnceLock::new() }
    }

    /// Returns the value, as an array of one element.
    pub(super) fn value(&self) -> &ArrayRef {
        &self.value
    }

    fn repeat(&self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let repeated = |rows: usize| take(&self.value, &UInt32Array::from(vec![0; rows]), None);
        match self.batch.get() {
            Some(batch) if rows <= batch.len() => Ok(batch.slice(0, rows)),
            _ if rows > BATCH_ROWS => repeated(rows),
            _ => {
                let batch = repeated(BATCH_ROWS)?;
                Ok(self.batch.get_or_init(|| batch).slice(0, rows))
            }
        }
    }
}

impl NodeAdapter {
    fn apply(&self, array: &ArrayRef, parent: Option<&NullBuffer>) -> Result<ArrayRef, RowError> {
        let adapted = self.conversion.apply(array)?;
        if adapted.null_count() == 0 {
            return Ok(adapted);
        }
        match &self.nulls {
            NullHandling::Keep => Ok(adapted),
            NullHandling::Refuse => match first_null(&adapted, parent) {
                Some(row) => {
                    Err(ValueError::new("a null, but the field is not an Option and has no default").at_row(row))
                }
                None => Ok(adapted),
            },
            NullHandling::Replace(value) => {
                let valid = adapted.nulls().map_or_else(
                    || BooleanArray::from(vec![true; adapted.len()]),
                    |nulls| BooleanArray::new(nulls.inner().clone(), None),
                );
                zip(&valid, &adapted, &Scalar::new(Arc::clone(value))).map_err(|error| ValueError::new(error).at_row(0))
            }
        }
    }
}

/// Returns the first null that is not inside a null struct.
fn first_null(array: &ArrayRef, parent: Option<&NullBuffer>) -> Option<usize> {
    let nulls = array.nulls()?;
    (0..array.len()).find(|&row| nulls.is_null(row) && parent.is_none_or(|parent| parent.is_valid(row)))
}

impl Conversion {
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef, RowError> {
        // Arrow does not report a row; the error is about the whole array.
        let array_error = |error: ArrowError| ValueError::new(error).at_row(0);
        match self {
            Self::Leaf(cast) => cast.apply(array),
            Self::List { field, element } => {
                let list = array.as_list_opt::<i32>().ok_or_else(|| unexpected(array))?;
                let values = element
                    .apply(list.values(), None)
                    .map_err(|error| in_row_of(list.offsets(), named(error, field.name())))?;
                ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned())
                    .map(|list| Arc::new(list) as ArrayRef)
                    .map_err(array_error)
            }
            Self::Map { entries, fields, key, value } => {
                let map = array.as_map_opt().ok_or_else(|| unexpected(array))?;
                let part = |adapter: &NodeAdapter, array: &ArrayRef, name: &str| {
                    adapter.apply(array, None).map_err(|error| in_row_of(map.offsets(), named(error, name)))
                };
                let arrays = vec![part(key, map.keys(), "key")?, part(value, map.values(), "value")?];
                let pairs = StructArray::try_new(fields.clone(), arrays, None).map_err(array_error)?;
                MapArray::try_new(Arc::clone(entries), map.offsets().clone(), pairs, map.nulls().cloned(), false)
                    .map(|map| Arc::new(map) as ArrayRef)
                    .map_err(array_error)
            }
            Self::Struct { fields, members } => {
                let group = array.as_struct_opt().ok_or_else(|| unexpected(array))?;
                let arrays = members
                    .iter()
                    .map(|member| member.apply(group.columns(), group.len(), group.nulls()))
                    .collect::<Result<Vec<_>, _>>()?;
                StructArray::try_new_with_length(fields.clone(), arrays, group.nulls().cloned(), group.len())
                    .map(|group| Arc::new(group) as ArrayRef)
                    .map_err(array_error)
            }
        }
    }
}

fn named(error: RowError, name: &str) -> RowError {
    RowError { value: error.value.in_column(name), ..error }
}

/// Moves an error from a list's element to the row that contains the element.
fn in_row_of(offsets: &OffsetBuffer<i32>, error: RowError) -> RowError {
    let element = i32::try_from(error.row).unwrap_or(i32::MAX);
    RowError { row: offsets.partition_point(|&offset| offset <= element).saturating_sub(1), ..error }
}

fn unexpected(array: &ArrayRef) -> RowError {
    ValueError::new(format!("the decoder returned {}", array.data_type())).at_row(0)
}
