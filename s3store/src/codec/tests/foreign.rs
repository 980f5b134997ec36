//! Files of other writers: with rarer codecs and types, and with those that are not supported.

use arrow_schema::DataType;

use super::hostile::outcome;
use super::{column, data_file, micros, read, rows};
use crate::record::ColumnNode;

fn columns() -> Vec<ColumnNode> {
    vec![column("p", DataType::Utf8), column("n", DataType::Int64), column("note", DataType::Utf8).null()]
}

#[test]
fn lz4_is_read_in_both_forms() {
    for name in ["codec_lz4", "duck_lz4"] {
        let file = data_file(&format!("foreign-files/{name}.parquet"));
        assert!(outcome(&file, columns()).unwrap() > 0, "{name}");
    }
}

#[test]
fn what_is_not_supported_is_named() {
    for (name, reason) in [
        ("codec_brotli", "the compression codec BROTLI is not supported"),
        ("arrow_encrypted_footer", "the footer is encrypted"),
        ("arrow_encrypted_column", "encrypted"),
        ("latin1", "column note: the text is not UTF-8"),
    ] {
        let error = outcome(&data_file(&format!("foreign-files/{name}.parquet")), columns()).unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn timestamps_of_spark_are_read() {
    let spark = read(data_file("foreign-files/spark_default.parquet"), vec![column("at", micros())]).unwrap();
    assert_eq!((spark.num_rows() > 0, spark.schema().field(0).data_type()), (true, &micros()));
    let fast = read(data_file("foreign-files/fast_int96.parquet"), vec![column("at", micros())]).unwrap();
    assert!(rows(&fast).iter().all(|row| row["at"].is_string()));
}
