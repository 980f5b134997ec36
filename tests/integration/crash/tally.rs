//! Runs cases on all processors, and counts their outcomes.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::case::Case;
use super::in_paused_time;
use super::run::{CaseResult, run};
use super::writer::Outcome;

/// The counts of an enumeration. Checking them ensures that it does not silently become empty.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cases: usize,
    /// Cases in which a request that a fault should strike did not occur.
    not_struck: usize,
    /// The outcomes of the first write.
    outcomes: BTreeSet<&'static str>,
    /// Unknown outcomes that became commits.
    pub(super) unknown_then_committed: usize,
    /// Unknown outcomes that never became commits.
    unknown_for_good: usize,
    took: Duration,
}

impl Tally {
    /// Runs all cases.
    pub(super) fn of(cases: impl IntoIterator<Item = Case, IntoIter: Send>) -> Self {
        // Each case has its own runtime, which stops everything that the case left running.
        let (tallies, took) = spread(cases, |tally: &mut Self, case| tally.count(&in_paused_time(run(case))));
        let mut all = Self { took, ..Self::default() };
        tallies.into_iter().for_each(|tally| all.add(tally));
        all
    }

    fn count(&mut self, ended: &CaseResult) {
        self.cases += 1;
        self.not_struck += usize::from(!ended.all_struck);
        for (outcome, committed) in &ended.outcomes {
            self.outcomes.insert(outcome.name());
            if let Outcome::Unknown(_) = outcome {
                let counter = if *committed { &mut self.unknown_then_committed } else { &mut self.unknown_for_good };
                *counter += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.not_struck += other.not_struck;
        self.outcomes.extend(other.outcomes);
        self.unknown_then_committed += other.unknown_then_committed;
        self.unknown_for_good += other.unknown_for_good;
    }

    /// Prints the counts, and checks that everything expected occurred.
    pub(super) fn check(&self, name: &str, least: usize, must_occur: &[&str]) {
        let Self { cases, not_struck, outcomes, unknown_then_committed, unknown_for_good, took } = self;
        println!(
            "{name}: {cases} cases, {not_struck} with a fault that did not strike, in {:.1} s; outcomes {outcomes:?}; \
             of the unknown {unknown_then_committed} were committed, and {unknown_for_good} never",
            took.as_secs_f64()
        );
        assert!(*cases >= least, "only {cases} cases");
        assert!(not_struck * 10 <= *cases, "{self:?}");
        for kind in must_occur {
            assert!(outcomes.contains(kind), "no write ended as {kind}: {self:?}");
        }
        assert!(*unknown_for_good > 0, "{self:?}");
    }
}

/// Processes the items on all processors. Returns the result of each processor, and how long it took.
#[expect(clippy::disallowed_methods, reason = "the test prints how long it took")]
pub(super) fn spread<I: IntoIterator<IntoIter: Send>, T: Default + Send>(
    items: I,
    work: impl Fn(&mut T, I::Item) + Sync,
) -> (Vec<T>, Duration) {
    let begun = Instant::now();
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap().next();
    let worker = || {
        let mut result = T::default();
        while let Some(item) = next() {
            work(&mut result, item);
        }
        result
    };
    let results = thread::scope(|scope| {
        let processors = thread::available_parallelism().unwrap().get();
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, T>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    });
    (results, begun.elapsed())
}
