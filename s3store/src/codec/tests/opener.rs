//! What is kept of one file makes no difference to the next.

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
fn files_read_the_same_after_any_other() {
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
fn what_a_files_own_arrow_schema_says_holds_for_it_alone() {
    // Parquet has no type for seconds, so that both are one to it: an integer.
    let file = |bare| {
        let at: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("at", at)]).unwrap();
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(bare);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        Bytes::from(writer.into_inner().unwrap())
    };
    let (told, bare) = (file(false), file(true));
    let opener = Opener::new(layout(vec![column("at", micros())], None));
    for _ in 0..2 {
        assert_eq!(outcome(opener.open(told.clone())).unwrap()[1]["at"], "2000000");
        let refused = outcome(opener.open(bare.clone())).unwrap_err();
        assert!(refused.contains("the file has Int64"), "{refused}");
    }
}

#[test]
fn a_small_file_is_held_in_little_memory() {
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
