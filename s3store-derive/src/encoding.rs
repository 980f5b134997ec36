//! The type parameter of `ColumnType` that says how a field is stored.

use proc_macro2::TokenStream;

use crate::attr::TimeUnit;
use crate::model::Field;
use crate::types::inside_option;

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
    let unit = match attrs.timestamp.as_ref().map(|given| given.value) {
        Some(TimeUnit::Millis) => emit!(Milli),
        Some(TimeUnit::Nanos) => emit!(Nano),
        Some(TimeUnit::Micros) => emit!(Micro),
        None if attrs.exact.is_some() => emit!(Micro),
        None => return emit!(_s3store::Plain),
    };
    let precision = if attrs.exact.is_some() { emit!(Exact) } else { emit!(Truncate) };
    emit!(_s3store::Timestamp<_s3store::#unit, _s3store::#precision>)
}
