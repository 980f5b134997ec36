//! The passes of each derive: read the attributes, check them, expand.
//!
//! If a pass reports an error, the derive expands to the errors and a fallback implementation.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::attr::ColumnAttrs;
use crate::ctxt::Ctxt;
use crate::model::{ColumnItem, Record, View, no_generics};
use crate::{check, expand, fallback, krate};

/// Expands `#[derive(Record)]`.
pub(crate) fn record(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let record = Record::read(&cx, input);
    if let Some(record) = &record {
        check::record(&cx, record);
    }
    match record {
        Some(record) if cx.count() == 0 => in_const(&krate::path(&record.attrs.krate), &expand::record(&record)),
        record => fallback::record(input, record.as_ref(), cx),
    }
}

/// Expands `#[derive(View)]`.
pub(crate) fn view(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let view = View::read(&cx, input);
    if let Some(view) = &view {
        check::view(&cx, view);
    }
    if let Some(view) = &view
        && let (Some(of), Some(name), 0) = (&view.attrs.of, &view.attrs.name, cx.count())
    {
        return in_const(&krate::path(&view.attrs.krate), &expand::view(view, &of.value, &name.value.value()));
    }
    fallback::view(input, view.as_ref(), cx)
}

/// Expands `#[derive(ColumnType)]`.
pub(crate) fn column_type(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let attrs = ColumnAttrs::read(&cx, &input.attrs);
    no_generics(&cx, input, "a column type");
    let item = ColumnItem::read(&cx, input, &attrs);
    if let Some(item) = &item {
        check::column_type(&cx, &input.ident, item, &attrs);
    }
    match item {
        Some(item) if cx.count() == 0 => {
            in_const(&krate::path(&attrs.krate), &expand::column_type(&input.ident, &item, &attrs))
        }
        _ => fallback::column_type(input, &attrs, cx),
    }
}

/// Wraps items in their own scope, in which `_s3store` is the support module for generated code.
fn in_const(krate: &TokenStream, items: &TokenStream) -> TokenStream {
    quote::quote! {
        #[allow(dead_code, non_camel_case_types, non_snake_case, unreachable_pub, private_interfaces)]
        #[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
        const _: () = {
            use #krate::__private as _s3store;
            #items
        };
    }
}

#[cfg(test)]
mod tests;
