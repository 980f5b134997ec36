//! The traits that the derives implement: columns, schema, and the conversion between rows and columns.
//!
//! [`Record`] and [`RootRecord`] are generic and monomorphised, so that no value needs a dispatch on its data type. The
//! layers above see only Arrow arrays and a [`Description`].

mod column;
mod derived;
mod describe;
mod encoding;
pub(crate) mod filter;
mod formatted;
mod key;
mod order;
mod partition;
mod rows;
mod selected;
mod types;
mod value;
mod view;
#[cfg(feature = "ballista")]
mod wire;

pub use column::{AsColumn, Column, ColumnType, ColumnWith};
pub use derived::{
    Collect, ColumnDefault, ColumnReader, EnumBuilder, EnumInteger, EnumReader, EnumText, FieldOf, SkippedDefault,
    StructReader, Validity, ViewColumn, ViewResult, assert_entity, assert_version, call_each, collectors,
    encode_columns, enum_from_integer, enum_integer, enum_parts, enum_text, in_column, in_row, open_reader, outlined,
    placeholder, read_outlined, struct_array, texts, tuple_values,
};
#[cfg(feature = "serde")]
pub use derived::{deserialize_enum_integer, deserialize_enum_text, serialize_enum_integer, serialize_enum_text};
pub use describe::{ColumnNode, Description, Key, Names, Rendering, RenderingForm, Role, Shape};
pub(crate) use describe::{DefaultValue, ReadLayout, RowFilter, TimeUnits, per_second};
#[cfg(feature = "decimal")]
pub use encoding::DecimalOf;
pub use encoding::{
    ElementEncoding, Exact, Micro, Milli, Nano, Plain, Precision, Timestamp, Truncate, Unit, With, WithOption,
};
#[cfg(feature = "datafusion")]
pub(crate) use filter::partition_patterns;
pub use filter::{Comparable, ComparedAs, ComparedOrder, Filter, Literal, Operand, TextColumn, TextOrder};
pub(crate) use filter::{Comparison, Predicate, RowSet, Test, Truth};
pub use formatted::{DateParts, DateTimeParts, Formatted, HasParts, TimeParts, push_parts};
pub use key::{DeletionMark, Entity, KeyPart, Keyed, Version, key_error};
pub use order::{
    EntityColumn, EntityOrder, Nullable, Partial, Total, TotalText, Unordered, VersionColumn, VersionOrder,
};
pub use partition::{
    AsValue, ByValue, OrderedValue, PartitionTime, PartitionValue, Unsigned, format_time, in_partition, pad,
    push_padded, push_time,
};
pub(crate) use rows::{BorrowingReader, Indexed, ListRows, MapRows, NullableRows, NumberRows, ReaderRows, ValueRows};
pub use rows::{
    Converted, ConvertedOption, Encoded, FieldForm, InForm, Iter, List, Map, OwnedRows, Reachable, RowColumn,
    RowStruct, Shown, ShownAsHidden, ShownAsItIs, StructRows, WholeRow, fmt_row, hold_column,
};
pub use selected::{AsStored, FieldColumn, SelectionKind, StoredColumn};
pub use types::{AsBytes, AsList, InsertionTime, VecLayout};
pub use value::{RowError, ValueError};
pub use view::{Tuple, View, ViewValue, ViewWriter, all_distinct, parse_enum};

use arrow_array::ArrayRef;

use crate::pattern::IntoPatterns;

/// A type whose values are rows of a dataset: the dataset's record, or a projection of it.
///
/// Implemented by `#[derive(Record)]`; don't implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    note = "a record is a struct with named fields and `#[derive(s3store::Record)]`"
)]
pub trait Record: Sized + Send + 'static {
    /// The record that is written: `Self`, or the record that `Self` is a projection of.
    type Root: RootRecord;

    /// One [`Column`] constant per column, named like the field.
    #[doc(hidden)]
    type Columns: 'static;

    /// The columns, for other derives and for [`Column`] arguments: `<Cost as Record>::COLUMNS.sku`.
    const COLUMNS: Self::Columns;

    /// The builder that selects partitions, with one method per partition column.
    type Partitions: IntoPatterns;

    /// Returns a builder that selects all partitions. Each of its methods restricts one partition column.
    fn partitions() -> Self::Partitions;

    /// Returns the description, which is built once per process.
    #[doc(hidden)]
    fn description() -> &'static Description;

    /// Decodes the rows `rows` of a batch and appends them to `out`. The batch has this record's columns in order, with
    /// their read types ([`ColumnNode::read_type`]). Further columns are ignored.
    #[doc(hidden)]
    fn decode(columns: &[ArrayRef], rows: std::ops::Range<usize>, out: &mut Vec<Self>) -> Result<(), RowError>;
}

/// A record that can be written. Projections don't implement it.
///
/// Implemented by `#[derive(Record)]`; don't implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record that can be written",
    note = "a projection (`projection_of = …`) can only be read, and must be a projection of a record, not of a projection"
)]
pub trait RootRecord: Record<Root = Self> + Sync {
    /// Encodes rows as columns, in the description's order and with the write types. The field marked `inserted_at` is
    /// ignored: its column contains `inserted_at` (microseconds since 1970) in every row. With `only`, encodes just the
    /// columns of that key and returns empty arrays in place of the others.
    ///
    /// If an error is [`ValueError::is_too_large`], the caller should retry with fewer rows: the rows together are too
    /// large, or the only row is.
    #[doc(hidden)]
    fn encode<'a, I>(rows: I, inserted_at: i64, only: Option<&Key>) -> Result<Vec<ArrayRef>, RowError>
    where
        I: ExactSizeIterator<Item = &'a Self> + Clone;

    /// Appends this record's partition key, `name=value/name=value`, to `key`. Does not validate the values.
    #[doc(hidden)]
    fn partition_key(&self, key: &mut String) -> Result<(), ValueError>;

    /// Returns the views that every writer of this record maintains: `#[record(views(…))]`.
    #[doc(hidden)]
    fn views() -> Vec<ViewWriter<Self>> {
        Vec::new()
    }
}
