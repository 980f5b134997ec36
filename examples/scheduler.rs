//! The scheduler of a Ballista cluster: plans queries over datasets, and gives their tasks to executors.
//!
//! ```text
//! cargo run --release --example scheduler --features examples/ballista -- [ADDRESS] [HOST]
//! ```
//!
//! ADDRESS is where programs and executors connect; the default is 127.0.0.1:50050. HOST is the name by which executors reach it, if ADDRESS
//! is one such as 0.0.0.0. The scheduler sends no requests to S3 and needs no credentials. Anyone who reaches the ports of the scheduler or
//! of an executor can run queries with the executors' credentials, so keep them in a private network.

// Less than the default of 128: programs nest futures of their own around those of the library.
#![recursion_limit = "100"]

use std::error::Error;

use s3store::sql::cluster::Scheduler;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned())).init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:50050".to_owned());
    let mut scheduler = Scheduler::new().bind(address.parse()?);
    if let Some(host) = arguments.next() {
        scheduler = scheduler.external_host(host);
    }
    println!("scheduler on {address}");
    Ok(scheduler.run().await?)
}
