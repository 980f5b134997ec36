//! Digests of records depend on their values alone.

use arrow_array::{ArrayRef, Int64Array, new_null_array};
use arrow_schema::DataType;
use proptest::prelude::*;

use super::super::digest::{ContentHasher, Fast, HashFunction, Secure, columns_of};
use super::roundtrip::{Seed, arrays, columns, fixed_seeds};
use super::{column, description, list, node};
use crate::record::{ColumnNode, Key, Shape};

/// Returns the digest of rows that arrive in batches of `chunk` rows.
fn digest<H: HashFunction>(columns: Vec<ColumnNode>, arrays: &[ArrayRef], chunk: usize) -> Vec<u8> {
    let mut hasher = ContentHasher::<H>::new(&description(columns, None));
    let rows = arrays.first().map_or(0, |array| array.len());
    for start in (0..rows).step_by(chunk) {
        let length = chunk.min(rows - start);
        let batch: Vec<_> = arrays.iter().map(|array| array.slice(start, length)).collect();
        hasher.update(&batch).unwrap();
    }
    hasher.finish().as_ref().to_vec()
}

fn fast(seeds: &[Seed], chunk: usize) -> Vec<u8> {
    digest::<Fast>(columns(), &arrays(seeds), chunk)
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let texts = || prop::collection::vec(any::<String>(), 0..4);
    prop::collection::vec((any::<i64>(), any::<String>(), texts()), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_do_not_count(seeds in seeds(), chunk in 1usize..12) {
        prop_assert_eq!(fast(&seeds, chunk), fast(&seeds, usize::MAX));
    }

    #[test]
    fn other_rows_have_another_digest(seeds in seeds(), at: prop::sample::Index, what in 0..5) {
        prop_assume!(!seeds.is_empty());
        let mut other = seeds.clone();
        let at = at.index(seeds.len());
        match what {
            0 => other[at].0 ^= 1,
            1 => other[at].1.push('x'),
            2 => other[at].2.push(String::new()),
            3 => drop(other.remove(at)),
            _ => other.swap(0, at),
        }
        prop_assert_eq!(fast(&other, usize::MAX) == fast(&seeds, usize::MAX), other == seeds);
    }
}

/// Tokens of later versions must be the same.
#[test]
fn the_digest_for_tokens_stays_the_same() {
    let hex = |hash: Vec<u8>| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let token = hex(digest::<Secure>(columns(), &arrays(&fixed_seeds(20_000)), 8_192));
    assert_eq!(token, "eaf87009ab08ebb476d33c5598ad2578a40897b4c7bf6a90acdd8d614caa4662");
    let digest = hex(digest::<Fast>(columns(), &arrays(&fixed_seeds(20_000)), 8_192));
    assert_eq!(digest, "60b2d82ebfad8f8e4c833e7bbf49971c");
}

#[test]
fn the_order_of_columns_does_not_count() {
    let (mut columns, mut arrays) = (columns(), arrays(&fixed_seeds(50)));
    let before = digest::<Fast>(columns.clone(), &arrays, 50);
    columns.reverse();
    arrays.reverse();
    assert_eq!(digest::<Fast>(columns.clone(), &arrays, 50), before);
    columns.swap(4, 5);
    assert_ne!(digest::<Fast>(columns, &arrays, 50), before, "other values have the names");
}

#[test]
fn columns_of_nulls_and_the_insertion_time_do_not_count() {
    let id = || column("id", DataType::Int64);
    let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1, 2, 3]));
    let alone = digest::<Fast>(vec![id()], std::slice::from_ref(&ids), 2);
    let place = Shape::Struct(vec![column("zip", DataType::Int32).null()]);
    for added in [
        column("text", DataType::Utf8).null(),
        column("flag", DataType::Boolean).null(),
        list("list", Shape::Leaf(DataType::Utf8)).null(),
        node("place", place).null(),
    ] {
        let nulls = new_null_array(&added.write_type(), 3);
        assert_eq!(digest::<Fast>(vec![added, id()], &[nulls, ids.clone()], 2), alone);
    }

    let mut with_time = description(vec![column("at", DataType::Int64), id()], None);
    let before = columns_of(&with_time);
    with_time.inserted_at = Some(0);
    assert_ne!(columns_of(&with_time), before);
    assert_eq!(columns_of(&with_time), columns_of(&description(vec![id()], None)));
    let mut hasher = ContentHasher::<Fast>::new(&with_time);
    hasher.update(&[std::sync::Arc::new(Int64Array::from(vec![7, 8, 9])), ids]).unwrap();
    assert_eq!(hasher.finish().as_ref(), alone);
}

#[test]
fn nulls_differ_from_values() {
    let optional = || vec![column("n", DataType::Int64).null()];
    let of = |values: Vec<Option<i64>>| digest::<Fast>(optional(), &[std::sync::Arc::new(Int64Array::from(values))], 2);
    let rows =
        [vec![None, Some(0)], vec![Some(0), None], vec![Some(0), Some(0)], vec![None, None], vec![Some(0)], vec![]];
    for (index, one) in rows.iter().enumerate() {
        for other in &rows[..index] {
            assert_ne!(of(one.clone()), of(other.clone()), "{one:?} {other:?}");
        }
    }
}

#[test]
fn only_digests_of_the_same_columns_and_key_are_compared() {
    let of = |columns, key| columns_of(&description(columns, key));
    let columns = || vec![column("a", DataType::Int64), column("b", DataType::Int64), column("c", DataType::Utf8)];
    let key = |entity, version| Some(Key { entity, version });
    let mut turned = columns();
    turned.swap(0, 2);
    assert_eq!(of(turned, key(vec![2], 1)), of(columns(), key(vec![0], 1)));
    let mut all = vec![
        of(columns(), None),
        of(columns(), key(vec![0], 1)),
        of(columns(), key(vec![1], 0)),
        of(columns(), key(vec![0, 2], 1)),
        of(columns()[..2].to_vec(), None),
    ];
    let mut wider = columns();
    wider[0] = column("a", DataType::Int32);
    all.push(of(wider, None));
    let mut optional = columns();
    optional[0] = column("a", DataType::Int64).null();
    all.push(of(optional, None));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 7);
}
