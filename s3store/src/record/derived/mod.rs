//! Types and functions that derived code uses.

mod calls;
mod collect;
mod defaults;
#[cfg(feature = "serde")]
mod enum_serde;
mod enums;
mod nested;
mod projection;
mod view;

pub use calls::{assert_entity, assert_version, call_each, in_column, in_row, open_reader, outlined, read_outlined};
pub(crate) use collect::collector;
pub use collect::{Collect, collectors, encode_columns, placeholder};
pub use defaults::{ColumnDefault, SkippedDefault};
#[cfg(feature = "serde")]
pub use enum_serde::{deserialize_enum_integer, deserialize_enum_text, serialize_enum_integer, serialize_enum_text};
pub use enums::{
    EnumBuilder, EnumInteger, EnumReader, EnumText, enum_from_integer, enum_integer, enum_parts, enum_text, texts,
};
pub use nested::{StructReader, Validity, struct_array};
pub use projection::{ColumnReader, FieldOf};
pub use view::{ViewColumn, ViewResult, tuple_values};
