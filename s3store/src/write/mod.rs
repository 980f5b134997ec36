//! Writing: group, encode, commit; restamp and look up what was committed.

mod attempt;
mod encode;
mod group;
mod judge;
mod many;
mod markers;
mod outcome;
mod protocol;
mod restamp;
mod token;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use self::attempt::Place;
#[cfg(feature = "testing")]
pub(crate) use self::encode::encode_here;
use self::group::{Group, Rows};
use self::many::Plan;
use self::outcome::Late;
pub use self::outcome::{Commit, CommitError, StampedCommit, Unknown, WriteError};
pub(crate) use self::protocol::put_marker;
pub use self::restamp::RestampLate;
pub use self::token::{IntoToken, NoToken, OneToken, TokenOf, Tokens};
use crate::codec::Compression;
use crate::dataset::{HivePartition, Store};
use crate::error::Result;
use crate::format::{PartitionKey, Token};
use crate::metrics::{Call, Method, Tally};
use crate::record::{Record, RootRecord};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<T: RootRecord> Store<T> {
    /// Writes records: one file and one commit per partition, side by side. Await the returned builder.
    ///
    /// Returns one [`Commit`] per partition, in key order. No records, no commit, no request.
    ///
    /// With a token ([`token`](Write::token), [`token_of`](Write::token_of), [`token_opt`](Write::token_opt)) the call
    /// can be repeated at any later time until it succeeds, from any process: the first commit is returned, and its
    /// records exist once.
    ///
    /// Everything is validated before anything is put: partition values, tokens, key lengths, and that every value fits
    /// its column. The slice is never changed.
    ///
    /// # Errors
    /// [`WriteError`] tells what is durable. Each partition commits on its own; when one fails, those whose data has
    /// landed are awaited, the others are stopped.
    ///
    /// # Cancel safety
    /// Dropped before a partition's data has landed, nothing of it will be visible, ever. Afterwards its ref and commit
    /// run to their end in a task of their own; see [`Dataset::drain`](crate::Dataset::drain). With a token, calling
    /// again tells.
    ///
    /// # Requests
    /// Per partition 3 PUT (data, ref, commit), and with a token 1 HEAD before them; where the token has committed
    /// before, only the HEAD. With views 1 PUT more for each distinct marker of the whole write.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn write<'a>(&'a self, records: &'a [T]) -> Write<'a, T> {
        Write { store: self, records, options: Options::new(self.default_compression()), tokens: NoToken(()) }
    }

    /// Writes records to one partition, whatever their own partition values are. Await the returned builder.
    ///
    /// `partition` is `name=value/name=value`, with the record's partition names in order. The caller vouches that the records
    /// belong there: readers that look for their own partition won't find them elsewhere. No records, no commit:
    /// `None`, and no request.
    ///
    /// # Errors
    /// [`CommitError`] tells whether the records are durable.
    ///
    /// # Cancel safety
    /// As [`write`](Store::write).
    ///
    /// # Requests
    /// As [`write`](Store::write), for one partition.
    pub fn write_partition<'a>(&'a self, partition: impl Into<String>, records: &'a [T]) -> WritePartition<'a, T> {
        let options = Options::new(self.default_compression());
        WritePartition { store: self, partition: partition.into(), records, options, tokens: NoToken(()) }
    }

    /// Groups records by partition, in key order; within one, in their given order. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a record whose partition value no key can hold.
    pub fn group_by_partition<'a>(&self, records: &'a [T]) -> Result<Vec<HivePartition<&'a T>>> {
        Ok(group::group(records)?.iter().map(Group::partition).collect())
    }

    /// The key of a record's partition, `name=value/name=value`. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) where a value is one that no key can hold.
    pub fn partition_of(&self, record: &T) -> Result<String> {
        let groups = group::group(std::slice::from_ref(record))?;
        Ok(groups.first().map(|group| group.key.as_str().to_owned()).unwrap_or_default())
    }
}

impl<T: Record> Store<T> {
    /// The commit of a token in a partition, if there is one: equal to what the write returned.
    ///
    /// Whether it was late for the change stream is not told here: a write with the token tells, and so does
    /// [`doctor`](crate::Dataset::doctor).
    ///
    /// `partition` is the key, `name=value/name=value`. `token` is the caller's, or the one of an
    /// [`Unknown`] outcome.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a partition or token that can't be;
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a commit without readable metadata: it is never taken for
    /// "no commit".
    ///
    /// # Cancel safety
    /// Changes nothing.
    ///
    /// # Requests
    /// 1 HEAD.
    pub async fn lookup_commit(&self, partition: &str, token: &str) -> Result<Option<Commit>> {
        let look = async |tally: Arc<Tally>| {
            let partition = PartitionKey::parse(partition, T::Root::description().partition)?;
            let place = Place::new(self.dataset().keys(), partition, Token::new(token)?)?;
            tally.commit_head();
            let found = protocol::find(self.dataset(), &place).await?;
            Ok(found.map(|found| found.commit))
        };
        self.dataset().metrics().call(Method::LookupCommit).run(look).await
    }
}

/// What the kinds of write have in common.
#[derive(Debug, Clone, Copy)]
struct Options {
    inserted_at: Option<DateTime<Utc>>,
    compression: Compression,
    optimistic: bool,
}

impl Options {
    fn new(compression: Compression) -> Self {
        Self { inserted_at: None, compression, optimistic: false }
    }
}

/// A write to the records' partitions, made by [`Store::write`].
#[must_use = "nothing is written until it is awaited"]
pub struct Write<'a, T, K = NoToken> {
    store: &'a Store<T>,
    records: &'a [T],
    options: Options,
    tokens: K,
}

/// A write to one partition, made by [`Store::write_partition`].
#[must_use = "nothing is written until it is awaited"]
pub struct WritePartition<'a, T, K = NoToken> {
    store: &'a Store<T>,
    partition: String,
    records: &'a [T],
    options: Options,
    tokens: K,
}

macro_rules! write_builder {
    ($name:ident { $($kept:ident),* }) => {
        impl<'a, T: RootRecord> $name<'a, T> {
            /// One token for every partition of this write: 1 to 200 printable ASCII characters, without space, `/`,
            /// `;` and `..`. It must be the same for each retry, and another for each other write to a partition.
            pub fn token(self, token: impl Into<String>) -> $name<'a, T, OneToken> {
                self.with_tokens(OneToken(Some(token.into())))
            }

            /// A token if there is one, as [`token`](Self::token). `None` writes without.
            pub fn token_opt(self, token: Option<impl Into<String>>) -> $name<'a, T, OneToken> {
                self.with_tokens(OneToken(token.map(Into::into)))
            }

            /// A token per partition, from a function of its key and records. It may return text, or a `Result` of it;
            /// an error refuses the whole write before anything is sent.
            pub fn token_of<F, R>(self, token_of: F) -> $name<'a, T, TokenOf<F>>
            where
                F: FnMut(&HivePartition<&'a T>) -> R + Send,
                R: IntoToken,
            {
                self.with_tokens(TokenOf(token_of))
            }

            fn with_tokens<K>(self, tokens: K) -> $name<'a, T, K> {
                let Self { $($kept,)* tokens: NoToken(()) } = self;
                $name { $($kept,)* tokens }
            }
        }

        impl<'a, T: RootRecord, K> $name<'a, T, K> {
            /// The insertion time of these records, in whole microseconds, in place of the time when the write begins.
            /// Where the token has committed before, that commit's stays.
            pub fn inserted_at(mut self, time: DateTime<Utc>) -> Self {
                self.options.inserted_at = Some(time);
                self
            }

            /// The compression of these files, in place of the store's.
            pub fn compression(mut self, compression: Compression) -> Self {
                self.options.compression = compression;
                self
            }

            /// Leaves out the HEAD that looks for an earlier commit of the token, and relies on the backend to refuse a
            /// second one. Saves one request where retries are rare; where the token did commit before, a data file and
            /// a ref that nobody sees stay behind. Without a token it changes nothing.
            ///
            /// The backend must enforce `If-None-Match: *`, or a policy must deny overwriting `*.commit`. The first such
            /// write through a [`Dataset`](crate::Dataset) or its clones proves that, with the HEAD and up to one PUT
            /// more for each partition; where it is not so, later ones fail with
            /// [`Refused`](crate::ErrorKind::Refused) before anything is sent.
            pub fn optimistic_commit(mut self) -> Self {
                self.options.optimistic = true;
                self
            }

            /// Restamps what is committed late, up to `tries` times, instead of reporting it as late at once. Call it
            /// last: what it returns is awaited.
            ///
            /// Each commit is returned as it is, the same on every retry, and beside it the offset that counts for
            /// readers of the stream. A retry that finds a late commit restamps it again, since it can't know of an
            /// earlier restamp: readers may see the records once more, which an entity key collapses. Where no ref
            /// lands in time, the commit is reported as late.
            ///
            /// # Errors
            /// As without; what was not restamped in time is late. Only what may pass is tried again.
            ///
            /// # Cancel safety
            /// As without; the tries end when the future is dropped, but for a ref that is under way.
            ///
            /// # Requests
            /// As without, and 1 PUT for each try.
            pub fn restamp_late(self, tries: u32) -> RestampLate<Self> {
                RestampLate::new(self, tries)
            }
        }

        impl<T, K> fmt::Debug for $name<'_, T, K> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("records", &self.records.len())
                    .field("options", &self.options)
                    .finish_non_exhaustive()
            }
        }
    };
}

write_builder!(Write { store, records, options });
write_builder!(WritePartition { store, partition, records, options });

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> Write<'a, T, K> {
    fn call(&self) -> Call {
        self.store.dataset().metrics().call(Method::Write)
    }

    /// The whole write, as a part of a call.
    async fn run(self, tally: &Arc<Tally>) -> Result<Vec<Commit>, WriteError> {
        let Self { store, records, options, mut tokens } = self;
        // The key's rendering and the tokens need no runtime; what they cost is paid when the future is first polled.
        let plan = group::group(records).and_then(|groups| Plan::new(store, groups, &mut tokens, options));
        plan.map_err(WriteError::nothing)?.run(tally).await
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> IntoFuture for Write<'a, T, K> {
    type Output = Result<Vec<Commit>, WriteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.call().run(async |tally| told(self.run(&tally).await, &tally)).await })
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> WritePartition<'a, T, K> {
    fn call(&self) -> Call {
        self.store.dataset().metrics().call(Method::WritePartition)
    }

    /// The whole write, as a part of a call.
    async fn run(self, tally: &Arc<Tally>) -> Result<Option<Commit>, CommitError> {
        let Self { store, partition, records, options, mut tokens } = self;
        let key = PartitionKey::parse(&partition, T::description().partition)?;
        let groups = match records {
            [] => Vec::new(),
            records => vec![Group { key, rows: Rows::all(records) }],
        };
        Plan::new(store, groups, &mut tokens, options)?.run_one(tally).await
    }
}

impl<'a, T: RootRecord, K: Tokens<'a, T> + 'a> IntoFuture for WritePartition<'a, T, K> {
    type Output = Result<Option<Commit>, CommitError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.call().run(async |tally| told(self.run(&tally).await, &tally)).await })
    }
}

/// What a call returns, with late commits counted.
fn told<T, E: Late>(result: Result<T, E>, tally: &Tally) -> Result<T, E> {
    tally.returned_late(result.as_ref().map_or_else(Late::late, |_| 0));
    result
}
