//! Markers: one empty object for each tuple of a view, under `<prefix>/_matview/<view>/`.

use super::{Prefix, check_length, check_partition_value};
use crate::error::{Error, Result};

const BASENAME: &str = "m.matview";

/// The greatest length of a marker's key, in bytes.
const MAX_LEN: usize = 1000;

impl Prefix {
    /// Returns the folder of a view's markers: `<prefix>/_matview/<view>/`.
    pub(crate) fn view_prefix(&self, view: &str) -> String {
        format!("{self}/_matview/{view}/")
    }

    /// Returns the folder of all views: `<prefix>/_matview/`.
    pub(crate) fn views_prefix(&self) -> String {
        format!("{self}/_matview/")
    }

    /// Returns whether a key below [`views_prefix`](Self::views_prefix) has the shape of a marker's.
    pub(crate) fn is_marker_key(&self, key: &str) -> bool {
        let rest = self.strip(key).and_then(|rest| rest.strip_prefix("/_matview/"));
        rest.is_some_and(|rest| rest.strip_suffix(BASENAME).is_some_and(|folder| folder.ends_with('/')))
    }

    /// Renders the key of a tuple's marker. The names of view and columns are not checked: the derive has done so.
    ///
    /// # Errors
    /// `InvalidInput` for an illegal value, a wrong number of values, or a key of more than 1,000 bytes.
    pub(crate) fn marker_key(
        &self,
        view: &str,
        columns: &[impl AsRef<str>],
        values: &[impl AsRef<str>],
    ) -> Result<String> {
        if columns.len() != values.len() {
            return Err(Error::invalid_input(format!(
                "view {view:?} has {} columns, not {}",
                columns.len(),
                values.len()
            )));
        }
        let mut key = self.view_prefix(view);
        for (column, value) in columns.iter().zip(values) {
            let (column, value) = (column.as_ref(), value.as_ref());
            check_partition_value(value).map_err(|error| error.context(format!("view {view:?}, column {column:?}")))?;
            key.extend([column, "=", value, "/"]);
        }
        key.push_str(BASENAME);
        check_length(&key, MAX_LEN, "marker").map(|()| key)
    }

    /// Returns the part of a marker's key that patterns match, `col=val/…/col=val`, or `None` if the key is not a
    /// marker of this view.
    pub(crate) fn marker_tuple<'a>(&self, view: &str, key: &'a str) -> Option<&'a str> {
        let rest = self.strip(key)?.strip_prefix("/_matview/")?.strip_prefix(view)?.strip_prefix('/')?;
        rest.strip_suffix(BASENAME)?.strip_suffix('/')
    }

    /// Returns the values of a marker, in the order of `columns`, or `None` if the key is not a marker of this view or
    /// has other columns.
    pub(crate) fn parse_marker_key<'a>(
        &self,
        view: &str,
        columns: &[impl AsRef<str>],
        key: &'a str,
    ) -> Option<Vec<&'a str>> {
        let mut segments = self.marker_tuple(view, key)?.split('/');
        let mut value = |column: &str| {
            let value = segments.next()?.strip_prefix(column)?.strip_prefix('=')?;
            check_partition_value(value).is_ok().then_some(value)
        };
        let values = columns.iter().map(|column| value(column.as_ref())).collect::<Option<Vec<_>>>()?;
        segments.next().is_none().then_some(values)
    }
}
