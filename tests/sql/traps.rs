//! The ways in which other engines get deduplicated tables wrong, one test each.

use s3store::Record;
use s3store::chrono::{DateTime, Utc};

use super::support::{Sessions, counter, explain, number};
use crate::harness::{BUCKET, Virtual, at};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Row {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: i64,
    #[record(version, timestamp = "us")]
    version: DateTime<Utc>,
    value: i64,
}

/// The same record in files of other programs: with versions in nanoseconds, or in milliseconds.
mod units {
    use super::{DateTime, Record, Utc};

    macro_rules! row {
        ($name:ident, $unit:literal) => {
            #[derive(Debug, Clone, PartialEq, Record)]
            #[record(partition_by(part))]
            pub(super) struct $name {
                #[record(entity)]
                pub(super) part: String,
                #[record(entity)]
                pub(super) id: i64,
                #[record(version, timestamp = $unit)]
                pub(super) version: DateTime<Utc>,
                pub(super) value: i64,
            }
        };
    }

    row!(Nanos, "ns");
    row!(Millis, "ms");
}

fn row(part: &str, id: i64, version: i64, value: i64) -> Row {
    Row { part: part.to_owned(), id, version: at(version), value }
}

async fn sessions(world: &Virtual, partitions: usize) -> Sessions {
    let store = world.dataset().await.store::<Row>();
    Sessions::new(&store, &store.table(), &[], partitions).await
}

/// DataFusion tears the files of a scan apart to use more cores. Then each part would be deduplicated on its own.
#[tokio::test(start_paused = true)]
async fn partitions_are_not_torn_apart() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    for version in 0..5 {
        let rows: Vec<_> = (0..400).map(|id| row(["a", "b"][id as usize % 2], id, version, version)).collect();
        store.write(&rows).await.unwrap();
    }
    for partitions in [1, 2, 3, 8, 16] {
        let sessions = sessions(&world, partitions).await;
        assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t_latest").await, 400);
        assert_eq!(number(&sessions.ours, "SELECT sum(value) FROM t_latest").await, 400 * 4);
        assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t_latest WHERE value < 4").await, 0);
        sessions.check("SELECT * FROM t_latest").await;
        sessions.check("SELECT part, sum(value) FROM t_latest GROUP BY part").await;
    }
}

/// Of equal versions, the one in the last file counts. A merge that is not stable would return any.
#[tokio::test(start_paused = true)]
async fn ties_are_decided_as_by_reads() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    for round in 0..20 {
        let rows: Vec<_> = (0..100).map(|id| row("a", id % 30, 7, round * 1_000 + id)).collect();
        store.write(&rows).await.unwrap();
    }
    for partitions in [1, 4] {
        let sessions = sessions(&world, partitions).await;
        sessions.check("SELECT id, value FROM t_latest").await;
        sessions.check("SELECT id, value FROM t").await;
        assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t").await, 30);
    }
}

/// Versions that differ only below the coarsest unit are no ties.
#[tokio::test(start_paused = true)]
async fn versions_of_mixed_units_are_compared_in_full() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let nanos = |id, version: i64, value| units::Nanos {
        part: "a".to_owned(),
        id,
        version: DateTime::from_timestamp_nanos(version),
        value,
    };
    let millis = |id, version, value| units::Millis { part: "a".to_owned(), id, version: at(version), value };
    // In the order of writing, the later versions come first.
    dataset.store::<units::Nanos>().write(&[nanos(1, 1_000_001_000, 1), nanos(2, 2_000_000_000, 1)]).await.unwrap();
    dataset.store::<units::Millis>().write(&[millis(1, 1_000_000, 2), millis(2, 2_001_000, 2)]).await.unwrap();
    dataset.store::<Row>().write(&[row("a", 1, 1_000_000, 3), row("a", 2, 2_000_999, 3)]).await.unwrap();
    let sessions = sessions(&world, 2).await;
    sessions.check("SELECT id, value, version FROM t_latest").await;
    sessions.check("SELECT id, value, version FROM t").await;
    assert_eq!(number(&sessions.ours, "SELECT value FROM t_latest WHERE id = 1").await, 1);
    assert_eq!(number(&sessions.ours, "SELECT value FROM t_latest WHERE id = 2").await, 2);
}

/// A condition on a value must not bring back a version that another one has superseded.
#[tokio::test(start_paused = true)]
async fn conditions_on_values_come_after_deduplication() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    store.write(&[row("a", 1, 1, 5), row("a", 2, 1, 6)]).await.unwrap();
    store.write(&[row("a", 1, 2, 50)]).await.unwrap();
    let sessions = sessions(&world, 2).await;
    assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t_latest WHERE value < 10").await, 1);
    assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t WHERE value < 10").await, 2);
    let first = "version < to_timestamp_micros(2)";
    assert_eq!(number(&sessions.ours, &format!("SELECT count(*) FROM t_latest WHERE {first}")).await, 1);
    // The filter that a sort with a limit finds is one on a value, too.
    for query in [
        "SELECT id, value FROM t_latest ORDER BY value LIMIT 1",
        "SELECT id, value FROM t_latest ORDER BY version LIMIT 1",
        "SELECT a.id FROM (SELECT 5 AS v) b JOIN t_latest a ON a.value = b.v",
    ] {
        sessions.check(query).await;
    }
    assert_eq!(
        number(&sessions.ours, "SELECT count(*) FROM (SELECT 5 AS v) b JOIN t_latest a ON a.value = b.v").await,
        0
    );
}

/// Files that are not in the order that their footers claim, or claim none.
#[tokio::test(start_paused = true)]
async fn files_out_of_order_are_sorted() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    let unsorted: Vec<_> = (0..1_000).map(|index| row("a", index * 7 % 100, index % 5, index)).collect();
    let commits = store.write(&unsorted).await.unwrap();
    for (seed, marked) in [(1, true), (2, false)] {
        let rows: Vec<_> =
            (0..1_000).map(|index| row("a", index * (seed + 10) % 100, index % 6, index * seed)).collect();
        let commits = store.write(&rows).await.unwrap();
        world.s3.put_object(BUCKET, &commits[0].data_path, super::generated::file(&rows_of(&rows), marked));
    }
    assert_eq!(commits.len(), 1);
    for partitions in [1, 4] {
        let sessions = sessions(&world, partitions).await;
        sessions.check("SELECT * FROM t_latest").await;
        sessions.check("SELECT * FROM t").await;
        sessions.check("SELECT * FROM t WHERE id BETWEEN 20 AND 30 AND part = 'a'").await;
        assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t_latest").await, 100);
    }
}

/// `EXPLAIN ANALYZE` counts the row groups that conditions exclude.
#[tokio::test(start_paused = true)]
async fn row_groups_without_a_match_are_not_decoded() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Row>();
    for round in 0..2 {
        let rows: Vec<_> = (0..140).map(|id| row("a", id, round, id)).collect();
        let commits = store.write(&rows).await.unwrap();
        world.s3.put_object(BUCKET, &commits[0].data_path, super::generated::file(&rows_of(&rows), true));
    }
    let sessions = sessions(&world, 1).await;
    for (table, condition, read) in [
        ("t_latest", "id = 100", 2),
        ("t_latest", "value = 100", 40),
        ("t", "id IN (3, 100)", 4),
        ("t", "value = 100", 40),
    ] {
        let query = format!("SELECT value FROM {table} WHERE {condition}");
        let analyzed = explain(&sessions.ours, &query, true).await;
        let counted = ["row_groups_read", "row_groups_excluded", "files_read"].map(|name| counter(&analyzed, name));
        assert_eq!(counted, [read, 40 - read, 2], "{query}: {analyzed}");
        sessions.check(&query).await;
    }
}

fn rows_of(rows: &[Row]) -> Vec<(String, i64, i64, i64)> {
    rows.iter().map(|row| (row.part.clone(), row.id, row.version.timestamp_micros(), row.value)).collect()
}
