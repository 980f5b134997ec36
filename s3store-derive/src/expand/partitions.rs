//! The builder that selects partitions, and the key of a record.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::builder::{ANY, Builder, Column, made_by, of_time, rendering};
use super::located;
use crate::attr::{PartitionAttr, Source};
use crate::check::keeps_order;
use crate::model::Record;
use crate::types::{Look, look};

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
    let mut formats = TokenStream::new();
    let columns: Vec<_> =
        parts(record).enumerate().map(|(index, part)| column(record, part, index, &mut formats)).collect();
    let doc = format!("Selects partitions of [`{}`].", record.ident);
    Builder::new(ident, &doc, &columns, &formats)
}

/// What selects the values of a part.
fn column<'r>(record: &'r Record<'_>, part: &'r PartitionAttr, index: usize, formats: &mut TokenStream) -> Column<'r> {
    let (kind, what) = match &part.source {
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
            let ident = rendered(record, index, ty, &render, ordered, formats);
            (emit!(_s3store::Rendered<#ident>), format!("the field `{field}` as {text:?}: {}", of_time(ordered)))
        }
        Source::Pad(field, width) => {
            let ty = field_type(record, field);
            let render = quote_spanned!(located(field.span())=> _s3store::pad(value, #width));
            let ident = rendered(record, index, ty, &render, true, formats);
            (emit!(_s3store::Rendered<#ident>), format!("the field `{field}` with {width} digits: {ANY}"))
        }
        Source::Call(path, fields) => {
            let what = format!("{}: its text, `prefix(\"…\")`, or a half-open range of texts.", made_by(path, fields));
            (emit!(_s3store::Text), what)
        }
    };
    Column { name: &part.name, span: part.span, kind, what }
}

/// The type that renders the values of a part.
fn rendered(
    record: &Record<'_>,
    index: usize,
    ty: Option<&Type>,
    render: &TokenStream,
    ordered: bool,
    formats: &mut TokenStream,
) -> Ident {
    let ident = record.own_name(&format!("Part{index}"));
    formats.extend(rendering(&ident, &emit!(#ty), render, ordered));
    ident
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
