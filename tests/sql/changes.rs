//! The change stream as a table.

use std::time::Duration;

use s3store::datafusion::prelude::SessionContext;

use super::costs::{Cost, costs};
use super::support::{number, rows};
use crate::harness::{Virtual, sleep};

#[tokio::test(start_paused = true)]
async fn changes_are_the_rows_of_the_entries_in_a_window() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Cost>();
    let mut instants = Vec::new();
    for seed in 0..4 {
        instants.push(world.clock.now());
        store.write(&costs(seed, 30, 2)).await.unwrap();
        sleep(Duration::from_secs(60)).await;
    }
    let session = SessionContext::new();
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    // Every row of each commit, also rows with equal keys in several commits.
    let entries = store.poll_range(..).await.unwrap();
    let all: u64 = entries.iter().map(|entry| entry.record_count).sum();
    assert_eq!(number(&session, "SELECT count(*) FROM t_changes()").await, all as i64);
    let stamps = "SELECT DISTINCT \"offset\", stamped_at, inserted_at FROM t_changes(NULL, NULL) ORDER BY 1";
    let offsets: Vec<_> = rows(&session, stamps).await.unwrap();
    let text = |entry: &s3store::Entry| {
        let time = |time: s3store::chrono::DateTime<s3store::chrono::Utc>| {
            time.to_rfc3339_opts(s3store::chrono::SecondsFormat::AutoSi, true)
        };
        format!("{}|{}|{}", entry.offset, time(entry.stamped_at), time(entry.inserted_at))
    };
    assert_eq!(offsets, entries.iter().map(text).collect::<Vec<_>>());
    // A window of instants.
    let of_window = |from: usize, to: usize| {
        entries.iter().filter(|entry| entry.stamped_at >= instants[from] && entry.stamped_at < instants[to]).count()
    };
    let distinct = |window: String| format!("SELECT count(DISTINCT \"offset\") FROM t_changes({window})");
    let (since, until) = (instants[1].to_rfc3339(), instants[3].to_rfc3339());
    let wanted = of_window(1, 3) as i64;
    assert!(wanted > 1 && wanted < entries.len() as i64);
    assert_eq!(number(&session, &distinct(format!("'{since}', '{until}'"))).await, wanted);
    assert_eq!(number(&session, &distinct(format!("TIMESTAMP '{since}', TIMESTAMP '{until}'"))).await, wanted);
    let later = number(&session, &distinct(format!("TIMESTAMP '{since}' + INTERVAL '1 minute'"))).await;
    assert_eq!(later, (entries.len() - of_window(0, 2)) as i64);
    // After an offset.
    let offset = &entries[2].offset;
    assert_eq!(number(&session, &distinct(format!("'{offset}'"))).await, entries.len() as i64 - 3);
    assert_eq!(number(&session, &distinct(format!("NULL, '{offset}'"))).await, 2);
    // Conditions.
    let some = "SELECT count(*) FROM t_changes() WHERE client = 'abc' AND sku > 0 AND day = '2026-03-01'";
    let history =
        "SELECT count(*) FROM t_changes() WHERE customer = 'abc' AND sku + 0 > 0 AND day::text = '2026-03-01'";
    assert_eq!(number(&session, some).await, number(&session, history).await);
    // Rows come in the order of the offsets.
    let plan = session.sql("EXPLAIN SELECT \"offset\", sku FROM t_changes() ORDER BY \"offset\"").await.unwrap();
    let plan = plan.to_string().await.unwrap();
    assert!(!plan.contains("SortExec") && plan.contains("SortPreservingMerge"), "{plan}");
    for (arguments, part) in [
        ("1", "neither an offset nor an instant"),
        ("'yesterday'", "neither an offset of this dataset"),
        ("NULL, NULL, NULL", "at most two"),
    ] {
        let error = session.sql(&format!("SELECT * FROM t_changes({arguments})")).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_deleted_is_left_out() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Cost>();
    let commits = store.write(&costs(1, 30, 1)).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let session = SessionContext::new();
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    world.s3.remove_object(crate::harness::BUCKET, &commits[0].data_path);
    let left = number(&session, "SELECT count(*) FROM t_changes()").await;
    assert_eq!(left, 30 - commits[0].record_count as i64);
    let error = rows(&session, "SELECT * FROM t").await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
}
