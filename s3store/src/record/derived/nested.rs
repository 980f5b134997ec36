//! Structs inside columns.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::Fields;

use crate::record::types::{NullMask, NullsBuilder, invalid_array, mismatch};
use crate::record::{ColumnNode, Shape, ValueError};

/// Collects which rows of a struct are null.
#[derive(Debug)]
pub struct Validity {
    rows: usize,
    nulls: NullsBuilder,
}

impl Validity {
    /// For `rows` rows.
    #[must_use]
    pub fn new(_rows: usize) -> Self {
        Self { rows: 0, nulls: NullsBuilder::default() }
    }

    /// Appends a row that holds a struct.
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

/// The array of a struct of this shape, from those of its fields.
///
/// # Errors
/// The arrays are not those of the fields.
pub fn struct_array(shape: Shape, children: Vec<ArrayRef>, validity: Validity) -> Result<ArrayRef, ValueError> {
    let Shape::Struct(nodes) = shape else {
        return Err(ValueError::new("is described as no struct"));
    };
    let fields: Fields = nodes.iter().map(ColumnNode::write_field).collect();
    let nulls = validity.nulls.finish(validity.rows);
    let array = StructArray::try_new_with_length(fields, children, nulls, validity.rows).map_err(invalid_array)?;
    Ok(Arc::new(array))
}

/// Reads which rows of a struct are null; leads to its fields.
#[derive(Debug)]
pub struct StructReader {
    children: Vec<ArrayRef>,
    nulls: NullMask,
}

impl StructReader {
    /// Of a struct's array.
    ///
    /// # Errors
    /// The array has another type.
    pub fn new(array: &ArrayRef) -> Result<Self, ValueError> {
        let Some(array) = array.as_any().downcast_ref::<StructArray>() else {
            return Err(mismatch(array, &"a struct"));
        };
        Ok(Self { children: array.columns().to_vec(), nulls: NullMask::of(array) })
    }

    /// The array of a field.
    ///
    /// # Errors
    /// There is none.
    pub fn child(&self, index: usize) -> Result<&ArrayRef, ValueError> {
        self.children.get(index).ok_or_else(|| ValueError::new("is not among the fields that were read"))
    }

    /// Whether the row is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    /// Refuses a null.
    ///
    /// # Errors
    /// The row is null.
    #[inline]
    pub fn not_null(&self, row: usize) -> Result<(), ValueError> {
        if self.nulls.is_null(row) { Err(ValueError::null()) } else { Ok(()) }
    }
}
