//! Performs a poll: LISTs the refs, and HEADs their commits to find out which refs count.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::channel;

use super::entry::Entry;
use super::page::Page;
use super::walk::{Bounds, MAX_NOT_SELECTED, Ref, StopReason, Walk, WalkEnd};
use super::window::Window;
use crate::clock::Reading;
use crate::dataset::{Dataset, Subject};
use crate::error::{Error, Result};
use crate::format::{CommitMeta, Offset};
use crate::metrics::Method;
use crate::pattern::{IntoPatterns, PartitionFilter};
use crate::record::{Names, Record};

/// A poll that finds no entry takes at most this many times its limit of refs.
const MAX_ROUNDS: usize = 100;

/// Listed pages that may wait for their HEADs.
const PAGES_AHEAD: usize = 1;

/// The change stream of a dataset, read with the partition names of a record type.
#[derive(Debug, Clone)]
pub(super) struct ChangeStream {
    pub(super) dataset: Dataset,
    /// The record type that is compared with the dataset's schema. `None` without a type.
    subject: Option<Subject>,
    pub(super) partition_names: Names,
    /// The partitions whose entries a poll returns.
    pub(super) filter: PartitionFilter,
}

/// The part of the stream that a poll covers. Its bounds also depend on the clock, which is read when the poll begins.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// Exclusive lower bound.
    pub(super) after: Offset,
    /// Exclusive upper bound.
    pub(super) until: Option<Offset>,
    /// At most this many refs are taken.
    pub(super) limit: usize,
}

/// The committed entries within the bounds of a poll, and where the poll ended.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) entries: Vec<Entry>,
    pub(super) end: WalkEnd,
}

impl Polled {
    pub(super) fn into_page(self) -> Page {
        let Self { entries, end: WalkEnd { next, malformed, other_partitions, not_selected, reason } } = self;
        Page { entries, next, caught_up: reason != StopReason::Limit, malformed, other_partitions, not_selected }
    }
}

impl ChangeStream {
    pub(super) fn of<T: Record>(dataset: &Dataset) -> Self {
        Self::of_names(dataset, T::Root::description().partition.clone(), Some(Subject::reader::<T>()))
    }

    /// Returns the stream of a dataset with these partition columns.
    pub(super) fn of_names(dataset: &Dataset, partition_names: Names, subject: Option<Subject>) -> Self {
        Self { dataset: dataset.clone(), subject, partition_names, filter: PartitionFilter::default() }
    }

    /// Restricts polls to the partitions that the patterns select.
    pub(super) fn only(&mut self, patterns: impl IntoPatterns) {
        self.filter = PartitionFilter::new(patterns.into_patterns(&self.partition_names.texts()));
    }

    /// Returns an error if a span is not one of this dataset, or if the filter's patterns are not valid.
    pub(super) fn check(&self, span: &Span) -> Result<()> {
        self.filter.check()?;
        if span.limit == 0 {
            return Err(Error::invalid_input("limit is 0; allow at least one ref"));
        }
        for offset in [Some(&span.after), span.until.as_ref()].into_iter().flatten() {
            self.dataset.keys().check_offset(offset.as_str())?;
        }
        Ok(())
    }

    /// Returns the span of a window of time.
    pub(super) fn span_of(&self, window: Window) -> Span {
        let offset = |micros| Offset::of(self.dataset.keys().offset_at(micros));
        Span { after: window.start.map_or(Offset::START, offset), until: window.end.map(offset), limit: usize::MAX }
    }

    /// Returns the bounds of a poll that read the clock at `reading`: up to the settle window before that.
    fn bounds(&self, span: Span, reading: Reading) -> Bounds {
        let Span { after, until, limit } = span;
        let cutoff = self.dataset.keys().ref_cutoff(reading.micros, self.dataset.settle_window());
        Bounds { after, until, cutoff, limit }
    }

    /// Returns the committed entries of a span that are settled when this begins.
    ///
    /// If no ref within the limit is committed, it goes on with as many refs again, so that a loop that ends at an empty
    /// page does not end at the refs of failed writes. [`MAX_ROUNDS`] bounds the requests.
    pub(super) async fn poll(&self, span: Span) -> Result<Polled> {
        self.poll_at(span, self.dataset.clock().reading()).await
    }

    /// Returns the committed entries of a span that were settled when the clock was read.
    pub(super) async fn poll_at(&self, span: Span, reading: Reading) -> Result<Polled> {
        if let Some(subject) = &self.subject {
            self.dataset.check_schema(subject.clone()).await?;
        }
        let (mut bounds, mut rounds) = (self.bounds(span, reading), 0);
        let (mut malformed, mut other_partitions, mut not_selected) = (0, 0, 0);
        loop {
            let mut polled = self.poll_once(&bounds, reading).await?;
            (malformed, rounds) = (malformed + polled.end.malformed, rounds + 1);
            other_partitions += polled.end.other_partitions;
            not_selected += polled.end.not_selected;
            let goes_on = polled.entries.is_empty() && polled.end.reason == StopReason::Limit;
            if !goes_on || rounds == MAX_ROUNDS || not_selected >= MAX_NOT_SELECTED {
                let end = &mut polled.end;
                (end.malformed, end.other_partitions, end.not_selected) = (malformed, other_partitions, not_selected);
                return Ok(polled);
            }
            bounds.after = polled.end.next;
        }
    }

    /// Returns the committed entries among the next refs, as many as the limit allows.
    ///
    /// The HEADs of a listed page run side by side, and beside the LIST of the next page. There is one HEAD for each
    /// partition and token. The result is the same as if all requests ran one after the other.
    async fn poll_once(&self, bounds: &Bounds, reading: Reading) -> Result<Polled> {
        let (listed, mut pages) = channel::<Vec<Ref>>(PAGES_AHEAD);
        let list = async move {
            let mut walk = Walk::new(self.dataset.keys(), &self.partition_names, &self.filter, bounds);
            let mut pager = self.dataset.client().list(self.dataset.keys().ref_prefix());
            if !bounds.after.as_str().is_empty() {
                pager = pager.after(bounds.after.as_str());
            }
            loop {
                let page = match &self.filter {
                    PartitionFilter::All => {
                        let left = bounds.limit.saturating_sub(walk.taken());
                        pager.next_up_to(left.saturating_add(1)).await?
                    }
                    // Most of the refs may be of other partitions.
                    _ => pager.next().await?,
                };
                let page = page.ok_or_else(|| Error::internal("a walk along the refs did not end at the last page"))?;
                // The response's date may show that the local clock was wrong when the cutoff was made of it. Then no ref
                // of this page may be judged by it.
                self.dataset.check_reader_clock(reading, page.date)?;
                let objects = page.objects.into_iter().filter(|object| !object.is_placeholder());
                let refs = walk.take_page(objects.map(|object| object.key), page.is_last);
                let receiver_gone = listed.send(refs).await.is_err();
                if let Some(end) = walk.end() {
                    return Ok(end);
                }
                if receiver_gone {
                    return Err(Error::internal("the HEADs of a poll ended before its LISTs"));
                }
            }
        };

        let (mut refs, mut asked) = (Vec::new(), HashSet::new());
        let head = async {
            let commit_keys = stream::poll_fn(|context| pages.poll_recv(context)).flat_map(|page| {
                let keys: Vec<String> = page.iter().map(|listed| listed.commit_key.clone()).collect();
                refs.extend(page);
                stream::iter(keys.into_iter().filter(|key| asked.insert(key.clone())).collect::<Vec<_>>())
            });
            let commits = commit_keys.map(|key| async move {
                self.dataset.metrics().commit_head(Method::Poll);
                let commit = self.dataset.find_commit(&key).await?;
                Ok::<_, Error>((key, commit.map(|commit| commit.meta)))
            });
            commits.buffer_unordered(self.dataset.client().permits()).try_collect::<HashMap<_, _>>().await
        };
        let (end, commits) = futures_util::try_join!(list, head)?;
        self.dataset.metrics().fanout(commits.len(), self.dataset.client().permits());
        // As in Go, these count under the method `poll`, whatever call the poll is a part of.
        self.dataset.metrics().commit_head_cache_hits((refs.len() - commits.len()) as u64);
        self.dataset.metrics().malformed_refs(Method::Poll, end.malformed);
        let entries = refs.into_iter().filter_map(|candidate| {
            let meta = commits.get(&candidate.commit_key).copied().flatten()?;
            (meta.attempt == candidate.attempt).then(|| self.entry(candidate, &meta))
        });
        Ok(Polled { entries: entries.collect::<Result<_>>()?, end })
    }

    fn entry(&self, committed: Ref, meta: &CommitMeta) -> Result<Entry> {
        let time = |micros: i64, what: &str| {
            DateTime::from_timestamp_micros(micros).ok_or_else(|| {
                Error::invalid_data(format!("{}: {micros} microseconds is not a valid {what}", committed.commit_key))
            })
        };
        Ok(Entry {
            stamped_at: time(committed.micros, "time of a ref")?,
            inserted_at: time(meta.inserted_at_micros, "insertion time")?,
            record_count: meta.record_count,
            offset: Offset::of(committed.key.clone()),
            bucket: self.dataset.bucket().to_owned(),
            partition: committed.partition.as_str().to_owned(),
            data_path: committed.data_key,
            ref_path: committed.key,
        })
    }
}
