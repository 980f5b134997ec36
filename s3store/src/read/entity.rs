//! Reading one entity: its partitions' files, and of these only the pages that can contain it.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::request::READ_AHEAD_BYTES;
use super::sink;
use super::snapshot::committed_files;
use crate::codec::Footer;
use crate::cpu;
use crate::dataset::{Dataset, MemoryReserve, Store, Subject};
use crate::error::{Error, Result};
use crate::merge::{BatchSource, Keep, merge, slim};
use crate::metrics::{Method, Metrics, Tally};
use crate::record::{Entity, KeyPart, Keyed, Predicate, ReadLayout, Record};
use crate::scan::{self, FileSize, RangedRead, StoredFile, vanished};

impl<T: Record> Store<T>
where
    T::Root: Keyed,
{
    /// Reads the latest record of an entity. Returns `None` if there is none, or if it marks the entity as deleted.
    ///
    /// The record is the one that [`read`](Store::read) returns for the entity. If the entity is in several partitions,
    /// which `dedup = "per_partition"` allows, it is the one with the highest version among theirs, and that of the last
    /// partition if several have it.
    ///
    /// Fetches the files' footers, and then only the columns and row groups that can contain the entity by the files'
    /// statistics. Files are sorted by entity, so few row groups can.
    ///
    /// # Errors
    /// Those of [`read`](Store::read).
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests. A read never changes anything.
    ///
    /// # Requests
    /// - 1 LIST per page of at most 1,000 keys in the entity's partition.
    /// - 1 HEAD for each commit with a token of the caller.
    /// - 1 GET for each file of up to 32 KiB. For a larger one, those of a [filter](crate::read::Read::filter) on the entity:
    ///   usually 1 or 2 if it can't contain the entity, and 1 for each of a few columns more if it can.
    ///   Footers, Bloom filters, page indexes and files of up to 32 KiB that this dataset's handles have read before are not
    ///   fetched again.
    ///
    /// # Example
    /// ```
    /// # #[derive(s3store::Record)]
    /// # #[record(partition_by(customer))]
    /// # struct Invoice {
    /// #     #[record(entity)] customer: String, #[record(entity)] number: u32, #[record(version)] version: u64,
    /// # }
    /// # async fn example(store: s3store::Store<Invoice>) -> s3store::Result<()> {
    /// let invoice = store.read_entity(&Invoice::entity_of("abc", 17_u32)?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_entity(&self, entity: &Entity<T::Root>) -> Result<Option<T>> {
        let call = self.dataset().metrics().call(Method::ReadEntity);
        let read = EntityRead::new(self.dataset(), Keep::Latest, entity);
        let records = call.run(async |tally| read.latest::<T>(&tally).await).await?;
        Ok(records.into_iter().next())
    }

    /// Reads every version of an entity, in the order of the versions: as [`read_entity`](Store::read_entity), and with the
    /// records that mark it as deleted.
    ///
    /// Records with one version count as one; the last of them is returned. If the entity is in several partitions, those
    /// of one partition come after those of the other, in the order of the partitions' keys.
    ///
    /// # Errors
    /// Those of [`read`](Store::read).
    ///
    /// # Example
    /// ```
    /// # #[derive(s3store::Record)]
    /// # #[record(partition_by(customer))]
    /// # struct Invoice {
    /// #     #[record(entity)] customer: String, #[record(entity)] number: u32, #[record(version)] version: u64,
    /// # }
    /// # async fn example(store: s3store::Store<Invoice>) -> s3store::Result<()> {
    /// for version in store.history_of(&Invoice::entity_of("abc", 17_u32)?).await? { /* … */ }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history_of(&self, entity: &Entity<T::Root>) -> Result<Vec<T>> {
        let call = self.dataset().metrics().call(Method::HistoryOf);
        let read = EntityRead::new(self.dataset(), Keep::History, entity);
        call.run(async |tally| read.all::<T>(&tally).await).await
    }
}

/// A read of one entity.
struct EntityRead<'a, R> {
    dataset: &'a Dataset,
    keep: Keep,
    entity: &'a Entity<R>,
}

impl<'a, R: Keyed> EntityRead<'a, R> {
    fn new(dataset: &'a Dataset, keep: Keep, entity: &'a Entity<R>) -> Self {
        Self { dataset, keep, entity }
    }

    /// Returns the record with the highest version among those of all partitions. Returns at most one.
    async fn latest<T: Record<Root = R>>(&self, tally: &Tally) -> Result<Vec<T>> {
        let layout = layout::<T>();
        let version = layout.key.as_ref().map(|key| key.version);
        let mut latest: Option<(Option<KeyPart>, RecordBatch)> = None;
        for batch in self.batches::<T>(&layout, tally).await? {
            let version = version.and_then(|column| KeyPart::of_row(batch.columns().get(column)?, 0));
            if latest.as_ref().is_none_or(|(known, _)| known.cmp(&version) != Ordering::Greater) {
                latest = Some((version, batch));
            }
        }
        self.records(latest.iter().map(|(_, batch)| batch), tally)
    }

    /// Returns the records of all partitions.
    async fn all<T: Record<Root = R>>(&self, tally: &Tally) -> Result<Vec<T>> {
        self.records(&self.batches::<T>(&layout::<T>(), tally).await?, tally)
    }

    fn records<'b, T: Record<Root = R>>(
        &self,
        batches: impl IntoIterator<Item = &'b RecordBatch>,
        tally: &Tally,
    ) -> Result<Vec<T>> {
        let mut records = Vec::new();
        for batch in batches {
            // Its rows are those of the entity, of several files.
            sink::append(batch, &mut records).map_err(|error| error.context(format!("entity {}", self.entity)))?;
        }
        tally.records(records.len() as u64);
        Ok(records)
    }

    /// Returns the entity's merged rows, partition by partition.
    async fn batches<T: Record<Root = R>>(&self, layout: &Arc<ReadLayout>, tally: &Tally) -> Result<Vec<RecordBatch>> {
        let (dataset, names) = (self.dataset, R::description().partition.clone());
        let pattern = self.entity.partition_pattern()?;
        let rows = self.entity.predicate(layout).ok_or_else(|| Error::internal("the layout has no entity"))?;
        dataset.check_schema(Subject::reader::<T>()).await?;
        let partitions = committed_files(dataset, vec![pattern], names, None, tally).await?;
        let side_by_side = dataset.client().permits();
        dataset.metrics().fanout(partitions.iter().map(|partition| partition.files.len()).sum(), side_by_side);
        let reserve = MemoryReserve::new(READ_AHEAD_BYTES);
        let mut merged = Vec::new();
        for partition in partitions {
            let (rows, reserve) = (&rows, &reserve);
            let read = |file: StoredFile| async move {
                let size = file.size.bytes().unwrap_or_default();
                let _reserved = reserve.take(size, dataset.metrics(), Metrics::waited_for_bytes).await?;
                read_file(dataset, &file, layout, rows, tally).await
            };
            let files = stream::iter(partition.files.into_iter().map(read)).buffered(side_by_side);
            let files: Vec<FoundRows> =
                files.try_filter(|file| std::future::ready(file.has_rows())).try_collect().await?;
            for batch in merge(layout, files, self.keep)? {
                merged.push(batch.map_err(|error| error.context(format!("partition {}", partition.key)))?);
            }
        }
        Ok(merged)
    }
}

fn layout<T: Record>() -> Arc<ReadLayout> {
    Arc::new(ReadLayout::new(T::description(), T::Root::description()))
}

/// The rows of a file that belong to the entity.
struct FoundRows {
    schema: SchemaRef,
    batches: std::vec::IntoIter<RecordBatch>,
}

impl FoundRows {
    fn has_rows(&self) -> bool {
        !self.batches.as_slice().is_empty()
    }
}

impl Iterator for FoundRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next().map(Ok)
    }
}

impl BatchSource for FoundRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Reads the rows of a file that belong to the entity.
async fn read_file(
    dataset: &Dataset,
    file: &StoredFile,
    layout: &Arc<ReadLayout>,
    rows: &Predicate,
    tally: &Tally,
) -> Result<FoundRows> {
    let key = file.key.as_str();
    let footer = match file.size {
        FileSize::Bytes(size) => scan::footer(dataset, file, size, tally).await?,
        FileSize::Rows(_) => whole_file(dataset, key, tally).await?,
    };
    let footer = footer.ok_or_else(|| vanished(file))?;
    tally.file();
    let (wanted, layout) = (rows.clone(), Arc::clone(layout));
    let open = move |footer: Footer| footer.read_matching(&layout, &wanted);
    let opened = scan::open_file(dataset, file, footer, open, tally).await?;
    let (_, mut reader) = opened.ok_or_else(|| vanished(file))?;
    let schema = reader.schema();
    let mut batches = Vec::new();
    loop {
        match scan::next_batch(dataset, key, reader, tally).await? {
            RangedRead::Batch(rest, batch) => {
                let found = rows.keep_matching(batch).map_err(|error| error.context(key))?;
                if found.num_rows() > 0 {
                    batches.push(slim(&found));
                }
                reader = rest;
            }
            RangedRead::End => return Ok(FoundRows { schema, batches: batches.into_iter() }),
            RangedRead::FileMissing => return Err(vanished(file)),
        }
    }
}

/// Fetches a file whose size is not known. Sends 1 GET.
async fn whole_file(dataset: &Dataset, key: &str, tally: &Tally) -> Result<Option<Footer>> {
    let Some(body) = dataset.client().get(key, 0).await? else { return Ok(None) };
    tally.bytes(body.len() as u64);
    let footer = cpu::run(dataset.clock(), move || Footer::of_file(body)).await;
    footer.map(Some).map_err(|error: Error| error.context(key))
}
