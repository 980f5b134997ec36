//! The files that are mutated, and the records that they are read as.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use s3store::chrono::{DateTime, NaiveDate, Utc};
use s3store::rust_decimal::Decimal;
use s3store::testing::Files;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Compression, Record, RootRecord};

use crate::parquet_file::{Page, pages, unread, without_checksums};
use crate::{Decode, Rows};

/// A file, and how it is read.
pub struct Seed {
    pub name: String,
    pub file: Bytes,
    pub pages: Vec<Page>,
    /// The places of the bytes that the record does not read.
    pub unread: Vec<usize>,
    pub decode: Decode<Box<dyn Rows>>,
    pub decode_by_ranges: Decode<usize>,
    /// The rows of the file as it is.
    pub rows: Vec<String>,
    /// True if the record has an entity key.
    pub keyed: bool,
    pub columns: usize,
    /// The size of a record.
    pub record: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, ColumnType)]
struct Address {
    street: String,
    zip: Option<i32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, ColumnType)]
struct Point {
    x: i32,
    y: Option<i16>,
}

/// Columns of all seeds; each file lacks most of them.
#[derive(Debug, Clone, Default, PartialEq, Record)]
#[record(partition_by(p))]
struct Row {
    #[record(default = String::new())]
    p: String,
    b: Option<bool>,
    i8: Option<i8>,
    u16: Option<u16>,
    i64: Option<i64>,
    f32: Option<f32>,
    f64: Option<f64>,
    note: Option<String>,
    id: Option<Uuid>,
    fixed: Option<Vec<u8>>,
    #[record(decimal(18, 6))]
    amount: Option<Decimal>,
    #[record(decimal(5, 2))]
    p5s2: Option<Decimal>,
    ts_ns: Option<DateTime<Utc>>,
    utc: Option<DateTime<Utc>>,
    at: Option<DateTime<Utc>>,
    day: Option<NaiveDate>,
    date64: Option<NaiveDate>,
    #[record(default)]
    tags_bare: Vec<String>,
    #[record(default)]
    tags_list: Vec<String>,
    #[record(default)]
    numbers: Vec<Option<i32>>,
    #[record(default)]
    attrs: BTreeMap<String, String>,
    addr: Option<Address>,
    point: Option<Point>,
    #[record(default)]
    points: Vec<Point>,
    #[record(default)]
    map: BTreeMap<String, i32>,
    dict_col: Option<String>,
    delta_col: Option<i64>,
    enum_str: Option<String>,
    plain: Option<String>,
    dictionary: Option<String>,
    large: Option<String>,
    large_bytes: Option<Vec<u8>>,
}

/// A record with an entity key, whose files are sorted.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(p))]
struct Keyed {
    #[record(entity)]
    p: String,
    #[record(entity)]
    sku: i64,
    #[record(version)]
    version: i32,
    price: f64,
    tags: Vec<String>,
}

/// The sorted files of pyarrow.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(name))]
struct Sorted {
    #[record(entity)]
    name: String,
    #[record(version)]
    version: i64,
}

fn seed<T: RootRecord + std::fmt::Debug>(name: &str, file: Bytes, files: &Rc<Files<T>>) -> Seed {
    let columns = T::description().columns.iter();
    let read: BTreeSet<String> = columns.map(|column| column.name.clone().into_owned()).collect();
    let pages = pages(&file).into_iter().filter(|page| read.contains(&page.column)).collect();
    let (whole, by_ranges) = (Rc::clone(files), Rc::clone(files));
    let decode: Decode<Box<dyn Rows>> = Box::new(move |file| Ok(Box::new(whole.decode(file)?) as Box<dyn Rows>));
    let rows = decode(file.clone()).unwrap_or_else(|error| panic!("{name}: {error}")).text();
    Seed {
        name: name.to_owned(),
        unread: unread(&file, &read),
        pages,
        rows,
        decode,
        decode_by_ranges: Box::new(move |file| by_ranges.decode_by_ranges(&file)),
        keyed: T::description().key.is_some(),
        // A nested column has several leaves.
        columns: 2 * read.len(),
        record: size_of::<T>(),
        file,
    }
}

pub fn seeds() -> Vec<Seed> {
    let data = |name: &str| -> Bytes {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
    };
    let rows = Rc::new(Files::<Row>::new(Compression::Snappy).unwrap());
    let mut seeds = Vec::new();
    for codec in ["snappy", "gzip", "zstd", "uncompressed"] {
        let file = data(&format!("go-files/parquet-go-{codec}.parquet"));
        seeds.push(seed(&format!("Go, {codec}"), file.clone(), &rows));
        seeds.push(seed(&format!("Go, {codec}, without checksums"), without_checksums(&file), &rows));
    }
    for name in ["text", "nested", "decimals", "decimals-integers", "times", "units-ns", "int96", "numbers"] {
        seeds.push(seed(name, data(&format!("pyarrow-files/{name}.parquet")), &rows));
    }
    for name in ["codec_lz4", "duck_lz4", "fast_int96", "spark_default"] {
        seeds.push(seed(name, data(&format!("foreign-files/{name}.parquet")), &rows));
    }
    for (name, properties) in properties() {
        seeds.push(seed(name, arrow_file(properties), &rows));
    }
    let sorted = Rc::new(Files::<Sorted>::new(Compression::Snappy).unwrap());
    for name in ["sorted", "sorted-unchained", "sorted-liar"] {
        seeds.push(seed(name, data(&format!("pyarrow-files/{name}.parquet")), &sorted));
    }
    for compression in [Compression::Snappy, Compression::Zstd, Compression::Uncompressed] {
        let files = Rc::new(Files::<Keyed>::new(compression).unwrap());
        for count in [3, 500] {
            let file = files.encode(&keyed(count), DateTime::UNIX_EPOCH).unwrap();
            seeds.push(seed(&format!("{count} rows, {compression:?}"), file, &files));
        }
    }
    seeds
}

fn keyed(count: i64) -> Vec<Keyed> {
    let row = |number: i64| Keyed {
        p: "a".to_owned(),
        sku: number / 2,
        version: (number % 2) as i32,
        price: number as f64 / 4.0,
        tags: (0..number % 3).map(|tag| format!("tag {tag}")).collect(),
    };
    (0..count).map(row).collect()
}

/// Pages of the second version, rare encodings, several row groups and pages.
fn properties() -> Vec<(&'static str, WriterProperties)> {
    let version = |version| WriterProperties::builder().set_writer_version(version).set_data_page_row_count_limit(50);
    let encodings = || {
        version(WriterVersion::PARQUET_2_0)
            .set_dictionary_enabled(false)
            .set_column_encoding(ColumnPath::from("plain"), Encoding::DELTA_BYTE_ARRAY)
            .set_column_encoding(ColumnPath::from("large"), Encoding::DELTA_LENGTH_BYTE_ARRAY)
            .set_column_encoding(ColumnPath::from("i64"), Encoding::DELTA_BINARY_PACKED)
            .set_column_encoding(ColumnPath::from("f64"), Encoding::BYTE_STREAM_SPLIT)
    };
    let zstd = Codec::ZSTD(ZstdLevel::default());
    vec![
        ("first version", version(WriterVersion::PARQUET_1_0).set_max_row_group_row_count(Some(100)).build()),
        ("second version", version(WriterVersion::PARQUET_2_0).set_max_row_group_row_count(Some(100)).build()),
        ("delta", encodings().build()),
        ("delta, snappy", encodings().set_compression(Codec::SNAPPY).build()),
        ("second version, zstd", version(WriterVersion::PARQUET_2_0).set_compression(zstd).build()),
        ("lz4", version(WriterVersion::PARQUET_1_0).set_compression(Codec::LZ4_RAW).build()),
    ]
}

fn arrow_file(properties: WriterProperties) -> Bytes {
    let text = |number: i32| (number % 5 > 0).then(|| format!("text number {}", number / 3));
    let texts = || Arc::new((0..250).map(text).collect::<StringArray>()) as ArrayRef;
    let list = |number: i32| -> Option<Vec<Option<i32>>> {
        Some((0..number % 4).map(|item| (item > 0).then_some(item)).collect())
    };
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>((0..250).map(list));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("p", Arc::new(StringArray::from(vec!["x"; 250]))),
        ("plain", texts()),
        ("large", texts()),
        ("i64", Arc::new((0..250).map(|number| (number % 9 > 0).then_some(number)).collect::<Int32Array>())),
        ("f64", Arc::new((0..250).map(f64::from).collect::<Float64Array>())),
        ("numbers", Arc::new(lists)),
        ("not read", texts()),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}
