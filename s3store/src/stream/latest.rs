//! The latest record of each entity, kept from the change stream.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use crate::error::Result;
use crate::record::{Entity, Keyed, Version};

/// The latest record of each entity among those that were applied, as a consumer of the change stream sees them.
///
/// A record replaces that of its entity if its version is at least as high. So a record that comes twice, after a restamp
/// or a restart, changes nothing, and an older version that arrives late is ignored. Of different records with one version,
/// the later one in the stream counts. A snapshot takes that in the last file by name, so give each change of an entity a
/// version of its own.
///
/// A record that marks its entity as deleted (`#[record(deleted)]`) takes the entity out. It is kept, so that older versions
/// that arrive late don't bring the entity back.
///
/// It holds one record for each entity in memory. With the feature `serde` it is stored as a list of its records, for a
/// checkpoint beside the offset.
///
/// # Example
/// Exact totals, however often a page comes again:
/// ```
/// # use s3store::chrono::{DateTime, Utc};
/// use std::collections::BTreeMap;
///
/// use s3store::stream::Latest;
/// use s3store::{Offset, Record, Store};
///
/// #[derive(Debug, Record)]
/// #[record(partition_by(customer))]
/// struct Invoice {
///     #[record(entity)]
///     customer: String,
///     #[record(entity)]
///     number: u32,
///     #[record(version)]
///     changed_at: DateTime<Utc>,
///     cents: i64,
/// }
///
/// /// Adds what was committed after `offset` to the totals. Returns the offset to go on at.
/// async fn advance(
///     store: &Store<Invoice>,
///     mut offset: Offset,
///     latest: &mut Latest<Invoice>,
///     totals: &mut BTreeMap<String, i64>,
/// ) -> s3store::Result<Offset> {
///     loop {
///         let page = store.poll_records(&offset).await?;
///         for invoice in page.records {
///             let change = latest.apply(invoice)?;
///             if let Some(before) = change.before {
///                 *totals.entry(before.customer).or_default() -= before.cents;
///             }
///             if let Some(after) = change.after {
///                 *totals.entry(after.customer.clone()).or_default() += after.cents;
///             }
///         }
///         offset = page.next;
///         if page.caught_up {
///             return Ok(offset);
///         }
///     }
/// }
/// #
/// # let (mut latest, mut totals) = (Latest::new(), BTreeMap::<&str, i64>::new());
/// # let mut apply = |number, seconds, cents| {
/// #     let changed_at = DateTime::from_timestamp(seconds, 0).unwrap();
/// #     let change = latest.apply(Invoice { customer: "abc".to_owned(), number, changed_at, cents }).unwrap();
/// #     *totals.entry("abc").or_default() -= change.before.map_or(0, |before| before.cents);
/// #     *totals.entry("abc").or_default() += change.after.map_or(0, |after| after.cents);
/// #     totals["abc"]
/// # };
/// # assert_eq!(apply(1, 5, 500), 500);
/// # assert_eq!(apply(2, 5, 70), 570);
/// # assert_eq!(apply(1, 6, 600), 670);
/// # assert_eq!(apply(1, 5, 500), 670);
/// # assert_eq!(apply(1, 6, 600), 670);
/// ```
pub struct Latest<T> {
    records: BTreeMap<Entity<T>, (Version<T>, T)>,
}

/// The change that a record made to [`Latest`].
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<'a, T> {
    /// The record that was the latest of its entity before. `None` if there was none, if the entity was deleted, or if
    /// nothing changed.
    pub before: Option<T>,
    /// The record that is the latest of its entity now. `None` if the entity is deleted, or if nothing changed: a newer
    /// version had been applied.
    pub after: Option<&'a T>,
}

impl<T: Keyed> Latest<T> {
    /// Creates one without records.
    #[must_use]
    pub fn new() -> Self {
        Self { records: BTreeMap::new() }
    }

    /// Applies the next record of the stream.
    ///
    /// # Errors
    /// Those of [`Keyed::entity`]. Nothing has changed then.
    pub fn apply(&mut self, record: T) -> Result<Change<'_, T>> {
        let (entity, version) = (record.entity()?, record.version()?);
        match self.records.entry(entity) {
            Entry::Vacant(vacant) => {
                let (_, after) = vacant.insert((version, record));
                Ok(Change { before: None, after: present(after) })
            }
            Entry::Occupied(latest) if latest.get().0 > version => Ok(Change { before: None, after: None }),
            Entry::Occupied(latest) => {
                let latest = latest.into_mut();
                let (_, before) = std::mem::replace(latest, (version, record));
                Ok(Change { before: Some(before).filter(|before| !before.is_deleted()), after: present(&latest.1) })
            }
        }
    }

    /// Returns the latest record of an entity. Returns `None` if the entity is deleted.
    #[must_use]
    pub fn get(&self, entity: &Entity<T>) -> Option<&T> {
        self.records.get(entity).and_then(|(_, record)| present(record))
    }

    /// Returns the latest records, in the order of their entities, without deleted entities.
    pub fn records(&self) -> impl Iterator<Item = &T> {
        self.records.values().filter_map(|(_, record)| present(record))
    }

    /// Returns the number of entities, with those that are deleted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns `true` if no record was applied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// Returns the record, unless it marks its entity as deleted.
fn present<T: Keyed>(record: &T) -> Option<&T> {
    Some(record).filter(|record| !record.is_deleted())
}

impl<T: Keyed> Default for Latest<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self { records: self.records.clone() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Latest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.records.values().map(|(_, record)| record)).finish()
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> serde::Serialize for Latest<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.records.values().map(|(_, record)| record))
    }
}

#[cfg(feature = "serde")]
impl<'de, T: Keyed + serde::Deserialize<'de>> serde::Deserialize<'de> for Latest<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latest = Self::new();
        for record in <Vec<T> as serde::Deserialize>::deserialize(deserializer)? {
            latest.apply(record).map_err(serde::de::Error::custom)?;
        }
        Ok(latest)
    }
}
