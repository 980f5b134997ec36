//! The cached mapping of one file does not change how the next file is read.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use super::super::{MemoryReader, Opener};
use super::{column, data_file, layout, list, micros, open, rows};
use crate::error::Result;
use crate::record::{ReadLayout, Shape};

fn wanted() -> ReadLayout {
    let columns = vec![
        column("customer", DataType::Utf8).null(),
        column("i64", DataType::Int64).null(),
        column("at", micros()).null(),
        list("tags_list", Shape::Leaf(DataType::Utf8)).null(),
        column("dictionary", DataType::Utf8).null(),
        column("large_bytes", DataType::Binary).null(),
    ];
    layout(columns, None)
}

fn outcome(reader: Result<MemoryReader>) -> Result<Vec<serde_json::Value>, String> {
    let batches = reader.and_then(Iterator::collect::<Result<Vec<_>>>).map_err(|error| error.to_string())?;
    Ok(batches.iter().flat_map(rows).collect())
}

#[test]
fn the_order_of_files_does_not_change_what_is_read() {
    let names =
        ["go-files/parquet-go-snappy", "go-files/parquet-go-gzip", "pyarrow-files/nested", "pyarrow-files/text"];
    let files = names.map(|name| data_file(&format!("{name}.parquet")));
    let mut read = 0;
    for first in &files {
        let opener = Opener::new(wanted());
        assert!(opener.open(first.clone()).is_ok());
        for file in files.iter().chain([first]) {
            let rows = outcome(opener.open(file.clone()));
            assert_eq!(rows, outcome(open(file.clone(), &wanted())));
            read += rows.unwrap().len();
        }
    }
    assert!(read > 0);
}

#[test]
fn an_embedded_arrow_schema_applies_only_to_its_own_file() {
    // Parquet has no type for seconds, so both files have the same Parquet schema: an integer.
    let file = |skip_arrow_schema| {
        let at: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("at", at)]).unwrap();
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(skip_arrow_schema);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        Bytes::from(writer.into_inner().unwrap())
    };
    let (with_schema, without_schema) = (file(false), file(true));
    let opener = Opener::new(layout(vec![column("at", micros())], None));
    for _ in 0..2 {
        assert_eq!(outcome(opener.open(with_schema.clone())).unwrap()[1]["at"], "2000000");
        let refused = outcome(opener.open(without_schema.clone())).unwrap_err();
        assert!(refused.contains("the file has Int64"), "{refused}");
    }
}

#[test]
fn a_small_file_needs_little_memory() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let batch = RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let wanted = layout(vec![column("number", DataType::Int64), column("text", DataType::Utf8)], None);
    let read: Vec<_> = open(file, &wanted).unwrap().map(Result::unwrap).collect();
    let held: usize = read.iter().map(RecordBatch::get_array_memory_size).sum();
    assert!((1..4_096).contains(&held), "{held}");
}
