//! The values that the rows of a row group or page can have in a column.

use std::cmp::Ordering;

use arrow_array::ArrayRef;

use crate::record::{Comparison, Literal, Test, Truth};

/// The values that some rows can have in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    /// A value that is not greater than any other. `None` if it is not known.
    least: Option<Literal>,
    /// A value that is not less than any other. `None` if it is not known.
    greatest: Option<Literal>,
    /// True if a row can have a value.
    has_values: bool,
    /// True if a row can be null.
    has_nulls: bool,
    /// The value that a reader sees in place of a null.
    null: Option<Literal>,
    /// True if the value in place of a null is not known.
    null_unknown: bool,
}

impl Bounds {
    /// Rows with any values.
    pub(super) const UNKNOWN: Self =
        Self { least: None, greatest: None, has_values: true, has_nulls: true, null: None, null_unknown: true };

    /// Returns the bounds of `rows` rows, of which `nulls` are null if that is known.
    pub(super) fn new(least: Option<Literal>, greatest: Option<Literal>, nulls: Option<u64>, rows: u64) -> Self {
        let (mut least, mut greatest) =
            (least.filter(|value| !value.is_nan()), greatest.filter(|value| !value.is_nan()));
        if let (Some(low), Some(high)) = (&least, &greatest)
            && !low.compare(high).is_some_and(Ordering::is_le)
        {
            (least, greatest) = (None, None);
        }
        let (has_values, has_nulls) = (nulls.is_none_or(|nulls| nulls < rows), nulls != Some(0));
        Self { least, greatest, has_values, has_nulls, null: None, null_unknown: false }
    }

    /// Returns the bounds of rows that all have the only value of an array.
    pub(super) fn constant(value: &ArrayRef) -> Self {
        match Literal::of_row(value, 0) {
            Some(value) => Self::new(Some(value.clone()), Some(value), Some(0), 1),
            None if value.is_null(0) => Self::new(None, None, Some(1), 1),
            None => Self::UNKNOWN,
        }
    }

    /// Returns the bounds if a reader sees the only value of an array in place of nulls.
    pub(super) fn with_null(self, value: Option<&ArrayRef>) -> Self {
        match value {
            Some(value) => {
                let null = Literal::of_row(value, 0);
                Self { null_unknown: null.is_none(), null, ..self }
            }
            None => self,
        }
    }

    /// Returns the least and the greatest value. Returns `None` if one is not known, or if there may be others, such as nulls.
    pub(super) fn span(self) -> Option<(Literal, Literal)> {
        let is_all = !self.has_nulls && !self.can_be_nan();
        self.least.zip(self.greatest).filter(|_| is_all)
    }

    /// Returns whether a test can be true for a row, and whether it can be false.
    pub(super) fn results(&self, test: &Test) -> Truth<bool> {
        let none = Truth { is_true: false, is_false: false };
        let of_values = if self.has_values { self.results_of_values(test) } else { none };
        let of_nulls = match (self.has_nulls, self.null_unknown) {
            (false, _) => none,
            (true, true) => Truth { is_true: true, is_false: true },
            (true, false) => {
                let result = test.of_value(self.null.as_ref());
                Truth { is_true: result == Some(true), is_false: result == Some(false) }
            }
        };
        of_values.joined(&of_nulls)
    }

    /// Returns the results for rows that are not null.
    fn results_of_values(&self, test: &Test) -> Truth<bool> {
        // A comparison that is not possible excludes nothing.
        let low = |value: &Literal| self.least.as_ref().and_then(|least| least.compare(value));
        let high = |value: &Literal| self.greatest.as_ref().and_then(|greatest| greatest.compare(value));
        let maybe = |ordering: Option<Ordering>, holds: fn(Ordering) -> bool| ordering.is_none_or(holds);
        let can_equal = |value: &Literal| maybe(low(value), Ordering::is_le) && maybe(high(value), Ordering::is_ge);
        let (is_true, is_false) = match test {
            Test::IsNull => (false, true),
            Test::Compare(Comparison::Equal, value) => {
                let only = low(value) == Some(Ordering::Equal) && high(value) == Some(Ordering::Equal);
                (can_equal(value), !only || self.can_be_nan())
            }
            Test::Compare(comparison @ (Comparison::Less | Comparison::LessOrEqual), value) => {
                let holds = |ordering: Option<Ordering>| ordering.is_none_or(|ordering| comparison.holds(ordering));
                let all = high(value).is_some_and(|ordering| comparison.holds(ordering));
                (holds(low(value)), !all || self.can_be_nan())
            }
            Test::Compare(comparison, value) => {
                let holds = |ordering: Option<Ordering>| ordering.is_none_or(|ordering| comparison.holds(ordering));
                let all = low(value).is_some_and(|ordering| comparison.holds(ordering));
                (holds(high(value)), !all || self.can_be_nan())
            }
            Test::In(values) => {
                let only = values
                    .iter()
                    .any(|value| low(value) == Some(Ordering::Equal) && high(value) == Some(Ordering::Equal));
                (values.iter().any(can_equal), !only || self.can_be_nan())
            }
            Test::StartsWith(start) => {
                // Compares only as many bytes as the start has.
                let cut = |value: &Option<Literal>| {
                    let bytes = value.as_ref()?.bytes()?;
                    Some(bytes.get(..start.len()).unwrap_or(bytes).cmp(start.as_bytes()))
                };
                let (low, high) = (cut(&self.least), cut(&self.greatest));
                let all = low == Some(Ordering::Equal) && high == Some(Ordering::Equal);
                (maybe(low, Ordering::is_le) && maybe(high, Ordering::is_ge), !all)
            }
        };
        Truth { is_true, is_false }
    }

    /// Returns whether a row can be NaN, which the bounds of floats leave out.
    fn can_be_nan(&self) -> bool {
        !matches!((&self.least, &self.greatest), (Some(Literal::Part(_)), _) | (_, Some(Literal::Part(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::KeyPart;

    fn int(value: i128) -> Literal {
        Literal::Part(KeyPart::Int(value))
    }

    fn text(value: &str) -> Literal {
        Literal::Part(KeyPart::Text(value.into()))
    }

    fn results(bounds: &Bounds, test: Test) -> (bool, bool) {
        let truth = bounds.results(&test);
        (truth.is_true, truth.is_false)
    }

    /// The results of a test for the values from 10 to 20 are those of its tests of the single values.
    #[test]
    fn the_results_for_bounds_are_those_of_their_values() {
        let bounds = Bounds::new(Some(int(10)), Some(int(20)), Some(0), 5);
        let comparisons = [
            Comparison::Equal,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ];
        for value in 8..23 {
            let tests = comparisons.map(|comparison| Test::Compare(comparison, int(value)));
            let is_in = Test::is_in(vec![int(value), int(value + 3), int(100)]);
            for test in tests.into_iter().chain([is_in, Test::IsNull]) {
                let single: Vec<_> = (10..21).filter_map(|one| test.of_value(Some(&int(one)))).collect();
                let expected = (single.contains(&true), single.contains(&false));
                assert_eq!(results(&bounds, test.clone()), expected, "{test:?}");
            }
        }
    }

    #[test]
    fn nulls_are_unknown_in_comparisons_unless_a_default_replaces_them() {
        let equal = |value| Test::Compare(Comparison::Equal, int(value));
        let nulls = Bounds::new(None, None, Some(5), 5);
        assert_eq!(results(&nulls, equal(3)), (false, false));
        assert_eq!(results(&nulls, Test::IsNull), (true, false));
        let one = Bounds::new(Some(int(7)), Some(int(7)), Some(1), 5);
        assert_eq!(results(&one, equal(7)), (true, false));
        assert_eq!(results(&one, Test::IsNull), (true, true));
        let default: ArrayRef = std::sync::Arc::new(arrow_array::Int64Array::from(vec![3]));
        let replaced = one.with_null(Some(&default));
        assert_eq!(results(&replaced, equal(3)), (true, true));
        assert_eq!(results(&replaced, Test::IsNull), (false, true));
        assert_eq!(results(&replaced, equal(4)), (false, true));
        let unknown = Bounds::new(Some(int(7)), Some(int(7)), None, 5);
        assert_eq!(results(&unknown, Test::IsNull), (true, true));
        assert_eq!(results(&unknown, equal(8)), (false, true));
    }

    #[test]
    fn bounds_in_doubt_exclude_nothing() {
        let float = |value| Some(Literal::Float(value));
        let less = |value| Test::Compare(Comparison::Less, Literal::Float(value));
        // NaN is in no bounds, but in the rows.
        assert_eq!(results(&Bounds::new(float(1.0), float(2.0), Some(0), 5), less(3.0)), (true, true));
        assert_eq!(results(&Bounds::new(float(1.0), float(2.0), Some(0), 5), less(0.5)), (false, true));
        assert_eq!(results(&Bounds::new(float(f64::NAN), float(f64::NAN), Some(0), 5), less(0.5)), (true, true));
        // Zero is one value.
        let zero = Test::Compare(Comparison::Equal, Literal::Float(-0.0));
        assert!(results(&Bounds::new(float(0.0), float(1.0), Some(0), 5), zero).0);
        let reversed = Bounds::new(Some(text("b")), Some(text("a")), Some(0), 5);
        assert_eq!(results(&reversed, Test::Compare(Comparison::Equal, text("c"))), (true, true));
        let other_type = Bounds::new(Some(text("a")), Some(text("b")), Some(0), 5);
        assert_eq!(results(&other_type, Test::Compare(Comparison::Equal, int(1))), (true, true));
    }

    #[test]
    fn a_start_of_texts_is_compared_with_as_many_bytes() {
        let bounds = |low: &str, high: &str| Bounds::new(Some(text(low)), Some(text(high)), Some(0), 5);
        let starts = |start: &str| Test::StartsWith(start.into());
        assert_eq!(results(&bounds("abc", "abd"), starts("ab")), (true, false));
        assert_eq!(results(&bounds("ab", "b"), starts("ab")), (true, true));
        assert_eq!(results(&bounds("a", "b"), starts("ab")), (true, true));
        assert_eq!(results(&bounds("ac", "b"), starts("ab")), (false, true));
        assert_eq!(results(&bounds("a", "aa"), starts("ab")), (false, true));
        assert_eq!(results(&bounds("", "a"), starts("ab")), (false, true));
    }
}
