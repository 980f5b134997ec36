//! Runs cases on all processors, and counts.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::case::Case;
use super::in_paused_time;
use super::run::{Ended, Told, run};

/// What an enumeration came past, so that it can't silently become an empty one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cases: usize,
    /// Cases in which a request was not made that was to be struck.
    unmet: usize,
    /// The kinds of outcome that the first write was told.
    told: BTreeSet<&'static str>,
    /// Outcomes told as unknown that turned into commits later.
    pub(super) unknown_then_committed: usize,
    /// Outcomes told as unknown that never did.
    unknown_for_good: usize,
    took: Duration,
}

impl Tally {
    /// Runs all of them.
    pub(super) fn of(cases: impl IntoIterator<Item = Case, IntoIter: Send>) -> Self {
        // A runtime each: whatever a case leaves running ends with it.
        let (tallies, took) = spread(cases, |tally: &mut Self, case| tally.count(&in_paused_time(run(case))));
        let mut all = Self { took, ..Self::default() };
        tallies.into_iter().for_each(|tally| all.add(tally));
        all
    }

    fn count(&mut self, ended: &Ended) {
        self.cases += 1;
        self.unmet += usize::from(!ended.met);
        for (told, committed) in &ended.told {
            self.told.insert(told.name());
            if let Told::Unknown(_) = told {
                let counter = if *committed { &mut self.unknown_then_committed } else { &mut self.unknown_for_good };
                *counter += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.unmet += other.unmet;
        self.told.extend(other.told);
        self.unknown_then_committed += other.unknown_then_committed;
        self.unknown_for_good += other.unknown_for_good;
    }

    /// Prints it, and holds it against what must have come up.
    pub(super) fn check(&self, name: &str, least: usize, must_be_told: &[&str]) {
        let Self { cases, unmet, told, unknown_then_committed, unknown_for_good, took } = self;
        println!(
            "{name}: {cases} cases, {unmet} unmet, in {:.1} s; told {told:?}; \
             of the unknown {unknown_then_committed} were committed, and {unknown_for_good} never",
            took.as_secs_f64()
        );
        assert!(*cases >= least, "only {cases} cases");
        assert!(unmet * 10 <= *cases, "{self:?}");
        for kind in must_be_told {
            assert!(told.contains(kind), "none was told {kind}: {self:?}");
        }
        assert!(*unknown_for_good > 0, "{self:?}");
    }
}

/// Does a piece of work for each item, on all processors. Returns what came of it, by processor, and how long it took.
#[expect(clippy::disallowed_methods, reason = "how long it takes is printed")]
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
