//! The faults that can strike a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use s3store::testing::{Fault, FaultBuilder, Meanwhile, Request};

use super::target::{FIRST, Target};
use crate::integration::harness::sent_by;

/// A request, the fault that strikes it, and how often.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) target: Target,
    pub(super) strike: Strike,
    pub(super) times: Times,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// The request does not reach S3.
    ConnectionLost,
    /// S3 rejects the request with this status.
    Refused(u16),
    /// Not applied, without a response.
    Silence,
    /// Applied, with an error as the response.
    AppliedThenError,
    /// Applied, then the connection drops.
    AppliedThenLost,
    /// Applied, without a response.
    AppliedThenSilence,
    /// Applied some time later, after an error or no response.
    Late(Lost),
    /// The response body is cut off, or stalls.
    BodyCut,
    BodyStalled,
    /// The caller's future is dropped while the request is in flight.
    CallerGone(Fate),
    /// The process dies: none of its later requests arrives.
    Death(Fate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Error,
    Silence,
}

/// The fate of the request in flight when its caller is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Applied,
    Late,
}

/// How many tries of a request a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Always,
}

/// Returns every fault with every number of times.
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

/// One fault of each kind.
pub(super) const ONE_OF_EACH_KIND: [(Strike, Times); 6] = [
    // Not applied: retried with success, or unknown after the deadline.
    (Strike::Refused(503), Times::Once),
    (Strike::Silence, Times::Always),
    // Applied, at once or later, with an error as the response.
    (Strike::AppliedThenError, Times::Once),
    (Strike::Late(Lost::Error), Times::Once),
    // The caller is gone.
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

    /// Returns whether the caller gets no result, because it is gone.
    pub(super) fn stops_the_caller(self) -> bool {
        self.fate().is_some()
    }

    /// Returns whether the whole process dies.
    pub(super) fn ends_the_process(self) -> bool {
        matches!(self, Self::Death(_))
    }

    /// Returns whether the request is applied some time later.
    pub(super) fn lands_late(self) -> bool {
        matches!(self, Self::Late(_)) || self.fate() == Some(Fate::Late)
    }

    fn fault(self, builder: FaultBuilder) -> Fault {
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
    /// Returns one hit for each of the faults.
    pub(super) fn all<'a>(
        target: &'a Target,
        strikes: impl IntoIterator<Item = (Strike, Times)> + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        strikes.into_iter().map(|(strike, times)| Self { target: target.clone(), strike, times })
    }

    /// Returns the faults in the order in which to inject them.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let target = self.target.clone();
        let aim = move |request: &Request| target.is(request);
        if self.strike.ends_the_process() {
            return self.death(aim);
        }
        let builder = Fault::any().matching(aim).skip(self.target.before);
        vec![self.strike.fault(match self.times {
            Times::Once => builder,
            Times::Always => builder.always(),
        })]
    }

    /// Returns the faults with which no request of the process arrives after the target.
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
        vec![Fault::any().matching(later).always().hang(), self.strike.fault(Fault::any().matching(last))]
    }
}
