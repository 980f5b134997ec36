//! The inputs of the derives with their attributes, before they are checked.

mod column;
mod field;
mod record;
mod shape;
mod view;

pub(crate) use column::{ColumnItem, Variant};
pub(crate) use field::Field;
pub(crate) use record::Record;
pub(crate) use shape::no_generics;
pub(crate) use view::{View, ViewField};
