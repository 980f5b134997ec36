//! LIST as a pure function: one page of a bucket, in byte order or folder by folder.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The order in which the server lists keys. Set by [`S3::set_list_order`](super::S3::set_list_order).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListOrder {
    /// By the bytes of the keys, as S3 does: `a=1-2/x` comes before `a=1/x`, because `-` comes before `/`.
    #[default]
    Bytes,
    /// Folder by folder, as SeaweedFS does: `a=1/x` comes before `a=1-2/x`, because `a=1` comes before `a=1-2`.
    Folders,
}

impl ListOrder {
    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Bytes => one.cmp(other),
            Self::Folders => one.split('/').cmp(other.split('/')),
        }
    }
}

/// The parameters of a LIST.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ListQuery<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    pub(super) start: ListStart<'a>,
    /// The maximum number of keys and common prefixes together.
    pub(super) limit: usize,
    pub(super) order: ListOrder,
}

/// The position at which a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ListStart<'a> {
    #[default]
    Beginning,
    AfterKey(&'a str),
    /// After all keys with this prefix.
    AfterPrefix(&'a str),
}

/// One page of results.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListPage<'a, T> {
    pub(super) keys: Vec<(&'a str, &'a T)>,
    pub(super) common_prefixes: Vec<&'a str>,
    /// Hidden keys that this page would contain if they were visible.
    pub(super) hidden: Vec<&'a str>,
    /// The position of the next page, or `None` if this is the last one.
    pub(super) next: Option<ListStart<'a>>,
}

/// Returns one page of the objects for which `visible` returns true.
pub(super) fn list<'a, T>(
    objects: &'a BTreeMap<String, T>,
    query: &ListQuery<'_>,
    visible: impl Fn(&T) -> bool,
) -> ListPage<'a, T> {
    let mut page = ListPage { keys: Vec::new(), common_prefixes: Vec::new(), hidden: Vec::new(), next: None };
    let mut last = None;
    for (key, object) in candidates(objects, query) {
        let is_grouped = page.common_prefixes.last().is_some_and(|prefix| key.starts_with(prefix));
        if is_grouped {
            continue;
        }
        let is_full = page.keys.len() + page.common_prefixes.len() == query.limit;
        if !visible(object) {
            page.hidden.extend((!is_full).then_some(key.as_str()));
            continue;
        }
        if is_full {
            page.next = last;
            return page;
        }
        match common_prefix(key, query) {
            None => {
                page.keys.push((key, object));
                last = Some(ListStart::AfterKey(key));
            }
            Some(prefix) => {
                page.common_prefixes.push(prefix);
                last = Some(ListStart::AfterPrefix(prefix));
            }
        }
    }
    page
}

/// Returns the objects below the prefix and from the start on, in order.
fn candidates<'a, T>(
    objects: &'a BTreeMap<String, T>,
    query: &ListQuery<'_>,
) -> Box<dyn Iterator<Item = (&'a String, &'a T)> + 'a> {
    let ListQuery { order, start, .. } = *query;
    let prefix = query.prefix.to_owned();
    let from = match order {
        ListOrder::Bytes => first_bound(query),
        ListOrder::Folders => Some(Bound::Included(prefix.clone())),
    };
    let Some(from) = from else { return Box::new(std::iter::empty()) };
    let below = objects.range((from, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(&prefix));
    match order {
        ListOrder::Bytes => Box::new(below),
        ListOrder::Folders => {
            let is_later = |key: &str| match start {
                ListStart::Beginning => true,
                ListStart::AfterKey(after) => order.compare(key, after) == Ordering::Greater,
                ListStart::AfterPrefix(after) => {
                    !key.starts_with(after) && order.compare(key, after) == Ordering::Greater
                }
            };
            let mut sorted: Vec<_> = below.filter(|(key, _)| is_later(key)).collect();
            sorted.sort_by(|(one, _), (other, _)| order.compare(one, other));
            Box::new(sorted.into_iter())
        }
    }
}

fn first_bound(query: &ListQuery<'_>) -> Option<Bound<String>> {
    let beginning = || Bound::Included(query.prefix.to_owned());
    match query.start {
        ListStart::AfterKey(key) if key >= query.prefix => Some(Bound::Excluded(key.to_owned())),
        ListStart::AfterPrefix(prefix) if prefix >= query.prefix => after_prefix(prefix).map(Bound::Included),
        _ => Some(beginning()),
    }
}

/// Returns the key up to the first delimiter after the prefix.
fn common_prefix<'a>(key: &'a str, query: &ListQuery<'_>) -> Option<&'a str> {
    let ListQuery { prefix, delimiter, .. } = query;
    if delimiter.is_empty() {
        return None;
    }
    let end = prefix.len() + key.strip_prefix(prefix)?.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// Returns the first string after all that start with `prefix`, or `None` if there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // UTF-8 bytes sort in the same order as chars.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

impl ListStart<'_> {
    /// Renders the position as a continuation token.
    pub(super) fn render(self) -> String {
        match self {
            ListStart::Beginning => String::new(),
            ListStart::AfterKey(key) => URL_SAFE_NO_PAD.encode(format!("k{key}")),
            ListStart::AfterPrefix(prefix) => URL_SAFE_NO_PAD.encode(format!("p{prefix}")),
        }
    }
}

/// A continuation token from a request.
pub(super) struct ContinuationToken(String);

impl ContinuationToken {
    pub(super) fn parse(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        text.starts_with(['k', 'p']).then_some(Self(text))
    }

    pub(super) fn start(&self) -> ListStart<'_> {
        match self.0.split_at(1) {
            ("k", key) => ListStart::AfterKey(key),
            (_, prefix) => ListStart::AfterPrefix(prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pages(objects: &BTreeMap<String, ()>, query: ListQuery<'_>) -> (Vec<String>, Vec<String>) {
        let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
        let mut token: Option<ContinuationToken> = None;
        loop {
            let start = token.as_ref().map_or(query.start, ContinuationToken::start);
            let page = list(objects, &ListQuery { start, ..query }, |()| true);
            assert!(page.keys.len() + page.common_prefixes.len() <= query.limit);
            keys.extend(page.keys.iter().map(|(key, ())| (*key).to_owned()));
            prefixes.extend(page.common_prefixes.iter().map(|prefix| (*prefix).to_owned()));
            let Some(next) = page.next else { return (keys, prefixes) };
            token = Some(ContinuationToken::parse(&next.render()).unwrap());
        }
    }

    /// A simple reference implementation of LIST.
    fn naive(objects: &BTreeMap<String, ()>, query: &ListQuery<'_>, after: &str) -> (Vec<String>, Vec<String>) {
        let ListQuery { prefix, delimiter, order, .. } = *query;
        let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
        let is_later = |key: &str| after.is_empty() || order.compare(key, after) == Ordering::Greater;
        let mut sorted: Vec<_> = objects.keys().filter(|key| key.starts_with(prefix) && is_later(key)).collect();
        sorted.sort_by(|one, other| order.compare(one, other));
        for key in sorted {
            match (!delimiter.is_empty()).then(|| key[prefix.len()..].find(delimiter)).flatten() {
                None => keys.push(key.clone()),
                Some(at) => {
                    let common = key[..prefix.len() + at + delimiter.len()].to_owned();
                    if prefixes.last() != Some(&common) {
                        prefixes.push(common);
                    }
                }
            }
        }
        (keys, prefixes)
    }

    proptest! {
        #[test]
        fn pages_of_any_size_add_up_to_the_whole_listing(
            keys in prop::collection::btree_set("[ab/é\u{10FFFF}\u{D7FF}]{0,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in prop::sample::select(vec!["", "/", "a/", "\u{10FFFF}", "\u{D7FF}"]),
            after in "[ab/é]{0,4}",
            limit in 1_usize..7,
            order in prop::sample::select(vec![ListOrder::Bytes, ListOrder::Folders]),
        ) {
            // In the order of folders, only the keys of a folder follow each other.
            let delimiter = if order == ListOrder::Folders && !delimiter.is_empty() { "/" } else { delimiter };
            let objects: BTreeMap<String, ()> = keys.into_iter().map(|key| (key, ())).collect();
            let start = if after.is_empty() { ListStart::Beginning } else { ListStart::AfterKey(&after) };
            let query = ListQuery { prefix: &prefix, delimiter, start, limit, order };
            prop_assert_eq!(pages(&objects, query), naive(&objects, &query, &after));
        }

        #[test]
        fn continuation_tokens_round_trip(key in ".*") {
            for start in [ListStart::AfterKey(&key), ListStart::AfterPrefix(&key)] {
                let token = ContinuationToken::parse(&start.render()).unwrap();
                prop_assert_eq!(token.start(), start);
            }
        }
    }

    #[test]
    fn malformed_continuation_tokens_are_rejected() {
        for token in ["", "k", "!", "eA"] {
            assert!(ContinuationToken::parse(token).is_none(), "{token}");
        }
    }
}
