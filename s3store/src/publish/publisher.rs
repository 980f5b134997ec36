//! A call that publishes: what it adds to the log, and when.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use uuid::Uuid;

use super::columns::Columns;
use super::{PublishDelta, Published, fit, merged, stats};
use crate::cpu;
use crate::dataset::{Dataset, IfNoneMatchSupport};
use crate::delta::{self, Action, Add, Format, Log, MetaData, Protocol, State};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Offset;
use crate::ids;
use crate::metrics::Tally;
use crate::pattern::Pattern;
use crate::read::committed_files;
use crate::scan::{self, FileSize, StoredFile};
use crate::schema::SchemaColumn;
use crate::table::Table;

/// The most files that a version adds.
const FILES_IN_VERSION: usize = 10_000;

/// The most bytes of paths and statistics in a version, if it has more than one file.
const BYTES_IN_VERSION: usize = 8 << 20;

/// The versions between two checkpoints.
const VERSIONS: u64 = 100;

/// A call that is running.
pub(super) struct Publisher<'a> {
    table: &'a Table,
    columns: Columns,
    log: Log,
    /// Where the next poll begins. It may be after the log's place, which is put only with files.
    place: Option<Offset>,
    /// If true, the publisher has added all files that its first step had to add.
    has_begun: bool,
    tally: &'a Tally,
    published: Published,
}

impl<'a> Publisher<'a> {
    /// Reads the log.
    pub(super) async fn open(settings: &'a PublishDelta, tally: &'a Tally) -> Result<Self> {
        let dataset = settings.table.dataset();
        if dataset.conditional_put().support() == IfNoneMatchSupport::Ignored {
            return Err(delta::ignores_conditions());
        }
        let record = &settings.table.schema().columns;
        let columns = Columns::new(record, &settings.left_out);
        let log = Log::read(dataset).await?;
        // Errors before the first file is fetched.
        merged::check_names(log.state.metadata.as_ref(), record)?;
        merged::schema(log.state.metadata.as_ref(), &columns.schema)?;
        let place = log.state.offset.clone();
        Ok(Self {
            table: &settings.table,
            columns,
            log,
            place,
            has_begun: false,
            tally,
            published: Published::default(),
        })
    }

    /// Returns the time up to which the log has all commits in time, in microseconds. `None` for a new log.
    pub(super) fn reached(&self) -> Option<i64> {
        self.log.state.offset.as_ref().and_then(Offset::instant).map(|instant| instant.timestamp_micros())
    }

    /// Publishes what there is since the last time. The first time, a reconciling publisher also lists the dataset.
    pub(super) async fn go_on(&mut self, reconciles: bool) -> Result<()> {
        if self.has_begun {
            self.log.catch_up().await?;
        }
        let before = self.published.versions;
        let is_new = self.log.state.offset.is_none();
        if is_new || (reconciles && !self.has_begun) {
            // If this fails, the next time lists the dataset again.
            self.publish_snapshot(reconciles).await?;
        }
        self.has_begun = true;
        if !is_new {
            self.publish_changes().await?;
        }
        // Readers load many files sooner from a checkpoint.
        let are_many = self.published.versions.saturating_sub(before) > 1;
        self.log.checkpoint_after(if are_many { 1 } else { VERSIONS }).await
    }

    /// Returns what was published since the last time.
    pub(super) fn take(&mut self) -> Published {
        let version = self.log.next.checked_sub(1);
        let mut published = std::mem::take(&mut self.published);
        // A call that failed in between has noted them before.
        for keys in [&mut published.missing, &mut published.unpublishable, &mut published.unreadable] {
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

    /// Adds the files of the commits since the last poll.
    async fn publish_changes(&mut self) -> Result<()> {
        // Another publisher may be further.
        while let Some(place) = self.place.clone().max(self.log.state.offset.clone()) {
            let page = self.table.poll(&place).limit(FILES_IN_VERSION).await?;
            let files = page.entries.iter().map(|entry| StoredFile {
                key: entry.data_path.clone(),
                size: FileSize::Rows(entry.record_count),
                version: None,
                offset: None,
            });
            let files = self.unpublished(files.collect());
            // A version for nothing but the place would only make the log longer, unless the next call would begin far back.
            let kept = (!files.is_empty() || !page.caught_up).then_some(&page.next);
            self.add(files, kept).await?;
            self.place = Some(page.next);
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

    /// Adds files, and then a place in the change stream, in one version or, if they take many bytes, in several.
    async fn add(&mut self, files: Vec<StoredFile>, place: Option<&Offset>) -> Result<()> {
        let schema = merged::schema(self.log.state.metadata.as_ref(), &self.columns.schema)?;
        let target = Arc::new(Target { schema, record: self.table.schema().columns.clone() });
        let (dataset, tally) = (self.dataset().clone(), self.tally);
        let examined = files.into_iter().map(|file| {
            let (dataset, target) = (&dataset, &target);
            async move { examine(dataset, file, target, tally).await }
        });
        let examined: Vec<_> = stream::iter(examined).buffered(dataset.client().permits()).try_collect().await?;
        let mut adds = Vec::with_capacity(examined.len());
        for file in examined {
            match file {
                Examined::File(add) => adds.push(add),
                Examined::Missing(key) => self.published.missing.push(key),
                Examined::Unreadable(key) => self.published.unreadable.push(key),
            }
        }
        let mut versions = by_bytes(adds);
        // The place counts when all files are there.
        let last = versions.pop().unwrap_or_default();
        for adds in versions {
            self.add_version(&adds, None).await?;
        }
        self.add_version(&last, place).await
    }

    async fn add_version(&mut self, adds: &[Add], place: Option<&Offset>) -> Result<()> {
        let clock = self.dataset().clock().clone();
        let id = Uuid::from_bytes(ids::attempt(&clock)).to_string();
        let (columns, millis) = (&self.columns, clock.micros() / 1_000);
        let make = |state: &State| -> Result<Vec<Action>> {
            let mut actions = head(state, columns, &id, millis)?;
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

/// Divides files into versions of few enough bytes.
fn by_bytes(adds: Vec<Add>) -> Vec<Vec<Add>> {
    let mut versions: Vec<Vec<Add>> = Vec::new();
    let mut bytes = 0usize;
    for add in adds {
        let more = add.path.len().saturating_add(add.stats.as_ref().map_or(0, String::len));
        bytes = bytes.saturating_add(more);
        match versions.last_mut() {
            Some(version) if bytes <= BYTES_IN_VERSION => version.push(add),
            _ => {
                versions.push(vec![add]);
                bytes = more;
            }
        }
    }
    versions
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

/// What files are compared with.
struct Target {
    /// The schema of the table.
    schema: Value,
    /// The columns of the publisher's record.
    record: Vec<SchemaColumn>,
}

/// What a file is to the table.
enum Examined {
    File(Add),
    /// The key of a file that does not exist.
    Missing(String),
    /// The key of a file whose footer is not readable.
    Unreadable(String),
}

/// Reads a file's footer, and returns the action that adds the file.
///
/// # Errors
/// `InvalidInput` if its columns do not fit the table.
async fn examine(dataset: &Dataset, file: StoredFile, target: &Arc<Target>, tally: &Tally) -> Result<Examined> {
    let size = match file.size {
        FileSize::Bytes(size) => Some(size),
        FileSize::Rows(_) => match dataset.client().head(&file.key).await? {
            Some(head) => head.size,
            None => return Ok(Examined::Missing(file.key)),
        },
    };
    let size = size.ok_or_else(|| Error::invalid_data(format!("head {}: there is no size", file.key)))?;
    let stats = match scan::footer(dataset, &file, size, tally).await {
        Ok(None) => return Ok(Examined::Missing(file.key)),
        Ok(Some(footer)) => {
            let target = Arc::clone(target);
            cpu::run(dataset.clock(), move || {
                fit::check(&footer, &target.schema, &target.record)?;
                stats::statistics(&footer, &target.schema)
            })
            .await
        }
        Err(error) => Err(error),
    };
    let stats = match stats {
        Ok(stats) => stats,
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            tracing::warn!(key = file.key, %error, "a committed file is not readable and is not published");
            return Ok(Examined::Unreadable(file.key));
        }
        Err(error) => return Err(error.context(&file.key)),
    };
    let path = dataset.keys().log_path(&file.key);
    Ok(Examined::File(Add {
        path: path.ok_or_else(|| Error::internal(format!("{} can't be published", file.key)))?,
        partition_values: BTreeMap::new(),
        size,
        modification_time: dataset.clock().micros() / 1_000,
        data_change: true,
        stats: Some(stats),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_limited_by_bytes() {
        let add = |bytes: usize| Add {
            path: "p".repeat(bytes),
            partition_values: BTreeMap::new(),
            size: 1,
            modification_time: 1,
            data_change: true,
            stats: None,
        };
        let lengths = |adds: Vec<Add>| by_bytes(adds).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new()), [0; 0]);
        assert_eq!(lengths(vec![add(10), add(10)]), [2]);
        assert_eq!(lengths(vec![add(BYTES_IN_VERSION + 1), add(1), add(BYTES_IN_VERSION - 1), add(1)]), [1, 2, 1]);
    }
}
