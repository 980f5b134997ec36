//! Two faults in one write: every request and fault, times every later request and fault. The later requests include
//! those that the write sends only because of the first fault.
//!
//! Each kind of fault is represented by one. A retry follows.

use super::case::Case;
use super::in_paused_time;
use super::run::{clean, first_write, stage};
use super::shape::{PARTITIONS, Shape};
use super::strike::{Hit, ONE_OF_EACH_KIND, Times};
use super::tally::Tally;
use super::target::Target;

/// Runs all pairs of faults of a shape with one partition.
fn enumerate(shape: Shape, least: usize) {
    enumerate_to(shape, least, &["committed", "dropped", "late", "not committed", "unknown"]);
}

/// Runs all pairs of faults of a shape with one partition, whose first writes end in these ways.
fn enumerate_to(shape: Shape, least: usize, must_occur: &[&str]) {
    let targets = in_paused_time(clean(shape));
    let firsts = targets.iter().flat_map(|target| Hit::all(target, ONE_OF_EACH_KIND));
    let tally = Tally::of(firsts.flat_map(|first| {
        let then = in_paused_time(requests_with(shape, &first));
        let index = then.iter().position(|target| *target == first.target).unwrap();
        let is_free = |target: &&Target| first.times == Times::Once || !target.is_like(&first.target);
        let seconds: Vec<Target> = then[index + 1..].iter().filter(is_free).cloned().collect();
        pairs(shape, first, seconds)
    }));
    tally.check(&format!("{shape:?}, two faults"), least, must_occur);
}

/// Runs all pairs of faults of a shape with two partitions, one fault in each.
fn enumerate_across(shape: Shape, least: usize) {
    let targets = in_paused_time(clean(shape));
    let here = targets.iter().filter(|target| target.partition == PARTITIONS[0]);
    let firsts = here.flat_map(|target| Hit::all(target, ONE_OF_EACH_KIND));
    let tally = Tally::of(firsts.flat_map(|first| {
        let then = in_paused_time(requests_with(shape, &first));
        let there = then.into_iter().filter(|target| target.partition == PARTITIONS[1]).collect();
        pairs(shape, first, there)
    }));
    tally.check(&format!("{shape:?}, two faults"), least, &["committed", "dropped", "not committed", "unknown"]);
}

/// Returns the requests of a write with this fault.
async fn requests_with(shape: Shape, hit: &Hit) -> Vec<Target> {
    let stage = stage(shape).await;
    let case = Case::without_follow_up(shape, hit);
    case.faults().into_iter().for_each(|fault| stage.world.s3.inject(fault));
    first_write(&stage.world, &stage.first, &case).await;
    if !case.ends_the_process() {
        stage.first.drain().await;
    }
    Target::all(&stage.world.s3.requests())
}

/// Returns the cases in which the second fault strikes one of `seconds`.
fn pairs(shape: Shape, first: Hit, seconds: Vec<Target>) -> Vec<Case> {
    let seconds = seconds.iter().flat_map(|target| Hit::all(target, ONE_OF_EACH_KIND));
    seconds.flat_map(|second| Case::pair(shape, &first, second)).collect()
}

#[test]
fn without_token() {
    enumerate(Shape::WITHOUT_TOKEN, 200);
}

#[test]
fn with_token() {
    enumerate(Shape::WITH_TOKEN, 300);
}

#[test]
fn optimistic() {
    enumerate(Shape::PROVING, 450);
}

#[test]
fn optimistic_and_proven() {
    enumerate(Shape::PROVEN, 200);
}

#[test]
fn denied_with_token() {
    enumerate(Shape::WITH_TOKEN.denied(), 300);
}

#[test]
fn denied_optimistic() {
    enumerate(Shape::PROVING.denied(), 450);
}

#[test]
fn denied_optimistic_and_proven() {
    enumerate(Shape::PROVEN.denied(), 200);
}

/// The second fault also strikes the additional ref of a late commit. No write stays late.
#[test]
fn by_default() {
    let must_occur = &["delivered", "dropped", "not committed", "unknown"];
    enumerate_to(Shape::WITH_TOKEN.by_default(), 300, must_occur);
}

#[test]
fn across_two_partitions_with_token() {
    enumerate_across(Shape::WITH_TOKEN.to_two_partitions(), 750);
}

#[test]
fn across_two_partitions_optimistic_and_proven() {
    enumerate_across(Shape::PROVEN.to_two_partitions(), 400);
}
