//! The times of queries on one executor and on three.

use std::time::Duration;

use s3store::Record;
use s3store::chrono::{DateTime, Utc};
use s3store::sql::register;

use super::fleet::{EXECUTORS, Fleet, requests, server};
use crate::harness::{at, draws};
use crate::sql::support::rows;

const SITES: u64 = 48;
const ROWS: u64 = 10_000;
const ROUNDS: usize = 5;

const QUERIES: [(&str, &str); 5] = [
    ("latest, sum by site", "SELECT site, sum(level) FROM t_latest GROUP BY site ORDER BY site"),
    ("history, count", "SELECT count(*) FROM t"),
    (
        "history, sum by sensor",
        "SELECT sensor, sum(level) AS s FROM t GROUP BY sensor ORDER BY s DESC, sensor LIMIT 10",
    ),
    ("latest, filter", "SELECT count(*), min(sensor) FROM t_latest WHERE level < 20"),
    (
        "join",
        "SELECT a.site, count(*) FROM t_latest a JOIN t b ON a.site = b.site AND a.sensor = b.sensor \
         WHERE a.sensor < 100 AND a.level < b.level GROUP BY a.site ORDER BY 1",
    ),
];

#[derive(Debug, Clone, Record)]
#[record(partition_by(site))]
struct Reading {
    #[record(entity)]
    site: String,
    #[record(entity)]
    sensor: i64,
    #[record(version)]
    read_at: DateTime<Utc>,
    level: i64,
    note: String,
}

#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Prints the median of each query's seconds, and the requests of each executor. Checks that the rows are equal.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo test -p tests -p s3store --features tests/ballista --test cluster -- --ignored --nocapture figures"]
async fn figures() {
    let server = server().await;
    let dataset = server.dataset().await;
    let store = dataset.store::<Reading>();
    let mut draw = draws(7);
    for file in 0..2 {
        let reading = |row: u64| Reading {
            site: format!("site-{:02}", row / ROWS),
            sensor: draw(ROWS / 2),
            read_at: at(i64::try_from(file * ROWS + row % ROWS).unwrap()),
            level: draw(1_000),
            note: format!("note {row} of {file}"),
        };
        let readings: Vec<Reading> = (0..SITES * ROWS).map(reading).collect();
        store.write(&readings).await.unwrap();
    }
    let fleets = [Fleet::start(1).await, Fleet::start(EXECUTORS).await];
    let sessions = fleets.each_ref().map(|fleet| {
        let session = fleet.session(12);
        register(&session, "t", &store.table()).unwrap();
        session
    });
    println!("{} rows in {} files", 2 * SITES * ROWS, 2 * SITES);
    println!("{:<24}{:>12}{:>12}{:>8}", "median of seconds", "1 executor", "3", "ratio");
    for (name, query) in QUERIES {
        let mut seconds = [Vec::new(), Vec::new()];
        let mut expected = None;
        // The first round warms up.
        for round in 0..=ROUNDS {
            for (session, seconds) in sessions.iter().zip(&mut seconds) {
                let began = now();
                let found = rows(session, query).await.unwrap();
                if round > 0 {
                    seconds.push(began.elapsed());
                }
                assert_eq!(&found, expected.get_or_insert_with(|| found.clone()), "{name}");
            }
        }
        let [one, three] = seconds.map(|mut seconds| {
            seconds.sort_unstable();
            seconds.get(ROUNDS / 2).map_or(0.0, Duration::as_secs_f64)
        });
        println!("{name:<24}{one:>12.2}{three:>12.2}{:>8.2}", three / one);
    }
    if let Some(requests) = requests(&format!("{}/data/", server.prefix)) {
        // The only executor of the first fleet has the number of the first one of the other.
        println!("requests for files by executor: {:?}", requests.each_ref().map(Vec::len));
    }
}
