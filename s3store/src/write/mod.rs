//! Writing: group records by partition, encode, commit; restamp and look up commits.

mod attempt;
mod builder;
mod commit;
mod encode;
mod error;
mod finisher;
mod group;
mod judge;
mod late;
mod markers;
mod plan;
mod protocol;
mod restamp;
mod retry;
mod source;
mod token;
mod writer;

use std::sync::Arc;

use self::attempt::CommitSlot;
pub use self::builder::{Write, WritePartition};
pub use self::commit::{Commit, StampedCommit};
#[cfg(feature = "testing")]
pub(crate) use self::encode::encode_file;
pub use self::error::{CommitError, FailedPartition, RestampError, Unknown, WriteError};
use self::group::Group;
pub use self::late::{LateHandling, ReportLate, RestampLate, ReturnStamped};
pub use self::retry::RetryPolicy;
pub use self::token::{IntoToken, NoToken, OneToken, TokenOf, TokenOfContent, Tokens};
pub use self::writer::{Writer, WriterBuilder};
use crate::dataset::{HivePartition, Store};
use crate::error::Result;
use crate::format::{PartitionKey, Token};
use crate::metrics::{Method, Tally};
use crate::record::{Record, RootRecord};

impl<T: RootRecord> Store<T> {
    /// Writes records to their partitions, concurrently: one file and one commit for each. Await the returned builder.
    ///
    /// Returns one [`Commit`] per partition, in key order. If there are no records, it returns no commit and sends
    /// nothing.
    ///
    /// With a token ([`token`](Write::token), [`token_of`](Write::token_of), [`token_opt`](Write::token_opt)) the call
    /// can be repeated until it succeeds, at any later time and from any process. A retry returns the first commit, and
    /// the records exist once. Only the commit of the retry is [`replayed`](Commit::replayed). A retry with other records is an error.
    ///
    /// Everything is validated before the first PUT: partition values, tokens, key lengths, and that every value fits its
    /// column. The records are never changed.
    ///
    /// # Errors
    /// [`WriteError`] lists what is durable. Each partition commits on its own. When one fails, the write cancels those
    /// whose data has not landed, and waits for the others.
    ///
    /// # Late commits
    /// A commit that takes longer than the dataset's commit timeout is late: readers of the change stream may have passed
    /// its offset. The write then restamps it, and returns it once a ref is in time. So readers may receive the records
    /// twice; an entity key collapses them. The same applies to a commit of an earlier call with the token that may have
    /// been late: each call restamps it once, because it can't know of an earlier restamp.
    ///
    /// The write is [late](WriteError::late) only if none of five refs lands in time, or S3 refuses one. Change this by
    /// [`restamp_late`](Write::restamp_late), which also returns the offsets, or by [`report_late`](Write::report_late).
    ///
    /// # Cancel safety
    /// If the future is dropped before a partition's data has landed, none of its records ever becomes visible. After
    /// that, a detached task completes the ref and the commit; [`Dataset::drain`](crate::Dataset::drain) waits for it.
    /// The task also restamps a late commit. With a token, a retry returns the outcome.
    ///
    /// # Requests
    /// For each partition 3 PUT (data, ref, commit). With a token 1 HEAD before them; if the token has been committed
    /// before, only the HEAD. With views 1 PUT more for each distinct marker of the whole write. 1 PUT more for each
    /// additional ref of a commit that may have been late. If the last response says that the local clock is off, 1 HEAD
    /// more asks S3 for the time.
    ///
    /// # Panics
    /// When it is awaited outside of a tokio runtime.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(
    /// #     store: s3store::Store<T>,
    /// #     records: &[T],
    /// # ) -> Result<(), s3store::WriteError> {
    /// let commits = store.write(records).token("load-2026-03-17").await?;
    /// for commit in commits {
    ///     println!("{} records in {}", commit.record_count, commit.partition);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<'a>(&'a self, records: &'a [T]) -> Write<'a, T> {
        Write::new(self, records)
    }

    /// Writes records to one partition, whatever their own partition values are. Await the returned builder.
    ///
    /// `partition` is `name=value/name=value`, with the record's partition names in order. The caller must make sure that
    /// the records belong there: readers that select their own partition do not find them elsewhere.
    ///
    /// Returns the [`Commit`]. If there are no records, it returns `None` and sends nothing.
    ///
    /// # Errors
    /// [`CommitError`] states whether the records are durable.
    ///
    /// # Cancel safety
    /// The same as of [`write`](Store::write).
    ///
    /// # Requests
    /// Those of [`write`](Store::write) for one partition.
    ///
    /// # Panics
    /// When it is awaited outside of a tokio runtime.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(
    /// #     store: s3store::Store<T>,
    /// #     records: &[T],
    /// # ) -> Result<(), s3store::CommitError> {
    /// if let Some(commit) = store.write_partition("day=2026-03-17", records).token("batch-7").await? {
    ///     println!("committed {}", commit.data_path);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_partition<'a>(&'a self, partition: impl Into<String>, records: &'a [T]) -> WritePartition<'a, T> {
        WritePartition::new(self, partition.into(), records)
    }

    /// Returns the settings of a [`Writer`], which takes any number of records one by one, or from a stream, within a fixed
    /// memory. Sends nothing.
    ///
    /// [`write`](Self::write) is simpler for records that are in memory.
    pub fn writer(&self) -> WriterBuilder<T> {
        WriterBuilder::new(self)
    }

    /// Groups records by partition: partitions in key order, records in the order given. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a record has a partition value that a key can't contain.
    pub fn group_by_partition<'a>(&self, records: &'a [T]) -> Result<Vec<HivePartition<&'a T>>> {
        Ok(group::group(records, 0)?.iter().map(Group::partition).collect())
    }

    /// Returns the partition of a record, `name=value/name=value`. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the record has a partition value that a key can't contain.
    pub fn partition_of(&self, record: &T) -> Result<String> {
        group::partition_of(record).map(|key| key.as_str().to_owned())
    }
}

#[cfg(feature = "cli")]
impl crate::dataset::Dataset {
    /// Returns the commit of a token in a partition of any columns, or `None`.
    pub(crate) async fn commit_of(&self, partition: &str, token: &str) -> Result<Option<Commit>> {
        if !PartitionKey::is_well_formed(partition) {
            return Err(crate::error::Error::invalid_input(format!(
                "{partition:?} is not a partition key such as day=2026-03-17"
            )));
        }
        let slot = CommitSlot::new(self, PartitionKey::found(partition), Token::new(token)?)?;
        let found = self.find_commit(slot.commit_key()).await?;
        found.map(|found| slot.commit(&found.meta, true)).transpose()
    }
}

impl<T: Record> Store<T> {
    /// Looks up the commit of a token in a partition. Returns the commit that the write returned, or `None`.
    ///
    /// `partition` is `name=value/name=value`. `token` is the caller's, or that of an [`Unknown`] outcome.
    ///
    /// It does not report whether the commit was late for the change stream. A write with the same token restamps it if it
    /// may have been, and [`doctor`](crate::Dataset::doctor) reports it.
    ///
    /// # Errors
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): the partition or the token is not valid.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the commit's metadata is not readable. It is never reported as
    ///   "no commit".
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused the request,
    ///   or did not answer.
    ///
    /// # Cancel safety
    /// It changes nothing.
    ///
    /// # Requests
    /// 1 HEAD.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::Record>(store: s3store::Store<T>) -> s3store::Result<()> {
    /// match store.lookup_commit("day=2026-03-17", "batch-7").await? {
    ///     Some(commit) => println!("{} records are committed", commit.record_count),
    ///     None => println!("not committed"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lookup_commit(&self, partition: &str, token: &str) -> Result<Option<Commit>> {
        let lookup = async |tally: Arc<Tally>| {
            let partition = PartitionKey::parse(partition, &T::Root::description().partition)?;
            let slot = CommitSlot::new(self.dataset(), partition, Token::new(token)?)?;
            tally.commit_head();
            let found = self.dataset().find_commit(slot.commit_key()).await?;
            found.map(|found| slot.commit(&found.meta, true)).transpose()
        };
        self.dataset().metrics().call(Method::LookupCommit).run(lookup).await
    }
}
