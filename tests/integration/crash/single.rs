//! One fault in a write: every request of a clean run, times everything that can happen to it.

use super::case::Case;
use super::in_paused_time;
use super::run::clean;
use super::shape::Shape;
use super::tally::Tally;

const OUTCOMES: &[&str] = &["committed", "dropped", "late", "not committed", "unknown"];

/// Runs all cases of a shape whose clean run makes this many requests.
fn enumerate(shape: Shape, requests: usize, least: usize) {
    let tally = tally(shape, requests, least, OUTCOMES);
    assert!(tally.unknown_then_committed > 0, "{tally:?}");
}

/// Runs all cases of a shape that restamps late commits.
fn enumerate_restamping(shape: Shape, requests: usize, least: usize) {
    tally(shape, requests, least, &["delivered", "dropped", "not committed", "unknown"]);
}

fn tally(shape: Shape, requests: usize, least: usize, must_occur: &[&str]) -> Tally {
    let targets = in_paused_time(clean(shape));
    let spared = usize::from(shape.may_spare_a_request());
    assert!((requests - spared..=requests).contains(&targets.len()), "{shape:?} makes {targets:?}");
    let tally = Tally::of(Case::single(shape, &targets));
    tally.check(&format!("{shape:?}, one fault"), least, must_occur);
    tally
}

#[test]
fn without_token() {
    enumerate(Shape::WITHOUT_TOKEN, 3, 300);
}

#[test]
fn with_token() {
    enumerate(Shape::WITH_TOKEN, 4, 650);
}

#[test]
fn with_views() {
    enumerate(Shape::WITH_TOKEN.with_views(), 5, 800);
}

#[test]
fn two_partitions_with_views() {
    enumerate(Shape::WITHOUT_TOKEN.with_views().to_two_partitions(), 8, 800);
}

#[test]
fn optimistic() {
    enumerate(Shape::PROVING, 5, 800);
}

#[test]
fn optimistic_and_proven() {
    enumerate(Shape::PROVEN, 3, 500);
}

#[test]
fn registering_a_schema() {
    enumerate(Shape::WITH_TOKEN.registering(), 9, 1_400);
}

#[test]
fn two_partitions_without_token() {
    enumerate(Shape::WITHOUT_TOKEN.to_two_partitions(), 6, 600);
}

#[test]
fn two_partitions_with_token() {
    enumerate(Shape::WITH_TOKEN.to_two_partitions(), 8, 1_300);
}

#[test]
fn two_partitions_optimistic() {
    enumerate(Shape::PROVING.to_two_partitions(), 10, 1_500);
}

#[test]
fn denied_without_token() {
    enumerate(Shape::WITHOUT_TOKEN.denied(), 3, 300);
}

#[test]
fn denied_with_token() {
    enumerate(Shape::WITH_TOKEN.denied(), 4, 650);
}

#[test]
fn denied_optimistic() {
    enumerate(Shape::PROVING.denied(), 5, 800);
}

#[test]
fn denied_optimistic_and_proven() {
    enumerate(Shape::PROVEN.denied(), 3, 500);
}

#[test]
fn by_default() {
    enumerate_restamping(Shape::WITH_TOKEN.by_default(), 4, 650);
}

#[test]
fn a_writer() {
    enumerate_restamping(Shape::STREAMING, 4, 650);
}

#[test]
fn a_writer_of_large_files() {
    enumerate_restamping(Shape::IN_PARTS, 7, 1_100);
}

#[test]
fn a_writer_of_large_files_without_token() {
    enumerate_restamping(Shape::IN_PARTS_WITHOUT_TOKEN, 6, 600);
}

#[test]
fn a_writer_to_two_partitions_with_views() {
    enumerate_restamping(Shape::IN_PARTS.with_views().to_two_partitions(), 16, 2_500);
}
