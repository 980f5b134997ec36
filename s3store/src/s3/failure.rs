//! What became of a request that failed, and whether another try is worth it.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::error::{Error, ErrorKind, ErrorType};

/// The classes of failure that the layers above tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// 404 for the object.
    NotFound,
    /// 412: the condition of a conditional PUT does not hold, the object exists.
    Precondition,
    /// 403: permissions, or a policy that denies overwriting.
    Forbidden,
    /// 409: another conditional PUT of the key is under way.
    Conflict,
    /// 501: the backend does not know what was asked of it.
    NotImplemented,
    /// Throttled: 429, or a code that says so under any status.
    SlowDown,
    /// The server failed: 5xx, or a code that says so.
    Server,
    /// Any other 4xx.
    Client,
    /// No answer, or one that broke off.
    Transport,
    /// No whole answer within the try's deadline.
    Timeout,
    /// The answer's `ETag` is not the MD5 of the body that was sent.
    Corrupt,
    /// The SDK could not build the request; nothing was sent.
    Unsent,
}

impl Class {
    /// Whether another try may succeed.
    pub(crate) fn is_transient(self) -> bool {
        match self {
            Self::Conflict | Self::SlowDown | Self::Server | Self::Transport | Self::Timeout | Self::Corrupt => true,
            Self::NotFound
            | Self::Precondition
            | Self::Forbidden
            | Self::NotImplemented
            | Self::Client
            | Self::Unsent => false,
        }
    }

    /// What metrics tell of it.
    pub(crate) fn error_type(self) -> ErrorType {
        match self {
            Self::Precondition => ErrorType::PreconditionFailed,
            Self::NotFound => ErrorType::NotFound,
            Self::SlowDown => ErrorType::SlowDown,
            Self::Server | Self::NotImplemented => ErrorType::Server,
            Self::Forbidden | Self::Conflict | Self::Client => ErrorType::Client,
            Self::Transport | Self::Timeout => ErrorType::Transport,
            Self::Corrupt | Self::Unsent => ErrorType::Other,
        }
    }
}

/// Why a request failed after all its tries.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The last try's class.
    pub(crate) class: Class,
    /// Whether any try had no definite answer: it may have been applied, or may yet be.
    pub(crate) uncertain: bool,
    /// How many tries were made.
    pub(crate) tries: u32,
    code: Option<String>,
    status: Option<u16>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure that is no answer of S3's.
    pub(crate) fn local(class: Class) -> Self {
        Self { class, uncertain: class != Class::Unsent, tries: 0, code: None, status: None, source: None }
    }

    /// A body that broke off.
    pub(crate) fn body(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Self::local(Class::Transport) }
    }

    /// Reads the SDK's error.
    pub(crate) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = match &error {
            SdkError::ServiceError(service) => service.err().meta().code().map(str::to_owned),
            _ => None,
        };
        let class = match &error {
            SdkError::ConstructionFailure(_) => Class::Unsent,
            SdkError::TimeoutError(_) => Class::Timeout,
            SdkError::ServiceError(_) => classify(status.unwrap_or_default(), code.as_deref()),
            // An answer whose headers were read counts by its status; one with success and a broken body does not.
            SdkError::ResponseError(_) if status.is_some_and(|status| status >= 300) => {
                classify(status.unwrap_or_default(), None)
            }
            _ => Class::Transport,
        };
        let uncertain = match class {
            Class::Unsent => false,
            Class::Transport | Class::Timeout | Class::Corrupt => true,
            Class::NotImplemented => false,
            _ => status.is_none_or(|status| status >= 500),
        };
        Self { class, uncertain, tries: 0, code, status, source: Some(DisplayErrorContext(error).to_string().into()) }
    }

    /// The crate's error for a caller. `what` names operation and object, as in `put data file a/b.parquet`.
    pub(crate) fn into_error(self, what: impl fmt::Display) -> Error {
        let kind = match self.class {
            Class::Forbidden | Class::Client | Class::NotImplemented | Class::Precondition => ErrorKind::Refused,
            Class::NotFound => ErrorKind::Vanished,
            Class::Unsent => ErrorKind::InvalidInput,
            Class::Conflict | Class::SlowDown | Class::Server | Class::Transport | Class::Timeout | Class::Corrupt => {
                ErrorKind::Unavailable
            }
        };
        let error = Error::new(kind, format!("{what}: {self}")).with_type(self.class.error_type());
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            Class::NotFound => "not found",
            Class::Precondition => "the object exists already",
            Class::Forbidden => "refused; check the credentials' permissions and the bucket's policy",
            Class::Conflict => "another conditional put is under way",
            Class::NotImplemented => "not implemented by this s3 server",
            Class::SlowDown => "throttled",
            Class::Server => "the s3 server failed",
            Class::Client => "refused by the s3 server",
            Class::Transport => "no answer, or one that broke off",
            Class::Timeout => "no answer within the deadline",
            Class::Corrupt => "the answer's etag is not the body's md5; it was altered on its way",
            Class::Unsent => "the request could not be built",
        })?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " ({status} {code}")?,
            (Some(status), None) => write!(f, " ({status}")?,
            (None, _) if self.tries > 1 => f.write_str(" (")?,
            (None, _) => return Ok(()),
        }
        match (self.status, self.tries) {
            (_, ..=1) => f.write_str(")"),
            (Some(_), tries) => write!(f, ", {tries} tries)"),
            (None, tries) => write!(f, "{tries} tries)"),
        }
    }
}

/// The class of an answer, by its code first: servers send some codes under statuses of their own.
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
    fn messages_tell_status_code_and_tries() {
        let failure = Failure {
            status: Some(503),
            code: Some("SlowDown".to_owned()),
            tries: 5,
            ..Failure::local(Class::SlowDown)
        };
        assert_eq!(failure.to_string(), "throttled (503 SlowDown, 5 tries)");
        assert_eq!(Failure::local(Class::Timeout).to_string(), "no answer within the deadline");
        let failure = Failure { tries: 5, ..Failure::local(Class::Timeout) };
        assert_eq!(failure.to_string(), "no answer within the deadline (5 tries)");
    }
}
