//! Compares the order of rows with a stable sort of tuples.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Int32Array, StringArray, UInt64Array};
use arrow_cast::cast;
use arrow_schema::DataType;
use proptest::prelude::*;

use super::super::neighbours::Neighbours;
use super::super::ranks::ranks;
use super::super::sort::{OrderCheck, permutation};
use crate::record::Key;

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

/// Converts text and bytes to views, as in batches that were read.
fn as_views(keys: &[ArrayRef]) -> Vec<ArrayRef> {
    let view = |key: &ArrayRef| match key.data_type() {
        DataType::Utf8 => cast(key, &DataType::Utf8View).unwrap(),
        DataType::Binary => cast(key, &DataType::BinaryView).unwrap(),
        _ => Arc::clone(key),
    };
    keys.iter().map(view).collect()
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof!["[ab]{0,2}", any::<String>(), "a long common beginning, 0{30,40}[ab]?"];
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
        prop_assert_eq!(&permutation(keys).unwrap(), &expected);
        prop_assert_eq!(&permutation(&as_views(keys)).unwrap(), &expected);
    }

    #[test]
    fn neighbours_compare_like_tuples(rows in prop::collection::vec(row(), 0..60), columns in 1usize..7, entity in 0usize..7, sorted: bool) {
        let mut rows = rows;
        if sorted {
            rows.sort();
        }
        let tuple = |row: &Row, columns: usize| {
            let (text, number, big, flag, decimal, bytes) = row.clone();
            let kept = |place: usize| place < columns;
            (kept(0).then_some(text), kept(1).then_some(number), kept(2).then_some(big), kept(3).then_some(flag), kept(4).then_some(decimal), kept(5).then_some(bytes))
        };
        let entity = entity.min(columns);
        let steps = |holds: &dyn Fn(&Row, &Row) -> bool| -> Vec<usize> {
            (1..rows.len()).map(|next| next - 1).filter(|&row| holds(&rows[row], &rows[row + 1])).collect()
        };
        let keys = &keys(&rows)[..columns];
        for keys in [keys, &as_views(keys)] {
            let found = Neighbours::compare(keys, entity).unwrap();
            prop_assert_eq!(&found.descents, &steps(&|row, next| tuple(row, columns) > tuple(next, columns)));
            prop_assert_eq!(&found.same_key, &steps(&|row, next| tuple(row, columns) == tuple(next, columns)));
            prop_assert_eq!(&found.same_entity, &steps(&|row, next| tuple(row, entity) == tuple(next, entity)));
        }
    }
}

#[test]
fn a_single_descent_is_found_at_any_position() {
    let rows = 30_000;
    for (low, batch_rows) in [1, 8_191, 8_192, 8_193, 16_384, rows - 1].map(|low| [(low, 8_192), (low, 1)]).concat() {
        let column: ArrayRef = Arc::new((0..rows).map(|row| if row == low { -1 } else { row }).collect::<Int32Array>());
        let mut check = OrderCheck::new(Key { entity: vec![], version: 0 });
        let step = batch_rows as usize;
        let mut batches =
            (0..rows as usize).step_by(step).map(|start| column.slice(start, step.min(rows as usize - start)));
        let found = batches.position(|batch| !check.continues(&[batch]).unwrap());
        assert_eq!(found, Some(low as usize / step), "{low}");
        let mut order: Vec<u32> = (0..rows as u32).collect();
        order.remove(low as usize);
        order.insert(0, low as u32);
        assert_eq!(permutation(&[column]).unwrap(), order, "{low}");
    }
}

#[test]
fn many_rows_of_few_values_sort() {
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
    assert_eq!(permutation(keys).unwrap(), expected);
}

/// Only a part of each key fits into the packed number. The sort must compare the rest.
#[test]
fn keys_that_do_not_fit_into_a_number_are_compared() {
    let wide = |row: u64| row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let rows = 2_000u64;
    let long = |by: u64| move |row: u64| format!("{:016x}{:016x}", wide(row % by), row % 7);
    // Few distinct texts, then many.
    for (by, equal) in [(50, 100), (1_000_000, 1)] {
        let texts: Vec<_> = (0..rows).map(|row| long(by)(row / equal * 31)).collect();
        let numbers: Vec<_> = (0..rows).map(wide).collect();
        let decimals: Vec<_> = (0..rows).map(|row| if row % 2 == 0 { i128::MIN / 2 } else { i128::MAX / 2 }).collect();
        let keys: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(&texts)),
            Arc::new(Decimal128Array::from_iter_values(decimals.iter().copied())),
            Arc::new(UInt64Array::from(numbers.clone())),
        ];
        for keys in [&keys[..], &keys[1..], &keys[2..], &[keys[2].clone(), keys[2].clone(), keys[1].clone()]] {
            let text = keys[0].data_type() == &DataType::Utf8;
            let decimal = keys[0].data_type() != &DataType::UInt64;
            let mut expected: Vec<u32> = (0..rows as u32).collect();
            expected.sort_by_key(|&row| {
                let row = row as usize;
                (text.then_some(&texts[row]), decimal.then_some(decimals[row]), numbers[row])
            });
            assert_eq!(permutation(keys).unwrap(), expected);
        }
    }
    assert!(permutation(&[]).unwrap().is_empty());
}

#[test]
fn texts_have_ranks_unless_there_are_too_many() {
    let texts = |by: u8| (0..100u8).map(move |row| row % by).map(|text| vec![200 - text]).collect::<Vec<_>>();
    assert_eq!(ranks(texts(26).iter().map(Vec::as_slice)), None);
    let expected = (0..100).map(|row| 24 - row % 25).collect::<Vec<_>>();
    assert_eq!(ranks(texts(25).iter().map(Vec::as_slice)), Some(expected));
}
