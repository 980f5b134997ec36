//! LIST.

use aws_sdk_s3::types::EncodingType;

use super::*;

/// Keys that are awkward in byte order, in XML or in a URL.
const ODD_KEYS: [&str; 14] = [
    "a",
    "a b",
    "a%20b",
    "a&b<c>\"d'",
    "a+b",
    "a-2/x",
    "a/",
    "a//x",
    "a=1-2/x",
    "a=1/x",
    "a\u{1}b",
    "a\r\nb",
    "é/ü",
    "\u{10FFFF}",
];

async fn pages(client: &Client, size: i32) -> Vec<Vec<String>> {
    let request = client.list_objects_v2().bucket(BUCKET).max_keys(size).encoding_type(EncodingType::Url);
    let mut stream = request.into_paginator().send();
    let mut pages = Vec::new();
    while let Some(page) = stream.next().await {
        let page = page.unwrap();
        assert_eq!(page.key_count(), i32::try_from(page.contents().len()).ok());
        pages.push(page.contents().iter().map(|object| decoded(object.key().unwrap())).collect());
    }
    pages
}

fn decoded(key: &str) -> String {
    percent_encoding::percent_decode_str(key).decode_utf8().unwrap().into_owned()
}

#[tokio::test]
async fn odd_keys_are_listed_in_byte_order() {
    let (s3, client) = server();
    for key in ODD_KEYS {
        put(&client, key, "").await.unwrap();
        assert_eq!(get(&client, key).await, "", "{key:?}");
    }
    let mut sorted = ODD_KEYS.map(str::to_owned).to_vec();
    sorted.sort_unstable_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
    assert_eq!(s3.keys(BUCKET), sorted);
    for size in [1, 3, 14, 1000] {
        let pages = pages(&client, size).await;
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == usize::try_from(size).unwrap()));
        assert_eq!(pages.concat(), sorted, "pages of {size}");
    }
}

#[tokio::test]
async fn the_page_size_can_be_limited() {
    let (s3, client) = server();
    s3.set_page_size(4);
    for key in ODD_KEYS {
        s3.put_object(BUCKET, key, "");
    }
    let sizes: Vec<_> = pages(&client, 1000).await.iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 4, 4, 2]);
    assert!(s3.requests().iter().all(|request| request.operation == Operation::List));
}

#[tokio::test]
async fn a_page_has_at_most_a_thousand_keys() {
    let (s3, client) = server();
    for key in 0..1001 {
        s3.put_object(BUCKET, &format!("{key:04}"), "");
    }
    let page = client.list_objects_v2().bucket(BUCKET).max_keys(5000).send().await.unwrap();
    assert_eq!((page.contents().len(), page.is_truncated()), (1000, Some(true)));
}

#[tokio::test]
async fn prefix_delimiter_and_start_after_work_together() {
    let (s3, client) = server();
    for key in ["data/a=1-2/x", "data/a=1/x", "data/a=1/y", "data/a=2/x", "data/top", "dataset/x", "other"] {
        s3.put_object(BUCKET, key, "");
    }
    let request = || client.list_objects_v2().bucket(BUCKET).prefix("data/").delimiter("/");
    let answer = request().send().await.unwrap();
    let prefixes: Vec<_> = answer.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect();
    assert_eq!(prefixes, ["data/a=1-2/", "data/a=1/", "data/a=2/"]);
    let keys: Vec<_> = answer.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["data/top"]);
    assert_eq!(answer.key_count(), Some(4));

    let mut paged = request().max_keys(1).into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = paged.next().await {
        let page = page.unwrap();
        seen.extend(page.common_prefixes().iter().filter_map(|prefix| prefix.prefix().map(str::to_owned)));
        seen.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
    }
    assert_eq!(seen, ["data/a=1-2/", "data/a=1/", "data/a=2/", "data/top"]);

    s3.clear_requests();
    let request = client.list_objects_v2().bucket(BUCKET).prefix("data/").start_after("data/a=1/x");
    let answer = request.send().await.unwrap();
    let keys: Vec<_> = answer.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["data/a=1/y", "data/a=2/x", "data/top"]);
    let request = &s3.requests()[0];
    assert_eq!((request.prefix(), request.start_after()), (Some("data/"), Some("data/a=1/x")));
    assert_eq!(request.key, None);
}

#[tokio::test]
async fn a_listing_contains_size_time_and_etag() {
    let (s3, client) = server();
    s3.set_time(ServerTime::Fixed("2026-03-17T10:20:30Z".parse().unwrap()));
    put(&client, "a", "hello").await.unwrap();
    let answer = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let object = &answer.contents()[0];
    assert_eq!(object.size(), Some(5));
    assert_eq!(object.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(object.last_modified().unwrap().to_string(), "2026-03-17T10:20:30Z");
    let bad = client.list_objects_v2().bucket(BUCKET).continuation_token("nonsense").send().await;
    assert_eq!(refusal(bad), (400, "InvalidArgument".to_owned()));
}

#[tokio::test]
async fn buckets_are_created_and_listed() {
    let (s3, client) = server();
    client.create_bucket().bucket("second").send().await.unwrap();
    client.head_bucket().bucket("second").send().await.unwrap();
    assert!(client.head_bucket().bucket("third").send().await.is_err());
    let answer = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = answer.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["second", BUCKET]);
    let operations: Vec<_> = s3.requests().iter().map(|request| request.operation).collect();
    let expected = [Operation::CreateBucket, Operation::HeadBucket, Operation::HeadBucket, Operation::ListBuckets];
    assert_eq!(operations, expected);
}
