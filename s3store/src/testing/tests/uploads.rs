//! Multipart uploads: parts, their checksums, and the list of unfinished uploads.

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, EncodingType};

use super::*;

async fn start(request: CreateMultipartUploadFluentBuilder) -> String {
    request.send().await.unwrap().upload_id.unwrap()
}

fn part(client: &Client, id: &str, number: i32, body: &'static str) -> UploadPartFluentBuilder {
    let request = client.upload_part().bucket(BUCKET).key("a").upload_id(id).part_number(number);
    request.body(Bytes::from_static(body.as_bytes()).into())
}

async fn complete(client: &Client, id: &str, parts: &[CompletedPart]) -> Result<String, (u16, String)> {
    let upload = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    let request = client.complete_multipart_upload().bucket(BUCKET).key("a").upload_id(id).multipart_upload(upload);
    match request.send().await {
        Ok(completed) => Ok(completed.e_tag.unwrap()),
        Err(error) => Err(refusal::<(), _>(Err(error))),
    }
}

#[tokio::test]
async fn parts_become_one_object() {
    const LARGE: usize = 5 * 1024 * 1024;
    let (s3, client) = server();
    let create = client.create_multipart_upload().bucket(BUCKET).key("a").metadata("attempt", "1");
    let id = create.send().await.unwrap().upload_id.unwrap();
    let mut parts = Vec::new();
    for (number, body) in [(1, vec![1; LARGE]), (2, vec![2; LARGE]), (3, vec![3; 10])] {
        let request = client.upload_part().bucket(BUCKET).key("a").upload_id(&id).part_number(number);
        let etag = request.body(body.into()).send().await.unwrap().e_tag.unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    assert!(s3.keys(BUCKET).is_empty());
    let complete = |parts: &[CompletedPart]| {
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        client.complete_multipart_upload().bucket(BUCKET).key("a").upload_id(&id).multipart_upload(upload).send()
    };
    let swapped = [parts[1].clone(), parts[0].clone()];
    assert_eq!(refusal(complete(&swapped).await), (400, "InvalidPartOrder".to_owned()));
    let small_first = [parts[2].clone(), CompletedPart::builder().part_number(4).e_tag("\"x\"").build()];
    assert_eq!(refusal(complete(&small_first).await), (400, "EntityTooSmall".to_owned()));
    let unknown = [CompletedPart::builder().part_number(1).e_tag("\"x\"").build()];
    assert_eq!(refusal(complete(&unknown).await), (400, "InvalidPart".to_owned()));
    complete(&parts).await.unwrap();

    let object = s3.object(BUCKET, "a").unwrap();
    assert_eq!(object.body.len(), 2 * LARGE + 10);
    assert_eq!(object.body[LARGE], 2);
    assert!(object.etag.ends_with("-3"), "{}", object.etag);
    assert_eq!(object.metadata["attempt"], "1");
    assert_eq!(refusal(complete(&parts).await), (404, "NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn an_upload_is_aborted() {
    let (s3, client) = server();
    let id = client.create_multipart_upload().bucket(BUCKET).key("a").send().await.unwrap().upload_id.unwrap();
    client.abort_multipart_upload().bucket(BUCKET).key("a").upload_id(&id).send().await.unwrap();
    let part = client.upload_part().bucket(BUCKET).key("a").upload_id(&id).part_number(1).send().await;
    assert_eq!(refusal(part), (404, "NoSuchUpload".to_owned()));
    let operations: Vec<_> = s3.requests().iter().map(|request| request.operation).collect();
    assert_eq!(operations, [Operation::CreateUpload, Operation::AbortUpload, Operation::UploadPart]);
}

#[tokio::test]
async fn the_smallest_part_can_be_changed() {
    let (s3, client) = server();
    let id = start(client.create_multipart_upload().bucket(BUCKET).key("a")).await;
    let mut parts = Vec::new();
    for (number, body) in [(1, "hello"), (2, "x")] {
        let etag = part(&client, &id, number, body).send().await.unwrap().e_tag.unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    for smallest in [None, Some(6)] {
        s3.set_min_part_size(smallest.unwrap_or(multipart::SMALLEST_PART));
        assert_eq!(complete(&client, &id, &parts).await, Err((400, "EntityTooSmall".to_owned())));
    }
    s3.set_min_part_size(5);
    complete(&client, &id, &parts).await.unwrap();
    assert_eq!(s3.object(BUCKET, "a").unwrap().body, "hellox");
}

#[tokio::test]
async fn parts_have_the_checksum_that_the_upload_was_started_with() {
    let (s3, client) = server();
    let create = client.create_multipart_upload().bucket(BUCKET).key("a");
    let id = start(create.checksum_algorithm(ChecksumAlgorithm::Sha256)).await;
    let missing = part(&client, &id, 1, "hello").send().await;
    assert_eq!(refusal(missing), (400, "InvalidRequest".to_owned()));
    let landed = part(&client, &id, 1, "hello").checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    let named = || CompletedPart::builder().part_number(1).e_tag(landed.e_tag().unwrap());
    assert_eq!(complete(&client, &id, &[named().build()]).await, Err((400, "InvalidRequest".to_owned())));
    let wrong = named().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").build();
    assert_eq!(complete(&client, &id, &[wrong]).await, Err((400, "InvalidPart".to_owned())));
    let right = named().set_checksum_sha256(landed.checksum_sha256.clone()).build();
    complete(&client, &id, &[right]).await.unwrap();

    // A server that ignores checksums needs none.
    s3.set_checksums(Checksums::Ignored);
    let create = client.create_multipart_upload().bucket(BUCKET).key("a");
    let id = start(create.checksum_algorithm(ChecksumAlgorithm::Sha256)).await;
    let landed = part(&client, &id, 1, "hello").send().await.unwrap();
    assert_eq!(landed.checksum_crc32(), None);
    let named = CompletedPart::builder().part_number(1).e_tag(landed.e_tag().unwrap()).build();
    complete(&client, &id, &[named]).await.unwrap();
}

#[tokio::test]
async fn parts_can_be_altered_and_have_other_entity_tags() {
    let (s3, client) = server();
    let id = start(client.create_multipart_upload().bucket(BUCKET).key("a")).await;
    let altered = || Fault::on(Operation::UploadPart).alter_body(|_| Bytes::from_static(b"other"));
    s3.inject(altered());
    assert_eq!(refusal(part(&client, &id, 1, "hello").send().await), (400, "BadDigest".to_owned()));
    s3.set_checksums(Checksums::Ignored);
    s3.set_etags(ETags::Other);
    s3.inject(altered());
    let etag = part(&client, &id, 1, "hello").send().await.unwrap().e_tag.unwrap();
    let again = part(&client, &id, 2, "hello").send().await.unwrap().e_tag.unwrap();
    assert!(etag != again && etag.len() == 34, "{etag} {again}");
    let named = [CompletedPart::builder().part_number(1).e_tag(&etag).build()];
    let of_object = complete(&client, &id, &named).await.unwrap();
    assert_eq!(s3.object(BUCKET, "a").unwrap().body, "other");
    assert_eq!(of_object.trim_matches('"'), s3.object(BUCKET, "a").unwrap().etag);
}

#[tokio::test]
async fn unfinished_uploads_are_listed_in_pages() {
    let (s3, client) = server();
    s3.set_time(ServerTime::Fixed("2026-03-17T10:20:30.9Z".parse().unwrap()));
    let mut ids = Vec::new();
    for key in ["d/b", "d/a b", "d/b", "e/a", "d/c"] {
        ids.push((start(client.create_multipart_upload().bucket(BUCKET).key(key)).await, key));
    }
    client.abort_multipart_upload().bucket(BUCKET).key("d/c").upload_id(&ids[4].0).send().await.unwrap();
    assert_eq!(s3.uploads(BUCKET), ["d/a b", "d/b", "d/b", "e/a"]);
    assert!(s3.uploads("nowhere").is_empty());

    let list = || client.list_multipart_uploads().bucket(BUCKET).prefix("d/").encoding_type(EncodingType::Url);
    let all = list().send().await.unwrap();
    let found: Vec<_> =
        all.uploads().iter().map(|upload| (upload.upload_id().unwrap(), upload.key().unwrap())).collect();
    assert_eq!(found, [(ids[1].0.as_str(), "d/a%20b"), (&ids[0].0, "d/b"), (&ids[2].0, "d/b")]);
    assert_eq!((all.is_truncated(), all.next_key_marker()), (Some(false), None));
    assert_eq!(all.uploads()[0].initiated().unwrap().to_string(), "2026-03-17T10:20:30Z");

    // Two uploads of one key are on different pages.
    s3.set_page_size(2);
    let first = list().send().await.unwrap();
    assert_eq!((first.is_truncated(), first.uploads().len()), (Some(true), 2));
    let after = list().key_marker("d/b").set_upload_id_marker(first.next_upload_id_marker.clone());
    let second = after.send().await.unwrap();
    assert_eq!(second.uploads()[0].upload_id(), Some(ids[2].0.as_str()));
    assert_eq!((second.is_truncated(), second.uploads().len()), (Some(false), 1));
    let after_key = list().key_marker("d/b").send().await.unwrap();
    assert_eq!(after_key.uploads().len(), 0);
    let one = list().max_uploads(1).send().await.unwrap();
    assert_eq!((one.uploads().len(), one.next_key_marker()), (1, Some("d/a%20b")));

    s3.clear_requests();
    s3.inject(Fault::on(Operation::ListUploads).key("d/").fail(501, "NotImplemented"));
    assert_eq!(refusal(list().send().await), (501, "NotImplemented".to_owned()));
    assert_eq!(s3.requests()[0].operation, Operation::ListUploads);
    assert_eq!(refusal(list().delimiter("/").send().await), (501, "NotImplemented".to_owned()));
}
