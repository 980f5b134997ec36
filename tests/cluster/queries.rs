//! Queries on a cluster have the answers that they have over the rows of a read.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use s3store::datafusion::prelude::{col, lit};
use s3store::sql::register;
use s3store::testing::Operation;
use s3store::{Dataset, Record};

use super::fleet::{EXECUTORS, fleet, requests, server};
use crate::sql::costs::{CONDITIONS, Cost, costs};
use crate::sql::generated::{self, check_model, commit, query, write};
use crate::sql::support::{Sessions, explain, number, rows};

async fn filled() -> (crate::harness::Server, Dataset) {
    let server = server().await;
    let dataset = server.dataset().await;
    let store = dataset.store::<Cost>();
    for seed in 0..3 {
        store.write(&costs(seed, 90, 5)).await.unwrap();
    }
    (server, dataset)
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_select_the_same_rows_as_in_memory() {
    let (_server, dataset) = filled().await;
    let (store, session) = (dataset.store::<Cost>(), fleet().await.session(3));
    let sessions = Sessions::of(session, &store, &store.table(), &[("client", "customer")]).await;
    for condition in CONDITIONS {
        for name in ["t", "t_latest"] {
            sessions.check(&format!("SELECT day, client, sku, revised_at, net FROM {name} WHERE {condition}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_the_rows_of_reads() {
    let (_server, dataset) = filled().await;
    let store = dataset.store::<Cost>();
    for (table, partitions) in [(store.table(), 1), (dataset.table().deleted("gone").await.unwrap(), 6)] {
        let session = fleet().await.session(partitions);
        let sessions = Sessions::of(session, &store, &table, &[("client", "customer")]).await;
        for name in ["t", "t_latest"] {
            sessions.check(&format!("SELECT * FROM {name}")).await;
            sessions.check(&format!("SELECT count(*) FROM {name}")).await;
            sessions.check(&format!("SELECT day, sum(gross), count(note) FROM {name} GROUP BY day ORDER BY day")).await;
            let order = "day, client, sku, revised_at";
            sessions.check(&format!("SELECT * FROM {name} ORDER BY {order} LIMIT 7")).await;
            sessions.check(&format!("SELECT * FROM {name} ORDER BY revised_at DESC, {order} LIMIT 7")).await;
            assert_eq!(rows(&sessions.ours, &format!("SELECT sku FROM {name} LIMIT 5")).await.unwrap().len(), 5);
        }
        for query in [
            "SELECT a.day, a.sku, b.net, a.net FROM t_latest a JOIN t b ON a.day = b.day AND a.sku = b.sku \
             AND a.client = b.customer WHERE b.sku > 0",
            "SELECT day FROM t_latest WHERE sku = (SELECT max(sku) FROM t WHERE net > 1)",
            "SELECT sku FROM t_latest WHERE net IN (SELECT net FROM t WHERE sku > 0)",
            "SELECT day, sku FROM t WHERE sku > 2 UNION ALL SELECT day, sku FROM t_latest",
            "SELECT count(*) FROM t a, t_latest b WHERE a.sku = 1 AND b.sku = 2",
            "SELECT client, sku, count(*) OVER (PARTITION BY client) FROM t_latest WHERE net > -5",
        ] {
            sessions.check(query).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_queries_have_the_answers_of_reads_and_of_a_model() {
    let server = server().await;
    let mut runner = TestRunner::deterministic();
    for case in 0..12 {
        let writes = prop::collection::vec(write(), 1..6).new_tree(&mut runner).unwrap().current();
        let queries = prop::collection::vec(query(), 6).new_tree(&mut runner).unwrap().current();
        let prefix = format!("{}/{case}", server.prefix);
        let options = crate::harness::options();
        let dataset = options.init(server.client.clone(), &server.bucket, &prefix).await.unwrap().into_dataset();
        for write in &writes {
            commit(&server.client, &dataset, write).await;
        }
        let store = dataset.store::<generated::Cost>();
        let session = fleet().await.session(1 + case % 5);
        let sessions = Sessions::of(session, &store, &store.table(), &[("client", "customer")]).await;
        for query in &queries {
            sessions.check(query).await;
        }
        check_model(&sessions, &writes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_looked_up_by_executors() {
    let (_server, dataset) = filled().await;
    let (store, session) = (dataset.store::<Cost>(), fleet().await.session(3));
    register(&session, "t", &store.table()).unwrap();
    let expected = rows(&session, "SELECT DISTINCT sku::text, day::text FROM t ORDER BY 1, 2").await.unwrap();
    assert_eq!(rows(&session, "SELECT * FROM t_sku_days ORDER BY 1, 2").await.unwrap(), expected);
    let twice = "SELECT sku FROM t_sku_days UNION ALL SELECT sku FROM t_sku_days";
    assert_eq!(rows(&session, twice).await.unwrap().len(), 2 * expected.len());
    let of_sku = rows(&session, "SELECT DISTINCT day::text FROM t WHERE sku = 1 ORDER BY 1").await.unwrap();
    assert_eq!(rows(&session, "SELECT day FROM t_sku_days WHERE sku = '1' ORDER BY 1").await.unwrap(), of_sku);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_the_rows_of_the_entries() {
    let (server, dataset) = filled().await;
    let settled = server.settled().await;
    let (store, session) = (settled.store::<Cost>(), fleet().await.session(3));
    register(&session, "t", &store.table()).unwrap();
    let all = dataset.store::<Cost>().read_all().history().count().await.unwrap();
    let changes = "SELECT count(*) FROM t_changes() WHERE stamped_at > to_timestamp(0)";
    assert!(number(&session, changes).await >= i64::try_from(all).unwrap());
    let entries = store.poll_range(..).await.unwrap();
    let records: u64 = entries.iter().map(|entry| entry.record_count).sum();
    assert_eq!(number(&session, "SELECT count(*) FROM t_changes()").await, i64::try_from(records).unwrap());
    let offsets = rows(&session, "SELECT DISTINCT \"offset\" FROM t_changes() ORDER BY 1").await.unwrap();
    let expected: Vec<_> = entries.iter().map(|entry| entry.offset.as_str().to_owned()).collect();
    assert_eq!(offsets, expected);
    let since = &expected[expected.len() / 2];
    let after = rows(&session, &format!("SELECT DISTINCT \"offset\" FROM t_changes('{since}')")).await.unwrap();
    assert_eq!(after.len(), expected.len() - expected.len() / 2 - 1);
}

/// The default limits of gRPC and of Ballista are 4 and 16 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_may_be_larger_than_16_mib() {
    let (_server, dataset) = filled().await;
    let (store, session) = (dataset.store::<Cost>(), fleet().await.session(3));
    register(&session, "t", &store.table()).unwrap();
    let long = |number: usize| lit(format!("{number:>20000}"));
    let texts: Vec<_> = (0..1_000).map(long).chain([lit("a%b")]).collect();
    let frame = session.table("t").await.unwrap().filter(col("note").in_list(texts, false)).unwrap();
    let found = frame.count().await.unwrap();
    let expected = number(&session, "SELECT count(*) FROM t WHERE note = 'a%b'").await;
    assert_eq!(i64::try_from(found).unwrap(), expected);
    assert!(expected > 0);
}

/// An older form of [`Grown`].
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(region))]
struct Small {
    region: String,
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(region))]
struct Grown {
    region: String,
    id: i64,
    #[record(default = "old".to_owned())]
    form: String,
    #[record(default = 7)]
    count: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_those_of_the_record() {
    let dataset = server().await.dataset().await;
    dataset.store::<Small>().write(&[Small { region: "eu".into(), id: 1 }]).await.unwrap();
    let new = Grown { region: "us".into(), id: 2, form: "new".into(), count: 8 };
    dataset.store::<Grown>().write(&[new]).await.unwrap();
    let session = fleet().await.session(2);
    register(&session, "t", &dataset.store::<Grown>().table()).unwrap();
    let found = rows(&session, "SELECT * FROM t ORDER BY id").await.unwrap();
    assert_eq!(found, ["eu|1|old|7", "us|2|new|8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_reads_the_files_that_were_listed_when_it_was_made() {
    let (_server, dataset) = filled().await;
    let (store, session) = (dataset.store::<Cost>(), fleet().await.session(3));
    register(&session, "t", &store.table()).unwrap();
    let query = session.sql("SELECT sku FROM t UNION ALL SELECT sku FROM t").await.unwrap();
    let plan = query.create_physical_plan().await.unwrap();
    let before = store.read_all().history().count().await.unwrap();
    let late: Vec<_> = costs(9, 50, 9).into_iter().filter(|cost| cost.sku > 0).collect();
    store.write(&late).await.unwrap();
    assert!(store.read_all().history().count().await.unwrap() > before);
    let batches = s3store::datafusion::physical_plan::collect(plan, session.task_ctx()).await.unwrap();
    let count: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(count as u64, 2 * before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_runs_again_reads_what_is_new() {
    let (_server, dataset) = filled().await;
    let (store, session) = (dataset.store::<Cost>(), fleet().await.session(3));
    register(&session, "t", &store.table()).unwrap();
    let frame = session.sql("SELECT sku FROM t").await.unwrap();
    let before = store.read_all().history().count().await.unwrap();
    // Its plan is kept.
    let plan = frame.clone().create_physical_plan().await.unwrap();
    store.write(&costs(17, 40, 9)).await.unwrap();
    let after = store.read_all().history().count().await.unwrap();
    assert!(after > before);
    assert_eq!(frame.count().await.unwrap() as u64, after);
    drop(plan);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_lists_and_all_executors_read() {
    let server = server().await;
    let dataset = server.dataset().await;
    let store = dataset.store::<Cost>();
    store.write(&costs(1, 600, 12)).await.unwrap();
    let session = fleet().await.session(2 * EXECUTORS);
    register(&session, "t", &store.table()).unwrap();
    let plan = explain(&session, "SELECT day FROM t_latest WHERE client = 'abc'", false).await;
    assert!(plan.contains("S3storeScanExec"), "{plan}");
    let lists = |operations: &[Operation]| operations.iter().filter(|one| **one == Operation::List).count();
    let Some(before) = requests(&server.prefix) else { return };
    rows(&session, "SELECT day, sum(gross) FROM t_latest GROUP BY day").await.unwrap();
    let after = requests(&server.prefix).unwrap();
    let own = lists(&after[EXECUTORS]) - lists(&before[EXECUTORS]);
    let mut read = Vec::new();
    for (executor, operations) in after[..EXECUTORS].iter().enumerate() {
        assert!(operations.iter().all(|one| *one == Operation::Get), "executor {executor}: {operations:?}");
        read.push(operations.len() - before[executor].len());
    }
    println!("{own} LISTs by the client; GETs by executor: {read:?}");
    assert!(own > 0 && read.iter().all(|&gets| gets > 0), "{own} {read:?}");
    // Twice in a query, but listed once.
    let before = requests(&server.prefix).unwrap();
    let twice =
        "WITH d AS (SELECT day, sku FROM t) SELECT count(*) FROM d a JOIN d b ON a.day = b.day AND a.sku = b.sku";
    rows(&session, twice).await.unwrap();
    let after = requests(&server.prefix).unwrap();
    assert_eq!(lists(&after[EXECUTORS]) - lists(&before[EXECUTORS]), own);
}

#[tokio::test(flavor = "multi_thread")]
async fn unions_and_empty_relations_have_the_rows_of_datafusion() {
    let (_server, dataset) = filled().await;
    let store = dataset.store::<Cost>();
    let parts = [
        "SELECT count(*) FROM t",
        "SELECT sku FROM (SELECT sku FROM t ORDER BY sku, day, client, revised_at LIMIT 3)",
        "SELECT max(sku) FROM (SELECT sku FROM t_latest ORDER BY sku LIMIT 3) GROUP BY sku",
        "SELECT row_number() OVER (ORDER BY day, client, sku, revised_at) FROM t",
        "SELECT sku FROM t_latest WHERE day = '2026-03-02' AND client = 'abc'",
        "SELECT sku FROM t_latest WHERE small NOT IN (SELECT small FROM t WHERE small IS NOT NULL AND small < 20)",
        "SELECT sku FROM t WHERE sku = (SELECT max(sku) FROM t)",
        "SELECT sku::int FROM t_sku_days",
        "SELECT a.sku FROM t a JOIN t_latest b ON a.sku = b.sku AND a.day = b.day",
        "SELECT sku FROM t WHERE 1 = 0",
        "SELECT 7",
    ];
    for partitions in [1, 5] {
        let session = fleet().await.session(partitions);
        let sessions = Sessions::of(session, &store, &store.table(), &[("client", "customer")]).await;
        sessions.also_view("t_sku_days").await;
        for part in parts {
            for query in [
                format!("SELECT sku FROM t UNION ALL ({part})"),
                format!("({part}) UNION SELECT sku FROM t"),
                format!("SELECT sku FROM t UNION ALL ({part}) ORDER BY 1"),
                format!("SELECT sku FROM t UNION ALL ({part}) ORDER BY 1 LIMIT 9"),
                format!("SELECT count(*) FROM (({part}) UNION ALL SELECT sku FROM t_latest)"),
            ] {
                sessions.check(&query).await;
            }
        }
        for query in [
            "SELECT max(net) FROM t WHERE false",
            "SELECT * FROM t WHERE 1 = 0",
            "SELECT count(*), max(note) FROM t_latest WHERE 1 = 0",
            "SELECT a.day, b.note FROM t a LEFT JOIN (SELECT * FROM t WHERE false) b ON a.day = b.day",
            "SELECT count(*) FROM t a JOIN (SELECT * FROM t_latest WHERE false) b ON a.day = b.day WHERE a.tags IS NOT NULL",
            "SELECT 1 + 1",
        ] {
            sessions.check(query).await;
        }
        let five = "SELECT sku FROM t UNION ALL SELECT sku FROM t_latest LIMIT 5";
        assert_eq!(rows(&sessions.ours, five).await.unwrap().len(), 5);
        let empty = sessions.ours.sql("SELECT * FROM t WHERE 1 = 0").await.unwrap();
        let columns = empty.schema().fields().len();
        let batches = empty.collect().await.unwrap();
        assert!(columns > 9 && batches.iter().all(|batch| batch.num_columns() == columns && batch.num_rows() == 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_that_the_cluster_gets_wrong_are_refused() {
    let (_server, dataset) = filled().await;
    let (store, session) = (dataset.store::<Cost>(), fleet().await.session(4));
    let sessions = Sessions::of(session, &store, &store.table(), &[("client", "customer")]).await;
    for query in [
        "SELECT a.sku FROM t_latest a WHERE EXISTS (SELECT 1 FROM t b WHERE b.net > a.net)",
        "SELECT a.sku FROM t_latest a WHERE NOT EXISTS (SELECT 1 FROM t b WHERE b.net > a.net)",
        "SELECT a.sku, b.sku FROM t_latest a LEFT JOIN t b ON a.net < b.net",
        "SELECT a.sku, b.sku FROM t_latest a FULL JOIN t b ON a.net < b.net",
    ] {
        let error = rows(&sessions.ours, query).await.unwrap_err().to_string();
        assert!(error.contains("without a condition that two columns are equal"), "{query}: {error}");
    }
    for query in [
        "SELECT a.sku FROM t_latest a WHERE EXISTS (SELECT 1 FROM t b WHERE b.day = a.day AND b.net > a.net)",
        "SELECT a.sku FROM t_latest a WHERE NOT EXISTS (SELECT 1 FROM t b WHERE b.day = a.day AND b.net > a.net)",
        "SELECT a.day, a.sku, b.net FROM t_latest a LEFT JOIN t b ON a.day = b.day AND a.net < b.net",
        "SELECT a.day, a.sku, b.net FROM t_latest a FULL JOIN t b ON a.day = b.day AND a.sku = b.sku AND a.net < b.net",
        "SELECT count(*) FROM t_latest a JOIN t b ON a.net < b.net",
        "SELECT sku FROM t WHERE net > (SELECT avg(net) FROM t_latest WHERE net > -9 AND net < 9)",
    ] {
        sessions.check(query).await;
    }
    rows(&sessions.ours, "SET ballista.planner.adaptive.enabled = true").await.unwrap();
    let union = "SELECT sku FROM t UNION ALL SELECT sku FROM t_latest";
    let error = rows(&sessions.ours, union).await.unwrap_err().to_string();
    assert!(error.contains("adaptive planner"), "{error}");
}
