//! The body of an answer: whole, cut short, or stalled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

/// The body of an answer, as the client gets it.
#[derive(Debug)]
pub(super) struct ReplyBody {
    bytes: Bytes,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// What was sent is still on its way.
    Flushing,
    Cut,
    Stalled,
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { bytes, end: End::Whole }
    }

    pub(super) fn cut(bytes: &Bytes, after: usize) -> Self {
        Self { bytes: bytes.slice(..after.min(bytes.len())), end: End::Flushing }
    }

    pub(super) fn stalled(bytes: &Bytes, after: usize) -> Self {
        Self { bytes: bytes.slice(..after.min(bytes.len())), end: End::Stalled }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Flushing => {
                // A socket sends what it has only when the body makes it wait.
                self.end = End::Cut;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::Cut => {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was lost within the body");
                Poll::Ready(Some(Err(error)))
            }
            // Nobody wakes it: whoever waits gives up, and drops it.
            End::Stalled => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.end == End::Whole
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Whole => SizeHint::with_exact(self.bytes.len() as u64),
            End::Flushing | End::Cut | End::Stalled => SizeHint::default(),
        }
    }
}

/// An error as S3 words it. A status that HTTP does not know becomes 500.
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

/// Gives an answer its length, and takes away the body that a HEAD has not.
pub(super) fn complete(mut response: Response<Bytes>, method: &http::Method) -> Response<Bytes> {
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
