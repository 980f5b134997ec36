//! Checks of views. The compiler checks them against their record.

use std::collections::HashMap;

use syn::LitStr;

use super::{columns, formats, names};
use crate::ctxt::Ctxt;
use crate::model::{View, ViewField};
use crate::strftime::{NAMED_FORMATS, TimeParts, as_strftime, specifiers};
use crate::types::{TypeClass, classify, type_name};
use crate::words::suggestion;

/// The specifiers that a view's format can contain.
const SPECIFIERS: &[&str] = &["%Y", "%m", "%d", "%H", "%M", "%S", "%F", "%T", "%%"];

/// Checks a struct with `#[derive(View)]`.
pub(crate) fn check(cx: &Ctxt, view: &View<'_>) {
    let (ident, attrs) = (view.ident, &view.attrs);
    let missing = match (&attrs.of, &attrs.name) {
        (None, None) => Some(("a record and a name", "of = Cost, name = \"sku_period\"")),
        (None, Some(_)) => Some(("a record", "of = Cost")),
        (Some(_), None) => Some(("a name", "name = \"sku_period\"")),
        (Some(_), Some(_)) => None,
    };
    if let Some((what, example)) = missing.filter(|_| !view.malformed) {
        cx.error(ident, format!("the view `{ident}` needs {what}: add `#[view({example})]`"));
    }
    if let Some(given) = &attrs.name {
        names::segment(cx, &given.value.value(), given.value.span(), "a view");
    }
    if view.fields.is_empty() {
        cx.error(ident, "a view needs at least one field");
    }
    let mut seen = HashMap::new();
    for field in &view.fields {
        let column = field.column();
        names::column(cx, &column, field.column_span(), "a view's column");
        if let Some(other) = seen.insert(column.clone(), field.ident) {
            let message = format!("two columns have the name `{column}`: fields `{other}` and `{}`", field.ident);
            cx.error_at(field.column_span(), message);
        }
        value(cx, field);
        column_type(cx, field);
    }
}

/// Reports types that cannot be columns of a view. The compiler checks the types that are not classified.
fn column_type(cx: &Ctxt, field: &ViewField<'_>) {
    let (ty, class) = (field.ty, classify(field.ty));
    if field.attrs.format.is_some() {
        if !matches!(
            class,
            TypeClass::Text | TypeClass::Utc | TypeClass::DateTime | TypeClass::Date | TypeClass::Unknown
        ) {
            let message = format!(
                "a field with a `format` must be a `String`, `DateTime<Utc>`, `NaiveDateTime` or `NaiveDate`; this one \
                 is {}",
                type_name(ty)
            );
            cx.error(ty, message);
        }
        return;
    }
    let message = match class {
        TypeClass::Option => {
            "a view's column cannot be null: use a function that returns an `Option` of the column's type, \
             `#[view(with = function(field))]`; a record for which it returns `None` has no marker"
        }
        TypeClass::Float => "a view's column cannot be a float, which can be written in many ways",
        TypeClass::Decimal => {
            "a view's column cannot be a `Decimal`, which can be written in many ways: make it a `String` with a \
             function, `#[view(with = function(field))]`"
        }
        TypeClass::List | TypeClass::Map | TypeClass::Array | TypeClass::Tuple => {
            "a view's column must be a single value"
        }
        TypeClass::Borrowed => "a view cannot borrow its values: use `String`, `Box<str>` or `Arc<str>`",
        TypeClass::PointerSized => return columns::pointer_sized(cx, ty),
        _ => return,
    };
    cx.error(ty, message);
}

/// Checks the attributes that set how the value is computed.
fn value(cx: &Ctxt, field: &ViewField<'_>) {
    let attrs = &field.attrs;
    if attrs.with.is_some() {
        let others = [
            attrs.from.as_ref().map(|given| (&given.key, "`with` already names the fields of the record")),
            attrs.format.as_ref().map(|given| (&given.key, "`with` already computes the value")),
        ];
        for (key, reason) in others.into_iter().flatten() {
            cx.error(key, format!("{reason}: remove `{key}`"));
        }
    } else if let Some(given) = &attrs.format {
        format(cx, field, &given.value);
    }
}

fn format(cx: &Ctxt, field: &ViewField<'_>, format: &LitStr) {
    let text = format.value();
    let strftime = as_strftime(&text);
    if strftime == text {
        if let Some(unknown) = specifiers(&text).find(|specifier| !SPECIFIERS.contains(&specifier.as_str())) {
            let message = format!("a view's format cannot contain `{unknown}`; {}", suggestion("", SPECIFIERS));
            return cx.error(format, message);
        }
        if TimeParts::of(&text).is_none() {
            let formats: Vec<_> = NAMED_FORMATS.iter().map(|(name, _)| *name).chain(["%Y-%m"]).collect();
            let message = format!("the format contains no part of a time; {}", suggestion(&text, &formats));
            return cx.error(format, message);
        }
    }
    // The type of the record's field is not known here, so the compiler checks that it has the parts. A column that is
    // read back as a date is checked here: it has no time of day.
    let class = match classify(field.ty) {
        TypeClass::Date => TypeClass::Date,
        _ => TypeClass::Utc,
    };
    formats::renders(cx, format, strftime, class, "a view");
}
