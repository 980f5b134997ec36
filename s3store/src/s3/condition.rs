//! The support of conditional PUT by the backend, as observed.

use std::sync::atomic::{AtomicU8, Ordering};

use super::failure::{Class, Failure};

/// The backend's support of `If-None-Match` on PUTs, as observed by a dataset handle and its clones.
///
/// It is only about the response 501. A backend that supports the header may still ignore it.
#[derive(Debug, Default)]
pub(super) struct ConditionSupport(AtomicU8);

/// The backend refused several conditional PUTs in a row with 501.
const UNSUPPORTED: u8 = 1;
/// The backend has accepted a conditional PUT, or refused one because of its condition. Final.
const SUPPORTED: u8 = 2;

impl ConditionSupport {
    /// Returns `true` if the backend is known not to support conditional PUT.
    pub(super) fn is_unsupported(&self) -> bool {
        self.0.load(Ordering::Relaxed) == UNSUPPORTED
    }

    /// Returns `true` if the backend has supported a conditional PUT.
    pub(super) fn is_supported(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SUPPORTED
    }

    /// Records that the backend does not support conditional PUT. Returns `true` if nothing was known before.
    pub(super) fn record_unsupported(&self) -> bool {
        self.0.fetch_max(UNSUPPORTED, Ordering::Relaxed) == 0
    }

    /// Observes the result of one try of a conditional PUT.
    ///
    /// If the backend has supported the condition before, a 501 is a temporary failure of the server, or of something in
    /// front of it.
    pub(super) fn observe<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        let is_supported = match &result {
            Ok(_) => true,
            Err(failure) => matches!(failure.class, Class::Precondition | Class::Conflict),
        };
        if is_supported {
            self.0.fetch_max(SUPPORTED, Ordering::Relaxed);
        }
        result.map_err(|mut failure| {
            if failure.class == Class::NotImplemented && self.is_supported() {
                failure.class = Class::Server;
                failure.uncertain = true;
            }
            failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of_501(support: &ConditionSupport) -> Class {
        support.observe::<()>(Err(Failure::local(Class::NotImplemented))).unwrap_err().class
    }

    #[test]
    fn support_is_final_and_turns_a_501_into_a_failure_of_the_server() {
        let supported = [Ok(()), Err(Failure::local(Class::Precondition)), Err(Failure::local(Class::Conflict))];
        for result in supported {
            let support = ConditionSupport::default();
            assert_eq!(class_of_501(&support), Class::NotImplemented);
            assert!(support.record_unsupported() && !support.record_unsupported() && support.is_unsupported());
            let _ = support.observe(result);
            assert!(!support.record_unsupported());
            assert!(support.is_supported() && !support.is_unsupported());
            assert_eq!(class_of_501(&support), Class::Server);
        }
    }

    #[test]
    fn other_failures_say_nothing() {
        let support = ConditionSupport::default();
        for class in [Class::Forbidden, Class::Server, Class::Timeout, Class::Client, Class::NotFound, Class::SlowDown]
        {
            let failure = support.observe::<()>(Err(Failure::local(class))).unwrap_err();
            assert_eq!(failure.class, class);
        }
        assert!(!support.is_supported() && !support.is_unsupported());
    }
}
