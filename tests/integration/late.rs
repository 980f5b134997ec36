//! Commits that take longer than the commit timeout and are reported, and restamps. `restamps.rs` has the default.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use s3store::dataset::ClockGuard;
use s3store::doctor::Finding;
use s3store::testing::{Fault, Meanwhile, Operation};
use s3store::write::{RestampError, StampedCommit};
use s3store::{Commit, CommitError, ErrorKind, Offset};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, put, sleep, wait_until};
use crate::integration::records::Event;

/// Returns the commit that was reported as late.
fn late<T: std::fmt::Debug>(result: Result<T, CommitError>) -> Commit {
    match result {
        Err(CommitError::Late(commit)) => *commit,
        other => panic!("{other:?} is not late"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_is_reported_and_durable() {
    // Four tries time out after a quarter of the commit timeout each. With the pauses between them, the commit is late.
    for suffix in [".ref", ".commit"] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        let records = Event::of(&["a"], 3);
        world.s3.inject(put(suffix).times(4).hang());
        // Late beyond the skew too, so that a retry is certain of it.
        world.s3.inject(put(suffix).skip(4).delay(Duration::from_secs(3)));
        let commit = late(store.write_partition("part=a", &records).token("t").report_late().await);
        assert_eq!((commit.token.as_str(), commit.record_count), ("t", 3));
        assert_eq!(store.read_all().await.unwrap().len(), 3);
        assert_eq!(store.lookup_commit("part=a", "t").await.unwrap(), Some(commit.clone()));
        // A retry with the token finds the commit, and also reports it as late.
        assert_eq!(late(store.write_partition("part=a", &records).token("t").report_late().await), commit);

        let error = store.write(&records).token("t").report_late().await.unwrap_err();
        assert!(error.is_late_only(), "{error:?}");
        assert_eq!((error.late, error.committed), (vec![commit], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn three_slow_tries_are_in_time() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(3).hang());
    assert_eq!(store.write(&Event::of(&["a"], 1)).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_permit_does_not_make_a_commit_late() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(1)).await;
    // While the data file is put, a look-up queues for the only permit. It then holds the permit for longer than the
    // commit timeout.
    world.s3.inject(Fault::on(Operation::Head).delay(Duration::from_secs(20)));
    let other = dataset.store::<Event>();
    world.s3.inject(put(".parquet").call_before(move |_| {
        let other = other.clone();
        async move {
            tokio::spawn(async move { other.lookup_commit("part=b", "t").await });
            sleep(Duration::from_millis(1)).await;
        }
    }));
    let begun = world.clock.now();
    let commits = dataset.store::<Event>().write(&Event::of(&["a"], 1)).await.unwrap();
    assert_eq!(commits.len(), 1);
    assert!((world.clock.now() - begun).num_seconds() >= 20, "the write did not wait for the permit");
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_makes_a_commit_late() {
    // The monotonic clock does not see the jump, as if the machine had slept.
    let world = Virtual::new();
    let store = world.dataset_with(world.options().clock_guard(ClockGuard::Off)).await.store::<Event>();
    let clock = world.clock.clone();
    world.s3.inject(put(".commit").call_before(move |_| {
        clock.set_offset(TimeDelta::milliseconds(15_001));
        async {}
    }));
    late(store.write_partition("part=a", &Event::of(&["a"], 1)).report_late().await);
}

#[tokio::test(start_paused = true)]
async fn restamp_adds_a_later_ref() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(4).hang());
    let commit = late(store.write_partition("part=a", &Event::of(&["a"], 2)).report_late().await);
    let again = store.dataset().restamp(&commit).await.unwrap();
    assert!(again.offset > commit.offset);
    assert_eq!(again.ref_path, again.offset.as_str());
    assert_eq!((&again.data_path, &again.token, again.record_count), (&commit.data_path, &commit.token, 2));
    assert_eq!(world.keys_with(".ref"), [commit.ref_path.clone(), again.ref_path.clone()]);
    // The commit itself is unchanged.
    assert_eq!(store.lookup_commit("part=a", &commit.token).await.unwrap(), Some(commit.clone()));

    sleep(Duration::from_secs(1)).await;
    world.s3.inject(put(".ref").times(4).hang());
    let second = match store.dataset().restamp(&again).await {
        Err(RestampError::Late(commit)) => *commit,
        other => panic!("{other:?} is not late"),
    };
    assert!(second.offset > again.offset);
    assert!(store.dataset().restamp(&second).await.unwrap().offset > second.offset);
    assert_eq!(store.read_all().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn restamp_rejects_commits_of_other_datasets() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let mut commits = store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    let (good, other) = (commits.remove(0), commits.remove(0));
    world.s3.clear_requests();
    let changed = |change: fn(&mut Commit, &Commit)| {
        let mut commit = good.clone();
        change(&mut commit, &other);
        commit
    };
    let bad = [
        changed(|commit, _| commit.ref_path = commit.ref_path.replacen("d/", "e/", 1)),
        changed(|commit, other| commit.data_path.clone_from(&other.data_path)),
        // The bucket decides even if every path is right.
        changed(|commit, _| "elsewhere".clone_into(&mut commit.bucket)),
        changed(|commit, _| commit.bucket.clear()),
        changed(|commit, other| commit.partition.clone_from(&other.partition)),
        changed(|commit, other| commit.token.clone_from(&other.token)),
        changed(|commit, other| commit.offset.clone_from(&other.offset)),
    ];
    for bad in bad {
        let error = store.dataset().restamp(&bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}: {error:?}");
        assert!(matches!(error, RestampError::NotRestamped(_)), "{bad:?}: {error:?}");
    }
    assert_eq!(world.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn restamp_rejects_commits_of_another_bucket_with_the_same_prefix() {
    const OTHER: &str = "other-bucket";
    let world = Virtual::new();
    world.s3.create_bucket(OTHER);
    let here = world.dataset().await;
    let there = world.options().init(world.s3.client(), OTHER, PREFIX).await.unwrap().into_dataset();
    // Every source of commits: a write, a retry that finds the commit, a late write, a look-up, and a report.
    let store = there.store::<Event>();
    let written = store.write(&Event::of(&["a"], 1)).token("t").await.unwrap().remove(0);
    let retried = store.write(&Event::of(&["a"], 1)).token("t").await.unwrap().remove(0);
    let looked_up = store.lookup_commit("part=a", "t").await.unwrap().unwrap();
    world.s3.inject(put(".commit").times(4).hang());
    let reported = late(store.write_partition("part=a", &Event::of(&["a"], 1)).report_late().await);
    sleep(Duration::from_secs(60)).await;
    let report = there.doctor(..).await.unwrap();
    let found = report.findings.iter().find_map(Finding::to_restamp).unwrap().clone();
    let restamped = there.restamp(&found).await.unwrap();
    for foreign in [written, retried, looked_up, reported, found, restamped] {
        world.s3.clear_requests();
        let error = here.restamp(&foreign).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
        let message = error.to_string();
        assert!(message.contains("its bucket is \"other-bucket\", the dataset's is"), "{message}");
        assert_eq!(world.log(), Vec::<String>::new());
        there.restamp(&foreign).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stored_commit_can_be_restamped() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(4).hang());
    let commit = late(store.write_partition("part=a", &Event::of(&["a"], 2)).token("t").report_late().await);
    let json = serde_json::to_string(&commit).unwrap();
    let stored: Commit = serde_json::from_str(&json).unwrap();
    assert_eq!(stored, commit);
    // The offset is text, and a stored commit says which bucket it is in.
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(fields["offset"], commit.ref_path);
    assert_eq!(fields["bucket"], BUCKET);
    let other_process = world.process("repair").await;
    assert!(other_process.restamp(&stored).await.unwrap().offset > commit.offset);
    // Fields of later versions are ignored. A missing field is an error that names it.
    fields.insert("later".to_owned(), true.into());
    let text = serde_json::Value::from(fields.clone()).to_string();
    assert_eq!(serde_json::from_str::<Commit>(&text).unwrap(), commit);
    for missing in ["bucket", "partition", "token", "offset", "data_path", "ref_path", "inserted_at", "record_count"] {
        let mut without = fields.clone();
        assert!(without.remove(missing).is_some());
        let error = serde_json::from_value::<Commit>(without.into()).unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{missing}`")), "{error}");
    }
    let stamped = store.write_partition("part=a", &Event::of(&["a"], 2)).token("t").restamp_late(1).await;
    let stamped = stamped.unwrap().unwrap();
    let json = serde_json::to_string(&stamped).unwrap();
    assert_eq!(serde_json::from_str::<StampedCommit>(&json).unwrap(), stamped);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_names_the_commit_to_look_up() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    world.s3.inject(put(".commit").times(5).fail(503, "SlowDown"));
    let error = store.write_partition("part=a", &Event::of(&["a"], 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
    let CommitError::Unknown(unknown) = error else { panic!("{error:?}") };
    assert_eq!(store.lookup_commit(&unknown.partition, &unknown.token).await.unwrap(), None);
    assert!(unknown.commit_path.ends_with(&format!("{}.commit", unknown.token)), "{unknown:?}");
    assert_eq!(world.keys_with(".parquet"), std::slice::from_ref(&unknown.data_path));
    assert_eq!(store.read_all().await.unwrap(), []);

    // If S3 also refuses the HEAD, the outcome stays unknown.
    world.s3.inject(put(".commit").times(5).fail_applied(500, "InternalError"));
    world.s3.inject(Fault::on(Operation::Head).always().fail(403, "AccessDenied"));
    let error = store.write_partition("part=a", &Event::of(&["a"], 2)).await.unwrap_err();
    let CommitError::Unknown(unknown) = error else { panic!("{error:?}") };
    world.s3.clear_faults();
    let commit = store.lookup_commit(&unknown.partition, &unknown.token).await.unwrap().unwrap();
    assert_eq!(commit.data_path, unknown.data_path);
}

#[tokio::test(start_paused = true)]
async fn restamp_late_retries_until_a_ref_is_in_time() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 2);
    // The commit of partition a is late, and so is its first additional ref.
    let of_a = |suffix: &'static str| put(suffix).key_contains("part=a");
    world.s3.inject(of_a(".commit").times(4).hang());
    world.s3.inject(of_a(".ref").skip(1).times(4).hang());
    let stamped = store.write(&records).token("t").restamp_late(3).await.unwrap();
    assert_eq!(stamped.iter().map(|s| s.commit.partition.as_str()).collect::<Vec<_>>(), ["part=a", "part=b"]);
    assert!(stamped[0].stream_offset > stamped[0].commit.offset);
    assert_eq!(stamped[1].stream_offset, stamped[1].commit.offset);
    let refs = world.keys_with("part=a.ref");
    assert_eq!(refs.len(), 3);
    assert_eq!(refs[2], stamped[0].stream_offset.as_str());
    for stamped in &stamped {
        let found = store.lookup_commit(&stamped.commit.partition, "t").await.unwrap();
        assert_eq!(found.as_ref(), Some(&stamped.commit));
    }

    // A retry finds the late commit and restamps it again.
    sleep(Duration::from_secs(1)).await;
    let again = store.write(&records).token("t").restamp_late(3).await.unwrap();
    assert_eq!(again[0].commit, stamped[0].commit);
    assert!(again[0].stream_offset > stamped[0].stream_offset);
    assert_eq!(again[1], stamped[1]);
    let one = store.write_partition("part=a", &records[..2]).token("t").restamp_late(1).await.unwrap().unwrap();
    assert_eq!(one.commit, stamped[0].commit);
    assert_eq!(store.write_partition("part=a", &[]).restamp_late(1).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_reported_as_late_if_no_restamp_succeeds() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 2);
    world.s3.inject(put(".commit").key_contains("part=a").times(4).hang());
    world.s3.inject(put(".commit").key_contains("part=a").skip(4).delay(Duration::from_secs(3)));
    let second = || put(".ref").key_contains("part=a").skip(1);
    world.s3.inject(second().always().fail(403, "AccessDenied"));
    let error = store.write(&records).token("t").restamp_late(2).await.unwrap_err();
    assert!(error.is_late_only(), "{error:?}");
    assert_eq!(error.late.iter().map(|c| c.partition.as_str()).collect::<Vec<_>>(), ["part=a"]);
    assert_eq!(error.committed.iter().map(|c| c.partition.as_str()).collect::<Vec<_>>(), ["part=b"]);
    let puts = world.s3.requests().iter().filter(|r| r.target().is_some_and(|key| key.contains("part=a.ref"))).count();
    assert_eq!(puts, 2, "the write's ref and one restamp; a refusal is not retried");
    let found = late(store.write_partition("part=a", &records[..2]).token("t").restamp_late(0).await);
    assert_eq!(found, error.late[0]);
}

/// A commit that lands `elapsed` after its ref, without the writer seeing the response, and that a retry finds.
struct FoundAfter {
    elapsed: Duration,
    /// The position within one of S3's seconds at which the ref's time is taken, by S3's clock.
    begun: TimeDelta,
    skew: Duration,
    /// How far the writer's clock is behind S3's and the reader's.
    behind: Duration,
}

/// The results of a retry that reports late commits, and of one that restamps them.
struct Found {
    reported: Result<Option<Commit>, CommitError>,
    /// The additional refs of the retry that reports, and of the one that restamps.
    restamps: [usize; 2],
    /// A reader that polled just before the commit landed had passed its ref.
    passed: bool,
}

impl FoundAfter {
    async fn run(self) -> Found {
        let Self { elapsed, begun, skew, behind } = self;
        let world = Virtual::new();
        // The time budget starts, and therefore ends, this far into one of S3's seconds.
        let now = world.clock.now().timestamp_subsec_nanos();
        world.clock.set_offset(begun - TimeDelta::nanoseconds(now.into()));
        world.s3.set_clock_offset(begun - TimeDelta::nanoseconds(now.into()));
        world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/commit-timeout"), "15s");
        world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/max-clock-skew"), format!("{skew:?}"));
        let writers_clock = world.clock_ahead(-TimeDelta::from_std(behind).unwrap());
        let writer = world.process_on("writer", writers_clock).await.store::<Event>();
        let store = world.process("reader").await.store::<Event>();
        let records = Event::of(&["a"], 1);
        world.s3.inject(put(".commit").apply_late(Meanwhile::Silence));
        world.s3.inject(put(".commit").skip(1).always().hang());
        let first = tokio::spawn({
            let records = records.clone();
            async move { writer.write_partition("part=a", &records).token("t").await.map(drop).map_err(drop) }
        });
        wait_until(|| world.s3.waiting_to_land() == 1).await;
        // Exact to the microsecond; a sleep is rounded to milliseconds.
        tokio::time::advance(elapsed).await;
        let passed = store.poll(&Offset::START).await.unwrap().next != Offset::START;
        world.s3.land_late().await;
        let refs = || world.keys_with(".ref").len();
        let reported = store.write_partition("part=a", &records).token("t").report_late().await;
        let by_report = refs() - 1;
        // A ref of the same microsecond would have the same name.
        sleep(Duration::from_millis(1)).await;
        let restamped = store.write_partition("part=a", &records).token("t").await.unwrap();
        let by_default = refs() - 1 - by_report;
        if let Ok(commit) = &reported {
            assert_eq!(*commit, restamped);
            assert!(!passed || by_report > 0, "{elapsed:?}: a reader that had passed the ref misses the commit");
        }
        drop(first);
        Found { reported, restamps: [by_report, by_default], passed }
    }
}

#[tokio::test(start_paused = true)]
async fn a_found_commit_is_in_time_or_restamped_or_reported() {
    // S3 reports the landing time in whole seconds.
    let (budget, second, micro) = (Duration::from_secs(15), Duration::from_secs(1), Duration::from_micros(1));
    let whole_seconds = |time: Duration| Duration::from_secs(time.as_secs());
    for begun in [0, 1, 400_000, 999_999] {
        let of_second = Duration::from_micros(begun);
        let begun = TimeDelta::from_std(of_second).unwrap();
        for skew in [Duration::ZERO, second, 3 * second] {
            for behind in [Duration::ZERO, skew / 2, skew] {
                let name = format!("{begun} {skew:?} {behind:?}");
                let found = |elapsed| FoundAfter { elapsed, begun, skew, behind }.run();
                // The last elapsed time whose second ends within the commit timeout, by S3's clock.
                let in_time = whole_seconds(of_second + budget - behind + micro) - micro - of_second;
                let Found { reported, restamps, passed } = found(in_time).await;
                assert!(reported.is_ok() && restamps == [0, 0] && !passed, "{name}: in time");
                // The last elapsed time whose second begins within the commit timeout and the skew. Without a skew, it can
                // be the same.
                let uncertain = whole_seconds(of_second + budget + skew - behind) + second - micro - of_second;
                if uncertain > in_time {
                    let Found { reported, restamps, passed } = found(in_time + micro).await;
                    assert!(reported.is_ok() && restamps == [1, 1] && !passed, "{name}: uncertain");
                    let Found { reported, restamps, .. } = found(uncertain).await;
                    assert!(reported.is_ok() && restamps == [1, 1], "{name}: the last that is not reported");
                }
                let Found { reported, restamps, passed } = found(budget + skew - behind + micro).await;
                assert!(passed && restamps[1] == 1, "{name}: passed");
                assert_eq!(reported.is_ok(), restamps[0] == 1, "{name}: passed");
                let Found { reported, restamps, .. } = found(uncertain + micro).await;
                late(reported);
                assert_eq!(restamps, [0, 1], "{name}: late");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_writer_whose_clock_is_behind_is_never_reported() {
    // At the last moment of its budget, whatever S3's second, and behind by all of the skew.
    for begun in [0, 1, 400_000, 999_999].map(TimeDelta::microseconds) {
        for behind in [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(1), Duration::from_secs(4)] {
            let found = FoundAfter { elapsed: Duration::from_secs(15), begun, skew: behind, behind };
            let Found { reported, .. } = found.run().await;
            assert!(reported.is_ok(), "{begun} {behind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_returns_the_offsets_of_restamped_commits() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 2);
    let of_a = |suffix: &'static str| put(suffix).key_contains("part=a");
    world.s3.inject(of_a(".commit").times(4).hang());
    world.s3.inject(of_a(".ref").skip(1).times(4).hang());
    let mut writer = store.writer().token("t").restamp_late(3).start().unwrap();
    assert_eq!(writer.write_all(records.clone()).await.unwrap(), []);
    let stamped: Vec<StampedCommit> = writer.flush().await.unwrap();
    assert_eq!(stamped.iter().map(|s| s.commit.partition.as_str()).collect::<Vec<_>>(), ["part=a", "part=b"]);
    assert!(stamped[0].stream_offset > stamped[0].commit.offset);
    assert_eq!(stamped[1].stream_offset, stamped[1].commit.offset);
    let refs = world.keys_with("part=a.ref");
    assert_eq!((refs.len(), refs[2].as_str()), (3, stamped[0].stream_offset.as_str()));
    // Another run finds the late commit, and restamps it again.
    sleep(Duration::from_secs(1)).await;
    let mut again = store.writer().token("t").restamp_late(3).start().unwrap();
    again.write_all(records).await.unwrap();
    let again = again.flush().await.unwrap();
    assert_eq!(again[0].commit, stamped[0].commit);
    assert!(again[0].stream_offset > stamped[0].stream_offset);
    assert_eq!(again[1], stamped[1]);
}

#[tokio::test(start_paused = true)]
async fn the_refs_of_a_writers_late_commit_are_as_many_as_were_set() {
    for tries in [0, 1, 3] {
        let world = Virtual::new();
        let store = world.dataset().await.store::<Event>();
        world.s3.inject(put(".commit").times(4).hang());
        world.s3.inject(put(".commit").skip(4).delay(Duration::from_secs(3)));
        world.s3.inject(put(".ref").skip(1).always().hang());
        let mut writer = store.writer().restamp_late(tries).start().unwrap();
        writer.write_all(Event::of(&["a"], 2)).await.unwrap();
        let error = writer.flush().await.unwrap_err();
        assert!(error.is_late_only() && error.late.len() == 1, "{error:?}");
        let requests = world.s3.requests();
        let targets = requests.iter().filter_map(|request| request.target());
        let refs: BTreeSet<_> = targets.filter(|key| key.ends_with(".ref")).collect();
        assert_eq!((refs.len(), writer.uncommitted()), (1 + tries as usize, 0), "{tries}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_reports_a_late_commit_once() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a", "b"], 3);
    let of_a = || put(".commit").key_contains("part=a");
    world.s3.inject(of_a().times(4).hang());
    // Late beyond the skew too, so that another run is certain of it.
    world.s3.inject(of_a().skip(4).delay(Duration::from_secs(3)));
    let mut writer = store.writer().token("t").report_late().start().unwrap();
    writer.write_all(records.clone()).await.unwrap();
    let error = writer.flush().await.unwrap_err();
    assert!(error.is_late_only(), "{error:?}");
    let partitions = |commits: &[Commit]| commits.iter().map(|commit| commit.partition.clone()).collect::<Vec<_>>();
    assert_eq!((partitions(&error.late), partitions(&error.committed)), (vec!["part=a".into()], vec!["part=b".into()]));
    assert_eq!(world.keys_with(".ref").len(), 2, "it was restamped");
    // It is durable, so the writer does not repeat it.
    assert_eq!((writer.uncommitted(), store.read_all().await.unwrap().len()), (0, 6));
    world.s3.clear_requests();
    assert_eq!(writer.flush().await.unwrap(), []);
    assert_eq!(world.log(), Vec::<String>::new());
    // The writer goes on.
    writer.write(Event::new("c", 1)).await.unwrap();
    assert_eq!(partitions(&writer.flush().await.unwrap()), ["part=c"]);
    // Another run finds the commit, and reports it.
    let mut again = store.writer().token("t").report_late().start().unwrap();
    again.write_all(records.clone()).await.unwrap();
    assert_eq!(again.flush().await.unwrap_err().late, error.late);
    // By default it is restamped.
    let mut default = store.writer().token("t").start().unwrap();
    default.write_all(records).await.unwrap();
    assert_eq!(default.flush().await.unwrap(), [error.late, error.committed].concat());
    assert_eq!(world.keys_with("part=a.ref").len(), 2);
}
