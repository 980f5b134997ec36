//! Columns of structs.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::Fields;

use crate::record::types::{NullMask, NullsBuilder, invalid_array, mismatch};
use crate::record::{ColumnNode, Shape, ValueError};

/// A builder of a struct column's null mask.
#[derive(Debug)]
pub struct Validity {
    rows: usize,
    nulls: NullsBuilder,
}

impl Validity {
    /// Returns an empty builder.
    #[must_use]
    pub fn new(_rows: usize) -> Self {
        Self { rows: 0, nulls: NullsBuilder::default() }
    }

    /// Appends a row that is not null.
    #[inline]
    pub fn append_non_null(&mut self) {
        self.rows += 1;
    }

    /// Appends a null.
    #[inline]
    pub fn append_null(&mut self) {
        self.nulls.push_null(self.rows);
        self.rows += 1;
    }
}

/// Returns the array of a struct of this shape, built from the arrays of its fields.
///
/// # Errors
/// The arrays don't match the fields.
pub fn struct_array(shape: Shape, children: Vec<ArrayRef>, validity: Validity) -> Result<ArrayRef, ValueError> {
    let Shape::Struct(nodes) = shape else {
        return Err(ValueError::new("is not described as a struct"));
    };
    let fields: Fields = nodes.iter().map(ColumnNode::write_field).collect();
    let nulls = validity.nulls.finish(validity.rows);
    let array = StructArray::try_new_with_length(fields, children, nulls, validity.rows).map_err(invalid_array)?;
    Ok(Arc::new(array))
}

/// A reader of a struct column: its null mask and its fields' arrays.
#[derive(Debug)]
pub struct StructReader {
    children: Vec<ArrayRef>,
    nulls: NullMask,
}

impl StructReader {
    /// Returns a reader of a struct's array.
    ///
    /// # Errors
    /// The array has another type.
    pub fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let Some(array) = array.as_any().downcast_ref::<StructArray>() else {
            return Err(mismatch(array, &"a struct"));
        };
        Ok(Self { children: array.columns().to_vec(), nulls: NullMask::of(array) })
    }

    /// Returns the arrays of the fields, and which rows are null.
    pub(crate) fn into_parts(self) -> (Vec<ArrayRef>, NullMask) {
        (self.children, self.nulls)
    }

    /// Returns the array of a field.
    ///
    /// # Errors
    /// The field was not read.
    pub fn child(&self, index: usize) -> Result<&ArrayRef, ValueError> {
        self.children.get(index).ok_or_else(|| ValueError::new("is not among the fields that were read"))
    }

    /// Returns whether the row is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    /// Returns an error if the row is null.
    ///
    /// # Errors
    /// The row is null.
    #[inline]
    pub fn not_null(&self, row: usize) -> Result<(), ValueError> {
        if self.nulls.is_null(row) { Err(ValueError::null()) } else { Ok(()) }
    }
}
