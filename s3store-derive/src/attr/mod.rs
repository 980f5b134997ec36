//! Reads attributes into structs that keep each value with its position in the source.
//!
//! This pass reports only syntax errors. The module `check` decides if the attributes make sense together.

mod column;
mod field;
mod keywords;
mod parse;
mod part;
mod record;
mod slot;
mod view;

pub(crate) use column::{ColumnAttrs, VariantAttrs};
pub(crate) use field::{DefaultAttr, FieldAttrs, TimeUnit};
pub(crate) use part::{PartAttr, PartExpr};
pub(crate) use record::RecordAttrs;
pub(crate) use slot::Slot;
pub(crate) use view::{ViewAttrs, ViewFieldAttrs};
