//! A struct around one value, stored as that value.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Ident;
use syn::spanned::Spanned;

use super::{encoding, located};
use crate::check;
use crate::ctxt::Ctxt;
use crate::model::Field;

/// Checks what the only field says: how it is stored, and nothing about a column of its own.
pub(super) fn check(cx: &Ctxt, field: &Field<'_>) {
    let attrs = &field.attrs;
    let others = [
        attrs.rename.as_ref().map(|given| &given.key),
        attrs.default.as_ref().map(|given| &given.key),
        attrs.skip.as_ref().map(|given| &given.key),
    ];
    for key in others.into_iter().flatten() {
        let message = format!("a newtype is stored as what it wraps, without a name: remove `{key}`");
        cx.error(key, message);
    }
    for alias in &attrs.alias {
        cx.error(alias, "a newtype is stored as what it wraps, without a name: remove the alias");
    }
    check::encoding(cx, field);
}

/// The implementation for the newtype `ident`.
pub(super) fn items(ident: &Ident, field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    let encoding = encoding(field);
    let at = located(ty.span());
    let inner = quote_spanned!(at=> <#ty as _s3store::ColumnType<#encoding>>);
    let stored = quote_spanned! {at=>
        fn stored(value: &Self) -> ::core::option::Option<Self> {
            #inner::stored(&value.0).map(Self)
        }
    };
    let column = delegated(&Delegated { at, ident, inner, to: emit!(&value.0), from: emit!(.map(Self)), stored });
    emit! {
        #column

        // The lifetime keeps the compiler from judging the bound here: without a text there is no implementation.
        #[automatically_derived]
        impl _s3store::PartitionValue for #ident
        where
            for<'a> #ty: _s3store::PartitionValue,
        {
            type Kind = _s3store::AsValue<Self>;
            fn render(&self, key: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                <#ty as _s3store::PartitionValue>::render(&self.0, key)
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

/// A type that is stored as another one.
pub(super) struct Delegated<'a> {
    /// Where errors about what is stored stand.
    pub(super) at: Span,
    pub(super) ident: &'a Ident,
    /// `<… as ColumnType>` of what is stored.
    pub(super) inner: TokenStream,
    /// A reference to what is stored, from `value`.
    pub(super) to: TokenStream,
    /// From a `Result` of what is stored to one of `Self`.
    pub(super) from: TokenStream,
    /// The function `stored`, where the stored value may be another one.
    pub(super) stored: TokenStream,
}

/// An implementation of `ColumnType` by that of another type.
pub(super) fn delegated(
    &Delegated { at, ident, ref inner, ref to, ref from, ref stored }: &Delegated<'_>,
) -> TokenStream {
    quote_spanned! {at=>
        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = #inner::Size;
            type Builder = #inner::Builder;
            type Reader = #inner::Reader;
            type InVec = _s3store::AsList;
            type Order = #inner::Order;
            const NULLABLE: ::core::primitive::bool = #inner::NULLABLE;

            fn shape() -> _s3store::Shape {
                #inner::shape()
            }
            fn measure(value: &Self, size: &mut Self::Size) {
                #inner::measure(#to, size);
            }
            fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
                #inner::builder(rows, size)
            }
            fn push(value: &Self, builder: &mut Self::Builder) -> ::core::result::Result<(), _s3store::ValueError> {
                #inner::push(#to, builder)
            }
            #stored
            fn push_null(builder: &mut Self::Builder) {
                #inner::push_null(builder);
            }
            fn finish(builder: Self::Builder) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                #inner::finish(builder)
            }
            fn reader(array: &_s3store::ArrayRef) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
                #inner::reader(array)
            }
            fn is_null(reader: &Self::Reader, row: ::core::primitive::usize) -> ::core::primitive::bool {
                #inner::is_null(reader, row)
            }
            fn get(
                reader: &Self::Reader,
                row: ::core::primitive::usize,
            ) -> ::core::result::Result<Self, _s3store::ValueError> {
                #inner::get(reader, row)#from
            }
        }
    }
}
