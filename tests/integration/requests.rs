//! How requests are made: tries, deadlines, permits, headers, and how many of each an operation takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use s3store::dataset::{ClientRetries, Consistency};
use s3store::testing::{Answer, Fault, FaultBuilder, Operation, Policy};
use s3store::{CommitError, ErrorKind, WriteError};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, pass};
use crate::integration::records::Event;

fn data() -> FaultBuilder {
    Fault::on(Operation::Put).key_ends_with(".parquet")
}

fn cause(error: WriteError) -> ErrorKind {
    assert!(error.committed.is_empty() && error.late.is_empty() && error.unknown.is_empty(), "{error:?}");
    error.cause.unwrap().kind()
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_five_times() {
    type Make = fn(FaultBuilder) -> Fault;
    let classes: [(&str, Make); 8] = [
        ("503", |fault| fault.fail(503, "ServiceUnavailable")),
        ("500", |fault| fault.fail(500, "InternalError")),
        ("429", |fault| fault.fail(429, "TooManyRequests")),
        ("slow down, as a client's fault", |fault| fault.fail(400, "SlowDown")),
        ("request timeout", |fault| fault.fail(400, "RequestTimeout")),
        ("dropped", |fault| fault.drop_connection()),
        ("dropped when done", |fault| fault.drop_connection_applied()),
        ("silence", |fault| fault.hang()),
    ];
    for (class, make) in classes {
        for retries in [ClientRetries::Off, ClientRetries::Keep] {
            let world = Virtual::new();
            let dataset = world.dataset_with(world.options().client_retries(retries)).await;
            let store = dataset.store::<Event>();
            let records = Event::of(&["a"], 3);
            world.s3.clear_requests();
            world.s3.inject(make(data().times(4)));
            let commits = store.write(&records).await.unwrap();
            let requests = world.s3.requests();
            let tries: Vec<_> = requests.iter().filter(|r| r.key.as_ref() == Some(&commits[0].data_path)).collect();
            assert_eq!(tries.len(), 5, "{class}");
            // A body that was consumed by the try before would be shorter.
            let file = world.s3.object(BUCKET, &commits[0].data_path).unwrap();
            assert!(tries.iter().all(|request| request.body_len == tries[0].body_len), "{class}");
            assert!(tries[0].body_len >= file.body.len(), "{class}");
            assert_eq!(store.read_all().await.unwrap().len(), 3, "{class}");

            if retries == ClientRetries::Off {
                world.s3.clear_requests();
                world.s3.inject(make(data().always()));
                let error = store.write(&records).await.unwrap_err();
                assert_eq!(cause(error), ErrorKind::Unavailable, "{class}");
                assert_eq!(world.log().len(), 5, "{class}: {:?}", world.log());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_tried_once() {
    for (status, code) in
        [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "InvalidArgument"), (405, "MethodNotAllowed")]
    {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        world.s3.clear_requests();
        world.s3.inject(data().always().fail(status, code));
        let error = store.write(&Event::of(&["a"], 1)).await.unwrap_err();
        assert!(format!("{:?}", error.cause).contains(code), "{error:?}");
        assert_eq!(cause(error), ErrorKind::Refused);
        assert_eq!(world.log().len(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_conditional_puts_is_tried_again() {
    for code in ["ConditionalRequestConflict", "OperationAborted"] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let commit = || Fault::on(Operation::Put).key_ends_with(".commit");
        world.s3.inject(commit().times(4).fail(409, code));
        world.s3.clear_requests();
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        assert_eq!(world.count(Operation::Put), 2 + 5);

        world.s3.inject(commit().always().fail(409, code));
        world.s3.clear_requests();
        let error = store.write_partition("part=a", &Event::of(&["a"], 1)).await.unwrap_err();
        assert!(matches!(error, CommitError::NotCommitted(_)), "{error:?}");
        assert_eq!((world.count(Operation::Put), world.count(Operation::Head)), (2 + 5, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_or_stops_is_fetched_again() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    store.write(&Event::of(&["a"], 5)).await.unwrap();
    let get = || Fault::on(Operation::Get).times(4);

    world.s3.clear_requests();
    world.s3.inject(get().cut_body(10));
    assert_eq!(store.read_all().await.unwrap().len(), 5);
    assert_eq!(world.count(Operation::Get), 5);
    let cut = |answer| matches!(answer, Answer::Cut { sent: 10, .. });
    assert_eq!(world.s3.requests().iter().filter(|request| cut(request.answer)).count(), 4);

    world.s3.clear_requests();
    world.s3.inject(get().stall_body(10));
    let before = world.clock.now();
    assert_eq!(store.read_all().await.unwrap().len(), 5);
    assert_eq!(world.count(Operation::Get), 5);
    let took = world.clock.now() - before;
    assert!(took.num_seconds() >= 4 * 30 && took.num_seconds() < 4 * 30 + 4, "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_try_has_its_deadline_whatever_the_client_says() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().try_deadline(Duration::from_secs(7))).await;
    let store = dataset.store::<Event>();
    let before = world.clock.now();
    world.s3.inject(data().hang());
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    let took = (world.clock.now() - before).num_milliseconds();
    assert!((7_100..7_300).contains(&took), "{took} ms: the deadline, and the first pause");

    // A ref's and a commit's is a quarter of the commit timeout.
    for suffix in [".ref", ".commit"] {
        let before = world.clock.now();
        world.s3.inject(Fault::on(Operation::Put).key_ends_with(suffix).hang());
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        let took = (world.clock.now() - before).num_milliseconds();
        assert!((3_850..4_050).contains(&took), "{took} ms");
    }
}

/// Says of so many answers that something else was stored.
#[derive(Debug)]
struct AlteredOnItsWay(Arc<AtomicUsize>);

impl Intercept for AlteredOnItsWay {
    fn name(&self) -> &'static str {
        "altered on its way"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            context.response_mut().headers_mut().insert("etag", "\"00000000000000000000000000000000\"");
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_etag_is_not_the_bodys_is_made_again() {
    for (altered, kind) in [(4, None), (5, Some(ErrorKind::Unavailable))] {
        let world = Virtual::new();
        world.dataset().await;
        let left = Arc::new(AtomicUsize::new(0));
        let config = world.s3.config().interceptor(AlteredOnItsWay(Arc::clone(&left))).build();
        let dataset = world.options().open(Client::from_conf(config), BUCKET, PREFIX).await.unwrap();
        left.store(altered, Ordering::Relaxed);
        world.s3.clear_requests();
        let result = dataset.store::<Event>().write(&Event::of(&["a"], 1)).await;
        assert_eq!(result.err().map(cause), kind);
        let puts =
            world.s3.requests().iter().filter(|r| r.key.as_ref().is_some_and(|k| k.ends_with(".parquet"))).count();
        assert_eq!(puts, 5);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_at_once_than_allowed() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(3)).await;
    // Each request takes a second: as many as may are under way together.
    let in_flight = world.slow_down(Duration::from_secs(1));
    let parts: Vec<String> = (0..10).map(|part| format!("p{part}")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let stores = [dataset.store::<Event>(), dataset.store::<Event>()];
    let records = Event::of(&parts, 1);
    let (one, two) = (stores[0].write(&records), stores[1].write(&records).token("t"));
    let (one, two) = futures_util::join!(one.into_future(), two.into_future());
    assert_eq!((one.unwrap().len(), two.unwrap().len()), (10, 10));
    assert_eq!(in_flight.most(), 3);
    assert_eq!(stores[0].read_all().await.unwrap().len(), 20);
    assert_eq!((in_flight.most(), in_flight.now()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn every_request_carries_the_consistency_level() {
    for (level, header) in [
        (None, Some("strong-global")),
        (Some(Consistency::All), Some("all")),
        (Some("some-day".into()), Some("some-day")),
        (Some(Consistency::BucketDefault), None),
    ] {
        let world = Virtual::new();
        let options = world.options();
        let options = if let Some(level) = level { options.consistency(level) } else { options };
        let store = world.dataset_with(options).await.store::<Event>();
        let records = Event::of(&["a"], 1);
        let commits = store.write(&records).token("t").await.unwrap();
        store.write(&records).token("u").optimistic_commit().await.unwrap();
        store.dataset().restamp(&commits[0]).await.unwrap();
        store.lookup_commit("part=a", "t").await.unwrap();
        store.read_all().await.unwrap();
        let requests = world.s3.requests();
        assert!(requests.len() > 15);
        requests.iter().for_each(|request| assert_eq!(request.header("consistency-control"), header, "{request:?}"));
        let kinds = [Operation::Put, Operation::Get, Operation::Head, Operation::List];
        kinds.iter().for_each(|kind| assert!(world.count(*kind) > 0, "{kind:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn operations_take_the_requests_that_their_documentation_says() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    // Neither is there: both are looked for, put, and looked at again after each.
    assert_eq!(world.counts(), [2, 0, 6, 0], "init");
    drop(world.dataset().await);
    assert_eq!(world.counts(), [0, 0, 2, 0], "init again");
    drop(world.process("other").await);
    assert_eq!(world.counts(), [0, 0, 2, 0], "open");

    let store = dataset.store::<Event>();
    let (one, three) = (Event::of(&["a"], 2), Event::of(&["a", "b", "c"], 2));
    store.write(&one).await.unwrap();
    assert_eq!(world.counts(), [3, 0, 0, 0], "write");
    store.write_partition("part=a", &one).await.unwrap();
    assert_eq!(world.counts(), [3, 0, 0, 0], "write one partition");
    store.write(&three).await.unwrap();
    assert_eq!(world.counts(), [9, 0, 0, 0], "write to three");
    let commits = store.write(&three).token("t").await.unwrap();
    assert_eq!(world.counts(), [9, 3, 0, 0], "write with a token");
    store.write(&three).token("t").await.unwrap();
    assert_eq!(world.counts(), [0, 3, 0, 0], "write again");
    store.write(&[]).token("t").await.unwrap();
    store.write_partition("part=a", &[]).await.unwrap();
    store.group_by_partition(&three).unwrap();
    assert_eq!(world.counts(), [0, 0, 0, 0], "write nothing");
    store.lookup_commit("part=a", "t").await.unwrap();
    assert_eq!(world.counts(), [0, 1, 0, 0], "look up");
    store.dataset().restamp(&commits[0]).await.unwrap();
    assert_eq!(world.counts(), [1, 0, 0, 0], "restamp");
    store.write(&one).token("o1").optimistic_commit().await.unwrap();
    assert_eq!(world.counts(), [4, 1, 0, 0], "the first optimistic write");
    store.write(&one).token("o2").optimistic_commit().await.unwrap();
    assert_eq!(world.counts(), [3, 0, 0, 0], "a further one");

    // Five tokens of the caller's are fresh; the other five files are their own tokens.
    assert_eq!(store.read_all().await.unwrap().len(), 20);
    assert_eq!(world.counts(), [0, 5, 10, 1], "read what is fresh");
    pass(Duration::from_secs(10)).await;
    store.read_all().await.unwrap();
    assert_eq!(world.counts(), [0, 0, 10, 1], "read what is settled");
    store.read(["part=a", "part=b", "part=*"]).await.unwrap();
    assert_eq!(world.counts(), [0, 0, 10, 1], "patterns that others cover");
    store.read(Vec::<String>::new()).await.unwrap();
    assert_eq!(world.counts(), [0, 0, 0, 0], "no pattern");
    world.s3.set_page_size(7);
    store.read_all().await.unwrap();
    assert_eq!(world.counts(), [0, 0, 10, 3], "pages");
}

#[tokio::test(start_paused = true)]
async fn keys_too_long_are_refused_before_anything_is_sent() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.clear_requests();
    let records = Event::of(&["short", &"long".repeat(250)], 1);
    let error = store.write(&records).token("t").await.unwrap_err();
    assert!(error.cause.as_ref().unwrap().to_string().contains("bytes"), "{error:?}");
    assert_eq!(cause(error), ErrorKind::InvalidInput);
    // Escaped in the ref, this value takes three times its length.
    let error = store.write(&Event::of(&[&" ".repeat(320)], 1)).await.unwrap_err();
    assert_eq!(cause(error), ErrorKind::InvalidInput);
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_denies_overwriting_changes_nothing() {
    let world = Virtual::new();
    world.s3.set_policy(Policy::DenyOverwrite { suffix: ".commit".to_owned() });
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a"], 1);
    let commits = store.write(&records).token("t").await.unwrap();
    assert_eq!(store.write(&records).token("t").await.unwrap(), commits);
    assert_eq!(store.read_all().await.unwrap().len(), 1);
}
