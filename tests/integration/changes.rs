//! The matrix of schema changes: files of an old record read as a new one, and files of a new record read as an old one,
//! with and without the dataset's schema. Each cell works, or is refused with a message. No cell is silently wrong.

use std::collections::BTreeMap;

use s3store::chrono::{DateTime, Utc};
use s3store::dataset::SchemaCheck;
use s3store::{ColumnType, ErrorKind, Record, RootRecord};

use crate::integration::harness::Virtual;

/// The outcome of a cell.
#[derive(Debug, Clone, Copy)]
enum Cell {
    /// The record is read, and its text contains this.
    Reads(&'static str),
    /// The read is refused with a message that contains this.
    Refuses(&'static str),
}

use Cell::{Reads, Refuses};

/// The outcomes of one direction of a change.
struct Direction {
    /// With the dataset's schema.
    checked: Cell,
    /// Without it, when each file is judged by itself.
    unchecked: Cell,
}

/// The same outcome with and without the schema.
fn both(cell: Cell) -> Direction {
    Direction { checked: cell, unchecked: cell }
}

/// The schema refuses what the files alone would not show, or shows otherwise.
fn differ(checked: Cell, unchecked: Cell) -> Direction {
    Direction { checked, unchecked }
}

trait Sample: RootRecord + std::fmt::Debug {
    fn sample() -> Self;
}

/// Writes `W` and reads it as `R`.
async fn cell<W: Sample, R: Sample>(check: SchemaCheck, expected: Cell, name: &str) {
    let world = Virtual::new();
    let open = async || world.dataset_with(world.options().schema_check(check)).await;
    // The dataset has both records, as during a deployment: first the reader's build writes, then the writer's.
    let first = open().await.store::<R>().write(&[R::sample()]).token("reader").await;
    first.unwrap_or_else(|error| panic!("{name}: {error}"));
    let own: String =
        open().await.store::<R>().read_all().await.unwrap().iter().map(|row| format!("{row:?}")).collect();
    for key in world.keys_with("/data/") {
        world.s3.remove_object(crate::integration::harness::BUCKET, &key);
    }
    let outcome = match open().await.store::<W>().write(&[W::sample()]).await {
        Ok(_) => open().await.store::<R>().read_all().await.map_err(|error| (error.kind(), error.to_string())),
        Err(error) => Err((error.kind(), error.to_string())),
    };
    match (outcome, expected) {
        (Ok(rows), Reads(text)) => {
            let rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
            assert!(rows.len() == 1 && rows[0].contains(text), "{name}, {check:?}: {rows:?} lacks {text} (own {own})");
        }
        (Err((kind, error)), Refuses(text)) => {
            assert!(matches!(kind, ErrorKind::Config | ErrorKind::InvalidData), "{name}: {error}");
            assert!(error.contains(text), "{name}, {check:?}: {error} lacks {text}");
        }
        (outcome, expected) => panic!("{name}, {check:?}: {outcome:?} instead of {expected:?}"),
    }
}

async fn change<Old: Sample, New: Sample>(name: &str, forward: Direction, backward: Direction) {
    cell::<Old, New>(SchemaCheck::Refuse, forward.checked, &format!("{name}, old file, new reader")).await;
    cell::<Old, New>(SchemaCheck::Off, forward.unchecked, &format!("{name}, old file, new reader")).await;
    cell::<New, Old>(SchemaCheck::Refuse, backward.checked, &format!("{name}, new file, old reader")).await;
    cell::<New, Old>(SchemaCheck::Off, backward.unchecked, &format!("{name}, new file, old reader")).await;
}

/// Defines two records that differ in some fields.
macro_rules! pair {
    ($name:ident: { $($old:tt)* } => { $($new:tt)* }) => {
        mod $name {
            pub mod old {
                row!($($old)*);
            }
            pub mod new {
                row!($($new)*);
            }
        }
    };
}

macro_rules! row {
    ($($(#[$attr:meta])* $field:ident: $ty:ty = $value:expr),* $(,)?) => {
        #[allow(unused_imports)]
        use crate::integration::changes::*;

        #[derive(Debug, Clone, PartialEq, Record)]
        #[record(partition_by(day))]
        pub struct Row {
            #[record(entity)]
            day: String,
            #[record(entity)]
            id: i64,
            #[record(version)]
            rev: i64,
            $($(#[$attr])* $field: $ty,)*
        }

        impl Sample for Row {
            fn sample() -> Self {
                Self { day: "2026-03-17".to_owned(), id: 1, rev: 1, $($field: $value,)* }
            }
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
enum Few {
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnType)]
enum Many {
    Open,
    Paid,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
enum FewAndOthers {
    Open,
    #[column(other)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Small {
    street: String,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Large {
    street: String,
    zip: Option<String>,
}

#[derive(Debug, Clone, PartialEq, ColumnType)]
struct Required {
    street: String,
    zip: String,
}

fn at(nanos: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanos)
}

pair!(add_option: { v: i64 = 7 } => { v: i64 = 7, w: Option<i64> = Some(8) });
pair!(add_default: { v: i64 = 7 } => { v: i64 = 7, #[record(default = 9)] w: i64 = 8 });
pair!(add_required: { v: i64 = 7 } => { v: i64 = 7, w: i64 = 8 });
pair!(rename: { v: i64 = 7 } => { #[record(alias = "v")] w: i64 = 8 });
pair!(rename_option: { v: Option<i64> = Some(7) } => { #[record(alias = "v")] w: Option<i64> = Some(8) });
pair!(rename_without_alias: { v: i64 = 7 } => { w: i64 = 8 });
pair!(letter_case: { v: i64 = 7 } => { #[record(rename = "V")] v: i64 = 8 });
pair!(widen_integer: { v: i32 = 7 } => { v: i64 = 8 });
pair!(widen_to_unsigned: { v: u8 = 7 } => { v: u64 = 8 });
pair!(widen_float: { v: f32 = 0.5 } => { v: f64 = 0.25 });
pair!(sign: { v: i32 = 7 } => { v: u32 = 8 });
pair!(number_to_text: { v: i64 = 7 } => { v: String = "8".to_owned() });
pair!(scalar_to_list: { v: i64 = 7 } => { v: Vec<i64> = vec![8] });
pair!(finer_time: { #[record(timestamp = "ms")] v: DateTime<Utc> = at(7_000_000) }
    => { #[record(timestamp = "ns")] v: DateTime<Utc> = at(7_000_001) });
pair!(to_option: { v: i64 = 7 } => { v: Option<i64> = None });
pair!(to_option_with_default: { #[record(default = 9)] v: i64 = 7 } => { v: Option<i64> = None });
pair!(enum_value: { v: Few = Few::Open } => { v: Many = Many::Paid });
pair!(enum_with_others: { v: FewAndOthers = FewAndOthers::Open } => { v: Many = Many::Paid });
pair!(enum_from_text: { v: String = "Open".to_owned() } => { v: Few = Few::Open });
pair!(nested_option: { v: Small = Small { street: "s".to_owned() } }
    => { v: Large = Large { street: "t".to_owned(), zip: Some("1".to_owned()) } });
pair!(nested_required: { v: Small = Small { street: "s".to_owned() } }
    => { v: Required = Required { street: "t".to_owned(), zip: "1".to_owned() } });
pair!(list_form: { v: Vec<i64> = vec![7] } => { #[record(bare_list)] v: Vec<i64> = vec![8] });
pair!(map_value: { v: BTreeMap<String, i32> = BTreeMap::from([("k".to_owned(), 7)]) }
    => { v: BTreeMap<String, i64> = BTreeMap::from([("k".to_owned(), 8)]) });
pair!(bytes_to_fixed: { v: Vec<u8> = vec![7, 7] } => { v: [u8; 2] = [8, 8] });
pair!(bytes_to_text: { v: Vec<u8> = b"7".to_vec() } => { v: String = "8".to_owned() });
pair!(add_entity: { v: i64 = 7 } => { v: i64 = 7, #[record(entity, default = 9)] w: i64 = 8 });

macro_rules! changes {
    ($($name:ident: $forward:expr, $backward:expr;)*) => {
        #[tokio::test(start_paused = true)]
        async fn each_change_works_or_is_refused_in_both_directions() {
            $(change::<$name::old::Row, $name::new::Row>(stringify!($name), $forward, $backward).await;)*
        }
    };
}

changes! {
    add_option: both(Reads("v: 7, w: None")), both(Reads("v: 7"));
    add_default: both(Reads("v: 7, w: 9")), both(Reads("v: 7"));
    add_required: both(Refuses("column w: missing in the file")), both(Reads("v: 7"));
    rename: both(Reads("w: 7")), differ(Refuses("called w by newer writers"), Refuses("column v: missing in the file"));
    // Without the schema, the old reader can't know of the new name.
    rename_option: both(Reads("w: Some(7)")), differ(Refuses("called w by newer writers"), Reads("v: None"));
    rename_without_alias: both(Refuses("column w: missing")), both(Refuses("column v: missing"));
    letter_case: differ(Refuses("only in letter case"), Refuses("the names differ in letter case")),
        differ(Refuses("only in letter case"), Refuses("the names differ in letter case"));
    widen_integer: both(Reads("v: 7")), both(Refuses("column v: the file has Int64, but the record wants Int32"));
    widen_to_unsigned: both(Reads("v: 7")), both(Refuses("the file has UInt64"));
    widen_float: both(Reads("v: 0.5")), both(Refuses("the file has Float64"));
    sign: differ(Refuses("column v is uint32 in the dataset, int32 in the record"), Refuses("the file has Int32")),
        differ(Refuses("column v is int32 in the dataset, uint32 in the record"), Refuses("the file has UInt32"));
    number_to_text: differ(Refuses("column v is text in the dataset, int64 in the record"), Refuses("the file has Int64")),
        differ(Refuses("column v is int64 in the dataset, text in the record"), Refuses("the file has Utf8"));
    scalar_to_list: differ(Refuses("column v is list of int64 in the dataset"), Refuses("column v")),
        differ(Refuses("column v is int64 in the dataset, list of int64"), Refuses("column v"));
    finer_time: both(Reads("v: 1970-01-01T00:00:00.007Z")), both(Reads("v: 1970-01-01T00:00:00.007000001Z"));
    to_option: both(Reads("v: Some(7)")), both(Refuses("a null, but the field is not an Option"));
    to_option_with_default: both(Reads("v: Some(7)")), both(Reads("v: 9"));
    enum_value: both(Reads("v: Open")), both(Refuses("\"Paid\" is not a value of Few"));
    enum_with_others: both(Reads("v: Open")), both(Reads("v: Other(\"Paid\")"));
    enum_from_text: both(Reads("v: Open")), both(Reads("v: \"Open\""));
    nested_option: both(Reads("v: Large { street: \"s\", zip: None }")), both(Reads("v: Small { street: \"t\" }"));
    nested_required: both(Refuses("column v.zip: missing")), both(Reads("v: Small { street: \"t\" }"));
    list_form: both(Reads("v: [7]")), both(Reads("v: [8]"));
    map_value: both(Reads("v: {\"k\": 7}")), both(Refuses("the file has Int64"));
    bytes_to_fixed: both(Reads("v: [7, 7]")), both(Reads("v: [8, 8]"));
    bytes_to_text: differ(Refuses("column v is text in the dataset, bytes in the record"), Refuses("the file has Binary")),
        differ(Refuses("column v is bytes in the dataset, text in the record"), Refuses("the file has Utf8"));
    // Another entity needs another dataset, although the files could be read.
    add_entity: differ(Refuses("the dataset's entity is day, id, w, the record's is day, id"), Reads("v: 7, w: 9")),
        differ(Refuses("the dataset's entity is day, id, the record's is day, id, w"), Reads("v: 7"));
}
