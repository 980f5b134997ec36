//! Entities and versions as values, and the latest record of each entity.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use s3store::rust_decimal::Decimal;
use s3store::stream::Latest;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Entity, ErrorKind, Keyed, Offset, Record, Version};

use crate::integration::harness::{Virtual, at, draws, sleep};
use crate::integration::records::Item;

#[derive(Debug, Clone, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Kind {
    Web,
    Shop,
    #[column(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Sku(String);

/// A record whose entity has a column of each kind.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(customer, month = format(day, "%Y-%m"), shard = shard_of(id)))]
struct Sale {
    #[record(entity)]
    customer: String,
    #[record(entity)]
    day: NaiveDate,
    #[record(entity)]
    id: Uuid,
    #[record(entity)]
    kind: Kind,
    #[record(entity)]
    sku: Sku,
    #[record(entity, decimal(9, 2))]
    price: Decimal,
    #[record(entity)]
    paid: bool,
    #[record(entity, timestamp = "ms")]
    at: DateTime<Utc>,
    #[record(entity)]
    raw: Vec<u8>,
    #[record(version)]
    version: u64,
}

fn shard_of(id: &Uuid) -> String {
    format!("{:x}", id.as_bytes()[15] & 0x0f)
}

fn sale() -> Sale {
    Sale {
        customer: "a@b/ %'é".replace('/', "|"),
        day: NaiveDate::from_ymd_opt(2026, 3, 17).unwrap(),
        id: Uuid::from_u128(0xabcd),
        kind: Kind::Shop,
        sku: Sku("x/y".to_owned()),
        price: Decimal::new(1050, 2),
        paid: true,
        at: at(-1_500),
        raw: vec![0, 255],
        version: u64::MAX,
    }
}

#[test]
fn an_entity_is_equal_for_equal_values_and_survives_as_text() {
    let entity = sale().entity().unwrap();
    let text = "'a%40b|%20%25'%C3%A9/20529/x0000000000000000000000000000abcd/'shop/'x%2Fy/1050/1/-1500000/x00ff\
                @customer=a@b| %'é/month=2026-03/shard=d";
    assert_eq!(entity.to_string(), text);
    assert_eq!(text.parse::<Entity<Sale>>().unwrap(), entity);
    assert_eq!(text.parse::<Entity<Sale>>().unwrap().to_string(), text);
    assert_eq!(format!("{entity:?}"), format!("Entity({text})"));
    let Sale { customer, day, id, kind, sku, price, paid, at, raw, .. } = sale();
    let of_values = Sale::entity_of(customer.as_str(), day, id, kind, sku, price, paid, at, raw).unwrap();
    assert_eq!(of_values.to_string(), text);
    // Equal decimals are one value, as in a file.
    let same = Sale { price: Decimal::new(105, 1), version: 0, ..sale() };
    assert_eq!(same.entity().unwrap(), entity);
    assert_eq!(HashSet::from([same.entity().unwrap(), entity.clone()]).len(), 1);

    let others = [
        Sale { customer: "b".to_owned(), ..sale() },
        Sale { kind: Kind::Web, ..sale() },
        Sale { price: Decimal::new(1051, 2), ..sale() },
        Sale { paid: false, ..sale() },
        // A time keeps digits beyond its unit: a file may have them.
        Sale { at: sale().at + chrono::TimeDelta::microseconds(1), ..sale() },
        Sale { raw: vec![0], ..sale() },
    ];
    for other in &others {
        assert_ne!(other.entity().unwrap(), entity, "{other:?}");
        assert_eq!(other.entity().unwrap().to_string().parse::<Entity<Sale>>().unwrap(), other.entity().unwrap());
    }
}

#[test]
fn texts_of_other_records_do_not_parse() {
    let text = Item::new("a", 7, 3, "").entity().unwrap().to_string();
    assert_eq!(text, "'a/7@part=a");
    let bad = [
        "",
        "@",
        "'a/7",
        "'a/7@",
        "'a@part=a",
        "'a/7/8@part=a",
        "'a/seven@part=a",
        "'a/7@other=a",
        "'a/7@part=",
        "'a/x7@part=a",
        "'a/7@part=a/b=c",
        "'%ff/7@part=a",
    ];
    for bad in bad {
        let error = bad.parse::<Entity<Item>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), format!("{bad:?} is not the text of an entity of the record Item"));
    }
    assert_eq!("3".parse::<Version<Item>>().unwrap(), Item::new("a", 7, 3, "").version().unwrap());
    assert!("three".parse::<Version<Item>>().is_err());
}

#[test]
fn entities_and_versions_are_keys_of_maps_in_json() {
    let item = Item::new("a", 7, -3, "");
    let map = BTreeMap::from([(item.entity().unwrap(), item.version().unwrap())]);
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(json, r#"{"'a/7@part=a":"-3"}"#);
    assert_eq!(serde_json::from_str::<BTreeMap<Entity<Item>, Version<Item>>>(&json).unwrap(), map);
    assert!(serde_json::from_str::<Entity<Item>>("\"'a\"").is_err());
}

#[tokio::test(start_paused = true)]
async fn entities_are_ordered_as_reads_order_them() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Sale>();
    let mut sales = Vec::new();
    for (n, kind) in [Kind::Web, Kind::Shop].into_iter().enumerate() {
        for (m, price) in [-5, 1050, 7].into_iter().enumerate() {
            for micros in [-1_000, 0, 2_000] {
                let customer = ["é", "b", "bb"][(n + m) % 3].to_owned();
                let raw = [vec![1, 2], vec![1], vec![]][m].clone();
                let price = Decimal::new(price, 2);
                sales.push(Sale {
                    customer: "c".to_owned(),
                    sku: Sku(customer),
                    kind: kind.clone(),
                    price,
                    at: at(micros),
                    raw,
                    ..sale()
                });
            }
        }
    }
    store.write(&sales).await.unwrap();
    let read = store.read_all().await.unwrap();
    assert_eq!(read.len(), sales.len());
    let entities: Vec<_> = read.iter().map(|sale| sale.entity().unwrap()).collect();
    assert!(entities.is_sorted(), "{entities:#?}");
    assert_eq!(entities.iter().collect::<BTreeSet<_>>().len(), sales.len());
}

#[test]
fn a_value_that_was_lost_has_no_entity() {
    let error = Sale { kind: Kind::Unknown, ..sale() }.entity().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("record Sale: column kind: "), "{error}");
}

/// A record that may move between partitions, and whose latest write wins.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(region, id), dedup = "per_partition")]
struct Moving {
    region: String,
    #[record(entity)]
    id: i64,
    #[record(version, inserted_at)]
    written: Option<DateTime<Utc>>,
}

#[tokio::test(start_paused = true)]
async fn an_insertion_time_is_a_version_once_it_was_read() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Moving>();
    let record = Moving { region: "eu".to_owned(), id: 7, written: None };
    assert_eq!(record.entity().unwrap().to_string(), "7@region/id=7");
    assert_eq!("7@region/id=7".parse::<Entity<Moving>>().unwrap(), record.entity().unwrap());
    let error = record.version().unwrap_err();
    let text =
        "record Moving: column written: the version is the insertion time, which only records that were read have";
    assert_eq!(error.to_string(), text);
    store.write(std::slice::from_ref(&record)).inserted_at(at(5)).await.unwrap();
    let read = store.read_all().await.unwrap().remove(0);
    assert_eq!(
        (read.entity().unwrap(), read.version().unwrap().to_string()),
        (record.entity().unwrap(), "5000".to_owned())
    );
}

#[test]
fn the_latest_record_of_an_entity_is_that_of_the_highest_version() {
    let mut latest = Latest::new();
    let item = |version, note: &str| Item::new("a", 1, version, note);
    let change = latest.apply(item(2, "first")).unwrap();
    assert_eq!((change.before, change.after), (None, Some(&item(2, "first"))));
    // The same version again: the later record in the stream counts.
    let change = latest.apply(item(2, "second")).unwrap();
    assert_eq!((change.before, change.after), (Some(item(2, "first")), Some(&item(2, "second"))));
    let change = latest.apply(item(1, "old")).unwrap();
    assert_eq!((change.before, change.after), (None, None));
    let change = latest.apply(item(3, "third")).unwrap();
    assert_eq!((change.before, change.after), (Some(item(2, "second")), Some(&item(3, "third"))));
    latest.apply(Item::new("a", 0, 9, "other")).unwrap();
    assert_eq!(latest.records().map(|item| item.id).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((latest.len(), latest.get(&Item::entity_of("a", 1).unwrap())), (2, Some(&item(3, "third"))));
    assert_eq!(latest.get(&Item::entity_of("b", 1).unwrap()), None);
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, Record)]
#[record(partition_by(part))]
struct Stored {
    #[record(entity)]
    part: String,
    #[record(version)]
    version: i64,
}

#[test]
fn the_latest_records_are_stored_as_a_list() {
    let mut latest = Latest::new();
    for (part, version) in [("b", 1), ("a", 2), ("b", 3)] {
        latest.apply(Stored { part: part.to_owned(), version }).unwrap();
    }
    let json = serde_json::to_string(&latest).unwrap();
    assert_eq!(json, r#"[{"part":"a","version":2},{"part":"b","version":3}]"#);
    let mut again: Latest<Stored> = serde_json::from_str(&json).unwrap();
    assert!(again.records().eq(latest.records()));
    assert!(again.apply(Stored { part: "b".to_owned(), version: 2 }).unwrap().after.is_none());
}

/// Whatever the size of the pages, and however often one comes again, the latest records of the stream are the snapshot.
#[tokio::test(start_paused = true)]
async fn the_latest_records_of_the_stream_are_those_of_a_snapshot() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let mut draw = draws(7);
    for write in 0..60 {
        let part = ["a", "b"][usize::try_from(draw(2)).unwrap()];
        // Versions are unique: with equal ones the order of the file names would decide.
        let items: Vec<_> = (0..3).map(|n| Item::new(part, draw(6), draw(1_000) * 1_000 + write * 3 + n, "")).collect();
        store.write(&items).await.unwrap();
    }
    sleep(store.dataset().settle_window()).await;
    sleep(std::time::Duration::from_secs(1)).await;
    let snapshot = store.read_all().await.unwrap();
    for limit in [1, 7, 100] {
        let (mut latest, mut offset, mut totals) = (Latest::new(), Offset::START, BTreeMap::<String, i64>::new());
        loop {
            let page = store.poll_records(&offset).limit(limit).await.unwrap();
            for item in page.records.iter().chain(page.records.iter().take(2)).cloned() {
                let change = latest.apply(item).unwrap();
                if let Some(before) = change.before {
                    *totals.entry(before.part).or_default() -= before.version;
                }
                if let Some(after) = change.after {
                    *totals.entry(after.part.clone()).or_default() += after.version;
                }
            }
            offset = page.next;
            if page.caught_up {
                break;
            }
        }
        assert!(latest.records().eq(&snapshot), "{limit}");
        for (part, total) in totals {
            assert_eq!(total, snapshot.iter().filter(|item| item.part == part).map(|item| item.version).sum::<i64>());
        }
    }
}
