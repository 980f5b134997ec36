//! Checks if an input makes sense, and reports every mistake at its token.

mod column_type;
mod columns;
mod formats;
mod key;
mod names;
mod partition;
mod projection;
mod record;
mod view;

pub(crate) use column_type::check as column_type;
pub(crate) use record::check as record;
pub(crate) use view::check as view;
