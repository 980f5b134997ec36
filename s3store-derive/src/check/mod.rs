//! Whether what was read makes sense. Every mistake is noted at its token.

mod columns;
mod formats;
mod key;
mod partition;
mod projection;
mod view;

pub(crate) use columns::{columns, decimal_digits, encoding};
pub(crate) use formats::keeps_order;
pub(crate) use view::{Parts, as_strftime, parts, view};

use crate::ctxt::Ctxt;
use crate::model::Record;

/// Checks a record or a projection.
pub(crate) fn record(cx: &Ctxt, record: &Record<'_>) {
    if record.columns().next().is_none() {
        let message = match record.fields.is_empty() {
            true => "a record needs at least one field to be a column",
            false => "every field is skipped: a record needs at least one column",
        };
        return cx.error(record.ident, message);
    }
    if record.root().is_some() {
        projection::check(cx, record);
        return;
    }
    columns(cx, &record.fields);
    key::check(cx, record);
    partition::check(cx, record);
    view::list(cx, record);
}
