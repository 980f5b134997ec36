//! Faults: when one strikes, and what it does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::request::{Operation, Request};

/// Something that goes wrong with requests that match: by operation, by key, by count.
///
/// A fault is built from left to right: which requests, how many of them, what happens.
///
/// ```
/// use s3store::testing::{Fault, Operation, S3};
///
/// let s3 = S3::with_bucket("warehouse");
/// // The second PUT of a commit is done, but its client is told otherwise.
/// s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").skip(1).fail_applied(500, "InternalError"));
/// // The fifth request from now on is never answered.
/// s3.inject(Fault::any().skip(4).hang());
/// ```
///
/// Faults stand in the order in which they were injected, and the first that matches a request has it alone; but
/// [`call_before`](FaultBuilder::call_before) and [`call_after`](FaultBuilder::call_after) take nothing from anyone: all
/// that match run, around whatever strikes. Each fault counts every request that matches it, also those that another
/// takes, so that `skip` names a request by its place in the sequence. A fault that has struck as often as it should is
/// gone.
#[derive(Clone)]
pub struct Fault {
    matches: Matches,
    action: Action,
}

/// A [`Fault`] that does not say yet what happens.
#[derive(Clone)]
#[must_use = "a fault needs an action, such as `fail` or `drop_connection`"]
pub struct FaultBuilder(Matches);

#[derive(Clone)]
struct Matches {
    operation: Option<Operation>,
    predicates: Vec<Predicate>,
    skip: usize,
    times: Option<usize>,
}

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
pub(super) type Hook = Arc<dyn Fn(Request) -> BoxFuture<'static, ()> + Send + Sync>;

/// What a client is told about a request that is applied later.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meanwhile {
    /// Nothing, ever: it waits until it gives up.
    Silence,
    /// The connection drops.
    ConnectionLost,
    /// A status and an error code.
    Error(u16, String),
}

/// How long a fresh key stays out of LIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hide {
    Lists(usize),
    For(Duration),
}

#[derive(Clone)]
pub(super) enum Action {
    Fail { status: u16, code: String, message: String },
    FailApplied { status: u16, code: String },
    Delay(Duration),
    DelayAnswer(Duration),
    Drop,
    DropApplied,
    Hang,
    HangApplied,
    Cut(usize),
    Stall(usize),
    Late { after: Option<Duration>, meanwhile: Meanwhile },
    Twice,
    Hide(Hide),
    Before(Hook),
    After(Hook),
}

/// What happens to a request, and around it.
#[derive(Default)]
pub(super) struct Strike {
    pub(super) before: Vec<Hook>,
    /// None of the hooks.
    pub(super) action: Option<Action>,
    pub(super) after: Vec<Hook>,
}

impl Fault {
    /// A fault of one kind of request.
    pub fn on(operation: Operation) -> FaultBuilder {
        FaultBuilder(Matches { operation: Some(operation), predicates: Vec::new(), skip: 0, times: Some(1) })
    }

    /// A fault of any request.
    pub fn any() -> FaultBuilder {
        FaultBuilder(Matches { operation: None, predicates: Vec::new(), skip: 0, times: Some(1) })
    }
}

impl FaultBuilder {
    /// Only this key; for a LIST, this prefix.
    pub fn key(self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.matching(move |request| request.target() == Some(&key))
    }

    /// Only keys (for a LIST, prefixes) with this in them.
    pub fn key_contains(self, part: impl Into<String>) -> Self {
        let part = part.into();
        self.matching(move |request| request.target().is_some_and(|target| target.contains(&part)))
    }

    /// Only keys (for a LIST, prefixes) that end so.
    pub fn key_ends_with(self, suffix: impl Into<String>) -> Self {
        let suffix = suffix.into();
        self.matching(move |request| request.target().is_some_and(|target| target.ends_with(&suffix)))
    }

    /// Only requests of which this is true.
    pub fn matching(mut self, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.0.predicates.push(Arc::new(predicate));
        self
    }

    /// Lets the first `requests` that match pass. `Fault::any().skip(k)` is the request that `k` others come before.
    pub fn skip(mut self, requests: usize) -> Self {
        self.0.skip = requests;
        self
    }

    /// Strikes so often, instead of once.
    pub fn times(mut self, requests: usize) -> Self {
        self.0.times = Some(requests);
        self
    }

    /// Strikes every time, instead of once, until [`clear_faults`](super::S3::clear_faults).
    pub fn always(mut self) -> Self {
        self.0.times = None;
        self
    }

    /// Nothing is done; the answer has this status and error code.
    #[must_use]
    pub fn fail(self, status: u16, code: impl Into<String>) -> Fault {
        self.fail_with(status, code, "an injected fault")
    }

    /// Nothing is done; the answer has this status, error code and message.
    #[must_use]
    pub fn fail_with(self, status: u16, code: impl Into<String>, message: impl Into<String>) -> Fault {
        self.act(Action::Fail { status, code: code.into(), message: message.into() })
    }

    /// It is done; the answer has this status and error code all the same.
    #[must_use]
    pub fn fail_applied(self, status: u16, code: impl Into<String>) -> Fault {
        self.act(Action::FailApplied { status, code: code.into() })
    }

    /// It is done, but only after this time.
    #[must_use]
    pub fn delay(self, by: Duration) -> Fault {
        self.act(Action::Delay(by))
    }

    /// It is done at once, and answered after this time.
    #[must_use]
    pub fn delay_answer(self, by: Duration) -> Fault {
        self.act(Action::DelayAnswer(by))
    }

    /// Nothing is done, and the connection drops.
    #[must_use]
    pub fn drop_connection(self) -> Fault {
        self.act(Action::Drop)
    }

    /// It is done, and the connection drops before the answer.
    #[must_use]
    pub fn drop_connection_applied(self) -> Fault {
        self.act(Action::DropApplied)
    }

    /// Nothing is done, and no answer ever comes.
    #[must_use]
    pub fn hang(self) -> Fault {
        self.act(Action::Hang)
    }

    /// It is done, and no answer ever comes.
    #[must_use]
    pub fn hang_applied(self) -> Fault {
        self.act(Action::HangApplied)
    }

    /// It is done; the body of the answer breaks off after so many bytes, with the `Content-Length` of the whole.
    #[must_use]
    pub fn cut_body(self, after: usize) -> Fault {
        self.act(Action::Cut(after))
    }

    /// It is done; the body of the answer stops after so many bytes, and neither goes on nor ends.
    #[must_use]
    pub fn stall_body(self, after: usize) -> Fault {
        self.act(Action::Stall(after))
    }

    /// It is not done until [`land_late`](super::S3::land_late). Conditions are judged by what is in the bucket then.
    #[must_use]
    pub fn apply_late(self, meanwhile: Meanwhile) -> Fault {
        self.act(Action::Late { after: None, meanwhile })
    }

    /// It is done after this time, long after its client was told something else. Conditions are judged by what is in
    /// the bucket then.
    #[must_use]
    pub fn apply_after(self, delay: Duration, meanwhile: Meanwhile) -> Fault {
        self.act(Action::Late { after: Some(delay), meanwhile })
    }

    /// It is done and answered as usual, and then done once more at [`land_late`](super::S3::land_late).
    #[must_use]
    pub fn apply_twice(self) -> Fault {
        self.act(Action::Twice)
    }

    /// The object is put, but stays out of the answers to the next `lists` LISTs that it belongs to. GET and HEAD
    /// find it.
    #[must_use]
    pub fn hide_from_lists(self, lists: usize) -> Fault {
        self.act(Action::Hide(Hide::Lists(lists)))
    }

    /// The object is put, but stays out of the answers to LIST for this time, as tokio measures it. GET and HEAD find
    /// it.
    #[must_use]
    pub fn hide_from_lists_for(self, duration: Duration) -> Fault {
        self.act(Action::Hide(Hide::For(duration)))
    }

    /// Runs something when the request has arrived, before it is done or struck: another writer's turn, say.
    #[must_use]
    pub fn call_before<F>(self, hook: impl Fn(Request) -> F + Send + Sync + 'static) -> Fault
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.act(Action::Before(Arc::new(move |request| hook(request).boxed())))
    }

    /// Runs something when the request is done, or struck, before it is answered.
    #[must_use]
    pub fn call_after<F>(self, hook: impl Fn(Request) -> F + Send + Sync + 'static) -> Fault
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.act(Action::After(Arc::new(move |request| hook(request).boxed())))
    }

    fn act(self, action: Action) -> Fault {
        Fault { matches: self.0, action }
    }
}

impl Matches {
    fn accept(&self, request: &Request) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation)
            && self.predicates.iter().all(|predicate| predicate(request))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Matches { operation, predicates: _, skip, times } = &self.matches;
        f.debug_struct("Fault")
            .field("operation", operation)
            .field("skip", skip)
            .field("times", times)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FaultBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultBuilder").finish_non_exhaustive()
    }
}

/// The faults of a server, with what they have seen.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: usize,
    struck: usize,
}

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(Armed { fault, seen: 0, struck: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Counts the request with every fault that it matches, and takes the first that strikes, and all hooks.
    pub(super) fn strike(&mut self, request: &Request) -> Strike {
        let mut strike = Strike::default();
        for armed in self.0.iter_mut().filter(|armed| armed.fault.matches.accept(request)) {
            let waiting = armed.seen < armed.fault.matches.skip;
            armed.seen += 1;
            if !waiting && !armed.is_spent() && strike.takes(&armed.fault.action) {
                armed.struck += 1;
            }
        }
        self.0.retain(|armed| !armed.is_spent());
        strike
    }
}

impl Strike {
    /// Whether there is room for it.
    fn takes(&mut self, action: &Action) -> bool {
        match action {
            Action::Before(hook) => self.before.push(Arc::clone(hook)),
            Action::After(hook) => self.after.push(Arc::clone(hook)),
            _ if self.action.is_some() => return false,
            action => self.action = Some(action.clone()),
        }
        true
    }
}

impl Armed {
    fn is_spent(&self) -> bool {
        self.fault.matches.times.is_some_and(|times| self.struck >= times)
    }
}
