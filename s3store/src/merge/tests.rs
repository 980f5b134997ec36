//! Compares the merge with a simple model: sort by key and keep the last row of each group.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use proptest::prelude::*;

use super::{BatchSource, Keep, Merge, MergeProgress, StreamedRuns, StreamingMerge, slim};
use crate::error::Result;
use crate::record::{ColumnNode, Description, Key, ReadLayout, Shape};

/// The batches of a file.
struct Batches(SchemaRef, std::vec::IntoIter<RecordBatch>);

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.1.next().map(Ok)
    }
}

impl BatchSource for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }
}

fn merge(layout: &ReadLayout, files: Vec<Vec<RecordBatch>>, keep: Keep) -> Result<Merge> {
    let file = |batches: Vec<RecordBatch>| {
        let schema = batches.first().map_or_else(|| layout.schema(), RecordBatch::schema);
        Batches(schema, batches.into_iter())
    };
    super::merge(layout, files.into_iter().map(file).collect(), keep)
}

const KEEPS: [Keep; 3] = [Keep::Latest, Keep::History, Keep::All];

/// Entity, version, and a number that distinguishes rows with equal keys.
type Row = (String, i64, i64);

fn column(name: &'static str, data_type: DataType) -> ColumnNode {
    let shape = Shape::Leaf(data_type);
    ColumnNode::plain(name, shape)
}

fn keyed(columns: Vec<ColumnNode>, key: Option<Key>) -> ReadLayout {
    let deleted = columns.iter().position(|column| column.name == "deleted");
    let description = Description { deleted, ..Description::plain("Row", columns, key) };
    ReadLayout::new(&description, &description)
}

fn layout(key: Option<Key>) -> ReadLayout {
    let columns =
        vec![column("payload", DataType::Int64), column("entity", DataType::Utf8), column("version", DataType::Int64)];
    keyed(columns, key)
}

/// A layout whose column `deleted` has this type.
fn with_deleted(data_type: DataType) -> ReadLayout {
    let mut columns = layout(None).columns;
    columns.push(ColumnNode { nullable: data_type != DataType::Boolean, ..column("deleted", data_type) });
    keyed(columns, Some(Key { entity: vec![1], version: 2 }))
}

/// Returns whether a row marks its entity as deleted, in layouts that have such a column.
fn is_deleted(row: &Row) -> bool {
    row.2 % 3 == 0
}

fn by_entity() -> ReadLayout {
    layout(Some(Key { entity: vec![1], version: 2 }))
}

fn batch(layout: &ReadLayout, rows: &[Row]) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.0))),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
    ];
    columns.extend(layout.deleted.map(|column| match layout.columns[column].read_type() {
        DataType::Boolean => {
            Arc::new(rows.iter().map(|row| Some(is_deleted(row))).collect::<BooleanArray>()) as ArrayRef
        }
        _ => Arc::new(rows.iter().map(|row| is_deleted(row).then_some(0)).collect::<Date32Array>()),
    }));
    RecordBatch::try_new(layout.schema(), columns).unwrap()
}

fn batches(layout: &ReadLayout, file: &[Row], batch_rows: usize) -> Vec<RecordBatch> {
    file.chunks(batch_rows).map(|rows| batch(layout, rows)).collect()
}

fn merged(layout: &ReadLayout, files: &[Vec<Row>], batch_rows: usize, keep: Keep) -> Vec<Row> {
    let files = files.iter().map(|file| batches(layout, file, batch_rows)).collect();
    rows(&merge(layout, files, keep).unwrap().collect::<Result<Vec<_>>>().unwrap())
}

fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let rows = batches.iter().flat_map(|batch| {
        assert!(batch.num_rows() > 0);
        let (payload, entity) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string_view());
        let version = batch.column(2).as_primitive::<Int64Type>();
        (0..batch.num_rows()).map(|row| (entity.value(row).to_owned(), version.value(row), payload.value(row)))
    });
    rows.collect()
}

fn model(files: &[Vec<Row>], keep: Keep) -> Vec<Row> {
    let mut rows: Vec<Row> = files.concat();
    rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let last = |rows: Vec<Row>, key: fn(&Row) -> (String, i64)| -> Vec<Row> {
        rows.into_iter().map(|row| (key(&row), row)).collect::<BTreeMap<_, _>>().into_values().collect()
    };
    match keep {
        Keep::All => rows,
        Keep::History => last(rows, |row| (row.0.clone(), row.1)),
        Keep::Latest => last(rows, |row| (row.0.clone(), 0)),
    }
}

/// Generates files with few distinct keys, so that many rows tie. Some files are sorted, some half sorted, some unsorted.
fn files() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let entity = prop_oneof!["[ab]{0,2}", "long entity number [ab]{1,2}"];
    let row = (entity, -2i64..3);
    let file = (prop::collection::vec(row, 0..40), 0usize..3);
    prop::collection::vec(file, 0..6).prop_map(|files| {
        let mut payload = 0;
        let mut numbered = |(entity, version)| {
            payload += 1;
            (entity, version, payload)
        };
        let arranged = files.into_iter().map(|(mut rows, order)| {
            let end = [rows.len(), rows.len() / 2, 0][order];
            rows[..end].sort();
            rows.into_iter().map(&mut numbered).collect()
        });
        arranged.collect()
    })
}

proptest! {
    #[test]
    fn equals_the_model(files in files(), batch_rows in 1usize..20) {
        for keep in KEEPS {
            prop_assert_eq!(merged(&by_entity(), &files, batch_rows, keep), model(&files, keep), "{:?}", keep);
        }
    }

    #[test]
    fn a_sorted_file_streams_like_it_merges(files in files(), batch_rows in 1usize..20) {
        let layout = by_entity();
        for (file, keep) in files.iter().flat_map(|file| KEEPS.map(|keep| (file, keep))) {
            let mut taken = Vec::new();
            let source = batches(&layout, file, batch_rows).into_iter().map(Ok);
            let in_order = super::stream_single_file(source, &layout, keep, |batch| {
                taken.extend((batch.num_rows() > 0).then(|| batch.clone()));
                Ok(())
            });
            let ascends = file.is_sorted_by(|a, b| (&a.0, a.1) <= (&b.0, b.1));
            prop_assert_eq!(in_order.unwrap(), ascends);
            if ascends {
                prop_assert_eq!(rows(&taken), model(std::slice::from_ref(file), keep), "{:?}", keep);
            }
        }
    }

    #[test]
    fn deleted_entities_are_left_out_of_the_latest_records_only(
        files in files(), batch_rows in 1usize..20, time: bool
    ) {
        let layout = with_deleted(if time { DataType::Date32 } else { DataType::Boolean });
        for keep in KEEPS {
            let mut expected = model(&files, keep);
            expected.retain(|row| keep != Keep::Latest || !is_deleted(row));
            prop_assert_eq!(merged(&layout, &files, batch_rows, keep), expected, "{:?}", keep);
            for file in files.iter().filter(|file| file.is_sorted_by(|a, b| (&a.0, a.1) <= (&b.0, b.1))) {
                let mut taken = Vec::new();
                let source = batches(&layout, file, batch_rows).into_iter().map(Ok);
                let in_order = super::stream_single_file(source, &layout, keep, |batch| {
                    taken.extend((batch.num_rows() > 0).then(|| batch.clone()));
                    Ok(())
                });
                prop_assert!(in_order.unwrap());
                let mut expected = model(std::slice::from_ref(file), keep);
                expected.retain(|row| keep != Keep::Latest || !is_deleted(row));
                prop_assert_eq!(rows(&taken), expected, "{:?}", keep);
            }
        }
    }

    #[test]
    fn without_a_key_rows_are_unchanged(files in files(), batch_rows in 1usize..20) {
        prop_assert_eq!(merged(&layout(None), &files, batch_rows, Keep::Latest), files.concat());
    }
}

#[test]
fn merges_more_rows_than_a_batch_holds() {
    let file = |number: i64| -> Vec<Row> {
        (0..30_000).map(|row| (format!("entity {:06}", row * 7 % 50_000), number % 3, number * 100_000 + row)).collect()
    };
    let mut files: Vec<_> = (0..9).map(file).collect();
    files.iter_mut().skip(1).for_each(|file| file.sort());
    for keep in KEEPS {
        assert_eq!(merged(&by_entity(), &files, 8_192, keep), model(&files, keep), "{keep:?}");
    }
}

#[test]
fn a_text_version_is_not_part_of_the_entity() {
    let layout = keyed(
        vec![column("entity", DataType::Utf8), column("version", DataType::Utf8)],
        Some(Key { entity: vec![0], version: 1 }),
    );
    let file = |rows: &[(&str, &str)]| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.1))),
        ];
        vec![RecordBatch::try_new(layout.schema(), columns).unwrap()]
    };
    let files = vec![file(&[("a", "1"), ("b", "")]), file(&[("a", "10"), ("b", "1"), ("b1", "")])];
    let batches = merge(&layout, files, Keep::Latest).unwrap().collect::<Result<Vec<_>>>().unwrap();
    let [batch] = batches.as_slice() else { panic!("{batches:?}") };
    let versions: Vec<_> = batch.column(1).as_string_view().iter().flatten().collect();
    assert_eq!(versions, ["10", "1", ""]);
}

fn instants(unit: TimeUnit) -> ReadLayout {
    let instant = DataType::Timestamp(unit, Some("UTC".into()));
    keyed(
        vec![column("entity", DataType::Int64), column("version", instant)],
        Some(Key { entity: vec![0], version: 1 }),
    )
}

fn micros(values: Vec<i64>) -> Vec<RecordBatch> {
    let entities: ArrayRef = Arc::new(Int64Array::from(vec![1; values.len()]));
    let versions = Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"));
    vec![RecordBatch::try_new(instants(TimeUnit::Microsecond).schema(), vec![entities, versions]).unwrap()]
}

fn nanos(values: Vec<i64>) -> Vec<RecordBatch> {
    let entities: ArrayRef = Arc::new(Int64Array::from(vec![1; values.len()]));
    let versions = Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC"));
    vec![RecordBatch::try_new(instants(TimeUnit::Nanosecond).schema(), vec![entities, versions]).unwrap()]
}

#[test]
fn versions_of_different_units_compare_as_instants() {
    let layout = instants(TimeUnit::Microsecond);
    let files = vec![micros(vec![2, 4]), nanos(vec![1_999, 2_000, 2_001])];
    let batches = merge(&layout, files, Keep::History).unwrap().collect::<Result<Vec<_>>>().unwrap();
    let versions = batches[0].column(1).as_primitive::<TimestampNanosecondType>();
    assert_eq!(versions.values(), &[1_999, 2_000, 2_001, 4_000]);

    let batches = merge(&layout, vec![micros(vec![2, 4])], Keep::History).unwrap().collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(batches[0].column(1).as_primitive::<TimestampMicrosecondType>().values(), &[2, 4]);
}

const UNITS: [(TimeUnit, i128); 4] = [
    (TimeUnit::Second, 1_000_000_000),
    (TimeUnit::Millisecond, 1_000_000),
    (TimeUnit::Microsecond, 1_000),
    (TimeUnit::Nanosecond, 1),
];

/// A file with times of a unit in one key column, and a constant in the other.
fn times_file(unit: TimeUnit, values: Vec<i64>, time_is_entity: bool) -> Vec<RecordBatch> {
    let constant: ArrayRef = Arc::new(Int64Array::from(vec![1; values.len()]));
    let data_type = DataType::Timestamp(unit, Some("UTC".into()));
    let times = arrow_cast::cast(&Int64Array::from(values), &data_type).unwrap();
    let columns = if time_is_entity {
        [("entity", times), ("version", constant)]
    } else {
        [("entity", constant), ("version", times)]
    };
    vec![RecordBatch::try_from_iter(columns).unwrap()]
}

/// The nanoseconds since 1970 of each row's time.
fn times_of(batch: &RecordBatch, time_is_entity: bool) -> Vec<i128> {
    let times = batch.column(usize::from(!time_is_entity));
    let DataType::Timestamp(unit, _) = times.data_type() else { panic!("{}", times.data_type()) };
    let (_, nanos) = UNITS.into_iter().find(|(known, _)| known == unit).unwrap();
    let ticks = arrow_cast::cast(times, &DataType::Int64).unwrap();
    ticks.as_primitive::<Int64Type>().values().iter().map(|&tick| i128::from(tick) * nanos).collect()
}

proptest! {
    #[test]
    fn times_of_any_units_merge_exactly(
        files in prop::collection::vec((0..4usize, prop::collection::vec((0..4usize, -3..3i64), 0..6)), 1..5),
        time_is_entity in any::<bool>(),
    ) {
        // Small numbers, instants that tie in different units, the year 9999, and the ends of the range.
        let tick = |unit: usize, (kind, step): (usize, i64)| {
            let (_, nanos) = UNITS[unit];
            match kind {
                0 => step,
                1 => i64::try_from(i128::from(step) * 1_000_000_000 / nanos).unwrap(),
                2 => i64::try_from(253_402_300_799_000_000_000 / nanos).unwrap_or(i64::MAX).saturating_add(step),
                _ => if step < 0 { i64::MIN - step } else { i64::MAX - step },
            }
        };
        let files: Vec<(usize, Vec<i64>)> = files
            .into_iter()
            .map(|(unit, values)| (unit, values.into_iter().map(|value| tick(unit, value)).collect()))
            .collect();
        let expected = files.iter().flat_map(|(unit, values)| values.iter().map(|&tick| i128::from(tick) * UNITS[*unit].1));
        let expected: std::collections::BTreeSet<i128> = expected.collect();
        let files = files.into_iter().map(|(unit, values)| times_file(UNITS[unit].0, values, time_is_entity)).collect();
        let batches = merge(&instants(TimeUnit::Microsecond), files, Keep::History).unwrap();
        let times = batches.flat_map(|batch| times_of(&batch.unwrap(), time_is_entity));
        prop_assert_eq!(times.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn nanoseconds_and_the_year_9999_merge() {
    let files = vec![micros(vec![253_402_300_799_000_000]), nanos(vec![1])];
    let batches = merge(&instants(TimeUnit::Microsecond), files, Keep::History).unwrap().collect::<Result<Vec<_>>>();
    let times: Vec<_> = batches.unwrap().iter().flat_map(|batch| times_of(batch, false)).collect();
    assert_eq!(times, [1, 253_402_300_799_000_000_000]);
}

#[test]
fn merging_no_rows_returns_no_batches() {
    for keep in KEEPS {
        let layout = by_entity();
        assert!(merged(&layout, &[], 1, keep).is_empty());
        assert!(merged(&layout, &[vec![], vec![]], 1, keep).is_empty());
        assert!(merge(&layout, vec![], keep).unwrap().next().is_none());
    }
}

#[test]
fn a_slim_batch_frees_the_buffers_of_other_rows() {
    let rows: Vec<Row> = (0..1_000).map(|row| (format!("a rather long entity {row:04}"), 0, row)).collect();
    let full = batch(&by_entity(), &rows);
    let held = |batch: &RecordBatch| -> usize {
        batch.column(1).as_string_view().data_buffers().iter().map(|buffer| buffer.capacity()).sum()
    };
    let few = full.slice(500, 3);
    assert_eq!(slim(&few), few);
    assert!(held(&slim(&few)) < 100, "{}", held(&slim(&few)));
    assert_eq!(held(&slim(&full)), held(&full));
}

/// Splits a file where it is out of order.
fn ascending_parts(file: &[Row]) -> Vec<Vec<Row>> {
    file.chunk_by(|a, b| (&a.0, a.1) <= (&b.0, b.1)).map(<[Row]>::to_vec).collect()
}

/// Merges runs whose batches are added one by one, when the merge asks for them.
fn streamed(layout: &ReadLayout, runs: &[Vec<Row>], batch_rows: usize, keep: Keep) -> Vec<Row> {
    let mut left: Vec<_> = runs.iter().map(|run| batches(layout, run, batch_rows).into_iter()).collect();
    let schemas: Vec<_> = runs.iter().map(|_| layout.schema()).collect();
    let mut merge = StreamingMerge::new(layout, &schemas, keep);
    let (mut merged, mut asked) = (Vec::new(), vec![0usize; runs.len()]);
    loop {
        match merge.advance().unwrap() {
            MergeProgress::Batch(batch) => merged.push(batch),
            MergeProgress::End => break,
            MergeProgress::Needs(run) => {
                asked[run] += 1;
                match left[run].next() {
                    Some(batch) => merge.push(run, batch),
                    None => merge.end(run),
                }
            }
        }
    }
    // No batch is asked for twice, and none is left out.
    let batches = |run: &Vec<Row>| run.len().div_ceil(batch_rows) + 1;
    assert_eq!(asked, runs.iter().map(batches).collect::<Vec<_>>());
    rows(&merged)
}

proptest! {
    #[test]
    fn a_streaming_merge_gives_what_a_merge_in_memory_gives(files in files(), batch_rows in 1usize..7) {
        for layout in [by_entity(), with_deleted(DataType::Boolean), layout(None)] {
            let runs: Vec<Vec<Row>> = match layout.key {
                Some(_) => files.iter().flat_map(|file| ascending_parts(file)).collect(),
                None => files.clone(),
            };
            for keep in KEEPS {
                let expected = merged(&layout, &files, batch_rows, keep);
                prop_assert_eq!(streamed(&layout, &runs, batch_rows, keep), expected, "{:?}", keep);
            }
        }
    }
}

#[test]
fn a_merge_of_many_versions_keeps_few_input_batches() {
    let layout = by_entity();
    let schemas = vec![layout.schema(); 3];
    let mut merge = StreamingMerge::new(&layout, &schemas, Keep::Latest);
    let (mut next, mut kept, mut merged) = ([0i64; 3], 0, Vec::new());
    loop {
        if let StreamedRuns::ByKey(runs) = &merge.runs {
            kept = kept.max(runs.slots.len());
        }
        match merge.advance().unwrap() {
            MergeProgress::Batch(batch) => merged.push(batch),
            MergeProgress::End => break,
            MergeProgress::Needs(run) if next[run] == 500 => merge.end(run),
            MergeProgress::Needs(run) => {
                // All rows are versions of one entity, in turns.
                let version = next[run] * 3 + i64::try_from(run).unwrap();
                merge.push(run, batch(&layout, &[("a".to_owned(), version, version)]));
                next[run] += 1;
            }
        }
    }
    assert_eq!(rows(&merged), [("a".to_owned(), 1_499, 1_499)]);
    assert!(kept <= 2 * 3 + 16, "{kept} batches");
}
