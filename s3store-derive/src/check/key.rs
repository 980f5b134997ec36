//! Entity, version and insertion time.

use quote::ToTokens;

use super::columns::type_text;
use crate::ctxt::Ctxt;
use crate::model::{Field, Record};
use crate::types::{Look, inside_option, look, word};

/// Checks the fields that order and identify records.
pub(super) fn check(cx: &Ctxt, record: &Record<'_>) {
    let entity: Vec<_> = record.columns().filter(|field| field.attrs.entity.is_some()).collect();
    for field in &entity {
        part_of_entity(cx, field);
    }
    if let Some(version) = at_most_one(cx, record, "version") {
        part_of_order(cx, version);
    }
    if let Some(inserted_at) = at_most_one(cx, record, "inserted_at") {
        insertion_time(cx, inserted_at);
    }
    together(cx, record);
}

/// Entity and version come together or not at all. Skipped fields count here: what they lack is said already.
fn together(cx: &Ctxt, record: &Record<'_>) {
    let entity = record.fields.iter().find_map(|field| field.attrs.entity.as_ref());
    let version = record.fields.iter().find_map(|field| field.attrs.version.as_ref());
    match (entity, version) {
        (Some(entity), None) => cx.error(
            &entity.key,
            "an entity needs a version, which says which of its records is the latest: mark that field \
             `#[record(version)]`",
        ),
        (None, Some(version)) => {
            cx.error(&version.key, "a version of what? mark the fields that identify an entity `#[record(entity)]`")
        }
        (None, None) => {
            if let Some(dedup) = &record.attrs.per_partition {
                cx.error(
                    &dedup.key,
                    "without an entity nothing is deduplicated: mark the fields that identify one \
                     `#[record(entity)]`, or remove this",
                );
            }
        }
        (Some(_), Some(_)) => {}
    }
}

/// The only field with this mark; others are noted.
fn at_most_one<'a, 'r>(cx: &Ctxt, record: &'r Record<'a>, mark: &str) -> Option<&'r Field<'a>> {
    let given = |field: &&'r Field<'a>| match mark {
        "version" => field.attrs.version.as_ref(),
        _ => field.attrs.inserted_at.as_ref(),
    };
    let mut marked = record.columns().filter(|field| given(field).is_some());
    let first = marked.next()?;
    for other in marked {
        if let Some(given) = given(&other) {
            cx.error(&given.key, format!("`{}` is marked `{mark}` already; a record has one", first.name));
        }
    }
    Some(first)
}

fn part_of_entity(cx: &Ctxt, field: &Field<'_>) {
    if let Some(version) = &field.attrs.version {
        cx.error(
            &version.key,
            "a version tells the records of an entity apart, so it is no part of the entity: remove one of the two",
        );
    }
    if let Some(inserted_at) = &field.attrs.inserted_at {
        cx.error(
            &inserted_at.key,
            "the insertion time is another with every write, so it identifies no entity: remove one of the two",
        );
    }
    never_null(cx, field, "entity");
    ordered(cx, field, "entity");
}

fn part_of_order(cx: &Ctxt, field: &Field<'_>) {
    // What is marked as insertion time is filled in by the write, so it is never null in a file.
    if field.attrs.inserted_at.is_none() {
        never_null(cx, field, "version");
    }
    if field.attrs.entity.is_none() {
        ordered(cx, field, "version");
    }
}

fn never_null(cx: &Ctxt, field: &Field<'_>, part: &str) {
    if let Some(inner) = inside_option(field.ty) {
        let message =
            format!("the {part} is never null: use `{}` instead of `{}`", type_text(inner), type_text(field.ty));
        cx.error(field.ty, message);
    }
}

fn ordered(cx: &Ctxt, field: &Field<'_>, part: &str) {
    if field.attrs.with.is_some() {
        return;
    }
    let ty = inside_option(field.ty).unwrap_or(field.ty);
    let message = match look(ty) {
        Look::Float => {
            format!("the {part} needs a total order, and {} has none (NaN): use an integer or a `Decimal`", word(ty))
        }
        Look::List | Look::Map | Look::Array if !is_bytes(ty) => {
            format!("the {part} is made of single values; {} holds many", word(ty))
        }
        _ => return,
    };
    cx.error(field.ty, message);
}

fn is_bytes(ty: &syn::Type) -> bool {
    crate::types::leaf(ty).to_token_stream().to_string() == "u8"
}

fn insertion_time(cx: &Ctxt, field: &Field<'_>) {
    let ty = inside_option(field.ty).unwrap_or(field.ty);
    match look(ty) {
        Look::Utc | Look::Unknown => {}
        // Said already, where types are looked at.
        Look::Zoned | Look::Pointer | Look::Borrowed | Look::Tuple => {}
        _ => cx.error(field.ty, "the insertion time is a `DateTime<Utc>`, or an `Option` of it"),
    }
    let attrs = &field.attrs;
    if let Some(exact) = &attrs.exact {
        cx.error(&exact.key, "the write sets the insertion time, in its column's unit: `exact` says nothing here");
    }
    if let Some(with) = &attrs.with {
        cx.error(&with.key, "the write sets the insertion time: it can't be stored `with` something else");
    }
}
