//! What queries read, and what `EXPLAIN` shows of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use s3store::ErrorKind;
use s3store::arrow::array::RecordBatch;
use s3store::chrono::TimeDelta;
use s3store::datafusion::error::DataFusionError;
use s3store::datafusion::execution::memory_pool::GreedyMemoryPool;
use s3store::datafusion::execution::runtime_env::RuntimeEnvBuilder;
use s3store::datafusion::prelude::{SessionConfig, SessionContext};
use s3store::testing::{Fault, Operation};

use super::costs::{Cost, costs};
use super::support::{counter, explain, number, rows};
use crate::harness::{Virtual, sleep};

fn session(partitions: usize) -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions))
}

#[tokio::test(start_paused = true)]
async fn conditions_on_partitions_reduce_what_is_listed_and_fetched() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    store.write(&costs(1, 200, 10)).await.unwrap();
    let session = session(2);
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    for (condition, lists, partitions) in [
        ("day = '2026-03-03'", vec!["List d/data/day=2026-03-03/"], "partitions=4 of 4"),
        ("day = '2026-03-03' AND client = 'abc'", vec!["List d/data/day=2026-03-03/client=abc/"], "partitions=1 of 1"),
        ("day >= '2026-03-03' AND day < '2026-03-05'", vec!["List d/data/day=2026-03-0"], "partitions=8 of 8"),
        (
            "customer IN ('abc', 'ü') AND day IN ('2026-03-01', '2026-03-07')",
            vec![
                "List d/data/day=2026-03-01/client=abc/",
                "List d/data/day=2026-03-01/client=ü/",
                "List d/data/day=2026-03-07/client=abc/",
                "List d/data/day=2026-03-07/client=ü/",
            ],
            "partitions=4 of 4",
        ),
        ("customer <> 'abc'", vec!["List d/data/"], "partitions=30 of 40"),
        ("client LIKE 'a%' AND sku > 0", vec!["List d/data/"], "partitions=20 of 20"),
    ] {
        let query = format!("SELECT sku FROM t_latest WHERE {condition}");
        let plan = explain(&session, &query, false).await;
        assert!(plan.contains(&format!("{partitions},")), "{condition}: {plan}");
        assert!(plan.contains("rows=latest") && !plan.contains("FilterExec"), "{plan}");
        world.s3.clear_requests();
        rows(&session, &query).await.unwrap();
        let mut listed: Vec<_> = world.log().into_iter().filter(|request| request.starts_with("List")).collect();
        listed.sort_unstable();
        assert_eq!(listed, lists, "{condition} {:?} {plan}", world.log());
        let gets = world.count(Operation::Get);
        let files = counter(&plan, "files");
        // One footer for statistics, which a whole file does not need.
        assert!(gets <= files + 1, "{condition}: {gets} {files}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_explanation_shows_the_conditions() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    store.write(&costs(1, 200, 10)).await.unwrap();
    let session = session(3);
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    let query = "SELECT net, sku FROM t WHERE client = 'abc' AND sku > 1 AND net > 0 AND sku + day::int > 3";
    let plan = explain(&session, query, false).await;
    for part in [
        "S3storeScanExec: dataset=d, rows=history, partitions=10 of 10, files=10, bytes=",
        "groups=3",
        "projection=[",
        "filter=sku > 1 and not (net < 0)",
        "partition_filter=client = \"abc\"",
        "FilterExec: ",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let analyzed = explain(&session, query, true).await;
    assert!(analyzed.contains("partitions_read=10") && analyzed.contains("output_rows="), "{analyzed}");
    let limited = explain(&session, "SELECT sku FROM t LIMIT 3", false).await;
    assert!(limited.contains("limit=3"), "{limited}");
}

/// Rows are sorted by entity and version within a partition, so a sort is left out if the plan has one for each.
#[tokio::test(start_paused = true)]
async fn rows_of_one_partition_need_no_sort() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    for seed in 0..3 {
        store.write(&costs(seed, 100, 3)).await.unwrap();
    }
    let session = session(2);
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    let one = "SELECT * FROM t WHERE day = '2026-03-02' AND client = 'abc' ORDER BY day, customer, sku, revised_at";
    assert!(!explain(&session, one, false).await.contains("SortExec"));
    let sorted = rows(&session, one).await.unwrap();
    let mut again = rows(&session, &one.replace("ORDER BY day", "ORDER BY day || ''")).await.unwrap();
    assert!(sorted.len() > 5);
    sorted.iter().zip(&again).for_each(|(one, other)| assert_eq!(one, other));
    again.dedup();
    assert_eq!(again.len(), sorted.len());
    let all = "SELECT sku FROM t ORDER BY day, customer, sku, revised_at";
    assert!(explain(&session, all, false).await.contains("SortExec"));
}

/// Writes while a query is planned. Both of its scans must see the same rows.
#[tokio::test(start_paused = true)]
async fn the_scans_of_a_query_see_one_snapshot() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    store.write(&costs(1, 100, 3)).await.unwrap();
    let session = session(2);
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    let queries = [
        // The second scan lists what the first has, or more, or less.
        "SELECT count(*) FROM t WHERE sku > -9 UNION ALL SELECT count(*) FROM t WHERE sku > -8",
        "SELECT count(*) FROM t WHERE day = '2026-03-01' UNION ALL SELECT count(*) FROM t WHERE day::text = '2026-03-01'",
        "SELECT count(*) FROM t WHERE day::text = '2026-03-01' UNION ALL SELECT count(*) FROM t WHERE day = '2026-03-01'",
        "SELECT count(*) FROM t WHERE day IN ('2026-03-01', '2026-03-02') AND sku > 1 UNION ALL \
         SELECT count(*) FROM t WHERE (day = '2026-03-01' OR day = '2026-03-02') AND sku > 1",
    ];
    for (number, query) in queries.into_iter().enumerate() {
        let before = rows(&session, query).await.unwrap();
        assert_eq!(before[0], before[1], "{query}");
        // After the first listing of data, a writer commits to all partitions.
        let (writer, seed) = (store.clone(), number as u64 + 10);
        let written = Fault::on(Operation::List).key_contains("d/data/").times(1).call_after(move |_| {
            let writer = writer.clone();
            async move {
                let mut rows = costs(seed, 100, 3);
                // New versions, or there might be no new row.
                rows.iter_mut().for_each(|row| row.revised_at += TimeDelta::seconds(seed as i64));
                writer.write(&rows).await.unwrap();
            }
        });
        world.s3.inject(written);
        let during = rows(&session, query).await.unwrap();
        assert_eq!(world.s3.faults_left(), 0);
        assert_eq!(during[0], during[1], "{query}");
        // A later query sees the write.
        assert_ne!(rows(&session, query).await.unwrap(), before, "{query}");
    }
    // So does the end of the change stream.
    let mut rows_of_later = costs(77, 50, 3);
    rows_of_later.iter_mut().for_each(|row| row.revised_at += TimeDelta::seconds(77));
    store.write(&rows_of_later).await.unwrap();
    let settles =
        Fault::on(Operation::List).key_contains("d/_ref/").times(1).call_after(|_| sleep(Duration::from_secs(60)));
    world.s3.inject(settles);
    let query = "SELECT count(*) FROM t_changes() UNION ALL SELECT count(*) FROM t_changes(NULL, NULL)";
    let during = rows(&session, query).await.unwrap();
    assert_eq!(world.s3.faults_left(), 0);
    assert_eq!(during[0], during[1]);
    assert_ne!(rows(&session, query).await.unwrap(), during);
    // A plan that is executed again looks again, also while the first one is executed.
    let frame = session.sql("SELECT * FROM t").await.unwrap();
    let open = frame.clone().execute_stream().await.unwrap();
    let mut others = costs(88, 100, 3);
    others.iter_mut().for_each(|row| row.revised_at += TimeDelta::seconds(88));
    store.write(&others).await.unwrap();
    let now = frame.collect().await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>();
    let then: Vec<_> = open.try_collect().await.unwrap();
    assert!(then.iter().map(RecordBatch::num_rows).sum::<usize>() < now);
    let frame = session.sql("SELECT count(*) FROM t").await.unwrap();
    let first = frame.clone().to_string().await.unwrap();
    let mut rows = costs(99, 100, 3);
    rows.iter_mut().for_each(|row| row.revised_at += TimeDelta::seconds(99));
    store.write(&rows).await.unwrap();
    assert_ne!(frame.to_string().await.unwrap(), first);
}

/// Filters that a join or a limit finds out while the query runs.
#[tokio::test(start_paused = true)]
async fn filters_that_are_found_while_a_query_runs_exclude_partitions() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    store.write(&costs(1, 300, 20)).await.unwrap();
    let session = session(1);
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    let days = "SELECT DATE '2026-03-04' AS d UNION ALL SELECT DATE '2026-03-06'";
    let query = format!("SELECT t.sku FROM ({days}) days JOIN t_latest t ON t.day = days.d");
    let analyzed = explain(&session, &query, true).await;
    assert!(counter(&analyzed, "partitions_excluded_live") >= 60, "{analyzed}");
    let expected = number(&session, "SELECT count(*) FROM t_latest WHERE day IN ('2026-03-04', '2026-03-06')").await;
    assert_eq!(rows(&session, &query).await.unwrap().len() as i64, expected);
}

#[tokio::test(start_paused = true)]
async fn memory_comes_from_the_pool() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    for seed in 0..3 {
        store.write(&costs(seed, 2_000, 2)).await.unwrap();
    }
    let with_pool = |bytes: usize| {
        let pool = Arc::new(GreedyMemoryPool::new(bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
        let config = SessionConfig::new().with_target_partitions(1);
        let session = SessionContext::new_with_config_rt(config, Arc::clone(&runtime));
        s3store::sql::register(&session, "t", &store.table()).unwrap();
        (session, runtime)
    };
    let expected = store.read_all().history().count().await.unwrap() as i64;
    let (session, runtime) = with_pool(5 << 20);
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, expected);
    assert_eq!(runtime.memory_pool.reserved(), 0, "a query leaves nothing behind");
    // Several partitions share the pool, and leave some of it to the sort above them.
    for partitions in [2, 4, 8] {
        let pool = Arc::new(GreedyMemoryPool::new(64 << 20));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().unwrap();
        let config = SessionConfig::new().with_target_partitions(partitions);
        let session = SessionContext::new_with_config_rt(config, Arc::clone(&runtime));
        s3store::sql::register(&session, "t", &store.table()).unwrap();
        let sorted = rows(&session, "SELECT sku, note FROM t ORDER BY net, sku, note").await.unwrap();
        assert_eq!(sorted.len() as i64, expected);
        assert_eq!(runtime.memory_pool.reserved(), 0);
    }
    let (session, runtime) = with_pool(1 << 20);
    let error = session.sql("SELECT * FROM t").await.unwrap().collect().await.unwrap_err();
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
    assert_eq!(runtime.memory_pool.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_table_may_have_some_partitions_only() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    store.write(&costs(1, 100, 4)).await.unwrap();
    let session = session(2);
    let pattern = "day=2026-03-02/*";
    let provider = store.table().provider().only([pattern, "day=2026-03-03/client=abc"]).unwrap();
    session.register_table("some", Arc::new(provider)).unwrap();
    let expected = store.read([pattern, "day=2026-03-03/client=abc"]).count().await.unwrap();
    assert_eq!(number(&session, "SELECT count(*) FROM some").await, expected as i64);
    assert_eq!(number(&session, "SELECT count(*) FROM some WHERE day = '2026-03-01'").await, 0);
    let of_day = store.read("day=2026-03-03/client=abc").count().await.unwrap();
    assert_eq!(number(&session, "SELECT count(*) FROM some WHERE day = '2026-03-03'").await, of_day as i64);
    assert_eq!(store.table().provider().only("month=1").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn tables_are_registered_under_plain_names_or_not_at_all() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    store.write(&costs(1, 20, 1)).await.unwrap();
    let session = session(1);
    let register = |name: &str| s3store::sql::register(&session, name, &store.table());
    register("Billing").unwrap();
    for query in [
        "SELECT count(*) FROM Billing",
        "SELECT count(*) FROM billing_Latest",
        "SELECT count(*) FROM billing_changes()",
    ] {
        number(&session, query).await;
    }
    for name in ["", "lake.billing", "a b", "\"a\""] {
        let error = register(name).unwrap_err().to_string();
        assert!(error.contains("is no name for a table"), "{error}");
    }
    assert!(register("BILLING").unwrap_err().to_string().contains("has a table \"billing\" already"));
    // Nothing is left of an attempt that fails.
    session.sql("CREATE VIEW other_sku_days AS SELECT 1").await.unwrap().collect().await.unwrap();
    assert!(register("other").unwrap_err().to_string().contains("other_sku_days"));
    assert!(session.sql("SELECT * FROM other_latest").await.is_err());
    assert!(session.sql("SELECT * FROM other_changes()").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn errors_of_reads_are_errors_of_queries() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    let commits = store.write(&costs(1, 50, 1)).await.unwrap();
    let session = session(2);
    s3store::sql::register(&session, "t", &store.table()).unwrap();
    world.s3.put_object(crate::harness::BUCKET, &commits[0].data_path, "not a file");
    let error = session.sql("SELECT * FROM t").await.unwrap().collect().await.unwrap_err();
    let DataFusionError::External(inner) = error.find_root() else { panic!("{error}") };
    let inner = inner.downcast_ref::<s3store::Error>().unwrap();
    assert_eq!(inner.kind(), ErrorKind::InvalidData);
    assert!(inner.to_string().contains(&commits[0].data_path), "{inner}");
}
