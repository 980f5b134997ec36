//! Pure decisions about a commit's PUT: the meaning of its responses, and whether the commit is late.

use std::time::Duration;

use crate::clock::micros;
use crate::dataset::FoundCommit;
use crate::format::{AttemptId, CommitMeta};
use crate::s3::{Class, Failure};

/// The last microsecond of a second, counted from its beginning.
const LAST_OF_SECOND: i64 = 999_999;

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

/// The result of comparing the time of a commit with its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timeliness {
    InTime,
    /// In time by one clock within the maximum skew, late by another. Only a found commit can be uncertain: its time is
    /// known by S3's clock alone.
    Uncertain,
    Late,
}

/// Judges a commit that was found, by S3's time of the object.
///
/// S3 reports the whole second in which the commit landed, and its clock may differ from the writer's and a reader's by the
/// maximum skew.
///
/// - In time: even at the end of the second, the time from ref to commit is within the commit timeout. A poll is refused
///   if its clock is ahead of S3's by more than the maximum skew, and passes a ref once its clock exceeds the ref's time by
///   the commit timeout and the maximum skew. So no reader had passed the ref.
/// - Late: even at the beginning of the second, and even if the writer's clock was behind S3's by the maximum skew, the
///   time exceeds the commit timeout. So a healthy writer is never late, whatever its clock within the skew.
pub(super) fn judge_found(
    meta: &CommitMeta,
    last_modified: Option<i64>,
    commit_timeout: Duration,
    max_clock_skew: Duration,
) -> Timeliness {
    let Some(second) = last_modified else { return Timeliness::Uncertain };
    let at_least = second.saturating_sub(meta.ref_micros);
    let at_most = second.saturating_add(LAST_OF_SECOND).saturating_sub(meta.ref_micros);
    if at_most <= micros(commit_timeout) {
        Timeliness::InTime
    } else if at_least <= micros(commit_timeout.saturating_add(max_clock_skew)) {
        Timeliness::Uncertain
    } else {
        Timeliness::Late
    }
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
            content: None,
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
    }

    #[test]
    fn found_commits_are_judged_by_the_end_of_their_second_and_the_skew() {
        let judge = |ref_micros: i64, second: i64, skew: u64| {
            let meta = CommitMeta { ref_micros, ..meta(1) };
            judge_found(&meta, Some(second * 1_000_000), Duration::from_secs(8), Duration::from_secs(skew))
        };
        for skew in [0, 1, 2] {
            // Ref at 5.0 s: the budget ends at 13.0 s. The second 12 ends just before.
            assert_eq!(judge(5_000_000, 12, skew), Timeliness::InTime, "{skew}");
            assert_eq!(judge(4_999_999, 12, skew), Timeliness::InTime, "{skew}");
            assert_eq!(judge(4_999_998, 12, skew), Timeliness::Uncertain, "{skew}");
            // The budget of a writer whose clock is behind ends with the skew. The commit may have landed at once in its
            // second.
            let last = 13 + i64::try_from(skew).unwrap();
            assert_eq!(judge(5_000_000, last, skew), Timeliness::Uncertain, "{skew}");
            assert_eq!(judge(4_999_999, last, skew), Timeliness::Late, "{skew}");
            assert_eq!(judge(5_000_000, last + 1, skew), Timeliness::Late, "{skew}");
        }
        // A commit "before" its ref: the writer's clock is ahead.
        assert_eq!(judge(5_000_000, 0, 0), Timeliness::InTime);
        let unknown = judge_found(&meta(1), None, Duration::from_secs(8), Duration::from_secs(1));
        assert_eq!(unknown, Timeliness::Uncertain);
        for extreme in [i64::MIN, i64::MAX] {
            let _ = judge_found(&meta(1), Some(extreme), Duration::MAX, Duration::MAX);
        }
    }
}
