//! An enum without fields, stored as text or as an integer.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::{Ident, LitStr};

use super::delegate::{self, Delegate};
use crate::model::Variant;

/// Returns the implementations for the enum `ident`. `repr` is the name of an integer type.
pub(super) fn unit_enum(ident: &Ident, variants: &[Variant<'_>], repr: Option<&LitStr>) -> TokenStream {
    match repr {
        Some(repr) => as_integer(ident, variants, &Ident::new(&repr.value(), repr.span())),
        None => as_text(ident, variants),
    }
}

fn as_text(ident: &Ident, variants: &[Variant<'_>]) -> TokenStream {
    let idents: Vec<_> = variants.iter().map(|variant| variant.ident).collect();
    let texts: Vec<_> = variants.iter().map(|variant| variant.text.as_str()).collect();
    let patterns = variants.iter().map(|Variant { attrs, text, .. }| {
        let aliases = &attrs.alias;
        emit!(#text #(| #aliases)*)
    });
    let type_name = ident.unraw().to_string();
    emit! {
        #[automatically_derived]
        impl _s3store::EnumText for #ident {
            const NAME: &'static ::core::primitive::str = #type_name;
            const VALUES: &'static [&'static ::core::primitive::str] = &[#(#texts),*];

            fn text(&self) -> &'static ::core::primitive::str {
                match self {
                    #(Self::#idents => #texts,)*
                }
            }

            fn of(text: &::core::primitive::str) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(match text {
                    #(#patterns => Self::#idents,)*
                    _ => return ::core::option::Option::None,
                })
            }
        }

        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = ::core::primitive::usize;
            type Builder = _s3store::EnumBuilder;
            type Reader = _s3store::EnumReader;
            type InVec = _s3store::AsList;
            type Order = _s3store::Total;

            fn shape() -> _s3store::Shape {
                _s3store::EnumBuilder::shape()
            }
            fn measure(value: &Self, size: &mut ::core::primitive::usize) {
                *size += _s3store::EnumText::text(value).len();
            }
            fn builder(
                rows: ::core::primitive::usize,
                size: &::core::primitive::usize,
            ) -> _s3store::EnumBuilder {
                _s3store::EnumBuilder::new(rows, *size)
            }
            fn push(value: &Self, builder: &mut Self::Builder) -> ::core::result::Result<(), _s3store::ValueError> {
                builder.push(value)
            }
            fn push_null(builder: &mut Self::Builder) {
                builder.push_null();
            }
            fn finish(builder: Self::Builder) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                builder.finish()
            }
            fn reader(array: &_s3store::ArrayRef) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
                _s3store::EnumReader::new(array)
            }
            fn is_null(reader: &Self::Reader, row: ::core::primitive::usize) -> ::core::primitive::bool {
                reader.is_null(row)
            }
            fn get(
                reader: &Self::Reader,
                row: ::core::primitive::usize,
            ) -> ::core::result::Result<Self, _s3store::ValueError> {
                reader.value(row)
            }
        }

        #[automatically_derived]
        impl _s3store::PartitionValue for #ident {
            type Kind = _s3store::AsValue<Self>;
            fn render(&self, key: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                key.push_str(_s3store::EnumText::text(self));
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl _s3store::ViewValue for #ident {
            fn parse(text: &::core::primitive::str) -> ::core::result::Result<Self, _s3store::ValueError> {
                _s3store::parse_enum(text)
            }
        }
    }
}

fn as_integer(ident: &Ident, variants: &[Variant<'_>], integer: &Ident) -> TokenStream {
    let idents: Vec<_> = variants.iter().map(|variant| variant.ident).collect();
    let numbers: Vec<_> = variants.iter().map(|variant| variant.discriminant).collect();
    let type_name = ident.unraw().to_string();
    let column_type = delegate::column_type(&Delegate {
        at: Span::mixed_site(),
        ident,
        inner: emit!(<::core::primitive::#integer as _s3store::ColumnType>),
        to: emit!(&_s3store::EnumInteger::integer(value)),
        from: emit!(.and_then(_s3store::enum_from_integer)),
        stored: TokenStream::new(),
    });
    emit! {
        #[automatically_derived]
        impl _s3store::EnumInteger for #ident {
            const NAME: &'static ::core::primitive::str = #type_name;
            type Integer = ::core::primitive::#integer;

            fn integer(&self) -> ::core::primitive::#integer {
                match self {
                    #(Self::#idents => #numbers,)*
                }
            }

            fn of(integer: ::core::primitive::#integer) -> ::core::option::Option<Self> {
                #(
                    if integer == #numbers {
                        return ::core::option::Option::Some(Self::#idents);
                    }
                )*
                ::core::option::Option::None
            }
        }

        #column_type

        #[automatically_derived]
        impl _s3store::PartitionValue for #ident {
            type Kind = _s3store::AsValue<Self>;
            fn render(&self, key: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                _s3store::PartitionValue::render(&_s3store::EnumInteger::integer(self), key)
            }
        }

        #[automatically_derived]
        impl _s3store::ViewValue for #ident {
            fn parse(text: &::core::primitive::str) -> ::core::result::Result<Self, _s3store::ValueError> {
                <::core::primitive::#integer as _s3store::ViewValue>::parse(text).and_then(_s3store::enum_from_integer)
            }
        }
    }
}
