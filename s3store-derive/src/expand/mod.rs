//! Prints the implementations for inputs that passed the checks.

mod builder;
mod column_type;
mod decode;
mod delegate;
mod inputs;
mod key;
mod nested;
mod newtype;
mod partitions;
mod projection;
mod record;
mod rows;
mod tokens;
mod unit_enum;
mod view;

use proc_macro2::TokenStream;

use crate::model::Record;

pub(crate) use column_type::column_type;
pub(crate) use view::view;

/// Returns the implementations for a record or a projection.
pub(crate) fn record(record: &Record<'_>) -> TokenStream {
    match record.root() {
        Some(root) => projection::projection(record, root),
        None => record::record(record),
    }
}
