//! An executor of a Ballista cluster: reads datasets, and computes what the scheduler gives it.
//!
//! ```text
//! cargo run --release --example executor --features examples/ballista -- [SCHEDULER] [ADDRESS]
//! ```
//!
//! SCHEDULER is the scheduler's host and port; the default is 127.0.0.1:50050. ADDRESS is where results are served; the default is 127.0.0.1:50051.
//! Tasks come to the next port. Region, endpoint and credentials are those that all AWS tools take, from the environment, a profile or the
//! machine's role: they must open the buckets of all datasets that are queried. `EXTERNAL_HOST` is the name by which others reach the executor, if it is
//! not that of ADDRESS. `VCORES` and `MEMORY_BYTES` limit what it uses.

// Less than the default of 128: programs nest futures of their own around those of the library.
#![recursion_limit = "100"]

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::Builder as HttpClient;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use s3store::sql::cluster::Executor;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned())).init();
    let mut arguments = env::args().skip(1);
    let scheduler = arguments.next().unwrap_or_else(|| "127.0.0.1:50050".to_owned());
    let address: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:50051").parse()?;
    let (host, port) = scheduler.rsplit_once(':').ok_or("the scheduler is HOST:PORT")?;
    let (vcores, memory) = (number("VCORES")?, number("MEMORY_BYTES")?);
    let executor = Executor::new(client().await).scheduler(host, port.parse()?).bind(address, address.port() + 1);
    let executor = executor.configure(|config| {
        config.external_host = env::var("EXTERNAL_HOST").ok();
        config.vcores = vcores.map_or(config.vcores, |vcores| vcores as usize);
        config.memory_pool_size = memory;
    });
    println!("executor on {address}, for the scheduler on {scheduler}");
    Ok(executor.run().await?)
}

fn number(variable: &str) -> Result<Option<u64>, std::num::ParseIntError> {
    env::var(variable).ok().map(|text| text.parse()).transpose()
}

/// Returns a client with the configuration that AWS tools have.
async fn client() -> aws_sdk_s3::Client {
    let https = HttpClient::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let shared = aws_config::defaults(BehaviorVersion::latest()).http_client(https).load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    if shared.region().is_none() {
        config = config.region(Region::new("us-east-1"));
    }
    // Other servers rarely have a name for each bucket.
    if shared.endpoint_url().is_some() {
        config = config.force_path_style(true);
    }
    aws_sdk_s3::Client::from_conf(config.build())
}
