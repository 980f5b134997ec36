//! Queries have the answers that they have over the rows of a read.

use s3store::Record;
use s3store::chrono::{DateTime, Utc};

use super::costs::{CONDITIONS, Cost, costs};
use super::support::{Sessions, number, rows};
use crate::harness::{Virtual, at};

#[tokio::test(start_paused = true)]
async fn tables_have_the_rows_of_reads() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Cost>();
    for seed in 0..4 {
        store.write(&costs(seed, 120, 5)).await.unwrap();
    }
    for (table, partitions) in
        [(store.table(), 1), (store.table(), 4), (dataset.table().deleted("gone").await.unwrap(), 3)]
    {
        let sessions = Sessions::new(&store, &table, &[("client", "customer")], partitions).await;
        for name in ["t", "t_latest"] {
            sessions.check(&format!("SELECT * FROM {name}")).await;
            sessions.check(&format!("SELECT count(*) FROM {name}")).await;
            sessions.check(&format!("SELECT client, net, day FROM {name}")).await;
            sessions.check(&format!("SELECT client FROM {name}")).await;
            sessions.check(&format!("SELECT day, sum(gross), count(note) FROM {name} GROUP BY day ORDER BY day")).await;
            let order = "day, client, sku, revised_at";
            sessions.check(&format!("SELECT * FROM {name} ORDER BY {order} LIMIT 7")).await;
            sessions.check(&format!("SELECT * FROM {name} ORDER BY revised_at DESC, {order} LIMIT 7")).await;
            assert_eq!(rows(&sessions.ours, &format!("SELECT sku FROM {name} LIMIT 5")).await.unwrap().len(), 5);
        }
        let join = "SELECT a.day, a.sku, b.net, a.net FROM t_latest a JOIN t b ON a.day = b.day AND a.sku = b.sku \
                    AND a.client = b.customer WHERE b.sku > 0";
        sessions.check(join).await;
        sessions.check("SELECT day FROM t_latest WHERE sku = (SELECT max(sku) FROM t WHERE net > 1)").await;
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_select_the_same_rows_as_in_memory() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Cost>();
    for seed in 0..3 {
        store.write(&costs(seed, 90, 5)).await.unwrap();
    }
    let sessions = Sessions::new(&store, &store.table(), &[("client", "customer")], 2).await;
    for condition in CONDITIONS {
        for name in ["t", "t_latest"] {
            sessions.check(&format!("SELECT day, client, sku, revised_at, net FROM {name} WHERE {condition}")).await;
            sessions.check(&format!("SELECT count(*) FROM {name} WHERE {condition}")).await;
        }
    }
}

/// A record without a key.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(region))]
struct Event {
    region: String,
    at: DateTime<Utc>,
    value: Option<i64>,
}

#[tokio::test(start_paused = true)]
async fn tables_without_a_key_have_every_row() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let event = |index: i64| Event {
        region: ["eu", "us"][index as usize % 2].to_owned(),
        at: at(index * 7 % 50),
        value: (index % 3 > 0).then_some(index),
    };
    for _ in 0..2 {
        store.write(&(0..100).map(event).collect::<Vec<_>>()).await.unwrap();
    }
    let sessions = Sessions::new(&store, &store.table(), &[], 3).await;
    for query in [
        "SELECT * FROM t",
        "SELECT count(*) FROM t_latest",
        "SELECT count(*) FROM t WHERE value > 10",
        "SELECT region, avg(value) FROM t WHERE at < to_timestamp_micros(20) GROUP BY region",
        "SELECT value FROM t WHERE value IS NOT NULL ORDER BY value DESC LIMIT 9",
        "SELECT count(*) FROM t a JOIN t b ON a.value = b.value WHERE a.region = 'eu'",
    ] {
        sessions.check(query).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dataset_without_rows_is_an_empty_table() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Cost>();
    let sessions = Sessions::new(&store, &store.table(), &[("client", "customer")], 4).await;
    assert_eq!(number(&sessions.ours, "SELECT count(*) FROM t_latest").await, 0);
    sessions.check("SELECT * FROM t WHERE sku > 3").await;
    sessions.check("SELECT day, sum(net) FROM t GROUP BY day").await;
}

#[tokio::test(start_paused = true)]
async fn views_are_tables() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Cost>();
    store.write(&costs(1, 60, 4)).await.unwrap();
    let sessions = Sessions::new(&store, &store.table(), &[("client", "customer")], 2).await;
    let session = &sessions.ours;
    let expected = rows(session, "SELECT DISTINCT sku::text, day::text FROM t ORDER BY 1, 2").await.unwrap();
    assert_eq!(rows(session, "SELECT * FROM t_sku_days ORDER BY 1, 2").await.unwrap(), expected);
    let of_sku = rows(session, "SELECT DISTINCT day::text FROM t WHERE sku = 1 ORDER BY 1").await.unwrap();
    world.s3.clear_requests();
    assert_eq!(rows(session, "SELECT day FROM t_sku_days WHERE sku = '1' ORDER BY 1").await.unwrap(), of_sku);
    assert_eq!(world.log(), ["List d/_matview/sku_days/sku=1/"]);
    let like = "SELECT sku FROM t_sku_days WHERE day LIKE '%-02' OR sku = '-1'";
    let found = rows(session, like).await.unwrap();
    let direct = "SELECT DISTINCT sku, day FROM t WHERE day = '2026-03-02' OR sku = -1";
    assert_eq!(found.len(), rows(session, direct).await.unwrap().len());
    assert!(dataset.table().sample(0).await.is_err(), "the harness registers no schema");
}
