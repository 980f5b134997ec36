//! Which refs a poll takes, and where that leaves it. Pure.

use crate::error::Result;
use crate::format::{AttemptId, Offset, PartitionKey, Prefix, RefName};

/// Between which offsets refs are taken, and how many.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Refs behind this.
    pub(super) after: Offset,
    /// Refs before this.
    pub(super) until: Option<Offset>,
    /// No ref behind this: it is not settled.
    pub(super) cutoff: String,
    pub(super) limit: usize,
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It took as many refs as it may.
    Limit,
    /// The next ref is not settled; its microseconds, if it has any.
    Unsettled(Option<i64>),
    /// It came to its upper bound.
    Until,
    /// There is no further ref.
    Tip,
}

/// A ref that counts if its commit names its attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ref {
    pub(super) key: String,
    pub(super) micros: i64,
    pub(super) attempt: AttemptId,
    pub(super) partition: PartitionKey,
    pub(super) commit_key: String,
    pub(super) data_key: String,
}

/// A walk along the refs, as their keys come in.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    prefix: &'a Prefix,
    names: &'a [&'a str],
    bounds: &'a Bounds,
    taken: usize,
    next: Offset,
    malformed: u64,
    end: Option<End>,
}

/// Where a walk has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walked {
    /// Behind every ref that was taken, malformed ones too.
    pub(super) next: Offset,
    pub(super) malformed: u64,
    pub(super) end: End,
}

impl<'a> Walk<'a> {
    pub(super) fn new(prefix: &'a Prefix, names: &'a [&'a str], bounds: &'a Bounds) -> Self {
        Self { prefix, names, bounds, taken: 0, next: bounds.after.clone(), malformed: 0, end: None }
    }

    /// Takes the keys of a page, in order; `last` says that there is no further page.
    pub(super) fn page(&mut self, keys: impl IntoIterator<Item = String>, last: bool) -> Vec<Ref> {
        let mut refs = Vec::new();
        for key in keys {
            self.end = self.end_at(&key);
            if self.end.is_some() {
                return refs;
            }
            // A server that takes the place to start after for the first key.
            if key.as_str() <= self.next.as_str() {
                continue;
            }
            refs.extend(self.take(key));
        }
        if last {
            self.end = Some(End::Tip);
        } else if self.taken == self.bounds.limit {
            self.end = Some(End::Limit);
        }
        refs
    }

    fn end_at(&self, key: &str) -> Option<End> {
        let Bounds { until, cutoff, limit, .. } = self.bounds;
        if key > cutoff.as_str() {
            return Some(End::Unsettled(self.prefix.offset_micros(key)));
        }
        if until.as_ref().is_some_and(|until| key >= until.as_str()) {
            return Some(End::Until);
        }
        (self.taken == *limit).then_some(End::Limit)
    }

    fn take(&mut self, key: String) -> Option<Ref> {
        self.taken += 1;
        self.next = Offset::of(key.clone());
        let found = self.parse(&key);
        if let Err(why) = &found {
            self.malformed += 1;
            tracing::warn!(key, why, "a ref is passed over");
        }
        found.ok()
    }

    fn parse(&self, key: &str) -> Result<Ref, String> {
        let RefName { micros, token, attempt, partition } =
            self.prefix.parse_ref_key(key).ok_or("its name does not parse")?;
        let keys = || -> Result<_> {
            let partition = PartitionKey::parse(partition.as_str(), self.names)?;
            let commit_key = self.prefix.commit_key(&partition, &token)?;
            let data_key = self.prefix.data_key(&partition, &token, attempt)?;
            Ok(Ref { key: key.to_owned(), micros, attempt, partition, commit_key, data_key })
        };
        keys().map_err(|error| error.to_string())
    }

    /// How many refs were taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Why the walk has ended; `None` while it goes on.
    pub(super) fn ended(&self) -> Option<Walked> {
        let end = self.end?;
        Some(Walked { next: self.next.clone(), malformed: self.malformed, end })
    }
}

#[cfg(test)]
mod tests;
