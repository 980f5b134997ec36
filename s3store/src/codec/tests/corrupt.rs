//! Corrupt Parquet files cause an error, never a panic.

use std::sync::LazyLock;

use arrow_schema::DataType;
use bytes::Bytes;
use proptest::prelude::*;

use super::{column, data_file, layout, list, map, open};
use crate::error::{ErrorKind, Result};
use crate::record::{ReadLayout, Shape};

static FILES: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    ["go-files/parquet-go-snappy", "go-files/parquet-go-uncompressed", "pyarrow-files/nested", "pyarrow-files/text"]
        .map(|name| data_file(&format!("{name}.parquet")))
        .to_vec()
});

/// Returns columns of all these files; each file lacks most of them.
fn wanted() -> ReadLayout {
    let columns = vec![
        column("customer", DataType::Utf8).null(),
        column("i64", DataType::Int64).null(),
        column("f64", DataType::Float64).null(),
        column("b", DataType::Boolean).null(),
        column("id", DataType::FixedSizeBinary(16)).null(),
        column("json_col", DataType::Utf8).null(),
        column("enum_str", DataType::Utf8).null(),
        column("delta_col", DataType::Int64).null(),
        column("amount", DataType::Decimal128(18, 6)).null(),
        list("tags_bare", Shape::Leaf(DataType::Utf8)).null(),
        list("tags_list", Shape::Leaf(DataType::Utf8)).null(),
        map("attrs", Shape::Leaf(DataType::Utf8)).null(),
        map("map", Shape::Leaf(DataType::Int32)).null(),
        list("fixed_list", Shape::Leaf(DataType::Int8)).null(),
        column("dictionary", DataType::Utf8).null(),
        column("large", DataType::Utf8).null(),
        column("large_bytes", DataType::Binary).null(),
    ];
    layout(columns, None)
}

/// Reads all rows. A corrupt file may yield wrong values or an error.
fn outcome(bytes: Bytes) -> Result<usize> {
    open(bytes, &wanted())?.map(|batch| batch.map(|batch| batch.num_rows())).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn changed_bytes_never_panic(file in 0usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = FILES[file].to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Err(error) = outcome(bytes.into()) {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_changed_footer_never_panics(file in 0usize..4, from_end in 8usize..1_500, bit in 0u8..8) {
        let mut bytes = FILES[file].to_vec();
        let place = bytes.len().saturating_sub(from_end);
        bytes[place] ^= 1 << bit;
        if let Err(error) = outcome(bytes.into()) {
            prop_assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn cut_files_are_errors(file in 0usize..4, end in any::<prop::sample::Index>()) {
        let bytes = &FILES[file];
        let error = outcome(bytes.slice(..end.index(bytes.len()))).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn arbitrary_bytes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        prop_assert!(outcome(bytes.clone().into()).is_err());
        bytes.extend(b"PAR1");
        prop_assert!(outcome(bytes.into()).is_err());
    }
}
