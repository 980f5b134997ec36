//! The builder that selects partitions, and the partition key of a record.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::builder::{Builder, Selector, TAKES_TEXT, TAKES_VALUE, rendering, result_of, takes_time};
use super::tokens::located;
use crate::attr::{PartAttr, PartExpr};
use crate::model::Record;
use crate::strftime::keeps_order;
use crate::types::{TypeClass, classify};

/// Returns the builder, and the types that render computed parts.
pub(super) fn builder(record: &Record<'_>) -> Builder {
    let ident = record.item_name("Partitions");
    let mut formats = TokenStream::new();
    let parts = record.parts().iter().enumerate();
    let selectors: Vec<_> = parts.map(|(index, part)| selector(record, part, index, &mut formats)).collect();
    let doc = format!("A pattern for partitions of [`{}`]. Each method narrows it.", record.ident);
    Builder::new(ident, &doc, &selectors, &formats)
}

/// Returns the selector of a part.
fn selector<'r>(record: &'r Record<'_>, part: &'r PartAttr, index: usize, formats: &mut TokenStream) -> Selector<'r> {
    let (kind, value, takes) = match &part.expr {
        PartExpr::Field(field) => {
            let value = format!("the field `{field}`");
            match field_type(record, field) {
                Some(ty) => {
                    let kind = quote_spanned!(located(ty.span())=> <#ty as _s3store::PartitionValue>::Kind);
                    (kind, value, TAKES_VALUE)
                }
                None => (emit!(_s3store::Text), value, TAKES_TEXT),
            }
        }
        PartExpr::Format(field, format) => {
            let ty = field_type(record, field);
            let text = format.value();
            let ordered = keeps_order(&text, ty.map_or(TypeClass::Unknown, classify));
            let render = quote_spanned!(located(field.span())=> _s3store::format_time(value, #text));
            let ident = rendered(record, index, ty, &render, ordered, formats);
            let value = format!("the field `{field}` in the format `{text}`");
            (emit!(_s3store::Rendered<#ident>), value, takes_time(ordered))
        }
        PartExpr::Pad(field, width) => {
            let ty = field_type(record, field);
            let render = quote_spanned!(located(field.span())=> _s3store::pad(value, #width));
            let ident = rendered(record, index, ty, &render, true, formats);
            let value = format!("the field `{field}` padded to {width} digits");
            (emit!(_s3store::Rendered<#ident>), value, TAKES_VALUE)
        }
        PartExpr::Call(path, fields) => (emit!(_s3store::Text), result_of(path, fields), TAKES_TEXT),
    };
    Selector { name: &part.name, span: part.span, kind, value, takes }
}

/// Adds the type that renders the values of a part to `formats`, and returns its name.
fn rendered(
    record: &Record<'_>,
    index: usize,
    ty: Option<&Type>,
    render: &TokenStream,
    ordered: bool,
    formats: &mut TokenStream,
) -> Ident {
    let ident = record.item_name(&format!("Part{index}"));
    formats.extend(rendering(&ident, &emit!(#ty), render, ordered));
    ident
}

fn field_type<'r>(record: &'r Record<'_>, field: &Ident) -> Option<&'r Type> {
    record.field(field).map(|field| field.ty)
}

/// Returns the function `partition_key`, which writes `name=value/name=value`.
pub(super) fn partition_key(record: &Record<'_>) -> TokenStream {
    let parts = record.parts().iter().enumerate().map(|(index, part)| {
        let start = format!("{}{}=", if index == 0 { "" } else { "/" }, part.name);
        let name = &part.name;
        let render = match &part.expr {
            PartExpr::Field(field) => {
                let ty = field_type(record, field);
                let at = located(ty.map_or_else(|| field.span(), Spanned::span));
                quote_spanned!(at=> <#ty as _s3store::PartitionValue>::render(&self.#field, key))
            }
            PartExpr::Format(field, format) => {
                quote_spanned!(located(field.span())=> _s3store::push_time(&self.#field, #format, key))
            }
            PartExpr::Pad(field, width) => {
                quote_spanned!(located(field.span())=> _s3store::push_padded(&self.#field, #width, key))
            }
            PartExpr::Call(path, fields) => {
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
