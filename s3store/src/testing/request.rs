//! What arrived, as the log keeps it.

use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// PutObject.
    Put,
    /// GetObject.
    Get,
    /// HeadObject.
    Head,
    /// ListObjectsV2.
    List,
    /// DeleteObject.
    Delete,
    /// DeleteObjects.
    DeleteMany,
    /// CreateMultipartUpload.
    CreateUpload,
    /// UploadPart.
    UploadPart,
    /// CompleteMultipartUpload.
    CompleteUpload,
    /// AbortMultipartUpload.
    AbortUpload,
    /// HeadBucket.
    HeadBucket,
    /// CreateBucket.
    CreateBucket,
    /// ListBuckets.
    ListBuckets,
    /// Anything else.
    Other,
}

/// How a request ended, as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// There is no answer yet.
    Pending,
    /// An answer with this status.
    Status(u16),
    /// An answer with this status, whose body broke off after so many bytes.
    Cut {
        /// The status.
        status: u16,
        /// The bytes of the body that were sent.
        sent: usize,
    },
    /// An answer with this status, whose body stopped after so many bytes and never went on.
    Stalled {
        /// The status.
        status: u16,
        /// The bytes of the body that were sent.
        sent: usize,
    },
    /// The connection was dropped without an answer.
    Dropped,
    /// No answer ever came.
    Silence,
}

/// A request that arrived at an [`S3`](super::S3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// How many requests had arrived before this one since the S3 was made.
    pub number: usize,
    /// What it asks for.
    pub operation: Operation,
    /// The bucket, decoded.
    pub bucket: Option<String>,
    /// The object's key, decoded. A LIST has none; see [`prefix`](Request::prefix).
    pub key: Option<String>,
    /// The parameters after the `?`, decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// The headers, with names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// Bytes in the body, as sent: with the framing of `aws-chunked`, where the client used that.
    pub body_len: usize,
    /// The status with which the server did what was asked, whatever the client was told; `None` when it never did, or
    /// hasn't yet.
    pub applied: Option<u16>,
    /// What the client was told.
    pub answer: Answer,
}

impl Request {
    pub(super) fn new(number: usize, request: &http::Request<Bytes>) -> Self {
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query: Vec<_> = request.uri().query().unwrap_or_default().split('&').filter_map(parameter).collect();
        let named = |text: &str| (!text.is_empty()).then(|| decode(text));
        let headers = request.headers().iter();
        Self {
            number,
            operation: Operation::Other,
            bucket: named(bucket),
            key: named(key),
            query,
            headers: headers.map(|(name, value)| (name.to_string(), lossy(value.as_bytes()))).collect(),
            body_len: request.body().len(),
            applied: None,
            answer: Answer::Pending,
        }
        .classified(request.method())
    }

    fn classified(mut self, method: &Method) -> Self {
        self.operation = match (&self.bucket, &self.key) {
            (None, _) if method == Method::GET => Operation::ListBuckets,
            (None, _) => Operation::Other,
            (Some(_), None) => self.bucket_operation(method),
            (Some(_), Some(_)) => self.object_operation(method),
        };
        self
    }

    fn bucket_operation(&self, method: &Method) -> Operation {
        match *method {
            Method::GET if self.parameter("list-type") == Some("2") => Operation::List,
            Method::HEAD => Operation::HeadBucket,
            Method::PUT if self.is_plain() => Operation::CreateBucket,
            Method::POST if self.parameter("delete").is_some() => Operation::DeleteMany,
            _ => Operation::Other,
        }
    }

    fn object_operation(&self, method: &Method) -> Operation {
        let upload = self.parameter("uploadId").is_some();
        match *method {
            Method::HEAD => Operation::Head,
            Method::GET if !upload && !self.has_any(&["acl", "attributes", "tagging"]) => Operation::Get,
            Method::PUT if upload && self.parameter("partNumber").is_some() => Operation::UploadPart,
            Method::PUT if self.is_plain() && self.header("x-amz-copy-source").is_none() => Operation::Put,
            Method::DELETE if upload => Operation::AbortUpload,
            Method::DELETE if self.is_plain() => Operation::Delete,
            Method::POST if upload => Operation::CompleteUpload,
            Method::POST if self.parameter("uploads").is_some() => Operation::CreateUpload,
            _ => Operation::Other,
        }
    }

    fn has_any(&self, names: &[&str]) -> bool {
        self.query.iter().any(|(name, _)| names.contains(&name.as_str()))
    }

    /// No parameter but those that say nothing about the operation: the SDK's `x-id`, and a signature.
    fn is_plain(&self) -> bool {
        self.query.iter().all(|(name, _)| name == "x-id" || name.to_ascii_lowercase().starts_with("x-amz-"))
    }

    /// The value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter after the `?`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The prefix of a LIST.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.parameter("prefix")
    }

    /// Where a LIST starts.
    #[must_use]
    pub fn start_after(&self) -> Option<&str> {
        self.parameter("start-after")
    }

    /// The `Range` of a GET: `bytes=0-99`.
    #[must_use]
    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }

    /// The `If-None-Match` of a PUT: `*`.
    #[must_use]
    pub fn if_none_match(&self) -> Option<&str> {
        self.header("if-none-match")
    }

    /// The key, or the prefix of a LIST: what a fault looks at.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.key.as_deref().or_else(|| self.prefix())
    }
}

fn parameter(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (!text.is_empty()).then(|| (decode(name), decode(&value.replace('+', " "))))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
