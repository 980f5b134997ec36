//! The builder that selects partitions, and the partition key of a record.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::builder::{Builder, Selector, TAKES_TEXT, TAKES_VALUE, rendering, result_of, takes_time, text_type};
use super::tokens::{call, local, located};
use crate::attr::{PartAttr, PartExpr};
use crate::encoding::encoding;
use crate::model::{Field, Record};
use crate::strftime::keeps_order;
use crate::types::{TypeClass, classify};

/// Returns the builder, and the types that render computed parts.
pub(super) fn builder(record: &Record<'_>) -> Builder {
    let ident = record.item_name("Partitions");
    let mut formats = TokenStream::new();
    let parts = record.parts().iter().enumerate();
    let selectors: Vec<_> = parts.map(|(index, part)| selector(record, part, index, &mut formats)).collect();
    let doc = format!("A pattern for partitions of [`{}`]. Each method narrows it.", record.ident);
    Builder::new(ident, &doc, "partitions", &selectors, &formats)
}

/// Returns the selector of a part.
fn selector<'r>(record: &'r Record<'_>, part: &'r PartAttr, index: usize, formats: &mut TokenStream) -> Selector<'r> {
    let (kind, value, takes) = match &part.expr {
        PartExpr::Field(field) => {
            let value = format!("the field `{field}`");
            match field_type(record, field) {
                Some(ty) => {
                    let kind = quote_spanned!(located(ty.span())=> <#ty as _s3store::PartitionValue>::Kind);
                    (as_stored(record, field, ty, kind), value, TAKES_VALUE)
                }
                None => (emit!(_s3store::Text), value, TAKES_TEXT),
            }
        }
        PartExpr::Format(field, format) => {
            let (ty, encoding) = (field_type(record, field), record.field(field).map(encoding));
            let text = format.value();
            let ordered = keeps_order(&text, ty.map_or(TypeClass::Unknown, classify));
            let render = quote_spanned!(located(field.span())=> _s3store::format_time::<#ty, #encoding>(value, #text));
            let ident = rendered(record, index, ty, &render, ordered, formats);
            let value = format!("the field `{field}` in the format `{text}`");
            (emit!(_s3store::Rendered<#ident>), value, takes_time(ordered))
        }
        PartExpr::Pad(field, width) => {
            let (ty, encoding) = (field_type(record, field), record.field(field).map(encoding));
            let render = quote_spanned!(located(field.span())=> _s3store::pad::<#ty, #encoding>(value, #width));
            let ident = rendered(record, index, ty, &render, true, formats);
            let value = format!("the field `{field}` padded to {width} digits");
            (emit!(_s3store::Rendered<#ident>), value, TAKES_VALUE)
        }
        PartExpr::Call(path, fields) => (emit!(_s3store::Text), result_of(path, fields), TAKES_TEXT),
    };
    let ty = match &part.expr {
        PartExpr::Field(field) | PartExpr::Format(field, _) | PartExpr::Pad(field, _) => field_type(record, field),
        PartExpr::Call(..) => None,
    };
    let ty = ty.map_or_else(text_type, ToTokens::to_token_stream);
    Selector { name: &part.name, span: part.span, kind, ty, value, takes }
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

/// Returns the kind of selections of a field whose type has the kind `kind`: values are converted as the column stores
/// them.
fn as_stored(record: &Record<'_>, field: &Ident, ty: &Type, kind: TokenStream) -> TokenStream {
    let unchanged = matches!(
        classify(ty),
        TypeClass::Text | TypeClass::Integer | TypeClass::Bool | TypeClass::Date | TypeClass::Uuid
    );
    match record.field(field) {
        Some(field) if !unchanged || field.attrs.with.is_some() => {
            let (at, encoding) = (located(ty.span()), encoding(field));
            quote_spanned!(at=> <#kind as _s3store::SelectionKind<_s3store::FieldColumn<#encoding>, #ty>>::Kind)
        }
        _ => kind,
    }
}

fn field_type<'r>(record: &'r Record<'_>, field: &Ident) -> Option<&'r Type> {
    record.field(field).map(|field| field.ty)
}

/// Returns the function `partition_key`, which writes `name=value/name=value`.
///
/// The values are made from the fields as a read returns them. Otherwise records that are read as one entity could be in
/// two partitions.
pub(super) fn partition_key(record: &Record<'_>) -> TokenStream {
    let field = |field: &Field<'_>| {
        let ident = field.ident;
        emit!(self.#ident)
    };
    let rendered = rendered_key(record, field, |_| true);
    emit! {
        fn partition_key(
            &self,
            key: &mut ::std::string::String,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            #rendered
            ::core::result::Result::Ok(())
        }
    }
}

/// Returns statements that append the partition key to the string `key`. `place` returns the place of a field's value.
///
/// Only the name is appended of parts that read a field that is not `known`.
pub(super) fn rendered_key(
    record: &Record<'_>,
    place: impl Fn(&Field<'_>) -> TokenStream,
    known: impl Fn(&Field<'_>) -> bool,
) -> TokenStream {
    let is_known = |part: &PartAttr| part.expr.fields().into_iter().all(|ident| record.field(ident).is_none_or(&known));
    let mut fields: Vec<&Field<'_>> = Vec::new();
    let known_parts = record.parts().iter().filter(|part| is_known(part));
    for field in known_parts.flat_map(|part| part.expr.fields()).filter_map(|ident| record.field(ident)) {
        if !fields.iter().any(|other| other.name == field.name) {
            fields.push(field);
        }
    }
    let readings = fields.iter().enumerate().map(|(index, field)| {
        let (place, name) = (place(field), field.column());
        let (reading, value) = (local("reading", index), local("field", index));
        let stored = call(field, &encoding(field), "stored", &emit!(&#place));
        emit! {
            let #reading = _s3store::in_column(#stored, #name)?;
            let #value = #reading.as_ref().unwrap_or(&#place);
        }
    });
    let value = |ident: &Ident| {
        let mut value = local("field", fields.iter().position(|field| field.is(ident)).unwrap_or_default());
        value.set_span(located(ident.span()));
        value
    };
    let parts = record.parts().iter().enumerate().map(|(index, part)| {
        let start = format!("{}{}=", if index == 0 { "" } else { "/" }, part.name);
        let name = &part.name;
        if !is_known(part) {
            let start = start.trim_end_matches('=');
            return emit!(key.push_str(#start););
        }
        let render = match &part.expr {
            PartExpr::Field(field) => {
                let ty = field_type(record, field);
                let at = located(ty.map_or_else(|| field.span(), Spanned::span));
                let value = value(field);
                quote_spanned!(at=> <#ty as _s3store::PartitionValue>::render(#value, key))
            }
            PartExpr::Format(field, format) => {
                let value = value(field);
                quote_spanned!(located(field.span())=> _s3store::push_time(#value, #format, key))
            }
            PartExpr::Pad(field, width) => {
                let value = value(field);
                quote_spanned!(located(field.span())=> _s3store::push_padded(#value, #width, key))
            }
            PartExpr::Call(path, fields) => {
                let arguments = fields.iter().map(&value);
                quote_spanned!(located(path.span())=> _s3store::PartitionValue::render(&#path(#(#arguments),*), key))
            }
        };
        emit!(key.push_str(#start); _s3store::in_partition(#render, #name)?;)
    });
    emit!(#(#readings)* #(#parts)*)
}
