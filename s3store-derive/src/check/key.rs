//! Checks of the entity, the version, the insertion time and the mark of deleted entities.

use quote::ToTokens;
use syn::Type;

use crate::ctxt::Ctxt;
use crate::model::{Field, Record};
use crate::types::{TypeClass, classify, inside_option, leaf, type_name, type_text};

/// Checks the fields that identify and order records.
pub(super) fn check(cx: &Ctxt, record: &Record<'_>) {
    for field in record.columns().filter(|field| field.attrs.entity.is_some()) {
        entity(cx, field);
    }
    if let Some(field) = at_most_one(cx, record, "version") {
        version(cx, field);
    }
    if let Some(field) = at_most_one(cx, record, "inserted_at") {
        insertion_time(cx, field);
    }
    if let Some(field) = at_most_one(cx, record, "deleted") {
        deleted(cx, field);
    }
    if !record.malformed_field {
        entity_with_version(cx, record);
        bloom(cx, record);
    }
}

/// Checks that a Bloom filter can exclude files: a condition on another column applies to the latest versions, which are found
/// first.
fn bloom(cx: &Ctxt, record: &Record<'_>) {
    if record.fields.iter().all(|field| field.attrs.entity.is_none()) {
        return;
    }
    for field in record.columns().filter(|field| field.attrs.entity.is_none()) {
        if let Some(bloom) = &field.attrs.bloom {
            let message = "only a field that is marked `entity` can exclude files from a read, because the latest versions are \
                           found before any other condition applies: remove `bloom`";
            cx.error(&bloom.key, message);
        }
    }
}

/// Checks that a record has both entity and version, or neither.
///
/// Skipped fields count as marked here: the mark on them is already an error.
fn entity_with_version(cx: &Ctxt, record: &Record<'_>) {
    let entity = record.fields.iter().find_map(|field| field.attrs.entity.as_ref());
    let version = record.fields.iter().find_map(|field| field.attrs.version.as_ref());
    match (entity, version) {
        (Some(entity), None) => cx.error(
            &entity.key,
            "an entity needs a version, which decides its latest record: mark one field `#[record(version)]`",
        ),
        (None, Some(version)) => cx.error(
            &version.key,
            "a version needs an entity: mark the fields that identify an entity `#[record(entity)]`",
        ),
        (None, None) => {
            if let Some(dedup) = &record.attrs.per_partition {
                cx.error(
                    &dedup.key,
                    "`dedup` has no effect without an entity: remove it, or mark the fields that identify an entity \
                     `#[record(entity)]`",
                );
            }
            if let Some(deleted) = record.fields.iter().find_map(|field| field.attrs.deleted.as_ref()) {
                cx.error(
                    &deleted.key,
                    "`deleted` has no effect without an entity: mark the fields that identify an entity \
                     `#[record(entity)]`",
                );
            }
        }
        (Some(_), Some(_)) => {}
    }
}

/// Returns the first field with a mark, and reports the others.
fn at_most_one<'a, 'r>(cx: &Ctxt, record: &'r Record<'a>, mark: &str) -> Option<&'r Field<'a>> {
    let given = |field: &&'r Field<'a>| match mark {
        "version" => field.attrs.version.as_ref(),
        "deleted" => field.attrs.deleted.as_ref(),
        _ => field.attrs.inserted_at.as_ref(),
    };
    let mut marked = record.columns().filter(|field| given(field).is_some());
    let first = marked.next()?;
    for other in marked {
        if let Some(given) = given(&other) {
            let message = format!("only one field can be marked `{mark}`; `{}` already is", first.name);
            cx.error(&given.key, message);
        }
    }
    Some(first)
}

fn entity(cx: &Ctxt, field: &Field<'_>) {
    if let Some(version) = &field.attrs.version {
        cx.error(
            &version.key,
            "a version orders the records of an entity, so it cannot be part of the entity: remove one of the two",
        );
    }
    if let Some(inserted_at) = &field.attrs.inserted_at {
        cx.error(
            &inserted_at.key,
            "the insertion time differs in every write, so it cannot identify an entity: remove one of the two",
        );
    }
    not_null(cx, field, "entity");
    ordered(cx, field, "entity");
}

fn version(cx: &Ctxt, field: &Field<'_>) {
    // An insertion time may be an `Option`: the write fills it in, so it is never null in a file.
    if field.attrs.inserted_at.is_none() {
        not_null(cx, field, "version");
    }
    if field.attrs.entity.is_none() {
        ordered(cx, field, "version");
    }
}

fn not_null(cx: &Ctxt, field: &Field<'_>, mark: &str) {
    if let Some(inner) = inside_option(field.ty) {
        let (inner, outer) = (type_text(inner), type_text(field.ty));
        cx.error(field.ty, format!("a field marked `{mark}` cannot be null: use `{inner}` instead of `{outer}`"));
    }
}

fn ordered(cx: &Ctxt, field: &Field<'_>, mark: &str) {
    if field.attrs.with.is_some() {
        return;
    }
    let ty = inside_option(field.ty).unwrap_or(field.ty);
    let name = type_name(ty);
    let message = match classify(ty) {
        TypeClass::Float => format!(
            "a field marked `{mark}` needs a total order, which {name} does not have (NaN): use an integer or a \
             `Decimal`"
        ),
        TypeClass::List | TypeClass::Map | TypeClass::Array if !is_bytes(ty) => {
            format!("a field marked `{mark}` must hold a single value; this one holds {name}")
        }
        _ => return,
    };
    cx.error(field.ty, message);
}

fn is_bytes(ty: &Type) -> bool {
    leaf(ty).to_token_stream().to_string() == "u8"
}

fn insertion_time(cx: &Ctxt, field: &Field<'_>) {
    let ty = inside_option(field.ty).unwrap_or(field.ty);
    match classify(ty) {
        TypeClass::Utc | TypeClass::Unknown => {}
        // The check of columns has reported these.
        TypeClass::OtherZone | TypeClass::PointerSized | TypeClass::Borrowed | TypeClass::Tuple => {}
        _ => cx.error(field.ty, "the insertion time must be a `DateTime<Utc>` or an `Option<DateTime<Utc>>`"),
    }
    let attrs = &field.attrs;
    if let Some(exact) = &attrs.exact {
        let message = "`exact` has no effect on the insertion time, which the write sets in the column's unit: remove \
                       `exact`";
        cx.error(&exact.key, message);
    }
    if let Some(with) = &attrs.with {
        cx.error(&with.key, "`with` cannot convert the insertion time, which the write sets: remove `with`");
    }
}

/// Checks that the mark of deleted entities is a `bool` or an `Option` of a time, and nothing else besides.
fn deleted(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    let marks = [&attrs.entity, &attrs.version, &attrs.inserted_at];
    if let Some(other) = marks.into_iter().flatten().next() {
        let message = format!("a field marked `deleted` can't be `{}` as well: remove one of the two", other.key);
        return cx.error(&other.key, message);
    }
    if let Some(with) = &attrs.with {
        cx.error(&with.key, "`with` can't convert a field marked `deleted`: remove `with`");
        return;
    }
    let is_time =
        |ty| matches!(classify(ty), TypeClass::Utc | TypeClass::Date | TypeClass::DateTime | TypeClass::Unknown);
    match (classify(field.ty), inside_option(field.ty)) {
        (TypeClass::Bool | TypeClass::Unknown, _) => {}
        // The check of columns has reported these.
        (TypeClass::PointerSized | TypeClass::Borrowed | TypeClass::Tuple, _) => {}
        (_, Some(inner)) if is_time(inner) => {}
        _ => cx.error(
            field.ty,
            "a field marked `deleted` is a `bool`, or an `Option` of a `DateTime<Utc>`, `NaiveDateTime` or `NaiveDate`",
        ),
    }
}
