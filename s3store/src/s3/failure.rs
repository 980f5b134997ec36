//! The failure of a request: its class, which decides about retries, and the error for the caller.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::error::{Error, ErrorKind, ErrorType, S3Error};

/// The largest number of characters of a response that a message quotes.
const LONGEST_QUOTE: usize = 80;

/// The classes of failure that the layers above distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// 404 for the object.
    NotFound,
    /// 412: the condition of a conditional PUT does not hold; the object exists.
    Precondition,
    /// 403: missing permissions, or a policy that denies overwriting.
    Forbidden,
    /// 409: another conditional PUT of the key is in flight.
    Conflict,
    /// 501: the backend does not support the request.
    NotImplemented,
    /// Throttled: 429, or an error code for throttling under any status.
    SlowDown,
    /// The server failed: 5xx, or an error code for it under any status.
    Server,
    /// Any other 4xx.
    Client,
    /// No response, or one that broke off.
    Transport,
    /// A response that does not have the form of S3's, such as a page of HTML, or that contradicts itself.
    Garbled,
    /// No complete response within the try's deadline.
    Timeout,
    /// The response's `ETag` is not the MD5 of the body that was sent.
    Corrupt,
    /// The SDK could not build the request; nothing was sent.
    Unsent,
}

impl Class {
    /// Returns `true` if another try may succeed.
    pub(crate) fn is_transient(self) -> bool {
        match self {
            Self::Conflict
            | Self::SlowDown
            | Self::Server
            | Self::Transport
            | Self::Garbled
            | Self::Timeout
            | Self::Corrupt => true,
            Self::NotFound
            | Self::Precondition
            | Self::Forbidden
            | Self::NotImplemented
            | Self::Client
            | Self::Unsent => false,
        }
    }

    /// Returns the value of `error.type` in metrics and spans.
    pub(crate) fn error_type(self) -> ErrorType {
        match self {
            Self::Precondition => ErrorType::PreconditionFailed,
            Self::NotFound => ErrorType::NotFound,
            Self::SlowDown => ErrorType::SlowDown,
            Self::Server | Self::NotImplemented => ErrorType::Server,
            Self::Forbidden | Self::Conflict | Self::Client => ErrorType::Client,
            Self::Transport | Self::Garbled | Self::Timeout => ErrorType::Transport,
            Self::Corrupt | Self::Unsent => ErrorType::Other,
        }
    }

    fn error_kind(self) -> ErrorKind {
        match self {
            Self::Forbidden | Self::Client | Self::NotImplemented | Self::Precondition => ErrorKind::Refused,
            Self::NotFound => ErrorKind::Vanished,
            Self::Unsent => ErrorKind::InvalidInput,
            Self::Conflict
            | Self::SlowDown
            | Self::Server
            | Self::Transport
            | Self::Garbled
            | Self::Timeout
            | Self::Corrupt => ErrorKind::Unavailable,
        }
    }
}

/// The failure of a request after its last try.
///
/// It keeps neither the SDK's error nor the raw response: their headers and bodies can contain security tokens.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The last try's class.
    pub(crate) class: Class,
    /// If `true`, some try had no definite response: the server may have applied it, or may still apply it.
    pub(crate) uncertain: bool,
    /// The number of tries.
    pub(crate) tries: u32,
    /// S3's error response to the last try.
    response: Option<S3Error>,
    /// Why the last try got no complete response.
    cause: Option<String>,
}

impl Failure {
    /// Creates a failure without an error response from S3.
    pub(crate) fn local(class: Class) -> Self {
        Self { class, uncertain: class != Class::Unsent, tries: 0, response: None, cause: None }
    }

    /// Creates the failure of a response whose body broke off.
    pub(super) fn body(error: &dyn StdError) -> Self {
        Self::body_text(chain(error))
    }

    /// Creates the failure of a response that is not understood. `cause` says what is wrong with it.
    pub(super) fn garbled(cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::local(Class::Garbled) }
    }

    /// Creates the failure of a response whose body is incomplete.
    pub(super) fn body_text(cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::local(Class::Transport) }
    }

    /// Classifies an error of the SDK.
    pub(super) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let response = error.raw_response().map(|response| {
            let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
            S3Error {
                status: response.status().as_u16(),
                code: meta.and_then(|meta| meta.code()).map(str::to_owned),
                message: meta.and_then(|meta| meta.message()).map(str::to_owned),
                request_id: response.headers().get("x-amz-request-id").map(str::to_owned),
            }
        });
        // The status says success, but the response can't be parsed.
        if let (SdkError::ServiceError(_), Some(S3Error { status: status @ 200..300, code: None, .. })) =
            (&error, &response)
        {
            let body = error.raw_response().and_then(|response| response.body().bytes());
            return Self::garbled(format!("it has status {status} and {}", quote(body)));
        }
        let status = response.as_ref().map(S3Error::status);
        let class = match (&error, &response) {
            (SdkError::ConstructionFailure(_), _) => Class::Unsent,
            (SdkError::TimeoutError(_), _) => Class::Timeout,
            (SdkError::ServiceError(_), Some(response)) => classify(response.status(), response.code()),
            // The error response broke off, but its status arrived. A response with a successful status that broke off
            // is a failure of the transport.
            (SdkError::ResponseError(_), Some(response)) if response.status() >= 300 => {
                classify(response.status(), None)
            }
            _ => Class::Transport,
        };
        let uncertain = match class {
            Class::Unsent | Class::NotImplemented => false,
            Class::Transport | Class::Garbled | Class::Timeout | Class::Corrupt => true,
            _ => status.is_none_or(|status| status >= 500),
        };
        // Keeps only errors that arise locally: an error about a response can quote its body.
        let cause = match &error {
            SdkError::DispatchFailure(failure) => failure.as_connector_error().map(|error| chain(error)),
            SdkError::ConstructionFailure(_) | SdkError::TimeoutError(_) => Some(chain(&error)),
            _ => None,
        };
        let response = response.filter(|_| class != Class::Transport);
        Self { class, uncertain, tries: 0, response, cause }
    }

    /// Returns `Ok(None)` if the request failed because the object does not exist.
    pub(super) fn none_if_absent<T>(result: Result<T, Self>) -> Result<Option<T>, Self> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.class == Class::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Converts to the crate's error. `operation` names operation and object, as in `put data file a/b.parquet`.
    pub(crate) fn into_error(self, operation: impl fmt::Display) -> Error {
        let message = format!("{operation}: {self}");
        let mut error = Error::new(self.class.error_kind(), message).with_type(self.class.error_type());
        if let Some(response) = self.response {
            error = error.with_s3_error(response);
        }
        match self.cause {
            // The message of a garbled response contains the cause.
            Some(cause) if self.class != Class::Garbled => error.with_source(cause),
            _ => error,
        }
    }
}

impl fmt::Display for Failure {
    /// Writes the reason, and in brackets S3's status, code and message, the request id and the number of tries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            Class::NotFound => "not found",
            Class::Precondition => "the object already exists",
            Class::Forbidden => "access denied; check the permissions of the credentials and the bucket's policy",
            Class::Conflict => "another conditional PUT of the key is in flight",
            Class::NotImplemented => "not supported by this S3 server",
            Class::SlowDown => "throttled",
            Class::Server => "the S3 server failed",
            Class::Client => "rejected by the S3 server",
            Class::Transport => "no complete response from S3",
            Class::Garbled => "the response of S3 can't be understood",
            Class::Timeout => "no complete response from S3 within the deadline",
            Class::Corrupt => "the response's ETag is not the MD5 of the body; the body was altered on the way",
            Class::Unsent => "the request could not be built",
        })?;
        if let (Class::Garbled, Some(cause)) = (self.class, &self.cause) {
            write!(f, ": {cause}")?;
        }
        let response = self.response.as_ref().map(ToString::to_string);
        let tries = (self.tries > 1).then(|| format!("{} tries", self.tries));
        let details: Vec<String> = response.into_iter().chain(tries).collect();
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
    }
}

/// Describes a body by its beginning. An error document of S3 can contain security tokens, so it is not quoted.
fn quote(body: Option<&[u8]>) -> String {
    let Some(body) = body else { return "headers that can't be parsed".to_owned() };
    let text = String::from_utf8_lossy(body.get(..LONGEST_QUOTE * 8).unwrap_or(body));
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let text = words.join(" ");
    if text.is_empty() {
        return "an empty body, or headers that can't be parsed".to_owned();
    }
    if text.contains("<Error") {
        return "an incomplete error document".to_owned();
    }
    let quoted: String = text.chars().take(LONGEST_QUOTE).collect();
    format!("a body that begins with {quoted:?}")
}

/// Returns the messages of an error and of its sources.
fn chain(error: &dyn StdError) -> String {
    let mut messages = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        messages = format!("{messages}: {error}");
        source = error.source();
    }
    messages
}

/// Classifies an error response. The code counts before the status, since some servers send codes under other statuses.
fn classify(status: u16, code: Option<&str>) -> Class {
    match code.unwrap_or_default() {
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDownRead"
        | "SlowDownWrite" => return Class::SlowDown,
        "InternalError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "IncompleteBody"
        | "BadDigest" => return Class::Server,
        "ConditionalRequestConflict" | "OperationAborted" => return Class::Conflict,
        "PreconditionFailed" => return Class::Precondition,
        "NotImplemented" => return Class::NotImplemented,
        _ => {}
    }
    match status {
        403 => Class::Forbidden,
        404 if code == Some("NoSuchBucket") => Class::Client,
        404 => Class::NotFound,
        408 => Class::Server,
        409 => Class::Conflict,
        412 => Class::Precondition,
        429 => Class::SlowDown,
        501 => Class::NotImplemented,
        500.. => Class::Server,
        _ => Class::Client,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn codes_count_before_statuses() {
        for (status, code, class) in [
            (503, Some("SlowDown"), Class::SlowDown),
            (400, Some("SlowDown"), Class::SlowDown),
            (429, None, Class::SlowDown),
            (400, Some("RequestTimeout"), Class::Server),
            (500, None, Class::Server),
            (503, None, Class::Server),
            (501, None, Class::NotImplemented),
            (409, None, Class::Conflict),
            (409, Some("OperationAborted"), Class::Conflict),
            (412, None, Class::Precondition),
            (403, Some("AccessDenied"), Class::Forbidden),
            (404, Some("NoSuchKey"), Class::NotFound),
            (404, Some("NoSuchBucket"), Class::Client),
            (400, Some("KeyTooLongError"), Class::Client),
        ] {
            assert_eq!(classify(status, code), class, "{status} {code:?}");
        }
    }

    #[test]
    fn messages_contain_the_response_and_the_number_of_tries() {
        let response = S3Error {
            status: 503,
            code: Some("SlowDown".to_owned()),
            message: Some("Please reduce your request rate.".to_owned()),
            request_id: Some("1A2B".to_owned()),
        };
        let failure = Failure { response: Some(response), tries: 5, ..Failure::local(Class::SlowDown) };
        let expected = "throttled (503 SlowDown: Please reduce your request rate, request 1A2B, 5 tries)";
        assert_eq!(failure.to_string(), expected);
        assert_eq!(Failure::local(Class::Timeout).to_string(), "no complete response from S3 within the deadline");
        let failure = Failure { tries: 5, ..Failure::local(Class::Transport) };
        assert_eq!(failure.to_string(), "no complete response from S3 (5 tries)");
    }

    #[test]
    fn a_successful_status_with_an_unreadable_body_is_transient_and_quoted() {
        let page = format!("<html>\r\n<body>Sign in{}</body></html>", "!".repeat(200));
        for (body, quoted) in [
            (page.as_str(), "status 200 and a body that begins with \"<html> <body>Sign in!!"),
            ("", "status 200 and an empty body"),
            ("<Error><Token-0>hunter2", "status 200 and an incomplete error document"),
        ] {
            let mut response = HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body));
            response.headers_mut().insert("x-amz-security-token", "hunter2");
            let failure = Failure::from_sdk(SdkError::service_error(PutObjectError::unhandled("xml"), response));
            assert!(failure.class.is_transient() && failure.uncertain);
            let error = failure.into_error("list d/data/");
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains(quoted), "{error}");
            assert!(error.to_string().len() < 200, "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn an_error_keeps_no_raw_response() {
        let body = "<Error><Code>InvalidToken</Code><Token-0>hunter2</Token-0></Error>";
        let response = |status: u16| {
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            response.headers_mut().insert("x-amz-security-token", "hunter2");
            response.headers_mut().insert("x-amz-request-id", "1A2B");
            response
        };
        let meta = ErrorMetadata::builder().code("InvalidToken").message("The token is invalid.").build();
        let service = SdkError::service_error(PutObjectError::generic(meta), response(400));
        let broken = SdkError::<PutObjectError, _>::response_error(format!("not understood: {body}"), response(500));
        for (failure, code) in [(service, Some("InvalidToken")), (broken, None)] {
            let error = Failure::from_sdk(failure).into_error("put data file a.parquet");
            assert!(error.source().is_none());
            assert!(!format!("{error} {error:?} {error:#?}").contains("hunter2"), "{error:?}");
            let response = error.s3_error().unwrap();
            assert_eq!((response.code(), response.request_id()), (code, Some("1A2B")));
        }
    }
}
