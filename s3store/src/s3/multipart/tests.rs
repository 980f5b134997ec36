use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;

use super::*;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::format::Prefix;
use crate::s3::{ClientRetries, Consistency, Put, Settings, md5_hex};
use crate::testing::{Checksums, ETags, Fault, FaultBuilder, Meanwhile, Operation as Sent, S3, ServerTime};

const BUCKET: &str = "warehouse";
const KEY: &str = "d/data/part=a/t-1.parquet";
const PERMITS: usize = 2;
const WHAT: &str = "data file";

/// An S3 and the client of a dataset, both in virtual time. Parts may have any size.
struct World {
    s3: S3,
    client: BucketClient,
}

impl World {
    fn new() -> Self {
        let s3 = S3::with_bucket(BUCKET);
        let client = s3.client();
        Self::with(s3, client)
    }

    fn with(s3: S3, client: Client) -> Self {
        let clock = Clock::virtual_time();
        s3.set_time(ServerTime::Tokio(clock.now()));
        s3.set_min_part_size(0);
        let settings = Settings {
            bucket: BUCKET.to_owned(),
            permits: PERMITS,
            consistency: Consistency::default(),
            try_deadline: Duration::from_secs(30),
            client_retries: ClientRetries::Off,
            prefix: Prefix::new("d").unwrap(),
            page_size: None,
        };
        Self { s3, client: BucketClient::new(client, settings, None, clock) }
    }

    async fn start(&self) -> Upload {
        self.client.start_upload(WHAT, KEY).await.unwrap()
    }

    /// Uploads an object of two parts.
    async fn upload(&self) -> Result<()> {
        let upload = self.client.start_upload(WHAT, KEY).await?;
        let parts = vec![put(&upload, 2, "world").await?, put(&upload, 1, "hello ").await?];
        upload.complete(parts, 11).await
    }

    fn body(&self) -> Option<Bytes> {
        self.s3.object(BUCKET, KEY).map(|object| object.body)
    }

    /// Returns how many requests of each operation have arrived.
    fn counts(&self) -> HashMap<Sent, usize> {
        self.s3.requests().iter().fold(HashMap::new(), |mut counts, request| {
            *counts.entry(request.operation).or_default() += 1;
            counts
        })
    }

    fn count(&self, operation: Sent) -> usize {
        self.counts().get(&operation).copied().unwrap_or_default()
    }

    fn assert_no_permit_is_held(&self) {
        assert_eq!(self.client.0.permits.available_permits(), PERMITS);
    }
}

async fn put(upload: &Upload, number: i32, body: &str) -> Result<UploadedPart> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let md5 = md5_hex(&body);
    upload.put_part(number, body, md5).await
}

/// Returns every fault after which another try succeeds, with whether it applies the request.
fn passing_faults(of: &FaultBuilder) -> Vec<(&'static str, Fault)> {
    let of = || of.clone();
    vec![
        ("503", of().fail(503, "SlowDown")),
        ("429", of().fail(429, "TooManyRequests")),
        ("500 applied", of().fail_applied(500, "InternalError")),
        ("dropped", of().drop_connection()),
        ("dropped applied", of().drop_connection_applied()),
        ("silent", of().hang()),
        ("silent applied", of().hang_applied()),
        ("slow", of().delay(Duration::from_secs(60))),
        ("slow answer", of().delay_answer(Duration::from_secs(60))),
        ("late", of().apply_late(Meanwhile::ConnectionLost)),
        ("later", of().apply_after(Duration::from_secs(1), Meanwhile::Error(500, "InternalError".to_owned()))),
        ("a portal", of().respond(200, [("content-type", "text/html")], "<html>Sign in</html>")),
        ("a proxy", of().respond(404, [("content-type", "text/html")], "<html>Not found</html>")),
        ("an empty page", of().respond(502, [], "")),
    ]
}

const REQUESTS: [Sent; 4] = [Sent::CreateUpload, Sent::UploadPart, Sent::CompleteUpload, Sent::AbortUpload];

#[tokio::test(start_paused = true)]
async fn parts_become_an_object_in_the_order_of_their_numbers() {
    let world = World::new();
    world.upload().await.unwrap();
    let object = world.s3.object(BUCKET, KEY).unwrap();
    assert_eq!((object.body.as_ref(), object.content_type.as_deref()), (b"hello world".as_slice(), Some(CONTENT_TYPE)));
    assert!(world.s3.uploads(BUCKET).is_empty());
    let requests = world.s3.requests();
    let sent: Vec<_> = requests.iter().map(|request| request.operation).collect();
    assert_eq!(sent, [Sent::CreateUpload, Sent::UploadPart, Sent::UploadPart, Sent::CompleteUpload]);
    assert_eq!(requests[0].header("x-amz-checksum-algorithm"), Some("CRC32"));
    assert!(requests[1].header("x-amz-checksum-crc32").is_some());
    world.assert_no_permit_is_held();
}

/// S3 refuses an upload that was started with a checksum if its parts have none, so both must agree.
#[tokio::test(start_paused = true)]
async fn a_client_without_checksums_uploads_too() {
    let s3 = S3::with_bucket(BUCKET);
    let config = s3.config().request_checksum_calculation(RequestChecksumCalculation::WhenRequired).build();
    let world = World::with(s3, Client::from_conf(config));
    world.upload().await.unwrap();
    assert_eq!(world.body().unwrap(), "hello world");
    let headers = ["x-amz-checksum-algorithm", "x-amz-checksum-crc32"];
    assert!(world.s3.requests().iter().all(|request| headers.iter().all(|name| request.header(name).is_none())));
}

#[tokio::test(start_paused = true)]
async fn parts_that_are_too_small_are_refused() {
    let world = World::new();
    world.s3.set_min_part_size(7);
    let error = world.upload().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().starts_with(&format!("complete the upload of data file {KEY}: ")), "{error}");
    assert_eq!(world.counts(), [(Sent::CreateUpload, 1), (Sent::UploadPart, 2), (Sent::CompleteUpload, 1)].into());
    world.assert_no_permit_is_held();
}

#[tokio::test(start_paused = true)]
async fn each_request_survives_each_fault() {
    for operation in REQUESTS {
        for (name, fault) in passing_faults(&Fault::on(operation)) {
            let case = format!("{operation:?}, {name}");
            let world = World::new();
            world.s3.inject(fault);
            let is_abort = operation == Sent::AbortUpload;
            if is_abort {
                let upload = world.start().await;
                put(&upload, 1, "hello").await.unwrap();
                upload.abort().await.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(world.body(), None, "{case}");
            } else {
                world.upload().await.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(world.body().unwrap(), "hello world", "{case}");
            }
            assert_eq!(world.s3.faults_left(), 0, "{case}");
            let expected = if operation == Sent::UploadPart { 3 } else { 2 };
            assert_eq!(world.count(operation), expected, "{case}");
            world.assert_no_permit_is_held();
            // The request that had no response lands.
            world.client.clock().sleep(Duration::from_secs(600)).await;
            world.s3.land_late().await;
            if !is_abort {
                assert_eq!(world.body().unwrap(), "hello world", "{case}");
            }
            // Only an upload whose start had no response is left behind.
            let first = &world.s3.requests()[0];
            let is_left = operation == Sent::CreateUpload && first.applied.is_some();
            assert_eq!(world.s3.uploads(BUCKET).len(), usize::from(is_left), "{case}");
        }
    }
}

/// The response to a completion is cut off before it says that the object exists.
#[tokio::test(start_paused = true)]
async fn a_response_that_breaks_off_is_no_response() {
    for (operation, heads) in [(Sent::CreateUpload, 0), (Sent::CompleteUpload, 1)] {
        for after in [0, 60] {
            for fault in [Fault::on(operation).cut_body(after), Fault::on(operation).stall_body(after), {
                // Without a length, the end looks like one.
                Fault::on(operation).rewrite_body(move |body| body.slice(..after))
            }] {
                let world = World::new();
                world.s3.inject(fault);
                world.upload().await.unwrap();
                assert_eq!(world.body().unwrap(), "hello world");
                assert_eq!((world.count(operation), world.count(Sent::Head)), (2, heads), "{operation:?} {after}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_is_tried_five_times() {
    for operation in REQUESTS {
        let world = World::new();
        world.s3.inject(Fault::on(operation).always().fail(503, "SlowDown"));
        let error = match operation {
            Sent::AbortUpload => world.start().await.abort().await.unwrap_err(),
            _ => world.upload().await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(&format!("data file {KEY}: throttled")), "{error}");
        assert_eq!(world.count(operation), 5, "{operation:?}");
        world.assert_no_permit_is_held();
    }
}

/// Returns a response of S3 that fails after the status was sent.
fn late_error(code: &str) -> String {
    let code = format!("<Code>{code}</Code><Message>late</Message><RequestId>1</RequestId>");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n    \n  <Error>{code}</Error>")
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_status_200_counts_as_one() {
    let of = || Fault::on(Sent::CompleteUpload);
    let header = [("content-type", "application/xml"), ("x-amz-request-id", "1")];
    for code in ["InternalError", "SlowDown", "ServiceUnavailable"] {
        let world = World::new();
        world.s3.inject(of().respond(200, header, late_error(code)));
        world.upload().await.unwrap();
        assert_eq!((world.count(Sent::CompleteUpload), world.count(Sent::Head)), (2, 0), "{code}");
        assert_eq!(world.body().unwrap(), "hello world");
    }
    // The error does not exclude that the object appears.
    let world = World::new();
    world.s3.inject(of().times(5).respond(200, header, late_error("InternalError")));
    let error = world.upload().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("200 InternalError: late"), "{error}");
    assert_eq!((world.count(Sent::CompleteUpload), world.count(Sent::Head)), (5, 1));

    let world = World::new();
    world.s3.inject(of().respond(200, header, late_error("InvalidPart")));
    let error = world.upload().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert_eq!((world.count(Sent::CompleteUpload), world.count(Sent::Head)), (1, 0));
    assert_eq!(world.body(), None);
}

#[tokio::test(start_paused = true)]
async fn white_space_before_the_result_keeps_the_connection_alive() {
    let world = World::new();
    world.s3.inject(Fault::on(Sent::CompleteUpload).rewrite_body(|body| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let start = text.find("<CompleteMultipartUploadResult").unwrap();
        Bytes::from(format!("{}\n   \n   \n{}", &text[..start], &text[start..]))
    }));
    world.upload().await.unwrap();
    assert_eq!((world.count(Sent::CompleteUpload), world.count(Sent::Head)), (1, 0));
}

/// Completes an upload that S3 does not know any more.
async fn complete_unknown(world: &World) -> Error {
    let upload = world.start().await;
    let part = put(&upload, 1, "hello").await.unwrap();
    upload.abort().await.unwrap();
    upload.complete(vec![part], 5).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn the_object_decides_if_the_upload_is_unknown() {
    let world = World::new();
    let error = complete_unknown(&world).await;
    assert_eq!(error.kind(), ErrorKind::Vanished, "{error}");
    assert!(error.to_string().contains("NoSuchUpload"), "{error}");
    assert_eq!(world.count(Sent::Head), 1);

    // Another size.
    world.s3.put_object(BUCKET, KEY, "hello!");
    assert_eq!(complete_unknown(&world).await.kind(), ErrorKind::Vanished);

    // The permissions do not allow a HEAD.
    world.s3.inject(Fault::on(Sent::Head).fail(403, ""));
    let error = complete_unknown(&world).await;
    assert!(error.to_string().contains("NoSuchUpload"), "{error}");

    // The caller stopped waiting for the first call and completes again.
    let upload = world.start().await;
    let part = put(&upload, 1, "hello").await.unwrap();
    upload.complete(vec![part.clone()], 5).await.unwrap();
    upload.complete(vec![part], 5).await.unwrap();
    assert_eq!(world.body().unwrap(), "hello");
    world.assert_no_permit_is_held();
}

/// No try of the completion has a response, but the last one was applied.
#[tokio::test(start_paused = true)]
async fn the_object_decides_if_no_completion_was_answered() {
    for (applied, kind) in [(true, None), (false, Some(ErrorKind::Unavailable))] {
        let world = World::new();
        let of = Fault::on(Sent::CompleteUpload);
        world.s3.inject(of.clone().times(4).drop_connection());
        world.s3.inject(if applied { of.skip(4).drop_connection_applied() } else { of.skip(4).drop_connection() });
        let result = world.upload().await;
        assert_eq!(result.as_ref().err().map(Error::kind), kind, "{result:?}");
        assert_eq!((world.count(Sent::CompleteUpload), world.count(Sent::Head)), (5, 1));
        assert_eq!(world.body().is_some(), applied);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_aborted_more_than_once() {
    let world = World::new();
    let upload = world.start().await;
    put(&upload, 1, "hello").await.unwrap();
    assert_eq!(world.s3.uploads(BUCKET), [KEY]);
    upload.abort().await.unwrap();
    assert!(world.s3.uploads(BUCKET).is_empty());
    upload.abort().await.unwrap();
    let error = put(&upload, 2, "world").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vanished, "{error}");
    assert!(error.to_string().starts_with(&format!("put part 2 of data file {KEY}: not found (404 NoSuchUpload")));
    assert_eq!((world.count(Sent::AbortUpload), world.count(Sent::UploadPart)), (2, 2));
    // A policy may allow uploads but no abort.
    world.s3.inject(Fault::on(Sent::AbortUpload).fail(403, "AccessDenied"));
    assert_eq!(upload.abort().await.unwrap_err().kind(), ErrorKind::Refused);
}

fn altered(times: usize) -> Fault {
    Fault::on(Sent::UploadPart).times(times).alter_body(|body| {
        let mut body = body.to_vec();
        body.push(b'!');
        Bytes::from(body)
    })
}

#[tokio::test(start_paused = true)]
async fn an_altered_part_is_put_again_where_etag_or_checksum_shows_it() {
    for (etags, checksums) in
        [(ETags::Md5, Checksums::Verified), (ETags::Md5, Checksums::Ignored), (ETags::Other, Checksums::Verified)]
    {
        for times in [4, 5] {
            let world = World::new();
            world.s3.set_etags(etags);
            world.s3.set_checksums(checksums);
            world.s3.inject(altered(times));
            let upload = world.start().await;
            let part = put(&upload, 1, "hello").await;
            assert_eq!(world.count(Sent::UploadPart), 5, "{etags:?} {checksums:?}");
            world.assert_no_permit_is_held();
            match part {
                Ok(part) => {
                    assert_eq!(times, 4, "{etags:?} {checksums:?}");
                    upload.complete(vec![part], 5).await.unwrap();
                    assert_eq!(world.body().unwrap(), "hello");
                }
                Err(error) => {
                    assert_eq!((times, error.kind()), (5, ErrorKind::Unavailable), "{error}");
                    assert!(checksums == Checksums::Verified || error.to_string().contains("altered"), "{error}");
                }
            }
        }
    }
}

/// A part can't be read back, so only what is known of the server's ETags decides.
#[tokio::test(start_paused = true)]
async fn a_part_with_another_etag_is_accepted_where_etags_are_known_to_be_no_md5s() {
    let world = World::new();
    world.s3.set_etags(ETags::Other);
    world.s3.set_checksums(Checksums::Ignored);
    let upload = world.start().await;
    let error = put(&upload, 1, "hello").await.unwrap_err();
    assert_eq!((error.kind(), world.count(Sent::UploadPart)), (ErrorKind::Unavailable, 5), "{error}");
    assert!(error.to_string().contains("the ETag is not the part's MD5"), "{error}");
    // A small object that is read back shows it.
    world.client.put(WHAT, Put::new("d/data/small", Bytes::from_static(b"small"))).await.unwrap();
    world.s3.clear_requests();
    let part = put(&upload, 1, "hello").await.unwrap();
    assert_eq!(world.count(Sent::UploadPart), 1);
    upload.complete(vec![part], 5).await.unwrap();
    assert_eq!(world.body().unwrap(), "hello");
}

/// Parts say nothing about the ETags of objects.
#[tokio::test(start_paused = true)]
async fn parts_with_an_md5_do_not_give_etags_a_meaning() {
    let world = World::new();
    world.s3.set_checksums(Checksums::Ignored);
    world.client.0.etags.observe_proof();
    let upload = world.start().await;
    put(&upload, 1, "hello").await.unwrap();
    assert!(world.client.0.etags.is_meaningless());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_part_frees_its_permit() {
    let world = World::new();
    let upload = world.start().await;
    world.s3.inject(Fault::on(Sent::UploadPart).times(2 * PERMITS).hang());
    for number in 1..=4 {
        let part = put(&upload, number, "hello");
        assert!(world.client.clock().limit(Duration::from_secs(5), part).await.is_none());
        tokio::task::yield_now().await;
        world.assert_no_permit_is_held();
    }
    // The task of a request that nobody polls ends by itself.
    world.s3.inject(Fault::on(Sent::UploadPart).delay(Duration::from_secs(5)));
    let mut unpolled = Box::pin(put(&upload, 5, "hello"));
    assert!(futures_util::poll!(&mut unpolled).is_pending());
    world.client.clock().sleep(Duration::from_secs(10)).await;
    world.assert_no_permit_is_held();
    unpolled.await.unwrap();
    upload.abort().await.unwrap();
    assert!(world.s3.uploads(BUCKET).is_empty());
}

#[tokio::test(start_paused = true)]
async fn large_parts_and_objects_get_more_time() {
    const SIZE: usize = 8 << 20;
    let world = World::new();
    let upload = world.start().await;
    let body = Bytes::from(vec![0; SIZE]);
    let md5 = md5_hex(&body);
    let in_time = |took: Duration| (Duration::from_secs(38)..Duration::from_secs(39)).contains(&took);
    world.s3.inject(Fault::on(Sent::UploadPart).hang());
    let began = world.client.clock().monotonic();
    let part = upload.put_part(1, body, md5).await.unwrap();
    let landed = world.client.clock().monotonic();
    assert!(in_time(landed - began), "{:?}", landed - began);
    world.s3.inject(Fault::on(Sent::CompleteUpload).hang());
    upload.complete(vec![part], SIZE as u64).await.unwrap();
    let took = world.client.clock().monotonic() - landed;
    assert!(in_time(took), "{took:?}");
}
