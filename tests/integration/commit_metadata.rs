//! Commits whose metadata are out of range: every operation fails with an error that names the object, or accepts them.

use std::time::Duration;

use s3store::doctor::Finding;
use s3store::testing::S3;
use s3store::{Commit, CommitError, ErrorKind, Offset, Store};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, sleep};
use crate::integration::records::Event;

const FIELDS: [&str; 3] = ["refmicrots", "insertedat", "rowcount"];

/// Values that no field can have.
const NEVER: [&str; 8] =
    ["", "x", "1.5", "1e3", "0x10", "18446744073709551615", "9223372036854775808", "-9223372036854775809"];

struct Case {
    world: Virtual,
    store: Store<Event>,
    records: Vec<Event>,
    written: Commit,
    key: String,
}

/// Writes one commit, and waits until it is settled.
async fn start() -> Case {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let records = Event::of(&["a"], 2);
    let written = store.write_partition("part=a", &records).token("t").await.unwrap().unwrap();
    sleep(store.dataset().settle_window() + Duration::from_secs(1)).await;
    Case { world, store, records, written, key: format!("{PREFIX}/data/part=a/t.commit") }
}

fn set(s3: &S3, key: &str, field: &str, value: &str) {
    let mut metadata = s3.object(BUCKET, key).unwrap().metadata;
    assert!(metadata.insert(field.to_owned(), value.to_owned()).is_some());
    s3.put_object_with(BUCKET, key, "", metadata);
}

#[tokio::test(start_paused = true)]
async fn values_out_of_range_are_errors_that_name_commit_field_and_value() {
    let of_field = |field: &'static str, values: &[&'static str]| -> Vec<(&str, &str)> {
        values.iter().map(|value| (field, *value)).collect()
    };
    let mut bad: Vec<(&str, &str)> = FIELDS.into_iter().flat_map(|field| of_field(field, &NEVER)).collect();
    bad.extend(of_field("refmicrots", &["-1", "-9223372036854775808", "10000000000000000", "9223372036854775807"]));
    bad.extend(of_field("insertedat", &["-9223372036854775808", "9223372036854775807", "8210266876800000000"]));
    bad.extend(of_field("rowcount", &["-1", "-9223372036854775808", "9223372036854775808"]));
    bad.extend(of_field("attemptid", &["", "0", "0190A0B0C0D07000800000000000ABCD", "-1"]));
    for (field, value) in bad {
        let name = format!("{field}={value}");
        let Case { world, store, records, key, .. } = start().await;
        set(&world.s3, &key, field, value);
        world.s3.clear_requests();
        let write = || store.write_partition("part=a", &records).token("t");
        let failed = |error: CommitError| match error {
            CommitError::NotCommitted(cause) => cause,
            other => panic!("{name}: {other:?}"),
        };
        let errors = [
            store.lookup_commit("part=a", "t").await.unwrap_err(),
            store.read_all().await.unwrap_err(),
            store.poll(&Offset::START).await.unwrap_err(),
            store.poll_records(&Offset::START).await.unwrap_err(),
            store.read_range(..).await.unwrap_err(),
            failed(write().await.unwrap_err()),
            failed(write().report_late().await.unwrap_err()),
            failed(write().restamp_late(2).await.unwrap_err()),
        ];
        for error in errors {
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{name}: {text}");
            assert!(text.contains(&key) && text.contains(&format!("{field:?} is {value:?}")), "{name}: {text}");
        }
        assert_eq!(world.keys_with(".ref").len(), 1, "{name}: nothing was written");
        let findings = store.dataset().doctor(..).await.unwrap().findings;
        let unreadable = |finding: &Finding| match finding {
            Finding::Unreadable { path, error } => *path == key && error.kind() == ErrorKind::InvalidData,
            _ => false,
        };
        assert!(findings.iter().any(unreadable), "{name}: {findings:?}");
    }
}

/// The ends of each range, and values that no healthy writer makes: nothing panics or waits, and retries agree.
#[tokio::test(start_paused = true)]
async fn values_at_the_ends_of_their_ranges_are_accepted() {
    let good = [
        ("refmicrots", "0"),
        ("refmicrots", "9999999999999999"),
        ("refmicrots", "+5"),
        ("insertedat", "0"),
        ("insertedat", "-62135596800000000"),
        ("insertedat", "-8334601228800000000"),
        ("insertedat", "8210266876799999999"),
        ("rowcount", "0"),
        ("rowcount", "9223372036854775807"),
    ];
    for (field, value) in good {
        let name = format!("{field}={value}");
        let Case { world, store, records, written, key } = start().await;
        set(&world.s3, &key, field, value);
        let found = store.lookup_commit("part=a", "t").await.unwrap().unwrap();
        assert_eq!(found.data_path, written.data_path, "{name}");
        assert_eq!(store.read_all().await.unwrap().len(), 2, "{name}");
        // The file itself says how many records it has.
        assert_eq!(store.poll_records(&Offset::START).await.unwrap().records.len(), 2, "{name}");
        assert_eq!(store.read_range(..).await.unwrap().len(), 2, "{name}");
        store.dataset().doctor(..).await.unwrap();
        let retry = store.write_partition("part=a", &records).token("t").accept_other_records();
        assert_eq!(retry.await.unwrap(), Some(found.clone()), "{name}");
        assert!(store.dataset().restamp(&found).await.unwrap().offset > written.offset, "{name}");
        // The data file is gone from the listing: the commit alone leads to it.
        world.s3.remove_object(BUCKET, &written.data_path);
        assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::Vanished, "{name}");
        store.dataset().doctor(..).await.unwrap();
    }
}

/// Durations as large as Go's.
#[tokio::test(start_paused = true)]
async fn a_dataset_with_huge_durations_works() {
    const LONGEST: &str = "2562047h47m16.854775807s";
    for (timeout, skew) in [(LONGEST, "0s"), (LONGEST, LONGEST), ("15s", LONGEST), ("1ms", "0s")] {
        let world = Virtual::new();
        world.dataset().await;
        world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/commit-timeout"), timeout);
        world.s3.put_object(BUCKET, &format!("{PREFIX}/_config/max-clock-skew"), skew);
        let dataset = world.process("huge").await;
        let store = dataset.store::<Event>();
        let records = Event::of(&["a"], 2);
        let commits = store.write(&records).token("t").await.unwrap();
        assert_eq!(store.write(&records).token("t").await.unwrap(), commits, "{timeout} {skew}");
        assert_eq!(store.write(&records).token("t").report_late().await.unwrap(), commits, "{timeout} {skew}");
        assert!(dataset.restamp(&commits[0]).await.is_ok(), "{timeout} {skew}");
        assert_eq!(store.read_all().await.unwrap().len(), 2);
        let settled = store.read_range(..).await.unwrap().len();
        assert!(settled == 0 || timeout == "1ms", "{timeout} {skew}: nothing is settled");
        store.poll(&Offset::START).await.unwrap();
        dataset.doctor(..).await.unwrap();
    }
}
