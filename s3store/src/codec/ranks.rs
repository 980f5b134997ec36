//! Ranks of texts: numbers that compare as the texts do.

use std::collections::HashMap;

/// Returns the rank of each text among the distinct texts, or `None` if more than a quarter of the texts are distinct.
pub(super) fn ranks<'k>(texts: impl ExactSizeIterator<Item = &'k [u8]>) -> Option<Vec<u32>> {
    let limit = texts.len() / 4;
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    let mut numbers_of_rows = Vec::with_capacity(texts.len());
    let mut last: Option<(&[u8], usize)> = None;
    for text in texts {
        let number = match last {
            Some((same, number)) if same == text => number,
            _ => {
                let next = numbers.len();
                *numbers.entry(text).or_insert(next)
            }
        };
        if number >= limit {
            return None;
        }
        last = Some((text, number));
        numbers_of_rows.push(number);
    }
    let mut sorted: Vec<(&[u8], usize)> = numbers.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for (rank, (_, number)) in (0..).zip(sorted) {
        ranks[number] = rank;
    }
    Some(numbers_of_rows.into_iter().map(|number| ranks[number]).collect())
}
