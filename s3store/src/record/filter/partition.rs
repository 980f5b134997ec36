//! The partitions that can contain a row that a predicate keeps.

use std::str::FromStr;

use arrow_schema::DataType;
#[cfg(feature = "datafusion")]
use chrono::TimeDelta;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use uuid::Uuid;

use super::predicate::{Literal, Predicate, Truth};
use crate::record::{ColumnNode, Description, KeyPart, RenderingForm, Shape};

impl Predicate {
    /// Returns whether the partition `key` can contain a row that matches. The columns are those of the record `root`.
    ///
    /// A partition column decides about a column if its text is that of the column's value. Other partition columns, such as
    /// the result of a function, exclude nothing.
    pub(crate) fn can_match_partition(&self, root: &Description, key: &str) -> bool {
        let value_of = |column: usize| {
            let part = (0..root.partition.len()).find(|&part| stored_column(root, part) == Some(column))?;
            let text = key.split('/').nth(part)?.strip_prefix(root.partition.get(part)?.as_ref())?.strip_prefix('=')?;
            stored_value(root.columns.get(column)?, text)
        };
        let truth = self.truth::<bool, std::convert::Infallible>(&mut |&column, test| {
            Ok(match value_of(column) {
                Some(value) => {
                    let result = test.of_value(Some(&Literal::Part(value)));
                    Truth { is_true: result == Some(true), is_false: result == Some(false) }
                }
                None => Truth { is_true: true, is_false: true },
            })
        });
        match truth {
            Ok(truth) => truth.is_true,
            Err(never) => match never {},
        }
    }
}

/// Returns the column of `root` whose stored value a partition column is, as text.
pub(super) fn stored_column(root: &Description, part: usize) -> Option<usize> {
    let rendering = root.rendering.get(part).filter(|one| one.form == RenderingForm::Value && one.is_stored)?;
    match &*rendering.columns {
        [name] => root.columns.iter().position(|column| column.name == *name),
        _ => None,
    }
}

#[cfg(feature = "datafusion")]
/// Returns the text of a column's stored value in a partition key. Returns `None` for types whose values have several texts.
pub(super) fn stored_text(column: &ColumnNode, value: &KeyPart) -> Option<String> {
    let text = match (&column.shape, value) {
        (Shape::Leaf(DataType::Utf8), KeyPart::Text(text)) => (**text).to_owned(),
        (Shape::Leaf(DataType::Boolean), KeyPart::Int(value)) => (*value != 0).to_string(),
        (Shape::Leaf(DataType::Date32), KeyPart::Int(days)) => {
            let days = TimeDelta::try_days(i64::try_from(*days).ok()?)?;
            NaiveDate::default().checked_add_signed(days)?.to_string()
        }
        (Shape::Leaf(integer), KeyPart::Int(value)) if integer.is_integer() => value.to_string(),
        (Shape::Uuid, KeyPart::Bytes(bytes)) => Uuid::from_slice(bytes).ok()?.to_string(),
        _ => return None,
    };
    (stored_value(column, &text).as_ref() == Some(value)).then_some(text)
}

/// Returns the stored value of a column from its text in a partition key. Returns `None` for a text that no value of the
/// column has.
fn stored_value(column: &ColumnNode, text: &str) -> Option<KeyPart> {
    let Shape::Leaf(data_type) = &column.shape else {
        let uuid = Uuid::from_str(text).ok().filter(|uuid| column.shape == Shape::Uuid && uuid.to_string() == text)?;
        return Some(KeyPart::Bytes((*uuid.as_bytes()).into()));
    };
    let seconds = |seconds: i64, nanos| Some(KeyPart::of_time(seconds, nanos));
    let timestamp = |text: &str| {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc();
        seconds(time.timestamp(), time.timestamp_subsec_nanos())
    };
    match data_type {
        DataType::Utf8 => Some(KeyPart::Text(text.into())),
        DataType::Boolean => bool::from_str(text).ok().map(|value| KeyPart::Int(value.into())),
        DataType::Date32 => {
            let days = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.signed_duration_since(NaiveDate::default());
            Some(KeyPart::Int(days.num_days().into()))
        }
        DataType::Timestamp(_, Some(_)) => timestamp(text.strip_suffix('Z')?),
        DataType::Timestamp(_, None) => timestamp(text),
        DataType::Time32(_) | DataType::Time64(_) => {
            let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
            seconds(time.num_seconds_from_midnight().into(), time.nanosecond())
        }
        integer if integer.is_integer() => {
            let value = i128::from_str(text).ok()?;
            (value.to_string() == text).then_some(KeyPart::Int(value))
        }
        _ => None,
    }
}
