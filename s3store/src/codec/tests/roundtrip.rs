//! What is written is read again, to the value; and the same records give the same bytes.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::DataType;
use parquet::file::metadata::ParquetMetaDataReader;

use super::super::{Compression, Encoder, open};
use super::{column, description, layout};
use crate::record::Key;

#[test]
fn a_keyed_file_says_how_it_is_sorted() {
    let columns = || vec![column("name", DataType::Utf8), column("version", DataType::Int64)];
    let key = Key { entity: vec![0], version: 1 };
    let encoder = Encoder::new(&description(columns(), Some(key.clone())), Compression::Snappy).unwrap();
    let arrays: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["a", "b"])), Arc::new(Int64Array::from(vec![1, 2]))];
    let bytes = encoder.encode(2, [Ok(arrays)]).unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let sorting = metadata.row_group(0).sorting_columns().unwrap();
    assert_eq!(sorting.iter().map(|column| column.column_idx).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(metadata.file_metadata().created_by(), Some("s3store"));

    let reader = open(bytes.clone(), &layout(columns(), Some(key))).unwrap();
    assert!(reader.plan().sorted());
    let reader = open(bytes, &layout(columns(), Some(Key { entity: vec![1], version: 0 }))).unwrap();
    assert!(!reader.plan().sorted());
}
