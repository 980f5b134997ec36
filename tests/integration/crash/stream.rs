//! What a consumer of the stream sees of a write that goes wrong: it polls between any two requests, and at each of these
//! moments in turn time leaps, or never.
//!
//! Writers' clocks are behind by all that is allowed, which leaves the poller the least time. Of what can happen to a
//! request, one of each meaning stands for all.

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

/// What an enumeration came past, so that it can't silently become an empty one.
#[derive(Debug, Default)]
struct Streamed {
    runs: usize,
    polls: usize,
    /// How often writers were told what, in runs with each leap, and with none.
    told: BTreeMap<&'static str, usize>,
    /// Commits that the poller had passed, by what was told of them.
    missed: BTreeMap<&'static str, usize>,
    /// Commits that `doctor` listed.
    listed: usize,
    /// The leaps after which something was missed.
    missed_after: BTreeSet<&'static str>,
}

impl Streamed {
    /// A case with every leap at every moment.
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
        followed.told.iter().for_each(|told| *self.told.entry(told).or_default() += 1);
        followed.missed.iter().for_each(|told| *self.missed.entry(told).or_default() += 1);
        self.listed += followed.listed;
        if !followed.missed.is_empty() {
            self.missed_after.insert(leap.map_or("none", |(leap, _)| leap.name()));
        }
        followed
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.polls += other.polls;
        other.told.into_iter().for_each(|(told, times)| *self.told.entry(told).or_default() += times);
        other.missed.into_iter().for_each(|(told, times)| *self.missed.entry(told).or_default() += times);
        self.listed += other.listed;
        self.missed_after.extend(other.missed_after);
    }

    fn of(cases: Vec<Case>) -> (Self, Duration) {
        let (tallies, took) = spread(cases, |tally: &mut Self, case| tally.case(&case));
        let mut all = Self::default();
        tallies.into_iter().for_each(|tally| all.add(tally));
        (all, took)
    }

    /// Prints it, and holds it against what must have come up.
    fn check(&self, name: &str, took: Duration, least: usize, must_be_told: &[&str]) {
        let Self { runs, polls, told, missed, listed, missed_after } = self;
        println!(
            "{name}: {runs} runs, {polls} polls, in {:.1} s; told {told:?}; \
             missed {missed:?}, after leaps {missed_after:?}; listed {listed}",
            took.as_secs_f64()
        );
        assert!(*runs >= least, "only {runs} runs");
        assert!(*polls > 6 * runs, "{self:?}");
        for kind in must_be_told {
            assert!(told.contains_key(kind), "none was told {kind}: {self:?}");
        }
        for kind in ["dropped", "unknown"].iter().chain(must_be_told.iter().filter(|kind| **kind == "late")) {
            assert!(missed.contains_key(kind), "none that was told {kind} was missed: {self:?}");
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

const TOLD: &[&str] = &["committed", "dropped", "late", "not committed", "unknown"];

/// Runs all cases of a shape in which these of its requests are struck.
fn enumerate(shape: Shape, is_struck: impl Fn(&Target) -> bool, least: usize, must_be_told: &[&str]) {
    let mut targets = in_paused_time(clean(shape));
    targets.retain(is_struck);
    let (streamed, took) = Streamed::of(Case::streamed(shape, &targets));
    streamed.check(&format!("{shape:?}"), took, least, must_be_told);
}

#[test]
fn without_token() {
    enumerate(Shape::WITHOUT_TOKEN, Target::is_of_the_stream, 1_100, TOLD);
}

#[test]
fn with_token() {
    enumerate(Shape::WITH_TOKEN, Target::is_of_the_stream, 1_100, TOLD);
}

// Up to the commit, what follows does nothing else than what stands above.

#[test]
fn optimistic() {
    enumerate(Shape::PROVING, Target::is_of_a_commit, 1_200, TOLD);
}

#[test]
fn optimistic_and_proven() {
    enumerate(Shape::PROVEN, Target::is_of_a_commit, 600, TOLD);
}

#[test]
fn denied_with_token() {
    enumerate(Shape::WITH_TOKEN.denied(), Target::is_of_a_commit, 600, TOLD);
}

#[test]
fn two_partitions_with_token() {
    enumerate(Shape::WITH_TOKEN.to_two_partitions(), Target::is_of_a_commit, 2_000, TOLD);
}

#[test]
fn restamping() {
    enumerate(Shape::WITH_TOKEN.restamping(), Target::is_of_a_commit, 600, &["committed", "restamped", "unknown"]);
}
