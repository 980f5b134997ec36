//! An enum, stored as text or as an integer.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, LitStr};

use super::delegate::{self, Delegate};
use super::tokens::located;
use crate::model::Variant;

/// Returns the implementations for the enum `ident`. `repr` is the name of an integer type.
pub(super) fn unit_enum(ident: &Ident, variants: &[Variant<'_>], repr: Option<&LitStr>) -> TokenStream {
    match repr {
        Some(repr) => as_integer(ident, variants, &Ident::new(&repr.value(), repr.span())),
        None => as_text(ident, variants),
    }
}

/// Returns the implementations of serde's traits, with the values of the column.
pub(super) fn serde(ident: &Ident, is_integer: bool) -> TokenStream {
    let (serialize, deserialize) = match is_integer {
        true => (emit!(serialize_enum_integer), emit!(deserialize_enum_integer)),
        false => (emit!(serialize_enum_text), emit!(deserialize_enum_text)),
    };
    emit! {
        #[automatically_derived]
        impl _s3store::serde::Serialize for #ident {
            fn serialize<__S: _s3store::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                _s3store::#serialize(self, serializer)
            }
        }

        #[automatically_derived]
        impl<'__de> _s3store::serde::Deserialize<'__de> for #ident {
            fn deserialize<__D: _s3store::serde::Deserializer<'__de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                _s3store::#deserialize(deserializer)
            }
        }
    }
}

fn as_text(ident: &Ident, variants: &[Variant<'_>]) -> TokenStream {
    let known: Vec<_> = variants.iter().filter(|variant| !variant.is_other()).collect();
    let idents: Vec<_> = known.iter().map(|variant| variant.ident).collect();
    let texts: Vec<_> = known.iter().map(|variant| variant.text.as_str()).collect();
    let patterns: Vec<_> = known
        .iter()
        .map(|Variant { attrs, text, .. }| {
            let aliases = &attrs.alias;
            emit!(#text #(| #aliases)*)
        })
        .collect();
    let equal_parts = equal_parts(&known);
    let type_name = ident.unraw().to_string();
    let other = variants.iter().find(|variant| variant.is_other()).map(|variant| (variant.ident, variant.held()));
    let (other_text, other_of) = match other {
        Some((other, Some(ty))) => {
            let at = located(ty.span());
            let held = quote_spanned!(at=> <#ty as ::core::convert::AsRef<::core::primitive::str>>::as_ref(held));
            // A held text that a variant has is written as that variant.
            let text = emit! {
                Self::#other(held) => ::core::option::Option::Some(match #held {
                    #(#patterns => #texts,)*
                    other => other,
                }),
            };
            let from = quote_spanned!(at=> <#ty as ::core::convert::From<&::core::primitive::str>>::from(text));
            (text, emit!(Self::#other(#from)))
        }
        Some((other, None)) => (emit!(Self::#other => ::core::option::Option::None,), emit!(Self::#other)),
        None => (TokenStream::new(), emit!(return ::core::option::Option::None)),
    };
    let stored = stored(
        variants,
        &emit! {
            _s3store::enum_text(value).map(<Self as _s3store::EnumText>::of)
        },
    );
    emit! {
        #[automatically_derived]
        impl _s3store::EnumText for #ident {
            const NAME: &'static ::core::primitive::str = #type_name;
            const VALUES: &'static [&'static ::core::primitive::str] = &[#(#texts),*];

            fn text(&self) -> ::core::option::Option<&::core::primitive::str> {
                match self {
                    #(Self::#idents => ::core::option::Option::Some(#texts),)*
                    #other_text
                }
            }

            fn of(text: &::core::primitive::str) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(match text {
                    #(#patterns => Self::#idents,)*
                    _ => #other_of,
                })
            }
        }

        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = ::core::primitive::usize;
            type Builder = _s3store::EnumBuilder;
            type Reader = _s3store::EnumReader;
            type InVec = _s3store::AsList;
            type InRows = _s3store::OwnedRows<Self>;
            type Order = _s3store::Total;

            fn shape() -> _s3store::Shape {
                _s3store::EnumBuilder::shape()
            }
            fn values() -> ::std::vec::Vec<::std::string::String> {
                _s3store::texts(&[#(#texts),*])
            }
            fn measure(value: &Self, size: &mut ::core::primitive::usize) {
                *size += _s3store::EnumText::text(value).map_or(0, ::core::primitive::str::len);
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
            #stored
            #equal_parts
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
            fn hold(
                array: &_s3store::ArrayRef,
                rows: &_s3store::Reachable,
            ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
                _s3store::OwnedRows::hold::<_s3store::Plain>(array, rows)
            }
        }

        #[automatically_derived]
        impl _s3store::PartitionValue for #ident {
            type Kind = _s3store::AsValue<Self>;
            const IS_STORED: ::core::primitive::bool = true;
            fn render(&self, key: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                key.push_str(_s3store::enum_text(self)?);
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

/// Returns the function `equal_parts` if a variant has texts of older files.
fn equal_parts(known: &[&Variant<'_>]) -> TokenStream {
    let texts =
        known.iter().filter(|variant| !variant.attrs.alias.is_empty()).map(|Variant { attrs, text, .. }| {
            let aliases = &attrs.alias;
            emit!(&[#text, #(#aliases),*])
        });
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() {
        return TokenStream::new();
    }
    emit! {
        fn equal_parts(
            value: &Self,
        ) -> ::core::result::Result<::std::vec::Vec<_s3store::KeyPart>, _s3store::ValueError> {
            _s3store::enum_parts(value, &[#(#texts),*])
        }
    }
}

/// Returns the items `LOSSY` and `stored` if a variant holds other values. It may hold the value of another variant, as
/// which it is then read. `read` is the result of storing and reading `value`, an `Option`.
fn stored(variants: &[Variant<'_>], read: &TokenStream) -> TokenStream {
    match variants.iter().find(|variant| variant.is_other() && variant.held().is_some()) {
        Some(Variant { ident, .. }) => emit! {
            const LOSSY: ::core::primitive::bool = true;
            fn stored(
                value: &Self,
            ) -> ::core::result::Result<::core::option::Option<Self>, _s3store::ValueError> {
                match value {
                    Self::#ident(_) => #read,
                    _ => ::core::result::Result::Ok(::core::option::Option::None),
                }
            }
        },
        None => TokenStream::new(),
    }
}

fn as_integer(ident: &Ident, variants: &[Variant<'_>], integer: &Ident) -> TokenStream {
    let known: Vec<_> = variants.iter().filter(|variant| !variant.is_other()).collect();
    let idents: Vec<_> = known.iter().map(|variant| variant.ident).collect();
    let numbers: Vec<_> = known.iter().map(|variant| variant.discriminant).collect();
    let (type_name, integer_name) = (ident.unraw().to_string(), integer.to_string());
    let other = variants.iter().find(|variant| variant.is_other()).map(|variant| (variant.ident, variant.held()));
    let (other_integer, other_of) = match other {
        Some((other, Some(ty))) => {
            let held = quote_spanned!(located(ty.span())=> *held);
            let integer = emit!(Self::#other(held) => ::core::option::Option::Some(#held),);
            (integer, emit!(::core::option::Option::Some(Self::#other(integer))))
        }
        Some((other, None)) => {
            (emit!(Self::#other => ::core::option::Option::None,), emit!(::core::option::Option::Some(Self::#other)))
        }
        None => (TokenStream::new(), emit!(::core::option::Option::None)),
    };
    let column_type = delegate::column_type(&Delegate {
        at: Span::mixed_site(),
        ident,
        inner: emit!(<::core::primitive::#integer as _s3store::ColumnType>),
        measured: emit!(&::core::default::Default::default()),
        pushed: emit!(&_s3store::enum_integer(value)?),
        from: emit!(.and_then(_s3store::enum_from_integer)),
        values: emit!(_s3store::texts(&[#(#numbers),*])),
        stored: stored(
            variants,
            &emit! {
                _s3store::enum_integer(value).map(<Self as _s3store::EnumInteger>::of)
            },
        ),
    });
    emit! {
        #[automatically_derived]
        impl _s3store::EnumInteger for #ident {
            const NAME: &'static ::core::primitive::str = #type_name;
            type Integer = ::core::primitive::#integer;
            const INTEGER: &'static ::core::primitive::str = #integer_name;

            fn integer(&self) -> ::core::option::Option<::core::primitive::#integer> {
                match self {
                    #(Self::#idents => ::core::option::Option::Some(#numbers),)*
                    #other_integer
                }
            }

            fn of(integer: ::core::primitive::#integer) -> ::core::option::Option<Self> {
                #(
                    if integer == #numbers {
                        return ::core::option::Option::Some(Self::#idents);
                    }
                )*
                #other_of
            }
        }

        #column_type

        #[automatically_derived]
        impl _s3store::PartitionValue for #ident {
            type Kind = _s3store::AsValue<Self>;
            const IS_STORED: ::core::primitive::bool = true;
            fn render(&self, key: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                _s3store::PartitionValue::render(&_s3store::enum_integer(self)?, key)
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
