//! Plans the LIST requests for a set of patterns, so that no key is listed twice.

use std::sync::Arc;

use super::Pattern;
use super::index::PatternIndex;
use crate::format::PartitionKey;

/// The LIST requests for a set of patterns. No prefix is a prefix of another, so each key is listed at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListPlan {
    listings: Vec<Listing>,
}

/// One LIST request and the patterns to match its keys against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    prefix: String,
    patterns: Arc<PatternIndex>,
}

impl ListPlan {
    /// Plans the listings for `patterns` over the columns `names`, in the order of their prefixes. Without patterns there
    /// are no listings.
    pub(crate) fn new(patterns: impl IntoIterator<Item = Pattern>, names: &[impl AsRef<str>]) -> Self {
        let mut wanted: Vec<_> = patterns.into_iter().map(|pattern| (pattern.list_prefix(names), pattern)).collect();
        wanted.sort();
        wanted.dedup();

        let mut groups: Vec<(String, Vec<Pattern>)> = Vec::new();
        for (prefix, pattern) in wanted {
            // Byte order puts a prefix directly before the strings that start with it, so only the last group can cover
            // this prefix.
            match groups.last_mut() {
                Some((last, patterns)) if prefix.starts_with(last.as_str()) => patterns.push(pattern),
                _ => groups.push((prefix, vec![pattern])),
            }
        }
        let listing = |(prefix, patterns): (String, Vec<Pattern>)| Listing {
            prefix,
            patterns: Arc::new(PatternIndex::new(&patterns)),
        };
        Self { listings: groups.into_iter().map(listing).collect() }
    }

    /// Returns the listings.
    #[cfg(test)]
    pub(crate) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Returns the listings by value.
    pub(crate) fn into_listings(self) -> Vec<Listing> {
        self.listings
    }
}

impl Listing {
    /// Returns the prefix to list, relative to the root of the tree (`Prefix::data_prefix`, `Prefix::view_prefix`).
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the number of leading columns whose values are the same in all keys of the listing.
    pub(crate) fn depth(&self) -> usize {
        self.prefix.matches('/').count()
    }

    /// Returns the start of all selected partition keys. Listings that are sorted by it select partitions in key order.
    ///
    /// It is the prefix, but without the `/` after the last column, which a partition's key does not have.
    pub(crate) fn keys_start(&self, names: &[impl AsRef<str>]) -> &str {
        let is_one = self.depth() == names.len();
        self.prefix.strip_suffix('/').filter(|_| is_one).unwrap_or(&self.prefix)
    }

    /// Returns a listing of the same patterns below another prefix.
    pub(crate) fn below(&self, prefix: String) -> Self {
        Self { prefix, patterns: Arc::clone(&self.patterns) }
    }

    /// Returns prefixes that cover the keys of all selected partitions below a folder, at most `most` of them: see
    /// [`PatternIndex::prefixes_within`].
    pub(crate) fn prefixes_within(&self, folder: &str, names: &[impl AsRef<str>], most: usize) -> Vec<String> {
        self.patterns.prefixes_within(folder, names, most)
    }

    /// Returns whether a listed partition is selected: it has exactly these names, and a pattern matches it.
    ///
    /// Without a look at the names, `*` would also select the data of a dataset that is nested in this one, and
    /// partitions that were written with other columns.
    pub(crate) fn selects_partition(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        PartitionKey::has_names(key, names) && self.matches(key, names)
    }

    /// Returns whether one of the patterns selects a listed key. The pattern for everything selects a key of any shape.
    pub(crate) fn matches(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        self.patterns.matches(key, names)
    }
}
