//! What can happen to a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use s3store::testing::{Fault, FaultBuilder, Meanwhile, Request};

use super::target::{FIRST, Target};
use crate::integration::harness::sent_by;

/// A request, and what happens to it.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) target: Target,
    pub(super) strike: Strike,
    pub(super) times: Times,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// It never reaches S3.
    ConnectionLost,
    /// S3 refuses it with a status.
    Refused(u16),
    /// No answer; it was not applied.
    Silence,
    /// Applied, and answered with an error.
    AppliedThenError,
    /// Applied, and the connection drops.
    AppliedThenLost,
    /// Applied, without an answer.
    AppliedThenSilence,
    /// Not yet applied: an error or silence, and it lands some time later.
    Late(Lost),
    /// The answer's body breaks off, or stops.
    BodyCut,
    BodyStalled,
    /// The caller's future is dropped while the request is under way.
    CallerGone(Fate),
    /// The process ends: no further request of it arrives.
    Death(Fate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Error,
    Silence,
}

/// What becomes of the request that was under way when its caller went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Applied,
    Late,
}

/// Whether a strike is over with one try of the request, or meets all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Always,
}

/// Everything that can happen to a request.
pub(super) fn everything() -> Vec<(Strike, Times)> {
    let for_tries = [
        Strike::ConnectionLost,
        Strike::Refused(503),
        Strike::Refused(403),
        Strike::Refused(409),
        Strike::Silence,
        Strike::AppliedThenError,
        Strike::AppliedThenLost,
        Strike::AppliedThenSilence,
        Strike::Late(Lost::Error),
        Strike::Late(Lost::Silence),
        Strike::BodyCut,
        Strike::BodyStalled,
    ];
    let fates = [Fate::Lost, Fate::Applied, Fate::Late];
    let tries = for_tries.into_iter().flat_map(|strike| [(strike, Times::Once), (strike, Times::Always)]);
    let gone = fates.into_iter().flat_map(|fate| {
        let gone = Strike::CallerGone(fate);
        [(gone, Times::Once), (gone, Times::Always), (Strike::Death(fate), Times::Once)]
    });
    tries.chain(gone).collect()
}

/// What can happen to a request, one strike of each meaning.
pub(super) const MEANINGS: [(Strike, Times); 6] = [
    // Not applied: to be tried again, or nobody knows after a while.
    (Strike::Refused(503), Times::Once),
    (Strike::Silence, Times::Always),
    // Applied, at once or later, and told otherwise.
    (Strike::AppliedThenError, Times::Once),
    (Strike::Late(Lost::Error), Times::Once),
    // Nobody is there to be told.
    (Strike::CallerGone(Fate::Applied), Times::Once),
    (Strike::Death(Fate::Late), Times::Once),
];

impl Strike {
    fn fate(self) -> Option<Fate> {
        match self {
            Self::CallerGone(fate) | Self::Death(fate) => Some(fate),
            _ => None,
        }
    }

    /// Whether the caller hears nothing, because it is gone.
    pub(super) fn ends_the_caller(self) -> bool {
        self.fate().is_some()
    }

    /// Whether nothing is left of the process.
    pub(super) fn ends_the_process(self) -> bool {
        matches!(self, Self::Death(_))
    }

    /// Whether the request is applied some time later.
    pub(super) fn lands_late(self) -> bool {
        matches!(self, Self::Late(_)) || self.fate() == Some(Fate::Late)
    }

    fn on(self, builder: FaultBuilder) -> Fault {
        match self {
            Self::ConnectionLost => builder.drop_connection(),
            Self::Refused(503) => builder.fail(503, "ServiceUnavailable"),
            Self::Refused(409) => builder.fail(409, "ConditionalRequestConflict"),
            Self::Refused(status) => builder.fail(status, "AccessDenied"),
            Self::Silence | Self::CallerGone(Fate::Lost) | Self::Death(Fate::Lost) => builder.hang(),
            Self::AppliedThenError => builder.fail_applied(500, "InternalError"),
            Self::AppliedThenLost => builder.drop_connection_applied(),
            Self::AppliedThenSilence | Self::CallerGone(Fate::Applied) | Self::Death(Fate::Applied) => {
                builder.hang_applied()
            }
            Self::Late(Lost::Error) => builder.apply_late(Meanwhile::Error(500, "InternalError".to_owned())),
            Self::Late(Lost::Silence) | Self::CallerGone(Fate::Late) | Self::Death(Fate::Late) => {
                builder.apply_late(Meanwhile::Silence)
            }
            Self::BodyCut => builder.cut_body(0),
            Self::BodyStalled => builder.stall_body(0),
        }
    }
}

impl Hit {
    /// All strikes on a target.
    pub(super) fn all<'a>(
        target: &'a Target,
        strikes: impl IntoIterator<Item = (Strike, Times)> + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        strikes.into_iter().map(|(strike, times)| Self { target: target.clone(), strike, times })
    }

    /// The faults, in the order in which they are to be injected.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let target = self.target.clone();
        let aim = move |request: &Request| target.is(request);
        if self.strike.ends_the_process() {
            return self.death(aim);
        }
        let builder = Fault::any().matching(aim).skip(self.target.before);
        vec![self.strike.on(match self.times {
            Times::Once => builder,
            Times::Always => builder.always(),
        })]
    }

    /// From the target on nothing of the process arrives any more.
    fn death(&self, aim: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Vec<Fault> {
        let dead = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&dead);
        let later = move |request: &Request| sent_by(request, FIRST) && seen.load(Ordering::Relaxed);
        let passing = Mutex::new(self.target.before);
        let last = move |request: &Request| {
            if !aim(request) {
                return false;
            }
            let mut passing = passing.lock().unwrap();
            let now = *passing == 0;
            *passing = passing.saturating_sub(1);
            dead.fetch_or(now, Ordering::Relaxed);
            now
        };
        vec![Fault::any().matching(later).always().hang(), self.strike.on(Fault::any().matching(last))]
    }
}
