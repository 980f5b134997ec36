//! Values that no row refers to are not checked, and maps of other writers are put in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, Date32Array, Int64Array, ListArray, StringViewArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use chrono::NaiveDate;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::{List, Map, Reachable, RowColumn};
use crate::record::types::tests::{read, rows};
use crate::record::{ColumnNode, ColumnType, Plain, ValueError};

const BEYOND_DATES: i32 = i32::MAX;

fn list(items: ArrayRef, ends: &[i32], valid: Vec<bool>) -> ArrayRef {
    let field = Arc::new(Field::new("element", items.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends.to_vec()));
    Arc::new(ListArray::new(field, offsets, items, Some(NullBuffer::from(valid))))
}

/// Holds an array as a column of `T`.
fn hold<T: ColumnType>(array: &ArrayRef) -> Result<T::InRows, ValueError> {
    T::hold(array, &Reachable::all())
}

#[test]
fn only_values_that_rows_refer_to_are_checked() {
    // The second list is null, but has items. Items before the first and after the last list belong to none.
    let dates = || Arc::new(Date32Array::from(vec![BEYOND_DATES, 0, BEYOND_DATES, 1, BEYOND_DATES])) as ArrayRef;
    let array = list(dates(), &[1, 2, 3, 4], vec![true, false, true]);
    let day = |days| NaiveDate::from_num_days_from_ce_opt(719_163 + days).unwrap();
    let column = hold::<Option<Vec<NaiveDate>>>(&array).unwrap();
    assert_eq!(column.get(0), Some(Some([day(0)].as_slice())));
    assert_eq!(column.get(1), Some(None));
    assert_eq!(column.get(2), Some(Some([day(1)].as_slice())));
    assert_eq!(column.get(3), None);
    let error = hold::<Vec<NaiveDate>>(&array).unwrap_err().to_string();
    assert!(error.starts_with("null"), "{error}");
    let all = list(dates(), &[0, 2, 3, 5], vec![true; 3]);
    assert!(hold::<Option<Vec<NaiveDate>>>(&all).unwrap_err().to_string().contains("beyond what a date can say"));

    // The same below a null list: its item is a null string.
    let texts = || Arc::new(StringViewArray::from(vec![Some("a"), None, Some("b")])) as ArrayRef;
    let column = hold::<Option<Vec<String>>>(&list(texts(), &[0, 1, 2, 3], vec![true, false, true])).unwrap();
    let value: Option<Option<List<'_, _>>> = column.get(2);
    assert_eq!(value.unwrap().unwrap().iter().collect::<Vec<_>>(), ["b"]);
    assert!(hold::<Option<Vec<String>>>(&list(texts(), &[0, 1, 2, 3], vec![true; 3])).is_err());
}

#[test]
fn fields_of_a_null_struct_are_not_checked() {
    let fields = vec![Arc::new(Field::new("number", DataType::Int64, true))];
    let numbers = || Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef;
    let structs = |valid: Vec<bool>| {
        let nulls = Some(NullBuffer::from(valid));
        Arc::new(StructArray::new(fields.clone().into(), vec![numbers()], nulls)) as ArrayRef
    };
    let hidden = structs(vec![true, false, true]);
    let rows = Reachable::all().without_nulls(&hidden);
    rows.check_no_nulls(&hidden).unwrap();
    <i64 as ColumnType>::hold(&numbers(), &rows).unwrap();
    assert!(<i64 as ColumnType>::hold(&numbers(), &Reachable::all()).is_err());
    // The row below the null does not hide the row after it.
    let shown = Reachable::all().without_nulls(&structs(vec![false, true, true]));
    assert!(<i64 as ColumnType>::hold(&numbers(), &shown).is_err());
}

/// The entries of a map, each a key and a value.
type Entries = Vec<(String, Option<String>)>;

/// Maps whose entries have any order, as other writers make them, with the type that a file of ours has when it is read.
fn maps(maps: &[Option<Entries>]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for map in maps {
        for (key, value) in map.iter().flatten() {
            builder.keys().append_value(key);
            builder.values().append_option(value.as_ref());
        }
        builder.append(map.is_some()).unwrap();
    }
    cast(&builder.finish(), &ColumnNode::of::<BTreeMap<String, Option<String>>, Plain>("map").read_type()).unwrap()
}

#[test]
fn maps_of_other_writers_are_put_in_order() {
    type Texts = BTreeMap<String, Option<String>>;
    let entry = |(key, value): (&str, Option<&str>)| (key.to_owned(), value.map(str::to_owned));
    let unordered = [("b", Some("1")), ("a", None), ("b", Some("2")), ("c", Some("3"))].map(entry).to_vec();
    let array = maps(&[Some(vec![entry(("x", None))]), None, Some(unordered), Some(Vec::new())]);
    let column = hold::<Option<Texts>>(&array).unwrap();
    let map: Map<'_, _> = column.get(2).unwrap().unwrap();
    assert_eq!(map.iter().collect::<Vec<_>>(), [("a", None), ("b", Some("2")), ("c", Some("3"))]);
    assert_eq!((map.len(), map.get("b"), map.get("c"), map.get("d")), (3, Some(Some("2")), Some(Some("3")), None));
    assert_eq!(map.into_iter().next_back(), Some(("c", Some("3"))));
    assert!(column.get(1).unwrap().is_none());
    // Any maps, also in a slice, are those that records have.
    let texts = btree_map("[a-c]{0,2}", option::of("[a-z]{0,14}"), 0..4);
    let shuffled = texts.prop_flat_map(|map| Just(Vec::from_iter(map)).prop_shuffle());
    let twice = (shuffled.clone(), shuffled).prop_map(|(first, second)| [first, second].concat());
    proptest!(|(rows_of_maps in vec(option::of(twice), 1..5), first in 0_usize..5)| {
        let first = first.min(rows_of_maps.len());
        let array = maps(&rows_of_maps).slice(first, rows_of_maps.len() - first);
        let records = read::<Option<Texts>, Plain>(&array).unwrap();
        let texts: Vec<_> = records.iter().map(|map| format!("{map:?}")).collect();
        prop_assert_eq!(rows::<Option<Texts>, Plain>(&array).unwrap(), texts);
    });
}

#[test]
fn a_value_that_another_entry_replaces_is_checked() {
    let entry = |value: Option<&str>| ("a".to_owned(), value.map(str::to_owned));
    let array = maps(&[Some(vec![entry(None), entry(Some("last"))])]);
    assert!(read::<BTreeMap<String, String>, Plain>(&array).is_err());
    assert!(hold::<BTreeMap<String, String>>(&array).is_err());
}
