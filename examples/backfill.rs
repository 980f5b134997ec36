//! A view that is added to a dataset with existing data: a backfill computes its tuples, with a progress bar.
//!
//! Run it with `cargo run --example backfill [path/to/flights.csv [endpoint bucket]]`.
//!
//! The backfill runs as a separate process, which is killed halfway and then resumed. In the end the view must have
//! exactly the routes in the CSV.
//!
//! Without an endpoint, the example uses an S3 in this process. Otherwise it uses the given server, with the
//! credentials in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use indicatif::{ProgressBar, ProgressStyle};
use s3store::testing::{ACCESS_KEY, S3, SECRET_KEY};
use s3store::{Dataset, Record, View};
use serde::Deserialize;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights-sample.csv");

/// A flight, partitioned by month and airport.
#[derive(Debug, Clone, PartialEq, Record, Deserialize)]
#[record(partition_by(month = pad(month, 2), origin))]
struct Flight {
    month: u8,
    day: u8,
    carrier: String,
    flight: u16,
    origin: String,
    dest: String,
    tailnum: String,
    distance: u16,
    sched_dep_time: u16,
    sched_arr_time: u16,
    time_hour: String,
}

/// A route: which carrier flies from where to where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Flight, name = "routes")]
struct Route {
    origin: String,
    dest: String,
    carrier: String,
}

/// The location of the dataset.
struct Location {
    endpoint: String,
    bucket: String,
    prefix: String,
}

impl Location {
    fn client(&self) -> Client {
        let key = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let credentials = Credentials::new(
            key("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            key("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            None,
            None,
            "",
        );
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = S3::new().config_without_http_client(&self.endpoint).http_client(http);
        Client::from_conf(config.credentials_provider(credentials).build())
    }
}

/// Runs the backfill, and prints each partition that is done. That partition is all that is needed to resume.
async fn backfill(location: &Location, after: Option<&str>) -> Result<()> {
    let dataset = Dataset::open(location.client(), &location.bucket, &location.prefix).await?;
    let mut backfill = dataset.view::<Route>().backfill("*");
    if let Some(partition) = after {
        backfill = backfill.resume_after(partition);
    }
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} partitions, {msg}")?);
    let mut steps = backfill.stream();
    while let Some(step) = steps.try_next().await? {
        bar.set_length(step.total_partitions);
        bar.set_position(step.partitions);
        bar.set_message(format!("{} records, {} markers", step.done.records, step.done.markers));
        println!("{}", step.partition);
    }
    bar.finish();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, endpoint, bucket, prefix, after @ ..] = arguments.as_slice()
        && role == "--run"
    {
        let location = Location { endpoint: endpoint.clone(), bucket: bucket.clone(), prefix: prefix.clone() };
        return backfill(&location, after.first().map(String::as_str)).await;
    }
    let path = arguments.first().map_or(SAMPLE, String::as_str);
    let s3 = S3::with_bucket("warehouse");
    let listener = s3.listen("127.0.0.1:0").await?;
    let location = match arguments.as_slice() {
        [_, endpoint, bucket] => {
            let prefix = format!("flights-{}", std::process::id());
            Location { endpoint: endpoint.clone(), bucket: bucket.clone(), prefix }
        }
        _ => Location { endpoint: listener.endpoint(), bucket: "warehouse".into(), prefix: "flights".into() },
    };
    // Ignores the error if the bucket exists.
    let _ = location.client().create_bucket().bucket(&location.bucket).send().await;
    let dataset = Dataset::init(location.client(), &location.bucket, &location.prefix).await?.into_dataset();

    let flights = csv::Reader::from_path(path)?.deserialize().collect::<Result<Vec<Flight>, _>>()?;
    let commits = dataset.store::<Flight>().write(&flights).await?;
    println!("wrote {} flights to {} partitions, without a view", flights.len(), commits.len());
    if !dataset.view::<Route>().lookup("*").await?.is_empty() {
        return Err("the view already has routes".into());
    }
    s3.clear_requests();

    let mut last = None;
    for stop_after in [Some(commits.len() / 2), None] {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--run", &location.endpoint, &location.bucket, &location.prefix])
            .args(&last)
            .stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        for (done, line) in (1..).zip(lines) {
            last = Some(line?);
            if Some(done) == stop_after {
                process.kill()?;
                println!("killed after {done} partitions, the last one was {}", last.as_deref().unwrap_or_default());
                break;
            }
        }
        process.wait()?;
    }

    let fetched: u64 = s3.requests().iter().filter_map(|request| span(request.range()?)).sum();
    let files: usize =
        commits.iter().filter_map(|commit| s3.object("warehouse", &commit.data_path)).map(|o| o.body.len()).sum();
    if fetched > 0 {
        println!("the backfill fetched {fetched} of {files} bytes");
    }
    let expected: BTreeSet<Route> =
        flights.into_iter().map(|Flight { origin, dest, carrier, .. }| Route { origin, dest, carrier }).collect();
    let found = dataset.view::<Route>().lookup("*").await?;
    println!("{} routes found, the CSV has {}", found.len(), expected.len());
    let from_jfk = dataset.view::<Route>().lookup(Route::patterns().origin("JFK").dest("SFO")).await?;
    println!("from JFK to SFO: {}", from_jfk.iter().map(|route| route.carrier.as_str()).collect::<Vec<_>>().join(" "));
    if found.into_iter().eq(expected) {
        Ok(())
    } else {
        Err("the routes in the view differ from those in the CSV".into())
    }
}

/// Returns the number of bytes that a `Range` header requests.
fn span(range: &str) -> Option<u64> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some(to.parse::<u64>().ok()? - from.parse::<u64>().ok()? + 1)
}
