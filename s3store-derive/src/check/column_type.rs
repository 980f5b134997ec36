//! Checks of nested structs, newtypes and enums.

use std::collections::HashMap;

use syn::{Fields, Ident};

use super::columns;
use crate::attr::ColumnAttrs;
use crate::ctxt::Ctxt;
use crate::model::{ColumnItem, Field, Variant};
use crate::types::{TypeClass, classify, type_text};

/// Checks a struct or enum with `#[derive(ColumnType)]`.
pub(crate) fn check(cx: &Ctxt, ident: &Ident, item: &ColumnItem<'_>, attrs: &ColumnAttrs) {
    if !matches!(item, ColumnItem::Enum(_))
        && let Some(repr) = &attrs.repr
    {
        cx.error(&repr.key, "`repr` is only for enums: remove it");
    }
    if let Some(serde) = &attrs.serde {
        if !matches!(item, ColumnItem::Enum(_)) {
            cx.error(&serde.key, "`serde` is only for enums: derive `Serialize` and `Deserialize` instead");
        } else if cfg!(not(feature = "serde")) {
            cx.error(&serde.key, "`serde` needs the feature `serde` of the crate s3store");
        }
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
        attrs.bare_list.as_ref().map(|given| &given.key),
        attrs.without_dictionary.as_ref().map(|given| &given.key),
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
    let mut others = variants.iter().filter(|variant| variant.is_other());
    let first = others.next();
    for other in others {
        let first = first.map(|first| first.ident.to_string()).unwrap_or_default();
        cx.error(other.ident, format!("`{first}` already stands for other values: mark only one variant `other`"));
    }
    for variant in variants {
        if variant.is_other() {
            other(cx, variant, attrs);
        } else if !variant.fields.is_empty() {
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
            variants.iter().filter(|variant| !variant.is_other()).for_each(|variant| integer_variant(cx, variant));
        }
        None => unique_texts(cx, variants),
    }
}

/// Checks the variant that stands for other values: a unit, or a holder of the stored value.
fn other(cx: &Ctxt, variant: &Variant<'_>, attrs: &ColumnAttrs) {
    let Variant { ident, fields, .. } = variant;
    let texts = variant.attrs.rename.iter().map(|given| &given.value).chain(&variant.attrs.alias);
    for text in texts {
        cx.error(text, format!("`{ident}` stands for other values and has no text of its own: remove it"));
    }
    if let Some(integer) = variant.discriminant {
        cx.error(integer, format!("`{ident}` stands for other values and has no integer of its own: remove it"));
    }
    let (what, holder) = match &attrs.repr {
        Some(repr) => ("integer", repr.value.value()),
        None => ("text", "String".to_owned()),
    };
    let holds_one = match fields {
        Fields::Unit => true,
        Fields::Unnamed(fields) => fields.unnamed.len() == 1,
        Fields::Named(_) => false,
    };
    let fits = variant.held().is_none_or(|ty| match (classify(ty), &attrs.repr) {
        (TypeClass::Unknown, _) | (TypeClass::Text, None) => true,
        (TypeClass::Integer, Some(_)) => type_text(ty) == holder,
        _ => false,
    });
    if !holds_one || !fits {
        let message =
            format!("a variant marked `other` is a unit or holds the {what}: `{ident}` or `{ident}({holder})`");
        cx.error(fields, message);
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
    for Variant { ident, attrs, text, .. } in variants.iter().filter(|variant| !variant.is_other()) {
        if let Some(other) = seen.insert(text.clone(), ident) {
            let span = attrs.rename.as_ref().map_or_else(|| ident.span(), |given| given.value.span());
            cx.error_at(span, format!("`{other}` and `{ident}` are both stored as {text:?}"));
        }
    }
    for Variant { ident, attrs, .. } in variants.iter().filter(|variant| !variant.is_other()) {
        for alias in &attrs.alias {
            if let Some(other) = seen.insert(alias.value(), ident) {
                cx.error(alias, format!("{:?} is already read as `{other}`", alias.value()));
            }
        }
    }
}
