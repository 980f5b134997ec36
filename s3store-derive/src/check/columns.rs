//! Checks of columns, in records and in nested structs: their names and how they are stored.

use std::collections::HashMap;

use syn::{Ident, LitInt, Type};

use crate::ctxt::Ctxt;
use crate::model::Field;
use crate::types::{TypeClass, argument, classify, leaf, type_name, type_text};

/// The most digits that a `rust_decimal::Decimal` can hold.
const MAX_PRECISION: u8 = 28;

/// Checks each field as a column, and that the columns' names are unique.
pub(super) fn check(cx: &Ctxt, fields: &[Field<'_>]) {
    for field in fields {
        if field.is_column() {
            encoding(cx, field);
        } else {
            skipped(cx, field);
        }
    }
    names(cx, fields);
}

/// Checks that a skipped field has no attributes of a column.
fn skipped(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    let marks = [&attrs.entity, &attrs.version, &attrs.inserted_at, &attrs.deleted];
    let flags = [&attrs.exact, &attrs.truncate, &attrs.bare_list, &attrs.without_dictionary, &attrs.bloom];
    let mut keys: Vec<&Ident> = marks.into_iter().chain(flags).flatten().map(|given| &given.key).collect();
    keys.extend(attrs.encoding_keys());
    keys.extend(attrs.rename.as_ref().map(|given| &given.key));
    for key in keys {
        cx.error(key, format!("`{}` is skipped and has no column: remove `{key}` or `skip`", field.name));
    }
    for alias in &attrs.alias {
        cx.error(alias, format!("`{}` is skipped and has no column: remove the alias or `skip`", field.name));
    }
}

/// Checks that `truncate` is only where times are exact by default.
fn truncate(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    let Some(truncate) = &attrs.truncate else { return };
    if attrs.exact.is_some() {
        cx.error(&truncate.key, "`truncate` and `exact` exclude each other: remove one of the two");
    } else if attrs.inserted_at.is_some() || (attrs.entity.is_none() && attrs.version.is_none()) {
        let message = "`truncate` is for a field marked `entity` or `version`; other times lose finer digits anyway: remove \
                       `truncate`";
        cx.error(&truncate.key, message);
    }
}

/// Checks the attributes that set how a field is stored, against the class of its type.
pub(super) fn encoding(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    if let [first, others @ ..] = &attrs.encoding_keys()[..] {
        for other in others {
            cx.error(other, format!("`{first}` already sets how the field is stored: remove one of the two"));
        }
        if !others.is_empty() {
            return;
        }
    }
    let ty = leaf(field.ty);
    bare_list(cx, field);
    if attrs.with.is_some() {
        for flag in [&attrs.exact, &attrs.truncate].into_iter().flatten() {
            let key = &flag.key;
            cx.error(key, format!("`{key}` has no effect on a field that `with` converts: remove `{key}`"));
        }
        return;
    }
    unsupported(cx, ty);
    truncate(cx, field);
    let flags = [&attrs.exact, &attrs.truncate].into_iter().flatten().map(|given| &given.key);
    for key in attrs.timestamp.iter().map(|given| &given.key).chain(flags) {
        if !matches!(
            classify(ty),
            TypeClass::Utc | TypeClass::OtherZone | TypeClass::Time | TypeClass::DateTime | TypeClass::Unknown
        ) {
            let message = format!(
                "`{key}` is for `DateTime<Utc>`, `NaiveDateTime` and `NaiveTime`; the field holds {}",
                type_name(ty)
            );
            cx.error(key, message);
        }
    }
    match (&attrs.decimal, classify(ty)) {
        (Some(given), TypeClass::Decimal | TypeClass::Unknown) => precision_and_scale(cx, &given.value),
        (Some(given), _) => {
            cx.error(&given.key, format!("`decimal` is for `Decimal`; the field holds {}", type_name(ty)));
        }
        (None, TypeClass::Decimal) if attrs.encoding_keys().is_empty() && !attrs.malformed => {
            cx.error(ty, "a `Decimal` needs a precision and a scale: add `decimal(18, 6)`");
        }
        (None, _) => {}
    }
}

/// Checks that `bare_list` is on a `Vec` that a repeated column can hold. The encoder checks types that have no known class.
fn bare_list(cx: &Ctxt, field: &Field<'_>) {
    let Some(given) = &field.attrs.bare_list else { return };
    let elements = || argument(field.ty, 0).map_or(TypeClass::Unknown, classify);
    let message = match classify(field.ty) {
        _ if field.attrs.with.is_some() => "`with` already sets how the field is stored: remove one of the two",
        TypeClass::Option => "a bare list can't be null: use `Vec<…>` instead of `Option<Vec<…>>`",
        TypeClass::List if argument(field.ty, 0).is_some_and(|ty| type_text(ty) == "u8") => {
            "a `Vec<u8>` is stored as bytes, which is not a list: remove `bare_list`"
        }
        TypeClass::List => match elements() {
            TypeClass::Option => "the elements of a bare list can't be null: use `Vec<T>` instead of `Vec<Option<T>>`",
            TypeClass::List | TypeClass::Map => {
                "the elements of a bare list can't be lists or maps: remove `bare_list`"
            }
            _ => return,
        },
        TypeClass::Unknown => return,
        _ => "`bare_list` is for `Vec<…>`: remove it",
    };
    cx.error(&given.key, message);
}

fn precision_and_scale(cx: &Ctxt, (precision, scale): &(LitInt, LitInt)) {
    let Some(digits @ 1..=MAX_PRECISION) = precision.base10_parse().ok() else {
        return cx.error(precision, format!("the precision of a `Decimal` must be 1 to {MAX_PRECISION} digits"));
    };
    if !scale.base10_parse::<u8>().is_ok_and(|scale| scale <= digits) {
        cx.error(scale, format!("the scale must be 0 to {digits}, at most the precision"));
    }
}

/// Reports types that cannot be columns, and names what to use instead.
fn unsupported(cx: &Ctxt, ty: &Type) {
    let message = match classify(ty) {
        TypeClass::PointerSized => return pointer_sized(cx, ty),
        TypeClass::OtherZone => "a column stores an instant without a time zone: use `DateTime<Utc>`",
        TypeClass::Borrowed => "a record cannot borrow its data: use `String`, `Box<str>` or `Vec<…>`",
        TypeClass::Tuple => "a tuple has no column names: use a struct with `#[derive(s3store::ColumnType)]`",
        _ => return,
    };
    cx.error(ty, message);
}

/// Reports `usize` and `isize`.
pub(super) fn pointer_sized(cx: &Ctxt, ty: &Type) {
    let name = type_name(ty);
    let instead = if name == "`isize`" { "i64" } else { "u64" };
    cx.error(ty, format!("the width of {name} depends on the machine: use `{instead}`"));
}

/// Checks that column names are not empty, and unique together with the aliases.
fn names(cx: &Ctxt, fields: &[Field<'_>]) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let columns: Vec<_> = fields.iter().filter(|field| field.is_column()).collect();
    for field in &columns {
        let name = field.column();
        if name.is_empty() {
            cx.error_at(field.column_span(), "a column's name must not be empty");
        } else if let Some(other) = seen.insert(name.clone(), &field.name) {
            let message = format!("two columns have the name `{name}`: fields `{other}` and `{}`", field.name);
            cx.error_at(field.column_span(), message);
        }
    }
    for field in &columns {
        for alias in &field.attrs.alias {
            let name = alias.value();
            if name.is_empty() {
                cx.error(alias, "an alias must not be empty: it is the column's name in older files");
            } else if name == field.column() {
                cx.error(alias, format!("`{name}` is already the column's name: remove the alias"));
            } else if let Some(other) = seen.insert(name.clone(), &field.name) {
                let message = if other == field.name {
                    format!("the alias `{name}` is given twice: remove one")
                } else {
                    format!("the column `{name}` is already read by the field `{other}`")
                };
                cx.error(alias, message);
            }
        }
    }
}
