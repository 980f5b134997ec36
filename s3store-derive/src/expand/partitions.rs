//! The builder that selects partitions, and the key of a record.

use proc_macro2::TokenStream;
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::{located, method};
use crate::attr::{PartitionAttr, Source};
use crate::check::keeps_order;
use crate::model::Record;
use crate::types::{Look, look};
use crate::words::all_of;

/// The builder of a record.
pub(super) struct Builder {
    pub(super) items: TokenStream,
    pub(super) ident: Ident,
}

/// The names of the partition's parts.
pub(super) fn names<'r>(record: &'r Record<'_>) -> impl Iterator<Item = &'r str> {
    parts(record).map(|part| part.name.as_str())
}

fn parts<'r>(record: &'r Record<'_>) -> impl Iterator<Item = &'r PartitionAttr> {
    record.attrs.partition_by.iter().flat_map(|parts| &parts.value)
}

/// The builder, and how computed parts are rendered.
pub(super) fn builder(record: &Record<'_>) -> Builder {
    let ident = record.own_name("Partitions");
    let names = names(record);
    let doc = format!("Selects partitions of [`{}`].", record.ident);
    let mut taken: Vec<Ident> = Vec::new();
    let mut methods = Vec::new();
    let mut formats = Vec::new();
    for (index, part) in parts(record).enumerate() {
        let mut method = method(&part.name, part.span);
        while taken.contains(&method) {
            method = format_ident!("{}_", method);
        }
        let (kind, what) = kind(record, part, index, &mut formats);
        let name = &part.name;
        let doc = format!("Selects by `{name}`, {what}");
        methods.push(quote_spanned! {located(part.span)=>
            #[doc = #doc]
            #[must_use]
            pub fn #method(self, values: impl _s3store::IntoSelection<#kind>) -> Self {
                Self(self.0.with(#name, values))
            }
        });
        taken.push(method);
    }
    let items = emit! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #ident(_s3store::Selections);

        impl #ident {
            fn all() -> Self {
                Self(_s3store::Selections::new(&[#(#names),*]))
            }

            #(#methods)*
        }

        impl _s3store::Sealed for #ident {}

        #[automatically_derived]
        impl _s3store::IntoPatterns for #ident {
            fn into_patterns(
                self,
                names: &[&::core::primitive::str],
            ) -> _s3store::Result<::std::vec::Vec<_s3store::Pattern>> {
                self.0.into_patterns(names)
            }
        }

        #(#formats)*
    };
    Builder { items, ident }
}

/// What selects the values of a part, as a type and in words.
fn kind(
    record: &Record<'_>,
    part: &PartitionAttr,
    index: usize,
    formats: &mut Vec<TokenStream>,
) -> (TokenStream, String) {
    const ANY: &str = "an exact value, `prefix(\"…\")`, or a half-open range where the text keeps the order.";
    match &part.source {
        Source::Field(field) => {
            let what = format!("the field `{field}`: {ANY}");
            match field_type(record, field) {
                Some(ty) => (quote_spanned!(located(ty.span())=> <#ty as _s3store::PartitionValue>::Kind), what),
                None => (emit!(_s3store::Text), what),
            }
        }
        Source::Format(field, format) => {
            let ty = field_type(record, field);
            let text = format.value();
            let ordered = keeps_order(&text, ty.map_or(Look::Unknown, look));
            let render = quote_spanned!(located(field.span())=> _s3store::format_time(value, #text));
            let kind = rendered(record, index, ty, &render, ordered, formats);
            let ranges = if ordered { ", or a half-open range" } else { "" };
            (kind, format!("the field `{field}` as {text:?}: an exact time, `prefix(\"…\")`{ranges}."))
        }
        Source::Pad(field, width) => {
            let ty = field_type(record, field);
            let render = quote_spanned!(located(field.span())=> _s3store::pad(value, #width));
            let kind = rendered(record, index, ty, &render, true, formats);
            let what = format!("the field `{field}` with {width} digits: {ANY}");
            (kind, what)
        }
        Source::Call(path, fields) => {
            let function = path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
            let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let what = format!(
                "what `{function}` makes of {}: its text, `prefix(\"…\")`, or a half-open range of texts.",
                all_of(&fields)
            );
            (emit!(_s3store::Text), what)
        }
    }
}

/// The type that renders the values of a part.
fn rendered(
    record: &Record<'_>,
    index: usize,
    ty: Option<&Type>,
    render: &TokenStream,
    ordered: bool,
    formats: &mut Vec<TokenStream>,
) -> TokenStream {
    let ident = record.own_name(&format!("Part{index}"));
    let ordered = ordered.then(|| emit!(impl _s3store::Ordered for #ident {}));
    formats.push(emit! {
        #[doc(hidden)]
        pub enum #ident {}

        #[automatically_derived]
        impl _s3store::PartitionFormat for #ident {
            type Value = #ty;
            fn render(value: &#ty) -> _s3store::Result<::std::string::String> {
                ::core::result::Result::Ok(#render?)
            }
        }

        #ordered
    });
    emit!(_s3store::Rendered<#ident>)
}

fn field_type<'r>(record: &'r Record<'_>, field: &Ident) -> Option<&'r Type> {
    record.field(field).map(|field| field.ty)
}

/// Writes `name=value/name=value`.
pub(super) fn partition_key(record: &Record<'_>) -> TokenStream {
    let parts = parts(record).enumerate().map(|(index, part)| {
        let start = format!("{}{}=", if index == 0 { "" } else { "/" }, part.name);
        let name = &part.name;
        let render = match &part.source {
            Source::Field(field) => {
                let ty = field_type(record, field);
                let at = located(ty.map_or_else(|| field.span(), Spanned::span));
                quote_spanned!(at=> <#ty as _s3store::PartitionValue>::render(&self.#field, key))
            }
            Source::Format(field, format) => {
                quote_spanned!(located(field.span())=> _s3store::push_time(&self.#field, #format, key))
            }
            Source::Pad(field, width) => {
                quote_spanned!(located(field.span())=> _s3store::push_padded(&self.#field, #width, key))
            }
            Source::Call(path, fields) => {
                let arguments = fields.iter().map(|field| quote_spanned!(located(field.span())=> &self.#field));
                quote_spanned!(located(path.span())=> _s3store::PartitionValue::render(&#path(#(#arguments),*), key))
            }
        };
        emit!(key.push_str(#start); _s3store::in_partition(#render, #name)?;)
    });
    emit! {
        fn partition_key(
            &self,
            key: &mut ::std::string::String,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            #(#parts)*
            ::core::result::Result::Ok(())
        }
    }
}
