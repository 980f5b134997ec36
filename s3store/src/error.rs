//! The crate's error type, and its kinds by what a caller does about them.

use std::error::Error as StdError;
use std::fmt;

/// A `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// The error of an operation.
///
/// The message names the operation, the object's key if there is one, the reason, and the remedy. [`kind`](Error::kind)
/// distinguishes what a caller treats differently. If S3 rejected a request, [`s3_error`](Error::s3_error) returns its
/// response.
///
/// # Example
/// ```
/// # async fn example(store: s3store::Store<impl s3store::Record>) -> s3store::Result<()> {
/// match store.read("day=2026-03-17").await {
///     Ok(records) => println!("{} records", records.len()),
///     Err(error) if error.is_transient() => println!("try again later: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<BoxError>,
    s3_error: Option<S3Error>,
    error_type: ErrorType,
}

/// The kind of an [`Error`], by what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The arguments or the records of the call are invalid. Nothing was sent. Correct them and call again.
    InvalidInput,
    /// An object in the bucket is invalid: a file that does not decode, or a commit without its metadata. The message
    /// names the object.
    InvalidData,
    /// The dataset is not initialised, or was initialised with other values.
    Config,
    /// A listed object, or the data file of a commit, does not exist: somebody deleted it. Call again. If the error
    /// remains, a data file was deleted without its commit: restore the file, or delete the commit too. In a write, somebody
    /// aborted the multipart upload of a data file; the next call starts another one.
    Vanished,
    /// S3 rejected the request: missing permissions, a policy, or a bucket that does not exist or is in another region.
    Refused,
    /// S3 did not respond, failed, or sent a response that can't be understood, on every try; or an object was replaced while
    /// it was read. Call again later.
    Unavailable,
    /// The local clock differs from S3's by more than the dataset or S3 allows.
    ClockSkew,
    /// The operation was stopped because its runtime shut down.
    Cancelled,
    /// A bug: a task panicked, or an invariant of the library does not hold. Please report it.
    Internal,
    /// A write or restamp succeeded, but took longer than the dataset's commit timeout: the records are durable, but readers
    /// of the change stream may have passed them. Restamp the commit.
    Late,
    /// The token of a write has been committed with other records, so these records are not stored. Write other records with
    /// another token.
    TokenReused,
    /// It is unknown whether a write was committed. Write again with the same token, or look up the commit.
    UnknownOutcome,
}

/// An error response from S3, returned by [`Error::s3_error`].
///
/// It has no raw headers and no raw body, since these can contain security tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Error {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// The value of OpenTelemetry's `error.type` in metrics and spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    /// 412.
    PreconditionFailed,
    /// 404.
    NotFound,
    /// Throttled.
    SlowDown,
    /// 5xx.
    Server,
    /// 4xx.
    Client,
    /// No complete response.
    Transport,
    /// An error that no response of S3 caused.
    Other,
    /// The caller dropped the operation, or its runtime shut down. A task that panicked is `Other`.
    Canceled,
}

impl Error {
    /// Returns the kind: what a caller can do about the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns `true` if the same call may succeed later: [`Unavailable`](ErrorKind::Unavailable) and
    /// [`Vanished`](ErrorKind::Vanished).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Vanished)
    }

    /// Returns S3's error response, or `None` if S3 did not respond or did not cause the error.
    #[must_use]
    pub fn s3_error(&self) -> Option<&S3Error> {
        self.0.s3_error.as_ref()
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let error_type = if kind == ErrorKind::Cancelled { ErrorType::Canceled } else { ErrorType::Other };
        Self(Box::new(Inner { kind, message: message.into(), source: None, s3_error: None, error_type }))
    }

    pub(crate) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    pub(crate) fn invalid_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidData, message)
    }

    /// Creates an error for an invariant that does not hold.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, format!("{message}; this is a bug"))
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_s3_error(mut self, response: S3Error) -> Self {
        self.0.s3_error = Some(response);
        self
    }

    pub(crate) fn with_type(mut self, error_type: ErrorType) -> Self {
        self.0.error_type = error_type;
        self
    }

    pub(crate) fn error_type(&self) -> ErrorType {
        self.0.error_type
    }

    /// Adds to the message, as in `message; addition`. The rest of the error is unchanged.
    pub(crate) fn followed_by(mut self, addition: impl fmt::Display) -> Self {
        self.0.message = format!("{}; {addition}", self.0.message);
        self
    }

    /// Prefixes the message, as in `context: message`. The rest of the error is unchanged.
    pub(crate) fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("message", &self.0.message);
        if let Some(response) = &self.0.s3_error {
            debug.field("s3_error", response);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl S3Error {
    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns S3's error code, such as `AccessDenied`. A response to HEAD has none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns S3's message. A response to HEAD has none.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the header `x-amz-request-id`, which the operators of an S3 server ask for.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl fmt::Display for S3Error {
    /// Writes status, code, message and request id, as in `403 AccessDenied: Access Denied, request 4442587FB7D0A2F9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {}", message.trim_end_matches('.'))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        Ok(())
    }
}

impl ErrorType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PreconditionFailed => "precondition_failed",
            Self::NotFound => "not_found",
            Self::SlowDown => "slowdown",
            Self::Server => "server",
            Self::Client => "client",
            Self::Transport => "transport",
            Self::Other => "other",
            Self::Canceled => "canceled",
        }
    }
}
