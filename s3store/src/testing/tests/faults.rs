//! Every kind of fault, and the selection of requests.

use std::time::Duration;

use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use futures_util::FutureExt as _;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn is_dispatch_failure<E: Debug>(result: Result<PutObjectOutput, SdkError<E, HttpResponse>>) -> bool {
    matches!(result, Err(SdkError::DispatchFailure(failure)) if failure.is_io())
}

/// Returns a client that times out after ten seconds.
fn impatient(s3: &S3) -> Client {
    let timeout = TimeoutConfig::builder().operation_attempt_timeout(10 * SECOND).build();
    Client::from_conf(s3.config().retry_config(RetryConfig::disabled()).timeout_config(timeout).build())
}

fn is_timeout<T: Debug, E: Debug>(result: Result<T, SdkError<E, HttpResponse>>) -> bool {
    matches!(result, Err(SdkError::TimeoutError(_)))
}

/// Returns the future's output, and how long it took on tokio's clock.
async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let start = time::instant();
    let output = time::within(600 * SECOND, future).await.expect("no end after ten minutes");
    (output, start.elapsed())
}

#[tokio::test]
async fn a_request_fails_before_it_is_applied() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).fail_with(503, "SlowDown", "Please <reduce> your request rate"));
    let error = put(&client, "a", "").await.unwrap_err();
    assert_eq!(error.as_service_error().unwrap().message(), Some("Please <reduce> your request rate"));
    assert_eq!(refusal(PutResult::Err(error)), (503, "SlowDown".to_owned()));
    assert!(s3.keys(BUCKET).is_empty());
    assert_eq!((s3.requests()[0].applied, s3.requests()[0].answer), (None, Answer::Status(503)));
    put(&client, "a", "").await.unwrap();
    assert_eq!(s3.faults_left(), 0);
}

#[tokio::test]
async fn a_request_fails_after_it_was_applied() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).fail_applied(500, "InternalError"));
    assert_eq!(refusal(put(&client, "a", "hello").await), (500, "InternalError".to_owned()));
    assert_eq!(s3.object(BUCKET, "a").unwrap().body, "hello");
    assert_eq!((s3.requests()[0].applied, s3.requests()[0].answer), (Some(200), Answer::Status(500)));
}

#[tokio::test]
async fn a_head_fails_without_a_body() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Head).fail(503, "SlowDown"));
    let error = client.head_object().bucket(BUCKET).key("a").send().await.unwrap_err();
    let raw = error.raw_response().unwrap();
    assert_eq!((raw.status().as_u16(), raw.body().bytes()), (503, Some(&b""[..])));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_delayed() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).delay(5 * SECOND));
    let keys_meanwhile = async {
        time::sleep(4 * SECOND).await;
        s3.keys(BUCKET)
    };
    let ((put, keys), took) = timed(async { tokio::join!(put(&client, "a", ""), keys_meanwhile) }).await;
    put.unwrap();
    assert!(keys.is_empty());
    assert!((5 * SECOND..6 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_delayed() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).delay_answer(5 * SECOND));
    let keys_meanwhile = async {
        time::sleep(SECOND).await;
        s3.keys(BUCKET)
    };
    let ((put, keys), took) = timed(async { tokio::join!(put(&client, "a", ""), keys_meanwhile) }).await;
    put.unwrap();
    assert_eq!(keys, ["a"]);
    assert!((5 * SECOND..6 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_connection_is_dropped() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).drop_connection());
    s3.inject(Fault::on(Operation::Put).drop_connection_applied());
    assert!(is_dispatch_failure(put(&client, "a", "").await));
    assert!(s3.keys(BUCKET).is_empty());
    assert!(is_dispatch_failure(put(&client, "a", "").await));
    assert_eq!(s3.keys(BUCKET), ["a"]);
    assert_eq!(answers(&s3), [Answer::Dropped, Answer::Dropped]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_never_answered() {
    let (s3, _) = server();
    let client = impatient(&s3);
    s3.inject(Fault::on(Operation::Put).key("a").hang());
    s3.inject(Fault::on(Operation::Put).key("b").hang_applied());
    let (result, took) = timed(put(&client, "a", "")).await;
    assert!(is_timeout(result));
    assert!((10 * SECOND..11 * SECOND).contains(&took), "{took:?}");
    assert!(is_timeout(put(&client, "b", "").await));
    assert_eq!(s3.keys(BUCKET), ["b"]);
    assert_eq!(answers(&s3), [Answer::Silence, Answer::Silence]);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_timeouts_waits_two_minutes() {
    let (s3, client) = server();
    s3.put_object(BUCKET, "a", "0123456789");
    s3.inject(Fault::on(Operation::Put).hang());
    let (result, took) = timed(put(&client, "a", "")).await;
    assert!(is_dispatch_failure(result));
    assert_eq!(took.as_secs(), 120);
    s3.inject(Fault::on(Operation::Get).stall_body(4));
    // The SDK would end a body that stalls.
    let config = s3.config().stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let answer = Client::from_conf(config.build()).get_object().bucket(BUCKET).key("a").send().await.unwrap();
    let (body, took) = timed(answer.body.collect()).await;
    body.unwrap_err();
    assert_eq!(took.as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn the_clients_read_timeout_works() {
    let (s3, _) = server();
    let timeout = TimeoutConfig::builder().read_timeout(3 * SECOND).build();
    let config = s3.config().retry_config(RetryConfig::disabled()).timeout_config(timeout);
    let client = Client::from_conf(config.build());
    s3.inject(Fault::any().hang());
    let (result, took) = timed(put(&client, "a", "")).await;
    assert!(matches!(result, Err(SdkError::DispatchFailure(failure)) if failure.is_timeout()));
    assert!((3 * SECOND..4 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_body_is_cut_off() {
    let (s3, client) = server();
    s3.put_object(BUCKET, "a", "0123456789");
    s3.inject(Fault::on(Operation::Get).cut_body(4));
    let mut answer = client.get_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(answer.content_length(), Some(10));
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "0123");
    answer.body.next().await.unwrap().unwrap_err();
    assert_eq!(answers(&s3), [Answer::Cut { status: 200, sent: 4 }]);
    assert_eq!(get(&client, "a").await, "0123456789");
}

#[tokio::test]
async fn a_listing_that_is_cut_off_is_an_error() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::List).cut_body(50));
    assert!(client.list_objects_v2().bucket(BUCKET).send().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_body_stalls() {
    let (s3, client) = server();
    s3.put_object(BUCKET, "a", "0123456789");
    s3.inject(Fault::on(Operation::Get).stall_body(4));
    let answer = client.get_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert!(time::within(3 * SECOND, answer.body.collect()).await.is_none());
    assert_eq!(answers(&s3), [Answer::Stalled { status: 200, sent: 4 }]);
}

#[tokio::test(start_paused = true)]
async fn a_late_put_is_applied_when_the_test_asks() {
    let (s3, _) = server();
    let client = impatient(&s3);
    s3.inject(Fault::on(Operation::Put).key("a").apply_late(Meanwhile::Silence));
    s3.inject(Fault::on(Operation::Put).key("b").apply_late(Meanwhile::ConnectionLost));
    s3.inject(Fault::on(Operation::Put).key("a").apply_late(Meanwhile::Error(500, "InternalError".to_owned())));
    assert!(is_timeout(put_if_absent(&client, "a", "first").await));
    assert!(is_dispatch_failure(put(&client, "b", "").await));
    assert_eq!(refusal(put_if_absent(&client, "a", "second").await), (500, "InternalError".to_owned()));
    assert!(s3.keys(BUCKET).is_empty());
    assert_eq!(s3.waiting_to_land(), 3);

    let landed = s3.land_late().await;
    let landed: Vec<_> = landed.iter().map(|landed| (landed.number, landed.key.as_deref(), landed.status)).collect();
    assert_eq!(landed, [(0, Some("a"), 200), (1, Some("b"), 200), (2, Some("a"), 412)]);
    assert_eq!(s3.object(BUCKET, "a").unwrap().body, "first");
    assert_eq!(s3.requests()[2].applied, Some(412));
    assert_eq!(s3.requests()[2].answer, Answer::Status(500));
    assert!(s3.land_late().await.is_empty());
}

#[tokio::test]
async fn a_late_puts_conditions_are_evaluated_when_it_is_applied() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).apply_late(Meanwhile::ConnectionLost));
    assert!(is_dispatch_failure(put_if_absent(&client, "a", "late").await));
    put_if_absent(&client, "a", "retry").await.unwrap();
    assert_eq!(s3.land_late().await[0].status, 412);
    assert_eq!(get(&client, "a").await, "retry");
}

#[tokio::test(start_paused = true)]
async fn a_late_put_is_applied_after_a_delay() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).apply_after(60 * SECOND, Meanwhile::ConnectionLost));
    assert!(is_dispatch_failure(put(&client, "a", "").await));
    time::sleep(59 * SECOND).await;
    assert!(s3.keys(BUCKET).is_empty());
    time::sleep(2 * SECOND).await;
    assert_eq!(s3.keys(BUCKET), ["a"]);
    assert_eq!(s3.requests()[0].applied, Some(200));
}

#[tokio::test]
async fn a_put_is_applied_twice() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).apply_twice());
    put(&client, "a", "first").await.unwrap();
    put(&client, "a", "second").await.unwrap();
    assert_eq!(s3.land_late().await.len(), 1);
    assert_eq!(get(&client, "a").await, "first");
}

#[tokio::test]
async fn a_new_key_is_hidden_from_some_lists() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).key("p/b").hide_from_lists(2));
    for key in ["p/a", "p/b", "q"] {
        put(&client, key, "").await.unwrap();
    }
    assert_eq!(list(&client, "q").await, ["q"]);
    assert_eq!(list(&client, "p/").await, ["p/a"]);
    assert_eq!(list(&client, "").await, ["p/a", "q"]);
    assert_eq!(get(&client, "p/b").await, "");
    assert_eq!(list(&client, "p/").await, ["p/a", "p/b"]);
}

#[tokio::test]
async fn only_a_page_that_would_contain_a_hidden_key_counts() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).key("c").hide_from_lists(1));
    for key in ["a", "b", "c", "d"] {
        put(&client, key, "").await.unwrap();
    }
    s3.set_page_size(2);
    assert_eq!(list(&client, "").await, ["a", "b"]);
    let request = client.list_objects_v2().bucket(BUCKET).start_after("b");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["d"]);
    assert_eq!(list(&client, "c").await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_hidden_for_a_while() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).hide_from_lists_for(5 * SECOND));
    put(&client, "a", "").await.unwrap();
    time::sleep(4 * SECOND).await;
    assert!(list(&client, "").await.is_empty());
    assert_eq!(s3.keys(BUCKET), ["a"]);
    time::sleep(SECOND).await;
    assert_eq!(list(&client, "").await, ["a"]);
}

#[tokio::test]
async fn a_test_acts_between_two_requests() {
    let (s3, client) = server();
    let other = client.clone();
    s3.inject(Fault::on(Operation::Put).key("a").call_before(move |request| {
        let other = other.clone();
        assert_eq!(request.applied, None);
        async move {
            put(&other, "a", "the other writer's").await.unwrap();
        }
    }));
    assert_eq!(refusal(put_if_absent(&client, "a", "mine").await), (412, "PreconditionFailed".to_owned()));
    assert_eq!(get(&client, "a").await, "the other writer's");

    let bucket = s3.clone();
    s3.inject(Fault::on(Operation::Put).call_after(move |request| {
        assert_eq!(request.applied, Some(200));
        bucket.remove_object(BUCKET, request.key.as_deref().unwrap());
        std::future::ready(())
    }));
    put(&client, "b", "").await.unwrap();
    assert_eq!(s3.keys(BUCKET), ["a"]);
}

#[tokio::test]
#[should_panic(expected = "a panic of the hook")]
async fn a_hook_that_panics_fails_the_test() {
    let (s3, client) = server();
    s3.inject(Fault::any().call_before(|_| async { panic!("a panic of the hook") }));
    let _ = put(&client, "a", "").await;
}

#[tokio::test]
async fn faults_match_by_operation_key_and_count() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").skip(1).times(2).fail(500, "A"));
    s3.inject(Fault::on(Operation::Put).key_contains("_ref/").always().fail(500, "B"));
    s3.inject(Fault::on(Operation::Put).matching(|request| request.body_len == 3).fail(500, "C"));
    s3.inject(Fault::on(Operation::List).key("data/").fail(500, "D"));
    let mut codes = Vec::new();
    for (key, body) in [
        ("1.commit", ""),
        ("2.commit", ""),
        ("_ref/x.commit", ""),
        ("3.commit", ""),
        ("_ref/y", ""),
        ("_ref/z", "123"),
        ("c", "123"),
        ("c", "123"),
    ] {
        let result = put(&client, key, body).await;
        codes.push(result.err().map(|error| error.code().unwrap_or_default().to_owned()));
    }
    let expected = [None, Some("A"), Some("A"), None, Some("B"), Some("B"), Some("C"), None];
    assert_eq!(codes.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    list(&client, "data/a").await;
    assert!(client.list_objects_v2().bucket(BUCKET).prefix("data/").send().await.is_err());
    assert_eq!(s3.faults_left(), 1);
    s3.clear_faults();
    put(&client, "_ref/x", "").await.unwrap();
}

#[tokio::test]
async fn skip_counts_requests_that_other_faults_strike() {
    let (s3, client) = server();
    put(&client, "before", "").await.unwrap();
    for k in 0..4 {
        let first = s3.requests().len();
        // Another fault in the same sequence does not change the count.
        s3.inject(Fault::any().fail(500, "First"));
        s3.inject(Fault::any().skip(k).drop_connection());
        let _ = put(&client, "a", "").await;
        let _ = client.get_object().bucket(BUCKET).key("a").send().await;
        let _ = client.head_object().bucket(BUCKET).key("a").send().await;
        let _ = client.list_objects_v2().bucket(BUCKET).send().await;
        let _ = client.delete_object().bucket(BUCKET).key("a").send().await;
        let dropped: Vec<_> = (0..5).filter(|at| answers(&s3)[first + at] == Answer::Dropped).collect();
        // The first request is struck by the first fault, so the second fault then strikes the next one.
        assert_eq!(dropped, [k.max(1)]);
        assert_eq!(s3.faults_left(), 0);
    }
}

#[tokio::test]
async fn a_dropped_future_does_not_stop_the_server() {
    let (s3, client) = server();
    s3.inject(Fault::on(Operation::Put).delay(Duration::from_millis(1)));
    let mut request = Box::pin(put(&client, "a", ""));
    while s3.requests().is_empty() {
        assert!((&mut request).now_or_never().is_none());
    }
    drop(request);
    while s3.keys(BUCKET).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(s3.requests()[0].applied, Some(200));
}

#[tokio::test]
async fn the_sdk_retries_what_faults_break() {
    let s3 = S3::with_bucket(BUCKET);
    s3.inject(Fault::on(Operation::Put).times(2).fail(503, "SlowDown"));
    tokio::time::pause();
    put(&s3.client(), "a", "").await.unwrap();
    assert_eq!(answers(&s3), [Answer::Status(503), Answer::Status(503), Answer::Status(200)]);
}
