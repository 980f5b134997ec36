//! Walks through a listing, and hands over partitions as soon as no smaller one can come.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::future::{BoxFuture, Either, pending, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};

use super::key_order::{KeyOrder, Verdict};
use super::resolve::Resolver;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{PartitionKey, Prefix};
use crate::pattern::Listing;
use crate::s3::{ListedObject, PageAhead};

/// The number of partitions that may be listed on their own, beyond one for each page of the listing.
///
/// A UUID starts with four values that could be partitions. To list more of them would cost more than it gains.
const SPARE_REQUESTS: usize = 4;

/// The partitions of a listing that were listed and not handed over yet.
#[derive(Debug)]
pub(super) struct ListedPartitions<'a> {
    prefix: &'a Prefix,
    names: &'a [&'a str],
    listing: Listing,
    resolver: Resolver,
    order: KeyOrder,
    pages: usize,
    /// The partitions that were asked for.
    asked: BTreeSet<String>,
    /// If `true`, no partition was handed over since the last page, and none was asked for.
    is_starving: bool,
}

/// The next step of [`ListedPartitions`].
#[derive(Debug)]
pub(super) enum Step {
    /// The next partition in the order of keys.
    Partition(Resolver),
    /// These partitions must be listed on their own, or more pages must come.
    Ask(Vec<String>),
    /// More pages must come. At the end of the listing, nothing is left.
    Wait,
}

impl<'a> ListedPartitions<'a> {
    pub(super) fn new(prefix: &'a Prefix, listing: Listing, names: &'a [&'a str], as_of: Option<i64>) -> Self {
        Self {
            prefix,
            names,
            resolver: Resolver::new(as_of),
            order: KeyOrder::new(listing.prefix(), names.len()),
            listing,
            pages: 0,
            asked: BTreeSet::new(),
            is_starving: false,
        }
    }

    /// Adds a page of the listing.
    pub(super) fn page(&mut self, mut objects: Vec<ListedObject>, is_last: bool) -> Result<()> {
        let root = self.prefix.data_prefix();
        for object in &objects {
            self.order.advance(object.key.strip_prefix(&root).unwrap_or(&object.key));
        }
        objects.retain(|object| {
            let partition = self.prefix.parse_data_key(&object.key).map(|key| key.partition);
            partition.is_none_or(|partition| !self.order.is_answered(partition))
        });
        self.resolver.add(self.prefix, &self.listing, self.names, objects)?;
        self.pages += 1;
        self.is_starving = true;
        if is_last {
            self.order.end();
        }
        Ok(())
    }

    /// Adds a partition that was asked for, with all its objects. It has none if it does not exist.
    pub(super) fn answer(&mut self, key: String, objects: Vec<ListedObject>) -> Result<()> {
        if self.order.answer(key) {
            self.resolver.add(self.prefix, &self.listing, self.names, objects)?;
        }
        Ok(())
    }

    /// Returns what to do next.
    ///
    /// # Errors
    /// `Unavailable` if a partition was listed after a greater one that was handed over. No known server does this.
    pub(super) fn step(&mut self) -> Result<Step> {
        let Some(first) = self.resolver.first() else { return Ok(Step::Wait) };
        if self.order.is_used(first.as_str()) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "list {}{}: the server returned the partition {first} after greater ones; it lists keys neither in the \
                     order of their bytes nor folder by folder",
                    self.prefix.data_prefix(),
                    self.listing.prefix()
                ),
            ));
        }
        match self.order.verdict(first.as_str(), |key| self.listing.selects_partition(key, self.names)) {
            Verdict::Ready => {
                self.order.use_key(first.as_str());
                self.is_starving = false;
                Ok(self.resolver.take_first().map_or(Step::Wait, Step::Partition))
            }
            Verdict::Unless(mut open) => {
                open.retain(|key| !self.asked.contains(key));
                let is_allowed = self.is_starving && self.asked.len() + open.len() <= self.pages + SPARE_REQUESTS;
                if open.is_empty() || !is_allowed {
                    return Ok(Step::Wait);
                }
                self.asked.extend(open.iter().cloned());
                self.is_starving = false;
                Ok(Step::Ask(open))
            }
            Verdict::Wait => Ok(Step::Wait),
        }
    }
}

/// A listing under way.
pub(super) struct Walk<'a> {
    dataset: &'a Dataset,
    listed: ListedPartitions<'a>,
    /// The next page. `None` after the last one.
    next: Option<PageAhead>,
    asked: FuturesUnordered<BoxFuture<'a, Result<FoundPartition>>>,
}

/// The key of a partition, and its objects.
type FoundPartition = (String, Vec<ListedObject>);

impl<'a> Walk<'a> {
    /// Lists the first page: 1 LIST.
    pub(super) async fn begin(
        dataset: &'a Dataset,
        listing: Listing,
        names: &'a [&'a str],
        as_of: Option<i64>,
    ) -> Result<Self> {
        let prefix = format!("{}{}", dataset.keys().data_prefix(), listing.prefix());
        let next = dataset.client().list(prefix).ahead();
        let listed = ListedPartitions::new(dataset.keys(), listing, names, as_of);
        let mut walk = Self { dataset, listed, next: Some(next), asked: FuturesUnordered::new() };
        walk.advance().await?;
        Ok(walk)
    }

    /// Returns the partitions in the order of their keys, each with its listed objects. While it waits for its consumer, it
    /// fetches at most one page.
    pub(super) fn into_partitions(self) -> impl Stream<Item = Result<Resolver>> + Send + 'a {
        stream::try_unfold(self, |mut walk| async move { Ok(walk.next().await?.map(|partition| (partition, walk))) })
    }

    async fn next(&mut self) -> Result<Option<Resolver>> {
        loop {
            match self.listed.step()? {
                Step::Partition(partition) => return Ok(Some(partition)),
                Step::Ask(keys) => {
                    let dataset = self.dataset;
                    dataset.metrics().fanout(keys.len(), dataset.client().permits());
                    self.asked.extend(keys.into_iter().map(|key| list_partition(dataset, key).boxed()));
                }
                Step::Wait if self.next.is_none() => return Ok(None),
                Step::Wait => {}
            }
            self.advance().await?;
        }
    }

    /// Waits for the next page, or for a partition that was asked for.
    async fn advance(&mut self) -> Result<()> {
        let Self { next, asked, listed, .. } = self;
        let arrived = {
            let page = async {
                match next {
                    Some(page) => page.arrive().await,
                    None => pending().await,
                }
            };
            let answer = async {
                match asked.next().await {
                    Some(answer) => answer,
                    None => pending().await,
                }
            };
            match select(pin!(page), pin!(answer)).await {
                Either::Left((page, _)) => Either::Left(page),
                Either::Right((answer, _)) => Either::Right(answer),
            }
        };
        match arrived {
            Either::Left(page) => {
                let (page, following) = page?;
                let is_last = following.is_none();
                *next = following;
                if is_last {
                    // The listing itself has the answers.
                    asked.clear();
                }
                listed.page(page.map_or_else(Vec::new, |page| page.objects), is_last)
            }
            Either::Right(answer) => {
                let (key, objects) = answer?;
                listed.answer(key, objects)
            }
        }
    }
}

/// Lists the objects of one partition.
async fn list_partition(dataset: &Dataset, key: String) -> Result<FoundPartition> {
    let mut pages = dataset.client().list(dataset.keys().partition_prefix(&PartitionKey::found(key.as_str())));
    let mut objects = Vec::new();
    while let Some(page) = pages.next().await? {
        objects.extend(page.objects);
    }
    Ok((key, objects))
}

#[cfg(test)]
mod tests;
