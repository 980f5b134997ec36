//! Files of a partition that have no key in common, by their statistics. They need no merge, unless the order of rows matters.

use std::cmp::Ordering;

use crate::codec::Span;
use crate::merge::Keep;
use crate::record::Key;

/// Returns the columns of which one must be equal in two rows for one to replace the other.
pub(super) fn compared_columns(key: &Key, keep: Keep) -> Vec<usize> {
    match keep {
        Keep::Latest => key.entity.clone(),
        Keep::History => key.columns().collect(),
        Keep::All => Vec::new(),
    }
}

/// Divides files into groups such that no row of one group replaces a row of another. Keeps the order of files in a group, and
/// that of groups by their first file.
///
/// `spans` has the values of each compared column in each file.
pub(super) fn groups<F>(files: Vec<F>, spans: &[Vec<Option<Span>>]) -> Vec<Vec<F>> {
    let columns = spans.first().map_or(0, Vec::len);
    let by_column = (0..columns).filter_map(|column| {
        let spans = spans.iter().map(|file| file.get(column)?.as_ref());
        groups_by(&spans.collect::<Option<Vec<_>>>()?)
    });
    let Some((count, group_of)) = by_column.max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 1) else {
        return vec![files];
    };
    let mut groups: Vec<Vec<F>> = std::iter::repeat_with(Vec::new).take(count).collect();
    let mut order = Vec::with_capacity(count);
    for (file, group) in files.into_iter().zip(group_of) {
        if let Some(files) = groups.get_mut(group) {
            if files.is_empty() {
                order.push(group);
            }
            files.push(file);
        }
    }
    order.into_iter().filter_map(|group| groups.get_mut(group).map(std::mem::take)).collect()
}

/// Returns the number of groups of spans that overlap, and the group of each span. Returns `None` if spans can't be compared.
fn groups_by(spans: &[&Span]) -> Option<(usize, Vec<usize>)> {
    let (first, _) = spans.first()?;
    let is_comparable = spans.iter().all(|(least, greatest)| {
        first.compare(least).is_some() && least.compare(greatest).is_some_and(Ordering::is_le)
    });
    if !is_comparable {
        return None;
    }
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by(|&a, &b| match (spans.get(a), spans.get(b)) {
        (Some((a, _)), Some((b, _))) => a.compare(b).unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    });
    let (mut group_of, mut count) = (vec![0; spans.len()], 0);
    let mut end = None;
    for index in order {
        let (least, greatest) = spans.get(index)?;
        let is_greater = |than: &_| greatest.compare(than).is_some_and(Ordering::is_gt);
        match end {
            Some(before) if least.compare(before).is_none_or(Ordering::is_le) => {
                if is_greater(before) {
                    end = Some(greatest);
                }
            }
            _ => {
                count += 1;
                end = Some(greatest);
            }
        }
        *group_of.get_mut(index)? = count - 1;
    }
    Some((count, group_of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{KeyPart, Literal};

    fn span(least: i128, greatest: i128) -> Option<Span> {
        Some((Literal::Part(KeyPart::Int(least)), Literal::Part(KeyPart::Int(greatest))))
    }

    fn grouped(spans: &[Vec<Option<Span>>]) -> Vec<Vec<usize>> {
        groups((0..spans.len()).collect(), spans)
    }

    #[test]
    fn files_whose_spans_touch_are_in_one_group() {
        let one = |spans: &[(i128, i128)]| {
            grouped(&spans.iter().map(|&(least, greatest)| vec![span(least, greatest)]).collect::<Vec<_>>())
        };
        assert_eq!(one(&[(0, 1), (2, 3), (4, 5)]), [[0], [1], [2]]);
        assert_eq!(one(&[(0, 2), (2, 3), (4, 5)]), [vec![0, 1], vec![2]]);
        assert_eq!(one(&[(7, 9), (0, 20), (21, 22), (5, 6), (20, 20)]), [vec![0, 1, 3, 4], vec![2]]);
        assert_eq!(one(&[(4, 5), (0, 1), (5, 9)]), [vec![0, 2], vec![1]]);
        assert_eq!(one(&[(0, 0), (0, 0)]), [[0, 1]]);
        assert_eq!(one(&[(3, 4)]), [[0]]);
    }

    #[test]
    fn one_column_is_enough_to_tell_files_apart() {
        let spans = [vec![span(0, 9), span(1, 1)], vec![span(5, 20), span(2, 3)], vec![span(0, 30), span(3, 3)]];
        assert_eq!(grouped(&spans), [vec![0], vec![1, 2]]);
        assert_eq!(grouped(&[vec![None, span(1, 1)], vec![None, span(2, 2)]]), [[0], [1]]);
    }

    #[test]
    fn files_with_unknown_or_incomparable_spans_are_in_one_group() {
        let text: Literal = Literal::Part(KeyPart::Text("a".into()));
        assert_eq!(grouped(&[vec![span(0, 1)], vec![None], vec![span(4, 5)]]), [[0, 1, 2]]);
        assert_eq!(grouped(&[vec![span(0, 1)], vec![Some((text.clone(), text))]]), [[0, 1]]);
        assert_eq!(grouped(&[vec![span(1, 0)], vec![span(4, 5)]]), [[0, 1]]);
        assert_eq!(grouped(&[Vec::new(), Vec::new()]), [[0, 1]]);
        assert!(grouped(&[]).iter().all(Vec::is_empty));
    }
}
