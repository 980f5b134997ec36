//! `doctor`: the findings about a dataset.

use std::time::Duration;

use chrono::{DateTime, Utc};
use s3store::doctor::{Finding, Report};
use s3store::testing::{Fault, Operation};
use s3store::{Dataset, ErrorKind};

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

    // 2 LISTs, and 1 HEAD and 1 GET for each commit.
    world.s3.clear_requests();
    dataset.doctor(..).await.unwrap();
    assert_eq!([Operation::List, Operation::Head, Operation::Get].map(|op| world.count(op)), [2, 3, 3]);
    world.s3.clear_requests();
    dataset.doctor(..).without_record_counts().await.unwrap();
    assert_eq!([Operation::List, Operation::Head, Operation::Get].map(|op| world.count(op)), [2, 3, 0]);
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
