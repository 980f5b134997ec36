//! Entities that are deleted by a record.

use std::time::Duration;

use arrow::array::AsArray;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use s3store::dataset::SchemaCheck;
use s3store::schema::Schema;
use s3store::stream::Latest;
use s3store::{ErrorKind, Keyed, Offset, Record};

use crate::integration::harness::{BUCKET, PREFIX, Virtual, at, sleep};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(region))]
struct User {
    #[record(entity)]
    region: String,
    #[record(entity)]
    id: i64,
    #[record(version)]
    version: i64,
    name: String,
    #[record(deleted)]
    deleted: bool,
}

#[derive(Debug, PartialEq, Record)]
#[record(projection_of = User)]
struct Name {
    name: String,
}

fn user(id: i64, version: i64, name: &str) -> User {
    User { region: "eu".to_owned(), id, version, name: name.to_owned(), deleted: name.is_empty() }
}

/// Four entities in several files: one lives, one is deleted, one was deleted and lives again, one was deleted by a file
/// with an older version than the file before.
async fn written(world: &Virtual) -> s3store::Store<User> {
    let store = world.dataset().await.store::<User>();
    for file in [
        vec![user(1, 1, "ada"), user(2, 1, "bob"), user(3, 1, "cy"), user(4, 3, "")],
        vec![user(2, 2, ""), user(3, 2, "")],
        vec![user(3, 3, "cyd"), user(4, 2, "dan")],
    ] {
        store.write(&file).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    store
}

#[tokio::test(start_paused = true)]
async fn latest_reads_leave_out_deleted_entities_and_history_has_them() {
    let world = Virtual::new();
    let store = written(&world).await;
    let alive = [user(1, 1, "ada"), user(3, 3, "cyd")];
    assert_eq!(store.read_all().await.unwrap(), alive);
    let mut streamed = Vec::new();
    let mut records = store.read("region=eu").stream();
    while let Some(record) = records.try_next().await.unwrap() {
        streamed.push(record);
    }
    assert_eq!(streamed, alive);
    let partitions = store.read_all().partitions().try_next().await.unwrap().unwrap();
    assert_eq!(partitions.records, alive);

    let history = store.read_all().history().await.unwrap();
    let versions: Vec<_> = history.iter().map(|user| (user.id, user.version, user.deleted)).collect();
    let (alive, deleted) = (false, true);
    assert_eq!(
        versions,
        [
            (1, 1, alive),
            (2, 1, alive),
            (2, 2, deleted),
            (3, 1, alive),
            (3, 2, deleted),
            (3, 3, alive),
            (4, 2, alive),
            (4, 3, deleted)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn projections_and_batches_leave_out_deleted_entities_without_the_column() {
    let world = Virtual::new();
    let store = written(&world).await;
    let names = store.dataset().store::<Name>();
    assert_eq!(names.read_all().await.unwrap(), ["ada", "cyd"].map(|name| Name { name: name.to_owned() }));
    assert_eq!(names.read_all().history().await.unwrap().len(), 8);
    let mut batches = names.read_all().batches();
    let batch = batches.try_next().await.unwrap().unwrap();
    assert_eq!(batch.num_columns(), 1);
    assert_eq!(batch.column(0).as_string_view().iter().flatten().collect::<Vec<_>>(), ["ada", "cyd"]);
}

/// A window of the change stream without history returns the latest records of the window, and so no deleted entity.
#[tokio::test(start_paused = true)]
async fn the_change_stream_has_deletions() {
    let world = Virtual::new();
    let store = written(&world).await;
    sleep(store.dataset().settle_window() + Duration::from_secs(1)).await;
    let page = store.poll_records(&Offset::START).await.unwrap();
    assert_eq!(page.records.iter().filter(|user| user.deleted).count(), 3);
    let window = || store.read_range(DateTime::UNIX_EPOCH..);
    assert_eq!(window().await.unwrap(), [user(1, 1, "ada"), user(3, 3, "cyd")]);
    assert_eq!(window().history().await.unwrap().len(), 8);

    let mut latest = Latest::new();
    for (record, before, after) in [
        (user(2, 1, "bob"), None, Some("bob")),
        (user(2, 2, ""), Some("bob"), None),
        (user(2, 2, ""), None, None),
        (user(2, 1, "bob"), None, None),
        (user(2, 3, "bo"), None, Some("bo")),
    ] {
        let change = latest.apply(record.clone()).unwrap();
        let names =
            (change.before.as_ref().map(|user| user.name.as_str()), change.after.map(|user| user.name.as_str()));
        assert_eq!(names, (before, after), "{record:?}");
    }
    latest.apply(user(2, 4, "")).unwrap();
    assert_eq!((latest.len(), latest.records().count()), (1, 0));
    assert_eq!(latest.get(&user(2, 1, "").entity().unwrap()), None);
}

/// Each type that a mark can have, and a file that is older than the column.
#[tokio::test(start_paused = true)]
async fn a_time_marks_a_deleted_entity() {
    macro_rules! check {
        ($name:ident, $time:ty, $value:expr) => {{
            #[derive(Debug, Clone, PartialEq, Record)]
            #[record(partition_by(part))]
            struct $name {
                #[record(entity)]
                part: String,
                #[record(version)]
                version: i64,
                #[record(deleted)]
                gone: Option<$time>,
            }
            let row = |part: &str, version, gone| $name { part: part.to_owned(), version, gone };
            let world = Virtual::new();
            let old = world.dataset().await.store::<Without>();
            old.write(&[Without { part: "a".to_owned(), version: 1 }, Without { part: "b".to_owned(), version: 1 }])
                .await
                .unwrap();
            let store = old.dataset().store::<$name>();
            assert_eq!(store.read_all().await.unwrap(), [row("a", 1, None), row("b", 1, None)]);
            store.write(&[row("a", 2, Some($value)), row("c", 1, None)]).await.unwrap();
            assert_eq!(store.read_all().await.unwrap(), [row("b", 1, None), row("c", 1, None)]);
            assert!(row("a", 2, Some($value)).is_deleted() && !row("a", 2, None).is_deleted());
        }};
    }
    check!(Instant, DateTime<Utc>, at(5));
    check!(Local, NaiveDateTime, at(5).naive_utc());
    check!(Day, NaiveDate, at(5).date_naive());
}

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Without {
    #[record(entity)]
    part: String,
    #[record(version)]
    version: i64,
}

mod older {
    use super::*;

    /// A build that marks deleted entities by another column.
    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(region))]
    pub struct User {
        #[record(entity)]
        pub region: String,
        #[record(entity)]
        pub id: i64,
        #[record(version)]
        pub version: i64,
        pub name: String,
        #[record(default)]
        pub deleted: bool,
        #[record(deleted)]
        pub hidden: Option<NaiveDate>,
    }

    /// A build that does not know the mark.
    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(region))]
    pub struct Plain {
        #[record(entity)]
        pub region: String,
        #[record(entity)]
        pub id: i64,
        #[record(version)]
        pub version: i64,
        pub name: String,
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_know_the_mark_is_refused() {
    let world = Virtual::new();
    let checked = || world.options().schema_check(SchemaCheck::Refuse);
    let store = world.dataset_with(checked()).await.store::<User>();
    assert_eq!(Schema::of::<User>().deleted.as_deref(), Some("deleted"));
    store.write(&[user(1, 1, "ada"), user(1, 2, "")]).await.unwrap();
    assert_eq!(store.dataset().schema().await.unwrap().unwrap().deleted.as_deref(), Some("deleted"));

    let open = async || checked().open(world.s3.client(), BUCKET, PREFIX).await.unwrap();
    let error = open().await.store::<older::Plain>().read_all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains(
            "column deleted marks deleted entities, which the record would return: add `#[record(deleted)]` to its field"
        ),
        "{error}"
    );
    let error = open().await.store::<older::User>().read_all().await.unwrap_err();
    assert!(
        error.to_string().contains("column deleted marks deleted entities in the dataset, column hidden in the record"),
        "{error}"
    );
    // It may write.
    let plain = older::Plain { region: "eu".to_owned(), id: 5, version: 1, name: "eve".to_owned() };
    open().await.store::<older::Plain>().write(&[plain]).await.unwrap();
}
