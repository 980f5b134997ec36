//! Iteration over values that are found by their index.

use std::iter::FusedIterator;
use std::ops::Range;

/// A sequence of values that are made on demand.
pub trait Indexed {
    /// The values.
    type Item;

    /// Returns the value at an index, or `None` if there is none.
    fn at(&self, index: usize) -> Option<Self::Item>;
}

/// An iterator over the rows of [`Rows`](crate::read::Rows), the items of a [`List`](super::List) or the entries of a
/// [`Map`](super::Map).
#[derive(Debug, Clone)]
pub struct Iter<S> {
    source: S,
    range: Range<usize>,
}

impl<S> Iter<S> {
    pub(crate) fn new(source: S, len: usize) -> Self {
        Self { source, range: 0..len }
    }
}

impl<S: Indexed> Iterator for Iter<S> {
    type Item = S::Item;

    #[inline]
    fn next(&mut self) -> Option<S::Item> {
        self.source.at(self.range.next()?)
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<S::Item> {
        self.source.at(self.range.nth(n)?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl<S: Indexed> DoubleEndedIterator for Iter<S> {
    #[inline]
    fn next_back(&mut self) -> Option<S::Item> {
        self.source.at(self.range.next_back()?)
    }
}

impl<S: Indexed> ExactSizeIterator for Iter<S> {}

impl<S: Indexed> FusedIterator for Iter<S> {}
