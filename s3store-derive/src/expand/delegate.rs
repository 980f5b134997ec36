//! Implementations of `ColumnType` that delegate to another type.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Ident;

/// A type that is stored as another type.
pub(super) struct Delegate<'a> {
    /// The position of errors about the stored type.
    pub(super) at: Span,
    pub(super) ident: &'a Ident,
    /// `<… as ColumnType>` of the stored type.
    pub(super) inner: TokenStream,
    /// An expression that makes a reference to the stored value from `value`, or to one of the same size.
    pub(super) measured: TokenStream,
    /// An expression that makes a reference to the stored value from `value`. It may return an error.
    pub(super) pushed: TokenStream,
    /// A method call that makes a `Result` of `Self` from a `Result` of the stored value.
    pub(super) from: TokenStream,
    /// An expression that makes the texts of all values that an enum has.
    pub(super) values: TokenStream,
    /// The function `stored`, if storing a value can change it, and `LOSSY` if it is not that of the stored type.
    pub(super) stored: TokenStream,
}

/// Returns an implementation of `ColumnType` that delegates to the stored type.
pub(super) fn column_type(
    &Delegate { at, ident, ref inner, ref measured, ref pushed, ref from, ref values, ref stored }: &Delegate<'_>,
) -> TokenStream {
    quote_spanned! {at=>
        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = #inner::Size;
            type Builder = #inner::Builder;
            type Reader = #inner::Reader;
            type InVec = _s3store::AsList;
            type InRows = _s3store::OwnedRows<Self>;
            type Order = #inner::Order;
            const NULLABLE: ::core::primitive::bool = #inner::NULLABLE;

            fn shape() -> _s3store::Shape {
                #inner::shape()
            }
            fn values() -> ::std::vec::Vec<::std::string::String> {
                #values
            }
            fn measure(value: &Self, size: &mut Self::Size) {
                #inner::measure(#measured, size);
            }
            fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
                #inner::builder(rows, size)
            }
            fn push(value: &Self, builder: &mut Self::Builder) -> ::core::result::Result<(), _s3store::ValueError> {
                #inner::push(#pushed, builder)
            }
            #stored
            fn key_part(value: &Self) -> ::core::result::Result<_s3store::KeyPart, _s3store::ValueError> {
                #inner::key_part(#pushed)
            }
            fn equal_parts(
                value: &Self,
            ) -> ::core::result::Result<::std::vec::Vec<_s3store::KeyPart>, _s3store::ValueError> {
                #inner::equal_parts(#pushed)
            }
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
            fn hold(
                array: &_s3store::ArrayRef,
                rows: &_s3store::Reachable,
            ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
                _s3store::OwnedRows::hold::<_s3store::Plain>(array, rows)
            }
        }
    }
}
