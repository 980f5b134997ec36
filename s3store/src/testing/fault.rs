//! Faults: which requests they strike, and what happens to those.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::request::{Operation, Request};

/// A failure that the server injects into matching requests.
///
/// Built in three steps: which requests match ([`on`](Fault::on), [`any`](Fault::any), [`key`](FaultBuilder::key), …),
/// which of these it strikes ([`skip`](FaultBuilder::skip), [`times`](FaultBuilder::times),
/// [`always`](FaultBuilder::always); by default the first), and what happens ([`fail`](FaultBuilder::fail),
/// [`hang`](FaultBuilder::hang), …). [`S3::inject`](super::S3::inject) activates it.
///
/// ```
/// use s3store::testing::{Fault, Operation, S3};
///
/// let s3 = S3::with_bucket("warehouse");
/// // The second PUT of a commit is applied, but the client gets an error.
/// s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").skip(1).fail_applied(500, "InternalError"));
/// // The fifth request from now on gets no answer.
/// s3.inject(Fault::any().skip(4).hang());
/// ```
///
/// # Several faults
///
/// Faults are tried in the order in which they were injected. At most one fault strikes a request: the first that
/// matches. The hooks [`call_before`](FaultBuilder::call_before) and [`call_after`](FaultBuilder::call_after) are the
/// exception: all that match run, in addition to the fault that strikes.
///
/// Each fault counts every request that it matches, also one that another fault strikes. So `skip` identifies a request
/// by its position in the sequence, whatever other faults exist. A fault is removed after it has struck as often as it
/// should.
#[derive(Clone)]
pub struct Fault {
    filter: RequestFilter,
    action: FaultAction,
}

/// A [`Fault`] under construction: it still needs an action. Returned by [`Fault::on`] and [`Fault::any`].
#[derive(Clone)]
#[must_use = "a fault needs an action, such as `fail` or `drop_connection`"]
pub struct FaultBuilder(RequestFilter);

/// The requests that a fault strikes.
#[derive(Clone)]
struct RequestFilter {
    operation: Option<Operation>,
    predicates: Vec<Predicate>,
    skip: usize,
    times: Option<usize>,
}

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
pub(super) type Rewrite = Arc<dyn Fn(Bytes) -> Bytes + Send + Sync>;
pub(super) type Hook = Arc<dyn Fn(Request) -> BoxFuture<'static, ()> + Send + Sync>;

/// The response to a request that is applied later.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meanwhile {
    /// No response. The client waits until it times out, or the connection is dropped after two minutes.
    Silence,
    /// A dropped connection.
    ConnectionLost,
    /// An error response with this status and error code.
    Error(u16, String),
}

/// How long LIST does not show a new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HideFromLists {
    Lists(usize),
    For(Duration),
}

/// A change of the body of a PUT, or of a part, before the server stores it.
#[derive(Clone)]
pub(super) struct AlterBody(pub(super) Rewrite);

/// The action of one fault.
#[derive(Clone)]
pub(super) enum FaultAction {
    Fail { status: u16, code: String, message: String },
    FailApplied { status: u16, code: String },
    Respond { status: u16, headers: Vec<(String, String)>, body: Bytes },
    Delay(Duration),
    DelayAnswer(Duration),
    Drop,
    DropApplied,
    Hang,
    HangApplied,
    Cut(usize),
    Stall(usize),
    Pace { bytes: usize, every: Duration },
    Rewrite(Rewrite),
    Alter(AlterBody),
    Late { after: Option<Duration>, meanwhile: Meanwhile },
    Twice,
    Hide(HideFromLists),
    Before(Hook),
    After(Hook),
}

/// The actions for one request.
#[derive(Default)]
pub(super) struct FaultPlan {
    pub(super) before: Vec<Hook>,
    /// The action of the fault that strikes. Never a hook.
    pub(super) action: Option<FaultAction>,
    pub(super) after: Vec<Hook>,
}

impl Fault {
    /// Starts a fault that matches requests of one operation.
    pub fn on(operation: Operation) -> FaultBuilder {
        FaultBuilder(RequestFilter { operation: Some(operation), predicates: Vec::new(), skip: 0, times: Some(1) })
    }

    /// Starts a fault that matches all requests.
    pub fn any() -> FaultBuilder {
        FaultBuilder(RequestFilter { operation: None, predicates: Vec::new(), skip: 0, times: Some(1) })
    }
}

impl FaultBuilder {
    /// Matches only this key, or a LIST of this prefix.
    pub fn key(self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.matching(move |request| request.target() == Some(&key))
    }

    /// Matches only keys, or prefixes of a LIST, that contain `part`.
    pub fn key_contains(self, part: impl Into<String>) -> Self {
        let part = part.into();
        self.matching(move |request| request.target().is_some_and(|target| target.contains(&part)))
    }

    /// Matches only keys, or prefixes of a LIST, that end in `suffix`.
    pub fn key_ends_with(self, suffix: impl Into<String>) -> Self {
        let suffix = suffix.into();
        self.matching(move |request| request.target().is_some_and(|target| target.ends_with(&suffix)))
    }

    /// Matches only requests for which `predicate` returns true.
    pub fn matching(mut self, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.0.predicates.push(Arc::new(predicate));
        self
    }

    /// Passes over the first `requests` matching requests: `Fault::any().skip(2)` strikes the third request.
    pub fn skip(mut self, requests: usize) -> Self {
        self.0.skip = requests;
        self
    }

    /// Strikes `requests` times instead of once.
    pub fn times(mut self, requests: usize) -> Self {
        self.0.times = Some(requests);
        self
    }

    /// Strikes every matching request, until [`S3::clear_faults`](super::S3::clear_faults).
    pub fn always(mut self) -> Self {
        self.0.times = None;
        self
    }

    /// Does not apply the request, and responds with this status and error code.
    #[must_use]
    pub fn fail(self, status: u16, code: impl Into<String>) -> Fault {
        self.fail_with(status, code, "an injected fault")
    }

    /// Does not apply the request, and responds with this status, error code and message.
    #[must_use]
    pub fn fail_with(self, status: u16, code: impl Into<String>, message: impl Into<String>) -> Fault {
        self.act(FaultAction::Fail { status, code: code.into(), message: message.into() })
    }

    /// Does not apply the request, and responds as another server would, such as a proxy: with this status, these headers,
    /// and this body. A response to HEAD has no body.
    #[must_use]
    pub fn respond<'a>(
        self,
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: impl Into<Bytes>,
    ) -> Fault {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.act(FaultAction::Respond { status, headers, body: body.into() })
    }

    /// Applies the request, then responds with this status and error code.
    #[must_use]
    pub fn fail_applied(self, status: u16, code: impl Into<String>) -> Fault {
        self.act(FaultAction::FailApplied { status, code: code.into() })
    }

    /// Waits, then applies the request and responds.
    #[must_use]
    pub fn delay(self, by: Duration) -> Fault {
        self.act(FaultAction::Delay(by))
    }

    /// Applies the request at once, and responds after a wait.
    #[must_use]
    pub fn delay_answer(self, by: Duration) -> Fault {
        self.act(FaultAction::DelayAnswer(by))
    }

    /// Does not apply the request, and drops the connection.
    #[must_use]
    pub fn drop_connection(self) -> Fault {
        self.act(FaultAction::Drop)
    }

    /// Applies the request, then drops the connection without a response.
    #[must_use]
    pub fn drop_connection_applied(self) -> Fault {
        self.act(FaultAction::DropApplied)
    }

    /// Does not apply the request, and does not respond. The connection is dropped after two minutes.
    #[must_use]
    pub fn hang(self) -> Fault {
        self.act(FaultAction::Hang)
    }

    /// Applies the request, and does not respond. The connection is dropped after two minutes.
    #[must_use]
    pub fn hang_applied(self) -> Fault {
        self.act(FaultAction::HangApplied)
    }

    /// Applies the request, and cuts the response body off after `after` bytes. `Content-Length` still has the full
    /// length.
    #[must_use]
    pub fn cut_body(self, after: usize) -> Fault {
        self.act(FaultAction::Cut(after))
    }

    /// Applies the request, and stalls the response body after `after` bytes. The connection is dropped after two minutes.
    #[must_use]
    pub fn stall_body(self, after: usize) -> Fault {
        self.act(FaultAction::Stall(after))
    }

    /// Applies the request, and sends the response body in pieces of `bytes`, with a pause of `every` before each.
    #[must_use]
    pub fn pace_body(self, bytes: usize, every: Duration) -> Fault {
        self.act(FaultAction::Pace { bytes: bytes.max(1), every })
    }

    /// Applies the request, and replaces the response body. The response has no `Content-Length`, so the client can't see
    /// that the body is shorter than it was.
    #[must_use]
    pub fn rewrite_body(self, rewrite: impl Fn(Bytes) -> Bytes + Send + Sync + 'static) -> Fault {
        self.act(FaultAction::Rewrite(Arc::new(rewrite)))
    }

    /// Applies a PUT, of an object or a part, with another body, as if it had been altered on its way. The signature still counts as valid; the
    /// checksums of the request are compared with the altered body.
    #[must_use]
    pub fn alter_body(self, alter: impl Fn(Bytes) -> Bytes + Send + Sync + 'static) -> Fault {
        self.act(FaultAction::Alter(AlterBody(Arc::new(alter))))
    }

    /// Applies the request only at [`S3::land_late`](super::S3::land_late). Its conditions are evaluated then. Until
    /// that time the client gets the `meanwhile` response.
    #[must_use]
    pub fn apply_late(self, meanwhile: Meanwhile) -> Fault {
        self.act(FaultAction::Late { after: None, meanwhile })
    }

    /// Applies the request after `delay`, when the client has long received the `meanwhile` response. Its conditions
    /// are evaluated then.
    #[must_use]
    pub fn apply_after(self, delay: Duration, meanwhile: Meanwhile) -> Fault {
        self.act(FaultAction::Late { after: Some(delay), meanwhile })
    }

    /// Applies the request and responds as usual, then applies it again at [`S3::land_late`](super::S3::land_late).
    #[must_use]
    pub fn apply_twice(self) -> Fault {
        self.act(FaultAction::Twice)
    }

    /// Stores the object, but the next `lists` LISTs that should contain it do not show it. GET and HEAD find it.
    #[must_use]
    pub fn hide_from_lists(self, lists: usize) -> Fault {
        self.act(FaultAction::Hide(HideFromLists::Lists(lists)))
    }

    /// Stores the object, but LIST does not show it for `duration` of tokio's time. GET and HEAD find it.
    #[must_use]
    pub fn hide_from_lists_for(self, duration: Duration) -> Fault {
        self.act(FaultAction::Hide(HideFromLists::For(duration)))
    }

    /// Runs `hook` when the request has arrived, before it is applied. The hook can act as another client, for example.
    #[must_use]
    pub fn call_before<F>(self, hook: impl Fn(Request) -> F + Send + Sync + 'static) -> Fault
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.act(FaultAction::Before(Arc::new(move |request| hook(request).boxed())))
    }

    /// Runs `hook` when the request has been applied or failed, before the response is sent. See
    /// [`call_before`](Self::call_before).
    #[must_use]
    pub fn call_after<F>(self, hook: impl Fn(Request) -> F + Send + Sync + 'static) -> Fault
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.act(FaultAction::After(Arc::new(move |request| hook(request).boxed())))
    }

    fn act(self, action: FaultAction) -> Fault {
        Fault { filter: self.0, action }
    }
}

impl RequestFilter {
    fn matches(&self, request: &Request) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation)
            && self.predicates.iter().all(|predicate| predicate(request))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestFilter { operation, predicates: _, skip, times } = &self.filter;
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

/// The injected faults, in order, each with its counters.
#[derive(Debug, Default)]
pub(super) struct ActiveFaults(Vec<ActiveFault>);

/// An injected fault.
#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    /// Requests that matched.
    seen: usize,
    /// Requests that it struck.
    struck: usize,
}

impl ActiveFaults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(ActiveFault { fault, seen: 0, struck: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Counts the request at every fault that it matches. Returns the first action that strikes, and all hooks.
    pub(super) fn plan_for(&mut self, request: &Request) -> FaultPlan {
        let mut plan = FaultPlan::default();
        for active in self.0.iter_mut().filter(|active| active.fault.filter.matches(request)) {
            let waiting = active.seen < active.fault.filter.skip;
            active.seen += 1;
            if !waiting && !active.is_spent() && plan.add(&active.fault.action) {
                active.struck += 1;
            }
        }
        self.0.retain(|active| !active.is_spent());
        plan
    }
}

impl FaultPlan {
    /// Adds an action. Returns `false` if another one strikes the request already.
    fn add(&mut self, action: &FaultAction) -> bool {
        match action {
            FaultAction::Before(hook) => self.before.push(Arc::clone(hook)),
            FaultAction::After(hook) => self.after.push(Arc::clone(hook)),
            _ if self.action.is_some() => return false,
            action => self.action = Some(action.clone()),
        }
        true
    }
}

impl ActiveFault {
    fn is_spent(&self) -> bool {
        self.fault.filter.times.is_some_and(|times| self.struck >= times)
    }
}
