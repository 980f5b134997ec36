//! Names and encodings of columns, in records and in nested structs.

use std::collections::HashMap;

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Ident, LitInt, Type};

use crate::ctxt::Ctxt;
use crate::model::Field;
use crate::types::{Look, leaf, look, word};

/// The digits that `rust_decimal` holds.
const MAX_PRECISION: u8 = 28;

/// Checks that the fields make columns: each by itself, and their names together.
pub(crate) fn columns(cx: &Ctxt, fields: &[Field<'_>]) {
    for field in fields {
        if field.is_column() {
            encoding(cx, field);
        } else {
            skipped(cx, field);
        }
    }
    names(cx, fields);
}

/// A skipped field says nothing about a column.
fn skipped(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    let flags = [&attrs.entity, &attrs.version, &attrs.inserted_at, &attrs.exact];
    let mut keys: Vec<&Ident> = flags.into_iter().flatten().map(|given| &given.key).collect();
    keys.extend(attrs.encoding_keys());
    keys.extend(attrs.rename.as_ref().map(|given| &given.key));
    for key in keys {
        cx.error(key, format!("`{}` is skipped and has no column, so `{key}` says nothing: remove one", field.name));
    }
    for alias in &attrs.alias {
        cx.error(alias, format!("`{}` is skipped and has no column, so it has no alias: remove one", field.name));
    }
}

/// Checks what a field says about how it is stored, against the looks of its type.
pub(crate) fn encoding(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    if let [first, others @ ..] = &attrs.encoding_keys()[..] {
        for other in others {
            cx.error(other, format!("`{first}` says how the field is stored already: remove one of the two"));
        }
        if !others.is_empty() {
            return;
        }
    }
    let ty = leaf(field.ty);
    if attrs.with.is_some() {
        if let Some(exact) = &attrs.exact {
            cx.error(&exact.key, "`exact` is for timestamps; `with` decides alone what is stored");
        }
        return;
    }
    unsupported(cx, ty);
    let timestamp = [attrs.timestamp.as_ref().map(|given| &given.key), attrs.exact.as_ref().map(|given| &given.key)];
    for key in timestamp.into_iter().flatten() {
        if !matches!(look(ty), Look::Utc | Look::Zoned | Look::Time | Look::DateAndTime | Look::Unknown) {
            let message = format!(
                "`{key}` is for `DateTime<Utc>`, `NaiveDateTime` and `NaiveTime`; {} has no unit of time",
                word(ty)
            );
            cx.error(key, message);
        }
    }
    match (&attrs.decimal, look(ty)) {
        (Some(given), Look::Decimal | Look::Unknown) => digits(cx, &given.value),
        (Some(given), _) => cx.error(&given.key, format!("`decimal` is for `Decimal`; the field holds {}", word(ty))),
        (None, Look::Decimal) if attrs.encoding_keys().is_empty() && !attrs.unread => {
            cx.error(ty, "a `Decimal` needs its digits, and how many of them are after the point: `decimal(18, 6)`");
        }
        (None, _) => {}
    }
}

/// The digits in all and after the point, if they are in range.
pub(crate) fn decimal_digits((precision, scale): &(LitInt, LitInt)) -> Option<(u8, u8)> {
    Some((precision.base10_parse().ok()?, scale.base10_parse().ok()?))
}

fn digits(cx: &Ctxt, literals: &(LitInt, LitInt)) {
    let (precision, scale) = literals;
    let Some(digits @ 1..=MAX_PRECISION) = precision.base10_parse().ok() else {
        return cx.error(precision, format!("a `Decimal` has 1 to {MAX_PRECISION} digits"));
    };
    if !scale.base10_parse::<u8>().is_ok_and(|scale| scale <= digits) {
        cx.error(scale, format!("of {digits} digits, 0 to {digits} are after the point"));
    }
}

/// Types that are no column for sure, with what to use instead.
fn unsupported(cx: &Ctxt, ty: &Type) {
    let message = match look(ty) {
        Look::Pointer if word(ty) == "`isize`" => "`isize` is as wide as the machine: use `i64`",
        Look::Pointer => "`usize` is as wide as the machine: use `u64`",
        Look::Zoned => "a column holds an instant, not a zone: use `DateTime<Utc>`",
        Look::Borrowed => "a record owns its data: use `String`, `Box<str>` or `Vec<…>`",
        Look::Tuple => "a tuple has no names for columns: use a struct with `#[derive(s3store::ColumnType)]`",
        _ => return,
    };
    cx.error(ty, message);
}

/// Column names are there, and unique together with the aliases.
fn names(cx: &Ctxt, fields: &[Field<'_>]) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let columns: Vec<_> = fields.iter().filter(|field| field.is_column()).collect();
    for field in &columns {
        let name = field.column();
        let span = field.attrs.rename.as_ref().map_or_else(|| field.ident.span(), |given| given.value.span());
        if name.is_empty() {
            note(cx, span, "a column needs a name");
        } else if let Some(other) = seen.insert(name.clone(), &field.name) {
            note(cx, span, &format!("two columns are called `{name}`: fields `{other}` and `{}`", field.name));
        }
    }
    for field in &columns {
        for alias in &field.attrs.alias {
            let name = alias.value();
            if name.is_empty() {
                cx.error(alias, "an alias is the name of a column in older files");
            } else if name == field.column() {
                cx.error(alias, format!("`{name}` is the column's name already"));
            } else if let Some(other) = seen.insert(name.clone(), &field.name) {
                let message = if other == field.name {
                    format!("the alias `{name}` is given twice")
                } else {
                    format!("field `{other}` reads the column `{name}` already")
                };
                cx.error(alias, message);
            }
        }
    }
}

fn note(cx: &Ctxt, span: Span, message: &str) {
    cx.push(syn::Error::new(span, message));
}

/// The tokens of a type, for messages: `Option<String>`.
pub(super) fn type_text(ty: &Type) -> String {
    let mut text = String::new();
    for token in ty.to_token_stream().to_string().split_whitespace() {
        text.push_str(token);
        if token == "," {
            text.push(' ');
        }
    }
    text
}
