//! The backend's support of conditional PUT, as observed by this process.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::s3::{Class, Failure};

/// The observed support of `If-None-Match: *`, shared by all clones of a dataset.
///
/// An optimistic write relies on the backend to refuse a second commit, so it needs
/// [`Enforced`](IfNoneMatchSupport::Enforced).
#[derive(Debug, Default)]
pub(crate) struct ConditionalPutProbe(AtomicU8);

/// How the backend treats `If-None-Match: *` on the dataset's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfNoneMatchSupport {
    /// No write has tested it yet.
    Untested,
    /// The backend refused a second conditional PUT of a commit.
    Enforced,
    /// The backend accepted a second conditional PUT: it ignores the condition.
    Ignored,
}

impl ConditionalPutProbe {
    pub(crate) fn support(&self) -> IfNoneMatchSupport {
        match self.0.load(Ordering::Relaxed) {
            1 => IfNoneMatchSupport::Enforced,
            2 => IfNoneMatchSupport::Ignored,
            _ => IfNoneMatchSupport::Untested,
        }
    }

    /// Records the answer to a second conditional PUT of an object that this process has just put.
    pub(crate) fn record_second_put(&self, answer: Result<(), Failure>) {
        match answer {
            Ok(()) => self.record(IfNoneMatchSupport::Ignored),
            Err(failure) => match failure.class {
                Class::Precondition | Class::Forbidden => self.record(IfNoneMatchSupport::Enforced),
                Class::NotImplemented => self.record(IfNoneMatchSupport::Ignored),
                _ => tracing::debug!(
                    %failure,
                    "the probe for if-none-match got no usable answer; the next conditional put repeats it"
                ),
            },
        }
    }

    /// Records an observation. `Ignored` is final: a backend that ignored the condition once is never trusted again.
    pub(crate) fn record(&self, observed: IfNoneMatchSupport) {
        let value = match observed {
            IfNoneMatchSupport::Untested => 0,
            IfNoneMatchSupport::Enforced => 1,
            IfNoneMatchSupport::Ignored => 2,
        };
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_is_final() {
        let probe = ConditionalPutProbe::default();
        assert_eq!(probe.support(), IfNoneMatchSupport::Untested);
        probe.record(IfNoneMatchSupport::Enforced);
        assert_eq!(probe.support(), IfNoneMatchSupport::Enforced);
        probe.record(IfNoneMatchSupport::Ignored);
        probe.record(IfNoneMatchSupport::Enforced);
        assert_eq!(probe.support(), IfNoneMatchSupport::Ignored);
    }
}
