//! From a request to its answer, with the faults between.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, HeaderValue};
use http::{Request as HttpRequest, Response};
use http_body_util::BodyExt as _;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

use super::backend::{Backend, Service};
use super::fault::{Action, Hide, Meanwhile, Script, Strike};
use super::reply::{self, ReplyBody};
use super::request::{Answer, Request};
use super::{ACCESS_KEY, Landed, SECRET_KEY, lock, time};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// The server behind all handles of an [`S3`](super::S3).
pub(super) struct Server {
    pub(super) backend: Arc<Backend>,
    service: S3Service,
    pub(super) script: Mutex<Script>,
    pub(super) log: Mutex<Log>,
    late: Mutex<VecDeque<Late>>,
}

/// The requests since the log was last cleared.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) requests: Vec<Request>,
    /// Requests cleared away.
    cleared: usize,
}

/// A request that waits to land.
struct Late {
    number: usize,
    request: HttpRequest<Bytes>,
}

/// What a client gets.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Response<ReplyBody>),
    Dropped,
    Silence,
}

impl Server {
    pub(super) fn new() -> Self {
        let backend = Arc::new(Backend::default());
        let mut config = S3Config::default();
        // A test may shift the clocks as it likes.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        let mut service = S3ServiceBuilder::new(Service(Arc::clone(&backend)));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        service.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self {
            backend,
            service: service.build(),
            script: Mutex::default(),
            log: Mutex::default(),
            late: Mutex::default(),
        }
    }

    /// Takes a request that has arrived whole, and answers it. Dropping the future stops the waiting, not the server.
    pub(super) async fn exchange(self: &Arc<Self>, request: HttpRequest<Bytes>) -> Outcome {
        let arrived = lock(&self.log).add(&request);
        let strike = lock(&self.script).strike(&arrived);
        let server = Arc::clone(self);
        let work = tokio::spawn(async move { server.serve(arrived, request, strike).await });
        match work.await {
            Ok(outcome) => outcome,
            // A hook that panics fails its test.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Outcome::Dropped,
            },
        }
    }

    async fn serve(self: &Arc<Self>, arrived: Request, request: HttpRequest<Bytes>, strike: Strike) -> Outcome {
        let number = arrived.number;
        for hook in strike.before {
            hook(arrived.clone()).await;
        }
        let outcome = self.act(number, request, strike.action).await;
        for hook in strike.after {
            let done = lock(&self.log).find(number).cloned();
            hook(done.unwrap_or_else(|| arrived.clone())).await;
        }
        outcome
    }

    async fn act(self: &Arc<Self>, number: usize, mut request: HttpRequest<Bytes>, action: Option<Action>) -> Outcome {
        let method = request.method().clone();
        let response = match action {
            // Hooks run around it.
            None | Some(Action::Before(_) | Action::After(_)) => self.apply(number, request).await,
            Some(Action::Fail { status, code, message }) => self.refusal(number, &method, status, &code, &message),
            Some(Action::FailApplied { status, code }) => {
                self.apply(number, request).await;
                self.refusal(number, &method, status, &code, "an injected fault, after the request was applied")
            }
            Some(Action::Delay(by)) => {
                time::sleep(by).await;
                self.apply(number, request).await
            }
            Some(Action::DelayAnswer(by)) => {
                let response = self.apply(number, request).await;
                time::sleep(by).await;
                response
            }
            Some(Action::Drop) => return self.end(number, Answer::Dropped),
            Some(Action::DropApplied) => {
                self.apply(number, request).await;
                return self.end(number, Answer::Dropped);
            }
            Some(Action::Hang) => return self.end(number, Answer::Silence),
            Some(Action::HangApplied) => {
                self.apply(number, request).await;
                return self.end(number, Answer::Silence);
            }
            Some(Action::Cut(after)) => {
                let response = self.apply(number, request).await;
                return self.cut(number, response, after);
            }
            Some(Action::Stall(after)) => {
                let response = self.apply(number, request).await;
                return self.stall(number, response, after);
            }
            Some(Action::Late { after, meanwhile }) => {
                match after {
                    None => lock(&self.late).push_back(Late { number, request }),
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
                        self.refusal(number, &method, status, &code, "an injected fault, before the request landed")
                    }
                }
            }
            Some(Action::Twice) => {
                lock(&self.late).push_back(Late { number, request: request.clone() });
                self.apply(number, request).await
            }
            Some(Action::Hide(hide)) => {
                request.extensions_mut().insert::<Hide>(hide);
                self.apply(number, request).await
            }
        };
        self.note(number, |request| request.answer = Answer::Status(response.status().as_u16()));
        Outcome::Reply(response.map(ReplyBody::whole))
    }

    /// Does what the request asks for.
    async fn apply(&self, number: usize, mut request: HttpRequest<Bytes>) -> Response<Bytes> {
        join_encodings(request.headers_mut());
        let method = request.method().clone();
        let response = match self.service.call(request.map(Body::from)).await {
            Ok(response) => whole(response).await,
            Err(error) => reply::error(500, "InternalError", &format!("{error:?}")),
        };
        self.note(number, |request| request.applied = Some(response.status().as_u16()));
        self.finished(number, &method, response)
    }

    fn refusal(&self, number: usize, method: &http::Method, status: u16, code: &str, message: &str) -> Response<Bytes> {
        self.finished(number, method, reply::error(status, code, message))
    }

    /// Adds what every answer has.
    fn finished(&self, number: usize, method: &http::Method, response: Response<Bytes>) -> Response<Bytes> {
        let mut response = reply::complete(response, method);
        let date = lock(&self.backend.clock).now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::try_from(date) {
            response.headers_mut().insert(DATE, date);
        }
        if let Ok(id) = HeaderValue::try_from(format!("{number:016X}")) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    fn end(&self, number: usize, answer: Answer) -> Outcome {
        self.note(number, |request| request.answer = answer);
        if answer == Answer::Silence { Outcome::Silence } else { Outcome::Dropped }
    }

    fn cut(&self, number: usize, response: Response<Bytes>, after: usize) -> Outcome {
        let response = response.map(|body| ReplyBody::cut(&body, after));
        let answer = Answer::Cut { status: response.status().as_u16(), sent: response.body().len() };
        self.note(number, |request| request.answer = answer);
        Outcome::Reply(response)
    }

    fn stall(&self, number: usize, response: Response<Bytes>, after: usize) -> Outcome {
        let response = response.map(|body| ReplyBody::stalled(&body, after));
        let answer = Answer::Stalled { status: response.status().as_u16(), sent: response.body().len() };
        self.note(number, |request| request.answer = answer);
        Outcome::Reply(response)
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
            let Some(Late { number, request }) = lock(&self.late).pop_front() else { return landed };
            let arrived = Request::new(number, &request);
            let status = self.apply(number, request).await.status().as_u16();
            landed.push(Landed { number, operation: arrived.operation, key: arrived.key, status });
        }
    }
}

/// The SDK sends `Content-Encoding` twice when a body that has one is framed as `aws-chunked`. `s3s` wants one; so joined,
/// the signature is the same.
fn join_encodings(headers: &mut HeaderMap) {
    let values: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    if values.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&values.join(b",".as_slice()))
    {
        headers.insert(CONTENT_ENCODING, joined);
    }
}

async fn whole(response: Response<Body>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(parts, body.to_bytes()),
        Err(error) => reply::error(500, "InternalError", &error.to_string()),
    }
}

impl Log {
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
