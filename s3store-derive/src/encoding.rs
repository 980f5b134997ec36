//! The type parameter of `ColumnType` that says how a field is stored.

use proc_macro2::TokenStream;

use crate::attr::TimeUnit;
use crate::model::Field;
use crate::types::{TypeClass, classify, inside_option};

/// Returns the type that describes how a field is stored: `Plain`, a timestamp, a decimal or a conversion.
pub(crate) fn encoding(field: &Field<'_>) -> TokenStream {
    let attrs = &field.attrs;
    if let Some(with) = &attrs.with {
        let path = &with.value;
        return match inside_option(field.ty) {
            Some(_) => emit!(_s3store::WithOption<#path>),
            None => emit!(_s3store::With<#path>),
        };
    }
    if let Some((precision, scale)) = field.precision_and_scale() {
        let scale = i8::try_from(scale).unwrap_or(i8::MAX);
        return emit!(_s3store::DecimalOf<#precision, #scale>);
    }
    let exact = attrs.exact.is_some() || is_exact_key(field);
    let unit = match attrs.timestamp.as_ref().map(|given| given.value) {
        Some(TimeUnit::Millis) => emit!(Milli),
        Some(TimeUnit::Nanos) => emit!(Nano),
        Some(TimeUnit::Micros) => emit!(Micro),
        None if exact && (attrs.exact.is_some() || is_time(field)) => emit!(Micro),
        None => return emit!(_s3store::Plain),
    };
    let precision = if exact { emit!(Exact) } else { emit!(Truncate) };
    emit!(_s3store::Timestamp<_s3store::#unit, _s3store::#precision>)
}

/// Returns the type that describes how a field with an encoding is stored, without naming a conversion.
pub(crate) fn form(field: &Field<'_>, encoding: &TokenStream) -> TokenStream {
    match (&field.attrs.with, inside_option(field.ty)) {
        (None, _) => emit!(_s3store::Encoded<#encoding>),
        (Some(_), None) => emit!(_s3store::Converted),
        (Some(_), Some(_)) => emit!(_s3store::ConvertedOption),
    }
}

/// Returns whether the field is part of the entity, or the version, and must not lose digits: two values would become one.
fn is_exact_key(field: &Field<'_>) -> bool {
    let attrs = &field.attrs;
    let is_key = attrs.entity.is_some() || attrs.version.is_some();
    is_key && attrs.inserted_at.is_none() && attrs.truncate.is_none()
}

/// Returns whether the field holds a time, as far as its type shows it.
pub(crate) fn is_time(field: &Field<'_>) -> bool {
    let ty = inside_option(field.ty).unwrap_or(field.ty);
    matches!(classify(ty), TypeClass::Utc | TypeClass::DateTime | TypeClass::Time)
}
