//! Reading some rows of a row group: by the page index, by Bloom filters, and in parts.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Int16Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression as Codec;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{BloomFilterPosition, WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::super::encode::Encoder;
use super::{column, data_file, description, layout, list, node, open, rows};
use crate::codec::{Compression, Footer, FooterSearch, RangeProgress, RangeReader, StepRanges};
use crate::record::filter::tests::{KINDS, batch_of, column_of, predicates, seeds};
use crate::record::{Comparison, Key, KeyPart, Literal, Predicate, ReadLayout, Shape, Test};

/// A file in S3 of which the parts are fetched, and counted.
struct Remote {
    file: Bytes,
    fetched: Vec<Range<u64>>,
}

impl Remote {
    fn new(file: &Bytes) -> Self {
        Self { file: file.clone(), fetched: Vec::new() }
    }

    fn get(&mut self, range: &Range<u64>) -> Bytes {
        self.fetched.push(range.clone());
        self.file.slice(range.start as usize..range.end as usize)
    }

    /// Returns the footer, with the last `end` bytes of the file.
    fn footer(&self, end: usize) -> Footer {
        let end = self.file.slice(self.file.len().saturating_sub(end)..);
        match Footer::parse(end, self.file.len() as u64).unwrap() {
            FooterSearch::Found(footer) => footer,
            FooterSearch::Incomplete { bytes } => self.footer(bytes as usize),
        }
    }

    /// Opens the file. Adds what the reader lacks.
    fn open(&mut self, mut footer: Footer, layout: &ReadLayout, predicate: Option<&Predicate>) -> RangeReader {
        loop {
            let opened = footer.clone();
            let reader = match predicate {
                Some(predicate) => opened.read_matching(layout, predicate).unwrap(),
                None => opened.read(layout).unwrap(),
            };
            if reader.lacking().is_empty() {
                return reader;
            }
            for range in reader.lacking() {
                footer.add(range.start, self.get(range));
            }
        }
    }

    /// Decodes the rows, and fetches what is needed for them.
    fn rows(&mut self, mut reader: RangeReader) -> Result<RecordBatch, crate::Error> {
        let (schema, mut batches) = (reader.schema(), Vec::new());
        loop {
            match reader.advance()? {
                RangeProgress::Batch(batch) => batches.push(batch),
                RangeProgress::End => return Ok(concat_batches(&schema, &batches).unwrap()),
                RangeProgress::Needs(needs) => {
                    // The next step is fetched as well, as a read does.
                    let next = reader.next_needs()?.filter(|next| next.step != needs.step);
                    for StepRanges { step, ranges } in [Some(needs), next].into_iter().flatten() {
                        let bodies = ranges.iter().map(|range| self.get(range)).collect();
                        reader.push(StepRanges { step, ranges }, bodies)?;
                    }
                }
            }
        }
    }

    fn fetched_bytes(&self) -> u64 {
        self.fetched.iter().map(|range| range.end - range.start).sum()
    }
}

fn with_index(file: &Bytes) -> ParquetMetaData {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.parse_and_finish(file).unwrap()
}

/// Returns how many bytes of the file's end have the page index and the footer.
fn index_bytes(file: &Bytes) -> usize {
    let metadata = with_index(file);
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    file.len() - chunks.filter_map(|chunk| chunk.column_index_offset()).min().unwrap() as usize
}

/// Writes a file in pages of a few rows.
fn paged(batch: &RecordBatch, page_rows: usize, group_rows: usize, version: WriterVersion) -> Bytes {
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(page_rows)
        .set_compression(Codec::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// Returns a batch with a column of each kind, and a list of numbers.
fn batch_with_list(rows: &[Vec<Option<i64>>]) -> RecordBatch {
    let mut lists = ListBuilder::new(Int32Builder::new());
    for (index, row) in rows.iter().enumerate() {
        let length = row[0].unwrap_or_default();
        (0..length).for_each(|item| lists.values().append_value(index as i32 * 10 + item as i32));
        lists.append(row[1].is_some());
    }
    let batch = batch_of(rows);
    let columns = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column), true))
        .collect::<Vec<_>>();
    let list: ArrayRef = Arc::new(lists.finish());
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([("list".to_owned(), list, true)])).unwrap()
}

fn layout_with_list() -> ReadLayout {
    let mut columns: Vec<_> = (0..KINDS)
        .map(|kind| {
            let plain = match column_of(kind, &[]).data_type().clone() {
                DataType::Utf8View => DataType::Utf8,
                DataType::BinaryView => DataType::Binary,
                other => other,
            };
            column(Box::leak(format!("c{kind}").into_boxed_str()), plain).null()
        })
        .collect();
    columns.push(list("list", Shape::Leaf(DataType::Int32)).null());
    layout(columns, None)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A read of the pages that can match, in parts of any size, has the rows of a read of the whole file.
    #[test]
    fn some_pages_have_the_rows_of_the_whole_file(
        predicate in predicates(),
        few in seeds(1..12),
        times in 1..150usize,
        page_rows in 64..200usize,
        group_rows in 100..2_000usize,
        part in prop_oneof![Just(None), (1..60_000u64).prop_map(Some)],
        second: bool,
        filters: bool,
    ) {
        // Values that repeat in runs, so that some pages can be left out.
        let rows_of: Vec<_> = few.iter().flat_map(|row| std::iter::repeat_n(row.clone(), times)).collect();
        let version = if second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let file = paged(&batch_with_list(&rows_of), page_rows, group_rows, version);
        let layout = layout_with_list();
        let whole: Vec<_> = open(file.clone(), &layout).unwrap().map(Result::unwrap).collect();
        let whole = concat_batches(&whole[0].schema(), &whole).unwrap();

        let mut remote = Remote::new(&file);
        let footer = remote.footer(index_bytes(&file));
        let mut reader = remote.open(footer, &layout, filters.then_some(&predicate));
        if let Some(part) = part {
            reader.split(part).unwrap();
        }
        let most: u64 = reader.all_needs().unwrap().iter().flat_map(|needs| &needs.ranges).map(|range| range.end - range.start).sum();
        let expected_rows = reader.rows();
        let found = remote.rows(reader).unwrap();
        prop_assert_eq!(found.num_rows(), expected_rows);
        // Dictionaries are fetched once, whatever the number of parts.
        prop_assert!(remote.fetched_bytes() <= most);
        if filters {
            let kept = predicate.keep_matching(found).unwrap();
            prop_assert_eq!(rows(&kept), rows(&predicate.keep_matching(whole).unwrap()));
        } else {
            prop_assert_eq!(rows(&found), rows(&whole));
        }
    }

    /// An index of which some bytes were changed is an error, or the rows are right: never others.
    #[test]
    fn a_broken_index_gives_no_other_rows(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), nested: bool) {
        let rows_of: Vec<_> = (0..900).map(|row| vec![Some(row / 150); KINDS]).collect();
        let file = paged(&batch_with_list(&rows_of), 64, 900, WriterVersion::PARQUET_1_0);
        let layout = if nested { layout(vec![list("list", Shape::Leaf(DataType::Int32)).null()], None) } else { layout_with_list() };
        let metadata = with_index(&file);
        let offsets = metadata.row_group(0).columns().iter().filter_map(|chunk| chunk.offset_index_offset()).min().unwrap() as usize;
        let end = file.len() - 8 - u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize;
        let mut broken = file.to_vec();
        for (index, value) in changes {
            broken[offsets + index.index(end - offsets)] = value;
        }
        let broken = Bytes::from(broken);
        let whole: Vec<_> = open(file.clone(), &layout).unwrap().map(Result::unwrap).collect();
        let whole = rows(&concat_batches(&whole[0].schema(), &whole).unwrap());
        let mut remote = Remote::new(&broken);
        let mut reader = remote.footer(index_bytes(&file)).read(&layout).unwrap();
        if reader.split(400).is_ok()
            && let Ok(found) = remote.rows(reader)
        {
            prop_assert_eq!(rows(&found), whole);
        }
    }
}

/// The page index of another writer, with both formats of pages.
#[test]
fn pages_of_pyarrow_are_found_by_their_index() {
    for version in ["1", "2"] {
        let file = data_file(&format!("pyarrow-files/pages-{version}.parquet"));
        let point = Shape::Struct(vec![column("x", DataType::Int64).null(), column("y", DataType::Utf8).null()]);
        let columns = vec![
            column("id", DataType::Int64),
            column("name", DataType::Utf8).null(),
            list("tags", Shape::Leaf(DataType::Int32)).null(),
            node("point", point).null(),
        ];
        let layout = layout(columns, None);
        let whole: Vec<_> = open(file.clone(), &layout).unwrap().map(Result::unwrap).collect();
        let whole = rows(&concat_batches(&whole[0].schema(), &whole).unwrap());
        let mut remote = Remote::new(&file);
        let footer = remote.footer(index_bytes(&file));
        let mut reader = footer.clone().read(&layout).unwrap();
        reader.split(3_000).unwrap();
        assert!(reader.all_needs().unwrap().len() > 4);
        assert!(rows(&remote.rows(reader).unwrap()) == whole, "{version}");

        let wanted = Predicate::Test(0, Test::Compare(Comparison::Equal, Literal::Part(KeyPart::Int(1_234))));
        let reader = footer.read_matching(&layout, &wanted).unwrap();
        assert!(reader.rows() < 300, "{}", reader.rows());
        let found = wanted.keep_matching(remote.rows(reader).unwrap()).unwrap();
        assert_eq!(rows(&found), whole[1_234..1_235]);
    }
}

/// In a large row group, only the pages of an entity are fetched: a few of many in each column.
#[test]
fn one_row_takes_few_pages_of_each_column() {
    let rows = 130_000i64;
    let columns = vec![column("e", DataType::Int64), column("v", DataType::Int64), column("t", DataType::Utf8)];
    let key = Some(Key { entity: vec![0], version: 1 });
    let encoder = Arc::new(Encoder::new(&description(columns.clone(), key.clone()), Compression::Snappy).unwrap());
    let layout = layout(columns, key);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..rows)),
        Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * 7919 % 104_729))),
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("a text of row {:x}", row * 7919)))),
    ];
    let mut writer = encoder.file(rows as usize).unwrap();
    writer.write(&arrays).unwrap();
    let file = writer.finish().unwrap();

    let wanted = Predicate::Test(0, Test::Compare(Comparison::Equal, Literal::Part(KeyPart::Int(77_777))));
    let mut remote = Remote::new(&file);
    let footer = remote.footer(1_000);
    let reader = remote.open(footer, &layout, Some(&wanted));
    assert!(reader.rows() <= 20_480, "{}", reader.rows());
    let found = wanted.keep_matching(remote.rows(reader).unwrap()).unwrap();
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values(), &[77_777]);
    let chunks = file.len() as u64;
    assert!(remote.fetched_bytes() < chunks / 3, "{} of {chunks}", remote.fetched_bytes());
}

/// The page index is only fetched if that may pay.
#[test]
fn small_files_are_opened_without_a_search_of_their_index() {
    let batch =
        RecordBatch::try_from_iter([("c", Arc::new(Int64Array::from_iter_values(0..10_000)) as ArrayRef)]).unwrap();
    let file = paged(&batch, 64, 10_000, WriterVersion::PARQUET_1_0);
    let layout = layout(vec![column("c", DataType::Int64)], None);
    let wanted = Predicate::Test(0, Test::Compare(Comparison::Equal, Literal::Part(KeyPart::Int(5))));
    let remote = Remote::new(&file);
    let reader = remote.footer(1_000).read_matching(&layout, &wanted).unwrap();
    assert_eq!((reader.lacking(), reader.rows()), (&[][..], 10_000));
    let reader = remote.footer(index_bytes(&file)).read_matching(&layout, &wanted).unwrap();
    assert_eq!(reader.rows(), 64);
}

/// Returns the rows that are decoded to find a value, of a file with Bloom filters.
fn rows_for(file: &Bytes, layout: &ReadLayout, value: &Literal) -> usize {
    let equal = Predicate::Test(0, Test::Compare(Comparison::Equal, value.clone()));
    let any = Predicate::Test(0, Test::is_in(vec![value.clone()]));
    let footer = Footer::of_file(file.clone()).unwrap();
    let found = footer.clone().read_matching(layout, &equal).unwrap().rows();
    assert_eq!(footer.clone().read_matching(layout, &any).unwrap().rows(), found);
    // Excluded for sure is only that a value is there, not that it is not.
    let rows = footer.clone().read_matching(layout, &equal.clone().not()).unwrap().rows();
    assert_eq!(rows, footer.read(layout).unwrap().rows());
    found
}

/// Values that are in a file are found by its Bloom filters, and most others are excluded, for each type of column.
#[test]
fn bloom_filters_exclude_values_that_are_not_there() {
    let numbers = || (0..300i64).map(|row| row * 104_729 % 1_000_003 * 2);
    let small = || (0..300i64).map(|row| (row * 7_919 % 15_000 * 2) as i16);
    let millis = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let int = |value: i128| Literal::Part(KeyPart::Int(value));
    let text = |value: &i64| Literal::Part(KeyPart::Text(format!("id-{value}").into()));
    let bytes = |value: &i64| Literal::Part(KeyPart::Bytes(value.to_le_bytes().into()));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(numbers().map(|value| format!("id-{value}"))));
    let cases: Vec<(ArrayRef, DataType, Vec<Literal>, Vec<Literal>)> = vec![
        (
            Arc::clone(&texts),
            DataType::Utf8,
            numbers().map(|value| text(&value)).collect(),
            numbers().map(|value| text(&(value + 1))).collect(),
        ),
        (
            Arc::new(BinaryArray::from_iter_values(numbers().map(|value| value.to_le_bytes()))),
            DataType::Binary,
            numbers().map(|value| bytes(&value)).collect(),
            numbers().map(|value| bytes(&(value + 1))).collect(),
        ),
        (
            Arc::new(Int64Array::from_iter_values(numbers())),
            DataType::Int64,
            numbers().map(|value| int(value.into())).collect(),
            numbers().map(|value| int(i128::from(value) + 1)).collect(),
        ),
        (
            // Wider in the record than in the file.
            Arc::new(Int16Array::from_iter_values(small())),
            DataType::Int64,
            small().map(|value| int(value.into())).collect(),
            small().map(|value| int(i128::from(value) + 1)).collect(),
        ),
        (
            Arc::new(Date32Array::from_iter_values(small().map(i32::from))),
            DataType::Date32,
            small().map(|value| int(value.into())).collect(),
            small().map(|value| int(i128::from(value) + 1)).collect(),
        ),
        (
            // In a coarser unit in the file.
            Arc::new(TimestampMillisecondArray::from_iter_values(numbers()).with_timezone("UTC")),
            nanos,
            numbers().map(|value| int(i128::from(value) * 1_000_000)).collect(),
            numbers().map(|value| int(i128::from(value) * 1_000_000 + 1)).collect(),
        ),
    ];
    for (array, data_type, present, absent) in cases {
        let name = format!("{} as {data_type}", array.data_type());
        let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
        let properties = WriterProperties::builder()
            .set_bloom_filter_enabled(true)
            .set_bloom_filter_position(BloomFilterPosition::End)
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let file: Bytes = writer.into_inner().unwrap().into();
        let layout = layout(vec![column("c", data_type)], None);
        assert!(present.iter().all(|value| rows_for(&file, &layout, value) == 300), "{name}");
        let excluded = absent.iter().filter(|value| rows_for(&file, &layout, value) == 0).count();
        assert!(excluded > absent.len() * 8 / 10, "{name}: {excluded} of {}", absent.len());
    }
    // A value that the file's type can't have.
    let layout = layout(vec![column("c", millis)], None);
    let never = int(i128::MAX);
    let batch = RecordBatch::try_from_iter([(
        "c",
        Arc::new(TimestampMillisecondArray::from_iter_values(numbers()).with_timezone("UTC")) as ArrayRef,
    )])
    .unwrap();
    let properties = WriterProperties::builder().set_bloom_filter_enabled(true).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    assert_eq!(rows_for(&writer.into_inner().unwrap().into(), &layout, &never), 0);
}

/// The library's own files have Bloom filters of the columns that say so, which take 10 to 20 bits for each value. Only they
/// are fetched to exclude a file.
#[test]
fn a_file_without_the_value_is_excluded_by_its_bloom_filters_alone() {
    let rows = 200_000i64;
    let entity = || column("e", DataType::Utf8);
    let key = || Some(Key { entity: vec![0], version: 1 });
    let columns =
        |bloom: bool| vec![if bloom { entity().with_bloom_filter() } else { entity() }, column("v", DataType::Int64)];
    let id = |row: i64| format!("{:016x}", (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values((0..rows).map(id))),
        Arc::new(Int64Array::from_iter_values(0..rows)),
    ];
    let file = |bloom: bool| {
        let encoder = Arc::new(Encoder::new(&description(columns(bloom), key()), Compression::Snappy).unwrap());
        let mut writer = encoder.file(rows as usize).unwrap();
        writer.write(&arrays).unwrap();
        writer.finish().unwrap()
    };
    let (with, without) = (file(true), file(false));
    let filter_bits = (with.len() - without.len()) as f64 * 8.0 / rows as f64;
    assert!((6.0..16.0).contains(&filter_bits), "{filter_bits}");

    let layout = layout(columns(true), key());
    let equal = |value: String| {
        Predicate::Test(0, Test::Compare(Comparison::Equal, Literal::Part(KeyPart::Text(value.into()))))
    };
    let mut decoded = BTreeSet::new();
    for row in rows..rows + 50 {
        let mut remote = Remote::new(&with);
        let footer = remote.footer(1_000);
        let reader = remote.open(footer, &layout, Some(&equal(id(row))));
        decoded.insert(reader.rows());
        if reader.rows() == 0 {
            assert!(remote.rows(reader).unwrap().num_rows() == 0);
            assert!(remote.fetched_bytes() < 400_000, "{}", remote.fetched_bytes());
        }
    }
    assert!(decoded.contains(&0), "{decoded:?}");
    let mut remote = Remote::new(&with);
    let footer = remote.footer(1_000);
    let reader = remote.open(footer, &layout, Some(&equal(id(150_000))));
    let found = equal(id(150_000)).keep_matching(remote.rows(reader).unwrap()).unwrap();
    assert_eq!(found.column(1).as_primitive::<Int64Type>().values(), &[150_000]);
}

/// A column of another type has no use of a Bloom filter.
#[test]
fn bloom_filters_of_other_types_are_refused() {
    for data_type in [DataType::Boolean, DataType::Float64, DataType::Decimal128(18, 2)] {
        let columns = vec![column("c", data_type).with_bloom_filter()];
        let error = Encoder::new(&description(columns, None), Compression::Snappy).unwrap_err().to_string();
        assert!(error.contains("column c: a Bloom filter is for texts"), "{error}");
    }
}
