//! Row groups and pages that can match: none with a matching row is excluded, and others are where the statistics allow it.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Int16Array,
    Int64Array, PrimitiveArray, RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::super::footer::footer_of;
use super::super::mapping::FilePlan;
use super::super::prune::{Blooms, PageIndex, PageIndexSearch, groups_that_can_match};
use super::super::row_groups::{FileParts, Needed};
use super::{column, description, layout, open};
use crate::codec::encode::Encoder;
use crate::codec::{Compression, Footer, FooterSearch, RangeProgress};
use crate::record::filter::tests::{KINDS, batch_of, column_of, predicates, result_of, seeds};
use crate::record::{ColumnNode, Comparison, Key, KeyPart, Literal, Predicate, ReadLayout, Test};

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
    let wanted = Predicate::Test(0, Test::Compare(Comparison::Equal, Literal::Part(entity.clone())));
    let mut reader = footer.read_matching(layout, &wanted).unwrap();
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

/// The rows of a file that a predicate can match by the file's statistics, beside all rows as a read returns them.
struct Pruned {
    /// One value for each row group: `true` if it can match.
    groups: Vec<bool>,
    /// The rows of each row group that can match by the page index.
    pages: Vec<Vec<std::ops::Range<usize>>>,
    /// The rows of each row group.
    batches: Vec<RecordBatch>,
}

fn pruned(file: &Bytes, layout: &ReadLayout, predicate: &Predicate) -> Pruned {
    let plan = FilePlan::new(footer_of(file).unwrap(), layout, None).unwrap();
    let parts = FileParts::of_end(file.len() as u64, file.clone());
    let blooms = Blooms::new(&plan, layout, predicate, &parts);
    let groups = groups_that_can_match(&plan, layout, predicate, file, &blooms).unwrap();
    let index = match PageIndex::search(&plan, &parts) {
        PageIndexSearch::Found(index) => Some(index),
        PageIndexSearch::Missing => None,
        PageIndexSearch::Elsewhere(range) => panic!("{range:?} of {}", file.len()),
    };
    let all = |group: usize| std::iter::once(0..plan.metadata().row_group(group).num_rows() as usize).collect();
    let rows = |group: usize| match &index {
        Some(index) => index.rows_that_can_match(&plan, layout, predicate, group).unwrap().ranges().to_vec(),
        None => all(group),
    };
    let pages = (0..groups.len()).map(rows).collect();
    let batches: Vec<_> = open(file.clone(), layout).unwrap().map(Result::unwrap).collect();
    let all_rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    let mut next = 0;
    let group_rows = plan.metadata().row_groups().iter().map(|group| {
        let rows = group.num_rows() as usize;
        next += rows;
        all_rows.slice(next - rows, rows)
    });
    Pruned { groups, pages, batches: group_rows.collect() }
}

impl Pruned {
    /// Checks that no row which matches is excluded. Returns the number of rows that are not excluded.
    fn check(&self, predicate: &Predicate) -> usize {
        let mut kept = 0;
        for ((batch, pages), &group) in self.batches.iter().zip(&self.pages).zip(&self.groups) {
            for row in 0..batch.num_rows() {
                let matches = result_of(predicate, batch, row) == Some(true);
                let in_pages = pages.iter().any(|range| range.contains(&row));
                assert!(!matches || group && in_pages, "row {row}, in a group: {group}, pages {pages:?}: {predicate}");
                kept += usize::from(group && in_pages);
            }
        }
        kept
    }
}

/// Returns a layout for files with columns of all kinds. With `evolved`, the record has changed since the files were
/// written: wider types, defaults, and columns that the files lack.
fn layout_of_kinds(evolved: bool) -> ReadLayout {
    let node = |kind: usize| {
        let written = column_of(kind, &[]).data_type().clone();
        let name: &'static str = Box::leak(format!("c{kind}").into_boxed_str());
        let plain = match written {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other,
        };
        let node = |data_type| column(name, data_type);
        let lacks = |data_type| column("lacking", data_type);
        match kind {
            _ if !evolved => node(plain).null(),
            0 => node(plain).defaulted(|| Ok(column_of(0, &[Some(1)]))),
            1 => node(DataType::Int64).null(),
            3 => lacks(plain).null(),
            4 => node(plain).defaulted(|| Ok(column_of(4, &[Some(2)]))),
            6 => lacks(plain).defaulted(|| Ok(column_of(6, &[Some(3)]))),
            7 => node(nanos()).null(),
            10 => node(DataType::Decimal128(22, 4)).null(),
            12 => node(DataType::Float64).null(),
            _ => node(plain).null(),
        }
    };
    layout((0..KINDS).map(node).collect(), None)
}

/// Writes a file with row groups of seven rows and pages of two.
fn file_of_kinds(batch: &RecordBatch) -> Bytes {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(7))
        .set_data_page_row_count_limit(2)
        .set_write_batch_size(1)
        .set_statistics_truncate_length(Some(2))
        .set_column_index_truncate_length(Some(2))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_row_that_matches_is_excluded(predicate in predicates(), rows in seeds(1..30), evolved: bool) {
        let layout = layout_of_kinds(evolved);
        let batch = batch_of(&rows);
        pruned(&file_of_kinds(&batch), &layout, &predicate).check(&predicate);
        // Small files of the library's own writer, with row group statistics only.
        let columns = layout_of_kinds(false).columns;
        let encoder = Arc::new(Encoder::new(&description(columns, None), Compression::Snappy).unwrap());
        let written = |(array, node): (&ArrayRef, &ColumnNode)| arrow_cast::cast(array, &node.write_type()).unwrap();
        let arrays: Vec<_> = batch.columns().iter().zip(&layout_of_kinds(false).columns).map(written).collect();
        let mut writer = encoder.file(rows.len()).unwrap();
        writer.write(&arrays).unwrap();
        let file = writer.finish().unwrap();
        pruned(&file, &layout, &predicate).check(&predicate);
    }
}

/// In a sorted file of the library's own writer, all pages without a matching row are excluded.
#[test]
fn only_the_pages_that_can_match_are_read() {
    let rows = 50_000;
    let columns =
        vec![column("n", DataType::Int64), column("t", DataType::Utf8).null(), column("x", DataType::Float64)];
    let layout = layout(columns.clone(), None);
    let encoder = Arc::new(Encoder::new(&description(columns, None), Compression::Snappy).unwrap());
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..rows)),
        Arc::new(StringArray::from_iter((0..rows).map(|row| (row >= 40_000).then(|| format!("{row:06}"))))),
        Arc::new(arrow_array::Float64Array::from_iter_values((0..rows).map(|row| (rows - row) as f64))),
    ];
    let mut writer = encoder.file(rows as usize).unwrap();
    writer.write(&arrays).unwrap();
    let file = writer.finish().unwrap();

    let int = |value: i64| Literal::Part(KeyPart::Int(value.into()));
    let test = |column, comparison, literal| Predicate::Test(column, Test::Compare(comparison, literal));
    let equal = test(0, Comparison::Equal, int(12_345));
    let at_start = test(0, Comparison::Less, int(5));
    let at_end = test(0, Comparison::GreaterOrEqual, int(49_000));
    let starts = |text: &str| Predicate::Test(1, Test::StartsWith(text.into()));
    let cases = [
        (0, equal.clone()),
        (0, equal.not()),
        (0, at_start.clone()),
        (0, at_start.clone().not()),
        (0, at_end.clone()),
        (0, at_end.clone().or(at_start.clone())),
        (0, at_end.and(at_start.clone())),
        (2, test(2, Comparison::LessOrEqual, Literal::Float(5.0))),
        (2, test(2, Comparison::LessOrEqual, Literal::Float(5.0)).and(at_start)),
        (1, Predicate::Test(1, Test::IsNull)),
        (1, Predicate::Test(1, Test::IsNull).not()),
        (1, starts("04")),
        (1, starts("03")),
        (0, Predicate::Test(0, Test::is_in([3, 45_000].map(int).to_vec()))),
    ];
    let with_index = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    let with_index = with_index.parse_and_finish(&file).unwrap();
    let mut fewer = 0;
    for (column, predicate) in cases {
        let pruned = pruned(&file, &layout, &predicate);
        // The file is sorted, so the bounds of a page exclude it unless it has a row that matches.
        let pages = with_index.offset_index().unwrap()[0][column].page_locations();
        let mut ends = pages.iter().map(|page| page.first_row_index as usize).chain([rows as usize]);
        let mut start = ends.next().unwrap();
        let expected = ends.map(|end| {
            let page = start..end;
            start = end;
            let matches = page.clone().any(|row| result_of(&predicate, &pruned.batches[0], row) == Some(true));
            if matches { page.len() } else { 0 }
        });
        let (expected, kept) = (expected.sum::<usize>(), pruned.check(&predicate));
        assert_eq!(kept, expected, "{predicate}");
        fewer += usize::from(kept < rows as usize);
    }
    assert_eq!(fewer, 12);
    // The index is found in any part of the file that has all of it.
    let plan = FilePlan::new(footer_of(&file).unwrap(), &layout, None).unwrap();
    let mut parts = FileParts::of_end(file.len() as u64, file.slice(file.len() - 50..));
    let PageIndexSearch::Elsewhere(range) = PageIndex::search(&plan, &parts) else { panic!("found in 50 bytes") };
    assert!(range.end - range.start < 2_000, "{range:?}");
    parts.push(Needed::Always, range.start, file.slice(range.start as usize..range.end as usize));
    assert!(matches!(PageIndex::search(&plan, &parts), PageIndexSearch::Found(_)));
}
