//! A newtype: a struct that wraps one value and is stored as that value.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Ident;
use syn::spanned::Spanned;

use super::delegate::{self, Delegate};
use super::tokens::located;
use crate::encoding::encoding;
use crate::model::Field;

/// Returns the implementations for the newtype `ident`.
pub(super) fn newtype(ident: &Ident, field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    let encoding = encoding(field);
    let at = located(ty.span());
    let inner = quote_spanned!(at=> <#ty as _s3store::ColumnType<#encoding>>);
    let stored = quote_spanned! {at=>
        const LOSSY: ::core::primitive::bool = #inner::LOSSY;
        fn stored(
            value: &Self,
        ) -> ::core::result::Result<::core::option::Option<Self>, _s3store::ValueError> {
            ::core::result::Result::Ok(#inner::stored(&value.0)?.map(Self))
        }
    };
    let values = quote_spanned!(at=> #inner::values());
    // A converted value is not stored as the value that its type renders.
    let is_stored = match field.attrs.with {
        Some(_) => emit!(false),
        None => emit!(<#ty as _s3store::PartitionValue>::IS_STORED),
    };
    let delegate = Delegate {
        at,
        ident,
        inner,
        measured: emit!(&value.0),
        pushed: emit!(&value.0),
        from: emit!(.map(Self)),
        values,
        stored,
    };
    let column_type = delegate::column_type(&delegate);
    emit! {
        #column_type

        // Without `for<'a>`, the compiler would reject the bound if the inner type does not satisfy it. With it, the
        // newtype then has no implementation.
        #[automatically_derived]
        impl _s3store::PartitionValue for #ident
        where
            for<'a> #ty: _s3store::PartitionValue,
        {
            type Kind = _s3store::AsValue<Self>;
            const IS_STORED: ::core::primitive::bool = #is_stored;
            fn render(&self, key: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                <#ty as _s3store::PartitionValue>::render(&self.0, key)
            }
        }

        #[automatically_derived]
        impl _s3store::OrderedValue for #ident
        where
            for<'a> #ty: _s3store::OrderedValue,
        {
        }

        #[automatically_derived]
        impl _s3store::Discrete for #ident
        where
            for<'a> #ty: _s3store::Discrete,
            for<'a> Self: ::core::cmp::PartialOrd,
        {
            fn before(&self) -> ::core::option::Option<Self> {
                <#ty as _s3store::Discrete>::before(&self.0).map(Self)
            }
        }

        #[automatically_derived]
        impl _s3store::ViewValue for #ident
        where
            for<'a> #ty: _s3store::ViewValue,
        {
            fn parse(text: &::core::primitive::str) -> ::core::result::Result<Self, _s3store::ValueError> {
                <#ty as _s3store::ViewValue>::parse(text).map(Self)
            }
        }
    }
}
