//! Encoded values are decoded unchanged, and encoding is deterministic.

use std::process::Command;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use proptest::prelude::*;

use super::super::{BATCH_ROWS, Compression, Encoder, Footer};
use super::{column, description, layout, list, map, node, open, read};
use crate::error::Result;
use crate::record::{ColumnNode, Key, Shape};

const CODECS: [Compression; 4] = [Compression::Snappy, Compression::Zstd, Compression::Gzip, Compression::Uncompressed];

fn instant(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

/// One column of each type.
pub(super) fn columns() -> Vec<ColumnNode> {
    let place = || vec![column("street", DataType::Utf8), column("zip", DataType::Int32).null()];
    let strings = || Shape::List(Box::new(column("element", DataType::Utf8).null()));
    vec![
        column("name", DataType::Utf8),
        column("b", DataType::Boolean),
        column("i8", DataType::Int8),
        column("i16", DataType::Int16),
        column("i32", DataType::Int32),
        column("i64", DataType::Int64),
        column("u8", DataType::UInt8),
        column("u16", DataType::UInt16),
        column("u32", DataType::UInt32),
        column("u64", DataType::UInt64),
        column("f32", DataType::Float32),
        column("f64", DataType::Float64),
        column("note", DataType::Utf8).null(),
        column("bytes", DataType::Binary).null(),
        column("fixed", DataType::FixedSizeBinary(4)),
        column("small", DataType::Decimal128(9, 2)),
        column("medium", DataType::Decimal128(18, 6)),
        column("large", DataType::Decimal128(28, 10)),
        column("at_ms", instant(TimeUnit::Millisecond)),
        column("at_us", instant(TimeUnit::Microsecond)),
        column("at_ns", instant(TimeUnit::Nanosecond)),
        column("local", DataType::Timestamp(TimeUnit::Microsecond, None)),
        column("day", DataType::Date32),
        column("time", DataType::Time64(TimeUnit::Microsecond)),
        list("tags", Shape::Leaf(DataType::Utf8)),
        node("maybe_tags", strings()).null(),
        map("attrs", Shape::Leaf(DataType::Int64)),
        node("place", Shape::Struct(place())).null(),
        list("places", Shape::Struct(place())),
        node("id", Shape::Uuid),
    ]
}

/// The source of a row's values: a number, a text and a list of texts.
pub(super) type Seed = (i64, String, Vec<String>);

/// Returns the columns of the rows, in the write types.
pub(super) fn arrays(seeds: &[Seed]) -> Vec<ArrayRef> {
    let numbers = || seeds.iter().map(|seed| seed.0);
    let texts = || seeds.iter().map(|seed| seed.1.as_str());
    let optional = |row: usize| row % 3 != 1;
    let maybe = || texts().enumerate().map(|(row, text)| optional(row).then_some(text));
    let decimal = |precision: u8, scale: i8| {
        let limit = 10i128.pow(u32::from(precision));
        let values = Decimal128Array::from_iter_values(numbers().map(|number| i128::from(number) % limit));
        values.with_precision_and_scale(precision, scale).unwrap()
    };
    let zip = |count: usize| (0..count).map(|row| optional(row).then_some(row as i32)).collect::<Int32Array>();
    let fields = || match columns()[27].write_type() {
        DataType::Struct(fields) => fields,
        other => panic!("{other}"),
    };
    let place = |streets: Vec<&str>, nulls: Option<Vec<bool>>| {
        let zips = zip(streets.len());
        let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(streets)), Arc::new(zips)];
        StructArray::new(fields(), columns, nulls.map(Into::into))
    };
    let items: Vec<&str> = seeds.iter().flat_map(|seed| seed.2.iter().map(String::as_str)).collect();
    let offsets = arrow_buffer::OffsetBuffer::from_lengths(seeds.iter().map(|seed| seed.2.len()));
    let fixed = numbers().map(|number| Some((number as u32).to_be_bytes()));
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed, 4).unwrap();
    let ids = numbers().map(|number| Some(i128::from(number).to_be_bytes()));
    let ids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap();
    let list_of = |element: ArrayRef| {
        let field = Arc::new(Field::new("element", element.data_type().clone(), false));
        arrow_array::ListArray::new(field, offsets.clone(), element, None)
    };
    let mut maybe_tags = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut attrs = MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new())
        .with_values_field(Field::new("value", DataType::Int64, false));
    for (row, seed) in seeds.iter().enumerate() {
        for (index, item) in seed.2.iter().enumerate() {
            maybe_tags.values().append_option(optional(index).then_some(item));
            attrs.keys().append_value(item);
            attrs.values().append_value(index as i64);
        }
        maybe_tags.append(optional(row) || !seed.2.is_empty());
        attrs.append(true).unwrap();
    }
    vec![
        Arc::new(StringArray::from_iter_values(texts())),
        Arc::new(numbers().map(|number| Some(number % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(numbers().map(|number| number as i8).collect::<Int8Array>()),
        Arc::new(numbers().map(|number| number as i16).collect::<Int16Array>()),
        Arc::new(numbers().map(|number| number as i32).collect::<Int32Array>()),
        Arc::new(numbers().collect::<Int64Array>()),
        Arc::new(numbers().map(|number| number as u8).collect::<UInt8Array>()),
        Arc::new(numbers().map(|number| number as u16).collect::<UInt16Array>()),
        Arc::new(numbers().map(|number| number as u32).collect::<UInt32Array>()),
        Arc::new(numbers().map(|number| number as u64).collect::<UInt64Array>()),
        Arc::new(numbers().map(|number| number as f32).collect::<Float32Array>()),
        Arc::new(numbers().map(|number| number as f64 / 3.0).collect::<Float64Array>()),
        Arc::new(maybe().collect::<StringArray>()),
        Arc::new(maybe().map(|text| text.map(str::as_bytes)).collect::<BinaryArray>()),
        Arc::new(fixed),
        Arc::new(decimal(9, 2)),
        Arc::new(decimal(18, 6)),
        Arc::new(decimal(28, 10)),
        Arc::new(TimestampMillisecondArray::from_iter_values(numbers()).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from_iter_values(numbers()).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from_iter_values(numbers()).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from_iter_values(numbers())),
        Arc::new(Date32Array::from_iter_values(numbers().map(|number| (number % 1_000_000) as i32))),
        Arc::new(Time64MicrosecondArray::from_iter_values(numbers().map(|number| number.rem_euclid(86_400_000_000)))),
        Arc::new(list_of(Arc::new(StringArray::from(items.clone())))),
        Arc::new(maybe_tags.finish()),
        Arc::new(attrs.finish()),
        Arc::new(place(texts().collect(), Some((0..seeds.len()).map(optional).collect()))),
        Arc::new(list_of(Arc::new(place(items, None)))),
        Arc::new(ids),
    ]
}

fn encoded(encoder: &Arc<Encoder>, rows: usize, batches: impl IntoIterator<Item = Vec<ArrayRef>>) -> Result<Bytes> {
    let mut file = encoder.file(rows)?;
    batches.into_iter().try_for_each(|batch| file.write(&batch))?;
    file.finish()
}

/// Encodes a file of these rows, in batches of `chunk` rows.
fn encode(compression: Compression, seeds: &[Seed], chunk: usize) -> Bytes {
    let encoder = Arc::new(Encoder::new(&description(columns(), None), compression).unwrap());
    let arrays = arrays(seeds);
    let slices = (0..seeds.len()).step_by(chunk).map(|start| {
        let length = chunk.min(seeds.len() - start);
        arrays.iter().map(|array| array.slice(start, length)).collect()
    });
    encoded(&encoder, seeds.len(), slices).unwrap()
}

fn expected(seeds: &[Seed]) -> RecordBatch {
    let schema = layout(columns(), None).schema();
    let columns =
        arrays(seeds).into_iter().zip(schema.fields()).map(|(array, field)| cast(&array, field.data_type()).unwrap());
    let columns = columns.collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

pub(super) fn fixed_seeds(rows: i64) -> Vec<Seed> {
    let seed = |row: i64| {
        let number = row.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64);
        (
            number,
            format!("text {} of some length", number % 1_000),
            (0..row % 4).map(|item| format!("item {item}")).collect(),
        )
    };
    (0..rows).map(seed).collect()
}

fn footer(bytes: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_type_survives(
        seeds in prop::collection::vec((any::<i64>(), any::<String>(), prop::collection::vec(any::<String>(), 0..4)), 0..30),
        codec in 0usize..4,
    ) {
        let bytes = encode(CODECS[codec], &seeds, 7);
        let (batch, expected) = (read(bytes, columns()).unwrap(), expected(&seeds));
        for (index, column) in columns().iter().enumerate() {
            prop_assert_eq!(batch.column(index), expected.column(index), "{}", column.name);
        }
    }
}

#[test]
fn large_files_survive_in_every_codec() {
    let seeds = fixed_seeds(20_000);
    for compression in CODECS {
        let bytes = encode(compression, &seeds, BATCH_ROWS);
        let reader = open(bytes.clone(), &layout(columns(), None)).unwrap();
        assert_eq!(reader.rows(), 20_000);
        let sizes = Footer::of_file(bytes.clone()).unwrap().read(&layout(columns(), None)).unwrap().sizes().unwrap();
        assert!(sizes.decoded > 1_000_000, "{sizes:?}");
        assert!(reader.map(|batch| batch.unwrap().num_rows()).all(|rows| rows <= BATCH_ROWS));
        assert!(read(bytes, columns()).unwrap() == expected(&seeds), "{compression:?}");
    }
}

#[test]
fn a_file_without_rows_is_valid() {
    let batch = read(encode(Compression::Snappy, &[], 1), columns()).unwrap();
    assert_eq!(batch.num_rows(), 0);
}

#[test]
fn lists_and_maps_have_the_standard_paths() {
    let parquet = footer(&encode(Compression::Snappy, &fixed_seeds(3), 3));
    let paths: Vec<_> =
        parquet.file_metadata().schema_descr().columns().iter().map(|column| column.path().string()).collect();
    for path in ["tags.list.element", "attrs.key_value.key", "attrs.key_value.value", "places.list.element.zip"] {
        assert!(paths.iter().any(|have| have == path), "{path} in {paths:?}");
    }
}

#[test]
fn row_groups_have_at_most_131072_rows() {
    let encoder =
        Arc::new(Encoder::new(&description(vec![column("n", DataType::Int64)], None), Compression::Snappy).unwrap());
    let column: ArrayRef = Arc::new((0..300_000).collect::<Int64Array>());
    let parquet = footer(&encoded(&encoder, 300_000, [vec![column]]).unwrap());
    let groups: Vec<_> = parquet.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups.iter().sum::<i64>(), 300_000);
    assert_eq!(groups, [131_072, 131_072, 37_856]);
}

/// Returns the paths of the leaves that have a dictionary, for each row group.
fn dictionaries(file: &Bytes) -> Vec<Vec<String>> {
    let parquet = footer(file);
    let groups = parquet.row_groups().iter().map(|group| {
        let chunks = group.columns().iter().filter(|chunk| chunk.dictionary_page_offset().is_some());
        chunks.map(|chunk| chunk.column_path().string()).collect()
    });
    groups.collect()
}

/// Texts that are all different: their dictionary is given up in the first row group. That of few texts stays.
#[test]
fn a_dictionary_that_is_given_up_is_not_begun_again() {
    let columns = vec![column("many", DataType::Utf8), column("few", DataType::Utf8)];
    let encoder = Arc::new(Encoder::new(&description(columns.clone(), None), Compression::Snappy).unwrap());
    let text = |row: u64| format!("{:016x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let many: ArrayRef = Arc::new((0..300_000).map(|row| Some(text(row))).collect::<StringArray>());
    let few: ArrayRef = Arc::new((0..300_000).map(|row| Some(text(row % 5))).collect::<StringArray>());
    let file = encoded(&encoder, 300_000, [vec![Arc::clone(&many), Arc::clone(&few)]]).unwrap();
    assert_eq!(dictionaries(&file), [vec!["many", "few"], vec!["few"], vec!["few"]]);
    let batch = read(file.clone(), columns).unwrap();
    assert_eq!(cast(batch.column(0), &DataType::Utf8).unwrap().as_ref(), many.as_ref());
    assert_eq!(cast(batch.column(1), &DataType::Utf8).unwrap().as_ref(), few.as_ref());
    // The next file begins anew, with the same bytes.
    assert!(file == encoded(&encoder, 300_000, [vec![many, few]]).unwrap());
}

#[test]
fn a_column_without_dictionary_has_none_at_any_depth() {
    let text = |name| column(name, DataType::Utf8);
    let place = vec![text("street"), text("zip").without_dictionary()];
    let columns = vec![
        text("a").without_dictionary(),
        text("b"),
        list("tags", Shape::Leaf(DataType::Utf8)).without_dictionary(),
        list("bare", Shape::Leaf(DataType::Utf8)).with_bare_list(),
        list("bare_too", Shape::Leaf(DataType::Utf8)).with_bare_list().without_dictionary(),
        map("attrs", Shape::Leaf(DataType::Utf8)).without_dictionary(),
        node("place", Shape::Struct(place.clone())),
        list("places", Shape::Struct(place.clone())),
        map("by_name", Shape::Struct(place.clone())),
        node("no_place", Shape::Struct(place)).without_dictionary(),
    ];
    let encoder = Arc::new(Encoder::new(&description(columns.clone(), None), Compression::Snappy).unwrap());
    let schema = encoder.schema();
    let arrays: Vec<ArrayRef> =
        schema.fields().iter().map(|field| arrow_array::new_null_array(field.data_type(), 0)).collect();
    let empty = encoded(&encoder, 0, [arrays]).unwrap();
    let parquet = footer(&empty);
    let schema = parquet.file_metadata().schema_descr();
    let leaves = (0..schema.num_columns()).filter(|&leaf| {
        let path = schema.column(leaf).path().clone();
        columns[schema.get_column_root_idx(leaf)].has_dictionary(&path.parts()[1..])
    });
    let leaves: Vec<String> = leaves.map(|leaf| schema.column(leaf).path().string()).collect();
    let expected = [
        "b",
        "bare",
        "place.street",
        "places.list.element.street",
        "by_name.key_value.key",
        "by_name.key_value.value.street",
    ];
    assert_eq!(leaves, expected);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let seeds = fixed_seeds(20_000);
    for compression in CODECS {
        let bytes = encode(compression, &seeds, BATCH_ROWS);
        assert!(bytes == encode(compression, &seeds, BATCH_ROWS), "{compression:?}");
        // The size of the caller's batches does not change the bytes.
        assert!(bytes == encode(compression, &seeds, 20_000), "{compression:?}");
    }
}

/// Prints a digest of encoded files. The next test runs this one in two other processes.
#[test]
fn print_digest() {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for rows in [8, 3_000] {
        CODECS.iter().for_each(|&codec| encode(codec, &fixed_seeds(rows), BATCH_ROWS).hash(&mut hasher));
    }
    println!("digest {:016x}", hasher.finish());
}

#[test]
fn two_processes_give_the_same_bytes() {
    let digest = || {
        let test = concat!(module_path!(), "::print_digest");
        let test = test.split_once("::").unwrap().1;
        let output = Command::new(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]).output();
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        let digest = output.split("digest ").nth(1).unwrap_or_else(|| panic!("{output}"));
        digest[..16].to_owned()
    };
    assert_eq!(digest(), digest());
}

#[test]
fn columns_of_another_type_are_refused() {
    let encoder =
        Arc::new(Encoder::new(&description(vec![column("n", DataType::Int64)], None), Compression::Snappy).unwrap());
    let wrong: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let error = encoded(&encoder, 1, [vec![wrong]]).unwrap_err();
    assert!(error.to_string().starts_with("can't encode the records as Parquet: "), "{error}");
    assert!(encoded(&encoder, 1, [vec![]]).is_err());
}

#[test]
fn a_file_with_a_key_declares_its_sort_order() {
    let place = node("place", Shape::Struct(vec![column("x", DataType::Int64), column("y", DataType::Int64)]));
    let columns = || vec![place.clone(), column("version", DataType::Int64), column("name", DataType::Utf8)];
    let key = Key { entity: vec![2], version: 1 };
    let encoder = Arc::new(Encoder::new(&description(columns(), Some(key.clone())), Compression::Snappy).unwrap());
    let numbers = || Arc::new((0..200_000).collect::<Int64Array>()) as ArrayRef;
    let DataType::Struct(fields) = place.write_type() else { panic!("no struct") };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StructArray::new(fields, vec![numbers(), numbers()], None)),
        numbers(),
        Arc::new(StringArray::from_iter_values((0..200_000).map(|row| format!("{row:06}")))),
    ];
    let bytes = encoded(&encoder, 200_000, [arrays]).unwrap();
    let parquet = footer(&bytes);
    assert_eq!(parquet.num_row_groups(), 2);
    for group in parquet.row_groups() {
        let sorting = group.sorting_columns().unwrap().iter();
        let sorting: Vec<_> =
            sorting.map(|column| (column.column_idx, column.descending, column.nulls_first)).collect();
        assert_eq!(sorting, [(3, false, false), (2, false, false)]);
    }
    assert_eq!(parquet.file_metadata().created_by(), Some("s3store"));

    let sorted = |key| {
        let layout = layout(columns(), Some(key));
        open(bytes.clone(), &layout).unwrap().plan().is_marked_sorted(&layout)
    };
    assert!(sorted(key));
    assert!(!sorted(Key { entity: vec![1], version: 2 }));
}

/// With `S3STORE_WRITE_SAMPLE=file`, writes a file with every type to that path, and its rows as JSON next to it, for
/// `.ci/check-readers.py`.
#[test]
fn write_sample() -> Result<()> {
    let Some(path) = std::env::var_os("S3STORE_WRITE_SAMPLE") else {
        return Ok(());
    };
    // Limits times to the range that every reader supports.
    let mut seeds = fixed_seeds(1_000);
    seeds.iter_mut().for_each(|seed| seed.0 %= 10_000_000_000_000);
    let bytes = encode(Compression::Zstd, &seeds, BATCH_ROWS);
    std::fs::write(&path, &bytes).unwrap();
    let rows = super::rows(&read(bytes, columns())?);
    std::fs::write(std::path::Path::new(&path).with_extension("json"), serde_json::to_vec(&rows).unwrap()).unwrap();
    Ok(())
}
