//! Response bodies: complete, in pieces, cut off, or stalled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::server::LONGEST_SILENCE;
use super::time;

/// The body of a response, as the client receives it.
#[derive(Debug)]
pub(super) struct ReplyBody {
    bytes: Bytes,
    end: BodyEnd,
}

#[derive(Debug)]
enum BodyEnd {
    Complete,
    /// Sent in pieces of this many bytes, each after a pause.
    Paced {
        bytes: usize,
        every: Duration,
        timer: Pin<Box<Sleep>>,
    },
    /// About to be cut off, after the socket has sent the bytes so far.
    Flushing,
    Cut,
    /// Stalled until this timer ends, then cut off.
    Stalled(Pin<Box<Sleep>>),
}

impl ReplyBody {
    pub(super) fn complete(bytes: Bytes) -> Self {
        Self { bytes, end: BodyEnd::Complete }
    }

    pub(super) fn cut(bytes: &Bytes, after: usize) -> Self {
        Self { bytes: bytes.slice(..after.min(bytes.len())), end: BodyEnd::Flushing }
    }

    pub(super) fn stalled(bytes: &Bytes, after: usize) -> Self {
        Self { bytes: bytes.slice(..after.min(bytes.len())), end: BodyEnd::Stalled(time::timer(LONGEST_SILENCE)) }
    }

    pub(super) fn paced(bytes: Bytes, each: usize, every: Duration) -> Self {
        Self { bytes, end: BodyEnd::Paced { bytes: each, every, timer: time::timer(every) } }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { bytes: rest, end } = &mut *self;
        if let BodyEnd::Paced { bytes, every, timer } = end
            && !rest.is_empty()
        {
            ready!(timer.as_mut().poll(context));
            *timer = time::timer(*every);
            return Poll::Ready(Some(Ok(Frame::data(rest.split_to((*bytes).min(rest.len()))))));
        }
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        match &mut self.end {
            BodyEnd::Complete | BodyEnd::Paced { .. } => Poll::Ready(None),
            BodyEnd::Flushing => {
                // Hyper flushes the socket only when the body returns `Pending`.
                self.end = BodyEnd::Cut;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            BodyEnd::Cut => Poll::Ready(Some(Err(lost()))),
            BodyEnd::Stalled(timer) => {
                ready!(timer.as_mut().poll(context));
                Poll::Ready(Some(Err(lost())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && matches!(self.end, BodyEnd::Complete | BodyEnd::Paced { .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            BodyEnd::Complete | BodyEnd::Paced { .. } => SizeHint::with_exact(self.bytes.len() as u64),
            BodyEnd::Flushing | BodyEnd::Cut | BodyEnd::Stalled(_) => SizeHint::default(),
        }
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was lost within the body")
}

/// Builds an error response in S3's format. A status that HTTP does not know becomes 500.
pub(super) fn error(status: u16, code: &str, message: &str) -> Response<Bytes> {
    let (code, message) = (escape(code), escape(message));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Builds a response that is not S3's. A status that HTTP does not know becomes 500; headers that it does not allow are left
/// out.
pub(super) fn other(status: u16, headers: &[(String, String)], body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Sets `Content-Length`, and removes the body if the method or status does not allow one.
pub(super) fn finish(mut response: Response<Bytes>, method: &http::Method) -> Response<Bytes> {
    let bodyless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if *method == http::Method::HEAD || bodyless {
        if !response.status().is_success() || bodyless {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        *response.body_mut() = Bytes::new();
    } else {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
