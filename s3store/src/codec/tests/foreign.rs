//! Files of other writers: with rarer codecs and types, and with those that are not supported.

use arrow_schema::DataType;

use super::crafted::{BYTE_ARRAY, Crafted, CraftedPage, INT96, PLAIN, RLE_DICTIONARY, file, file_of_groups};
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
        ("arrow_encrypted_column", "column note: the column is encrypted"),
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

fn one_text() -> Crafted {
    Crafted::new("a", BYTE_ARRAY, vec![CraftedPage::new(0, 1, PLAIN, vec![1, 0, 0, 0, b'x'])])
}

fn refusal_of(column: Crafted, wanted: DataType) -> String {
    outcome(&file(1, &[column]), vec![super::column("a", wanted)]).unwrap_err().to_string()
}

#[test]
fn codecs_and_encodings_that_are_not_supported_are_named_with_the_column() {
    for (codec, name) in [(3, "codec LZO"), (4, "codec BROTLI"), (8, "codec 8"), (-1, "codec -1"), (99, "codec 99")] {
        let reason = refusal_of(Crafted { codec, ..one_text() }, DataType::Utf8);
        assert!(reason.contains("column a: ") && reason.contains(name), "{reason}");
    }
    for encoding in [1, 10, 99, -1] {
        let reason = refusal_of(Crafted { encodings: vec![PLAIN, encoding], ..one_text() }, DataType::Utf8);
        assert!(reason.contains(&format!("column a: unknown encoding {encoding}")), "{reason}");
        // The footer lists only known ones.
        let mut column = one_text();
        column.pages[0].encoding = encoding;
        let reason = refusal_of(column, DataType::Utf8);
        assert!(reason.contains("column a: ") && reason.to_lowercase().contains("encoding"), "{reason}");
    }
    // Encodings of other types: bit-packed levels, deltas of numbers, bytes of floats.
    for encoding in [4, 5, 9] {
        let mut column = one_text();
        column.pages[0].encoding = encoding;
        let reason = refusal_of(column, DataType::Utf8);
        assert!(reason.contains("column a: "), "encoding {encoding}: {reason}");
    }
}

#[test]
fn columns_whose_metadata_are_encrypted_are_named_as_encrypted() {
    let reason = refusal_of(Crafted { sealed: true, ..one_text() }, DataType::Utf8);
    assert!(
        reason.contains("a column with its metadata is encrypted, and encrypted files are not supported"),
        "{reason}"
    );
}

/// An INT96 timestamp: nanoseconds of the day, and the Julian day.
fn int96(nanos: i64, day: i32) -> Vec<u8> {
    [&nanos.to_le_bytes()[..], &(2_440_588 + day).to_le_bytes()].concat()
}

#[test]
fn timestamps_that_no_column_holds_are_refused_and_not_changed() {
    const SPARK: &str = "parquet-mr version 1.13.1";
    // In the year 2261, and a day after the last that 64 bits of nanoseconds hold; and half a microsecond.
    let (last, next, half) = (int96(0, 106_751), int96(0, 106_753), int96(500, 0));
    for (writer, value, fits) in
        [("", &last, true), ("", &next, false), ("", &half, true), (SPARK, &next, true), (SPARK, &half, false)]
    {
        let plain = vec![CraftedPage::new(0, 1, PLAIN, value.clone())];
        let dictionary =
            vec![CraftedPage::new(2, 1, PLAIN, value.clone()), CraftedPage::new(0, 1, RLE_DICTIONARY, vec![1, 2, 0])];
        for pages in [plain, dictionary] {
            let column = Crafted::new("a", INT96, pages);
            let read = outcome(&file_of_groups(&[(1, &[column])], writer), vec![super::column("a", micros())]);
            match read {
                Ok(rows) => assert!(fits && rows == 1, "{writer}: {value:?}"),
                Err(error) => {
                    let reason = error.to_string();
                    assert!(
                        !fits && reason.contains("column a: ") && reason.contains("outputTimestampType"),
                        "{reason}"
                    );
                }
            }
        }
    }
}
