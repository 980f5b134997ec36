//! Which prefixes to LIST for many patterns, so that no key is listed twice.

use super::Pattern;

/// The LISTs that answer a set of patterns. No prefix starts with another one's, so each key is listed at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListPlan {
    listings: Vec<Listing>,
}

/// One LIST, and the patterns that its keys are matched against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    prefix: String,
    patterns: Vec<Pattern>,
}

impl ListPlan {
    /// A plan for `patterns`, made for `names`. No pattern, no listing. Listings are in the order of their prefixes.
    pub(crate) fn new(patterns: impl IntoIterator<Item = Pattern>, names: &[impl AsRef<str>]) -> Self {
        let mut wanted: Vec<_> = patterns.into_iter().map(|pattern| (pattern.list_prefix(names), pattern)).collect();
        wanted.sort();
        wanted.dedup();

        let mut listings: Vec<Listing> = Vec::new();
        for (prefix, pattern) in wanted {
            // In byte order a prefix comes right before all that start with it, so the last listing is the one to ask.
            match listings.last_mut() {
                Some(last) if prefix.starts_with(&last.prefix) => last.patterns.push(pattern),
                _ => listings.push(Listing { prefix, patterns: vec![pattern] }),
            }
        }
        for listing in &mut listings {
            if listing.patterns.contains(&Pattern::everything()) {
                listing.patterns = vec![Pattern::everything()];
            }
        }
        Self { listings }
    }

    /// The LISTs to make.
    #[cfg(test)]
    pub(crate) fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// The LISTs to make, owned.
    pub(crate) fn into_listings(self) -> Vec<Listing> {
        self.listings
    }
}

impl Listing {
    /// What to LIST, relative to the root of the tree (`Prefix::data_prefix`, `Prefix::view_prefix`).
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a listed partition key is wanted.
    pub(crate) fn matches(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(key, names))
    }
}
