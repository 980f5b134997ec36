//! A call that publishes: what it adds to the log, and when.

use std::collections::{BTreeMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::columns::Columns;
use super::{PublishDelta, Published, merged, stats};
use crate::cpu;
use crate::dataset::Dataset;
use crate::delta::{self, Action, Add, Format, Log, MetaData, Protocol, State};
use crate::error::{Error, Result};
use crate::format::Offset;
use crate::ids;
use crate::metrics::Tally;
use crate::pattern::Pattern;
use crate::read::committed_files;
use crate::scan::{self, FileSize, StoredFile};
use crate::table::Table;

/// The most files that a version adds.
const FILES_IN_VERSION: usize = 10_000;

/// The versions between two checkpoints.
const VERSIONS: u64 = 100;

/// A call that is running.
pub(super) struct Publisher<'a> {
    table: &'a Table,
    columns: Columns,
    log: Log,
    tally: &'a Tally,
    published: Published,
}

impl<'a> Publisher<'a> {
    /// Reads the log.
    pub(super) async fn open(settings: &'a PublishDelta, tally: &'a Tally) -> Result<Self> {
        let columns = Columns::new(&settings.table.schema().columns, &settings.left_out);
        let log = Log::read(settings.table.dataset()).await?;
        // An error before the first file is fetched.
        merged::schema(log.state.metadata.as_ref(), &columns.schema)?;
        Ok(Self { table: &settings.table, columns, log, tally, published: Published::default() })
    }

    /// Returns the time up to which the log has all commits in time, in microseconds. `None` for a new log.
    pub(super) fn reached(&self) -> Option<i64> {
        self.log.state.offset.as_ref().and_then(Offset::instant).map(|instant| instant.timestamp_micros())
    }

    /// Publishes what there is. A reconciling publisher also lists the dataset.
    pub(super) async fn begin(&mut self, reconciles: bool) -> Result<()> {
        let is_new = self.log.state.offset.is_none();
        if is_new || reconciles {
            self.publish_snapshot(reconciles).await?;
        }
        if !is_new {
            self.publish_changes().await?;
        }
        // Readers load many files sooner from a checkpoint.
        let are_many = self.published.versions > 1;
        self.log.checkpoint_after(if are_many { 1 } else { VERSIONS }).await
    }

    /// Publishes what there is since the last time.
    pub(super) async fn go_on(&mut self) -> Result<()> {
        self.log.catch_up().await?;
        self.publish_changes().await?;
        self.log.checkpoint_after(VERSIONS).await
    }

    /// Returns what was published since the last time.
    pub(super) fn take(&mut self) -> Published {
        let version = self.log.next.checked_sub(1);
        let mut published = std::mem::take(&mut self.published);
        // A call that failed in between has noted them before.
        for keys in [&mut published.missing, &mut published.unpublishable] {
            keys.sort_unstable();
            keys.dedup();
        }
        Published { version, left_out: self.columns.left_out.clone(), ..published }
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
            self.dataset().metrics().published(files);
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
