//! The plan of a read.

use std::fmt;

use super::Read;
use crate::error::Result;
use crate::merge::Keep;
use crate::record::{Predicate, ReadLayout, Record};
use crate::scan::PlannedPartition;

/// How a read would run: the partitions and files that it reads, and which parts of them. Made by
/// [`Read::explain`](super::Read::explain), for people and for tests.
///
/// `Display` prints it as text of several lines, whose form may change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadPlan {
    /// The name of the record that is read, or of the projection.
    pub record: String,
    /// The columns that are read: those of the record, then those that only deduplication and the filter need.
    pub columns: Vec<String>,
    /// The rows that remain of those with equal keys.
    pub kept: KeptRows,
    /// The part of the filter that drops rows, row groups and files before rows with equal keys are dropped.
    pub filter_before: Option<String>,
    /// The part of the filter that drops rows afterwards. It excludes no row groups.
    pub filter_after: Option<String>,
    /// The partitions that are read, in the order of their keys.
    pub partitions: Vec<PlannedPartition>,
    /// The keys of the partitions with committed files that the patterns select and the filter excludes.
    pub excluded_partitions: Vec<String>,
}

/// The rows that a read returns of those with equal keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptRows {
    /// The latest version of each entity.
    Latest,
    /// One row for each version of an entity.
    History,
    /// All rows, because the record has no key.
    All,
}

impl<T: Record> Read<T> {
    /// Returns how the read would run: its partitions, files and row groups, and which the filter excludes.
    ///
    /// It makes the same decisions as the read, but fetches no rows. The rest is decided when the read has the footers of the
    /// other files: which of their row groups are decoded, and whether a partition is merged in memory. A [`limit`](Self::limit)
    /// may end the read earlier.
    ///
    /// # Errors
    /// Those of the method that started the read, unless they are about rows.
    ///
    /// # Cancel safety
    /// Dropping the future stops its requests.
    ///
    /// # Requests
    /// The LISTs and HEADs of the read, and 1 or 2 GETs for the footer of each file that the read would fetch in parts. The
    /// footers are kept for the read, as [`footer_cache_bytes`](crate::dataset::DatasetOptions::footer_cache_bytes) allows.
    ///
    /// # Example
    /// ```
    /// # #[derive(s3store::Record)]
    /// # #[record(partition_by(day))]
    /// # struct Cost { day: String, sku: String, amount: i64 }
    /// # async fn example(store: s3store::Store<Cost>) -> s3store::Result<()> {
    /// let read = || store.read("day=2026-03-*").filter(|c| c.sku.eq("SKU-1"));
    /// println!("{}", read().explain().await?);
    /// let costs = read().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain(self) -> Result<ReadPlan> {
        self.request.explain().await
    }
}

impl ReadPlan {
    pub(super) fn new(record: &str, layout: &ReadLayout, keep: Keep) -> Self {
        let name = |index: &usize| {
            layout.columns.get(*index).map_or_else(String::new, |column| column.name.clone().into_owned())
        };
        let text = |part: &Predicate| {
            let named = part.clone().map_columns(&mut |index| Ok::<_, std::convert::Infallible>(name(&index)));
            named.map_or_else(|never| match never {}, |named| named.to_string())
        };
        Self {
            record: record.to_owned(),
            columns: layout.columns.iter().map(|column| column.name.clone().into_owned()).collect(),
            kept: match keep {
                Keep::Latest => KeptRows::Latest,
                Keep::History => KeptRows::History,
                Keep::All => KeptRows::All,
            },
            filter_before: layout.filter.below.as_deref().map(text),
            filter_after: layout.filter.above.as_deref().map(text),
            partitions: Vec::new(),
            excluded_partitions: Vec::new(),
        }
    }
}

impl fmt::Display for ReadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = match self.kept {
            KeptRows::Latest => "latest versions",
            KeptRows::History => "history",
            KeptRows::All => "all rows",
        };
        let files: usize = self.partitions.iter().map(|partition| partition.files.len()).sum();
        writeln!(f, "{}: {kept}; partitions: {}, files: {files}", self.record, self.partitions.len())?;
        writeln!(f, "columns: {}", self.columns.join(", "))?;
        if let Some(filter) = &self.filter_before {
            writeln!(f, "filter before deduplication: {filter}")?;
        }
        if let Some(filter) = &self.filter_after {
            writeln!(f, "filter after deduplication: {filter}")?;
        }
        for partition in &self.partitions {
            writeln!(f, "partition {}", partition.partition)?;
            for file in &partition.files {
                writeln!(f, "  {file}")?;
            }
        }
        for partition in &self.excluded_partitions {
            writeln!(f, "partition {partition}: excluded by the filter")?;
        }
        Ok(())
    }
}
