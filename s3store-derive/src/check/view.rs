//! Views: their names, their columns, and which of them a record names.

use std::collections::HashMap;

use quote::ToTokens;
use syn::LitStr;

use super::{formats, partition};
use crate::ctxt::Ctxt;
use crate::model::{Record, View, ViewField};
use crate::types::{Look, look, word};
use crate::words::suggestion;

/// What a view's format may hold.
const LETTERS: &[&str] = &["%Y", "%m", "%d", "%H", "%M", "%S", "%F", "%T", "%%"];

/// Formats by name, and what chrono calls them.
const NAMED: &[(&str, &str)] = &[("rfc3339", "%Y-%m-%dT%H:%M:%SZ"), ("rfc3339_nanos", "%Y-%m-%dT%H:%M:%S%.fZ")];

/// Which parts of a time a format asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Date,
    Time,
    Both,
}

/// The parts that a format asks for, if any.
pub(crate) fn parts(format: &str) -> Option<Parts> {
    let letters: Vec<_> = letters(as_strftime(format)).filter(|letter| letter != "%%").collect();
    let of_date = |letter: &String| matches!(letter.as_str(), "%Y" | "%m" | "%d" | "%F");
    match (letters.iter().any(of_date), letters.iter().all(of_date)) {
        _ if letters.is_empty() => None,
        (_, true) => Some(Parts::Date),
        (false, _) => Some(Parts::Time),
        (true, false) => Some(Parts::Both),
    }
}

/// A format in the words of chrono: one with a name, and any other as it is.
pub(crate) fn as_strftime(format: &str) -> &str {
    NAMED.iter().find(|(name, _)| *name == format).map_or(format, |(_, strftime)| strftime)
}

/// Each `%` with the letter behind it.
fn letters(format: &str) -> impl Iterator<Item = String> {
    let mut letters = format.chars();
    std::iter::from_fn(move || {
        letters.by_ref().find(|letter| *letter == '%')?;
        Some(std::iter::once('%').chain(letters.next()).collect())
    })
}

/// Checks a view by itself. What its record has is for the compiler.
pub(crate) fn view(cx: &Ctxt, view: &View<'_>) {
    let (ident, attrs) = (view.ident, &view.attrs);
    let lacks = match (&attrs.of, &attrs.name) {
        (None, None) => Some("of which record, and by what name,"),
        (None, Some(_)) => Some("of which record"),
        (Some(_), None) => Some("by what name"),
        (Some(_), Some(_)) => None,
    };
    if let Some(lacks) = lacks.filter(|_| !view.unread) {
        cx.error(ident, format!("{lacks} is `{ident}` a view? say `#[view(of = Cost, name = \"sku_period\")]`"));
    }
    if let Some(given) = &attrs.name {
        name(cx, &given.value);
    }
    if view.fields.is_empty() {
        cx.error(ident, "a view needs at least one field to be a column");
    }
    let mut seen = HashMap::new();
    for field in &view.fields {
        let column = field.column();
        partition::name(cx, &column, field.span(), "a view's column");
        if let Some(other) = seen.insert(column.clone(), field.ident) {
            let message = format!("two columns are called `{column}`: fields `{other}` and `{}`", field.ident);
            cx.push(syn::Error::new(field.span(), message));
        }
        source(cx, field);
        kind(cx, field);
    }
}

/// Types that are no column for sure; of others the compiler knows what they lack.
fn kind(cx: &Ctxt, field: &ViewField<'_>) {
    let (ty, found) = (field.ty, look(field.ty));
    if field.attrs.format.is_some() {
        if !matches!(found, Look::Text | Look::Utc | Look::DateAndTime | Look::Date | Look::Unknown) {
            let message = format!(
                "a format makes a `String`, which may be read back as a `DateTime<Utc>`, `NaiveDateTime` or `NaiveDate`; \
                 this is {}",
                word(ty)
            );
            cx.error(ty, message);
        }
        return;
    }
    let message = match found {
        Look::Option => {
            "a view has no null: take the value, `#[view(with = function(field))]`, and give records without it no marker"
        }
        Look::Float => "a view has no float, which has many texts",
        Look::Decimal => "a view has no `Decimal`, which has many texts: take a text of your own, `#[view(with = …)]`",
        Look::List | Look::Map | Look::Array | Look::Tuple => "a view's column is a single value",
        Look::Borrowed => "a view owns its values: use `String`, `Box<str>` or `Arc<str>`",
        Look::Pointer => "a view's integers are as wide on all machines: use `u64` or `i64`",
        _ => return,
    };
    cx.error(ty, message);
}

/// The view's name is a folder's.
fn name(cx: &Ctxt, name: &LitStr) {
    let text = name.value();
    if text.is_empty() {
        cx.error(name, "a view's name is not empty");
    } else if let Some(illegal) = ["/", ".."].into_iter().find(|illegal| text.contains(illegal)) {
        cx.error(name, format!("a view's name holds no `{illegal}`: it stands in keys"));
    } else if text.chars().any(char::is_control) {
        cx.error(name, "a view's name holds no control characters: it stands in keys");
    }
}

/// What a value is made of.
fn source(cx: &Ctxt, field: &ViewField<'_>) {
    let attrs = &field.attrs;
    if attrs.with.is_some() {
        let others = [
            attrs.from.as_ref().map(|given| (&given.key, "names the fields that it is made of")),
            attrs.format.as_ref().map(|given| (&given.key, "makes the whole value")),
        ];
        for (key, why) in others.into_iter().flatten() {
            cx.error(key, format!("the function of `with` {why}: remove `{key}`"));
        }
    } else if let Some(given) = &attrs.format {
        format(cx, field, &given.value);
    }
}

fn format(cx: &Ctxt, field: &ViewField<'_>, format: &LitStr) {
    let text = format.value();
    let strftime = as_strftime(&text);
    if strftime == text {
        if let Some(unknown) = letters(&text).find(|letter| !LETTERS.contains(&letter.as_str())) {
            return cx.error(format, format!("`{unknown}` is no part of a view's format; {}", suggestion("", LETTERS)));
        }
        if parts(&text).is_none() {
            let names: Vec<_> = NAMED.iter().map(|(name, _)| *name).chain(["%Y-%m"]).collect();
            let message = format!("no part of a time in it: all values would be one; {}", suggestion(&text, &names));
            return cx.error(format, message);
        }
    }
    // What the record's field lacks is for the compiler, which knows its type. A date that is read back has no time.
    let look = match look(field.ty) {
        Look::Date => Look::Date,
        _ => Look::Utc,
    };
    formats::fits(cx, format, strftime, look, "a view's");
}

/// Checks the views that a record names: each once. What they are is for the compiler.
pub(super) fn list(cx: &Ctxt, record: &Record<'_>) {
    let mut seen = HashMap::new();
    for view in record.views() {
        if seen.insert(view.to_token_stream().to_string(), ()).is_some() {
            let name = view.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
            cx.error(view, format!("the view `{name}` is named twice: remove one"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_asks_for_parts() {
        for (format, expected) in [
            ("%Y-%m", Some(Parts::Date)),
            ("%F", Some(Parts::Date)),
            ("%H:%M", Some(Parts::Time)),
            ("%T %%", Some(Parts::Time)),
            ("%FT%H", Some(Parts::Both)),
            ("rfc3339", Some(Parts::Both)),
            ("rfc3339_nanos", Some(Parts::Both)),
            ("%%Y", None),
            ("", None),
        ] {
            assert_eq!(parts(format), expected, "{format}");
        }
    }
}
