//! The cases: which request is struck, how, and what follows.

use std::collections::BTreeSet;

use s3store::testing::Fault;

use super::shape::Shape;
use super::strike::{Hit, Lost, ONE_OF_EACH_KIND, Strike, Times, everything};
use super::target::Target;

/// When a late request is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    BeforeRetry,
    /// When the retry's commit PUT has arrived and is not applied yet.
    DuringRetry,
    AfterRetry,
    Never,
}

/// The follow-up to the first write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FollowUp {
    Nothing,
    SameToken,
    NoToken,
}

/// One write, the faults that strike it, and the follow-up.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) shape: Shape,
    /// The faults, in the order of the requests that they strike.
    pub(super) hits: Vec<Hit>,
    pub(super) landing: Landing,
    pub(super) follow_up: FollowUp,
    /// If true, the first writer's detached work ends before the follow-up begins.
    pub(super) drained: bool,
}

impl Case {
    /// Returns all cases of a shape with one fault.
    pub(super) fn single(shape: Shape, targets: &[Target]) -> Vec<Self> {
        let hits = targets.iter().flat_map(|target| Hit::all(target, everything()));
        hits.flat_map(|hit| Self::of(shape, &hit, follow_ups(shape))).collect()
    }

    /// Returns the cases for a reader of the stream: one fault of each kind, no fault, and an outcome that stays
    /// unknown until the commit lands.
    ///
    /// Two kinds of cases add nothing here and are left out. A follow-up write without the token is an independent
    /// write. A case without a follow-up, or without a landing, is the beginning of another case, unless its fault is a
    /// late landing.
    pub(super) fn streamed(shape: Shape, targets: &[Target]) -> Vec<Self> {
        let again = if shape.token { FollowUp::SameToken } else { FollowUp::NoToken };
        let follow_ups = |hit: &Hit| match hit.strike.lands_late() {
            true => vec![FollowUp::Nothing, again],
            false => vec![again],
        };
        let unknown = (Strike::Late(Lost::Error), Times::Always);
        let strikes = || ONE_OF_EACH_KIND.into_iter().chain([unknown]);
        let hits = targets.iter().flat_map(|target| Hit::all(target, strikes()));
        let struck = hits.flat_map(|hit| Self::of(shape, &hit, &follow_ups(&hit)));
        let complete = struck.filter(|case| case.landing != Landing::Never || !case.hits[0].strike.lands_late());
        let quiet = Self { shape, hits: Vec::new(), landing: Landing::Never, follow_up: again, drained: true };
        std::iter::once(quiet).chain(complete).collect()
    }

    /// Returns all cases with this fault.
    fn of(shape: Shape, hit: &Hit, follow_ups: &[FollowUp]) -> Vec<Self> {
        let mut cases = Vec::new();
        for &follow_up in follow_ups {
            for &landing in hit.strike.landings(follow_up) {
                for &drained in hit.strike.drained(follow_up) {
                    let hits = vec![hit.clone()];
                    cases.push(Self { shape, hits, landing, follow_up, drained });
                }
            }
        }
        cases
    }

    /// Returns all cases with both faults and a retry. A late request lands during the retry or after it.
    pub(super) fn pair(shape: Shape, first: &Hit, second: Hit) -> impl Iterator<Item = Self> + use<> {
        let hits = vec![first.clone(), second];
        let follow_up = if shape.token { FollowUp::SameToken } else { FollowUp::NoToken };
        let landings: &[Landing] = match hits.iter().any(|hit| hit.strike.lands_late()) {
            true => &[Landing::DuringRetry, Landing::AfterRetry],
            false => &[Landing::Never],
        };
        landings.iter().map(move |&landing| Self { shape, hits: hits.clone(), landing, follow_up, drained: true })
    }

    /// Returns the case with this fault and no follow-up.
    pub(super) fn without_follow_up(shape: Shape, hit: &Hit) -> Self {
        let (landing, follow_up) = (Landing::Never, FollowUp::Nothing);
        Self { shape, hits: vec![hit.clone()], landing, follow_up, drained: true }
    }

    /// Returns the faults in the order in which to inject them. The last hit comes first, so that nothing strikes a
    /// process after its death.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.hits.iter().rev().flat_map(Hit::faults).collect()
    }

    /// Returns the hit that stops the caller.
    pub(super) fn hit_that_stops_the_caller(&self) -> Option<&Hit> {
        self.hits.iter().find(|hit| hit.strike.stops_the_caller())
    }

    /// Returns whether some request may not occur, depending on the order in which two partitions proceed.
    pub(super) fn may_miss(&self) -> bool {
        let partitions = self.hits.iter().map(|hit| hit.target.partition);
        self.shape.may_spare_a_request() || partitions.collect::<BTreeSet<_>>().len() > 1
    }

    pub(super) fn ends_the_process(&self) -> bool {
        self.hits.iter().any(|hit| hit.strike.ends_the_process())
    }
}

fn follow_ups(shape: Shape) -> &'static [FollowUp] {
    if shape.token {
        &[FollowUp::Nothing, FollowUp::SameToken, FollowUp::NoToken]
    } else {
        &[FollowUp::Nothing, FollowUp::NoToken]
    }
}

impl Strike {
    fn landings(self, follow_up: FollowUp) -> &'static [Landing] {
        match (self.lands_late(), follow_up) {
            (false, _) => &[Landing::Never],
            (true, FollowUp::Nothing) => &[Landing::AfterRetry, Landing::Never],
            (true, _) => &[Landing::BeforeRetry, Landing::DuringRetry, Landing::AfterRetry, Landing::Never],
        }
    }

    fn drained(self, follow_up: FollowUp) -> &'static [bool] {
        match self {
            Self::CallerGone(_) if follow_up != FollowUp::Nothing => &[true, false],
            _ => &[true],
        }
    }
}
