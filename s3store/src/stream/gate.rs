//! Performs a walk along the refs: LISTs, and the HEADs that tell which refs count.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::channel;

use super::Source;
use super::entry::{Entry, Page};
use super::walk::{Bounds, End, Ref, Walk, Walked};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::format::{CommitMeta, Offset};
use crate::metrics::Tally;
use crate::s3::ListFrom;

/// Listed pages that wait for their HEADs.
const PAGES_AHEAD: usize = 1;

/// The committed entries within bounds, and where the walk ended.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) entries: Vec<Entry>,
    pub(super) walked: Walked,
}

impl Polled {
    pub(super) fn into_page(self) -> Page {
        let Self { entries, walked: Walked { next, malformed, end } } = self;
        Page { entries, next, caught_up: end != End::Limit, malformed }
    }
}

/// Walks along the refs. Each page's HEADs run side by side, and beside the LIST of the next page; one for each
/// partition and token. The result is as if all ran one by one.
pub(super) async fn poll(source: &Source, bounds: &Bounds, tally: &Tally) -> Result<Polled> {
    let (listed, mut pages) = channel::<Vec<Ref>>(PAGES_AHEAD);
    let list = async move {
        let mut walk = Walk::new(source.dataset.keys(), source.names, bounds);
        let prefix = source.dataset.keys().ref_prefix();
        let after = Some(bounds.after.as_str()).filter(|after| !after.is_empty());
        let mut next = None::<String>;
        loop {
            let left = bounds.limit.saturating_sub(walk.taken());
            let from = ListFrom { after, next: next.as_deref(), limit: Some(left.saturating_add(1)) };
            let page = source.dataset.list_page(&prefix, from).await?;
            // What the answer tells of the clocks comes before what it tells of the refs.
            source.dataset.check_reader_clock()?;
            let refs = walk.page(page.objects.into_iter().map(|object| object.key), page.next.is_none());
            let stopped = listed.send(refs).await.is_err();
            if let Some(walked) = walk.ended() {
                return Ok(walked);
            }
            if stopped {
                return Err(Error::new(crate::ErrorKind::Cancelled, "the poll was stopped"));
            }
            next = page.next;
        }
    };

    let (mut refs, mut asked) = (Vec::new(), HashSet::new());
    let gate = async {
        let questions = stream::poll_fn(|context| pages.poll_recv(context)).flat_map(|page| {
            let keys: Vec<String> = page.iter().map(|found| found.commit_key.clone()).collect();
            refs.extend(page);
            stream::iter(keys.into_iter().filter(|key| asked.insert(key.clone())).collect::<Vec<_>>())
        });
        let answers = questions.map(|key| async move {
            tally.commit_head();
            let found = source.dataset.find_commit(&key).await?;
            Ok::<_, Error>((key, found.map(|found| found.meta)))
        });
        answers.buffer_unordered(source.dataset.client().permits()).try_collect::<HashMap<_, _>>().await
    };
    let (walked, commits) = futures_util::try_join!(list, gate)?;
    source.dataset.metrics().fanout(commits.len(), source.dataset.client().permits());
    tally.commit_head_cache_hits((refs.len() - commits.len()) as u64);
    tally.malformed_refs(walked.malformed);
    let entries = refs.into_iter().filter_map(|found| {
        let meta = commits.get(&found.commit_key).copied().flatten().filter(|meta| meta.attempt == found.attempt)?;
        Some(entry(&source.dataset, found, &meta))
    });
    Ok(Polled { entries: entries.collect::<Result<_>>()?, walked })
}

fn entry(dataset: &Dataset, found: Ref, meta: &CommitMeta) -> Result<Entry> {
    let time = |micros: i64, what: &str| {
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| Error::invalid_data(format!("{}: {micros} microseconds is no {what}", found.commit_key)))
    };
    Ok(Entry {
        stamped_at: time(found.micros, "time of a ref")?,
        inserted_at: time(meta.inserted_at_micros, "insertion time")?,
        record_count: meta.record_count,
        offset: Offset::of(found.key.clone()),
        bucket: dataset.bucket().to_owned(),
        partition: found.partition.as_str().to_owned(),
        data_path: found.data_key,
        ref_path: found.key,
    })
}
