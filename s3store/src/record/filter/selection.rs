//! The partitions that conditions select, as patterns, so that others are not listed.

use std::collections::BTreeSet;

use super::partition::{stored_column, stored_text};
use super::predicate::{Comparison, Literal, Predicate, Test};
use crate::format::check_partition_value;
use crate::pattern::{Pattern, Segment};
use crate::record::{Description, KeyPart};

/// The most patterns that conditions are turned into. Beyond that, fewer columns are restricted.
const MOST_PATTERNS: usize = 64;

/// The values of a partition column that conditions allow. Others may be allowed, too: patterns only save requests.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Any,
    Values(BTreeSet<String>),
    Range { from: Option<String>, to: Option<String> },
    Prefix(String),
}

/// Returns patterns that select all partitions of `root` with a row for which all conditions are true. `rows` are conditions
/// on the columns of `root`, `partitions` on the texts of its partition columns.
pub(crate) fn partition_patterns(root: &Description, rows: &[Predicate], partitions: &[Predicate]) -> Vec<Pattern> {
    let mut allowed = vec![Allowed::Any; root.partition.len()];
    let by_row = rows.iter().filter_map(|condition| {
        let part = |column: usize| (0..root.partition.len()).find(|&part| stored_column(root, part) == Some(column));
        let text = |column: usize, value: &Literal| match value {
            Literal::Part(value) => stored_text(root.columns.get(column)?, value),
            Literal::Float(_) => None,
        };
        allowed_by(condition, &part, &text)
    });
    let by_partition = partitions.iter().filter_map(|condition| {
        let text = |_: usize, value: &Literal| match value {
            Literal::Part(KeyPart::Text(text)) => Some((**text).to_owned()),
            _ => None,
        };
        allowed_by(condition, &Some, &text)
    });
    for (part, values) in by_row.chain(by_partition) {
        if let Some(slot) = allowed.get_mut(part) {
            *slot = std::mem::replace(slot, Allowed::Any).and(values);
        }
    }
    patterns(allowed)
}

/// Returns the values of one partition column that a condition allows. `part` returns the partition column that is the text of
/// a column, `text` that text of a value.
fn allowed_by(
    condition: &Predicate,
    part: &dyn Fn(usize) -> Option<usize>,
    text: &dyn Fn(usize, &Literal) -> Option<String>,
) -> Option<(usize, Allowed)> {
    match condition {
        Predicate::Test(column, test) => Some((part(*column)?, allowed_by_test(test, &|value| text(*column, value))?)),
        Predicate::Or(first, rest) => {
            let (column, Allowed::Values(mut values)) = allowed_by(first, part, text)? else { return None };
            for other in rest {
                match allowed_by(other, part, text)? {
                    (same, Allowed::Values(more)) if same == column => values.extend(more),
                    _ => return None,
                }
            }
            Some((column, Allowed::Values(values)))
        }
        Predicate::And(..) | Predicate::Not(_) => None,
    }
}

fn allowed_by_test(test: &Test, text: &dyn Fn(&Literal) -> Option<String>) -> Option<Allowed> {
    // Ranges need texts that sort as their values do.
    let sorted = |value: &Literal| text(value).filter(|text| sorts_as_text(value, text) && is_part(text));
    Some(match test {
        Test::Compare(Comparison::Equal, value) => Allowed::values([text(value)?]),
        Test::In(values) => Allowed::values(values.iter().map(text).collect::<Option<Vec<_>>>()?),
        Test::StartsWith(start) if is_part(start) => Allowed::Prefix((**start).to_owned()),
        Test::Compare(Comparison::Greater | Comparison::GreaterOrEqual, value) => {
            Allowed::Range { from: Some(sorted(value)?), to: None }
        }
        Test::Compare(Comparison::Less, value) => Allowed::Range { from: None, to: Some(sorted(value)?) },
        // The next greater text.
        Test::Compare(Comparison::LessOrEqual, value) => Allowed::Range { from: None, to: Some(sorted(value)? + "\0") },
        Test::StartsWith(_) | Test::IsNull => return None,
    })
}

/// Returns whether the texts of such values sort as the values do: they are the values, or dates.
fn sorts_as_text(value: &Literal, text: &str) -> bool {
    match value {
        Literal::Part(KeyPart::Text(_)) => true,
        // Years of four digits. An integer has no `-` in this place.
        Literal::Part(KeyPart::Int(_)) => text.len() == "2026-03-17".len() && text.as_bytes().get(4) == Some(&b'-'),
        _ => false,
    }
}

/// Returns whether a partition value can have this part.
fn is_part(text: &str) -> bool {
    !text.contains('/') && !text.contains("..")
}

impl Allowed {
    /// Returns the values that a key can contain.
    fn values(values: impl IntoIterator<Item = String>) -> Self {
        Self::Values(values.into_iter().filter(|value| check_partition_value(value).is_ok()).collect())
    }

    fn has(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Values(values) => values.contains(value),
            Self::Range { from, to } => {
                from.as_deref().is_none_or(|from| from <= value) && to.as_deref().is_none_or(|to| value < to)
            }
            Self::Prefix(start) => value.starts_with(start.as_str()),
        }
    }

    /// Returns the values that both allow, or more.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, other) | (other, Self::Any) => other,
            (Self::Values(values), other) | (other, Self::Values(values)) => {
                Self::Values(values.into_iter().filter(|value| other.has(value)).collect())
            }
            (Self::Range { from, to }, Self::Range { from: other_from, to: other_to }) => {
                // `None` is the smallest start, and the greatest end.
                let to = match (to, other_to) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
                Self::Range { from: from.max(other_from), to }
            }
            (prefix @ Self::Prefix(_), Self::Range { .. }) | (Self::Range { .. }, prefix @ Self::Prefix(_)) => prefix,
            (Self::Prefix(one), Self::Prefix(other)) => Self::Prefix(if one.len() > other.len() { one } else { other }),
        }
    }

    fn segments(self) -> Vec<Segment> {
        match self {
            Self::Any => vec![Segment::Any],
            Self::Values(values) => values.into_iter().map(Segment::Exact).collect(),
            // Nothing is between the ends.
            Self::Range { from: Some(from), to: Some(to) } if from >= to => Vec::new(),
            Self::Range { from, to } => vec![Segment::Range { from, to }],
            Self::Prefix(start) => vec![Segment::Prefix(start)],
        }
    }
}

/// Returns a pattern for each combination of values.
fn patterns(allowed: Vec<Allowed>) -> Vec<Pattern> {
    let mut segments: Vec<Vec<Segment>> = allowed.into_iter().map(Allowed::segments).collect();
    // Values of the first columns save most.
    let mut count = 1usize;
    for choices in &mut segments {
        match count.checked_mul(choices.len()) {
            Some(product) if product <= MOST_PATTERNS => count = product,
            _ => *choices = vec![Segment::Any],
        }
    }
    let mut patterns = vec![Vec::new()];
    for choices in segments {
        patterns = patterns
            .into_iter()
            .flat_map(|start| {
                choices.iter().map(move |choice| {
                    let mut longer = start.clone();
                    longer.push(choice.clone());
                    longer
                })
            })
            .collect();
    }
    patterns.into_iter().map(Pattern::new).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use arrow_schema::DataType;
    use proptest::prelude::*;

    use super::*;
    use crate::record::{ColumnNode, Names, Rendering, RenderingForm, Shape};

    fn root() -> Description {
        let column = |(name, data_type): (&'static str, DataType)| ColumnNode::plain(name, Shape::Leaf(data_type));
        let columns = [("day", DataType::Date32), ("sku", DataType::Utf8), ("size", DataType::Int32)].map(column);
        let stored = |name: &'static str| Rendering {
            columns: Names::from_iter([Cow::Borrowed(name)]),
            form: RenderingForm::Value,
            is_stored: true,
        };
        Description {
            partition: Names::of(&["d", "item", "n"]),
            rendering: vec![stored("day"), stored("sku"), stored("size")],
            ..Description::plain("Test", columns.to_vec(), None)
        }
    }

    fn text(value: &str) -> Literal {
        Literal::Part(KeyPart::Text(value.into()))
    }

    fn int(value: i128) -> Literal {
        Literal::Part(KeyPart::Int(value))
    }

    fn test(column: usize, comparison: Comparison, value: Literal) -> Predicate {
        Predicate::Test(column, Test::Compare(comparison, value))
    }

    fn shown(rows: &[Predicate], partitions: &[Predicate]) -> Vec<String> {
        let root = root();
        let patterns = partition_patterns(&root, rows, partitions);
        patterns.iter().map(|pattern| crate::pattern::tests::render(pattern, &root.partition.texts())).collect()
    }

    #[test]
    fn conditions_on_partition_columns_become_patterns() {
        use Comparison::{Equal, GreaterOrEqual, Less, LessOrEqual};
        assert_eq!(shown(&[], &[]), ["*/*/*"]);
        assert_eq!(shown(&[test(0, Equal, int(1))], &[]), ["d=1970-01-02/*/*"]);
        let range = [test(0, GreaterOrEqual, int(1)), test(0, Less, int(5)), test(0, GreaterOrEqual, int(2))];
        assert_eq!(shown(&range, &[]), ["d=1970-01-03..1970-01-06/*/*"]);
        let either = test(1, Equal, text("a"))
            .or(test(1, Equal, text("b")))
            .or(Predicate::Test(1, Test::is_in(vec![text("c"), text("d")])));
        assert_eq!(
            shown(&[either, test(2, Equal, int(-3))], &[]),
            ["*/item=a/n=-3", "*/item=b/n=-3", "*/item=c/n=-3", "*/item=d/n=-3"]
        );
        // Integers do not sort as text.
        assert_eq!(shown(&[test(2, Less, int(10))], &[]), ["*/*/*"]);
        assert_eq!(shown(&[Predicate::Test(1, Test::StartsWith("ab".into()))], &[]), ["*/item=ab*/*"]);
        assert_eq!(shown(&[], &[test(2, LessOrEqual, text("5"))]), ["*/*/n=..5\0"]);
        // No key has such values.
        assert!(shown(&[test(1, Equal, text("a/b"))], &[]).is_empty());
        assert!(shown(&[test(1, Equal, text("a")), test(1, Equal, text("b"))], &[]).is_empty());
        assert!(shown(&[test(1, Less, text("a")), test(1, GreaterOrEqual, text("b"))], &[]).is_empty());
        // Conditions that say nothing about one column.
        let both = test(1, Equal, text("a")).or(test(2, Equal, int(1)));
        assert_eq!(shown(&[both, test(1, Equal, text("a")).not(), Predicate::Test(1, Test::IsNull)], &[]), ["*/*/*"]);
        // Too many combinations.
        let many = |column, count| {
            Predicate::Test(column, Test::is_in((0..count).map(|number| text(&format!("{number:03}"))).collect()))
        };
        assert_eq!(shown(&[], &[many(0, 60), many(1, 2), test(2, Equal, text("5"))]).len(), 60);
        assert_eq!(shown(&[], &[many(0, 65), many(1, 2)]), ["*/item=000/*", "*/item=001/*"]);
    }

    fn condition() -> impl Strategy<Value = Predicate> {
        let comparison = prop::sample::select(vec![
            Comparison::Equal,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ]);
        let value = prop::sample::select(vec!["", "a", "ab", "b", "a-", "..", "a/b", "ä"]);
        let leaf = prop_oneof![
            (comparison.clone(), value.clone()).prop_map(|(comparison, value)| test(1, comparison, text(value))),
            prop::collection::vec(value.clone(), 0..4)
                .prop_map(|values| Predicate::Test(1, Test::is_in(values.into_iter().map(text).collect()))),
            value.prop_map(|value| Predicate::Test(1, Test::StartsWith(value.into()))),
            (comparison, -3_i128..40).prop_map(|(comparison, value)| test(2, comparison, int(value))),
            (-2_i128..3).prop_map(|value| test(0, Comparison::LessOrEqual, int(value))),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(one, other)| one.or(other)),
                inner.prop_map(Predicate::not),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_partition_that_can_match_is_left_out(
            conditions in prop::collection::vec(condition(), 1..4),
            day in -2_i64..4,
            sku in prop::sample::select(vec!["a", "ab", "a-", "b", "ä", "c"]),
            size in -5_i32..50,
        ) {
            let root = root();
            let day = chrono::NaiveDate::default() + chrono::TimeDelta::days(day);
            let key = format!("d={day}/item={sku}/n={size}");
            let all = Predicate::all(conditions.clone()).unwrap();
            if all.can_match_partition(&root, &key) {
                let names = root.partition.texts();
                let patterns = partition_patterns(&root, &conditions, &[]);
                prop_assert!(patterns.iter().any(|pattern| pattern.matches(&key, &names)), "{key} {patterns:?}");
            }
        }
    }
}
