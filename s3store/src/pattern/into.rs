//! Conversion of a read's argument into patterns.

use std::borrow::Cow;

use super::{IntoSelection, Pattern, Segment, Selection};
use crate::error::{Error, Result};

/// Restricts implementations of [`IntoPatterns`] to this crate and to derived builders.
pub trait Sealed {}

/// A selection of partitions: a pattern as text, a builder from `T::partitions()`, or several of either.
///
/// Several patterns select the union of their partitions; a partition that several patterns select is read once. An
/// empty `Vec` selects nothing.
///
/// # Grammar
///
/// A pattern has one segment per column of the partition or view, in the declared order, joined by `/`. A segment is
/// one of:
///
/// | segment | selects |
/// |---|---|
/// | `*` | every value |
/// | `name=value` | this value |
/// | `name=start*` | the values that start with `start` |
/// | `name=from..to` | the values `v` with `from <= v < to`, compared as bytes; either end may be left out |
///
/// The pattern `*` selects everything that has exactly these columns. An empty text is an error. The grammar has no
/// syntax for values that contain one of `*?[]{}`; use the record's builder to select them.
///
/// Ranges compare text: `9..10` is an error because it is reversed, and `1..2` contains `10`. Use ranges for ISO dates and
/// zero-padded numbers.
///
/// # Example
///
/// ```
/// # use s3store::{Record, Result, Store};
/// # #[derive(Record)]
/// # #[record(partition_by(charge_period, customer))]
/// # struct Cost { charge_period: String, customer: String, net: f64 }
/// # async fn example(store: &Store<Cost>) -> Result<()> {
/// let march_of_one = store.read("charge_period=2026-03-01..2026-04-01/customer=abc").await?;
/// let same = store.read(Cost::partitions().charge_period("2026-03-01".."2026-04-01").customer("abc")).await?;
/// let two_days = store.read(["charge_period=2026-03-17/*", "charge_period=2026-03-19/*"]).await?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` selects no partitions",
    label = "not a pattern",
    note = "give a pattern as text, a builder from `partitions()`, or an array, slice or `Vec` of them"
)]
pub trait IntoPatterns: Sealed + Sized {
    /// Returns the patterns for partitions with the columns `names`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a text is not a pattern over these columns, or if a
    /// partition can't have a selected value.
    #[doc(hidden)]
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>>;
}

macro_rules! text_into_patterns {
    ($($text:ty),*) => {$(
        impl Sealed for $text {}
        impl IntoPatterns for $text {
            fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
                Ok(vec![Pattern::parse(&self, names)?])
            }
        }
    )*};
}

text_into_patterns!(&str, String, &String, Cow<'_, str>);

impl<P: Sealed, const N: usize> Sealed for [P; N] {}
impl<P: IntoPatterns, const N: usize> IntoPatterns for [P; N] {
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        all_patterns(self, names)
    }
}

impl<P: Sealed> Sealed for Vec<P> {}
impl<P: IntoPatterns> IntoPatterns for Vec<P> {
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        all_patterns(self, names)
    }
}

impl<P: Sealed> Sealed for &[P] {}
impl<P: IntoPatterns + Clone> IntoPatterns for &[P] {
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        all_patterns(self.iter().cloned(), names)
    }
}

impl<P: Sealed, const N: usize> Sealed for &[P; N] {}
impl<P: IntoPatterns + Clone, const N: usize> IntoPatterns for &[P; N] {
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        self.as_slice().into_patterns(names)
    }
}

impl<P: Sealed> Sealed for &Vec<P> {}
impl<P: IntoPatterns + Clone> IntoPatterns for &Vec<P> {
    fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        self.as_slice().into_patterns(names)
    }
}

fn all_patterns<P: IntoPatterns>(many: impl IntoIterator<Item = P>, names: &[&str]) -> Result<Vec<Pattern>> {
    let mut patterns = Vec::new();
    for one in many {
        patterns.extend(one.into_patterns(names)?);
    }
    Ok(patterns)
}

/// One selection per column. Derived builders wrap this type.
#[derive(Debug, Clone)]
pub struct PatternBuilder {
    names: &'static [&'static str],
    /// The selections in the order of the calls. A column without a selection selects every value.
    selected: Vec<(&'static str, Selection)>,
}

impl PatternBuilder {
    /// Returns a builder for partitions with the columns `names`, which selects everything.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self { names, selected: Vec::new() }
    }

    /// Restricts the column `name` to `values`.
    #[must_use]
    pub fn with<Kind, Takes>(mut self, name: &'static str, values: impl IntoSelection<Kind, Takes>) -> Self {
        self.selected.push((name, values.into_selection()));
        self
    }

    /// Returns the pattern for partitions with the columns `names`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a value is illegal or can't be rendered, if a
    /// column was selected twice, or if the builder belongs to partitions with other columns.
    pub fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        if self.names != names {
            return Err(Error::invalid_input(format!(
                "the builder has the columns {1:?}, the record or view that is read has {0:?}: use its own builder",
                names.join("/"),
                self.names.join("/"),
            )));
        }
        let mut segments = vec![Segment::Any; names.len()];
        for (name, selection) in self.selected {
            let Some(segment) = names.iter().position(|known| *known == name).and_then(|at| segments.get_mut(at))
            else {
                return Err(Error::invalid_input(format!("{name:?} is not a column of {:?}", names.join("/"))));
            };
            if *segment != Segment::Any {
                return Err(Error::invalid_input(format!(
                    "column {name:?} is selected twice: pass one builder for each selection to read both"
                )));
            }
            *segment = selection
                .into_segment()
                .map_err(|message| Error::invalid_input(format!("column {name:?}: {message}")))?;
        }
        if segments.iter().all(|segment| *segment == Segment::Any) {
            return Ok(vec![Pattern::everything()]);
        }
        Ok(vec![Pattern::new(segments)])
    }
}
