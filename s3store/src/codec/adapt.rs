//! The columns of a batch as a file has them, to what the reader wants: a tree of small steps, decided beforehand.

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

/// How a column, or a node below one, is brought to its type.
#[derive(Debug)]
pub(super) struct Adapt {
    pub(super) step: Step,
    pub(super) nulls: Nulls,
    /// What comes out.
    pub(super) data_type: DataType,
}

#[derive(Debug)]
pub(super) enum Step {
    Leaf(LeafCast),
    List { field: FieldRef, element: Box<Adapt> },
    Map { entries: FieldRef, fields: Fields, key: Box<Adapt>, value: Box<Adapt> },
    Struct { fields: Fields, members: Vec<Member> },
}

/// What becomes of nulls.
#[derive(Debug)]
pub(super) enum Nulls {
    Keep,
    Refuse,
    /// Replaced by this array's one value.
    Replace(ArrayRef),
}

/// A named column or field, and where it comes from.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) source: Source,
}

#[derive(Debug)]
pub(super) enum Source {
    /// The file has it, at this place among what is read of it.
    Column(usize, Adapt),
    /// The file lacks it.
    Missing(Filler),
}

/// One value for all rows.
#[derive(Debug)]
pub(super) struct Filler {
    value: ArrayRef,
    batch: OnceLock<ArrayRef>,
}

impl Member {
    pub(super) fn data_type(&self) -> &DataType {
        match &self.source {
            Source::Column(_, adapt) => &adapt.data_type,
            Source::Missing(filler) => filler.value.data_type(),
        }
    }

    /// The array for `rows` rows of which `columns` is what the file has. `parent` are the nulls of the struct around.
    pub(super) fn apply(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        parent: Option<&NullBuffer>,
    ) -> Result<ArrayRef, RowError> {
        let array = match &self.source {
            Source::Missing(filler) => filler.repeat(rows).map_err(|error| ValueError::new(error).at_row(0)),
            Source::Column(place, adapt) => match columns.get(*place) {
                Some(column) => adapt.apply(column, parent),
                None => Err(ValueError::new("not among the decoded columns").at_row(0)),
            },
        };
        array.map_err(|error| RowError { value: error.value.in_column(self.name), ..error })
    }
}

impl Filler {
    /// `value` has one element.
    pub(super) fn new(value: ArrayRef) -> Self {
        Self { value, batch: OnceLock::new() }
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

impl Adapt {
    fn apply(&self, array: &ArrayRef, parent: Option<&NullBuffer>) -> Result<ArrayRef, RowError> {
        let adapted = self.step.apply(array)?;
        if adapted.null_count() == 0 {
            return Ok(adapted);
        }
        match &self.nulls {
            Nulls::Keep => Ok(adapted),
            Nulls::Refuse => match first_null(&adapted, parent) {
                Some(row) => {
                    Err(ValueError::new("a null, where the field is no Option and has no default").at_row(row))
                }
                None => Ok(adapted),
            },
            Nulls::Replace(value) => {
                let valid = adapted.nulls().map_or_else(
                    || BooleanArray::from(vec![true; adapted.len()]),
                    |nulls| BooleanArray::new(nulls.inner().clone(), None),
                );
                zip(&valid, &adapted, &Scalar::new(Arc::clone(value))).map_err(|error| ValueError::new(error).at_row(0))
            }
        }
    }
}

/// The first null that no null around it hides.
fn first_null(array: &ArrayRef, parent: Option<&NullBuffer>) -> Option<usize> {
    let nulls = array.nulls()?;
    (0..array.len()).find(|&row| nulls.is_null(row) && parent.is_none_or(|parent| parent.is_valid(row)))
}

impl Step {
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef, RowError> {
        let whole = |error: ArrowError| ValueError::new(error).at_row(0);
        match self {
            Self::Leaf(cast) => cast.apply(array),
            Self::List { field, element } => {
                let list = array.as_list_opt::<i32>().ok_or_else(|| unexpected(array))?;
                let values = element
                    .apply(list.values(), None)
                    .map_err(|error| in_row_of(list.offsets(), named(error, field.name())))?;
                ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned())
                    .map(|list| Arc::new(list) as ArrayRef)
                    .map_err(whole)
            }
            Self::Map { entries, fields, key, value } => {
                let map = array.as_map_opt().ok_or_else(|| unexpected(array))?;
                let part = |adapt: &Adapt, array: &ArrayRef, name: &str| {
                    adapt.apply(array, None).map_err(|error| in_row_of(map.offsets(), named(error, name)))
                };
                let arrays = vec![part(key, map.keys(), "key")?, part(value, map.values(), "value")?];
                let pairs = StructArray::try_new(fields.clone(), arrays, None).map_err(whole)?;
                MapArray::try_new(Arc::clone(entries), map.offsets().clone(), pairs, map.nulls().cloned(), false)
                    .map(|map| Arc::new(map) as ArrayRef)
                    .map_err(whole)
            }
            Self::Struct { fields, members } => {
                let group = array.as_struct_opt().ok_or_else(|| unexpected(array))?;
                let arrays = members
                    .iter()
                    .map(|member| member.apply(group.columns(), group.len(), group.nulls()))
                    .collect::<Result<Vec<_>, _>>()?;
                StructArray::try_new_with_length(fields.clone(), arrays, group.nulls().cloned(), group.len())
                    .map(|group| Arc::new(group) as ArrayRef)
                    .map_err(whole)
            }
        }
    }
}

fn named(error: RowError, name: &str) -> RowError {
    RowError { value: error.value.in_column(name), ..error }
}

/// An error at an element, moved to the row that the element belongs to.
fn in_row_of(offsets: &OffsetBuffer<i32>, error: RowError) -> RowError {
    let element = i32::try_from(error.row).unwrap_or(i32::MAX);
    RowError { row: offsets.partition_point(|&offset| offset <= element).saturating_sub(1), ..error }
}

fn unexpected(array: &ArrayRef) -> RowError {
    ValueError::new(format!("decoded as {}", array.data_type())).at_row(0)
}
