//! Bodies that are altered on their way to the server, and servers whose ETags are not MD5s.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use bytes::Bytes;
use s3store::testing::{Checksums, ETags, Fault, FaultBuilder, Operation};
use s3store::{CommitError, Dataset, ErrorKind};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, listen, put};
use crate::integration::records::{Event, Parts};
use crate::integration::warnings::Warnings;

fn server(etags: ETags, checksums: Checksums) -> Virtual {
    let world = Virtual::new();
    world.s3.set_etags(etags);
    world.s3.set_checksums(checksums);
    world
}

fn altered(of: FaultBuilder) -> Fault {
    of.alter_body(|body| {
        let mut body = body.to_vec();
        match body.last_mut() {
            Some(last) => *last ^= 1,
            None => body.push(b'x'),
        }
        Bytes::from(body)
    })
}

/// Runs every operation that puts objects. Returns its requests, and the warnings about ETags.
async fn put_everything(world: &Virtual) -> (Vec<[usize; 4]>, usize) {
    let warnings = Warnings::default();
    let _guard = listen(tracing::Dispatch::new(warnings.clone()));
    let mut counts = Vec::new();
    let dataset = world.dataset().await;
    counts.push(world.counts());
    // Another process, and another one that reads nothing before it writes.
    for dataset in [dataset, world.options().open(world.s3.client(), BUCKET, PREFIX).await.unwrap()] {
        world.s3.clear_requests();
        let store = dataset.store::<Event>().add_view::<Parts>().unwrap();
        let commits = store.write(&Event::in_partitions(3, 2)).token("t").await.unwrap();
        counts.push(world.counts());
        dataset.restamp(&commits[0]).await.unwrap();
        counts.push(world.counts());
        dataset.view::<Parts>().backfill("*").await.unwrap();
        counts.push(world.counts());
        assert_eq!(store.read_all().await.unwrap().len(), 6);
        counts.push(world.counts());
    }
    let of_etags = warnings.take().iter().filter(|text| text.contains("ETags")).count();
    (counts, of_etags)
}

#[tokio::test(start_paused = true)]
async fn servers_whose_etags_are_no_md5s_cost_one_get_and_one_warning() {
    let (usual, warned) = put_everything(&server(ETags::Md5, Checksums::Verified)).await;
    assert_eq!(warned, 0);
    for (etags, checksums, extra, warnings) in [
        (ETags::Md5, Checksums::Ignored, 0, 0),
        // The server confirms the checksums, so ETags do not matter.
        (ETags::Other, Checksums::Verified, 0, 0),
        // `init` reads its first object back. Another process learns from the two objects that `open` reads, and warns too.
        (ETags::Other, Checksums::Ignored, 1, 2),
    ] {
        let (mut counts, warned) = put_everything(&server(etags, checksums)).await;
        assert_eq!(warned, warnings, "{etags:?} {checksums:?}");
        counts[0][2] -= extra;
        assert_eq!(counts, usual, "{etags:?} {checksums:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_altered_body_is_put_again_where_etag_or_checksum_shows_it() {
    for (etags, checksums) in
        [(ETags::Md5, Checksums::Verified), (ETags::Md5, Checksums::Ignored), (ETags::Other, Checksums::Verified)]
    {
        for (times, kind) in [(4, None), (5, Some(ErrorKind::Unavailable))] {
            let world = server(etags, checksums);
            let store = world.dataset().await.store::<Event>();
            world.s3.clear_requests();
            world.s3.inject(altered(put(".parquet").times(times)));
            let result = store.write_partition("part=a", &Event::of(&["a"], 1)).await;
            let of_data = |request: &&s3store::testing::Request| {
                request.operation == Operation::Put && request.target().unwrap().ends_with(".parquet")
            };
            assert_eq!(world.s3.requests().iter().filter(of_data).count(), 5, "{etags:?} {checksums:?}");
            match result {
                Ok(_) => assert_eq!(kind, None),
                Err(CommitError::NotCommitted(error)) => {
                    assert_eq!(Some(error.kind()), kind, "{error:?}");
                    assert!(checksums == Checksums::Verified || error.to_string().contains("altered"), "{error}");
                }
                Err(error) => panic!("{error:?}"),
            }
            assert_eq!(store.read_all().await.unwrap().len(), usize::from(kind.is_none()));
        }
    }
}

/// The first body that a process puts can be altered too: a different ETag alone does not show that ETags are no MD5s.
#[tokio::test(start_paused = true)]
async fn an_altered_first_body_is_not_taken_for_a_server_without_md5s() {
    for etags in [ETags::Md5, ETags::Other] {
        let world = server(ETags::Md5, Checksums::Ignored);
        let store = world.dataset().await.store::<Event>();
        // Encryption is turned on for the bucket, and the body is altered.
        world.s3.set_etags(etags);
        world.s3.inject(altered(put(".parquet")));
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        assert_eq!(store.read_all().await.unwrap().len(), 1, "{etags:?}");
        world.s3.inject(altered(put(".parquet").always()));
        let is_noticed = store.write(&Event::of(&["b"], 1)).await.is_err();
        // Without MD5s and checksums nothing shows it.
        assert_eq!(is_noticed, etags == ETags::Md5);
    }
}

#[tokio::test(start_paused = true)]
async fn an_altered_configuration_is_noticed() {
    for etags in [ETags::Md5, ETags::Other] {
        let world = server(etags, Checksums::Ignored);
        world.s3.inject(altered(put("commit-timeout")));
        let error = Dataset::init(world.s3.client(), BUCKET, PREFIX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    }
}

/// Replaces headers of this many responses.
#[derive(Debug)]
struct OtherHeaders(Arc<AtomicUsize>, &'static [(&'static str, &'static str)]);

impl Intercept for OtherHeaders {
    fn name(&self) -> &'static str {
        "other headers"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            for (name, value) in self.1 {
                context.response_mut().headers_mut().insert(*name, *value);
            }
        }
        Ok(())
    }
}

/// Opens the dataset with a client whose next `times` responses get these headers.
async fn with_headers(world: &Virtual, times: usize, headers: &'static [(&'static str, &'static str)]) -> Dataset {
    world.dataset().await;
    let left = Arc::new(AtomicUsize::new(0));
    let config = world.s3.config().interceptor(OtherHeaders(Arc::clone(&left), headers)).build();
    let dataset = world.options().open(Client::from_conf(config), BUCKET, PREFIX).await.unwrap();
    left.store(times, Ordering::Relaxed);
    world.s3.clear_requests();
    dataset
}

/// An object that is encrypted with a key of KMS or of the user, or was put in parts, has an ETag that is not its MD5.
#[tokio::test(start_paused = true)]
async fn an_etag_that_cannot_be_the_md5_is_not_compared() {
    const OTHER_MD5: (&str, &str) = ("etag", "\"00000000000000000000000000000000\"");
    const ENCRYPTION: &str = "x-amz-server-side-encryption";
    let cases: [(&'static [(&str, &str)], usize); 8] = [
        (&[OTHER_MD5, (ENCRYPTION, "aws:kms")], 0),
        (&[OTHER_MD5, (ENCRYPTION, "aws:kms:dsse")], 0),
        (&[OTHER_MD5, ("x-amz-server-side-encryption-customer-algorithm", "AES256")], 0),
        (&[("etag", "\"00000000000000000000000000000000-3\"")], 0),
        (&[("etag", "\"7af1\"")], 0),
        (&[("etag", "")], 0),
        // With S3's own key the ETag is the MD5, so the object is read back once.
        (&[OTHER_MD5, (ENCRYPTION, "AES256")], 1),
        (&[OTHER_MD5], 1),
    ];
    for (headers, gets) in cases {
        let world = server(ETags::Md5, Checksums::Ignored);
        let store = with_headers(&world, 3, headers).await.store::<Event>();
        store.write(&Event::of(&["a"], 1)).await.unwrap();
        assert_eq!(world.counts(), [3, 0, gets, 0], "{headers:?}");
        assert_eq!(store.read_all().await.unwrap().len(), 1, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_confirms_another_checksum_stored_another_body() {
    for (times, kind) in [(4, None), (5, Some(ErrorKind::Unavailable))] {
        let world = server(ETags::Md5, Checksums::Verified);
        let store = with_headers(&world, times, &[("x-amz-checksum-crc32", "AAAAAA==")]).await.store::<Event>();
        let result = store.write_partition("part=a", &Event::of(&["a"], 1)).await;
        assert_eq!(result.as_ref().err().map(CommitError::kind), kind, "{result:?}");
        if let Err(error) = result {
            assert!(format!("{error:?}").contains("altered"), "{error:?}");
            assert_eq!(world.s3.requests().len(), 5);
        }
    }
}
