//! A dataset as a Delta table, which other engines read without a copy.
//!
//! [`Table::publish_delta`] keeps a log below `<prefix>/_delta_log/` that names the committed files of the dataset. DuckDB,
//! Spark, Trino, Polars, ClickHouse, pandas and other readers of Delta tables then see these files, and no others:
//!
//! ```text
//! SELECT * FROM delta_scan('s3://warehouse/billing');
//! ```
//!
//! # What a reader sees
//! The table has every version of each entity, as [`history`](crate::read::Read::history) has, and also copies of equal versions.
//! [`Table::latest_sql`](crate::table::Table::latest_sql) returns a query of the latest versions.
//!
//! All columns are nullable. Types that Delta lacks, or that readers understand differently, are left out, each with a reason in
//! [`Published::left_out`]:
//!
//! | column | in the table |
//! |---|---|
//! | `u8`, `u16`, `u32`, `u64` | short, integer, long, decimal(20, 0) |
//! | times in milli- or microseconds | timestamp, or timestamp without a zone |
//! | uuid, bytes of a fixed length | binary |
//! | times in seconds or nanoseconds, times of day, 16-bit floats | left out |
//! | columns with aliases | left out: readers would see nulls in files with the other name |
//!
//! # Safety
//! A VACUUM of another program would delete commits, and files that are being written. So the table needs a writer feature that
//! no other program has, and these refuse to write to it, to vacuum and to optimise it. Old versions of Spark check nothing: deny
//! `s3:DeleteObject` for `<prefix>/data/*`.
//!
//! Publishing never deletes and never writes below `data/`. All of its state is in the log. So any process can go on, and two at
//! once do no harm: each version is put on the condition that it does not exist.

mod columns;
mod fit;
mod latest;
mod merged;
mod publisher;
mod stats;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

pub use self::columns::LeftOut;
pub use self::latest::SqlDialect;
use self::publisher::Publisher;
use crate::clock::micros;
use crate::dataset::{ResultStream, TaskStream};
use crate::error::{ErrorKind, Result};
use crate::metrics::{Method, Position, Tally};
use crate::table::Table;

/// The default of [`PublishDelta::interval`].
const INTERVAL: Duration = Duration::from_secs(30);

impl Table {
    /// Publishes the committed files of the dataset as a Delta table. Await the returned builder.
    ///
    /// The first call takes the place in the change stream, lists the dataset, and adds all committed files to the log. Later calls
    /// add the files of the commits since then, up to the [settle window](crate::Dataset::settle_window) before the present. Call it
    /// every minute or so; each call adds one version of the table if there is anything to add, or several if there is much.
    ///
    /// A commit that was late is not in the change stream where it should be, so later calls skip it. [`PublishDelta::reconcile`]
    /// lists the dataset again.
    ///
    /// # Errors
    /// - [`Config`](crate::ErrorKind::Config): another program keeps a Delta log there, or the server ignores `If-None-Match`.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a column of the record, or of a file, has another type or name than in
    ///   the table, so that engines would fail or return other values.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the log is not readable.
    /// - [`ClockSkew`](crate::ErrorKind::ClockSkew): the local clock is ahead by more than the dataset allows.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or did
    ///   not answer. Some versions may have been added. Call it again.
    ///
    /// # Cancel safety
    /// Dropping the future, or a crash, leaves a readable table. The next call adds what is missing.
    ///
    /// # Requests
    /// 1 GET and 1 LIST for the log, and 1 GET for each version since its last checkpoint and for each part of that. The first call
    /// and a reconciling one list the dataset, with a HEAD for each commit with a token, and 1 LIST that compares the clocks. Later
    /// calls, and reconciling ones too, poll the change stream, with a HEAD for each commit and one for each new file. For each new
    /// file 1 GET of its footer, or 2 if that is large. 1 PUT for each version, and a GET and a PUT more for each that another
    /// publisher adds meanwhile. The first PUT of a `Dataset` is repeated, to see that the server refuses the second one.
    ///
    /// A checkpoint, after 100 versions or a call that adds several: 1 GET and 1 LIST, 1 GET for each of those versions and for each part of the last
    /// checkpoint, 1 PUT for each 100,000 files of the table, and 1 PUT.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset) -> s3store::Result<()> {
    /// let published = dataset.table().await?.publish_delta().await?;
    /// for column in &published.left_out {
    ///     println!("left out: {column}");
    /// }
    /// println!("{} files added", published.files);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_delta(&self) -> PublishDelta {
        PublishDelta { table: self.clone(), reconciles: false, interval: INTERVAL, left_out: Vec::new() }
    }
}

/// The settings of [`Table::publish_delta`], which publishes once when it is awaited, or goes on by [`stream`](Self::stream).
#[derive(Debug, Clone)]
#[must_use = "nothing is published until it is awaited"]
pub struct PublishDelta {
    table: Table,
    reconciles: bool,
    interval: Duration,
    /// The columns that the caller leaves out.
    left_out: Vec<String>,
}

/// The result of [`Table::publish_delta`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Published {
    /// The version of the table. `None` if it does not exist yet because nothing was ever published.
    pub version: Option<u64>,
    /// The number of versions that this call added.
    pub versions: u64,
    /// The number of files that this call added.
    pub files: u64,
    /// The columns and nested fields that the table lacks.
    pub left_out: Vec<LeftOut>,
    /// The keys of committed files that can't be published, because a control character is in them.
    pub unpublishable: Vec<String>,
    /// The keys of committed files that do not exist, so that they were not published. Also those of files that the table has
    /// and the dataset has not, which only a reconciling call looks for.
    pub missing: Vec<String>,
    /// The keys of committed files whose footer is not readable, so that they were not published. The log has the reasons. A
    /// reconciling call tries them again.
    pub unreadable: Vec<String>,
}

impl PublishDelta {
    /// Lists the dataset again, and adds what late commits left out. Reports files that are no longer there.
    pub fn reconcile(mut self) -> Self {
        self.reconciles = true;
        self
    }

    /// Leaves columns, not nested ones, out of the table, for readers that fail on their types, as Polars does on `u64`. A column
    /// that the table has already stays there. Names that the record lacks change nothing.
    pub fn leave_out<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.left_out.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Sets how long [`stream`](Self::stream) waits after each look at the change stream. Default: 30 s.
    ///
    /// It adds at most one version in this time, unless there are more than 10,000 files to add.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Publishes until the stream is dropped. Returns what each version, or each few at once, has added.
    ///
    /// It reads the log only once. If S3 is unavailable, it tries again after the interval. The stream ends after another error; a
    /// new one goes on where the log ends.
    ///
    /// # Errors
    /// Those of [`Table::publish_delta`], except [`Unavailable`](crate::ErrorKind::Unavailable).
    ///
    /// # Cancel safety
    /// Dropping the stream leaves a readable table.
    ///
    /// # Requests
    /// At first those of [`Table::publish_delta`]. Then for each look at the change stream 1 GET, and 1 LIST for each 1,000 new
    /// refs; for new files those of a later call, and for each version 1 HEAD, to see that the log is still there.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset) -> s3store::Result<()> {
    /// let mut publishing = dataset.table().await?.publish_delta().stream();
    /// while let Some(published) = publishing.try_next().await? {
    ///     println!("version {:?}: {} files", published.version, published.files);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> ResultStream<Published> {
        let metrics = self.table.dataset().metrics().clone();
        let begin = move || metrics.call(Method::PublishDelta);
        let events = TaskStream::new(1, begin, move |out, tally| async move {
            if let Err(error) = self.follow(&out, &tally).await {
                let _ = out.send(Err(error)).await;
            }
        });
        ResultStream::new(events, |published| vec![published])
    }

    async fn run(self, tally: &Tally) -> Result<Published> {
        let mut publisher = Publisher::open(&self, tally).await?;
        publisher.go_on(self.reconciles).await?;
        Ok(publisher.take())
    }

    /// Publishes until the receiver is dropped.
    async fn follow(&self, out: &Sender<Result<Published>>, tally: &Tally) -> Result<()> {
        let dataset = self.table.dataset();
        let settled = || dataset.clock().micros().saturating_sub(micros(dataset.settle_window()));
        let position = dataset.metrics().publisher(settled());
        let mut publisher = None;
        loop {
            let settled = settled();
            match self.step(&mut publisher, &position, tally).await {
                Ok(published) => {
                    position.reached(settled);
                    let Published { versions, unpublishable, missing, unreadable, .. } = &published;
                    let is_news =
                        *versions > 0 || [unpublishable, missing, unreadable].iter().any(|keys| !keys.is_empty());
                    if is_news && out.send(Ok(published)).await.is_err() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(%error, pause = ?self.interval, "s3 is unavailable; publishing again");
                }
                Err(error) => return Err(error),
            }
            dataset.clock().sleep(self.interval).await;
        }
    }

    /// Publishes the commits since the last step. Opens the publisher first if there is none.
    async fn step<'a>(
        &'a self,
        publisher: &mut Option<Publisher<'a>>,
        position: &Position,
        tally: &'a Tally,
    ) -> Result<Published> {
        let publisher = match publisher {
            Some(publisher) => publisher,
            None => {
                let opened = Publisher::open(self, tally).await?;
                if let Some(reached) = opened.reached() {
                    position.reached(reached);
                }
                publisher.insert(opened)
            }
        };
        publisher.go_on(self.reconciles).await?;
        Ok(publisher.take())
    }
}

impl IntoFuture for PublishDelta {
    type Output = Result<Published>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let call = self.table.dataset().metrics().call(Method::PublishDelta);
            call.run(async |tally| self.run(&tally).await).await
        })
    }
}
