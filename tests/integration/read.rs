//! Snapshot reads. Tests that need no faults run on any server.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use s3store::column::{AsColumn, ValueError};
use s3store::pattern::prefix;
use s3store::testing::{Fault, Operation};
use s3store::{ErrorKind, Record, Store};

use crate::integration::harness::{BUCKET, Capability, PREFIX, Server, Virtual, options, put, sleep, wait_until};
use crate::integration::records::{Event, Item};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, region))]
struct Sale {
    #[record(entity)]
    day: String,
    #[record(entity)]
    region: String,
    #[record(entity)]
    sku: i64,
    #[record(version)]
    version: i64,
    amount: i32,
    comment: Option<String>,
}

fn sale(day: &str, region: &str, sku: i64, version: i64, amount: i32) -> Sale {
    Sale { day: day.into(), region: region.into(), sku, version, amount, comment: None }
}

async fn sales() -> (Server, Store<Sale>) {
    let server = Server::start().await;
    let store = server.dataset().await.store();
    let mut records = Vec::new();
    for day in ["2026-01-31", "2026-02-01", "2026-02-02"] {
        for region in ["de", "dk", "us*"] {
            records.extend((1..=2).map(|sku| sale(day, region, sku, 1, 10)));
        }
    }
    store.write(&records).await.unwrap();
    (server, store)
}

fn day_regions(sales: &[Sale]) -> Vec<String> {
    let pairs: BTreeSet<_> = sales.iter().map(|sale| format!("{} {}", &sale.day[5..], sale.region)).collect();
    pairs.into_iter().collect()
}

#[tokio::test]
async fn overlapping_patterns_read_each_partition_once() {
    let (_server, store) = sales().await;
    assert_eq!(store.read_all().await.unwrap().len(), 18);
    assert_eq!(store.read("*").await.unwrap().len(), 18);
    assert_eq!(day_regions(&store.read("day=2026-02-01/region=de").await.unwrap()), ["02-01 de"]);
    assert_eq!(day_regions(&store.read("day=2026-02-01/region=d*").await.unwrap()), ["02-01 de", "02-01 dk"]);
    assert_eq!(day_regions(&store.read("*/region=de").await.unwrap()), ["01-31 de", "02-01 de", "02-02 de"]);
    let range = store.read("day=2026-02-01..2026-03-01/region=dk").await.unwrap();
    assert_eq!(day_regions(&range), ["02-01 dk", "02-02 dk"]);
    assert_eq!(store.read("day=2027*/*").await.unwrap(), []);
    assert_eq!(store.read(Vec::<String>::new()).await.unwrap(), []);

    // Overlapping patterns return each record once, in order.
    let many = ["*/region=de", "day=2026-02-01/*", "day=2026-02-01/region=de", "*/region=de"];
    let read = store.read(many).await.unwrap();
    assert_eq!(read.len(), 10);
    assert_eq!(day_regions(&read).len(), 5);
    assert!(read.is_sorted_by_key(|sale| (sale.day.clone(), sale.region.clone(), sale.sku)));

    for bad in ["day=1", "day=1/*/*", "month=1/*", "day=9..10/*", "day=a?/*"] {
        assert_eq!(store.read(bad).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
    }
}

#[tokio::test]
async fn typed_patterns_can_match_every_value() {
    let (_server, store) = sales().await;
    let read = store.read(Sale::partitions().day("2026-02-01".."2026-03-01").region(prefix("d"))).await.unwrap();
    assert_eq!(day_regions(&read), ["02-01 de", "02-01 dk", "02-02 de", "02-02 dk"]);
    // A textual pattern can't match this value, because it ends in a star.
    assert_eq!(
        day_regions(&store.read(Sale::partitions().region("us*").day("2026-01-31")).await.unwrap()),
        ["01-31 us*"]
    );
    let many = vec![Sale::partitions().region("de"), Sale::partitions().day("2026-01-31")];
    assert_eq!(store.read(many).await.unwrap().len(), 10);
    assert_eq!(store.read(Sale::partitions()).await.unwrap().len(), 18);
    assert_eq!(store.read(Sale::partitions().region("x/y")).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_read_returns_the_latest_version_and_history_returns_all() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Item>();
    store.write(&[Item::new("a", 1, 2, "new"), Item::new("a", 2, 1, "only")]).await.unwrap();
    store.write(&[Item::new("a", 1, 1, "old"), Item::new("b", 1, 1, "elsewhere")]).await.unwrap();
    // The same version again, in a later file.
    store.write(&[Item::new("a", 1, 2, "newer")]).await.unwrap();
    let notes = |items: Vec<Item>| items.into_iter().map(|item| item.note).collect::<Vec<_>>();
    assert_eq!(notes(store.read_all().await.unwrap()), ["newer", "only", "elsewhere"]);
    assert_eq!(notes(store.read_all().history().await.unwrap()), ["old", "newer", "only", "elsewhere"]);
    assert_eq!(store.read_all().await.unwrap(), store.read_all().await.unwrap());

    // Without an entity every record is kept, in the order of files and rows.
    let store = Server::start().await.dataset().await.store::<Event>();
    for round in 0..3 {
        store.write(&[Event::new("a", round), Event::new("a", round), Event::new("a", -round)]).await.unwrap();
    }
    let ids = |events: Vec<Event>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(store.read_all().await.unwrap()), [0, 0, 0, 1, 1, -1, 2, 2, -2]);
    assert_eq!(ids(store.read_all().history().await.unwrap()), [0, 0, 0, 1, 1, -1, 2, 2, -2]);
}

#[tokio::test]
async fn partitions_are_in_key_order() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Event>();
    // S3 lists `a-2/` before `a/`; SeaweedFS lists them the other way round.
    let names = ["a", "a-2", "a!", "a.b", "b", "a=1", "A"];
    store.write(&Event::of(&names, 2)).await.unwrap();
    let mut sorted = names.map(|name| format!("part={name}"));
    sorted.sort();
    let mut partitions = store.read_all().partitions();
    let mut seen = Vec::new();
    while let Some(partition) = partitions.try_next().await.unwrap() {
        assert_eq!(partition.records.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2]);
        seen.push(partition.partition);
    }
    assert_eq!(seen, sorted);
    let streamed: Vec<Event> = store.read_all().stream().try_collect().await.unwrap();
    assert_eq!(streamed, store.read_all().await.unwrap());
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Sale)]
struct Amount {
    amount: i32,
}

#[tokio::test]
async fn a_projection_deduplicates_by_columns_that_it_leaves_out() {
    let (server, store) = sales().await;
    store.write(&[sale("2026-02-01", "de", 1, 2, 99), sale("2026-02-01", "de", 2, 0, 98)]).await.unwrap();
    let amounts = server.dataset().await.store::<Amount>();
    let read = amounts.read("day=2026-02-01/region=de").await.unwrap();
    assert_eq!(read, [Amount { amount: 99 }, Amount { amount: 10 }]);
    let history = amounts.read("day=2026-02-01/region=de").history().await.unwrap();
    assert_eq!(history.iter().map(|row| row.amount).collect::<Vec<_>>(), [10, 99, 98, 10]);
}

#[tokio::test]
async fn batches_contain_the_same_rows_as_records() {
    let (_server, store) = sales().await;
    store.write(&[sale("2026-02-01", "de", 1, 2, 99)]).await.unwrap();
    let records = store.read_all().await.unwrap();
    let mut batches = store.read_all().batches();
    let mut row = 0;
    while let Some(batch) = batches.try_next().await.unwrap() {
        assert_eq!(batch.num_columns(), 6);
        let (regions, skus) = (batch.column(1).as_string_view(), batch.column(2).as_primitive::<Int64Type>());
        for index in 0..batch.num_rows() {
            assert_eq!((regions.value(index), skus.value(index)), (records[row].region.as_str(), records[row].sku));
            row += 1;
        }
    }
    assert_eq!(row, records.len());
}

mod first {
    use s3store::Record;

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(part))]
    pub(super) struct Reading {
        pub(super) part: String,
        pub(super) count: i16,
        pub(super) weight: f32,
        pub(super) title: String,
        pub(super) gone: i64,
    }
}

mod second {
    use s3store::Record;

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(part))]
    pub(super) struct Reading {
        #[record(default = seven())]
        pub(super) added: i64,
        pub(super) added_too: Option<String>,
        #[record(alias = "title")]
        pub(super) name: String,
        pub(super) weight: f64,
        pub(super) count: i64,
        pub(super) part: String,
    }

    fn seven() -> i64 {
        7
    }
}

mod other {
    use s3store::Record;

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(part))]
    pub(super) struct Reading {
        pub(super) part: String,
        pub(super) title: i64,
    }
}

#[tokio::test]
async fn record_types_evolve() {
    let server = Server::start().await;
    let dataset = server.dataset().await;
    let old = first::Reading { part: "a".into(), count: -3, weight: 0.5, title: "one".into(), gone: 1 };
    dataset.store().write(&[old]).await.unwrap();
    let store = dataset.store::<second::Reading>();
    let mut expected =
        second::Reading { added: 7, added_too: None, name: "one".into(), weight: 0.5, count: -3, part: "a".into() };
    assert_eq!(store.read_all().await.unwrap(), [expected.clone()]);
    // Old and new files in one partition.
    store.write(&[expected.clone()]).await.unwrap();
    let both = store.read_all().await.unwrap();
    expected.added = 7;
    assert_eq!(both, [expected.clone(), expected]);

    let error = dataset.store::<other::Reading>().read_all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let text = error.to_string();
    assert!(text.contains("title") && text.contains(".parquet"), "{text}");
}

#[tokio::test]
async fn unknown_objects_are_skipped() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Event>();
    store.write(&Event::of(&["a"], 1)).await.unwrap();
    let put = |name: &str| {
        let key = format!("{}/data/part=a/{name}", server.prefix);
        server.client.put_object().bucket(&server.bucket).key(key).send()
    };
    for name in ["_SUCCESS", "x.parquet", ".commit", "t-0190a0b0c0d07000800000000000abcd.parquet", "deeper/x-y.parquet"]
    {
        put(name).await.unwrap();
    }
    assert_eq!(store.read_all().await.unwrap().len(), 1);
    // A commit without its metadata is an error. Treating it as missing would hide committed records.
    put("t.commit").await.unwrap();
    let error = store.read_all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("t.commit"), "{error}");
    assert_eq!(store.lookup_commit("part=a", "t").await.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_snapshot_ignores_files_that_are_gone_before_the_listing() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Event>();
    let commits = store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    server.client.delete_object().bucket(&server.bucket).key(&commits[1].data_path).send().await.unwrap();
    assert_eq!(store.read_all().await.unwrap_err().kind(), ErrorKind::Vanished);
    assert_eq!(store.read("part=a").await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_vanishes_between_list_and_get_is_an_error() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Event>();
    let commits = store.write(&Event::of(&["a", "b"], 1)).await.unwrap();
    let (s3, key) = (world.s3.clone(), commits[1].data_path.clone());
    let gone = key.clone();
    world.s3.inject(Fault::on(Operation::List).call_after(move |_| {
        s3.remove_object(BUCKET, &gone);
        async {}
    }));
    let mut stream = store.read_all().stream();
    assert_eq!(stream.try_next().await.unwrap().unwrap().part, "a");
    let error = stream.try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vanished);
    assert!(error.to_string().contains(&key), "{error}");
    assert!(stream.try_next().await.unwrap().is_none(), "the stream ends after an error");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_stops_its_requests() {
    let world = Virtual::new();
    let dataset = world.dataset_with(world.options().max_inflight_requests(2)).await;
    let store = dataset.store::<Event>();
    store.write(&Event::in_partitions(40, 1)).await.unwrap();
    world.s3.inject(Fault::on(Operation::Get).always().delay(Duration::from_secs(1)));
    world.s3.clear_requests();
    let mut stream = store.read_all().stream();
    assert_eq!(stream.try_next().await.unwrap().unwrap().part, "p00");
    drop(stream);
    let sent = world.count(Operation::Get);
    assert!(sent < 10, "{sent}");
    sleep(Duration::from_secs(100)).await;
    assert!(world.count(Operation::Get) <= sent + 2, "{} after {sent}", world.count(Operation::Get));
    // A dropped future stops its requests as well.
    let reader = tokio::spawn({
        let store = store.clone();
        async move { store.read_all().await }
    });
    let before = world.count(Operation::Get);
    wait_until(|| world.count(Operation::Get) > before).await;
    reader.abort();
    sleep(Duration::from_secs(100)).await;
    assert!(world.count(Operation::Get) <= before + 4);
    // It has released its permits.
    world.s3.clear_faults();
    assert_eq!(store.read_all().await.unwrap().len(), 40);
}

#[tokio::test]
async fn with_one_permit_a_consumer_may_write_while_it_reads() {
    let server = Server::start().await;
    let dataset = server.dataset_with(options().max_inflight_requests(1)).await;
    let store = dataset.store::<Event>();
    store.write(&Event::in_partitions(12, 3)).await.unwrap();
    for (partitions, bytes) in [(1, 256 << 20), (0, 256 << 20), (5, 1), (0, 0)] {
        let mut stream = store.read_all().read_ahead_partitions(partitions).read_ahead_bytes(bytes).stream();
        let mut written = 0;
        while let Some(event) = stream.try_next().await.unwrap() {
            if event.id == 1 {
                let token = format!("copy-{partitions}-{bytes}");
                store
                    .write_partition(format!("part={}", event.part), &[Event::new(&event.part, 9)])
                    .token(token)
                    .await
                    .unwrap();
                written += 1;
            }
        }
        assert_eq!(written, 12);
    }
    assert_eq!(store.read_all().await.unwrap().len(), 12 * (3 + 4));
}

#[tokio::test(start_paused = true)]
async fn reads_work_with_listing_pages_of_any_size() {
    for keys in [1, 2, 3, 7] {
        let world = Virtual::new();
        world.s3.set_page_size(keys);
        let store = world.dataset().await.store::<Event>();
        for token in ["t", "u"] {
            store.write(&Event::of(&["a", "a-2", "b"], 2)).token(token).await.unwrap();
        }
        assert_eq!(store.read_all().await.unwrap().len(), 12, "{keys} keys");
    }
}

#[tokio::test]
async fn unusual_partition_values_round_trip_on_every_server() {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Event>();
    let mut odd = vec![
        "a b",
        " ",
        "a+b",
        "+",
        "a%b",
        "%2F",
        "%",
        "a&b=c",
        "=",
        "ä ö",
        "日本",
        "🦀",
        "a'b\"c",
        "#?",
        "a;b",
        "~.-_",
        "*",
        "{}[]",
        "a:b@c$d,e",
        "<x>",
        "^|`",
        ".",
        "a\tb",
        "\u{1}",
        "\u{7f}",
        "\u{85}",
        "é",
        "e\u{301}",
    ];
    if !server.lacks(Capability::Backslash, "unusual_partition_values_round_trip_on_every_server: a\\b") {
        odd.push("a\\b");
    }
    let long = "x".repeat(500);
    if !server.lacks(Capability::LongKeyParts, "unusual_partition_values_round_trip_on_every_server: 500 bytes") {
        odd.push(&long);
    }
    for value in &odd {
        let records = Event::of(&[value], 1);
        let commits = store.write(&records).token("t").await.unwrap_or_else(|error| panic!("{value:?}: {error:?}"));
        assert_eq!(store.write(&records).token("t").await.unwrap(), commits, "{value:?}");
        let read = store.read(Event::partitions().part(*value)).await.unwrap();
        assert_eq!(read.len(), 1, "{value:?}");
        assert_eq!(read[0].part, *value);
    }
    let all: BTreeSet<String> = store.read_all().await.unwrap().into_iter().map(|event| event.part).collect();
    assert_eq!(all, odd.iter().map(|value| (*value).to_owned()).collect());
}

#[tokio::test(start_paused = true)]
async fn partitions_are_listed_without_reading_a_file() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let items = |part: &str, count| (1..=count).map(|id| Item::new(part, id, 1, "note")).collect::<Vec<_>>();
    store.write(&[items("a", 2), items("b", 3)].concat()).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    store.write(&items("a", 4)).token("t").await.unwrap();
    let second = world.s3.now();
    // An attempt that failed, with a larger file, and a partition where nothing is committed.
    world.s3.inject(put(".commit").times(9).fail(403, "AccessDenied"));
    store.write(&items("c", 1)).await.unwrap_err();
    world.s3.clear_faults();
    let orphan = format!("{PREFIX}/data/part=a/t-0190a8d9b7c47f7e8a9b0c1d2e3f4a5b.parquet");
    world.s3.put_object(BUCKET, &orphan, vec![0; 100_000]);
    world.counts();

    let found = store.partitions("*").await.unwrap();
    assert_eq!(world.counts(), [0, 0, 0, 1]);
    let names: Vec<_> = found.iter().map(|found| (found.partition.as_str(), found.files, found.records)).collect();
    assert_eq!(names, [("part=a", 2, None), ("part=b", 1, None)]);
    let whole_seconds = |time: DateTime<Utc>| time.timestamp();
    assert_eq!(found[0].newest_commit.map(whole_seconds), Some(whole_seconds(second)));
    assert!(found[1].newest_commit < found[0].newest_commit);
    assert!(found[0].bytes > 100_000, "the largest attempt counts: {found:?}");

    let counted = store.partitions("*").record_counts().await.unwrap();
    assert_eq!(world.counts(), [0, 3, 0, 1]);
    let records: Vec<_> = counted.iter().map(|found| (found.files, found.records)).collect();
    assert_eq!(records, [(2, Some(6)), (1, Some(3))]);
    let sizes = |part: &str| -> u64 {
        let prefix = format!("{PREFIX}/data/part={part}/");
        let keys = world.s3.keys(BUCKET).into_iter();
        let files = keys.filter(|key| key.starts_with(&prefix) && key.ends_with(".parquet") && *key != orphan);
        files.map(|key| world.s3.object(BUCKET, &key).unwrap().body.len() as u64).sum()
    };
    assert_eq!(counted.iter().map(|found| found.bytes).collect::<Vec<_>>(), [sizes("a"), sizes("b")]);

    assert_eq!(store.partitions(["part=b", "part=x*"]).await.unwrap().len(), 1);
    assert_eq!(store.partitions(Vec::<String>::new()).await.unwrap(), []);
    assert_eq!(store.partitions("").await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_an_earlier_time_has_what_was_committed_before_it() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let begin = world.s3.now();
    let mut times = Vec::new();
    for version in 1..=3 {
        sleep(Duration::from_secs(100)).await;
        let token = format!("t{version}");
        let items = [Item::new("a", 1, version, "x"), Item::new("b", version, 1, "x")];
        if version == 2 {
            store.write(&items).await.unwrap()
        } else {
            store.write(&items).token(token).await.unwrap()
        };
        sleep(Duration::from_secs(2)).await;
        times.push(world.s3.now());
    }
    let versions = |items: Vec<Item>| items.into_iter().map(|item| (item.part, item.version)).collect::<Vec<_>>();
    assert_eq!(store.read_all().as_of(begin).await.unwrap(), []);
    for (at, time) in times.iter().enumerate() {
        let read = versions(store.read_all().as_of(*time).await.unwrap());
        let latest = i64::try_from(at).unwrap() + 1;
        assert_eq!(read[0], ("a".to_owned(), latest));
        assert_eq!(read.len(), at + 2);
        assert_eq!(store.read("part=a").as_of(*time).history().await.unwrap().len(), at + 1);
    }
    assert_eq!(store.read_all().as_of(DateTime::<Utc>::MAX_UTC).await.unwrap().len(), 4);
    let error = store.read_range(..).as_of(begin).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// A record that is also serialised with serde.
#[derive(Debug, Clone, PartialEq, Record, serde::Serialize, serde::Deserialize)]
#[record(partition_by(id))]
struct Payment {
    id: s3store::uuid::Uuid,
    #[record(decimal(18, 2))]
    amount: s3store::rust_decimal::Decimal,
    at: DateTime<Utc>,
}

#[tokio::test(start_paused = true)]
async fn the_types_of_columns_serialise() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Payment>();
    let id = s3store::uuid::Uuid::from_u128(7);
    let payment = Payment { id, amount: s3store::rust_decimal::Decimal::new(1234, 2), at: DateTime::UNIX_EPOCH };
    store.write(std::slice::from_ref(&payment)).await.unwrap();
    let read = store.read_all().await.unwrap();
    let text = serde_json::to_string(&read).unwrap();
    assert!(text.contains("\"12.34\"") && text.contains(&id.to_string()), "{text}");
    assert_eq!(serde_json::from_str::<Vec<Payment>>(&text).unwrap(), [payment]);
    let summaries = store.partitions("*").await.unwrap();
    let text = serde_json::to_string(&summaries).unwrap();
    assert_eq!(serde_json::from_str::<Vec<s3store::read::PartitionSummary>>(&text).unwrap(), summaries);
}

/// A number that is stored as it is, but read only if it is even.
#[derive(Debug, Clone, PartialEq)]
struct Even(i64);

impl AsColumn for Even {
    type Column = i64;

    fn to_column(&self) -> Result<i64, ValueError> {
        Ok(self.0)
    }

    fn from_column(number: i64) -> Result<Self, ValueError> {
        if number % 2 == 0 { Ok(Self(number)) } else { Err(ValueError::new(format_args!("{number} is odd"))) }
    }
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct WithEven {
    part: String,
    id: i64,
    number: Even,
}

/// The same columns, with an entity.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct KeyedEven {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    number_version: i64,
    number: Even,
}

#[tokio::test]
async fn an_error_about_a_value_names_the_file_and_the_column() {
    for files in 1..=3_i64 {
        // A dataset has one type of records.
        let plain = Server::start().await.dataset().await.store::<WithEven>();
        let keyed = Server::start().await.dataset().await.store::<KeyedEven>();
        let mut paths = [Vec::new(), Vec::new()];
        for file in 0..files {
            let number = Even(if file == 0 { 7 } else { 2 });
            let records = [Even(2), number].into_iter().zip(10 * file..);
            let (part, number_version) = ("a".to_owned(), file);
            let plain_records: Vec<_> =
                records.clone().map(|(number, id)| WithEven { part: "b".to_owned(), id, number }).collect();
            let keyed_records: Vec<_> =
                records.map(|(number, id)| KeyedEven { part: part.clone(), id, number_version, number }).collect();
            paths[0].push(plain.write(&plain_records).await.unwrap().remove(0).data_path);
            paths[1].push(keyed.write(&keyed_records).await.unwrap().remove(0).data_path);
        }
        let errors = [plain.read("part=b").await.map(drop), keyed.read("part=a").await.map(drop)];
        for (error, paths) in errors.into_iter().zip(paths) {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            let text = error.to_string();
            assert!(text.contains(&paths[0]) && text.contains("column number") && text.contains("7 is odd"), "{text}");
        }
    }
}
