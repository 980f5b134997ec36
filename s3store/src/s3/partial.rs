//! The body of a GET that several tries bring together, each of which continues where the one before broke off.

use std::ops::Range;

use aws_smithy_checksums::ChecksumAlgorithm;
use bytes::{Bytes, BytesMut};

use super::response::is_markup;

/// The fewest bytes that are worth keeping when a body breaks off. Fewer are fetched again.
const LEAST_KEPT: u64 = 64 << 10;

/// The number of bytes with which a try always makes progress.
const ENOUGH: u64 = 1 << 20;

/// The body of a GET, as far as its tries have received it.
#[derive(Debug, Default)]
pub(super) struct Partial {
    body: Joined,
    /// The response that the body began with.
    source: Option<Source>,
    /// The largest length of the body after any try that made progress.
    furthest: u64,
    /// If `true`, the bytes are from more than one response.
    is_joined: bool,
    /// If `true`, the server does not continue bodies correctly, so each try fetches all of it.
    is_whole_only: bool,
}

/// The first response of a body.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) etag: Option<String>,
    /// If `true`, the response has a `Content-Range`.
    pub(super) is_range: bool,
    /// The position of the body's first byte in the object.
    pub(super) start: u64,
    /// The length of the whole body. `None` if the response does not say it.
    pub(super) len: Option<u64>,
    /// The length of the object. `None` if the response does not say it.
    pub(super) size: Option<u64>,
    /// The checksums of the object, if this is all of it: names of headers, and values.
    pub(super) checksums: Vec<(String, String)>,
    /// The MD5 of the object in hex, if this is all of it and its `ETag` has the form of one.
    pub(super) md5: Option<String>,
}

/// The part of a body that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// The `ETag` of the object that the body is of.
    pub(super) etag: String,
    /// The missing bytes of the object.
    pub(super) range: Range<u64>,
    size: Option<u64>,
}

/// The result of comparing a response with the [`Rest`] that it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Continuation {
    /// It continues the body.
    Fits,
    /// It is of another object.
    Changed,
    /// It is something else, as the text says.
    Unusable(String),
}

/// A `Content-Range`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) range: Range<u64>,
    /// The length of the object.
    pub(super) size: Option<u64>,
}

impl Partial {
    /// Returns the missing part of a body that broke off, or `None` if the next try must fetch all of it.
    pub(super) fn rest(&self) -> Option<Rest> {
        let source = self.source.as_ref().filter(|_| !self.is_whole_only)?;
        // `If-Match` compares strongly, so a weak ETag never matches.
        let etag = source.etag.clone().filter(|etag| !etag.starts_with("W/"))?;
        let len = source.len.filter(|len| (LEAST_KEPT..*len).contains(&self.len()))?;
        if is_markup(self.body.as_slice()) {
            return None;
        }
        let range = source.start.checked_add(self.len())?..source.start.checked_add(len)?;
        Some(Rest { etag, range, size: source.size })
    }

    /// Begins a body. Drops the bytes of earlier tries.
    pub(super) fn begin(&mut self, source: Source) {
        self.restart();
        self.source = Some(source);
    }

    /// Continues the body with another response.
    pub(super) fn join(&mut self) {
        self.is_joined = true;
    }

    /// Appends bytes.
    pub(super) fn push(&mut self, chunk: Bytes) {
        let missing = self.source.as_ref().and_then(|source| source.len).unwrap_or_default().saturating_sub(self.len());
        self.body.push(chunk, missing);
    }

    /// Drops the bytes, and lets all further tries fetch the whole body.
    pub(super) fn give_up(&mut self) {
        self.restart();
        self.is_whole_only = true;
    }

    /// Ends a try that failed. Returns `true` if it made progress: the rest can be fetched, and the body is longer than ever
    /// before, by 1 MiB, or by a sixteenth of the bytes that were missing and at least 64 KiB.
    ///
    /// So the number of tries is limited, however few bytes each of them brings.
    pub(super) fn end_try(&mut self) -> bool {
        let Some(rest) = self.rest() else {
            self.restart();
            return false;
        };
        let missing = rest.len().saturating_add(self.len()).saturating_sub(self.furthest);
        let least = (missing / 16).clamp(LEAST_KEPT, ENOUGH);
        let is_progress = self.len() >= self.furthest.saturating_add(least);
        if is_progress {
            self.furthest = self.len();
        }
        is_progress
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.body.as_slice().len() as u64
    }

    /// Returns the length of the whole body, if it is known.
    pub(super) fn whole_len(&self) -> Option<u64> {
        self.source.as_ref()?.len
    }

    /// Returns the bytes so far.
    pub(super) fn as_slice(&self) -> &[u8] {
        self.body.as_slice()
    }

    /// Returns `true` if the bytes are from more than one response. The SDK has compared them with no checksum.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Compares the bytes with the checksums of the object. Returns `None` if there are none that can be computed.
    pub(super) fn is_verified(&self) -> Option<bool> {
        let mut checksums = self.source.as_ref()?.checksums.iter();
        checksums.find_map(|(name, expected)| {
            let algorithm: ChecksumAlgorithm = name.strip_prefix("x-amz-checksum-")?.parse().ok()?;
            let mut checksum = algorithm.into_impl();
            checksum.update(self.as_slice());
            Some(checksum.header_value().as_bytes() == expected.as_bytes())
        })
    }

    /// Returns `true` if the object's checksum is known.
    pub(super) fn has_checksum(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.checksums.is_empty())
    }

    /// Takes the body and the response that it began with.
    pub(super) fn take(&mut self) -> (Bytes, Source) {
        let source = self.source.take().unwrap_or_default();
        self.is_joined = false;
        (std::mem::take(&mut self.body).into_bytes(), source)
    }

    fn restart(&mut self) {
        (self.body, self.source, self.is_joined) = (Joined::default(), None, false);
    }
}

impl Rest {
    /// Returns the number of missing bytes.
    pub(super) fn len(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Compares a response with this part.
    pub(super) fn compare(&self, etag: Option<&str>, content_range: &ContentRange) -> Continuation {
        let ContentRange { range, size } = content_range;
        match etag {
            None => return Continuation::Unusable("it has no ETag".to_owned()),
            Some(etag) if etag != self.etag => return Continuation::Changed,
            Some(_) => {}
        }
        // A server may send less than it was asked for. The rest of it is missing then.
        if range.start != self.range.start || range.end > self.range.end {
            let asked = &self.range;
            return Continuation::Unusable(format!(
                "it has the bytes {}-{} instead of {}-{}",
                range.start,
                range.end.saturating_sub(1),
                asked.start,
                asked.end.saturating_sub(1)
            ));
        }
        match (self.size, size) {
            (Some(old), Some(new)) if old != *new => {
                Continuation::Unusable(format!("the object has {new} bytes instead of {old}"))
            }
            _ => Continuation::Fits,
        }
    }
}

impl ContentRange {
    /// Parses a header such as `bytes 0-99/1000` or `bytes 0-99/*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.trim().split_once('-')?;
        let (start, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let size = match size.trim() {
            "*" => None,
            size => Some(size.parse().ok()?),
        };
        let range = start..last.checked_add(1)?;
        (!range.is_empty() && size.is_none_or(|size| range.end <= size)).then_some(Self { range, size })
    }
}

/// Bytes that arrive in chunks. A single chunk is not copied; several are copied into one buffer as they arrive, so that the
/// chunks do not stay in memory beside it.
#[derive(Debug)]
enum Joined {
    One(Bytes),
    Many(BytesMut),
}

/// The most bytes that are allocated at once because a header announces them.
const LARGEST_STEP: u64 = 64 << 20;

impl Joined {
    /// Appends bytes. `missing` is the number of bytes that are expected, with this chunk.
    fn push(&mut self, chunk: Bytes, missing: u64) {
        if let Self::One(first) = self {
            if first.is_empty() {
                *first = chunk;
                return;
            }
            let mut joined = BytesMut::new();
            reserve(&mut joined, first.len(), missing.saturating_add(first.len() as u64));
            joined.extend_from_slice(first);
            *self = Self::Many(joined);
        }
        if let Self::Many(joined) = self {
            reserve(joined, chunk.len(), missing);
            joined.extend_from_slice(&chunk);
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

/// Makes room for `needed` bytes, and for up to `missing`, as far as a header that may be wrong is believed.
fn reserve(buffer: &mut BytesMut, needed: usize, missing: u64) {
    if buffer.capacity() - buffer.len() < needed {
        let step = usize::try_from(missing.min(LARGEST_STEP)).unwrap_or(needed);
        buffer.reserve(step.max(needed));
    }
}

impl Default for Joined {
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

#[cfg(test)]
mod tests;
