//! A consumer of the stream that polls between any two requests of the writers.

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

/// Polls from its cursor at each turn, and keeps the entries that it receives.
pub(super) struct Poller {
    pub(super) dataset: Dataset,
    store: Store<Event>,
    s3: S3,
    clock: Clock,
    clocks: Clocks,
    /// The leap of the clocks, and the turn at which it happens.
    leap: Option<(Leap, usize)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The moments of the turns so far.
    moments: Vec<Moment>,
    cursor: Option<Offset>,
    received: Vec<Entry>,
    polls: usize,
    /// The refs and the time at the last poll. While both are the same, another poll returns nothing else.
    last: Option<(Refs, i64)>,
    /// Violations. Reported at the end, because a panic within a request could be taken for a failure of the request.
    violations: Vec<String>,
}

/// The state of a poller.
pub(super) struct Seen {
    pub(super) moments: Vec<Moment>,
    pub(super) cursor: Offset,
    pub(super) received: Vec<Entry>,
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

    /// From now on the poller polls before and after each request of other processes.
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
            Err(error) => return state.violations.push(format!("a poll failed: {error}")),
        };
        let poll = Polled { after: &after, page: &page, cutoff: cutoff(*now), before, then: &refs(&self.s3) };
        state.violations.extend(poll.violations().into_iter().map(|what| format!("{what}: {page:?} after {after:?}")));
        state.received.extend(page.entries);
        state.cursor = Some(page.next);
    }

    /// Polls from the start, and returns the entries up to the cursor, as any other consumer receives them.
    pub(super) async fn replay(&self) -> Vec<Entry> {
        let cursor = self.state.lock().await.cursor.clone().unwrap_or(Offset::START);
        let mut entries = self.store.poll(&Offset::START).await.unwrap().entries;
        entries.retain(|entry| entry.offset <= cursor);
        entries
    }

    /// Returns the state so far. Fails if there was a violation.
    pub(super) async fn seen(&self, name: &str) -> Seen {
        let State { moments, cursor, received, polls, violations, .. } = &*self.state.lock().await;
        assert!(violations.is_empty(), "{name}: {violations:#?}");
        let cursor = cursor.clone().unwrap_or(Offset::START);
        Seen { moments: moments.clone(), cursor, received: received.clone(), polls: *polls }
    }
}

/// Returns the key before which all refs are settled at this time, in microseconds.
fn cutoff(now: i64) -> String {
    let window: Duration = COMMIT_TIMEOUT + SKEW;
    format!("{PREFIX}/_ref/{:016}", now - i64::try_from(window.as_micros()).unwrap())
}

/// A poll, and the refs before and after it. Writers may be active in between.
struct Polled<'a> {
    after: &'a Offset,
    page: &'a Page,
    cutoff: String,
    before: &'a Refs,
    then: &'a Refs,
}

impl Polled<'_> {
    /// Returns the violations.
    fn violations(&self) -> Vec<&'static str> {
        let Self { after, page: Page { entries, next, .. }, .. } = self;
        let ascending = entries.windows(2).all(|pair| pair[0].offset < pair[1].offset);
        let within = entries.iter().all(|entry| entry.offset > **after && entry.offset <= *next);
        let committed = |entry: &Entry| {
            let named = self.then.get(entry.offset.as_str());
            named.and_then(Option::as_ref).is_some_and(|named| named.is(entry))
        };
        let claims = [
            (ascending, "offsets don't ascend"),
            (within, "an offset is not between the old cursor and the new one"),
            (entries.iter().all(committed), "an entry does not belong to a commit"),
            (self.is_complete(), "a commit is missing"),
            (self.next_is_right(), "the cursor is not at the last settled ref"),
        ];
        claims.into_iter().filter(|(holds, _)| !holds).map(|(_, claim)| claim).collect()
    }

    /// Returns whether the page has every commit that existed before the poll, between the old cursor and the new one.
    fn is_complete(&self) -> bool {
        let Page { entries, next, .. } = self.page;
        let passed = self.before.iter().filter(|(key, _)| self.after.as_str() < key.as_str());
        let mut passed = passed.filter(|(key, named)| key.as_str() <= next.as_str() && named.is_some());
        passed.all(|(key, _)| entries.iter().any(|entry| entry.offset.as_str() == key))
    }

    /// Returns whether the cursor is at the last settled ref, or unchanged if there is none.
    fn next_is_right(&self) -> bool {
        let expected = |refs: &Refs| {
            let settled = refs.keys().rfind(|key| key.as_str() <= self.cutoff.as_str()).map_or("", String::as_str);
            settled.max(self.after.as_str()).to_owned()
        };
        [self.before, self.then].into_iter().any(|refs| expected(refs) == self.page.next.as_str())
    }
}
