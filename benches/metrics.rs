//! Measures the cost of metrics without a meter provider and with OpenTelemetry's SDK, as a share of a request.
//!
//! Run `cargo bench -p benches --bench metrics`. The request is a HEAD to the in-process S3, without network or disk,
//! so the shares are smaller with a real server. It prints medians of interleaved runs in one process; compare the shares.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::Plain;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use s3store::testing::{Accounting, S3};
use s3store::{Dataset, Store};

const RUNS: usize = 101;
const ACCOUNTS: u32 = 1_000;
const REQUESTS: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sdk = || Arc::new(SdkMeterProvider::builder().with_reader(PeriodicReader::builder(Discard).build()).build());
    let (without, with) = (Accounting::new(None), Accounting::new(Some(sdk())));
    let s3 = S3::with_bucket("warehouse");
    let (plain, measured) = runtime.block_on(async {
        drop(Dataset::init(s3.client(), "warehouse", "d").await?);
        let plain = Dataset::open(s3.client(), "warehouse", "d").await?;
        let measured = Dataset::options().meter_provider(sdk()).open(s3.client(), "warehouse", "d").await?;
        s3store::Result::<_>::Ok((plain.store::<Plain>(), measured.store::<Plain>()))
    })?;
    let head = |store: &Store<Plain>| {
        runtime.block_on(async {
            for _ in 0..REQUESTS {
                assert!(store.lookup_commit("period=2026", "token").await.is_ok_and(|found| found.is_none()));
            }
        });
        s3.clear_requests();
    };

    let mut times: [Vec<Duration>; 6] = Default::default();
    for _ in 0..RUNS {
        let each: [(&dyn Fn(), u32); 6] = [
            (&|| (0..ACCOUNTS).for_each(|_| without.request()), ACCOUNTS),
            (&|| (0..ACCOUNTS).for_each(|_| with.request()), ACCOUNTS),
            (&|| (0..ACCOUNTS).for_each(|_| without.call()), ACCOUNTS),
            (&|| (0..ACCOUNTS).for_each(|_| with.call()), ACCOUNTS),
            (&|| head(&plain), REQUESTS),
            (&|| head(&measured), REQUESTS),
        ];
        for ((run, times_run), times) in each.into_iter().zip(&mut times) {
            times.push(timed(run) / times_run);
        }
    }
    let [request, request_sdk, call, call_sdk, head, head_sdk] = times.map(median);
    let share = |part: Duration| 100.0 * part.as_secs_f64() / head.as_secs_f64();
    println!("medians of {RUNS} interleaved runs; shares of a call with one HEAD to the in-process S3");
    println!("{:<34} {:>14} {:>14}", "", "no provider", "sdk");
    println!("{:<34} {request:>14.0?} {request_sdk:>14.0?}", "measuring a request");
    println!("{:<34} {call:>14.0?} {call_sdk:>14.0?}", "measuring a call");
    println!("{:<34} {head:>14.1?} {head_sdk:>14.1?}", "a call with one request, in total");
    let (none, sdk) = (share(request + call), share(request_sdk + call_sdk));
    println!("{:<34} {none:>13.2} % {sdk:>12.2} %", "share of measuring");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(run: &dyn Fn()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// An exporter that discards all metrics.
struct Discard;

impl PushMetricExporter for Discard {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
