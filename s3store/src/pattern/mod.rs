//! Which partitions a read covers: the key pattern grammar, typed selections, and the LISTs that answer them.
//!
//! A [`Pattern`] has one segment per partition column (or per column of a view: the same grammar selects markers).
//! It comes from text, see `Pattern::parse`, or from a derived builder, and `ListPlan` turns many of them into LIST
//! prefixes. Everything here is pure.
//!
//! # What a derived builder looks like
//!
//! For `partition_by(charge_period, day = calculated_at (format "%Y-%m-%d"))` the derive prints this, and nothing else
//! of a builder. All names are re-exported in `s3store::__private`.
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
//! // How the column `day` is rendered: a type of its own, never made.
//! #[derive(Debug)]
//! pub enum CostDay {}
//! impl __private::PartitionFormat for CostDay {
//!     type Value = DateTime<Utc>;
//!     fn render(value: &Self::Value) -> s3store::Result<String> { … }
//! }
//! impl __private::Ordered for CostDay {} // only where the text keeps the order of the values: then ranges compile
//! ```
//!
//! - `with` names the column as it stands in the partition key (which need not be the method's name).
//! - [`Text`] is for columns whose value is a string. Any other value is [`Rendered`] by a [`PartitionFormat`].
//! - Nothing is checked before the read: an illegal value, a rendering that fails, a column selected twice are kept in
//!   the builder and surface as [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).

mod grammar;
mod into;
mod plan;
mod selection;
#[cfg(test)]
mod tests;

pub use into::IntoPatterns;
#[doc(hidden)]
pub use into::{PatternBuilder, Sealed};
pub(crate) use plan::{ListPlan, Listing};
pub use selection::{
    Discrete, IntoSelection, Ordered, PartitionFormat, Rendered, Selection, Text, ValuePrefix, prefix,
};

/// What a read covers: the partitions whose every value is selected by its segment.
///
/// Made from text or by a record's builder; a caller never names it.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// One per name, in order; none at all selects every key, whatever its shape.
    segments: Vec<Segment>,
}

/// The values that one segment of a pattern selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Segment {
    /// Every segment, whatever its name: `*`.
    Any,
    /// One value: `name=value`.
    Exact(String),
    /// The values that start with a text: `name=text*`.
    Prefix(String),
    /// The values in a half-open range, byte by byte: `name=from..to`. A missing end is unbounded.
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

    /// Whether the segment `text` of a key is one of the column `name` with a selected value.
    fn matches(&self, text: &str, name: &str) -> bool {
        matches!(self, Self::Any)
            || text.strip_prefix(name).and_then(|text| text.strip_prefix('=')).is_some_and(|value| self.selects(value))
    }

    /// What every selected value starts with, where that narrows a LIST.
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
    /// Every key, also one that is shaped unlike the dataset's partition keys.
    pub(crate) fn everything() -> Self {
        Self { segments: Vec::new() }
    }

    /// A pattern of one segment per name.
    pub(crate) fn new(segments: Vec<Segment>) -> Self {
        Self { segments }
    }

    /// Whether the partition key `key` is selected. `names` are the ones that the pattern was made for.
    pub(crate) fn matches(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        if self.segments.is_empty() {
            return true;
        }
        let mut texts = key.split('/');
        let mut segments = self.segments.iter().zip(names);
        segments.all(|(segment, name)| texts.next().is_some_and(|text| segment.matches(text, name.as_ref())))
            && texts.next().is_none()
    }

    /// The longest text that every key below a selected partition starts with, relative to the root of the tree:
    /// whole segments as long as they are exact, then the start of the next.
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

fn shared_start<'a>(a: &'a str, b: &str) -> &'a str {
    let len = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    a.get(..len).unwrap_or_default()
}
