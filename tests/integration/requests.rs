//! How requests are sent: retries, deadlines, permits, headers, and the number of requests of each operation.

use std::time::Duration;

use s3store::dataset::{ClientRetries, Consistency};
use s3store::testing::{Answer, Fault, FaultBuilder, Operation, Policy};
use s3store::{CommitError, ErrorKind, WriteError};

use crate::integration::harness::{BUCKET, MakeFault, Virtual, put, sleep};
use crate::integration::records::Event;

fn data() -> FaultBuilder {
    put(".parquet")
}

fn cause(error: WriteError) -> ErrorKind {
    assert!(error.committed.is_empty() && error.late.is_empty() && error.unknown.is_empty(), "{error:?}");
    error.cause.unwrap().kind()
}

#[tokio::test(start_paused = true)]
async fn transient_errors_are_retried_up_to_five_tries() {
    let classes: [(&str, MakeFault); 8] = [
        ("503", |fault| fault.fail(503, "ServiceUnavailable")),
        ("500", |fault| fault.fail(500, "InternalError")),
        ("429", |fault| fault.fail(429, "TooManyRequests")),
        ("400 SlowDown", |fault| fault.fail(400, "SlowDown")),
        ("400 RequestTimeout", |fault| fault.fail(400, "RequestTimeout")),
        ("connection dropped", |fault| fault.drop_connection()),
        ("connection dropped after the PUT was applied", |fault| fault.drop_connection_applied()),
        ("no response", |fault| fault.hang()),
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
            // If a try consumed the body, the next one would send a shorter one.
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
async fn permanent_errors_are_not_retried() {
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
async fn a_conflict_of_conditional_puts_is_retried() {
    for code in ["ConditionalRequestConflict", "OperationAborted"] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        world.s3.inject(put(".commit").times(4).fail(409, code));
        world.s3.clear_requests();
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        assert_eq!(world.count(Operation::Put), 2 + 5);

        world.s3.inject(put(".commit").always().fail(409, code));
        world.s3.clear_requests();
        let error = store.write_partition("part=a", &Event::of(&["a"], 1)).await.unwrap_err();
        assert!(matches!(error, CommitError::NotCommitted(_)), "{error:?}");
        assert_eq!((world.count(Operation::Put), world.count(Operation::Head)), (2 + 5, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_off_or_stalls_is_fetched_again() {
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
async fn a_try_has_a_deadline_whatever_the_clients_timeouts() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().try_deadline(Duration::from_secs(7))).await;
    let store = dataset.store::<Event>();
    let before = world.clock.now();
    world.s3.inject(data().hang());
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    let took = (world.clock.now() - before).num_milliseconds();
    assert!((7_100..7_300).contains(&took), "{took} ms: expected the deadline plus the first pause");

    // The deadline of a ref or commit PUT is a quarter of the commit timeout.
    for suffix in [".ref", ".commit"] {
        let before = world.clock.now();
        world.s3.inject(put(suffix).hang());
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        let took = (world.clock.now() - before).num_milliseconds();
        assert!((3_850..4_050).contains(&took), "{took} ms");
    }
}

/// A file of 64 MiB may take 94 s, but a connection that is dead is noticed before that.
#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_noticed_within_the_deadline_of_a_try_whatever_the_size() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let commits = store.write(&Event::of(&["a"], 1)).await.unwrap();
    let large = vec![0; 64 << 20];
    world.s3.put_object(BUCKET, &commits[0].data_path, large);
    let cases: [(&str, MakeFault); 3] = [
        ("no response", |fault| fault.hang()),
        ("no body", |fault| fault.stall_body(0)),
        ("a part of the body", |fault| fault.stall_body(100 << 10)),
    ];
    for (case, make) in cases {
        world.s3.inject(make(Fault::on(Operation::Get).always()));
        let (result, took) = world.timed(store.read_all()).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable, "{case}");
        assert!((5 * 30..5 * 30 + 4).contains(&took.as_secs()), "{case}: {took:?}");
        world.s3.clear_faults();
    }
    // A response that arrives in time is read, although it is no Parquet file.
    world.s3.inject(Fault::on(Operation::Get).delay_answer(Duration::from_secs(29)));
    assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_never_exceed_the_permits() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(3)).await;
    // Each request takes a second, so as many as allowed are in flight at once.
    let in_flight = world.slow_down(Duration::from_secs(1));
    let stores = [dataset.store::<Event>(), dataset.store::<Event>()];
    let records = Event::in_partitions(10, 1);
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
        (Some("".into()), Some("strong-global")),
        (Some(Consistency::unchecked("some-day")), Some("some-day")),
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
async fn operations_send_the_documented_number_of_requests() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    // Neither configuration object exists. `init` reads both, puts both, and reads both again after each PUT.
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
    assert_eq!(world.counts(), [0, 0, 0, 0], "write no records");
    store.lookup_commit("part=a", "t").await.unwrap();
    assert_eq!(world.counts(), [0, 1, 0, 0], "look up");
    store.dataset().restamp(&commits[0]).await.unwrap();
    assert_eq!(world.counts(), [1, 0, 0, 0], "restamp");
    store.write(&one).token("o1").optimistic_commit().await.unwrap();
    assert_eq!(world.counts(), [4, 1, 0, 0], "the first optimistic write");
    store.write(&one).token("o2").optimistic_commit().await.unwrap();
    assert_eq!(world.counts(), [3, 0, 0, 0], "a further optimistic write");

    // Five files have tokens of the caller and need a HEAD. The other five are their own tokens.
    assert_eq!(store.read_all().await.unwrap().len(), 20);
    assert_eq!(world.counts(), [0, 5, 10, 1], "read fresh commits");
    sleep(Duration::from_secs(10)).await;
    store.read_all().await.unwrap();
    assert_eq!(world.counts(), [0, 5, 10, 1], "read old commits");
    store.read(["part=a", "part=b", "part=*"]).await.unwrap();
    assert_eq!(world.counts(), [0, 5, 10, 1], "patterns covered by others");
    store.read(Vec::<String>::new()).await.unwrap();
    assert_eq!(world.counts(), [0, 0, 0, 0], "no patterns");
    world.s3.set_page_size(7);
    store.read_all().await.unwrap();
    assert_eq!(world.counts(), [0, 5, 10, 3], "short listing pages");
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_too_long_are_rejected_before_any_request() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.clear_requests();
    let records = Event::of(&["short", &"long".repeat(250)], 1);
    let error = store.write(&records).token("t").await.unwrap_err();
    assert!(error.cause.as_ref().unwrap().to_string().contains("bytes"), "{error:?}");
    assert_eq!(cause(error), ErrorKind::InvalidInput);
    // Escaping triples the length of this value in the ref's key.
    let error = store.write(&Event::of(&[&" ".repeat(320)], 1)).await.unwrap_err();
    assert_eq!(cause(error), ErrorKind::InvalidInput);
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn writes_work_under_a_policy_that_denies_overwriting() {
    let world = Virtual::new();
    world.s3.set_policy(Policy::DenyOverwrite { suffix: ".commit".to_owned() });
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a"], 1);
    let commits = store.write(&records).token("t").await.unwrap();
    assert_eq!(store.write(&records).token("t").await.unwrap(), commits);
    assert_eq!(store.read_all().await.unwrap().len(), 1);
}
