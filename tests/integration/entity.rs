//! Reading one entity.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use s3store::rust_decimal::Decimal;
use s3store::testing::Operation;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Entity, ErrorKind, Keyed, Record};

use crate::integration::harness::{BUCKET, Virtual, at, draws, sleep};
use crate::integration::records::Item;

/// A projection without the entity and the version.
#[derive(Debug, PartialEq, Record)]
#[record(projection_of = Item)]
struct Note {
    note: String,
}

/// The read of one entity returns what a snapshot has of it.
#[tokio::test(start_paused = true)]
async fn an_entity_is_what_a_snapshot_has_of_it() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let mut draw = draws(11);
    for write in 0..40 {
        let part = ["a", "b", "b-2"][usize::try_from(draw(3)).unwrap()];
        let items: Vec<_> = (0..4).map(|row| Item::new(part, draw(8), draw(6), &format!("{write}-{row}"))).collect();
        let write = store.write(&items);
        // Some with a token of the caller, whose commits take a HEAD.
        if draw(2) == 0 { write.token(format!("t-{}", items[0].note)).await } else { write.await }.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    let (latest, history) = (store.read_all().await.unwrap(), store.read_all().history().await.unwrap());
    let notes = store.dataset().store::<Note>();
    for (part, id) in ["a", "b", "b-2", "c"].into_iter().flat_map(|part| (-1..9).map(move |id| (part, id))) {
        let entity = Item::entity_of(part, id).unwrap();
        let of = |items: &[Item]| -> Vec<Item> {
            items.iter().filter(|item| (item.part.as_str(), item.id) == (part, id)).cloned().collect()
        };
        let expected = of(&latest).pop();
        assert_eq!(store.read_entity(&entity).await.unwrap(), expected, "{entity}");
        assert_eq!(store.history_of(&entity).await.unwrap(), of(&history), "{entity}");
        let note = notes.read_entity(&entity).await.unwrap();
        assert_eq!(note.map(|note| note.note), expected.map(|item| item.note), "{entity}");
        // The entity's text is enough.
        let parsed: Entity<Item> = entity.to_string().parse().unwrap();
        assert_eq!(store.history_of(&parsed).await.unwrap(), of(&history), "{entity}");
    }
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
#[column(rename_all = "lowercase")]
enum Kind {
    Web,
    Shop,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
#[column(repr = "i16")]
enum Level {
    Low = -3,
    High = 7,
}

/// A record whose entity has a column of each kind.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day))]
struct Sale {
    #[record(entity)]
    day: NaiveDate,
    #[record(entity)]
    id: Uuid,
    #[record(entity)]
    kind: Kind,
    #[record(entity)]
    level: Level,
    #[record(entity, decimal(9, 2))]
    price: Decimal,
    #[record(entity)]
    paid: bool,
    #[record(entity, timestamp = "ms")]
    at: DateTime<Utc>,
    #[record(entity)]
    time: NaiveTime,
    #[record(entity)]
    raw: Vec<u8>,
    #[record(entity)]
    tag: [u8; 2],
    #[record(entity)]
    number: u64,
    #[record(version)]
    version: i32,
}

#[tokio::test(start_paused = true)]
async fn every_column_of_the_entity_counts() {
    let sale = || Sale {
        day: NaiveDate::from_ymd_opt(2026, 3, 17).unwrap(),
        id: Uuid::from_u128(0xabcd),
        kind: Kind::Shop,
        level: Level::High,
        price: Decimal::new(1050, 2),
        paid: true,
        at: at(-2_000),
        time: NaiveTime::from_hms_micro_opt(1, 2, 3, 4).unwrap(),
        raw: vec![0, 255],
        tag: [1, 2],
        number: u64::MAX,
        version: 1,
    };
    let sales = [
        sale(),
        Sale { id: Uuid::from_u128(0xabce), version: 2, ..sale() },
        Sale { kind: Kind::Web, version: 3, ..sale() },
        Sale { level: Level::Low, version: 4, ..sale() },
        Sale { price: Decimal::new(1051, 2), version: 5, ..sale() },
        Sale { paid: false, version: 6, ..sale() },
        Sale { at: at(-1_000), version: 7, ..sale() },
        Sale { time: NaiveTime::from_hms_micro_opt(1, 2, 3, 5).unwrap(), version: 8, ..sale() },
        Sale { raw: vec![0], version: 9, ..sale() },
        Sale { tag: [1, 3], version: 10, ..sale() },
        Sale { number: 0, version: 11, ..sale() },
        Sale { day: NaiveDate::from_ymd_opt(2026, 3, 18).unwrap(), version: 12, ..sale() },
    ];
    let world = Virtual::new();
    let store = world.dataset().await.store::<Sale>();
    store.write(&sales).await.unwrap();
    for sale in &sales {
        let entity = sale.entity().unwrap();
        assert_eq!(store.read_entity(&entity).await.unwrap().as_ref(), Some(sale));
        assert_eq!(store.history_of(&entity).await.unwrap(), std::slice::from_ref(sale));
    }
    assert_eq!(store.read_entity(&Sale { number: 1, ..sale() }.entity().unwrap()).await.unwrap(), None);
}

/// An entity that may be in several partitions.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(region, status), dedup = "per_partition")]
struct Ticket {
    #[record(entity)]
    region: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    version: i64,
    status: String,
    #[record(deleted)]
    deleted: bool,
}

#[tokio::test(start_paused = true)]
async fn an_entity_in_several_partitions_has_its_highest_version() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Ticket>();
    let ticket = |region: &str, id, version, status: &str, deleted| {
        let (region, status) = (region.to_owned(), status.to_owned());
        Ticket { region, id, version, status, deleted }
    };
    let first = ticket("eu", 1, 1, "open", false);
    let tickets = [
        first.clone(),
        ticket("eu", 1, 3, "done", false),
        ticket("eu", 1, 2, "open", false),
        ticket("eu", 1, 3, "held", false),
        ticket("eu", 2, 9, "held", false),
        ticket("us", 1, 9, "open", false),
        ticket("eu", 1, 8, "void", true),
    ];
    store.write(&tickets).await.unwrap();
    let entity = first.entity().unwrap();
    // If versions are equal, the last partition wins. A partition whose latest record is deleted does not count.
    assert_eq!(store.read_entity(&entity).await.unwrap(), Some(tickets[3].clone()));
    let history: Vec<_> = store.history_of(&entity).await.unwrap();
    let expected = [&tickets[1], &tickets[3], &tickets[0], &tickets[2], &tickets[6]].map(Clone::clone);
    assert_eq!(history, expected);
    // Only the region is listed.
    let store = world.dataset().await.store::<Ticket>();
    world.s3.clear_requests();
    store.read_entity(&entity).await.unwrap();
    assert!(world.s3.requests().iter().all(|request| !format!("{request:?}").contains("region=us")));
    assert_eq!(world.count(Operation::Get), 4);
}

/// A file that is larger than the first request for its footer, in several row groups.
#[tokio::test(start_paused = true)]
async fn only_the_row_groups_that_can_contain_the_entity_are_fetched() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let commits = store.write(&Item::with_notes("a", 300_000)).await.unwrap();
    let size = world.s3.object(BUCKET, &commits[0].data_path).unwrap().body.len() as u64;
    for (id, most) in [(0, size / 2), (299_999, size / 4), (150_000, size / 2)] {
        world.s3.clear_requests();
        let entity = Item::entity_of("a", id).unwrap();
        let found = store.read_entity(&entity).await.unwrap().unwrap();
        assert_eq!((found.id, found.note), (id, Item::note_of(id)));
        assert!(world.ranged_bytes() < most, "{} of {size} bytes for {id}", world.ranged_bytes());
    }
    // By its statistics, the file has no such entity.
    let store = world.dataset().await.store::<Item>();
    world.s3.clear_requests();
    assert_eq!(store.read_entity(&Item::entity_of("a", 300_000).unwrap()).await.unwrap(), None);
    assert_eq!(world.count(Operation::Get), 1);
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_an_error_for_its_entities() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let commits = store.write(&[Item::new("a", 1, 1, "")]).token("t").await.unwrap();
    store.write(&[Item::new("b", 1, 1, "")]).await.unwrap();
    world.s3.remove_object(BUCKET, &commits[0].data_path);
    let error = store.read_entity(&Item::entity_of("a", 1).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vanished);
    assert!(error.to_string().contains(&commits[0].data_path), "{error}");
    assert!(store.read_entity(&Item::entity_of("b", 1).unwrap()).await.unwrap().is_some());
}

mod newer {
    use super::*;

    /// [`Item`](crate::integration::records::Item) with an enum, which does not know all notes.
    #[derive(Debug, PartialEq, Record)]
    #[record(partition_by(part))]
    pub struct Item {
        #[record(entity)]
        pub part: String,
        #[record(entity)]
        pub id: i64,
        #[record(version)]
        pub version: i64,
        pub note: Kind,
    }
}

#[tokio::test(start_paused = true)]
async fn errors_name_the_file_or_the_entity() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    store.write(&[Item::new("a", 1, 1, "web"), Item::new("a", 2, 1, "by post")]).await.unwrap();
    let newer = store.dataset().store::<newer::Item>();
    let entity = |id| newer::Item::entity_of("a", id).unwrap();
    assert_eq!(newer.read_entity(&entity(1)).await.unwrap().unwrap().note, Kind::Web);
    let error = newer.read_entity(&entity(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let message = error.to_string();
    assert!(
        message.contains("'a/2@part=a") && message.contains("column note") && message.contains("by post"),
        "{error}"
    );

    let commits = store.write(&[Item::new("b", 1, 1, "web")]).await.unwrap();
    world.s3.put_object(BUCKET, &commits[0].data_path, "damaged");
    let error = store.read_entity(&Item::entity_of("b", 1).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains(&commits[0].data_path), "{error}");
}

/// The commit's file is not in the listing, so its size is unknown.
#[tokio::test(start_paused = true)]
async fn a_file_of_unknown_size_is_fetched_as_a_whole() {
    let world = Virtual::new();
    let store = world.dataset().await.store::<Item>();
    let commits = store.write(&[Item::new("a", 1, 1, "x"), Item::new("a", 2, 1, "y")]).token("t").await.unwrap();
    let path = commits[0].data_path.clone();
    world.s3.inject(s3store::testing::Fault::on(Operation::List).alter_body(move |body| {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let from = body.find(&format!("<Contents><Key>{path}")).unwrap();
        let to = from + body[from..].find("</Contents>").unwrap() + "</Contents>".len();
        let count = |n| format!("<KeyCount>{n}</KeyCount>");
        format!("{}{}", &body[..from], &body[to..]).replace(&count(2), &count(1)).into()
    }));
    let found = store.read_entity(&Item::entity_of("a", 2).unwrap()).await.unwrap();
    assert_eq!(found, Some(Item::new("a", 2, 1, "y")));
}
