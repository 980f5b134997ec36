use std::collections::{BTreeMap, HashMap};

use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringArray};
use arrow_schema::DataType;
use chrono::{DateTime, Utc};
use proptest::collection::{btree_map, hash_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::{as_read, assert_refusals, assert_round_trip, assert_values_round_trip, error_of, read, rows, written};
use crate::record::{ColumnType, Exact, Milli, Plain, Shape, Timestamp};

#[test]
fn lists_round_trip() {
    assert_round_trip::<Vec<i64>, Plain>(&[vec![], vec![1, 2], vec![], vec![3]]);
    assert_round_trip::<Option<Vec<i64>>, Plain>(&[None, Some(vec![]), Some(vec![1])]);
    assert_round_trip::<Vec<Option<String>>, Plain>(&[vec![None], vec![], vec![Some("ä".into()), None]]);
    assert_round_trip::<Vec<Vec<u8>>, Plain>(&[vec![vec![], vec![1]], vec![]]);
    assert_round_trip::<Vec<[u8; 2]>, Plain>(&[vec![[1, 2]], vec![]]);
    assert_refusals::<Vec<i64>, Plain>();
    proptest!(|(values in vec(option::of(vec(vec(any::<Option<String>>(), 0..3), 0..3)), 0..4))| {
        assert_round_trip::<Option<Vec<Vec<Option<String>>>>, Plain>(&values);
    });
}

#[test]
fn a_vec_of_u8_is_bytes_and_a_list_of_bytes_below_it() {
    assert_eq!(<Vec<u8> as ColumnType>::shape(), Shape::Leaf(DataType::Binary));
    assert_eq!(<Option<Vec<u8>> as ColumnType>::shape(), Shape::Leaf(DataType::Binary));
    let Shape::List(element) = <Vec<Vec<u8>> as ColumnType>::shape() else { panic!("no list") };
    assert_eq!(
        (element.name.as_ref(), element.shape, element.nullable),
        ("element", Shape::Leaf(DataType::Binary), false)
    );
    let Shape::List(element) = <Vec<Option<u8>> as ColumnType>::shape() else { panic!("no list") };
    assert_eq!((element.shape, element.nullable), (Shape::Leaf(DataType::UInt8), true));
}

#[test]
fn encodings_apply_to_the_elements_of_containers() {
    type Ms = Timestamp<Milli, Exact>;
    let time = DateTime::from_timestamp_millis(1_789).unwrap();
    let finer = DateTime::from_timestamp_micros(1_789_001).unwrap();
    assert_round_trip::<Vec<Option<DateTime<Utc>>>, Ms>(&[vec![Some(time), None]]);
    assert_round_trip::<HashMap<String, DateTime<Utc>>, Ms>(&[HashMap::from([("a".to_owned(), time)])]);
    let error = error_of::<Vec<Option<DateTime<Utc>>>, Ms>(vec![None, Some(finer)]);
    assert!(error.starts_with("column element: has digits finer than milliseconds"), "{error}");
    let error = error_of::<BTreeMap<String, Vec<DateTime<Utc>>>, Ms>(BTreeMap::from([("a".to_owned(), vec![finer])]));
    assert!(error.starts_with("column value.element: "), "{error}");
}

#[test]
fn maps_round_trip() {
    let full = BTreeMap::from([("b".to_owned(), 2_i64), ("".to_owned(), 0), ("ä".to_owned(), 1)]);
    assert_round_trip::<BTreeMap<String, i64>, Plain>(&[full.clone(), BTreeMap::new(), full]);
    assert_round_trip::<Option<HashMap<String, Option<bool>>>, Plain>(&[None, Some(HashMap::new())]);
    assert_refusals::<BTreeMap<String, i64>, Plain>();
    assert_refusals::<HashMap<String, i64>, Plain>();
    proptest!(|(
        ordered in vec(btree_map(any::<String>(), vec(any::<Option<i16>>(), 0..4), 0..5), 0..5),
        hashed in vec(hash_map(any::<String>(), any::<Option<String>>(), 0..5), 0..5),
    )| {
        assert_round_trip::<BTreeMap<String, Vec<Option<i16>>>, Plain>(&ordered);
        assert_values_round_trip::<HashMap<String, Option<String>>, Plain>(&hashed);
        let array = written::<HashMap<String, Option<String>>, Plain>(&hashed).unwrap();
        let rows = rows::<HashMap<String, Option<String>>, Plain>(&as_read::<HashMap<String, Option<String>>, Plain>(&array));
        let ordered = hashed.iter().map(|map| format!("{:?}", map.iter().collect::<BTreeMap<_, _>>()));
        assert_eq!(rows.unwrap(), ordered.collect::<Vec<_>>());
    });
}

#[test]
fn hash_maps_are_written_in_the_order_of_their_keys() {
    let names: Vec<String> = (0..100).map(|n| format!("key-{:02}", (n * 37) % 100)).collect();
    let map: HashMap<String, String> = names.iter().map(|name| (name.clone(), name.clone())).collect();
    let array = written::<HashMap<String, String>, Plain>(&[map]).unwrap();
    let map = array.as_any().downcast_ref::<MapArray>().unwrap();
    let keys = map.keys().as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!(keys.iter().flatten().collect::<Vec<_>>(), {
        let mut sorted = names.iter().map(String::as_str).collect::<Vec<_>>();
        sorted.sort_unstable();
        sorted
    });
    assert_eq!(map.keys().to_data(), map.values().to_data());
}

#[test]
fn the_last_of_a_maps_equal_keys_counts() {
    // As Parquet's specification has it; a map of ours has none.
    let twice = written::<Vec<String>, Plain>(&[vec!["k".into(), "k".into()]]).unwrap();
    let twice = twice.as_any().downcast_ref::<ListArray>().unwrap();
    let template = written::<BTreeMap<String, String>, Plain>(&[BTreeMap::new()]).unwrap();
    let DataType::Map(entries, _) = template.data_type() else { panic!("no map") };
    let DataType::Struct(fields) = entries.data_type() else { panic!("no struct") };
    let values: ArrayRef = std::sync::Arc::new(StringArray::from(vec!["first", "last"]));
    let pairs = arrow_array::StructArray::new(fields.clone(), vec![twice.values().clone(), values], None);
    let map: ArrayRef =
        std::sync::Arc::new(MapArray::new(entries.clone(), twice.offsets().clone(), pairs, None, false));
    let map = as_read::<BTreeMap<String, String>, Plain>(&map);
    let expected = ("k".to_owned(), "last".to_owned());
    assert_eq!(read::<BTreeMap<String, String>, Plain>(&map).unwrap(), [BTreeMap::from([expected.clone()])]);
    assert_eq!(read::<HashMap<String, String>, Plain>(&map).unwrap(), [HashMap::from([expected])]);
    assert_eq!(rows::<BTreeMap<String, String>, Plain>(&map).unwrap(), [r#"{"k": "last"}"#]);
}

#[test]
fn a_null_below_a_list_or_map_is_refused_by_its_place() {
    let list = as_read::<Vec<Option<i64>>, Plain>(&written::<Vec<Option<i64>>, Plain>(&[vec![Some(1), None]]).unwrap());
    let error = read::<Vec<i64>, Plain>(&list).unwrap_err().to_string();
    assert!(error.starts_with("column element: null"), "{error}");
    let map = BTreeMap::from([("k".to_owned(), None)]);
    type Nullable = BTreeMap<String, Option<String>>;
    let map = as_read::<Nullable, Plain>(&written::<Nullable, Plain>(&[map]).unwrap());
    let error = read::<BTreeMap<String, String>, Plain>(&map).unwrap_err().to_string();
    assert!(error.starts_with("column value: null"), "{error}");
    let error = read::<BTreeMap<String, i64>, Plain>(&map).unwrap_err().to_string();
    assert_eq!(error, "column value: holds Utf8View, the field reads Int64");
}
