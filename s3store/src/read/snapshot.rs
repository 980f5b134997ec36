//! Finds the committed files of a snapshot: LISTs the partitions, and HEADs the commits that the listing leaves open.

use std::future::ready;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};

use super::resolve::Resolver;
use super::walk::{self, Haste, ListedPartition};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::Tally;
use crate::pattern::Pattern;
use crate::record::Names;
use crate::scan::PartitionFiles;

/// Returns the committed files that the patterns select, partition by partition in the order of their keys. With `as_of`,
/// only those committed before that instant, in microseconds since 1970 by the clock of S3.
///
/// A partition comes as soon as no smaller one can, while the listing goes on. The requests run ahead of the consumer: the
/// pages of [`walk::partitions`], and the HEADs of as many partitions as there are permits.
pub(super) fn partitions<'a>(
    dataset: &'a Dataset,
    patterns: Vec<Pattern>,
    names: Names,
    haste: Haste,
    as_of: Option<i64>,
    tally: &'a Tally,
) -> impl Stream<Item = Result<PartitionFiles>> + Send + 'a {
    walk::partitions(dataset, patterns, names, haste)
        .map_ok(move |listed| resolve(dataset, listed, as_of, tally))
        .try_buffered(dataset.client().permits())
        .try_filter_map(|partition| ready(Ok(partition)))
}

/// Returns the committed files that the patterns select, as [`partitions`].
pub(crate) async fn committed_files(
    dataset: &Dataset,
    patterns: Vec<Pattern>,
    names: Names,
    as_of: Option<i64>,
    tally: &Tally,
) -> Result<Vec<PartitionFiles>> {
    partitions(dataset, patterns, names, Haste::All, as_of, tally).try_collect().await
}

/// Sends the HEADs that the listing of a partition leaves open. Returns `None` if it has no committed file.
async fn resolve(
    dataset: &Dataset,
    partition: ListedPartition,
    as_of: Option<i64>,
    tally: &Tally,
) -> Result<Option<PartitionFiles>> {
    let mut listed = Resolver::new(as_of);
    listed.add(dataset.keys(), partition.objects)?;
    let queries = listed.queries(dataset.keys());
    if !queries.is_empty() {
        let side_by_side = dataset.client().permits();
        dataset.metrics().fanout(queries.len(), side_by_side);
        let mut answers = stream::iter(queries.into_iter().map(|query| async move {
            tally.commit_head();
            let commit = dataset.find_commit(&query.commit_key).await?;
            Ok::<_, crate::Error>((query, commit.map(|found| found.meta)))
        }))
        .buffer_unordered(side_by_side);
        while let Some((query, commit)) = answers.try_next().await? {
            listed.resolve(dataset.keys(), &query, commit)?;
        }
    }
    Ok(listed.into_partitions().pop())
}
