//! The cases: which request, what happens to it, what is done then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use s3store::testing::{Fault, FaultBuilder, Meanwhile, Operation, Request};

use crate::integration::harness::sent_by;

/// The process whose requests the faults strike.
pub(super) const FIRST: &str = "first-writer";

/// The names of the partitions that a write goes to.
pub(super) const PARTITIONS: [&str; 2] = ["a", "b"];

/// A kind of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) token: bool,
    pub(super) optimistic: bool,
    pub(super) partitions: usize,
}

/// A request of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    operation: Operation,
    /// The end of its key.
    suffix: &'static str,
    partition: &'static str,
    /// How many like it come before.
    before: usize,
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
    pub(super) target: Target,
    pub(super) strike: Strike,
    pub(super) times: Times,
    pub(super) landing: Landing,
    pub(super) follow_up: FollowUp,
    /// Whether detached work of the first writer ends before the follow-up begins.
    pub(super) drained: bool,
}

/// All cases of a shape.
pub(super) fn cases(shape: Shape, targets: &[Target]) -> Vec<Case> {
    let mut cases = Vec::new();
    for target in targets {
        for (strike, times) in strikes() {
            for &follow_up in follow_ups(shape) {
                for &landing in strike.landings(follow_up) {
                    for &drained in strike.drained(follow_up) {
                        let target = target.clone();
                        cases.push(Case { shape, target, strike, times, landing, follow_up, drained });
                    }
                }
            }
        }
    }
    cases
}

fn strikes() -> Vec<(Strike, Times)> {
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

fn follow_ups(shape: Shape) -> &'static [FollowUp] {
    if shape.token {
        &[FollowUp::Nothing, FollowUp::SameToken, FollowUp::NoToken]
    } else {
        &[FollowUp::Nothing, FollowUp::NoToken]
    }
}

impl Strike {
    fn landings(self, follow_up: FollowUp) -> &'static [Landing] {
        match (self, follow_up) {
            (Self::Late(_) | Self::CallerGone(Fate::Late) | Self::Death(Fate::Late), FollowUp::Nothing) => {
                &[Landing::AfterRetry, Landing::Never]
            }
            (Self::Late(_) | Self::CallerGone(Fate::Late) | Self::Death(Fate::Late), _) => {
                &[Landing::BeforeRetry, Landing::DuringRetry, Landing::AfterRetry, Landing::Never]
            }
            _ => &[Landing::Never],
        }
    }

    fn drained(self, follow_up: FollowUp) -> &'static [bool] {
        match self {
            Self::CallerGone(_) if follow_up != FollowUp::Nothing => &[true, false],
            _ => &[true],
        }
    }

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

impl Target {
    /// The requests of a clean run.
    pub(super) fn all(requests: &[Request]) -> Vec<Self> {
        let mut targets: Vec<Self> = Vec::new();
        for request in requests {
            let key = request.key.as_deref().unwrap_or_default();
            let suffix = [".parquet", ".ref", ".commit"].into_iter().find(|suffix| key.ends_with(suffix));
            let partition = PARTITIONS.into_iter().find(|name| key.contains(&format!("part={name}")));
            let (Some(suffix), Some(partition)) = (suffix, partition) else { panic!("what is {request:?}?") };
            let mut target = Self { operation: request.operation, suffix, partition, before: 0 };
            let alike = |other: &&Self| Self { before: 0, ..(*other).clone() } == target;
            target.before = targets.iter().filter(alike).count();
            targets.push(target);
        }
        targets
    }

    /// Whether it is among these.
    pub(super) fn is_among(&self, requests: &[Request]) -> bool {
        requests.iter().filter(|request| self.is(request)).count() > self.before
    }

    fn is(&self, request: &Request) -> bool {
        let key = request.key.as_deref().unwrap_or_default();
        request.operation == self.operation
            && key.ends_with(self.suffix)
            && key.contains(&format!("part={}", self.partition))
            && sent_by(request, FIRST)
    }
}

impl Case {
    /// The faults, in the order in which they are to be injected.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let target = self.target.clone();
        let aim = move |request: &Request| target.is(request);
        if let Strike::Death(_) = self.strike {
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
