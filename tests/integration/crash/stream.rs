//! A consumer of the stream beside a write that fails. It polls between any two requests. In each run the clocks leap
//! at one of these moments, or never.
//!
//! The writers' clocks are behind by the maximum skew, which leaves the poller the least time. Each kind of fault is
//! represented by one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::case::Case;
use super::follow::{Followed, follow};
use super::in_paused_time;
use super::leap::Leap;
use super::run::clean;
use super::shape::Shape;
use super::tally::spread;
use super::target::Target;

/// The counts of an enumeration. Checking them ensures that it does not silently become empty.
#[derive(Debug, Default)]
struct StreamTally {
    runs: usize,
    polls: usize,
    /// How often each outcome was reported, over all runs.
    outcomes: BTreeMap<&'static str, usize>,
    /// Commits that the poller missed, by reported outcome.
    missed: BTreeMap<&'static str, usize>,
    /// Commits that `doctor` found.
    listed: usize,
    /// The leaps after which a commit was missed.
    missed_after: BTreeSet<&'static str>,
}

impl StreamTally {
    /// Runs a case with every leap at every moment.
    fn case(&mut self, case: &Case) {
        let quiet = self.run(case, None);
        for (turn, moment) in quiet.moments.iter().enumerate() {
            for &leap in moment.leaps() {
                self.run(case, Some((leap, turn)));
            }
        }
    }

    fn run(&mut self, case: &Case, leap: Option<(Leap, usize)>) -> Followed {
        let followed = in_paused_time(follow(case, leap));
        self.runs += 1;
        self.polls += followed.polls;
        followed.outcomes.iter().for_each(|outcome| *self.outcomes.entry(outcome).or_default() += 1);
        followed.missed.iter().for_each(|outcome| *self.missed.entry(outcome).or_default() += 1);
        self.listed += followed.listed;
        if !followed.missed.is_empty() {
            self.missed_after.insert(leap.map_or("none", |(leap, _)| leap.name()));
        }
        followed
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.polls += other.polls;
        other.outcomes.into_iter().for_each(|(outcome, times)| *self.outcomes.entry(outcome).or_default() += times);
        other.missed.into_iter().for_each(|(outcome, times)| *self.missed.entry(outcome).or_default() += times);
        self.listed += other.listed;
        self.missed_after.extend(other.missed_after);
    }

    fn of(cases: Vec<Case>) -> (Self, Duration) {
        let (tallies, took) = spread(cases, |tally: &mut Self, case| tally.case(&case));
        let mut all = Self::default();
        tallies.into_iter().for_each(|tally| all.add(tally));
        (all, took)
    }

    /// Prints the counts, and checks that everything expected occurred.
    fn check(&self, name: &str, took: Duration, least: usize, must_occur: &[&str]) {
        let Self { runs, polls, outcomes, missed, listed, missed_after } = self;
        println!(
            "{name}: {runs} runs, {polls} polls, in {:.1} s; outcomes {outcomes:?}; \
             missed {missed:?}, after leaps {missed_after:?}; found by doctor {listed}",
            took.as_secs_f64()
        );
        assert!(*runs >= least, "only {runs} runs");
        assert!(*polls > 6 * runs, "{self:?}");
        for kind in must_occur {
            assert!(outcomes.contains_key(kind), "no write ended as {kind}: {self:?}");
        }
        for kind in ["dropped", "unknown"].iter().chain(must_occur.iter().filter(|kind| **kind == "late")) {
            assert!(missed.contains_key(kind), "no commit that ended as {kind} was missed: {self:?}");
        }
        assert!(*listed > 0, "{self:?}");
        assert!([Leap::All, Leap::Wall].iter().all(|leap| missed_after.contains(leap.name())), "{self:?}");
    }
}

impl Leap {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Wall => "wall",
            Self::WallInTime => "wall, in time",
        }
    }
}

const OUTCOMES: &[&str] = &["committed", "dropped", "late", "not committed", "unknown"];

/// The outcomes if only the commit's requests are struck. After the ref, no strike in these cases is a definite failure.
const COMMIT_OUTCOMES: &[&str] = &["committed", "dropped", "late", "unknown"];

/// Runs all cases of a shape in which the selected requests are struck.
fn enumerate(shape: Shape, is_struck: impl Fn(&Target) -> bool, least: usize, must_occur: &[&str]) {
    let mut targets = in_paused_time(clean(shape));
    targets.retain(is_struck);
    let (tally, took) = StreamTally::of(Case::streamed(shape, &targets));
    tally.check(&format!("{shape:?}"), took, least, must_occur);
}

#[test]
fn without_token() {
    enumerate(Shape::WITHOUT_TOKEN, Target::is_of_the_stream, 1_100, OUTCOMES);
}

#[test]
fn with_token() {
    enumerate(Shape::WITH_TOKEN, Target::is_of_the_stream, 1_100, OUTCOMES);
}

// Before the commit, the following shapes send the same requests as those above.

#[test]
fn optimistic() {
    enumerate(Shape::PROVING, Target::is_of_a_commit, 1_200, COMMIT_OUTCOMES);
}

#[test]
fn optimistic_and_proven() {
    enumerate(Shape::PROVEN, Target::is_of_a_commit, 600, COMMIT_OUTCOMES);
}

#[test]
fn denied_with_token() {
    enumerate(Shape::WITH_TOKEN.denied(), Target::is_of_a_commit, 600, COMMIT_OUTCOMES);
}

#[test]
fn two_partitions_with_token() {
    enumerate(Shape::WITH_TOKEN.to_two_partitions(), Target::is_of_a_commit, 2_000, COMMIT_OUTCOMES);
}

/// By default no write whose commit is known to exist ends as late, and consumers receive all that was returned.
#[test]
fn by_default() {
    let (must_occur, least) = (&["delivered", "unknown"], 600);
    enumerate(Shape::WITH_TOKEN.by_default(), Target::is_of_a_commit, least, must_occur);
    enumerate(Shape::PROVEN.by_default(), Target::is_of_a_commit, least, must_occur);
}

#[test]
fn two_partitions_by_default() {
    let shape = Shape::WITH_TOKEN.to_two_partitions().by_default();
    enumerate(shape, Target::is_of_a_commit, 2_000, &["delivered", "unknown"]);
}

#[test]
fn restamping() {
    enumerate(Shape::WITH_TOKEN.restamping(), Target::is_of_a_commit, 600, &["committed", "restamped", "unknown"]);
}
