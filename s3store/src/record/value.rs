//! What is wrong with a single value, and where it stands.

use std::fmt;

/// A value that does not fit its column, or a stored value that does not fit its field.
pub struct ValueError(Box<Inner>);

struct Inner {
    column: String,
    message: String,
    too_large: bool,
}

impl ValueError {
    /// An error with a message in the form `what is wrong`, for instance `7 decimal places, the column holds 6`.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(Box::new(Inner { column: String::new(), message: message.to_string(), too_large: false }))
    }

    /// The values of one array are more than 32-bit offsets can address.
    #[cold]
    pub(crate) fn too_large(message: impl fmt::Display) -> Self {
        let mut error = Self::new(message);
        error.0.too_large = true;
        error
    }

    /// A stored null where the field takes none.
    #[cold]
    pub(crate) fn null() -> Self {
        Self::new("null, and the field is neither an Option nor has a default")
    }

    /// A row beyond the array's end.
    #[cold]
    pub(crate) fn no_row(row: usize) -> Self {
        Self::new(format_args!("row {row} is beyond the end of the column"))
    }

    /// Whether fewer rows at once would fit: the values of one array are more than 32-bit offsets can address.
    pub(crate) fn is_too_large(&self) -> bool {
        self.0.too_large
    }

    /// Names the column, or puts the outer column before what is named already: `address.zip`.
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
    /// Counted from 0: in the caller's slice on write, in the batch on read.
    pub row: usize,
    /// What is wrong, and in which column.
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
