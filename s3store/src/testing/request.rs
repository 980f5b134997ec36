//! The log of requests that arrived.

use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;

/// An S3 operation.
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
    /// ListMultipartUploads.
    ListUploads,
    /// HeadBucket.
    HeadBucket,
    /// CreateBucket.
    CreateBucket,
    /// ListBuckets.
    ListBuckets,
    /// Any other request.
    Other,
}

/// The response that the client received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// No response yet.
    Pending,
    /// A response with this status.
    Status(u16),
    /// A response with this status whose body was cut off.
    Cut {
        /// The status.
        status: u16,
        /// The number of body bytes that were sent.
        sent: usize,
    },
    /// A response with this status whose body stalled.
    Stalled {
        /// The status.
        status: u16,
        /// The number of body bytes that were sent.
        sent: usize,
    },
    /// A dropped connection instead of a response.
    Dropped,
    /// No response; the client waited until it gave up.
    Silence,
}

/// A request that arrived at an [`S3`](super::S3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The number of requests that arrived before this one since the server was created. Clearing the log does not
    /// reset it.
    pub number: usize,
    /// The S3 operation.
    pub operation: Operation,
    /// The bucket's name, URL-decoded.
    pub bucket: Option<String>,
    /// The object's key, URL-decoded. A LIST has none; see [`prefix`](Request::prefix).
    pub key: Option<String>,
    /// The query parameters, URL-decoded, in the order sent.
    pub query: Vec<(String, String)>,
    /// The headers, with names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The size of the body in bytes, as sent: including `aws-chunked` framing if the client used it.
    pub body_len: usize,
    /// The status with which the server applied the request, whatever response the client received. `None` if it was
    /// not applied, or not yet.
    pub applied: Option<u16>,
    /// The response that the client received.
    pub answer: Answer,
}

/// A delayed request that was applied by [`S3::land_late`](super::S3::land_late).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Landed {
    /// The request's [`number`](Request::number) in the log.
    pub number: usize,
    /// The S3 operation.
    pub operation: Operation,
    /// The object's key.
    pub key: Option<String>,
    /// The status with which the server applied it. The client no longer waits for it.
    pub status: u16,
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
            Method::GET if self.parameter("uploads").is_some() => Operation::ListUploads,
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

    /// Returns whether the request has no parameter that changes the operation. The SDK's `x-id` and signature
    /// parameters do not.
    fn is_plain(&self) -> bool {
        self.query.iter().all(|(name, _)| name == "x-id" || name.to_ascii_lowercase().starts_with("x-amz-"))
    }

    /// Returns the value of a header. Names are case-insensitive.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a query parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the prefix of a LIST, or of a list of uploads.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.parameter("prefix")
    }

    /// Returns the key after which a LIST starts.
    #[must_use]
    pub fn start_after(&self) -> Option<&str> {
        self.parameter("start-after")
    }

    /// Returns the `Range` header of a GET, such as `bytes=0-99`.
    #[must_use]
    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }

    /// Returns the `If-None-Match` header of a PUT, such as `*`.
    #[must_use]
    pub fn if_none_match(&self) -> Option<&str> {
        self.header("if-none-match")
    }

    /// Returns the key, or the prefix of a LIST or a list of uploads. Faults match against it.
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
