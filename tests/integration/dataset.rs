//! Initialising and opening a dataset, the clock guard, and draining.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use chrono::{SubsecRound, TimeDelta};
use s3store::dataset::{ClockGuard, Consistency, Init, Initialized};
use s3store::testing::{Fault, Operation, ServerTime};
use s3store::{Dataset, Error, ErrorKind};

use crate::integration::harness::{BUCKET, PREFIX, Server, Virtual, listen, micros, options, put, wait_until};
use crate::integration::records::Event;
use crate::integration::warnings::Warnings;

const SECOND: Duration = Duration::from_secs(1);

fn init(server: &Server) -> Init {
    Dataset::init(server.client.clone(), &server.bucket, &server.prefix)
}

async fn config(server: &Server, name: &str) -> String {
    let key = format!("{}/_config/{name}", server.prefix);
    let object = server.client.get_object().bucket(&server.bucket).key(key).send().await.unwrap();
    String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap()
}

async fn put_config(server: &Server, name: &str, body: &str) {
    let key = format!("{}/_config/{name}", server.prefix);
    let body = ByteStream::from(body.as_bytes().to_vec());
    server.client.put_object().bucket(&server.bucket).key(key).body(body).send().await.unwrap();
}

#[tokio::test]
async fn init_creates_the_dataset_and_then_finds_it() {
    let server = Server::start().await;
    let created = init(&server).commit_timeout(90 * SECOND).max_clock_skew(SECOND / 2).await.unwrap();
    assert!(matches!(created, Initialized::Created(_)));
    assert_eq!((config(&server, "commit-timeout").await, config(&server, "max-clock-skew").await).0, "1m30s");
    assert_eq!(config(&server, "max-clock-skew").await, "500ms");
    let found = init(&server).commit_timeout(90 * SECOND).max_clock_skew(SECOND / 2).await.unwrap();
    assert!(matches!(found, Initialized::Found(_)));
    let dataset = Dataset::open(server.client.clone(), &server.bucket, &server.prefix).await.unwrap();
    assert_eq!((dataset.commit_timeout(), dataset.max_clock_skew()), (90 * SECOND, SECOND / 2));
    assert_eq!(dataset.settle_window(), 90 * SECOND + SECOND / 2);
}

#[tokio::test]
async fn init_compares_durations_rather_than_text() {
    let server = Server::start().await;
    put_config(&server, "commit-timeout", " 15000ms\n").await;
    put_config(&server, "max-clock-skew", "0.5s500ms").await;
    assert!(matches!(init(&server).await.unwrap(), Initialized::Found(_)));
    assert_eq!(config(&server, "commit-timeout").await, " 15000ms\n");
}

#[tokio::test]
async fn init_rejects_other_values_and_keeps_the_existing_ones() {
    let server = Server::start().await;
    let _ = init(&server).await.unwrap();
    let error = init(&server).commit_timeout(20 * SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("15s") && error.to_string().contains("20s"), "{error}");
    let error = init(&server).max_clock_skew(2 * SECOND).await.unwrap_err();
    assert!(error.to_string().contains("max-clock-skew"), "{error}");
    assert_eq!((config(&server, "commit-timeout").await, config(&server, "max-clock-skew").await).0, "15s");
}

#[tokio::test]
async fn init_completes_an_interrupted_init() {
    let server = Server::start().await;
    put_config(&server, "commit-timeout", "15s").await;
    assert!(matches!(init(&server).await.unwrap(), Initialized::Created(_)));
    assert_eq!(config(&server, "max-clock-skew").await, "1s");
}

#[tokio::test]
async fn one_of_two_concurrent_inits_wins_completely() {
    for _ in 0..10 {
        let server = Server::start().await;
        let one = init(&server).commit_timeout(10 * SECOND).max_clock_skew(SECOND);
        let two = init(&server).commit_timeout(20 * SECOND).max_clock_skew(2 * SECOND);
        let (one, two) = futures_util::join!(one.into_future(), two.into_future());
        let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::Config);
        let dataset = won.unwrap().into_dataset();
        let timing = (config(&server, "commit-timeout").await, config(&server, "max-clock-skew").await);
        assert!([("10s".into(), "1s".into()), ("20s".into(), "2s".into())].contains(&timing), "{timing:?}");
        assert_eq!(dataset.commit_timeout() / 10, dataset.max_clock_skew());
    }
}

/// A second init, with the same or other values, runs to completion before each request of the first in turn.
#[tokio::test(start_paused = true)]
async fn an_init_between_any_two_requests_of_another_leaves_no_mixture() {
    for (timeout, skew, same) in [(15, 1, true), (20, 1, false), (15, 2, false), (20, 2, false)] {
        let mut struck = 0;
        for request in 0.. {
            let world = Virtual::new();
            let others = Arc::new(Mutex::new(None));
            let (client, clock, result_of) = (world.s3.client(), world.clock.clone(), Arc::clone(&others));
            world.s3.inject(Fault::any().skip(request).call_before(move |_| {
                let init = options().clock(clock.clone()).init(client.clone(), BUCKET, PREFIX);
                let init = init.commit_timeout(timeout * SECOND).max_clock_skew(skew * SECOND);
                let result_of = Arc::clone(&result_of);
                async move {
                    let result = init.await;
                    *result_of.lock().unwrap() = Some(result);
                }
            }));
            let ours = world.options().init(world.s3.client(), BUCKET, PREFIX).await;
            let Some(theirs) = others.lock().unwrap().take() else { break };
            struck += 1;
            let timing = ["commit-timeout", "max-clock-skew"].map(|name| {
                let object = world.s3.object(BUCKET, &format!("{PREFIX}/_config/{name}")).unwrap();
                String::from_utf8(object.body.to_vec()).unwrap()
            });
            let of = |result: &Result<Initialized, Error>, values: [String; 2]| match result {
                Ok(_) => assert_eq!(timing, values, "request {request}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Config, "{error}"),
            };
            of(&ours, ["15s".into(), "1s".into()]);
            of(&theirs, [format!("{timeout}s"), format!("{skew}s")]);
            assert_eq!(usize::from(ours.is_ok()) + usize::from(theirs.is_ok()), if same { 2 } else { 1 });
            if same && request > 0 {
                let created = |result: &Result<_, _>| matches!(result, Ok(Initialized::Created(_)));
                assert!(created(&ours) || created(&theirs), "request {request}");
            }
        }
        assert!(struck >= 8, "{struck} requests");
    }
}

#[tokio::test]
async fn the_error_of_open_says_how_to_initialise() {
    let server = Server::start().await;
    let open = || Dataset::open(server.client.clone(), &server.bucket, &server.prefix);
    let error = open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("Dataset::init") && error.to_string().contains(&server.prefix), "{error}");
    put_config(&server, "commit-timeout", "15s").await;
    let error = open().await.unwrap_err();
    assert!(error.to_string().contains("max-clock-skew") && error.to_string().contains("Dataset::init"), "{error}");
    for bad in ["soon", "", "-1s", "0s", "999us"] {
        put_config(&server, "max-clock-skew", "1s").await;
        put_config(&server, "commit-timeout", bad).await;
        let error = open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        let text = error.to_string();
        assert!(text.contains("commit-timeout") && text.contains("Dataset::init"), "{bad}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_buckets_prefixes_and_options_are_rejected_before_any_request() {
    let world = Virtual::new();
    for (bucket, prefix) in [("warehouse--usw2-az1--x-s3", "d"), (BUCKET, ""), (BUCKET, "d/../e"), ("", "d")] {
        let error = world.options().open(world.s3.client(), bucket, prefix).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bucket:?} {prefix:?}");
        let error = world.options().init(world.s3.client(), bucket, prefix).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bucket:?} {prefix:?}");
    }
    let init = || world.options().init(world.s3.client(), BUCKET, PREFIX);
    assert_eq!(init().commit_timeout(Duration::from_micros(999)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(
        world.options().max_inflight_requests(0).init(world.s3.client(), BUCKET, PREFIX).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_bucket_is_not_reported_as_an_uninitialised_dataset() {
    let server = Server::start().await;
    let error = Dataset::open(server.client.clone(), "s3store-tests-no-such", "d").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("bucket \"s3store-tests-no-such\" does not exist at this endpoint"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn opening_a_wrong_prefix_suggests_initialised_ones() {
    let world = Virtual::new();
    for prefix in ["billing", "audit", "team/usage", "team/usage2", "team/x/usage", "zzz", "billings"] {
        let _ = world.options().init(world.s3.client(), BUCKET, prefix).await.unwrap();
    }
    world.counts();
    let message = async |prefix: &str, list| {
        let error = world.options().open(world.s3.client(), BUCKET, prefix).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert_eq!(world.counts(), [0, 0, 2, list]);
        error.to_string()
    };
    let expected = "biling/_config/commit-timeout is missing from bucket s3store-tests: no dataset is initialised at the \
                    prefix \"biling\"; check the prefix, or call Dataset::init(client, \"s3store-tests\", \"biling\") once \
                    if the dataset is new; initialised prefixes nearby: \"billing\", \"billings\"";
    assert!(message("biling", 1).await.starts_with(expected), "{}", message("biling", 1).await);
    let nearby = |message: String| message.rsplit_once("nearby: ").map(|(_, nearby)| nearby.to_owned());
    assert!(nearby(message("team/usag", 1).await).unwrap().starts_with("\"team/usage\", \"team/usage2\""));
    assert_eq!(nearby(message("team", 1).await).unwrap().split(", ").count(), 3);
    assert_eq!(nearby(message("billing/", 1).await).unwrap(), "\"billing\"");
    assert_eq!(nearby(message("nowhere/x", 1).await), None);

    // The suggestion is best effort.
    world.s3.inject(Fault::on(Operation::List).always().fail(403, "AccessDenied"));
    assert_eq!(nearby(message("biling", 1).await), None);
}

#[tokio::test(start_paused = true)]
async fn risky_options_are_logged_as_warnings() {
    let warnings = Warnings::default();
    let _guard = listen(tracing::Dispatch::new(warnings.clone()));
    let take = || warnings.take();
    for (timeout, warned) in [(Duration::from_millis(7_999), true), (8 * SECOND, false)] {
        let world = Virtual::new();
        let _ = world.options().init(world.s3.client(), BUCKET, PREFIX).commit_timeout(timeout).await.unwrap();
        assert_eq!(take().iter().any(|text| text.contains("commit timeout")), warned, "{timeout:?}");
        drop(world.process("open").await);
        assert_eq!(take().iter().any(|text| text.contains("commit timeout")), warned, "{timeout:?}");
    }
    let world = Virtual::new();
    let unknown =
        world.options().consistency("strong-galaxy").open(world.s3.client(), BUCKET, PREFIX).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
    assert!(unknown.to_string().contains("strong-galaxy"), "{unknown}");
    world.dataset_with(world.options().consistency(Consistency::unchecked("strong-galaxy"))).await;
    assert!(take().iter().any(|text| text.contains("strong-galaxy")));
    world.dataset_with(world.options().consistency("strong-site")).await;
    assert_eq!(take(), Vec::<String>::new());
}

/// Returns a world whose local clock is ahead of S3's by exactly `offset`. S3 is at the beginning of a second.
fn skewed(offset: TimeDelta) -> Virtual {
    let world = Virtual::new();
    let now = world.clock.now();
    let second = now.trunc_subsecs(0);
    world.s3.set_time(ServerTime::Tokio(second));
    world.clock.set_offset(second - now + offset);
    world
}

#[tokio::test(start_paused = true)]
async fn the_clock_guard_refuses_writes_beyond_the_skew_plus_the_header_second() {
    // A clock ahead gets the second that the `Date` header hides in addition to the allowed 1 s. A clock behind does
    // not, since S3 is at the beginning of its second.
    for (offset, refused) in [(2_000_000, false), (2_000_001, true), (-1_000_000, false), (-1_000_001, true)] {
        let world = skewed(micros(offset));
        let store = world.dataset().await.store::<Event>();
        world.s3.clear_requests();
        let result = store.write(&Event::of(&["a"], 1)).token("t").await;
        assert_eq!(result.is_err(), refused, "{offset}");
        if let Err(error) = result {
            let cause = error.cause.unwrap();
            assert_eq!(cause.kind(), ErrorKind::ClockSkew);
            assert!(cause.to_string().contains(if offset > 0 { "ahead" } else { "behind" }), "{cause}");
            assert_eq!(
                world.log(),
                ["Head d/_config/commit-timeout"],
                "it asked S3 for the time, and sent nothing else"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_guard_allows_for_the_duration_of_a_request() {
    for (offset, refused) in [(-2_000_000, false), (-2_000_001, true)] {
        let world = skewed(micros(offset));
        world.s3.inject(Fault::any().always().delay_answer(SECOND / 2));
        // The write asks S3 again before it refuses, half a second into S3's second, and gets the answer half a second
        // later: both halves explain a part of the difference.
        world.s3.put_object(BUCKET, "d/_config/commit-timeout", "15s");
        world.s3.put_object(BUCKET, "d/_config/max-clock-skew", "1s");
        let store = world.process("late").await.store::<Event>();
        world.s3.clear_requests();
        let result = store.write_partition("part=a", &Event::of(&["a"], 1)).await;
        let asked_only = world.log() == ["Head d/_config/commit-timeout"];
        assert_eq!(result.is_err() && asked_only, refused, "{offset}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_during_a_write_is_noticed_before_the_ref() {
    let world = skewed(micros(0));
    let store = world.dataset().await.store::<Event>();
    let clock = world.clock.clone();
    world.s3.inject(put(".parquet").call_before(move |_| {
        clock.set_offset(TimeDelta::seconds(30));
        async {}
    }));
    let error = store.write(&Event::of(&["a"], 1)).await.unwrap_err();
    assert_eq!(error.cause.unwrap().kind(), ErrorKind::ClockSkew);
    assert_eq!(world.keys_with(".parquet").len(), 1);
    assert_eq!(world.keys_with(".ref"), Vec::<String>::new());
    let commits = store.write(&Event::of(&["a"], 1)).await;
    assert!(commits.is_err(), "the clock is still wrong");
    world.clock.set_offset(TimeDelta::zero());
    drop(store.read_all().await.unwrap());
    store.write(&Event::of(&["a"], 1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_clock_guard_can_warn_or_be_turned_off() {
    for (guard, warns) in [(ClockGuard::Warn, true), (ClockGuard::Off, false)] {
        let warnings = Warnings::default();
        let _guard = listen(tracing::Dispatch::new(warnings.clone()));
        let world = skewed(TimeDelta::minutes(3));
        let store = world.dataset_with(world.options().clock_guard(guard)).await.store::<Event>();
        let result = store.write(&Event::of(&["a"], 1)).await;
        assert_eq!(result.unwrap().len(), 1);
        assert_eq!(warnings.take().iter().any(|text| text.contains("ahead")), warns);
        assert_eq!(store.read_all().await.unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_commits_whose_callers_are_gone() {
    for suffix in [".ref", ".commit"] {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        world.s3.inject(put(suffix).hang());
        let writer = dataset.clone();
        let caller = tokio::spawn(async move { writer.store::<Event>().write(&Event::of(&["a"], 1)).await });
        wait_until(|| world.s3.faults_left() == 0).await;
        caller.abort();
        assert!(caller.await.is_err_and(|stopped| stopped.is_cancelled()));
        assert_eq!(world.keys_with(".commit"), Vec::<String>::new());
        dataset.drain().await;
        assert_eq!(world.keys_with(".commit").len(), 1);
        // Draining again returns at once, and writes still work.
        dataset.drain().await;
        dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap();
    }
}
