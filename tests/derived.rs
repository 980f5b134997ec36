//! Derived records: conversion to columns and back, descriptions, partition keys and views.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use s3store::__private::Tuple;
use s3store::column::{ColumnWith, ValueError};
use s3store::pattern::prefix;
use s3store::rust_decimal::Decimal;
use s3store::{ColumnType, Record, RootRecord, View};
use uuid::Uuid;

/// A record with every attribute.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(
    partition_by(
        charge_period,
        customer = customer_id,
        region = region_of(customer_id, shard),
        month = format(calculated_at, "%Y-%m"),
        "shard no" = pad(shard, 4),
    ),
    dedup = "per_partition",
    views(ByCustomer),
    crate = ::s3store
)]
struct Cost {
    #[record(entity)]
    charge_period: String,
    #[record(entity, alias = "customer", alias = "client")]
    customer_id: String,
    #[record(entity, rename = "SKU")]
    sku: Sku,
    shard: u16,
    #[record(decimal(18, 6))]
    net_cost: Decimal,
    #[record(decimal(4, 0))]
    parts: Vec<Option<Decimal>>,
    #[record(default = "EUR")]
    currency: String,
    #[record(default = Currency::Usd)]
    billed_in: Currency,
    state: State,
    #[record(timestamp = "us", exact)]
    exactly: Option<DateTime<Utc>>,
    #[record(timestamp = "ns")]
    nanos: NaiveDateTime,
    #[record(timestamp = "ms")]
    clock: NaiveTime,
    day: NaiveDate,
    #[record(with = Hex)]
    color: Color,
    #[record(with = Hex)]
    border: Option<Color>,
    #[record(default)]
    labels: BTreeMap<String, i32>,
    address: Option<Address>,
    history: Vec<Address>,
    bytes: Vec<u8>,
    hash: [u8; 4],
    id: Uuid,
    #[record(skip)]
    cache: u32,
    #[record(skip, default = 7)]
    luck: u32,
    #[record(version, timestamp = "ms")]
    calculated_at: DateTime<Utc>,
    #[record(inserted_at)]
    inserted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, ColumnType)]
struct Sku(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ColumnType)]
#[column(rename_all = "SCREAMING_SNAKE_CASE")]
enum Currency {
    #[default]
    Eur,
    #[column(rename = "dollar", alias = "USD")]
    Usd,
    SwissFranc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ColumnType)]
#[column(repr = "i16")]
enum State {
    #[default]
    Open = 10,
    Closed = -20,
}

#[derive(Debug, Clone, PartialEq, Default, ColumnType)]
#[column(rename_all = "camelCase")]
struct Address {
    street_name: String,
    #[column(rename = "zip", alias = "postcode")]
    zip_code: Option<u32>,
    #[column(timestamp = "ms")]
    since: DateTime<Utc>,
    #[column(skip)]
    cache: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Color(u32);

/// Stores a color as hexadecimal text.
struct Hex;

impl ColumnWith<Color> for Hex {
    type Column = String;

    fn to_column(color: &Color) -> Result<String, ValueError> {
        Ok(format!("#{:06x}", color.0))
    }

    fn from_column(text: String) -> Result<Color, ValueError> {
        let digits = text.strip_prefix('#').ok_or_else(|| ValueError::new("not a color"))?;
        u32::from_str_radix(digits, 16).map(Color).map_err(ValueError::new)
    }
}

fn region_of(customer: &str, shard: &u16) -> String {
    format!("{}-{shard}", customer.get(..2).unwrap_or("none"))
}

/// A projection with some of the fields, in another order.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Cost)]
struct Narrow {
    inserted_at: Option<DateTime<Utc>>,
    sku: Sku,
    net_cost: Decimal,
    border: Option<Color>,
    #[record(skip, default = 1)]
    rank: u8,
}

/// A view with every kind of column. A record without a border has no marker.
#[derive(Debug, Clone, PartialEq, View)]
#[view(of = Cost, name = "by_customer")]
struct ByCustomer {
    #[view(from = customer_id)]
    customer: String,
    sku: Sku,
    billed_in: Currency,
    state: State,
    shard: u16,
    id: Uuid,
    day: NaiveDate,
    clock: NaiveTime,
    nanos: NaiveDateTime,
    #[view(from = calculated_at)]
    exactly: DateTime<Utc>,
    #[view(from = calculated_at, format = "%Y-%m")]
    month: String,
    #[view(from = calculated_at, format = "rfc3339", rename = "whole-second")]
    whole_second: DateTime<Utc>,
    #[view(from = day, format = "%Y")]
    year: NaiveDate,
    #[view(from = clock, format = "%H:%M")]
    minute: String,
    #[view(with = border_of(border, customer_id))]
    border: String,
}

fn border_of(border: &Option<Color>, customer: &str) -> Option<String> {
    border.map(|color| format!("{customer} {:x}", color.0))
}

/// A record whose version is the insertion time. The column is not nullable, although the field is an `Option`.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(name))]
struct Newest {
    #[record(entity)]
    name: String,
    #[record(version, inserted_at, timestamp = "ms")]
    at: Option<DateTime<Utc>>,
}

fn cost(number: u16) -> Cost {
    let at = DateTime::from_timestamp_millis(1_774_000_000_123 + i64::from(number)).unwrap();
    let some = number.is_multiple_of(2);
    let address =
        Address { street_name: format!("Straße {number}"), zip_code: some.then_some(1), since: at, cache: 0 };
    Cost {
        charge_period: "2026-03-17".to_owned(),
        customer_id: format!("abc{number}"),
        sku: Sku(format!("sku-{number}")),
        shard: number,
        net_cost: Decimal::new(i64::from(number) * 1_000_001 - 3_000_000, 6),
        parts: if some { vec![Some(Decimal::from(number)), None] } else { Vec::new() },
        currency: "EUR".to_owned(),
        billed_in: if some { Currency::SwissFranc } else { Currency::Usd },
        state: if some { State::Closed } else { State::Open },
        exactly: some.then_some(at),
        nanos: at.naive_utc() + chrono::TimeDelta::nanoseconds(i64::from(number)),
        clock: NaiveTime::from_hms_milli_opt(23, 59, 59, 999).unwrap(),
        day: NaiveDate::from_ymd_opt(2026, 3, 17).unwrap(),
        color: Color(u32::from(number)),
        border: some.then_some(Color(0xff_00_ff)),
        labels: if some { BTreeMap::from([("a".to_owned(), -1), ("ß".to_owned(), 2)]) } else { BTreeMap::new() },
        address: some.then(|| address.clone()),
        history: vec![address; usize::from(number % 3)],
        bytes: vec![0, 255, 10],
        hash: *b"hash",
        id: Uuid::from_u128(u128::from(number)),
        cache: 0,
        luck: 7,
        calculated_at: at,
        inserted_at: None,
    }
}

/// Encodes records, and casts the columns to their read types as a reader does.
fn columns<T: RootRecord>(records: &[T], inserted_at: i64) -> Vec<ArrayRef> {
    let arrays = T::encode(records.iter(), inserted_at, None).unwrap();
    let nodes = &T::description().columns;
    assert_eq!(arrays.len(), nodes.len());
    let read = arrays.iter().zip(nodes).map(|(array, node)| {
        assert_eq!(array.data_type(), &node.write_type(), "{}", node.name);
        assert_eq!(array.len(), records.len(), "{}", node.name);
        cast(array, &node.read_type()).unwrap()
    });
    read.collect()
}

fn decoded<T: Record>(columns: &[ArrayRef], rows: std::ops::Range<usize>) -> Vec<T> {
    let mut records = Vec::new();
    T::decode(columns, rows, &mut records).unwrap();
    records
}

#[test]
fn a_record_with_every_attribute_round_trips() {
    let written: Vec<_> = (0..7).map(cost).collect();
    let micros = 1_774_000_123_456_789;
    let columns = columns(&written, micros);
    let expected: Vec<_> = written
        .iter()
        .map(|cost| Cost { inserted_at: DateTime::from_timestamp_micros(micros), ..cost.clone() })
        .collect();
    assert_eq!(decoded::<Cost>(&columns, 0..7), expected);
    assert_eq!(decoded::<Cost>(&columns, 2..4), expected[2..4]);
    assert_eq!(decoded::<Cost>(&columns, 3..3), []);
}

#[test]
fn a_projection_reads_its_columns_as_the_record_stores_them() {
    let written: Vec<_> = (0..3).map(cost).collect();
    let all = columns(&written, 5);
    let narrow: Vec<_> = Narrow::description().columns.iter().map(|column| column.name.as_ref()).collect();
    assert_eq!(narrow, ["inserted_at", "SKU", "net_cost", "border"]);
    let position = |name: &&str| Cost::description().columns.iter().position(|column| column.name == **name).unwrap();
    let some: Vec<_> = narrow.iter().map(|name| all[position(name)].clone()).collect();
    let read = decoded::<Narrow>(&some, 0..3);
    for (narrow, cost) in read.iter().zip(&written) {
        let inserted_at = DateTime::from_timestamp_micros(5);
        let expected =
            Narrow { inserted_at, sku: cost.sku.clone(), net_cost: cost.net_cost, border: cost.border, rank: 1 };
        assert_eq!(narrow, &expected);
    }
    assert_eq!(Narrow::description().inserted_at, Some(0));
    assert_eq!(Narrow::description().key, Cost::description().key);
    assert_eq!(Narrow::description().partition, Cost::description().partition);
    assert_eq!(Narrow::description().record, "Narrow");
}

#[test]
fn a_description_matches_the_struct() {
    let description = Cost::description();
    assert_eq!(description.record, "Cost");
    assert_eq!(*description.partition, ["charge_period", "customer", "region", "month", "shard no"]);
    let names: Vec<_> = description.columns.iter().map(|column| column.name.as_ref()).collect();
    let column = |name: &str| &description.columns[names.iter().position(|other| *other == name).unwrap()];
    assert_eq!(names.len(), 23, "{names:?}");
    assert!(!names.contains(&"cache") && !names.contains(&"luck"));

    let key = description.key.as_ref().unwrap();
    let entity: Vec<_> = key.entity.iter().map(|&index| names[index]).collect();
    assert_eq!(
        (entity.as_slice(), names[key.version]),
        (["charge_period", "customer_id", "SKU"].as_slice(), "calculated_at")
    );
    assert_eq!(description.inserted_at.map(|index| names[index]), Some("inserted_at"));

    assert_eq!(column("customer_id").aliases, ["customer", "client"]);
    assert_eq!(column("net_cost").write_type(), DataType::Decimal128(18, 6));
    assert_eq!(column("state").write_type(), DataType::Int16);
    assert_eq!(column("color").write_type(), DataType::Utf8);
    assert_eq!(column("exactly").write_type(), timestamp(TimeUnit::Microsecond));
    assert_eq!(column("calculated_at").write_type(), timestamp(TimeUnit::Millisecond));
    assert_eq!(column("inserted_at").write_type(), timestamp(TimeUnit::Microsecond));
    let nullable: Vec<_> =
        description.columns.iter().filter(|column| column.nullable).map(|it| it.name.as_ref()).collect();
    assert_eq!(nullable, ["exactly", "border", "address", "inserted_at"]);
    let defaults: Vec<_> =
        description.columns.iter().filter(|column| column.default.is_some()).map(|it| it.name.as_ref()).collect();
    assert_eq!(defaults, ["currency", "billed_in", "labels"]);

    let DataType::Struct(address) = column("address").write_type() else { panic!("not a struct") };
    let fields: Vec<_> = address.iter().map(|field| field.name().as_str()).collect();
    assert_eq!(fields, ["streetName", "zip", "since"]);
}

fn timestamp(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

#[test]
fn a_missing_column_is_read_as_the_default() {
    let single = |name: &str| {
        let column = Cost::description().columns.iter().find(|column| column.name == name).unwrap();
        let array = column.default.as_ref().unwrap().array().unwrap();
        assert_eq!((array.data_type(), array.len()), (&column.write_type(), 1), "{name}");
        format!("{:?}", cast(&array, &DataType::Utf8).unwrap())
    };
    assert!(single("currency").contains("\"EUR\""));
    assert!(single("billed_in").contains("\"dollar\""));
}

#[test]
fn a_partition_key_has_the_parts_of_the_struct() {
    let mut key = "before/".to_owned();
    cost(7).partition_key(&mut key).unwrap();
    assert_eq!(key, "before/charge_period=2026-03-17/customer=abc7/region=ab-7/month=2026-03/shard no=0007");
    let error = cost(10_000).partition_key(&mut key).unwrap_err().to_string();
    assert!(error.contains("shard no") && error.contains("4 digits"), "{error}");
}

#[test]
fn a_value_that_does_not_fit_is_an_error_with_row_and_column() {
    let mut costs = [cost(0), cost(1), cost(2)];
    costs[1].net_cost = Decimal::new(1, 7);
    let error = Cost::encode(costs.iter(), 0, None).unwrap_err();
    assert_eq!(error.row, 1);
    assert!(error.to_string().contains("column net_cost"), "{error}");

    let mut costs = [cost(0), cost(2)];
    costs[1].exactly = DateTime::from_timestamp_nanos(1).into();
    let error = Cost::encode(costs.iter(), 0, None).unwrap_err();
    assert!(error.to_string().starts_with("row 1, column exactly"), "{error}");

    // The path of a value inside a list is named too.
    let mut costs = [cost(0)];
    costs[0].parts = vec![Some(Decimal::from(12345))];
    let error = Cost::encode(costs.iter(), 0, None).unwrap_err();
    assert!(error.to_string().contains("column parts.element"), "{error}");
}

#[test]
fn an_unknown_enum_text_is_an_error() {
    let mut columns = columns(&[cost(0)], 0);
    let position = Cost::description().columns.iter().position(|column| column.name == "billed_in").unwrap();
    columns[position] = std::sync::Arc::new(arrow::array::StringViewArray::from(vec!["YEN"]));
    let error = Cost::decode(&columns, 0..1, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("column billed_in") && error.contains("\"YEN\""), "{error}");
    assert!(error.contains("EUR, dollar, SWISS_FRANC"), "{error}");

    columns[position] = std::sync::Arc::new(arrow::array::StringViewArray::from(vec!["USD"]));
    assert_eq!(decoded::<Cost>(&columns, 0..1)[0].billed_in, Currency::Usd);

    columns.truncate(3);
    assert!(Cost::decode(&columns, 0..1, &mut Vec::new()).is_err());
}

#[test]
fn a_version_that_is_the_insertion_time_is_never_null() {
    let at = &Newest::description().columns[1];
    assert!(!at.nullable);
    assert_eq!(at.write_type(), timestamp(TimeUnit::Millisecond));
    let columns = columns(&[Newest { name: "a".to_owned(), at: None }], 1_999);
    let expected = Newest { name: "a".to_owned(), at: DateTime::from_timestamp_millis(1) };
    assert_eq!(decoded::<Newest>(&columns, 0..1), [expected]);
}

/// Returns the view's tuple for a record, or `None` if the record has no marker.
fn tuple(cost: &Cost) -> Option<Vec<String>> {
    let mut tuple = Tuple::default();
    ByCustomer::tuple(cost, &mut tuple).unwrap().then(|| tuple.values().map(str::to_owned).collect())
}

#[test]
fn a_view_makes_a_tuple_from_a_record() {
    assert_eq!(ByCustomer::NAME, "by_customer");
    assert_eq!(Cost::views().len(), 1);
    assert_eq!(tuple(&cost(3)), None);
    let values = [
        ("customer", "abc2"),
        ("sku", "sku-2"),
        ("billed_in", "SWISS_FRANC"),
        ("state", "-20"),
        ("shard", "2"),
        ("id", "00000000-0000-0000-0000-000000000002"),
        ("day", "2026-03-17"),
        ("clock", "23:59:59.999"),
        ("nanos", "2026-03-20T09:46:40.125000002"),
        ("exactly", "2026-03-20T09:46:40.125Z"),
        ("month", "2026-03"),
        ("whole-second", "2026-03-20T09:46:40Z"),
        ("year", "2026"),
        ("minute", "23:59"),
        ("border", "abc2 ff00ff"),
    ];
    assert_eq!(ByCustomer::COLUMNS, values.map(|(column, _)| column));
    let tuple = tuple(&cost(2)).unwrap();
    assert_eq!(tuple, values.map(|(_, value)| value));

    let mut far = cost(2);
    far.calculated_at = "+10000-01-01T00:00:00Z".parse().unwrap();
    let error = ByCustomer::tuple(&far, &mut Tuple::default()).unwrap_err();
    assert!(error.to_string().starts_with("column exactly: the year 10000"), "{error}");
    // A record without a marker is not rendered, so the year is not an error.
    far.border = None;
    assert!(!ByCustomer::tuple(&far, &mut Tuple::default()).unwrap());
}

#[test]
fn a_tuple_is_parsed() {
    let values = tuple(&cost(2)).unwrap();
    let mut values: Vec<_> = values.iter().map(String::as_str).collect();
    let cost = cost(2);
    let expected = ByCustomer {
        customer: cost.customer_id,
        sku: cost.sku,
        billed_in: cost.billed_in,
        state: cost.state,
        shard: cost.shard,
        id: cost.id,
        day: cost.day,
        clock: cost.clock,
        nanos: cost.nanos,
        exactly: cost.calculated_at,
        month: "2026-03".to_owned(),
        whole_second: DateTime::from_timestamp(cost.calculated_at.timestamp(), 0).unwrap(),
        year: NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(),
        minute: "23:59".to_owned(),
        border: "abc2 ff00ff".to_owned(),
    };
    assert_eq!(ByCustomer::from_tuple(&values).unwrap(), expected);

    values[2] = "USD";
    assert_eq!(ByCustomer::from_tuple(&values).unwrap().billed_in, Currency::Usd, "by its alias");
    values[3] = "7";
    let error = ByCustomer::from_tuple(&values).unwrap_err().to_string();
    assert_eq!(error, "column state: 7 is not a value of State");
    values.pop();
    let error = ByCustomer::from_tuple(&values).unwrap_err().to_string();
    assert_eq!(error, "14 values for a view of 15 columns");
}

#[test]
fn a_backfill_makes_the_same_tuples_as_writes() {
    let sources = ByCustomer::source_columns();
    let once =
        ["customer_id", "SKU", "billed_in", "state", "shard", "id", "day", "clock", "nanos", "calculated_at", "border"];
    assert_eq!(sources, once);
    let written: Vec<_> = (0..7).map(cost).collect();
    let all = columns(&written, 0);
    let position = |name: &&str| Cost::description().columns.iter().position(|column| column.name == **name).unwrap();
    let some: Vec<_> = sources.iter().map(|name| all[position(name)].clone()).collect();
    let made = |rows: std::ops::Range<usize>| {
        let mut made: Vec<Vec<String>> = Vec::new();
        ByCustomer::tuples(&some, rows, &mut |tuple| made.push(tuple.values().map(str::to_owned).collect())).unwrap();
        made
    };
    let expected = |costs: &[Cost]| -> Vec<Vec<String>> { costs.iter().filter_map(tuple).collect() };
    assert_eq!(made(0..7), expected(&written));
    assert_eq!(made(1..3), expected(&written[1..3]));
    assert_eq!(made(2..2), expected(&[]));
    assert!(ByCustomer::tuples(&some[1..], 0..1, &mut |_| {}).is_err());
}

#[test]
fn the_patterns_of_a_view_take_the_types_of_its_fields() {
    let cost = cost(2);
    let patterns = ByCustomer::patterns()
        .customer("a".."b")
        .sku(Sku("sku-1".to_owned()))
        .billed_in(Currency::Usd)
        .state(prefix("-"))
        .shard(cost.shard)
        .id(cost.id..)
        .day(cost.day..cost.day.succ_opt().unwrap())
        .nanos(cost.nanos)
        .month("2026-03".."2026-05")
        .whole_second(cost.calculated_at..)
        .year(..cost.day)
        .minute(prefix("23:"))
        .border("abc2 ff00ff");
    let text = format!("{patterns:?}");
    for part in ["whole-second", "2026-03-20T09:46:40Z", "dollar", "sku-1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Newtypes of text, dates and UUIDs sort as their texts in keys do.
mod newtype_ranges {
    use s3store::chrono::NaiveDate;
    use s3store::{ColumnType, Dataset, Record};

    #[derive(Debug, Clone, PartialEq, PartialOrd, ColumnType)]
    struct Region(String);

    #[derive(Debug, Clone, PartialEq, PartialOrd, ColumnType)]
    struct Day(NaiveDate);

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(region, day))]
    struct Visit {
        region: Region,
        day: Day,
    }

    fn day(number: u32) -> Day {
        Day(NaiveDate::from_ymd_opt(2026, 3, number).unwrap())
    }

    fn region(name: &str) -> Region {
        Region(name.to_owned())
    }

    #[tokio::test]
    async fn a_newtype_can_be_a_range() {
        let s3 = s3store::testing::S3::with_bucket("bucket");
        let dataset = Dataset::init(s3.client(), "bucket", "d").await.unwrap().into_dataset();
        let store = dataset.store::<Visit>();
        let visits = [("eu-1", 1), ("eu-2", 2), ("us-1", 3)];
        let visits = visits.map(|(name, number)| Visit { region: region(name), day: day(number) });
        store.write(&visits).await.unwrap();
        let count = async |pattern| store.read(pattern).await.unwrap().len();
        assert_eq!(count(Visit::partitions().region(region("eu-2")..region("us-1"))).await, 1);
        assert_eq!(count(Visit::partitions().region(region("eu-2")..)).await, 2);
        assert_eq!(count(Visit::partitions().region(..region("us-1"))).await, 2);
        assert_eq!(count(Visit::partitions().region(region("eu-2"))).await, 1);
        assert_eq!(count(Visit::partitions().day(day(1)..day(3))).await, 2);
    }
}
