//! `#[derive(ColumnType)]`: nested structs, newtypes, unit enums.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields};

use super::{in_const, nested, newtype, unit_enum};
use crate::attr::{ColumnAttrs, FieldAttrs};
use crate::check;
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::krate;
use crate::model::{Field, no_generics};

/// The implementation of a column type, or its errors.
pub(crate) fn column_type(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let attrs = ColumnAttrs::read(&cx, &input.attrs);
    no_generics(&cx, input, "a column type is one type");
    let items = items(&cx, input, &attrs);
    match items {
        Some(items) if cx.count() == 0 => in_const(&krate::path(&attrs.krate), &items),
        _ => fallback::column_type(input, &attrs, cx),
    }
}

fn items(cx: &Ctxt, input: &DeriveInput, attrs: &ColumnAttrs) -> Option<TokenStream> {
    let data = match &input.data {
        Data::Struct(data) => data,
        Data::Enum(data) => return unit_enum::items(cx, &input.ident, data, attrs),
        Data::Union(data) => {
            cx.error(data.union_token, "a column holds a struct, a newtype or an enum without fields; this is a union");
            return None;
        }
    };
    if let Some(repr) = &attrs.repr {
        cx.error(&repr.key, "`repr` is for enums: the integer that one is stored as");
    }
    match &data.fields {
        Fields::Named(named) => {
            let mut fields = Field::read_all(cx, named, "column");
            for field in &mut fields {
                field.renamed = attrs.rename_all.as_ref().map(|rule| rule.value.apply(&field.name));
            }
            check::columns(cx, &fields);
            if !fields.iter().any(Field::is_column) {
                cx.error(&input.ident, "a struct in a column needs at least one field that is stored");
            }
            Some(nested::items(&input.ident, &fields))
        }
        Fields::Unnamed(unnamed) => {
            if let Some(rule) = &attrs.rename_all {
                cx.error(&rule.key, "the fields of this struct have no names");
            }
            let mut types = unnamed.unnamed.iter();
            let (Some(inner), None) = (types.next(), types.next()) else {
                cx.error(unnamed, "a tuple struct in a column wraps one value; give the fields names to store many");
                return None;
            };
            let field = Field {
                ident: &input.ident,
                name: "0".to_owned(),
                ty: &inner.ty,
                attrs: FieldAttrs::read(cx, &inner.attrs, "column"),
                renamed: None,
            };
            newtype::check(cx, &field);
            Some(newtype::items(&input.ident, &field))
        }
        Fields::Unit => {
            cx.error(&input.ident, "a struct without fields has nothing to store");
            None
        }
    }
}
