//! Queries over the dataset of `benches/scan.rs` on a real S3 server, one per process, so that each has its own peak of memory.
//!
//! `benches/sql.py` starts Ceph, writes the dataset, and compares this program with other engines. By hand:
//!
//! ```text
//! cargo bench -p benches --bench sql --features mimalloc,datafusion -- "SELECT count(*) FROM scan_latest"
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
use s3store::Dataset;
use s3store::datafusion::prelude::{SessionConfig, SessionContext};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn main() {
    let Some(query) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("a query is missing, see benches/sql.rs");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let dataset = Dataset::open(client(), "bench", "scan").await.expect("a dataset: see benches/scan.rs");
        let session = SessionContext::new_with_config(SessionConfig::new());
        s3store::sql::register(&session, "scan", &dataset.store::<Keyed>().table()).expect("new tables");
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

/// Returns the sum of a column, or 0 if its values are not numbers.
fn added_up(column: &ArrayRef) -> f64 {
    if !column.data_type().is_numeric() {
        return 0.0;
    }
    let numbers = cast(column, &DataType::Float64).expect("numbers");
    sum(numbers.as_primitive::<Float64Type>()).unwrap_or(0.0)
}
