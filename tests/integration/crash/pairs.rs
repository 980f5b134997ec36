//! Two things that go wrong in one write: every request that is made, and what happens to it, times every request that
//! is made then, also those that are made only because of the first, and what happens to that.
//!
//! Of what can happen, one of each meaning stands for all; a retry follows.

use super::case::{Case, FollowUp};
use super::in_paused_time;
use super::run::{clean, first_write, stage};
use super::shape::{PARTITIONS, Shape};
use super::strike::{Hit, Times, meanings};
use super::tally::Tally;
use super::target::Target;

/// Runs all pairs of a shape with one partition.
fn enumerate(shape: Shape, least: usize) {
    let targets = in_paused_time(clean(shape));
    let firsts = targets.iter().flat_map(|target| Hit::all(target, meanings(target)));
    let tally = Tally::of(firsts.flat_map(|first| {
        let then = in_paused_time(requests_with(shape, &first));
        let place = then.iter().position(|target| *target == first.target).unwrap();
        let is_free = |target: &&Target| first.times == Times::Once || !target.is_like(&first.target);
        let seconds: Vec<Target> = then[place + 1..].iter().filter(is_free).cloned().collect();
        pairs(shape, first, seconds)
    }));
    tally.check(&format!("{shape:?}, two faults"), least);
}

/// Runs all pairs of a shape with two partitions of which each is struck once.
fn enumerate_across(shape: Shape, least: usize) {
    let targets = in_paused_time(clean(shape));
    let here = targets.iter().filter(|target| target.partition == PARTITIONS[0]);
    let firsts = here.flat_map(|target| Hit::all(target, meanings(target)));
    let tally = Tally::of(firsts.flat_map(|first| {
        let then = in_paused_time(requests_with(shape, &first));
        let there = then.into_iter().filter(|target| target.partition == PARTITIONS[1]).collect();
        pairs(shape, first, there)
    }));
    tally.check(&format!("{shape:?}, two faults"), least);
}

/// The requests of a write to which this happens.
async fn requests_with(shape: Shape, hit: &Hit) -> Vec<Target> {
    let stage = stage(shape).await;
    let case = Case::all(shape, vec![hit.clone()], FollowUp::Nothing).swap_remove(0);
    case.faults().into_iter().for_each(|fault| stage.world.s3.inject(fault));
    first_write(&stage.world, &stage.first, &case).await;
    if !case.ends_the_process() {
        stage.first.drain().await;
    }
    Target::all(&stage.world.s3.requests())
}

/// All that can happen to the second, after the first.
fn pairs(shape: Shape, first: Hit, seconds: Vec<Target>) -> Vec<Case> {
    let follow_up = if shape.token { FollowUp::SameToken } else { FollowUp::NoToken };
    let mut cases = Vec::new();
    for target in &seconds {
        for second in Hit::all(target, meanings(target)) {
            cases.extend(Case::all(shape, vec![first.clone(), second], follow_up));
        }
    }
    cases
}

#[test]
fn without_token() {
    enumerate(Shape::WITHOUT_TOKEN, 500);
}

#[test]
fn with_token() {
    enumerate(Shape::WITH_TOKEN, 500);
}

#[test]
fn optimistic() {
    enumerate(Shape::PROVING, 500);
}

#[test]
fn optimistic_and_proven() {
    enumerate(Shape::PROVEN, 500);
}

#[test]
fn denied_with_token() {
    enumerate(Shape::WITH_TOKEN.denied(), 500);
}

#[test]
fn denied_optimistic() {
    enumerate(Shape::PROVING.denied(), 500);
}

#[test]
fn denied_optimistic_and_proven() {
    enumerate(Shape::PROVEN.denied(), 500);
}

#[test]
fn across_two_partitions_with_token() {
    enumerate_across(Shape::WITH_TOKEN.to_two_partitions(), 500);
}

#[test]
fn across_two_partitions_optimistic_and_proven() {
    enumerate_across(Shape::PROVEN.to_two_partitions(), 500);
}
