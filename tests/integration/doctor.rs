//! `doctor`: the findings about a dataset.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use s3store::doctor::{Finding, Report};
use s3store::testing::{Fault, Operation};
use s3store::{Clock, Dataset, ErrorKind};

use crate::integration::harness::{BUCKET, PREFIX, Server, Virtual, options, put, sleep};
use crate::integration::records::Event;

async fn examined(dataset: &Dataset) -> Report {
    sleep(dataset.settle_window() + Duration::from_secs(2)).await;
    dataset.doctor(..).await.unwrap()
}

fn texts(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_healthy_dataset_has_no_findings() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    store.write(&Event::of(&["a", "b"], 3)).await.unwrap();
    store.write(&Event::of(&["a"], 2)).token("t").await.unwrap();
    let report = examined(&dataset).await;
    assert_eq!(texts(&report), [""; 0]);
    assert_eq!((report.refs, report.commits, report.files), (3, 3, 3));

    // 2 LISTs, 1 of the log and 1 of uploads, 1 GET of the log, and 1 HEAD and 1 GET for each commit.
    world.s3.clear_requests();
    dataset.doctor(..).await.unwrap();
    assert_eq!(world.count(Operation::ListUploads), 1);
    assert_eq!(world.counts(), [0, 3, 4, 4]);
    dataset.doctor(..).without_record_counts().await.unwrap();
    assert_eq!(world.counts(), [0, 3, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn late_commits_are_found_until_they_are_restamped() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    world.s3.inject(put(".commit").times(4).hang());
    store.write(&Event::of(&["a"], 1)).report_late().await.unwrap_err();
    world.s3.inject(put(".ref").times(4).hang());
    store.write(&Event::of(&["b"], 1)).report_late().await.unwrap_err();
    let report = examined(&dataset).await;
    assert_eq!(report.findings.len(), 2, "{:?}", texts(&report));
    for finding in &report.findings {
        let Finding::Late { commit, ref_landed: Some(_), commit_landed: Some(landed), .. } = finding else {
            panic!("{finding:?}")
        };
        assert!(*landed - commit.offset.instant().unwrap() > chrono::TimeDelta::seconds(14));
        assert_eq!(store.lookup_commit(&commit.partition, &commit.token).await.unwrap().as_ref(), Some(commit));
        dataset.restamp(finding.to_restamp().unwrap()).await.unwrap();
    }
    assert_eq!(texts(&examined(&dataset).await), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn leftovers_of_failed_writes_are_found() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let records = Event::of(&["a"], 1);
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    store.write(&records).token("t").await.unwrap_err();
    world.s3.inject(put(".ref").fail(403, "AccessDenied"));
    store.write(&records).token("t").await.unwrap_err();
    store.write(&records).token("t").await.unwrap();
    world.s3.put_object(BUCKET, &format!("{PREFIX}/_ref/1000000000000000;x.ref"), "");
    let report = examined(&dataset).await;
    let kinds: Vec<_> = texts(&report).iter().map(|text| text.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["malformed ref", "ref without commit", "file without commit", "file without commit"]);
    assert_eq!((report.refs, report.commits, report.files), (2, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn damage_is_found() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let mut commits = store.write(&Event::of(&["a", "b", "c", "d", "e", "f"], 3)).await.unwrap().into_iter();
    let mut next = || commits.next().unwrap();
    let (no_file, no_ref, other_rows, broken, no_meta, _good) = (next(), next(), next(), next(), next(), next());
    world.s3.remove_object(BUCKET, &no_file.data_path).unwrap();
    world.s3.remove_object(BUCKET, &no_ref.ref_path).unwrap();
    let foreign = store.write(&Event::of(&["c"], 5)).await.unwrap().remove(0);
    let body = world.s3.object(BUCKET, &foreign.data_path).unwrap().body;
    world.s3.put_object(BUCKET, &other_rows.data_path, body);
    world.s3.put_object(BUCKET, &broken.data_path, "");
    world.s3.put_object(BUCKET, &format!("{PREFIX}/data/part=e/{}.commit", no_meta.token), "");
    let report = examined(&dataset).await;
    let texts = texts(&report);
    let expected = [
        format!("commit without file: {}", no_file.data_path),
        format!("commit without ref: {}", no_ref.data_path),
        format!("unreadable: {PREFIX}/data/part=e/{}.commit", no_meta.token),
        format!("{} has 5 rows, its commit states 3", other_rows.data_path),
        format!("unreadable: {}", broken.data_path),
    ];
    assert_eq!(texts.len(), expected.len(), "{texts:#?}");
    assert!(texts.iter().zip(&expected).all(|(text, expected)| text.starts_with(expected)), "{texts:#?}");
    dataset.restamp(report.findings[1].to_restamp().unwrap()).await.unwrap();
    assert_eq!(examined(&dataset).await.findings.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn only_the_window_is_examined_and_never_writes_that_may_be_in_progress() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    let mut instants: Vec<DateTime<Utc>> = Vec::new();
    for _ in 0..3 {
        sleep(Duration::from_secs(100)).await;
        world.s3.inject(put(".commit").fail(403, "AccessDenied"));
        store.write(&Event::of(&["a"], 1)).await.unwrap_err();
        instants.push(world.clock.now());
    }
    // Judging by its objects, the last write may still be in progress.
    assert_eq!(dataset.doctor(..).await.unwrap().findings.len(), 4);
    assert_eq!(examined(&dataset).await.findings.len(), 6);
    let of = async |report: s3store::doctor::Doctor| report.await.unwrap().findings.len();
    let ten = chrono::TimeDelta::seconds(10);
    assert_eq!(of(dataset.doctor(instants[0] - ten..instants[0] + ten)).await, 2);
    assert_eq!(of(dataset.doctor(instants[1] - ten..)).await, 4);
    assert_eq!(of(dataset.doctor(..instants[2] - ten)).await, 4);
    assert_eq!(of(dataset.doctor(instants[2] + ten..)).await, 0);

    world.s3.inject(Fault::on(Operation::List).always().fail(403, "AccessDenied"));
    assert_eq!(dataset.doctor(..).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn footers_are_read_by_range_on_any_server() {
    let server = Server::start().await;
    let options = options().clock_guard(s3store::dataset::ClockGuard::Off);
    let dataset = server.dataset_with(options).await;
    dataset.store::<Event>().write(&Event::of(&["a", "b"], 20_000)).await.unwrap();
    let report = server.settled().await.doctor(..).await.unwrap();
    assert_eq!(texts(&report), [""; 0]);
    assert_eq!((report.refs, report.commits, report.files), (2, 2, 2));
}

/// Starts an upload as a process does that then dies. Returns its id.
async fn begin_upload(world: &Virtual, key: &str) -> String {
    let request = world.s3.client().create_multipart_upload().bucket(BUCKET).key(key);
    request.send().await.unwrap().upload_id.unwrap()
}

/// A key of a data file, as an attempt to write it makes it.
fn data_key(partition: &str) -> String {
    format!("{PREFIX}/data/part={partition}/t-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b.parquet")
}

#[tokio::test(start_paused = true)]
async fn uploads_that_a_crash_left_behind_are_found() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (began, key) = (world.clock.now(), data_key("a b%2F"));
    let id = begin_upload(&world, &key).await;
    // Uploads of other datasets, and of another kind.
    begin_upload(&world, &data_key("a").replace("/data/", "/data/nested/data/")).await;
    begin_upload(&world, &format!("{PREFIX}-other/data/part=a/t-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b.parquet")).await;
    begin_upload(&world, &format!("{PREFIX}/data/part=a/notes.txt")).await;
    let report = examined(&dataset).await;
    assert_eq!((texts(&report).len(), report.uploads.unwrap()), (0, 1), "it may be under way");

    sleep(DAY).await;
    begin_upload(&world, &data_key("b")).await;
    // The window begins after the upload.
    let report = dataset.doctor(world.clock.now() - DAY / 2..).await.unwrap();
    let [Finding::UnfinishedUpload { data_path, upload_id, started, .. }] = &report.findings[..] else {
        panic!("{report:?}")
    };
    assert_eq!((data_path, upload_id), (&key, &id));
    assert!((began - started.unwrap()).abs() < chrono::TimeDelta::seconds(2), "{started:?}");
    assert!(texts(&report)[0].starts_with(&format!("unfinished upload: {key}, started at ")), "{:?}", texts(&report));
    assert_eq!(report.uploads.unwrap(), 2);
    let before = dataset.doctor(..began - chrono::TimeDelta::seconds(2)).await.unwrap();
    assert_eq!((before.findings.len(), before.uploads.unwrap()), (0, 2), "the window ends before the upload");
    // The examination ends none of them.
    assert_eq!(world.s3.uploads(BUCKET).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn uploads_are_listed_in_pages() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let mut expected = Vec::new();
    for name in ["a", "a", "a", "b c", "d+e", "f%25"] {
        begin_upload(&world, &data_key(name)).await;
        expected.push(data_key(name));
    }
    sleep(Duration::from_secs(25 * 60 * 60)).await;
    for (page, lists) in [(1, 6), (2, 3), (5, 2), (6, 1)] {
        world.s3.set_page_size(page);
        world.s3.clear_requests();
        let report = dataset.doctor(..).await.unwrap();
        let path = |finding: &Finding| match finding {
            Finding::UnfinishedUpload { data_path, .. } => Some(data_path.clone()),
            _ => None,
        };
        let found: Vec<_> = report.findings.iter().filter_map(path).collect();
        assert_eq!((found, world.count(Operation::ListUploads)), (expected.clone(), lists), "{page}");
    }
    // A list that does not move forward ends with an error.
    world.s3.set_page_size(1);
    let first: Arc<Mutex<Option<Bytes>>> = Arc::default();
    world.s3.inject(
        Fault::on(Operation::ListUploads)
            .always()
            .rewrite_body(move |body| first.lock().unwrap().get_or_insert(body).clone()),
    );
    let error = dataset.doctor(..).await.unwrap().uploads.unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

/// Servers that do not list uploads, and credentials that may not.
#[tokio::test(start_paused = true)]
async fn a_server_that_lists_no_uploads_is_examined_otherwise() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Event>();
    world.s3.inject(put(".commit").fail(403, "AccessDenied"));
    store.write(&Event::of(&["a"], 1)).await.unwrap_err();
    begin_upload(&world, &data_key("a")).await;
    sleep(Duration::from_secs(25 * 60 * 60)).await;
    let of = || Fault::on(Operation::ListUploads).always();
    let objects = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let cut = |body: Bytes| body.slice(..body.len() - 1);
    for (fault, kind, tries) in [
        (of().fail(403, "AccessDenied"), ErrorKind::Refused, 1),
        (of().fail(405, "MethodNotAllowed"), ErrorKind::Refused, 1),
        (of().fail(501, "NotImplemented"), ErrorKind::Refused, 1),
        (of().fail(503, "SlowDown"), ErrorKind::Unavailable, 5),
        (of().respond(200, [("content-type", "application/xml")], objects), ErrorKind::Unavailable, 5),
        (of().rewrite_body(cut), ErrorKind::Unavailable, 5),
    ] {
        world.s3.inject(fault);
        world.s3.clear_requests();
        let report = dataset.doctor(..).await.unwrap();
        assert_eq!(report.uploads.as_ref().unwrap_err().kind(), kind, "{report:?}");
        assert_eq!(world.count(Operation::ListUploads), tries, "{report:?}");
        let kinds: Vec<_> = texts(&report).iter().map(|text| text.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["ref without commit", "file without commit"], "{report:?}");
        world.s3.clear_faults();
    }
    assert_eq!(dataset.doctor(..).await.unwrap().findings.len(), 3);
}

#[tokio::test]
async fn uploads_left_behind_are_found_on_any_server() {
    let server = Server::start().await;
    let tomorrow = Clock::machine();
    tomorrow.set_offset(chrono::TimeDelta::hours(25));
    let options = options().clock_guard(s3store::dataset::ClockGuard::Off).clock(tomorrow);
    let dataset = server.dataset_with(options).await;
    assert_eq!(dataset.doctor(..).await.unwrap().uploads.unwrap(), 0);
    let key = format!("{}/data/part=a b+ü%25/t-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b.parquet", server.prefix);
    let (client, bucket) = (&server.client, &server.bucket);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let upload = client.create_multipart_upload().bucket(bucket).key(&key).send().await.unwrap();
        ids.extend(upload.upload_id);
    }
    let report = dataset.doctor(..).await.unwrap();
    let mut found = Vec::new();
    for finding in report.findings {
        let Finding::UnfinishedUpload { data_path, upload_id, started: Some(_), .. } = finding else {
            panic!("{finding:?}")
        };
        assert_eq!(data_path, key);
        client.abort_multipart_upload().bucket(bucket).key(&key).upload_id(&upload_id).send().await.unwrap();
        found.push(upload_id);
    }
    found.sort_unstable();
    ids.sort_unstable();
    assert_eq!(found, ids);
    assert_eq!(dataset.doctor(..).await.unwrap().uploads.unwrap(), 0);
}
