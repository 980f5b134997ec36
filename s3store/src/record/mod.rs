//! What the derives implement: columns, schema, and the way from rows to columns and back.
//!
//! Typed at the edge, plain behind it: [`Record`] and [`RootRecord`] are generic and monomorphised, with no dispatch on
//! data types per value; what leaves this layer is Arrow arrays and a [`Description`].

mod column;
mod derived;
mod describe;
mod encoding;
mod formatted;
mod order;
mod partition;
mod types;
mod value;
mod view;

pub use column::{AsColumn, Column, ColumnType, ColumnWith};
pub use derived::{
    Collect, ColumnDefault, ColumnReader, EnumBuilder, EnumInteger, EnumReader, EnumText, SkippedDefault, StructReader,
    Validity, ViewColumn, assert_entity, assert_version, call_each, collectors, encode_columns, enum_from_integer,
    in_column, in_row, open_reader, outlined, placeholder, read_outlined, struct_array, tuple_values,
};
pub(crate) use describe::ReadLayout;
pub use describe::{ColumnNode, Description, Key, Shape};
#[cfg(feature = "decimal")]
pub use encoding::DecimalOf;
pub use encoding::{
    ElementEncoding, Exact, Micro, Milli, Nano, Plain, Precision, Timestamp, Truncate, Unit, With, WithOption,
};
pub use formatted::{DateParts, DateTimeParts, Formatted, HasParts, TimeParts, push_parts};
pub use order::{EntityColumn, EntityOrder, Total, Unordered, VersionColumn, VersionOrder};
pub use partition::{
    AsValue, ByValue, PartitionTime, PartitionValue, Unsigned, format_time, in_partition, pad, push_padded, push_time,
};
pub use types::{AsBytes, AsList, InsertionTime, VecLayout};
pub use value::{RowError, ValueError};
pub use view::{Tuple, View, ViewValue, ViewWriter, all_distinct, parse_enum};

use arrow_array::ArrayRef;

use crate::pattern::IntoPatterns;

/// A type whose values are rows of a dataset: either the record itself, or a projection of it.
///
/// Derived by `#[derive(Record)]`, never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no record",
    note = "a record is a struct with named fields and `#[derive(s3store::Record)]`"
)]
pub trait Record: Sized + Send + 'static {
    /// The record that is written: `Self`, or what `Self` is a projection of.
    type Root: RootRecord;

    /// One [`Column`] constant per column, named like the field.
    #[doc(hidden)]
    type Columns: 'static;

    /// The columns, for other derives and for filters: `<Cost as Record>::COLUMNS.sku`.
    const COLUMNS: Self::Columns;

    /// A builder of patterns over the record's partitions, with a method per partition column.
    type Partitions: IntoPatterns;

    /// Selects everything; each method of the builder narrows one partition column.
    fn partitions() -> Self::Partitions;

    /// The plain description, made once per process.
    #[doc(hidden)]
    fn description() -> &'static Description;

    /// Appends the rows `rows` of a batch that has this record's columns, in order, with their read types
    /// ([`ColumnNode::read_type`]). More columns may follow; they are not looked at.
    #[doc(hidden)]
    fn decode(columns: &[ArrayRef], rows: std::ops::Range<usize>, out: &mut Vec<Self>) -> Result<(), RowError>;
}

/// A record that can be written. Projections lack it.
///
/// Derived by `#[derive(Record)]`, never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no record that can be written",
    note = "a projection (`projection_of = …`) is for reading alone, and is made of a record, not of a projection"
)]
pub trait RootRecord: Record<Root = Self> + Sync {
    /// Columns from rows, in the description's order and with the write types. The field marked `inserted_at` is
    /// ignored: its column holds `inserted_at` (microseconds since 1970) in every row. With `only`, the columns of
    /// that key; in the others' places stand arrays of no use.
    ///
    /// An error for which [`ValueError::is_too_large`] holds asks for fewer rows a call: no single value is at fault,
    /// unless it is the only one.
    #[doc(hidden)]
    fn encode<'a, I>(rows: I, inserted_at: i64, only: Option<&Key>) -> Result<Vec<ArrayRef>, RowError>
    where
        I: ExactSizeIterator<Item = &'a Self> + Clone;

    /// Appends this record's partition key, `name=value/name=value`, to `key`. Values are rendered, not validated.
    #[doc(hidden)]
    fn partition_key(&self, key: &mut String) -> Result<(), ValueError>;

    /// The views that every writer of this record keeps, `#[record(views(…))]`.
    #[doc(hidden)]
    fn views() -> Vec<ViewWriter<Self>> {
        Vec::new()
    }
}
