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
mod latest;
mod merged;
mod stats;

use std::collections::{BTreeMap, HashSet};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use self::columns::Columns;
pub use self::columns::LeftOut;
pub use self::latest::SqlDialect;
use crate::cpu;
use crate::dataset::{Dataset, ResultStream, TaskStream};
use crate::delta::{self, Action, Add, Format, Log, MetaData, Protocol, State};
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::ids;
use crate::metrics::{Method, Tally};
use crate::pattern::Pattern;
use crate::read::committed_files;
use crate::scan::{self, FileSize, StoredFile};
use crate::table::Table;

/// The default of [`PublishDelta::interval`].
const INTERVAL: Duration = Duration::from_secs(30);

/// The most files that a version adds.
const FILES_IN_VERSION: usize = 10_000;

impl Table {
    /// Publishes the committed files of the dataset as a Delta table. Await the returned builder.
    ///
    /// The first call takes the place in the change stream, lists the dataset, and adds all committed files to the log. Later calls
    /// add the files of the commits since then, up to the [settle window](crate::Dataset::settle_window) before the present. Call it
    /// every minute or so; each call adds one version of the table if there is anything to add, or several if there is much.
    ///
    /// A commit that was late is not in the change stream where it should be, so later calls pass it. [`PublishDelta::reconcile`]
    /// lists the dataset again.
    ///
    /// # Errors
    /// - [`Config`](crate::ErrorKind::Config): another program keeps a Delta log there.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): a column has another type than in the table.
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the log or a data file is not readable.
    /// - [`ClockSkew`](crate::ErrorKind::ClockSkew): the local clock is ahead by more than the dataset allows.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or did
    ///   not answer. Some versions may have been added. Call it again.
    ///
    /// # Cancel safety
    /// Dropping the future, or a crash, leaves a readable table. The next call adds what is missing.
    ///
    /// # Requests
    /// 1 GET and 1 LIST for the log, and 1 GET for each version since its last checkpoint and for each part of that. The first call
    /// and a reconciling one list the dataset, with a HEAD for each commit with a token; others poll the change stream, with a HEAD
    /// for each new file. For each new file 1 GET of its footer, or 2 if that is large. 1 PUT for each version, and a GET and a PUT
    /// more for each that another publisher adds meanwhile.
    ///
    /// A checkpoint, after 100 versions: 1 GET and 1 LIST, 1 GET for each of those versions and for each part of the last
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
        PublishDelta { table: self.clone(), reconciles: false, interval: INTERVAL }
    }
}

/// The settings of [`Table::publish_delta`], which publishes once when it is awaited, or goes on by [`stream`](Self::stream).
#[derive(Debug, Clone)]
#[must_use = "nothing is published until it is awaited"]
pub struct PublishDelta {
    table: Table,
    reconciles: bool,
    interval: Duration,
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
}

impl PublishDelta {
    /// Lists the dataset again, and adds what late commits left out. Reports files that are no longer there.
    pub fn reconcile(mut self) -> Self {
        self.reconciles = true;
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
    /// It reads the log only once. The stream ends after an error; a new one goes on where the log ends.
    ///
    /// # Errors
    /// Those of [`Table::publish_delta`].
    ///
    /// # Cancel safety
    /// Dropping the stream leaves a readable table.
    ///
    /// # Requests
    /// At first those of [`Table::publish_delta`]. Then for each look at the change stream 1 GET, and 1 LIST for each 1,000 new
    /// refs; and for new files those of a later call.
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
        let mut publisher = Publisher::start(&self, tally).await?;
        Ok(publisher.take())
    }

    /// Publishes until the receiver is dropped.
    async fn follow(&self, out: &Sender<Result<Published>>, tally: &Tally) -> Result<()> {
        let mut publisher = Publisher::start(self, tally).await?;
        loop {
            let published = publisher.take();
            if (published.versions > 0 || !published.missing.is_empty()) && out.send(Ok(published)).await.is_err() {
                return Ok(());
            }
            self.table.dataset().clock().sleep(self.interval).await;
            publisher.log.catch_up().await?;
            publisher.publish_changes().await?;
            publisher.log.checkpoint_if_due().await?;
        }
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

/// A call that is running.
struct Publisher<'a> {
    table: &'a Table,
    columns: Columns,
    log: Log,
    tally: &'a Tally,
    published: Published,
}

impl<'a> Publisher<'a> {
    /// Reads the log, and publishes what there is.
    async fn start(settings: &'a PublishDelta, tally: &'a Tally) -> Result<Self> {
        let columns = Columns::new(&settings.table.schema().columns);
        let log = Log::read(settings.table.dataset()).await?;
        // An error before the first file is fetched.
        merged::schema(log.state.metadata.as_ref(), &columns.schema)?;
        let is_new = log.state.offset.is_none();
        let mut publisher = Self { table: &settings.table, columns, log, tally, published: Published::default() };
        if is_new || settings.reconciles {
            publisher.publish_snapshot(settings.reconciles).await?;
        }
        if !is_new {
            publisher.publish_changes().await?;
        }
        publisher.log.checkpoint_if_due().await?;
        Ok(publisher)
    }

    /// Returns what was published since the last time.
    fn take(&mut self) -> Published {
        let version = self.log.next.checked_sub(1);
        Published { version, left_out: self.columns.left_out.clone(), ..std::mem::take(&mut self.published) }
    }

    fn dataset(&self) -> &Dataset {
        self.table.dataset()
    }

    /// Adds all committed files that the log lacks.
    async fn publish_snapshot(&mut self, looks_for_missing: bool) -> Result<()> {
        let dataset = self.dataset().clone();
        // Before the listing, which therefore has the commits of all refs before this place. The poll checks the clock.
        let settled = dataset.clock().micros().saturating_sub(crate::clock::micros(dataset.settle_window()));
        let place = Offset::of(dataset.keys().offset_at(settled));
        self.table.poll(&place).limit(1).await?;
        let names = self.table.partition_names();
        let patterns = vec![Pattern::all(names.len())];
        let listed = committed_files(&dataset, patterns, names, None, self.tally).await?;
        let files: Vec<StoredFile> = listed.into_iter().flat_map(|partition| partition.files).collect();
        if looks_for_missing {
            let paths: HashSet<String> = files.iter().filter_map(|file| dataset.keys().log_path(&file.key)).collect();
            let missing = self.log.state.paths.iter().filter(|path| !paths.contains(*path));
            self.published.missing =
                missing.map(|path| dataset.keys().of_log_path(path).unwrap_or_else(|| path.clone())).collect();
            self.published.missing.sort_unstable();
        }
        let files = self.unpublished(files);
        let mut parts: Vec<&[StoredFile]> = files.chunks(FILES_IN_VERSION).collect();
        // The place counts when all files are there.
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            self.add(part.to_vec(), None).await?;
        }
        let is_needed = !files.is_empty() || self.log.state.offset.is_none();
        self.add(last.to_vec(), is_needed.then_some(&place)).await
    }

    /// Adds the files of the commits since the log's place.
    async fn publish_changes(&mut self) -> Result<()> {
        while let Some(place) = self.log.state.offset.clone() {
            let page = self.table.poll(&place).limit(FILES_IN_VERSION).await?;
            let files = page.entries.iter().map(|entry| StoredFile {
                key: entry.data_path.clone(),
                size: FileSize::Rows(entry.record_count),
                version: None,
                offset: None,
            });
            let files = self.unpublished(files.collect());
            // A version for nothing but the place would only make the log longer, unless the next call would begin far back.
            let place = (!files.is_empty() || !page.caught_up).then_some(&page.next);
            self.add(files, place).await?;
            if page.caught_up {
                break;
            }
        }
        Ok(())
    }

    /// Returns the files that the log lacks, each once. Notes those that can't be published.
    fn unpublished(&mut self, files: Vec<StoredFile>) -> Vec<StoredFile> {
        let keys = self.dataset().keys().clone();
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        for file in files {
            match keys.log_path(&file.key) {
                Some(path) if self.log.state.paths.contains(&path) => {}
                Some(path) => {
                    if seen.insert(path) {
                        wanted.push(file);
                    }
                }
                None => self.published.unpublishable.push(file.key),
            }
        }
        wanted
    }

    /// Adds a version with files, and a place in the change stream.
    async fn add(&mut self, files: Vec<StoredFile>, place: Option<&Offset>) -> Result<()> {
        let names: HashSet<String> = self.columns.names().map(str::to_owned).collect();
        let (dataset, tally) = (self.dataset().clone(), self.tally);
        let adds = files.into_iter().map(|file| {
            let (dataset, names) = (&dataset, &names);
            async move {
                let action = file_action(dataset, &file, names, tally).await?;
                Ok::<_, Error>(action.ok_or(file.key))
            }
        });
        let found: Vec<_> = stream::iter(adds).buffered(dataset.client().permits()).try_collect().await?;
        let mut adds = Vec::with_capacity(found.len());
        for action in found {
            match action {
                Ok(add) => adds.push(add),
                Err(missing) => self.published.missing.push(missing),
            }
        }
        let id = Uuid::from_bytes(ids::attempt(dataset.clock())).to_string();
        let (columns, clock) = (&self.columns, dataset.clock().micros() / 1_000);
        let make = |state: &State| -> Result<Vec<Action>> {
            let mut actions = head(state, columns, &id, clock)?;
            let new = adds.iter().filter(|add| !state.paths.contains(&add.path));
            actions.extend(new.cloned().map(Action::Add));
            // Another publisher may be further.
            let is_further = place.is_some_and(|place| state.offset.as_ref().is_none_or(|known| known < place));
            if let (Some(place), true) = (place, is_further) {
                actions.extend(delta::place(place));
            }
            Ok(actions)
        };
        if let Some(files) = self.log.add(make).await? {
            self.published.versions += 1;
            self.published.files += files;
        }
        Ok(())
    }
}

/// Returns the actions that make the table one with these columns.
fn head(state: &State, columns: &Columns, id: &str, millis: i64) -> Result<Vec<Action>> {
    let mut actions = Vec::new();
    let schema = merged::schema(state.metadata.as_ref(), &columns.schema)?;
    let protocol = Protocol::fenced(merged::has_local_times(&schema));
    let is_enough = |known: &Protocol| known.min_reader_version >= protocol.min_reader_version;
    if !state.protocol.as_ref().is_some_and(is_enough) {
        actions.push(Action::Protocol(protocol));
    }
    let schema_string = schema.to_string();
    match &state.metadata {
        Some(metadata) if metadata.schema_string == schema_string => {}
        Some(metadata) => actions.push(Action::MetaData(MetaData { schema_string, ..metadata.clone() })),
        None => {
            let format = Format { provider: "parquet".to_owned(), options: BTreeMap::new() };
            let configuration = BTreeMap::from([("delta.appendOnly".to_owned(), "true".to_owned())]);
            actions.push(Action::MetaData(MetaData {
                id: id.to_owned(),
                format,
                schema_string,
                partition_columns: Vec::new(),
                configuration,
                created_time: Some(millis),
            }));
        }
    }
    Ok(actions)
}

/// Returns the action that adds a file, or `None` if the file does not exist.
async fn file_action(
    dataset: &Dataset,
    file: &StoredFile,
    names: &HashSet<String>,
    tally: &Tally,
) -> Result<Option<Add>> {
    let path = dataset.keys().log_path(&file.key);
    let path = path.ok_or_else(|| Error::internal(format!("{} can't be published", file.key)))?;
    let size = match file.size {
        FileSize::Bytes(size) => size,
        FileSize::Rows(_) => {
            let Some(head) = dataset.client().head(&file.key).await? else { return Ok(None) };
            head.size.ok_or_else(|| Error::invalid_data(format!("head {}: there is no size", file.key)))?
        }
    };
    let Some(footer) = scan::footer(dataset, file, size, tally).await? else { return Ok(None) };
    let names = names.clone();
    let stats = cpu::run(dataset.clock(), move || stats::statistics(&footer, &names)).await;
    Ok(Some(Add {
        path,
        partition_values: BTreeMap::new(),
        size,
        modification_time: dataset.clock().micros() / 1_000,
        data_change: true,
        stats: Some(stats.map_err(|error| error.context(&file.key))?),
    }))
}
