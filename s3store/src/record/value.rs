//! Errors about a single value, with its column and row.

use std::fmt;

/// The error for a value that does not fit its column, or a stored value that does not fit its field.
///
/// # Example
/// ```
/// use s3store::column::ValueError;
///
/// let error = ValueError::new("7 decimal places, the column holds 6").in_column("net_cost");
/// assert_eq!(error.to_string(), "column net_cost: 7 decimal places, the column holds 6");
/// ```
pub struct ValueError(Box<Inner>);

struct Inner {
    column: String,
    message: String,
    too_large: bool,
}

impl ValueError {
    /// Creates an error. The message describes the problem, for example `7 decimal places, the column holds 6`.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(Box::new(Inner { column: String::new(), message: message.to_string(), too_large: false }))
    }

    /// Creates the error for an array whose values exceed 32-bit offsets.
    #[cold]
    pub(crate) fn too_large(message: impl fmt::Display) -> Self {
        let mut error = Self::new(message);
        error.0.too_large = true;
        error
    }

    /// Creates the error for a null in a field that can't be null.
    #[cold]
    pub(crate) fn null() -> Self {
        Self::new("null, and the field is neither an Option nor has a default")
    }

    /// Creates the error for a row beyond the end of the array.
    #[cold]
    pub(crate) fn no_row(row: usize) -> Self {
        Self::new(format_args!("row {row} is beyond the end of the column"))
    }

    /// Returns `true` if the values of one array exceed 32-bit offsets, so that encoding fewer rows at once may succeed.
    pub(crate) fn is_too_large(&self) -> bool {
        self.0.too_large
    }

    /// Adds the column. A second call prepends the outer column: `address.zip`.
    #[must_use]
    #[cold]
    pub fn in_column(mut self, column: &str) -> Self {
        self.0.column =
            if self.0.column.is_empty() { column.to_owned() } else { format!("{column}.{}", self.0.column) };
        self
    }

    /// Adds the row, counted from 0.
    #[must_use]
    pub fn at_row(self, row: usize) -> RowError {
        RowError { row, value: self }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.column.is_empty() {
            f.write_str(&self.0.message)
        } else {
            write!(f, "column {}: {}", self.0.column, self.0.message)
        }
    }
}

impl fmt::Debug for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueError({self})")
    }
}

impl std::error::Error for ValueError {}

/// A [`ValueError`] and the row it was found in.
#[derive(Debug)]
pub struct RowError {
    /// The row, counted from 0 in the caller's slice (on write) or in the batch (on read).
    pub row: usize,
    /// The error, with its column.
    pub value: ValueError,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, {}", self.row, self.value)
    }
}

impl std::error::Error for RowError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}
