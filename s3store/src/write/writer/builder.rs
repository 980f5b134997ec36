//! The settings of a writer.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::builder::WriteOptions;
use super::super::late::{LateHandling, ReportLate, RestampLate, ReturnStamped};
use super::super::plan::{TokenKind, WriteTarget};
use super::super::retry::RetryPolicy;
use super::convert::Converter;
use super::limits::Limits;
use super::sealed::{MOST_FLUSHES, flush_token, own_run};
use super::{Settings, Writer};
use crate::codec::Compression;
use crate::dataset::Store;
use crate::error::{Error, Result};
use crate::record::RootRecord;
use crate::spill::SpillDirectory;

/// The settings of a [`Writer`], made by [`Store::writer`].
///
/// `L` is the handling of late commits.
#[must_use = "nothing is written until it is started"]
#[derive(Clone)]
pub struct WriterBuilder<T, L = RestampLate> {
    store: Store<T>,
    options: WriteOptions,
    limits: Limits,
    token: Option<String>,
    late: L,
}

impl<T: RootRecord> WriterBuilder<T> {
    pub(in super::super) fn new(store: &Store<T>) -> Self {
        let options = WriteOptions::new(store.default_compression());
        Self { store: store.clone(), options, limits: Limits::default(), token: None, late: RestampLate(()) }
    }
}

impl<T: RootRecord, L: LateHandling> WriterBuilder<T, L> {
    /// Makes the run repeatable: if the process fails, start it again with the same token and write the same records in the
    /// same order. Flushes that were committed before return their first commits, and every record exists once.
    ///
    /// The first flush that has records uses the token `<token>.00000001` in each of its partitions, the next one
    /// `<token>.00000002`, and so on. Use 1 to 191 printable ASCII characters, without space, `/`, `;` and `..`.
    ///
    /// The flushes must be the same in each run. So flush by [`flush_records`](Self::flush_records), or call
    /// [`flush`](Writer::flush) after the same records. Limits that depend on time or memory can't be combined with a
    /// token. If a flush has other records than its token had before, it fails with
    /// [`TokenReused`](crate::ErrorKind::TokenReused), as far as the commit shows it, and nothing is lost or stored twice.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets how much memory the writer may use, in bytes. Default: 256 MiB. At least 1 MiB is used.
    ///
    /// It includes records that are not flushed, their conversion, sorting and merging, and the parts of files that are
    /// being put. Records that do not fit are sorted and written to local files until the flush: see
    /// [`spill_directory`](Self::spill_directory).
    ///
    /// Not included are the keys of the views' markers of a flush, and the records themselves until about a sixtieth of the
    /// limit has come together. Their size is known only once they are columns. A larger record is
    /// held all the same.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.limits.set_memory(bytes);
        self
    }

    /// Flushes whenever this many records were written since the last flush. At least 1.
    pub fn flush_records(mut self, records: u64) -> Self {
        self.limits.flush_records = Some(records.max(1));
        self
    }

    /// Flushes when the records since the last flush have about this size, as columns in memory. Files are usually several
    /// times smaller.
    pub fn flush_bytes(mut self, bytes: u64) -> Self {
        self.limits.flush_bytes = Some(bytes);
        self
    }

    /// Flushes at the first call after the oldest record has waited for this time.
    ///
    /// [`write_from`](Writer::write_from) flushes in time also if no record comes. A program that calls
    /// [`write`](Writer::write) waits for [`due`](Writer::due) beside its source.
    pub fn flush_age(mut self, age: Duration) -> Self {
        self.limits.flush_age = Some(age);
        self
    }

    /// Sets the directory for records that do not fit into memory. Default: the directory for temporary files, as
    /// [`std::env::temp_dir`] returns it.
    ///
    /// The files are compressed and have no names, so nothing is left behind when the process ends, however it ends. They
    /// take up to the size of all records of a flush as columns, and twice that where very many of them are merged.
    pub fn spill_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.limits.spill = SpillDirectory::At(directory.into());
        self
    }

    /// Keeps the writer from using local files. It then flushes when the records take a quarter of the memory.
    pub fn without_spilling(mut self) -> Self {
        self.limits.spill = SpillDirectory::Forbidden;
        self
    }

    /// Sets the size of the parts of files, for tests. S3 takes no parts of less than 5 MiB.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn part_bytes(mut self, bytes: usize) -> Self {
        self.limits.part_bytes = bytes.max(1);
        self
    }

    /// Sets the insertion time of all records. Default: the time at which the first record since the last flush was
    /// written.
    pub fn inserted_at(mut self, time: DateTime<Utc>) -> Self {
        self.options.inserted_at = Some(time);
        self
    }

    /// Sets the compression of the files, in place of the handle's.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }

    /// Repeats a flush that failed and may succeed later, as [`Write::retry`](crate::write::Write::retry) does, before its
    /// error is returned.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    /// Returns the offsets of restamped commits, and sets how many refs a flush puts for a late commit at most, as
    /// [`Write::restamp_late`](crate::write::Write::restamp_late) does.
    ///
    /// The writer then returns [`StampedCommit`](crate::write::StampedCommit)s: each commit as it is, the same on every retry,
    /// and the offset at which readers of the stream receive it. The commits in an error have no such offset.
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
    /// #     records: Vec<T>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut writer = store.writer().restamp_late(5).start()?;
    /// let mut commits = writer.write_all(records).await?;
    /// commits.extend(writer.flush().await?);
    /// for stamped in commits {
    ///     println!("{} is at {}", stamped.commit.data_path, stamped.stream_offset);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn restamp_late(self, tries: u32) -> WriterBuilder<T, ReturnStamped> {
        self.with_late(ReturnStamped(tries))
    }

    /// Reports a late commit as an error instead of restamping it, as
    /// [`Write::report_late`](crate::write::Write::report_late) does. The caller then restamps it by
    /// [`Dataset::restamp`](crate::Dataset::restamp).
    ///
    /// The records of a late commit are durable, so the writer has forgotten them: the next flush does not repeat it, and
    /// does not report it again. With a [token](Self::token), another run reports it again: it finds the commit.
    ///
    /// # Example
    /// ```
    /// # async fn example<T: s3store::RootRecord>(
    /// #     store: s3store::Store<T>,
    /// #     records: Vec<T>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut writer = store.writer().report_late().start()?;
    /// writer.write_all(records).await?;
    /// match writer.flush().await {
    ///     Ok(commits) => println!("{} partitions are in time", commits.len()),
    ///     Err(error) if error.is_late_only() => println!("{} partitions are late", error.late.len()),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn report_late(self) -> WriterBuilder<T, ReportLate> {
        self.with_late(ReportLate(()))
    }

    fn with_late<M>(self, late: M) -> WriterBuilder<T, M> {
        let Self { store, options, limits, token, late: _ } = self;
        WriterBuilder { store, options, limits, token, late }
    }

    /// Starts the writer. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the token is not valid, or is combined with a limit that depends on
    /// time or memory.
    pub fn start(self) -> Result<Writer<T, L>> {
        let Self { store, options, limits, token, late } = self;
        if token.is_some() {
            let refused = |setting: &str| {
                Err(Error::invalid_input(format!(
                    "a writer with a token can't have {setting}: a repeated run would flush other records under the same \
                     tokens; use flush_records, or call flush"
                )))
            };
            match &limits {
                Limits { flush_bytes: Some(_), .. } => return refused("flush_bytes"),
                Limits { flush_age: Some(_), .. } => return refused("flush_age"),
                limits if !limits.may_spill() => return refused("without_spilling"),
                _ => {}
            }
        }
        let kind = if token.is_some() { TokenKind::Callers } else { TokenKind::Writers };
        let run = token.unwrap_or_else(|| own_run(store.dataset().clock()));
        let target = WriteTarget::of(&store, &options)?;
        let converter = Converter {
            encoder: Arc::clone(&target.encoder),
            views: store.views().into(),
            prefix: store.dataset().keys().clone(),
            longest_token: flush_token(&run, MOST_FLUSHES)?,
        };
        let converter = Arc::new(converter);
        Ok(Writer::new(Settings { target, options, limits, run, kind, restamps: late.restamps(), converter }))
    }
}

impl<T, L: fmt::Debug> fmt::Debug for WriterBuilder<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterBuilder")
            .field("store", &self.store)
            .field("limits", &self.limits)
            .field("token", &self.token)
            .field("late", &self.late)
            .finish_non_exhaustive()
    }
}
