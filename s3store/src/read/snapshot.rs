//! Finds the committed files of a snapshot: LISTs the partitions, and HEADs the commits that the listing leaves open.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::resolve::Resolver;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::Tally;
use crate::pattern::{ListPlan, Listing, Pattern};
use crate::s3::ListedObject;
use crate::scan::PartitionFiles;

/// Returns the committed files that the patterns select. With `as_of`, only those committed before that instant, in
/// microseconds since 1970 by the clock of S3.
pub(super) async fn committed_files(
    dataset: &Dataset,
    patterns: Vec<Pattern>,
    names: &[&str],
    as_of: Option<i64>,
    tally: &Tally,
) -> Result<Vec<PartitionFiles>> {
    let listings = ListPlan::new(patterns, names).into_listings();
    let concurrency = dataset.client().permits();
    let mut resolver = Resolver::new(as_of);
    dataset.metrics().fanout(listings.len(), concurrency);
    let mut listed =
        stream::iter(listings.into_iter().map(|listing| list(dataset, listing))).buffer_unordered(concurrency);
    while let Some((listing, objects)) = listed.try_next().await? {
        resolver.add(dataset.keys(), &listing, names, objects)?;
    }
    drop(listed);

    let queries = resolver.queries(dataset.keys());
    dataset.metrics().fanout(queries.len(), concurrency);
    let mut answers = stream::iter(queries.into_iter().map(|query| async move {
        tally.commit_head();
        let commit = dataset.find_commit(&query.commit_key).await?;
        Ok::<_, crate::Error>((query, commit.map(|found| found.meta)))
    }))
    .buffer_unordered(concurrency);
    while let Some((query, commit)) = answers.try_next().await? {
        resolver.resolve(dataset.keys(), &query, commit)?;
    }
    Ok(resolver.into_partitions())
}

/// Fetches all pages of one listing.
async fn list(dataset: &Dataset, listing: Listing) -> Result<(Listing, Vec<ListedObject>)> {
    let prefix = format!("{}{}", dataset.keys().data_prefix(), listing.prefix());
    let mut objects = Vec::new();
    let mut pages = dataset.client().list(prefix);
    while let Some(page) = pages.next().await? {
        objects.extend(page.objects);
    }
    Ok((listing, objects))
}
