//! The library's metrics and spans: each instrument, moved by the operation that should move it.

mod calls;
mod gauges;
mod inventory;
mod meter;
mod reads;
mod requests;
mod spans;
mod writes;

use s3store::Dataset;
use s3store::dataset::DatasetOptions;

use self::meter::{Collected, Meter};
use crate::integration::harness::{BUCKET, PREFIX, Virtual};

/// Initialises a dataset and opens it with a meter, so that only later requests are measured.
async fn measured(world: &Virtual, meter: &Meter) -> Dataset {
    measured_with(world, meter, world.options()).await
}

async fn measured_with(world: &Virtual, meter: &Meter, options: DatasetOptions) -> Dataset {
    world.dataset().await;
    meter.on(options).open(world.s3.client(), BUCKET, PREFIX).await.unwrap()
}

/// Returns count and sum of several histograms for a method.
fn tallied<const N: usize>(collected: &Collected, method: &str, names: [&str; N]) -> [(u64, f64); N] {
    let of = [("s3store.method", method)];
    names.map(|name| (collected.count(name, &of), collected.sum(name, &of)))
}

/// Returns the total size of all data files.
fn bytes(world: &Virtual) -> f64 {
    let files = world.keys_with(".parquet");
    files.iter().map(|key| world.s3.object(BUCKET, key).unwrap().body.len() as f64).sum()
}
