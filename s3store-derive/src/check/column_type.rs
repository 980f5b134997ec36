//! Checks of nested structs, newtypes and enums.

use std::collections::HashMap;

use syn::Ident;

use super::columns;
use crate::attr::ColumnAttrs;
use crate::ctxt::Ctxt;
use crate::model::{ColumnItem, Field, Variant};

/// Checks a struct or enum with `#[derive(ColumnType)]`.
pub(crate) fn check(cx: &Ctxt, ident: &Ident, item: &ColumnItem<'_>, attrs: &ColumnAttrs) {
    if !matches!(item, ColumnItem::Enum(_))
        && let Some(repr) = &attrs.repr
    {
        cx.error(&repr.key, "`repr` is only for enums: remove it");
    }
    match item {
        ColumnItem::Nested(fields) => {
            columns::check(cx, fields);
            if !fields.iter().any(Field::is_column) {
                cx.error(ident, "a column type needs at least one field that is stored");
            }
        }
        ColumnItem::Newtype(field) => {
            if let Some(rule) = &attrs.rename_all {
                cx.error(&rule.key, "`rename_all` is only for structs with named fields and for enums: remove it");
            }
            newtype(cx, field);
        }
        ColumnItem::Enum(variants) => unit_enum(cx, ident, variants, attrs),
    }
}

/// Checks that a newtype's field sets only how it is stored.
fn newtype(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    let column_keys = [
        attrs.rename.as_ref().map(|given| &given.key),
        attrs.default.as_ref().map(|given| &given.key),
        attrs.skip.as_ref().map(|given| &given.key),
    ];
    for key in column_keys.into_iter().flatten() {
        cx.error(key, format!("a newtype is stored as the value that it wraps and has no column: remove `{key}`"));
    }
    for alias in &attrs.alias {
        cx.error(alias, "a newtype is stored as the value that it wraps and has no column: remove the alias");
    }
    columns::encoding(cx, field);
}

fn unit_enum(cx: &Ctxt, ident: &Ident, variants: &[Variant<'_>], attrs: &ColumnAttrs) {
    if variants.is_empty() {
        return cx.error(ident, "an enum without variants has no value to store");
    }
    for variant in variants {
        if !variant.fields.is_empty() {
            let message = "a variant with fields cannot be stored in a column: use a struct with `Option` fields";
            cx.error(variant.fields, message);
        }
    }
    match &attrs.repr {
        Some(_) => {
            if let Some(rule) = &attrs.rename_all {
                let message = "`rename_all` has no effect on an enum that `repr` stores as an integer: remove one";
                cx.error(&rule.key, message);
            }
            variants.iter().for_each(|variant| integer_variant(cx, variant));
        }
        None => unique_texts(cx, variants),
    }
}

fn integer_variant(cx: &Ctxt, variant: &Variant<'_>) {
    let texts = variant.attrs.rename.iter().map(|given| &given.value).chain(&variant.attrs.alias);
    for text in texts {
        cx.error(text, "a name has no effect in an enum that `repr` stores as an integer: remove it");
    }
    if variant.discriminant.is_none() {
        let message = format!(
            "a variant of an enum with `repr` needs an explicit integer, so that new variants change no stored value: \
             `{} = …`",
            variant.ident
        );
        cx.error(variant.ident, message);
    }
}

/// Checks that no two variants are stored as, or read from, the same text.
fn unique_texts(cx: &Ctxt, variants: &[Variant<'_>]) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for Variant { ident, attrs, text, .. } in variants {
        if let Some(other) = seen.insert(text.clone(), ident) {
            let span = attrs.rename.as_ref().map_or_else(|| ident.span(), |given| given.value.span());
            cx.error_at(span, format!("`{other}` and `{ident}` are both stored as {text:?}"));
        }
    }
    for Variant { ident, attrs, .. } in variants {
        for alias in &attrs.alias {
            if let Some(other) = seen.insert(alias.value(), ident) {
                cx.error(alias, format!("{:?} is already read as `{other}`", alias.value()));
            }
        }
    }
}
