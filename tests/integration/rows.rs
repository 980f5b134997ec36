//! Rows that borrow have the values, the order and the errors of records.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use parquet::arrow::ArrowWriter;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use s3store::column::{AsColumn, ColumnWith, List, Map, ValueError};
use s3store::read::{Read, Row, RowStruct, Rows};
use s3store::rust_decimal::Decimal;
use s3store::testing::Files;
use s3store::{ColumnType, Compression, Offset, Record, Store};
use uuid::Uuid;

use super::batches;
use crate::integration::harness::{BUCKET, Virtual, sleep};

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Sku(String);

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
enum Currency {
    Eur,
    Usd,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
#[column(repr = "i16")]
enum State {
    Open = -1,
    Closed = 2,
}

/// Stored as a number that may be null, although the field is no `Option`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size(u32);

impl AsColumn for Size {
    type Column = Option<u32>;

    fn to_column(&self) -> Result<Option<u32>, ValueError> {
        Ok(Some(self.0).filter(|&size| size > 0))
    }

    fn from_column(column: Option<u32>) -> Result<Self, ValueError> {
        Ok(Self(column.unwrap_or(0)))
    }
}

/// Stores text backwards.
struct Backwards;

impl ColumnWith<String> for Backwards {
    type Column = String;

    fn to_column(value: &String) -> Result<String, ValueError> {
        Ok(value.chars().rev().collect())
    }

    fn from_column(column: String) -> Result<String, ValueError> {
        Ok(column.chars().rev().collect())
    }
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Address {
    street: String,
    zip: Option<u32>,
    state: Option<State>,
    #[column(timestamp = "ms")]
    since: Vec<DateTime<Utc>>,
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Place {
    name: String,
    tags: Vec<Option<String>>,
}

/// Every kind of column.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(text))]
struct Everything {
    text: String,
    boxed: Box<str>,
    shared: Option<Arc<str>>,
    cow: Cow<'static, str>,
    bytes: Option<Vec<u8>>,
    array: [u8; 3],
    maybe_array: Option<[u8; 2]>,
    tiny: i8,
    small: Option<u16>,
    number: i64,
    float: f64,
    flag: bool,
    maybe_flag: Option<bool>,
    day: Option<NaiveDate>,
    #[record(timestamp = "ms")]
    time: NaiveTime,
    #[record(timestamp = "ns")]
    naive: NaiveDateTime,
    at: Option<DateTime<Utc>>,
    #[record(decimal(18, 6))]
    price: Decimal,
    id: Option<Uuid>,
    sku: Sku,
    maybe_sku: Option<Sku>,
    currency: Option<Currency>,
    state: State,
    size: Size,
    sizes: Vec<Size>,
    #[record(with = Backwards)]
    backwards: String,
    #[record(with = Backwards)]
    maybe_backwards: Option<String>,
    numbers: Vec<i64>,
    maybe_numbers: Option<Vec<Option<i32>>>,
    flags: Vec<bool>,
    days: Vec<NaiveDate>,
    ids: Vec<Uuid>,
    texts: Vec<String>,
    blobs: Vec<Vec<u8>>,
    arrays: Vec<[u8; 2]>,
    nested: Vec<Vec<String>>,
    currencies: Vec<Currency>,
    labels: BTreeMap<String, Option<String>>,
    counts: Option<BTreeMap<String, Vec<i16>>>,
    #[record(default = Address { street: "old".into(), zip: None, state: None, since: Vec::new(), place: None })]
    address: Address,
    maybe_address: Option<Address>,
    addresses: Vec<Option<Address>>,
}

prop_compose! {
    fn address()(
        street in "[a-z]{0,20}",
        zip in any::<Option<u32>>(),
        open in any::<Option<bool>>(),
        since in vec(-9_999_999_i64..9_999_999, 0..3),
        place in option::of(("[a-z]{0,3}", vec(option::of("[a-z]{0,15}"), 0..3))),
    ) -> Address {
        Address {
            street,
            zip,
            state: open.map(|open| if open { State::Open } else { State::Closed }),
            since: since.into_iter().filter_map(DateTime::from_timestamp_millis).collect(),
            place: place.map(|(name, tags)| Place { name, tags }),
        }
    }
}

/// The parts of a record that are drawn on their own; the others are made of them.
type Lists = (Vec<i64>, Option<Vec<Option<i32>>>, Vec<String>, BTreeMap<String, Option<String>>, Vec<Option<Address>>);

fn lists() -> impl Strategy<Value = Lists> {
    let texts = || "[a-z]{0,16}";
    (
        vec(any::<i64>(), 0..4),
        option::of(vec(any::<Option<i32>>(), 0..3)),
        vec(texts(), 0..3),
        btree_map(texts(), option::of(texts()), 0..3),
        vec(option::of(address()), 0..3),
    )
}

prop_compose! {
    fn everything()(
        seed in any::<i64>(),
        text in "[a-zäß]{0,20}",
        full in any::<bool>(),
        lists in lists(),
        address in address(),
        counts in option::of(btree_map("[a-z]{0,2}", vec(any::<i16>(), 0..3), 0..3)),
    ) -> Everything {
        let at = DateTime::from_timestamp_nanos(seed);
        let (numbers, maybe_numbers, texts, labels, addresses) = lists;
        let bytes = seed.to_le_bytes();
        let [a, b, c, ..] = bytes;
        let some = |present: bool| full == present;
        Everything {
            text: "p".to_owned(),
            boxed: text.as_str().into(),
            shared: some(true).then(|| text.as_str().into()),
            cow: Cow::Owned(text.clone()),
            bytes: some(false).then(|| bytes.to_vec()),
            array: [a, b, c],
            maybe_array: some(true).then_some([a, b]),
            tiny: a as i8,
            small: some(false).then_some(seed as u16),
            number: seed,
            float: f64::from(b) / 3.0,
            flag: full,
            maybe_flag: some(true).then_some(a > 99),
            day: some(true).then(|| at.date_naive()),
            time: NaiveTime::from_num_seconds_from_midnight_opt(u32::from(a) * 300, 123_000_000).unwrap(),
            naive: at.naive_utc(),
            at: some(false).then(|| DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap()),
            price: Decimal::new(seed % 1_000_000, 6),
            id: some(true).then(|| Uuid::from_u128(u128::from(seed.unsigned_abs()))),
            sku: Sku(text.clone()),
            maybe_sku: some(false).then(|| Sku(text.clone())),
            currency: some(true).then_some(if a > 99 { Currency::Eur } else { Currency::Usd }),
            state: if b > 99 { State::Open } else { State::Closed },
            size: Size(u32::from(c % 3)),
            sizes: vec![Size(u32::from(a % 2)); usize::from(b % 3)],
            backwards: text.clone(),
            maybe_backwards: some(true).then(|| text.clone()),
            flags: numbers.iter().map(|number| number % 2 == 0).collect(),
            days: vec![at.date_naive(); usize::from(a % 3)],
            ids: vec![Uuid::from_bytes([a; 16]); usize::from(c % 3)],
            blobs: texts.iter().map(|text| text.clone().into_bytes()).collect(),
            arrays: vec![[b, c]; usize::from(b % 3)],
            nested: vec![texts.clone(); usize::from(a % 3)],
            currencies: vec![Currency::Usd; usize::from(c % 3)],
            numbers,
            maybe_numbers,
            texts,
            labels,
            counts,
            address: address.clone(),
            maybe_address: some(false).then_some(address),
            addresses,
        }
    }
}

/// Returns the texts of rows. A row prints as its record does, unless it has fields that print in another way.
fn texts_of<T: RowStruct>(batches: &[Rows<T>]) -> Vec<String> {
    batches.iter().flat_map(Rows::iter).map(|row| format!("{row:?}")).collect()
}

fn texts(records: &[impl Debug]) -> Vec<String> {
    records.iter().map(|record| format!("{record:?}")).collect()
}

#[test]
fn rows_have_the_values_of_any_records() {
    let files = Files::<Everything>::new(Compression::Snappy).unwrap();
    proptest!(ProptestConfig::with_cases(100), |(records in vec(everything(), 1..20))| {
        let file = files.encode(&records, DateTime::UNIX_EPOCH).unwrap();
        prop_assert_eq!(&files.decode(file.clone()).unwrap(), &records);
        let batches = files.decode_rows(file).unwrap();
        prop_assert_eq!(texts_of(&batches), texts(&records));
    });
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Typed {
    part: String,
    bytes: Bytes,
    hashed: HashMap<String, u64>,
    tags: Vec<String>,
    address: Option<Address>,
    #[record(with = Backwards)]
    backwards: Option<String>,
    r#type: Currency,
    #[record(skip)]
    cache: Cached,
    #[record(inserted_at)]
    written: Option<DateTime<Utc>>,
}

/// A type without `Debug` in a field that is not stored.
#[derive(Clone, PartialEq, Default)]
struct Cached(u32);

impl Debug for Cached {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        unreachable!("a row has no skipped fields")
    }
}

/// A projection in another order, with a converted field.
#[derive(Debug, Record)]
#[record(projection_of = Typed)]
struct Narrow {
    backwards: Option<String>,
    tags: Vec<String>,
    written: Option<DateTime<Utc>>,
}

#[tokio::test(start_paused = true)]
async fn the_fields_of_a_row_have_the_types_that_are_documented() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Typed>();
    let place = Place { name: "x".to_owned(), tags: vec![None, Some("y".to_owned())] };
    let address =
        Address { street: "s".to_owned(), zip: None, state: Some(State::Open), since: vec![], place: Some(place) };
    let record = Typed {
        part: "p".to_owned(),
        bytes: Bytes::from_static(b"bytes"),
        hashed: HashMap::from([("b".to_owned(), 2), ("a".to_owned(), 1)]),
        tags: vec!["t1".to_owned(), "t2".to_owned()],
        address: Some(address),
        backwards: Some("abc".to_owned()),
        r#type: Currency::Usd,
        cache: Cached(1),
        written: None,
    };
    store.write(&[record]).await.unwrap();
    let mut stream = store.read_all().rows();
    let batch: Rows<Typed> = stream.try_next().await.unwrap().unwrap();
    assert!(stream.try_next().await.unwrap().is_none());
    drop(stream);
    // A batch owns its values: it can be sent to another task, and lent across an await there.
    let batch = tokio::spawn(async move {
        for row in &batch {
            sleep(Duration::from_millis(1)).await;
            assert_eq!(row.part, "p");
        }
        batch
    });
    let batch = batch.await.unwrap();
    assert_eq!((batch.len(), batch.is_empty(), batch.iter().len()), (1, false, 1));
    assert!(batch.get(1).is_none());
    let row: Row<'_, Typed> = batch.get(0).unwrap();
    let copy = row;
    let part: &str = copy.part;
    let bytes: &[u8] = row.bytes;
    let hashed: Map<'_, _> = row.hashed;
    let tags: List<'_, _> = row.tags;
    let backwards: Option<&String> = row.backwards;
    let currency: &Currency = row.r#type;
    let written: Option<DateTime<Utc>> = row.written;
    assert_eq!((part, bytes, backwards, currency), ("p", b"bytes".as_slice(), Some(&"abc".to_owned()), &Currency::Usd));
    assert_eq!(hashed.iter().collect::<Vec<_>>(), [("a", 1), ("b", 2)]);
    assert_eq!((hashed.get("b"), hashed.get("c"), hashed.is_empty()), (Some(2), None, false));
    assert_eq!(tags.into_iter().rev().collect::<Vec<_>>(), ["t2", "t1"]);
    assert_eq!((tags.get(1), tags.get(2), tags.is_empty()), (Some("t2"), None, false));
    let address: Row<'_, Address> = row.address.unwrap();
    assert_eq!((address.street, address.zip, address.state), ("s", None, Some(&State::Open)));
    let since: &[DateTime<Utc>] = address.since;
    assert!(since.is_empty());
    assert_eq!(address.place.unwrap().tags.iter().collect::<Vec<_>>(), [None, Some("y")]);
    assert!(written.is_some());

    let narrow = store.dataset().store::<Narrow>().read_all().rows().try_next().await.unwrap().unwrap();
    let row = narrow.get(0).unwrap();
    assert_eq!((row.backwards, row.tags.get(0), row.written), (Some(&"abc".to_owned()), Some("t1"), written));
}

/// Reads as rows, and checks that they are those of the stream of records. Returns the texts.
async fn same_as_records<T: Record + RowStruct<Held: Send> + Debug>(read: impl Fn() -> Read<T>) -> Vec<String> {
    let (mut records, mut batches) = (Vec::new(), Vec::new());
    let mut stream = read().stream();
    while let Some(record) = stream.try_next().await.unwrap() {
        records.push(record);
    }
    let mut stream = read().rows();
    while let Some(batch) = stream.try_next().await.unwrap() {
        assert!(!batch.is_empty());
        batches.push(batch);
    }
    assert_eq!(texts_of(&batches), texts(&records));
    texts(&records)
}

/// Files of the Go library, of pyarrow with dictionaries, of an older schema with other units, and of ours: one partition
/// or several.
#[tokio::test(start_paused = true)]
async fn rows_of_files_of_all_writers_are_their_records() {
    for periods in [["p"; 7], ["a", "b", "c", "d", "e", "f", "g"]] {
        let world = Virtual::new();
        let store = batches::mixed(&world, periods).await.store::<batches::Row>();
        assert_eq!(same_as_records(|| store.read_all()).await.len(), 1 + 4 * 3 + 3 + 1);
        let some = same_as_records(|| store.read_all().filter(|c| c.dict_col.eq("red"))).await;
        assert_eq!(some.len(), 4 * 2 + 2);
        assert_eq!(same_as_records(|| store.read_all().limit(5)).await.len(), 5);
        let settled = world.settled().await;
        let store = settled.store::<batches::Row>();
        same_as_records(|| store.read_range(..)).await;
        let page = store.poll(&Offset::START).await.unwrap();
        same_as_records(|| store.read_entries(&page.entries)).await;
    }
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Versioned {
    #[record(entity)]
    part: String,
    #[record(entity)]
    id: u64,
    #[record(version)]
    version: u64,
    #[record(deleted)]
    deleted: bool,
    note: Option<String>,
    day: NaiveDate,
}

/// Leaves out the entity, which the read needs for the order.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Versioned)]
struct Notes {
    note: Option<String>,
}

async fn versioned(world: &Virtual) -> Store<Versioned> {
    let store = world.dataset().await.store::<Versioned>();
    for version in 1..=4_u64 {
        let records = (0..3_000_u64).filter(|id| !(id + version).is_multiple_of(3)).map(|id| Versioned {
            part: ["a", "b"][usize::from(id % 7 == 0)].to_owned(),
            id,
            version,
            deleted: (id + version).is_multiple_of(11),
            note: (id % 2 == 0).then(|| format!("note {version} on the entity {id}")),
            day: NaiveDate::from_num_days_from_ce_opt(739_000 + id as i32).unwrap(),
        });
        store.write(&records.collect::<Vec<_>>()).await.unwrap();
    }
    store
}

#[tokio::test(start_paused = true)]
async fn rows_are_deduplicated_and_filtered_as_records_are() {
    let world = Virtual::new();
    let store = versioned(&world).await;
    let notes = store.dataset().store::<Notes>();
    let (mut latest, mut history) = (Vec::new(), Vec::new());
    // In memory, and streamed by row groups.
    for (bytes, held) in [(256 << 20, u64::MAX), (1, 0)] {
        let limited = |read: Read<Versioned>| read.read_ahead_bytes(bytes).hold_at_most(held);
        latest.push(same_as_records(|| limited(store.read_all())).await);
        history.push(same_as_records(|| limited(store.read_all().history())).await);
        let filtered = same_as_records(|| limited(store.read_all()).filter(|c| c.id.lt(100_u64).and(c.note.is_null())));
        assert!((10..50).contains(&filtered.await.len()));
        let none = same_as_records(|| limited(store.read_all()).filter(|c| c.note.eq("none")));
        assert_eq!(none.await, [""; 0]);
        assert_eq!(same_as_records(|| limited(store.read_all().limit(1_001))).await.len(), 1_001);
        let texts = same_as_records(|| notes.read_all().read_ahead_bytes(bytes).hold_at_most(held)).await;
        assert_eq!(texts.len(), latest[0].len());
    }
    assert!(latest[0].len() > 2_000 && history[0].len() > 7_000);
    assert_eq!((&latest[0], &history[0]), (&latest[1], &history[1]));
}

#[tokio::test(start_paused = true)]
async fn rows_take_the_requests_of_records() {
    let world = Virtual::new();
    let store = versioned(&world).await;
    let sent = |world: &Virtual| world.s3.requests().len();
    let before = sent(&world);
    let mut records = store.read_all().stream();
    while records.try_next().await.unwrap().is_some() {}
    let after = sent(&world);
    let mut rows = store.read_all().rows();
    while rows.try_next().await.unwrap().is_some() {}
    assert!(after > before);
    assert_eq!(sent(&world) - after, after - before);
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Checked {
    #[record(entity)]
    part: String,
    #[record(version)]
    version: u64,
    number: Option<i64>,
    currency: Option<Currency>,
    day: Option<NaiveDate>,
}

/// The same file as an older program declares it, without `Option`s.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Strict {
    #[record(entity)]
    part: String,
    #[record(version)]
    version: u64,
    number: i64,
    #[record(default = Currency::Eur)]
    currency: Currency,
    day: Option<NaiveDate>,
}

fn file(numbers: [Option<i64>; 3], currencies: [Option<&str>; 3], days: [Option<i32>; 3]) -> Bytes {
    let columns: [(&str, ArrayRef); 5] = [
        ("part", Arc::new(StringArray::from(vec!["p"; 3]))),
        ("version", Arc::new(UInt64Array::from(vec![5, 6, 7]))),
        ("number", Arc::new(Int64Array::from(numbers.to_vec()))),
        ("currency", Arc::new(StringArray::from(currencies.to_vec()))),
        ("day", Arc::new(Date32Array::from(days.to_vec()))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// Returns the error of a read, which is the same for records and for rows.
async fn error_of<T: Record + RowStruct<Held: Send> + Debug>(store: &Store<T>) -> String {
    let (mut stream, mut rows) = (store.read_all().history().stream(), store.read_all().history().rows());
    let error = loop {
        if let Err(error) = stream.try_next().await.map(|record| record.expect("an error")) {
            break error;
        }
    };
    let of_rows = loop {
        if let Err(error) = rows.try_next().await.map(|batch| batch.expect("an error")) {
            break error;
        }
    };
    assert_eq!((of_rows.kind(), of_rows.to_string()), (error.kind(), error.to_string()));
    // The stream ends after an error.
    assert!(rows.try_next().await.unwrap().is_none());
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn values_that_do_not_fit_fail_before_their_batch_with_the_errors_of_records() {
    let (one, day, eur) = (Some(1), Some(1), Some("Eur"));
    let good = ([one; 3], [eur; 3], [day; 3]);
    for (body, expected) in [
        (file(good.0, [eur, None, Some("Gbp")], good.2), "row 2, column currency: \"Gbp\" is not a value of Currency"),
        (file(good.0, good.1, [day, Some(i32::MAX), None]), "row 1, column day: 2147483647 days since 1970"),
    ] {
        for others in [0, 1] {
            let world = Virtual::new();
            let store = world.dataset().await.store::<Checked>();
            let record = |version| Checked { part: "p".to_owned(), version, number: None, currency: None, day: None };
            for version in 0..others {
                store.write(&[record(version)]).await.unwrap();
            }
            let commits = store.write(&[record(5)]).await.unwrap();
            world.s3.put_object(BUCKET, &commits[0].data_path, body.clone());
            let error = error_of(&store).await;
            assert!(error.contains(expected) && error.contains(&commits[0].data_path), "{error}");
        }
    }
    let world = Virtual::new();
    let store = world.dataset().await.store::<Strict>();
    let record = Strict { part: "p".to_owned(), version: 5, number: 1, currency: Currency::Usd, day: None };
    let commits = store.write(&[record]).await.unwrap();
    world.s3.put_object(BUCKET, &commits[0].data_path, file([one, None, one], [eur; 3], [day; 3]));
    let error = error_of(&store).await;
    assert!(error.contains("number") && error.contains(&commits[0].data_path), "{error}");
    // A null that the record's type allows, or has a default for, is no error.
    world.s3.put_object(BUCKET, &commits[0].data_path, file([one; 3], [None, eur, None], [None; 3]));
    let rows = same_as_records(|| store.read_all().history()).await;
    assert!(rows.len() == 3 && rows[0].contains("currency: Eur, day: None"), "{rows:?}");
}
