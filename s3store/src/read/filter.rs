//! The parts of a filter, by where they may drop rows.

use std::sync::Arc;

use crate::merge::Keep;
use crate::record::{Predicate, ReadLayout, RowFilter};

/// Splits a filter. Deduplication comes first in meaning: a filter selects from the rows that a read without it returns.
///
/// A part below the merge must have the same result for all rows of which the merge keeps one. If it keeps one of each
/// entity, these are the conditions on entity columns; if it keeps one of each version, also those on the version. A
/// condition on another column could drop the latest row of an entity, and an older row would take its place.
pub(crate) fn split(predicate: Predicate, layout: &ReadLayout, keep: Keep) -> RowFilter {
    let same = |column: usize| match &layout.key {
        None => true,
        Some(key) => key.entity.contains(&column) || keep == Keep::History && column == key.version,
    };
    let all = keep == Keep::All;
    let (below, above): (Vec<_>, Vec<_>) =
        predicate.conjuncts().into_iter().partition(|part| all || part.uses_only(|&column| same(column)));
    RowFilter { below: Predicate::all(below).map(Arc::new), above: Predicate::all(above).map(Arc::new) }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use arrow_schema::{DataType, SchemaRef};

    use super::*;
    use crate::error::Result;
    use crate::merge::{BatchSource, merge};
    use crate::record::{ColumnNode, Comparison, Description, Key, KeyPart, Literal, Shape, Test};

    const ENTITY: usize = 0;
    const VERSION: usize = 1;
    const VALUE: usize = 2;

    fn layout(key: Option<Key>) -> ReadLayout {
        let column = |name| ColumnNode::plain(name, Shape::Leaf(DataType::Int64));
        let description = Description::plain("Row", ["entity", "version", "value"].map(column).to_vec(), key);
        ReadLayout::new(&description, &description)
    }

    fn keyed() -> ReadLayout {
        layout(Some(Key { entity: vec![ENTITY], version: VERSION }))
    }

    fn at_most(column: usize, value: i128) -> Predicate {
        Predicate::Test(column, Test::Compare(Comparison::LessOrEqual, Literal::Part(KeyPart::Int(value))))
    }

    /// Returns the columns that the parts test.
    fn parts(predicate: Predicate, layout: &ReadLayout, keep: Keep) -> [String; 2] {
        let RowFilter { below, above } = split(predicate, layout, keep);
        [below, above].map(|part| part.map_or_else(String::new, |part| part.to_string()))
    }

    #[test]
    fn only_columns_that_all_superseded_rows_have_in_common_filter_before_deduplication() {
        let all = || at_most(ENTITY, 1).and(at_most(VERSION, 2)).and(at_most(VALUE, 3));
        let text = |text: &str| text.to_owned();
        assert_eq!(parts(all(), &keyed(), Keep::Latest), [text("0 <= 1"), text("1 <= 2 and 2 <= 3")]);
        assert_eq!(parts(all(), &keyed(), Keep::History), [text("0 <= 1 and 1 <= 2"), text("2 <= 3")]);
        assert_eq!(parts(all(), &layout(None), Keep::All), [text("0 <= 1 and 1 <= 2 and 2 <= 3"), text("")]);
        // A condition on several columns is not split.
        let either = at_most(ENTITY, 1).or(at_most(VALUE, 3));
        assert_eq!(parts(either, &keyed(), Keep::Latest), [text(""), text("0 <= 1 or 2 <= 3")]);
        let nested = at_most(ENTITY, 1).or(at_most(ENTITY, 5).not()).and(at_most(ENTITY, 7).and(at_most(VALUE, 3)));
        let below = text("(0 <= 1 or not (0 <= 5)) and 0 <= 7");
        assert_eq!(parts(nested, &keyed(), Keep::Latest), [below, text("2 <= 3")]);
    }

    struct Rows(std::vec::IntoIter<RecordBatch>, SchemaRef);

    impl Iterator for Rows {
        type Item = Result<RecordBatch>;

        fn next(&mut self) -> Option<Self::Item> {
            self.0.next().map(Ok)
        }
    }

    impl BatchSource for Rows {
        fn schema(&self) -> SchemaRef {
            Arc::clone(&self.1)
        }
    }

    /// Merges files of rows (entity, version, value), each filtered by `below`, and filters the result by `above`. Returns
    /// the values.
    fn read(files: &[&[[i64; 3]]], filter: &RowFilter, keep: Keep) -> Vec<i64> {
        let kept = |part: &Option<Arc<Predicate>>, batch: RecordBatch| match part {
            Some(part) => part.keep_matching(batch).unwrap(),
            None => batch,
        };
        let files = files.iter().map(|rows| {
            let column =
                |index: usize| Arc::new(rows.iter().map(|row| Some(row[index])).collect::<Int64Array>()) as ArrayRef;
            let names = ["entity", "version", "value"];
            let batch = RecordBatch::try_from_iter(names.into_iter().enumerate().map(|(i, name)| (name, column(i))));
            let batch = batch.unwrap();
            let schema = batch.schema();
            Rows(vec![kept(&filter.below, batch)].into_iter(), schema)
        });
        let merged = merge(&keyed(), files.collect(), keep).unwrap().map(|batch| kept(&filter.above, batch.unwrap()));
        merged.flat_map(|batch| batch.column(VALUE).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    /// Entity 1 had the value 5 and now has 50. A filter for small values must not return the 5, which is superseded.
    #[test]
    fn a_filter_on_a_value_does_not_bring_back_an_older_version() {
        let files: [&[[i64; 3]]; 2] = [&[[1, 1, 5], [2, 1, 6]], &[[1, 2, 50]]];
        let small = || at_most(VALUE, 10);
        assert_eq!(read(&files, &split(small(), &keyed(), Keep::Latest), Keep::Latest), [6]);
        // The wrong answer that the split prevents.
        let wrong = RowFilter { below: Some(Arc::new(small())), above: None };
        assert_eq!(read(&files, &wrong, Keep::Latest), [5, 6]);
        // So would a condition on the version, unless all versions are returned.
        let first = || at_most(VERSION, 1);
        assert_eq!(read(&files, &split(first(), &keyed(), Keep::Latest), Keep::Latest), [6]);
        assert_eq!(read(&files, &split(first(), &keyed(), Keep::History), Keep::History), [5, 6]);
    }
}
