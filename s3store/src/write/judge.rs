//! Pure decisions about a commit's PUT: the meaning of its responses, and whether the commit is late.

use std::time::Duration;

use crate::clock::micros;
use crate::dataset::FoundCommit;
use crate::format::{AttemptId, CommitMeta};
use crate::s3::{Class, Failure};

/// Returns `true` if a commit may exist in spite of a failed PUT, so that only a HEAD can decide.
pub(super) fn needs_head(failure: &Failure) -> bool {
    failure.uncertain || matches!(failure.class, Class::Precondition | Class::Forbidden | Class::Conflict)
}

/// The outcome of a commit's PUT that failed and was followed by a HEAD.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// An earlier try landed: the commit is this attempt's.
    Own,
    /// Another attempt has the commit, for good.
    Other(FoundCommit),
    /// S3 applied no try, and never will.
    NotCommitted,
    /// A try without a definite answer may still be applied.
    Unknown,
}

/// Decides the outcome from all tries of the PUT and the commit that the HEAD found.
pub(super) fn settle(failure: &Failure, found: Option<FoundCommit>, own: AttemptId) -> Settled {
    match found {
        Some(found) if found.meta.attempt == own => Settled::Own,
        Some(found) => Settled::Other(found),
        None if failure.uncertain => Settled::Unknown,
        None => Settled::NotCommitted,
    }
}

/// Returns `true` if the time from the ref's microseconds to the end of the commit exceeds the commit timeout.
///
/// Either clock can report it: the monotonic clock stops while a machine sleeps, and the wall clock can be set.
pub(super) fn is_late(ref_micros: i64, now: i64, elapsed: Duration, commit_timeout: Duration) -> bool {
    let by_wall = now.saturating_sub(ref_micros);
    elapsed > commit_timeout || by_wall > micros(commit_timeout)
}

/// Returns `true` if a commit that was found is late, by S3's time of the object.
///
/// This is an estimate: S3's clock is another one, and gives whole seconds.
pub(super) fn was_late(meta: &CommitMeta, last_modified: Option<i64>, commit_timeout: Duration) -> bool {
    last_modified.is_some_and(|modified| modified.saturating_sub(meta.ref_micros) > micros(commit_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(attempt: u8) -> CommitMeta {
        CommitMeta {
            attempt: AttemptId::from_bytes([attempt; 16]),
            ref_micros: 5_000_000,
            inserted_at_micros: 0,
            record_count: 1,
        }
    }

    fn found(attempt: u8) -> FoundCommit {
        FoundCommit { meta: meta(attempt), last_modified: None }
    }

    fn failure(class: Class, uncertain: bool) -> Failure {
        let mut failure = Failure::local(class);
        failure.uncertain = uncertain;
        failure
    }

    #[test]
    fn not_committed_needs_a_definite_answer_and_no_commit() {
        let own = AttemptId::from_bytes([1; 16]);
        for class in [Class::Precondition, Class::Forbidden, Class::Conflict, Class::Timeout, Class::Server] {
            for uncertain in [false, true] {
                let failure = failure(class, uncertain);
                assert_eq!(settle(&failure, Some(found(1)), own), Settled::Own);
                assert_eq!(settle(&failure, Some(found(2)), own), Settled::Other(found(2)));
                let nothing = if uncertain { Settled::Unknown } else { Settled::NotCommitted };
                assert_eq!(settle(&failure, None, own), nothing);
            }
        }
    }

    #[test]
    fn failures_that_may_hide_a_commit_need_a_head() {
        for class in [Class::Precondition, Class::Forbidden, Class::Conflict] {
            assert!(needs_head(&failure(class, false)), "{class:?}");
        }
        assert!(needs_head(&failure(Class::Client, true)));
        assert!(!needs_head(&failure(Class::Client, false)));
        assert!(!needs_head(&failure(Class::SlowDown, false)));
    }

    #[test]
    fn either_clock_can_exceed_the_commit_timeout() {
        let timeout = Duration::from_secs(8);
        assert!(!is_late(0, 8_000_000, timeout, timeout));
        assert!(is_late(0, 8_000_001, Duration::ZERO, timeout));
        assert!(is_late(0, 0, Duration::from_millis(8_001), timeout));
        assert!(!is_late(9_000_000, 0, Duration::ZERO, timeout));
        assert!(!was_late(&meta(1), Some(13_000_000), timeout));
        assert!(was_late(&meta(1), Some(14_000_000), timeout));
        assert!(!was_late(&meta(1), None, timeout));
    }
}
