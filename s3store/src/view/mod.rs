//! Materialized views: looking tuples up, and filling in those of records that were written before a view was.

mod backfill;
mod lookup;

use std::fmt;
use std::marker::PhantomData;

pub use self::backfill::{Backfill, BackfillProgress, Backfilled};
pub use self::lookup::Lookup;
use crate::dataset::Dataset;
use crate::pattern::IntoPatterns;
use crate::record::{Record, View};

impl Dataset {
    /// A view of the dataset's records. Making it costs nothing and sends nothing.
    #[must_use]
    pub fn view<V: View>(&self) -> ViewReader<V> {
        ViewReader { dataset: self.clone(), view: PhantomData }
    }
}

/// A view of a dataset, made by [`Dataset::view`].
pub struct ViewReader<V> {
    dataset: Dataset,
    view: PhantomData<fn() -> V>,
}

impl<V: View> ViewReader<V> {
    /// The tuples that the patterns select, each once. Await the returned builder for a `Vec<V>`, or take its
    /// [`stream`](Lookup::stream).
    ///
    /// Patterns are those of [`Store::read`](crate::Store::read), over the view's columns in their order: as text,
    /// `sku=SKU-1/*/*`, or by [`V::patterns()`](View::patterns). Leading columns that are exact narrow what is listed.
    ///
    /// What a write that was reported as committed holds is found at once, from any process. What is found is a
    /// superset: a write puts its markers before it commits, so a tuple may stand for records that never were.
    ///
    /// # Order
    /// As text, column by column.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern that is none; nothing was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): a marker whose values are none of the view's, by its key.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3's answers.
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. Nothing is changed in any case.
    ///
    /// # Requests
    /// For each pattern that no other covers 1 LIST per 1,000 markers, side by side; nothing else.
    pub fn lookup(&self, patterns: impl IntoPatterns) -> Lookup<V> {
        Lookup::new(self.dataset.clone(), patterns.into_patterns(V::COLUMNS))
    }

    /// Puts the markers of records that were written before the view was. Await the returned builder, or take its
    /// [`stream`](Backfill::stream), which tells of each partition.
    ///
    /// Patterns are over the record's partitions, as those of [`Store::read`](crate::Store::read). To add a view to
    /// data: first have every writer keep it (`#[record(views(…))]`), then fill in
    /// [`modified_before`](Backfill::modified_before) the moment when the last of them did.
    ///
    /// Every data file is taken, committed or not, since a commit may come after the listing: what look-ups find is a
    /// superset anyway. Files that are gone are skipped, logged and counted. It may run beside writers, twice, and again
    /// after it was stopped: markers are empty and always the same.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern that is none, or a value that no key can hold.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): a file that does not decode, or does not fit the record.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3's answers.
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops it. What was put stays, and is right.
    ///
    /// # Requests
    /// 1 LIST per 1,000 objects under the patterns; for each data file 1 GET of its end, and unless that is all of it 1
    /// or more of what the view's columns take; 1 PUT for each marker.
    pub fn backfill(&self, patterns: impl IntoPatterns) -> Backfill<V> {
        let names = <V::Record as Record>::description().partition;
        Backfill::new(self.dataset.clone(), patterns.into_patterns(names))
    }
}

impl<V> Clone for ViewReader<V> {
    fn clone(&self) -> Self {
        Self { dataset: self.dataset.clone(), view: PhantomData }
    }
}

impl<V> fmt::Debug for ViewReader<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewReader").field("view", &std::any::type_name::<V>()).field("dataset", &self.dataset).finish()
    }
}
