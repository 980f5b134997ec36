//! The failure of a request: its class, which decides about retries, and the error for the caller.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::Headers;

use super::interceptor::Seen;
use super::response;
use super::skew::Skew;
use crate::error::{Error, ErrorKind, ErrorType, S3Error};
use crate::format::GoDuration;

/// The difference of the clocks, in microseconds, that explains a 403 without a body. S3 accepts a difference of 15 minutes.
const REFUSED_SKEW: i64 = 14 * 60 * 1_000_000;

/// The classes of failure that the layers above distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// 404 for the object, or for the multipart upload.
    NotFound,
    /// 412: the condition of a conditional PUT does not hold; the object exists.
    Precondition,
    /// The object was replaced while its body was received.
    Changed,
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
    /// S3 stored other bytes than the body that was sent.
    Corrupt,
    /// The bucket is in another region than the client's, or at another endpoint.
    Elsewhere,
    /// The local clock differs from S3's by more than S3 accepts.
    ClockSkew,
    /// The SDK could not build the request; nothing was sent.
    Unsent,
}

impl Class {
    /// Returns `true` if another try may succeed.
    pub(crate) fn is_transient(self) -> bool {
        // An object that changes does so for the whole call, which may have read other parts of it.
        self.error_kind() == ErrorKind::Unavailable && self != Self::Changed
    }

    /// Returns the value of `error.type` in metrics and spans.
    pub(crate) fn error_type(self) -> ErrorType {
        match self {
            Self::Precondition | Self::Changed => ErrorType::PreconditionFailed,
            Self::NotFound => ErrorType::NotFound,
            Self::SlowDown => ErrorType::SlowDown,
            Self::Server | Self::NotImplemented => ErrorType::Server,
            Self::Forbidden | Self::Conflict | Self::Client | Self::Elsewhere | Self::ClockSkew => ErrorType::Client,
            Self::Transport | Self::Garbled | Self::Timeout => ErrorType::Transport,
            Self::Corrupt | Self::Unsent => ErrorType::Other,
        }
    }

    /// Returns the kind of the caller's error.
    fn error_kind(self) -> ErrorKind {
        match self {
            Self::Forbidden | Self::Client | Self::NotImplemented | Self::Precondition | Self::Elsewhere => {
                ErrorKind::Refused
            }
            Self::ClockSkew => ErrorKind::ClockSkew,
            Self::NotFound => ErrorKind::Vanished,
            Self::Unsent => ErrorKind::InvalidInput,
            Self::Conflict
            | Self::Changed
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
    /// If `true`, the last try brought so many bytes of a body that the next one continues it and counts as the first.
    pub(super) progressed: bool,
    /// S3's error response to the last try.
    response: Option<Box<S3Error>>,
    /// Why the last try got no complete response.
    cause: Option<String>,
    /// A text that the message adds to the reason that the class gives.
    detail: Option<String>,
}

impl Failure {
    /// Creates a failure without an error response from S3.
    pub(crate) fn local(class: Class) -> Self {
        let uncertain = class != Class::Unsent;
        Self { class, uncertain, tries: 0, progressed: false, response: None, cause: None, detail: None }
    }

    /// Creates the failure of a response whose body broke off.
    pub(super) fn body(error: &dyn StdError) -> Self {
        Self::body_text(chain(error))
    }

    /// Creates the failure of a response that is not understood. `detail` says what is wrong with it.
    pub(super) fn garbled(detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::local(Class::Garbled) }
    }

    /// Creates the failure of a response that does not have the form of S3's.
    pub(super) fn unlike_s3(status: u16, headers: &Headers, body: &[u8], is_head: bool) -> Self {
        Self::garbled(format!("it has status {status} and {}", response::describe(headers, body, is_head)))
    }

    /// Adds a text to the reason that the class gives, unless there is one.
    pub(super) fn with_detail(mut self, detail: &str) -> Self {
        self.detail.get_or_insert_with(|| detail.to_owned());
        self
    }

    /// Creates the failure of a response whose body is incomplete.
    pub(super) fn body_text(cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..Self::local(Class::Transport) }
    }

    /// Classifies an error of the SDK. `region` is the client's.
    pub(super) fn from_sdk<E>(error: SdkError<E, HttpResponse>, seen: &Seen, region: Option<&str>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(context) => {
                let meta = context.err().meta();
                return Self::from_response(context.raw(), meta.code(), meta.message(), seen, region);
            }
            // The error response broke off, but its status arrived.
            SdkError::ResponseError(context) if counts_without_document(context.raw().status().as_u16()) => {
                return Self::from_response(context.raw(), None, None, seen, region);
            }
            _ => {}
        }
        let class = match &error {
            SdkError::ConstructionFailure(_) => Class::Unsent,
            SdkError::TimeoutError(_) => Class::Timeout,
            _ => Class::Transport,
        };
        // Keeps only errors that arise locally: an error about a response can quote its body.
        let cause = match &error {
            SdkError::DispatchFailure(failure) => failure.as_connector_error().map(|error| chain(error)),
            SdkError::ConstructionFailure(_) | SdkError::TimeoutError(_) => Some(chain(&error)),
            _ => None,
        };
        Self { cause, ..Self::local(class) }
    }

    /// Classifies an error response, or a successful one that the SDK can't parse.
    fn from_response(
        raw: &HttpResponse,
        code: Option<&str>,
        message: Option<&str>,
        seen: &Seen,
        region: Option<&str>,
    ) -> Self {
        let (status, headers) = (raw.status().as_u16(), raw.headers());
        let body = raw.body().bytes().unwrap_or_default();
        // The SDK makes up a code for an empty body, and parses documents that were cut off.
        let code = code.filter(|_| body.trim_ascii_end().ends_with(b"Error>"));
        let moved = elsewhere(status, code, headers, body, region);
        let is_understood = match code {
            Some(_) => status >= 300 || seen.is_post,
            None if seen.is_web_page || status < 300 => false,
            None if body.is_empty() => seen.is_head || counts_without_document(status),
            None => false,
        };
        let class = match code {
            _ if moved.is_some() => Class::Elsewhere,
            Some("RequestTimeTooSkewed" | "RequestInTheFuture" | "RequestExpired") => Class::ClockSkew,
            _ if !is_understood && !matches!(status, 429 | 500 | 502..) => {
                return Self::unlike_s3(status, headers, body, seen.is_head);
            }
            None if status == 403 && seen.skew.is_some_and(|skew| skew.least().abs() > REFUSED_SKEW) => {
                Class::ClockSkew
            }
            code => classify(status, code),
        };
        let detail = match class {
            Class::Elsewhere => moved,
            Class::ClockSkew => Some(clock_difference(body, seen)),
            Class::Forbidden => other_region(headers, body, region),
            _ if !is_understood => Some(response::describe(headers, body, seen.is_head)),
            _ => None,
        };
        let response = S3Error {
            status,
            code: code.map(str::to_owned),
            message: message.map(str::to_owned),
            request_id: headers.get("x-amz-request-id").map(str::to_owned),
        };
        let is_of_server = status >= 500 || (status < 300 && class.is_transient());
        let uncertain = class != Class::NotImplemented && is_of_server;
        Self { class, uncertain, tries: 0, progressed: false, response: Some(Box::new(response)), cause: None, detail }
    }

    /// Returns the status of S3's error response to the last try.
    pub(super) fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }

    /// Names the bucket, if the failure is that it does not exist.
    pub(super) fn of_bucket(mut self, bucket: &str) -> Self {
        if self.response.as_ref().and_then(|response| response.code()) == Some("NoSuchBucket") {
            self.detail = Some(format!(
                "bucket {bucket:?} does not exist at this endpoint; check its name, and the client's endpoint and region"
            ));
        }
        self
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
            error = error.with_s3_error(*response);
        }
        match self.cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}

impl fmt::Display for Failure {
    /// Writes the reason, and in brackets S3's status, code and message, the request id and the number of tries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            Class::NotFound => "not found",
            Class::Precondition => "the object already exists",
            Class::Changed => "the object was replaced while it was read; read again",
            Class::Forbidden => "access denied; check the permissions of the credentials and the bucket's policy",
            Class::Conflict => "another conditional PUT of the key is in flight",
            Class::NotImplemented => "not supported by this S3 server",
            Class::SlowDown => "throttled",
            Class::Server => "the S3 server failed",
            Class::Client => "rejected by the S3 server",
            Class::Transport => "no complete response from S3",
            Class::Garbled => "the response of S3 can't be understood",
            Class::Timeout => "no complete response from S3 within the deadline",
            Class::Corrupt => "s3 stored other bytes than were sent; the body was altered on the way",
            Class::Elsewhere => "the bucket is not where the client looks for it",
            Class::ClockSkew => "the local clock differs from S3's by more than S3 accepts",
            Class::Unsent => "the request could not be built",
        })?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        let response = self.response.as_ref().map(ToString::to_string);
        let tries = (self.tries > 1).then(|| format!("{} tries", self.tries));
        let details: Vec<String> = response.into_iter().chain(tries).collect();
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
    }
}

/// Returns `true` if a status is clear without an error document: it is transient, or the PUT of a condition that failed.
fn counts_without_document(status: u16) -> bool {
    matches!(status, 408 | 409 | 412 | 429 | 500..)
}

/// Describes where the bucket is, if an error response says that it is in another region or at another endpoint.
fn elsewhere(
    status: u16,
    code: Option<&str>,
    headers: &Headers,
    document: &[u8],
    region: Option<&str>,
) -> Option<String> {
    let of_region = match code {
        Some(
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "Redirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "IncorrectEndpoint",
        ) => true,
        Some(_) => false,
        None => matches!(status, 301 | 302 | 307 | 308 | 400),
    };
    if !of_region {
        return None;
    }
    other_region(headers, document, region).or_else(|| {
        let is_permanent = matches!(code, Some("PermanentRedirect" | "Redirect" | "IncorrectEndpoint"));
        let endpoint = response::bucket_endpoint(headers, document).filter(|_| is_permanent)?;
        Some(format!("it must be addressed at {endpoint}; set the client's endpoint or region accordingly"))
    })
}

/// Describes the region that a response gives for the bucket, if the client uses another one.
fn other_region(headers: &Headers, document: &[u8], region: Option<&str>) -> Option<String> {
    let bucket = response::bucket_region(headers, document).filter(|bucket| Some(bucket.as_str()) != region)?;
    let client = region.map_or_else(|| "has no region".to_owned(), |region| format!("uses {region}"));
    Some(format!(
        "the bucket is in region {bucket}, but the client {client}; set the client's region to {bucket} \
         (AWS_REGION, or region() of the client's configuration)"
    ))
}

/// Describes by how much the local clock differs from S3's.
fn clock_difference(document: &[u8], seen: &Seen) -> String {
    let by_server = || Some(seen.sent?.saturating_sub(response::server_time(document)?));
    let difference = response::clock_difference(document).or_else(by_server).or(seen.skew.map(Skew::middle));
    let mut text = match difference {
        Some(micros) => {
            let side = if micros < 0 { "behind" } else { "ahead of" };
            let seconds = micros.unsigned_abs().saturating_add(500_000) / 1_000_000;
            format!("it is {} {side} S3's", clock_text(Duration::from_secs(seconds)))
        }
        None => "the response does not say by how much".to_owned(),
    };
    if let Some(limit) = response::largest_difference(document) {
        text = format!("{text}, and S3 accepts {}", clock_text(limit));
    }
    format!("{text}; synchronise it (ntp)")
}

fn clock_text(duration: Duration) -> String {
    GoDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |duration| duration.to_string())
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
        | "TemporaryRedirect"
        | "IncompleteBody"
        | "BadDigest" => return Class::Server,
        "ConditionalRequestConflict" | "OperationAborted" => return Class::Conflict,
        "PreconditionFailed" => return Class::Precondition,
        "NotImplemented" => return Class::NotImplemented,
        "NoSuchUpload" => return Class::NotFound,
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
            (200, Some("NoSuchUpload"), Class::NotFound),
            (200, Some("InternalError"), Class::Server),
            (200, Some("InvalidPart"), Class::Client),
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
        let failure = Failure { response: Some(Box::new(response)), tries: 5, ..Failure::local(Class::SlowDown) };
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
            let failure = Failure::from_sdk(
                SdkError::service_error(PutObjectError::unhandled("xml"), response),
                &Seen::default(),
                None,
            );
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
            let failure = Failure::from_sdk(failure, &Seen::default(), None);
            let error = failure.into_error("put data file a.parquet");
            assert!(error.source().is_none());
            assert!(!format!("{error} {error:?} {error:#?}").contains("hunter2"), "{error:?}");
            let response = error.s3_error().unwrap();
            assert_eq!((response.code(), response.request_id()), (code, Some("1A2B")));
        }
    }
}
