//! Materialized views: look-ups of tuples, and backfills.
//!
//! Writers keep an empty object, a marker, for each distinct tuple of a view. [`ViewReader::lookup`] lists them without
//! reading a data file. [`ViewReader::backfill`] puts the markers of records that were written before the view was
//! added.

mod backfill;
mod lookup;

use std::fmt;
use std::marker::PhantomData;

pub use self::backfill::{Backfill, BackfillError, BackfillProgress, Backfilled, FailedFile};
pub use self::lookup::Lookup;
#[cfg(feature = "datafusion")]
pub(crate) use self::lookup::tuples;
use crate::dataset::Dataset;
use crate::pattern::IntoPatterns;
use crate::record::{Record, View};

impl Dataset {
    /// Returns a handle for a view of the dataset's records. Sends nothing.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset) -> Result<(), Box<dyn std::error::Error>> {
    /// use s3store::{Record, View};
    ///
    /// #[derive(Record)]
    /// #[record(partition_by(day), views(SkuDays))]
    /// struct Cost {
    ///     day: String,
    ///     sku: String,
    ///     net_cost: f64,
    /// }
    ///
    /// #[derive(View)]
    /// #[view(of = Cost, name = "sku_days")]
    /// struct SkuDays {
    ///     sku: String,
    ///     day: String,
    /// }
    ///
    /// let days: Vec<SkuDays> = dataset.view::<SkuDays>().lookup("sku=SKU-1/*").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn view<V: View>(&self) -> ViewReader<V> {
        ViewReader { dataset: self.clone(), view: PhantomData }
    }
}

/// A handle for a view of a dataset, made by [`Dataset::view`]. It looks tuples up, and backfills them.
pub struct ViewReader<V> {
    dataset: Dataset,
    view: PhantomData<fn() -> V>,
}

impl<V: View> ViewReader<V> {
    /// Returns the tuples that the patterns select, each once. Await the returned builder for a `Vec<V>`, or take its
    /// [`stream`](Lookup::stream).
    ///
    /// Patterns have the grammar of [`Store::read`](crate::Store::read) and name the view's columns in their order: as
    /// text, `sku=SKU-1/*/*`, or by [`V::patterns()`](View::patterns). Exact values in the leading columns reduce what
    /// is listed.
    ///
    /// The tuples of a write that was reported as committed are found at once, from any process. The result may contain
    /// more: a write puts its markers before it commits, so a tuple may belong to a write that never committed.
    ///
    /// # Order
    /// By the text of the values, column by column. A stream is not ordered.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern is invalid. Nothing was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the values of a marker do not fit the view. The error names
    ///   its key.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request
    ///   or could not be reached.
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops its requests. A look-up changes nothing.
    ///
    /// # Requests
    /// 1 LIST per 1,000 markers, for each pattern that no other pattern covers. The patterns are listed side by side.
    ///
    /// # Example
    /// ```
    /// # async fn example(view: s3store::view::ViewReader<impl s3store::View>) -> s3store::Result<()> {
    /// let tuples = view.lookup(["sku=SKU-1/*/*", "sku=SKU-2/*/*"]).await?;
    /// println!("{} tuples", tuples.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn lookup(&self, patterns: impl IntoPatterns) -> Lookup<V> {
        Lookup::new(self.dataset.clone(), patterns.into_patterns(V::COLUMNS))
    }

    /// Puts the markers of records that were written before the view was added. Await the returned builder, or take its
    /// [`stream`](Backfill::stream), which reports the progress after each partition.
    ///
    /// Patterns select partitions of the record, like those of [`Store::read`](crate::Store::read). To add a view to
    /// existing data, first make every writer maintain it (`#[record(views(…))]`). Then backfill the files that were
    /// [`modified_before`](Backfill::modified_before) the last of the writers was updated.
    ///
    /// Reads every data file, committed or not, because a commit may land after the listing. Look-ups may return tuples
    /// of uncommitted writes anyway. Files that were deleted are skipped, logged and counted.
    ///
    /// A file that does not decode, or that has a row whose tuple no key can contain, does not stop the backfill. If the
    /// file was never committed, it is skipped, logged and counted. Otherwise it is part of the error at the end.
    ///
    /// A backfill may run beside writers, and may be repeated or resumed: markers are empty, so putting one again
    /// changes nothing.
    ///
    /// # Errors
    /// [`BackfillError`] lists the failed files, and what was done nevertheless. Its kind is:
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a pattern is invalid. Nothing was sent.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): committed files do not decode, do not fit the record, or have
    ///   values that a key can't contain. All other files are done.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request
    ///   or could not be reached.
    ///
    /// # Cancel safety
    /// Dropping the future or stream stops the backfill. Markers that have landed stay, and are correct.
    ///
    /// # Requests
    /// 1 LIST per 1,000 objects under the patterns. For each data file 1 GET of its end and, unless that is the entire
    /// file, 1 or more GETs of the view's columns. 1 PUT for each marker. 1 HEAD for each file that can't be read.
    ///
    /// # Example
    /// ```
    /// # async fn example(
    /// #     view: s3store::view::ViewReader<impl s3store::View>,
    /// #     deployed: s3store::chrono::DateTime<s3store::chrono::Utc>,
    /// # ) -> s3store::Result<()> {
    /// let done = view.backfill("day=2026-*").modified_before(deployed).await?;
    /// println!("{} markers of {} files", done.markers, done.files);
    /// # Ok(())
    /// # }
    /// ```
    pub fn backfill(&self, patterns: impl IntoPatterns) -> Backfill<V> {
        let partition_names = &<V::Record as Record>::description().partition;
        Backfill::new(self.dataset.clone(), patterns.into_patterns(&partition_names.texts()))
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
