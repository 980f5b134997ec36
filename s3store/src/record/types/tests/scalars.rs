use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, StringArray};
use arrow_schema::DataType;
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::{as_read, assert_refusals, assert_round_trip, assert_values_round_trip, read, round_trip, rows, written};
use crate::record::{ColumnNode, ColumnType, Plain, Shape};

macro_rules! numbers_come_back {
    ($($name:ident: $number:ty;)*) => {$(
        #[test]
        fn $name() {
            assert_round_trip::<$number, Plain>(&[<$number>::MIN, 0 as $number, <$number>::MAX]);
            assert_round_trip::<$number, Plain>(&[]);
            assert_round_trip::<Option<$number>, Plain>(&[None, Some(<$number>::MAX), None, None]);
            assert_refusals::<$number, Plain>();
            proptest!(|(values in vec(any::<Option<$number>>(), 0..40))| {
                assert_round_trip::<Option<$number>, Plain>(&values);
                assert_round_trip::<$number, Plain>(&values.into_iter().flatten().collect::<Vec<_>>());
            });
        }
    )*};
}

numbers_come_back! {
    i8_comes_back: i8;
    i16_comes_back: i16;
    i32_comes_back: i32;
    i64_comes_back: i64;
    u8_comes_back: u8;
    u16_comes_back: u16;
    u32_comes_back: u32;
    u64_comes_back: u64;
    f32_comes_back: f32;
    f64_comes_back: f64;
}

#[test]
fn floats_keep_every_bit() {
    let odd = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE / 2.0];
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&round_trip::<f64, Plain>(&odd)), bits(&odd));
}

#[test]
fn bools_round_trip() {
    assert_refusals::<bool, Plain>();
    proptest!(|(values in vec(any::<Option<bool>>(), 0..40))| {
        assert_round_trip::<Option<bool>, Plain>(&values);
        assert_round_trip::<bool, Plain>(&values.into_iter().flatten().collect::<Vec<_>>());
    });
}

#[test]
fn strings_round_trip() {
    let odd = ["", "ü", "日本語", "\0", "a string of more than twelve bytes", "🦀🦀🦀🦀🦀", "\u{10FFFF}"];
    assert_round_trip::<String, Plain>(&odd.map(String::from));
    assert_round_trip::<Box<str>, Plain>(&odd.map(Box::from));
    assert_round_trip::<Arc<str>, Plain>(&odd.map(Arc::from));
    assert_round_trip::<Cow<'static, str>, Plain>(&odd.map(Cow::from));
    assert_refusals::<String, Plain>();
    proptest!(|(values in vec(any::<Option<String>>(), 0..40))| {
        assert_round_trip::<Option<String>, Plain>(&values);
    });
}

#[test]
fn a_string_array_is_built_with_its_exact_size() {
    let values = ["sku-1".to_owned(), String::new(), "sku-23".to_owned()];
    let array = written::<String, Plain>(&values).unwrap();
    let strings = array.as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!((strings.values().len(), strings.values().capacity()), (11, 11));
    assert_eq!(strings.nulls(), None);
}

#[test]
fn bytes_round_trip() {
    let odd = [vec![], vec![0, 255], (0..=255).collect::<Vec<u8>>()];
    assert_round_trip::<Vec<u8>, Plain>(&odd);
    assert_values_round_trip::<Bytes, Plain>(&odd.clone().map(Bytes::from));
    let shared = as_read::<Bytes, Plain>(&written::<Bytes, Plain>(&odd.clone().map(Bytes::from)).unwrap());
    assert_eq!(rows::<Bytes, Plain>(&shared).unwrap(), odd.map(|bytes| format!("{bytes:?}")));
    assert_refusals::<Vec<u8>, Plain>();
    assert_refusals::<Bytes, Plain>();
    proptest!(|(values in vec(option::of(vec(any::<u8>(), 0..20)), 0..20))| {
        assert_round_trip::<Option<Vec<u8>>, Plain>(&values);
    });
}

#[test]
fn arrays_of_bytes_have_one_width() {
    assert_eq!(<[u8; 3] as ColumnType>::shape(), Shape::Leaf(DataType::FixedSizeBinary(3)));
    assert_round_trip::<[u8; 3], Plain>(&[[1, 2, 3], [0; 3], [255; 3]]);
    assert_round_trip::<Option<[u8; 1]>, Plain>(&[None, Some([1]), None]);
    assert_refusals::<[u8; 3], Plain>();
    let wider = written::<[u8; 4], Plain>(&[[1, 2, 3, 4]]).unwrap();
    let error = read::<[u8; 3], Plain>(&wider).unwrap_err().to_string();
    assert!(error.contains("FixedSizeBinary(4)") && error.contains("FixedSizeBinary(3)"), "{error}");
}

#[test]
fn uuids_are_marked_as_uuids() {
    assert_round_trip::<Uuid, Plain>(&[Uuid::nil(), Uuid::max(), Uuid::from_u128(0x0123_4567_89AB_CDEF)]);
    assert_round_trip::<Option<Uuid>, Plain>(&[None, Some(Uuid::max())]);
    assert_refusals::<Uuid, Plain>();
    for field in [ColumnNode::of::<Uuid, Plain>("id").write_field(), ColumnNode::of::<Uuid, Plain>("id").read_field()] {
        assert_eq!(field.metadata().get(EXTENSION_TYPE_NAME_KEY).map(String::as_str), Some("arrow.uuid"));
    }
    assert_round_trip::<Vec<Uuid>, Plain>(&[vec![Uuid::max()], vec![]]);
}

#[test]
fn options_are_null_where_they_are_none() {
    let array = written::<Option<i32>, Plain>(&[None, Some(1), None]).unwrap();
    let array = array.as_any().downcast_ref::<Int32Array>().unwrap();
    assert_eq!(array.iter().collect::<Vec<_>>(), [None, Some(1), None]);
    const { assert!(<Option<i32> as ColumnType>::NULLABLE && !<i32 as ColumnType>::NULLABLE) };
    let without = written::<Option<i32>, Plain>(&[Some(1)]).unwrap();
    assert_eq!(without.nulls(), None);
}

#[test]
fn a_null_in_the_middle_is_the_only_one() {
    let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let reader = <i32 as ColumnType>::reader(&array).unwrap();
    assert_eq!(<i32 as ColumnType>::get(&reader, 0).unwrap(), 1);
    assert!(<i32 as ColumnType>::get(&reader, 1).is_err());
    assert_eq!(<i32 as ColumnType>::get(&reader, 2).unwrap(), 3);
}
