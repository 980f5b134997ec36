//! The kinds of writes, and the backends on which they run.

use s3store::testing::{ConditionalPut, Policy, S3};

use super::writer::TOKEN;

/// The values of the partition column.
pub(super) const PARTITIONS: [&str; 2] = ["a", "b"];

/// A kind of write, and its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) token: bool,
    pub(super) way: Way,
    pub(super) partitions: usize,
    pub(super) late: Late,
    /// If true, the record has a view, with one marker for each partition.
    pub(super) views: bool,
    /// If true, the processes check the dataset's schema, and the write registers it first.
    pub(super) registers: bool,
    backend: Backend,
}

/// The handling of late commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// `report_late`: each late commit is reported, so that the protocol itself is seen.
    Report,
    /// The default: late commits are restamped, and the write does not say at which offset.
    Restamp,
    /// `restamp_late`: late commits are restamped, and the write returns the offset.
    ReturnStamped,
}

/// The way in which the commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Usual,
    /// Optimistically, as the first such write of a process: with a HEAD, and with a second PUT that proves the
    /// backend.
    Proving,
    /// Optimistically, on a backend that is proven: without HEAD and second PUT.
    Proven,
    /// By a writer that is flushed once.
    Streaming,
    /// By a writer that puts its files in parts.
    InParts,
}

/// The mechanism that prevents overwriting a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// The condition of the PUT (412).
    Conditional,
    /// A bucket policy (403). The backend ignores conditions.
    Denying,
}

impl Shape {
    pub(super) const WITHOUT_TOKEN: Self = Self {
        token: false,
        way: Way::Usual,
        partitions: 1,
        late: Late::Report,
        views: false,
        registers: false,
        backend: Backend::Conditional,
    };
    pub(super) const WITH_TOKEN: Self = Self { token: true, ..Self::WITHOUT_TOKEN };
    pub(super) const PROVING: Self = Self { way: Way::Proving, ..Self::WITH_TOKEN };
    pub(super) const PROVEN: Self = Self { way: Way::Proven, ..Self::WITH_TOKEN };
    pub(super) const STREAMING: Self = Self { way: Way::Streaming, late: Late::Restamp, ..Self::WITH_TOKEN };
    pub(super) const IN_PARTS: Self = Self { way: Way::InParts, ..Self::STREAMING };
    pub(super) const IN_PARTS_WITHOUT_TOKEN: Self = Self { token: false, ..Self::IN_PARTS };

    /// The same write, of a record with a view.
    pub(super) const fn with_views(self) -> Self {
        Self { views: true, ..self }
    }

    /// The same write as the first one of its dataset, by a process that checks the schema.
    pub(super) const fn registering(self) -> Self {
        Self { registers: true, ..self }
    }

    pub(super) const fn to_two_partitions(self) -> Self {
        Self { partitions: 2, ..self }
    }

    /// The same write with the default handling of late commits.
    pub(super) const fn by_default(self) -> Self {
        Self { late: Late::Restamp, ..self }
    }

    /// The same write with `restamp_late`. One partition only: after a failed write to several, it is not known which
    /// refs count.
    pub(super) const fn restamping(self) -> Self {
        assert!(self.partitions == 1);
        Self { late: Late::ReturnStamped, ..self }
    }

    /// The same write on a backend whose policy denies overwriting.
    pub(super) const fn denied(self) -> Self {
        Self { backend: Backend::Denying, ..self }
    }

    /// Returns the values of the partition column that it writes.
    pub(super) fn names(self) -> &'static [&'static str] {
        &PARTITIONS[..self.partitions]
    }

    /// Returns its partitions.
    pub(super) fn partition_keys(self) -> impl Iterator<Item = String> {
        self.names().iter().map(|name| format!("part={name}"))
    }

    /// Returns whether the same write sometimes makes one request less. If two partitions commit concurrently, the
    /// second proves the backend only if the first has not done so yet.
    pub(super) fn may_spare_a_request(self) -> bool {
        self.way == Way::Proving && self.partitions > 1
    }

    /// Returns the token of its commits, if it has one.
    pub(super) fn token_name(self) -> &'static str {
        match self.way {
            Way::Usual | Way::Proving | Way::Proven => TOKEN,
            Way::Streaming | Way::InParts => "job-1.00000001",
        }
    }

    pub(super) fn set_up(self, s3: &S3) {
        s3.set_min_part_size(1);
        if self.backend == Backend::Denying {
            s3.set_conditional_put(ConditionalPut::Ignored);
            s3.set_policy(Policy::DenyOverwrite { suffix: ".commit".to_owned() });
        }
    }
}
