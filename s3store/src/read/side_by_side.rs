//! Walks through several listings side by side, and hands over their partitions one listing after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::folders::Limits;
use super::walk::{ListedPartition, Scope, Work, walk};
use crate::error::{Error, Result};
use crate::pattern::Listing;
use crate::s3::task_error;

/// Listings that are walked through side by side, each in a task of its own.
///
/// Their partitions are handed over listing by listing, so the listings must be in the order of the partitions that they
/// contain. As many run as the width allows; as many more may have ended, and wait for their turn. Each goes on until it keeps
/// 1,000 objects for the consumer, and beyond that until all together keep 128,000. So the first one always goes on, whatever
/// the others keep. Dropping this aborts them.
pub(super) struct SideBySide {
    scope: Arc<Scope>,
    waiting: std::vec::IntoIter<Listing>,
    running: VecDeque<Running>,
    /// Signals that a task has ended.
    ended: Arc<Notify>,
    after: Option<Arc<str>>,
    width: usize,
    /// The width of each listing, if it is replaced by others.
    inner_width: usize,
    may_divide: Box<dyn Fn(&Listing) -> bool + Send>,
}

/// A listing whose task runs. Dropping it aborts the task.
struct Running {
    partitions: UnboundedReceiver<Kept>,
    task: AbortOnDropHandle<Result<()>>,
}

/// A partition that waits for the consumer, and its share of what the listing may keep.
type Kept = (ListedPartition, OwnedSemaphorePermit);

impl SideBySide {
    /// Begins with the first poll. Partitions up to `after` don't count. `may_divide` returns whether a listing may be replaced
    /// by others.
    pub(super) fn new(
        scope: Arc<Scope>,
        listings: Vec<Listing>,
        after: Option<Arc<str>>,
        width: usize,
        may_divide: impl Fn(&Listing) -> bool + Send + 'static,
    ) -> Self {
        let side = width.clamp(1, listings.len().max(1));
        Self {
            inner_width: (width / side).max(1),
            scope,
            waiting: listings.into_iter(),
            running: VecDeque::new(),
            ended: Arc::default(),
            after,
            width: side,
            may_divide: Box::new(may_divide),
        }
    }

    pub(super) fn into_partitions(self) -> BoxStream<'static, Result<ListedPartition>> {
        let next = |mut this: Self| async move { Ok(this.next().await?.map(|partition| (partition, this))) };
        stream::try_unfold(self, next).boxed()
    }

    /// Returns the next partition in the order of keys.
    pub(super) async fn next(&mut self) -> Result<Option<ListedPartition>> {
        loop {
            while self.running.len() < 2 * self.width
                && self.running.iter().filter(|listing| !listing.partitions.is_closed()).count() < self.width
                && let Some(listing) = self.waiting.next()
            {
                self.running.push_back(self.spawn(listing));
            }
            let Some(first) = self.running.front_mut() else { return Ok(None) };
            let received = tokio::select! {
                biased;
                received = first.partitions.recv() => received,
                // Another one can begin.
                () = self.ended.notified() => continue,
            };
            if let Some((partition, _kept)) = received {
                return Ok(Some(partition));
            }
            // The channel also closes if the task fails. That must not look like the end of its listing.
            (&mut first.task).await.unwrap_or_else(|error| Err(task_error(error)))?;
            self.running.pop_front();
        }
    }

    fn spawn(&self, listing: Listing) -> Running {
        let may_divide = (self.may_divide)(&listing);
        let work = Work { listing, after: self.after.clone(), width: self.inner_width, may_divide };
        let (sender, partitions) = unbounded_channel();
        let (scope, ended) = (Arc::clone(&self.scope), Arc::clone(&self.ended));
        let run = async move {
            let result = run(scope, work, sender).await;
            ended.notify_one();
            result
        };
        Running { partitions, task: AbortOnDropHandle::new(tokio::spawn(run.in_current_span())) }
    }
}

/// Walks through a listing, and waits while it keeps too much for the consumer. It may always keep one partition.
async fn run(scope: Arc<Scope>, work: Work, partitions: UnboundedSender<Kept>) -> Result<()> {
    let Limits { page, objects_ahead, .. } = scope.limits;
    let (own, shared) = (Arc::new(Semaphore::new(page)), Arc::clone(&scope.ahead));
    let mut listed = walk(scope, work);
    while let Some(partition) = listed.try_next().await? {
        let share = |most: usize| u32::try_from(partition.objects.len().min(most)).unwrap_or(u32::MAX);
        let kept = tokio::select! {
            biased;
            kept = Arc::clone(&own).acquire_many_owned(share(page)) => kept,
            kept = Arc::clone(&shared).acquire_many_owned(share(objects_ahead)), if objects_ahead > 0 => kept,
        };
        let kept = kept.map_err(|error| Error::internal("the semaphore of a listing was closed").with_source(error))?;
        if partitions.send((partition, kept)).is_err() {
            break;
        }
    }
    Ok(())
}
