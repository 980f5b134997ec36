//! Decides which listed partitions a read can use before the listing has ended. Performs no I/O.
//!
//! A read returns partitions in the order of their keys' bytes, which is not the order of the listing. Two orders exist:
//!
//! | order | servers | what comes late |
//! |---|---|---|
//! | by all bytes of the objects' keys | most | `day=1/` follows `day=1-2/` and `day=1.5/`, because `/` follows `-` and `.` |
//! | folder by folder | SeaweedFS | `a=1-2/b=1/` follows `a=1/b=1/`, whose key is greater as `1-` comes before `1/` |
//!
//! The listing does not say which one is the server's, so a partition is used only if neither leaves a smaller one to come.

use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The order in which a server lists keys, as far as the listing has shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListOrder {
    Unknown,
    Bytes,
    Folders,
    /// Neither of both, so only the end of the listing shows that no key is missing.
    Other,
}

/// The place of a listing, and which partitions it can still bring.
#[derive(Debug)]
pub(super) struct KeyOrder {
    /// The number of columns of a partition.
    columns: usize,
    /// The number of leading columns whose values are the same in all keys of the listing.
    fixed: usize,
    order: ListOrder,
    /// The last listed key, without the part that all keys of the dataset share.
    place: Option<String>,
    has_ended: bool,
    /// The partitions that were listed by requests of their own.
    answered: BTreeSet<String>,
    /// The last partition that was used.
    used: Option<String>,
}

/// The decision whether a partition can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No smaller partition can come.
    Ready,
    /// It can be used once it is known whether these partitions exist, or when the listing has passed them.
    Unless(Vec<String>),
    /// More of the listing must come first.
    Wait,
}

impl KeyOrder {
    /// Creates the order of a listing of `prefix` before its first key. Partitions have this number of columns.
    pub(super) fn new(prefix: &str, columns: usize) -> Self {
        Self {
            columns,
            fixed: prefix.matches('/').count(),
            order: ListOrder::Unknown,
            place: None,
            has_ended: false,
            answered: BTreeSet::new(),
            used: None,
        }
    }

    /// Moves on to the next listed key.
    pub(super) fn advance(&mut self, key: &str) {
        if let Some(place) = &self.place
            && folder(place) != folder(key)
        {
            let by_folders = place.split('/').cmp(key.split('/'));
            let shown = match (place.as_str().cmp(key), by_folders) {
                (Ordering::Less, Ordering::Less) => self.order,
                (Ordering::Less, _) => ListOrder::Bytes,
                (_, Ordering::Less) => ListOrder::Folders,
                _ => ListOrder::Other,
            };
            let is_known = self.order != ListOrder::Unknown;
            self.order = if is_known && shown != self.order { ListOrder::Other } else { shown };
        }
        match &mut self.place {
            Some(place) => key.clone_into(place),
            None => self.place = Some(key.to_owned()),
        }
    }

    /// Ends the listing.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Notes that a partition was listed by a request of its own, and either has been added or does not exist. Returns `false`
    /// if the listing was faster.
    pub(super) fn answer(&mut self, key: String) -> bool {
        !self.is_used(&key) && self.answered.insert(key)
    }

    /// Returns whether a partition was listed by a request of its own, so that its objects in the listing don't count.
    pub(super) fn is_answered(&self, key: &str) -> bool {
        self.answered.contains(key)
    }

    /// Returns whether the key is that of the last used partition, or smaller.
    pub(super) fn is_used(&self, key: &str) -> bool {
        self.used.as_deref().is_some_and(|used| key <= used)
    }

    /// Notes that a partition is used. Keys must increase.
    pub(super) fn use_key(&mut self, key: &str) {
        self.used = Some(key.to_owned());
    }

    /// Returns the last used partition.
    pub(super) fn used(&self) -> Option<&str> {
        self.used.as_deref()
    }

    /// Decides about the smallest partition that was listed and is not used yet. `may_exist` returns whether the read selects
    /// a partition.
    pub(super) fn verdict(&self, key: &str, may_exist: impl Fn(&str) -> bool) -> Verdict {
        if self.has_ended {
            return Verdict::Ready;
        }
        let Some(place) = self.place.as_deref() else { return Verdict::Wait };
        // In both orders, the objects of a partition follow each other.
        let is_complete = self.is_answered(key) || folder_of(place, key).is_none();
        // The partition that is being listed may have had no object that counts, so far.
        let is_below = self.reached(place).is_some_and(|reached| reached < key && !self.is_answered(reached));
        let is_wait = !is_complete
            || is_below
            || self.order == ListOrder::Other
            || (self.order != ListOrder::Bytes && self.folders_may_bring_smaller(key, place));
        if is_wait {
            return Verdict::Wait;
        }
        let open: Vec<String> = match self.order {
            ListOrder::Folders => Vec::new(),
            _ => self.open_before(key, place).filter(|open| may_exist(open)).map(str::to_owned).collect(),
        };
        if open.is_empty() { Verdict::Ready } else { Verdict::Unless(open) }
    }

    /// Returns the partition whose objects are being listed.
    fn reached<'a>(&self, place: &'a str) -> Option<&'a str> {
        let (end, _) = place.match_indices('/').nth(self.columns.checked_sub(1)?)?;
        place.get(..end)
    }

    /// Returns whether a listing by folders can still bring a smaller partition.
    ///
    /// Such a partition differs first in a column before the last, by a value that goes on where that of `key` ends, with a
    /// byte below `/`. Its folder follows that of `key`, and the rest of the columns does not matter. Only the first column
    /// that varies need be looked at: the columns after it are in the folder that has passed.
    fn folders_may_bring_smaller(&self, key: &str, place: &str) -> bool {
        if self.fixed + 1 >= self.columns {
            return false;
        }
        let column = |text| str::split(text, '/').nth(self.fixed);
        let (Some(value), Some(reached)) = (column(key), column(place)) else { return true };
        let is_passed = match reached.strip_prefix(value) {
            Some(rest) => rest.as_bytes().first().is_some_and(|byte| *byte > b'/'),
            None => reached > value,
        };
        !is_passed
    }

    /// Returns the partitions below `key` that a listing by bytes may still bring.
    ///
    /// Such a partition is the start of `key`, and its next byte is below `/`. Since it has not passed, it is also the start
    /// of the place. So there are only as many as the place has such bytes.
    fn open_before<'a>(&'a self, key: &'a str, place: &'a str) -> impl Iterator<Item = &'a str> {
        let last = place.split_inclusive('/').take(self.columns.saturating_sub(1)).map(str::len).sum::<usize>();
        let value = place.get(last..).and_then(|text| text.find('=')).map_or(place.len(), |at| last + at + 2);
        let bytes = place.bytes().enumerate().skip(value).take_while(|(_, byte)| *byte != b'/');
        let ends = bytes.filter(|(_, byte)| *byte < b'/').map(|(end, _)| end);
        ends.filter_map(|end| place.get(..end)).filter(move |open| {
            let is_smaller = open.len() < key.len() && key.starts_with(open);
            is_smaller && !self.is_answered(open) && !self.is_used(open)
        })
    }
}

/// Returns a key up to its last `/`.
fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the rest of an object's key if it is below the partition.
fn folder_of<'a>(key: &'a str, partition: &str) -> Option<&'a str> {
    key.strip_prefix(partition)?.strip_prefix('/')
}
