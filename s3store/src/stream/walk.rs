//! Decides which of the listed refs a poll takes, and at which offset it ends. Sends nothing.

use crate::error::Result;
use crate::format::{AttemptId, Offset, PartitionKey, Prefix, RefName};
use crate::pattern::PartitionFilter;
use crate::record::Names;

/// A walk with a limit stops after this many refs that its filter does not select: 100 LISTs.
pub(super) const MAX_NOT_SELECTED: u64 = 100_000;

/// The range of refs that a poll may take.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Exclusive lower bound.
    pub(super) after: Offset,
    /// Exclusive upper bound.
    pub(super) until: Option<Offset>,
    /// Refs after this key are not settled, so they are not taken.
    pub(super) cutoff: String,
    /// At most this many refs are taken, malformed ones included. `usize::MAX` for all.
    pub(super) limit: usize,
}

/// Why a walk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// It has taken as many refs as its limit allows, or passed [`MAX_NOT_SELECTED`] others.
    Limit,
    /// The next ref is not settled. Holds the ref's time in microseconds, if its name has one.
    Unsettled(Option<i64>),
    /// The next ref is at or after the upper bound.
    Until,
    /// The listing has no further refs.
    Tip,
}

/// A ref with a well-formed name. It is an entry of the stream if its commit exists and names the same attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ref {
    pub(super) key: String,
    pub(super) micros: i64,
    pub(super) attempt: AttemptId,
    pub(super) partition: PartitionKey,
    pub(super) commit_key: String,
    pub(super) data_key: String,
}

/// A walk along the refs of a dataset, in key order, page by page.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    prefix: &'a Prefix,
    partition_names: &'a Names,
    filter: &'a PartitionFilter,
    bounds: &'a Bounds,
    taken: usize,
    next: Offset,
    malformed: u64,
    other_partitions: u64,
    not_selected: u64,
    reason: Option<StopReason>,
}

/// The state of a walk that has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalkEnd {
    /// The last ref that was taken, malformed ones included.
    pub(super) next: Offset,
    pub(super) malformed: u64,
    /// Refs of partitions with other columns than the record type.
    pub(super) other_partitions: u64,
    /// Refs of partitions that the filter does not select.
    pub(super) not_selected: u64,
    pub(super) reason: StopReason,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        prefix: &'a Prefix,
        partition_names: &'a Names,
        filter: &'a PartitionFilter,
        bounds: &'a Bounds,
    ) -> Self {
        Self {
            prefix,
            partition_names,
            filter,
            bounds,
            taken: 0,
            next: bounds.after.clone(),
            malformed: 0,
            other_partitions: 0,
            not_selected: 0,
            reason: None,
        }
    }

    /// Takes the keys of a listed page, in order, and returns the well-formed refs among them. `last` is true for the
    /// last page of the listing.
    pub(super) fn take_page(&mut self, keys: impl IntoIterator<Item = String>, last: bool) -> Vec<Ref> {
        let mut refs = Vec::new();
        for key in keys {
            self.reason = self.reason_to_stop_before(&key);
            if self.reason.is_some() {
                return refs;
            }
            // Some servers return the start-after key itself; skip it.
            if key.as_str() <= self.next.as_str() {
                continue;
            }
            refs.extend(self.take_key(key));
        }
        if last {
            self.reason = Some(StopReason::Tip);
        } else if self.is_at_limit() {
            self.reason = Some(StopReason::Limit);
        }
        refs
    }

    fn reason_to_stop_before(&self, key: &str) -> Option<StopReason> {
        let Bounds { until, cutoff, .. } = self.bounds;
        if key > cutoff.as_str() {
            return Some(StopReason::Unsettled(self.prefix.offset_micros(key)));
        }
        if until.as_ref().is_some_and(|until| key >= until.as_str()) {
            return Some(StopReason::Until);
        }
        self.is_at_limit().then_some(StopReason::Limit)
    }

    fn is_at_limit(&self) -> bool {
        // A window of time has no limit: its caller would take a part of it for the whole.
        let is_far = self.bounds.limit < usize::MAX && self.not_selected >= MAX_NOT_SELECTED;
        is_far || self.taken == self.bounds.limit
    }

    /// Moves past a key. Returns its ref, or counts the key if it is malformed, if its partition has other columns, or if
    /// the filter does not select its partition. Keys of the last kind do not count towards the limit.
    fn take_key(&mut self, key: String) -> Option<Ref> {
        self.next = Offset::of(key.clone());
        let name = self.prefix.parse_ref_key(&key);
        if name.as_ref().is_some_and(|name| self.is_not_selected(name.partition.as_str())) {
            self.not_selected += 1;
            return None;
        }
        self.taken += 1;
        let Some(name) = name else {
            self.skip_malformed(&key, "its name does not parse");
            return None;
        };
        let partition = name.partition.as_str();
        if PartitionKey::has_other_names(partition, self.partition_names) {
            if self.other_partitions == 0 {
                tracing::warn!(key, "skipping refs whose partitions have other columns than the record type");
            }
            self.other_partitions += 1;
            return None;
        }
        let parsed = self.parse(&key, name);
        if let Err(error) = &parsed {
            self.skip_malformed(&key, &error.to_string());
        }
        parsed.ok()
    }

    fn is_not_selected(&self, partition: &str) -> bool {
        PartitionKey::has_names(partition, self.partition_names)
            && !self.filter.selects(partition, self.partition_names)
    }

    fn skip_malformed(&mut self, key: &str, reason: &str) {
        self.malformed += 1;
        tracing::warn!(key, reason, "skipping a malformed ref");
    }

    fn parse(&self, key: &str, name: RefName) -> Result<Ref> {
        let RefName { micros, token, attempt, partition } = name;
        let partition = PartitionKey::parse(partition.as_str(), self.partition_names)?;
        let commit_key = self.prefix.commit_key(&partition, &token)?;
        let data_key = self.prefix.data_key(&partition, &token, attempt)?;
        Ok(Ref { key: key.to_owned(), micros, attempt, partition, commit_key, data_key })
    }

    /// The number of refs taken so far, malformed ones included, without those that the filter does not select.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Returns the end of the walk, or `None` if it needs further pages.
    pub(super) fn end(&self) -> Option<WalkEnd> {
        let reason = self.reason?;
        let Self { malformed, other_partitions, not_selected, .. } = *self;
        Some(WalkEnd { next: self.next.clone(), malformed, other_partitions, not_selected, reason })
    }
}

#[cfg(test)]
mod tests;
