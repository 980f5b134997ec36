//! Files that lack columns of the record that reads them.

use std::fmt::Debug;

use futures_util::TryStreamExt;
use s3store::Offset;
use s3store::testing::{Files, read_file};
use s3store::{Compression, Dataset, ErrorKind, Record, RootRecord, View};

use crate::integration::harness::Server;

/// The record that wrote the files.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(part))]
struct Old {
    #[record(entity)]
    part: String,
    #[record(entity)]
    sku: String,
    #[record(version)]
    rev: u64,
    cost: i64,
}

fn old(sku: &str, rev: u64, cost: i64) -> Old {
    Old { part: "p".into(), sku: sku.into(), rev, cost }
}

/// A record with other columns, a projection of its costs alone, and a view of its costs.
macro_rules! reader {
    ($name:ident: $($struct_attr:meta)?, $($(#[$attr:meta])* $field:ident: $ty:ty,)*) => {
        mod $name {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Record)]
            $(#[$struct_attr])?
            pub struct Row {
                $($(#[$attr])* pub $field: $ty,)*
                pub cost: i64,
            }

            #[derive(Debug, Clone, PartialEq, Record)]
            #[record(projection_of = Row)]
            pub struct Cost {
                pub cost: i64,
            }
        }
    };
}

reader!(entity: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] product: String,
    #[record(version)] rev: u64,
);
reader!(entity_case: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity, rename = "SKU")] sku: String,
    #[record(version)] rev: u64,
);
reader!(version: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version)] revision: u64,
);
reader!(version_case: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version, rename = "no_such", alias = "Rev")] rev: u64,
);
reader!(partition: record(partition_by(part = zone)),
    #[record(entity)] zone: String,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
);
reader!(partition_alone: record(partition_by(part = of(zone)), dedup = "per_partition"),
    zone: Option<String>,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
);
reader!(version_set_by_write: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version, inserted_at)] at: Option<chrono::DateTime<chrono::Utc>>,
);
reader!(with_defaults: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(entity, default = "web")] channel: String,
    #[record(version, default)] revision: u64,
    #[record(default)] note: String,
    #[record(rename = "COST", default)] price: i64,
);
reader!(value: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
    amount: i64,
);
reader!(value_case: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
    #[record(rename = "COST")] amount: i64,
);
reader!(list: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
    tags: Vec<String>,
);
reader!(insertion_time: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
    #[record(inserted_at)] at: chrono::DateTime<chrono::Utc>,
);
reader!(marked: record(partition_by(part)),
    #[record(entity)] part: String,
    #[record(entity)] sku: String,
    #[record(version)] rev: u64,
    #[record(default = 7)] amount: i64,
    #[record(default)] tags: Vec<String>,
    note: Option<String>,
    #[record(default = Some(3))] share: Option<i64>,
    #[record(inserted_at)] at: Option<chrono::DateTime<chrono::Utc>>,
);
reader!(aliased: record(partition_by(part = zone)),
    #[record(entity, alias = "part")] zone: String,
    #[record(entity, alias = "item", alias = "sku")] product: String,
    #[record(version, alias = "rev")] revision: u64,
);

fn of(zone: &Option<String>) -> String {
    zone.clone().unwrap_or_else(|| "p".into())
}

async fn written() -> (Server, Dataset, bytes::Bytes) {
    let server = Server::start().await;
    let store = server.dataset().await.store::<Old>();
    let rows = [old("a", 2, 200), old("b", 1, 10)];
    store.write(&rows).await.unwrap();
    store.write(&[old("a", 1, 100)]).await.unwrap();
    let dataset = server.settled().await;
    let file = Files::<Old>::new(Compression::Snappy).unwrap().encode(&rows, chrono::DateTime::UNIX_EPOCH).unwrap();
    (server, dataset, file)
}

/// Asserts that every way to read the old files as `T`, or as its projection `P`, is refused with these words.
async fn refused<T: RootRecord + Debug, P: Record<Root = T> + Debug>(words: &[&str]) {
    let (_server, dataset, file) = written().await;
    refused_by::<T>(&dataset, &file, words).await;
    refused_by::<P>(&dataset, &file, words).await;
}

async fn refused_by<T: Record + Debug>(dataset: &Dataset, file: &bytes::Bytes, words: &[&str]) {
    let store = dataset.store::<T>();
    let page = store.poll(&Offset::START).await.unwrap();
    assert_eq!(page.entries.len(), 2);
    let mut errors = vec![
        store.read_all().await.unwrap_err(),
        store.read_all().history().await.unwrap_err(),
        store.read_all().batches().try_collect::<Vec<_>>().await.unwrap_err(),
        store.read_all().stream().try_collect::<Vec<_>>().await.unwrap_err(),
        store.poll_records(&Offset::START).await.map(|page| page.records.len()).unwrap_err(),
        store.read_range(..).await.unwrap_err(),
        store.read_entries(&page.entries).await.unwrap_err(),
    ];
    for error in &errors {
        assert!(error.to_string().contains(".parquet"), "{error} names no file");
    }
    errors.push(read_file::<T>(file.clone()).unwrap_err());
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
    }
}

#[tokio::test]
async fn a_file_that_lacks_an_entity_column_is_refused() {
    refused::<entity::Row, entity::Cost>(&["column product", "part of the entity", "alias = \"…\"", "default"]).await;
}

#[tokio::test]
async fn a_file_that_lacks_a_version_column_is_refused() {
    refused::<version::Row, version::Cost>(&["column revision", "the version", "alias = \"…\"", "default"]).await;
    refused::<version_set_by_write::Row, version_set_by_write::Cost>(&["column at", "the version"]).await;
}

#[tokio::test]
async fn a_file_that_lacks_a_partition_column_is_refused() {
    refused::<partition::Row, partition::Cost>(&["column zone", "alias = \"…\"", "default"]).await;
    let (_server, dataset, file) = written().await;
    refused_by::<partition_alone::Row>(&dataset, &file, &["column zone", "part of the partition"]).await;
    // A projection that leaves out the partition's column does not need it.
    let costs = dataset.store::<partition_alone::Cost>().read_all().await.unwrap();
    assert_eq!(costs.iter().map(|row| row.cost).collect::<Vec<_>>(), [200, 10]);
}

#[tokio::test]
async fn a_file_that_lacks_the_column_of_a_value_is_refused() {
    let (_server, dataset, file) = written().await;
    let remedies = ["alias = \"…\"", "default = …", "make the field an `Option`"];
    let words = |column| [[column].as_slice(), &remedies].concat();
    refused_by::<value::Row>(&dataset, &file, &words("column amount")).await;
    refused_by::<list::Row>(&dataset, &file, &words("column tags")).await;
    refused_by::<insertion_time::Row>(&dataset, &file, &words("column at")).await;
    refused_by::<value_case::Row>(&dataset, &file, &["column COST", "letter case", "alias = \"cost\""]).await;
    // A projection that leaves out the column does not need it.
    assert_eq!(dataset.store::<value::Cost>().read_all().await.unwrap().len(), 2);
    // An `Option` and an explicit default have a value for such files.
    for row in dataset.store::<marked::Row>().read_all().await.unwrap() {
        assert_eq!((row.amount, row.tags.len(), row.note, row.share, row.at), (7, 0, None, Some(3), None));
    }
}

mod nested {
    use s3store::{ColumnType, Record};

    #[derive(Debug, Clone, PartialEq, ColumnType)]
    pub struct Short {
        pub x: i64,
    }

    #[derive(Debug, Clone, PartialEq, ColumnType)]
    pub struct Long {
        pub x: i64,
        pub y: i64,
    }

    #[derive(Debug, Clone, PartialEq, ColumnType)]
    pub struct Marked {
        pub x: i64,
        #[column(default = 5)]
        pub y: i64,
        pub z: Option<i64>,
    }

    macro_rules! shapes {
        ($($name:ident: $point:ident,)*) => {$(
            #[derive(Debug, Clone, PartialEq, Record)]
            #[record(partition_by(part))]
            pub struct $name {
                pub part: String,
                pub points: Vec<$point>,
            }
        )*};
    }

    shapes!(Written: Short, Wanted: Long, Defaulted: Marked,);
}

#[test]
fn a_struct_that_lacks_a_field_is_refused() {
    let rows = [nested::Written { part: "p".into(), points: vec![nested::Short { x: 1 }] }];
    let file = Files::new(Compression::Snappy).unwrap().encode(&rows, chrono::DateTime::UNIX_EPOCH).unwrap();
    let error = read_file::<nested::Wanted>(file.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let text = error.to_string();
    assert!(["points", "y", "default = …", "`Option`"].iter().all(|word| text.contains(word)), "{text}");
    let read = read_file::<nested::Defaulted>(file).unwrap();
    assert_eq!(read[0].points, [nested::Marked { x: 1, y: 5, z: None }]);
}

#[tokio::test]
async fn a_name_that_differs_only_in_case_is_pointed_out() {
    let words = ["column SKU", "\"sku\"", "letter case", "alias = \"sku\""];
    refused::<entity_case::Row, entity_case::Cost>(&words).await;
    refused::<version_case::Row, version_case::Cost>(&["column no_such", "\"rev\"", "letter case"]).await;
}

#[tokio::test]
async fn aliases_and_explicit_defaults_make_such_files_readable() {
    let (_server, dataset, _) = written().await;
    let rows = dataset.store::<aliased::Row>().read_all().await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.product.as_str(), row.revision, row.cost)).collect();
    assert_eq!(seen, [("a", 2, 200), ("b", 1, 10)]);
    let rows = dataset.store::<with_defaults::Row>().read_all().await.unwrap();
    // All versions are 0, so the later file wins. `note` and `price` are plain values.
    let seen: Vec<_> =
        rows.iter().map(|row| (row.sku.as_str(), row.channel.as_str(), row.revision, row.cost)).collect();
    assert_eq!(seen, [("a", "web", 0, 100), ("b", "web", 0, 10)]);
    assert!(rows.iter().all(|row| row.note.is_empty() && row.price == 0));
}

mod viewed {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Record)]
    #[record(partition_by(part))]
    pub struct Row {
        #[record(entity)]
        pub part: String,
        #[record(entity)]
        pub sku: String,
        #[record(version)]
        pub rev: u64,
        pub amount: i64,
        #[record(rename = "Cost")]
        pub cost: i64,
        pub note: Option<String>,
        #[record(default = 7)]
        pub known: i64,
    }

    #[derive(Debug, PartialEq, View)]
    #[view(of = Row, name = "amounts")]
    pub struct Amounts {
        pub amount: i64,
    }

    #[derive(Debug, PartialEq, View)]
    #[view(of = Row, name = "costs")]
    pub struct Costs {
        pub cost: i64,
    }

    #[derive(Debug, PartialEq, View)]
    #[view(of = Row, name = "known")]
    pub struct Known {
        pub sku: String,
        pub known: i64,
        #[view(with = text(note))]
        pub note: String,
    }

    #[derive(Debug, PartialEq, View)]
    #[view(of = entity::Row, name = "products")]
    pub struct Products {
        pub product: String,
    }

    fn text(note: &Option<String>) -> Option<String> {
        Some(note.clone().unwrap_or_else(|| "none".into()))
    }
}

#[tokio::test]
async fn a_backfill_makes_no_marker_from_a_column_that_a_file_lacks() {
    let (_server, dataset, _) = written().await;
    let refusals = [
        (
            dataset.view::<viewed::Amounts>().backfill("*").await.unwrap_err(),
            ["column amount", "make the field an `Option`"],
        ),
        (dataset.view::<viewed::Costs>().backfill("*").await.unwrap_err(), ["column Cost", "alias = \"cost\""]),
        (dataset.view::<viewed::Products>().backfill("*").await.unwrap_err(), ["column product", "the entity"]),
    ];
    for (error, words) in refusals {
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)) && text.contains(".parquet"), "{words:?} in {text}");
    }
    assert_eq!(dataset.view::<viewed::Amounts>().lookup("*").await.unwrap(), []);
    // An explicit default and an `Option` have a value for such files.
    let known = dataset.view::<viewed::Known>();
    known.backfill("*").await.unwrap();
    let marker = |sku: &str| viewed::Known { sku: sku.into(), known: 7, note: "none".into() };
    assert_eq!(known.lookup("*").await.unwrap(), [marker("a"), marker("b")]);
}
