//! Partition values are made from the values that are stored: those that a read returns.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use proptest::prelude::*;
use s3store::column::{AsColumn, ColumnWith, PartitionValue, ValueError};
use s3store::pattern::prefix;
use s3store::rust_decimal::Decimal;
use s3store::testing::Files;
use s3store::{ColumnType, Compression, ErrorKind, Record, Store, View};
use uuid::Uuid;

use crate::integration::harness::{Capability, Server};

/// Stored in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ColumnType)]
struct Tick(#[column(timestamp = "ms")] DateTime<Utc>);

/// A newtype of a newtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ColumnType)]
struct Beat(Tick);

/// Stored in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Code(String);

impl AsColumn for Code {
    type Column = String;

    fn to_column(&self) -> Result<String, ValueError> {
        Ok(self.0.to_lowercase())
    }

    fn from_column(column: String) -> Result<Self, ValueError> {
        Ok(Self(column))
    }
}

impl PartitionValue for Code {
    type Kind = s3store::__private::AsValue<Self>;

    fn render(&self, key: &mut String) -> Result<(), ValueError> {
        self.0.render(key)
    }
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Codes(Code);

/// A type that is stored as a time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Since(DateTime<Utc>);

impl AsColumn for Since {
    type Column = Tick;

    fn to_column(&self) -> Result<Tick, ValueError> {
        Ok(Tick(self.0))
    }

    fn from_column(Tick(at): Tick) -> Result<Self, ValueError> {
        Ok(Self(at))
    }
}

/// Stores text without spaces at its ends.
struct Trimmed;

impl ColumnWith<String> for Trimmed {
    type Column = String;

    fn to_column(value: &String) -> Result<String, ValueError> {
        Ok(value.trim().to_owned())
    }

    fn from_column(column: String) -> Result<String, ValueError> {
        Ok(column)
    }
}

/// Stores integers without their last digit.
struct Tens;

impl ColumnWith<u32> for Tens {
    type Column = u32;

    fn to_column(value: &u32) -> Result<u32, ValueError> {
        Ok(value / 10)
    }

    fn from_column(column: u32) -> Result<u32, ValueError> {
        Ok(column * 10)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Channel {
    Web,
    Store,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(repr = "i16")]
enum State {
    Open = -1,
    Closed = 2,
}

/// A struct of which reading returns less than it had.
#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Meta {
    #[column(timestamp = "ms")]
    at: NaiveDateTime,
    #[column(skip)]
    note: String,
    codes: Vec<Option<Code>>,
}

/// Every type that a partition value can be made from.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(
    text, shared, byte, short, int, long, ubyte, ushort, uint, ulong, flag, id, channel, state, day,
    at_ms, at_us, at_ns, naive_ms, naive_us, time_ms, time_us, tick, beat, code, codes, trimmed,
    tens,
    padded = pad(tens, 12),
    minute = format(at_ms, "%Y-%m-%dT%H:%M"),
    nanos = format(naive_ms, "%Y%m%dT%H%M%S%.9f"),
    of_day = format(time_ms, "%H%M%S%.9f"),
    formatted = format(at_us, "%Y-%m-%d %H:%M:%S%.9f"),
    price = text_of(price),
    since = since(since),
    maybe = maybe(maybe, maybe_code, maybe_tens),
    many = many(many, named),
    meta = meta(meta),
    sum = sum(at_ms, tick),
))]
struct Everything {
    text: String,
    shared: Arc<str>,
    byte: i8,
    short: i16,
    int: i32,
    long: i64,
    ubyte: u8,
    ushort: u16,
    uint: u32,
    ulong: u64,
    flag: bool,
    id: Uuid,
    #[record(default = Channel::Web)]
    channel: Channel,
    #[record(default = State::Open)]
    state: State,
    day: NaiveDate,
    #[record(timestamp = "ms")]
    at_ms: DateTime<Utc>,
    at_us: DateTime<Utc>,
    #[record(timestamp = "ns")]
    at_ns: DateTime<Utc>,
    #[record(timestamp = "ms")]
    naive_ms: NaiveDateTime,
    naive_us: NaiveDateTime,
    #[record(timestamp = "ms")]
    time_ms: NaiveTime,
    time_us: NaiveTime,
    #[record(default = Tick(DateTime::UNIX_EPOCH))]
    tick: Tick,
    #[record(default = Beat(Tick(DateTime::UNIX_EPOCH)))]
    beat: Beat,
    #[record(default = Code(String::new()))]
    code: Code,
    #[record(default = Codes(Code(String::new())))]
    codes: Codes,
    #[record(with = Trimmed)]
    trimmed: String,
    #[record(with = Tens)]
    tens: u32,
    #[record(decimal(18, 6))]
    price: Decimal,
    #[record(default = Since(DateTime::UNIX_EPOCH))]
    since: Since,
    #[record(timestamp = "ms")]
    maybe: Option<DateTime<Utc>>,
    maybe_code: Option<Code>,
    #[record(with = Tens)]
    maybe_tens: Option<u32>,
    #[record(timestamp = "ms")]
    many: Vec<DateTime<Utc>>,
    named: BTreeMap<String, Option<Code>>,
    #[record(default = Meta { at: NaiveDateTime::MIN, note: String::new(), codes: Vec::new() })]
    meta: Meta,
}

fn text_of(price: &Decimal) -> String {
    price.to_string()
}

fn since(since: &Since) -> DateTime<Utc> {
    since.0
}

fn maybe(at: &Option<DateTime<Utc>>, code: &Option<Code>, tens: &Option<u32>) -> String {
    format!("{at:?} {code:?} {tens:?}")
}

fn many(many: &[DateTime<Utc>], named: &BTreeMap<String, Option<Code>>) -> String {
    format!("{many:?} {named:?}")
}

fn meta(meta: &Meta) -> String {
    format!("{meta:?}")
}

fn sum(at: &DateTime<Utc>, tick: &Tick) -> i64 {
    at.timestamp_micros().wrapping_add(tick.0.timestamp_micros())
}

fn everything(seed: (u64, i64, String, bool, u32)) -> Everything {
    let (number, nanos, text, flag, scale) = seed;
    let text = format!("T{text}x");
    let at = DateTime::from_timestamp_nanos(nanos);
    let code = Code(text.clone());
    let bytes = number.to_le_bytes();
    Everything {
        text: text.clone(),
        shared: text.as_str().into(),
        byte: bytes[0] as i8,
        short: number as i16,
        int: number as i32,
        long: number as i64,
        ubyte: bytes[1],
        ushort: number as u16,
        uint: number as u32,
        ulong: number,
        flag,
        id: Uuid::from_u128(number.into()),
        channel: if flag { Channel::Web } else { Channel::Store },
        state: if flag { State::Open } else { State::Closed },
        day: at.date_naive(),
        at_ms: at,
        at_us: at,
        at_ns: at,
        naive_ms: at.naive_utc(),
        naive_us: at.naive_utc(),
        time_ms: at.time(),
        time_us: at.time(),
        tick: Tick(at),
        beat: Beat(Tick(at)),
        code: code.clone(),
        codes: Codes(code.clone()),
        trimmed: format!(" {text} "),
        tens: number as u32,
        price: Decimal::new(nanos % 1_000_000, scale),
        since: Since(at),
        maybe: flag.then_some(at),
        maybe_code: (!flag).then(|| code.clone()),
        maybe_tens: flag.then_some(number as u32),
        many: vec![at; usize::from(bytes[2] % 3)],
        named: [("a".to_owned(), flag.then(|| code.clone())), ("b".to_owned(), Some(code.clone()))].into(),
        meta: Meta { at: at.naive_utc(), note: text, codes: vec![None, Some(code)] },
    }
}

fn seeds() -> impl Strategy<Value = Everything> {
    // Times within a few milliseconds often become equal when they are stored.
    let nanos = prop_oneof![any::<i64>(), -5_000_000..5_000_000_i64, Just(i64::MIN), Just(0), Just(i64::MAX)];
    (any::<u64>(), nanos, "[a-zA-Z ]{0,3}", any::<bool>(), 0_u32..=6).prop_map(everything)
}

fn store() -> Store<Everything> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Server::start().await.dataset().await.store() })
}

#[test]
fn a_record_that_was_read_goes_back_to_its_partition() {
    let (store, files) = (store(), Files::<Everything>::new(Compression::Snappy).unwrap());
    proptest!(ProptestConfig::with_cases(200), |(record in seeds())| {
        let file = files.encode(std::slice::from_ref(&record), DateTime::UNIX_EPOCH).unwrap();
        let read = files.decode(file).unwrap().remove(0);
        let (before, after) = (store.partition_of(&record).unwrap(), store.partition_of(&read).unwrap());
        for (before, after) in before.split('/').zip(after.split('/')) {
            prop_assert_eq!(before, after);
        }
        prop_assert_eq!(before, after);
    });
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(at, code, rest = text_of(price)), views(ByCode))]
struct Reading {
    #[record(entity, timestamp = "ms", truncate)]
    at: DateTime<Utc>,
    #[record(entity, default = Code(String::new()))]
    code: Code,
    #[record(entity, decimal(18, 6))]
    price: Decimal,
    #[record(version)]
    version: i64,
}

#[derive(Debug, PartialEq, View)]
#[view(of = Reading, name = "by_code")]
struct ByCode {
    #[view(with = code_text(code))]
    code: String,
    #[view(with = price_text(price))]
    price: String,
    at: DateTime<Utc>,
}

fn code_text(code: &Code) -> Option<String> {
    Some(code.0.clone())
}

fn price_text(price: &Decimal) -> Option<String> {
    Some(price.to_string())
}

#[tokio::test]
async fn an_entity_has_one_partition_and_one_marker() {
    let server = Server::start().await;
    let dataset = server.dataset().await;
    let store = dataset.store::<Reading>();
    let start: DateTime<Utc> = "2026-03-17T10:00:00.123Z".parse().unwrap();
    let mut negative_zero = Decimal::new(0, 6);
    negative_zero.set_sign_negative(true);
    let prices = ["1.5", "1.50", "1.500000", "-0", "0.000", "0"].map(|price| price.parse().unwrap());
    for (version, price) in (0_i64..).zip(prices.into_iter().chain([negative_zero])) {
        let code = Code(if version % 2 == 0 { "Ab" } else { "aB" }.to_owned());
        let at = start + TimeDelta::nanoseconds(version * 111_111);
        store.write(&[Reading { at, code, price, version }]).await.unwrap();
    }
    let partitions: Vec<_> = store.read_all().partitions().try_collect().await.unwrap();
    let versions: Vec<_> =
        partitions.iter().flat_map(|partition| partition.records.iter().map(|record| record.version)).collect();
    assert_eq!(versions, [6, 2]);
    for partition in &partitions {
        for record in &partition.records {
            assert_eq!(store.partition_of(record).unwrap(), partition.partition);
        }
    }
    // The markers of a writer are those of a backfill, too.
    let view = dataset.view::<ByCode>();
    let written = view.lookup("*").await.unwrap();
    assert_eq!(written.len(), 2, "{written:?}");
    view.backfill("*").await.unwrap();
    assert_eq!(view.lookup("*").await.unwrap(), written);
}

/// A value that can't be stored has no partition.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(at, price = text_of(price)))]
struct Strict {
    #[record(timestamp = "ms", exact)]
    at: DateTime<Utc>,
    #[record(decimal(4, 2))]
    price: Decimal,
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_column_has_no_partition() {
    let store = Server::start().await.dataset().await.store::<Strict>();
    let at: DateTime<Utc> = "2026-03-17T10:00:00.123Z".parse().unwrap();
    let strict = Strict { at, price: "1.5".parse().unwrap() };
    assert_eq!(store.partition_of(&strict).unwrap(), "at=2026-03-17T10:00:00.123Z/price=1.50");
    let finer = Strict { at: at + TimeDelta::microseconds(1), ..strict.clone() };
    let error = store.partition_of(&finer).unwrap_err().to_string();
    assert!(error.contains("at") && error.contains("milliseconds"), "{error}");
    let wider = Strict { price: "100.5".parse().unwrap(), ..strict };
    let error = store.partition_of(&wider).unwrap_err().to_string();
    assert!(error.contains("column price"), "{error}");
}

/// Columns that are selected by values, with conversions of each kind.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(
    at, tick, code, trimmed,
    nanos = format(naive, "%Y%m%dT%H%M%S%.9f"),
    of_day = format(time, "%H:%M:%S%.9f"),
    day = format(exact, "%Y-%m-%d"),
    padded = pad(tens, 12),
), views(Given))]
struct Selected {
    #[record(timestamp = "ms")]
    at: DateTime<Utc>,
    #[record(default = Tick(DateTime::UNIX_EPOCH))]
    tick: Tick,
    #[record(default = Code(String::new()))]
    code: Code,
    #[record(with = Trimmed)]
    trimmed: String,
    #[record(timestamp = "ms")]
    naive: NaiveDateTime,
    time: NaiveTime,
    #[record(timestamp = "ms", exact)]
    exact: DateTime<Utc>,
    #[record(with = Tens)]
    tens: u32,
}

#[derive(Debug, PartialEq, View)]
#[view(of = Selected, name = "given")]
struct Given {
    at: DateTime<Utc>,
    tick: Tick,
    trimmed: String,
    tens: u32,
    #[view(from = naive, format = "rfc3339_nanos")]
    nanos: NaiveDateTime,
    #[view(from = at, format = "%Y-%m-%dT%H:%M:%S")]
    second: DateTime<Utc>,
    #[view(from = at, format = "%Y-%m-%dT%H")]
    hour: String,
}

fn selected(nanos: i64, text: &str, tens: u32) -> Selected {
    let at: DateTime<Utc> = "2026-03-17T10:00:00Z".parse().unwrap();
    let at = at + TimeDelta::nanoseconds(nanos);
    Selected {
        at,
        tick: Tick(at),
        code: Code(format!("T{text}x")),
        trimmed: format!(" T{text}x "),
        naive: at.naive_utc(),
        time: at.time(),
        exact: at - TimeDelta::nanoseconds(nanos % 1_000_000),
        tens,
    }
}

#[test]
fn a_value_selects_the_records_that_were_written_with_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    if server.lacks(Capability::LongKeyParts, "a_value_selects_the_records_that_were_written_with_it") {
        return;
    }
    let dataset = runtime.block_on(server.dataset());
    let (store, view) = (dataset.store::<Selected>(), dataset.view::<Given>());
    let nanos = prop_oneof![0..5_000_000_i64, 0..3_600_000_000_000_i64];
    proptest!(ProptestConfig::with_cases(40), |(nanos in nanos, text in "[a-zA-Z ]{0,3}", tens in any::<u32>())| {
        let record = selected(nanos, &text, tens);
        let Selected { at, tick, code, trimmed, naive, time, .. } = record.clone();
        let next = TimeDelta::nanoseconds(1);
        let far: DateTime<Utc> = "9999-12-31T00:00:00Z".parse().unwrap();
        let partition = store.partition_of(&record).unwrap();
        let exactly = || {
            Selected::partitions().at(at).tick(tick).code(code.clone()).trimmed(&trimmed).day(at).padded(tens)
        };
        let patterns = [
            exactly().nanos(naive).of_day(time),
            exactly().nanos(naive..naive + next).of_day(time..),
            exactly().nanos(naive..).of_day(..time + next),
            exactly().nanos(..naive + next),
            // The texts of prefixes are those of keys.
            Selected::partitions().at(at).code(prefix(format!("t{}", text.to_lowercase()))),
            Selected::partitions().at(at).trimmed(prefix(format!("T{text}"))).day(at..).padded(tens..),
            Selected::partitions().at(at).day(..far),
        ];
        let tuples = [
            Given::patterns().at(at).tick(tick).trimmed(trimmed.clone()).tens(tens).nanos(naive),
            Given::patterns().at(at).nanos(naive).second(at).hour("2026-03-17T10"),
            Given::patterns().at(at).second(at..at + next),
        ];
        runtime.block_on(async {
            store.write(std::slice::from_ref(&record)).await.unwrap();
            for pattern in patterns {
                let found: Vec<_> = store.read(pattern.clone()).partitions().try_collect().await.unwrap();
                assert!(found.iter().any(|found| found.partition == partition), "{pattern:?} misses {partition}");
            }
            for pattern in tuples {
                let found = view.lookup(pattern.clone()).await.unwrap();
                assert!(found.iter().any(|found| found.tens == tens / 10 * 10), "{pattern:?} misses {partition}");
            }
        });
    });
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_column_selects_nothing() {
    let store = Server::start().await.dataset().await.store::<Strict>();
    let at: DateTime<Utc> = "2026-03-17T10:00:00.1234Z".parse().unwrap();
    let error = store.read(Strict::partitions().at(at)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("milliseconds"), "{error}");
}
