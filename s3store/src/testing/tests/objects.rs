//! Objects: put, get, head, delete, their conditions and checksums.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, Delete, ObjectIdentifier};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn an_object_is_returned_as_it_was_put() {
    let (s3, client) = server();
    s3.set_time(ServerTime::Fixed("2026-03-17T10:20:30.9Z".parse().unwrap()));
    let request = client.put_object().bucket(BUCKET).key("a/b=c d/ü+&.parquet").metadata("Attempt", "x-1");
    let put = request.content_type("text/plain").body(b"hello".to_vec().into()).send().await.unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));

    let get = client.get_object().bucket(BUCKET).key("a/b=c d/ü+&.parquet").send().await.unwrap();
    assert_eq!(get.metadata().unwrap()["attempt"], "x-1");
    assert_eq!(get.content_type(), Some("text/plain"));
    assert_eq!(get.last_modified().unwrap().to_string(), "2026-03-17T10:20:30Z");
    assert_eq!(get.e_tag(), put.e_tag());
    assert_eq!(get.content_length(), Some(5));
    assert_eq!(get.body.collect().await.unwrap().to_vec(), b"hello");

    let head = client.head_object().bucket(BUCKET).key("a/b=c d/ü+&.parquet").send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["attempt"], "x-1");
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.e_tag(), put.e_tag());

    let object = s3.object(BUCKET, "a/b=c d/ü+&.parquet").unwrap();
    assert_eq!(object.body, "hello");
    assert_eq!(object.etag, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(object.last_modified.to_rfc3339(), "2026-03-17T10:20:30+00:00");
}

#[tokio::test]
async fn missing_objects_and_buckets_give_the_errors_of_s3() {
    let (s3, client) = server();
    let gone = client.get_object().bucket(BUCKET).key("a").send().await;
    assert_eq!(refusal(gone), (404, "NoSuchKey".to_owned()));

    let gone = client.head_object().bucket(BUCKET).key("a").send().await.unwrap_err();
    assert!(gone.as_service_error().unwrap().is_not_found());
    // S3 sends no error code here, because the response to a HEAD has no body.
    assert!(gone.raw_response().unwrap().body().bytes().unwrap().is_empty());

    let nowhere = client.get_object().bucket("elsewhere").key("a").send().await;
    assert_eq!(refusal(nowhere), (404, "NoSuchBucket".to_owned()));
    let nowhere = client.list_objects_v2().bucket("elsewhere").send().await;
    assert_eq!(refusal(nowhere), (404, "NoSuchBucket".to_owned()));
    let nowhere = client.put_object().bucket("elsewhere").key("a").send().await;
    assert_eq!(refusal(nowhere), (404, "NoSuchBucket".to_owned()));

    client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(s3.requests().len(), 6);
}

#[tokio::test]
async fn keys_and_metadata_have_limits() {
    let (s3, client) = server();
    put(&client, &"k".repeat(1024), "").await.unwrap();
    assert_eq!(refusal(put(&client, &"k".repeat(1025), "").await), (400, "KeyTooLongError".to_owned()));
    let of_size = |size: usize| {
        client.put_object().bucket(BUCKET).key("m").metadata("name", "v".repeat(size - "name".len())).send()
    };
    of_size(2048).await.unwrap();
    assert_eq!(refusal(of_size(2049).await), (400, "MetadataTooLarge".to_owned()));
    assert_eq!(s3.keys(BUCKET), ["k".repeat(1024), "m".to_owned()]);
}

#[tokio::test]
async fn one_of_many_conditional_puts_wins() {
    let (s3, client) = server();
    let bodies: Vec<_> = (0..16).map(|writer| format!("writer {writer}")).collect();
    let results = join_all(bodies.iter().map(|body| put_if_absent(&client, "a.commit", body))).await;
    let winners: Vec<_> = (0..16).filter(|&writer| results[writer].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(s3.object(BUCKET, "a.commit").unwrap().body, bodies[winners[0]]);
    for lost in results.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(lost), (412, "PreconditionFailed".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_conditional_puts_on_many_threads_wins() {
    let (s3, client) = server();
    for round in 0..50 {
        let key = format!("{round}.commit");
        let tasks = (0..16).map(|_| {
            let (client, key) = (client.clone(), key.clone());
            tokio::spawn(async move { put_if_absent(&client, &key, "").await.is_ok() })
        });
        let winners = join_all(tasks).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
        assert_eq!(winners, 1, "round {round}");
    }
    assert_eq!(s3.requests().len(), 50 * 16);
}

#[tokio::test]
async fn conditions_can_be_ignored_or_rejected() {
    let (s3, client) = server();
    put(&client, "a", "first").await.unwrap();
    s3.set_conditional_put(ConditionalPut::Ignored);
    put_if_absent(&client, "a", "second").await.unwrap();
    assert_eq!(get(&client, "a").await, "second");
    s3.set_conditional_put(ConditionalPut::NotImplemented);
    assert_eq!(refusal(put_if_absent(&client, "b", "").await), (501, "NotImplemented".to_owned()));
    put(&client, "a", "third").await.unwrap();
    assert_eq!(s3.keys(BUCKET), ["a"]);
    assert_eq!(get(&client, "a").await, "third");
}

#[tokio::test]
async fn if_match_replaces_the_matching_object() {
    let (_s3, client) = server();
    let replace = |etag: &str| client.put_object().bucket(BUCKET).key("a").if_match(etag).send();
    assert_eq!(refusal(replace("\"1\"").await), (404, "NoSuchKey".to_owned()));
    let etag = put(&client, "a", "first").await.unwrap().e_tag.unwrap();
    assert_eq!(refusal(replace("\"1\"").await), (412, "PreconditionFailed".to_owned()));
    replace(&etag).await.unwrap();
    assert_eq!(get(&client, "a").await, "");

    let unless = |etag: &str| client.get_object().bucket(BUCKET).key("a").if_none_match(etag).send();
    assert_eq!(refusal(unless("\"d41d8cd98f00b204e9800998ecf8427e\"").await).0, 304);
    unless(&etag).await.unwrap();
}

#[tokio::test]
async fn a_policy_denies_overwriting() {
    let (s3, client) = server();
    s3.set_policy(Policy::DenyOverwrite { suffix: ".commit".to_owned() });
    put(&client, "a.commit", "first").await.unwrap();
    assert_eq!(refusal(put(&client, "a.commit", "second").await), (403, "AccessDenied".to_owned()));
    assert_eq!(refusal(put_if_absent(&client, "a.commit", "second").await), (403, "AccessDenied".to_owned()));
    put(&client, "a.marker", "first").await.unwrap();
    put(&client, "a.marker", "second").await.unwrap();
    assert_eq!(get(&client, "a.commit").await, "first");
    s3.set_policy(Policy::AllowAll);
    put(&client, "a.commit", "second").await.unwrap();
}

#[tokio::test]
async fn ranges_are_cut_from_the_body() {
    let (s3, client) = server();
    s3.put_object(BUCKET, "a", "0123456789");
    for (range, expected, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=7-99", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
    ] {
        let answer = client.get_object().bucket(BUCKET).key("a").range(range).send().await.unwrap();
        assert_eq!(answer.content_range(), Some(content_range), "{range}");
        assert_eq!(answer.body.collect().await.unwrap().to_vec(), expected.as_bytes(), "{range}");
    }
    assert!(s3.requests().iter().all(|request| request.answer == Answer::Status(206)));
    assert_eq!(s3.requests()[1].range(), Some("bytes=2-4"));
    let beyond = client.get_object().bucket(BUCKET).key("a").range("bytes=10-").send().await;
    assert_eq!(refusal(beyond), (416, "InvalidRange".to_owned()));
}

#[tokio::test]
async fn checksums_are_verified() {
    let (s3, client) = server();
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let request = client.put_object().bucket(BUCKET).key(algorithm.as_str()).checksum_algorithm(algorithm.clone());
        request.body(b"hello".to_vec().into()).send().await.unwrap();
        let request = client.get_object().bucket(BUCKET).key(algorithm.as_str()).checksum_mode(ChecksumMode::Enabled);
        let answer = request.send().await.unwrap();
        let sums = [
            answer.checksum_crc32(),
            answer.checksum_crc32_c(),
            answer.checksum_crc64_nvme(),
            answer.checksum_sha1(),
            answer.checksum_sha256(),
        ];
        assert_eq!(sums.iter().flatten().count(), 1, "{algorithm:?}");
        assert_eq!(answer.body.collect().await.unwrap().to_vec(), b"hello", "{algorithm:?}");
    }
    let request = || client.put_object().bucket(BUCKET).key("bad").body(b"hello".to_vec().into());
    for bad in [
        request().checksum_crc32("AAAAAA=="),
        request().checksum_crc32_c("AAAAAA=="),
        request().checksum_crc64_nvme("AAAAAAAAAAA="),
        request().checksum_sha1("2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        request().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        request().content_md5("1B2M2Y8AsgTpgAmY7PhCfg=="),
    ] {
        assert_eq!(refusal(bad.send().await), (400, "BadDigest".to_owned()));
    }
    assert_eq!(refusal(request().content_md5("AAAA").send().await), (400, "InvalidDigest".to_owned()));
    request().content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await.unwrap();
    assert!(s3.object(BUCKET, "bad").is_some());
}

/// A body that the SDK can't read in advance, so it is sent in chunks with a trailing checksum.
fn streamed(bytes: &'static [u8]) -> ByteStream {
    ByteStream::new(SdkBody::from_body_1_x(http_body_util::Full::new(Bytes::from_static(bytes))))
}

/// Sends a wrong trailing checksum.
#[derive(Debug)]
struct WrongTrailer;

impl Intercept for WrongTrailer {
    fn name(&self) -> &'static str {
        "WrongTrailer"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        *context.request_mut().body_mut() = SdkBody::from(body);
        Ok(())
    }
}

#[tokio::test]
async fn trailing_checksums_are_verified() {
    let (s3, client) = server();
    let request = client.put_object().bucket(BUCKET).key("a").content_length(5);
    let put = request.content_encoding("gzip").body(streamed(b"hello")).send().await.unwrap();
    assert_eq!(put.checksum_crc32(), Some("NhCmhg=="));
    let arrived = &s3.requests()[0];
    assert_eq!(arrived.header("x-amz-trailer"), Some("x-amz-checksum-crc32"));
    assert!(arrived.headers.contains(&("content-encoding".to_owned(), "aws-chunked".to_owned())));
    let object = s3.object(BUCKET, "a").unwrap();
    assert_eq!(object.body, "hello");
    assert_eq!(object.content_encoding.as_deref(), Some("gzip"));

    // With https the SDK does not sign the chunks.
    let client = Client::from_conf(s3.config().endpoint_url("https://s3.localhost").build());
    let request = client.put_object().bucket(BUCKET).key("b").content_length(5).body(streamed(b"hello"));
    let request = request.customize().interceptor(WrongTrailer);
    assert_eq!(refusal(request.send().await), (400, "BadDigest".to_owned()));
    assert_eq!(s3.keys(BUCKET), ["a"]);
}

#[tokio::test]
async fn signatures_are_verified() {
    let (s3, _) = server();
    let stranger = aws_sdk_s3::config::Credentials::new(ACCESS_KEY, "guessed", None, None, "test");
    let client = Client::from_conf(s3.config().credentials_provider(stranger).build());
    assert_eq!(refusal(put(&client, "a", "").await), (403, "SignatureDoesNotMatch".to_owned()));
    assert!(s3.keys(BUCKET).is_empty());
}

#[tokio::test]
async fn objects_are_deleted() {
    let (s3, client) = server();
    for key in ["a", "b", "c"] {
        put(&client, key, "").await.unwrap();
    }
    client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(s3.keys(BUCKET), ["b", "c"]);
    let objects = ["b", "c", "d"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(objects.to_vec())).build().unwrap();
    let answer = client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!(answer.deleted().len(), 3);
    assert!(s3.keys(BUCKET).is_empty());
    let operations: Vec<_> = s3.requests().iter().skip(3).map(|request| request.operation).collect();
    assert_eq!(operations, [Operation::Delete, Operation::DeleteMany]);
}

#[tokio::test]
async fn a_test_accesses_the_bucket_directly() {
    let (s3, client) = server();
    s3.put_object_with(BUCKET, "a", "hello", [("attempt", "1")]);
    s3.put_object("created", "b", Bytes::new());
    assert_eq!(get(&client, "a").await, "hello");
    assert_eq!(s3.object(BUCKET, "a").unwrap().metadata["attempt"], "1");
    assert_eq!(s3.keys("created"), ["b"]);
    assert_eq!(s3.remove_object(BUCKET, "a").unwrap().body, "hello");
    assert_eq!(s3.remove_object(BUCKET, "a"), None);
    assert!(s3.keys(BUCKET).is_empty() && s3.keys("nowhere").is_empty());
    assert_eq!(s3.requests().len(), 1);
}
