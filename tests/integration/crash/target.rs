//! The requests that faults strike.

use s3store::testing::{Operation, Request};

use super::shape::PARTITIONS;
use crate::integration::harness::sent_by;

/// The process whose requests are struck.
pub(super) const FIRST: &str = "first-writer";

/// The suffixes of a write's objects.
const SUFFIXES: [&str; 4] = [".parquet", ".matview", ".ref", ".commit"];

/// The suffixes of what is listed and put to register a schema.
const OF_THE_SCHEMA: [&str; 3] = [".json", "/_config/schema/", "/_ref/"];

/// A request of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    operation: Operation,
    /// The suffix of its key, or of the prefix of a LIST.
    suffix: &'static str,
    /// Empty for requests that belong to all partitions.
    pub(super) partition: &'static str,
    /// The number of earlier requests like this one.
    pub(super) before: usize,
}

impl Target {
    /// Returns all requests of the first writer, in order.
    pub(super) fn all(requests: &[Request]) -> Vec<Self> {
        let mut targets: Vec<Self> = Vec::new();
        for request in requests.iter().filter(|request| sent_by(request, FIRST)) {
            let key = request.target().unwrap_or_default();
            let suffix = SUFFIXES.into_iter().chain(OF_THE_SCHEMA).find(|suffix| key.ends_with(suffix));
            let Some(suffix) = suffix else { panic!("unexpected request {request:?}") };
            let partition = PARTITIONS.into_iter().find(|name| key.contains(&format!("part={name}")));
            assert!(partition.is_some() || OF_THE_SCHEMA.contains(&suffix), "unexpected request {request:?}");
            let partition = partition.unwrap_or_default();
            let mut target = Self { operation: request.operation, suffix, partition, before: 0 };
            target.before = targets.iter().filter(|other| other.is_like(&target)).count();
            targets.push(target);
        }
        targets
    }

    pub(super) fn is_of_a_commit(&self) -> bool {
        self.operation == Operation::Put && self.suffix == ".commit"
    }

    /// Returns whether this is the PUT of a ref or a commit. Before the ref is put, a write is not in the stream and no
    /// time counts.
    pub(super) fn is_of_the_stream(&self) -> bool {
        self.operation == Operation::Put && [".ref", ".commit"].contains(&self.suffix)
    }

    /// Returns whether both are tries of one request, or put the same object.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        Self { before: 0, ..self.clone() } == Self { before: 0, ..other.clone() }
    }

    /// Returns this request from the log, if it occurred.
    pub(super) fn find<'a>(&self, requests: &'a [Request]) -> Option<&'a Request> {
        requests.iter().filter(|request| self.is(request)).nth(self.before)
    }

    /// Returns whether a request is like this one, regardless of how many came before.
    pub(super) fn is(&self, request: &Request) -> bool {
        let key = request.target().unwrap_or_default();
        request.operation == self.operation
            && key.ends_with(self.suffix)
            && (self.partition.is_empty() || key.contains(&format!("part={}", self.partition)))
            && sent_by(request, FIRST)
    }
}
