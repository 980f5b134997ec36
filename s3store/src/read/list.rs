//! Performs the resolving of a snapshot: LISTs, and HEADs where they leave something open.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::resolve::{PartitionFiles, Seen};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::metrics::Tally;
use crate::pattern::{ListPlan, Listing, Pattern};
use crate::s3::ListedObject;

/// The committed files that the patterns select.
pub(super) async fn snapshot(
    dataset: &Dataset,
    patterns: Vec<Pattern>,
    names: &[&str],
    tally: &Tally,
) -> Result<Vec<PartitionFiles>> {
    let listings = ListPlan::new(patterns, names).into_listings();
    let side_by_side = dataset.client().permits();
    let mut seen = Seen::default();
    dataset.metrics().fanout(listings.len(), side_by_side);
    let mut listed =
        stream::iter(listings.into_iter().map(|listing| list(dataset, listing))).buffer_unordered(side_by_side);
    while let Some((listing, objects, date)) = listed.try_next().await? {
        seen.add(dataset.keys(), &listing, names, objects, date);
    }
    drop(listed);

    let questions = seen.questions(dataset.keys());
    dataset.metrics().fanout(questions.len(), side_by_side);
    let mut answers = stream::iter(questions.into_iter().map(|question| async move {
        tally.commit_head();
        let commit = dataset.find_commit(&question.commit_key).await?;
        Ok::<_, crate::Error>((question, commit.map(|found| found.meta)))
    }))
    .buffer_unordered(side_by_side);
    while let Some((question, commit)) = answers.try_next().await? {
        seen.answer(&question, commit);
    }
    Ok(seen.into_partitions())
}

/// All pages of one listing, with the `Date` of the first.
async fn list(dataset: &Dataset, listing: Listing) -> Result<(Listing, Vec<ListedObject>, Option<i64>)> {
    let prefix = format!("{}{}", dataset.keys().data_prefix(), listing.prefix());
    let (mut objects, mut date) = (Vec::new(), None);
    let mut pages = dataset.client().list(prefix);
    while let Some(page) = pages.next().await? {
        date = date.or(page.date);
        objects.extend(page.objects);
    }
    Ok((listing, objects, date))
}
