//! Checks of `partition_by(…)`.

use std::collections::HashSet;

use syn::ext::IdentExt;
use syn::{Ident, LitInt, LitStr};

use super::{formats, names};
use crate::attr::{PartAttr, PartExpr};
use crate::ctxt::Ctxt;
use crate::model::{Field, Record};
use crate::types::{TypeClass, classify, type_name};
use crate::words::suggestion;

/// The number of digits of `u64::MAX`.
const MAX_WIDTH: usize = 20;

/// Checks each part, and that the entity determines the partition.
pub(super) fn check(cx: &Ctxt, record: &Record<'_>) {
    let Some(parts) = &record.attrs.partition_by else {
        if !record.malformed {
            let message = format!(
                "`{}` needs a partition: add `#[record(partition_by(…))]` with the fields that determine it",
                record.ident
            );
            cx.error(record.ident, message);
        }
        return;
    };
    let mut seen = HashSet::new();
    let before = cx.count();
    for part in &parts.value {
        names::column(cx, &part.name, part.span, "a partition's part");
        if !seen.insert(part.name.as_str()) {
            cx.error_at(part.span, format!("two parts of the partition have the name `{}`", part.name));
        }
        expr(cx, record, part);
    }
    if cx.count() == before {
        determined_by_entity(cx, record, &parts.value);
    }
}

fn expr(cx: &Ctxt, record: &Record<'_>, part: &PartAttr) {
    let mut fields = Vec::new();
    for ident in part.expr.fields() {
        fields.extend(field(cx, record, ident).map(|field| (ident, field)));
    }
    let [(ident, field)] = fields[..] else { return };
    match &part.expr {
        PartExpr::Field(_) => plain(cx, ident, field),
        PartExpr::Format(_, format) => formatted(cx, ident, field, format),
        PartExpr::Pad(_, width) => padded(cx, ident, field, width),
        PartExpr::Call(..) => {}
    }
}

/// Returns the field that `ident` names, or reports an error if it cannot be used in a partition.
fn field<'r, 'a>(cx: &Ctxt, record: &'r Record<'a>, ident: &Ident) -> Option<&'r Field<'a>> {
    let Some(field) = record.field(ident) else {
        let names: Vec<_> = record.columns().map(|field| field.name.as_str()).collect();
        let word = ident.unraw().to_string();
        let renamed = record.columns().find(|field| field.column() == word);
        let hint = match renamed {
            Some(field) => format!("did you mean `{}`, the field of the column `{word}`?", field.name),
            None => suggestion(&word, &names),
        };
        cx.error(ident, format!("`{}` has no field `{word}`; {hint}", record.ident));
        return None;
    };
    if field.attrs.skip.is_some() {
        cx.error(ident, format!("`{}` is skipped, so it cannot be used in a partition", field.name));
        return None;
    }
    if field.attrs.inserted_at.is_some() {
        cx.error(ident, "a partition cannot depend on the insertion time, which the write sets later");
        return None;
    }
    Some(field)
}

fn plain(cx: &Ctxt, ident: &Ident, field: &Field<'_>) {
    let name = type_name(field.ty);
    let message = match classify(field.ty) {
        TypeClass::Option => format!(
            "a partition value cannot be null, but `{ident}` is an `Option`: use a function of the field, \
             `{ident} = path::to::function({ident})`"
        ),
        TypeClass::Float => {
            format!("a partition value cannot be a float, which can be written in many ways; `{ident}` is {name}")
        }
        TypeClass::List | TypeClass::Map | TypeClass::Array | TypeClass::Tuple => {
            format!("a partition value must be a single value; `{ident}` is {name}")
        }
        _ => return,
    };
    cx.error(ident, message);
}

fn formatted(cx: &Ctxt, ident: &Ident, field: &Field<'_>, format: &LitStr) {
    match classify(field.ty) {
        class @ (TypeClass::Utc | TypeClass::Date | TypeClass::Time | TypeClass::DateTime) => {
            formats::check(cx, format, class, "a partition");
        }
        TypeClass::Unknown => formats::check(cx, format, TypeClass::Utc, "a partition"),
        _ => cx.error(ident, format!("`format` is for dates and times; `{ident}` is {}", type_name(field.ty))),
    }
}

fn padded(cx: &Ctxt, ident: &Ident, field: &Field<'_>, width: &LitInt) {
    let (class, name) = (classify(field.ty), type_name(field.ty));
    let signed = class == TypeClass::Integer && name.starts_with("`i");
    if signed || !matches!(class, TypeClass::Integer | TypeClass::PointerSized | TypeClass::Unknown) {
        let message = format!("`pad` is for unsigned integers, `u8` to `u64`; `{ident}` is {name}");
        return cx.error(ident, message);
    }
    if !matches!(width.base10_parse::<usize>(), Ok(1..=MAX_WIDTH)) {
        cx.error(width, format!("the width must be 1 to {MAX_WIDTH} digits"));
    }
}

/// Checks that all records of an entity are in one partition, unless the struct has `dedup = "per_partition"`.
fn determined_by_entity(cx: &Ctxt, record: &Record<'_>, parts: &[PartAttr]) {
    let has_entity = record.columns().any(|field| field.attrs.entity.is_some());
    if !has_entity || record.malformed || record.malformed_field {
        return;
    }
    let fields = parts.iter().flat_map(|part| part.expr.fields());
    let outside: Vec<_> =
        fields.filter(|ident| record.field(ident).is_some_and(|field| field.attrs.entity.is_none())).collect();
    match (&record.attrs.per_partition, &outside[..]) {
        (None, outside) => {
            for ident in outside {
                let message = format!(
                    "the partition depends on `{ident}`, which is not part of the entity: records of one entity could \
                     be in two partitions, and a read would return both. Mark `{ident}` `#[record(entity)]`, or \
                     deduplicate each partition on its own with `dedup = \"per_partition\"`"
                );
                cx.error(ident, message);
            }
        }
        (Some(dedup), []) => {
            cx.error(&dedup.key, "`dedup` has no effect, because the entity determines the partition: remove `dedup`")
        }
        (Some(_), _) => {}
    }
}

#[cfg(test)]
mod tests {
    use quote::{format_ident, quote};
    use serde_json::Value;

    /// The names that Go accepts, and those that it rejects, from the vectors that the Go library printed.
    #[test]
    fn partition_names_match_those_of_go() {
        let vectors = include_str!("../../../tests/data/wire-vectors.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let cases = vectors["partition_key_names"].as_array().unwrap();
        assert!(cases.len() > 5);
        for case in cases {
            let names: Vec<_> = case["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            let fields: Vec<_> = (0..names.len()).map(|index| format_ident!("field{index}")).collect();
            let input = syn::parse_quote! {
                #[record(partition_by(#(#names = #fields),*))]
                struct Cost {
                    net: u64,
                    #(#fields: String,)*
                }
            };
            let expanded = crate::derive::record(&input).to_string();
            let fails = expanded.contains(&quote!(compile_error!).to_string());
            assert_eq!(!fails, case["ok"] == true, "{names:?}: {expanded}");
        }
    }
}
