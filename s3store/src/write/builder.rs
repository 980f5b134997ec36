//! The builders of writes.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::error::{CommitError, LateCount, WriteError};
use super::group::{self, Group, Rows};
use super::late::{LateHandling, ReportLate, RestampLate, ReturnStamped};
use super::plan::Plan;
use super::retry::RetryPolicy;
use super::token::{IntoToken, NoToken, OneToken, TokenOf, TokenOfContent, Tokens};
use crate::codec::Compression;
use crate::dataset::{HivePartition, Store};
use crate::error::Result;
use crate::format::PartitionKey;
use crate::metrics::{Method, Tally};
use crate::record::RootRecord;

/// The options that both kinds of write share.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteOptions {
    pub(super) inserted_at: Option<DateTime<Utc>>,
    pub(super) compression: Compression,
    pub(super) optimistic: bool,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) keep_going: bool,
    pub(super) accept_other_records: bool,
}

impl WriteOptions {
    pub(super) fn new(compression: Compression) -> Self {
        Self {
            inserted_at: None,
            compression,
            optimistic: false,
            retry: None,
            keep_going: false,
            accept_other_records: false,
        }
    }
}

/// A write to the records' own partitions, made by [`Store::write`].
///
/// `K` is the kind of token, `L` the handling of late commits.
#[must_use = "nothing is written until it is awaited"]
pub struct Write<'a, T, K = NoToken, L = RestampLate> {
    store: &'a Store<T>,
    records: &'a [T],
    options: WriteOptions,
    tokens: K,
    late: L,
}

/// A write to one partition, made by [`Store::write_partition`].
///
/// `K` is the kind of token, `L` the handling of late commits.
#[must_use = "nothing is written until it is awaited"]
pub struct WritePartition<'a, T, K = NoToken, L = RestampLate> {
    store: &'a Store<T>,
    partition: String,
    records: &'a [T],
    options: WriteOptions,
    tokens: K,
    late: L,
}

impl<'a, T: RootRecord> Write<'a, T> {
    pub(super) fn new(store: &'a Store<T>, records: &'a [T]) -> Self {
        let options = WriteOptions::new(store.default_compression());
        Self { store, records, options, tokens: NoToken(()), late: RestampLate(()) }
    }
}

impl<'a, T: RootRecord> WritePartition<'a, T> {
    pub(super) fn new(store: &'a Store<T>, partition: String, records: &'a [T]) -> Self {
        let options = WriteOptions::new(store.default_compression());
        Self { store, partition, records, options, tokens: NoToken(()), late: RestampLate(()) }
    }
}

/// Implements the setters, which are the same for both builders. `$kept` are the fields whose types never change.
macro_rules! setters {
    ($name:ident { $($kept:ident),* }) => {
        impl<'a, T: RootRecord, L> $name<'a, T, NoToken, L> {
            /// Sets one token for every partition of this write: 1 to 200 printable ASCII characters, without space, `/`,
            /// `;` and `..`.
            ///
            /// It must be the same for each retry, and different for each other write to a partition. If the token has been
            /// committed in a partition with other records, the partition fails with
            /// [`TokenReused`](crate::ErrorKind::TokenReused), because its records would be lost. The write compares the
            /// number of records, and a digest of them in the order of the file if the commit has one of the same columns.
            /// Commits of the Go library have none. The insertion time does not count.
            /// [`accept_other_records`](Self::accept_other_records) turns this off.
            pub fn token(self, token: impl Into<String>) -> $name<'a, T, OneToken, L> {
                self.with_tokens(OneToken(Some(token.into())))
            }

            /// Sets a token if there is one, as [`token`](Self::token) does. `None` writes without a token.
            pub fn token_opt(self, token: Option<impl Into<String>>) -> $name<'a, T, OneToken, L> {
                self.with_tokens(OneToken(token.map(Into::into)))
            }

            /// Sets a function that makes the token of each partition from its key and records.
            ///
            /// The function returns text, or a `Result` of text. An error fails the whole write before anything is sent.
            pub fn token_of<F, R>(self, token_of: F) -> $name<'a, T, TokenOf<F>, L>
            where
                F: FnMut(&HivePartition<&'a T>) -> R + Send,
                R: IntoToken,
            {
                self.with_tokens(TokenOf(token_of))
            }

            /// Makes the token of each partition from its records. The same records in the same partition then exist once,
            /// without a name for them.
            ///
            /// The token is `sha256-` and a SHA-256 in hex. It covers the number of records, and the names and values of all
            /// columns in the order of the file: that of entity and version, or the given order if the record has no
            /// entity. It does not cover the insertion time, the compression, the order of the struct's fields, and columns
            /// in which every record is `None`. So it is the same in each process and in each version of the library, and
            /// stays the same when an optional column is added that these records do not use.
            ///
            /// Records that contain the time of the try, or that are grouped in another way, are other records.
            ///
            /// # Example
            /// ```
            /// # async fn example<T: s3store::RootRecord>(
            /// #     store: s3store::Store<T>,
            /// #     records: &[T],
            /// # ) -> Result<(), s3store::WriteError> {
            /// for commit in store.write(records).token_of_content().await? {
            ///     println!("{}: {}", commit.partition, if commit.replayed { "was there" } else { "is new" });
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn token_of_content(self) -> $name<'a, T, TokenOfContent, L> {
                self.with_tokens(TokenOfContent(()))
            }

            fn with_tokens<K>(self, tokens: K) -> $name<'a, T, K, L> {
                let Self { $($kept,)* tokens: NoToken(()), late } = self;
                $name { $($kept,)* tokens, late }
            }
        }

        impl<'a, T: RootRecord, K, L> $name<'a, T, K, L> {
            /// Sets the insertion time of these records, in whole microseconds. Default: the time when the write begins.
            ///
            /// If the token has been committed before, the insertion time of that commit stays.
            pub fn inserted_at(mut self, time: DateTime<Utc>) -> Self {
                self.options.inserted_at = Some(time);
                self
            }

            /// Sets the compression of these files. Default: the store's.
            pub fn compression(mut self, compression: Compression) -> Self {
                self.options.compression = compression;
                self
            }

            /// Returns the commit of the token even if it has other records than this write. By default that is an error.
            ///
            /// Use it if the records of a retry differ without harm, because they contain the time of the try, for example.
            /// Records that the commit does not have are not stored.
            pub fn accept_other_records(mut self) -> Self {
                self.options.accept_other_records = true;
                self
            }

            /// Repeats what failed and may succeed later, with pauses between the tries, until the policy ends.
            ///
            /// Only partitions that are not committed are written again, with the same token if they have one. Without a
            /// token of the caller, a partition whose outcome is unknown is not written again, because its records could
            /// then be stored twice. Errors that remain, such as missing permissions or invalid records, end the write at
            /// once. The error of the last try is returned.
            ///
            /// # Cancel safety
            /// As without `retry`. Dropping the future ends the tries.
            ///
            /// # Requests
            /// Those of each try; from the second on, a token costs its HEAD also with `optimistic_commit`.
            ///
            /// # Example
            /// ```
            /// # async fn example<T: s3store::RootRecord>(
            /// #     store: s3store::Store<T>,
            /// #     records: &[T],
            /// # ) -> Result<(), s3store::WriteError> {
            /// use s3store::write::RetryPolicy;
            ///
            /// store.write(records).token("load-2026-03-17").retry(RetryPolicy::default()).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn retry(mut self, policy: RetryPolicy) -> Self {
                self.options.retry = Some(policy);
                self
            }

            /// Skips the HEAD that looks for an earlier commit of the token, and relies on the backend to refuse a second
            /// commit. Without a token it changes nothing.
            ///
            /// This saves one request if retries are rare. If the token has been committed before, a data file and a ref
            /// stay behind; no reader uses them.
            ///
            /// The backend must enforce `If-None-Match: *`, or a policy must deny overwriting `*.commit`. The first such
            /// write of a [`Dataset`](crate::Dataset) or its clones verifies that: it sends the HEAD, and up to one PUT
            /// more for each partition. If the backend does not enforce it, later writes fail with
            /// [`Refused`](crate::ErrorKind::Refused) before anything is sent.
            pub fn optimistic_commit(mut self) -> Self {
                self.options.optimistic = true;
                self
            }

            /// Returns the offsets of restamped commits, and sets how many refs the write puts for a late commit at most.
            ///
            /// A write restamps a late commit, and a commit of an earlier call that may have been late, without this
            /// setter too. With it, the write returns [`StampedCommit`](crate::write::StampedCommit)s: each commit as it is,
            /// the same on every retry, and the offset at which readers of the stream receive it.
            ///
            /// With `0` a late commit is reported, as with [`report_late`](Self::report_late).
            ///
            /// # Requests
            /// As without this setter.
            ///
            /// # Example
            /// ```
            /// # async fn example<T: s3store::RootRecord>(
            /// #     store: s3store::Store<T>,
            /// #     records: &[T],
            /// # ) -> Result<(), s3store::WriteError> {
            /// for stamped in store.write(records).restamp_late(5).token("load-2026-03-17").await? {
            ///     println!("{} is at {}", stamped.commit.data_path, stamped.stream_offset);
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn restamp_late(self, tries: u32) -> $name<'a, T, K, ReturnStamped> {
                let Self { $($kept,)* tokens, late: _ } = self;
                $name { $($kept,)* tokens, late: ReturnStamped(tries) }
            }

            /// Reports a late commit as an error instead of restamping it. The caller then restamps it by
            /// [`Dataset::restamp`](crate::Dataset::restamp).
            ///
            /// A retry finds the late commit and reports it as well, until the token is not used any more: a loop that
            /// waits for `Ok` must end at [`Late`](crate::CommitError::Late).
            ///
            /// A commit of an earlier call is judged by S3's time of it, in whole seconds by another clock. It is reported
            /// only if it is late even by a clock that differs from S3's by the dataset's maximum clock skew. If it may
            /// have been late, the write restamps it and returns it.
            ///
            /// # Example
            /// ```
            /// # async fn example<T: s3store::RootRecord>(
            /// #     store: s3store::Store<T>,
            /// #     records: &[T],
            /// # ) -> Result<(), s3store::WriteError> {
            /// match store.write(records).token("load-2026-03-17").report_late().await {
            ///     Ok(commits) => println!("{} partitions are in time", commits.len()),
            ///     Err(error) if error.is_late_only() => println!("{} partitions are late", error.late.len()),
            ///     Err(error) => return Err(error),
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn report_late(self) -> $name<'a, T, K, ReportLate> {
                let Self { $($kept,)* tokens, late: _ } = self;
                $name { $($kept,)* tokens, late: ReportLate(()) }
            }
        }

        impl<T, K, L: fmt::Debug> fmt::Debug for $name<'_, T, K, L> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("records", &self.records.len())
                    .field("options", &self.options)
                    .field("late", &self.late)
                    .finish_non_exhaustive()
            }
        }
    };
}

impl<T: RootRecord, K, L> Write<'_, T, K, L> {
    /// Writes every partition that can be written, even if another one fails.
    ///
    /// By default, a partition that fails cancels those whose data has not landed, and a record that does not fit its
    /// column fails the write before anything is sent. With `keep_going`, each partition succeeds or fails on its own;
    /// the error lists what is committed, and each failure. A record whose partition can't be rendered still fails the whole write.
    pub fn keep_going(mut self) -> Self {
        self.options.keep_going = true;
        self
    }
}

setters!(Write { store, records, options });
setters!(WritePartition { store, partition, records, options });

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a, L: LateHandling + 'a> Write<'a, T, K, L> {
    async fn run(self, tally: &Arc<Tally>) -> Result<Vec<L::Committed>, WriteError> {
        let Self { store, records, options, mut tokens, late } = self;
        let groups = group::group(records, 0).map_err(WriteError::not_committed)?;
        let plan = Plan::new(store, groups, &mut tokens, options, late.restamps()).await;
        let plan = plan.map_err(WriteError::not_committed)?;
        let stamped = plan.run(tally).await?;
        Ok(stamped.into_iter().map(L::committed).collect())
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a, L: LateHandling + 'a> IntoFuture for Write<'a, T, K, L> {
    type Output = Result<Vec<L::Committed>, WriteError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.store.dataset().metrics().call(Method::Write);
            call.run(async |tally| count_late(self.run(&tally).await, &tally)).await
        })
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a, L: LateHandling + 'a> WritePartition<'a, T, K, L> {
    async fn run(self, tally: &Arc<Tally>) -> Result<Option<L::Committed>, CommitError> {
        let Self { store, partition, records, options, mut tokens, late } = self;
        let key = PartitionKey::parse(&partition, &T::description().partition)?;
        let groups = match records {
            [] => Vec::new(),
            records => vec![Group { key, rows: Rows::all(records) }],
        };
        let stamped = Plan::new(store, groups, &mut tokens, options, late.restamps()).await?.run_one(tally).await?;
        Ok(stamped.map(L::committed))
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a, L: LateHandling + 'a> IntoFuture for WritePartition<'a, T, K, L> {
    type Output = Result<Option<L::Committed>, CommitError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.store.dataset().metrics().call(Method::WritePartition);
            call.run(async |tally| count_late(self.run(&tally).await, &tally)).await
        })
    }
}

/// Counts the late commits that a call returns.
pub(super) fn count_late<T, E: LateCount>(result: Result<T, E>, tally: &Tally) -> Result<T, E> {
    tally.returned_late(result.as_ref().map_or_else(LateCount::late_count, |_| 0));
    result
}
