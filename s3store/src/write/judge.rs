//! What the answers to a commit's PUT mean. Pure: the one who performs asks, sends, and asks again.

use std::time::Duration;

use crate::clock::micros;
use crate::dataset::FoundCommit;
use crate::format::{AttemptId, CommitMeta};
use crate::s3::{Class, Failure};

/// Whether a failed PUT of a commit leaves open what lies under its key, so that a HEAD must tell.
pub(super) fn must_look(failure: &Failure) -> bool {
    failure.uncertain || matches!(failure.class, Class::Precondition | Class::Forbidden | Class::Conflict)
}

/// What is settled once a HEAD has followed a failed PUT.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// An earlier try landed: this attempt is the commit.
    Ours,
    /// Another attempt is the commit, for good.
    Theirs(FoundCommit),
    /// No try was applied, nor will be.
    NotCommitted,
    /// The PUT may have been applied without a trace yet, or may still be.
    Unknown,
}

/// Judges all tries of a PUT together with what the HEAD found.
pub(super) fn settle(failure: &Failure, found: Option<FoundCommit>, ours: AttemptId) -> Settled {
    match found {
        Some(found) if found.meta.attempt == ours => Settled::Ours,
        Some(found) => Settled::Theirs(found),
        None if failure.uncertain => Settled::Unknown,
        None => Settled::NotCommitted,
    }
}

/// Whether the time from the ref's microseconds to the end of the commit is beyond the budget: by the monotonic clock,
/// which stops while a machine sleeps, or by the wall clock, which can be set.
pub(super) fn is_late(ref_micros: i64, now: i64, elapsed: Duration, commit_timeout: Duration) -> bool {
    let by_wall = now.saturating_sub(ref_micros);
    elapsed > commit_timeout || by_wall > micros(commit_timeout)
}

/// Whether a commit that was found was late, as S3's time of it tells: an estimate in whole seconds, by S3's clock.
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
    fn only_a_definite_answer_without_a_commit_says_not_committed() {
        let ours = AttemptId::from_bytes([1; 16]);
        for class in [Class::Precondition, Class::Forbidden, Class::Conflict, Class::Timeout, Class::Server] {
            for uncertain in [false, true] {
                let failure = failure(class, uncertain);
                assert_eq!(settle(&failure, Some(found(1)), ours), Settled::Ours);
                assert_eq!(settle(&failure, Some(found(2)), ours), Settled::Theirs(found(2)));
                let nothing = if uncertain { Settled::Unknown } else { Settled::NotCommitted };
                assert_eq!(settle(&failure, None, ours), nothing);
            }
        }
    }

    #[test]
    fn what_may_hide_a_commit_is_looked_at() {
        for class in [Class::Precondition, Class::Forbidden, Class::Conflict] {
            assert!(must_look(&failure(class, false)), "{class:?}");
        }
        assert!(must_look(&failure(Class::Client, true)));
        assert!(!must_look(&failure(Class::Client, false)));
        assert!(!must_look(&failure(Class::SlowDown, false)));
    }

    #[test]
    fn late_is_beyond_the_budget_by_either_clock() {
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
