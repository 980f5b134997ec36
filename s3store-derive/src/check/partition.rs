//! What a partition is made of.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{Ident, LitInt, LitStr};

use super::formats;
use crate::attr::{PartitionAttr, Source};
use crate::ctxt::Ctxt;
use crate::model::{Field, Record};
use crate::types::{Look, look, word};
use crate::words::suggestion;

/// The digits of `u64::MAX`.
const MAX_WIDTH: usize = 20;

/// Checks `partition_by(…)`, and that the entity determines the partition.
pub(super) fn check(cx: &Ctxt, record: &Record<'_>) {
    let Some(parts) = &record.attrs.partition_by else {
        if record.unread {
            return;
        }
        let message = format!(
            "which partition does a `{}` belong to? say `#[record(partition_by(…))]` with the fields that decide it",
            record.ident
        );
        return cx.error(record.ident, message);
    };
    let mut names = HashMap::new();
    let before = cx.count();
    for part in &parts.value {
        name(cx, &part.name, part.span, "a partition's part");
        if names.insert(part.name.as_str(), ()).is_some() {
            cx.push(syn::Error::new(part.span, format!("the partition has two parts called `{}`", part.name)));
        }
        source(cx, record, part);
    }
    if cx.count() == before {
        determined(cx, record, &parts.value);
    }
}

/// The name of `what` is legal as `name=value` in keys: the wire format's rules.
pub(super) fn name(cx: &Ctxt, name: &str, span: Span, what: &str) {
    let wrong = if name.is_empty() {
        format!("the name of {what} is not empty")
    } else if let Some(letter) = name.chars().find(|letter| matches!(letter, '=' | '/')) {
        format!("the name of {what} holds no `{letter}`: keys are `name=value/name=value`")
    } else if name.contains("..") {
        format!("the name of {what} holds no `..`: it stands in keys")
    } else if name.chars().any(char::is_control) {
        format!("the name of {what} holds no control characters: it stands in keys")
    } else {
        return;
    };
    cx.push(syn::Error::new(span, wrong));
}

fn source(cx: &Ctxt, record: &Record<'_>, part: &PartitionAttr) {
    let mut found = Vec::new();
    for ident in part.source.fields() {
        found.extend(field(cx, record, ident).map(|field| (ident, field)));
    }
    let [(ident, field)] = found[..] else { return };
    match &part.source {
        Source::Field(_) => plain(cx, ident, field),
        Source::Format(_, format) => formatted(cx, ident, field, format),
        Source::Pad(_, width) => padded(cx, ident, field, width),
        Source::Call(..) => {}
    }
}

/// The field that `ident` names, if it can be part of a partition.
fn field<'r, 'a>(cx: &Ctxt, record: &'r Record<'a>, ident: &Ident) -> Option<&'r Field<'a>> {
    let Some(field) = record.field(ident) else {
        let names: Vec<_> = record.columns().map(|field| field.name.as_str()).collect();
        let word = ident.unraw().to_string();
        let renamed = record.columns().find(|field| field.column() == word);
        let hint = match renamed {
            Some(field) => format!("the column `{word}` is the field `{}`", field.name),
            None => suggestion(&word, &names),
        };
        cx.error(ident, format!("`{}` has no field `{word}`; {hint}", record.ident));
        return None;
    };
    if field.attrs.skip.is_some() {
        cx.error(ident, format!("`{}` is skipped: a partition is made of what is stored", field.name));
        return None;
    }
    if field.attrs.inserted_at.is_some() {
        cx.error(ident, "the write sets the insertion time, after the records are grouped into partitions");
        return None;
    }
    Some(field)
}

fn plain(cx: &Ctxt, ident: &Ident, field: &Field<'_>) {
    let ty = field.ty;
    let message = match look(ty) {
        Look::Option => format!(
            "a partition has no null, and `{ident}` is an `Option`: make it a function of the field, \
             `{ident} = path::to::function({ident})`"
        ),
        Look::Float => format!("a partition has no float, which has many texts; `{ident}` is {}", word(ty)),
        Look::List | Look::Map | Look::Array | Look::Tuple => {
            format!("a partition's part is a single value; `{ident}` is {}", word(ty))
        }
        _ => return,
    };
    cx.error(ident, message);
}

fn formatted(cx: &Ctxt, ident: &Ident, field: &Field<'_>, format: &LitStr) {
    match look(field.ty) {
        known @ (Look::Utc | Look::Date | Look::Time | Look::DateAndTime) => {
            formats::check(cx, format, known, "a partition's")
        }
        Look::Unknown => formats::check(cx, format, Look::Utc, "a partition's"),
        _ => cx.error(ident, format!("`format` is for dates and times; `{ident}` is {}", word(field.ty))),
    }
}

fn padded(cx: &Ctxt, ident: &Ident, field: &Field<'_>, width: &LitInt) {
    let signed = look(field.ty) == Look::Integer && word(field.ty).starts_with("`i");
    if signed || !matches!(look(field.ty), Look::Integer | Look::Pointer | Look::Unknown) {
        let message = format!("`pad` is for integers without a sign, `u8` to `u64`; `{ident}` is {}", word(field.ty));
        return cx.error(ident, message);
    }
    if !matches!(width.base10_parse::<usize>(), Ok(1..=MAX_WIDTH)) {
        cx.error(width, format!("an integer has 1 to {MAX_WIDTH} digits"));
    }
}

/// Records of one entity are in one partition, or else the struct says so.
fn determined(cx: &Ctxt, record: &Record<'_>, parts: &[PartitionAttr]) {
    let has_entity = record.columns().any(|field| field.attrs.entity.is_some());
    if !has_entity || record.unread || record.unread_field {
        return;
    }
    let fields = parts.iter().flat_map(|part| part.source.fields());
    let outside: Vec<_> =
        fields.filter(|ident| record.field(ident).is_some_and(|field| field.attrs.entity.is_none())).collect();
    match (&record.attrs.per_partition, &outside[..]) {
        (None, outside) => {
            for ident in outside {
                let message = format!(
                    "`{ident}` decides the partition, but is no part of the entity: records of one entity could lie in \
                     two partitions, and each would surface. Mark `{ident}` `#[record(entity)]`, or say that each \
                     partition is deduplicated by itself: `dedup = \"per_partition\"`"
                );
                cx.error(ident, message);
            }
        }
        (Some(dedup), []) => cx.error(
            &dedup.key,
            "the entity decides the partition, so its records are deduplicated wherever they are: remove `dedup`",
        ),
        (Some(_), _) => {}
    }
}
