//! An index of patterns: finds out whether one of many selects a key.

use std::collections::{BTreeMap, HashMap};
use std::str::Split;

use super::{Pattern, Segment};

/// A set of patterns, as a tree with one level per segment.
///
/// A key costs a few look-ups per segment, however many exact values and prefixes the patterns have. Only ranges are
/// compared one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatternIndex {
    /// If `true`, a key of any shape is selected.
    is_everything: bool,
    root: Node,
}

/// The patterns that begin with the same segments, by their next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    /// If `true`, a pattern ends here.
    is_end: bool,
    any: Option<Box<Node>>,
    exact: HashMap<String, Node>,
    prefixes: HashMap<String, Node>,
    ranges: BTreeMap<Segment, Node>,
}

impl PatternIndex {
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let mut index = Self { is_everything: false, root: Node::default() };
        for Pattern { segments } in patterns {
            index.is_everything |= segments.is_empty();
            let last = segments.iter().fold(&mut index.root, Node::child);
            last.is_end = true;
        }
        index
    }

    /// Returns whether one of the patterns selects the key. `names` are the column names of the patterns.
    pub(crate) fn matches(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        self.is_everything || self.root.matches(key.split('/'), names)
    }
}

impl Node {
    fn child(&mut self, segment: &Segment) -> &mut Self {
        match segment {
            Segment::Any => self.any.get_or_insert_default(),
            Segment::Exact(value) => self.exact.entry(value.clone()).or_default(),
            Segment::Prefix(start) => self.prefixes.entry(start.clone()).or_default(),
            Segment::Range { .. } => self.ranges.entry(segment.clone()).or_default(),
        }
    }

    fn matches(&self, mut texts: Split<'_, char>, names: &[impl AsRef<str>]) -> bool {
        let Some(text) = texts.next() else { return self.is_end };
        let Some((name, names)) = names.split_first() else { return false };
        let rest = |node: &Self| node.matches(texts.clone(), names);
        // `*` selects a segment of any name.
        if self.any.as_deref().is_some_and(rest) {
            return true;
        }
        let Some(value) = text.strip_prefix(name.as_ref()).and_then(|text| text.strip_prefix('=')) else {
            return false;
        };
        self.exact.get(value).is_some_and(rest)
            || self.of_prefixes(value).any(rest)
            || self.ranges.iter().any(|(range, node)| range.selects(value) && rest(node))
    }

    /// Returns the patterns with a prefix that the value starts with.
    fn of_prefixes(&self, value: &str) -> impl Iterator<Item = &Self> {
        let ends = value.char_indices().map(|(end, _)| end).chain([value.len()]);
        // Without prefixes, there is nothing to look up.
        let ends = ends.take(if self.prefixes.is_empty() { 0 } else { usize::MAX });
        ends.filter_map(|end| self.prefixes.get(value.get(..end)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    const NAMES: [&str; 2] = ["day", "customer"];

    /// One by one, these would be 40 million comparisons: seconds without optimisation.
    #[test]
    fn twenty_thousand_patterns_over_two_thousand_partitions_are_quick() {
        let exact = |n: usize| Pattern::new(vec![Segment::Any, Segment::Exact(format!("c{n:05}"))]);
        let prefix = |n: usize| Pattern::new(vec![Segment::Any, Segment::Prefix(format!("c{n:05}-"))]);
        let patterns: Vec<Pattern> = (0..10_000).map(exact).chain((10_000..20_000).map(prefix)).collect();
        let keys: Vec<String> = (0..2_000).map(|n| format!("day=2026-03-17/customer=c{:05}-x", n * 15)).collect();
        let clock = Clock::machine();
        let before = clock.monotonic();
        let index = PatternIndex::new(&patterns);
        let built = clock.monotonic() - before;
        let selected = keys.iter().filter(|key| index.matches(key, &NAMES)).count();
        let took = clock.monotonic() - before;
        println!("20,000 patterns: built in {built:?}; with 2,000 keys {took:?}");
        assert_eq!(selected, (10_000..20_000).filter(|n| n % 15 == 0).count());
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
}
