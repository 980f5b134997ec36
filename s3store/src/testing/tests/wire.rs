//! The request log, the clock, and the socket.

use std::time::Duration;

use aws_smithy_http_client::Builder as HttpClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

fn date<T, E: Debug>(result: &Result<T, SdkError<E, HttpResponse>>) -> String {
    let answer = result.as_ref().err().and_then(|error| error.raw_response()).expect("no error response");
    answer.headers().get("date").unwrap().to_owned()
}

#[tokio::test]
async fn every_request_is_logged_in_order() {
    let (s3, client) = server();
    let request = client.put_object().bucket(BUCKET).key("a b").if_none_match("*").body(b"hello".to_vec().into());
    let with_header = request.customize().mutate_request(|request| {
        request.headers_mut().insert("Consistency-Control", "strong-global");
    });
    with_header.send().await.unwrap();
    client.get_object().bucket(BUCKET).key("a b").range("bytes=1-2").send().await.unwrap();
    client.head_object().bucket(BUCKET).key("c").send().await.unwrap_err();
    client.list_objects_v2().bucket(BUCKET).prefix("x/").start_after("x/ü").send().await.unwrap();

    let requests = s3.requests();
    let seen: Vec<_> = requests.iter().map(|request| (request.operation, request.applied)).collect();
    let expected = [
        (Operation::Put, Some(200)),
        (Operation::Get, Some(206)),
        (Operation::Head, Some(404)),
        (Operation::List, Some(200)),
    ];
    assert_eq!(seen, expected);
    assert!(requests.iter().all(|request| request.bucket.as_deref() == Some(BUCKET)));
    assert_eq!(requests[0].key.as_deref(), Some("a b"));
    assert_eq!(requests[0].header("consistency-control"), Some("strong-global"));
    assert_eq!(requests[0].if_none_match(), Some("*"));
    assert_eq!(requests[0].body_len, 5);
    assert_eq!(requests[1].range(), Some("bytes=1-2"));
    assert_eq!((requests[3].prefix(), requests[3].start_after()), (Some("x/"), Some("x/ü")));

    s3.clear_requests();
    put(&client, "b", "").await.unwrap();
    assert_eq!(s3.requests()[0].number, 4);
    assert_eq!(s3.requests()[0].answer, Answer::Status(200));
}

#[tokio::test]
async fn responses_contain_the_servers_date() {
    let (s3, client) = server();
    s3.set_time(ServerTime::Fixed("2026-03-07T01:02:03.9Z".parse().unwrap()));
    let gone = || client.get_object().bucket(BUCKET).key("a").send();
    assert_eq!(date(&gone().await), "Sat, 07 Mar 2026 01:02:03 GMT");
    s3.set_clock_offset(TimeDelta::seconds(-4));
    assert_eq!(date(&gone().await), "Sat, 07 Mar 2026 01:01:59 GMT");
    // Injected errors have it too.
    s3.inject(Fault::any().fail(500, "InternalError"));
    assert_eq!(date(&gone().await), "Sat, 07 Mar 2026 01:01:59 GMT");
}

#[tokio::test(start_paused = true)]
async fn the_servers_clock_follows_tokios() {
    let (s3, client) = server();
    let start = "2026-03-07T01:02:03Z".parse().unwrap();
    s3.set_time(ServerTime::Tokio(start));
    tokio::time::advance(Duration::from_hours(48)).await;
    assert_eq!(s3.now(), start + TimeDelta::days(2));
    put(&client, "a", "").await.unwrap();
    assert_eq!(s3.object(BUCKET, "a").unwrap().last_modified, start + TimeDelta::days(2));
    s3.set_clock_offset(TimeDelta::milliseconds(-1500));
    put(&client, "a", "").await.unwrap();
    let modified = s3.object(BUCKET, "a").unwrap().last_modified;
    assert_eq!(modified, start + TimeDelta::days(2) - TimeDelta::seconds(2));
}

#[tokio::test]
async fn the_server_works_with_a_clock_that_is_far_off() {
    let (s3, client) = server();
    s3.set_clock_offset(TimeDelta::days(-400));
    for key in ["a", "b", "c"] {
        put(&client, key, "").await.unwrap();
    }
    assert_eq!(list(&client, "").await, ["a", "b", "c"]);
}

/// Returns a client that connects to the socket.
fn socket_client(s3: &S3, listener: &Listener) -> Client {
    let config = s3.config_without_http_client(listener.endpoint()).http_client(HttpClient::new().build_http());
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

#[tokio::test]
async fn a_socket_serves_the_same_bucket() {
    let (s3, inside) = server();
    let listener = s3.listen("127.0.0.1:0").await.unwrap();
    let client = socket_client(&s3, &listener);
    put_if_absent(&client, "a b/ü", "hello").await.unwrap();
    assert_eq!(refusal(put_if_absent(&client, "a b/ü", "again").await), (412, "PreconditionFailed".to_owned()));
    assert_eq!(get(&client, "a b/ü").await, "hello");
    assert_eq!(get(&inside, "a b/ü").await, "hello");
    let head = client.head_object().bucket(BUCKET).key("a b/ü").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    let gone = client.head_object().bucket(BUCKET).key("c").send().await.unwrap_err();
    assert!(gone.as_service_error().unwrap().is_not_found());
    assert_eq!(list(&client, "").await, ["a b/ü"]);
    client.delete_object().bucket(BUCKET).key("a b/ü").send().await.unwrap();
    assert!(s3.keys(BUCKET).is_empty());
}

#[tokio::test]
async fn faults_strike_on_a_socket_too() {
    let (s3, _) = server();
    let listener = s3.listen("127.0.0.1:0").await.unwrap();
    let client = socket_client(&s3, &listener);
    s3.inject(Fault::on(Operation::Put).drop_connection_applied());
    assert!(matches!(put(&client, "a", "0123456789").await, Err(SdkError::DispatchFailure(_))));
    assert_eq!(s3.keys(BUCKET), ["a"]);
    s3.inject(Fault::on(Operation::Get).cut_body(4));
    let answer = client.get_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(answer.content_length(), Some(10));
    answer.body.collect().await.unwrap_err();
    s3.inject(Fault::on(Operation::Get).fail(503, "SlowDown"));
    let refused = client.get_object().bucket(BUCKET).key("a").send().await;
    assert_eq!(refusal(refused), (503, "SlowDown".to_owned()));
    assert_eq!(get(&client, "a").await, "0123456789");
}

/// Sends bytes on a connection of its own, and waits until the server closes it. Returns what it sent before.
async fn answer_until_closed(listener: &Listener, request: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(listener.addr()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = time::within(Duration::from_secs(600), socket.read_to_end(&mut answer)).await;
    // The connection may also be reset.
    let _ = read.unwrap_or_else(|| panic!("the connection stayed open after {request:?}"));
    answer
}

#[tokio::test(start_paused = true)]
async fn no_connection_stays_open_for_ever() {
    let (s3, _) = server();
    s3.put_object(BUCKET, "a", vec![0; 1_000]);
    let listener = s3.listen("127.0.0.1:0").await.unwrap();
    let get = format!("GET /{BUCKET}/a HTTP/1.1\r\nHost: x\r\n\r\n");
    let put = format!("PUT /{BUCKET}/b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    for incomplete in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n", put.as_str()] {
        assert_eq!(answer_until_closed(&listener, incomplete).await, b"", "{incomplete:?}");
    }
    // An idle connection, after its request was answered.
    assert!(answer_until_closed(&listener, &get).await.starts_with(b"HTTP/1.1 "));
    // Requests that faults leave without an answer, or with half of one.
    s3.inject(Fault::any().hang());
    assert_eq!(answer_until_closed(&listener, &get).await, b"");
    s3.inject(Fault::any().stall_body(10));
    assert!(answer_until_closed(&listener, &get).await.starts_with(b"HTTP/1.1 "));
}

#[tokio::test]
async fn dropping_the_listener_closes_the_socket() {
    let (s3, _) = server();
    let listener = s3.listen("127.0.0.1:0").await.unwrap();
    let client = socket_client(&s3, &listener);
    put(&client, "a", "").await.unwrap();
    let addr = listener.addr();
    drop(listener);
    // The aborted task ends only when the runtime polls it next.
    while tokio::net::TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(put(&client, "b", "").await.is_err());
    assert_eq!(s3.keys(BUCKET), ["a"]);
}
