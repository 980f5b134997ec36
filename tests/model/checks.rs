//! Runs the model.

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::protocol::{Broken, Protocol};

/// The parts of the model that take part, besides the first writer and the one of the other token.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    end: i8,
    retries: bool,
    restamps: bool,
    clock_steps: bool,
    follows: bool,
    reads: bool,
}

impl Parts {
    fn protocol(self, broken: Broken) -> Protocol {
        let Self { end, retries, restamps, clock_steps, follows, reads } = self;
        Protocol { broken, end, clock_steps, restamps, retries, reads, follows }
    }
}

const FOLLOWER: Parts =
    Parts { end: 3, retries: true, restamps: false, clock_steps: false, follows: true, reads: false };

/// Checks all states. Returns their number, the properties that fail, and the situations that occur.
fn check(parts: Parts) -> (usize, Vec<&'static str>, Vec<&'static str>) {
    let protocol = parts.protocol(Broken::Nothing);
    let properties = protocol.properties();
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    let found = checker.discoveries();
    let occurs = |name: &str| {
        properties.iter().any(|property| property.name == name && property.expectation == Expectation::Sometimes)
    };
    let (occurred, failed) = found.into_keys().partition(|name| occurs(name));
    (checker.unique_state_count(), failed, occurred)
}

/// Checks all states of some parts, and that every situation occurs in one of them.
fn check_all(all: &[(&str, Parts)]) {
    let mut situations = Vec::new();
    for (name, parts) in all {
        let (states, failed, occurred) = check(*parts);
        println!("{name}: {states} states");
        assert!(failed.is_empty(), "{name}: {failed:?}");
        situations.extend(occurred);
    }
    situations.sort_unstable();
    situations.dedup();
    assert_eq!(situations.len(), 5, "{situations:?}");
}

#[test]
fn the_protocol_holds_in_all_states() {
    check_all(&[
        ("a follower", FOLLOWER),
        ("a follower and restamps", Parts { end: 2, restamps: true, ..FOLLOWER }),
        ("one writer that restamps for longer", Parts { end: 6, retries: false, restamps: true, ..FOLLOWER }),
        (
            "one writer that restamps, whose clock steps",
            Parts { end: 5, retries: false, restamps: true, clock_steps: true, ..FOLLOWER },
        ),
        ("a clock that steps", Parts { end: 2, clock_steps: true, ..FOLLOWER }),
        ("a reader", Parts { end: 2, follows: false, reads: true, ..FOLLOWER }),
    ]);
}

/// The same with more time, for minutes and many gigabytes of memory.
#[test]
#[ignore = "takes minutes"]
fn the_protocol_holds_in_more_states() {
    check_all(&[
        ("a follower", Parts { end: 4, ..FOLLOWER }),
        ("a follower and restamps", Parts { restamps: true, ..FOLLOWER }),
        ("a clock that steps", Parts { clock_steps: true, ..FOLLOWER }),
        ("a reader", Parts { follows: false, reads: true, ..FOLLOWER }),
    ]);
}

#[test]
fn each_rule_is_needed() {
    let short = Parts { end: 2, ..FOLLOWER };
    for (broken, parts, expected) in [
        (Broken::UnconditionalCommit, short, "a token keeps its commit"),
        (Broken::NoGate, FOLLOWER, "followers receive only what is committed"),
        (Broken::CutoffWithoutSkew, FOLLOWER, "followers miss nothing that was reported in time"),
        (Broken::LatenessBeforeAnswer, FOLLOWER, "followers miss nothing that was reported in time"),
        (Broken::MarkersAfterCommit, short, "markers are there before their commit"),
        (Broken::RetryWithNewToken, short, "records are committed once"),
        (
            Broken::GuardOnOldObservation,
            Parts { clock_steps: true, ..FOLLOWER },
            "followers miss nothing that was reported in time",
        ),
        (
            Broken::ResolvingBySlowList,
            Parts { follows: false, reads: true, ..short },
            "snapshots have the committed attempt",
        ),
        (
            Broken::RestampWithoutCheck,
            Parts { end: 5, retries: false, restamps: true, ..FOLLOWER },
            "followers miss nothing that was reported in time",
        ),
    ] {
        let checker = parts.protocol(broken).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let path = checker.discovery(expected);
        let path = path.unwrap_or_else(|| panic!("{broken:?}: {:?}", checker.discoveries().keys()));
        println!("{broken:?}: {:?}", path.into_actions());
    }
}
