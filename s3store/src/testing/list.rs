//! LIST as a pure function: one page of a bucket, in byte order.

use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a LIST asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    pub(super) start: Start<'a>,
    /// Keys and common prefixes together.
    pub(super) limit: usize,
}

/// Where a LIST starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Start<'a> {
    #[default]
    Beginning,
    AfterKey(&'a str),
    /// After all keys that begin so.
    AfterPrefix(&'a str),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<'a, T> {
    pub(super) keys: Vec<(&'a str, &'a T)>,
    pub(super) common_prefixes: Vec<&'a str>,
    /// Keys that were not visible, where this page would have had them.
    pub(super) hidden: Vec<&'a str>,
    /// What the next page starts after, if there is one.
    pub(super) next: Option<Start<'a>>,
}

/// Lists what `visible` lets through.
pub(super) fn list<'a, T>(
    objects: &'a BTreeMap<String, T>,
    query: &Query<'_>,
    visible: impl Fn(&T) -> bool,
) -> Page<'a, T> {
    let mut page = Page { keys: Vec::new(), common_prefixes: Vec::new(), hidden: Vec::new(), next: None };
    let mut last = None;
    let mut from = first_bound(query);
    while let Some(bound) = from.take() {
        for (key, object) in objects.range((bound, Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(query.prefix) else { return page };
            let is_full = page.keys.len() + page.common_prefixes.len() == query.limit;
            if !visible(object) {
                page.hidden.extend((!is_full).then_some(key.as_str()));
                continue;
            }
            if is_full {
                page.next = last;
                return page;
            }
            match common_prefix(key, rest, query.delimiter) {
                None => {
                    page.keys.push((key, object));
                    last = Some(Start::AfterKey(key));
                }
                Some(prefix) => {
                    page.common_prefixes.push(prefix);
                    last = Some(Start::AfterPrefix(prefix));
                    from = after_prefix(prefix).map(Bound::Included);
                    break;
                }
            }
        }
    }
    page
}

fn first_bound(query: &Query<'_>) -> Option<Bound<String>> {
    let beginning = || Bound::Included(query.prefix.to_owned());
    match query.start {
        Start::AfterKey(key) if key >= query.prefix => Some(Bound::Excluded(key.to_owned())),
        Start::AfterPrefix(prefix) if prefix >= query.prefix => after_prefix(prefix).map(Bound::Included),
        _ => Some(beginning()),
    }
}

fn common_prefix<'a>(key: &'a str, rest: &str, delimiter: &str) -> Option<&'a str> {
    if delimiter.is_empty() {
        return None;
    }
    let end = key.len() - rest.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// The first string after all that begin with `prefix`; `None` when there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The order of UTF-8 bytes is the order of chars.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

impl Start<'_> {
    pub(super) fn render(self) -> String {
        match self {
            Start::Beginning => String::new(),
            Start::AfterKey(key) => URL_SAFE_NO_PAD.encode(format!("k{key}")),
            Start::AfterPrefix(prefix) => URL_SAFE_NO_PAD.encode(format!("p{prefix}")),
        }
    }
}

/// A continuation token, decoded.
pub(super) struct Token(String);

impl Token {
    pub(super) fn parse(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        text.starts_with(['k', 'p']).then_some(Self(text))
    }

    pub(super) fn start(&self) -> Start<'_> {
        match self.0.split_at(1) {
            ("k", key) => Start::AfterKey(key),
            (_, prefix) => Start::AfterPrefix(prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pages(objects: &BTreeMap<String, ()>, query: Query<'_>) -> (Vec<String>, Vec<String>) {
        let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
        let mut token: Option<Token> = None;
        loop {
            let start = token.as_ref().map_or(query.start, Token::start);
            let page = list(objects, &Query { start, ..query }, |()| true);
            assert!(page.keys.len() + page.common_prefixes.len() <= query.limit);
            keys.extend(page.keys.iter().map(|(key, ())| (*key).to_owned()));
            prefixes.extend(page.common_prefixes.iter().map(|prefix| (*prefix).to_owned()));
            let Some(next) = page.next else { return (keys, prefixes) };
            token = Some(Token::parse(&next.render()).unwrap());
        }
    }

    /// What LIST means, without its cleverness.
    fn naive(objects: &BTreeMap<String, ()>, prefix: &str, delimiter: &str, after: &str) -> (Vec<String>, Vec<String>) {
        let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
        for key in objects.keys().filter(|key| key.starts_with(prefix) && (after.is_empty() || key.as_str() > after)) {
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
        fn pages_of_any_size_add_up(
            keys in prop::collection::btree_set("[ab/é\u{10FFFF}\u{D7FF}]{0,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in prop::sample::select(vec!["", "/", "a/", "\u{10FFFF}", "\u{D7FF}"]),
            after in "[ab/é]{0,4}",
            limit in 1_usize..7,
        ) {
            let objects: BTreeMap<String, ()> = keys.into_iter().map(|key| (key, ())).collect();
            let start = if after.is_empty() { Start::Beginning } else { Start::AfterKey(&after) };
            let query = Query { prefix: &prefix, delimiter, start, limit };
            prop_assert_eq!(pages(&objects, query), naive(&objects, &prefix, delimiter, &after));
        }

        #[test]
        fn tokens_come_back(key in ".*") {
            for start in [Start::AfterKey(&key), Start::AfterPrefix(&key)] {
                let token = Token::parse(&start.render()).unwrap();
                prop_assert_eq!(token.start(), start);
            }
        }
    }

    #[test]
    fn foreign_tokens_are_refused() {
        for token in ["", "k", "!", "eA"] {
            assert!(Token::parse(token).is_none(), "{token}");
        }
    }
}
