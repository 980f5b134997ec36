//! The basic operations of a dataset, on an S3 in this process: initialise, write, read, select partitions, retry, and
//! update records.
//!
//! Run it with `cargo run --example quickstart`. It needs no server.

use std::error::Error;

use s3store::chrono::{DateTime, TimeDelta, Utc};
use s3store::dataset::Initialized;
use s3store::rust_decimal::Decimal;
use s3store::testing::S3;
use s3store::{Dataset, Record};

const BUCKET: &str = "warehouse";

/// The cost of a product for a customer in a period. The struct defines the columns of the data files.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(charge_period, customer = customer_id))]
struct Cost {
    #[record(entity)]
    charge_period: String,
    #[record(entity)]
    customer_id: String,
    #[record(entity)]
    sku: String,
    #[record(decimal(18, 6))]
    net_cost: Decimal,
    currency: Option<String>,
    /// A read returns the record with the highest version of each entity.
    #[record(version, timestamp = "ns")]
    calculated_at: DateTime<Utc>,
    /// Ignored by writes. Every read sets it to the insertion time of the write.
    #[record(inserted_at)]
    inserted_at: Option<DateTime<Utc>>,
}

/// A projection of [`Cost`]. Reading it decodes only these columns.
#[derive(Debug, Record)]
#[record(projection_of = Cost)]
struct Price {
    sku: String,
    net_cost: Decimal,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real program uses `aws_sdk_s3::Client::new(&aws_config::load_from_env().await)`.
    let s3 = S3::with_bucket(BUCKET);
    let client = s3.client();

    step("initialise the dataset: once, during deployment");
    for _ in 0..2 {
        match Dataset::init(client.clone(), BUCKET, "billing").await? {
            Initialized::Created(dataset) => println!("created, commit timeout {:?}", dataset.commit_timeout()),
            Initialized::Found(_) => println!("found, with the same configuration: nothing was written"),
        }
    }
    let dataset = Dataset::open(client, BUCKET, "billing").await?;
    let store = dataset.store::<Cost>();

    step("write five records to three partitions, with a token so that the write can be retried");
    let calculated_at: DateTime<Utc> = "2026-03-20T06:00:00Z".parse()?;
    let costs = [
        cost("2026-03-17", "abc", "SKU-1", "12.50", calculated_at),
        cost("2026-03-17", "abc", "SKU-2", "0.000001", calculated_at),
        cost("2026-03-17", "xyz", "SKU-1", "99.99", calculated_at),
        cost("2026-03-18", "abc", "SKU-1", "13.75", calculated_at),
        cost("2026-03-18", "abc", "SKU-2", "7", calculated_at),
    ];
    let commits = store.write(&costs).token("job-2026-03-20").await?;
    for commit in &commits {
        println!("{}: {} records in {}", commit.partition, commit.record_count, commit.data_path);
    }

    step("list the objects in the bucket: configuration, refs of the change stream, data files, commits");
    for key in s3.keys(BUCKET) {
        println!("{key}");
    }

    step("read everything");
    print(&store.read_all().await?);

    step("read the partitions that match charge_period=2026-03-17/customer=*");
    print(&store.read("charge_period=2026-03-17/customer=*").await?);

    step("read with a typed pattern: periods from 2026-03-18 until before 2026-04-01, customer abc");
    let march = Cost::partitions().charge_period("2026-03-18".."2026-04-01").customer("abc");
    print(&store.read(march).await?);

    step("write again with the same token: returns the first commits and writes nothing");
    s3.clear_requests();
    let again = store.write(&costs).token("job-2026-03-20").await?;
    println!("same commits: {}", again == commits);
    for request in s3.requests() {
        println!("{:?} {}", request.operation, request.key.unwrap_or_default());
    }

    step("write a newer version of one record");
    let corrected = cost("2026-03-17", "abc", "SKU-1", "11.00", calculated_at + TimeDelta::days(1));
    store.write(&[corrected]).token("job-2026-03-21").await?;
    println!("latest:");
    print(&store.read("charge_period=2026-03-17/customer=abc").await?);
    println!("history:");
    print(&store.read("charge_period=2026-03-17/customer=abc").history().await?);

    step("stream two columns of all records");
    let mut prices = dataset.store::<Price>().read_all().stream();
    let mut total = Decimal::ZERO;
    while let Some(Price { sku, net_cost }) = prices.try_next().await? {
        println!("{sku} {net_cost}");
        total += net_cost;
    }
    println!("total {total}");

    // Waits until commits in progress have finished. A program should do this before it exits.
    dataset.drain().await;
    Ok(())
}

fn cost(charge_period: &str, customer_id: &str, sku: &str, net_cost: &str, calculated_at: DateTime<Utc>) -> Cost {
    Cost {
        charge_period: charge_period.to_owned(),
        customer_id: customer_id.to_owned(),
        sku: sku.to_owned(),
        net_cost: net_cost.parse().unwrap_or_default(),
        currency: Some("EUR".to_owned()),
        calculated_at,
        inserted_at: None,
    }
}

fn step(title: &str) {
    println!("\n== {title}");
}

fn print(costs: &[Cost]) {
    for cost in costs {
        let Cost { charge_period, customer_id, sku, net_cost, calculated_at, .. } = cost;
        let calculated = calculated_at.format("%Y-%m-%d");
        println!("{charge_period} {customer_id} {sku} {net_cost:>10} calculated {calculated}");
    }
}
