//! Executors that are lost, and clusters that are not there.

use std::time::Duration;

use s3store::sql::cluster::connect;
use s3store::sql::register;

use super::fleet::{EXECUTORS, Fleet, server};
use crate::harness::{sleep, within};
use crate::sql::costs::{Cost, costs};
use crate::sql::support::{number, rows};

/// The rows are right, or the query fails with an error: results that were ready are lost with their executor.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_loses_an_executor_is_right_or_fails() {
    let server = server().await;
    let dataset = server.dataset().await;
    let store = dataset.store::<Cost>();
    store.write(&costs(1, 4_000, 60)).await.unwrap();
    let mut fleet = Fleet::start(EXECUTORS).await;
    let session = fleet.session(12);
    register(&session, "t", &store.table()).unwrap();
    let query = "SELECT a.day, count(*), sum(a.gross) FROM t a JOIN t_latest b ON a.day = b.day GROUP BY 1 ORDER BY 1";
    let expected = rows(&session, query).await.unwrap();
    let mut failed = 0;
    for executor in 0..EXECUTORS - 1 {
        let running = tokio::spawn({
            let session = session.clone();
            async move { rows(&session, query).await }
        });
        sleep(Duration::from_millis(150)).await;
        assert!(!running.is_finished(), "the query is too short to lose an executor");
        fleet.kill(executor);
        let ended = within(Duration::from_secs(240), running).await.expect("the query hangs").unwrap();
        match ended {
            Ok(found) => assert!(found == expected, "{executor}: {} rows", found.len()),
            Err(error) => {
                println!("the query that lost executor {executor} failed: {error}");
                failed += 1;
            }
        }
        // The executors that are left go on.
        let left = within(Duration::from_secs(240), rows(&session, query)).await.expect("the next query hangs");
        assert!(left.unwrap() == expected);
    }
    println!("{failed} of {} queries failed", EXECUTORS - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_not_there_is_an_error() {
    let dataset = server().await.dataset().await;
    let session = connect("df://127.0.0.1:9").unwrap();
    register(&session, "t", &dataset.store::<Cost>().table()).unwrap();
    let ended =
        within(Duration::from_secs(60), rows(&session, "SELECT count(*) FROM t")).await.expect("the query hangs");
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:9"), "{error}");
}

/// Files that vanish are an error of the query, which names the file.
#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_an_executor_reaches_the_client() {
    let server = server().await;
    let dataset = server.dataset().await;
    let store = dataset.store::<Cost>();
    let commits = store.write(&costs(1, 20, 2)).await.unwrap();
    let session = super::fleet::fleet().await.session(2);
    register(&session, "t", &store.table()).unwrap();
    assert!(number(&session, "SELECT count(*) FROM t").await > 0);
    let plan = session.sql("SELECT max(net) FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let key = &commits[0].data_path;
    server.client.delete_object().bucket(&server.bucket).key(key).send().await.unwrap();
    let error = s3store::datafusion::physical_plan::collect(plan, session.task_ctx()).await.unwrap_err().to_string();
    assert!(error.contains(key), "{error}");
}
