//! The one error type of the crate, and what its kinds ask of a caller.

use std::error::Error as StdError;
use std::fmt;

/// A `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// Why an operation failed.
///
/// The message names the operation, the object's key where there is one, and what to do. [`kind`](Error::kind) tells
/// apart what a caller treats differently; [`source`](StdError::source) leads to the cause.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
    error_type: ErrorType,
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call's arguments, or the records, are at fault. Nothing was sent. Correct them and call again.
    InvalidInput,
    /// An object in the bucket is not what it should be: a file that does not decode, a commit without its metadata.
    /// The message names it.
    InvalidData,
    /// The dataset is not initialised, or was initialised with other values.
    Config,
    /// An object that was listed a moment ago is gone. Call again: the next listing won't have it.
    Vanished,
    /// S3 refused the request: permissions, a policy, a bucket that does not exist.
    Refused,
    /// S3 did not answer, or not well, after all tries. Call again later.
    Unavailable,
    /// The local clock differs from S3's by more than the dataset allows.
    ClockSkew,
    /// The operation was stopped: its runtime shut down, or its task was cancelled.
    Cancelled,
    /// A bug: a task panicked, or an invariant of the library does not hold. Please report it.
    Internal,
    /// A write or restamp succeeded, but took longer than the dataset's commit timeout: the records are durable, but readers
    /// of the change stream may have passed them. Restamp the commit.
    Late,
    /// It is unknown whether a write was committed. Write again with the same token, or look up the commit.
    UnknownOutcome,
}

/// What metrics tell of a failure: OpenTelemetry's `error.type`.
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
    /// No answer.
    Transport,
    /// Not of S3's making.
    Other,
    /// Stopped with its runtime. A task that panicked is none of these.
    Canceled,
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

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let error_type = if kind == ErrorKind::Cancelled { ErrorType::Canceled } else { ErrorType::Other };
        Self(Box::new(Inner { kind, message: message.into(), source: None, error_type }))
    }

    pub(crate) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    pub(crate) fn invalid_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidData, message)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_type(mut self, error_type: ErrorType) -> Self {
        self.0.error_type = error_type;
        self
    }

    pub(crate) fn error_type(&self) -> ErrorType {
        self.0.error_type
    }

    /// Puts words before the message, keeping kind and source: `context: message`.
    pub(crate) fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
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
