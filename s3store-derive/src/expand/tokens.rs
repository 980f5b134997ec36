//! Tokens that several expansions share.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned;

use crate::attr::DefaultAttr;
use crate::model::Field;

/// Returns the path of an associated item: `<String as _s3store::ColumnType<_s3store::Plain>>::item`.
///
/// Generated code uses a field's type only by such paths. If a trait is missing, the compiler then reports it at the
/// type in the user's struct, and always in the same words, which it prints only once.
pub(super) fn item(field: &Field<'_>, encoding: &TokenStream, item: &str) -> TokenStream {
    let (ty, at) = (field.ty, located(field.ty.span()));
    let item = Ident::new(item, at);
    quote_spanned!(at=> <#ty as _s3store::ColumnType<#encoding>>::#item)
}

/// Returns a call of the function [`item`].
pub(super) fn call(field: &Field<'_>, encoding: &TokenStream, function: &str, arguments: &TokenStream) -> TokenStream {
    let function = item(field, encoding, function);
    quote_spanned!(located(field.ty.span())=> #function(#arguments))
}

/// Returns the value of a field that is not stored, or of one with the attribute `default` that a file lacks.
pub(super) fn default(field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    match field.attrs.default.as_ref().map(|given| &given.value) {
        Some(DefaultAttr::Value(value)) => match &**value {
            syn::Expr::Lit(syn::ExprLit { lit: lit @ syn::Lit::Str(_), .. }) => {
                quote_spanned!(located(lit.span())=> <#ty as ::core::convert::From<&'static str>>::from(#lit))
            }
            value => emit!(#value),
        },
        Some(DefaultAttr::Type) | None if field.is_column() => {
            emit!(<#ty as _s3store::ColumnDefault>::column_default())
        }
        Some(DefaultAttr::Type) | None => emit!(<#ty as _s3store::SkippedDefault>::skipped_default()),
    }
}

/// Returns the description of a field's column.
pub(super) fn node(field: &Field<'_>, encoding: &TokenStream) -> TokenStream {
    let (name, aliases) = (field.column(), &field.attrs.alias);
    let default = match field.attrs.default {
        Some(_) => {
            let single = call(field, encoding, "single", &default(field));
            emit!(::core::option::Option::Some(|| #single))
        }
        None => emit!(::core::option::Option::None),
    };
    let node = call(field, encoding, "node", &emit!(#name, &[#(#aliases),*], #default));
    let node = match field.attrs.bare_list {
        Some(_) => emit!(#node.with_bare_list()),
        None => node,
    };
    let node = match field.attrs.without_dictionary {
        Some(_) => emit!(#node.without_dictionary()),
        None => node,
    };
    match field.attrs.bloom {
        Some(_) => emit!(#node.with_bloom_filter()),
        None => node,
    }
}

/// Returns a local variable that cannot clash with a name of the user.
pub(super) fn local(prefix: &str, index: usize) -> Ident {
    format_ident!("{prefix}{index}", span = Span::mixed_site())
}

/// Returns a span in the user's code with the hygiene of the macro, so that lints do not treat the code as the user's.
pub(super) fn located(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
