//! Bodies of GETs that break off: the next try continues them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use s3store::testing::{Answer, Fault, FaultBuilder, Operation};
use s3store::{Dataset, ErrorKind, Record, View};

use crate::integration::harness::{BUCKET, Virtual, at, draws};
use crate::integration::records::Wide;

const MIB: usize = 1 << 20;

/// A dataset with one file of 24 MiB that does not compress.
struct Large {
    world: Virtual,
    dataset: Dataset,
    key: String,
    body: Bytes,
}

/// Returns 12 records with blobs of 2 MiB that do not compress.
fn records() -> Vec<Wide> {
    let mut state = 1_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut blob = || (0..2 * MIB / 8).flat_map(|_| word()).collect();
    (0..12).map(|small| Wide { part: "a".to_owned(), small, blob: blob() }).collect()
}

impl Large {
    async fn new() -> Self {
        let world = Virtual::new();
        let dataset = world.dataset().await;
        dataset.store::<Wide>().write(&records()).await.unwrap();
        let key = world.keys_with(".parquet").remove(0);
        let body = world.s3.object(BUCKET, &key).unwrap().body;
        assert!(body.len() > 20 * MIB, "{}", body.len());
        Self { world, dataset, key, body }
    }

    fn gets(&self) -> FaultBuilder {
        Fault::on(Operation::Get).key(&self.key)
    }

    async fn read(&self) -> s3store::Result<()> {
        self.world.s3.clear_requests();
        let (read, written) = (self.dataset.store::<Wide>().read_all().await?, records());
        let same = |(one, other): (&Wide, &Wide)| one.small == other.small && one.blob == other.blob;
        assert!(read.len() == 12 && read.iter().zip(&written).all(same), "other records");
        Ok(())
    }

    /// Returns a response with the bytes of the file from `start`, as S3 sends it, with these changes.
    fn respond(&self, start: usize, etag: Option<&str>, content_range: &str) -> Fault {
        let headers = [("last-modified", "Tue, 17 Mar 2026 12:00:00 GMT"), ("content-range", content_range)];
        let headers = headers.into_iter().chain(etag.map(|etag| ("etag", etag)));
        self.gets().skip(1).respond(206, headers, self.body.slice(start..))
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.world.s3.object(BUCKET, &self.key).unwrap().etag)
    }
}

/// Returns the bytes that each GET of the key was asked for, from which byte on, and the number of bytes that it sent.
fn fetched(world: &Virtual, key: &str, len: usize) -> Vec<(usize, usize)> {
    let gets = world.s3.requests().into_iter().filter(|request| request.key.as_deref() == Some(key));
    gets.map(|request| {
        let range = request.range().map(|range| {
            let (start, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            (start.parse::<usize>().unwrap(), last.parse::<usize>().unwrap())
        });
        let (start, last) = range.unwrap_or((0, len - 1));
        let sent = match request.answer {
            Answer::Cut { sent, .. } | Answer::Stalled { sent, .. } => sent,
            _ => last + 1 - start,
        };
        (start, sent)
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_many_times_is_fetched_once() {
    let large = Large::new().await;
    let etag = large.etag();
    for seed in 0..3 {
        let mut draw = draws(seed);
        let cuts: Vec<usize> = (0..12).map(|_| MIB + usize::try_from(draw(800_000)).unwrap()).collect();
        for cut in &cuts {
            large.world.s3.inject(large.gets().cut_body(*cut));
        }
        let (result, took) = large.world.timed(large.read()).await;
        result.unwrap();
        assert!(took < Duration::from_secs(12 * 300), "{took:?}");
        let fetched = fetched(&large.world, &large.key, large.body.len());
        assert_eq!(fetched.len(), 13, "each cut costs one GET");
        let mut position = 0;
        for (start, sent) in fetched {
            assert_eq!(start, position);
            position += sent;
        }
        assert_eq!(position, large.body.len(), "each byte is fetched once");
        let requests = large.world.s3.requests();
        let gets: Vec<_> = requests.iter().filter(|request| request.key.as_ref() == Some(&large.key)).collect();
        assert_eq!((gets[0].range(), gets[0].header("if-match")), (None, None));
        assert!(gets[1..].iter().all(|get| get.header("if-match") == Some(&etag)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_continued_after_the_deadline_of_a_try() {
    let large = Large::new().await;
    large.world.s3.inject(large.gets().times(6).stall_body(2 * MIB));
    let (result, took) = large.world.timed(large.read()).await;
    result.unwrap();
    assert!((6 * 30..6 * 30 + 6).contains(&took.as_secs()), "{took:?}");
    let fetched = fetched(&large.world, &large.key, large.body.len());
    assert_eq!(fetched.iter().map(|(_, sent)| sent).sum::<usize>(), large.body.len());
    assert_eq!(fetched.len(), 7);
}

/// The deadline of a try allows 1 MiB a second. A slower body is continued by the next try.
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_continued_after_its_deadline() {
    let large = Large::new().await;
    // 100 KiB a second: 240 s for the body. A try has 30 s and 1 s a MiB.
    large.world.s3.inject(large.gets().always().pace_body(100 << 10, Duration::from_secs(1)));
    let (result, took) = large.world.timed(large.read()).await;
    result.unwrap();
    assert!((230..260).contains(&took.as_secs()), "{took:?}");
    let fetched = fetched(&large.world, &large.key, large.body.len());
    assert!((5..10).contains(&fetched.len()), "{fetched:?}");
    assert!(fetched.windows(2).all(|pair| pair[0].0 < pair[1].0), "{fetched:?}");
}

#[tokio::test(start_paused = true)]
async fn tries_without_progress_count() {
    let large = Large::new().await;
    // Fewer bytes are fetched again, or kept but too few.
    for (each, starts) in [(1_000, [0, 0, 0, 0, 0]), (100_000, [0, 100_000, 200_000, 300_000, 400_000])] {
        large.world.s3.inject(large.gets().always().cut_body(each));
        let error = large.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("5 tries"), "{error}");
        let fetched = fetched(&large.world, &large.key, large.body.len());
        assert_eq!(fetched.iter().map(|(start, _)| *start).collect::<Vec<_>>(), starts);
        large.world.s3.clear_faults();
    }
    // After progress, the next try is the second again.
    for failures in [3, 4] {
        large.world.s3.inject(large.gets().cut_body(2 * MIB));
        large.world.s3.inject(large.gets().times(3).fail(503, "SlowDown"));
        large.world.s3.inject(large.gets().cut_body(2 * MIB));
        large.world.s3.inject(large.gets().times(failures).drop_connection());
        let result = large.read().await;
        assert_eq!(result.is_ok(), failures == 3);
        if let Err(error) = result {
            assert!(error.to_string().contains("9 tries"), "{error}");
        }
        large.world.s3.clear_faults();
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_changes_within_its_body_is_an_error() {
    let large = Large::new().await;
    large.world.s3.inject(large.gets().cut_body(3 * MIB));
    let (s3, key, body) = (large.world.s3.clone(), large.key.clone(), large.body.clone());
    let replaced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&replaced);
    large.world.s3.inject(large.gets().skip(1).call_before(move |_| {
        let mut other = body.to_vec();
        other[5 * MIB] ^= 1;
        s3.put_object(BUCKET, &key, other);
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    }));
    let error = large.read().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true));
    assert!(error.to_string().contains("was replaced while it was read"), "{error}");
    assert!(error.to_string().contains(&large.key), "{error}");
    assert_eq!(fetched(&large.world, &large.key, large.body.len()).len(), 2);
    assert_eq!(replaced.load(Ordering::SeqCst), 1);

    // A server that ignores `If-Match` sends another ETag, or 416 if the object is shorter.
    let large = Large::new().await;
    let range = format!("bytes {}-{}/{}", 3 * MIB, large.body.len() - 1, large.body.len());
    for fault in [large.respond(3 * MIB, Some("\"0\""), &range), large.gets().skip(1).fail(416, "InvalidRange")] {
        large.world.s3.inject(large.gets().cut_body(3 * MIB));
        large.world.s3.inject(fault);
        let error = large.read().await.unwrap_err();
        assert!(error.to_string().contains("was replaced while it was read"), "{error}");
    }
    // An object that is deleted is missing, as at the first try.
    large.world.s3.inject(large.gets().cut_body(3 * MIB));
    large.world.s3.inject(large.gets().skip(1).fail(404, "NoSuchKey"));
    assert_eq!(large.read().await.unwrap_err().kind(), ErrorKind::Vanished);
}

/// Each of these servers sends something else than the rest. Then the whole body is fetched again.
#[tokio::test(start_paused = true)]
async fn servers_that_do_not_continue_a_body_send_all_of_it() {
    let large = Large::new().await;
    let (etag, len, last) = (large.etag(), large.body.len(), large.body.len() - 1);
    let at = 3 * MIB;
    let object = [("etag", etag.as_str()), ("last-modified", "Tue, 17 Mar 2026 12:00:00 GMT")];
    let mut altered = large.body.to_vec();
    altered[len / 2] ^= 1;
    let altered = Bytes::from(altered).slice(at..);
    let page = "<html>Sign in</html>";
    let in_range = |content_range: &str| large.respond(at, Some(&etag), content_range);
    let right = format!("bytes {at}-{last}/{len}");
    let whole: &[usize] = &[0, at, 0];
    for (case, fault, starts) in [
        ("all", large.gets().skip(1).respond(200, object, large.body.clone()), [0, at].as_slice()),
        ("another range", in_range(&format!("bytes {}-{}/{len}", at - 1, last - 1)), whole),
        ("another size", in_range(&format!("bytes {at}-{last}/{}", len + 1)), whole),
        ("no range", in_range("bytes */5"), &[0, at, at]),
        ("no ETag", large.respond(at, None, &right), whole),
        ("501", large.gets().skip(1).fail(501, "NotImplemented"), whole),
        // The object's checksum shows what the SDK can't see.
        (
            "altered bytes",
            large.gets().skip(1).respond(206, object.into_iter().chain([("content-range", right.as_str())]), altered),
            whole,
        ),
        // These say nothing about the server behind them.
        ("a page", large.gets().skip(1).respond(200, [("content-type", "text/html")], page), &[0, at, at]),
        ("503", large.gets().skip(1).fail(503, "SlowDown"), &[0, at, at]),
    ] {
        large.world.s3.inject(large.gets().cut_body(at));
        large.world.s3.inject(fault);
        large.read().await.unwrap_or_else(|error| panic!("{case}: {error}"));
        let fetched = fetched(&large.world, &large.key, len);
        assert_eq!(fetched.iter().map(|(start, _)| *start).collect::<Vec<_>>(), starts, "{case}");
    }
    // A server that sends all of it each time makes progress only beyond the bytes that it sent before.
    let all = |cut: usize| large.gets().cut_body(cut);
    for cut in [at, 2 * MIB, 2 * MIB, 2 * MIB, 2 * MIB] {
        large.world.s3.inject(all(cut));
    }
    large.read().await.unwrap();
}

/// A record with a column of almost a mebibyte, and a view that reads only this column.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Reading {
    part: String,
    at: DateTime<Utc>,
    note: String,
}

#[derive(Debug, PartialEq, View)]
#[view(of = Reading, name = "days")]
struct Days {
    #[view(from = at, format = "%Y-%m-%d")]
    day: String,
}

#[tokio::test(start_paused = true)]
async fn a_range_that_breaks_off_is_continued() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let mut draw = draws(1);
    let reading = |n: i64| Reading {
        part: "a".to_owned(),
        at: at(n % 3 * 86_400_000_000 + draw(80_000_000_000)),
        note: format!("{n:x}{n:x}"),
    };
    let records: Vec<Reading> = (0..200_000).map(reading).collect();
    dataset.store::<Reading>().write(&records).await.unwrap();
    let key = world.keys_with(".parquet").remove(0);
    let len = world.s3.object(BUCKET, &key).unwrap().body.len();

    world.s3.clear_requests();
    dataset.view::<Days>().backfill("*").await.unwrap();
    let plain = fetched(&world, &key, len);
    let (start, bytes) = *plain.iter().max_by_key(|(_, sent)| *sent).unwrap();
    assert!(bytes > 800_000 && start + bytes < len, "{plain:?}");

    let cuts = [100_000, 90_000, 110_000, 80_000, 95_000, 85_000, 105_000];
    let is_large = move |request: &s3store::testing::Request| {
        let range = request.range().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        range.is_some_and(|(_, last)| last.parse() == Ok(start + bytes - 1))
    };
    for cut in cuts {
        world.s3.inject(Fault::on(Operation::Get).key(&key).matching(is_large).cut_body(cut));
    }
    world.s3.clear_requests();
    dataset.view::<Days>().backfill("*").await.unwrap();
    let mut position = start;
    let fetched = fetched(&world, &key, len);
    for (from, sent) in fetched.iter().filter(|(from, _)| (start..start + bytes).contains(from)) {
        assert_eq!(*from, position);
        position += sent;
    }
    assert_eq!((position, fetched.len()), (start + bytes, plain.len() + cuts.len()));
    let days = dataset.view::<Days>().lookup("*").await.unwrap();
    assert_eq!(days.len(), 3);
}
