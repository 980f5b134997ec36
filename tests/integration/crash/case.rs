//! The cases: which request, what happens to it, what is done then.

use std::collections::BTreeSet;

use s3store::testing::Fault;

use super::shape::Shape;
use super::strike::{Hit, Lost, MEANINGS, Strike, Times, everything};
use super::target::Target;

/// When a request that is late lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    BeforeRetry,
    /// When the retry's commit has arrived and is not applied yet.
    DuringRetry,
    AfterRetry,
    Never,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FollowUp {
    Nothing,
    SameToken,
    NoToken,
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) shape: Shape,
    /// In the order of the requests.
    pub(super) hits: Vec<Hit>,
    pub(super) landing: Landing,
    pub(super) follow_up: FollowUp,
    /// Whether detached work of the first writer ends before the follow-up begins.
    pub(super) drained: bool,
}

impl Case {
    /// All cases of a shape in which something happens once.
    pub(super) fn single(shape: Shape, targets: &[Target]) -> Vec<Self> {
        let hits = targets.iter().flat_map(|target| Hit::all(target, everything()));
        hits.flat_map(|hit| Self::of(shape, &hit, follow_ups(shape))).collect()
    }

    /// The cases for a reader of the stream: one strike of each meaning, none, and an outcome that is unknown until it
    /// lands.
    ///
    /// What is left out here: a write without the token beside one that has it is another write, and nothing in the
    /// stream has to do with both. A case in which nothing follows, or nothing lands, is the beginning of one in which
    /// something does, unless that is what lands late.
    pub(super) fn streamed(shape: Shape, targets: &[Target]) -> Vec<Self> {
        let again = if shape.token { FollowUp::SameToken } else { FollowUp::NoToken };
        let follow_ups = |hit: &Hit| match hit.strike.lands_late() {
            true => vec![FollowUp::Nothing, again],
            false => vec![again],
        };
        let unknown = (Strike::Late(Lost::Error), Times::Always);
        let strikes = || MEANINGS.into_iter().chain([unknown]);
        let hits = targets.iter().flat_map(|target| Hit::all(target, strikes()));
        let struck = hits.flat_map(|hit| Self::of(shape, &hit, &follow_ups(&hit)));
        let whole = struck.filter(|case| case.landing != Landing::Never || !case.hits[0].strike.lands_late());
        let quiet = Self { shape, hits: Vec::new(), landing: Landing::Never, follow_up: again, drained: true };
        std::iter::once(quiet).chain(whole).collect()
    }

    /// All cases in which this happens.
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

    /// All cases in which both happen, and a retry follows. It meets what lands late half way, or is over by then.
    pub(super) fn pair(shape: Shape, first: &Hit, second: Hit) -> impl Iterator<Item = Self> + use<> {
        let hits = vec![first.clone(), second];
        let follow_up = if shape.token { FollowUp::SameToken } else { FollowUp::NoToken };
        let landings: &[Landing] = match hits.iter().any(|hit| hit.strike.lands_late()) {
            true => &[Landing::DuringRetry, Landing::AfterRetry],
            false => &[Landing::Never],
        };
        landings.iter().map(move |&landing| Self { shape, hits: hits.clone(), landing, follow_up, drained: true })
    }

    /// The case in which this happens, and nothing else.
    pub(super) fn alone(shape: Shape, hit: &Hit) -> Self {
        let (landing, follow_up) = (Landing::Never, FollowUp::Nothing);
        Self { shape, hits: vec![hit.clone()], landing, follow_up, drained: true }
    }

    /// The faults, in the order in which they are to be injected: after its death nothing else of a process happens.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.hits.iter().rev().flat_map(Hit::faults).collect()
    }

    /// The hit with which the caller is gone.
    pub(super) fn end_of_the_caller(&self) -> Option<&Hit> {
        self.hits.iter().find(|hit| hit.strike.ends_the_caller())
    }

    /// Whether it depends on the order in which two partitions come along that all is struck.
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
