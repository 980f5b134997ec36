//! A consumer of the stream that has its turn between any two requests of the writers.

use std::sync::Arc;
use std::time::Duration;

use s3store::stream::Page;
use s3store::testing::{Fault, S3};
use s3store::{Clock, Dataset, Entry, Offset, Store};
use tokio::sync::Mutex;

use super::bucket::{Refs, refs};
use super::leap::{COMMIT_TIMEOUT, Clocks, Leap, Moment, SKEW};
use crate::integration::harness::{PREFIX, Virtual, sent_by};
use crate::integration::records::Event;

const POLLER: &str = "poller";

/// Goes on from its cursor at each turn, and remembers all that it was handed.
pub(super) struct Poller {
    pub(super) dataset: Dataset,
    store: Store<Event>,
    s3: S3,
    clock: Clock,
    clocks: Clocks,
    /// What leaps, and in which turn.
    leap: Option<(Leap, usize)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The turns so far.
    moments: Vec<Moment>,
    cursor: Option<Offset>,
    handed: Vec<Entry>,
    polls: usize,
    /// The bucket and the time of the last poll: it would return nothing else now.
    last: Option<(Refs, i64)>,
    /// What must not be. Said at the end: what panics amid a request may be taken for the request's failure.
    broken: Vec<String>,
}

/// What a poller has come past.
pub(super) struct Seen {
    pub(super) moments: Vec<Moment>,
    pub(super) cursor: Offset,
    pub(super) handed: Vec<Entry>,
    pub(super) polls: usize,
}

impl Poller {
    pub(super) async fn of(world: &Virtual, clocks: Clocks, leap: Option<(Leap, usize)>) -> Arc<Self> {
        let dataset = world.process(POLLER).await;
        let store = dataset.store();
        let (s3, clock) = (world.s3.clone(), world.clock.clone());
        assert_eq!(dataset.settle_window(), COMMIT_TIMEOUT + SKEW);
        Arc::new(Self { dataset, store, s3, clock, clocks, leap, state: Mutex::default() })
    }

    /// From now on it has a turn before and after each request of anyone else.
    pub(super) fn begin(self: &Arc<Self>) {
        let turn = |moment| {
            let poller = Arc::clone(self);
            move |_| {
                let poller = Arc::clone(&poller);
                async move { poller.turn(moment).await }
            }
        };
        let of_others = || Fault::any().matching(|request| !sent_by(request, POLLER)).always();
        self.s3.inject(of_others().call_before(turn(Moment::Before)));
        self.s3.inject(of_others().call_after(turn(Moment::After)));
    }

    pub(super) async fn turn(&self, moment: Moment) {
        let mut state = self.state.lock().await;
        let turn = state.moments.len();
        state.moments.push(moment);
        if let Some((leap, _)) = self.leap.filter(|(_, at)| *at == turn) {
            self.clocks.leap(leap).await;
        }
        let now = (refs(&self.s3), self.clock.now().timestamp_micros());
        if state.last.as_ref() != Some(&now) {
            self.poll(&mut state, &now).await;
            state.last = Some(now);
        }
    }

    async fn poll(&self, state: &mut State, (before, now): &(Refs, i64)) {
        let after = state.cursor.clone().unwrap_or(Offset::START);
        state.polls += 1;
        let page = match self.store.poll(&after).await {
            Ok(page) => page,
            Err(error) => return state.broken.push(format!("a poll failed: {error}")),
        };
        let poll = Polled { after: &after, page: &page, cutoff: cutoff(*now), before, then: &refs(&self.s3) };
        state.broken.extend(poll.broken().into_iter().map(|what| format!("{what}: {page:?} after {after:?}")));
        state.handed.extend(page.entries);
        state.cursor = Some(page.next);
    }

    /// Polls once more from the start: what lies up to the cursor now, as any other consumer sees it.
    pub(super) async fn replay(&self) -> Vec<Entry> {
        let cursor = self.state.lock().await.cursor.clone().unwrap_or(Offset::START);
        let mut entries = self.store.poll(&Offset::START).await.unwrap().entries;
        entries.retain(|entry| entry.offset <= cursor);
        entries
    }

    /// What it has come past so far; nothing was broken.
    pub(super) async fn seen(&self, name: &str) -> Seen {
        let State { moments, cursor, handed, polls, broken, .. } = &*self.state.lock().await;
        assert!(broken.is_empty(), "{name}: {broken:#?}");
        let cursor = cursor.clone().unwrap_or(Offset::START);
        Seen { moments: moments.clone(), cursor, handed: handed.clone(), polls: *polls }
    }
}

/// The last key that a reader may take at an instant, in microseconds, is before this.
fn cutoff(now: i64) -> String {
    let window: Duration = COMMIT_TIMEOUT + SKEW;
    format!("{PREFIX}/_ref/{:016}", now - i64::try_from(window.as_micros()).unwrap())
}

/// A poll, and the bucket before and after it: others may write meanwhile.
struct Polled<'a> {
    after: &'a Offset,
    page: &'a Page,
    cutoff: String,
    before: &'a Refs,
    then: &'a Refs,
}

impl Polled<'_> {
    /// What is not as it must be.
    fn broken(&self) -> Vec<&'static str> {
        let Self { after, page: Page { entries, next, .. }, .. } = self;
        let ascending = entries.windows(2).all(|pair| pair[0].offset < pair[1].offset);
        let within = entries.iter().all(|entry| entry.offset > **after && entry.offset <= *next);
        let committed = |entry: &Entry| {
            let named = self.then.get(entry.offset.as_str());
            named.and_then(Option::as_ref).is_some_and(|named| named.is(entry))
        };
        let claims = [
            (ascending, "offsets don't ascend"),
            (within, "an offset was handed out before, or is behind the cursor"),
            (entries.iter().all(committed), "an entry is none of a commit"),
            (self.is_complete(), "a commit is missing"),
            (self.next_is_right(), "the cursor is not at the last settled ref"),
        ];
        claims.into_iter().filter(|(holds, _)| !holds).map(|(_, claim)| claim).collect()
    }

    /// All that was committed before the poll, and is not behind its cursor, was handed out.
    fn is_complete(&self) -> bool {
        let Page { entries, next, .. } = self.page;
        let passed = self.before.iter().filter(|(key, _)| self.after.as_str() < key.as_str());
        let mut passed = passed.filter(|(key, named)| key.as_str() <= next.as_str() && named.is_some());
        passed.all(|(key, _)| entries.iter().any(|entry| entry.offset.as_str() == key))
    }

    /// The cursor moves to the last ref that is settled, and stands still where there is none.
    fn next_is_right(&self) -> bool {
        let expected = |refs: &Refs| {
            let settled = refs.keys().rfind(|key| key.as_str() <= self.cutoff.as_str()).map_or("", String::as_str);
            settled.max(self.after.as_str()).to_owned()
        };
        [self.before, self.then].into_iter().any(|refs| expected(refs) == self.page.next.as_str())
    }
}
