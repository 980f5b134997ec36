//! Queries over the dataset of `benches/scan.rs`, and over the flights of 2013, on a real S3 server, one per process, so that
//! each has its own peak of memory.
//!
//! `benches/sql.py` starts Ceph, writes the datasets, and compares this program with other engines. By hand:
//!
//! ```text
//! cargo bench -p benches --bench sql --features mimalloc,datafusion -- "SELECT count(*) FROM scan_latest"
//! cargo bench -p benches --bench sql --features mimalloc,datafusion -- write-flights flights.csv
//! ```
//!
//! A query prints one line: the seconds, the peak of resident memory in MiB, the number of rows, and the sum of the numbers in
//! the first column. The server is the one that `S3STORE_TEST_ENDPOINT` names.

use std::env;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, sum};
use arrow::datatypes::{DataType, Float64Type};
use benches::{Keyed, client};
use futures_util::TryStreamExt;
use s3store::datafusion::prelude::{SessionConfig, SessionContext};
use s3store::{Dataset, Record};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn main() {
    let mut arguments = env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let Some(query) = arguments.next() else {
        println!("a query is missing, see benches/sql.rs");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if query == "write-flights" {
            write_flights(&arguments.next().expect("the path of flights.csv")).await;
            return;
        }
        let session = SessionContext::new_with_config(SessionConfig::new());
        let open =
            async |prefix| Dataset::open(client(), "bench", prefix).await.expect("a dataset: see benches/sql.py");
        let table = match query.contains("flights") {
            true => open("flights").await.store::<Flight>().table(),
            false => open("scan").await.store::<Keyed>().table(),
        };
        s3store::sql::register(&session, table.dataset().prefix(), &table).expect("new tables");
        let began = Instant::now();
        let frame = session.sql(&query).await.expect("a query");
        let mut batches = frame.execute_stream().await.expect("a plan");
        let (mut rows, mut total) = (0, 0.0);
        while let Some(batch) = batches.try_next().await.expect("a batch") {
            rows += batch.num_rows();
            total += batch.columns().first().map_or(0.0, added_up);
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("{seconds:.3} {} {rows} {total}", benches::peak_mib());
    });
}

/// A flight. Every tenth has a second version, with an arrival a minute later.
#[derive(Debug, Clone, Record, serde::Deserialize)]
#[record(partition_by(month, origin))]
struct Flight {
    #[record(entity)]
    month: u8,
    #[record(entity)]
    day: u8,
    #[record(entity)]
    carrier: String,
    #[record(entity)]
    flight: u16,
    #[record(entity)]
    origin: String,
    #[serde(skip)]
    #[record(version)]
    revision: i32,
    dest: String,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_delay: Option<i16>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_delay: Option<i16>,
    #[serde(deserialize_with = "csv::invalid_option")]
    air_time: Option<u16>,
    distance: u16,
    tailnum: String,
}

/// Writes the flights, and then the second versions.
async fn write_flights(path: &str) {
    let mut flights = csv::Reader::from_path(path).expect("a file");
    let flights: Vec<Flight> = flights.deserialize().collect::<Result<_, _>>().expect("flights");
    let later = |flight: &Flight| Flight {
        revision: 1,
        arr_delay: flight.arr_delay.map(|minutes| minutes + 1),
        ..flight.clone()
    };
    let corrected: Vec<Flight> = flights.iter().step_by(10).map(later).collect();
    let _exists = client().create_bucket().bucket("bench").send().await;
    let dataset = Dataset::init(client(), "bench", "flights").await.expect("a new dataset").into_dataset();
    let store = dataset.store::<Flight>();
    store.write(&flights).await.expect("commits");
    store.write(&corrected).await.expect("commits");
}

/// Returns the sum of a column, or 0 if its values are not numbers.
fn added_up(column: &ArrayRef) -> f64 {
    if !column.data_type().is_numeric() {
        return 0.0;
    }
    let numbers = cast(column, &DataType::Float64).expect("numbers");
    sum(numbers.as_primitive::<Float64Type>()).unwrap_or(0.0)
}
