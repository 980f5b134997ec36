//! When to try again: five tries, with the jittered pauses that the Go documentation gives.

use std::ops::Range;
use std::time::Duration;

use crate::ids;

/// The pauses before the second to the fifth try, in milliseconds.
const PAUSES: [Range<u64>; 4] = [100..300, 300..500, 500..800, 500..800];

/// How long to wait after `tries` failed tries; `None` when no try is left.
pub(crate) fn pause_after(tries: u32) -> Option<Duration> {
    let window = PAUSES.get(usize::try_from(tries).ok()?.checked_sub(1)?)?;
    Some(ids::jitter(window.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tries_with_pauses_in_their_windows() {
        for _ in 0..200 {
            for (tries, window) in (1u32..).zip(PAUSES) {
                let pause = u64::try_from(pause_after(tries).unwrap().as_millis()).unwrap();
                assert!(window.contains(&pause), "{pause} after {tries}");
            }
        }
        assert_eq!(pause_after(5), None);
        assert_eq!(pause_after(0), None);
    }
}
