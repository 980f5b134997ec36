//! The kinds of write, and the backends that they meet.

use s3store::testing::{ConditionalPut, Policy, S3};

/// The names of the partitions that a write goes to.
pub(super) const PARTITIONS: [&str; 2] = ["a", "b"];

/// A kind of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) token: bool,
    pub(super) way: Way,
    pub(super) partitions: usize,
    /// Whether it restamps by itself what is late.
    pub(super) restamps: bool,
    /// Whether the record has a view, with one marker for each partition.
    pub(super) views: bool,
    backend: Backend,
}

/// How the commit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Usual,
    /// Optimistically, as a process's first such write: with the HEAD, and with a second PUT that proves the backend.
    Proving,
    /// Optimistically, on a backend that is proven: neither HEAD nor second PUT.
    Proven,
}

/// What keeps a commit from being overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// The PUT's condition: 412.
    Conditional,
    /// A bucket policy, where conditions are worth nothing: 403.
    Denying,
}

impl Shape {
    pub(super) const WITHOUT_TOKEN: Self = Self {
        token: false,
        way: Way::Usual,
        partitions: 1,
        restamps: false,
        views: false,
        backend: Backend::Conditional,
    };
    pub(super) const WITH_TOKEN: Self = Self { token: true, ..Self::WITHOUT_TOKEN };
    pub(super) const PROVING: Self = Self { way: Way::Proving, ..Self::WITH_TOKEN };
    pub(super) const PROVEN: Self = Self { way: Way::Proven, ..Self::WITH_TOKEN };

    /// Of a record with a view.
    pub(super) const fn with_views(self) -> Self {
        Self { views: true, ..self }
    }

    pub(super) const fn to_two_partitions(self) -> Self {
        Self { partitions: 2, ..self }
    }

    /// With `restamp_late`. To one partition: of several, a failed write does not tell which refs count.
    pub(super) const fn restamping(self) -> Self {
        assert!(self.partitions == 1);
        Self { restamps: true, ..self }
    }

    /// On a backend that denies overwriting.
    pub(super) const fn denied(self) -> Self {
        Self { backend: Backend::Denying, ..self }
    }

    /// The names of the partitions that it goes to.
    pub(super) fn names(self) -> &'static [&'static str] {
        &PARTITIONS[..self.partitions]
    }

    /// Their keys.
    pub(super) fn partition_keys(self) -> impl Iterator<Item = String> {
        self.names().iter().map(|name| format!("part={name}"))
    }

    /// Whether the same write makes a request at one time and not at another: of two partitions that commit side by
    /// side, the second proves the backend only if the first has not done so yet.
    pub(super) fn may_spare_a_request(self) -> bool {
        self.way == Way::Proving && self.partitions > 1
    }

    pub(super) fn set_up(self, s3: &S3) {
        if self.backend == Backend::Denying {
            s3.set_conditional_put(ConditionalPut::Ignored);
            s3.set_policy(Policy::DenyOverwrite { suffix: ".commit".to_owned() });
        }
    }
}
