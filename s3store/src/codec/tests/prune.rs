//! Row groups that can contain an entity: no group with it is excluded, and others are where the statistics allow it.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Int16Array,
    Int64Array, PrimitiveArray, RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::{column, layout, open};
use crate::codec::{Footer, FooterSearch, RangeProgress};
use crate::record::{ColumnNode, Key, KeyPart, ReadLayout};

const GROUP_ROWS: usize = 4;

/// Writes a file with the columns `e` and `v`, in row groups of [`GROUP_ROWS`] rows.
fn file(entities: &ArrayRef, statistics: EnabledStatistics) -> Bytes {
    let versions: ArrayRef = Arc::new(Int64Array::from_iter_values(0..entities.len() as i64));
    let batch = RecordBatch::try_from_iter([("e", Arc::clone(entities)), ("v", versions)]).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(statistics)
        .set_statistics_truncate_length(Some(8))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn wanted(entity: DataType) -> ReadLayout {
    let columns: Vec<ColumnNode> = vec![column("e", entity), column("v", DataType::Int64)];
    layout(columns, Some(Key { entity: vec![0], version: 1 }))
}

/// Returns the entity of each row, as a read of the whole file has it.
fn entities(file: &Bytes, layout: &ReadLayout) -> Vec<KeyPart> {
    let batches = open(file.clone(), layout).unwrap().map(Result::unwrap);
    batches
        .flat_map(|batch| {
            (0..batch.num_rows()).map(|row| KeyPart::of_row(batch.column(0), row).unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the versions in the row groups that are read for an entity.
fn read(file: &Bytes, layout: &ReadLayout, entity: &KeyPart) -> Vec<i64> {
    let Ok(FooterSearch::Found(footer)) = Footer::parse(file.clone(), file.len() as u64) else { panic!("no footer") };
    let mut reader = footer.read_groups_with(layout, std::slice::from_ref(entity)).unwrap();
    let mut versions = Vec::new();
    loop {
        match reader.advance().unwrap() {
            RangeProgress::Batch(batch) => {
                let column: &PrimitiveArray<Int64Type> = batch.column(1).as_any().downcast_ref().unwrap();
                versions.extend(column.values());
            }
            RangeProgress::End => return versions,
            RangeProgress::Needs(_) => panic!("the whole file is in memory"),
        }
    }
}

/// Checks a file for every entity in it. Returns the number of row groups that were read for all of them.
fn check(written: &ArrayRef, entity: &DataType) -> usize {
    let layout = wanted(entity.clone());
    let [with, without] =
        [EnabledStatistics::Chunk, EnabledStatistics::None].map(|statistics| file(written, statistics));
    let mut groups = 0;
    for (row, entity) in entities(&with, &layout).iter().enumerate() {
        let versions = read(&with, &layout, entity);
        assert!(versions.contains(&(row as i64)), "row {row}, {entity}: {versions:?}");
        assert!(
            versions.chunks(GROUP_ROWS).all(|group| (group[0] as usize).is_multiple_of(GROUP_ROWS)),
            "{versions:?}"
        );
        groups += versions.len().div_ceil(GROUP_ROWS);
        assert_eq!(read(&without, &layout, entity).len(), written.len(), "without statistics");
    }
    groups
}

fn nanos() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn texts(rows: impl IntoIterator<Item = usize>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.into_iter().map(|row| format!("{row:04}, a long text after a number"))))
}

/// In a file that is sorted by its entity, only the row group of an entity is read, for each type of its column.
#[test]
fn only_the_row_group_of_an_entity_is_read() {
    let ascending = || 0..40usize;
    let int = |row: usize| row as i64 - 20;
    let cases: Vec<(ArrayRef, DataType)> = vec![
        (Arc::new(ascending().map(int).collect::<Int64Array>()), DataType::Int64),
        (Arc::new(ascending().map(|row| Some(int(row) as i16)).collect::<Int16Array>()), DataType::Int64),
        (Arc::new(UInt64Array::from_iter_values(ascending().map(|row| u64::MAX - 39 + row as u64))), DataType::UInt64),
        (Arc::new(Date32Array::from_iter_values(ascending().map(|row| int(row) as i32))), DataType::Date32),
        (texts(ascending()), DataType::Utf8),
        (Arc::new(BinaryArray::from_iter_values(ascending().map(|row| [0x80 + row as u8, 0]))), DataType::Binary),
        (
            Arc::new(FixedSizeBinaryArray::try_from_iter(ascending().map(|row| [0x70 + row as u8; 3])).unwrap()),
            DataType::FixedSizeBinary(3),
        ),
        (Arc::new(TimestampMillisecondArray::from_iter_values(ascending().map(int)).with_timezone("UTC")), nanos()),
        (
            Arc::new(
                Decimal128Array::from_iter_values(ascending().map(|row| i128::from(int(row))))
                    .with_precision_and_scale(20, 2)
                    .unwrap(),
            ),
            DataType::Decimal128(20, 2),
        ),
    ];
    for (written, entity) in cases {
        assert_eq!(check(&written, &entity), 40, "{} as {entity}", written.data_type());
    }
}

/// Statistics that can't be compared exclude nothing.
#[test]
fn statistics_of_another_scale_exclude_nothing() {
    let written = Decimal128Array::from_iter_values(0..40).with_precision_and_scale(9, 2).unwrap();
    assert_eq!(check(&(Arc::new(written) as ArrayRef), &DataType::Decimal128(20, 4)), 40 * 10);
    // A file in a finer unit has times between those of the record.
    let written = TimestampNanosecondArray::from_iter_values((0..40).map(|row| row * 300)).with_timezone("UTC");
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(check(&(Arc::new(written) as ArrayRef), &micros), 40);
    let flags = (0..40).map(|row| Some(row >= 20)).collect::<BooleanArray>();
    assert_eq!(check(&(Arc::new(flags) as ArrayRef), &DataType::Boolean), 40 * 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_row_group_with_the_entity_is_excluded(
        numbers in prop::collection::vec(prop_oneof![-2i64..3, any::<i64>()], 1..20),
        texts in prop::collection::vec(prop_oneof!["[ab]{0,2}", any::<String>(), "a long beginning[ab\u{10ffff}]{0,3}"], 1..20),
    ) {
        check(&(Arc::new(Int64Array::from_iter_values(numbers.iter().copied())) as ArrayRef), &DataType::Int64);
        let times = TimestampNanosecondArray::from_iter_values(numbers).with_timezone("UTC");
        check(&(Arc::new(times) as ArrayRef), &nanos());
        check(&(Arc::new(StringArray::from_iter_values(&texts)) as ArrayRef), &DataType::Utf8);
        check(&(Arc::new(BinaryArray::from_iter_values(&texts)) as ArrayRef), &DataType::Binary);
    }
}
