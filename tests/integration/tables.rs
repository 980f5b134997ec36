//! Tables: datasets that are read without the struct of their records.

use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use s3store::chrono::{DateTime, Utc};
use s3store::dataset::SchemaCheck;
use s3store::read::BatchStream;
use s3store::schema::{Schema, SchemaType};
use s3store::table::Table;
use s3store::testing::{Fault, Operation};
use s3store::{ErrorKind, Offset, Record};

use crate::integration::harness::{BUCKET, Virtual, at, sleep};

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, client = customer))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(entity)]
    customer: String,
    #[record(entity)]
    sku: String,
    net: Option<f64>,
    tags: Vec<String>,
    #[record(version, timestamp = "ms")]
    calculated_at: DateTime<Utc>,
    #[record(deleted)]
    gone: bool,
    #[record(inserted_at)]
    inserted_at: Option<DateTime<Utc>>,
}

/// The record at a later time: it has a column more, one less, and a wider one.
mod later {
    use super::{DateTime, Record, Utc};

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(day, client = customer))]
    pub(super) struct Cost {
        #[record(entity)]
        pub(super) day: String,
        #[record(entity)]
        pub(super) customer: String,
        #[record(entity)]
        pub(super) sku: String,
        pub(super) net: Option<f64>,
        #[record(version, timestamp = "us")]
        pub(super) calculated_at: DateTime<Utc>,
        #[record(deleted)]
        pub(super) gone: bool,
        pub(super) currency: String,
    }
}

/// A record with the same partitions that can't be read together with `Cost`.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, client = customer))]
struct Unlike {
    day: String,
    customer: String,
    net: String,
}

fn costs(version: i64) -> Vec<Cost> {
    (0..60)
        .map(|index| Cost {
            day: format!("2026-03-{:02}", index % 3 + 1),
            customer: ["abc", "x y"][index % 2].to_owned(),
            sku: format!("SKU-{index}"),
            net: (index % 5 > 0).then_some(index as f64 + version as f64),
            tags: vec![format!("t{index}"); index % 3],
            calculated_at: at(version * 1_000),
            gone: version == 2 && index % 7 == 0,
            inserted_at: None,
        })
        .collect()
}

async fn all(mut batches: BatchStream) -> RecordBatch {
    let mut found = Vec::new();
    while let Some(batch) = batches.try_next().await.unwrap() {
        found.push(batch);
    }
    concat_batches(&batches.schema(), &found).unwrap()
}

fn names(table: &Table) -> Vec<&str> {
    table.schema().columns.iter().map(|column| column.name.as_str()).collect()
}

/// Options of a writer that registers nothing, as the Go library.
fn unregistered(world: &Virtual) -> s3store::dataset::DatasetOptions {
    world.options().schema_check(SchemaCheck::Off)
}

#[tokio::test(start_paused = true)]
async fn a_table_returns_the_rows_of_its_record() {
    for registers in [true, false] {
        let world = Virtual::new();
        let check = if registers { SchemaCheck::Refuse } else { SchemaCheck::Off };
        let options = world.options().schema_check(check);
        let dataset = world.dataset_with(options).await;
        let store = dataset.store::<Cost>();
        for version in 0..3 {
            store.write(&costs(version)).await.unwrap();
        }
        let found =
            if registers { dataset.table().await.unwrap() } else { dataset.table().deleted("gone").await.unwrap() };
        for table in [store.table(), found] {
            let expected = all(store.read_all().batches()).await;
            let schema = table.schema();
            assert_eq!(schema.entity, ["day", "customer", "sku"]);
            assert_eq!(schema.version.as_deref(), Some("calculated_at"));
            let parts: Vec<_> = schema.partition.iter().map(|part| part.name.as_str()).collect();
            assert_eq!(parts, ["day", "client"]);
            if registers {
                assert_eq!(*schema, Schema::of::<Cost>());
            }
            assert!(expected.num_rows() < 60, "some are deleted");
            assert_eq!(all(table.read_all().batches().unwrap()).await, expected);
            assert_eq!(table.read_all().count().await.unwrap(), expected.num_rows() as u64);
            let history = all(store.read_all().history().batches()).await;
            assert_eq!(all(table.read_all().history().batches().unwrap()).await, history);
            let pattern = "day=2026-03-02/*";
            let some = all(table.read(pattern).columns(["net", "day"]).batches().unwrap()).await;
            let wanted = all(store.read(pattern).batches()).await.project(&[3, 0]).unwrap();
            assert_eq!(some, wanted);
            assert_eq!(all(table.read(pattern).limit(3).batches().unwrap()).await.num_rows(), 3);
            assert_eq!(table.read(pattern).history().count().await.unwrap(), 60);
            let plan = table.read(pattern).columns(["net"]).explain().await.unwrap();
            assert_eq!(plan.partitions.len(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_columns_of_all_sampled_files_are_found() {
    let world = Virtual::new();
    let dataset = world.dataset_with(unregistered(&world)).await;
    dataset.store::<Cost>().write(&costs(1)[..1]).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let newer = later::Cost {
        day: "2026-03-01".to_owned(),
        customer: "abc".to_owned(),
        sku: "new".to_owned(),
        net: None,
        calculated_at: at(1_234),
        gone: false,
        currency: "EUR".to_owned(),
    };
    dataset.store::<later::Cost>().write(std::slice::from_ref(&newer)).await.unwrap();
    let table = dataset.table().await.unwrap();
    let mut found = names(&table);
    found.sort_unstable();
    let expected = ["calculated_at", "currency", "customer", "day", "gone", "inserted_at", "net", "sku", "tags"];
    assert_eq!(found, expected);
    assert!(table.schema().column("currency").unwrap().may_be_missing);
    let rows = all(table.read_all().columns(["sku", "currency", "tags", "calculated_at"]).batches().unwrap()).await;
    assert_eq!(rows.num_rows(), 2);
    let field = |name: &str| rows.schema().field_with_name(name).unwrap().clone();
    assert!(field("currency").is_nullable() && field("tags").is_nullable());
    assert_eq!(rows.column_by_name("currency").unwrap().null_count(), 1);
    // The finest unit.
    assert!(field("calculated_at").data_type().to_string().contains("µs"), "{}", field("calculated_at"));
    // Only the newest file.
    let newest = dataset.table().sample(1).await.unwrap();
    assert!(!names(&newest).contains(&"tags"));
    assert_eq!(newest.read_all().count().await.unwrap(), 2);
    let without = dataset.table().without_columns(["tags", "net"]).await.unwrap();
    assert!(!names(&without).contains(&"tags"));
    assert_eq!(all(without.read_all().batches().unwrap()).await.num_columns(), 7);
}

#[tokio::test(start_paused = true)]
async fn files_that_do_not_fit_together_are_named() {
    let world = Virtual::new();
    let dataset = world.dataset_with(unregistered(&world)).await;
    dataset.store::<Cost>().write(&costs(1)[..1]).await.unwrap();
    let unlike = Unlike { day: "2026-03-01".to_owned(), customer: "abc".to_owned(), net: "5".to_owned() };
    dataset.store::<Unlike>().write(&[unlike]).await.unwrap();
    let error = dataset.table().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let text = error.to_string();
    assert!(
        text.contains("column net") && text.contains(".parquet") && text.contains("leave such columns out"),
        "{text}"
    );
    assert!(dataset.table().without_columns(["net"]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_does_not_add_columns() {
    let world = Virtual::new();
    let dataset = world.dataset_with(unregistered(&world)).await;
    dataset.store::<Cost>().write(&costs(1)[..1]).await.unwrap();
    let unlike = Unlike { day: "2026-03-01".to_owned(), customer: "abc".to_owned(), net: "5".to_owned() };
    // The ref lands, the commit does not.
    world.s3.inject(Fault::on(Operation::Put).key_ends_with(".commit").always().fail(403, "AccessDenied"));
    dataset.store::<Unlike>().write(&[unlike]).await.unwrap_err();
    world.s3.clear_faults();
    assert_eq!(world.keys_with("/_ref/").len(), 2);
    let table = dataset.table().await.unwrap();
    assert_eq!(table.schema().column("net").unwrap().data_type, SchemaType::Float64);
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_names_comes_before_what_is_found() {
    let world = Virtual::new();
    let dataset = world.dataset_with(unregistered(&world)).await;
    let store = dataset.store::<Cost>();
    for version in 0..2 {
        store.write(&costs(version)).await.unwrap();
    }
    assert_eq!(dataset.table().without_key().await.unwrap().read_all().count().await.unwrap(), 120);
    let other = dataset.table().key(["sku"], "calculated_at").await.unwrap();
    assert_eq!(other.read_all().count().await.unwrap(), 60);
    let bound = dataset.table().partition_is("client", "customer").await.unwrap();
    assert_eq!(bound.schema().partition[1].columns, ["customer"]);
    for (error, part) in [
        (dataset.table().key(["nope"], "calculated_at").await.unwrap_err(), "nope"),
        (dataset.table().deleted("nope").await.unwrap_err(), "nope"),
        (dataset.table().deleted("sku").await.unwrap_err(), "whose type text can't be that"),
        (dataset.table().key(["sku"], "net").await.unwrap_err(), "whose type float64 can't be that"),
        (dataset.table().key(["tags"], "net").await.unwrap_err(), "the entity is \"tags\""),
        (dataset.table().partition_is("nope", "sku").await.unwrap_err(), "day, client"),
        (dataset.table().partition_is("day", "nope").await.unwrap_err(), "nope"),
        (other.read_all().columns(["nope"]).batches().unwrap_err(), "sku"),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_has_the_change_stream_and_the_partitions_of_its_record() {
    let world = Virtual::new();
    let writer = world.dataset_with(unregistered(&world)).await.store::<Cost>();
    for version in 0..2 {
        writer.write(&costs(version)).await.unwrap();
    }
    let dataset = world.settled().await;
    let (store, table) = (dataset.store::<Cost>(), dataset.table().deleted("gone").await.unwrap());
    let page = table.poll(&Offset::START).await.unwrap();
    assert_eq!(page, store.poll(&Offset::START).await.unwrap());
    let of_one = table.poll(&Offset::START).only("day=2026-03-01/client=abc").await.unwrap();
    assert_eq!((page.entries.len(), of_one.entries.len()), (12, 2));
    let rows = all(table.read_entries(&page.entries[3..7]).unwrap().history().batches().unwrap()).await;
    assert_eq!(rows, all(store.read_entries(&page.entries[3..7]).history().batches()).await);
    // A file that was deleted is left out.
    world.s3.remove_object(BUCKET, &page.entries[3].data_path).unwrap();
    let left = table.read_entries(&page.entries[3..5]).unwrap().history().count().await.unwrap();
    assert_eq!(left, page.entries[4].record_count);
    let mut foreign = page.entries[0].clone();
    foreign.bucket = "elsewhere".to_owned();
    assert_eq!(table.read_entries([foreign]).unwrap_err().kind(), ErrorKind::InvalidInput);
    let pattern = "day=2026-03-02/*";
    assert_eq!(table.partitions(pattern).await.unwrap(), store.partitions(pattern).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_dataset_without_files_has_no_table() {
    let world = Virtual::new();
    let dataset = world.dataset().await;
    let error = dataset.table().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no schema and no committed file"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_table_of_go_files_has_the_key_that_the_caller_names() {
    let world = Virtual::new();
    let dataset = world.dataset_with(unregistered(&world)).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/go-files/parquet-go-snappy.parquet");
    let store = dataset.store::<Cost>();
    for version in 0..2 {
        let commits = store.write(&costs(version)[..1]).await.unwrap();
        world.s3.put_object(BUCKET, &commits[0].data_path, std::fs::read(&path).unwrap());
    }
    let table = dataset.table().await.unwrap();
    assert!(table.schema().entity.is_empty());
    let rows = all(table.read_all().batches().unwrap()).await;
    assert_eq!(rows.num_rows(), 6);
    assert!(rows.num_columns() >= 35, "{}", rows.schema());
    let latest = dataset.table().key(["customer"], "i64").await.unwrap();
    assert!(latest.read_all().count().await.unwrap() < 6);
}
