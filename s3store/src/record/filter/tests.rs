//! Filters of records, their results for batches, and the partitions that they exclude.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int8Array, Int64Array, ListArray, RecordBatch, StringViewArray, Time32MillisecondArray,
    Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, TimeUnit};
use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::{Comparison, Filter, Literal, Predicate, Test};
#[cfg(feature = "decimal")]
use crate::record::DecimalOf;
use crate::record::{
    Column, ColumnNode, Description, Key, KeyPart, Milli, Names, ReadLayout, Rendering, RenderingForm, Role, Shape,
    Timestamp,
};

/// The kinds of columns that [`column_of`] makes.
pub(crate) const KINDS: usize = 16;

/// The kind of texts.
const TEXT: usize = 4;

/// Returns a column of a kind, with a value for each seed. The values are few, so that many are equal.
pub(crate) fn column_of(kind: usize, seeds: &[Option<i64>]) -> ArrayRef {
    let small = |seed: &Option<i64>| seed.map(|seed| seed.rem_euclid(7) - 3);
    let numbers = || seeds.iter().map(small);
    let texts = || seeds.iter().map(|seed| seed.map(text_of));
    match kind {
        0 => Arc::new(numbers().collect::<Int64Array>()),
        1 => Arc::new(numbers().map(|value| value.map(|value| value as i8 * 42)).collect::<Int8Array>()),
        2 => Arc::new(numbers().map(|value| value.map(|value| u64::MAX - (value + 3) as u64)).collect::<UInt64Array>()),
        3 => Arc::new(numbers().map(|value| value.map(|value| value > 0)).collect::<BooleanArray>()),
        TEXT => Arc::new(texts().collect::<StringViewArray>()),
        5 => Arc::new(texts().map(|text| text.map(String::into_bytes)).collect::<BinaryViewArray>()),
        6 => Arc::new(numbers().map(|value| value.map(|value| value as i32)).collect::<Date32Array>()),
        7 => Arc::new(numbers().collect::<TimestampMillisecondArray>().with_timezone("UTC")),
        8 => Arc::new(numbers().map(|value| value.map(|value| value * 500)).collect::<TimestampMicrosecondArray>()),
        9 => Arc::new(
            numbers()
                .map(|value| value.map(|value| value * 499_999))
                .collect::<TimestampNanosecondArray>()
                .with_timezone("UTC"),
        ),
        10 => Arc::new(
            numbers()
                .map(|value| value.map(i128::from))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(20, 2)
                .unwrap(),
        ),
        11 => Arc::new(seeds.iter().map(|seed| seed.map(float_of)).collect::<Float64Array>()),
        12 => Arc::new(seeds.iter().map(|seed| seed.map(|seed| float_of(seed) as f32)).collect::<Float32Array>()),
        13 => {
            let bytes = numbers().map(|value| value.map(|value| [value as u8; 3]));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 3).unwrap())
        }
        14 => Arc::new(numbers().map(|value| value.map(|value| value as i32 + 3)).collect::<Time32MillisecondArray>()),
        _ => {
            Arc::new(numbers().map(|value| value.map(|value| (value + 3) * 500_000)).collect::<Time64NanosecondArray>())
        }
    }
}

fn text_of(seed: i64) -> String {
    ["", "a", "ab", "abc", "b", "a long text that is not inline", "ä"][seed.rem_euclid(7) as usize].to_owned()
}

fn float_of(seed: i64) -> f64 {
    [f64::NAN, -0.0, 0.0, 1.5, f64::INFINITY, -2.5, -f64::NAN][seed.rem_euclid(7) as usize]
}

/// Returns a value for comparisons with a column of a kind: one that it can have, or one close by.
fn literal_of(kind: usize, seed: i64, offset: i128) -> Literal {
    match Literal::of_row(&column_of(kind, &[Some(seed)]), 0).unwrap() {
        Literal::Part(KeyPart::Int(value)) => Literal::Part(KeyPart::Int(value + offset)),
        other => other,
    }
}

/// Returns predicates on one column of each kind.
pub(crate) fn predicates() -> impl Strategy<Value = Predicate> {
    let seed = || {
        (0i64..7, prop_oneof![4 => Just(0i128), 1 => Just(1), 1 => Just(-1), 1 => any::<i64>().prop_map(i128::from)])
    };
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let leaf = (0..KINDS).prop_flat_map(move |kind| {
        let literal = move |(seed, offset)| literal_of(kind, seed, offset);
        let compare =
            (comparison.clone(), seed()).prop_map(move |(comparison, value)| Test::Compare(comparison, literal(value)));
        let is_in = prop::collection::vec(seed(), 0..20)
            .prop_map(move |values| Test::is_in(values.into_iter().map(literal).collect()));
        let starts = (0i64..7).prop_map(|seed| Test::StartsWith(text_of(seed).into()));
        let is_text = u32::from(kind == TEXT);
        prop_oneof![4 => compare, 2 => is_in, 1 => Just(Test::IsNull), 4 * is_text => starts]
            .prop_map(move |test| Predicate::Test(kind, test))
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

/// Returns a batch with a column of each kind.
pub(crate) fn batch_of(rows: &[Vec<Option<i64>>]) -> RecordBatch {
    let column = |kind: usize| {
        let seeds: Vec<_> = rows.iter().map(|row| row[kind]).collect();
        (format!("c{kind}"), column_of(kind, &seeds), true)
    };
    RecordBatch::try_from_iter_with_nullable((0..KINDS).map(column)).unwrap()
}

/// Returns rows of seeds for a batch with a column of each kind.
pub(crate) fn seeds(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Option<i64>>>> {
    let seed = prop_oneof![1 => Just(None), 5 => (0i64..7).prop_map(Some)];
    prop::collection::vec(prop::collection::vec(seed, KINDS), rows)
}

/// Returns the result for a row by the definition of the operations, or `None` if it is unknown.
pub(crate) fn result_of(predicate: &Predicate, batch: &RecordBatch, row: usize) -> Option<bool> {
    let results = |first: &Predicate, rest: &[Predicate]| -> Vec<Option<bool>> {
        std::iter::once(first).chain(rest).map(|part| result_of(part, batch, row)).collect()
    };
    match predicate {
        Predicate::Not(inner) => result_of(inner, batch, row).map(|result| !result),
        Predicate::And(first, rest) => match results(first, rest) {
            results if results.contains(&Some(false)) => Some(false),
            results if results.contains(&None) => None,
            _ => Some(true),
        },
        Predicate::Or(first, rest) => match results(first, rest) {
            results if results.contains(&Some(true)) => Some(true),
            results if results.contains(&None) => None,
            _ => Some(false),
        },
        Predicate::Test(column, Test::IsNull) => Some(batch.column(*column).is_null(row)),
        Predicate::Test(column, test) => {
            let value = Literal::of_row(batch.column(*column), row)?;
            let compare = |comparison: Comparison, literal: &Literal| match (&value, literal) {
                (Literal::Float(value), Literal::Float(literal)) => compared(comparison, value, literal),
                (Literal::Part(KeyPart::Int(value)), Literal::Part(KeyPart::Int(literal))) => {
                    compared(comparison, value, literal)
                }
                (value, literal) => compared(comparison, &value.bytes().unwrap(), &literal.bytes().unwrap()),
            };
            Some(match test {
                Test::Compare(comparison, literal) => compare(*comparison, literal),
                Test::In(literals) => literals.iter().any(|literal| compare(Comparison::Equal, literal)),
                Test::StartsWith(start) => value.bytes().unwrap().starts_with(start.as_bytes()),
                Test::IsNull => unreachable!(),
            })
        }
    }
}

fn compared<T: PartialOrd>(comparison: Comparison, value: &T, other: &T) -> bool {
    match comparison {
        Comparison::Equal => value == other,
        Comparison::Less => value < other,
        Comparison::LessOrEqual => value <= other,
        Comparison::Greater => value > other,
        Comparison::GreaterOrEqual => value >= other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A batch is filtered as each of its rows is, for columns of all kinds.
    #[test]
    fn the_rows_that_match_are_those_for_which_the_predicate_is_true(predicate in predicates(), rows in seeds(0..40)) {
        let batch = batch_of(&rows);
        let matching: Vec<_> = predicate.matching(&batch).unwrap().iter().collect();
        let expected: Vec<_> =
            (0..batch.num_rows()).map(|row| result_of(&predicate, &batch, row) == Some(true)).collect();
        prop_assert_eq!(&matching, &expected, "{}", predicate);
        let kept = predicate.keep_matching(batch).unwrap();
        prop_assert_eq!(kept.num_rows(), expected.iter().filter(|matches| **matches).count());
    }

    /// The test of single values, which prunes partitions and missing columns, agrees with that of batches.
    #[test]
    fn a_single_value_has_the_result_of_a_row(predicate in predicates(), rows in seeds(1..10)) {
        let batch = batch_of(&rows);
        for row in 0..batch.num_rows() {
            let truth = predicate.truth::<bool, ()>(&mut |&column, test| {
                let result = test.of_value(Literal::of_row(batch.column(column), row).as_ref());
                Ok(super::Truth { is_true: result == Some(true), is_false: result == Some(false) })
            });
            let expected = result_of(&predicate, &batch, row);
            let truth = truth.unwrap();
            prop_assert_eq!((truth.is_true, truth.is_false), (expected == Some(true), expected == Some(false)));
        }
    }
}

fn int(value: i128) -> Literal {
    Literal::Part(KeyPart::Int(value))
}

#[test]
fn lists_can_be_tested_for_nulls() {
    let element = Arc::new(Field::new("element", DataType::Int64, false));
    let offsets = OffsetBuffer::from_lengths([1, 0, 0]);
    let nulls = Some(vec![true, false, true].into());
    let list = ListArray::new(element, offsets, Arc::new(Int64Array::from(vec![1])), nulls);
    let batch = RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef)]).unwrap();
    let is_null = Predicate::Test(0, Test::IsNull);
    assert_eq!(is_null.matching(&batch).unwrap().iter().collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(is_null.not().matching(&batch).unwrap().iter().collect::<Vec<_>>(), [true, false, true]);
    let compared = Predicate::Test(0, Test::Compare(Comparison::Equal, int(1)));
    assert!(compared.matching(&batch).unwrap_err().to_string().contains("can't be evaluated"));
}

#[test]
fn conditions_are_written_for_a_plan() {
    let test = |column, comparison, literal| Predicate::Test(column, Test::Compare(comparison, literal));
    let text = Literal::Part(KeyPart::Text("X".into()));
    let either = test("sku", Comparison::Equal, text.clone()).or(Predicate::Test("sku", Test::StartsWith("a".into())));
    let predicate = either
        .and(test("net", Comparison::GreaterOrEqual, Literal::Float(1.5)).not())
        .and(Predicate::Test("size", Test::is_in(vec![int(3), int(-1), int(3)])));
    assert_eq!(predicate.to_string(), r#"(sku = "X" or sku starts with "a") and not (net >= 1.5) and size in (-1, 3)"#);
}

fn column(name: &'static str, shape: Shape) -> ColumnNode {
    ColumnNode::plain(name, shape).with_role(Role::Partition)
}

/// Returns whether a partition `p=<text>` of a column can contain a row with a value.
fn can_match(shape: Shape, form: RenderingForm, is_stored: bool, text: &str, literal: Literal) -> bool {
    let rendering = vec![
        Rendering { columns: Names::of(&["other"]), form: RenderingForm::Value, is_stored: true },
        Rendering { columns: Names::of(&["c"]), form, is_stored },
    ];
    let columns = vec![column("other", Shape::Leaf(DataType::Utf8)), column("c", shape)];
    let root =
        Description { partition: Names::of(&["o", "p"]), rendering, ..Description::plain("Test", columns, None) };
    let equal = Predicate::Test(1, Test::Compare(Comparison::Equal, literal));
    let key = format!("o=x/p={text}");
    let result = equal.clone().can_match_partition(&root, &key);
    // A partition has one value, so the opposite is decided as well.
    let opposite = equal.clone().not().can_match_partition(&root, &key);
    assert!(result || opposite, "{key}");
    if result && opposite {
        // Not decided.
        assert!(equal.clone().and(equal.not()).can_match_partition(&root, &key));
    }
    result
}

#[test]
fn a_partition_is_excluded_by_the_value_in_its_key() {
    let second = 1_000_000_000;
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let text = |text: &str| Literal::Part(KeyPart::Text(text.into()));
    let uuid = uuid::Uuid::from_u128(17);
    let cases = [
        (Shape::Leaf(DataType::Utf8), "abc", text("abc"), text("abd")),
        (Shape::Leaf(DataType::Int64), "-5", int(-5), int(5)),
        (Shape::Leaf(DataType::UInt64), "18446744073709551615", int(u64::MAX.into()), int(-1)),
        (Shape::Leaf(DataType::Boolean), "true", int(1), int(0)),
        (Shape::Leaf(DataType::Date32), "1970-01-03", int(2), int(3)),
        (Shape::Leaf(utc.clone()), "1970-01-01T00:00:02.5Z", int(second * 5 / 2), int(second * 2)),
        (
            Shape::Leaf(DataType::Timestamp(TimeUnit::Microsecond, None)),
            "1969-12-31T23:59:59",
            int(-second),
            int(second),
        ),
        (Shape::Leaf(DataType::Time64(TimeUnit::Microsecond)), "00:01:00", int(60 * second), int(second)),
        (
            Shape::Uuid,
            "00000000-0000-0000-0000-000000000011",
            Literal::Part(KeyPart::Bytes((*uuid.as_bytes()).into())),
            Literal::Part(KeyPart::Bytes([0; 16].into())),
        ),
    ];
    for (shape, key, equal, other) in cases {
        let matches =
            |form, is_stored, literal: &Literal| can_match(shape.clone(), form, is_stored, key, literal.clone());
        assert!(matches(RenderingForm::Value, true, &equal), "{key}");
        assert!(!matches(RenderingForm::Value, true, &other), "{key}");
        // Other texts don't show the value.
        assert!(matches(RenderingForm::Value, false, &other), "{key}");
        assert!(matches(RenderingForm::Function, false, &other), "{key}");
        assert!(matches(RenderingForm::Format("%Y".into()), false, &other), "{key}");
    }
    // Texts that the column does not write.
    assert!(can_match(Shape::Leaf(DataType::Int64), RenderingForm::Value, true, "05", int(6)));
    assert!(can_match(Shape::Leaf(utc), RenderingForm::Value, true, "today", int(6)));
}

/// A record, as far as columns need it.
struct Row {
    sku: String,
    size: Option<u32>,
    at: DateTime<Utc>,
    data: Vec<u8>,
    price: f64,
    #[cfg(feature = "decimal")]
    net: Option<rust_decimal::Decimal>,
}

const SKU: Column<Row, String> = Column::new("sku", |row| &row.sku);
const SIZE: Column<Row, Option<u32>> = Column::new("size", |row| &row.size);
const AT: Column<Row, DateTime<Utc>, Timestamp<Milli>> = Column::new("at", |row| &row.at);
const DATA: Column<Row, Vec<u8>> = Column::new("data", |row| &row.data);
const PRICE: Column<Row, f64> = Column::new("price", |row| &row.price);
#[cfg(feature = "decimal")]
const NET: Column<Row, Option<rust_decimal::Decimal>, DecimalOf<5, 2>> = Column::new("net", |row| &row.net);

fn written(filter: &Filter<Row>) -> String {
    let text = format!("{filter:?}");
    text.strip_prefix("Filter(").and_then(|text| text.strip_suffix(')')).unwrap().to_owned()
}

#[test]
fn the_methods_of_columns_make_conditions() {
    let at = DateTime::from_timestamp(1, 2_000_003).unwrap();
    let sku = "X".to_owned();
    let cases = [
        (SKU.eq("X"), r#"sku = "X""#),
        (SKU.eq(&sku), r#"sku = "X""#),
        (SKU.eq(sku.clone()), r#"sku = "X""#),
        (SKU.ne("X"), r#"not (sku = "X")"#),
        (SKU.in_range("a".."b"), r#"sku >= "a" and sku < "b""#),
        (SKU.is_in(["b", "a", "b"]), r#"sku in ("a", "b")"#),
        (SKU.is_in(Vec::<String>::new()), "sku in ()"),
        (SKU.starts_with("X"), r#"sku starts with "X""#),
        (SIZE.lt(5), "size < 5"),
        (SIZE.le(5), "size <= 5"),
        (SIZE.is_null().not().not(), "size is null"),
        (SIZE.is_not_null(), "not (size is null)"),
        (!SIZE.gt(5), "not (size > 5)"),
        // With all digits, also those that the column does not store.
        (AT.ge(at), "at >= 1002000003"),
        (DATA.eq(b"ab"), "data = x6162"),
        (DATA.eq(&b"ab"[..]), "data = x6162"),
        (DATA.eq(b"ab".to_vec()), "data = x6162"),
        (PRICE.gt(1.5), "price > 1.5"),
        (SKU.eq("X").and(SIZE.eq(1)).and(PRICE.lt(2.0)), r#"sku = "X" and size = 1 and price < 2"#),
        (SKU.eq("X").or(SIZE.eq(1).and(PRICE.lt(2.0))), r#"sku = "X" or (size = 1 and price < 2)"#),
    ];
    for (filter, expected) in cases {
        assert_eq!(written(&filter), expected);
        assert_eq!(written(&filter.clone()), expected);
    }
}

#[cfg(feature = "decimal")]
#[test]
fn a_value_that_does_not_fit_its_column_is_an_error_of_the_read() {
    let root = Description::plain(
        "Row",
        vec![column("net", Shape::Leaf(DataType::Decimal128(5, 2))), column("sku", Shape::Leaf(DataType::Utf8))],
        None,
    );
    let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
    let fits = SKU.eq("a").and(NET.ge(decimal("1.5"))).resolve(&root).unwrap();
    assert_eq!(fits.to_string(), r#"1 = "a" and 0 >= 150"#);
    for filter in
        [NET.eq(decimal("0.001")).and(SKU.eq("a")), SKU.eq("a").or(NET.is_in([decimal("1"), decimal("0.001")])).not()]
    {
        let error = filter.clone().resolve(&root).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "filter: column net: 3 decimal places, the column holds 2");
        assert_eq!(written(&filter), "column net: 3 decimal places, the column holds 2");
    }
}

#[test]
fn a_layout_gets_the_columns_that_a_filter_tests() {
    let columns = ["a", "b", "c", "d"].map(|name| column(name, Shape::Leaf(DataType::Int64))).to_vec();
    let key = Some(Key { entity: vec![0], version: 1 });
    let root = Description::plain("Row", columns, key);
    let projection = root.projection("Part", &["d"]);
    let test = |column| Predicate::Test(column, Test::IsNull);
    let predicate = test(2).or(test(3).and(test(0))).and(test(2).not());
    let (layout, predicate) = ReadLayout::new(&projection, &root).with_predicate(&root, predicate).unwrap();
    let names: Vec<_> = layout.columns.iter().map(|column| column.name.as_ref()).collect();
    assert_eq!((names, layout.own), (vec!["d", "a", "b", "c"], 1));
    assert_eq!(predicate.to_string(), "(3 is null or (0 is null and 1 is null)) and not (3 is null)");
}
