//! Materialized views: markers, look-ups, and backfills.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::TryStreamExt;
use s3store::pattern::prefix;
use s3store::testing::{Fault, Operation};
use s3store::{Dataset, ErrorKind, Record, View};

use crate::integration::harness::{BUCKET, PREFIX, Server, Virtual, sleep};
use crate::integration::records::{Small, Wide};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period), views(SkuPeriod, Buckets))]
struct Usage {
    #[record(entity)]
    period: String,
    #[record(entity)]
    sku: String,
    #[record(entity)]
    customer_id: String,
    amount: i64,
    #[record(version)]
    measured_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, View)]
#[view(of = Usage, name = "sku_period_idx")]
struct SkuPeriod {
    sku: String,
    #[view(from = customer_id)]
    customer: String,
    #[view(from = measured_at, format = "%Y-%m")]
    month: String,
}

/// Records with an amount of 0 or less have no marker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Usage, name = "buckets")]
struct Buckets {
    #[view(with = bucket(amount))]
    bucket: u32,
    #[view(from = measured_at)]
    at: DateTime<Utc>,
}

fn bucket(amount: &i64) -> Option<u32> {
    (*amount > 0).then(|| u32::try_from(amount / 100).unwrap())
}

/// The same record as [`Usage`], but without views: the type of a service that knows none.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period))]
struct Plain {
    #[record(entity)]
    period: String,
    #[record(entity)]
    sku: String,
    #[record(entity)]
    customer_id: String,
    amount: i64,
    #[record(version)]
    measured_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Plain, name = "days")]
struct Days {
    #[view(from = measured_at, format = "%F")]
    day: NaiveDate,
    sku: String,
}

fn usage(period: &str, sku: u32, customer: &str, amount: i64, at: &str) -> Usage {
    let (sku, measured_at) = (format!("SKU-{sku}"), at.parse().unwrap());
    Usage { period: period.into(), sku, customer_id: customer.into(), amount, measured_at }
}

fn usages() -> Vec<Usage> {
    vec![
        usage("2026-03-17", 1, "abc", 250, "2026-03-17T10:00:00Z"),
        usage("2026-03-17", 1, "abc", 0, "2026-03-18T10:00:00.100Z"),
        usage("2026-03-18", 1, "abc", 250, "2026-03-17T10:00:00Z"),
        usage("2026-03-18", 2, "ü b", 99, "2026-04-01T00:00:00Z"),
        usage("2026-04-01", 2, "abc", -1, "2026-04-01T00:00:00Z"),
    ]
}

fn plain(usage: &Usage) -> Plain {
    let Usage { period, sku, customer_id, amount, measured_at } = usage.clone();
    Plain { period, sku, customer_id, amount, measured_at }
}

fn sku_period(sku: &str, customer: &str, month: &str) -> SkuPeriod {
    SkuPeriod { sku: sku.into(), customer: customer.into(), month: month.into() }
}

#[tokio::test]
async fn look_ups_find_what_was_just_written() {
    let server = Server::start().await;
    let dataset = server.dataset().await;
    dataset.store::<Usage>().write(&usages()).await.unwrap();
    let view = dataset.view::<SkuPeriod>();
    let all = [
        sku_period("SKU-1", "abc", "2026-03"),
        sku_period("SKU-2", "abc", "2026-04"),
        sku_period("SKU-2", "ü b", "2026-04"),
    ];
    assert_eq!(view.lookup("*").await.unwrap(), all);
    assert_eq!(view.lookup("sku=SKU-1/*/*").await.unwrap(), all[..1]);
    assert_eq!(view.lookup("sku=SKU-2/customer=a*/month=2026-01..2026-05").await.unwrap(), all[1..2]);
    let overlapping = ["sku=SKU-2/*/*", "*/customer=abc/*", "sku=SKU-2/customer=abc/*"];
    assert_eq!(view.lookup(overlapping).await.unwrap(), all);
    assert_eq!(view.lookup(Vec::<String>::new()).await.unwrap(), []);
    assert_eq!(view.lookup(SkuPeriod::patterns().sku("SKU-2").month("2026-04".."2026-05")).await.unwrap(), all[1..]);
    assert_eq!(view.lookup(SkuPeriod::patterns().customer(prefix("ü"))).await.unwrap(), all[2..]);
    let streamed: BTreeSet<SkuPeriod> = view.lookup("*").stream().try_collect().await.unwrap();
    assert_eq!(streamed.into_iter().collect::<Vec<_>>(), all);
    for bad in ["sku=1", "period=1/*/*", "sku=9..1/*/*"] {
        assert_eq!(view.lookup(bad).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
    }

    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let buckets = dataset.view::<Buckets>().lookup("*").await.unwrap();
    assert_eq!(
        buckets,
        [Buckets { bucket: 0, at: at("2026-04-01T00:00:00Z") }, Buckets { bucket: 2, at: at("2026-03-17T10:00:00Z") },]
    );
    let typed = dataset.view::<Buckets>().lookup(Buckets::patterns().bucket(2).at(at("2026-03-17T10:00:00Z")));
    assert_eq!(typed.await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_puts_each_marker_once_and_before_the_ref() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Usage>();
    world.s3.clear_requests();
    store.write(&usages()).token("t").await.unwrap();
    let markers = world.keys_with("/_matview/");
    assert_eq!(
        markers,
        [
            format!("{PREFIX}/_matview/buckets/bucket=0/at=2026-04-01T00:00:00Z/m.matview"),
            format!("{PREFIX}/_matview/buckets/bucket=2/at=2026-03-17T10:00:00Z/m.matview"),
            format!("{PREFIX}/_matview/sku_period_idx/sku=SKU-1/customer=abc/month=2026-03/m.matview"),
            format!("{PREFIX}/_matview/sku_period_idx/sku=SKU-2/customer=abc/month=2026-04/m.matview"),
            format!("{PREFIX}/_matview/sku_period_idx/sku=SKU-2/customer=ü b/month=2026-04/m.matview"),
        ]
    );
    let puts: Vec<_> =
        world.log().into_iter().filter(|entry| entry.starts_with("Put") && entry.contains("_matview")).collect();
    assert_eq!(puts.len(), markers.len(), "a marker was put twice, for two partitions that share it: {puts:?}");
    assert!(world.s3.object(BUCKET, &markers[0]).unwrap().body.is_empty());

    // A write whose token has committed puts nothing.
    world.s3.clear_requests();
    store.write(&usages()).token("t").await.unwrap();
    assert_eq!(world.count(Operation::Put), 0);

    // If a marker can't be put, the write does not commit.
    world.s3.inject(Fault::on(Operation::Put).key_contains("SKU-9").always().fail(403, "AccessDenied"));
    let error = store.write(&[usage("2026-05-01", 9, "abc", 1, "2026-05-01T00:00:00Z")]).await.unwrap_err();
    assert_eq!(error.cause.as_ref().unwrap().kind(), ErrorKind::Refused);
    assert_eq!(world.keys_with("period=2026-05-01.ref"), [""; 0]);
    assert_eq!(store.read("period=2026-05-01").await.unwrap(), []);

    // Look-ups send LISTs only.
    world.s3.clear_requests();
    dataset.view::<SkuPeriod>().lookup(["sku=SKU-1/*/*", "sku=SKU-2/customer=abc/*"]).await.unwrap();
    let mut log = world.log();
    log.sort();
    let root = format!("List {PREFIX}/_matview/sku_period_idx");
    assert_eq!(log, [format!("{root}/sku=SKU-1/"), format!("{root}/sku=SKU-2/customer=abc/")]);
}

#[tokio::test(start_paused = true)]
async fn values_that_no_key_can_contain_fail_the_write_before_any_request() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Usage>();
    world.s3.clear_requests();
    for customer in ["", "a/b", "a..b", &"x".repeat(1_000)] {
        let mut records = usages();
        records[4].customer_id = customer.to_owned();
        let error = store.write(&records).await.unwrap_err();
        let text = error.cause.as_ref().unwrap().to_string();
        assert!(text.contains("Usage") && text.contains("sku_period_idx"), "{text}");
        assert!(customer.len() > 10 || text.contains("customer"), "{text}");
        let error = store.write_partition("period=1", &records).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(world.log(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_view_can_be_added_to_a_store() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Plain>().add_view::<Days>().unwrap();
    let error = store.clone().add_view::<Days>().unwrap_err();
    assert!(error.to_string().contains("Plain already has a view \"days\""), "{error}");
    store.write(&usages().iter().map(plain).collect::<Vec<_>>()).await.unwrap();
    let days = dataset.view::<Days>().lookup("*").await.unwrap();
    let day = |text: &str, sku: &str| Days { day: text.parse().unwrap(), sku: sku.to_owned() };
    assert_eq!(days, [day("2026-03-17", "SKU-1"), day("2026-03-18", "SKU-1"), day("2026-04-01", "SKU-2")]);
    let typed = Days::patterns().day("2026-03-18".parse::<NaiveDate>().unwrap());
    assert_eq!(dataset.view::<Days>().lookup(typed).await.unwrap(), days[1..2]);
}

#[tokio::test(start_paused = true)]
async fn malformed_markers_are_errors_and_other_objects_are_skipped() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let put = |name: &str| world.s3.put_object(BUCKET, &format!("{PREFIX}/_matview/days/{name}"), "");
    put("readme.txt");
    put("day=2026-03-17/sku=x/m.matview");
    let view = dataset.view::<Days>();
    assert_eq!(view.lookup("*").await.unwrap().len(), 1);
    put("sku=x/day=2026-03-17/m.matview");
    let error = view.lookup("*").await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains("sku=x/day="), "{error}");
    assert_eq!(view.lookup("day=2026*/*").await.unwrap().len(), 1);
    put("day=2026-02-30/sku=x/m.matview");
    let error = view.lookup("day=2026*/*").await.unwrap_err();
    assert!(error.to_string().contains("2026-02-30"), "{error}");
    assert_eq!(view.lookup("day=2026*/*").stream().try_next().await.unwrap_err().kind(), ErrorKind::InvalidData);
}

/// Writes records without the view, in several files. Returns them with the tuples of the view.
async fn written_before(dataset: &Dataset) -> (Vec<Plain>, BTreeSet<SkuPeriod>) {
    let store = dataset.store::<Plain>();
    let records: Vec<Plain> = (0..40_000_i64)
        .map(|n| {
            let day = 1 + n % 5;
            let usage =
                usage(&format!("2026-03-{day:02}"), (n % 7) as u32, &format!("c{}", n % 11), n, "2026-03-17T10:00:00Z");
            plain(&Usage { measured_at: usage.measured_at + chrono::TimeDelta::days(n % 40), ..usage })
        })
        .collect();
    for chunk in records.chunks(20_000) {
        store.write(chunk).await.unwrap();
    }
    let tuple = |r: &Plain| sku_period(&r.sku, &r.customer_id, &r.measured_at.format("%Y-%m").to_string());
    let tuples = records.iter().map(tuple).collect();
    (records, tuples)
}

#[tokio::test]
async fn a_backfill_puts_the_markers_that_a_writer_would_have_put() {
    let server = Server::start().await;
    let dataset = server.dataset().await;
    let (records, expected) = written_before(&dataset).await;
    let view = dataset.view::<SkuPeriod>();
    assert_eq!(view.lookup("*").await.unwrap(), []);

    let mut steps = view.backfill("*").stream();
    let mut last = None;
    while let Some(step) = steps.try_next().await.unwrap() {
        assert_eq!((step.total_partitions, step.total_files), (5, 10));
        last = Some(step);
    }
    let last = last.unwrap();
    assert_eq!((last.partition.as_str(), last.partitions), ("period=2026-03-05", 5));
    assert_eq!((last.done.files, last.done.records, last.done.missing), (10, records.len() as u64, 0));
    let found: BTreeSet<SkuPeriod> = view.lookup("*").await.unwrap().into_iter().collect();
    assert_eq!(found, expected);
    assert_eq!(view.backfill("*").await.unwrap(), last.done);
    assert_eq!(view.lookup("*").await.unwrap().len(), expected.len());
}

#[tokio::test(start_paused = true)]
async fn a_backfill_resumes_where_it_was_stopped() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let (_, expected) = written_before(&dataset).await;
    let view = dataset.view::<SkuPeriod>();
    let first = view.backfill("*").stream().try_next().await.unwrap().unwrap();
    assert_eq!((first.partition.as_str(), first.partitions), ("period=2026-03-01", 1));
    let rest = view.backfill("*").resume_after(&first.partition).await.unwrap();
    assert_eq!(rest.files, 8);
    let found: BTreeSet<SkuPeriod> = view.lookup("*").await.unwrap().into_iter().collect();
    assert_eq!(found, expected);

    // A backfill covers only files that landed before the given time and that the patterns select. Files that are gone
    // are counted.
    let until = world.s3.now();
    sleep(Duration::from_secs(2)).await;
    dataset.store::<Plain>().write(&usages().iter().map(plain).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(view.backfill("*").modified_before(until).await.unwrap().files, 10);
    assert_eq!(view.backfill("*").await.unwrap().files, 13);
    assert_eq!(view.backfill(["period=2026-03-01", "period=2026-03-0*"]).await.unwrap().files, 10);
    assert_eq!(view.backfill("day=*").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let gone = world.keys_with(".parquet").remove(0);
    let s3 = world.s3.clone();
    world.s3.inject(Fault::on(Operation::Get).key(gone.clone()).call_before(move |_| {
        s3.remove_object(BUCKET, &gone);
        async {}
    }));
    let done = view.backfill("*").await.unwrap();
    assert_eq!((done.files, done.missing), (12, 1));
}

#[tokio::test(start_paused = true)]
async fn a_backfill_fetches_only_the_columns_of_the_view() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let records = Wide::of("a", 2_000, 5_000);
    let commit = dataset.store::<Wide>().write(&records).await.unwrap().remove(0);
    let size = world.s3.object(BUCKET, &commit.data_path).unwrap().body.len();
    world.s3.clear_requests();
    let done = dataset.view::<Small>().backfill("*").await.unwrap();
    assert_eq!((done.records, done.markers), (2_000, 3));
    let ranges: Vec<(usize, usize)> = world
        .s3
        .requests()
        .iter()
        .filter_map(|request| {
            let (from, to) = request.range()?.strip_prefix("bytes=")?.split_once('-')?;
            Some((from.parse().ok()?, to.parse().ok()?))
        })
        .collect();
    let fetched: usize = ranges.iter().map(|(from, to)| to - from + 1).sum();
    println!("{fetched} of {size} bytes in {} requests", ranges.len());
    assert!(ranges.len() >= 2 && fetched * 20 < size, "{fetched} of {size}");
    assert_eq!(dataset.view::<Small>().lookup("*").await.unwrap(), [0, 1, 2].map(|small| Small { small }));
}

#[tokio::test(start_paused = true)]
async fn a_marker_contains_the_time_in_the_precision_of_the_column() {
    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(part), views(Times))]
    struct Timed {
        part: String,
        #[record(timestamp = "ms")]
        at: DateTime<Utc>,
        fine: DateTime<Utc>,
    }
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
    #[view(of = Timed, name = "times")]
    struct Times {
        at: DateTime<Utc>,
        fine: DateTime<Utc>,
    }
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Timed>();
    let at = DateTime::from_timestamp_nanos(1_774_051_200_123_456_789);
    store.write(&[Timed { part: "a".into(), at, fine: at }]).await.unwrap();
    let read = store.read_all().await.unwrap().remove(0);
    let view = dataset.view::<Times>();
    assert_eq!(view.lookup(Times::patterns().at(read.at).fine(read.fine)).await.unwrap().len(), 1);
    let markers = world.keys_with("/_matview/");
    view.backfill("*").await.unwrap();
    assert_eq!(world.keys_with("/_matview/"), markers);
    assert!(markers[0].contains("at=2026-03-21T00:00:00.123Z/fine=2026-03-21T00:00:00.123456Z/"), "{markers:?}");
}

#[tokio::test(start_paused = true)]
async fn look_ups_run_one_listing_per_pattern_in_parallel() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    for sku in 0..100 {
        for customer in 0..1_000 {
            let key =
                format!("{PREFIX}/_matview/sku_period_idx/sku={sku:03}/customer={customer:04}/month=2026-03/m.matview");
            world.s3.put_object(BUCKET, &key, "");
        }
    }
    world.s3.inject(Fault::any().always().delay(Duration::from_millis(20)));
    let view = dataset.view::<SkuPeriod>();
    let (all, one_by_one) = world.timed(view.lookup("*")).await;
    let each: Vec<String> = (0..100).map(|sku| format!("sku={sku:03}/*/*")).collect();
    let (same, in_parallel) = world.timed(view.lookup(each)).await;
    println!("100,000 markers: one listing {one_by_one:?}, parallel listings {in_parallel:?}");
    assert_eq!((all.unwrap().len(), same.unwrap().len()), (100_000, 100_000));
    assert_eq!(one_by_one, Duration::from_millis(100 * 20));
    // 100 listings of one page each, 32 at a time.
    assert_eq!(in_parallel, Duration::from_millis(4 * 20));
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day), views(Networks))]
struct Access {
    day: String,
    address: String,
    port: u32,
}

/// The same record, of a program without the view.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day))]
struct Raw {
    day: String,
    address: String,
    port: u32,
}

#[derive(Debug, PartialEq, View)]
#[view(of = Access, name = "networks")]
struct Networks {
    #[view(with = network(address))]
    network: u8,
    #[view(with = service(port))]
    service: String,
}

/// Local addresses have no marker.
fn network(address: &str) -> Result<Option<u8>, std::num::ParseIntError> {
    let first = address.split('.').next().unwrap_or_default();
    if first == "localhost" { Ok(None) } else { first.parse().map(Some) }
}

fn service(port: &u32) -> Result<Option<String>, String> {
    if *port < 65_536 { Ok(Some(format!("s{port}"))) } else { Err(format!("{port} is not a port")) }
}

#[tokio::test(start_paused = true)]
async fn a_function_of_a_view_may_fail() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let store = dataset.store::<Access>();
    let access = |address: &str, port| Access { day: "1".into(), address: address.into(), port };
    let good = [access("10.0.0.1", 443), access("localhost", 80)];
    store.write(&good).await.unwrap();
    let markers = [Networks { network: 10, service: "s443".into() }];
    assert_eq!(dataset.view::<Networks>().lookup("*").await.unwrap(), markers);

    world.s3.clear_requests();
    for (bad, words) in [
        (access("ten.0.0.1", 443), ["Access", "row 1", "networks", "column network", "invalid digit"]),
        (access("10.0.0.2", 99_999), ["Access", "row 1", "networks", "column service", "99999 is not a port"]),
    ] {
        let rows = [good[0].clone(), bad.clone()];
        let error = store.write(&rows).await.unwrap_err();
        let cause = error.cause.as_ref().unwrap();
        assert_eq!(cause.kind(), ErrorKind::InvalidInput);
        let text = cause.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
        assert_eq!(store.write_partition("day=1", &rows).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(world.log(), [""; 0]);

    // A backfill reports the record, too.
    let raw = Raw { day: "2".into(), address: "10.0.0.3".into(), port: 70_000 };
    dataset.store::<Raw>().write(&[raw]).await.unwrap();
    let error = dataset.view::<Networks>().backfill("*").await.unwrap_err();
    let text = error.to_string();
    assert!(["day=2", "column service", "70000 is not a port"].iter().all(|word| text.contains(word)), "{text}");
}
