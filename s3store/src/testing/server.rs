//! The path of a request: log, faults, S3 operation, response.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue};
use http::{Request as HttpRequest, Response};
use http_body_util::BodyExt as _;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use super::backend::{Backend, Service};
use super::fault::{ActiveFaults, AlterBody, FaultAction, FaultPlan, HideFromLists, Meanwhile};
use super::lock::lock;
use super::reply::{self, ReplyBody};
use super::request::{Answer, Landed, Request};
use super::time;

/// The access key id that every in-process S3 accepts.
pub const ACCESS_KEY: &str = "testing";
/// The secret access key that every in-process S3 accepts.
pub const SECRET_KEY: &str = "testing-secret";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// The server behind all handles of an [`S3`](super::S3).
pub(super) struct Server {
    pub(super) backend: Arc<Backend>,
    service: S3Service,
    pub(super) faults: Mutex<ActiveFaults>,
    pub(super) log: Mutex<RequestLog>,
    late: Mutex<VecDeque<LateRequest>>,
}

/// The requests since the log was last cleared.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    pub(super) requests: Vec<Request>,
    /// The number of requests that were cleared.
    cleared: usize,
}

/// A request that [`Server::land_late`] will apply.
struct LateRequest {
    number: usize,
    request: HttpRequest<Bytes>,
}

/// How a request ends for the client.
#[derive(Debug)]
pub(super) enum Delivery {
    Reply(Response<ReplyBody>),
    Dropped,
    /// No response, until the connection is dropped after [`LONGEST_SILENCE`].
    Silence,
}

/// The longest time for which a connection stays open while nothing happens on it. No client waits longer, even without
/// timeouts of its own.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(120);

impl Server {
    pub(super) fn new() -> Self {
        let backend = Arc::new(Backend::default());
        let mut config = S3Config::default();
        // Tests shift the clocks by any amount.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        let mut service = S3ServiceBuilder::new(Service(Arc::clone(&backend)));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        service.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self {
            backend,
            service: service.build(),
            faults: Mutex::default(),
            log: Mutex::default(),
            late: Mutex::default(),
        }
    }

    /// Handles a request whose body has been received. Dropping the future stops only the waiting: the server goes on,
    /// as S3 would.
    pub(super) async fn exchange(self: &Arc<Self>, request: HttpRequest<Bytes>) -> Delivery {
        let arrived = lock(&self.log).add(&request);
        let plan = lock(&self.faults).plan_for(&arrived);
        let server = Arc::clone(self);
        let work = tokio::spawn(async move { server.serve(arrived, request, plan).await });
        match work.await {
            Ok(delivery) => delivery,
            // A panic in a hook must fail the test.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Delivery::Dropped,
            },
        }
    }

    async fn serve(self: &Arc<Self>, arrived: Request, request: HttpRequest<Bytes>, plan: FaultPlan) -> Delivery {
        let number = arrived.number;
        for hook in plan.before {
            hook(arrived.clone()).await;
        }
        let delivery = self.act(number, request, plan.action).await;
        for hook in plan.after {
            let done = lock(&self.log).find(number).cloned();
            hook(done.unwrap_or_else(|| arrived.clone())).await;
        }
        delivery
    }

    async fn act(
        self: &Arc<Self>,
        number: usize,
        mut request: HttpRequest<Bytes>,
        action: Option<FaultAction>,
    ) -> Delivery {
        let method = request.method().clone();
        let response = match action {
            // The hooks run around this call.
            None | Some(FaultAction::Before(_) | FaultAction::After(_)) => self.apply(number, request).await,
            Some(FaultAction::Fail { status, code, message }) => self.refusal(number, &method, status, &code, &message),
            Some(FaultAction::Respond { status, headers, body }) => {
                self.with_date(reply::finish(reply::other(status, &headers, body), &method))
            }
            Some(FaultAction::FailApplied { status, code }) => {
                self.apply(number, request).await;
                self.refusal(number, &method, status, &code, "an injected fault, after the request was applied")
            }
            Some(FaultAction::Delay(by)) => {
                time::sleep(by).await;
                self.apply(number, request).await
            }
            Some(FaultAction::DelayAnswer(by)) => {
                let response = self.apply(number, request).await;
                time::sleep(by).await;
                response
            }
            Some(FaultAction::Drop) => return self.end(number, Answer::Dropped),
            Some(FaultAction::DropApplied) => {
                self.apply(number, request).await;
                return self.end(number, Answer::Dropped);
            }
            Some(FaultAction::Hang) => return self.end(number, Answer::Silence),
            Some(FaultAction::HangApplied) => {
                self.apply(number, request).await;
                return self.end(number, Answer::Silence);
            }
            Some(FaultAction::Cut(after)) => {
                let response = self.apply(number, request).await;
                return self.cut(number, response, after);
            }
            Some(FaultAction::Stall(after)) => {
                let response = self.apply(number, request).await;
                return self.stall(number, response, after);
            }
            Some(FaultAction::Pace { bytes, every }) => {
                let response = self.apply(number, request).await;
                self.note(number, |request| request.answer = Answer::Status(response.status().as_u16()));
                return Delivery::Reply(response.map(|body| ReplyBody::paced(body, bytes, every)));
            }
            Some(FaultAction::Rewrite(rewrite)) => {
                let mut response = self.apply(number, request).await.map(|body| rewrite(body));
                response.headers_mut().remove(CONTENT_LENGTH);
                response
            }
            Some(FaultAction::Late { after, meanwhile }) => {
                match after {
                    None => lock(&self.late).push_back(LateRequest { number, request }),
                    Some(delay) => {
                        let server = Arc::clone(self);
                        tokio::spawn(async move {
                            time::sleep(delay).await;
                            server.apply(number, request).await;
                        });
                    }
                }
                match meanwhile {
                    Meanwhile::Silence => return self.end(number, Answer::Silence),
                    Meanwhile::ConnectionLost => return self.end(number, Answer::Dropped),
                    Meanwhile::Error(status, code) => {
                        self.refusal(number, &method, status, &code, "an injected fault; the request is applied later")
                    }
                }
            }
            Some(FaultAction::Twice) => {
                lock(&self.late).push_back(LateRequest { number, request: request.clone() });
                self.apply(number, request).await
            }
            Some(FaultAction::Alter(alter)) => {
                request.extensions_mut().insert::<AlterBody>(alter);
                self.apply(number, request).await
            }
            Some(FaultAction::Hide(hide)) => {
                request.extensions_mut().insert::<HideFromLists>(hide);
                self.apply(number, request).await
            }
        };
        self.note(number, |request| request.answer = Answer::Status(response.status().as_u16()));
        Delivery::Reply(response.map(ReplyBody::complete))
    }

    /// Applies the request.
    async fn apply(&self, number: usize, mut request: HttpRequest<Bytes>) -> Response<Bytes> {
        join_encodings(request.headers_mut());
        let method = request.method().clone();
        let response = match self.service.call(request.map(Body::from)).await {
            Ok(response) => buffered(response).await,
            Err(error) => reply::error(500, "InternalError", &format!("{error:?}")),
        };
        self.note(number, |request| request.applied = Some(response.status().as_u16()));
        self.with_common_headers(number, &method, response)
    }

    fn refusal(&self, number: usize, method: &http::Method, status: u16, code: &str, message: &str) -> Response<Bytes> {
        self.with_common_headers(number, method, reply::error(status, code, message))
    }

    /// Adds the headers of every response.
    fn with_common_headers(&self, number: usize, method: &http::Method, response: Response<Bytes>) -> Response<Bytes> {
        let mut response = self.with_date(reply::finish(response, method));
        if let Ok(id) = HeaderValue::try_from(format!("{number:016X}")) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    /// Adds the `Date`, unless the response has one.
    fn with_date(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let date = lock(&self.backend.clock).now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::try_from(date) {
            response.headers_mut().entry(DATE).or_insert(date);
        }
        response
    }

    fn end(&self, number: usize, answer: Answer) -> Delivery {
        self.note(number, |request| request.answer = answer);
        if answer == Answer::Silence { Delivery::Silence } else { Delivery::Dropped }
    }

    fn cut(&self, number: usize, response: Response<Bytes>, after: usize) -> Delivery {
        let response = response.map(|body| ReplyBody::cut(&body, after));
        let answer = Answer::Cut { status: response.status().as_u16(), sent: response.body().len() };
        self.note(number, |request| request.answer = answer);
        Delivery::Reply(response)
    }

    fn stall(&self, number: usize, response: Response<Bytes>, after: usize) -> Delivery {
        let response = response.map(|body| ReplyBody::stalled(&body, after));
        let answer = Answer::Stalled { status: response.status().as_u16(), sent: response.body().len() };
        self.note(number, |request| request.answer = answer);
        Delivery::Reply(response)
    }

    fn note(&self, number: usize, write: impl FnOnce(&mut Request)) {
        if let Some(request) = lock(&self.log).find(number) {
            write(request);
        }
    }

    pub(super) fn late_len(&self) -> usize {
        lock(&self.late).len()
    }

    pub(super) async fn land_late(&self) -> Vec<Landed> {
        let mut landed = Vec::new();
        loop {
            let Some(LateRequest { number, request }) = lock(&self.late).pop_front() else { return landed };
            let arrived = Request::new(number, &request);
            let status = self.apply(number, request).await.status().as_u16();
            landed.push(Landed { number, operation: arrived.operation, key: arrived.key, status });
        }
    }
}

/// Joins repeated `Content-Encoding` headers. The SDK sends two if it frames an encoded body as `aws-chunked`, but
/// `s3s` accepts one. The signature is the same either way.
fn join_encodings(headers: &mut HeaderMap) {
    let values: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if values.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&values.join(b",".as_slice()))
    {
        headers.insert(CONTENT_ENCODING, joined);
    }
}

/// Reads a response body into memory.
async fn buffered(response: Response<Body>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, body.to_bytes()),
        Err(error) => reply::error(500, "InternalError", &error.to_string()),
    }
}

impl RequestLog {
    fn add(&mut self, request: &HttpRequest<Bytes>) -> Request {
        let request = Request::new(self.cleared + self.requests.len(), request);
        self.requests.push(request.clone());
        request
    }

    pub(super) fn clear(&mut self) {
        self.cleared += self.requests.len();
        self.requests.clear();
    }

    fn find(&mut self, number: usize) -> Option<&mut Request> {
        self.requests.get_mut(number.checked_sub(self.cleared)?)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("log", &lock(&self.log).requests.len()).finish_non_exhaustive()
    }
}
