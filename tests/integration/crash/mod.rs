//! Crash points of the write protocol, all of them: every request of a write, times everything that can happen to a
//! request, times what is done about it afterwards. After each stage the bucket and a reader must agree with what
//! the writers were told.
//!
//! The requests are those of a clean run, so that a request that is added to the protocol is added here by itself.
//! Nothing is sampled. Time is paused: a try that runs into its deadline costs nothing.

mod case;
mod pages;
mod run;
mod watch;

use std::collections::BTreeSet;
use std::future::Future;

use self::case::{Shape, Target, cases};
use self::run::{Told, clean, run};

/// What an enumeration came past, so that it can't silently become an empty one.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    /// The kinds of outcome that the first write was told.
    told: BTreeSet<&'static str>,
    /// Outcomes told as unknown that turned into commits later.
    unknown_then_committed: usize,
    /// Outcomes told as unknown that never did.
    unknown_for_good: usize,
}

/// Runs all cases of a shape.
fn enumerate(shape: Shape, requests: usize, least: usize) {
    let targets: Vec<Target> = in_paused_time(clean(shape));
    assert_eq!(targets.len(), requests, "{shape:?} makes {targets:?}");
    let mut tally = Tally::default();
    for case in cases(shape, &targets) {
        // A runtime each: whatever a case leaves running ends with it.
        let told = in_paused_time(run(case));
        tally.count(&told);
    }
    println!("{shape:?}: {} requests, {tally:?}", targets.len());
    assert!(tally.cases >= least, "only {} cases", tally.cases);
    assert_eq!(tally.told, BTreeSet::from(["committed", "dropped", "late", "not committed", "unknown"]));
    assert!(tally.unknown_then_committed > 0 && tally.unknown_for_good > 0, "{tally:?}");
}

impl Tally {
    fn count(&mut self, told: &[(Told, bool)]) {
        self.cases += 1;
        for (told, committed) in told {
            self.told.insert(told.name());
            if let Told::Unknown(_) = told {
                let counter = if *committed { &mut self.unknown_then_committed } else { &mut self.unknown_for_good };
                *counter += 1;
            }
        }
    }
}

fn in_paused_time<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

#[test]
fn one_partition_without_token() {
    enumerate(Shape { token: false, optimistic: false, partitions: 1 }, 3, 300);
}

#[test]
fn one_partition_with_token() {
    enumerate(Shape { token: true, optimistic: false, partitions: 1 }, 4, 650);
}

#[test]
fn one_partition_optimistic() {
    enumerate(Shape { token: true, optimistic: true, partitions: 1 }, 5, 800);
}

#[test]
fn two_partitions_without_token() {
    enumerate(Shape { token: false, optimistic: false, partitions: 2 }, 6, 600);
}

#[test]
fn two_partitions_with_token() {
    enumerate(Shape { token: true, optimistic: false, partitions: 2 }, 8, 1_300);
}
