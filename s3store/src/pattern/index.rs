//! An index of patterns: finds out whether one of many selects a key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::Split;

use super::{Pattern, Segment};
use crate::format::PartitionKey;

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

    /// Returns prefixes that cover the keys of all selected partitions below `folder`, which is the start of a partition's
    /// key with `names`, up to a `/`. They are sorted, and none is the start of another. If no partition below the folder can
    /// be selected, there are none. If they would be more than `most`, the folder itself is the only one.
    pub(crate) fn prefixes_within(&self, folder: &str, names: &[impl AsRef<str>], most: usize) -> Vec<String> {
        let Some(path) = folder.strip_suffix('/') else { return vec![folder.to_owned()] };
        let depth = path.split('/').count();
        let Some((above, below)) = names.split_at_checked(depth) else { return Vec::new() };
        if !PartitionKey::has_names(path, above) {
            return Vec::new();
        }
        if self.is_everything {
            return vec![folder.to_owned()];
        }
        let mut nodes = vec![&self.root];
        for (text, name) in path.split('/').zip(above) {
            nodes = nodes.into_iter().flat_map(|node| node.children(text, name.as_ref())).collect();
        }
        let mut found = BTreeSet::new();
        if !nodes.into_iter().all(|node| node.add_prefixes(folder, below, most, &mut found)) {
            return vec![folder.to_owned()];
        }
        let mut prefixes: Vec<String> = Vec::new();
        for prefix in found {
            // Byte order puts a prefix directly before the strings that start with it.
            if prefixes.last().is_none_or(|last| !prefix.starts_with(last.as_str())) {
                prefixes.push(prefix);
            }
        }
        prefixes
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
        self.children(text, name.as_ref()).any(|node| node.matches(texts.clone(), names))
    }

    /// Returns the patterns whose first segment selects `text`, by their next one. `*` selects a segment of any name.
    fn children<'a>(&'a self, text: &'a str, name: &str) -> impl Iterator<Item = &'a Self> {
        let value = text.strip_prefix(name).and_then(|text| text.strip_prefix('='));
        let named = value.into_iter().flat_map(|value| {
            let ranges = self.ranges.iter().filter(move |(range, _)| range.selects(value)).map(|(_, node)| node);
            self.exact.get(value).into_iter().chain(self.of_prefixes(value)).chain(ranges)
        });
        self.any.as_deref().into_iter().chain(named)
    }

    /// Adds the prefixes below `folder` that cover what the patterns select there. `names` are those of the rest of the
    /// columns. Returns `false` if they are more than `most`.
    fn add_prefixes(&self, folder: &str, names: &[impl AsRef<str>], most: usize, found: &mut BTreeSet<String>) -> bool {
        let Some((name, names)) = names.split_first() else {
            if self.is_end {
                found.insert(folder.to_owned());
            }
            return found.len() <= most;
        };
        let name = name.as_ref();
        let starts = self.prefixes.keys().map(|start| Some(start.as_str()));
        let starts = starts.chain(self.ranges.keys().map(Segment::common_start)).chain(self.any.iter().map(|_| None));
        for start in starts {
            found.insert(start.map_or_else(|| folder.to_owned(), |start| format!("{folder}{name}={start}")));
            if found.len() > most {
                return false;
            }
        }
        self.exact
            .iter()
            .all(|(value, node)| node.add_prefixes(&format!("{folder}{name}={value}/"), names, most, found))
    }

    /// Returns the patterns with a prefix that the value starts with.
    fn of_prefixes<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a Self> {
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
