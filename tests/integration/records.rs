//! The record types that the tests write and read. TEMPORARY hand implementations.
use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use s3store::__private::{ColumnNode, Description, Key, RowError, Shape};
use s3store::{Record, RootRecord, ValueError};
use std::sync::{Arc, OnceLock};

/// A record without an entity key, so that a duplicate shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub part: String,
    pub id: i64,
    pub inserted_at: Option<DateTime<Utc>>,
}

/// A record with an entity key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub part: String,
    pub id: i64,
    pub version: i64,
    pub note: String,
}

fn node(name: &'static str, t: DataType) -> ColumnNode {
    ColumnNode { name, aliases: &[], shape: Shape::Leaf(t), nullable: false, default: None, default_for_nulls: false }
}

impl Record for Event {
    type Root = Self;
    type Columns = ();
    const COLUMNS: () = ();
    type Partitions = &'static str;
    fn partitions() -> &'static str {
        "*"
    }
    fn description() -> &'static Description {
        static D: OnceLock<Description> = OnceLock::new();
        D.get_or_init(|| Description {
            record: "Event",
            columns: vec![
                node("part", DataType::Utf8),
                node("id", DataType::Int64),
                node("inserted_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            ],
            partition: &["part"],
            key: None,
            inserted_at: Some(2),
        })
    }
    fn decode(c: &[ArrayRef], rows: std::ops::Range<usize>, out: &mut Vec<Self>) -> Result<(), RowError> {
        for i in rows {
            out.push(Self {
                part: c[0].as_string_view().value(i).to_owned(),
                id: c[1].as_primitive::<Int64Type>().value(i),
                inserted_at: DateTime::from_timestamp_micros(c[2].as_primitive::<TimestampMicrosecondType>().value(i)),
            });
        }
        Ok(())
    }
}

impl RootRecord for Event {
    fn encode<'a, I>(rows: I, at: i64) -> Result<Vec<ArrayRef>, RowError>
    where
        I: ExactSizeIterator<Item = &'a Self> + Clone,
    {
        let n = rows.len();
        Ok(vec![
            Arc::new(StringArray::from_iter_values(rows.clone().map(|r| &r.part))),
            Arc::new(Int64Array::from_iter_values(rows.map(|r| r.id))),
            Arc::new(TimestampMicrosecondArray::from(vec![at; n]).with_timezone("UTC")),
        ])
    }
    fn partition_key(&self, key: &mut String) -> Result<(), ValueError> {
        key.push_str("part=");
        key.push_str(&self.part);
        Ok(())
    }
}

impl Record for Item {
    type Root = Self;
    type Columns = ();
    const COLUMNS: () = ();
    type Partitions = &'static str;
    fn partitions() -> &'static str {
        "*"
    }
    fn description() -> &'static Description {
        static D: OnceLock<Description> = OnceLock::new();
        D.get_or_init(|| Description {
            record: "Item",
            columns: vec![
                node("part", DataType::Utf8),
                node("id", DataType::Int64),
                node("version", DataType::Int64),
                node("note", DataType::Utf8),
            ],
            partition: &["part"],
            key: Some(Key { entity: vec![0, 1], version: 2 }),
            inserted_at: None,
        })
    }
    fn decode(c: &[ArrayRef], rows: std::ops::Range<usize>, out: &mut Vec<Self>) -> Result<(), RowError> {
        for i in rows {
            out.push(Self {
                part: c[0].as_string_view().value(i).to_owned(),
                id: c[1].as_primitive::<Int64Type>().value(i),
                version: c[2].as_primitive::<Int64Type>().value(i),
                note: c[3].as_string_view().value(i).to_owned(),
            });
        }
        Ok(())
    }
}

impl RootRecord for Item {
    fn encode<'a, I>(rows: I, _: i64) -> Result<Vec<ArrayRef>, RowError>
    where
        I: ExactSizeIterator<Item = &'a Self> + Clone,
    {
        Ok(vec![
            Arc::new(StringArray::from_iter_values(rows.clone().map(|r| &r.part))),
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|r| r.id))),
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|r| r.version))),
            Arc::new(StringArray::from_iter_values(rows.map(|r| &r.note))),
        ])
    }
    fn partition_key(&self, key: &mut String) -> Result<(), ValueError> {
        key.push_str("part=");
        key.push_str(&self.part);
        Ok(())
    }
}
