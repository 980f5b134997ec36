//! Selection of partitions: patterns as text, typed selections, and the LIST requests for them.
//!
//! A [`Pattern`] has one segment per partition column. The same grammar selects markers of a view, with one segment per
//! view column. A pattern is parsed from text (`Pattern::parse`) or built by a derived builder. `ListPlan` turns patterns
//! into LIST prefixes. This module does no I/O.
//!
//! # Derived builders
//!
//! For `partition_by(charge_period, day = format(calculated_at, "%Y-%m-%d"))` the derive generates the builder below. All
//! names are re-exported in `s3store::__private`.
//!
//! ```text
//! /// Selects partitions of `Cost`.
//! #[derive(Debug, Clone)]
//! pub struct CostPartitions(__private::PatternBuilder);
//!
//! impl CostPartitions {
//!     /// Selects by `charge_period`: an exact value, `prefix("…")`, or a half-open range.
//!     #[must_use]
//!     pub fn charge_period(self, values: impl __private::IntoSelection<__private::Text>) -> Self {
//!         Self(self.0.with("charge_period", values))
//!     }
//!
//!     /// Selects by `day`: …
//!     #[must_use]
//!     pub fn day(self, values: impl __private::IntoSelection<__private::Rendered<CostDay>>) -> Self {
//!         Self(self.0.with("day", values))
//!     }
//! }
//!
//! impl __private::Sealed for CostPartitions {}
//! impl __private::IntoPatterns for CostPartitions {
//!     fn into_patterns(self, names: &[&str]) -> s3store::Result<Vec<__private::Pattern>> {
//!         self.0.into_patterns(names)
//!     }
//! }
//!
//! // Record::partitions():
//! CostPartitions(__private::PatternBuilder::new(&["charge_period", "day"]))
//!
//! // Renders the column `day`. The type has no values.
//! #[derive(Debug)]
//! pub enum CostDay {}
//! impl __private::PartitionFormat for CostDay {
//!     type Value = DateTime<Utc>;
//!     fn render(value: &Self::Value) -> s3store::Result<String> { … }
//! }
//! impl __private::Ordered for CostDay {} // only if the text sorts like the values; enables ranges
//! ```
//!
//! - `with` takes the column's name in the partition key, which can differ from the method's name.
//! - [`Text`] is the kind of string columns. All other values are [`Rendered`] by a [`PartitionFormat`].
//! - The builder reports no errors. An illegal value, a failed rendering or a column that is selected twice is reported by
//!   the read, as [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).

mod filter;
mod grammar;
mod index;
mod into;
mod plan;
mod selection;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use filter::PartitionFilter;
pub use into::IntoPatterns;
#[doc(hidden)]
pub use into::{PatternBuilder, Sealed};
pub(crate) use plan::{ListPlan, Listing};
pub use selection::{
    Discrete, IntoSelection, Ordered, PartitionFormat, Rendered, Selection, Text, TextConversion, ValuePrefix, prefix,
};

/// A set of partitions: those whose values are all selected by their segments.
///
/// It is parsed from text or built by a record's builder. Callers never name this type.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// One segment per column, in order. An empty list selects every partition key, of any shape.
    segments: Vec<Segment>,
}

/// The values that one segment of a pattern selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Segment {
    /// Every segment, with any name: `*`.
    Any,
    /// One value: `name=value`.
    Exact(String),
    /// The values that start with a string: `name=start*`.
    Prefix(String),
    /// The values in a half-open range, compared as bytes: `name=from..to`. A missing end is unbounded.
    Range { from: Option<String>, to: Option<String> },
}

impl Segment {
    fn selects(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => value == exact,
            Self::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Self::Range { from, to } => {
                from.as_deref().is_none_or(|from| from <= value) && to.as_deref().is_none_or(|to| value < to)
            }
        }
    }

    /// Returns whether the key segment `text` belongs to the column `name` and has a selected value.
    #[cfg(test)]
    fn matches(&self, text: &str, name: &str) -> bool {
        matches!(self, Self::Any)
            || text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).is_some_and(|value| self.selects(value))
    }

    /// Returns the common start of all selected values, or `None` if it doesn't narrow a LIST.
    fn common_start(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Exact(text) | Self::Prefix(text) => Some(text),
            Self::Range { from, to } => {
                Some(shared_start(from.as_deref()?, to.as_deref()?)).filter(|start| !start.is_empty())
            }
        }
    }
}

impl Pattern {
    /// Returns the pattern that selects every key, including keys with another shape than the dataset's.
    pub(crate) fn everything() -> Self {
        Self { segments: Vec::new() }
    }

    /// Returns the pattern that selects every key with this number of columns.
    pub(crate) fn all(columns: usize) -> Self {
        Self { segments: vec![Segment::Any; columns] }
    }

    /// Returns a pattern with one segment per column name.
    pub(crate) fn new(segments: Vec<Segment>) -> Self {
        Self { segments }
    }

    /// Returns whether the pattern selects the partition key `key`. `names` are the column names of the pattern.
    #[cfg(test)]
    pub(crate) fn matches(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        if self.segments.is_empty() {
            return true;
        }
        let mut texts = key.split('/');
        let mut segments = self.segments.iter().zip(names);
        segments.all(|(segment, name)| texts.next().is_some_and(|text| segment.matches(text, name.as_ref())))
            && texts.next().is_none()
    }

    /// Returns the longest prefix that all keys below selected partitions share, relative to the root of the tree: the
    /// leading exact segments, then the start of the next segment.
    pub(crate) fn list_prefix(&self, names: &[impl AsRef<str>]) -> String {
        let mut prefix = String::new();
        for (segment, name) in self.segments.iter().zip(names) {
            let Some(start) = segment.common_start() else { break };
            prefix.extend([name.as_ref(), "=", start]);
            if !matches!(segment, Segment::Exact(_)) {
                break;
            }
            prefix.push('/');
        }
        prefix
    }
}

/// Returns the longest start that two texts share.
pub(crate) fn shared_start<'a>(a: &'a str, b: &str) -> &'a str {
    let len = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    a.get(..len).unwrap_or_default()
}
