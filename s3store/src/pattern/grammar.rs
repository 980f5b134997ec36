//! Parser of the pattern grammar. Its error messages suggest a valid pattern.

use super::{Pattern, Segment};
use crate::error::{Error, Result};

impl Pattern {
    /// Parses a pattern over the columns `names`; see [`IntoPatterns`](super::IntoPatterns) for the grammar.
    ///
    /// # Errors
    /// `InvalidInput` with the pattern, the segment and a suggestion.
    pub(crate) fn parse(text: &str, names: &[impl AsRef<str>]) -> Result<Self> {
        if text == "*" {
            return Ok(Self::everything());
        }
        if text.trim().is_empty() {
            return Err(Error::invalid_input(format!("pattern {text:?} is empty: write `*` to select everything")));
        }
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let texts: Vec<&str> = text.split('/').collect();
        if texts.len() != names.len() {
            return Err(wrong_count(text, &texts, &names));
        }
        let segments = texts.iter().enumerate().map(|(at, segment)| {
            parse_segment(segment, at, &names).map_err(|reason| {
                Error::invalid_input(format!("pattern {text:?}, segment {} ({segment:?}): {reason}", at + 1))
            })
        });
        Ok(Self::new(segments.collect::<Result<_>>()?))
    }
}

fn parse_segment(text: &str, at: usize, names: &[&str]) -> Result<Segment, String> {
    if text == "*" {
        return Ok(Segment::Any);
    }
    let expected = names.get(at).copied().unwrap_or_default();
    match text.strip_prefix(expected).and_then(|rest| rest.strip_prefix('=')) {
        Some(value) => parse_value(value),
        None => Err(mislabelled(text, at, expected, names)),
    }
}

fn parse_value(value: &str) -> Result<Segment, String> {
    if let Some(illegal) = value.chars().find(|c| "?[]{}".contains(*c)) {
        return Err(format!(
            "{illegal:?} is not allowed in a pattern: write `*` at the end of a value, a range `from..to`, or one pattern \
             for each value; to select a value that contains it, use the record's `partitions()`"
        ));
    }
    if value.contains("..") {
        return parse_range(value);
    }
    match value.split_once('*') {
        None => Ok(Segment::Exact(value.to_owned())),
        Some((start, "")) => Ok(Segment::Prefix(start.to_owned())),
        Some((start, _)) => Err(format!(
            "`*` is allowed only once, at the end of a value: write `{start}*`, or a segment `*` for every value; to \
             select a value that contains `*`, use the record's `partitions()`"
        )),
    }
}

fn parse_range(value: &str) -> Result<Segment, String> {
    let ends: Vec<&str> = value.split("..").collect();
    let [from, to] = ends[..] else {
        return Err("a range has one `..`: write `from..to`, or one pattern for each range".to_owned());
    };
    if let Some(last) = to.strip_prefix('=') {
        return Err(format!(
            "a range is half-open: write `{}..` and the first value after {last:?} that is not wanted instead of \
             `{from}..={last}`",
            from.trim(),
        ));
    }
    if from.is_empty() && to.is_empty() {
        return Err("a range needs at least one end: write a segment `*` for every value".to_owned());
    }
    if value.contains('*') {
        return Err(format!(
            "the ends of a range are plain text: write `{}..{}`",
            from.replace('*', ""),
            to.replace('*', "")
        ));
    }
    let end = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    if !to.is_empty() && from > to {
        return Err(format!(
            "the range is reversed: as text, {from:?} comes after {to:?}; write `{to}..{from}`, or pad numbers with zeros"
        ));
    }
    Ok(Segment::Range { from: end(from), to: end(to) })
}

fn wrong_count(text: &str, texts: &[&str], names: &[&str]) -> Error {
    let shape = names.iter().map(|name| format!("{name}=…")).collect::<Vec<_>>().join("/");
    let fix = if texts.len() < names.len() {
        let rest = names.iter().skip(texts.len()).map(|_| "/*").collect::<String>();
        format!("write `{text}{rest}` to select every value of the other columns")
    } else {
        "a value can't contain `/`".to_owned()
    };
    Error::invalid_input(format!(
        "pattern {text:?} has {} segment{}, the partitions have {} (`{shape}`): {fix}",
        texts.len(),
        if texts.len() == 1 { "" } else { "s" },
        names.len(),
    ))
}

/// Returns the message for a segment that does not start with its column's name.
fn mislabelled(text: &str, at: usize, expected: &str, names: &[&str]) -> String {
    let Some((name, value)) = text.split_once('=') else {
        let value = text.trim();
        return if value == "*" {
            "write `*` without spaces".to_owned()
        } else {
            format!("write `{expected}={value}` for this value, or `*` for every value")
        };
    };
    let (name, value) = (name.trim(), value.trim());
    if name == expected {
        return format!("the column's name has spaces around it: write `{expected}={value}`");
    }
    if let Some(index) = names.iter().position(|known| *known == name) {
        return format!(
            "`{name}` is segment {}, segment {} is `{expected}`: keep the order `{}`",
            index + 1,
            at + 1,
            names.join("/")
        );
    }
    match nearest(name, names) {
        Some(near) if near == expected => {
            format!("there is no column `{name}`, did you mean `{near}`? write `{near}={value}`")
        }
        Some(near) => format!("there is no column `{name}`, did you mean `{near}`? segment {} is `{expected}`", at + 1),
        None => format!("there is no column `{name}`, segment {} is `{expected}`: write `{expected}=…` or `*`", at + 1),
    }
}

fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let scored = names.iter().map(|known| (strsim::jaro_winkler(name, known), *known));
    scored.filter(|(score, _)| *score > 0.7).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}
