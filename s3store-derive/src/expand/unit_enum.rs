//! An enum without fields, stored as text or as an integer.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::{DataEnum, Expr, Ident, Variant};

use super::newtype::{Delegated, delegated};
use crate::attr::{ColumnAttrs, VariantAttrs};
use crate::ctxt::Ctxt;

/// The implementation for the enum `ident`, or `None` where an error was noted.
pub(super) fn items(cx: &Ctxt, ident: &Ident, data: &DataEnum, attrs: &ColumnAttrs) -> Option<TokenStream> {
    if data.variants.is_empty() {
        cx.error(ident, "an enum without variants has no values to store");
        return None;
    }
    for variant in &data.variants {
        if !variant.fields.is_empty() {
            let message = "a variant with fields fits no column: store the parts as fields of a struct, with `Option`";
            cx.error(&variant.fields, message);
        }
    }
    match &attrs.repr {
        Some(repr) => {
            if let Some(rule) = &attrs.rename_all {
                cx.error(&rule.key, "with `repr` the enum is stored as an integer, and its names are not: remove one");
            }
            let integer = Ident::new(&repr.value.value(), repr.value.span());
            as_integer(cx, ident, data, &integer)
        }
        None => as_text(cx, ident, data, attrs),
    }
}

fn as_text(cx: &Ctxt, ident: &Ident, data: &DataEnum, attrs: &ColumnAttrs) -> Option<TokenStream> {
    let before = cx.count();
    let variants: Vec<_> = data.variants.iter().map(|variant| Named::read(cx, variant, attrs)).collect();
    unique(cx, &variants);
    if cx.count() > before {
        return None;
    }
    let idents: Vec<_> = variants.iter().map(|variant| &variant.variant.ident).collect();
    let names: Vec<_> = variants.iter().map(|variant| variant.name.as_str()).collect();
    let patterns = variants.iter().map(|variant| {
        let name = &variant.name;
        let aliases = &variant.attrs.alias;
        emit!(#name #(| #aliases)*)
    });
    let type_name = ident.unraw().to_string();
    Some(emit! {
        #[automatically_derived]
        impl _s3store::EnumText for #ident {
            const NAME: &'static ::core::primitive::str = #type_name;
            const VALUES: &'static [&'static ::core::primitive::str] = &[#(#names),*];

            fn text(&self) -> &'static ::core::primitive::str {
                match self {
                    #(Self::#idents => #names,)*
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
    })
}

/// A variant with its stored name.
struct Named<'a> {
    variant: &'a Variant,
    attrs: VariantAttrs,
    name: String,
}

impl<'a> Named<'a> {
    fn read(cx: &Ctxt, variant: &'a Variant, attrs: &ColumnAttrs) -> Self {
        let own = VariantAttrs::read(cx, &variant.attrs);
        let word = variant.ident.unraw().to_string();
        let name = match (&own.rename, &attrs.rename_all) {
            (Some(rename), _) => rename.value.value(),
            (None, Some(rule)) => rule.value.apply(&word),
            (None, None) => word,
        };
        Self { variant, attrs: own, name }
    }
}

fn unique(cx: &Ctxt, variants: &[Named<'_>]) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for Named { variant, attrs, name } in variants {
        if let Some(other) = seen.insert(name.clone(), &variant.ident) {
            let span = attrs.rename.as_ref().map_or_else(|| variant.ident.span(), |given| given.value.span());
            let message = format!("`{other}` and `{}` are both stored as {name:?}", variant.ident);
            cx.push(syn::Error::new(span, message));
        }
    }
    for Named { variant, attrs, .. } in variants {
        for alias in &attrs.alias {
            if let Some(other) = seen.insert(alias.value(), &variant.ident) {
                cx.error(alias, format!("{:?} is read as `{other}` already", alias.value()));
            }
        }
    }
}

fn as_integer(cx: &Ctxt, ident: &Ident, data: &DataEnum, integer: &Ident) -> Option<TokenStream> {
    let before = cx.count();
    let mut idents: Vec<&Ident> = Vec::new();
    let mut numbers: Vec<&Expr> = Vec::new();
    for variant in &data.variants {
        let attrs = VariantAttrs::read(cx, &variant.attrs);
        let texts = attrs.rename.iter().map(|given| &given.value).chain(&attrs.alias);
        for text in texts {
            cx.error(text, "with `repr` the enum is stored as an integer, and this name is not: remove it");
        }
        match &variant.discriminant {
            Some((_, number)) => {
                idents.push(&variant.ident);
                numbers.push(number);
            }
            None => {
                let message = format!(
                    "what integer is this in the files? write it, so that a new variant changes no old one: `{} = …`",
                    variant.ident
                );
                cx.error(&variant.ident, message);
            }
        }
    }
    if cx.count() > before {
        return None;
    }
    let type_name = ident.unraw().to_string();
    let column = delegated(&Delegated {
        at: Span::mixed_site(),
        ident,
        inner: emit!(<::core::primitive::#integer as _s3store::ColumnType>),
        to: emit!(&_s3store::EnumInteger::integer(value)),
        from: emit!(.and_then(_s3store::enum_from_integer)),
        stored: TokenStream::new(),
    });
    Some(emit! {
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

        #column

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
    })
}
