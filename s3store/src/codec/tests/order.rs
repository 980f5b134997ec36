//! The order of rows, against a stable sort of tuples.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Int32Array, StringArray, UInt64Array};
use proptest::prelude::*;

use super::super::ranks;
use super::super::sort::{Steps, permutation};

type Row = (String, i32, u64, bool, i128, Vec<u8>);

fn keys(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.0))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(rows.iter().map(|row| Some(row.3)).collect::<BooleanArray>()),
        Arc::new(Decimal128Array::from_iter_values(rows.iter().map(|row| row.4))),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.5))),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof!["[ab]{0,2}", any::<String>()];
    let number = prop_oneof![-1i32..2, any::<i32>()];
    let big = prop_oneof![0u64..2, any::<u64>()];
    let decimal = prop_oneof![-1i128..2, -(10i128.pow(37))..10i128.pow(37)];
    (text, number, big, any::<bool>(), decimal, prop::collection::vec(any::<u8>(), 0..3))
}

proptest! {
    #[test]
    fn equals_a_stable_sort(rows in prop::collection::vec(row(), 0..60), columns in 1usize..7, sorted: bool) {
        let mut rows = rows;
        if sorted {
            rows.sort();
        }
        let keys = &keys(&rows)[..columns];
        let part = |row: &Row| {
            let (text, number, big, flag, decimal, bytes) = row.clone();
            let keep = |place: usize| place < columns;
            (text, keep(1).then_some(number), keep(2).then_some(big), keep(3).then_some(flag), keep(4).then_some(decimal), keep(5).then_some(bytes))
        };
        let mut expected: Vec<u32> = (0..rows.len() as u32).collect();
        expected.sort_by_key(|&index| part(&rows[index as usize]));
        if let Some(ranked) = ranks::order(keys) {
            prop_assert_eq!(&ranked, &expected);
        }
        let given = permutation(keys).unwrap();
        if expected.is_sorted() {
            prop_assert_eq!(given, None);
        } else {
            prop_assert_eq!(given, Some(expected));
        }
    }
}

#[test]
fn the_one_step_down_is_found_wherever_it_is() {
    let rows = 30_000;
    for place in [1, 8_191, 8_192, 8_193, 16_384, rows - 1] {
        let column: ArrayRef =
            Arc::new((0..rows).map(|row| if row == place { 0 } else { row }).collect::<Int32Array>());
        let order = permutation(&[column]).unwrap();
        // A zero at place 1 is no step down, but leaves one after it in order, too.
        let expected = (place > 1).then(|| {
            let mut order: Vec<u32> = (0..rows as u32).collect();
            order.remove(place as usize);
            order.insert(1, place as u32);
            order
        });
        assert_eq!(order, expected, "{place}");
    }
}

#[test]
fn many_rows_of_few_values_sort_by_rank() {
    let rows = 100_000i64;
    let mixed = |row: i64, by: i64| row * 7_919 % by;
    let row = |row: i64| -> Row {
        (
            format!("customer {}", mixed(row, 1_009)),
            mixed(row, 100) as i32 - 50,
            mixed(row, 13) as u64,
            false,
            0,
            vec![],
        )
    };
    let rows: Vec<Row> = (0..rows).map(row).collect();
    let keys = &keys(&rows)[..3];
    let mut expected: Vec<u32> = (0..rows.len() as u32).collect();
    expected.sort_by_key(|&index| {
        let row = &rows[index as usize];
        (&row.0, row.1, row.2)
    });
    assert_eq!(ranks::order(keys).as_ref(), Some(&expected));
    assert_eq!(permutation(keys).unwrap(), Some(expected));
}

#[test]
fn what_packs_into_no_number_has_no_ranks() {
    let distinct: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| format!("{row}"))));
    let wide: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 0]));
    assert_eq!(ranks::order(&[distinct]), None);
    assert_eq!(ranks::order(&[Arc::clone(&wide)]), Some(vec![1, 0]));
    assert_eq!(ranks::order(&[Arc::clone(&wide), wide]), None);
    assert_eq!(ranks::order(&[]), None);
}

#[test]
fn steps_tell_up_from_equal() {
    let keys = keys(&[
        ("a".into(), 1, 0, false, 0, vec![]),
        ("a".into(), 1, 0, false, 0, vec![]),
        ("b".into(), 0, 0, false, 0, vec![]),
        ("b".into(), -1, 0, false, 0, vec![]),
    ]);
    let steps = Steps::within(&keys, 0..4).unwrap();
    assert_eq!(steps.equal.iter().collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(steps.ascending.iter().collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(steps.descents().collect::<Vec<_>>(), [2]);
    assert_eq!(Steps::within(&keys, 0..0).unwrap().descents().count(), 0);
    assert_eq!(Steps::within(&keys, 0..1).unwrap().descents().count(), 0);
}
