//! Checks of a record or a projection.

use std::collections::HashSet;

use quote::ToTokens;

use super::{columns, key, partition, projection};
use crate::ctxt::Ctxt;
use crate::model::Record;

/// Checks a struct with `#[derive(Record)]`.
pub(crate) fn check(cx: &Ctxt, record: &Record<'_>) {
    if record.columns().next().is_none() {
        let message = match record.fields.is_empty() {
            true => "a record needs at least one field",
            false => "a record needs at least one column, but every field is skipped",
        };
        return cx.error(record.ident, message);
    }
    if record.root().is_some() {
        return projection::check(cx, record);
    }
    columns::check(cx, &record.fields);
    key::check(cx, record);
    partition::check(cx, record);
    views(cx, record);
}

/// Checks that each view is listed once. The compiler checks that each is a view of this record.
fn views(cx: &Ctxt, record: &Record<'_>) {
    let mut seen = HashSet::new();
    for view in record.views() {
        if !seen.insert(view.to_token_stream().to_string()) {
            let name = view.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
            cx.error(view, format!("the view `{name}` is listed twice: remove one"));
        }
    }
}
