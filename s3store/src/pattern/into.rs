//! What a read takes as its patterns.

use std::borrow::Cow;

use super::{IntoSelection, Pattern, Segment, Selection};
use crate::error::{Error, Result};

/// Keeps [`IntoPatterns`] to this crate and to derived builders.
pub trait Sealed {}

/// What selects partitions: a pattern as text, a builder from `T::partitions()`, or several of them.
///
/// Several patterns select what any one of them selects; a partition that more than one selects is read once. No
/// pattern at all (an empty `Vec`) reads nothing.
///
/// # The grammar of text
///
/// A pattern has one segment per column of the partition or view, in the declared order, joined by `/`. A segment is
/// one of
///
/// | segment | selects |
/// |---|---|
/// | `*` | every value |
/// | `name=value` | this value |
/// | `name=start*` | the values that start with `start` |
/// | `name=from..to` | the values `v` with `from <= v < to`, compared byte by byte; either end may be left out |
///
/// and `*` alone (or an empty text) selects everything. Values that hold one of `*?[]{}` can't be written in this
/// grammar; a record's builder can select them.
///
/// Ranges compare text: `9..10` is reversed and refused, and `1..2` holds `10`. They suit ISO dates and zero-padded numbers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` selects no partitions",
    label = "not a pattern",
    note = "give a pattern as text, a builder from `partitions()`, or an array, slice or `Vec` of them"
)]
pub trait IntoPatterns: Sealed + Sized {
    /// The patterns, for partitions of these names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for text that is no pattern over these names, and
    /// for values that no partition can have.
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

/// One selection per column: what a derived builder wraps.
#[derive(Debug, Clone)]
pub struct PatternBuilder {
    names: &'static [&'static str],
    /// As selected; a column that is missing here selects every value.
    selected: Vec<(&'static str, Selection)>,
}

impl PatternBuilder {
    /// Selects everything in partitions of these names.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self { names, selected: Vec::new() }
    }

    /// Narrows the column `name`.
    #[must_use]
    pub fn with<Kind>(mut self, name: &'static str, values: impl IntoSelection<Kind>) -> Self {
        self.selected.push((name, values.into_selection()));
        self
    }

    /// The pattern, for partitions of `names`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a value is illegal or can't be rendered, if a
    /// column was selected twice, and if the builder was made for partitions of other names.
    pub fn into_patterns(self, names: &[&str]) -> Result<Vec<Pattern>> {
        if self.names != names {
            return Err(Error::invalid_input(format!(
                "what is read has the columns {:?}, the builder is one for {:?}: use the builder of the record or \
                 view that is read",
                names.join("/"),
                self.names.join("/"),
            )));
        }
        let mut segments = vec![Segment::Any; names.len()];
        for (name, selection) in self.selected {
            let Some(place) = names.iter().position(|known| *known == name).and_then(|at| segments.get_mut(at)) else {
                return Err(Error::invalid_input(format!("{name:?} is no column of {:?}", names.join("/"))));
            };
            if *place != Segment::Any {
                return Err(Error::invalid_input(format!(
                    "column {name:?} is selected twice: pass one builder for each selection to read both"
                )));
            }
            *place = selection
                .into_segment()
                .map_err(|message| Error::invalid_input(format!("column {name:?}: {message}")))?;
        }
        if segments.iter().all(|segment| *segment == Segment::Any) {
            return Ok(vec![Pattern::everything()]);
        }
        Ok(vec![Pattern::new(segments)])
    }
}
